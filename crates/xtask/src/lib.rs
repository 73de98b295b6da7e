//! Developer commands: the local stack, the tests, and what they are made of.

pub mod audit;
pub mod bench;
pub mod binaries;
pub mod chaos;
pub mod checks;
pub mod clocks;
pub mod crowd;
pub mod database;
pub mod demo;
pub mod fuzz_api;
pub mod logs;
pub mod parts;
pub mod ports;
mod proxy;
pub mod schemas;
pub mod servers;
pub mod services;
pub mod shop;
mod signals;
pub mod stack;
pub mod status;
pub mod stop;
pub mod test_stack;

/// Prints a line for whoever watches the command; that nobody does any more is no error.
pub fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints to the standard error, likewise.
pub fn complain(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}
