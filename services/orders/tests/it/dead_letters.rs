//! Dead letters, from what makes them to the command that settles them.

use std::process::{Output, Stdio};

use serde_json::Value;
use service_kit::testing::TestCaller;
use test_support::eventually;
use tokio::process::Command;

use crate::running::{Orders, PATIENCE, reserved};

/// An operator's shell. Kafka is nowhere: what they do needs none.
async fn dlq(orders: &Orders, arguments: &[&str]) -> (i32, String, String) {
    let command = Command::new(env!("CARGO_BIN_EXE_orders"))
        .env_clear()
        .env("DATABASE_URL", orders.env.database_url())
        .env("KAFKA_BROKERS", "127.0.0.1:1")
        .env("USER", "ada")
        .arg("dlq")
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let Output { status, stdout, stderr } =
        tokio::time::timeout(PATIENCE, command).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// From now on no order can be changed, which is nothing that passes.
async fn break_orders(orders: &Orders) {
    sqlx::raw_sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN RAISE 'a defect of the service'; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .execute(&orders.service.pool)
    .await
    .unwrap();
}

async fn mend_orders(orders: &Orders) {
    sqlx::raw_sql("DROP TRIGGER refuse ON orders").execute(&orders.service.pool).await.unwrap();
}

/// Places orders whose reservations become dead letters.
async fn failed(orders: &Orders, caller: &TestCaller, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(orders.place(caller).await["id"].as_str().unwrap().to_owned());
    }
    break_orders(orders).await;
    orders.deliver(&ids.iter().map(|id| reserved(id)).collect::<Vec<_>>()).await;
    ids
}

async fn open_ones(orders: &Orders) -> Vec<Value> {
    let (code, text, errors) = dlq(orders, &["list", "--json"]).await;
    assert_eq!(code, 0, "{errors}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn until_told(orders: &Orders, open: usize) {
    let line = format!("dead_letters_open {open}");
    eventually(PATIENCE, async || {
        let url = format!("{}/metrics", orders.service.url);
        let metrics = reqwest::get(url).await.ok()?.text().await.ok()?;
        metrics.lines().any(|told| told == line).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_redriven_event_changes_its_order_while_the_service_runs() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let order = failed(&orders, &caller, 1).await.remove(0);
    until_told(&orders, 1).await;

    let letter = open_ones(&orders).await.remove(0);
    assert_eq!(letter["type"], "InventoryReserved");
    assert_eq!(letter["key"], order.as_str());
    assert_eq!(letter["attempts"], 2);
    let id = letter["id"].as_str().unwrap();
    let (code, table, _) = dlq(&orders, &["list", "--type", "InventoryReserved"]).await;
    assert_eq!(code, 0);
    assert!(table.contains(id) && table.contains("a defect of the service"), "{table}");
    let (_, shown, _) = dlq(&orders, &["show", id]).await;
    assert!(shown.contains(&format!("\"orderId\":\"{order}\"")), "{shown}");
    assert!(shown.contains("ce_type: boutique.inventory.v1.InventoryReserved"), "{shown}");
    let (_, shown, _) = dlq(&orders, &["show", "--json", id]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert!(shown["body"].as_str().unwrap().contains(&order), "{shown}");

    let (code, told, _) = dlq(&orders, &["redrive", id]).await;
    assert_eq!(code, 1, "{told}");
    assert!(told.starts_with(&format!("{id} failed: ")), "{told}");
    assert!(told.ends_with("0 redriven, 0 already processed, 1 failed\n"), "{told}");
    assert_eq!(open_ones(&orders).await[0]["attempts"], 3);

    mend_orders(&orders).await;
    let (code, told, errors) = dlq(&orders, &["redrive", id]).await;
    assert_eq!((code, errors.as_str()), (0, ""), "{told}");
    assert_eq!(told, format!("{id} redriven\n1 redriven, 0 already processed, 0 failed\n"));
    let changed = orders.until_version(&caller, &order, 2).await;
    assert_eq!(changed["step"], "INVENTORY_RESERVED", "{changed}");
    until_told(&orders, 0).await;
    // The running service publishes what the command left in the outbox.
    assert!(orders.told().await.iter().any(|event| {
        event.event_type() == contracts::events::EventType::OrderUpdated && event.key() == order
    }));

    let (code, told, _) = dlq(&orders, &["redrive", id]).await;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("already processed: redriven at"), "{told}");
    orders.until_version(&caller, &order, 2).await;
    let (_, listed, _) = dlq(&orders, &["list"]).await;
    assert_eq!(listed, "no dead letters\n");
    let (_, shown, _) = dlq(&orders, &["show", id]).await;
    assert!(shown.contains("by ada"), "{shown}");
}

#[tokio::test]
async fn two_operators_at_once_process_each_event_once() {
    let orders = Orders::start().await;
    let caller = TestCaller::customer().unwrap();
    let ids = failed(&orders, &caller, 12).await;
    mend_orders(&orders).await;
    let arguments = ["redrive", "--all"];
    let (one, other) = tokio::join!(dlq(&orders, &arguments), dlq(&orders, &arguments));
    let mut redriven = 0;
    for (code, told, errors) in [one, other] {
        assert_eq!(code, 0, "{told}{errors}");
        redriven += told.lines().filter(|line| line.ends_with(" redriven")).count();
    }
    assert_eq!(redriven, ids.len());
    for id in &ids {
        let order = orders.until_version(&caller, id, 2).await;
        assert_eq!(order["step"], "INVENTORY_RESERVED");
    }
}

#[tokio::test]
async fn what_is_discarded_stays_on_record() {
    let orders = Orders::start().await;
    failed(&orders, &TestCaller::customer().unwrap(), 2).await;
    let letters = open_ones(&orders).await;
    let id = letters[0]["id"].as_str().unwrap();

    let (code, _, errors) = dlq(&orders, &["discard", id]).await;
    assert_eq!(code, 2);
    assert!(errors.contains("--reason"), "{errors}");
    let (code, told, _) = dlq(&orders, &["discard", id, "--reason", "a test order"]).await;
    assert_eq!((code, told), (0, format!("{id} discarded\n")));
    let (code, _, errors) = dlq(&orders, &["discard", id, "--reason", "again"]).await;
    assert_eq!(code, 1);
    assert!(errors.contains("by ada: a test order"), "{errors}");
    let (code, told, _) = dlq(&orders, &["redrive", id]).await;
    assert_eq!(code, 1);
    assert!(told.contains("failed: discarded at"), "{told}");

    let (_, open, _) = dlq(&orders, &["list"]).await;
    assert!(!open.contains(id), "{open}");
    let (_, all, _) = dlq(&orders, &["list", "--state", "all", "--limit", "1"]).await;
    assert!(all.contains(id) && all.contains(&format!("--after {id}")), "{all}");
    let (_, rest, _) = dlq(&orders, &["list", "--state", "all", "--after", id]).await;
    assert!(!rest.contains(id) && rest.contains(letters[1]["id"].as_str().unwrap()), "{rest}");
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_fails() {
    let orders = Orders::start().await;
    let nobody = "0190b5a4-0000-7000-8000-000000000000";
    for arguments in [
        &["show", nobody][..],
        &["redrive", nobody],
        &["discard", nobody, "--reason", "no such thing"],
    ] {
        let (code, told, errors) = dlq(&orders, arguments).await;
        assert_eq!(code, 1, "{arguments:?}");
        let all = format!("{told}{errors}");
        assert!(all.contains(&format!("no dead letter {nobody}")), "{all}");
        assert!(all.contains("dlq list --state all"), "{all}");
    }
    for arguments in [
        &["redrive"][..],
        &["redrive", "--all", nobody],
        &["show", "seven"],
        &["list", "--type", "OrderPraised"],
        &["list", "--topic", "orders.v9"],
        &["list", "--since", "yesterday"],
    ] {
        let (code, _, errors) = dlq(&orders, arguments).await;
        assert_eq!(code, 2, "{arguments:?}: {errors}");
    }
}
