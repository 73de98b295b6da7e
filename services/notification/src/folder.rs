//! E-mails as files, for whoever has no mail server.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::delivery::Attempt;

/// A folder of `.eml` files, named after their notifications: a repeat takes the place of the first.
pub struct Folder {
    path: PathBuf,
    /// Held while one is written: many at once would only wait for each other in the kernel.
    writing: Mutex<()>,
}

impl Folder {
    /// Makes the folder if it is not there.
    pub async fn open(path: &Path) -> anyhow::Result<Self> {
        let made = tokio::fs::create_dir_all(path).await;
        made.with_context(|| format!("cannot make the folder {} (MAIL_DIR)", path.display()))?;
        Ok(Self { path: path.to_owned(), writing: Mutex::new(()) })
    }

    /// Whoever sees the file sees all of it. It is not flushed to disk: this folder is to look at.
    pub async fn write(&self, id: Uuid, mail: Vec<u8>) -> Attempt {
        let part = self.path.join(format!("{id}.part"));
        let whole = self.path.join(format!("{id}.eml"));
        let _writing = self.writing.lock().await;
        let written = tokio::task::spawn_blocking(move || {
            fs::write(&part, mail)?;
            fs::rename(&part, whole)
        });
        match written.await.map_err(std::io::Error::from).flatten() {
            Ok(()) => Attempt::Sent,
            Err(error) => Attempt::Later(format!("cannot write to MAIL_DIR: {error}")),
        }
    }
}
