//! Dead letters that are processed after all.

use std::sync::Arc;

use contracts::envelope::CE_ID;
use messaging::{DeadLetters, Discarded, Filter, Redriven, State};
use test_support::{
    Delivery, eventually,
    kafka::{NewRecord, produce},
};
use uuid::Uuid;

use crate::{
    handler::{Gate, Reaction, Recorder},
    world::{DeadLetter, PATIENCE, World, change},
};

const WHO: &str = "ada";

/// Fails on what the tests call bad, as a handler with a defect does.
fn defective() -> Recorder {
    Recorder::named("defective").reacting(|change| match change.sku.as_str() {
        "bad" => Reaction::Permanent,
        "panics" => Reaction::Panic,
        _ => Reaction::Record,
    })
}

fn mended() -> Recorder {
    Recorder::named("mended")
}

fn delivery(sku: &str) -> Delivery {
    Delivery::new(change(sku, 1))
}

/// All in one partition, so that the last is processed after all others.
async fn send(world: &World, records: &[NewRecord]) {
    let records: Vec<_> =
        records.iter().map(|record| NewRecord { partition: Some(0), ..record.clone() }).collect();
    produce(world.env.kafka_brokers(), &records).await.unwrap();
}

fn letters(world: &World) -> DeadLetters {
    DeadLetters::new(world.outbox())
}

/// Sends records, and something good behind them, through a handler with a defect.
async fn kept(world: &World, records: &[NewRecord]) -> Vec<DeadLetter> {
    let behind = delivery("behind");
    send(world, &[records, &[behind.record(&world.env)]].concat()).await;
    let consumer = world.consumer(defective());
    eventually(PATIENCE, async || (!seen(world, behind.id).await.is_empty()).then_some(())).await;
    consumer.stop().await;
    world.dead_letters().await
}

/// Who has processed an event; more than once if there are several.
async fn seen(world: &World, event: Uuid) -> Vec<String> {
    let seen = world.seen().await.into_iter().filter(|seen| seen.event_id == event);
    seen.map(|seen| seen.member).collect()
}

/// A record whose body nobody can read, under the event's own id.
fn unreadable(world: &World, delivery: &Delivery) -> NewRecord {
    NewRecord { payload: Some(b"{\"type\":".to_vec()), ..delivery.record(&world.env) }
}

/// From now on the kept record is one that can be read: what an upgrade does to all of a kind.
async fn made_readable(world: &World, letter: &DeadLetter, delivery: &Delivery) {
    sqlx::query("UPDATE dead_letters SET payload = $2 WHERE id = $1")
        .bind(letter.id)
        .bind(delivery.record(&world.env).payload)
        .execute(&world.pool)
        .await
        .unwrap();
}

async fn fate(world: &World, id: Uuid) -> messaging::Fate {
    letters(world).find(id).await.unwrap().unwrap().summary.fate
}

#[tokio::test]
async fn a_dead_letter_is_processed_once_however_often_it_is_redriven() {
    let world = World::new().await;
    let bad = delivery("bad");
    let letter = kept(&world, &[bad.record(&world.env)]).await.remove(0);
    let letters = letters(&world);
    let published = world.count("outbox").await;

    let outcome = letters.redrive(&mended(), letter.id, WHO).await.unwrap();
    assert_eq!(outcome, Redriven::Processed);
    assert_eq!(seen(&world, bad.id).await, ["mended"]);
    assert_eq!(world.count("outbox").await, published + 1, "what it publishes waits for the relay");
    let fate = fate(&world, letter.id).await;
    assert_eq!((fate.state(), fate.closed_by.as_deref()), (State::Redriven, Some(WHO)));

    let outcome = letters.redrive(&mended(), letter.id, "bob").await.unwrap();
    assert_eq!(outcome, Redriven::AlreadyRedriven { at: fate.redriven_at.unwrap() });
    assert_eq!(seen(&world, bad.id).await.len(), 1);
    assert_eq!(world.count("outbox").await, published + 1);
    assert_eq!(letters.redrive(&mended(), Uuid::now_v7(), WHO).await.unwrap(), Redriven::Unknown);
}

#[tokio::test]
async fn one_that_fails_again_stays_open_with_its_new_error_and_without_effects() {
    let world = World::new().await;
    let (bad, panics) = (delivery("bad"), delivery("panics"));
    let records = [bad.record(&world.env), panics.record(&world.env)];
    let before = kept(&world, &records).await;
    let published = world.count("outbox").await;
    let turned = Recorder::new().reacting(|change| match change.sku.as_str() {
        "bad" => Reaction::Panic,
        _ => Reaction::Nul,
    });
    for (letter, complaint) in before.iter().zip(["not to the handler's taste", "invalid byte"]) {
        let outcome = letters(&world).redrive(&turned, letter.id, WHO).await.unwrap();
        let Redriven::Failed(errors) = outcome else { panic!("{outcome:?}") };
        assert!(errors.join(": ").contains(complaint), "{errors:?}");
    }
    for (before, after) in before.iter().zip(world.dead_letters().await) {
        assert_ne!(after.errors, before.errors);
        assert_eq!(after.attempts, before.attempts + 1);
        assert!(after.last_failed_at > before.last_failed_at);
        assert_eq!(after.first_failed_at, before.first_failed_at);
        assert_eq!(fate(&world, after.id).await.state(), State::Open);
    }
    assert_eq!(world.count("seen").await, 1);
    assert_eq!(world.count("outbox").await, published);
    // And its duplicates are still passed over.
    send(&world, &[bad.record(&world.env), delivery("good").record(&world.env)]).await;
    let consumer = world.consumer(mended());
    world.seen_are(2).await;
    assert!(seen(&world, bad.id).await.is_empty());
    consumer.stop().await;
}

#[tokio::test]
async fn two_who_redrive_it_at_once_process_it_once() {
    let world = World::new().await;
    let bad = delivery("bad");
    let letter = kept(&world, &[bad.record(&world.env)]).await.remove(0);
    let gate = Gate::closed();
    let redrive = |handler: Recorder| {
        let letters = letters(&world);
        tokio::spawn(async move { letters.redrive(&handler, letter.id, WHO).await.unwrap() })
    };
    let first = redrive(mended().gated(&gate));
    gate.reached().await;
    // It would fail on the event if it was handed over.
    let second = redrive(Recorder::named("late").reacting(|_| Reaction::Panic));
    world.env.until_blocked(1).await;
    gate.open();
    assert_eq!(first.await.unwrap(), Redriven::Processed);
    assert!(matches!(second.await.unwrap(), Redriven::AlreadyRedriven { .. }));
    assert_eq!(seen(&world, bad.id).await, ["mended"]);
}

/// The handler failed on the event: its id is in the inbox, and only the dead letter tells that it was not
/// processed.
#[tokio::test]
async fn a_duplicate_that_arrives_during_it_is_passed_over() {
    let world = World::new().await;
    let bad = delivery("bad");
    let letter = kept(&world, &[bad.record(&world.env)]).await.remove(0);
    let gate = Gate::closed();
    let redriving = redrive_at(&world, &gate, letter.id);
    gate.reached().await;
    let consumer = world.consumer(Recorder::named("consumer"));
    send(&world, &[bad.record(&world.env), delivery("good").record(&world.env)]).await;
    world.seen_are(2).await;
    gate.open();
    assert_eq!(redriving.await.unwrap(), Redriven::Processed);
    assert_eq!(seen(&world, bad.id).await, ["mended"]);
    assert_eq!(world.count("dead_letters").await, 1);
    consumer.stop().await;
}

fn redrive_at(world: &World, gate: &Arc<Gate>, id: Uuid) -> tokio::task::JoinHandle<Redriven> {
    let (letters, handler) = (letters(world), mended().gated(gate));
    tokio::spawn(async move { letters.redrive(&handler, id, WHO).await.unwrap() })
}

#[tokio::test]
async fn an_event_that_can_be_read_since_an_upgrade_is_read_again() {
    let world = World::new().await;
    let newer = delivery("newer");
    let letter = kept(&world, &[unreadable(&world, &newer)]).await.remove(0);
    let outcome = letters(&world).redrive(&mended(), letter.id, WHO).await.unwrap();
    assert_eq!(outcome, Redriven::Failed(letter.errors.clone()));
    assert_eq!(world.dead_letters().await[0].attempts, letter.attempts + 1);

    made_readable(&world, &letter, &newer).await;
    let outcome = letters(&world).redrive(&mended(), letter.id, WHO).await.unwrap();
    assert_eq!(outcome, Redriven::Processed);
    assert_eq!(seen(&world, newer.id).await, ["mended"]);
    // Its id is in the inbox from now on.
    send(&world, &[newer.record(&world.env), delivery("good").record(&world.env)]).await;
    let consumer = world.consumer(mended());
    world.seen_are(3).await;
    assert_eq!(seen(&world, newer.id).await.len(), 1);
    assert_eq!(world.count("dead_letters").await, 1, "its repeat reached the handler");
    consumer.stop().await;
}

#[tokio::test]
async fn an_unread_event_on_which_the_handler_fails_is_left_to_its_good_copy() {
    let world = World::new().await;
    let newer = delivery("newer");
    let letter = kept(&world, &[unreadable(&world, &newer)]).await.remove(0);
    made_readable(&world, &letter, &newer).await;
    let failing = Recorder::new().reacting(|_| Reaction::Permanent);
    let outcome = letters(&world).redrive(&failing, letter.id, WHO).await.unwrap();
    assert!(matches!(outcome, Redriven::Failed(_)), "{outcome:?}");
    send(&world, &[newer.record(&world.env)]).await;
    let consumer = world.consumer(Recorder::named("consumer"));
    world.seen_are(2).await;
    consumer.stop().await;
    let outcome = letters(&world).redrive(&mended(), letter.id, WHO).await.unwrap();
    assert_eq!(outcome, Redriven::AlreadyProcessed);
    assert_eq!(seen(&world, newer.id).await, ["consumer"]);
}

#[tokio::test]
async fn an_unread_event_whose_good_copy_arrives_during_its_redrive_is_processed_once() {
    let world = World::new().await;
    let newer = delivery("newer");
    let letter = kept(&world, &[unreadable(&world, &newer)]).await.remove(0);
    made_readable(&world, &letter, &newer).await;
    let gate = Gate::closed();
    let redriving = redrive_at(&world, &gate, letter.id);
    gate.reached().await;
    send(&world, &[newer.record(&world.env), delivery("good").record(&world.env)]).await;
    let consumer = world.consumer(Recorder::named("consumer"));
    world.env.until_blocked(1).await;
    gate.open();
    assert_eq!(redriving.await.unwrap(), Redriven::Processed);
    world.seen_are(3).await;
    assert_eq!(seen(&world, newer.id).await, ["mended"]);
    assert_eq!(world.count("dead_letters").await, 1, "its copy reached the handler");
    consumer.stop().await;
}

#[tokio::test]
async fn an_event_that_another_record_brought_meanwhile_is_not_processed_again() {
    let world = World::new().await;
    let newer = delivery("newer");
    let records = [unreadable(&world, &newer), newer.record(&world.env)];
    let letter = kept(&world, &records).await.remove(0);
    made_readable(&world, &letter, &newer).await;
    let outcome = letters(&world).redrive(&mended(), letter.id, WHO).await.unwrap();
    assert_eq!(outcome, Redriven::AlreadyProcessed);
    assert_eq!(seen(&world, newer.id).await, ["defective"]);
    assert_eq!(fate(&world, letter.id).await.state(), State::Redriven);
}

/// One that could not be read, and one on which the handler failed: neither means that it was processed.
#[tokio::test]
async fn all_dead_letters_of_an_event_are_closed_with_the_first() {
    let world = World::new().await;
    let bad = delivery("bad");
    let kept = kept(&world, &[unreadable(&world, &bad), bad.record(&world.env)]).await;
    assert_eq!(kept.len(), 2);
    made_readable(&world, &kept[0], &bad).await;
    let outcome = letters(&world).redrive(&mended(), kept[0].id, WHO).await.unwrap();
    assert_eq!(outcome, Redriven::Processed);
    let outcome = letters(&world).redrive(&mended(), kept[1].id, WHO).await.unwrap();
    assert!(matches!(outcome, Redriven::AlreadyRedriven { .. }), "{outcome:?}");
    assert_eq!(seen(&world, bad.id).await, ["mended"]);
}

#[tokio::test]
async fn what_passes_by_itself_is_tried_again_and_is_no_failure_of_the_record() {
    let world = World::new().await;
    let bad = delivery("bad");
    let before = kept(&world, &[bad.record(&world.env)]).await.remove(0);
    let busy = Recorder::new().reacting(|_| Reaction::Transient);
    letters(&world).redrive(&busy, before.id, WHO).await.unwrap_err();
    let after = world.dead_letters().await.remove(0);
    assert_eq!((&after.errors, after.attempts), (&before.errors, before.attempts));

    let tries = std::sync::atomic::AtomicUsize::new(0);
    let busy_for_a_while = mended().reacting(move |_| {
        let earlier = tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if earlier < 3 { Reaction::Conflict } else { Reaction::Record }
    });
    let outcome = letters(&world).redrive(&busy_for_a_while, before.id, WHO).await.unwrap();
    assert_eq!(outcome, Redriven::Processed);
}

#[tokio::test]
async fn a_discarded_one_stays_on_record_and_is_not_redriven() {
    let world = World::new().await;
    let records = [delivery("bad").record(&world.env), delivery("bad").record(&world.env)];
    let kept = kept(&world, &records).await;
    let letters = letters(&world);
    let discarded = letters.discard(kept[0].id, WHO, "a test order").await.unwrap();
    assert!(matches!(discarded, Discarded::Done));
    let fate = fate(&world, kept[0].id).await;
    assert_eq!(fate.discard_reason.as_deref(), Some("a test order"));
    assert_eq!(fate.closed_by.as_deref(), Some(WHO));
    let at = fate.discarded_at.unwrap();
    let outcome = letters.redrive(&mended(), kept[0].id, WHO).await.unwrap();
    assert_eq!(outcome, Redriven::Discarded { at });
    assert_eq!(world.count("seen").await, 1);

    let again = letters.discard(kept[0].id, "bob", "twice").await.unwrap();
    assert!(matches!(again, Discarded::Closed(closed) if closed == fate));
    letters.redrive(&mended(), kept[1].id, WHO).await.unwrap();
    let late = letters.discard(kept[1].id, WHO, "too late").await.unwrap();
    assert!(matches!(late, Discarded::Closed(fate) if fate.state() == State::Redriven));
    let unknown = letters.discard(Uuid::now_v7(), WHO, "nothing").await.unwrap();
    assert!(matches!(unknown, Discarded::Unknown));
    assert_eq!(world.count("dead_letters").await, 2);
}

#[tokio::test]
async fn they_are_listed_in_pages_and_by_what_they_are() {
    let world = World::new().await;
    let nameless = |sku| {
        let mut record = delivery(sku).record(&world.env);
        record.headers.retain(|(name, _)| name != CE_ID);
        record
    };
    let records = [nameless("a"), delivery("bad").record(&world.env), nameless("b")];
    let kept = kept(&world, &records).await;
    let letters = letters(&world);
    let ids = async |filter: Filter, after, limit| {
        let page = letters.list(&filter, after, limit).await.unwrap();
        page.iter().map(|letter| letter.id).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = kept.iter().map(|letter| letter.id).collect();
    all.sort();
    assert_eq!(ids(Filter::default(), None, 2).await, all[..2]);
    assert_eq!(ids(Filter::default(), Some(all[1]), 2).await, all[2..]);

    let typed = Filter { event_type: Some("StockChanged".to_owned()), ..Filter::default() };
    assert_eq!(ids(typed, None, 9).await, [kept[1].id]);
    let elsewhere = Filter { topic: Some("orders.v1".to_owned()), ..Filter::default() };
    assert!(ids(elsewhere, None, 9).await.is_empty());
    let here = Filter { topic: Some("stock.v1".to_owned()), ..Filter::default() };
    assert_eq!(ids(here, None, 9).await, all);

    let first = kept.iter().map(|letter| letter.first_failed_at).min().unwrap();
    let until = Filter { until: Some(first), ..Filter::default() };
    assert!(ids(until, None, 9).await.is_empty());
    let since = Filter { since: Some(first), ..Filter::default() };
    assert_eq!(ids(since, None, 9).await, all);

    let open = || Filter { state: Some(State::Open), ..Filter::default() };
    letters.discard(kept[0].id, WHO, "nameless").await.unwrap();
    letters.redrive(&mended(), kept[1].id, WHO).await.unwrap();
    assert_eq!(ids(open(), None, 9).await, [kept[2].id]);
    let redriven = Filter { state: Some(State::Redriven), ..Filter::default() };
    assert_eq!(ids(redriven, None, 9).await, [kept[1].id]);
    let discarded = Filter { state: Some(State::Discarded), ..Filter::default() };
    assert_eq!(ids(discarded, None, 9).await, [kept[0].id]);
}

#[tokio::test]
async fn the_open_ones_are_told_in_the_metrics() {
    let measured = crate::world::Measured::in_this_thread();
    let world = World::new().await;
    let records = [delivery("bad").record(&world.env), delivery("bad").record(&world.env)];
    let kept = kept(&world, &records).await;
    let telling = |count: f64| {
        let shutdown = tokio_util::sync::CancellationToken::new();
        let task = tokio::spawn(letters(&world).tell_open(shutdown.clone()));
        let measured = &measured;
        async move {
            let told = || (measured.value("dead_letters_open") - count).abs() < 0.1;
            eventually(PATIENCE, async || told().then_some(())).await;
            shutdown.cancel();
            task.await.unwrap();
        }
    };
    telling(2.0).await;
    letters(&world).discard(kept[0].id, WHO, "nothing to do").await.unwrap();
    telling(1.0).await;
}
