//! The server: whom it lets in, how long a connection may ask for nothing, and how it stops.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::task::TaskTracker;

use crate::end::End;

/// Event streams, of which orders has at most a thousand less, and requests. Who comes after that waits in the queue
/// of the operating system.
pub const MAX_CONNECTIONS: usize = 12_000;

/// The longest time for the head of a request, and between an answer and the next request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time in which a client reads nothing of what it asked for.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A head of a request that has not ended within so many bytes is answered with 431. hyper counts before it reads on, so a
/// head may be longer by what its last read brings.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// File descriptors that have run out do not come back at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long, at shutdown, a client may take to read an answer that is there, or the end of its stream.
const UNREAD: Duration = Duration::from_secs(3);

/// Serves until the shutdown, and until the requests on their way are answered. Streams must end by
/// themselves at the shutdown.
pub(crate) async fn serve(listener: TcpListener, router: Router, end: End) -> anyhow::Result<()> {
    serve_at_most(MAX_CONNECTIONS, listener, router, end).await
}

async fn serve_at_most(
    connections: usize,
    listener: TcpListener,
    router: Router,
    end: End,
) -> anyhow::Result<()> {
    let shutdown = &end.shutdown;
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
                served.spawn(converse(stream, peer, router.clone(), end.clone(), slot));
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

/// How far a connection is with the latest request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Latest {
    None,
    /// A handler is at work.
    Asked,
    /// The answer is being written, or was.
    Answered,
}

/// Answers the requests of one connection. When clients are to go elsewhere, it ends with its next answer;
/// at shutdown it ends at once, or with the answer to the request that is on its way.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    end: End,
    _slot: OwnedSemaphorePermit,
) {
    // Answers are small and somebody waits for them: no delay to fill packets.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    // By the system, which knows whether anything is read; here it only shows as a write that does not end.
    if let Err(error) = SockRef::from(&stream).set_tcp_user_timeout(Some(READ_TIMEOUT)) {
        tracing::debug!(%error, "cannot set TCP_USER_TIMEOUT");
    }
    let latest = watch::Sender::new(Latest::None);
    let router = TowerToHyperService::new(router);
    let (progress, leaving) = (&latest, &end.leaving);
    let service = service_fn(move |mut request: Request<Incoming>| {
        progress.send_replace(Latest::Asked);
        // Handlers that ask for `ConnectInfo<SocketAddr>` learn who is connected.
        request.extensions_mut().insert(ConnectInfo(peer));
        let answering = router.call(request);
        async move {
            let mut answer = answering.await?;
            if leaving.is_cancelled() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            progress.send_replace(Latest::Answered);
            Ok::<_, Infallible>(answer)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        // What has arrived before the shutdown is still read.
        biased;
        ended = connection.as_mut() => ended,
        () = end.shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                () = not_worth_waiting_for(latest.subscribe()) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection broke");
    }
}

/// Resolves at once where no request was made, and later where its answer is not read.
async fn not_worth_waiting_for(mut latest: watch::Receiver<Latest>) {
    // For hyper, a connection is at work from its first byte on, and half a head would hold up the end.
    // After its first request, hyper knows which connections are idle.
    if *latest.borrow() == Latest::None {
        return;
    }
    // The sender lives as long as the connection: no error.
    drop(latest.wait_for(|latest| *latest == Latest::Answered).await);
    tokio::time::sleep(UNREAD).await;
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "it has no document")]
    async fn who_comes_when_all_slots_are_taken_waits_for_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(StatusCode::OK));
        let end = End::new();
        let serving = tokio::spawn(serve_at_most(1, listener, router, end.clone()));

        let first = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        let early = tokio::time::timeout(Duration::from_millis(300), second.read(&mut answer));
        assert!(early.await.is_err());

        drop(first);
        second.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        end.shutdown.cancel();
        serving.await.unwrap().unwrap();
    }
}
