// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a field says.

use crate::dissect::names::FlagSet;
use crate::dissect::time::Unit;
use crate::eid::Eid;
use crate::error::Fault;

/// What a field says.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A group: its members say it.
    Group,
    /// A block after the primary block.
    Block {
        /// Its place in the bundle; the primary block is 0.
        index: usize,
        /// Its type.
        kind: Code,
    },
    /// A number.
    Number(u64),
    /// How many octets follow.
    Length(u64),
    /// The head of an array, and how many items follow.
    Array(u64),
    /// The head of an array that a break ends.
    IndefiniteArray,
    /// The end of such an array.
    Break,
    /// A number that a registry gives a meaning.
    Code(Code),
    /// A set of flags.
    Flags {
        /// The number on the wire.
        bits: u64,
        /// Which flags they are.
        set: FlagSet,
    },
    /// An endpoint ID, or why the members name none.
    Eid(Result<Eid<'a>, Fault>),
    /// Time since the start of the year 2000, UTC. Zero means that the source has no clock.
    Time(u64, Unit),
    /// A span of time.
    Duration(u64, Unit),
    /// A truth value.
    Truth(bool),
    /// Text.
    Text(&'a str),
    /// Octets that mean nothing to a node, or whose meaning is not known.
    Octets(&'a [u8]),
    /// A CRC.
    Crc(Crc),
    /// Reading stopped here, in the field of this name: its fault says why.
    Broken,
    /// Octets that could not be read.
    Unread(&'a [u8]),
}

/// A number and what its registry calls it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Code {
    /// The number.
    pub number: u64,
    /// The name, if the number has one here.
    pub name: Option<&'static str>,
}

/// A CRC as it was found, and as it should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Crc {
    /// What the bundle says.
    pub found: u32,
    /// What the octets of the block give.
    pub computed: u32,
    /// Two for CRC-16, four for CRC-32C.
    pub octets: usize,
}

impl Crc {
    /// Whether the two agree.
    #[must_use]
    pub const fn is_right(self) -> bool {
        self.found == self.computed
    }
}
