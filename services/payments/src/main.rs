//! Boutique payments binary.

fn main() {}
