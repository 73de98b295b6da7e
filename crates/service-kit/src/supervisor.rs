//! Every long-lived task has a name and an end that somebody notices.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{anyhow, bail};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Runs a process's tasks until the shutdown token is cancelled, or one of them fails.
pub struct Supervisor {
    shutdown: CancellationToken,
    /// Cancelled once all have stopped that are not to stop last.
    last: CancellationToken,
    lasting: HashSet<Id>,
    tasks: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, &'static str>,
}

type Ended = Result<(Id, anyhow::Result<()>), JoinError>;

impl Supervisor {
    /// A supervisor without tasks. Tasks are expected to end when `shutdown` is cancelled, and
    /// never before.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self {
            shutdown,
            last: CancellationToken::new(),
            lasting: HashSet::new(),
            tasks: JoinSet::new(),
            names: HashMap::new(),
        }
    }

    /// Starts a task. `name` is what the log calls it.
    pub fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Starts a task that is told to stop, by a token of its own, once the others have stopped.
    pub fn spawn_last<F: Future<Output = anyhow::Result<()>> + Send + 'static>(
        &mut self,
        name: &'static str,
        task: impl FnOnce(CancellationToken) -> F,
    ) {
        let id = self.tasks.spawn(task(self.last.clone())).id();
        self.names.insert(id, name);
        self.lasting.insert(id);
    }

    /// Waits for the shutdown token, then for the tasks, at most `timeout` long.
    ///
    /// A task that ends early, fails or panics is logged, cancels the token for all others, and
    /// makes the result an error. Tasks still running after `timeout` are named in a warning and
    /// aborted; that alone is no error.
    pub async fn run(mut self, timeout: Duration) -> anyhow::Result<()> {
        let mut outcome = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Ok(()),
            Some(ended) = self.tasks.join_next_with_id() => self.ended_early(ended),
        };
        self.shutdown.cancel();

        let deadline = Instant::now() + timeout;
        loop {
            if self.names.keys().all(|id| self.lasting.contains(id)) {
                self.last.cancel();
            }
            match tokio::time::timeout_at(deadline, self.tasks.join_next_with_id()).await {
                Ok(None) => return outcome,
                Ok(Some(ended)) => outcome = outcome.and(self.ended(ended).map(|_name| ())),
                Err(_elapsed) => break,
            }
        }
        let running: Vec<_> = self.names.values().copied().collect();
        tracing::warn!(?running, ?timeout, "tasks did not stop in time; leaving them behind");
        self.tasks.abort_all();
        outcome
    }

    fn ended_early(&mut self, ended: Ended) -> anyhow::Result<()> {
        let name = self.ended(ended)?;
        tracing::error!(task = name, "task ended although nobody asked it to");
        bail!("task {name} ended early")
    }

    /// Logs the failure of a task, whose error then needs no more than its name.
    fn ended(&mut self, ended: Ended) -> anyhow::Result<&'static str> {
        let (id, error) = match ended {
            Ok((id, Ok(()))) => return Ok(self.names.remove(&id).unwrap_or("unnamed")),
            Ok((id, Err(error))) => (id, error),
            Err(error) => (error.id(), anyhow!(error)),
        };
        let name = self.names.remove(&id).unwrap_or("unnamed");
        tracing::error!(task = name, error = format!("{error:#}"), "task failed");
        bail!("task {name} failed")
    }
}
