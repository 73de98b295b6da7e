//! Dead letters, one after the other, and what became of each.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use messaging::{DeadLetters, Filter, Handler, Redriven, State};
use uuid::Uuid;

use super::{RedriveArgs, bytes, text, unknown};

/// So many are looked up at once.
const PAGE: i64 = 100;

#[derive(Default)]
struct Counts {
    redriven: u32,
    already: u32,
    failed: u32,
}

/// Redrives what was asked for; a failure if any failed.
pub(super) async fn run(
    letters: &DeadLetters,
    handler: &impl Handler,
    args: RedriveArgs,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let RedriveArgs { ids, event_type, operator, .. } = args;
    let by = operator.by.as_str();
    let mut counts = Counts::default();
    let outcome = if ids.is_empty() {
        let filter = Filter { state: Some(State::Open), event_type, ..Filter::default() };
        every(letters, handler, &filter, by, &mut counts, out).await
    } else {
        these(letters, handler, &ids, by, &mut counts, out).await
    };
    let Counts { redriven, already, failed } = counts;
    writeln!(out, "{redriven} redriven, {already} already processed, {failed} failed")?;
    outcome?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All open ones that match, the oldest first: those that fail are passed once.
async fn every(
    letters: &DeadLetters,
    handler: &impl Handler,
    filter: &Filter,
    by: &str,
    counts: &mut Counts,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = letters.list(filter, after, PAGE).await?;
        let ids: Vec<Uuid> = page.iter().map(|letter| letter.id).collect();
        let Some(&last) = ids.last() else {
            return Ok(());
        };
        these(letters, handler, &ids, by, counts, out).await?;
        after = Some(last);
    }
}

async fn these(
    letters: &DeadLetters,
    handler: &impl Handler,
    ids: &[Uuid],
    by: &str,
    counts: &mut Counts,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    for &id in ids {
        let outcome = letters.redrive(handler, id, by).await.with_context(|| {
            format!("{id} stays as it is: the database does not answer or is busy; try again later")
        })?;
        let (count, told) = match outcome {
            Redriven::Processed => (&mut counts.redriven, "redriven".to_owned()),
            Redriven::AlreadyProcessed => (
                &mut counts.already,
                "already processed: the event came in another record; closed".to_owned(),
            ),
            Redriven::AlreadyRedriven { at } => {
                (&mut counts.already, format!("already processed: redriven at {}", text::time(at)))
            }
            Redriven::Discarded { at } => {
                let at = text::time(at);
                (&mut counts.failed, format!("failed: discarded at {at}; `dlq show` tells why"))
            }
            Redriven::Failed(errors) => {
                let errors = bytes::in_line(errors.join(": ").as_bytes());
                (&mut counts.failed, format!("failed: {errors}"))
            }
            Redriven::Unknown => (&mut counts.failed, format!("failed: {}", unknown(id))),
        };
        *count += 1;
        writeln!(out, "{id} {told}")?;
    }
    Ok(())
}
