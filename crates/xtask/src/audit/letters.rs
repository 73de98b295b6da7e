//! Dead letters: those there are, and those there must be.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;
use sqlx::{AssertSqlSafe, PgConnection};
use test_support::stack::SERVICES;

use super::violation::{Breach, Violation};

/// A record that a service could not process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeadLetter {
    /// Who could not.
    pub service: String,
    /// Where the record is.
    pub topic: String,
    /// Where the record is.
    pub partition: i32,
    /// Where the record is.
    pub offset: i64,
}

impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, topic, partition, offset } = self;
        write!(f, "{topic}/{partition}/{offset} of {service}")
    }
}

/// The dead letters of all services; `connection` is the superuser's.
pub async fn kept(connection: &mut PgConnection) -> Result<BTreeSet<DeadLetter>> {
    let of = |service| {
        format!("SELECT '{service}', topic, partition, record_offset FROM {service}.dead_letters")
    };
    let query = SERVICES.map(of).join(" UNION ALL ");
    let rows: Vec<(String, String, i32, i64)> =
        sqlx::query_as(AssertSqlSafe(query)).fetch_all(connection).await?;
    let letter =
        |(service, topic, partition, offset)| DeadLetter { service, topic, partition, offset };
    Ok(rows.into_iter().map(letter).collect())
}

/// Compares those there are with those there must be.
pub fn compare(
    there: &BTreeSet<DeadLetter>,
    expected: &BTreeSet<DeadLetter>,
) -> impl Iterator<Item = Violation> {
    let texts =
        |letters: &mut dyn Iterator<Item = &DeadLetter>| letters.map(ToString::to_string).collect();
    let unplanned = texts(&mut there.difference(expected));
    let missing = texts(&mut expected.difference(there));
    let unplanned =
        Violation::of(Breach::DeadLetter, "there is no dead letter but for poison", unplanned);
    let missing =
        Violation::of(Breach::NoDeadLetter, "poison is a dead letter of every reader", missing);
    unplanned.into_iter().chain(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(offset: i64) -> DeadLetter {
        DeadLetter { service: "orders".into(), topic: "inventory.v1".into(), partition: 0, offset }
    }

    fn breaches(there: &[i64], expected: &[i64]) -> Vec<(Breach, Vec<String>)> {
        let set = |offsets: &[i64]| offsets.iter().map(|offset| letter(*offset)).collect();
        compare(&set(there), &set(expected)).map(|v| (v.breach, v.examples)).collect()
    }

    #[test]
    fn a_dead_letter_too_many_and_one_too_few_are_found() {
        let text = |offset| vec![format!("inventory.v1/0/{offset} of orders")];
        assert_eq!(breaches(&[1, 2], &[1, 2]), []);
        assert_eq!(breaches(&[1, 2], &[1]), [(Breach::DeadLetter, text(2))]);
        assert_eq!(breaches(&[1], &[1, 2]), [(Breach::NoDeadLetter, text(2))]);
    }
}
