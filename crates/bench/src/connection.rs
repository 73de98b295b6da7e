//! One connection to a service.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that is kept open from one request to the next.
#[derive(Debug)]
pub struct Connection {
    requests: SendRequest<Full<Bytes>>,
    _driver: AbortOnDropHandle<()>,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let (requests, connection) = http1::handshake(stream(address).await?).await?;
        let driver = tokio::spawn(async move {
            // Whoever waits for an answer is told of what goes wrong.
            let _ = connection.await;
        });
        Ok(Self { requests, _driver: AbortOnDropHandle::new(driver) })
    }

    /// Whether another request can be sent over it.
    pub fn is_open(&self) -> bool {
        !self.requests.is_closed()
    }

    pub async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let asking = async {
            self.requests.ready().await?;
            let response = self.requests.send_request(request).await?;
            let status = response.status();
            Ok::<_, hyper::Error>(Answer {
                status,
                body: response.into_body().collect().await?.to_bytes(),
            })
        };
        Ok(timeout(PATIENCE, asking).await.context("no answer in time")??)
    }
}

/// What a connection is made over.
pub async fn stream(address: SocketAddr) -> Result<TokioIo<TcpStream>> {
    let connecting = TcpStream::connect(address);
    let stream = timeout(PATIENCE, connecting).await.context("no connection in time")??;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(stream))
}
