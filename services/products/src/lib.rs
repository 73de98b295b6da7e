//! Boutique products service.
