//! Boutique notification binary.

fn main() {}
