//! What happened, for people to read.

use super::{Placement, World};
use crate::topics::Record;

impl World<'_> {
    /// The lines of the log.
    pub fn log(self) -> Vec<String> {
        self.log.unwrap_or_default()
    }

    /// Adds a line, if anybody wants to read it.
    pub(super) fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        // How the shop opens is always the same.
        if self.log.is_some() && !self.opening {
            let line = line(self);
            if let Some(log) = &mut self.log {
                log.push(line);
            }
        }
    }

    pub(super) fn named(&self, record: &Record) -> String {
        let order = |placement: &Placement| matches!(placement, Placement::Placed(id) if id.to_string() == record.key);
        match self.placements.iter().position(order) {
            Some(order) => format!("{} of order {order}", record.event_type),
            None => record.event_type.to_string(),
        }
    }
}
