// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The primary block of version 6, and the two ways in which it names endpoints.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::ops::Range;

use nom::Parser;
use nom::number::complete::be_u8;

use crate::eid::Eid;
use crate::error::{Fault, Parsed, fail, fail_in, named};
use crate::flags::flags;
use crate::sdnv::{self, sdnv};

/// The version number, and the first octet of a bundle.
pub(crate) const VERSION: u8 = 6;

flags! {
    /// Bundle processing control flags.
    /// See [RFC 5050 §4.2](https://www.rfc-editor.org/rfc/rfc5050#section-4.2).
    BundleFlags {
        /// The bundle is a fragment.
        FRAGMENT = 0x01;
        /// The payload is an administrative record.
        ADMIN_RECORD = 0x02;
        /// The bundle must not be fragmented.
        MUST_NOT_FRAGMENT = 0x04;
        /// Custody transfer is requested.
        CUSTODY = 0x08;
        /// The destination is one node at most.
        SINGLETON = 0x10;
        /// The application should acknowledge.
        APP_ACK = 0x20;
        /// The two bits of the priority.
        PRIORITY = 0x180;
        /// Report the reception.
        REPORT_RECEPTION = 0x4000;
        /// Report the acceptance of custody.
        REPORT_CUSTODY = 0x8000;
        /// Report the forwarding.
        REPORT_FORWARDING = 0x1_0000;
        /// Report the delivery.
        REPORT_DELIVERY = 0x2_0000;
        /// Report the deletion.
        REPORT_DELETION = 0x4_0000;
    }
}

impl BundleFlags {
    /// The priority. The reserved value 3 counts as normal.
    #[must_use]
    pub const fn priority(self) -> Priority {
        match (self.0 & Self::PRIORITY.0) >> 7 {
            0 => Priority::Bulk,
            2 => Priority::Expedited,
            _ => Priority::Normal,
        }
    }

    /// These flags with another priority.
    #[must_use]
    pub const fn with_priority(self, priority: Priority) -> Self {
        Self(self.without(Self::PRIORITY).0 | (priority as u64) << 7)
    }
}

/// The class of service of version 6. The discriminant is the number on the wire.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Priority {
    /// After everything else.
    Bulk = 0,
    /// What applications get that do not ask.
    #[default]
    Normal = 1,
    /// Before everything else.
    Expedited = 2,
}

/// Two numbers that name an endpoint: offsets into the dictionary, or node and service.
///
/// Which of the two they are depends on the dictionary of the bundle: [`Primary::eid`] knows.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct EidRef {
    /// Offset of the scheme name, or the node number.
    pub scheme: u64,
    /// Offset of the scheme-specific part, or the service number.
    pub ssp: u64,
}

impl EidRef {
    /// Whether the numbers point to strings, if they are offsets.
    pub(super) fn check(self, offsets: Option<&Range<u64>>) -> Result<(), Fault> {
        let Some(offsets) = offsets else {
            return Ok(());
        };
        let outside = [self.scheme, self.ssp]
            .into_iter()
            .find(|offset| !offsets.contains(offset));
        outside.map_or(Ok(()), |offset| Err(Fault::Dictionary(offset)))
    }
}

/// When a bundle was created.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct CreationTimestamp {
    /// Seconds since the start of the year 2000, UTC. Zero if the source has no clock.
    pub seconds: u64,
    /// Tells bundles of one source and one second apart.
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
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Primary<'a> {
    /// The flags as received, reserved bits included. [`BundleFlags::FRAGMENT`] is written
    /// according to `fragment`, and read into it.
    pub flags: BundleFlags,
    /// Where the bundle goes.
    pub destination: EidRef,
    /// Where it comes from.
    pub source: EidRef,
    /// Where status reports about it go.
    pub report_to: EidRef,
    /// Who keeps a copy until the next custodian has one.
    pub custodian: EidRef,
    /// When it was created.
    pub creation: CreationTimestamp,
    /// Seconds from the creation time to the end of its use.
    pub lifetime_s: u64,
    /// Strings that end with a zero octet; empty in the compressed form (CBHE).
    pub dictionary: Cow<'a, [u8]>,
    /// Present if the bundle is a fragment.
    pub fragment: Option<Fragment>,
}

impl<'a> Primary<'a> {
    /// Whether endpoints are number pairs of the scheme `ipn`, as CBHE has them.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.dictionary.is_empty()
    }

    /// The endpoint ID that two numbers in this bundle name.
    ///
    /// # Errors
    ///
    /// The offsets point to no string, or the strings are no endpoint ID of a known scheme.
    pub fn eid(&self, reference: EidRef) -> Result<Eid<'_>, Fault> {
        if self.is_compressed() {
            return Ok(Eid::ipn(reference.scheme, reference.ssp));
        }
        Eid::from_parts(self.string(reference.scheme)?, self.string(reference.ssp)?)
    }

    /// The offsets that point to strings: those up to the last zero octet. `None` if the numbers
    /// are no offsets.
    ///
    /// Found once for all references of a bundle: a hostile one has many, and a long dictionary.
    pub(super) fn valid_offsets(&self) -> Option<Range<u64>> {
        let after_last_zero = self.dictionary.iter().rposition(|octet| *octet == 0);
        let end = after_last_zero.map_or(0, |last| last as u64 + 1);
        if self.is_compressed() {
            None
        } else {
            Some(0..end)
        }
    }

    fn string(&self, offset: u64) -> Result<&[u8], Fault> {
        let tail = usize::try_from(offset)
            .ok()
            .and_then(|start| self.dictionary.get(start..));
        let tail = tail.ok_or(Fault::Dictionary(offset))?;
        let end = tail
            .iter()
            .position(|octet| *octet == 0)
            .ok_or(Fault::Dictionary(offset))?;
        Ok(&tail[..end])
    }

    pub(super) fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, version) = named("version", input, be_u8)?;
        if version != VERSION {
            return fail_in("version", input, Fault::Version(version.into()));
        }
        let (length_at, flags) = named("bundle flags", rest, sdnv)?;
        let (fields, stated) = named("primary block length", length_at, sdnv)?;
        let (rest, primary) = Self::parse_fields(BundleFlags(flags), fields)?;
        let actual = (fields.len() - rest.len()) as u64;
        if stated != actual {
            let fault = Fault::PrimaryLength { stated, actual };
            return fail_in("primary block length", length_at, fault);
        }
        // The references come first on the wire, but only the dictionary tells what they are.
        let references = [
            ("destination", primary.destination),
            ("source", primary.source),
            ("report-to", primary.report_to),
            ("custodian", primary.custodian),
        ];
        let offsets = primary.valid_offsets();
        for (name, reference) in references {
            if let Err(fault) = reference.check(offsets.as_ref()) {
                return fail_in(name, fields, fault);
            }
        }
        Ok((rest, primary))
    }

    fn parse_fields(flags: BundleFlags, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, destination) = named("destination", input, eid_ref)?;
        let (rest, source) = named("source", rest, eid_ref)?;
        let (rest, report_to) = named("report-to", rest, eid_ref)?;
        let (rest, custodian) = named("custodian", rest, eid_ref)?;
        let (rest, creation) = named("creation timestamp", rest, creation_timestamp)?;
        let (rest, lifetime_s) = named("lifetime", rest, sdnv)?;
        let (rest, dictionary) = named("dictionary", rest, counted_octets)?;
        let (rest, fragment) = if flags.contains(BundleFlags::FRAGMENT) {
            named("fragment", rest, |at| fragment.map(Some).parse(at))?
        } else {
            (rest, None)
        };
        let dictionary = Cow::Borrowed(dictionary);
        let primary = Self {
            flags,
            destination,
            source,
            report_to,
            custodian,
            creation,
            lifetime_s,
            dictionary,
            fragment,
        };
        Ok((rest, primary))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        let flags = self
            .flags
            .set_to(BundleFlags::FRAGMENT, self.fragment.is_some());
        sdnv::encode(flags.0, out);
        sdnv::encode_counted(out, |out| self.encode_fields(out));
    }

    fn encode_fields(&self, out: &mut Vec<u8>) {
        let (destination, source) = (self.destination, self.source);
        let (report_to, custodian) = (self.report_to, self.custodian);
        sdnv::encode_all(
            [
                destination.scheme,
                destination.ssp,
                source.scheme,
                source.ssp,
            ],
            out,
        );
        sdnv::encode_all(
            [
                report_to.scheme,
                report_to.ssp,
                custodian.scheme,
                custodian.ssp,
            ],
            out,
        );
        sdnv::encode(self.creation.seconds, out);
        sdnv::encode(self.creation.sequence, out);
        sdnv::encode(self.lifetime_s, out);
        encode_counted_octets(&self.dictionary, out);
        if let Some(fragment) = self.fragment {
            sdnv::encode(fragment.offset, out);
            sdnv::encode(fragment.adu_length, out);
        }
    }
}

/// The four endpoint IDs of a primary block, in a form that the block can hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Addresses {
    /// Destination, source, report-to and custodian.
    pub references: [EidRef; 4],
    /// The strings that they point to; empty in the compressed form.
    pub dictionary: Vec<u8>,
}

impl Addresses {
    /// The compressed form (CBHE): number pairs. Only for `ipn` and `dtn:none`.
    ///
    /// See [RFC 6260 §2](https://www.rfc-editor.org/rfc/rfc6260#section-2).
    #[must_use]
    pub fn compressed(eids: [&Eid<'_>; 4]) -> Option<Self> {
        let mut references = [EidRef::default(); 4];
        for (reference, eid) in references.iter_mut().zip(eids) {
            match eid {
                Eid::Null => {}
                Eid::Ipn { node, service } => {
                    *reference = EidRef {
                        scheme: *node,
                        ssp: *service,
                    };
                }
                Eid::Dtn(_) => return None,
            }
        }
        Some(Self {
            references,
            dictionary: Vec::new(),
        })
    }

    /// The dictionary form. Each string is stored once, in the order of its first use.
    #[must_use]
    pub fn dictionary(eids: [&Eid<'_>; 4]) -> Self {
        let mut addresses = Self::default();
        for (index, eid) in eids.into_iter().enumerate() {
            let scheme = addresses.intern(eid.scheme());
            let ssp = addresses.intern(&eid.ssp());
            addresses.references[index] = EidRef { scheme, ssp };
        }
        addresses
    }

    fn intern(&mut self, string: &str) -> u64 {
        let mut offset = 0;
        for known in self.dictionary.split_inclusive(|octet| *octet == 0) {
            if known.strip_suffix(&[0]) == Some(string.as_bytes()) {
                return offset;
            }
            offset += known.len() as u64;
        }
        self.dictionary.extend_from_slice(string.as_bytes());
        self.dictionary.push(0);
        offset
    }
}

pub(super) fn eid_ref(input: &[u8]) -> Parsed<'_, EidRef> {
    let (rest, scheme) = sdnv(input)?;
    let (rest, ssp) = sdnv(rest)?;
    Ok((rest, EidRef { scheme, ssp }))
}

pub(super) fn encode_eid_ref(reference: EidRef, out: &mut Vec<u8>) {
    sdnv::encode(reference.scheme, out);
    sdnv::encode(reference.ssp, out);
}

pub(super) fn creation_timestamp(input: &[u8]) -> Parsed<'_, CreationTimestamp> {
    let (rest, seconds) = sdnv(input)?;
    let (rest, sequence) = sdnv(rest)?;
    Ok((rest, CreationTimestamp { seconds, sequence }))
}

fn fragment(input: &[u8]) -> Parsed<'_, Fragment> {
    (sdnv, sdnv)
        .map(|(offset, adu_length)| Fragment { offset, adu_length })
        .parse(input)
}

/// Parses a length and that many octets.
pub(super) fn counted_octets(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, length) = sdnv(input)?;
    let length = usize::try_from(length).ok();
    match length.and_then(|length| rest.split_at_checked(length)) {
        Some((octets, rest)) => Ok((rest, octets)),
        None => fail(rest, Fault::Truncated),
    }
}

pub(super) fn encode_counted_octets(octets: &[u8], out: &mut Vec<u8>) {
    sdnv::encode(octets.len() as u64, out);
    out.extend_from_slice(octets);
}
