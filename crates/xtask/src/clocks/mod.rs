//! Wall clocks of single processes, which can be set wrong while they run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use test_support::stack::{Folders, run_to_end};
use tokio::process::Command;

use crate::say;

/// What is preloaded. The library that others use for this, libfaketime, leaves the C11 waits of librdkafka
/// alone: with a clock that is ahead they never end.
const LIBRARY: &str = include_str!("clock.c");

/// Gives processes clocks that are read from files.
#[derive(Debug)]
pub struct Clocks {
    library: PathBuf,
    folder: PathBuf,
}

impl Clocks {
    /// Clocks for the processes of a stack; `None`, and a word about it, where the library cannot be built.
    pub(crate) async fn of(folders: &Folders) -> Option<Self> {
        match build(folders.local()).await {
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
        command.env("LD_PRELOAD", &self.library).env("CLOCK_FILE", file);
        Ok(())
    }

    /// Sets a clock wrong by so many seconds, or right by none.
    pub(crate) fn set(&self, name: &str, seconds: i64) -> Result<()> {
        let file = self.file(name);
        // Not cut first: processes have it in their memory.
        let mut options = std::fs::File::options();
        options
            .write(true)
            .create(true)
            .truncate(false)
            .open(&file)
            .and_then(|mut file| std::io::Write::write_all(&mut file, &seconds.to_ne_bytes()))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.clock"))
    }
}

async fn build(folder: &Path) -> Result<PathBuf> {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    std::fs::write(&source, LIBRARY)?;
    let mut command = Command::new("cc");
    command.args(["-O2", "-shared", "-fPIC", "-Wall", "-o"]).arg(&library).arg(&source).arg("-ldl");
    run_to_end("building the library for clocks", command, &folder.join("clock.log")).await?;
    Ok(library)
}
