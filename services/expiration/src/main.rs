//! Boutique expiration binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::main_of_consumer(expiration::SERVICE, expiration::start, expiration::redriving)
}
