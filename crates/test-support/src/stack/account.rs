//! The account Postgres runs as, which refuses to run as root.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
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

    /// Whether it can get into a folder.
    pub(super) fn can_reach(self, dir: &Path) -> bool {
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
