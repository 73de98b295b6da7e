//! What the parts of a stack cost: processor time and memory, as the system counts them.

use std::collections::BTreeMap;

use test_support::stack::{Folders, ProcessCost};

use crate::{parts, say};

/// What each part has cost up to a moment, and this process as `load`.
#[derive(Debug)]
pub struct Costs(BTreeMap<&'static str, ProcessCost>);

impl Costs {
    /// Of all parts that run.
    pub fn now(folders: &Folders) -> Self {
        let cost = |part| Some((part, parts::process(folders, part)?.cost()));
        let mut costs: BTreeMap<_, _> = parts::names().filter_map(cost).collect();
        costs.insert("load", ProcessCost::of(std::process::id()));
        Self(costs)
    }

    /// Prints what was spent since `earlier` on each of so many orders, and the peak of memory.
    pub fn tell_since(&self, earlier: &Self, orders: u32) {
        let mut sum = 0;
        for (part, cost) in &self.0 {
            let before = earlier.0.get(part).map_or(0, |before| before.cpu_micros);
            let each = cost.cpu_micros.saturating_sub(before) / u64::from(orders.max(1));
            sum += each;
            say(&format!(
                "  {part:<13} {each:>6} µs an order, peak {:>4} MiB",
                cost.peak_kib / 1024
            ));
        }
        say(&format!("  together      {sum:>6} µs an order"));
    }
}
