//! The library that gives a process a wall clock of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::process::Command;

use super::Progress;
use super::artifacts::{lock, partial};
use super::folders::{PROGRAMS, make_dir, private_dir};
use super::needs::on_path;
use super::process::run_to_end;

/// The one for programs with threads.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// Finds libfaketime on the system or under `.local/` of the checkout; otherwise fetches Debian's package
/// and unpacks it there, for which nobody has to be root.
///
/// # Errors
///
/// When it is not there, and this system has no packages of Debian's kind or cannot reach them.
pub async fn faketime(checkout: &Path, progress: Progress<'_>) -> Result<PathBuf> {
    let folders = [format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH)]
        .into_iter()
        .chain(["usr/lib64", "usr/lib"].map(str::to_owned));
    let in_root = |root: &Path| {
        let mut libraries = folders.clone().map(|folder| root.join(folder).join(LIBRARY));
        libraries.find(|library| library.is_file())
    };
    if let Some(installed) = in_root(Path::new("/")) {
        return Ok(installed);
    }
    let local = private_dir(checkout)?;
    let whole = local.join(format!("{PROGRAMS}faketime"));
    if !whole.is_dir() {
        let _lock = lock(local.join("servers.lock"), progress).await?;
        if !whole.is_dir() {
            fetch(&whole, progress).await.context("fetching libfaketime")?;
        }
    }
    in_root(&whole).context("Debian's package libfaketime holds another library")
}

async fn fetch(whole: &Path, progress: Progress<'_>) -> Result<()> {
    let apt = on_path("apt-get").context("it is not installed, and there is no apt-get")?;
    progress("fetching libfaketime with apt-get (once)");
    let partial = partial(whole)?;
    let log = whole.with_file_name("fetch.log");
    std::fs::write(&log, "")?;
    if run_to_end("apt-get", download(&apt, &partial), &log).await.is_err() {
        // The system's lists of packages are missing or old, and are root's alone to bring up to date.
        let own = own_lists(&partial)?;
        let mut update = Command::new(&apt);
        update.args(&own).arg("update");
        run_to_end("apt-get update", update, &log).await?;
        let mut download = download(&apt, &partial);
        download.args(&own);
        run_to_end("apt-get download", download, &log).await?;
    }
    let mut files = partial.read_dir()?.flatten().map(|entry| entry.path());
    let package = files.find(|file| file.extension().is_some_and(|extension| extension == "deb"));
    let unpacked = partial.join("unpacked");
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--extract").arg(package.context("no package came")?).arg(&unpacked);
    run_to_end("dpkg-deb", unpack, &log).await?;
    std::fs::rename(&unpacked, whole)?;
    std::fs::remove_dir_all(&partial)?;
    Ok(())
}

fn download(apt: &Path, into: &Path) -> Command {
    let mut command = Command::new(apt);
    command.args(["download", "libfaketime"]).current_dir(into);
    command
}

/// Options for lists of packages in this folder.
fn own_lists(folder: &Path) -> Result<[String; 3]> {
    let (lists, cache) = (folder.join("lists"), folder.join("cache"));
    for dir in [&lists, &lists.join("partial"), &cache] {
        make_dir(dir)?;
    }
    Ok([
        format!("-oDir::State::Lists={}", lists.display()),
        format!("-oDir::Cache={}", cache.display()),
        // As root it would become another user, who cannot get in here.
        "-oAPT::Sandbox::User=root".to_owned(),
    ])
}
