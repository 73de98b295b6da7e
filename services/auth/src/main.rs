//! Boutique auth binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::main_with_commands(auth::SERVICE, auth::start, auth::run)
}
