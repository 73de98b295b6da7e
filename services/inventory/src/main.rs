//! Boutique inventory binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::main(inventory::SERVICE, inventory::start)
}
