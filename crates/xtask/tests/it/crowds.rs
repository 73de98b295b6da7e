//! Many customers at once, who want the same thing or cannot make up their minds.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::{join_all, try_join_all};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sqlx::{Connection, PgConnection};
use test_support::stack::in_database;
use tokio::time::sleep;
use xtask::{
    audit,
    binaries::Profile,
    crowd::{self, Crowd},
    demo, say,
    shop::{Account, Shop},
    stack::{self, Settings, Stack},
};

use crate::alone;

/// Seconds until an unpaid order expires; longer than any of the first thousand takes to its end.
const EXPIRY: u64 = 20;

const BUYERS: usize = 1000;
const UNITS: u32 = 100;

const UNDECIDED: usize = 1000;

/// How many orders ended how, with what became of their payment.
type Ends = BTreeMap<(String, String, String), i64>;

#[tokio::test(flavor = "multi_thread")]
async fn crowds_are_served_exactly() -> Result<()> {
    let _alone = alone().await;
    let variables = vec![("orders", "ORDER_EXPIRY_SECONDS", EXPIRY.to_string())];
    let settings = Settings { variables, ..demo::stage("crowds", Profile::Debug) };
    stack::with(settings, async |stack| {
        let shop = Shop::new(stack.description.urls())?;
        let plenty = crowd::stocked_sku(&shop, &stack.description.admin).await?;
        let mut others = shop.skus(2).await?.into_iter().filter(|sku| *sku != plenty);
        let scarce = others.next_back().context("the catalogue has one product only")?;
        a_thousand_want_a_hundred_units(stack, &shop, &scarce).await?;
        a_thousand_pay_and_give_up(stack, &shop, &plenty).await
    })
    .await
}

async fn a_thousand_want_a_hundred_units(stack: &Stack, shop: &Shop, sku: &str) -> Result<()> {
    let admin = &stack.description.admin;
    let admin = shop.sign_in(&admin.email, &admin.password).await?;
    shop.set_stock(&admin, sku, UNITS).await?;
    let burst = Crowd::gather(shop).await?.burst(shop, sku, BUYERS, 64).await?;
    ensure!(burst.accepted == BUYERS && burst.ended == BUYERS, "{burst:?}");
    let ends = ends(stack, sku).await?;
    let count = |status, reason| {
        let such =
            ends.iter().filter(|((s, r, _), _)| (s.as_str(), r.as_str()) == (status, reason));
        such.map(|(_, count)| *count).sum::<i64>()
    };
    let (sold, refused) = (count("COMPLETED", ""), count("FAILED", "OUT_OF_STOCK"));
    ensure!((sold, refused) == (UNITS.into(), 900), "{ends:?}");
    let left = shop.stock(sku).await?;
    ensure!((left.on_hand, left.reserved) == (0, 0), "{left:?}");
    Ok(())
}

/// Each order is paid and given up at about the same moment: cancelled by its customer, or expired, or both.
async fn a_thousand_pay_and_give_up(stack: &Stack, shop: &Shop, sku: &str) -> Result<()> {
    let mut random = StdRng::seed_from_u64(7);
    let customers = (0..16).map(|at| {
        let email = format!("undecided-{at}@example.com");
        async move { shop.sign_up(&email, "correct horse battery staple").await }
    });
    let customers = try_join_all(customers).await?;
    let undecided = (0..UNDECIDED).map(|at| {
        let customer = &customers[at % customers.len()];
        let millis =
            |random: &mut StdRng, most| Duration::from_millis(random.random_range(0..most));
        let expiry = Duration::from_secs(EXPIRY);
        let (pays, cancels) = match at % 3 {
            0 => (millis(&mut random, 500), Some(millis(&mut random, 500))),
            // The timer fires some time after it is due.
            1 => (expiry + millis(&mut random, 1000), None),
            _ => (expiry + millis(&mut random, 1000), Some(expiry + millis(&mut random, 1000))),
        };
        // Not all of them at the same moment, for longer than requests would wait.
        let begins = Duration::from_millis(8 * u64::try_from(at).unwrap_or_default());
        order(shop, customer, sku, begins, pays, cancels)
    });
    for outcome in join_all(undecided).await {
        outcome?;
    }
    let ends = ends(stack, sku).await?;
    say(&format!("{ends:?}"));
    // Some of each, and some whose money was set aside already: otherwise they did not meet.
    for (status, reason, payment) in [
        ("COMPLETED", "", "CAPTURED"),
        ("CANCELLED", "CUSTOMER", "CANCELLED"),
        ("CANCELLED", "EXPIRED", "CANCELLED"),
    ] {
        let end = (status.to_owned(), reason.to_owned(), payment.to_owned());
        ensure!(ends.contains_key(&end), "none is {end:?}: {ends:?}");
    }
    ensure!(ends.keys().any(|(_, _, payment)| payment == "VOIDED"), "nothing was voided: {ends:?}");
    Ok(())
}

async fn order(
    shop: &Shop,
    customer: &Account,
    sku: &str,
    begins: Duration,
    pays: Duration,
    cancels: Option<Duration>,
) -> Result<()> {
    sleep(begins).await;
    let (id, _) = shop.place_order_persistently(customer, sku, None).await?;
    let paying = async {
        sleep(pays).await;
        // That it is too late, or too early, is no failure.
        drop(shop.pay(customer, &id, "pm_card_ok").await);
    };
    let cancelling = async {
        if let Some(cancels) = cancels {
            sleep(cancels).await;
            drop(shop.cancel(customer, &id).await);
        }
    };
    tokio::join!(paying, cancelling);
    Ok(())
}

/// How the orders of a product have ended, once everything has, and adds up.
async fn ends(stack: &Stack, sku: &str) -> Result<Ends> {
    audit::settled(&stack.description).await?;
    let url = in_database(&stack.description.database_url, "boutique");
    let mut connection = PgConnection::connect(&url).await?;
    let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
        "SELECT o.status, coalesce(o.reason, ''), p.state, count(*)
         FROM orders.orders o JOIN payments.payments p ON p.order_id = o.id
         WHERE o.items -> 0 ->> 'sku' = $1 GROUP BY 1, 2, 3",
    )
    .bind(sku)
    .fetch_all(&mut connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(status, reason, payment, n)| ((status, reason, payment), n))
        .collect())
}
