// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Administrative records of version 6: status reports and custody signals.
//!
//! See [RFC 5050 §6.1](https://www.rfc-editor.org/rfc/rfc5050#section-6.1), and CCSDS 734.2-B-1,
//! annex D, for aggregate custody signals.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::num::NonZeroU64;
use core::ops::RangeInclusive;

use nom::Parser;
use nom::number::complete::be_u8;

use crate::eid::Eid;
use crate::error::{DecodeError, Fault, Parsed, fail, named, whole};
use crate::sdnv::{self, sdnv};
use crate::v6::primary::{self, CreationTimestamp};

const STATUS_REPORT: u8 = 1;
const CUSTODY_SIGNAL: u8 = 2;
const AGGREGATE_CUSTODY_SIGNAL: u8 = 4;
const FOR_FRAGMENT: u8 = 0x01;
const NANOSECONDS_MAX: u64 = 999_999_999;
const SUCCEEDED: u8 = 0x80;

/// An administrative record.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AdminRecord<'a> {
    /// Something happened to a bundle.
    StatusReport(StatusReport<'a>),
    /// Custody of a bundle was accepted or refused.
    CustodySignal(CustodySignal<'a>),
    /// Custody of many bundles was accepted or refused.
    AggregateCustodySignal(AggregateCustodySignal),
    /// A record of another type, which is not read any further.
    Other {
        /// The type: the upper half of the first octet.
        kind: u8,
    },
}

/// The bundle that a record is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subject<'a> {
    /// Fragment offset and payload length, if the bundle was a fragment.
    pub fragment: Option<(u64, u64)>,
    /// The creation timestamp of the bundle.
    pub creation: CreationTimestamp,
    /// The source of the bundle, as text.
    pub source: Cow<'a, [u8]>,
}

/// When something happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReportTime {
    /// Seconds since the start of the year 2000, UTC.
    pub seconds: u64,
    /// Nanoseconds within the second, below 10^9.
    pub nanoseconds: u64,
}

/// A bundle status report.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatusReport<'a> {
    /// When the bundle was received, taken into custody, forwarded, delivered and deleted.
    pub times: [Option<ReportTime>; 5],
    /// Status bits that have no time: 0x20 and above.
    pub other_status: u8,
    /// The reason code.
    pub reason: u8,
    /// The bundle that the report is about.
    pub subject: Subject<'a>,
}

/// A custody signal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CustodySignal<'a> {
    /// Whether custody was accepted.
    pub succeeded: bool,
    /// The reason code, of seven bits.
    pub reason: u8,
    /// When the signal was made.
    pub time: ReportTime,
    /// The bundle that the signal is about.
    pub subject: Subject<'a>,
}

/// A custody signal about all bundles that have one of these custody numbers.
///
/// The numbers are those in the custody blocks of the bundles.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AggregateCustodySignal {
    /// Whether custody was accepted.
    pub succeeded: bool,
    /// The reason code, of seven bits.
    pub reason: u8,
    /// The numbers, as the record spells them. [`AggregateCustodySignal::numbers`] counts.
    pub ranges: Vec<CustodyRange>,
}

/// Custody numbers that follow each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CustodyRange {
    /// The distance of the first number from the last number of the range before, or from zero.
    pub distance: u64,
    /// How many numbers there are. None is no range.
    pub count: NonZeroU64,
}

impl<'a> AdminRecord<'a> {
    /// Decodes the payload of a bundle that says it is an administrative record.
    ///
    /// # Errors
    ///
    /// The payload is not in the format of its record type. The offset is one in the payload.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        whole(payload, "administrative record", record)
    }

    /// Appends the octets of the record. Of other records, that is nothing.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::StatusReport(report) => report.encode(out),
            Self::CustodySignal(signal) => signal.encode(out),
            Self::AggregateCustodySignal(signal) => signal.encode(out),
            Self::Other { .. } => {}
        }
    }
}

impl<'a> Subject<'a> {
    /// The source of the bundle.
    ///
    /// # Errors
    ///
    /// The text is no endpoint ID of a known scheme.
    pub fn source(&self) -> Result<Eid<'_>, Fault> {
        let colon = self.source.iter().position(|octet| *octet == b':');
        let (scheme, ssp) = self.source.split_at(colon.ok_or(Fault::EidMalformed)?);
        Eid::from_parts(scheme, &ssp[1..])
    }

    fn first_octet(&self, kind: u8) -> u8 {
        kind << 4
            | if self.fragment.is_some() {
                FOR_FRAGMENT
            } else {
                0
            }
    }

    fn encode_fragment(&self, out: &mut Vec<u8>) {
        if let Some((offset, length)) = self.fragment {
            sdnv::encode(offset, out);
            sdnv::encode(length, out);
        }
    }

    fn encode_identity(&self, out: &mut Vec<u8>) {
        sdnv::encode(self.creation.seconds, out);
        sdnv::encode(self.creation.sequence, out);
        primary::encode_counted_octets(&self.source, out);
    }

    fn parse_identity(fragment: Option<(u64, u64)>, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, creation) = named(
            "subject creation timestamp",
            input,
            primary::creation_timestamp,
        )?;
        let (rest, source) = named("subject source", rest, primary::counted_octets)?;
        Ok((
            rest,
            Self {
                fragment,
                creation,
                source: Cow::Borrowed(source),
            },
        ))
    }
}

impl<'a> StatusReport<'a> {
    /// Appends the octets of the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let asserted = |index: usize| u8::from(self.times[index].is_some()) << index;
        let status = (0..5)
            .map(asserted)
            .fold(self.other_status & 0xe0, |all, bit| all | bit);
        out.extend([self.subject.first_octet(STATUS_REPORT), status, self.reason]);
        self.subject.encode_fragment(out);
        for time in self.times.iter().flatten() {
            time.encode(out);
        }
        self.subject.encode_identity(out);
    }

    fn parse(for_fragment: bool, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, (status, reason)) = (be_u8, be_u8).parse(input)?;
        let (mut rest, fragment) = subject_fragment(for_fragment, rest)?;
        let mut times = [None; 5];
        for (index, time) in times.iter_mut().enumerate() {
            if status & (1 << index) != 0 {
                let (after, value) = named("report time", rest, report_time)?;
                *time = Some(value);
                rest = after;
            }
        }
        let (rest, subject) = Subject::parse_identity(fragment, rest)?;
        Ok((
            rest,
            Self {
                times,
                other_status: status & 0xe0,
                reason,
                subject,
            },
        ))
    }
}

impl<'a> CustodySignal<'a> {
    /// Appends the octets of the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let status = custody_status(self.succeeded, self.reason);
        out.extend([self.subject.first_octet(CUSTODY_SIGNAL), status]);
        self.subject.encode_fragment(out);
        self.time.encode(out);
        self.subject.encode_identity(out);
    }

    fn parse(for_fragment: bool, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, status) = be_u8(input)?;
        let (rest, fragment) = subject_fragment(for_fragment, rest)?;
        let (rest, time) = named("signal time", rest, report_time)?;
        let (rest, subject) = Subject::parse_identity(fragment, rest)?;
        let succeeded = status & SUCCEEDED != 0;
        Ok((
            rest,
            Self {
                succeeded,
                reason: status & !SUCCEEDED,
                time,
                subject,
            },
        ))
    }
}

impl AggregateCustodySignal {
    /// The numbers that the signal is about. Numbers above 64 bits, which a signal that was decoded
    /// does not have, are 2^64-1.
    pub fn numbers(&self) -> impl Iterator<Item = RangeInclusive<u64>> {
        self.ranges.iter().scan(0_u64, |last, range| {
            let first = last.saturating_add(range.distance);
            *last = first.saturating_add(range.count.get() - 1);
            Some(first..=*last)
        })
    }

    /// Appends the octets of the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let status = custody_status(self.succeeded, self.reason);
        out.extend([AGGREGATE_CUSTODY_SIGNAL << 4, status]);
        for range in &self.ranges {
            sdnv::encode_all([range.distance, range.count.get()], out);
        }
    }

    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (mut rest, status) = be_u8(input)?;
        let mut ranges = Vec::new();
        let mut last = 0;
        while !rest.is_empty() {
            let (after, range) = named("custody range", rest, |at| custody_range(&mut last, at))?;
            ranges.push(range);
            rest = after;
        }
        let signal = Self {
            succeeded: status & SUCCEEDED != 0,
            reason: status & !SUCCEEDED,
            ranges,
        };
        Ok((rest, signal))
    }
}

/// Parses a range, and moves `last` from the end of the range before it to its own end.
fn custody_range<'a>(last: &mut u64, input: &'a [u8]) -> Parsed<'a, CustodyRange> {
    let (rest, (distance, count)) = (sdnv, sdnv).parse(input)?;
    let Some(count) = NonZeroU64::new(count) else {
        return fail(input, Fault::BlockMalformed);
    };
    let first = last.checked_add(distance);
    let Some(end) = first.and_then(|first| first.checked_add(count.get() - 1)) else {
        return fail(input, Fault::IntegerTooLong);
    };
    *last = end;
    Ok((rest, CustodyRange { distance, count }))
}

const fn custody_status(succeeded: bool, reason: u8) -> u8 {
    let reason = reason & !SUCCEEDED;
    if succeeded {
        SUCCEEDED | reason
    } else {
        reason
    }
}

impl ReportTime {
    fn encode(self, out: &mut Vec<u8>) {
        sdnv::encode(self.seconds, out);
        sdnv::encode(self.nanoseconds, out);
    }
}

fn record(input: &[u8]) -> Parsed<'_, AdminRecord<'_>> {
    let (rest, first) = be_u8(input)?;
    let for_fragment = first & FOR_FRAGMENT != 0;
    match first >> 4 {
        STATUS_REPORT => {
            let (rest, report) = StatusReport::parse(for_fragment, rest)?;
            Ok((rest, AdminRecord::StatusReport(report)))
        }
        CUSTODY_SIGNAL => {
            let (rest, signal) = CustodySignal::parse(for_fragment, rest)?;
            Ok((rest, AdminRecord::CustodySignal(signal)))
        }
        AGGREGATE_CUSTODY_SIGNAL => {
            let (rest, signal) = AggregateCustodySignal::parse(rest)?;
            Ok((rest, AdminRecord::AggregateCustodySignal(signal)))
        }
        kind => Ok((&[], AdminRecord::Other { kind })),
    }
}

fn subject_fragment(for_fragment: bool, input: &[u8]) -> Parsed<'_, Option<(u64, u64)>> {
    if for_fragment {
        named("subject fragment", input, |at| {
            (sdnv, sdnv).map(Some).parse(at)
        })
    } else {
        Ok((input, None))
    }
}

fn report_time(input: &[u8]) -> Parsed<'_, ReportTime> {
    let (rest, (seconds, nanoseconds)) = (sdnv, sdnv).parse(input)?;
    if nanoseconds > NANOSECONDS_MAX {
        return fail(input, Fault::BlockMalformed);
    }
    Ok((
        rest,
        ReportTime {
            seconds,
            nanoseconds,
        },
    ))
}
