//! Dead letters for people.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use messaging::{DeadLetter, Fate, State, Summary};

use super::bytes::{in_line, shown};

/// So much of an error fits beside the rest of a line.
const ERROR_WIDTH: usize = 100;

/// A line for each, with a heading.
pub(super) fn table(letters: &[Summary]) -> String {
    let heading =
        ["ID", "FIRST FAILED", "STATE", "TYPE", "RECORD", "ATTEMPTS", "ERROR"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(letters.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; 6] = std::array::from_fn(|column| width(column).unwrap_or_default());
    let mut table = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(table, "{cell:width$}  ");
        }
        table += &row[6];
        table.push('\n');
    }
    table
}

fn row(letter: &Summary) -> [String; 7] {
    [
        letter.id.to_string(),
        time(letter.first_failed_at),
        letter.fate.state().name().to_owned(),
        letter.event_type.clone().unwrap_or_else(|| "-".to_owned()),
        format!("{}/{}/{}", letter.topic, letter.partition, letter.offset),
        letter.attempts.to_string(),
        shortened(&in_line(letter.errors.join(": ").as_bytes())),
    ]
}

fn shortened(error: &str) -> String {
    match error.char_indices().nth(ERROR_WIDTH) {
        Some((end, _)) => format!("{}…", &error[..end]),
        None => error.to_owned(),
    }
}

/// All that is known of one.
pub(super) fn whole(letter: &DeadLetter) -> String {
    let summary = &letter.summary;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    let mut lines = vec![
        ("id", summary.id.to_string()),
        ("state", fate(&summary.fate)),
        ("type", or_none(summary.event_type.clone())),
        ("event id", or_none(summary.event_id.map(|id| id.to_string()))),
        ("topic", summary.topic.clone()),
        ("partition", summary.partition.to_string()),
        ("offset", summary.offset.to_string()),
        ("key", or_none(summary.key.as_deref().map(in_line))),
        ("attempts", summary.attempts.to_string()),
        ("first failed", time(summary.first_failed_at)),
        ("last failed", time(summary.last_failed_at)),
    ];
    let causes = std::iter::once("error").chain(std::iter::repeat("caused by"));
    lines.extend(causes.zip(summary.errors.iter().map(|error| in_line(error.as_bytes()))));
    let mut text = String::new();
    for (name, value) in lines {
        let _ = writeln!(text, "{name:14}{value}");
    }
    text += "\nheaders\n";
    for (name, value) in letter.header_names.iter().zip(&letter.header_values) {
        let _ = writeln!(text, "  {}: {}", in_line(name.as_bytes()), in_line(value));
    }
    match &letter.payload {
        None => text += "\nno body",
        Some(payload) => {
            let (body, is_text) = shown(payload);
            let kind = if is_text { "" } else { ", in base64" };
            let _ = write!(text, "\nbody ({} bytes{kind})\n{body}", payload.len());
        }
    }
    text
}

/// What became of one.
pub(super) fn fate(fate: &Fate) -> String {
    let at = fate.redriven_at.or(fate.discarded_at).map(time).unwrap_or_default();
    let by = in_line(fate.closed_by.as_deref().unwrap_or_default().as_bytes());
    match fate.state() {
        State::Open => "open".to_owned(),
        State::Redriven => format!("redriven at {at} by {by}"),
        State::Discarded => {
            let reason = in_line(fate.discard_reason.as_deref().unwrap_or_default().as_bytes());
            format!("discarded at {at} by {by}: {reason}")
        }
    }
}

/// To the second, as every command takes it.
pub(super) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn letter() -> DeadLetter {
        let failed = "2026-01-31T12:00:00.5Z".parse().unwrap();
        let fate =
            Fate { redriven_at: None, discarded_at: None, discard_reason: None, closed_by: None };
        DeadLetter {
            summary: Summary {
                id: Uuid::from_u128(7),
                topic: "orders.v1".to_owned(),
                partition: 3,
                offset: 4711,
                key: Some(b"ord_1".to_vec()),
                event_id: None,
                event_type: None,
                errors: vec!["cannot be processed".to_owned(), "the reason\nbehind".to_owned()],
                attempts: 2,
                first_failed_at: failed,
                last_failed_at: failed,
                fate,
            },
            header_names: vec!["type".to_owned(), "\u{fffd}".to_owned()],
            header_values: vec![b"OrderPraised".to_vec(), b"\xff".to_vec()],
            payload: Some(b"{}".to_vec()),
        }
    }

    #[test]
    fn all_of_one_is_shown() {
        let expected = "\
id            00000000-0000-0000-0000-000000000007
state         open
type          none
event id      none
topic         orders.v1
partition     3
offset        4711
key           ord_1
attempts      2
first failed  2026-01-31T12:00:00Z
last failed   2026-01-31T12:00:00Z
error         cannot be processed
caused by     the reason behind

headers
  type: OrderPraised
  \u{fffd}: base64:/w==

body (2 bytes)
{}";
        assert_eq!(whole(&letter()), expected);
        let binary = DeadLetter { payload: Some(b"\xff".to_vec()), ..letter() };
        assert!(whole(&binary).ends_with("body (1 bytes, in base64)\n/w=="));
        let tombstone = DeadLetter { payload: None, ..letter() };
        assert!(whole(&tombstone).ends_with("no body"));
    }

    #[test]
    fn a_table_has_a_line_for_each_with_its_columns_under_their_headings() {
        let short = letter().summary;
        let mut long = short.clone();
        long.event_type = Some("InventoryReservationFailed".to_owned());
        long.errors = vec!["e".repeat(200)];
        let table = table(&[short, long]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        let column = lines[0].find("RECORD").unwrap();
        for line in &lines[1..] {
            assert!(line[column..].starts_with("orders.v1/3/4711 "), "{table}");
        }
        assert!(lines[2].ends_with(&format!("{}…", "e".repeat(100))), "{table}");
    }

    #[test]
    fn who_closed_one_is_told_with_the_reason() {
        let at = Some("2026-01-31T12:00:00Z".parse().unwrap());
        let by = Some("ada".to_owned());
        let discarded = Fate {
            redriven_at: None,
            discarded_at: at,
            discard_reason: Some("a test".to_owned()),
            closed_by: by.clone(),
        };
        assert_eq!(fate(&discarded), "discarded at 2026-01-31T12:00:00Z by ada: a test");
        let redriven =
            Fate { redriven_at: at, discarded_at: None, discard_reason: None, closed_by: by };
        assert_eq!(fate(&redriven), "redriven at 2026-01-31T12:00:00Z by ada");
    }
}
