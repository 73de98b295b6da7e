//! Each rule of the audit finds what breaks it, in the schemas as the services have them.

use std::collections::BTreeSet;

use sqlx::Connection;
use test_support::TestEnv;
use test_support::stack::SERVICES;
use xtask::audit::{rules, violations};

use crate::migrations::migrate;

/// Orders of every end, in which everything adds up.
const WORLD: &str = include_str!("audit/world.sql");

/// Changes that break a rule each.
const PLANTINGS: &str = include_str!("audit/plantings.sql");

/// The rules of the plantings, each with changes that break it.
fn plantings() -> impl Iterator<Item = (&'static str, impl Iterator<Item = &'static str>)> {
    PLANTINGS.split("\n--- ").skip(1).map(|section| {
        let (rule, changes) = section.split_once('\n').unwrap();
        (rule, changes.split("\n\n").map(str::trim).filter(|change| !change.is_empty()))
    })
}

#[tokio::test]
async fn each_rule_finds_what_breaks_it_and_nothing_where_all_adds_up() {
    let env = TestEnv::new("orders").await;
    for service in SERVICES {
        migrate(&env.database_url_of(service).await, service).await;
    }
    let mut connection = env.superuser().await;
    sqlx::raw_sql(WORLD).execute(&mut connection).await.unwrap();
    assert_eq!(violations(&mut connection).await.unwrap(), []);

    let planted: BTreeSet<_> = plantings().map(|(rule, _)| rule).collect();
    let all = rules();
    let names: BTreeSet<_> = all.iter().map(|rule| rule.name).collect();
    assert_eq!(planted, names, "something that breaks it, for every rule");
    for (rule, changes) in plantings() {
        for change in changes {
            let mut tx = connection.begin().await.unwrap();
            sqlx::raw_sql(change).execute(&mut *tx).await.unwrap();
            let found = violations(&mut tx).await.unwrap();
            let counts = found.iter().filter(|found| found.rule == rule).map(|found| found.count);
            assert_eq!(counts.collect::<Vec<_>>(), [1], "{rule}: {change}: {found:?}");
            tx.rollback().await.unwrap();
        }
    }
}
