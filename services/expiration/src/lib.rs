//! Boutique expiration service.
