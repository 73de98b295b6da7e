//! Looks for secrets, and for what is personal, in the logs.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::parts;
use crate::ports::{KAFKA_NODES, POSTGRES};
use crate::stack::Stack;

/// What must be in no log.
#[derive(Debug, Clone)]
pub struct Secret {
    /// What it is, to be told where it is found.
    pub what: &'static str,
    /// It.
    pub text: String,
}

impl Secret {
    /// Of that kind.
    pub fn new(what: &'static str, text: &str) -> Self {
        Self { what, text: text.to_owned() }
    }
}

/// What the tokens of all begin with: `{"` in base64.
const TOKEN: &str = "eyJ";
/// What the sandbox's payment methods begin with.
const PAYMENT_METHOD: &str = "pm_card";

/// The secrets of the stack itself: the admin's, and those of the roles of its database.
pub fn of_stack(stack: &Stack) -> Vec<Secret> {
    let admin = &stack.description.admin;
    let mut secrets = vec![
        Secret::new("the admin's address", &admin.email),
        Secret::new("the admin's password", &admin.password),
    ];
    let urls = stack.services.database_urls.values().chain([&stack.description.database_url]);
    let password = |url: &String| Some(url.split_once('@')?.0.rsplit_once(':')?.1.to_owned());
    secrets
        .extend(urls.filter_map(password).map(|text| Secret { what: "a database password", text }));
    secrets
}

/// Where the secrets are, by file and line: in the logs of every start of every replica, and of the servers.
pub fn search(stack: &Stack, secrets: &[Secret]) -> Result<Vec<String>> {
    let folders = &stack.folders;
    let mut logs: Vec<PathBuf> =
        KAFKA_NODES.into_iter().chain([POSTGRES]).map(|part| parts::log(folders, part)).collect();
    for entry in folders.local().read_dir()? {
        logs.push(entry?.path());
    }
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    let mut found = Vec::new();
    for path in logs {
        let log = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            log => log.with_context(|| format!("cannot read {}", path.display()))?,
        };
        for (number, line) in (1..).zip(BufReader::new(log).split(b'\n')) {
            if let Some(what) = in_line(&String::from_utf8_lossy(&line?), secrets) {
                found.push(format!("{}:{number} has {what}", path.display()));
            }
        }
    }
    Ok(found)
}

/// The kind of secret that stands in a line.
fn in_line(line: &str, secrets: &[Secret]) -> Option<&'static str> {
    let of_token = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let is_token = |rest: &str| rest.chars().take_while(|c| of_token(*c)).count() >= 10;
    if line.split(TOKEN).skip(1).any(is_token) {
        return Some("a token");
    }
    if line.contains(PAYMENT_METHOD) {
        return Some("a payment method");
    }
    secrets.iter().find(|secret| line.contains(&secret.text)).map(|secret| secret.what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_and_nothing_else_is() {
        let secrets =
            [Secret::new("a password", "open sesame"), Secret::new("an address", "a@b.example")];
        let what = |line| in_line(line, &secrets);
        assert_eq!(what("signed in with open sesame!"), Some("a password"));
        assert_eq!(what("to=<a@b.example>"), Some("an address"));
        assert_eq!(what("authorization: Bearer eyJhbGciOiJFZERTQSJ9.x"), Some("a token"));
        assert_eq!(what("method=pm_card_ok"), Some("a payment method"));
        for line in ["", "eyJ", "heyJude", "order=ord_01 payment=pay_01", "a@c.example", "open"] {
            assert_eq!(what(line), None, "{line}");
        }
    }
}
