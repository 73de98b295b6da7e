use std::error::Error as StdError;

use crate::outbox::PublishError;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a handler could not process its batch.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// Will go away by itself (connection, deadlock, time-out): the whole batch is tried again, without
    /// end.
    #[error("transient failure")]
    Transient(#[source] BoxError),
    /// Another transaction inserted the same row first. Trying again finds the row; if it does not, the
    /// record is at fault.
    #[error("conflict with a concurrent transaction")]
    Conflict(#[source] BoxError),
    /// Will fail in the same way for ever: the record becomes a dead letter.
    #[error("cannot be processed")]
    Permanent(#[source] BoxError),
}

impl HandlerError {
    /// For a record that no retry can make processable.
    pub fn permanent(cause: impl Into<BoxError>) -> Self {
        Self::Permanent(cause.into())
    }
}

impl From<sqlx::Error> for HandlerError {
    fn from(error: sqlx::Error) -> Self {
        if is_database_unavailable(&error) {
            Self::Transient(error.into())
        } else if sqlstate(&error).as_deref() == Some("23505") {
            Self::Conflict(error.into())
        } else {
            Self::Permanent(error.into())
        }
    }
}

impl From<PublishError> for HandlerError {
    fn from(error: PublishError) -> Self {
        Self::permanent(error)
    }
}

/// Whether the same transaction may succeed later without any change: the database is away, restarting,
/// out of resources, or it chose this transaction to end a deadlock or a wait.
///
/// Looks through the whole chain of causes for an error of sqlx.
pub fn is_database_unavailable(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<sqlx::Error>())
        .any(passes)
}

fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(_) => sqlstate(error).is_some_and(|code| {
            // Classes (PostgreSQL documentation, appendix A): 08 connection, 53 resources, 57 operator
            // intervention (shutdown, query cancelled by a time-out), 58 system error, 25P03/25P04
            // time-outs of the transaction, 40 rollback (serialization, deadlock), 55P03 lock not
            // available, 25006 a standby that is not yet promoted.
            ["08", "40", "53", "57", "58"].contains(&&code[..2])
                || ["25006", "25P03", "25P04", "55P03"].contains(&code.as_str())
        }),
        _ => false,
    }
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    let code = error.as_database_error()?.code()?;
    (code.len() == 5 && code.is_ascii()).then(|| code.into_owned())
}

/// An error and all its causes, outermost first.
pub(crate) fn chain(error: &dyn StdError) -> Vec<String> {
    let mut chain = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        chain.push(error.to_string());
        cause = error.source();
    }
    chain
}

/// Why a relay, consumer or tail had to stop.
#[derive(Debug, thiserror::Error)]
pub enum MessagingError {
    /// Kafka refused the configuration, or the client failed for good.
    #[error("Kafka client failed")]
    Kafka(#[from] rdkafka::error::KafkaError),
    /// The client knows no broker any more, and will not look for one.
    #[error("the Kafka client has lost sight of every broker")]
    Stranded,
    /// A topic that could not be made.
    #[error("cannot make the topic {name}")]
    Topic {
        /// With the installation's prefix.
        name: String,
        /// Why.
        #[source]
        cause: rdkafka::error::KafkaError,
    },
    /// The system has no thread left.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// A blocking task of this crate ended early.
    #[error("background task failed")]
    Task(#[from] tokio::task::JoinError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_transient_and_a_bad_value_is_not() {
        let lost = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert!(matches!(HandlerError::from(lost), HandlerError::Transient(_)));
        let bad = sqlx::Error::RowNotFound;
        assert!(matches!(HandlerError::from(bad), HandlerError::Permanent(_)));
    }

    #[test]
    fn the_chain_names_every_cause_once() {
        let error = HandlerError::permanent("the amount is negative");
        assert_eq!(chain(&error), ["cannot be processed", "the amount is negative"]);
    }
}
