//! Boutique orders binary.

use std::process::ExitCode;

use orders::{OrdersHandler, SERVICE, start};

fn main() -> ExitCode {
    service_kit::main_of_consumer(SERVICE, start, |_kit| OrdersHandler)
}
