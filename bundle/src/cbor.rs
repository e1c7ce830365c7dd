// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The part of CBOR that bundles of version 7 use: definite items with shortest heads.
//!
//! See [RFC 8949](https://www.rfc-editor.org/rfc/rfc8949). Two spellings of one number would be
//! two byte strings for one bundle, so only the shortest is read and written. Tags and items of
//! indefinite length are refused; the one indefinite array, around the bundle, is not read here.

use alloc::vec::Vec;

use nom::number::complete::be_u8;

use crate::error::{DecodeError, Fault, Parsed, fail};

/// The head of an array of indefinite length.
pub const INDEFINITE_ARRAY: u8 = 0x9f;
/// The octet that ends an item of indefinite length.
pub const BREAK: u8 = 0xff;

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;

/// Reads an unsigned integer, and returns its value and what follows it.
///
/// # Errors
///
/// The input ends too early, is another item, or the integer is not in its shortest form.
pub fn decode_uint(input: &[u8]) -> Result<(u64, &[u8]), DecodeError> {
    match uint(input) {
        Ok((rest, value)) => Ok((value, rest)),
        Err(error) => Err(DecodeError::locate(error, input)),
    }
}

/// Appends an unsigned integer.
#[inline]
pub fn encode_uint(value: u64, out: &mut Vec<u8>) {
    encode_head(UNSIGNED, value, out);
}

/// Appends unsigned integers that follow each other.
#[inline]
pub(crate) fn encode_uints<const N: usize>(values: [u64; N], out: &mut Vec<u8>) {
    // Most are below 24: then all of them are one store. No number is above all bits together.
    if values.iter().fold(0, |bits, value| bits | value) < 24 {
        out.extend_from_slice(&values.map(|value| value.to_le_bytes()[0]));
    } else {
        for value in values {
            encode_uint(value, out);
        }
    }
}

/// Appends a byte string.
pub fn encode_bytes(octets: &[u8], out: &mut Vec<u8>) {
    encode_head(BYTES, octets.len() as u64, out);
    out.extend_from_slice(octets);
}

/// Appends a text string.
pub fn encode_text(text: &str, out: &mut Vec<u8>) {
    encode_head(TEXT, text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Appends the head of an array of this many items.
#[inline]
pub fn encode_array(items: u64, out: &mut Vec<u8>) {
    encode_head(ARRAY, items, out);
}

/// Appends a truth value.
pub fn encode_bool(value: bool, out: &mut Vec<u8>) {
    out.push(if value { TRUE } else { FALSE });
}

/// The number of octets of the head of an item: the whole of an unsigned integer.
#[must_use]
#[inline]
pub const fn encoded_head_len(value: u64) -> usize {
    match value {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

#[inline]
fn encode_head(major: u8, value: u64, out: &mut Vec<u8>) {
    let [.., low] = value.to_be_bytes();
    if value < 24 {
        out.push(major << 5 | low);
    } else {
        encode_long_head(major << 5, value, out);
    }
}

fn encode_long_head(initial: u8, value: u64, out: &mut Vec<u8>) {
    // The head is built in full and appended at once: the argument is the low end of the value.
    let mut head = [0; 9];
    let length = encoded_head_len(value);
    let (info, shift) = match length {
        2 => (24, 56),
        3 => (25, 48),
        5 => (26, 32),
        _ => (27, 0),
    };
    head[0] = initial | info;
    head[1..].copy_from_slice(&(value << shift).to_be_bytes());
    let end = out.len() + length;
    // Nine octets are one store; so many as the length says would be a call.
    out.extend_from_slice(&head);
    out.truncate(end);
}

/// Appends a byte string whose octets a function appends.
///
/// The length is known only then. It mostly fits into the head's first octet, which is kept free;
/// longer octets move up.
pub(crate) fn encode_bytes_of(out: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>)) {
    let head = out.len();
    out.push(0);
    append(out);
    let length = out.len() - head - 1;
    let wanted = encoded_head_len(length as u64);
    if wanted == 1 {
        out[head] = BYTES << 5 | length.to_le_bytes()[0];
    } else {
        encode_head(BYTES, length as u64, out);
        out[head + 1..].rotate_right(wanted);
        out.remove(head);
    }
}

/// Parses the head of an item: its major type and its argument.
fn head(input: &[u8]) -> Parsed<'_, (u8, u64)> {
    let Some(initial) = input.first() else {
        return fail(input, Fault::Truncated);
    };
    let (rest, value) = argument(input)?;
    let major = initial >> 5;
    // The argument of a simple value is a value or a float, not a number.
    if major != SIMPLE && input.len() - rest.len() != encoded_head_len(value) {
        return fail(input, Fault::NotShortest);
    }
    Ok((rest, (major, value)))
}

#[inline]
fn head_of<'a>(major: u8, kind: &'static str, input: &'a [u8]) -> Parsed<'a, u64> {
    match input {
        // Most numbers are below 24: the first octet has all of them.
        [initial, rest @ ..] if initial ^ (major << 5) < 24 => {
            Ok((rest, u64::from(initial & 0x1f)))
        }
        _ => long_head_of(major, kind, input),
    }
}

fn long_head_of<'a>(major: u8, kind: &'static str, input: &'a [u8]) -> Parsed<'a, u64> {
    // The kind is in the first octet, so a wrong kind is seen before a wrong length.
    match input.first() {
        None => return fail(input, Fault::Truncated),
        Some(initial) if initial >> 5 != major => return fail(input, Fault::Expected(kind)),
        Some(_) => {}
    }
    let (rest, value) = argument(input)?;
    if input.len() - rest.len() != encoded_head_len(value) {
        return fail(input, Fault::NotShortest);
    }
    Ok((rest, value))
}

/// Parses the argument in the head of an item, whatever the type of the item and the spelling of
/// the argument.
#[inline]
fn argument(input: &[u8]) -> Parsed<'_, u64> {
    let Some((initial, after)) = input.split_first() else {
        return fail(input, Fault::Truncated);
    };
    let argument = match initial & 0x1f {
        info @ 0..=23 => return Ok((after, info.into())),
        24 => number::<1>(after),
        25 => number::<2>(after),
        26 => number::<4>(after),
        27 => number::<8>(after),
        _ => return fail(input, Fault::Expected("an item of definite length")),
    };
    match argument {
        Some((value, rest)) => Ok((rest, value)),
        None => fail(after, Fault::Truncated),
    }
}

/// Reads a number of so many octets, eight at most.
#[inline]
fn number<const LENGTH: usize>(input: &[u8]) -> Option<(u64, &[u8])> {
    let (octets, rest) = input.split_first_chunk::<LENGTH>()?;
    let mut whole = [0; 8];
    whole[8 - LENGTH..].copy_from_slice(octets);
    Some((u64::from_be_bytes(whole), rest))
}

/// Parses an unsigned integer.
#[inline]
pub(crate) fn uint(input: &[u8]) -> Parsed<'_, u64> {
    head_of(UNSIGNED, "an unsigned integer", input)
}

/// Parses the head of an array, and returns the number of its items.
pub(crate) fn array(input: &[u8]) -> Parsed<'_, u64> {
    head_of(ARRAY, "an array of definite length", input)
}

/// Parses the head of an array of two items.
pub(crate) fn pair(input: &[u8]) -> Parsed<'_, ()> {
    match array(input)? {
        (rest, 2) => Ok((rest, ())),
        _ => fail(input, Fault::Expected("an array of two items")),
    }
}

/// Parses a byte string.
pub(crate) fn bytes(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, length) = head_of(BYTES, "a byte string of definite length", input)?;
    octets(length, rest)
}

/// Parses a text string. The text is not checked.
pub(crate) fn text(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, length) = head_of(TEXT, "a text string of definite length", input)?;
    octets(length, rest)
}

/// Parses a truth value.
pub(crate) fn boolean(input: &[u8]) -> Parsed<'_, bool> {
    match be_u8(input)? {
        (rest, FALSE) => Ok((rest, false)),
        (rest, TRUE) => Ok((rest, true)),
        _ => fail(input, Fault::Expected("a truth value")),
    }
}

/// Parses any one item, and returns its octets.
pub(crate) fn item(input: &[u8]) -> Parsed<'_, &[u8]> {
    let mut rest = input;
    // Items that are still to come. Nested arrays add to it, so depth costs no stack.
    let mut wanted = 1_u64;
    while wanted > 0 {
        let (after, (major, value)) = head(rest)?;
        let (after, nested) = match major {
            BYTES | TEXT => (octets(value, after)?.0, 0),
            ARRAY => (after, value),
            MAP => (after, value.saturating_mul(2)),
            TAG => return fail(rest, Fault::Expected("an item without a tag")),
            _ => (after, 0),
        };
        wanted = (wanted - 1).saturating_add(nested);
        rest = after;
    }
    Ok((rest, &input[..input.len() - rest.len()]))
}

#[inline]
fn octets(length: u64, input: &[u8]) -> Parsed<'_, &[u8]> {
    let length = usize::try_from(length).ok();
    match length.and_then(|length| input.split_at_checked(length)) {
        Some((octets, rest)) => Ok((rest, octets)),
        None => fail(input, Fault::Truncated),
    }
}

#[cfg(test)]
mod tests {
    use super::{Vec, array, bytes, decode_uint, encode_uint, item, text};
    use crate::error::{DecodeError, Fault};

    #[test]
    fn integers_at_every_width() {
        let widths = [
            (23, 1),
            (24, 2),
            (255, 2),
            (256, 3),
            (65_535, 3),
            (65_536, 5),
            (u64::MAX, 9),
        ];
        for (value, length) in widths {
            let mut out = Vec::new();
            encode_uint(value, &mut out);
            assert_eq!(out.len(), length);
            assert_eq!(decode_uint(&out), Ok((value, &[][..])));
        }
    }

    #[test]
    fn longer_spellings_are_refused() {
        let longer: [&[u8]; 4] = [
            &[0x18, 23],
            &[0x19, 0, 255],
            &[0x1a, 0, 0, 1, 0],
            &[0x1b, 0, 0, 0, 0, 0, 0, 1, 0],
        ];
        for input in longer {
            assert_eq!(
                decode_uint(input).map_err(|error| error.fault),
                Err(Fault::NotShortest)
            );
        }
    }

    #[test]
    fn wrong_kinds_are_refused() {
        let fault = |error| DecodeError::locate(error, &[]).fault;
        assert!(matches!(
            bytes(&[0x61, 0x61]).map_err(fault),
            Err(Fault::Expected(_))
        ));
        assert!(matches!(
            bytes(&[0x5f, 0xff]).map_err(fault),
            Err(Fault::Expected(_))
        ));
        assert!(matches!(
            text(&[0x41, 0x61]).map_err(fault),
            Err(Fault::Expected(_))
        ));
        assert!(matches!(
            array(&[0x9f, 0xff]).map_err(fault),
            Err(Fault::Expected(_))
        ));
        assert!(matches!(
            item(&[0xc0, 0]).map_err(fault),
            Err(Fault::Expected(_))
        ));
    }

    #[test]
    fn any_item_is_taken_whole() {
        let nested = [0x82, 0x82, 1, 0x41, 7, 0xa1, 0xf6, 0x80, 9];
        assert_eq!(
            item(&nested).expect("the item is well formed"),
            (&[9][..], &nested[..8])
        );
        let endless = [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        item(&endless).expect_err("the items are missing");
    }
}
