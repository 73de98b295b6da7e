//! For the tests of services: a kit without a command line, and tokens without auth.

mod access;
mod documents;
mod forged;
mod operations;
mod service;

pub use access::Access;
pub use service::{TestCaller, TestService};

use std::net::{Ipv4Addr, SocketAddr};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::{PublicKey, Role, SigningAlgorithm, SigningKeyPublished};
use contracts::ids::CustomerId;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use messaging::KafkaConfig;
use serde::Serialize;
use sqlx::PgPool;

use crate::end::End;
use crate::kit::Kit;
use crate::tokens::{AUDIENCE, Claims, ISSUER};

/// A kit on a migrated database that listens on a free port of the loopback device.
pub fn kit(service: &'static str, pool: PgPool, kafka: KafkaConfig) -> anyhow::Result<Kit> {
    let listen_addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Kit::new(service, pool, kafka, listen_addr, End::new())
}

/// Signs tokens as auth does, with a key that is no secret: the first test vector of RFC 8032.
pub struct TestSigner {
    key: EncodingKey,
}

const KEY_ID: &str = "test";

const SECRET_KEY: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];

pub(crate) const PUBLIC_KEY: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

/// What stands before the 32 bytes of an Ed25519 key in PKCS #8.
const PKCS8_START: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

impl TestSigner {
    /// The signer; all have the same key.
    pub fn new() -> Self {
        let pkcs8 = [PKCS8_START.as_slice(), SECRET_KEY.as_slice()].concat();
        Self { key: EncodingKey::from_ed_der(&pkcs8) }
    }

    /// The event that publishes the key, for `store_signing_key`. Valid for a day.
    pub fn published(&self) -> SigningKeyPublished {
        let now = Utc::now();
        SigningKeyPublished {
            key_id: KEY_ID.to_owned(),
            algorithm: SigningAlgorithm::EdDsa,
            public_key: PublicKey::from_bytes(&PUBLIC_KEY),
            not_before: now - TimeDelta::hours(1),
            expires_at: now + TimeDelta::days(1),
            published_at: now,
            trace_id: messaging::new_trace().trace_id,
        }
    }

    /// A token for an hour.
    pub fn token(&self, customer: CustomerId, role: Role) -> anyhow::Result<String> {
        self.token_until(customer, role, Utc::now() + TimeDelta::hours(1))
    }

    /// A token that ends at a time, which may be past.
    pub fn token_until(
        &self,
        customer: CustomerId,
        role: Role,
        expires_at: DateTime<Utc>,
    ) -> anyhow::Result<String> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: customer,
            role,
            iat: Utc::now().timestamp(),
            exp: expires_at.timestamp(),
        };
        self.sign(&claims)
    }

    /// A token of any content, right or wrong.
    pub fn sign(&self, claims: &impl Serialize) -> anyhow::Result<String> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(KEY_ID.to_owned());
        Ok(jsonwebtoken::encode(&header, claims, &self.key)?)
    }
}

impl Default for TestSigner {
    fn default() -> Self {
        Self::new()
    }
}
