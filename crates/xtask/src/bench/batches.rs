//! How much the services do at once, as their metrics tell.

use std::collections::BTreeMap;

use anyhow::Result;

/// Histograms of batch sizes, and what is counted.
pub const BATCHES: [(&str, &str); 3] = [
    ("intake", "intake_batch_orders"),
    ("consumer", "consumer_batch_events"),
    ("relay", "relay_batch_records"),
];

/// Sum and count of each histogram of each service, up to a moment.
#[derive(Debug, Clone, Default)]
pub struct Batches(BTreeMap<(&'static str, String), (f64, f64)>);

impl Batches {
    /// Asks the services, by their URLs.
    pub async fn now(urls: &BTreeMap<String, String>) -> Result<Self> {
        let mut batches = BTreeMap::new();
        for (service, url) in urls {
            let text = reqwest::get(format!("{url}/metrics")).await?.text().await?;
            for (kind, name) in BATCHES {
                let sample = |suffix| sample(&text, &format!("{name}_{suffix}"));
                if let (Some(sum), Some(count)) = (sample("sum"), sample("count")) {
                    batches.insert((kind, service.clone()), (sum, count));
                }
            }
        }
        Ok(Self(batches))
    }

    /// The mean sizes since `earlier`, by kind and service.
    pub fn since(&self, earlier: &Self) -> BTreeMap<String, BTreeMap<String, f64>> {
        let mut means: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        for ((kind, service), (sum, count)) in &self.0 {
            let key = (*kind, service.clone());
            let (sum_before, count_before) = earlier.0.get(&key).copied().unwrap_or_default();
            let (sum, count) = (sum - sum_before, count - count_before);
            if count > 0.0 {
                means.entry((*kind).to_owned()).or_default().insert(service.clone(), sum / count);
            }
        }
        means
    }
}

/// The value of a sample without labels.
fn sample(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these are exact")]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_what_came_since() {
        let at = |sum, count| Batches([(("relay", "orders".to_owned()), (sum, count))].into());
        let means = at(30.0, 6.0).since(&at(10.0, 2.0));
        assert_eq!(means["relay"]["orders"], 5.0);
        assert!(at(1.0, 1.0).since(&at(1.0, 1.0)).is_empty());
    }

    #[test]
    fn a_sample_is_found_by_its_whole_name() {
        let text = "# HELP x\nx_sum_of 1\nx_sum 7.5\nx_count 3\n";
        assert_eq!(sample(text, "x_sum"), Some(7.5));
        assert_eq!(sample(text, "y_sum"), None);
    }
}
