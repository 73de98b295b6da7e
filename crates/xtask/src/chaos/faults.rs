//! What can be broken, and what is broken next.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rand::{Rng, RngExt};
use test_support::stack::SERVICES;

/// One thing to break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A replica is killed, and started again after a while.
    Kill(Target, Duration),
    /// A replica stands still for longer than its group waits for it, and then goes on: a zombie.
    Freeze(Target, Duration),
    /// A replica is told to stop, and started again.
    Terminate(Target),
    /// The wall clock of a replica jumps, and is right again after a while.
    Jump(Target, Leap, Duration),
    /// Postgres stops at once, as in a crash, and recovers.
    CrashPostgres(Duration),
    /// A node of Kafka, by its number, is killed, and started again.
    KillKafka(usize, Duration),
    /// A node of Kafka stands still for longer than the others wait for it, and then goes on.
    FreezeKafka(usize, Duration),
    /// All connections to Postgres, or to a node of Kafka, break.
    Cut(Way),
    /// All connections to Postgres, or to a node of Kafka, stay open and pass nothing on any more.
    Silence(Way),
    /// All that goes to and from Postgres, or a node of Kafka, is held up.
    Slow(Way, Duration),
    /// Records are published a second time.
    Republish(usize),
}

/// A replica of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Whose.
    pub service: &'static str,
    /// Which; the first is 1.
    pub number: usize,
}

/// How far a clock jumps, forward or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leap {
    count: i64,
    unit: (i64, &'static str),
}

impl Leap {
    const UNITS: [(i64, &str); 3] = [(60, "min"), (60 * 60, "h"), (24 * 60 * 60, "days")];

    fn draw(random: &mut impl Rng) -> Self {
        let count = random.random_range(1..=40);
        let unit = Self::UNITS[random.random_range(0..Self::UNITS.len())];
        Self { count: if random.random() { count } else { -count }, unit }
    }

    /// By how many seconds.
    pub fn seconds(&self) -> i64 {
        self.count * self.unit.0
    }
}

/// What the services reach a server through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Postgres,
    /// To the node of that number.
    Kafka(usize),
}

/// What a fault breaks: another fault of the same has to wait until it is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Replica(Target),
    /// That of one replica of a service; the others have to be right.
    Clock(&'static str),
    Postgres,
    /// One of the nodes: without two of them nothing can be written.
    Kafka,
    Way(Way),
    Records,
}

/// The next fault, among so many replicas of each service and nodes of Kafka.
pub fn next(random: &mut impl Rng, replicas: usize, nodes: usize) -> Fault {
    let target = Target {
        service: SERVICES[random.random_range(0..SERVICES.len())],
        number: random.random_range(1..=replicas),
    };
    let node = random.random_range(1..=nodes);
    let way = if random.random() { Way::Postgres } else { Way::Kafka(node) };
    let leap = Leap::draw(random);
    let kind = random.random_range(0..100);
    let mut millis = |range| Duration::from_millis(random.random_range(range));
    match kind {
        0..37 => Fault::Kill(target, millis(0..2000)),
        37..47 => Fault::Freeze(target, millis(11_000..14_000)),
        47..57 => Fault::Terminate(target),
        57..65 => Fault::Jump(target, leap, millis(4000..15_000)),
        65..70 => Fault::CrashPostgres(millis(0..4000)),
        70..76 => Fault::KillKafka(node, millis(0..4000)),
        76..78 => Fault::FreezeKafka(node, millis(11_000..14_000)),
        78..84 => Fault::Cut(way),
        84..87 => Fault::Silence(way),
        87..93 => Fault::Slow(way, millis(20..200)),
        _ => Fault::Republish(random.random_range(1..200)),
    }
}

impl Fault {
    /// What kind it is, to be counted.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kill(..) => "killed",
            Self::Freeze(..) => "frozen",
            Self::Terminate(_) => "told to stop",
            Self::Jump(..) => "clocks jumped",
            Self::CrashPostgres(_) => "Postgres crashed",
            Self::KillKafka(..) => "Kafka killed",
            Self::FreezeKafka(..) => "Kafka frozen",
            Self::Cut(_) => "connections cut",
            Self::Silence(_) => "connections fallen silent",
            Self::Slow(..) => "slowed",
            Self::Republish(_) => "records published again",
        }
    }

    /// What it breaks.
    pub fn part(&self) -> Part {
        match *self {
            Self::Kill(target, _) | Self::Freeze(target, _) | Self::Terminate(target) => {
                Part::Replica(target)
            }
            Self::Jump(target, ..) => Part::Clock(target.service),
            Self::CrashPostgres(_) => Part::Postgres,
            Self::KillKafka(..) | Self::FreezeKafka(..) => Part::Kafka,
            Self::Cut(way) | Self::Silence(way) | Self::Slow(way, _) => Part::Way(way),
            Self::Republish(_) => Part::Records,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(target, down) => write!(f, "{target} is killed, for {down:?}"),
            Self::Freeze(target, time) => write!(f, "{target} freezes for {time:?}"),
            Self::Terminate(target) => write!(f, "{target} is told to stop"),
            Self::Jump(target, leap, time) => {
                write!(f, "the clock of {target} jumps by {leap}, for {time:?}")
            }
            Self::CrashPostgres(down) => write!(f, "Postgres crashes, for {down:?}"),
            Self::KillKafka(node, down) => write!(f, "Kafka {node} is killed, for {down:?}"),
            Self::FreezeKafka(node, time) => write!(f, "Kafka {node} freezes for {time:?}"),
            Self::Cut(way) => write!(f, "connections to {way} are cut"),
            Self::Silence(way) => write!(f, "connections to {way} fall silent"),
            Self::Slow(way, delay) => write!(f, "{way} is {delay:?} away"),
            Self::Republish(count) => write!(f, "{count} records are published again"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.service, self.number)
    }
}

impl fmt::Display for Leap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+} {}", self.count, self.unit.1)
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres => f.write_str("Postgres"),
            Self::Kafka(node) => write!(f, "Kafka {node}"),
        }
    }
}

/// How often what was broken.
#[derive(Debug, Default)]
pub struct Counts(BTreeMap<&'static str, u32>);

impl Counts {
    /// Counts one.
    pub fn add(&mut self, fault: &Fault) {
        *self.0.entry(fault.kind()).or_default() += 1;
    }

    /// How often what was broken.
    pub fn by_kind(&self) -> &BTreeMap<&'static str, u32> {
        &self.0
    }

    /// How many processes were killed.
    pub fn kills(&self) -> u32 {
        let kills = ["killed", "Postgres crashed", "Kafka killed"];
        kills.iter().filter_map(|kind| self.0.get(kind)).sum()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.iter().map(|(kind, count)| format!("{kind} {count}"));
        f.write_str(&counts.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_seed_draws_the_same_faults_again_and_every_kind_comes() {
        let draw = || {
            let mut random = StdRng::seed_from_u64(7);
            (0..1000).map(|_| next(&mut random, 2, 3)).collect::<Vec<_>>()
        };
        let faults = draw();
        assert_eq!(faults, draw());
        let mut counts = Counts::default();
        for fault in &faults {
            counts.add(fault);
        }
        assert_eq!(counts.0.len(), 11);
    }
}
