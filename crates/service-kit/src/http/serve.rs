//! The server: whom it lets in, how long a connection may ask for nothing, and how it stops.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Ten thousand event streams, and room for requests. Who comes after that waits in the queue of
/// the operating system.
const MAX_CONNECTIONS: usize = 12_000;

/// The longest time for the head of a request, and between an answer and the next request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest head of a request, in bytes. Larger ones are answered with 431.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// File descriptors that have run out do not come back at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` is cancelled and the requests on their way are answered. Streams must
/// end by themselves when the token is cancelled.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    serve_at_most(MAX_CONNECTIONS, listener, router, shutdown).await
}

async fn serve_at_most(
    connections: usize,
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // Makes it ready once, and not once a request.
    let router = router.with_state(());
    let slots = Arc::new(Semaphore::new(connections));
    let served = TaskTracker::new();
    let mut failing = false;
    while let Some(slot) = shutdown.run_until_cancelled(slots.clone().acquire_owned()).await {
        let slot = slot.context("the slots for connections are closed")?;
        match shutdown.run_until_cancelled(listener.accept()).await {
            Some(Ok((stream, peer))) => {
                failing = false;
                served.spawn(converse(stream, peer, router.clone(), shutdown.clone(), slot));
            }
            // The client has left already.
            Some(Err(error)) if is_of_client(&error) => {}
            Some(Err(error)) => {
                if !failing {
                    tracing::error!(%error, "cannot take connections; trying on");
                }
                failing = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            None => break,
        }
    }
    drop(listener);
    served.close();
    served.wait().await;
    Ok(())
}

fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers the requests of one connection. At shutdown it ends at once, or with the answer to the
/// request that is on its way.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
    _slot: OwnedSemaphorePermit,
) {
    // Answers are small and somebody waits for them: no delay to fill packets.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let asked = AtomicBool::new(false);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        // Handlers that ask for `ConnectInfo<SocketAddr>` learn who is connected.
        request.extensions_mut().insert(ConnectInfo(peer));
        router.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        // What has arrived before the shutdown is still read.
        biased;
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            // For hyper, a connection is at work from its first byte on, and half a head would
            // hold up the end. After its first request, hyper knows which connections are idle.
            if !asked.load(Ordering::Relaxed) {
                return;
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection broke");
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn who_comes_when_all_slots_are_taken_waits_for_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(StatusCode::OK));
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve_at_most(1, listener, router, shutdown.clone()));

        let first = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        let early = tokio::time::timeout(Duration::from_millis(300), second.read(&mut answer));
        assert!(early.await.is_err());

        drop(first);
        second.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        shutdown.cancel();
        serving.await.unwrap().unwrap();
    }
}
