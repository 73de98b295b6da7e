//! Where the brokers are, and how they are spoken to.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use messaging::{KafkaConfig, Sasl, Tls};

/// The Kafka cluster. Not `Debug`: it may hold a password.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaArgs {
    /// Brokers to start from, as host:port, separated by commas
    #[arg(
        long,
        env = "KAFKA_BROKERS",
        value_name = "KAFKA_BROKERS",
        default_value = "127.0.0.1:9092"
    )]
    pub kafka_brokers: String,
    /// Put before every topic and group name, so that several installations can share a cluster
    #[arg(long, env = "KAFKA_TOPIC_PREFIX", value_name = "KAFKA_TOPIC_PREFIX", default_value = "")]
    pub kafka_topic_prefix: String,
    /// How the brokers are spoken to
    #[arg(
        long,
        env = "KAFKA_SECURITY_PROTOCOL",
        value_name = "KAFKA_SECURITY_PROTOCOL",
        default_value = "plaintext",
        ignore_case = true
    )]
    pub kafka_security_protocol: SecurityProtocol,
    /// File of certificates (PEM) that the brokers' must be signed by, where the protocol has TLS; those that the
    /// system trusts unless it is given
    #[arg(long, env = "KAFKA_SSL_CA_LOCATION", value_name = "KAFKA_SSL_CA_LOCATION")]
    pub kafka_ssl_ca_location: Option<PathBuf>,
    /// How the account is proved, where the protocol has SASL
    #[arg(
        long,
        env = "KAFKA_SASL_MECHANISM",
        value_name = "KAFKA_SASL_MECHANISM",
        default_value = "SCRAM-SHA-512",
        ignore_case = true
    )]
    pub kafka_sasl_mechanism: SaslMechanism,
    /// The account, where the protocol has SASL
    #[arg(long, env = "KAFKA_SASL_USERNAME", value_name = "KAFKA_SASL_USERNAME")]
    pub kafka_sasl_username: Option<String>,
    /// The account's password
    #[arg(
        long,
        env = "KAFKA_SASL_PASSWORD",
        hide_env_values = true,
        value_name = "KAFKA_SASL_PASSWORD"
    )]
    pub kafka_sasl_password: Option<String>,
}

/// By the names that Kafka has for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum SecurityProtocol {
    /// Neither encrypted nor with an account.
    Plaintext,
    /// With TLS.
    Ssl,
    /// With an account, which everybody on the way can read.
    SaslPlaintext,
    /// With TLS and an account.
    SaslSsl,
}

/// By the names that Kafka has for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SaslMechanism {
    /// The password itself is sent.
    #[value(name = "PLAIN")]
    Plain,
    /// Both sides prove that they know it.
    #[value(name = "SCRAM-SHA-256")]
    ScramSha256,
    /// Both sides prove that they know it.
    #[value(name = "SCRAM-SHA-512")]
    ScramSha512,
}

impl KafkaArgs {
    /// How clients are set up. Fails where an account is needed and not told.
    pub fn config(self) -> anyhow::Result<KafkaConfig> {
        let (with_tls, with_sasl) = match self.kafka_security_protocol {
            SecurityProtocol::Plaintext => (false, false),
            SecurityProtocol::Ssl => (true, false),
            SecurityProtocol::SaslPlaintext => (false, true),
            SecurityProtocol::SaslSsl => (true, true),
        };
        let tls = with_tls.then_some(Tls { ca_location: self.kafka_ssl_ca_location });
        if let Some(path) = tls.as_ref().and_then(|tls| tls.ca_location.as_ref()) {
            ensure!(path.is_file(), "KAFKA_SSL_CA_LOCATION is no file: {}", path.display());
        }
        let sasl = if with_sasl {
            let needed = "is needed by KAFKA_SECURITY_PROTOCOL with SASL";
            Some(Sasl {
                mechanism: match self.kafka_sasl_mechanism {
                    SaslMechanism::Plain => "PLAIN",
                    SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
                    SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
                }
                .to_owned(),
                username: self
                    .kafka_sasl_username
                    .with_context(|| format!("KAFKA_SASL_USERNAME {needed}"))?,
                password: self
                    .kafka_sasl_password
                    .with_context(|| format!("KAFKA_SASL_PASSWORD {needed}"))?,
            })
        } else {
            None
        };
        Ok(KafkaConfig {
            brokers: self.kafka_brokers,
            topic_prefix: self.kafka_topic_prefix,
            tls,
            sasl,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    fn config(arguments: &[&str]) -> anyhow::Result<KafkaConfig> {
        let command = KafkaArgs::augment_args(clap::Command::new("kafka").no_binary_name(true));
        KafkaArgs::from_arg_matches(&command.try_get_matches_from(arguments)?)?.config()
    }

    #[test]
    fn nothing_is_spoken_but_what_was_asked_for() {
        let account = ["--kafka-sasl-username", "boutique", "--kafka-sasl-password", "secret"];
        let plain = config(&account).unwrap();
        assert!(plain.tls.is_none() && plain.sasl.is_none());
        let both = ["--kafka-security-protocol", "SASL_SSL"];
        let both = config(&[&both[..], &account[..]].concat()).unwrap();
        let sasl = both.sasl.unwrap();
        assert!(both.tls.is_some());
        assert_eq!(sasl.mechanism, "SCRAM-SHA-512");
        assert!(!format!("{sasl:?}").contains("secret"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |arguments| config(arguments).unwrap_err().to_string();
        let sasl = ["--kafka-security-protocol", "sasl_plaintext"];
        assert!(error(&sasl).starts_with("KAFKA_SASL_USERNAME is needed"));
        let with_name = [&sasl[..], &["--kafka-sasl-username", "boutique"][..]].concat();
        assert!(error(&with_name).starts_with("KAFKA_SASL_PASSWORD is needed"));
        let nowhere = ["--kafka-security-protocol", "ssl", "--kafka-ssl-ca-location", "/nowhere"];
        assert!(error(&nowhere).contains("KAFKA_SSL_CA_LOCATION"));
        assert!(error(&["--kafka-sasl-mechanism", "GSSAPI"]).contains("SCRAM-SHA-256"));
    }
}
