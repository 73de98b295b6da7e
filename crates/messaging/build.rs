//! Rebuilds the crate when a migration is added: the embedding macro only sees the files there were.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/messaging");
}
