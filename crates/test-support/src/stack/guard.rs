//! Servers that are spoken to by TLS alone, and by those they know.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};

/// What a server that is guarded proves itself by, and asks of its clients.
#[derive(Debug, Clone)]
pub struct Guard {
    /// A file with the certificate that clients must trust.
    pub ca: PathBuf,
    /// The one account that Kafka knows.
    pub username: String,
    /// Its password.
    pub password: String,
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Guard {
    /// A guard for servers at 127.0.0.1, whose certificate authority nobody else knows. Its certificate is put
    /// into `dir`.
    pub fn new(dir: &Path, username: &str, password: &str) -> Result<Self> {
        let (ca_key, server_key) = (key()?, key()?);
        let mut ca = certificate(CA, &ca_key)?;
        ca.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        ca.append_extension(KeyUsage::new().critical().key_cert_sign().build()?)?;
        ca.set_issuer_name(named(CA)?.as_ref())?;
        ca.sign(&ca_key, MessageDigest::sha256())?;
        let ca = ca.build();

        let mut server = certificate("127.0.0.1", &server_key)?;
        server.set_issuer_name(ca.subject_name())?;
        let names = SubjectAlternativeName::new()
            .ip("127.0.0.1")
            .build(&server.x509v3_context(Some(&ca), None))?;
        server.append_extension(names)?;
        server.sign(&ca_key, MessageDigest::sha256())?;

        let file = dir.join("ca.pem");
        fs::write(&file, ca.to_pem()?)?;
        Ok(Self {
            ca: file,
            username: username.to_owned(),
            password: password.to_owned(),
            certificate: String::from_utf8(server.build().to_pem()?)?,
            key: String::from_utf8(server_key.private_key_to_pem_pkcs8()?)?,
        })
    }

    /// What makes a Kafka node ask its clients for TLS and the account.
    pub(super) fn kafka_settings(&self) -> String {
        // A property is one line; backslashes go on in the next.
        let line = |pem: &str| pem.trim_end().replace('\n', "\\n");
        let Self { username, password, certificate, key, .. } = self;
        let listener = "listener.name.clients";
        format!(
            "listener.security.protocol.map=CLIENTS:SASL_SSL,BROKERS:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             {listener}.ssl.keystore.type=PEM\n\
             {listener}.ssl.keystore.certificate.chain={}\n\
             {listener}.ssl.keystore.key={}\n\
             {listener}.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN\n\
             {listener}.scram-sha-256.sasl.jaas.config={SCRAM} required;\n\
             {listener}.scram-sha-512.sasl.jaas.config={SCRAM} required;\n\
             {listener}.plain.sasl.jaas.config={PLAIN} required user_{username}=\"{password}\";\n",
            line(certificate),
            line(key),
        )
    }

    /// The accounts that SCRAM knows, as arguments of Kafka's formatting.
    pub(super) fn kafka_accounts(&self) -> Vec<String> {
        let Self { username, password, .. } = self;
        ["SCRAM-SHA-256", "SCRAM-SHA-512"]
            .into_iter()
            .flat_map(|mechanism| {
                [
                    "--add-scram".to_owned(),
                    format!("{mechanism}=[name={username},password={password}]"),
                ]
            })
            .collect()
    }
}

const CA: &str = "Boutique's tests";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";
const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";

fn key() -> Result<PKey<Private>> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(PKey::from_ec_key(EcKey::generate(&curve)?)?)
}

fn named(common: &str) -> Result<openssl::x509::X509Name> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, common)?;
    Ok(name.build())
}

/// All but who has issued it, and what it is for.
fn certificate(name: &str, key: &PKey<Private>) -> Result<X509Builder> {
    let mut serial = BigNum::new()?;
    serial.rand(159, openssl::bn::MsbOption::MAYBE_ZERO, false)?;
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(serial.to_asn1_integer()?.as_ref())?;
    certificate.set_subject_name(named(name)?.as_ref())?;
    certificate.set_pubkey(key)?;
    certificate.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    certificate.set_not_after(Asn1Time::days_from_now(2)?.as_ref())?;
    Ok(certificate)
}
