//! What is asked for.

use super::length::{self, Length};

/// How `bench` is run.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Measure for a shorter time and with fewer orders; the same report, less exact
    #[arg(long)]
    pub quick: bool,
    /// Measure these alone; what they are compared with is measured as well
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Phase>,
    /// Seconds of the saturation, if not as many as usual
    #[arg(long)]
    pub seconds: Option<f64>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Phase {
    /// Few orders: how long each takes
    Idle,
    /// As many orders as can be
    Saturation,
    /// Half of that, and four fifths
    Paced,
    /// All for one product
    HotSku,
    /// Every kind of order
    Mixed,
    /// Ten thousand streams
    Streams,
    /// After the consumer of orders stood still
    Recovery,
    /// Whether the events tell what the databases hold
    Events,
    /// What the parts of an order cost by themselves
    Ceiling,
    /// With a million orders in the databases
    Growth,
    /// With more replicas and partitions
    Scale,
}

impl Options {
    /// Whether a phase is to be measured.
    pub fn asks_for(&self, phase: Phase) -> bool {
        self.only.is_empty() || self.only.contains(&phase)
    }

    /// Whether the saturation has to be measured.
    pub fn needs_saturation(&self) -> bool {
        [
            Phase::Saturation,
            // It comes behind the saturation, during which Kafka compiles what it runs.
            Phase::Idle,
            Phase::Paced,
            Phase::HotSku,
            Phase::Recovery,
            Phase::Ceiling,
            Phase::Growth,
        ]
        .into_iter()
        .any(|phase| self.asks_for(phase))
    }

    /// How long and how much.
    pub fn length(&self) -> Length {
        let mut length = if self.quick { length::QUICK } else { length::WHOLE };
        length.saturation_seconds = self.seconds.unwrap_or(length.saturation_seconds);
        length
    }
}
