//! Boutique payments service: what orders cost is set aside, taken, freed or given back.

pub mod cause;
pub mod payment;
