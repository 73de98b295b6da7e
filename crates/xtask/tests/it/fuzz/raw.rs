//! What is no request, or two in one: shapes by which requests are smuggled past what stands in front
//! of a service, and others that have stopped servers.

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;

use super::wire::{answers, conversation};

/// What may come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A refusal, or silence; and the end of the connection.
    Refused,
    /// One answer, and the end of the connection.
    One,
    /// So many answers.
    Answers(usize),
}

use Expected::{Answers, One, Refused};

/// Bytes with a name, and what may come of them.
type Shape = (&'static str, Vec<u8>, Expected);

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends all shapes to a service, all at once, since some are waited for until it hangs up; those with a body to
/// a path that reads one.
///
/// # Errors
///
/// At the first that it is not safe from.
pub async fn try_all(address: &str, path: &str) -> Result<usize> {
    let shapes = shapes(path);
    try_join_all(shapes.iter().map(|shape| try_one(address, shape))).await?;
    Ok(shapes.len())
}

async fn try_one(address: &str, (name, bytes, expected): &Shape) -> Result<()> {
    // Whoever is refused need not wait for more; half a request is over with the connection.
    let stays = *expected != Refused;
    let came = conversation(address, bytes, stays, |_| false).await.context(*name)?;
    let answers = answers(&came, false)?;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    let holds = match expected {
        Refused => statuses.len() <= 1 && statuses.iter().all(|status| (400..500).contains(status)),
        // A client that hangs up early may not be answered at all.
        One => statuses.len() <= 1 && statuses.iter().all(|status| *status < 500),
        Answers(count) => statuses.len() <= *count && statuses.iter().all(|status| *status < 500),
    };
    let shown = bytes[..bytes.len().min(300)].escape_ascii();
    ensure!(holds, "{name} was answered with {statuses:?}: {shown}");
    Ok(())
}

fn shapes(path: &str) -> Vec<Shape> {
    let mut shapes = bodies_of_two_lengths(path);
    shapes.extend(odd_heads());
    shapes.extend(large_heads());
    shapes.extend(other_protocols());
    shapes
}

/// What is hidden would be read as a request of its own by whoever goes by the other length.
fn bodies_of_two_lengths(path: &str) -> Vec<Shape> {
    let hidden = HIDDEN.len();
    let with = |headers: &str, body: &str| {
        let json = "Content-Type: application/json\r\nConnection: close";
        format!("POST {path} HTTP/1.1\r\nHost: a\r\n{json}\r\n{headers}\r\n\r\n{body}").into_bytes()
    };
    let chunked = "Transfer-Encoding: chunked";
    let after_end = format!("0\r\n\r\n{HIDDEN}");
    let in_chunk = format!("{hidden:x}\r\n{HIDDEN}\r\n0\r\n\r\n");
    vec![
        (
            "a length and chunks",
            with(&format!("Content-Length: {}\r\n{chunked}", after_end.len()), &after_end),
            One,
        ),
        ("chunks and a length", with(&format!("{chunked}\r\nContent-Length: 3"), &in_chunk), One),
        (
            "two lengths",
            with(&format!("Content-Length: 0\r\nContent-Length: {hidden}"), HIDDEN),
            Refused,
        ),
        ("lengths in a list", with(&format!("Content-Length: 0, {hidden}"), HIDDEN), Refused),
        ("a length with a sign", with(&format!("Content-Length: +{hidden}"), HIDDEN), Refused),
        ("a negative length", with("Content-Length: -1", HIDDEN), Refused),
        ("a length in hexadecimals", with("Content-Length: 0x10", HIDDEN), Refused),
        ("an endless length", with("Content-Length: 99999999999999999999999", HIDDEN), Refused),
        ("an empty length", with("Content-Length:", HIDDEN), Refused),
        ("another coding", with("Transfer-Encoding: xchunked", &in_chunk), Refused),
        (
            "chunks that are not last",
            with("Transfer-Encoding: chunked, identity", &in_chunk),
            Refused,
        ),
        ("a coding in quotes", with("Transfer-Encoding: \"chunked\"", &in_chunk), Refused),
        ("a coding after a tab", with("Transfer-Encoding:\x0bchunked", &in_chunk), Refused),
        ("a folded coding", with("Transfer-Encoding:\r\n chunked", &in_chunk), Refused),
        ("a blank before the colon", with("Transfer-Encoding : chunked", &in_chunk), Refused),
        ("an endless chunk", with(chunked, "ffffffffffffffffffff\r\na"), One),
        ("a chunk with a sign", with(chunked, "+1\r\na\r\n0\r\n\r\n"), One),
        ("a chunk that is none", with(chunked, "z\r\n\r\n"), One),
        (
            "a long extension of a chunk",
            with(chunked, &format!("1;{}\r\na\r\n0\r\n\r\n", "a".repeat(100_000))),
            One,
        ),
        (
            "chunks in the old version",
            format!("POST {path} HTTP/1.0\r\nHost: a\r\n{chunked}\r\n\r\n{in_chunk}").into_bytes(),
            Refused,
        ),
        (
            "two requests in one go",
            format!("{HIDDEN}GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                .into_bytes(),
            Answers(2),
        ),
        (
            "more after the last request",
            format!("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n{HIDDEN}")
                .into_bytes(),
            One,
        ),
    ]
}

fn odd_heads() -> Vec<Shape> {
    let head = |text: &str| text.as_bytes().to_vec();
    vec![
        ("nothing", Vec::new(), Refused),
        ("empty lines", head("\r\n\r\n\r\n\r\n"), Refused),
        ("half a request line", head("GET /hea"), Refused),
        ("half a head", head("GET /healthz HTTP/1.1\r\nHost: a\r\n"), Refused),
        ("no version", head("GET /healthz\r\n\r\n"), Refused),
        ("an odd version", head("GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n"), Refused),
        ("no method", head(" /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), Refused),
        ("no path", head("GET  HTTP/1.1\r\nHost: a\r\n\r\n"), Refused),
        ("a blank in the path", head("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"), Refused),
        ("a NUL in the path", head("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"), Refused),
        ("a fragment", head("GET /healthz#a HTTP/1.1\r\nHost: a\r\n\r\n"), One),
        ("letters beyond ASCII in the path", "GET /ä HTTP/1.1\r\nHost: a\r\n\r\n".into(), One),
        ("another host's URI", head("GET http://b/healthz HTTP/1.1\r\nHost: a\r\n\r\n"), One),
        ("a URI that is none", head("GET :// HTTP/1.1\r\nHost: a\r\n\r\n"), Refused),
        ("a tunnel", head("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), One),
        ("an asterisk", head("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), One),
        ("a header without a colon", head("GET /healthz HTTP/1.1\r\nHost a\r\n\r\n"), Refused),
        ("a header without a name", head("GET /healthz HTTP/1.1\r\n: a\r\n\r\n"), Refused),
        ("a blank in a name", head("GET /healthz HTTP/1.1\r\nA B: c\r\n\r\n"), Refused),
        ("a NUL in a value", head("GET /healthz HTTP/1.1\r\nA: b\0c\r\n\r\n"), Refused),
        ("a folded value", head("GET /healthz HTTP/1.1\r\nA: b\r\n c\r\n\r\n"), Refused),
        ("a lone CR", head("GET /healthz HTTP/1.1\r\nA: b\rC: d\r\n\r\n"), Refused),
        ("lone LFs", head("GET /healthz HTTP/1.1\nHost: a\n\n"), One),
    ]
}

fn large_heads() -> Vec<Shape> {
    let large = |start: &str, middle: &str, count: usize, end: &str| {
        [start.as_bytes(), middle.repeat(count).as_bytes(), end.as_bytes()].concat()
    };
    let end = " HTTP/1.1\r\nHost: a\r\n\r\n";
    vec![
        ("a long path", large("GET /", "a", 60_000, end), One),
        ("a longer path", large("GET /", "a", 1_000_000, end), Refused),
        ("a long query", large("GET /healthz?", "a=b&", 15_000, end), One),
        ("a long method", large("", "A", 200_000, " / HTTP/1.1\r\n\r\n"), Refused),
        ("many headers", large("GET /healthz HTTP/1.1\r\n", "a: b\r\n", 10_000, "\r\n"), Refused),
        ("a long name", large("GET /healthz HTTP/1.1\r\n", "a", 200_000, ": b\r\n\r\n"), Refused),
        (
            "a long value",
            large("GET /healthz HTTP/1.1\r\nA: ", "b", 1_000_000, "\r\n\r\n"),
            Refused,
        ),
        (
            "many cookies",
            large("GET /healthz HTTP/1.1\r\nCookie: ", "a=b; ", 10_000, "\r\n\r\n"),
            One,
        ),
        ("many requests", large("", HIDDEN, 500, ""), Answers(500)),
    ]
}

fn other_protocols() -> Vec<Shape> {
    let client_hello = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03".repeat(20);
    vec![
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(), Refused),
        ("TLS", client_hello, Refused),
        ("SMTP", b"EHLO localhost\r\n".to_vec(), Refused),
        ("zeros", vec![0; 100_000], Refused),
        ("noise", (0..=255).cycle().take(100_000).collect(), Refused),
    ]
}
