// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Self-delimiting numeric values, the integers of version 6.
//!
//! See [RFC 6256](https://www.rfc-editor.org/rfc/rfc6256). Values have 64 bits here. Padded values
//! (`80 05` for 5) are accepted up to ten octets, because bplib sends them, and never written.

use alloc::vec::Vec;

use crate::error::{DecodeError, Fault, Parsed, fail};

/// The most octets that an SDNV may have: ten hold 64 bits.
pub const MAX_LEN: usize = 10;

/// Reads an SDNV, and returns its value and what follows it.
///
/// # Errors
///
/// The input ends inside the SDNV, or the value is too long.
pub fn decode(input: &[u8]) -> Result<(u64, &[u8]), DecodeError> {
    match sdnv(input) {
        Ok((rest, value)) => Ok((value, rest)),
        Err(error) => Err(DecodeError::locate(error, input)),
    }
}

/// Appends an SDNV in its shortest form.
#[inline]
pub fn encode(value: u64, out: &mut Vec<u8>) {
    if value < 0x80 {
        out.push(low_seven_bits(value));
    } else {
        encode_long(value, out);
    }
}

fn encode_long(value: u64, out: &mut Vec<u8>) {
    let length = encoded_len(value);
    let mut octets = [0; MAX_LEN];
    let mut left = value;
    for octet in octets[..length].iter_mut().rev() {
        *octet = low_seven_bits(left) | 0x80;
        left >>= 7;
    }
    octets[length - 1] &= 0x7f;
    let end = out.len() + length;
    // Ten octets are one store or two; so many as the length says would be a call.
    out.extend_from_slice(&octets);
    out.truncate(end);
}

/// Appends SDNVs that follow each other.
#[inline]
pub(crate) fn encode_all<const N: usize>(values: [u64; N], out: &mut Vec<u8>) {
    // Most are below 128: then all of them are one store.
    if values.iter().fold(0, |bits, value| bits | value) < 0x80 {
        out.extend_from_slice(&values.map(low_seven_bits));
    } else {
        for value in values {
            encode(value, out);
        }
    }
}

/// Appends a count and the octets that it counts, which a function appends.
///
/// The count is known only then. It mostly has one octet, which is kept free; longer octets move
/// up.
pub(crate) fn encode_counted(out: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>)) {
    let head = out.len();
    out.push(0);
    append(out);
    let count = out.len() - head - 1;
    if count < 0x80 {
        out[head] = low_seven_bits(count as u64);
    } else {
        encode(count as u64, out);
        out[head + 1..].rotate_right(encoded_len(count as u64));
        out.remove(head);
    }
}

/// The number of octets that [`encode`] appends.
#[must_use]
pub const fn encoded_len(value: u64) -> usize {
    let bits = u64::BITS - value.leading_zeros();
    if bits == 0 {
        1
    } else {
        bits.div_ceil(7) as usize
    }
}

#[inline]
fn low_seven_bits(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

#[inline]
pub(crate) fn sdnv(input: &[u8]) -> Parsed<'_, u64> {
    match input {
        // Most numbers have one octet.
        [octet @ 0..0x80, rest @ ..] => Ok((rest, u64::from(*octet))),
        _ => long_sdnv(input),
    }
}

fn long_sdnv(input: &[u8]) -> Parsed<'_, u64> {
    let mut value = 0_u64;
    let mut rest = input;
    while let Some((octet, after)) = rest.split_first() {
        if value > u64::MAX >> 7 || input.len() - rest.len() == MAX_LEN {
            return fail(input, Fault::IntegerTooLong);
        }
        value = value << 7 | u64::from(octet & 0x7f);
        rest = after;
        if octet & 0x80 == 0 {
            return Ok((rest, value));
        }
    }
    let fault = if input.len() < MAX_LEN {
        Fault::Truncated
    } else {
        Fault::IntegerTooLong
    };
    fail(input, fault)
}

#[cfg(test)]
mod tests {
    use super::{Vec, decode, encode, encoded_len};
    use crate::error::Fault;

    #[track_caller]
    fn check(value: u64, octets: &[u8]) {
        let mut out = Vec::new();
        encode(value, &mut out);
        assert_eq!(out, octets);
        assert_eq!(encoded_len(value), octets.len());
        assert_eq!(decode(octets), Ok((value, &[][..])));
    }

    #[test]
    fn worked_examples() {
        check(0, &[0]);
        check(0x7f, &[0x7f]);
        check(128, &[0x81, 0]);
        check(0xabc, &[0x95, 0x3c]);
        check(0x1234, &[0xa4, 0x34]);
        check(0x4234, &[0x81, 0x84, 0x34]);
        check(
            u64::MAX,
            &[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        );
    }

    #[test]
    fn padding_is_accepted_up_to_ten_octets() {
        assert_eq!(decode(&[0x80, 0x80, 5]), Ok((5, &[][..])));
        let ten = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 5, 6];
        assert_eq!(decode(&ten), Ok((5, &[6][..])));
    }

    #[test]
    fn too_long_and_truncated() {
        let fault = |input: &[u8]| decode(input).expect_err("the input is bad").fault;
        assert_eq!(fault(&[0x80; 11]), Fault::IntegerTooLong);
        assert_eq!(fault(&[0x80; 10]), Fault::IntegerTooLong);
        assert_eq!(fault(&[0x80; 9]), Fault::Truncated);
        assert_eq!(fault(&[]), Fault::Truncated);
        let above = [0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0];
        assert_eq!(fault(&above), Fault::IntegerTooLong);
    }
}
