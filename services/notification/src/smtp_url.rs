//! `smtp://user:password@host:port`.

use anyhow::{Context, bail, ensure};
use axum::http::Uri;
use lettre::transport::smtp::authentication::Credentials;

const DEFAULT_PORT: u16 = 25;

/// A mail server, and who we are there.
pub struct SmtpUrl {
    pub host: String,
    pub port: u16,
    pub credentials: Option<Credentials>,
}

impl SmtpUrl {
    /// Reads the URL. What is wrong with it is told without repeating it: it holds a password.
    pub fn parse(url: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().context("it is not a URL")?;
        if uri.scheme_str() == Some("smtps") {
            bail!(
                "TLS is not built in; name a mail server that takes mail without, such as a relay"
            );
        }
        ensure!(uri.scheme_str() == Some("smtp"), "it must begin with smtp://");
        ensure!(matches!(uri.path(), "" | "/") && uri.query().is_none(), "it ends after the port");
        let authority = uri.authority().context("it names no host")?;
        ensure!(!authority.host().is_empty(), "it names no host");
        let (user_info, address) = match authority.as_str().rsplit_once('@') {
            Some((user_info, address)) => (Some(user_info), address),
            None => (None, authority.as_str()),
        };
        let port = match address.strip_prefix(authority.host()) {
            Some("") => DEFAULT_PORT,
            rest => {
                let port = rest.and_then(|rest| rest.strip_prefix(':')?.parse().ok());
                port.context("its port is no number from 0 to 65535")?
            }
        };
        // Brackets are how URLs write IPv6 addresses; resolvers do not know them.
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let credentials = user_info.map(credentials).transpose()?;
        Ok(Self { host, port, credentials })
    }
}

fn credentials(user_info: &str) -> anyhow::Result<Credentials> {
    let (user, password) = user_info.split_once(':').context("it has no password")?;
    let decoded = decoded(user).zip(decoded(password));
    let (user, password) = decoded.context("its %-escapes are broken")?;
    Ok(Credentials::new(user, password))
}

/// Undoes %-escapes.
fn decoded(text: &str) -> Option<String> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = tail;
            continue;
        }
        let (escape, tail) = tail.split_at_checked(2)?;
        let digit = |at: usize| char::from(escape[at]).to_digit(16);
        bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_host_port_and_user() {
        let url =
            SmtpUrl::parse("smtp://shop%40example.org:p%3Ass%25@mail.example.org:587").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("mail.example.org", 587));
        let expected = Credentials::new("shop@example.org".to_owned(), "p:ss%".to_owned());
        assert!(url.credentials == Some(expected));

        for (text, host, port) in [
            ("smtp://localhost", "localhost", 25),
            ("smtp://127.0.0.1:2525/", "127.0.0.1", 2525),
            ("smtp://[::1]:2525", "::1", 2525),
        ] {
            let url = SmtpUrl::parse(text).unwrap();
            assert_eq!((url.host.as_str(), url.port), (host, port), "{text}");
            assert!(url.credentials.is_none());
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        for text in [
            "",
            "localhost",
            "localhost:25",
            "http://user:secret@localhost",
            "smtps://user:secret@localhost",
            "smtp://user:secret@",
            "smtp://user:secret@:25",
            "smtp://user:secret@localhost:port",
            "smtp://user:secret@localhost:99999",
            "smtp://user:secret%4@localhost",
            "smtp://user:secret%xx@localhost",
            "smtp://user:secret%ff@localhost",
            "smtp://user@localhost",
            "smtp://user:secret@localhost/path",
            "smtp://user:secret@localhost?tls=required",
        ] {
            let Err(error) = SmtpUrl::parse(text) else { panic!("{text} was taken") };
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
