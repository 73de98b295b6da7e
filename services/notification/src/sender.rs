//! The worker that sends what is due.

use std::time::Duration;

use lettre::message::Mailbox;
use messaging::{Leased, Worklist, in_time};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::delivery::{Attempt, Next, next};
use crate::mail::{Mail, Unwritable};
use crate::mailer::{Letter, Mailer};
use crate::store::{self, Claimed, Due, Settled};

/// Longer than any e-mail may take.
pub const PATIENCE: Duration = Duration::from_secs(25);
/// How long a leased notification may wait for those before it, which take no longer than that.
pub const SPARE: Duration = Duration::from_secs(35);
/// How often it looks for what is due again, and for what other replicas have left.
const POLL: Duration = Duration::from_secs(1);

/// Sends notifications, a bounded number at once. Each replica has one.
///
/// They come leased from the transactions of this replica, or are claimed, which is a lease as well. It sends,
/// and records the outcome, in this order, so that none is lost. A crash between sending and recording sends
/// an e-mail again after the lease. Over SMTP that cannot be avoided; the repeat has the same Message-ID, by
/// which receivers can drop it.
pub struct Sender {
    pub pool: PgPool,
    pub mailer: Mailer,
    pub from: Mailbox,
    pub worklist: Worklist<Due>,
}

impl Sender {
    /// Sends until `shutdown`; what was leased before is ended first.
    pub async fn run(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut maybe_due = true;
        let mut leased = Vec::new();
        while !shutdown.is_cancelled() {
            self.take_leased(&mut leased);
            if maybe_due {
                maybe_due = self.claim(&mut leased).await;
            }
            if maybe_due || !leased.is_empty() {
                self.send(&mut leased, &shutdown).await;
                continue;
            }
            tokio::select! {
                Some(first) = self.worklist.leased.recv() => leased.push(first),
                () = self.worklist.woken.notified() => maybe_due = true,
                _ = poll.tick() => maybe_due = true,
                () = shutdown.cancelled() => {}
            }
        }
        // From now on what falls due is left to other replicas.
        self.worklist.hands.close();
        self.take_leased(&mut leased);
        self.send(&mut leased, &shutdown).await;
        Ok(())
    }

    fn take_leased(&mut self, leased: &mut Vec<Leased<Due>>) {
        while let Some(next) = self.worklist.leased.try_recv() {
            leased.push(next);
        }
    }

    /// Claims as much as there are hands for; whether more may be due.
    async fn claim(&self, leased: &mut Vec<Leased<Due>>) -> bool {
        let Some(mut free) = self.worklist.free_hands() else { return false };
        let claiming = store::claim(&self.pool, free.num_permits(), self.worklist.lease);
        let claimed = in_time(claiming).await.unwrap_or_else(|error: sqlx::Error| {
            tracing::warn!(%error, "cannot claim notifications; trying again");
            Claimed::default()
        });
        let with_hand = |work| free.split(1).map(|hand| Leased { work, hand });
        leased.extend(claimed.due.into_iter().filter_map(with_hand));
        claimed.more
    }

    /// Sends them all, and records what became of them.
    async fn send(&self, leased: &mut Vec<Leased<Due>>, shutdown: &CancellationToken) {
        if leased.is_empty() {
            return;
        }
        let mut letters = Vec::with_capacity(leased.len());
        let mut settled = Vec::with_capacity(leased.len());
        for (position, Leased { work: due, .. }) in leased.iter().enumerate() {
            match self.letter(position, due) {
                Ok(letter) => letters.push(letter),
                Err(attempt) => settled.push(outcome(due, &attempt)),
            }
        }
        for (position, attempt) in self.mailer.send(letters).await {
            settled.extend(leased.get(position).map(|leased| outcome(&leased.work, &attempt)));
        }
        // Another replica may have claimed some of them: whoever changes rows does so in one order.
        settled.sort_unstable_by(|a, b| (a.order_id, &a.kind).cmp(&(b.order_id, &b.kind)));
        self.record(&settled, shutdown).await;
        leased.clear();
    }

    fn letter(&self, position: usize, due: &Due) -> Result<Letter, Attempt> {
        let to = due.email.as_deref().ok_or(Attempt::NoAddress)?;
        let mail = Mail {
            id: due.id,
            from: &self.from,
            to,
            subject: &due.subject,
            body: &due.body,
            date: due.created_at,
        };
        let message = mail.message().map_err(|error| match error {
            Unwritable::Address(error) => Attempt::Impossible(error.to_string()),
            Unwritable::Mail(error) => Attempt::Impossible(error.to_string()),
        })?;
        Ok(Letter { position, message })
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

/// Decides what follows, and tells the log: by the notification's id, never by the address.
fn outcome(due: &Due, attempt: &Attempt) -> Settled {
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
    Settled { order_id: due.order_id, kind: due.kind.clone(), attempts, next }
}
