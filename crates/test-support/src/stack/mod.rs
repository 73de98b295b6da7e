//! A private Postgres and Kafka on this machine, without containers.
//!
//! Servers are known by their folder: each keeps its data, its log and a pid file there, so that
//! another process can find and stop them, and what a killed run left behind is cleaned at the
//! next start.

mod account;
mod artifacts;
mod cluster;
mod folders;
mod guard;
mod kafka;
pub(crate) mod needs;
mod port;
mod postgres;
mod process;
mod roles;
mod secret;

pub use artifacts::Artifacts;
pub(crate) use artifacts::{lock, partial};
pub use cluster::Cluster;
pub use folders::Folders;
pub(crate) use folders::{fnv1a, private_dir};
pub use guard::Guard;
pub use kafka::Kafka;
pub use port::{free_port, port_is_free};
pub use postgres::Postgres;
pub(crate) use process::is_gone;
pub use process::{ProcessCost, ServerProcess, log_tail, run_to_end, wait_ready};
pub use roles::{SERVICES, create_service_role, in_database, url_with};
pub use secret::{random_password, write_secret};

use std::path::{Path, PathBuf};

/// Told what is being done where it takes long; prints a line, or does nothing.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// The top folder of this checkout.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .components()
        .collect::<PathBuf>()
        .join("../..")
        .canonicalize()
        .unwrap_or_else(|_| PathBuf::from("."))
}
