//! Imports run one way: services → service-kit → messaging → spans → contracts.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use test_support::stack::{SERVICES, checkout};

/// A package of the workspace and what it names in its manifest.
#[derive(Debug, Default)]
struct Package {
    is_service: bool,
    /// Needed to build it, or by its build script.
    normal: BTreeSet<String>,
    /// Needed by its tests only.
    dev: BTreeSet<String>,
}

/// The crates of the workspace that a crate may build on; `None` for one that has no place yet.
fn allowed(name: &str, package: &Package) -> Option<&'static [&'static str]> {
    match name {
        "contracts" => Some(&[]),
        "spans" | "test-support" => Some(&["contracts"]),
        "messaging" => Some(&["contracts", "spans"]),
        "service-kit" => Some(&["contracts", "messaging", "spans"]),
        // Of `bench`, the plan and the outcome of a run alone.
        "xtask" => Some(&["bench", "contracts", "test-support"]),
        // `bench` hears of the ends of orders from the topics, and is compared with what services are made of; nobody
        // but the command that starts it may depend on it. `boutique` asks the brokers by what messaging says of
        // them, and has the kit's variables.
        "bench" | "boutique" => Some(&["contracts", "messaging", "service-kit"]),
        // Plays the services against each other. Nobody may depend on it.
        "simulation" => Some(&[
            "contracts",
            "messaging",
            "orders",
            "inventory",
            "payments",
            "expiration",
            "notification",
        ]),
        _ if package.is_service => Some(&["contracts", "messaging", "service-kit", "spans"]),
        _ => None,
    }
}

fn violations(packages: &BTreeMap<String, Package>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, package) in packages {
        let Some(allowed) = allowed(name, package) else {
            found.push(format!("{name} has no place among the layers"));
            continue;
        };
        let ours = |of: &BTreeSet<String>| -> Vec<String> {
            of.iter().filter(|other| packages.contains_key(*other)).cloned().collect()
        };
        for other in ours(&package.normal) {
            if !allowed.contains(&other.as_str()) {
                found.push(format!("{name} must not depend on {other}"));
            }
        }
        for other in ours(&package.dev) {
            // Tests may use what the crate may use, the crate's own parts for tests, and the
            // servers of tests.
            let for_tests = other == "test-support" || other == *name;
            if !for_tests && !allowed.contains(&other.as_str()) {
                found.push(format!("{name} must not depend on {other}, not even for its tests"));
            }
        }
        let knows_kafka = package.normal.contains("rdkafka") || package.dev.contains("rdkafka");
        // `bench` compares the services with a bare client of Kafka's, which must not be the one they have.
        if knows_kafka && !["messaging", "test-support", "bench"].contains(&name.as_str()) {
            found.push(format!("{name} must not know rdkafka"));
        }
    }
    found
}

/// Everything that `name` is built with, however deep.
fn built_with(name: &str) -> BTreeSet<String> {
    let tree = ["tree", "--package", name, "--edges", "normal", "--prefix", "none"];
    let words = |line: &str| line.split(' ').next().map(str::to_owned);
    String::from_utf8(cargo(&tree)).unwrap().lines().filter_map(words).collect()
}

fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--offline")
        .current_dir(checkout())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn workspace() -> BTreeMap<String, Package> {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_slice(&metadata).unwrap();
    let services = checkout().join("services");
    list(&metadata["packages"])
        .map(|package| {
            let names = |dev: bool| {
                list(&package["dependencies"])
                    .filter(|dependency| (dependency["kind"] == "dev") == dev)
                    .map(|dependency| text(&dependency["name"]).to_owned())
                    .collect()
            };
            let is_service =
                text(&package["manifest_path"]).starts_with(services.to_str().unwrap());
            let entry = Package { is_service, normal: names(false), dev: names(true) };
            (text(&package["name"]).to_owned(), entry)
        })
        .collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn imports_run_one_way() {
    let packages = workspace();
    for service in SERVICES {
        assert!(packages[service].is_service, "{service} is not under services/");
    }
    assert_eq!(violations(&packages), Vec::<String>::new());
}

#[test]
fn contracts_are_free_of_runtimes() {
    assert!(built_with("messaging").contains("rdkafka"), "the search finds nothing");
    let found = built_with("contracts");
    for runtime in ["tokio", "sqlx", "sqlx-core", "rdkafka"] {
        assert!(!found.contains(runtime), "contracts is built with {runtime}");
    }
}

#[test]
fn each_wrong_way_is_found() {
    let package = |is_service, normal: &[&str], dev: &[&str]| {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Package { is_service, normal: set(normal), dev: set(dev) }
    };
    let right = || {
        BTreeMap::from(
            [
                ("contracts", package(false, &["serde"], &["proptest"])),
                ("messaging", package(false, &["contracts", "rdkafka"], &["test-support"])),
                ("service-kit", package(false, &["contracts", "messaging"], &["test-support"])),
                ("test-support", package(false, &["contracts", "rdkafka"], &[])),
                ("orders", package(true, &["messaging", "service-kit"], &["test-support"])),
                ("auth", package(true, &["contracts"], &[])),
                ("simulation", package(false, &["messaging", "orders"], &[])),
            ]
            .map(|(name, package)| (name.to_owned(), package)),
        )
    };
    assert_eq!(violations(&right()), Vec::<String>::new());

    let wrong = [
        (
            "contracts",
            package(false, &["messaging"], &[]),
            "contracts must not depend on messaging",
        ),
        (
            "messaging",
            package(false, &["service-kit"], &[]),
            "messaging must not depend on service-kit",
        ),
        (
            "test-support",
            package(false, &["messaging"], &[]),
            "test-support must not depend on messaging",
        ),
        ("orders", package(true, &["auth"], &[]), "orders must not depend on auth"),
        ("orders", package(true, &["test-support"], &[]), "orders must not depend on test-support"),
        ("orders", package(true, &["rdkafka"], &[]), "orders must not know rdkafka"),
        ("orders", package(true, &[], &["rdkafka"]), "orders must not know rdkafka"),
        (
            "orders",
            package(true, &[], &["auth"]),
            "orders must not depend on auth, not even for its tests",
        ),
        (
            "messaging",
            package(false, &[], &["service-kit"]),
            "messaging must not depend on service-kit, not even for its tests",
        ),
        (
            "orders",
            package(true, &[], &["simulation"]),
            "orders must not depend on simulation, not even for its tests",
        ),
        (
            "simulation",
            package(false, &["service-kit"], &[]),
            "simulation must not depend on service-kit",
        ),
        ("shared", package(false, &[], &[]), "shared has no place among the layers"),
    ];
    for (name, package, message) in wrong {
        let mut packages = right();
        packages.insert(name.to_owned(), package);
        assert_eq!(violations(&packages), [message]);
    }
}
