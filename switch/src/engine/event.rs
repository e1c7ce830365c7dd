// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happens to a packet, for whoever wants to see it.

use p4::{
    ir::{HeaderId, Match, StateId, TableId},
    source::Span,
};

use super::code::{Code, Mark, Pc};

/// Something that happens to a packet. Values are in limbs, least significant first.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Processing starts, or starts again.
    Pass {
        /// Port the packet came in on.
        port: u32,
        /// Its length in octets.
        len: usize,
        /// `instance_type`.
        instance: u32,
    },
    /// A parser state begins.
    State(StateId),
    /// A header was extracted.
    Extract {
        /// Which.
        header: HeaderId,
        /// Where it starts in the packet, in bits.
        at_bits: usize,
        /// Its fields.
        fields: Vec<Vec<u64>>,
    },
    /// The parser stopped.
    ParserError {
        /// The error value.
        error: u32,
    },
    /// A control begins.
    Block(&'static str),
    /// A table was applied.
    Apply {
        /// Which.
        table: TableId,
        /// Values of the keys.
        keys: Vec<Vec<u64>>,
        /// The entry that was found: its matches and its priority.
        entry: Option<(Vec<Match>, i32)>,
        /// The action that runs.
        action: usize,
        /// Its arguments.
        args: Vec<u64>,
    },
    /// A checksum was wrong.
    ChecksumError,
    /// A line of `log_msg`.
    Log(String),
    /// An assertion failed.
    AssertionFailed,
    /// A digest was sent.
    Digest {
        /// Its index.
        digest: usize,
    },
    /// A copy was made for a clone session.
    Clone {
        /// The session.
        session: u32,
        /// Number of copies.
        copies: usize,
    },
    /// Copies were made for a multicast group.
    Multicast {
        /// The group.
        group: u32,
        /// Number of copies.
        copies: usize,
    },
    /// The packet starts again as it came in.
    Resubmit,
    /// The packet starts again as it would have left.
    Recirculate,
    /// The packet ended.
    Drop(DropReason),
    /// The packet left.
    Transmit {
        /// Port it left on.
        port: u32,
        /// Its octets.
        packet: Vec<u8>,
    },
}

/// Why a packet, or a copy of it, was not sent.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[non_exhaustive]
pub enum DropReason {
    /// `egress_spec` was the drop port after ingress.
    #[error("dropped by ingress")]
    Ingress,
    /// `egress_spec` was the drop port after egress.
    #[error("dropped by egress")]
    Egress,
    /// The multicast group is unknown or empty.
    #[error("multicast group has no members")]
    NoReplicas,
    /// The clone session is unknown; the original goes on.
    #[error("clone session is not configured")]
    NoSession,
    /// The packet started again too often.
    #[error("too many passes through the pipeline")]
    PassLimit,
    /// The packet was copied too often.
    #[error("too many copies of one packet")]
    CopyLimit,
    /// An assertion of the program failed.
    #[error("assertion failed")]
    Assertion,
}

/// Watches packets. The silent observer costs nothing.
pub trait Observer {
    /// Whether anything is observed.
    const ACTIVE: bool;

    /// Something happened.
    fn event(&mut self, event: Event);

    /// Execution has come to an instruction.
    #[doc(hidden)]
    fn place(&mut self, _span: Span) {}
}

/// Engine-internal part of watching.
pub(crate) trait Watch: Observer {
    /// Tells the observer about the marks of an instruction.
    fn at(&mut self, code: &Code, pc: Pc) {
        let first = code.marks.partition_point(|(at, _)| *at < pc);
        for (_, mark) in code.marks[first..].iter().take_while(|(at, _)| *at == pc) {
            match mark {
                Mark::State(state) => self.event(Event::State(*state)),
                Mark::Statement(span) => self.place(*span),
            }
        }
    }
}

impl<T: Observer> Watch for T {}

/// Observes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    const ACTIVE: bool = false;

    fn event(&mut self, _: Event) {}
}

/// Keeps every event with the source place of the statement it belongs to.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    /// What happened, in order.
    pub events: Vec<(Span, Event)>,
    span: Span,
}

impl Observer for Recorder {
    const ACTIVE: bool = true;

    fn event(&mut self, event: Event) {
        self.events.push((self.span, event));
    }

    fn place(&mut self, span: Span) {
        self.span = span;
    }
}
