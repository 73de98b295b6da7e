//! E-mails as files, for whoever has no mail server.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::fs;
use uuid::Uuid;

use crate::delivery::Attempt;

/// A folder of `.eml` files, named after their notifications: a repeat takes the place of the first.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder if it is not there.
    pub async fn open(path: &Path) -> anyhow::Result<Self> {
        let made = fs::create_dir_all(path).await;
        made.with_context(|| format!("cannot make the folder {} (MAIL_DIR)", path.display()))?;
        Ok(Self(path.to_owned()))
    }

    /// Whoever sees the file sees all of it. It is not flushed to disk: this folder is to look at.
    pub async fn write(&self, id: Uuid, mail: Vec<u8>) -> Attempt {
        let part = self.0.join(format!("{id}.part"));
        let written = async {
            fs::write(&part, mail).await?;
            fs::rename(&part, self.0.join(format!("{id}.eml"))).await
        };
        match written.await {
            Ok(()) => Attempt::Sent,
            Err(error) => Attempt::Later(format!("cannot write to MAIL_DIR: {error}")),
        }
    }
}
