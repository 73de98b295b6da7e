//! Each rule of the audit finds what breaks it, in the schemas as the services have them.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::TestEnv;
use test_support::stack::SERVICES;
use xtask::audit::kept::Kept;
use xtask::audit::{DeadLetter, dead_letters, rules, violations};

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

/// The world in a database of its own.
async fn world() -> PgConnection {
    let env = TestEnv::new("orders").await;
    for service in SERVICES {
        migrate(&env.database_url_of(service).await, service).await;
    }
    let mut connection = env.superuser().await;
    sqlx::raw_sql(WORLD).execute(&mut connection).await.unwrap();
    connection
}

#[tokio::test]
async fn each_rule_finds_what_breaks_it_and_nothing_where_all_adds_up() {
    let mut connection = world().await;
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

#[tokio::test]
async fn all_that_is_kept_is_read() {
    let kept = Kept::read(&mut world().await).await.unwrap();
    let lengths = [
        kept.orders.len(),
        kept.keys.len(),
        kept.reservations.len(),
        kept.payments.len(),
        kept.notifications.len(),
    ];
    assert_eq!(lengths, [5, 5, 5, 5, 10]);
    assert_eq!((kept.users.len(), kept.signing_keys.len(), kept.products.len()), (1, 1, 2));
    let completed = kept.orders.values().find(|order| order.status == "COMPLETED").unwrap();
    assert_eq!(kept.email_of(completed), "ada@example.org");
    assert_eq!((completed.total.minor, completed.lines.len()), (1500, 2));
    let steps = completed.history.iter().map(|change| (change.version, change.step.as_str()));
    let all = [(1, "CREATED"), (2, "INVENTORY_RESERVED"), (3, "COMPLETED")];
    assert_eq!(steps.collect::<Vec<_>>(), all);
    let stock = kept.stock[&"MUG".parse().unwrap()];
    assert_eq!((stock.on_hand, stock.reserved, stock.version), (8, 0, 5));
}

#[tokio::test]
async fn the_dead_letters_of_every_service_are_found() {
    let mut connection = world().await;
    for service in SERVICES {
        let plant = format!(
            "INSERT INTO {service}.dead_letters (id, topic, partition, record_offset, header_names,
                 header_values, errors, attempts, first_failed_at, last_failed_at)
             VALUES (uuidv7(), 'users.v1', 1, 2, '{{}}', '{{}}', '{{}}', 1, now(), now())"
        );
        sqlx::raw_sql(AssertSqlSafe(plant)).execute(&mut connection).await.unwrap();
    }
    let planted = SERVICES.map(|service| DeadLetter {
        service: service.to_owned(),
        topic: "users.v1".to_owned(),
        partition: 1,
        offset: 2,
    });
    assert_eq!(dead_letters(&mut connection).await.unwrap(), planted.into());
}
