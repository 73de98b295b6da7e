//! Boutique expiration binary.

fn main() {}
