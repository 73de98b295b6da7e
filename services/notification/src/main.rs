//! Boutique notification binary.

use std::process::ExitCode;

use notification::{SERVICE, start};

fn main() -> ExitCode {
    service_kit::main(SERVICE, start)
}
