//! One customer, six orders, each watched live until it ends.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::time::timeout;

use crate::{
    binaries::Profile,
    parts::Admin,
    ports::Choice,
    say,
    shop::{Account, Change, Changes, Shop},
    stack::{self, PARTITIONS, Settings, Stack, Unsupervised},
};

/// How long any order may take to its end, expiry included.
const PATIENCE: Duration = Duration::from_mins(1);
/// What the stock of the demo's SKU is set to before the first order.
const ON_HAND: u32 = 100;
/// Units of each order.
const QTY: u32 = 2;

/// Seconds after which an unpaid order expires; long enough for the customer to pay.
const ORDER_EXPIRY: &str = "8";

/// Brings a stack of its own up, with nothing in it from before, and runs the scenarios on it.
///
/// # Errors
///
/// When a scenario or a check failed, or the stack did.
pub async fn command(profile: Profile) -> Result<()> {
    stack::with(stage("demo", profile), async |Stack { description, .. }| {
        let shop = Shop::new(description.urls())?;
        let (passed, failed) = run(&shop, &description.admin).await?;
        say("\nNext: `make up` keeps a shop open; the README walks through it with curl.");
        say(&format!("\n{passed} passed, {failed} failed"));
        ensure!(failed == 0, "{failed} of the demo's checks failed");
        Ok(())
    })
    .await
}

/// An empty stack on which orders expire while one watches.
pub fn stage(name: &str, profile: Profile) -> Settings {
    Settings {
        name: name.to_owned(),
        profile,
        ports: Choice::Free,
        variables: vec![("orders", "ORDER_EXPIRY_SECONDS", ORDER_EXPIRY.to_owned())],
        fresh: true,
        unsupervised: Unsupervised::None,
        kafka_nodes: 1,
        partitions: PARTITIONS,
        breakable: false,
    }
}

/// What the customer does once the order waits for its payment.
#[derive(Clone, Copy)]
enum Act {
    Watch,
    Pay,
    Cancel,
}

struct Scenario {
    name: &'static str,
    method: Option<&'static str>,
    in_stock: bool,
    act: Act,
    status: &'static str,
    reason: Option<&'static str>,
    payment: &'static str,
    notification: &'static str,
}

const SCENARIOS: [Scenario; 6] = [
    Scenario {
        name: "completed, payment named with the order",
        method: Some("pm_card_ok"),
        in_stock: true,
        act: Act::Watch,
        status: "COMPLETED",
        reason: None,
        payment: "CAPTURED",
        notification: "ORDER_COMPLETED",
    },
    Scenario {
        name: "completed, paid later",
        method: None,
        in_stock: true,
        act: Act::Pay,
        status: "COMPLETED",
        reason: None,
        payment: "CAPTURED",
        notification: "ORDER_COMPLETED",
    },
    Scenario {
        name: "out of stock",
        method: Some("pm_card_ok"),
        in_stock: false,
        act: Act::Watch,
        status: "FAILED",
        reason: Some("OUT_OF_STOCK"),
        payment: "CANCELLED",
        notification: "ORDER_FAILED",
    },
    Scenario {
        name: "card declined",
        method: Some("pm_card_declined"),
        in_stock: true,
        act: Act::Watch,
        status: "FAILED",
        reason: Some("PAYMENT_FAILED"),
        payment: "FAILED",
        notification: "ORDER_FAILED",
    },
    Scenario {
        name: "cancelled by the customer",
        method: None,
        in_stock: true,
        act: Act::Cancel,
        status: "CANCELLED",
        reason: Some("CUSTOMER"),
        payment: "CANCELLED",
        notification: "ORDER_CANCELLED",
    },
    Scenario {
        name: "expired unpaid",
        method: None,
        in_stock: true,
        act: Act::Watch,
        status: "CANCELLED",
        reason: Some("EXPIRED"),
        payment: "CANCELLED",
        notification: "ORDER_EXPIRED",
    },
];

/// Runs all scenarios and prints what happens; returns how many passed and how many failed.
pub async fn run(shop: &Shop, admin: &Admin) -> Result<(usize, usize)> {
    let admin = shop.sign_in(&admin.email, &admin.password).await?;
    let skus = shop.skus(2).await?;
    let [sku, empty_sku] = skus.as_slice() else { bail!("the catalogue is empty") };
    stock_up(shop, &admin, sku, ON_HAND).await?;
    stock_up(shop, &admin, empty_sku, 0).await?;

    let email = format!("demo-{}@example.com", uuid::Uuid::now_v7());
    let customer = shop.sign_up(&email, "correct horse battery staple").await?;
    say(&format!("signed up {email}; {ON_HAND} units of {sku} on hand, none of {empty_sku}\n"));
    let mut changes = shop.changes(&customer).await?;

    let (mut passed, mut failed) = (0, 0);
    let mut ended = Vec::new();
    for scenario in &SCENARIOS {
        say(scenario.name);
        let sku = if scenario.in_stock { sku } else { empty_sku };
        match play(shop, &customer, &mut changes, scenario, sku).await {
            Ok(order) => {
                passed += 1;
                ended.push((order, scenario));
            }
            Err(error) => {
                failed += 1;
                say(&format!("  FAILED: {error:#}"));
            }
        }
        say("");
    }

    say("afterwards");
    let sold = ended.iter().filter(|(_, s)| s.status == "COMPLETED").count();
    let sold = QTY * u32::try_from(sold)?;
    let mut check = |name: &str, result: Result<()>| match result {
        Ok(()) => {
            passed += 1;
            say(&format!("  {name}"));
        }
        Err(error) => {
            failed += 1;
            say(&format!("  FAILED: {name}: {error:#}"));
        }
    };
    check("stock adds up", stock_adds_up(shop, sku, sold).await);
    check("payments add up", payments_add_up(shop, &customer, &ended).await);
    check("the customer was told of each order, once", all_told(shop, &customer, &ended).await);
    Ok((passed, failed))
}

/// Products reach the inventory by way of Kafka, so a new one may not be known there yet.
pub(crate) async fn stock_up(shop: &Shop, admin: &Account, sku: &str, on_hand: u32) -> Result<()> {
    until("the inventory to know the SKU", async || shop.stock(sku).await.is_ok()).await?;
    shop.set_stock(admin, sku, on_hand).await
}

async fn play(
    shop: &Shop,
    customer: &Account,
    changes: &mut Changes,
    scenario: &Scenario,
    sku: &str,
) -> Result<String> {
    let started = Instant::now();
    let millis = || format!("{:8.1} ms", started.elapsed().as_secs_f64() * 1e3);
    let order = shop.place_order(customer, sku, QTY, scenario.method).await?;
    say(&format!("  {}  202 Accepted {}", millis(), order.id));
    let mut version = 0;
    loop {
        let change = timeout(PATIENCE, changes.next())
            .await
            .with_context(|| format!("{} did not end within {PATIENCE:?}", order.id))??;
        // The stream may repeat itself, and an earlier order may have a word left.
        if change.order_id != order.id || change.version <= version {
            continue;
        }
        version = change.version;
        let reason = change.reason.as_deref().map(|r| format!(" ({r})")).unwrap_or_default();
        say(&format!("  {}  {:<10} {}{reason}", millis(), change.status, change.step));
        if change.status != "PENDING" {
            expected(&change, scenario)?;
            return Ok(order.id);
        }
        if change.step == "INVENTORY_RESERVED" {
            match scenario.act {
                Act::Watch => {}
                Act::Pay => {
                    // The payments service hears of the order by itself, and may be a moment behind.
                    until("the payment to be known", async || {
                        matches!(shop.payment_status(customer, &order.id).await, Ok(Some(_)))
                    })
                    .await?;
                    say(&format!("  {}  the customer pays", millis()));
                    shop.pay(customer, &order.id, "pm_card_ok").await?;
                }
                Act::Cancel => {
                    say(&format!("  {}  the customer cancels", millis()));
                    shop.cancel(customer, &order.id).await?;
                }
            }
        }
    }
}

fn expected(change: &Change, scenario: &Scenario) -> Result<()> {
    ensure!(change.status == scenario.status, "{} instead of {}", change.status, scenario.status);
    ensure!(
        change.reason.as_deref() == scenario.reason,
        "the reason {:?} instead of {:?}",
        change.reason,
        scenario.reason
    );
    Ok(())
}

async fn stock_adds_up(shop: &Shop, sku: &str, sold: u32) -> Result<()> {
    until("reserved units to be sold or released", async || {
        let left = i64::from(ON_HAND - sold);
        matches!(shop.stock(sku).await, Ok(stock) if stock.on_hand == left && stock.reserved == 0)
    })
    .await
    .with_context(|| format!("{sold} of {ON_HAND} were sold"))
}

async fn payments_add_up(
    shop: &Shop,
    customer: &Account,
    ended: &[(String, &Scenario)],
) -> Result<()> {
    for (order, scenario) in ended {
        until("the payment to end", async || {
            matches!(shop.payment_status(customer, order).await, Ok(Some(s)) if s == scenario.payment)
        })
        .await
        .with_context(|| format!("{order} ({}) should be {}", scenario.name, scenario.payment))?;
    }
    Ok(())
}

async fn all_told(shop: &Shop, customer: &Account, ended: &[(String, &Scenario)]) -> Result<()> {
    for (order, scenario) in ended {
        for kind in ["ORDER_RECEIVED", scenario.notification] {
            until("the notification to be sent", async || {
                let Ok(told) = shop.notifications(customer).await else { return false };
                let sent = told.iter().filter(|n| n.order_id == *order && n.kind == kind);
                sent.map(|n| n.status.as_str()).eq(["SENT"])
            })
            .await
            .with_context(|| format!("{kind} for {order} ({})", scenario.name))?;
        }
    }
    Ok(())
}

/// Asks again until it holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        ensure!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
