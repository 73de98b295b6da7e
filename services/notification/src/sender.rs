//! The worker that sends what is due.

use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;
use messaging::in_time;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::delivery::{Attempt, Next, next};
use crate::mail::{Mail, Unwritable};
use crate::mailer::Mailer;
use crate::store::{self, Due, Settled};

/// How long a claimed notification is left alone by others: longer than any e-mail may take.
const LEASE: Duration = Duration::from_mins(1);
/// How often it looks for what is due again, and for what other replicas have left.
const POLL: Duration = Duration::from_secs(1);

/// Sends notifications, a bounded number at once. Each replica has one.
///
/// It claims them, sends, and records the outcome, in this order, so that none is lost. A crash
/// between sending and recording sends an e-mail again after the lease. Over SMTP that cannot be
/// avoided; the repeat has the same Message-ID, by which receivers can drop it.
pub struct Sender {
    pool: PgPool,
    way_out: Arc<WayOut>,
    recorded: Arc<Notify>,
}

struct WayOut {
    mailer: Mailer,
    from: Mailbox,
}

impl Sender {
    /// `recorded` wakes it.
    pub fn new(pool: PgPool, mailer: Mailer, from: Mailbox, recorded: Arc<Notify>) -> Self {
        Self { pool, way_out: Arc::new(WayOut { mailer, from }), recorded }
    }

    /// Sends until `shutdown`; what is on its way then is ended first.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        while !shutdown.is_cancelled() {
            let claiming = store::claim(&self.pool, self.way_out.mailer.at_once(), LEASE);
            match in_time(claiming).await {
                Ok(due) if !due.is_empty() => {
                    let settled = self.send(due).await;
                    self.record(&settled, &shutdown).await;
                    continue;
                }
                Ok(_nothing) => {}
                Err(error) => tracing::warn!(%error, "cannot claim notifications; trying again"),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.recorded.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        Ok(())
    }

    async fn send(&self, due: Vec<Due>) -> Vec<Settled> {
        let mut sending = JoinSet::new();
        for due in due {
            let way_out = Arc::clone(&self.way_out);
            sending.spawn(async move {
                let attempt = way_out.send(&due).await;
                settled(&due, &attempt)
            });
        }
        let mut all = Vec::with_capacity(sending.len());
        while let Some(ended) = sending.join_next().await {
            match ended {
                Ok(settled) => all.push(settled),
                Err(error) => tracing::error!(%error, "sending panicked; again after the lease"),
            }
        }
        all
    }

    /// Records until it is recorded: whoever claimed these again would send them twice.
    async fn record(&self, settled: &[Settled], shutdown: &CancellationToken) {
        while let Err(error) = in_time(store::settle(&self.pool, settled)).await {
            tracing::warn!(%error, "cannot record what was sent; trying again");
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

impl WayOut {
    async fn send(&self, due: &Due) -> Attempt {
        let Some(to) = &due.email else { return Attempt::NoAddress };
        let mail = Mail {
            id: due.id,
            from: &self.from,
            to,
            subject: &due.subject,
            body: &due.body,
            date: due.created_at,
        };
        match mail.message() {
            Ok(message) => self.mailer.send(due.id, &message).await,
            Err(Unwritable::Address(error)) => Attempt::Impossible(error.to_string()),
            Err(Unwritable::Mail(error)) => Attempt::Impossible(error.to_string()),
        }
    }
}

/// Decides what follows, and tells the log: by the notification's id, never by the address.
fn settled(due: &Due, attempt: &Attempt) -> Settled {
    let attempts = due.attempts.saturating_add(i32::from(attempt.counts()));
    let age = (due.now - due.created_at).to_std().unwrap_or_default();
    let next = next(attempt, attempts.unsigned_abs(), age);
    let (id, cause) = (due.id, attempt.cause());
    match next {
        Next::Sent => metrics::counter!("notifications_sent_total").increment(1),
        Next::GivenUp => {
            metrics::counter!("notifications_given_up_total").increment(1);
            tracing::error!(notification = %id, attempts, cause, "e-mail given up");
        }
        Next::Again(wait) if attempt.counts() => {
            metrics::counter!("notifications_retried_total").increment(1);
            tracing::warn!(notification = %id, attempts, cause, ?wait, "e-mail not sent yet");
        }
        Next::Again(_) => {
            tracing::debug!(notification = %id, cause, "e-mail not sent yet");
        }
    }
    Settled { id, attempts, next }
}
