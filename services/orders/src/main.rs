//! Boutique orders binary.

fn main() {}
