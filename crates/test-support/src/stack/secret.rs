//! Passwords of the local stack.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// 128 random bits in hexadecimal digits.
pub fn random_password() -> Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// Writes a file that only its owner may read. It appears whole or not at all.
pub fn write_secret(path: &Path, content: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let partial = path.with_extension("partial");
        let _ = std::fs::remove_file(&partial);
        let mut file =
            std::fs::File::options().write(true).create_new(true).mode(0o600).open(&partial)?;
        file.write_all(content.as_bytes())?;
        std::fs::rename(&partial, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
