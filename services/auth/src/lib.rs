//! Boutique auth service.
