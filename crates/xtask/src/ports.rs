//! Which port each part of a stack listens on.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, bail};
use test_support::stack::{Cluster, SERVICES, free_port};

use crate::say;

/// The part that is Postgres, beside the services.
pub const POSTGRES: &str = "postgres";
/// The part that is Kafka.
pub const KAFKA: &str = "kafka";
/// The parts that are the nodes of Kafka, where there are several.
pub const KAFKA_NODES: [&str; Cluster::MOST] = [KAFKA, "kafka-2", "kafka-3"];

/// How ports are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// As configured by `BOUTIQUE_<PART>_PORT`, otherwise the part's default, or a free one where
    /// the default is taken.
    Configured,
    /// Free ones, for a stack beside others.
    Free,
}

/// Ports of all parts, held until each part is about to listen itself, so that nobody takes one
/// while the others start.
#[derive(Debug, Default)]
pub struct Ports {
    numbers: BTreeMap<&'static str, u16>,
    held: BTreeMap<&'static str, TcpListener>,
}

impl Ports {
    /// Chooses and holds a port for each of the given parts.
    ///
    /// # Errors
    ///
    /// When a port that was asked for is taken, or is no number.
    pub fn choose(names: &[&'static str], choice: Choice) -> Result<Self> {
        // Those that were asked for come first: no other part's default may take them.
        let mut ports = match choice {
            Choice::Configured => Self::configured(names)?,
            Choice::Free => Self::default(),
        };
        for &name in names {
            if ports.numbers.contains_key(name) {
                continue;
            }
            let default = default_port(name);
            if choice == Choice::Configured && ports.hold(name, default) {
                continue;
            }
            let port = free_port()?;
            if choice == Choice::Configured {
                say(&format!("port {default} of {name} is taken; using {port}"));
            }
            if !ports.hold(name, port) {
                bail!("port {port}, free a moment ago, is taken; try again");
            }
        }
        Ok(ports)
    }

    /// Chooses and holds the ports that are asked for by variables, and no others.
    ///
    /// # Errors
    ///
    /// When one of them is taken, or is no number.
    pub fn configured(names: &[&'static str]) -> Result<Self> {
        let given = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        if let Some(variable) = misspelt(given) {
            let parts = all_parts().join(", ");
            say(&format!("{variable} is the port of no part of this stack; its parts are {parts}"));
        }
        let mut ports = Self::default();
        for &name in names {
            let variable = variable(name);
            let Ok(text) = std::env::var(&variable) else { continue };
            let port = text
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .with_context(|| format!("{variable} is {text:?}, not a port"))?;
            if let Some((other, _)) = ports.numbers.iter().find(|(_, held)| **held == port) {
                bail!("{variable} and {} both ask for port {port}", self::variable(other));
            }
            if !ports.hold(name, port) {
                bail!("port {port}, which {variable} asks for, is taken");
            }
        }
        Ok(ports)
    }

    fn hold(&mut self, name: &'static str, port: u16) -> bool {
        let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) else { return false };
        self.numbers.insert(name, port);
        self.held.insert(name, listener);
        true
    }

    /// The port of a part, which may now be listened on.
    pub fn release(&mut self, name: &'static str) -> Result<u16> {
        self.held.remove(name);
        self.numbers.get(name).copied().with_context(|| format!("no port was chosen for {name}"))
    }

    /// All ports by part.
    pub fn numbers(&self) -> BTreeMap<String, u16> {
        self.numbers.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect()
    }
}

/// The variable that asks for the port of a part.
fn variable(part: &str) -> String {
    format!("BOUTIQUE_{}_PORT", part.to_uppercase())
}

fn all_parts() -> Vec<&'static str> {
    [POSTGRES].into_iter().chain(KAFKA_NODES).chain(SERVICES).collect()
}

/// The first of these variables that asks for the port of a part that there is not.
fn misspelt(mut given: impl Iterator<Item = String>) -> Option<String> {
    let known: Vec<_> = all_parts().into_iter().map(variable).collect();
    given.find(|name| {
        name.starts_with("BOUTIQUE_") && name.ends_with("_PORT") && !known.contains(name)
    })
}

fn default_port(name: &str) -> u16 {
    match name {
        POSTGRES => 5432,
        KAFKA => 9092,
        service => (3000..)
            .zip(SERVICES)
            .find_map(|(port, known)| (known == service).then_some(port))
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_no_part_is_named() {
        let of = |names: &[&str]| misspelt(names.iter().map(|name| (*name).to_owned()));
        assert_eq!(of(&["PORT", "BOUTIQUE_ORDERS_PORT", "BOUTIQUE_TEST_DATABASE_URL"]), None);
        let found = of(&["BOUTIQUE_KAFKA_PORT", "BOUTIQUE_ORDER_PORT"]);
        assert_eq!(found.as_deref(), Some("BOUTIQUE_ORDER_PORT"));
    }

    #[test]
    fn every_service_has_the_port_that_it_takes_by_itself() {
        let services = test_support::services();
        assert_eq!(services.len(), SERVICES.len(), "{services:?}");
        for (service, port) in services {
            assert_eq!(default_port(&service), port, "{service}, in this order in SERVICES?");
        }
    }
}
