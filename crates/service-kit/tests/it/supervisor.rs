//! The ends of tasks.

use std::future::pending;
use std::time::Duration;

use service_kit::Supervisor;
use tokio_util::sync::CancellationToken;

const TIMEOUT: Duration = Duration::from_secs(10);

fn supervisor() -> (Supervisor, CancellationToken) {
    let shutdown = CancellationToken::new();
    (Supervisor::new(shutdown.clone()), shutdown)
}

/// A task that does what it should.
async fn until(shutdown: CancellationToken) -> anyhow::Result<()> {
    shutdown.cancelled().await;
    Ok(())
}

#[tokio::test]
async fn runs_until_it_is_told_to_stop() {
    let (mut supervisor, shutdown) = supervisor();
    supervisor.spawn("relay", until(shutdown.clone()));
    let running = tokio::spawn(supervisor.run(TIMEOUT));
    tokio::task::yield_now().await;
    assert!(!running.is_finished());
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_task_that_fails_panics_or_ends_stops_the_others() {
    async fn ended_by(task: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> String {
        let (mut supervisor, shutdown) = supervisor();
        supervisor.spawn("relay", until(shutdown.clone()));
        supervisor.spawn("consumer", task);
        let error = supervisor.run(TIMEOUT).await.unwrap_err();
        assert!(shutdown.is_cancelled());
        error.to_string()
    }

    assert_eq!(ended_by(async { anyhow::bail!("no") }).await, "task consumer failed");
    assert_eq!(ended_by(async { panic!("no") }).await, "task consumer failed");
    assert_eq!(ended_by(async { Ok(()) }).await, "task consumer ended early");
}

#[tokio::test]
async fn leaves_behind_what_does_not_stop_in_time() {
    let (mut supervisor, shutdown) = supervisor();
    supervisor.spawn("relay", until(shutdown.clone()));
    supervisor.spawn("stuck", pending());
    shutdown.cancel();
    tokio::time::timeout(TIMEOUT, supervisor.run(Duration::from_millis(50)))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_failure_while_stopping_is_a_failure() {
    let (mut supervisor, shutdown) = supervisor();
    let stop = shutdown.clone();
    supervisor.spawn("relay", async move {
        stop.cancelled().await;
        anyhow::bail!("cannot flush")
    });
    shutdown.cancel();
    assert_eq!(supervisor.run(TIMEOUT).await.unwrap_err().to_string(), "task relay failed");
}

#[tokio::test]
async fn a_task_that_is_to_stop_last_goes_on_until_the_others_have_stopped() {
    let (mut supervisor, shutdown) = supervisor();
    let (stopped, has_stopped) = tokio::sync::oneshot::channel();
    supervisor.spawn_last("relay", async move |last: CancellationToken| {
        last.cancelled().await;
        // The other one has sent this before it ended.
        anyhow::ensure!({ has_stopped }.try_recv().is_ok(), "told to stop too early");
        Ok(())
    });
    let asked = shutdown.clone();
    supervisor.spawn("consumer", async move {
        asked.cancelled().await;
        tokio::task::yield_now().await;
        stopped.send(()).map_err(|()| anyhow::anyhow!("the relay is gone"))
    });
    shutdown.cancel();
    supervisor.run(TIMEOUT).await.unwrap();
}
