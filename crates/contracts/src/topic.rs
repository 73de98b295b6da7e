//! The Kafka topics. All events of one aggregate carry its id as key and so
//! share a partition.

use std::fmt;

/// A topic; its name carries the version of its contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Accounts and signing keys, by user id or key id.
    Users,
    /// The catalogue, by SKU.
    Products,
    /// What is on hand, by SKU.
    Stock,
    /// Orders on their way, by order id.
    Orders,
    /// Reservations, by order id.
    Inventory,
    /// Payments, by order id.
    Payments,
    /// Timers that ended, by order id.
    Expiration,
    /// How orders ended, by order id.
    Fulfillment,
}

impl Topic {
    /// Every topic.
    pub const ALL: &'static [Topic] = &[
        Topic::Users,
        Topic::Products,
        Topic::Stock,
        Topic::Orders,
        Topic::Inventory,
        Topic::Payments,
        Topic::Expiration,
        Topic::Fulfillment,
    ];

    /// The name in Kafka, before any prefix of the installation.
    pub const fn name(self) -> &'static str {
        match self {
            Topic::Users => "users.v1",
            Topic::Products => "products.v1",
            Topic::Stock => "stock.v1",
            Topic::Orders => "orders.v1",
            Topic::Inventory => "inventory.v1",
            Topic::Payments => "payments.v1",
            Topic::Expiration => "expiration.v1",
            Topic::Fulfillment => "fulfillment.v1",
        }
    }

    /// The only service that publishes on this topic.
    pub const fn producer(self) -> &'static str {
        match self {
            Topic::Users => "auth",
            Topic::Products => "products",
            Topic::Stock | Topic::Inventory => "inventory",
            Topic::Orders | Topic::Fulfillment => "orders",
            Topic::Payments => "payments",
            Topic::Expiration => "expiration",
        }
    }

    /// The topic of that name, without any prefix of the installation.
    pub fn from_name(name: &str) -> Option<Topic> {
        Topic::ALL.iter().copied().find(|topic| topic.name() == name)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a service puts what it could not process.
pub fn dead_letter_topic(service: &str) -> String {
    format!("{service}.dlq.v1")
}

/// Every topic of an installation by name: those above, and that of each of these services' dead letters.
pub fn topic_names<'s>(consumers: impl IntoIterator<Item = &'s str>) -> Vec<String> {
    let contracts = Topic::ALL.iter().map(|topic| topic.name().to_owned());
    contracts.chain(consumers.into_iter().map(dead_letter_topic)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_found_by_its_name() {
        for topic in Topic::ALL {
            assert_eq!(Topic::from_name(topic.name()), Some(*topic));
        }
        assert_eq!(Topic::from_name("orders.v2"), None);
        assert_eq!(dead_letter_topic("orders"), "orders.dlq.v1");
    }
}
