//! What is said while the load goes on.

use std::io::Write;

use anyhow::Result;

use crate::outcome::Said;

/// Prints a line of JSON; that nobody reads it any more is no error.
pub fn say(said: &Said) -> Result<()> {
    let line = serde_json::to_string(said)?;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    Ok(())
}
