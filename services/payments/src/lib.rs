//! Boutique payments service.
