//! Boutique orders binary.

use std::process::ExitCode;

use orders::{SERVICE, start};

fn main() -> ExitCode {
    service_kit::main(SERVICE, start)
}
