//! Random runs, each from a seed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use simulation::scenarios::End;
use simulation::{of_list, of_seed};

/// The seeds that are always tried; others on demand.
const SEEDS: Range<u64> = 0..100_000;

/// A seed, or a range of them: `7`, `100000..200000`.
fn wanted() -> Range<u64> {
    let Ok(text) = std::env::var("SIMULATION_SEEDS") else { return SEEDS };
    let number = |text: &str| text.parse().expect("SIMULATION_SEEDS is 7 or 7..9, say");
    match text.split_once("..") {
        Some((start, end)) => number(start)..number(end),
        None => number(&text)..number(&text) + 1,
    }
}

/// Runs seeds until one fails; how often orders ended how.
fn run(next: &AtomicU64, end: u64) -> BTreeMap<String, u64> {
    let mut ends = BTreeMap::new();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return ends;
        }
        match of_seed(seed) {
            Ok(run) => {
                for end in run.ends {
                    *ends.entry(format!("{end:?}")).or_default() += 1;
                }
            }
            Err(failure) => {
                next.store(end, Ordering::Relaxed);
                panic!("{failure}");
            }
        }
    }
}

/// What happens in the run of a seed, to be read.
fn tell(seed: u64) {
    if let Ok(run) = of_seed(seed) {
        println!("{}", of_list(&run.choices, true).log.join("\n"));
    }
}

#[test]
fn seeds() {
    let (seeds, started) = (wanted(), Instant::now());
    let next = AtomicU64::new(seeds.start);
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| run(&next, seeds.end))).collect();
        for thread in threads {
            let ended = thread.join().unwrap_or_else(|failure| std::panic::resume_unwind(failure));
            for (end, count) in ended {
                *ends.entry(end).or_default() += count;
            }
        }
    });
    if seeds.end - seeds.start == 1 {
        tell(seeds.start);
    }
    println!("{} seeds in {:?}: {ends:?}", seeds.clone().count(), started.elapsed());
    if seeds == SEEDS {
        let orders: u64 = ends.values().sum();
        for end in
            [End::Completed, End::OutOfStock, End::PaymentFailed, End::Cancelled, End::Expired]
        {
            let count = ends.get(&format!("{end:?}")).copied().unwrap_or(0);
            assert!(count * 50 > orders, "only {count} of {orders} orders end as {end:?}");
        }
    }
}
