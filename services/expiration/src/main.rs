//! Boutique expiration binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::main(expiration::SERVICE, expiration::start)
}
