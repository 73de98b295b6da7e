//! Whether the process can do its work now, as `/readyz` tells it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// The named conditions that must hold. Cheap to clone; all clones share the conditions.
#[derive(Clone)]
pub struct Readiness {
    leaving: CancellationToken,
    checks: Arc<RwLock<Vec<(&'static str, Check)>>>,
}

/// A condition that a task sets as it goes.
#[derive(Clone, Debug)]
pub struct ReadyFlag(Arc<AtomicBool>);

impl ReadyFlag {
    /// Says whether the condition holds from now on.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }
}

impl Readiness {
    /// Ready, without conditions, until `leaving` is cancelled.
    pub fn new(leaving: CancellationToken) -> Self {
        Self { leaving, checks: Arc::default() }
    }

    /// Adds a condition that does not hold until its flag is set.
    pub fn flag(&self, name: &'static str) -> ReadyFlag {
        let flag = ReadyFlag(Arc::new(AtomicBool::new(false)));
        let read = flag.0.clone();
        self.check(name, move || std::future::ready(read.load(Ordering::Relaxed)));
        flag
    }

    /// Adds a condition that is looked up at each question; no answer within a second counts as no.
    pub fn check<F>(&self, name: &'static str, check: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.checks.write().unwrap_or_else(PoisonError::into_inner).push((name, check));
    }

    /// The names of the conditions that do not hold now; empty when ready.
    pub async fn failing(&self) -> Vec<&'static str> {
        if self.leaving.is_cancelled() {
            return vec!["shutting down"];
        }
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut failing = Vec::new();
        for (name, check) in checks {
            if !tokio::time::timeout(CHECK_TIMEOUT, check()).await.unwrap_or(false) {
                failing.push(name);
            }
        }
        failing
    }
}
