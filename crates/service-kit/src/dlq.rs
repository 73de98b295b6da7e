//! The subcommand `dlq`: what an operator does with dead letters, while the service runs or not.

mod bytes;
mod json;
mod redrive;
mod text;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Args, Subcommand, ValueEnum};
use contracts::events::EventType;
use contracts::topic::Topic;
use messaging::{DeadLetters, Discarded, Filter, Handler, State};
use uuid::Uuid;

use crate::app::failed;
use crate::kit::Kit;

/// The subcommands of every service that hears of events.
#[derive(Subcommand)]
pub enum DeadLetterCommand {
    /// Works with dead letters: records the service could not process, and has kept
    #[command(subcommand)]
    Dlq(Command),
}

/// What to do with them.
#[derive(Subcommand)]
pub enum Command {
    /// Lists dead letters, the oldest first
    List(ListArgs),
    /// Shows one dead letter: its errors, and its record with headers and body
    Show {
        /// Its id
        id: Uuid,
        /// One JSON object, for machines
        #[arg(long)]
        json: bool,
    },
    /// Processes dead letters once more, with the handler of this service
    ///
    /// Each in a transaction of its own. An event that was processed meanwhile is not processed again.
    /// One that fails again stays open, with its new error. Fails if any did.
    Redrive(RedriveArgs),
    /// Gives up a dead letter: it stays on record, and is not counted or redriven any more
    Discard {
        /// Its id
        id: Uuid,
        /// Why, for whoever reads it later
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        reason: String,
        #[command(flatten)]
        operator: Operator,
    },
}

/// Which dead letters to list.
#[derive(Args)]
pub struct ListArgs {
    /// Those in this state
    #[arg(long, value_enum, default_value_t = Shown::Open)]
    state: Shown,
    /// Those of this type of event, such as `OrderCreated`
    #[arg(long = "type", value_name = "TYPE", value_parser = types(), hide_possible_values = true)]
    event_type: Option<String>,
    /// Those read from this topic, such as orders.v1
    #[arg(long, value_parser = topics(), hide_possible_values = true)]
    topic: Option<String>,
    /// Those that failed first at this time or later, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// Those that failed first before this time
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
    /// Those behind this one: the last id of the page before
    #[arg(long, value_name = "ID")]
    after: Option<Uuid>,
    /// One JSON object a line, for machines
    #[arg(long)]
    json: bool,
}

/// Which dead letters to redrive.
#[derive(Args)]
pub struct RedriveArgs {
    /// Their ids
    #[arg(required_unless_present_any = ["all", "event_type"])]
    ids: Vec<Uuid>,
    /// All that are open, the oldest first
    #[arg(long, conflicts_with_all = ["ids", "event_type"])]
    all: bool,
    /// All open ones of this type of event, such as `OrderCreated`
    #[arg(
        long = "type",
        value_name = "TYPE",
        conflicts_with = "ids",
        value_parser = types(),
        hide_possible_values = true
    )]
    event_type: Option<String>,
    #[command(flatten)]
    operator: Operator,
}

/// Who it is that does it.
#[derive(Args)]
pub struct Operator {
    /// Who does it, for the record
    #[arg(long, env = "USER", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    by: String,
}

/// States to choose from.
#[derive(Clone, Copy, ValueEnum)]
enum Shown {
    Open,
    Redriven,
    Discarded,
    All,
}

fn types() -> PossibleValuesParser {
    PossibleValuesParser::new(EventType::ALL.iter().map(|event_type| event_type.name()))
}

fn topics() -> PossibleValuesParser {
    PossibleValuesParser::new(Topic::ALL.iter().map(|topic| topic.name()))
}

impl DeadLetterCommand {
    /// Does it, and says on the standard streams what there is to say.
    pub async fn run(self, kit: &Kit, handler: &impl Handler) -> ExitCode {
        let Self::Dlq(command) = self;
        let letters = DeadLetters::new(kit.outbox.clone());
        let out = &mut io::stdout().lock();
        command.run(&letters, handler, out).await.unwrap_or_else(failed)
    }
}

impl Command {
    async fn run(
        self,
        letters: &DeadLetters,
        handler: &impl Handler,
        out: &mut impl Write,
    ) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(args) => list(letters, args, out).await?,
            Self::Show { id, json } => {
                let letter = letters.find(id).await?.with_context(|| unknown(id))?;
                let shown =
                    if json { json::whole(&letter).to_string() } else { text::whole(&letter) };
                writeln!(out, "{shown}")?;
            }
            Self::Redrive(args) => return redrive::run(letters, handler, args, out).await,
            Self::Discard { id, reason, operator } => {
                match letters.discard(id, &operator.by, &reason).await? {
                    Discarded::Done => writeln!(out, "{id} discarded")?,
                    Discarded::Closed(fate) => {
                        bail!("{id} is not open any more: {}", text::fate(&fate));
                    }
                    Discarded::Unknown => bail!(unknown(id)),
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(letters: &DeadLetters, args: ListArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let filter = Filter {
        state: match args.state {
            Shown::Open => Some(State::Open),
            Shown::Redriven => Some(State::Redriven),
            Shown::Discarded => Some(State::Discarded),
            Shown::All => None,
        },
        event_type: args.event_type,
        topic: args.topic,
        since: args.since,
        until: args.until,
    };
    let page = letters.list(&filter, args.after, args.limit).await?;
    if args.json {
        for letter in &page {
            writeln!(out, "{}", json::summary(letter))?;
        }
        return Ok(());
    }
    if page.is_empty() {
        writeln!(out, "no dead letters")?;
        return Ok(());
    }
    write!(out, "{}", text::table(&page))?;
    if let Some(last) = page.last().filter(|_| i64::try_from(page.len()) == Ok(args.limit)) {
        writeln!(out, "\nthere may be more: repeat the command with --after {}", last.id)?;
    }
    Ok(())
}

fn unknown(id: Uuid) -> String {
    format!("this service has no dead letter {id}; `dlq list --state all` shows those it has")
}
