//! How much the services do at once, as their metrics tell.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::say;

/// Histograms of batch sizes, with what is counted.
const BATCHES: [(&str, &str); 3] = [
    ("intake_batch_orders", "orders a transaction placed"),
    ("consumer_batch_events", "events a transaction handled"),
    ("relay_batch_records", "records the relay published at once"),
];

/// Sum and count of each histogram of each service, up to a moment.
#[derive(Debug)]
pub struct Batches(BTreeMap<(String, &'static str), (f64, f64)>);

impl Batches {
    /// Asks the services, by their URLs.
    pub async fn now(urls: &BTreeMap<String, String>) -> Result<Self> {
        let mut batches = BTreeMap::new();
        for (service, url) in urls {
            let text = reqwest::get(format!("{url}/metrics")).await?.text().await?;
            for (name, _) in BATCHES {
                let sample = |suffix| sample(&text, &format!("{name}_{suffix}"));
                if let (Some(sum), Some(count)) = (sample("sum"), sample("count")) {
                    batches.insert((service.clone(), name), (sum, count));
                }
            }
        }
        Ok(Self(batches))
    }

    /// Prints the mean sizes since `earlier`.
    pub fn tell_since(&self, earlier: &Self) {
        for (name, meaning) in BATCHES {
            let means =
                self.0.iter().filter(|((_, of), _)| *of == name).filter_map(|(key, now)| {
                    let before = earlier.0.get(key).copied().unwrap_or_default();
                    let (sum, count) = (now.0 - before.0, now.1 - before.1);
                    (count > 0.0).then(|| format!("{} {:.1} in {count}", key.0, sum / count))
                });
            say(&format!("  {meaning}: {}", means.collect::<Vec<_>>().join(", ")));
        }
    }
}

/// The value of a sample without labels.
fn sample(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}
