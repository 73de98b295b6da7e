//! Boutique auth binary.

fn main() {}
