//! A client that sends any bytes, and reads what comes.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::request::Request;

/// The service's own bound for a request is ten seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// By name in small letters.
    pub headers: HashMap<String, String>,
    /// Of a stream, nothing.
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// Sends a request; `None` where the service hangs up without a word.
///
/// # Errors
///
/// When nothing comes in time, or what comes is no HTTP.
pub async fn exchange(address: &str, request: &Request) -> Result<Option<Answer>> {
    let head = request.head();
    let body = request.body.as_deref().unwrap_or_default();
    let sent = [head.as_slice(), body].concat();
    let bytes = conversation(address, &sent, request.is_whole, is_one_answer).await?;
    let mut answers = answers(&bytes, request.method == "HEAD")?;
    ensure!(answers.len() <= 1, "{} answers to one request", answers.len());
    Ok(answers.pop())
}

/// Sends bytes, and returns what comes until the service hangs up, or until `is_enough`.
///
/// # Errors
///
/// When neither happens in time.
pub async fn conversation(
    address: &str,
    sent: &[u8],
    stays: bool,
    is_enough: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let (mut reading, mut writing) = stream.split();
    let mut bytes = Vec::new();
    let talking = async {
        let write = async {
            // Who is refused early may be hung up on while writing.
            let _ = writing.write_all(sent).await;
            if !stays {
                let _ = writing.shutdown().await;
            }
        };
        let read = async {
            let mut chunk = vec![0; 16 * 1024];
            while let Ok(length @ 1..) = reading.read(&mut chunk).await {
                bytes.extend_from_slice(&chunk[..length]);
                if is_enough(&bytes) {
                    break;
                }
            }
        };
        tokio::join!(write, read);
    };
    if timeout(PATIENCE, talking).await.is_err() {
        bail!("nothing more came for {PATIENCE:?} after {:?}", String::from_utf8_lossy(&bytes));
    }
    Ok(bytes)
}

/// A stream has begun: nobody waits for its end.
fn is_one_answer(bytes: &[u8]) -> bool {
    head(bytes).is_ok_and(|head| {
        head.is_some_and(|(answer, _)| answer.header("content-type") == "text/event-stream")
    })
}

/// The answers that bytes hold. None of a service's comes in chunks but streams.
///
/// # Errors
///
/// When they are no HTTP, or end in the middle of an answer.
pub fn answers(mut bytes: &[u8], without_bodies: bool) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let (mut answer, rest) = head(bytes)?.context("half the head of an answer")?;
        bytes = rest;
        if answer.status == 100 {
            continue;
        }
        if answer.header("transfer-encoding") == "chunked" {
            bytes = &[];
        } else if !without_bodies {
            let length: usize = answer.header("content-length").parse().unwrap_or(0);
            ensure!(bytes.len() >= length, "half the body of an answer");
            let (body, rest) = bytes.split_at(length);
            (answer.body, bytes) = (body.to_vec(), rest);
        }
        answers.push(answer);
    }
    Ok(answers)
}

/// The head of an answer, and what comes after it; `None` where it is not whole.
fn head(bytes: &[u8]) -> Result<Option<(Answer, &[u8])>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..end]).context("a head that is no text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.get(2..5));
    let status = status.context("no status line")?.parse()?;
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').context("a header without a colon")?;
        Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    let headers = headers.collect::<Result<_>>()?;
    Ok(Some((Answer { status, headers, body: Vec::new() }, &bytes[end + 4..])))
}
