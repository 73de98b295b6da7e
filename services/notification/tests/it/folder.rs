//! Without a mail server: a file in a folder.

use contracts::events::{CancelReason, OrderFailureReason};
use test_support::Delivery;

use crate::office::{Office, config, start};
use crate::orders::{cancelled, completed, created, failed, new_order};

#[tokio::test]
async fn each_end_of_an_order_is_told_in_a_mail_of_its_own() {
    let office = Office::with_folder().await;
    let asha = office.registered("asha@example.org").await;
    let customer = Some(asha.customer);
    let [done, sold_out, declined, called_off, late] = [(); 5].map(|()| new_order());
    let events = [
        created(done, asha.customer),
        completed(done, customer),
        failed(sold_out, customer, OrderFailureReason::OutOfStock),
        failed(declined, customer, OrderFailureReason::PaymentFailed),
        cancelled(called_off, customer, CancelReason::Customer),
        cancelled(late, customer, CancelReason::Expired),
    ];
    office.env.deliver(&events.map(Delivery::new)).await;
    let sent = ["CANCELLED", "COMPLETED", "EXPIRED", "FAILED", "FAILED", "RECEIVED"]
        .map(|kind| format!("ORDER_{kind}"));
    office.until(&asha, &sent.each_ref().map(|kind| (kind.as_str(), "SENT"))).await;

    let mails = office.mails();
    assert_eq!(mails.len(), 6);
    let shown = office.notifications(&asha).await;
    for (order, words) in [
        (done, "INR 898.00"),
        (done, "reserved for you and paid"),
        (sold_out, "out of stock"),
        (declined, "payment did not go through"),
        (called_off, "as you wished"),
        (late, "not paid in time"),
    ] {
        let order = order.to_string();
        let mail = mails.iter().find(|(_, mail)| mail.contains(words)).unwrap();
        let (message_id, mail) = mail;
        assert!(mail.contains(&format!("\nYour order: {order}\n")), "{mail}");
        let id = message_id.strip_prefix('<').unwrap().split('@').next().unwrap();
        let item = shown.iter().find(|item| item["id"] == id).unwrap();
        assert_eq!(item["orderId"], order);
        let (head, _) = mail.split_once("\n\n").unwrap();
        for line in [
            "From: Boutique <orders@boutique.example>",
            "To: asha@example.org",
            &format!("Subject: {}", item["subject"].as_str().unwrap()),
            &format!("Message-ID: <{id}@boutique.example>"),
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(head.lines().any(|found| found == line), "{line} is not in {head}");
        }
        assert!(head.contains("\nDate: "), "{head}");
    }
}

#[tokio::test]
async fn an_order_and_kind_is_told_once_however_often_it_is_heard() {
    let office = Office::with_folder().await;
    let asha = office.registered("asha@example.org").await;
    office.until_processed(1).await;
    let order = new_order();
    let told = [created(order, asha.customer), completed(order, Some(asha.customer))];
    let told = told.map(Delivery::new);
    let twice: Vec<_> = told.iter().chain(&told).cloned().collect();
    office.env.deliver(&twice).await;
    let sent = [("ORDER_COMPLETED", "SENT"), ("ORDER_RECEIVED", "SENT")];
    office.until(&asha, &sent).await;
    let (mails, shown) = (office.mails(), office.notifications(&asha).await);

    // Again with an empty inbox, and again under other ids.
    sqlx::query("DELETE FROM inbox").execute(office.pool()).await.unwrap();
    let others = told.clone().map(|delivery| Delivery::new(delivery.event));
    let again: Vec<_> = told.into_iter().chain(others).collect();
    office.env.deliver(&again).await;
    office.until_processed(4).await;
    // The next order shows that the sender has been through all that was due.
    let next = new_order();
    office.env.publish(created(next, asha.customer)).await;
    let more = [sent[0], sent[1], sent[1]];
    office.until(&asha, &more).await;

    assert_eq!(office.attempts().await, 3);
    assert_eq!(office.dead_letters().await, 0);
    assert_eq!(office.notifications(&asha).await[1..], shown);
    let now = office.mails();
    assert_eq!(now.len(), 3);
    assert!(mails.keys().all(|id| now.contains_key(id)));
}

#[tokio::test]
async fn a_repeat_after_a_crash_is_the_same_mail() {
    let office = Office::with_folder().await;
    let asha = office.registered("asha@example.org").await;
    office.env.publish(created(new_order(), asha.customer)).await;
    office.until(&asha, &[("ORDER_RECEIVED", "SENT")]).await;
    let mails = office.mails();
    // As after a crash between the file and its record, when the lease has run out.
    sqlx::raw_sql(
        "UPDATE reminders SET due_at = now();
         UPDATE notifications SET status = 'QUEUED', sent_at = NULL, next_attempt_at = now()",
    )
    .execute(office.pool())
    .await
    .unwrap();
    office.until(&asha, &[("ORDER_RECEIVED", "SENT")]).await;
    assert_eq!(office.attempts().await, 2);
    assert_eq!(office.mails(), mails);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_told_at_the_start() {
    let office = Office::with_folder().await;
    let file = office.folder.join("file");
    std::fs::write(&file, "").unwrap();
    let Err(error) = start(&office.env, config(None, file.join("mail"))).await else {
        panic!("started")
    };
    assert!(format!("{error:#}").contains("MAIL_DIR"), "{error:#}");
    let secret = Some("smtp://user:secret@localhost:port".to_owned());
    let Err(error) = start(&office.env, config(secret, office.folder.clone())).await else {
        panic!("started")
    };
    let error = format!("{error:#}");
    assert!(error.contains("SMTP_URL") && !error.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_folder_that_goes_away_is_waited_for() {
    let office = Office::with_folder().await;
    let asha = office.registered("asha@example.org").await;
    std::fs::remove_dir(&office.folder).unwrap();
    office.env.publish(created(new_order(), asha.customer)).await;
    test_support::eventually(crate::office::PATIENCE, async || {
        (office.attempts().await > 0).then_some(())
    })
    .await;
    office.until(&asha, &[("ORDER_RECEIVED", "QUEUED")]).await;
    std::fs::create_dir(&office.folder).unwrap();
    office.until(&asha, &[("ORDER_RECEIVED", "SENT")]).await;
    assert_eq!(office.mails().len(), 1);
}
