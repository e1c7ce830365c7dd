// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The primary block of version 7, and the CRC that every block may have.

use alloc::vec::Vec;

use nom::Parser;

use crate::cbor::{self, array, pair, uint};
use crate::crc;
use crate::error::{Fault, Parsed, fail, fail_in, named};
use crate::flags::flags;
use crate::v7::Eid;

/// The version number.
pub(crate) const VERSION: u64 = 7;
/// Items of a primary block that has no CRC and is no fragment.
const ITEMS: u64 = 8;
/// The head of an empty byte string. That of a short one also has its length.
const BYTE_STRING: u8 = 0x40;

flags! {
    /// Bundle processing control flags.
    /// See [RFC 9171 §4.2.3](https://www.rfc-editor.org/rfc/rfc9171#section-4.2.3).
    BundleFlags {
        /// The bundle is a fragment.
        FRAGMENT = 0x01;
        /// The payload is an administrative record.
        ADMIN_RECORD = 0x02;
        /// The bundle must not be fragmented.
        MUST_NOT_FRAGMENT = 0x04;
        /// The application should acknowledge.
        APP_ACK = 0x20;
        /// Status reports should say when.
        STATUS_TIME = 0x40;
        /// Report the reception.
        REPORT_RECEPTION = 0x4000;
        /// Report the forwarding.
        REPORT_FORWARDING = 0x1_0000;
        /// Report the delivery.
        REPORT_DELIVERY = 0x2_0000;
        /// Report the deletion.
        REPORT_DELETION = 0x4_0000;
    }
}

impl BundleFlags {
    /// All requests for status reports.
    pub const REPORTS: Self = Self(0x7_4000);
}

/// Which CRC a block has. The discriminant is the number on the wire.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum CrcType {
    /// None.
    #[default]
    None = 0,
    /// CRC-16, X.25.
    Crc16 = 1,
    /// CRC-32C, Castagnoli.
    Crc32c = 2,
}

/// When a bundle was created.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct CreationTimestamp {
    /// Milliseconds since the start of the year 2000, UTC. Zero if the source has no clock.
    pub time_ms: u64,
    /// Tells bundles of one source and one time apart.
    pub sequence: u64,
}

/// Which part of an application data unit the payload of a fragment is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Fragment {
    /// Octets of the data unit before this payload.
    pub offset: u64,
    /// Octets of the whole data unit.
    pub adu_length: u64,
}

/// The primary block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Primary<'a> {
    /// The flags as received, reserved bits included. [`BundleFlags::FRAGMENT`] is written
    /// according to `fragment`, and read into it.
    pub flags: BundleFlags,
    /// The CRC that is written, and that was right when the block was read.
    pub crc: CrcType,
    /// Where the bundle goes.
    pub destination: Eid<'a>,
    /// Where it comes from.
    pub source: Eid<'a>,
    /// Where status reports about it go.
    pub report_to: Eid<'a>,
    /// When it was created.
    pub creation: CreationTimestamp,
    /// Milliseconds from the creation time to the end of its use.
    pub lifetime_ms: u64,
    /// Present if the bundle is a fragment.
    pub fragment: Option<Fragment>,
}

impl<'a> Primary<'a> {
    /// Whether nobody may be told about the bundle: it is itself a report, or has no source.
    ///
    /// See [RFC 9171 §4.2.3](https://www.rfc-editor.org/rfc/rfc9171#section-4.2.3).
    #[must_use]
    pub fn is_unreportable(&self) -> bool {
        self.flags.contains(BundleFlags::ADMIN_RECORD) || self.source.is_null()
    }

    pub(super) fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        let (version_at, stated) = named("primary block", input, array)?;
        let (flags_at, version) = named("version", version_at, uint)?;
        if version != VERSION {
            return fail_in("version", version_at, Fault::Version(version));
        }
        let (rest, flags) = named("bundle flags", flags_at, uint)?;
        let flags = BundleFlags(flags);
        let (rest, crc) = named("primary CRC type", rest, CrcType::parse)?;
        let is_fragment = flags.contains(BundleFlags::FRAGMENT);
        let actual = ITEMS + if is_fragment { 2 } else { 0 } + crc.items();
        if stated != actual {
            let fault = Fault::PrimaryLength { stated, actual };
            return fail_in("primary block", input, fault);
        }
        let (rest, destination) = named("destination", rest, Eid::parse)?;
        let (rest, source) = named("source", rest, Eid::parse)?;
        let (rest, report_to) = named("report-to", rest, Eid::parse)?;
        let (rest, creation) = named("creation timestamp", rest, creation_timestamp)?;
        let (rest, lifetime_ms) = named("lifetime", rest, uint)?;
        let (rest, fragment) = if is_fragment {
            named("fragment", rest, |at| fragment.map(Some).parse(at))?
        } else {
            (rest, None)
        };
        let (rest, ()) = named("primary CRC", rest, |at| crc.check(input, at))?;
        let primary = Self {
            flags,
            crc,
            destination,
            source,
            report_to,
            creation,
            lifetime_ms,
            fragment,
        };
        Ok((rest, primary))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let fragment_items = if self.fragment.is_some() { 2 } else { 0 };
        cbor::encode_array(ITEMS + fragment_items + self.crc.items(), out);
        cbor::encode_uint(VERSION, out);
        let flags = self
            .flags
            .set_to(BundleFlags::FRAGMENT, self.fragment.is_some());
        cbor::encode_uint(flags.0, out);
        cbor::encode_uint(self.crc as u64, out);
        self.destination.encode(out);
        self.source.encode(out);
        self.report_to.encode(out);
        self.creation.encode(out);
        cbor::encode_uint(self.lifetime_ms, out);
        if let Some(fragment) = self.fragment {
            cbor::encode_uint(fragment.offset, out);
            cbor::encode_uint(fragment.adu_length, out);
        }
        self.crc.encode(start, out);
    }
}

impl CreationTimestamp {
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        cbor::encode_array(2, out);
        cbor::encode_uint(self.time_ms, out);
        cbor::encode_uint(self.sequence, out);
    }
}

impl CrcType {
    /// The number of items that the CRC adds to the array of its block.
    pub(super) const fn items(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Crc16 | Self::Crc32c => 1,
        }
    }

    pub(super) fn parse(input: &[u8]) -> Parsed<'_, Self> {
        match uint(input)? {
            (rest, 0) => Ok((rest, Self::None)),
            (rest, 1) => Ok((rest, Self::Crc16)),
            (rest, 2) => Ok((rest, Self::Crc32c)),
            (_, other) => fail(input, Fault::CrcType(other)),
        }
    }

    /// Parses the CRC at the end of the block that starts at `block`, and compares it.
    ///
    /// It covers the block from its first octet, with zeros in the place of the CRC itself.
    pub(super) fn check<'a>(self, block: &'a [u8], at: &'a [u8]) -> Parsed<'a, ()> {
        let length = self.octets();
        if length == 0 {
            return Ok((at, ()));
        }
        // The head is one octet: a longer one says another length, or says it in a longer form.
        let has_other_length = |head: &u8| usize::from(head ^ BYTE_STRING) != length;
        if at.first().is_some_and(has_other_length) {
            return fail(at, Fault::Expected("a CRC of the length that its type has"));
        }
        let (rest, found) = cbor::bytes(at)?;
        let covered = &block[..block.len() - rest.len() - length];
        let (value, used) = self.compute([covered, &[0; 4][..length]]);
        if value[..used] != *found {
            return fail(at, Fault::CrcMismatch);
        }
        Ok((rest, ()))
    }

    /// Appends the CRC of the block that starts at `start`, with its head.
    pub(super) fn encode(self, start: usize, out: &mut Vec<u8>) {
        let length = self.octets();
        if length == 0 {
            return;
        }
        cbor::encode_bytes(&[0; 4][..length], out);
        let (value, used) = self.compute([&out[start..]]);
        let place = out.len() - length;
        out[place..].copy_from_slice(&value[..used]);
    }

    const fn octets(self) -> usize {
        match self {
            Self::None => 0,
            Self::Crc16 => 2,
            Self::Crc32c => 4,
        }
    }

    /// The CRC of some parts, and how many octets of it there are.
    fn compute<const N: usize>(self, parts: [&[u8]; N]) -> ([u8; 4], usize) {
        match self {
            Self::None => ([0; 4], 0),
            Self::Crc16 => {
                let [high, low] = crc::x25_parts(parts).to_be_bytes();
                ([high, low, 0, 0], 2)
            }
            Self::Crc32c => (crc::castagnoli_parts(parts).to_be_bytes(), 4),
        }
    }
}

/// Parses a creation timestamp: a DTN time and a sequence number.
/// See [RFC 9171 §4.2.7](https://www.rfc-editor.org/rfc/rfc9171#section-4.2.7).
pub(super) fn creation_timestamp(input: &[u8]) -> Parsed<'_, CreationTimestamp> {
    let (rest, ()) = pair(input)?;
    let (rest, time_ms) = uint(rest)?;
    let (rest, sequence) = uint(rest)?;
    Ok((rest, CreationTimestamp { time_ms, sequence }))
}

fn fragment(input: &[u8]) -> Parsed<'_, Fragment> {
    (uint, uint)
        .map(|(offset, adu_length)| Fragment { offset, adu_length })
        .parse(input)
}
