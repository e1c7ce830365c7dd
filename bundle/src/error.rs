// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can be wrong with the octets of a bundle, and where.

use nom::IResult;
use nom::error::{ErrorKind, ParseError};

use crate::reason::Reason;

/// Where decoding stopped, and why.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cannot decode {field} at octet {offset}")]
pub struct DecodeError {
    /// Distance from the start of the input, in octets.
    pub offset: usize,
    /// The field of the format that was being read.
    pub field: &'static str,
    /// The rule that the input breaks.
    #[source]
    pub fault: Fault,
}

/// A rule of the wire format that an input breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The input ends too early.
    #[error("input ends too early")]
    Truncated,
    /// An SDNV has more than ten octets or a value above 2^64-1.
    #[error("integer has more than 64 bits or ten octets")]
    IntegerTooLong,
    /// A CBOR integer or length is written in more octets than it needs.
    #[error("integer is not in its shortest form")]
    NotShortest,
    /// An item is of another kind than the format asks for.
    #[error("expected {0}")]
    Expected(&'static str),
    /// The version number does not belong to this format.
    #[error("bundle version is {0}")]
    Version(u64),
    /// The stated size of the primary block is not the size of its fields.
    #[error("primary block states {stated}, and its fields need {actual}")]
    PrimaryLength {
        /// The number in the bundle: octets in version 6, array items in version 7.
        stated: u64,
        /// The number that the flags and fields ask for.
        actual: u64,
    },
    /// A dictionary offset points outside, or its string has no end.
    #[error("dictionary offset {0} points to no string")]
    Dictionary(u64),
    /// An endpoint ID breaks the rules of its scheme.
    #[error("endpoint ID breaks the rules of its scheme")]
    EidMalformed,
    /// An endpoint ID is neither of the scheme `dtn` nor `ipn`.
    #[error("endpoint ID is of a scheme other than dtn and ipn")]
    EidScheme,
    /// The CRC type is not 0, 1 or 2.
    #[error("CRC type is {0}")]
    CrcType(u64),
    /// A CRC does not match its block.
    #[error("CRC does not match")]
    CrcMismatch,
    /// Nothing protects the primary block.
    #[error("primary block has neither a CRC nor an integrity block")]
    CrcMissing,
    /// A block number repeats, or belongs to another block.
    #[error("block number {0} is taken or reserved")]
    BlockNumber(u64),
    /// There is no payload block.
    #[error("payload block is missing")]
    PayloadMissing,
    /// There is more than one payload block.
    #[error("payload block is not the only one")]
    PayloadDuplicate,
    /// A block follows the payload block of a version 7 bundle.
    #[error("block follows the payload block")]
    PayloadNotLast,
    /// Octets follow the bundle.
    #[error("{0} octets follow the bundle")]
    TrailingOctets(usize),
    /// The data of a known block is not in that block's format.
    #[error("data is not in the format of the block")]
    BlockMalformed,
    /// A block of this type may occur only once.
    #[error("block of type {0} occurs twice")]
    BlockDuplicate(u64),
    /// Flags contradict each other or the source, or reserved bits are set.
    #[error("flags are {0:#x}")]
    FlagsInvalid(u64),
    /// The creation time is zero and there is no bundle age block.
    #[error("creation time is zero and bundle age is missing")]
    AgeMissing,
}

impl Fault {
    /// The reason that the other parts of the system give for this fault.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Truncated => Reason::Truncated,
            Self::IntegerTooLong => Reason::IntegerTooLong,
            Self::NotShortest => Reason::NotShortest,
            Self::Expected(_) => Reason::UnexpectedItem,
            Self::Version(_) => Reason::Version,
            Self::PrimaryLength { .. } => Reason::PrimaryLength,
            Self::Dictionary(_) => Reason::Dictionary,
            Self::EidMalformed => Reason::EidMalformed,
            Self::EidScheme => Reason::EidScheme,
            Self::CrcType(_) => Reason::CrcType,
            Self::CrcMismatch => Reason::CrcMismatch,
            Self::CrcMissing => Reason::CrcMissing,
            Self::BlockNumber(_) => Reason::BlockNumber,
            Self::PayloadMissing => Reason::PayloadMissing,
            Self::PayloadDuplicate => Reason::PayloadDuplicate,
            Self::PayloadNotLast => Reason::PayloadNotLast,
            Self::TrailingOctets(_) => Reason::TrailingOctets,
            Self::BlockMalformed => Reason::BlockMalformed,
            Self::BlockDuplicate(_) => Reason::BlockDuplicate,
            Self::FlagsInvalid(_) => Reason::FlagsInvalid,
            Self::AgeMissing => Reason::AgeMissing,
        }
    }

    /// The fault as seen from outside a block whose data was being read.
    ///
    /// Data that ends early or holds the wrong items is data in the wrong format. Faults of
    /// integers and endpoint IDs keep their own name: they say more.
    const fn in_block(self) -> Self {
        match self {
            Self::Truncated | Self::Expected(_) | Self::TrailingOctets(_) => Self::BlockMalformed,
            other => other,
        }
    }
}

impl DecodeError {
    /// The reason that the other parts of the system give for this error.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.fault.reason()
    }

    /// Octets follow the end of the bundle.
    pub(crate) const fn trailing(input: &[u8], rest: &[u8]) -> Self {
        Self {
            offset: input.len() - rest.len(),
            field: "end of bundle",
            fault: Fault::TrailingOctets(rest.len()),
        }
    }

    /// Places a failure of a parser in the input that the parser was given.
    pub(crate) fn locate(error: nom::Err<Failure<'_>>, input: &[u8]) -> Self {
        match error {
            nom::Err::Error(failure) | nom::Err::Failure(failure) => Self {
                offset: offset_in(input, failure.at),
                field: failure.field,
                fault: failure.fault,
            },
            // Parsers here see complete input. If one asks for more, the input is too short.
            nom::Err::Incomplete(_) => Self {
                offset: input.len(),
                field: "",
                fault: Fault::Truncated,
            },
        }
    }
}

/// What a parser returns: the rest of the input and a value, or a failure.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, Failure<'a>>;

/// A failure inside a parser. The place is the input that was left.
#[derive(Debug)]
pub(crate) struct Failure<'a> {
    at: &'a [u8],
    field: &'static str,
    fault: Fault,
}

impl<'a> ParseError<&'a [u8]> for Failure<'a> {
    /// The parsers taken from nom read a number of octets, so they fail only at the end.
    fn from_error_kind(at: &'a [u8], _: ErrorKind) -> Self {
        Self {
            at,
            field: "",
            fault: Fault::Truncated,
        }
    }

    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Runs a parser, and names the field that it reads if it fails.
///
/// The innermost name is the most precise one, so it stays.
#[inline]
pub(crate) fn named<'a, T>(
    field: &'static str,
    input: &'a [u8],
    parser: impl FnOnce(&'a [u8]) -> Parsed<'a, T>,
) -> Parsed<'a, T> {
    match parser(input) {
        Ok(parsed) => Ok(parsed),
        Err(error) => Err(with_name(field, error)),
    }
}

#[cold]
fn with_name<'a>(field: &'static str, error: nom::Err<Failure<'a>>) -> nom::Err<Failure<'a>> {
    error.map(|failure| {
        if failure.field.is_empty() {
            Failure { field, ..failure }
        } else {
            failure
        }
    })
}

/// Fails at a place in the input.
#[cold]
pub(crate) fn fail<T>(at: &[u8], fault: Fault) -> Parsed<'_, T> {
    Err(nom::Err::Error(Failure {
        at,
        field: "",
        fault,
    }))
}

/// Fails at a place in the input, in a field that no parser names.
#[cold]
pub(crate) fn fail_in<'a, T>(field: &'static str, at: &'a [u8], fault: Fault) -> Parsed<'a, T> {
    Err(nom::Err::Error(Failure { at, field, fault }))
}

/// Runs a parser on the data of a block. It must take all of it.
pub(crate) fn whole<'a, T>(
    data: &'a [u8],
    field: &'static str,
    parser: impl FnOnce(&'a [u8]) -> Parsed<'a, T>,
) -> Result<T, DecodeError> {
    let outcome = match parser(data) {
        Ok(([], value)) => return Ok(value),
        Ok((rest, _)) => DecodeError {
            offset: data.len() - rest.len(),
            field,
            fault: Fault::TrailingOctets(rest.len()),
        },
        Err(error) => DecodeError::locate(error, data),
    };
    let field = if outcome.field.is_empty() {
        field
    } else {
        outcome.field
    };
    Err(DecodeError {
        field,
        fault: outcome.fault.in_block(),
        ..outcome
    })
}

/// Distance of a part of the input from its start.
///
/// Zero if `part` is no part of `input`, as the data of a bundle that was not decoded.
pub(crate) fn offset_in(input: &[u8], part: &[u8]) -> usize {
    let distance = part.as_ptr().addr().wrapping_sub(input.as_ptr().addr());
    if distance <= input.len() { distance } else { 0 }
}
