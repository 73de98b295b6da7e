//! The account Postgres runs as, which refuses to run as root, and folders it can reach.

use std::fs::Permissions;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::{User, geteuid};
use tokio::process::Command;

/// Who a server runs as: the caller, or `nobody` where the caller is root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account(Option<(u32, u32)>);

impl Account {
    pub(super) fn unprivileged() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self(None));
        }
        let nobody = User::from_name("nobody")?.context(
            "Postgres refuses to run as root, and there is no user `nobody` to run it as",
        )?;
        Ok(Self(Some((nobody.uid.as_raw(), nobody.gid.as_raw()))))
    }

    /// Makes the command run as this account.
    pub(super) fn apply(self, command: &mut Command) {
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
    }

    /// Hands a file or an empty folder to this account alone.
    pub(super) fn own(self, path: &Path, mode: u32) -> Result<()> {
        std::fs::set_permissions(path, Permissions::from_mode(mode))?;
        if let Some((uid, gid)) = self.0 {
            std::os::unix::fs::chown(path, Some(uid), Some(gid))
                .with_context(|| format!("cannot hand {} to nobody", path.display()))?;
        }
        Ok(())
    }

    fn can_reach(self, dir: &Path) -> bool {
        let Some((uid, gid)) = self.0 else {
            return true;
        };
        dir.ancestors().filter_map(|ancestor| ancestor.metadata().ok()).all(|meta| {
            let searchable = match () {
                () if meta.uid() == uid => 0o100,
                () if meta.gid() == gid => 0o010,
                () => 0o001,
            };
            meta.mode() & searchable != 0
        })
    }
}

/// The folder for what the local stack of `checkout` keeps: `.local` in it.
pub fn private_dir(checkout: &Path) -> Result<PathBuf> {
    let dir = checkout.join(".local");
    make_dir(&dir)?;
    Ok(dir)
}

/// The folder for what Postgres must reach: the same, or one under `/var/tmp` named after the
/// checkout where `nobody` cannot get into the checkout.
pub fn world_dir(checkout: &Path) -> Result<PathBuf> {
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
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
