//! Boutique inventory binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_kit::main_of_consumer(inventory::SERVICE, inventory::start, |_kit| inventory::Inbound)
}
