// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What front doors and daemon say to each other: `docs/bpsock-protocol.md`, octets both ways.
//!
//! Start at [`frames`] for a datagram, [`Message::decode`] for the body of one of its frames, and
//! [`Message::encode`] for the other direction.

mod attributes;
mod message;

pub use attributes::{Frame, attributes, frames};
pub use message::{Delivered, Limits, Message, Part, Sent};

/// The version of the protocol.
pub const BP_PROTOCOL_VERSION: u32 = 1;
/// The name of the generic netlink family.
pub const BP_GENL_NAME: &str = "bp_sock";
/// The version in the generic netlink header.
pub const BP_GENL_VERSION: u8 = 1;
/// The type of messages over UNIX sockets.
pub const BP_UNIX_TYPE: u16 = 0x4250;
/// Octets of data in a message, if nobody says otherwise.
pub const BP_CHUNK_DEFAULT: u32 = 16_384;
/// The most octets of data in a message.
pub const BP_CHUNK_LIMIT: u32 = 65_000;
/// [`Message::Open`]: the socket was open before the daemon started.
pub const BP_OPEN_RESTORE: u32 = 0x1;
/// [`Message::Open`]: the owner may bind reserved services.
pub const BP_OPEN_PRIVILEGED: u32 = 0x2;

/// Why octets are no message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A length reaches beyond the octets, or is shorter than a header.
    #[error("length {0} does not fit the datagram")]
    Length(u64),
    /// The generic netlink header has another version.
    #[error("message version is {0}, expected 1")]
    Version(u8),
    /// An attribute has another length than its type.
    #[error("attribute {0} has a wrong length")]
    Attribute(u16),
    /// An attribute with an address has none.
    #[error("attribute {0} is no address")]
    Address(u16),
    /// A number is one that cannot be.
    #[error("attribute {0} has a value that is not allowed")]
    Value(u16),
    /// An attribute is missing that the command needs.
    #[error("command {command} lacks attribute {attribute}")]
    Missing {
        /// The command.
        command: u8,
        /// The attribute.
        attribute: u16,
    },
}

/// A message that comes in parts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Assembly {
    total: usize,
    data: Vec<u8>,
}

/// A part does not follow the one before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("part at {offset} of {total} octets does not follow")]
pub struct OutOfOrder {
    /// Where it begins.
    pub offset: usize,
    /// Octets of the message.
    pub total: usize,
}

impl Assembly {
    /// A message of so many octets, of which none has come. Memory grows with what comes.
    #[must_use]
    pub const fn new(total: u32) -> Self {
        Self {
            total: total as usize,
            data: Vec::new(),
        }
    }

    /// Adds a part.
    ///
    /// # Errors
    ///
    /// It does not begin where the one before it ended, or reaches beyond the end.
    pub fn push(&mut self, offset: u32, part: &[u8]) -> Result<(), OutOfOrder> {
        let offset = offset as usize;
        let fits = part.len() <= self.total - self.data.len();
        if offset != self.data.len() || !fits {
            let total = self.total;
            return Err(OutOfOrder { offset, total });
        }
        self.data.extend_from_slice(part);
        Ok(())
    }

    /// Whether everything is there.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.data.len() == self.total
    }

    /// Octets of the whole message.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.total
    }

    /// The message.
    #[must_use]
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }
}

/// Numbers of commands and attributes, as `uapi/bp_netlink.h` has them.
pub mod numbers {
    #![expect(missing_docs, reason = "the header describes each of them")]

    pub const BP_CMD_REGISTER: u8 = 1;
    pub const BP_CMD_HELLO: u8 = 2;
    pub const BP_CMD_OPEN: u8 = 3;
    pub const BP_CMD_CLOSE: u8 = 4;
    pub const BP_CMD_SEND: u8 = 5;
    pub const BP_CMD_CANCEL: u8 = 6;
    pub const BP_CMD_REPLY: u8 = 7;
    pub const BP_CMD_DELIVER: u8 = 8;
    pub const BP_CMD_REFUSE: u8 = 9;
    pub const BP_CMD_ROOM: u8 = 10;
    pub const BP_CMD_ACK: u8 = 11;
    pub const BP_CMD_REVOKE: u8 = 12;
    pub const BP_CMD_REPORT: u8 = 13;
    pub const BP_CMD_HANGUP: u8 = 14;

    pub const BP_A_PAD: u16 = 1;
    pub const BP_A_VERSION: u16 = 2;
    pub const BP_A_MAX_MESSAGE: u16 = 3;
    pub const BP_A_CHUNK_MAX: u16 = 4;
    pub const BP_A_WINDOW_BYTES: u16 = 5;
    pub const BP_A_WINDOW_REQUESTS: u16 = 6;
    pub const BP_A_REQUEST: u16 = 7;
    pub const BP_A_SOCKET: u16 = 8;
    pub const BP_A_ADDRESS: u16 = 9;
    pub const BP_A_FLAGS: u16 = 10;
    pub const BP_A_UID: u16 = 11;
    pub const BP_A_GID: u16 = 12;
    pub const BP_A_PID: u16 = 13;
    pub const BP_A_TOTAL: u16 = 14;
    pub const BP_A_OFFSET: u16 = 15;
    pub const BP_A_DATA: u16 = 16;
    pub const BP_A_SOURCE: u16 = 17;
    pub const BP_A_DESTINATION: u16 = 18;
    pub const BP_A_REPORT_TO: u16 = 19;
    pub const BP_A_PREVIOUS_NODE: u16 = 20;
    pub const BP_A_OPTIONS: u16 = 21;
    pub const BP_A_INFO: u16 = 22;
    pub const BP_A_BUNDLE: u16 = 23;
    pub const BP_A_REPORT: u16 = 24;
    pub const BP_A_ERROR: u16 = 25;
    pub const BP_A_DELIVERY: u16 = 26;
}
