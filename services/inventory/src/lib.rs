//! Boutique inventory service.
