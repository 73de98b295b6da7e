//! Developer commands: the local stack, the tests, and what they are made of.

#![allow(clippy::print_stdout, reason = "a command-line tool tells what it does")]

pub mod servers;
pub mod test_stack;

/// Prints a line for whoever watches the command.
pub fn say(line: &str) {
    println!("{line}");
}
