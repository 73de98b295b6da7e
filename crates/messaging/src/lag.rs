//! What a member reads, and how many records it has still to process.

use std::collections::HashMap;

use contracts::topic::Topic;
use rdkafka::statistics::{Partition, Statistics};

use crate::batch;

/// How often the client says how it is, in milliseconds.
pub(crate) const STATISTICS_INTERVAL: &str = "5000";

/// Tells it of each topic, by the client's own account; those of partitions that other members have are for
/// them to tell.
pub(crate) fn tell(statistics: &Statistics, topics: &HashMap<String, Topic>) {
    let mut read = 0;
    for (name, topic) in topics {
        let partitions = statistics.topics.get(name).map(|topic| &topic.partitions);
        let partitions = || partitions.into_iter().flatten().map(|(_, partition)| partition);
        let lag: i64 = partitions().map(lag).sum();
        metrics::gauge!("consumer_lag_records", "topic" => topic.name()).set(as_metric(lag));
        read += partitions().filter(|partition| is_read(partition)).count();
    }
    // Whoever reads nothing has no lag either: an account without rights, a topic that is not there.
    metrics::gauge!("consumer_partitions").set(batch::as_metric(read));
}

/// Whether this member fetches it.
fn is_read(partition: &Partition) -> bool {
    partition.fetch_state == "active"
}

/// What lies behind the offset that is to be committed next; while this member has processed nothing, behind the
/// committed one; where none ever was, all there is. 0 where the partition is not read here.
fn lag(partition: &Partition) -> i64 {
    match partition {
        partition if !is_read(partition) => 0,
        Partition { consumer_lag_stored: lag @ 0.., .. }
        | Partition { consumer_lag: lag @ 0.., .. } => *lag,
        // Neither is known before the first answer.
        Partition { ls_offset: end @ 0.., lo_offset: start @ 0.., .. } => (end - start).max(0),
        _ => 0,
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 records")]
fn as_metric(lag: i64) -> f64 {
    lag as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_read_here_counts() {
        let partition = |fetch_state: &str, consumer_lag_stored, consumer_lag| Partition {
            fetch_state: fetch_state.to_owned(),
            consumer_lag_stored,
            consumer_lag,
            ..Partition::default()
        };
        assert_eq!(lag(&partition("active", 7, 9)), 7);
        assert_eq!(lag(&partition("active", -1, 9)), 9);
        let new = |lo_offset, ls_offset| Partition {
            lo_offset,
            ls_offset,
            ..partition("active", -1, -1)
        };
        assert_eq!(lag(&new(3, 10)), 7);
        assert_eq!(lag(&new(-1001, -1001)), 0);
        assert_eq!(lag(&partition("none", 7, 9)), 0);
    }
}
