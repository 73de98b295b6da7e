//! Boutique products binary.

fn main() {}
