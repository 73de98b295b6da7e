//! Where the stack keeps what it makes.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::geteuid;

use super::account::Account;

/// What the folders with the servers' programs begin with, which are no stack's.
pub(super) const PROGRAMS: &str = "servers-";

/// The folders of one stack of a checkout, such as `.local/stack` and `.local/test`.
#[derive(Debug, Clone)]
pub struct Folders {
    local: PathBuf,
    world: PathBuf,
}

impl Folders {
    /// Makes the folders of the stack called `name` where they are missing.
    pub fn new(checkout: &Path, name: &str) -> Result<Self> {
        let folders = Self {
            local: private_dir(checkout)?.join(name),
            world: world_dir(checkout)?.join(name),
        };
        make_dir(&folders.local)?;
        make_dir(&folders.world)?;
        Ok(folders)
    }

    /// The names of all stacks that a checkout keeps something of.
    pub fn names(checkout: &Path) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for dir in [private_dir(checkout)?, world_dir(checkout)?] {
            for entry in dir.read_dir()?.flatten() {
                let name = entry.file_name().into_string();
                if entry.path().is_dir() {
                    names.extend(name.into_iter().filter(|name| !name.starts_with(PROGRAMS)));
                }
            }
        }
        Ok(names)
    }

    /// What only the caller needs to reach.
    pub fn local(&self) -> &Path {
        &self.local
    }

    /// The folder of a node of its Kafka, by its number.
    pub fn kafka(&self, number: usize) -> PathBuf {
        match number {
            1 => self.local.join("kafka"),
            _ => self.local.join(format!("kafka-{number}")),
        }
    }

    /// The folder of its Postgres, where the account of Postgres can reach it.
    pub fn postgres(&self) -> PathBuf {
        self.world.join("postgres")
    }

    /// Removes all that the stack kept, whose servers must be stopped; the folders stay.
    pub fn clear(&self) -> Result<()> {
        self.remove()?;
        make_dir(&self.local)?;
        make_dir(&self.world)
    }

    /// Removes all that the stack kept, whose servers must be stopped.
    pub fn remove(&self) -> Result<()> {
        for dir in [&self.local, &self.world] {
            match std::fs::remove_dir_all(dir) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", dir.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The folder for what the local stack of `checkout` keeps: `.local` in it.
pub(crate) fn private_dir(checkout: &Path) -> Result<PathBuf> {
    let dir = checkout.join(".local");
    make_dir(&dir)?;
    Ok(dir)
}

/// The folder for what Postgres must reach: the same, or one under `/var/tmp` named after the
/// checkout where `nobody` cannot get into the checkout.
pub(super) fn world_dir(checkout: &Path) -> Result<PathBuf> {
    let dir = private_dir(checkout)?;
    if Account::unprivileged()?.can_reach(&dir) {
        return Ok(dir);
    }
    let elsewhere = PathBuf::from(format!(
        "/var/tmp/boutique-{:016x}",
        fnv1a(checkout.as_os_str().as_encoded_bytes())
    ));
    make_dir(&elsewhere)?;
    // Anyone may make folders there: one that someone else made is not ours to trust.
    let meta = elsewhere.symlink_metadata()?;
    if !meta.is_dir() || meta.uid() != geteuid().as_raw() || meta.mode() & 0o022 != 0 {
        bail!("{} belongs to someone else; remove it", elsewhere.display());
    }
    Ok(elsewhere)
}

/// Makes a folder that all may search, whatever the umask; its parent must exist.
pub(super) fn make_dir(dir: &Path) -> Result<()> {
    match std::fs::DirBuilder::new().mode(0o755).create(dir) {
        Ok(()) => std::fs::set_permissions(dir, Permissions::from_mode(0o755))?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            ensure!(dir.is_dir(), "{} is not a folder", dir.display());
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot make the folder {}", dir.display()));
        }
    }
    Ok(())
}

/// A name that stays the same over builds, which the standard hasher does not promise.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
