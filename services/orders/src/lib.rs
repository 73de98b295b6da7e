//! Boutique orders service: orders, their history, and the saga's decision.

pub mod order;
