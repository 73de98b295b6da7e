//! How long is measured, and how much.

use super::stage::Shape;
use crate::stack::PARTITIONS;

/// Of a whole run.
#[derive(Debug, Clone, Copy)]
pub struct Length {
    /// Of the stage on which nearly everything is measured.
    pub shape: Shape,
    pub warm_up_seconds: f64,
    pub idle_seconds: f64,
    pub saturation_seconds: f64,
    pub paced_seconds: f64,
    pub other_seconds: f64,
    pub streams: usize,
    /// Finished orders that are there before the growth is measured.
    pub grown: i64,
    /// Laps before and as many behind, of about so many seconds each.
    pub grown_laps: usize,
    pub grown_seconds: f64,
    /// Partitions of each topic and replicas of each service, one stack for all of a number of partitions; where those
    /// are as many as the stage's, it is the stage.
    pub scale: &'static [(i32, &'static [usize])],
    pub scale_seconds: f64,
    /// Records that wait until the consumer goes on.
    pub backlog: i64,
    /// Orders of each part of the ceiling, in each round.
    pub ceiling_orders: u64,
    pub ceiling_seconds: f64,
    /// In which one product is measured, between laps of about so many seconds on all; the ceiling between the rounds.
    pub rounds: usize,
    pub lap_seconds: f64,
}

impl Length {
    /// Whether the stage has so many partitions.
    pub fn is_stage(&self, partitions: i32) -> bool {
        self.shape.partitions == partitions
    }

    /// Whether replicas are measured on the stage.
    pub fn scales_on_stage(&self) -> bool {
        self.scale.iter().any(|(partitions, _)| self.is_stage(*partitions))
    }
}

/// Below a quarter of an hour.
pub const WHOLE: Length = Length {
    shape: Shape { customers: 512, skus: 1000, partitions: PARTITIONS },
    warm_up_seconds: 4.0,
    idle_seconds: 20.0,
    saturation_seconds: 60.0,
    paced_seconds: 10.0,
    other_seconds: 6.0,
    streams: 10_000,
    grown: 1_000_000,
    grown_laps: 3,
    grown_seconds: 6.0,
    scale: &[(6, &[1, 2, 4]), (12, &[1]), (24, &[1, 4])],
    scale_seconds: 3.0,
    backlog: 200_000,
    ceiling_orders: 8_000,
    ceiling_seconds: 3.0,
    rounds: 3,
    lap_seconds: 6.0,
};

/// Below three minutes, most of them of starting and signing up.
pub const QUICK: Length = Length {
    shape: Shape { customers: 64, skus: 100, partitions: PARTITIONS },
    warm_up_seconds: 3.0,
    idle_seconds: 7.0,
    saturation_seconds: 10.0,
    paced_seconds: 5.0,
    other_seconds: 3.0,
    streams: 500,
    grown: 50_000,
    grown_laps: 1,
    grown_seconds: 4.5,
    scale: &[(PARTITIONS, &[2])],
    scale_seconds: 2.5,
    backlog: 6_000,
    ceiling_orders: 5_000,
    ceiling_seconds: 1.5,
    rounds: 2,
    lap_seconds: 4.5,
};
