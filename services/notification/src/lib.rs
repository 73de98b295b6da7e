//! Boutique notification service.
