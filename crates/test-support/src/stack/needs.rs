//! What the stack needs on the machine: Java and Maven, found, installed or named.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::geteuid;
use tokio::process::Command;

use super::Progress;

const JAVA_OLDEST: u32 = 17;

/// The Java program to run, of version 17 or newer.
pub(super) async fn java(progress: Progress<'_>) -> Result<PathBuf> {
    if let Some(java) = find_java().await {
        return Ok(java);
    }
    install("Java 17 or newer", "default-jre-headless", progress).await?;
    find_java().await.context("the Java of this system's packages is older than 17; install Java 17 or newer and set JAVA_HOME to it")
}

/// The Maven program.
pub(crate) async fn maven(progress: Progress<'_>) -> Result<PathBuf> {
    if let Some(maven) = on_path("mvn") {
        return Ok(maven);
    }
    install("Maven", "maven", progress).await?;
    on_path("mvn").context("Maven was installed, but mvn is not on the PATH")
}

/// Python 3, with what makes environments.
pub(crate) async fn python(progress: Progress<'_>) -> Result<PathBuf> {
    if on_path("python3").is_none() || !can_make_environments().await {
        install("Python 3 with venv", "python3-venv", progress).await?;
    }
    on_path("python3").context("Python was installed, but python3 is not on the PATH")
}

/// Debian has this apart.
async fn can_make_environments() -> bool {
    let mut asked = Command::new("python3");
    asked.args(["-c", "import ensurepip, venv"]).stdin(Stdio::null()).stderr(Stdio::null());
    asked.status().await.is_ok_and(|status| status.success())
}

async fn find_java() -> Option<PathBuf> {
    let named = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    let mut installed: Vec<_> = std::fs::read_dir("/usr/lib/jvm")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin/java"))
        .collect();
    installed.sort();
    for java in named.into_iter().chain(on_path("java")).chain(installed) {
        if version(&java).await.is_some_and(|version| version >= JAVA_OLDEST) {
            return Some(java);
        }
    }
    None
}

async fn version(java: &Path) -> Option<u32> {
    let output = Command::new(java)
        .args(["-XX:-UsePerfData", "-version"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    major(&String::from_utf8_lossy(&output.stderr))
}

/// `openjdk version "17.0.15" …` is 17; `java version "1.8.0_402"` is 8.
fn major(text: &str) -> Option<u32> {
    let quoted = text.split('"').nth(1)?;
    let mut numbers = quoted.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        version => Some(version),
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

/// Installs a Debian package as root; otherwise says how.
async fn install(what: &str, package: &str, progress: Progress<'_>) -> Result<()> {
    let Some(apt) = on_path("apt-get") else {
        bail!("{what} is missing; install it with this system's package manager");
    };
    if !geteuid().is_root() {
        bail!("{what} is missing; install it with: sudo apt-get install {package}");
    }
    progress(&format!("{what} is missing: installing {package} with apt-get"));
    for arguments in [&["update"][..], &["install", "--yes", "--no-install-recommends", package]] {
        let output = Command::new(&apt)
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("cannot run apt-get")?;
        ensure!(
            output.status.success(),
            "apt-get {} failed:\n{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn java_versions_are_read() {
        assert_eq!(major("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(major("java version \"1.8.0_402\""), Some(8));
        assert_eq!(major("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(major("openjdk version \"26-ea\" 2026-03-17"), Some(26));
        assert_eq!(major("Error: no java"), None);
    }
}
