//! Boutique inventory binary.

fn main() {}
