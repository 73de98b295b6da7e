//! Boutique payments binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::main(payments::SERVICE, payments::start)
}
