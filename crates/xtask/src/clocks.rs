//! Wall clocks of single processes, which can be set wrong while they run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use test_support::stack::{Folders, checkout, faketime};
use tokio::process::Command;

use crate::say;

/// How long a process may go on with the clock it had before.
pub(crate) const NOTICED: Duration = Duration::from_secs(1);

/// Gives processes clocks by preloading libfaketime, which reads from a file how wrong each is.
#[derive(Debug)]
pub struct Clocks {
    library: PathBuf,
    folder: PathBuf,
}

impl Clocks {
    /// Clocks for the processes of a stack; `None`, and a word about it, where the library cannot be had.
    pub(crate) async fn of(folders: &Folders) -> Option<Self> {
        match faketime(&checkout(), &say).await {
            Ok(library) => Some(Self { library, folder: folders.local().to_path_buf() }),
            Err(error) => {
                say(&format!("no clock will jump: {error:#}"));
                None
            }
        }
    }

    /// Lets a process go by the clock of this name, which stays as it was set.
    pub(crate) fn give(&self, command: &mut Command, name: &str) -> Result<()> {
        let file = self.file(name);
        if !file.exists() {
            self.set(name, 0)?;
        }
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", file)
            .env("FAKETIME_CACHE_DURATION", NOTICED.as_secs().to_string())
            // Only the wall clock: timers and time-outs go on as they do when an administrator sets it.
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
        Ok(())
    }

    /// Sets a clock wrong by so many seconds, or right by none.
    pub(crate) fn set(&self, name: &str, seconds: i64) -> Result<()> {
        let (file, new) = (self.file(name), self.folder.join(format!("{name}.clock.new")));
        // Renamed, so that nobody reads half of it.
        std::fs::write(&new, format!("{seconds:+}\n"))
            .and_then(|()| std::fs::rename(&new, &file))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.clock"))
    }
}

/// Removes what the library shares between processes and leaves behind when one is killed.
pub(crate) fn tidy() {
    for entry in Path::new("/dev/shm").read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let pid = ["faketime_shm_", "sem.faketime_sem_"].iter().find_map(|p| name.strip_prefix(p));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
