// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AAP 2.0 on a stream: an octet at first, and then messages of Protocol Buffers, each behind its length.
//!
//! The payload of a data unit follows its message as it is.

use std::io;

use prost::Message as _;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite,
    AsyncWriteExt as _, BufReader,
};

/// What the server says first.
const MAGIC: u8 = 0x2f;
/// No message without its payload is longer: there are endpoint IDs in it, and little else.
const MAX_MESSAGE: usize = 1 << 16;

/// Who the server is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Welcome {
    /// Its node ID.
    #[prost(string, tag = "1")]
    pub node_id: String,
}

/// What a connection is for.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Config {
    /// Whether the server sends requests on it, and not the client.
    #[prost(bool, tag = "1")]
    pub is_subscriber: bool,
    /// 0: an ordinary application.
    #[prost(int32, tag = "2")]
    pub auth_type: i32,
    /// What all connections of an endpoint have in common.
    #[prost(string, tag = "3")]
    pub secret: String,
    /// The endpoint.
    #[prost(string, tag = "4")]
    pub endpoint_id: String,
    /// How often whoever sends requests says that it is there. 0: not.
    #[prost(uint32, tag = "5")]
    pub keepalive_seconds: u32,
}

/// A data unit without its payload.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Adu {
    /// Who sends it.
    #[prost(string, tag = "1")]
    pub source: String,
    /// Where it goes.
    #[prost(string, tag = "2")]
    pub destination: String,
    /// Milliseconds of DTN time.
    #[prost(uint64, tag = "3")]
    pub creation_ms: u64,
    /// Sequence number.
    #[prost(uint64, tag = "4")]
    pub sequence: u64,
    /// Octets of the payload that follows.
    #[prost(uint64, tag = "5")]
    pub payload_length: u64,
    /// 3: it is a status report.
    #[prost(int32, repeated, tag = "6")]
    pub flags: Vec<i32>,
    /// Where status reports go. Empty: nowhere, and there are none.
    #[prost(string, tag = "7")]
    pub report_to: String,
}

/// The server or the client is there still.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Keepalive {}

/// A request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Request {
    /// Which one; `None` for those that only routers get.
    #[prost(oneof = "Content", tags = "1, 2, 3, 6")]
    pub content: Option<Content>,
}

/// What a request is.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Content {
    /// The first one, from the server.
    #[prost(message, tag = "1")]
    Welcome(Welcome),
    /// The second one, from the client.
    #[prost(message, tag = "2")]
    Config(Config),
    /// A data unit, whose payload follows.
    #[prost(message, tag = "3")]
    Adu(Adu),
    /// Nothing.
    #[prost(message, tag = "6")]
    Keepalive(Keepalive),
}

/// The answer to a request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Response {
    /// What became of it.
    #[prost(int32, tag = "1")]
    pub status: i32,
    /// The bundle that was made.
    #[prost(message, optional, tag = "3")]
    pub bundle: Option<Adu>,
}

/// [`Response::status`]: it was done.
pub const SUCCESS: i32 = 1;
/// [`Response::status`]: it was heard.
pub const ACK: i32 = 2;
/// [`Response::status`]: it was not done.
pub const ERROR: i32 = 8;
/// [`Response::status`]: it makes no sense here.
pub const INVALID: i32 = 10;
/// [`Response::status`]: another secret is needed.
pub const UNAUTHORIZED: i32 = 12;

/// One side of a connection.
#[derive(Debug)]
pub struct Stream<S>(BufReader<S>);

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    /// The server's side: it speaks first.
    ///
    /// # Errors
    ///
    /// The connection has ended.
    pub async fn accept(stream: S, node_id: &str) -> io::Result<Self> {
        let mut stream = Self(BufReader::new(stream));
        stream.0.write_all(&[MAGIC]).await?;
        let node_id = node_id.to_owned();
        let welcome = Content::Welcome(Welcome { node_id });
        stream.send(welcome, &[]).await?;
        Ok(stream)
    }

    /// The client's side. Returns the node ID of the server, too.
    ///
    /// # Errors
    ///
    /// The connection has ended, or the other side speaks something else.
    pub async fn connect(stream: S) -> io::Result<(Self, String)> {
        let mut stream = Self(BufReader::new(stream));
        if stream.0.read_u8().await? != MAGIC {
            return Err(invalid("the server does not speak AAP 2.0"));
        }
        match stream.receive(0).await?.0 {
            Some(Content::Welcome(welcome)) => Ok((stream, welcome.node_id)),
            _ => Err(invalid("the server does not welcome")),
        }
    }

    /// Sends a request, and the payload that belongs to it.
    ///
    /// # Errors
    ///
    /// The connection has ended.
    pub async fn send(&mut self, content: Content, payload: &[u8]) -> io::Result<()> {
        let content = Some(content);
        let octets = Request { content }.encode_length_delimited_to_vec();
        self.0.write_all(&octets).await?;
        self.0.write_all(payload).await?;
        self.0.flush().await
    }

    /// Waits until there is something to receive. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// The connection has ended.
    pub async fn readable(&mut self) -> io::Result<()> {
        match self.0.fill_buf().await {
            Ok([]) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The next request with its payload, which may have so many octets.
    ///
    /// # Errors
    ///
    /// The connection has ended, or what came is no request.
    pub async fn receive(&mut self, max_payload: u64) -> io::Result<(Option<Content>, Vec<u8>)> {
        let octets = message(&mut self.0).await?;
        let request = Request::decode(&*octets).map_err(|_| invalid("no request"))?;
        let mut payload = Vec::new();
        if let Some(Content::Adu(adu)) = &request.content {
            if adu.payload_length > max_payload {
                return Err(invalid("a payload is too long"));
            }
            let mut part = (&mut self.0).take(adu.payload_length);
            let read = part.read_to_end(&mut payload).await?;
            if u64::try_from(read) != Ok(adu.payload_length) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok((request.content, payload))
    }

    /// Answers a request.
    ///
    /// # Errors
    ///
    /// The connection has ended.
    pub async fn answer(&mut self, response: &Response) -> io::Result<()> {
        let octets = response.encode_length_delimited_to_vec();
        self.0.write_all(&octets).await?;
        self.0.flush().await
    }

    /// The answer to a request.
    ///
    /// # Errors
    ///
    /// The connection has ended, or what came is no answer.
    pub async fn answered(&mut self) -> io::Result<Response> {
        let octets = message(&mut self.0).await?;
        Response::decode(&*octets).map_err(|_| invalid("no answer"))
    }
}

/// The octets of the next message.
async fn message(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let octet = from.read_u8().await?;
        length |= usize::from(octet & 0x7f) << shift;
        if octet < 0x80 {
            break;
        }
        shift += 7;
        if shift > 21 {
            return Err(invalid("a length is too long"));
        }
    }
    if length > MAX_MESSAGE {
        return Err(invalid("a message is too long"));
    }
    let mut octets = vec![0; length];
    from.read_exact(&mut octets).await?;
    Ok(octets)
}
