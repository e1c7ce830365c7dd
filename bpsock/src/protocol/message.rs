// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The commands, and their attributes as fields.

use crate::abi::{BundleId, Info, Options, Report};
use crate::address::Address;
use crate::protocol::attributes::{Writer, attributes};
use crate::protocol::numbers::{
    BP_A_ADDRESS, BP_A_BUNDLE, BP_A_CHUNK_MAX, BP_A_DATA, BP_A_DELIVERY, BP_A_DESTINATION,
    BP_A_ERROR, BP_A_FLAGS, BP_A_GID, BP_A_INFO, BP_A_MAX_MESSAGE, BP_A_OFFSET, BP_A_OPTIONS,
    BP_A_PID, BP_A_PREVIOUS_NODE, BP_A_REPORT, BP_A_REPORT_TO, BP_A_REQUEST, BP_A_SOCKET,
    BP_A_SOURCE, BP_A_TOTAL, BP_A_UID, BP_A_VERSION, BP_A_WINDOW_BYTES, BP_A_WINDOW_REQUESTS,
    BP_CMD_ACK, BP_CMD_CANCEL, BP_CMD_CLOSE, BP_CMD_DELIVER, BP_CMD_HANGUP, BP_CMD_HELLO,
    BP_CMD_OPEN, BP_CMD_REFUSE, BP_CMD_REGISTER, BP_CMD_REPLY, BP_CMD_REPORT, BP_CMD_REVOKE,
    BP_CMD_ROOM, BP_CMD_SEND,
};
use crate::protocol::{BP_CHUNK_LIMIT, BP_GENL_VERSION, ProtocolError};

/// What the daemon allows. What is missing is the other side's choice, or the default.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// Octets of the longest message.
    pub max_message: Option<u32>,
    /// Octets of data in one message of the protocol.
    pub chunk_max: Option<u32>,
    /// Octets that may be on their way without a reply.
    pub window_bytes: Option<u32>,
    /// Requests that may be on their way without a reply.
    pub window_requests: Option<u32>,
}

/// A part of an application's message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part<H> {
    /// The first part, with what is said once.
    First {
        /// Octets of the whole message.
        total: u32,
        /// What is said once.
        head: H,
    },
    /// A later part.
    Next {
        /// Where it begins; not 0.
        offset: u32,
    },
}

impl<H> Part<H> {
    /// Where the part begins in the message.
    pub const fn offset(&self) -> u32 {
        match self {
            Self::First { .. } => 0,
            Self::Next { offset } => *offset,
        }
    }
}

/// What is said once of a message that is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    /// The address of the socket. Over UNIX sockets the daemon knows better.
    pub source: Address,
    /// Where it goes.
    pub destination: Address,
    /// How.
    pub options: Options,
    /// Where status reports go. `None`: what the daemon takes.
    pub report_to: Option<Address>,
}

/// What is said once of a message that is delivered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivered {
    /// Who sent it.
    pub source: Address,
    /// The endpoint that it was sent to.
    pub destination: Option<Address>,
    /// About the bundle.
    pub info: Option<Info>,
    /// Where its status reports go.
    pub report_to: Option<Address>,
    /// Which node sent it here.
    pub previous_node: Option<Address>,
}

/// A message of the protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    missing_docs,
    reason = "the fields are the attributes of the protocol page"
)]
pub enum Message<'a> {
    /// Daemon: I am here.
    Register { version: u32, limits: Limits },
    /// Front door: and I am here.
    Hello {
        version: u32,
        max_message: u32,
        chunk_max: u32,
    },
    /// Front door: a socket is bound.
    Open {
        request: u32,
        socket: u32,
        address: Address,
        flags: u32,
        uid: u32,
        gid: u32,
        pid: u32,
    },
    /// Front door: a socket is closed.
    Close { socket: u32 },
    /// Front door: a message to send.
    Send {
        request: u32,
        socket: u32,
        part: Part<Sent>,
        data: &'a [u8],
    },
    /// Front door: do not send it after all.
    Cancel {
        request: u32,
        socket: u32,
        bundle: BundleId,
    },
    /// Daemon: what became of a request.
    Reply {
        request: u32,
        error: u32,
        address: Option<Address>,
        bundle: Option<BundleId>,
    },
    /// Daemon: a message that arrived.
    Deliver {
        socket: u32,
        delivery: u64,
        part: Part<Box<Delivered>>,
        data: &'a [u8],
    },
    /// Front door: not now, or never.
    Refuse {
        socket: u32,
        delivery: u64,
        error: u32,
    },
    /// Front door: now.
    Room { socket: u32 },
    /// Front door: the application has read it.
    Ack { socket: u32, delivery: u64 },
    /// Daemon: it is no longer there.
    Revoke { socket: u32, delivery: u64 },
    /// Daemon: a status report came.
    Report {
        socket: u32,
        report: Report,
        source: Option<Address>,
    },
    /// Daemon: the endpoint is lost.
    Hangup { socket: u32, error: u32 },
}

impl<'a> Message<'a> {
    /// Reads the body of a frame. `None` for commands that are not known.
    ///
    /// # Errors
    ///
    /// What is missing or malformed.
    pub fn decode(body: &'a [u8]) -> Result<Option<Self>, ProtocolError> {
        let Some((&[command, version, _, _], rest)) = body.split_first_chunk() else {
            return Err(ProtocolError::Length(body.len() as u64));
        };
        if version != BP_GENL_VERSION {
            return Err(ProtocolError::Version(version));
        }
        let fields = Fields::read(command, rest)?;
        if (BP_CMD_REGISTER..=BP_CMD_CANCEL).contains(&command) {
            fields.early(command)
        } else {
            fields.late(command)
        }
    }

    /// Appends the message, header included. `kind` is the type of messages on the transport.
    ///
    /// # Panics
    ///
    /// The data is longer than [`BP_CHUNK_LIMIT`].
    pub fn encode(&self, kind: u16, out: &mut Vec<u8>) {
        let mut to = Writer::new(out, kind, self.command(), BP_GENL_VERSION);
        self.encode_attributes(&mut to);
        to.finish();
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one line for each attribute of each command"
    )]
    fn encode_attributes(&self, to: &mut Writer<'_>) {
        match self {
            Self::Register { version, limits } => {
                to.u32(BP_A_VERSION, *version);
                encode_limits(to, *limits);
            }
            Self::Hello {
                version,
                max_message,
                chunk_max,
            } => {
                to.u32(BP_A_VERSION, *version);
                to.u32(BP_A_MAX_MESSAGE, *max_message);
                to.u32(BP_A_CHUNK_MAX, *chunk_max);
            }
            Self::Open {
                request,
                socket,
                address,
                flags,
                uid,
                gid,
                pid,
            } => {
                to.u32(BP_A_REQUEST, *request);
                to.u32(BP_A_SOCKET, *socket);
                to.octets(BP_A_ADDRESS, &address.encode());
                to.u32(BP_A_FLAGS, *flags);
                to.u32(BP_A_UID, *uid);
                to.u32(BP_A_GID, *gid);
                to.u32(BP_A_PID, *pid);
            }
            Self::Close { socket } | Self::Room { socket } => to.u32(BP_A_SOCKET, *socket),
            Self::Send {
                request,
                socket,
                part,
                data,
            } => {
                to.u32(BP_A_REQUEST, *request);
                to.u32(BP_A_SOCKET, *socket);
                encode_sent(to, part);
                to.octets(BP_A_DATA, data);
            }
            Self::Cancel {
                request,
                socket,
                bundle,
            } => {
                to.u32(BP_A_REQUEST, *request);
                to.u32(BP_A_SOCKET, *socket);
                to.with(BP_A_BUNDLE, |out| bundle.encode(out));
            }
            Self::Reply {
                request,
                error,
                address,
                bundle,
            } => {
                to.u32(BP_A_REQUEST, *request);
                to.u32(BP_A_ERROR, *error);
                encode_address(to, BP_A_ADDRESS, address.as_ref());
                if let Some(bundle) = bundle {
                    to.with(BP_A_BUNDLE, |out| bundle.encode(out));
                }
            }
            Self::Deliver {
                socket,
                delivery,
                part,
                data,
            } => {
                to.u32(BP_A_SOCKET, *socket);
                to.u64(BP_A_DELIVERY, *delivery);
                encode_delivered(to, part);
                to.octets(BP_A_DATA, data);
            }
            Self::Refuse {
                socket,
                delivery,
                error,
            } => {
                to.u32(BP_A_SOCKET, *socket);
                to.u64(BP_A_DELIVERY, *delivery);
                to.u32(BP_A_ERROR, *error);
            }
            Self::Ack { socket, delivery } | Self::Revoke { socket, delivery } => {
                to.u32(BP_A_SOCKET, *socket);
                to.u64(BP_A_DELIVERY, *delivery);
            }
            Self::Report {
                socket,
                report,
                source,
            } => {
                to.u32(BP_A_SOCKET, *socket);
                to.with(BP_A_REPORT, |out| report.encode(out));
                encode_address(to, BP_A_SOURCE, source.as_ref());
            }
            Self::Hangup { socket, error } => {
                to.u32(BP_A_SOCKET, *socket);
                to.u32(BP_A_ERROR, *error);
            }
        }
    }

    /// The message in a datagram of its own, for a UNIX socket.
    #[must_use]
    pub fn to_unix(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(crate::protocol::BP_UNIX_TYPE, &mut out);
        out
    }

    const fn command(&self) -> u8 {
        match self {
            Self::Register { .. } => BP_CMD_REGISTER,
            Self::Hello { .. } => BP_CMD_HELLO,
            Self::Open { .. } => BP_CMD_OPEN,
            Self::Close { .. } => BP_CMD_CLOSE,
            Self::Send { .. } => BP_CMD_SEND,
            Self::Cancel { .. } => BP_CMD_CANCEL,
            Self::Reply { .. } => BP_CMD_REPLY,
            Self::Deliver { .. } => BP_CMD_DELIVER,
            Self::Refuse { .. } => BP_CMD_REFUSE,
            Self::Room { .. } => BP_CMD_ROOM,
            Self::Ack { .. } => BP_CMD_ACK,
            Self::Revoke { .. } => BP_CMD_REVOKE,
            Self::Report { .. } => BP_CMD_REPORT,
            Self::Hangup { .. } => BP_CMD_HANGUP,
        }
    }
}

fn encode_address(to: &mut Writer<'_>, attribute: u16, address: Option<&Address>) {
    if let Some(address) = address {
        to.octets(attribute, &address.encode());
    }
}

fn encode_limits(to: &mut Writer<'_>, limits: Limits) {
    let limits = [
        (BP_A_MAX_MESSAGE, limits.max_message),
        (BP_A_CHUNK_MAX, limits.chunk_max),
        (BP_A_WINDOW_BYTES, limits.window_bytes),
        (BP_A_WINDOW_REQUESTS, limits.window_requests),
    ];
    for (attribute, limit) in limits {
        if let Some(limit) = limit {
            to.u32(attribute, limit);
        }
    }
}

fn encode_sent(to: &mut Writer<'_>, part: &Part<Sent>) {
    match part {
        Part::First { total, head } => {
            to.u32(BP_A_TOTAL, *total);
            to.octets(BP_A_SOURCE, &head.source.encode());
            to.octets(BP_A_DESTINATION, &head.destination.encode());
            to.with(BP_A_OPTIONS, |out| head.options.encode(out));
            encode_address(to, BP_A_REPORT_TO, head.report_to.as_ref());
        }
        Part::Next { offset } => to.u32(BP_A_OFFSET, *offset),
    }
}

fn encode_delivered(to: &mut Writer<'_>, part: &Part<Box<Delivered>>) {
    match part {
        Part::First { total, head } => {
            to.u32(BP_A_TOTAL, *total);
            to.octets(BP_A_SOURCE, &head.source.encode());
            encode_address(to, BP_A_DESTINATION, head.destination.as_ref());
            if let Some(info) = &head.info {
                to.with(BP_A_INFO, |out| info.encode(out));
            }
            encode_address(to, BP_A_REPORT_TO, head.report_to.as_ref());
            encode_address(to, BP_A_PREVIOUS_NODE, head.previous_node.as_ref());
        }
        Part::Next { offset } => to.u32(BP_A_OFFSET, *offset),
    }
}

/// Attributes by number. Of one that stands there twice the last one counts, as in the kernel.
struct Fields<'a> {
    command: u8,
    values: [Option<&'a [u8]>; BP_A_DELIVERY as usize + 1],
}

impl<'a> Fields<'a> {
    fn read(command: u8, body: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut values = [None; BP_A_DELIVERY as usize + 1];
        for attribute in attributes(body) {
            let (number, value) = attribute?;
            if let Some(place) = values.get_mut(usize::from(number)) {
                *place = Some(value);
            }
        }
        Ok(Self { command, values })
    }

    /// Commands up to CANCEL.
    fn early(&self, command: u8) -> Result<Option<Message<'a>>, ProtocolError> {
        let message = match command {
            BP_CMD_REGISTER => Message::Register {
                version: self.u32(BP_A_VERSION)?,
                limits: Limits {
                    max_message: self.optional_u32(BP_A_MAX_MESSAGE)?,
                    chunk_max: self
                        .optional_u32(BP_A_CHUNK_MAX)?
                        .map(check_chunk)
                        .transpose()?,
                    window_bytes: self.optional_u32(BP_A_WINDOW_BYTES)?,
                    window_requests: self.optional_u32(BP_A_WINDOW_REQUESTS)?,
                },
            },
            BP_CMD_HELLO => Message::Hello {
                version: self.u32(BP_A_VERSION)?,
                max_message: self.u32(BP_A_MAX_MESSAGE)?,
                chunk_max: check_chunk(self.u32(BP_A_CHUNK_MAX)?)?,
            },
            BP_CMD_OPEN => Message::Open {
                request: self.u32(BP_A_REQUEST)?,
                socket: self.socket()?,
                address: self.address(BP_A_ADDRESS)?,
                flags: self.u32(BP_A_FLAGS)?,
                uid: self.u32(BP_A_UID)?,
                gid: self.u32(BP_A_GID)?,
                pid: self.u32(BP_A_PID)?,
            },
            BP_CMD_CLOSE => Message::Close {
                socket: self.socket()?,
            },
            BP_CMD_SEND => Message::Send {
                request: self.u32(BP_A_REQUEST)?,
                socket: self.socket()?,
                part: self.part(|fields| {
                    Ok(Sent {
                        source: fields.address(BP_A_SOURCE)?,
                        destination: fields.address(BP_A_DESTINATION)?,
                        options: fields.structure(BP_A_OPTIONS, Options::decode)?,
                        report_to: fields.optional_address(BP_A_REPORT_TO)?,
                    })
                })?,
                data: self.data()?,
            },
            BP_CMD_CANCEL => Message::Cancel {
                request: self.u32(BP_A_REQUEST)?,
                socket: self.socket()?,
                bundle: self.structure(BP_A_BUNDLE, BundleId::decode)?,
            },
            _ => return Ok(None),
        };
        Ok(Some(message))
    }

    /// Commands from REPLY on.
    fn late(&self, command: u8) -> Result<Option<Message<'a>>, ProtocolError> {
        let message = match command {
            BP_CMD_REPLY => Message::Reply {
                request: self.u32(BP_A_REQUEST)?,
                error: self.u32(BP_A_ERROR)?,
                address: self.optional_address(BP_A_ADDRESS)?,
                bundle: self.optional(BP_A_BUNDLE, BundleId::decode)?,
            },
            BP_CMD_DELIVER => Message::Deliver {
                socket: self.socket()?,
                delivery: self.u64(BP_A_DELIVERY)?,
                part: self.part(|fields| {
                    Ok(Box::new(Delivered {
                        source: fields.address(BP_A_SOURCE)?,
                        destination: fields.optional_address(BP_A_DESTINATION)?,
                        info: fields.optional(BP_A_INFO, Info::decode)?,
                        report_to: fields.optional_address(BP_A_REPORT_TO)?,
                        previous_node: fields.optional_address(BP_A_PREVIOUS_NODE)?,
                    }))
                })?,
                data: self.data()?,
            },
            BP_CMD_REFUSE => Message::Refuse {
                socket: self.socket()?,
                delivery: self.u64(BP_A_DELIVERY)?,
                error: self.u32(BP_A_ERROR)?,
            },
            BP_CMD_ROOM => Message::Room {
                socket: self.socket()?,
            },
            BP_CMD_ACK => Message::Ack {
                socket: self.socket()?,
                delivery: self.u64(BP_A_DELIVERY)?,
            },
            BP_CMD_REVOKE => Message::Revoke {
                socket: self.socket()?,
                delivery: self.u64(BP_A_DELIVERY)?,
            },
            BP_CMD_REPORT => Message::Report {
                socket: self.socket()?,
                report: self.structure(BP_A_REPORT, Report::decode)?,
                source: self.optional_address(BP_A_SOURCE)?,
            },
            BP_CMD_HANGUP => Message::Hangup {
                socket: self.socket()?,
                error: self.u32(BP_A_ERROR)?,
            },
            _ => return Ok(None),
        };
        Ok(Some(message))
    }

    fn value(&self, attribute: u16) -> Option<&'a [u8]> {
        self.values.get(usize::from(attribute)).copied().flatten()
    }

    fn optional<T>(
        &self,
        attribute: u16,
        decode: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, ProtocolError> {
        let decoded = self
            .value(attribute)
            .map(|value| decode(value).ok_or(attribute));
        decoded.transpose().map_err(ProtocolError::Attribute)
    }

    fn structure<T>(
        &self,
        attribute: u16,
        decode: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, ProtocolError> {
        let found = self.optional(attribute, decode)?;
        found.ok_or_else(|| self.missing(attribute))
    }

    fn optional_u32(&self, attribute: u16) -> Result<Option<u32>, ProtocolError> {
        self.optional(attribute, |value| {
            value.try_into().ok().map(u32::from_ne_bytes)
        })
    }

    fn u32(&self, attribute: u16) -> Result<u32, ProtocolError> {
        self.optional_u32(attribute)?
            .ok_or_else(|| self.missing(attribute))
    }

    fn u64(&self, attribute: u16) -> Result<u64, ProtocolError> {
        self.structure(attribute, |value| {
            value.try_into().ok().map(u64::from_ne_bytes)
        })
    }

    fn socket(&self) -> Result<u32, ProtocolError> {
        match self.u32(BP_A_SOCKET)? {
            0 => Err(ProtocolError::Value(BP_A_SOCKET)),
            socket => Ok(socket),
        }
    }

    fn optional_address(&self, attribute: u16) -> Result<Option<Address>, ProtocolError> {
        let decoded = self.value(attribute).map(Address::decode).transpose();
        decoded.map_err(|_| ProtocolError::Address(attribute))
    }

    fn address(&self, attribute: u16) -> Result<Address, ProtocolError> {
        self.optional_address(attribute)?
            .ok_or_else(|| self.missing(attribute))
    }

    fn part<H>(
        &self,
        head: impl FnOnce(&Self) -> Result<H, ProtocolError>,
    ) -> Result<Part<H>, ProtocolError> {
        match self.optional_u32(BP_A_OFFSET)? {
            None | Some(0) => Ok(Part::First {
                total: self.u32(BP_A_TOTAL)?,
                head: head(self)?,
            }),
            Some(offset) => Ok(Part::Next { offset }),
        }
    }

    fn data(&self) -> Result<&'a [u8], ProtocolError> {
        self.value(BP_A_DATA).ok_or_else(|| self.missing(BP_A_DATA))
    }

    const fn missing(&self, attribute: u16) -> ProtocolError {
        ProtocolError::Missing {
            command: self.command,
            attribute,
        }
    }
}

fn check_chunk(chunk: u32) -> Result<u32, ProtocolError> {
    if (1..=BP_CHUNK_LIMIT).contains(&chunk) {
        Ok(chunk)
    } else {
        Err(ProtocolError::Value(BP_A_CHUNK_MAX))
    }
}
