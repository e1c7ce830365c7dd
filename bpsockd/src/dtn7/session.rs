// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A connection to dtnd: a WebSocket, and requests of HTTP beside it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message, protocol::WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long dtnd may take to connect, and to answer a request of HTTP.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages on their way to dtnd.
pub(super) const OUTGOING: usize = 4096;
/// Messages of dtnd that were not looked at yet. Then it waits.
const INCOMING: usize = 64;
/// Octets of the first line of an answer.
const ANSWER_OCTETS: u64 = 1024;
/// Octets of a bundle beside its message.
const AROUND: usize = 1 << 16;

/// What to connect to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// The node that it has to be.
    pub(super) node: String,
    pub(super) max_message: usize,
}

/// A connection. Its task ends with it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) outgoing: mpsc::Sender<Message>,
    pub(super) incoming: mpsc::Receiver<Message>,
    _task: JoinSet<()>,
}

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn from_web(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => invalid(other),
    }
}

async fn in_time<T>(what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    timeout(PATIENCE, what).await.map_err(late)?
}

impl Target {
    /// Connects after a pause, and registers endpoints.
    pub(super) async fn connect(
        self,
        pause: Duration,
        endpoints: Vec<String>,
    ) -> io::Result<Session> {
        sleep(pause).await;
        let stream = in_time(self.greet()).await?;
        for endpoint in endpoints {
            if self.ask("register", &endpoint).await? != 200 {
                return Err(invalid(format!("it does not register {endpoint}")));
            }
        }
        let (mut sink, mut stream) = stream.split();
        let (outgoing, mut to_send) = mpsc::channel(OUTGOING);
        let (received, incoming) = mpsc::channel(INCOMING);
        // Side by side: dtnd reads nothing while it cannot write.
        let writer = async move {
            while let Some(message) = to_send.recv().await {
                if sink.send(message).await.is_err() {
                    break;
                }
            }
        };
        let reader = async move {
            while let Some(Ok(message)) = stream.next().await {
                if received.send(message).await.is_err() {
                    break;
                }
            }
        };
        let mut task = JoinSet::new();
        // The end of one, whatever the reason, is the end of both channels.
        task.spawn(async {
            tokio::select! {
                () = writer => {}
                () = reader => {}
            }
        });
        Ok(Session {
            outgoing,
            incoming,
            _task: task,
        })
    }

    /// A WebSocket of the node that is expected, which carries whole bundles.
    async fn greet(&self) -> io::Result<WebSocketStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let limit = Some(self.max_message + AROUND);
        let limits = WebSocketConfig::default()
            .max_message_size(limit)
            .max_frame_size(limit);
        let place = format!("ws://{}/ws", self.address);
        let connected = client_async_with_config(place, stream, Some(limits)).await;
        let (mut stream, _) = connected.map_err(from_web)?;
        let node = say(&mut stream, "/node").await?;
        if node.strip_prefix("200 node: ") != Some(&*self.node) {
            return Err(invalid(format!(
                "it is not {}, but says {node:?}",
                self.node
            )));
        }
        let mode = say(&mut stream, "/bundle").await?;
        if !mode.starts_with("200 ") {
            return Err(invalid(format!("it says {mode:?}")));
        }
        Ok(stream)
    }

    /// A request about an endpoint. Returns its status.
    pub(super) async fn ask(&self, what: &str, endpoint: &str) -> io::Result<u16> {
        let asked = async {
            let mut stream = TcpStream::connect(self.address).await?;
            let host = self.address;
            let request = format!("GET /{what}?{endpoint} HTTP/1.0\r\nHost: {host}\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            // The first line says enough.
            let mut answer = String::new();
            let mut part = BufReader::new(stream.take(ANSWER_OCTETS));
            part.read_line(&mut answer).await?;
            let mut words = answer.split_ascii_whitespace();
            let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
            let status = words.next().filter(|_| is_http);
            let status = status.and_then(|status| status.parse().ok());
            status.ok_or_else(|| invalid("it does not speak HTTP"))
        };
        in_time(asked).await
    }
}

/// Says something, and returns the answer. Nothing else may come meanwhile.
async fn say(stream: &mut WebSocketStream<TcpStream>, text: &str) -> io::Result<String> {
    stream.send(Message::text(text)).await.map_err(from_web)?;
    loop {
        match stream.next().await {
            Some(Ok(Message::Text(answer))) => return Ok(answer.as_str().to_owned()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(_)) => return Err(invalid("it answers no text")),
            Some(Err(error)) => return Err(from_web(error)),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
