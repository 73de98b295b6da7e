//! What a connection may hold, and for how long.

use std::sync::atomic::Ordering;
use std::time::Duration;

use test_support::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::sample::{CHUNKS, GIVEN_UP, LEFT, SLOW, Sample};

/// Less than the service would be given for its end.
const PATIENCE: Duration = Duration::from_secs(30);

const HALF_A_HEAD: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\n";

/// A connection on which this has been sent.
async fn sent(sample: &Sample, text: &str) -> TcpStream {
    let address = sample.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// All that comes until the server ends the connection, which it does by itself.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_is_closed() {
    let sample = Sample::start().await;
    let (silent, half) = (sent(&sample, "").await, sent(&sample, HALF_A_HEAD).await);
    let idle = sent(&sample, &format!("{HALF_A_HEAD}\r\n")).await;
    let (silent, half, idle) = tokio::join!(rest(silent), rest(half), rest(idle));
    assert_eq!((silent.as_str(), half.as_str()), ("", ""));
    assert!(idle.starts_with("HTTP/1.1 200 OK"), "{idle}");
}

#[tokio::test]
async fn a_request_whose_client_goes_away_is_told_as_one_that_was_not_answered() {
    let sample = Sample::start().await;
    let left = sent(&sample, "GET /api/left HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually(PATIENCE, async || LEFT.is_asked().then_some(())).await;
    drop(left);
    let told = r#"http_requests_total{method="GET",route="/api/left",status="unanswered"} 1"#;
    eventually(PATIENCE, async || {
        let metrics = sample.get("/metrics").await.text().await.unwrap();
        metrics.contains(told).then_some(())
    })
    .await;
}

#[tokio::test]
async fn at_shutdown_only_requests_on_their_way_are_waited_for() {
    let sample = Sample::start().await;
    let slow = sent(&sample, "GET /api/slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let silent = sent(&sample, "").await;
    let half = sent(&sample, HALF_A_HEAD).await;
    let mut idle = sent(&sample, &format!("{HALF_A_HEAD}\r\n")).await;
    let mut halfway_again = sent(&sample, &format!("{HALF_A_HEAD}\r\n{HALF_A_HEAD}")).await;
    // The requests before have come, then; what becomes of those that have not is all the same.
    for answered in [&mut idle, &mut halfway_again] {
        answered.read_exact(&mut [0; 12]).await.unwrap();
    }
    eventually(PATIENCE, async || SLOW.is_asked().then_some(())).await;

    sample.shutdown.cancel();
    for useless in [silent, half, idle, halfway_again] {
        rest(useless).await;
    }
    SLOW.answer();
    let answer = rest(slow).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("slow"), "{answer}");
    tokio::time::timeout(PATIENCE, sample.running).await.unwrap().unwrap().unwrap();
}

/// A minute is what the service would be given for its end.
#[tokio::test]
async fn at_shutdown_a_client_that_does_not_read_its_stream_is_left_behind() {
    let sample = Sample::start().await;
    let unread = sent(&sample, "GET /api/flood HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Until nobody takes any more: the buffers on both sides are full.
    let mut before = 0;
    eventually(PATIENCE, async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let chunks = CHUNKS.load(Ordering::Relaxed);
        let full = chunks > 0 && chunks == std::mem::replace(&mut before, chunks);
        full.then_some(())
    })
    .await;
    sample.shutdown.cancel();
    tokio::time::timeout(PATIENCE, sample.running).await.expect("it ends").unwrap().unwrap();
    drop(unread);
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let sample = Sample::start().await;
    let cookies = format!("Cookie: {}\r\n", "a".repeat(80 * 1024));
    let answer = rest(sent(&sample, &format!("{HALF_A_HEAD}{cookies}")).await).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn handlers_know_who_is_connected() {
    let sample = Sample::start().await;
    let stream =
        sent(&sample, "GET /api/peer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let peer = stream.local_addr().unwrap().to_string();
    let answer = rest(stream).await;
    assert!(answer.ends_with(&peer), "{answer}");
}

#[tokio::test]
async fn a_body_declared_over_the_bound_is_refused_before_it_comes() {
    let sample = Sample::start().await;
    for path in ["/api/baskets", "/api/raw", "/api/nothing"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: 65537\r\n\r\n"
        );
        let answer = rest(sent(&sample, &head).await).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("/problems/body-too-large"), "{answer}");
    }
}

#[tokio::test]
async fn a_connection_ends_with_an_answer_before_the_body_and_says_so() {
    let sample = Sample::start().await;
    let head = "POST /api/nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
    let unread = rest(sent(&sample, head).await).await;
    assert!(unread.starts_with("HTTP/1.1 404"), "{unread}");
    assert!(unread.contains("\r\nconnection: close\r\n"), "{unread}");

    // One that was read, and one that there is not, leave it open until the next asks for its end.
    let read = "POST /api/raw HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
    let none = "GET /api/nothing HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answers = rest(sent(&sample, &format!("{read}{none}{last}")).await).await;
    let answers: Vec<_> = answers.split("HTTP/1.1 ").skip(1).collect();
    let closes = |answer: &&str| answer.contains("connection: close");
    assert_eq!(answers.iter().map(closes).collect::<Vec<_>>(), [false, false, true]);
}

#[tokio::test]
async fn a_client_that_reads_nothing_of_its_answer_is_cut_off() {
    let sample = Sample::start().await;
    let unread = sent(&sample, "GET /api/unread HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually(2 * PATIENCE, async || GIVEN_UP.load(Ordering::Relaxed).then_some(())).await;
    drop(unread);
}

#[tokio::test]
async fn who_sends_a_large_body_gets_to_read_the_refusal() {
    let sample = Sample::start().await;
    for _ in 0..20 {
        let response = sample.post("application/json", vec![b' '; 1024 * 1024]).await;
        assert_eq!(response.status(), 413);
        assert!(response.text().await.unwrap().contains("body-too-large"));
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_the_clients_failure() {
    let sample = Sample::start().await;
    let head = "POST /api/raw HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf";
    let chunked = "POST /api/baskets HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                   Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n";
    let (declared, chunked) = (sent(&sample, head).await, sent(&sample, chunked).await);
    let (declared, chunked) = tokio::join!(rest(declared), rest(chunked));
    for answer in [declared, chunked] {
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("/problems/body-too-slow"), "{answer}");
    }
    let metrics = sample.get("/metrics").await.text().await.unwrap();
    assert!(!metrics.contains(r#"route="/api/raw",status="5xx""#), "{metrics}");
    assert!(metrics.contains(r#"route="/api/raw",status="4xx""#), "{metrics}");
}
