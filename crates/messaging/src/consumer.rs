use std::{
    mem,
    time::{Duration, Instant},
};

use contracts::events::EventType;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    backoff::Backoff,
    batch::{Attempts, Batch, Failed, Mode},
    deadline::in_time,
    error::{HandlerError, MessagingError, chain},
    kafka::{KafkaConfig, close},
    linger::Linger,
    outbox::{Outbox, Tx},
    poller::{Messages, Poller, Revoked},
    record::Received,
};

/// What a service does with the events it hears of.
pub trait Handler: Send + Sync + 'static {
    /// The types it handles; the topics to read follow from them.
    const HANDLES: &'static [EventType];

    /// Those of them on whose effect nobody waits. Until one of the others comes, they gather for a while:
    /// so whoever is waited for has the processors to itself, and batches are larger.
    const CAN_WAIT: &'static [EventType] = &[];

    /// Changes the service's state for a batch of events, in order. All of it is committed together
    /// with what it publishes, or nothing is; on an error the batch comes again.
    ///
    /// As a rule an event is handed over once, by its id. Beyond the inbox's horizon, and where two members
    /// have it at the same moment because one of them came back from the dead, it is handed over again: a
    /// repeat must change nothing, which the state has to see to.
    ///
    /// May be dropped at any await: when its partition goes to another member, the transaction rolls
    /// back. A statement that fails spoils the transaction: its error is to be returned, not passed over.
    fn handle(
        &self,
        tx: &mut Tx,
        events: &[Received],
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// A service's member of its consumer group.
#[derive(Debug)]
pub struct Consumer<H> {
    kafka: KafkaConfig,
    outbox: Outbox,
    handler: H,
}

/// How long a batch may take before its member looks after the group again. Until then a rebalance
/// waits for it, and so drains it.
const DRAIN_DEADLINE: Duration = Duration::from_secs(1);

enum Outcome {
    Committed,
    Stopped,
    Revoked(Revoked),
}

impl<H: Handler> Consumer<H> {
    /// The group is named after the service the outbox belongs to.
    pub fn new(kafka: KafkaConfig, outbox: Outbox, handler: H) -> Self {
        Self { kafka, outbox, handler }
    }

    /// Reads, handles and commits batches until `shutdown`; then ends the batch in hand and leaves the
    /// group.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), MessagingError> {
        // Named before there is anything to count: the first would not be seen as an increase.
        metrics::counter!("consumer_retries_total").increment(0);
        loop {
            let poller = Poller::join::<H>(&self.kafka, self.outbox.service())?;
            let result = self.consume(&poller, &shutdown).await;
            close(poller).await?;
            let Err(error @ MessagingError::Stranded) = result else {
                return result;
            };
            if shutdown.is_cancelled() {
                return Ok(());
            }
            tracing::warn!(%error, "joining anew with another client");
        }
    }

    async fn consume(
        &self,
        poller: &Poller,
        shutdown: &CancellationToken,
    ) -> Result<(), MessagingError> {
        let mut carried = Messages::new();
        let mut linger = Linger::new();
        loop {
            let next = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                next = async {
                    linger.over().await;
                    poller.next(mem::take(&mut carried)).await
                } => next?,
            };
            // By the urgent ones: whoever is waited for does not wait for what could have waited.
            linger.begin(next.urgent, !next.has_room());
            let mut messages = next.messages;
            let batch = Batch::new(&messages, next.decoded);
            match self.work(poller, &messages, &batch, &mut carried, shutdown).await? {
                Outcome::Committed => poller.done(&messages),
                Outcome::Stopped => return Ok(()),
                Outcome::Revoked(revoked) => {
                    messages.retain(|message| !revoked.holds(message));
                    messages.append(&mut carried);
                    carried = messages;
                }
            }
        }
    }

    /// Processes a batch, and looks after the group membership if that takes long.
    async fn work<'c>(
        &self,
        poller: &'c Poller,
        messages: &Messages<'c>,
        batch: &Batch<'_>,
        extra: &mut Messages<'c>,
        shutdown: &CancellationToken,
    ) -> Result<Outcome, MessagingError> {
        let processing = self.process(batch, shutdown).instrument(batch.span());
        tokio::pin!(processing);
        tokio::select! {
            outcome = &mut processing => return Ok(outcome),
            () = tokio::time::sleep(DRAIN_DEADLINE) => {}
        }
        let outcome = tokio::select! {
            outcome = &mut processing => outcome,
            // Another member has these records now; the inbox tells which of them were committed here.
            revoked = poller.hold(messages, extra) => Outcome::Revoked(revoked?),
        };
        poller.resume()?;
        Ok(outcome)
    }

    /// Tries until the batch is committed or the service stops. What is transient is tried again
    /// without end; what is permanent is tried again once, in halves, which finds the record at fault.
    async fn process(&self, batch: &Batch<'_>, shutdown: &CancellationToken) -> Outcome {
        let service = self.outbox.service();
        let mut backoff = Backoff::default();
        let mut attempts = Attempts { count: 1, failed_since: None, conflicts: 0 };
        let mut mode = Mode::Whole;
        let begun = Instant::now();
        loop {
            let started = Instant::now();
            let processing = batch.process(&self.outbox, &self.handler, mode, attempts);
            let error = match in_time(processing).await {
                Ok(done) => {
                    metrics::histogram!("consumer_batch_events").record(batch.size());
                    metrics::histogram!("consumer_batch_duration_seconds")
                        .record(started.elapsed());
                    batch.tell_steps(service, begun, &done);
                    return Outcome::Committed;
                }
                Err(error) => error,
            };
            attempts.count = attempts.count.saturating_add(1);
            attempts.failed_since.get_or_insert_with(Instant::now);
            if let Failed::Handler(HandlerError::Conflict(_)) = error {
                attempts.conflicts += 1;
            }
            if attempts.hold_at_fault(&error) && mode == Mode::Whole {
                tracing::warn!(service, errors = ?chain(&error), events = batch.len(), "batch failed; looking for the record at fault");
                mode = Mode::Bisect;
                continue;
            }
            let wait = backoff.next();
            metrics::counter!("consumer_retries_total").increment(1);
            tracing::warn!(service, errors = ?chain(&error), failures = backoff.failures(), ?wait, "batch failed; trying again");
            tokio::select! {
                () = shutdown.cancelled() => return Outcome::Stopped,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}
