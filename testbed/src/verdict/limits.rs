// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a program may leave to the slow path: not what it finds hard, but what is above a limit.

use bundle::{
    Eid, Fault, Reason, Version,
    dissect::{Dissection, Field, Value, dissect},
    v7::Tolerance,
};

use super::faults;
use crate::frame::Datagram;

/// The most octets of a dictionary, and of a name as text.
const TEXT_OCTETS: u64 = 255;
/// What a part of the new head holds at least, which a node copies from the bundle.
const HEAD_OCTETS: usize = 127;
/// Block type of the payload, in both versions.
const PAYLOAD: u64 = 1;
/// Block type of HDTN's priority in version 7.
const HDTN_PRIORITY: u64 = 13;
/// Block type of who sent a bundle of version 6 last.
const PREVIOUS_HOP: u64 = 5;

/// The sizes of a program and of the link to a receiver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The longest payload, in octets.
    pub max_payload: u64,
    /// The most extension blocks.
    pub max_blocks: usize,
    /// The longest name of a `dtn` endpoint, without its scheme, in octets.
    pub max_eid: usize,
    /// The longest IP packet, in octets.
    pub mtu: Option<u16>,
}

impl Default for Limits {
    /// Those of the program that `p4gen` writes for links with the MTU of Ethernet.
    fn default() -> Self {
        Self {
            max_payload: 1400,
            max_blocks: 8,
            max_eid: 64,
            mtu: None,
        }
    }
}

impl Limits {
    /// The limits of a program for payloads of this length, with everything else as usual.
    #[must_use]
    pub fn for_payload(max_payload: u32) -> Self {
        Self {
            max_payload: max_payload.into(),
            ..Self::default()
        }
    }

    /// Whether a datagram is too long for the link.
    #[must_use]
    pub fn is_above_mtu(&self, datagram: &Datagram) -> bool {
        let headers = datagram.ipv4.header_len() + etherparse::UdpHeader::LEN;
        let length = headers + datagram.payload.len();
        self.mtu.is_some_and(|mtu| length > mtu.into())
    }

    /// Whether a bundle gives cause to name this limit. `result` is the datagram with the
    /// translated bundle, if the reference translates it.
    #[must_use]
    pub fn allow(&self, reason: Reason, octets: &[u8], result: Option<&Datagram>) -> bool {
        let dissection = dissect(octets, Tolerance::LENIENT);
        match reason {
            Reason::PayloadTooLong => {
                data_octets(&dissection, PAYLOAD).next() > Some(self.max_payload)
            }
            Reason::TooManyBlocks => extension_blocks(&dissection) > self.max_blocks,
            Reason::EidForm => {
                let mut fields = dissection.fields.iter();
                fields.any(|field| self.is_long_name(field))
                    || self.has_long_previous_node(octets, &dissection)
                    || result.is_none() && self.has_long_string(&dissection)
                    || self.has_long_source(octets, &dissection)
                    || breaks_in_scheme(&dissection)
                    || data_octets(&dissection, PREVIOUS_HOP).any(|octets| octets > TEXT_OCTETS)
            }
            Reason::Mtu => result.is_some_and(|datagram| self.is_above_mtu(datagram)),
            _ => false,
        }
    }

    /// Whether version 6 writes a name that is too long, whatever else is wrong with it.
    fn has_long_string(&self, dissection: &Dissection<'_>) -> bool {
        let mut fields = dissection.fields.iter();
        dissection.version == Some(Version::V6)
            && fields.any(|field| {
                ["string", "scheme-specific part"].contains(&field.name)
                    && field.range.len() > self.max_eid + 1
            })
    }

    /// Whether a previous node is too long, whether or not its block ends before that.
    fn has_long_previous_node(&self, octets: &[u8], dissection: &Dissection<'_>) -> bool {
        let mut around = faults::previous_nodes_7(octets, dissection, octets.len()).into_iter();
        around.any(|octets| {
            let dissection = dissect(&octets, Tolerance::LENIENT);
            let mut fields = dissection.fields.iter();
            fields.any(|field| self.is_long_name(field))
        })
    }

    /// Whether a status report of version 6 is about a source that is too long, whether or not the payload
    /// ends before that.
    fn has_long_source(&self, octets: &[u8], dissection: &Dissection<'_>) -> bool {
        let source = faults::record_6(octets, dissection).and_then(faults::record_source_6);
        source.is_some_and(|(len, _)| len > self.max_eid as u64)
    }

    /// Names that are too long, and schemes of version 7 that the program does not know.
    fn is_long_name(&self, field: &Field<'_>) -> bool {
        match &field.value {
            Value::Eid(Ok(Eid::Dtn(name))) if name.len() > self.max_eid => true,
            Value::Eid(Err(Fault::EidScheme)) => true,
            // Names as text: their length counts, whatever they name.
            Value::Length(octets) if field.name == "dictionary length" => *octets > TEXT_OCTETS,
            // Names that may not be there as a whole.
            Value::Length(octets) if field.name == "text head" => *octets > self.max_eid as u64,
            Value::Eid(_) if field.name == "previous hop" => field.range.len() as u64 > TEXT_OCTETS,
            _ => false,
        }
    }
}

/// Whether something is wrong where an endpoint ID says of which scheme it is, or behind that.
fn breaks_in_scheme(dissection: &Dissection<'_>) -> bool {
    let names = ["scheme", "scheme-specific part"];
    let mut fields = dissection.fields.iter();
    fields.any(|field| {
        let is_broken = field.value == Value::Broken || field.fault.is_some();
        is_broken && names.contains(&field.name)
    })
}

/// Whether a node leaves the bundle to the slow path because it depends on the next hop whether a block is
/// HDTN's priority, or an unknown one that asks to delete the bundle.
pub(super) fn waits_for_hop(reason: Reason, octets: &[u8]) -> bool {
    const DELETE: u64 = 0x04;
    let dissection = dissect(octets, Tolerance::LENIENT);
    let mut kind = None;
    reason == Reason::BlockUnsupported
        && dissection.version == Some(Version::V7)
        && dissection.fields.iter().any(|field| {
            kind = block_kind(field).or(kind);
            let is_flags = field.name == "block flags" && kind == Some(HDTN_PRIORITY);
            is_flags && matches!(field.value, Value::Flags { bits, .. } if bits & DELETE != 0)
        })
}

/// Whether a node leaves the bundle to the slow path because of what it would have to write.
pub(super) fn is_beyond_relays(reason: Reason, octets: &[u8]) -> bool {
    let dissection = dissect(octets, Tolerance::LENIENT);
    let payload = |field: &Field<'_>| block_kind(field) == Some(PAYLOAD);
    let mut fields = dissection.fields.iter();
    match reason {
        Reason::BlockOrder => fields
            .skip_while(|field| !payload(field))
            .any(|field| block_kind(field).is_some_and(|kind| kind != PAYLOAD)),
        Reason::BlockUnsupported => {
            let before = fields.clone().find(|field| payload(field));
            let before = before.map_or(octets.len(), |block| block.range.start);
            let is_highest = |field: &Field<'_>| {
                field.name == "block number" && field.value == Value::Number(u64::MAX)
            };
            before > HEAD_OCTETS || fields.any(is_highest)
        }
        _ => false,
    }
}

fn block_kind(field: &Field<'_>) -> Option<u64> {
    match field.value {
        Value::Block { kind, .. } => Some(kind.number),
        _ => None,
    }
}

/// Blocks of which something is there, but for one payload: a second one is a block too many.
fn extension_blocks(dissection: &Dissection<'_>) -> usize {
    let fields = dissection.fields.iter();
    let kinds: Vec<_> = fields
        .filter(|field| field.name == "block")
        .map(block_kind)
        .collect();
    kinds.len() - usize::from(kinds.contains(&Some(PAYLOAD)))
}

/// The lengths that the blocks of a kind state, whether or not the octets are there.
fn data_octets(dissection: &Dissection<'_>, kind: u64) -> impl Iterator<Item = u64> {
    let mut current = None;
    dissection.fields.iter().filter_map(move |field| {
        current = block_kind(field).or(current);
        match field.value {
            Value::Length(octets) if field.name.starts_with("data ") && current == Some(kind) => {
                Some(octets)
            }
            _ => None,
        }
    })
}
