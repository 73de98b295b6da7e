//! Ports on the loopback interface.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Context, Result};

/// Whether a server can listen on the port now.
pub fn port_is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A free port, given out once by this process.
///
/// It lies below the range from which the system takes ports for outgoing connections, so that
/// none of those can hold it when the server starts, or starts again.
pub fn free_port() -> Result<u16> {
    static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Two processes that look at the same time start at different places.
    let seed = uuid::Uuid::now_v7().as_u64_pair().1 % u64::from(COUNT);
    let start = u16::try_from(seed).unwrap_or_default();
    (0..COUNT)
        .map(|step| FIRST + (start + step) % COUNT)
        .find(|port| !given.contains(port) && port_is_free(*port))
        .inspect(|port| {
            given.insert(*port);
        })
        .context("no free port between 20000 and 32000")
}
