#![allow(dead_code, reason = "the mail server is shared with the tests of the whole service")]

#[path = "../../tests/it/mail_server.rs"]
mod mail_server;

use chrono::DateTime;
use uuid::Uuid;

use self::mail_server::MailServer;
use super::*;
use crate::mail::Mail;

fn message() -> Message {
    let from = "Boutique <orders@boutique.example>".parse().unwrap();
    let mail = Mail {
        id: Uuid::now_v7(),
        from: &from,
        to: "asha@example.org",
        subject: "Hello",
        body: "Hello,\n.\nBoutique\n",
        date: DateTime::UNIX_EPOCH,
    };
    mail.message().unwrap_or_else(|_| panic!("not written"))
}

fn client(url: &str) -> Smtp {
    Smtp { timeout: Duration::from_millis(500), ..Smtp::new(SmtpUrl::parse(url).unwrap()) }
}

#[tokio::test]
async fn one_connection_serves_many_mails() {
    let server = MailServer::start().await;
    let client = client(&server.url());
    for sent in 1..=3 {
        assert_eq!(client.send(&message()).await, Attempt::Sent);
        assert_eq!(server.mails().len(), sent);
    }
    assert_eq!(server.connections(), 1);
    assert!(server.mails()[0].data.contains("\r\n.\r\n"), "a lone dot is no end");
}

#[tokio::test]
async fn a_connection_that_owes_an_answer_is_not_used_again() {
    let server = MailServer::start().await;
    let client = client(&server.url());
    for command in ["EHLO", "MAIL", "RCPT", "DATA", "."] {
        let (connections, mails) = (server.connections(), server.mails().len());
        server.answer(command, None);
        let late = Attempt::Later("the mail server did not answer in time".to_owned());
        // An idle connection is past its EHLO.
        client.idle().clear();
        assert_eq!(client.send(&message()).await, late, "{command}");
        assert_eq!(client.send(&message()).await, Attempt::Sent, "{command}");
        assert_eq!(server.connections(), connections + 2, "{command}");
        assert_eq!(server.mails().len(), mails + 1, "{command}");
    }
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_is_replaced() {
    let server = MailServer::start().await;
    let client = client(&server.url());
    assert_eq!(client.send(&message()).await, Attempt::Sent);
    server.answer("NOOP", Some("421 idle for too long"));
    assert_eq!(client.send(&message()).await, Attempt::Sent);
    assert_eq!((server.connections(), server.mails().len()), (2, 2));
}

#[tokio::test]
async fn answers_mean_what_smtp_says() {
    let server = MailServer::start().await;
    let client = client(&server.url());
    let later = |code| Attempt::Later(format!("the mail server answered {code}"));
    let refused = |code| Attempt::Refused(format!("the mail server answered {code}"));
    for (command, answer, attempt) in [
        ("EHLO", "421 busy", later(421)),
        ("MAIL", "451 asha@example.org: later", later(451)),
        ("RCPT", "450 greylisted", later(450)),
        ("RCPT", "550 asha@example.org: unknown", refused(550)),
        (".", "452 full", later(452)),
        (".", "554 spam", refused(554)),
        // Our login is not the customer's fault.
        ("MAIL", "530 authentication required", later(530)),
    ] {
        client.idle().clear();
        server.answer(command, Some(answer));
        assert_eq!(client.send(&message()).await, attempt, "{command} {answer}");
    }
    assert_eq!(server.mails().len(), 0);
    assert_eq!(client.send(&message()).await, Attempt::Sent);
}

#[tokio::test]
async fn logs_in_where_the_url_has_a_user() {
    let server = MailServer::start().await;
    let url = format!("smtp://shop:s%40cret@127.0.0.1:{}", server.port);
    let client = client(&url);
    server.answer("AUTH", Some("535 wrong password"));
    let later = Attempt::Later("the mail server answered 535".to_owned());
    assert_eq!(client.send(&message()).await, later);
    assert_eq!(client.send(&message()).await, Attempt::Sent);
    // "\0shop\0s@cret" in base64.
    let login = "AUTH PLAIN AHNob3AAc0BjcmV0";
    assert!(server.said().iter().any(|line| line == login), "{:?}", server.said());
}

#[tokio::test]
async fn a_server_that_is_away_or_no_mail_server_is_tried_later() {
    let server = MailServer::start().await;
    let url = server.url();
    server.stop().await;
    let client = client(&url);
    let Attempt::Later(cause) = client.send(&message()).await else { panic!("sent to nobody") };
    assert!(cause.contains("refused"), "{cause}");

    let server = MailServer::start().await;
    server.answer("EHLO", Some("HTTP/1.1 400 Bad Request"));
    let client = self::client(&server.url());
    assert!(matches!(client.send(&message()).await, Attempt::Later(_)));
}
