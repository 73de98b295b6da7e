//! The parts of a stack as another process finds them: pid files, logs and the description.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use test_support::stack::{Folders, Kafka, Postgres, SERVICES, ServerProcess, write_secret};

use crate::ports::{KAFKA, KAFKA_NODES, POSTGRES};
use crate::services::Services;

/// What a running stack tells about itself in `stack.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// URL for the superuser.
    pub database_url: String,
    /// Bootstrap address of Kafka.
    pub kafka_brokers: String,
    /// The shop's admin on this stack.
    pub admin: Admin,
    /// Port by part, of the parts that the stack runs itself.
    pub ports: BTreeMap<String, u16>,
}

/// Who may change the catalogue and the stock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Admin {
    /// To sign in with.
    pub email: String,
    /// To sign in with.
    pub password: String,
}

impl Description {
    /// `http://127.0.0.1:<port>` of each service.
    pub fn urls(&self) -> BTreeMap<String, String> {
        let services = self.ports.iter().filter(|(part, _)| SERVICES.contains(&part.as_str()));
        services.map(|(name, port)| (name.clone(), format!("http://127.0.0.1:{port}"))).collect()
    }

    /// Reads it; `None` when the stack is not up.
    pub fn read(folders: &Folders) -> Result<Option<Self>> {
        let path = Self::path(folders);
        let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
        serde_json::from_str(&text).with_context(|| format!("{} is broken", path.display()))
    }

    /// Writes it for its owner alone, since it holds a password.
    pub fn write(&self, folders: &Folders) -> Result<()> {
        write_secret(&Self::path(folders), &serde_json::to_string_pretty(self)?)
    }

    /// Writes the same for a shell to read, `env`: where each service listens, such as `ORDERS`, how it
    /// reaches its schema, such as `ORDERS_DATABASE_URL`, the admin, and the operators' command line for this stack.
    pub fn write_for_shells(&self, folders: &Folders, services: &Services) -> Result<()> {
        let mut lines = Vec::new();
        for (service, url) in self.urls() {
            lines.push(format!("{}={url}", service.to_uppercase()));
        }
        for (service, url) in &services.database_urls {
            lines.push(format!("{}_DATABASE_URL='{url}'", service.to_uppercase()));
        }
        lines.push(format!("ADMIN_EMAIL='{}'", self.admin.email));
        lines.push(format!("ADMIN_PASSWORD='{}'", self.admin.password));
        // A function: exported, these variables would make the next stack use this one's servers.
        let urls = self.urls().into_iter().map(|(service, url)| format!("{service}={url}"));
        lines.push(format!(
            "boutique() {{ KAFKA_BROKERS='{}' SERVICE_URLS='{}' '{}' \"$@\"; }}",
            self.kafka_brokers,
            urls.collect::<Vec<_>>().join(","),
            services.binaries.join("boutique").display(),
        ));
        write_secret(&Self::shell_path(folders), &(lines.join("\n") + "\n"))
    }

    /// Removes it, when the stack ends.
    pub fn remove(folders: &Folders) {
        let _ = std::fs::remove_file(Self::path(folders));
        let _ = std::fs::remove_file(Self::shell_path(folders));
    }

    fn shell_path(folders: &Folders) -> PathBuf {
        folders.local().join("env")
    }

    fn path(folders: &Folders) -> PathBuf {
        folders.local().join("stack.json")
    }
}

/// Names of all parts, servers first.
pub fn names() -> impl Iterator<Item = &'static str> {
    [POSTGRES, KAFKA].into_iter().chain(SERVICES)
}

/// The log of a part.
pub fn log(folders: &Folders, part: &str) -> PathBuf {
    match part {
        POSTGRES => Postgres::log_in(&folders.postgres()),
        part if let Some(number) = kafka_node(part) => Kafka::log_in(&folders.kafka(number)),
        service => folders.local().join(format!("{service}.log")),
    }
}

/// The process of a part, if it runs.
pub fn process(folders: &Folders, part: &str) -> Option<ServerProcess> {
    match part {
        POSTGRES => Postgres::process_in(&folders.postgres()),
        part if let Some(number) = kafka_node(part) => Kafka::process_in(&folders.kafka(number)),
        service => ServerProcess::find(&service_pid_file(folders, service)),
    }
}

/// The number of the node of Kafka that a part is.
fn kafka_node(part: &str) -> Option<usize> {
    (1..).zip(KAFKA_NODES).find_map(|(number, node)| (node == part).then_some(number))
}

/// Whether any part runs.
pub(crate) fn any_runs(folders: &Folders) -> bool {
    names().chain(KAFKA_NODES).any(|part| process(folders, part).is_some())
}

/// The pid file of a service.
pub(crate) fn service_pid_file(folders: &Folders, service: &str) -> PathBuf {
    folders.local().join(format!("{service}.pid"))
}
