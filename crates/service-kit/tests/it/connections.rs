//! What a connection may hold, and for how long.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::sample::Sample;

const HALF_A_HEAD: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\n";

/// A connection on which this has been sent.
async fn sent(sample: &Sample, text: &str) -> TcpStream {
    let address = sample.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// All that comes until the server ends the connection, which must be soon.
async fn rest(mut stream: TcpStream, within: Duration) -> String {
    let mut text = String::new();
    tokio::time::timeout(within, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_is_closed() {
    let sample = Sample::start().await;
    let (silent, half) = (sent(&sample, "").await, sent(&sample, HALF_A_HEAD).await);
    let idle = sent(&sample, &format!("{HALF_A_HEAD}\r\n")).await;
    let within = Duration::from_secs(15);
    let (silent, half, idle) =
        tokio::join!(rest(silent, within), rest(half, within), rest(idle, within));
    assert_eq!((silent.as_str(), half.as_str()), ("", ""));
    assert!(idle.starts_with("HTTP/1.1 200 OK"), "{idle}");
}

#[tokio::test]
async fn at_shutdown_only_requests_on_their_way_are_waited_for() {
    let sample = Sample::start().await;
    let slow = sent(&sample, "GET /api/slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let silent = sent(&sample, "").await;
    let half = sent(&sample, HALF_A_HEAD).await;
    let idle = sent(&sample, &format!("{HALF_A_HEAD}\r\n")).await;
    let halfway_again = sent(&sample, &format!("{HALF_A_HEAD}\r\n{HALF_A_HEAD}")).await;
    tokio::time::sleep(Duration::from_millis(200)).await;

    let started = Instant::now();
    sample.shutdown.cancel();
    let soon = Duration::from_millis(400);
    for useless in [silent, half, idle, halfway_again] {
        rest(useless, soon).await;
    }
    assert!(started.elapsed() < soon, "{:?}", started.elapsed());
    let answer = rest(slow, Duration::from_secs(5)).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("slow"), "{answer}");
    let ended = tokio::time::timeout(Duration::from_secs(1), sample.running).await.unwrap();
    ended.unwrap().unwrap();
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let sample = Sample::start().await;
    let cookies = format!("Cookie: {}\r\n", "a".repeat(80 * 1024));
    let answer =
        rest(sent(&sample, &format!("{HALF_A_HEAD}{cookies}")).await, Duration::from_secs(5)).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn handlers_know_who_is_connected() {
    let sample = Sample::start().await;
    let stream =
        sent(&sample, "GET /api/peer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let peer = stream.local_addr().unwrap().to_string();
    let answer = rest(stream, Duration::from_secs(5)).await;
    assert!(answer.ends_with(&peer), "{answer}");
}
