//! Topics are not ordered among each other: an order may be heard of before its customer, and its end
//! before its beginning.

use contracts::events::CancelReason;
use service_kit::testing::TestCaller;
use test_support::{Delivery, eventually};

use crate::office::{Office, PATIENCE, registered};
use crate::orders::{cancelled, completed, created, new_order};

#[tokio::test]
async fn an_order_heard_of_before_its_customer_is_told_once_the_address_is_known() {
    let office = Office::with_folder().await;
    let asha = TestCaller::customer().unwrap();
    let order = new_order();
    let events = [created(order, asha.customer), completed(order, Some(asha.customer))];
    office.env.deliver(&events.map(Delivery::new)).await;
    let queued = [("ORDER_COMPLETED", "QUEUED"), ("ORDER_RECEIVED", "QUEUED")];
    office.until(&asha, &queued).await;
    assert!(office.mails().is_empty());

    office.env.publish(registered(asha.customer, "asha@example.org")).await;
    office.until(&asha, &[("ORDER_COMPLETED", "SENT"), ("ORDER_RECEIVED", "SENT")]).await;
    assert_eq!(office.mails().len(), 2);
    assert_eq!(office.attempts().await, 2, "waiting for an address is no attempt");
}

#[tokio::test]
async fn an_end_that_does_not_name_the_customer_waits_for_the_beginning() {
    let office = Office::with_folder().await;
    let asha = office.registered("asha@example.org").await;
    let [first, second] = [new_order(), new_order()];
    office.env.publish(completed(first, None)).await;
    office.env.publish(cancelled(second, None, CancelReason::Expired)).await;
    office.until_processed(3).await;
    // The sender has looked at them, and put them off.
    eventually(PATIENCE, async || {
        let put_off: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM notifications WHERE customer_id IS NULL AND next_attempt_at > now()",
        )
        .fetch_one(office.pool())
        .await
        .unwrap();
        (put_off == 2).then_some(())
    })
    .await;
    assert_eq!(office.notifications(&asha).await, [""; 0], "nobody knows yet whose they are");

    office.env.publish(created(first, asha.customer)).await;
    office.until(&asha, &[("ORDER_COMPLETED", "SENT"), ("ORDER_RECEIVED", "SENT")]).await;
    office.env.publish(created(second, asha.customer)).await;
    let all = ["COMPLETED", "EXPIRED", "RECEIVED", "RECEIVED"].map(|kind| format!("ORDER_{kind}"));
    office.until(&asha, &all.each_ref().map(|kind| (kind.as_str(), "SENT"))).await;
    assert_eq!(office.mails().len(), 4);
    assert_eq!(office.dead_letters().await, 0);
}

#[tokio::test]
async fn an_address_that_no_mail_can_reach_is_given_up_and_harms_nobody_else() {
    let office = Office::with_folder().await;
    let odd = office.registered("a(b@c)d@ex..ample").await;
    let asha = office.registered("asha@example.org").await;
    let events = [created(new_order(), odd.customer), created(new_order(), asha.customer)];
    office.env.deliver(&events.map(Delivery::new)).await;
    office.until(&odd, &[("ORDER_RECEIVED", "FAILED")]).await;
    office.until(&asha, &[("ORDER_RECEIVED", "SENT")]).await;
    assert!(office.notifications(&odd).await[0].get("sentAt").is_none());
}

#[tokio::test]
async fn nobody_is_told_of_what_is_too_old() {
    let office = Office::with_folder().await;
    let asha = TestCaller::customer().unwrap();
    office.env.publish(created(new_order(), asha.customer)).await;
    office.until(&asha, &[("ORDER_RECEIVED", "QUEUED")]).await;
    sqlx::raw_sql(
        "UPDATE reminders SET due_at = now();
         UPDATE notifications
         SET created_at = now() - interval '73 hours', next_attempt_at = now()",
    )
    .execute(office.pool())
    .await
    .unwrap();
    office.until(&asha, &[("ORDER_RECEIVED", "FAILED")]).await;
}
