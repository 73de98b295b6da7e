//! E-mails in a file, for whoever has no mail server.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::delivery::Attempt;
use crate::mailer::Letter;

/// A folder with one file, `mail.mbox`, to which e-mails are added. A file for each would cost more than all else
/// that is done about an e-mail.
///
/// After a crash, or a write that failed half way, an e-mail may be there twice, with the same Message-ID.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder if it is not there.
    pub async fn open(path: &Path) -> anyhow::Result<Self> {
        let made = tokio::fs::create_dir_all(path).await;
        made.with_context(|| format!("cannot make the folder {} (MAIL_DIR)", path.display()))?;
        Ok(Self { path: path.join("mail.mbox") })
    }

    /// Adds all at once; the attempts with the letters' positions. They are not flushed to disk: the file is to
    /// look at.
    pub async fn write(&self, letters: Vec<Letter>) -> Vec<(usize, Attempt)> {
        let path = self.path.clone();
        let writing = tokio::task::spawn_blocking(move || {
            let written = append(&path, &letters);
            let attempt = |letter: Letter| {
                let attempt = match &written {
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

/// One write, which replicas do not interrupt each other's in.
fn append(path: &Path, letters: &[Letter]) -> io::Result<()> {
    let mut text = Vec::new();
    for letter in letters {
        add(&mut text, &letter.message.formatted());
    }
    OpenOptions::new().create(true).append(true).open(path)?.write_all(&text)
}

/// In the format mboxrd: a line that begins with `From `, however quoted, is quoted once more.
fn add(text: &mut Vec<u8>, message: &[u8]) {
    // On a line of its own, also where a process that was killed has left half a letter.
    text.extend_from_slice(b"\nFrom MAILER-DAEMON Thu Jan  1 00:00:00 1970\n");
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        let unquoted = line.iter().position(|byte| *byte != b'>').map_or(&[][..], |at| &line[at..]);
        if unquoted.starts_with(b"From ") {
            text.push(b'>');
        }
        text.extend_from_slice(line.strip_suffix(b"\r\n").unwrap_or(line));
        if line.ends_with(b"\r\n") {
            text.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_begin_where_nothing_else_can() {
        let mut text = Vec::new();
        add(&mut text, b"Subject: a\r\n\r\nFrom here\r\n>From there\r\nOn From\r\n");
        add(&mut text, b"Subject: b\r\n\r\nb\r\n");
        let from = "\nFrom MAILER-DAEMON Thu Jan  1 00:00:00 1970\n";
        let expected = format!(
            "{from}Subject: a\n\n>From here\n>>From there\nOn From\n{from}Subject: b\n\nb\n"
        );
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
