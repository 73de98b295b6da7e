//! The logs of the stack's parts.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use test_support::stack::{Folders, checkout};

use crate::stack::NAME;
use crate::{parts, say};

/// How much of the end of a log is shown.
const LAST: u64 = 8 * 1024;

/// Shows the end of one part's log, or of all; then goes on with what is added, if wanted.
pub async fn show(part: Option<&str>, follow: bool) -> Result<()> {
    let names: Vec<_> = parts::names().collect();
    let chosen = match part {
        None => names,
        Some(part) => match names.iter().find(|name| **name == part) {
            Some(name) => vec![*name],
            None => bail!("there is no part {part}; there are {}", names.join(", ")),
        },
    };
    let folders = Folders::new(&checkout(), NAME)?;
    let several = chosen.len() > 1;
    let mut tails: Vec<_> = chosen
        .into_iter()
        .map(|name| Tail {
            prefix: if several { format!("{name:<13} | ") } else { String::new() },
            path: parts::log(&folders, name),
            offset: None,
        })
        .collect();
    let mut interval = tokio::time::interval(Duration::from_millis(200));
    loop {
        interval.tick().await;
        for tail in &mut tails {
            tail.show_new()?;
        }
        if !follow {
            return Ok(());
        }
    }
}

struct Tail {
    prefix: String,
    path: PathBuf,
    /// Up to where the log was shown; `None` before the first look.
    offset: Option<u64>,
}

impl Tail {
    /// Shows the whole lines that were added; a log that is not there is empty.
    fn show_new(&mut self) -> Result<()> {
        let Ok(mut file) = File::open(&self.path) else { return Ok(()) };
        let length = file.metadata()?.len();
        let first = self.offset.is_none();
        // One that became shorter was begun anew.
        let from = match self.offset {
            None => length.saturating_sub(LAST),
            Some(offset) if offset > length => 0,
            Some(offset) => offset,
        };
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(length - from).read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        bytes.truncate(whole);
        self.offset = Some(from + u64::try_from(whole)?);
        // The first look begins in the middle of a line, unless the log is short.
        let cut = usize::from(first && from > 0);
        for line in String::from_utf8_lossy(&bytes).lines().skip(cut) {
            say(&format!("{}{line}", self.prefix));
        }
        Ok(())
    }
}
