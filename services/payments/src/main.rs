//! Boutique payments binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::main_of_consumer(payments::SERVICE, payments::start, payments::redriving)
}
