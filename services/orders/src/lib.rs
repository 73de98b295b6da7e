//! Boutique orders service.
