//! Boutique inventory service: stock, and what is set aside of it for orders.

pub mod reservation;
pub mod stock;
