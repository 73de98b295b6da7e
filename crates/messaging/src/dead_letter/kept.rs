//! Dead letters as they are kept.

use chrono::{DateTime, Utc};
use contracts::{events::EventType, topic::Topic};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use super::UNREADABLE;
use crate::record::{self, Decoded, Place, Poison};

/// What a dead letter is, without the record itself.
#[derive(Debug, Clone, FromRow)]
pub struct Summary {
    /// Its id; later ones have greater ids.
    pub id: Uuid,
    /// Where the record was read, without the installation's prefix.
    pub topic: String,
    /// Where the record was read.
    pub partition: i32,
    /// Where the record was read.
    #[sqlx(rename = "record_offset")]
    pub offset: i64,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The event's id, if the record said one.
    pub event_id: Option<Uuid>,
    /// The event's type, if it is one that is known.
    pub event_type: Option<String>,
    /// Why the last attempt failed: the error and its causes, outermost first.
    pub errors: Vec<String>,
    /// How often it was tried.
    pub attempts: i32,
    /// When it failed for the first time.
    pub first_failed_at: DateTime<Utc>,
    /// When it failed for the last time.
    pub last_failed_at: DateTime<Utc>,
    /// What became of it.
    #[sqlx(flatten)]
    pub fate: Fate,
}

/// What became of a dead letter; nothing yet while it is open.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Fate {
    /// When it was processed after all.
    pub redriven_at: Option<DateTime<Utc>>,
    /// When somebody gave it up.
    pub discarded_at: Option<DateTime<Utc>>,
    /// Why.
    pub discard_reason: Option<String>,
    /// Who did either.
    pub closed_by: Option<String>,
}

/// Whether a dead letter still waits for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does.
    Open,
    /// It was processed after all.
    Redriven,
    /// It was given up.
    Discarded,
}

impl State {
    /// Its name, as columns and commands have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Redriven => "redriven",
            Self::Discarded => "discarded",
        }
    }
}

impl Fate {
    /// Whether anything became of it.
    pub fn state(&self) -> State {
        match (self.redriven_at, self.discarded_at) {
            (Some(_), _) => State::Redriven,
            (None, Some(_)) => State::Discarded,
            (None, None) => State::Open,
        }
    }
}

/// A dead letter with its record.
#[derive(Debug, Clone, FromRow)]
pub struct DeadLetter {
    /// All but the record.
    #[sqlx(flatten)]
    pub summary: Summary,
    /// Names of the record's headers; U+FFFD stands for one that is not UTF-8.
    pub header_names: Vec<String>,
    /// Their values.
    pub header_values: Vec<Vec<u8>>,
    /// The record's body; none in a tombstone.
    pub payload: Option<Vec<u8>>,
}

/// What may change of a dead letter, held still by a lock.
#[derive(Debug, FromRow)]
pub(super) struct Locked {
    pub(super) id: Uuid,
    marked_inbox: bool,
    #[sqlx(flatten)]
    pub(super) fate: Fate,
}

impl Locked {
    /// Whether its event is in the inbox because of it, although it was not processed.
    pub(super) fn stands_for_its_event(&self) -> bool {
        self.marked_inbox && self.fate.redriven_at.is_none()
    }
}

impl DeadLetter {
    /// Reads the record once more, as this version of the service understands it.
    pub(super) fn decode(&self, wants: &[EventType]) -> Decoded {
        let Summary { topic, partition, offset, event_id, .. } = &self.summary;
        let Some(topic) = Topic::from_name(topic) else {
            let errors = vec![format!("this version knows no topic {topic}")];
            return Decoded::Poison(Poison { errors, event_id: *event_id, event_type: None });
        };
        let headers = self.header_names.iter().zip(&self.header_values);
        let headers = headers
            .map(|(name, value)| (name != UNREADABLE.0).then_some((name.as_str(), &value[..])))
            .collect();
        let place = Place { topic, partition: *partition, offset: *offset };
        record::decode_parts(headers, self.payload.as_deref(), place, wants)
    }
}

/// Which dead letters to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those in this state alone.
    pub state: Option<State>,
    /// Those of this type of event alone.
    pub event_type: Option<String>,
    /// Those from this topic alone, without the installation's prefix.
    pub topic: Option<String>,
    /// Those that failed for the first time at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Those that failed for the first time before this time.
    pub until: Option<DateTime<Utc>>,
}

/// The columns are named: one added later must not change what running replicas have prepared.
macro_rules! summary {
    () => {
        "id, topic, partition, record_offset, key, event_id, event_type, errors, attempts,
         first_failed_at, last_failed_at, redriven_at, discarded_at, discard_reason, closed_by"
    };
}

/// The oldest ones that match, behind `after`.
pub(super) async fn list(
    pool: &PgPool,
    filter: &Filter,
    after: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Summary>> {
    sqlx::query_as(concat!(
        "SELECT ",
        summary!(),
        " FROM dead_letters
         WHERE ($1 IS NULL OR $1 = CASE WHEN redriven_at IS NOT NULL THEN 'redriven'
                                        WHEN discarded_at IS NOT NULL THEN 'discarded'
                                        ELSE 'open' END)
           AND ($2 IS NULL OR event_type = $2)
           AND ($3 IS NULL OR topic = $3)
           AND ($4 IS NULL OR first_failed_at >= $4)
           AND ($5 IS NULL OR first_failed_at < $5)
           AND ($6 IS NULL OR id > $6)
         ORDER BY id LIMIT $7",
    ))
    .bind(filter.state.map(State::name))
    .bind(&filter.event_type)
    .bind(&filter.topic)
    .bind(filter.since)
    .bind(filter.until)
    .bind(after)
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// One of them, whole.
pub(super) async fn find(
    connection: &mut PgConnection,
    id: Uuid,
) -> sqlx::Result<Option<DeadLetter>> {
    sqlx::query_as(concat!(
        "SELECT ",
        summary!(),
        ", header_names, header_values, payload FROM dead_letters WHERE id = $1",
    ))
    .bind(id)
    .fetch_optional(connection)
    .await
}

/// Locks one of them, and all others of the same event, for as long as the transaction lasts; in the order
/// of their ids, so that two who do so wait for each other.
pub(super) async fn lock(
    connection: &mut PgConnection,
    id: Uuid,
    event_id: Option<Uuid>,
) -> sqlx::Result<Vec<Locked>> {
    sqlx::query_as(
        "SELECT id, marked_inbox, redriven_at, discarded_at, discard_reason, closed_by
         FROM dead_letters WHERE id = $1 OR event_id = $2 ORDER BY id FOR UPDATE",
    )
    .bind(id)
    .bind(event_id)
    .fetch_all(connection)
    .await
}
