//! How orders end, as the topics tell it.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use contracts::events::{Event, EventType};
use messaging::{KafkaConfig, Received, Tail};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::ledger::{End, Ledger};

/// The tail, which reads for as long as this lives.
#[derive(Debug)]
pub struct Ends {
    shutdown: CancellationToken,
    tailing: AbortOnDropHandle<Result<(), messaging::MessagingError>>,
}

/// Cancelled orders are told on a topic of their own, with much that is not looked at; it is read only where
/// there are any.
const WITH_CANCELLED: &[EventType] =
    &[EventType::OrderCompleted, EventType::OrderFailed, EventType::OrderCancelled];
const WITHOUT_CANCELLED: &[EventType] = &[EventType::OrderCompleted, EventType::OrderFailed];

impl Ends {
    /// Returns once all that is told from now on will be heard.
    pub async fn follow(kafka: KafkaConfig, cancelled: bool, ledger: Arc<Ledger>) -> Result<Self> {
        let wants = if cancelled { WITH_CANCELLED } else { WITHOUT_CANCELLED };
        let shutdown = CancellationToken::new();
        let (positioned, at_the_end) = oneshot::channel();
        let tail = Tail::new(kafka, "bench", wants);
        let tailing = tail.run(
            move || {
                let _ = positioned.send(());
            },
            move |received| {
                if let Some((order, end)) = end(&received) {
                    ledger.ended(order, end);
                }
            },
            shutdown.clone(),
        );
        let tailing = AbortOnDropHandle::new(tokio::spawn(tailing));
        at_the_end.await.map_err(|_| anyhow!("the topics cannot be read"))?;
        Ok(Self { shutdown, tailing })
    }

    /// Resolves if it ends by itself.
    pub async fn broken(&mut self) -> anyhow::Error {
        match (&mut self.tailing).await {
            Ok(Ok(())) => anyhow!("the tail has ended"),
            Ok(Err(error)) => error.into(),
            Err(error) => error.into(),
        }
    }

    /// Ends it.
    pub async fn stop(self) -> Result<()> {
        self.shutdown.cancel();
        Ok(self.tailing.await??)
    }
}

fn end(received: &Received) -> Option<(contracts::ids::OrderId, End)> {
    match &received.event {
        Event::OrderCompleted(event) => Some((event.order_id, End::Completed)),
        Event::OrderFailed(event) => Some((event.order_id, End::Failed(event.reason.as_str()))),
        Event::OrderCancelled(event) => {
            Some((event.order_id, End::Cancelled(event.reason.as_str())))
        }
        _ => None,
    }
}
