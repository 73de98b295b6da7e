//! Real conversations with a mail server.

use std::collections::BTreeSet;

use notification::delivery::MAX_ATTEMPTS_REFUSED;
use service_kit::testing::TestCaller;
use test_support::{Delivery, eventually};

use crate::mail_server::MailServer;
use crate::office::{Office, PATIENCE, config, registered, start};
use crate::orders::{completed, created, new_order};

const RECEIVED: [(&str, &str); 1] = [("ORDER_RECEIVED", "SENT")];

#[tokio::test]
async fn a_mail_has_an_envelope_and_proper_headers() {
    let server = MailServer::start().await;
    let office = Office::with_server(server.url()).await;
    let asha = office.registered("asha@example.org").await;
    let order = new_order();
    office.env.publish(created(order, asha.customer)).await;
    office.until(&asha, &RECEIVED).await;
    let mails = server.mails();
    let [mail] = mails.as_slice() else { panic!("{mails:?}") };
    assert_eq!(mail.from, "<orders@boutique.example>");
    assert_eq!(mail.to, ["<asha@example.org>"]);
    assert_eq!(mail.header("From"), "Boutique <orders@boutique.example>");
    assert_eq!(mail.header("To"), "asha@example.org");
    assert_eq!(mail.header("Subject"), format!("Your order {order}: received"));
    let shown = &office.notifications(&asha).await[0];
    let id = shown["id"].as_str().unwrap();
    assert_eq!(mail.header("Message-ID"), format!("<{id}@boutique.example>"));
    let date = chrono::DateTime::parse_from_rfc2822(mail.header("Date")).unwrap();
    let created: chrono::DateTime<chrono::Utc> =
        shown["createdAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(date.timestamp(), created.timestamp());
    assert!(mail.data.contains("INR 898.00"), "{}", mail.data);
    assert_eq!(server.said().first().unwrap().split(' ').next(), Some("EHLO"));
    assert!(!office.folder.exists(), "a mail server needs no folder");
}

#[tokio::test]
async fn a_mail_server_that_says_later_is_asked_later() {
    let server = MailServer::start().await;
    server.answer("RCPT", Some("450 4.2.0 greylisted"));
    server.answer(".", Some("452 4.3.1 no room"));
    let office = Office::with_server(server.url()).await;
    let asha = office.registered("asha@example.org").await;
    office.env.publish(created(new_order(), asha.customer)).await;
    office.until(&asha, &RECEIVED).await;
    assert_eq!(server.mails().len(), 1);
    assert_eq!(office.attempts().await, 3);
}

#[tokio::test]
async fn mail_waits_for_a_mail_server_that_is_away() {
    let server = MailServer::start().await;
    let port = server.port;
    server.stop().await;
    let office = Office::with_server(format!("smtp://127.0.0.1:{port}")).await;
    let asha = office.registered("asha@example.org").await;
    let order = new_order();
    let events = [created(order, asha.customer), completed(order, Some(asha.customer))];
    office.env.deliver(&events.map(Delivery::new)).await;
    eventually(PATIENCE, async || (office.attempts().await >= 2).then_some(())).await;
    office.until(&asha, &[("ORDER_COMPLETED", "QUEUED"), ("ORDER_RECEIVED", "QUEUED")]).await;

    let server = MailServer::start_on(port).await;
    office.until(&asha, &[("ORDER_COMPLETED", "SENT"), RECEIVED[0]]).await;
    assert_eq!(server.mails().len(), 2);
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_shown_as_failed() {
    let server = MailServer::start().await;
    for _ in 0..MAX_ATTEMPTS_REFUSED {
        server.answer("RCPT", Some("550 5.1.1 no such user"));
    }
    let office = Office::with_server(server.url()).await;
    let gone = office.registered("gone@example.org").await;
    office.env.publish(created(new_order(), gone.customer)).await;
    eventually(PATIENCE, async || {
        // Time passes.
        sqlx::raw_sql(
            "UPDATE reminders SET due_at = now();
             UPDATE notifications SET next_attempt_at = now() WHERE status = 'QUEUED'",
        )
        .execute(office.pool())
        .await
        .unwrap();
        (office.notifications(&gone).await.first()?["status"] == "FAILED").then_some(())
    })
    .await;
    assert_eq!(office.attempts().await, i64::from(MAX_ATTEMPTS_REFUSED));

    let asha = office.registered("asha@example.org").await;
    office.env.publish(created(new_order(), asha.customer)).await;
    office.until(&asha, &RECEIVED).await;
    assert_eq!(server.mails().len(), 1, "nobody tried the first one again");
}

#[tokio::test]
async fn two_replicas_share_the_work_and_send_each_mail_once() {
    let server = MailServer::start().await;
    let office = Office::with_server(server.url()).await;
    let other =
        start(&office.env, config(Some(server.url()), office.folder.clone())).await.unwrap();
    let asha = TestCaller::customer().unwrap();
    let orders: Vec<_> =
        (0..100).map(|_| Delivery::new(created(new_order(), asha.customer))).collect();
    office.env.deliver(&orders).await;
    office.until(&asha, &[("ORDER_RECEIVED", "QUEUED"); 100]).await;
    office.env.publish(registered(asha.customer, "asha@example.org")).await;
    office.until(&asha, &[RECEIVED[0]; 100]).await;

    let mails = server.mails();
    let ids: BTreeSet<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!((mails.len(), ids.len()), (100, 100));
    assert!(server.connections() <= 16, "{} connections for 100 mails", server.connections());
    other.stop().await.unwrap();
}

#[tokio::test]
async fn what_another_replica_is_claiming_holds_up_nothing_else() {
    let server = MailServer::start().await;
    let office = Office::with_server(server.url()).await;
    let asha = TestCaller::customer().unwrap();
    let [order, claimed] = [new_order(), new_order()];
    let events = [created(order, asha.customer), created(claimed, asha.customer)];
    office.env.deliver(&events.map(Delivery::new)).await;
    office.until(&asha, &[("ORDER_RECEIVED", "QUEUED"); 2]).await;
    // Locked by this test, at a moment when the service has not claimed it.
    let claim = eventually(PATIENCE, async || {
        let mut claim = office.pool().begin().await.unwrap();
        let leased: bool = sqlx::query_scalar(
            "SELECT next_attempt_at > now() + interval '30 seconds' FROM notifications
             WHERE order_id = $1 FOR UPDATE",
        )
        .bind(claimed.as_uuid())
        .fetch_one(&mut *claim)
        .await
        .unwrap();
        (!leased).then_some(claim)
    })
    .await;
    office.env.publish(registered(asha.customer, "asha@example.org")).await;
    office.until(&asha, &[("ORDER_RECEIVED", "QUEUED"), RECEIVED[0]]).await;
    assert_eq!(server.mails()[0].header("Subject"), format!("Your order {order}: received"));
    claim.rollback().await.unwrap();
    office.until(&asha, &[RECEIVED[0]; 2]).await;
}

#[tokio::test]
async fn what_was_not_sent_before_a_restart_is_sent_after_it() {
    let server = MailServer::start().await;
    server.answer("RCPT", Some("450 later"));
    let mut office = Office::with_server(server.url()).await;
    let asha = office.registered("asha@example.org").await;
    office.env.publish(created(new_order(), asha.customer)).await;
    eventually(PATIENCE, async || (office.attempts().await >= 1).then_some(())).await;
    let again =
        start(&office.env, config(Some(server.url()), office.folder.clone())).await.unwrap();
    std::mem::replace(&mut office.service, again).stop().await.unwrap();
    office.until(&asha, &RECEIVED).await;
    assert_eq!(server.mails().len(), 1);
}
