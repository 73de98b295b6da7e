//! A way to Kafka on which answers lose the names of the brokers, as those of a broker that shuts down may.

use std::{collections::HashSet, sync::Mutex};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::world::PATIENCE;

/// The number of the request for metadata (Kafka's protocol guide).
const METADATA: i16 = 3;

/// Ends when it is dropped.
pub struct Forgetful {
    forgets: watch::Sender<bool>,
    /// How many answers told of topics and, by its doing, of no broker.
    forgotten: watch::Receiver<u32>,
    _accepting: JoinSet<()>,
}

/// What a connection needs to know.
#[derive(Clone)]
struct Way {
    forgets: watch::Receiver<bool>,
    forgotten: watch::Sender<u32>,
}

impl Forgetful {
    /// The port is told first: Kafka has to send its clients there.
    pub async fn listen() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    /// Lets clients through to the broker at this address.
    pub fn start(listener: TcpListener, broker: &str) -> Self {
        let (forgets, forgetting) = watch::channel(false);
        let (count, forgotten) = watch::channel(0);
        let way = Way { forgets: forgetting, forgotten: count };
        let broker = broker.to_owned();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let Ok(server) = TcpStream::connect(&broker).await else {
                    continue;
                };
                connections.spawn(way.clone().connect(client, server));
            }
        });
        Self { forgets, forgotten, _accepting: accepting }
    }

    /// Tells of no broker from now on, and waits until a client has heard that; it asks at the latest when its knowledge
    /// of the topics is old.
    pub async fn forget(&mut self) {
        self.forgotten.mark_unchanged();
        self.forgets.send_replace(true);
        tokio::time::timeout(PATIENCE, self.forgotten.changed())
            .await
            .expect("a client asks for the brokers of a topic")
            .unwrap();
    }

    /// Tells of the brokers again.
    pub fn remember(&self) {
        self.forgets.send_replace(false);
    }
}

impl Way {
    async fn connect(self, client: TcpStream, server: TcpStream) {
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let asked = Mutex::new(HashSet::new());
        let requests = async {
            while let Some(request) = frame(&mut from_client).await {
                if i16::from_be_bytes([request[0], request[1]]) == METADATA {
                    asked.lock().unwrap().insert(correlation(&request[4..]));
                }
                if !send(&mut to_server, &request).await {
                    break;
                }
            }
        };
        let answers = async {
            while let Some(mut answer) = frame(&mut from_server).await {
                let tells = asked.lock().unwrap().remove(&correlation(&answer));
                let without = tells.then(|| without_brokers(&answer)).flatten();
                if let Some(without) = without.filter(|_| *self.forgets.borrow()) {
                    answer = without;
                    self.forgotten.send_modify(|count| *count += 1);
                }
                if !send(&mut to_client, &answer).await {
                    break;
                }
            }
        };
        tokio::select! {
            () = requests => {}
            () = answers => {}
        }
    }
}

/// What follows the four bytes of its length; `None` at the end of the connection.
async fn frame(from: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let length = from.read_u32().await.ok()?;
    let mut frame = vec![0; usize::try_from(length).unwrap()];
    from.read_exact(&mut frame).await.ok()?;
    Some(frame)
}

async fn send(to: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> bool {
    let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
    to.write_all(&[&length, frame].concat()).await.is_ok()
}

/// The number that an answer shares with its request.
fn correlation(bytes: &[u8]) -> [u8; 4] {
    bytes[..4].try_into().unwrap()
}

/// The same metadata (version 9 or later) without a broker; `None` where no topic is told of.
fn without_brokers(answer: &[u8]) -> Option<Vec<u8>> {
    // The correlation, no tag, and the time the client is to hold back.
    const BEFORE: usize = 4 + 1 + 4;
    let mut rest = &answer[BEFORE..];
    for _ in 0..length(&mut rest) {
        rest = &rest[4..];
        skip_text(&mut rest);
        rest = &rest[4..];
        skip_text(&mut rest);
        // The tags.
        assert_eq!(length(&mut rest), 0);
    }
    let mut behind = rest;
    // The cluster, and its controller.
    skip_text(&mut behind);
    behind = &behind[4..];
    let has_topics = length(&mut behind) > 0;
    // An empty array has one more than its length before it.
    has_topics.then(|| [&answer[..BEFORE], &[1], rest].concat())
}

fn skip_text(rest: &mut &[u8]) {
    let length = length(rest);
    *rest = &rest[length..];
}

/// The length of an array or a text, which is told by one more; one that is not there is 0 long, as are no tags.
fn length(rest: &mut &[u8]) -> usize {
    let mut value = 0;
    for position in 0.. {
        let byte = rest[0];
        *rest = &rest[1..];
        value |= usize::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            break;
        }
    }
    value.saturating_sub(1)
}
