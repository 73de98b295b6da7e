//! What the services say of themselves, for those who list them and may not be built with them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "only tests call it, and they end by a panic"
)]

use std::collections::BTreeMap;
use std::fs;

use crate::stack::checkout;

/// Every service there is, and the port it listens on unless told otherwise, by the sources.
///
/// # Panics
///
/// When one of them does not say it as the others do.
pub fn services() -> BTreeMap<String, u16> {
    let folders = fs::read_dir(checkout().join("services")).expect("the folder of the services");
    let folders = folders.map(|folder| folder.expect("a folder").path());
    folders
        .filter(|folder| folder.join("Cargo.toml").exists())
        .map(|folder| {
            let source = fs::read_to_string(folder.join("src/lib.rs")).unwrap_or_default();
            said(&source).unwrap_or_else(|| {
                panic!("{}: no `Service {{ name: …, port: …, … }}` in lib.rs", folder.display())
            })
        })
        .collect()
}

/// Name and port in a `Service { name: "…", port: …, … }`, however its lines are broken.
fn said(source: &str) -> Option<(String, u16)> {
    let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, said) = source.split_once("Service { name: \"")?;
    let (name, said) = said.split_once("\", port: ")?;
    let (port, _) = said.split_once(',')?;
    Some((name.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_however_its_lines_are_broken() {
        let orders = Some(("orders".to_owned(), 3002));
        let one =
            "const SERVICE: Service = Service { name: \"orders\", port: 3002, migrations: &[] };";
        let many = "= Service {\n    name: \"orders\",\n    port: 3002,\n    migrations: &[],\n};";
        assert_eq!(said(one), orders);
        assert_eq!(said(many), orders);
        assert_eq!(said("pub struct Service { name: &'static str, port: u16 }"), None);
    }
}
