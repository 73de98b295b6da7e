//! Boutique notification binary.

use std::process::ExitCode;

use notification::{SERVICE, redriving, start};

fn main() -> ExitCode {
    service_kit::main_of_consumer(SERVICE, start, redriving)
}
