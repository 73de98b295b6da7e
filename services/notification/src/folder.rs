//! E-mails as files, for whoever has no mail server.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::Context;

use crate::delivery::Attempt;
use crate::mailer::Letter;

/// A folder of `.eml` files, named after their notifications: a repeat takes the place of the first.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder if it is not there.
    pub async fn open(path: &Path) -> anyhow::Result<Self> {
        let made = tokio::fs::create_dir_all(path).await;
        made.with_context(|| format!("cannot make the folder {} (MAIL_DIR)", path.display()))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Writes them one after the other, since many at once would only wait for each other in the kernel; the
    /// attempts with the letters' positions. They are not flushed to disk: this folder is to look at.
    pub async fn write(&self, letters: Vec<Letter>) -> Vec<(usize, Attempt)> {
        let path = self.path.clone();
        let writing = tokio::task::spawn_blocking(move || {
            let attempt = |letter: Letter| {
                let attempt = match write(&path, &letter) {
                    Ok(()) => Attempt::Sent,
                    Err(error) => Attempt::Later(format!("cannot write to MAIL_DIR: {error}")),
                };
                (letter.position, attempt)
            };
            letters.into_iter().map(attempt).collect()
        });
        writing.await.unwrap_or_else(|error| {
            tracing::error!(%error, "writing panicked; again after the lease");
            Vec::new()
        })
    }
}

/// Whoever sees the file sees all of it.
fn write(folder: &Path, letter: &Letter) -> io::Result<()> {
    let part = folder.join(format!("{}.part", letter.id));
    fs::write(&part, letter.message.formatted())?;
    fs::rename(&part, folder.join(format!("{}.eml", letter.id)))
}
