// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Byte strings of the protocol and values of the engine.

use p4::ir::{Const, limb_count};
use tonic::{Code, Status};

/// Reads a byte string as a value of that width.
/// See [P4Runtime §8.3](https://p4.org/p4-spec/p4runtime/v1.5.0/P4Runtime-Spec.html#sec-bytestrings).
pub(crate) fn parse(bytes: &[u8], width: u32) -> Result<Const, Status> {
    if bytes.is_empty() {
        return Err(Status::out_of_range("empty byte string; zero is one octet"));
    }
    let first = bytes
        .iter()
        .position(|octet| *octet != 0)
        .unwrap_or(bytes.len() - 1);
    let significant = &bytes[first..];
    let leading = significant[0].leading_zeros();
    let bits = (significant.len() as u64 * 8).saturating_sub(u64::from(leading));
    if bits > u64::from(width) {
        let message = format!("value needs {bits} bits, the field has {width}");
        return Err(Status::new(Code::OutOfRange, message));
    }
    let mut limbs = vec![0; limb_count(width)];
    for (index, octet) in significant.iter().rev().enumerate() {
        limbs[index / 8] |= u64::from(*octet) << (index % 8 * 8);
    }
    Ok(Const::from_limbs(width, limbs))
}

/// Writes a value in canonical form: as few octets as it needs, at least one.
pub(crate) fn print(value: &Const) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let first = bytes.iter().position(|octet| *octet != 0);
    let first = first.unwrap_or(bytes.len().saturating_sub(1));
    bytes[first..].to_vec()
}

/// Cuts the limbs of several values of known widths apart.
pub(crate) fn split(limbs: &[u64], widths: impl IntoIterator<Item = u32>) -> Vec<Const> {
    let mut rest = limbs;
    let take = |width: u32| {
        let (value, after) = rest.split_at(limb_count(width).min(rest.len()));
        rest = after;
        Const::from_limbs(width, value.to_vec())
    };
    widths.into_iter().map(take).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], width: u32, expected: Result<&[u8], Code>) {
        let found = parse(bytes, width)
            .map(|value| print(&value))
            .map_err(|error| error.code());
        assert_eq!(
            found,
            expected.map(<[u8]>::to_vec),
            "{bytes:?} as bit<{width}>"
        );
    }

    #[test]
    fn byte_strings_are_read_leniently_and_written_canonically() {
        check(&[0], 9, Ok(&[0]));
        check(&[0, 7], 9, Ok(&[7]));
        check(&[1, 0xff], 9, Ok(&[1, 0xff]));
        check(&[2, 0], 9, Err(Code::OutOfRange));
        check(&[], 9, Err(Code::OutOfRange));
        check(&[0xff; 8], 64, Ok(&[0xff; 8]));
        check(&[1, 0, 0, 0, 0, 0, 0, 0, 0], 64, Err(Code::OutOfRange));
        check(
            &[1, 0, 0, 0, 0, 0, 0, 0, 0],
            65,
            Ok(&[1, 0, 0, 0, 0, 0, 0, 0, 0]),
        );
    }
}
