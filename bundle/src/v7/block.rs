// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The blocks after the primary block of version 7.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use nom::Parser;

use crate::cbor::{self, array, bytes, pair, uint};
use crate::eid;
use crate::error::{DecodeError, Fault, Parsed, fail, fail_in, named, whole};
use crate::flags::flags;
use crate::v7::rules::BlockRules;
use crate::v7::{CrcType, Eid};

/// Items of a block that has no CRC.
const ITEMS: u64 = 5;

flags! {
    /// Block processing control flags.
    /// See [RFC 9171 §4.2.4](https://www.rfc-editor.org/rfc/rfc9171#section-4.2.4).
    BlockFlags {
        /// The block goes into every fragment.
        REPLICATE = 0x01;
        /// Report to the report-to endpoint if the block cannot be processed.
        REPORT_UNPROCESSED = 0x02;
        /// Delete the bundle if the block cannot be processed.
        DELETE_UNPROCESSED = 0x04;
        /// Remove the block if it cannot be processed.
        DISCARD_UNPROCESSED = 0x10;
    }
}

/// The type of a block. Unknown types survive decoding and encoding.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BlockType(pub u64);

impl BlockType {
    /// The application data, or the administrative record.
    pub const PAYLOAD: Self = Self(1);
    /// Previous node.
    pub const PREVIOUS_NODE: Self = Self(6);
    /// Bundle age.
    pub const AGE: Self = Self(7);
    /// Hop count.
    pub const HOP_COUNT: Self = Self(10);
    /// Block integrity block, [RFC 9172](https://www.rfc-editor.org/rfc/rfc9172).
    pub const INTEGRITY: Self = Self(11);
    /// Block confidentiality block, [RFC 9172](https://www.rfc-editor.org/rfc/rfc9172).
    pub const CONFIDENTIALITY: Self = Self(12);
    /// The priority of HDTN, an unassigned number.
    pub const HDTN_PRIORITY: Self = Self(13);
    /// The quality of service of ION, a private number.
    pub const QOS: Self = Self(193);
    /// Spray-and-wait permits of ION, a private number.
    pub const PERMITS: Self = Self(194);

    /// Whether blocks of this type protect other blocks.
    #[must_use]
    pub const fn is_security(self) -> bool {
        matches!(self, Self::INTEGRITY | Self::CONFIDENTIALITY)
    }
}

/// A block after the primary block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block<'a> {
    /// The type.
    pub kind: BlockType,
    /// The block number: 1 for the payload, and for no other.
    pub number: u64,
    /// The flags as received, reserved bits included.
    pub flags: BlockFlags,
    /// The CRC that is written, and that was right when the block was read.
    pub crc: CrcType,
    /// The data.
    pub data: Cow<'a, [u8]>,
}

/// What the data of a block says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content<'a> {
    /// The payload.
    Payload(&'a [u8]),
    /// The node that sent the bundle here.
    PreviousNode(Eid<'a>),
    /// The time since the creation, in milliseconds.
    Age(u64),
    /// How many hops the bundle may make, and has made.
    HopCount {
        /// From 1 to 255.
        limit: u64,
        /// May be above the limit: such a bundle is to be deleted.
        count: u64,
    },
    /// ION's quality of service.
    Qos(Qos),
    /// ION's copies that may still be made.
    Permits(u64),
    /// A security block. Its data is not looked at.
    Security,
    /// A block of another type.
    Other,
}

/// ION's quality of service.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Qos {
    /// Flags: 1 minimum latency, 2 best effort, 4 label present, 8 reliable, 16 streaming.
    pub flags: u64,
    /// Class of service: the priority of version 6.
    pub class: u64,
    /// Order within the class.
    pub ordinal: u64,
    /// The data label; zero if the flags say that there is none.
    pub label: u64,
}

impl<'a> Block<'a> {
    /// A block without a CRC.
    #[must_use]
    pub const fn new(kind: BlockType, number: u64, flags: BlockFlags, data: Cow<'a, [u8]>) -> Self {
        Self {
            kind,
            number,
            flags,
            crc: CrcType::None,
            data,
        }
    }

    /// The data of a previous node block.
    #[must_use]
    pub fn previous_node_data(eid: eid::Eid<'_>) -> Vec<u8> {
        filled(|out| Eid::from(eid).encode(out))
    }

    /// The data of a bundle age or permits block: one number.
    #[must_use]
    pub fn number_data(number: u64) -> Vec<u8> {
        filled(|out| cbor::encode_uint(number, out))
    }

    /// The data of a hop count block.
    #[must_use]
    pub fn hop_count_data(limit: u64, count: u64) -> Vec<u8> {
        filled(|out| {
            cbor::encode_array(2, out);
            cbor::encode_uint(limit, out);
            cbor::encode_uint(count, out);
        })
    }

    /// The data of ION's quality of service block.
    #[must_use]
    pub fn qos_data(qos: Qos) -> Vec<u8> {
        filled(|out| qos.encode(out))
    }

    /// What the data says.
    ///
    /// # Errors
    ///
    /// The data is not in the format of the block's type. The offset is one in the data.
    pub fn content(&self) -> Result<Content<'_>, DecodeError> {
        let data = &self.data;
        match self.kind {
            BlockType::PAYLOAD => Ok(Content::Payload(data)),
            BlockType::PREVIOUS_NODE => {
                whole(data, "previous node", Eid::parse).map(Content::PreviousNode)
            }
            BlockType::AGE => whole(data, "bundle age", uint).map(Content::Age),
            BlockType::HOP_COUNT => whole(data, "hop count", hop_count),
            BlockType::QOS => whole(data, "quality of service", qos).map(Content::Qos),
            BlockType::PERMITS => whole(data, "permits", uint).map(Content::Permits),
            kind if kind.is_security() => Ok(Content::Security),
            _ => Ok(Content::Other),
        }
    }

    /// The priority in HDTN's block. Others may use the number of its type for something else.
    ///
    /// # Errors
    ///
    /// The data is no number. The offset is one in the data.
    pub fn hdtn_priority(&self) -> Result<u64, DecodeError> {
        whole(&self.data, "priority", uint)
    }

    /// Whether this is an integrity block with the primary block among its targets.
    ///
    /// See [RFC 9172 §3.6](https://www.rfc-editor.org/rfc/rfc9172#section-3.6).
    pub(super) fn protects_primary(&self) -> bool {
        self.kind == BlockType::INTEGRITY
            && targets(&self.data).is_ok_and(|(_, targets)| targets.contains(&0))
    }

    pub(super) fn parse(rules: &mut BlockRules, input: &'a [u8]) -> Parsed<'a, Self> {
        let (kind_at, stated) = named("block", input, array)?;
        let (number_at, kind) = named("block type", kind_at, uint)?;
        let kind = BlockType(kind);
        if let Err(fault) = rules.admit_kind(kind) {
            return fail_in("block type", kind_at, fault);
        }
        let (flags_at, number) = named("block number", number_at, uint)?;
        if let Err(fault) = rules.admit_number(kind, number) {
            return fail_in("block number", number_at, fault);
        }
        let (rest, flags) = named("block flags", flags_at, uint)?;
        let flags = BlockFlags(flags);
        if let Err(fault) = rules.admit_flags(flags) {
            return fail_in("block flags", flags_at, fault);
        }
        let (rest, crc) = named("block CRC type", rest, CrcType::parse)?;
        if stated != ITEMS + crc.items() {
            let fault = Fault::Expected("an array of five items, or of six with a CRC");
            return fail_in("block", input, fault);
        }
        let (rest, data) = named("block data", rest, bytes)?;
        let (rest, ()) = named("block CRC", rest, |at| crc.check(input, at))?;
        Ok((
            rest,
            Self {
                kind,
                number,
                flags,
                crc,
                data: Cow::Borrowed(data),
            },
        ))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let head = BlockHead {
            kind: self.kind,
            number: self.number,
            flags: self.flags,
            crc: self.crc,
        };
        head.encode(out, &self.data);
    }
}

/// What stands before the data of a block.
#[derive(Clone, Copy)]
pub(crate) struct BlockHead {
    pub(crate) kind: BlockType,
    pub(crate) number: u64,
    pub(crate) flags: BlockFlags,
    pub(crate) crc: CrcType,
}

impl BlockHead {
    /// Appends a block with this head and data.
    pub(crate) fn encode(self, out: &mut Vec<u8>, data: &[u8]) {
        self.encode_around(out, |out| cbor::encode_bytes(data, out));
    }

    /// Appends a block with this head, and data that a function appends.
    pub(crate) fn encode_with(self, out: &mut Vec<u8>, data: impl FnOnce(&mut Vec<u8>)) {
        self.encode_around(out, |out| cbor::encode_bytes_of(out, data));
    }

    fn encode_around(self, out: &mut Vec<u8>, data: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        cbor::encode_array(ITEMS + self.crc.items(), out);
        let numbers = [self.kind.0, self.number, self.flags.0, self.crc as u64];
        cbor::encode_uints(numbers, out);
        data(out);
        self.crc.encode(start, out);
    }
}

impl Qos {
    /// Appends the data of the block.
    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        cbor::encode_array(4, out);
        cbor::encode_uints([self.flags, self.class, self.ordinal, self.label], out);
    }
}

fn filled(fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut data = Vec::new();
    fill(&mut data);
    data
}

fn hop_count(input: &[u8]) -> Parsed<'_, Content<'_>> {
    let (rest, ((), limit, count)) = (pair, uint, uint).parse(input)?;
    if !(1..=255).contains(&limit) {
        return fail(input, Fault::BlockMalformed);
    }
    Ok((rest, Content::HopCount { limit, count }))
}

fn qos(input: &[u8]) -> Parsed<'_, Qos> {
    let (rest, items) = array(input)?;
    if items != 4 {
        return fail(input, Fault::BlockMalformed);
    }
    let (rest, (flags, class, ordinal, label)) = (uint, uint, uint, uint).parse(rest)?;
    Ok((
        rest,
        Qos {
            flags,
            class,
            ordinal,
            label,
        },
    ))
}

fn targets(input: &[u8]) -> Parsed<'_, Vec<u64>> {
    let (mut rest, count) = array(input)?;
    let mut targets = Vec::new();
    for _ in 0..count {
        let (after, target) = uint(rest)?;
        targets.push(target);
        rest = after;
    }
    Ok((rest, targets))
}
