// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The blocks after the primary block of version 6.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use nom::Parser;
use nom::number::complete::be_u8;

use crate::eid::Eid;
use crate::error::{DecodeError, Fault, Parsed, fail, named, whole};
use crate::flags::flags;
use crate::sdnv::{self, sdnv};
use crate::v6::primary::{self, EidRef, Primary};

flags! {
    /// Block processing control flags.
    /// See [RFC 5050 §4.3](https://www.rfc-editor.org/rfc/rfc5050#section-4.3).
    BlockFlags {
        /// The block goes into every fragment.
        REPLICATE = 0x01;
        /// Report to the report-to endpoint if the block cannot be processed.
        REPORT_UNPROCESSED = 0x02;
        /// Delete the bundle if the block cannot be processed.
        DELETE_UNPROCESSED = 0x04;
        /// The block is the last one.
        LAST = 0x08;
        /// Remove the block if it cannot be processed.
        DISCARD_UNPROCESSED = 0x10;
        /// A node forwarded the block without processing it.
        FORWARDED_UNPROCESSED = 0x20;
        /// The block refers to endpoint IDs.
        EID_REFERENCES = 0x40;
    }
}

/// The type of a block. Unknown types survive decoding and encoding.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BlockType(pub u8);

impl BlockType {
    /// The application data, or the administrative record.
    pub const PAYLOAD: Self = Self(1);
    /// Bundle authentication block.
    pub const AUTHENTICATION: Self = Self(2);
    /// Payload integrity block; block integrity block in ION.
    pub const INTEGRITY: Self = Self(3);
    /// Payload confidentiality block; block confidentiality block in ION.
    pub const CONFIDENTIALITY: Self = Self(4);
    /// Previous hop insertion block, [RFC 6259](https://www.rfc-editor.org/rfc/rfc6259).
    pub const PREVIOUS_HOP: Self = Self(5);
    /// Metadata extension block, [RFC 6258](https://www.rfc-editor.org/rfc/rfc6258).
    pub const METADATA: Self = Self(8);
    /// Extension security block.
    pub const EXTENSION_SECURITY: Self = Self(9);
    /// Custody transfer enhancement block (CCSDS), or bundle age (IBR-DTN): the data tells which.
    pub const CUSTODY_OR_AGE: Self = Self(10);
    /// Integrity block of bplib.
    pub const BPLIB_INTEGRITY: Self = Self(13);
    /// Extended class of service block (CCSDS).
    pub const ECOS: Self = Self(19);
    /// Bundle age block of ION and HDTN.
    pub const AGE: Self = Self(20);
    /// Spray-and-wait permits of ION.
    pub const PERMITS: Self = Self(21);

    /// Whether blocks of this type protect other blocks.
    #[must_use]
    pub const fn is_security(self) -> bool {
        matches!(
            self,
            Self::AUTHENTICATION
                | Self::INTEGRITY
                | Self::CONFIDENTIALITY
                | Self::EXTENSION_SECURITY
                | Self::BPLIB_INTEGRITY
        )
    }
}

/// A block after the primary block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block<'a> {
    /// The type.
    pub kind: BlockType,
    /// The flags as received, reserved bits included. [`BlockFlags::LAST`] is written for the last
    /// block of a bundle and for no other.
    pub flags: BlockFlags,
    /// The endpoint IDs that the block refers to, as the bundle's dictionary has them.
    pub references: Vec<EidRef>,
    /// The data.
    pub data: Cow<'a, [u8]>,
}

/// What the data of a block says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content<'a> {
    /// The payload.
    Payload(&'a [u8]),
    /// The node that sent the bundle here.
    PreviousHop(PreviousHop<'a>),
    /// The time since the creation, in microseconds.
    Age(u64),
    /// Who has custody, for aggregate custody signals.
    Custody {
        /// The custodian's number for the bundle.
        id: u64,
        /// The custodian's endpoint ID, as text.
        custodian: &'a [u8],
    },
    /// The extended class of service.
    Ecos {
        /// Flags: 1 critical, 2 best effort, 4 label present, 8 reliable.
        flags: u8,
        /// Order within the class.
        ordinal: u8,
        /// The data label, if the flags say that there is one.
        label: Option<u64>,
    },
    /// Copies that may still be made.
    Permits(u64),
    /// A security block. Its data is not looked at.
    Security,
    /// A block of another type.
    Other,
}

/// The two spellings of the previous hop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PreviousHop<'a> {
    /// Scheme name and scheme-specific part in the data.
    Strings(&'a [u8], &'a [u8]),
    /// A reference, as the dictionary of the bundle has it.
    Reference(EidRef),
}

impl<'a> PreviousHop<'a> {
    /// The endpoint ID.
    ///
    /// # Errors
    ///
    /// As [`Primary::eid`].
    pub fn eid(self, primary: &'a Primary<'_>) -> Result<Eid<'a>, Fault> {
        match self {
            Self::Strings(scheme, ssp) => Eid::from_parts(scheme, ssp),
            Self::Reference(reference) => primary.eid(reference),
        }
    }
}

impl<'a> Block<'a> {
    /// A block without references to endpoint IDs.
    #[must_use]
    pub const fn new(kind: BlockType, flags: BlockFlags, data: Cow<'a, [u8]>) -> Self {
        Self {
            kind,
            flags,
            references: Vec::new(),
            data,
        }
    }

    /// A bundle age block of the given type, with the age in microseconds.
    #[must_use]
    pub fn age(kind: BlockType, flags: BlockFlags, age_us: u64) -> Self {
        Self::filled(kind, flags, |out| sdnv::encode(age_us, out))
    }

    /// A previous hop insertion block: scheme name and scheme-specific part, each with a zero octet.
    #[must_use]
    pub fn previous_hop(flags: BlockFlags, eid: &Eid<'_>) -> Self {
        let kind = BlockType::PREVIOUS_HOP;
        Self::filled(kind, flags, |out| encode_previous_hop(eid, out))
    }

    /// An extended class of service block. A label sets the flag for it.
    #[must_use]
    pub fn ecos(flags: BlockFlags, ecos_flags: u8, ordinal: u8, label: Option<u64>) -> Self {
        Self::filled(BlockType::ECOS, flags, |out| {
            encode_ecos(ecos_flags, ordinal, label, out);
        })
    }

    /// A block of ION's spray-and-wait permits.
    #[must_use]
    pub fn permits(flags: BlockFlags, permits: u64) -> Self {
        Self::filled(BlockType::PERMITS, flags, |out| sdnv::encode(permits, out))
    }

    fn filled(kind: BlockType, flags: BlockFlags, fill: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut data = Vec::new();
        fill(&mut data);
        Self::new(kind, flags, Cow::Owned(data))
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
            BlockType::PREVIOUS_HOP => self.previous_hop_content().map(Content::PreviousHop),
            BlockType::AGE => whole(data, "bundle age", sdnv).map(Content::Age),
            BlockType::CUSTODY_OR_AGE => whole(data, "custody or age", custody_or_age),
            BlockType::ECOS => whole(data, "class of service", ecos),
            BlockType::PERMITS => whole(data, "permits", sdnv).map(Content::Permits),
            kind if kind.is_security() => Ok(Content::Security),
            _ => Ok(Content::Other),
        }
    }

    fn previous_hop_content(&self) -> Result<PreviousHop<'_>, DecodeError> {
        match self.references[..] {
            [] => whole(&self.data, "previous hop", previous_hop),
            [reference] if self.data.is_empty() => Ok(PreviousHop::Reference(reference)),
            _ => {
                let fault = Fault::BlockMalformed;
                Err(DecodeError {
                    offset: 0,
                    field: "previous hop",
                    fault,
                })
            }
        }
    }

    pub(super) fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, kind) = named("block type", input, be_u8)?;
        let kind = BlockType(kind);
        let (rest, flags) = named("block flags", rest, sdnv)?;
        let flags = BlockFlags(flags);
        let (rest, references) = if flags.contains(BlockFlags::EID_REFERENCES) {
            named("EID references", rest, references)?
        } else {
            (rest, Vec::new())
        };
        let (rest, data) = named("block data", rest, primary::counted_octets)?;
        Ok((
            rest,
            Self {
                kind,
                flags,
                references,
                data: Cow::Borrowed(data),
            },
        ))
    }

    pub(crate) fn encode(&self, last: bool, out: &mut Vec<u8>) {
        let flags = self.flags.set_to(BlockFlags::LAST, last);
        let refers = flags.contains(BlockFlags::EID_REFERENCES) || !self.references.is_empty();
        out.push(self.kind.0);
        sdnv::encode(flags.set_to(BlockFlags::EID_REFERENCES, refers).0, out);
        if refers {
            sdnv::encode(self.references.len() as u64, out);
            for reference in &self.references {
                primary::encode_eid_ref(*reference, out);
            }
        }
        primary::encode_counted_octets(&self.data, out);
    }
}

/// Appends a block whose data a function appends. It refers to no endpoint IDs.
pub(crate) fn encode_block(
    kind: BlockType,
    flags: BlockFlags,
    out: &mut Vec<u8>,
    data: impl FnOnce(&mut Vec<u8>),
) {
    out.push(kind.0);
    sdnv::encode(flags.without(BlockFlags::EID_REFERENCES).0, out);
    sdnv::encode_counted(out, data);
}

/// Appends a block with this data. It refers to no endpoint IDs.
pub(crate) fn encode_block_of(kind: BlockType, flags: BlockFlags, out: &mut Vec<u8>, data: &[u8]) {
    out.push(kind.0);
    sdnv::encode(flags.without(BlockFlags::EID_REFERENCES).0, out);
    primary::encode_counted_octets(data, out);
}

/// Appends the data of a previous hop insertion block.
pub(crate) fn encode_previous_hop(eid: &Eid<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(eid.scheme().as_bytes());
    out.push(0);
    eid.encode_ssp(out);
    out.push(0);
}

/// Appends the data of an extended class of service block.
pub(crate) fn encode_ecos(flags: u8, ordinal: u8, label: Option<u64>, out: &mut Vec<u8>) {
    let label_flag = if label.is_some() { LABEL_PRESENT } else { 0 };
    out.extend_from_slice(&[flags & !LABEL_PRESENT | label_flag, ordinal]);
    if let Some(label) = label {
        sdnv::encode(label, out);
    }
}

const LABEL_PRESENT: u8 = 0x04;

/// Parses a count and that many references. Memory grows with the input, not with the count.
fn references(input: &[u8]) -> Parsed<'_, Vec<EidRef>> {
    let (mut rest, count) = sdnv(input)?;
    let mut references = Vec::new();
    for _ in 0..count {
        let (after, reference) = primary::eid_ref(rest)?;
        references.push(reference);
        rest = after;
    }
    Ok((rest, references))
}

/// Parses two strings that end with a zero octet each. The last one may be missing.
fn previous_hop(input: &[u8]) -> Parsed<'_, PreviousHop<'_>> {
    let mut strings = input.splitn(3, |octet| *octet == 0);
    match (strings.next(), strings.next(), strings.next()) {
        (Some(scheme), Some(ssp), None | Some([])) => Ok((&[], PreviousHop::Strings(scheme, ssp))),
        _ => fail(input, Fault::BlockMalformed),
    }
}

/// Parses the block that two meanings share: one SDNV alone is an age in microseconds.
fn custody_or_age(input: &[u8]) -> Parsed<'_, Content<'_>> {
    let (rest, number) = sdnv(input)?;
    if rest.is_empty() {
        return Ok((rest, Content::Age(number)));
    }
    let printable = rest.iter().all(|octet| (b' '..=b'~').contains(octet));
    if !printable || !rest.contains(&b':') {
        return fail(rest, Fault::BlockMalformed);
    }
    Ok((
        &[],
        Content::Custody {
            id: number,
            custodian: rest,
        },
    ))
}

fn ecos(input: &[u8]) -> Parsed<'_, Content<'_>> {
    let (rest, (flags, ordinal)) = (be_u8, be_u8).parse(input)?;
    let (rest, label) = if flags & LABEL_PRESENT == 0 {
        (rest, None)
    } else {
        sdnv.map(Some).parse(rest)?
    };
    Ok((
        rest,
        Content::Ecos {
            flags,
            ordinal,
            label,
        },
    ))
}
