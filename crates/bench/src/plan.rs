//! What the load is to be.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::mix::Mix;

/// All that the process needs to know; it is read as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// Where the replicas of orders listen.
    pub orders: Vec<SocketAddr>,
    /// Where the replicas of payments listen; only orders that are paid later need one.
    #[serde(default)]
    pub payments: Vec<SocketAddr>,
    /// Bootstrap address of Kafka, from which the ends of orders are heard of.
    pub brokers: String,
    /// Before every topic.
    #[serde(default)]
    pub topic_prefix: String,
    /// The access tokens of the customers, who order in turn.
    pub customers: Vec<String>,
    /// What is ordered, each as often as any other.
    pub skus: Vec<String>,
    /// What is ordered where nothing is to be left.
    #[serde(default)]
    pub empty_skus: Vec<String>,
    /// When orders are placed, and how many.
    pub arrivals: Arrivals,
    /// Of which kinds.
    #[serde(default)]
    pub mix: Mix,
    /// Streams of changes that are open meanwhile.
    #[serde(default)]
    pub streams: Option<Streams>,
    /// Of what is drawn at random.
    #[serde(default)]
    pub seed: u64,
    /// How long no order may end before those that are open are given up.
    #[serde(default = "patience")]
    pub patience_seconds: u64,
}

/// When orders are placed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "camelCase", deny_unknown_fields)]
pub enum Arrivals {
    /// Each connection places its next order as soon as the last was answered.
    Closed {
        /// How many do so.
        connections: usize,
        /// For how long.
        seconds: f64,
        /// And no more than so many orders.
        #[serde(default)]
        orders: Option<u64>,
    },
    /// At a rate, whatever the answers do. Waiting for a connection counts as waiting for the answer.
    Open {
        /// Orders a second.
        rate: f64,
        /// For how long.
        seconds: f64,
        /// Connections at the most.
        connections: usize,
    },
}

impl Arrivals {
    /// Connections at the most.
    pub fn connections(&self) -> usize {
        match *self {
            Self::Closed { connections, .. } | Self::Open { connections, .. } => connections,
        }
    }
}

/// Streams of changes, which customers open in turn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Streams {
    /// How many.
    pub count: usize,
    /// How many are opened in a second.
    pub per_second: f64,
}

fn patience() -> u64 {
    120
}

impl Plan {
    /// What is wrong with it, if anything.
    pub fn fault(&self) -> Option<&'static str> {
        let Self { orders, customers, skus, mix, arrivals, .. } = self;
        let (Arrivals::Closed { seconds, .. } | Arrivals::Open { seconds, .. }) = *arrivals;
        let is_no_rate = |rate: f64| !rate.is_finite() || rate <= 0.0;
        let faults = [
            (orders.is_empty(), "`orders` names no address"),
            (customers.is_empty(), "`customers` has no token"),
            (skus.is_empty(), "`skus` is empty"),
            (mix.out_of_stock > 0 && self.empty_skus.is_empty(), "`emptySkus` is empty"),
            (mix.paid_later > 0 && self.payments.is_empty(), "`payments` names no address"),
            (arrivals.connections() == 0, "`arrivals.connections` is 0"),
            (!seconds.is_finite() || seconds < 0.0, "`arrivals.seconds` is no time"),
            (
                matches!(arrivals, Arrivals::Open { rate, .. } if is_no_rate(*rate)),
                "`arrivals.rate` is no rate",
            ),
            (
                self.streams.is_some_and(|s| is_no_rate(s.per_second)),
                "`streams.perSecond` is no rate",
            ),
        ];
        faults.into_iter().find_map(|(is_so, fault)| is_so.then_some(fault))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn plan(changed: impl FnOnce(&mut Value)) -> Result<Plan, serde_json::Error> {
        let mut plan = json!({
            "orders": ["127.0.0.1:3002"],
            "brokers": "127.0.0.1:9092",
            "customers": ["token"],
            "skus": ["MUG"],
            "arrivals": {"mode": "open", "rate": 10, "seconds": 5, "connections": 4},
        });
        changed(&mut plan);
        serde_json::from_value(plan)
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let plan = plan(|_| {}).unwrap();
        assert_eq!((plan.mix, plan.patience_seconds, plan.fault()), (Mix::default(), 120, None));
    }

    #[test]
    fn what_is_misspelt_is_refused() {
        assert!(plan(|plan| plan["custumers"] = json!([])).is_err());
        assert!(plan(|plan| plan["arrivals"]["mode"] = json!("ajar")).is_err());
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        let fault = |name: &str, value: Value| plan(|plan| plan[name] = value).unwrap().fault();
        assert_eq!(fault("customers", json!([])), Some("`customers` has no token"));
        assert_eq!(fault("mix", json!({"outOfStock": 1})), Some("`emptySkus` is empty"));
        assert_eq!(fault("mix", json!({"paidLater": 1})), Some("`payments` names no address"));
        let arrivals = json!({"mode": "open", "rate": 0, "seconds": 5, "connections": 4});
        assert_eq!(fault("arrivals", arrivals), Some("`arrivals.rate` is no rate"));
    }
}
