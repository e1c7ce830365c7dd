// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Administrative records of version 7: status reports.
//!
//! See [RFC 9171 §6.1](https://www.rfc-editor.org/rfc/rfc9171#section-6.1).

use alloc::vec::Vec;

use nom::Parser;

use crate::cbor::{self, array, boolean, pair, uint};
use crate::error::{DecodeError, Fault, Parsed, fail, named, whole};
use crate::v7::primary::{CreationTimestamp, creation_timestamp};
use crate::v7::{Eid, Tolerance};

const STATUS_REPORT: u64 = 1;
/// Items of a report about a bundle that was no fragment.
const ITEMS: u64 = 4;
/// Reception, forwarding, delivery and deletion.
const ASSERTIONS: u64 = 4;

/// An administrative record.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AdminRecord<'a> {
    /// Something happened to a bundle.
    StatusReport(StatusReport<'a>),
    /// A record of another type, which is not read any further.
    Other {
        /// The type, as [RFC 9713](https://www.rfc-editor.org/rfc/rfc9713) assigns it.
        kind: u64,
    },
}

/// Whether something happened, and when.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Assertion {
    /// It did not happen, or the node does not say.
    #[default]
    No,
    /// It happened.
    Yes,
    /// It happened at this time, in milliseconds since the start of the year 2000, UTC.
    At(u64),
}

/// A bundle status report.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatusReport<'a> {
    /// Reception, forwarding, delivery, deletion, and whatever follows in later standards. A
    /// report that was decoded has at least these four.
    pub assertions: Vec<Assertion>,
    /// The reason code.
    pub reason: u64,
    /// The source of the bundle that the report is about.
    pub source: Eid<'a>,
    /// The creation timestamp of that bundle.
    pub creation: CreationTimestamp,
    /// Fragment offset and payload length of that bundle, if it was a fragment.
    pub fragment: Option<(u64, u64)>,
}

impl<'a> AdminRecord<'a> {
    /// Decodes the payload of a bundle that says it is an administrative record.
    ///
    /// # Errors
    ///
    /// The payload is not in the format of its record type. The offset is one in the payload.
    pub fn decode(payload: &'a [u8], tolerance: Tolerance) -> Result<Self, DecodeError> {
        whole(payload, "administrative record", |input| {
            record(tolerance, input)
        })
    }
}

impl<'a> StatusReport<'a> {
    /// Appends the octets of the record, with its type.
    pub fn encode(&self, out: &mut Vec<u8>) {
        cbor::encode_array(2, out);
        cbor::encode_uint(STATUS_REPORT, out);
        cbor::encode_array(ITEMS + if self.fragment.is_some() { 2 } else { 0 }, out);
        cbor::encode_array(self.assertions.len() as u64, out);
        for assertion in &self.assertions {
            assertion.encode(out);
        }
        cbor::encode_uint(self.reason, out);
        self.source.encode(out);
        self.creation.encode(out);
        if let Some((offset, length)) = self.fragment {
            cbor::encode_uint(offset, out);
            cbor::encode_uint(length, out);
        }
    }

    fn parse(tolerance: Tolerance, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, items) = array(input)?;
        if items != ITEMS && items != ITEMS + 2 {
            return fail(input, Fault::BlockMalformed);
        }
        let (rest, assertions) = named("status assertions", rest, |at| assertions(tolerance, at))?;
        let (rest, reason) = named("reason code", rest, uint)?;
        let (rest, source) = named("subject source", rest, Eid::parse)?;
        let (rest, creation) = named("subject creation timestamp", rest, creation_timestamp)?;
        let (rest, fragment) = if items == ITEMS {
            (rest, None)
        } else {
            named("subject fragment", rest, |at| {
                (uint, uint).map(Some).parse(at)
            })?
        };
        Ok((
            rest,
            Self {
                assertions,
                reason,
                source,
                creation,
                fragment,
            },
        ))
    }
}

impl Assertion {
    fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::No | Self::Yes => {
                cbor::encode_array(1, out);
                cbor::encode_bool(self == Self::Yes, out);
            }
            Self::At(time_ms) => {
                cbor::encode_array(2, out);
                cbor::encode_bool(true, out);
                cbor::encode_uint(time_ms, out);
            }
        }
    }

    fn parse(tolerance: Tolerance, input: &[u8]) -> Parsed<'_, Self> {
        let (rest, items) = array(input)?;
        let (rest, asserted) = truth(tolerance, rest)?;
        match (items, asserted) {
            (1, false) => Ok((rest, Self::No)),
            (1, true) => Ok((rest, Self::Yes)),
            (2, true) => uint.map(Self::At).parse(rest),
            // A time of something that did not happen is not allowed.
            _ => fail(input, Fault::BlockMalformed),
        }
    }
}

fn record(tolerance: Tolerance, input: &[u8]) -> Parsed<'_, AdminRecord<'_>> {
    let (rest, ((), kind)) = (pair, uint).parse(input)?;
    if kind != STATUS_REPORT {
        return Ok((&[], AdminRecord::Other { kind }));
    }
    let (rest, report) = StatusReport::parse(tolerance, rest)?;
    Ok((rest, AdminRecord::StatusReport(report)))
}

/// Parses the assertions. Memory grows with the input, not with the count.
fn assertions(tolerance: Tolerance, input: &[u8]) -> Parsed<'_, Vec<Assertion>> {
    let (mut rest, count) = array(input)?;
    if count < ASSERTIONS {
        return fail(input, Fault::BlockMalformed);
    }
    let mut assertions = Vec::new();
    for _ in 0..count {
        let (after, assertion) = Assertion::parse(tolerance, rest)?;
        assertions.push(assertion);
        rest = after;
    }
    Ok((rest, assertions))
}

fn truth(tolerance: Tolerance, input: &[u8]) -> Parsed<'_, bool> {
    match input.split_first() {
        Some((value @ (0 | 1), rest)) if tolerance.integer_booleans => Ok((rest, *value == 1)),
        _ => boolean(input),
    }
}
