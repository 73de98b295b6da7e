//! Clients that have lost sight of every broker.

use rdkafka::statistics::Statistics;
use tokio::sync::watch;

/// Notices that a client knows no broker any more, by the account it gives of itself every few seconds.
///
/// A broker that shuts down may answer, for a moment, that there are none. librdkafka then forgets all it knew, and
/// from version 2.12 on it does not ask again at the addresses it was given: it stays silent for good, without an
/// error (<https://github.com/confluentinc/librdkafka/issues/5301>). Only a new client helps.
///
/// Whether it does is a state, not a moment: one that found a broker again by itself is left alone.
#[derive(Debug, Default)]
pub(crate) struct Stranding(watch::Sender<bool>);

impl Stranding {
    /// Looks at what the client tells of itself; whether it is stranded.
    pub(crate) fn look(&self, statistics: &Statistics) -> bool {
        let stranded = !knows_a_broker(statistics);
        self.0.send_replace(stranded);
        stranded
    }

    /// Resolves once the client is stranded.
    pub(crate) async fn noticed(&self) {
        let mut stranded = self.0.subscribe();
        // Its sender is here, so there is no error.
        drop(stranded.wait_for(|stranded| *stranded).await);
    }
}

/// One it was given or has learned of; the others are places that librdkafka keeps for itself.
fn knows_a_broker(statistics: &Statistics) -> bool {
    let mut sources = statistics.brokers.values().map(|broker| broker.source.as_str());
    sources.any(|source| matches!(source, "configured" | "learned"))
}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::Broker;

    use super::*;

    #[test]
    fn a_client_that_only_has_its_own_places_knows_no_broker() {
        let of = |sources: &[&str]| {
            let broker = |source: &&str| {
                let source = (*source).to_owned();
                (source.clone(), Broker { source, ..Broker::default() })
            };
            let brokers = sources.iter().map(broker).collect();
            knows_a_broker(&Statistics { brokers, ..Statistics::default() })
        };
        assert!(of(&["internal", "logical", "learned"]));
        assert!(of(&["internal", "logical", "configured"]));
        assert!(!of(&["internal", "logical"]));
        assert!(!of(&[]));
    }
}
