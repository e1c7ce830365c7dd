// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Canonical byte strings: the form in which P4Runtime writes numbers of any width.

use std::{cmp::Ordering, fmt};

/// An unsigned number in canonical form: big endian, the fewest octets, zero as one octet.
///
/// See [P4Runtime §9.1](https://p4.org/p4-spec/p4runtime/v1.5.0/P4Runtime-Spec.html#sec-bytestrings).
/// Two values are equal if their numbers are, however many octets they arrived in.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Bits(Vec<u8>);

impl Bits {
    /// Takes a byte string from the wire. An empty one is zero, as older servers have it.
    #[must_use]
    pub fn from_wire(bytes: &[u8]) -> Self {
        Self(canonical(bytes).to_vec())
    }

    /// The octets in canonical form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The octets in canonical form, to be put into a message.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        self.0.clone()
    }

    /// The number, or `None` if it needs more than 128 bits.
    #[must_use]
    pub fn to_uint(&self) -> Option<u128> {
        if self.0.len() > 16 {
            return None;
        }
        Some(
            self.0
                .iter()
                .fold(0, |sum, octet| sum << 8 | u128::from(*octet)),
        )
    }

    /// How many bits the number needs; none for zero.
    #[must_use]
    pub fn len_bits(&self) -> usize {
        let first = self.0.first().copied().unwrap_or(0);
        self.0.len() * 8 - first.leading_zeros() as usize
    }

    /// Whether the number fits into a field of `width_bits`.
    #[must_use]
    pub fn fits(&self, width_bits: u32) -> bool {
        self.len_bits() <= width_bits as usize
    }

    /// The octets of a field of `width_bits`, with leading zeros. A larger number keeps its length.
    #[must_use]
    pub fn to_octets(&self, width_bits: u32) -> Vec<u8> {
        let len = width_bits.div_ceil(8) as usize;
        let mut octets = vec![0; len.saturating_sub(self.0.len())];
        octets.extend_from_slice(&self.0);
        octets.split_off(octets.len().saturating_sub(len.max(self.0.len())))
    }

    /// The number whose first `prefix_bits` of `width_bits` are set.
    #[must_use]
    pub fn prefix_mask(prefix_bits: u32, width_bits: u32) -> Self {
        let padding = width_bits.div_ceil(8) * 8 - width_bits;
        let (from, to) = (padding, padding + prefix_bits.min(width_bits));
        let octets: Vec<u8> = (0..width_bits.div_ceil(8))
            .map(|octet| {
                (0..8).fold(0, |sum, bit| {
                    let place = octet * 8 + bit;
                    sum << 1 | u8::from((from..to).contains(&place))
                })
            })
            .collect();
        Self::from_wire(&octets)
    }

    /// The bits that are set in both numbers.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let pairs = self.0.iter().rev().zip(other.0.iter().rev());
        let mut octets: Vec<u8> = pairs.map(|(left, right)| left & right).collect();
        octets.reverse();
        Self::from_wire(&octets)
    }

    /// Whether the number is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|octet| *octet == 0)
    }
}

impl From<u128> for Bits {
    fn from(number: u128) -> Self {
        Self::from_wire(&number.to_be_bytes())
    }
}

impl From<u64> for Bits {
    fn from(number: u64) -> Self {
        Self::from_wire(&number.to_be_bytes())
    }
}

impl From<u32> for Bits {
    fn from(number: u32) -> Self {
        Self::from_wire(&number.to_be_bytes())
    }
}

impl Ord for Bits {
    fn cmp(&self, other: &Self) -> Ordering {
        // Without leading zeros the longer number is the larger one.
        self.0
            .len()
            .cmp(&other.0.len())
            .then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Bits {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:x}")
    }
}

impl fmt::LowerHex for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        write!(f, "{first:#x}")?;
        rest.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// The canonical form of a byte string: no leading zero octets, but at least one octet.
#[must_use]
pub fn canonical(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|octet| **octet == 0).count();
    match bytes.get(zeros..) {
        Some(rest) if !rest.is_empty() => rest,
        _ => &[0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wire: &[u8], expected: &[u8], len_bits: usize) {
        let bits = Bits::from_wire(wire);
        assert_eq!(bits.as_bytes(), expected, "{wire:?}");
        assert_eq!(bits.len_bits(), len_bits, "{wire:?}");
    }

    #[test]
    fn leading_zeros_are_dropped_but_one_octet_stays() {
        check(&[], &[0], 0);
        check(&[0], &[0], 0);
        check(&[0, 0, 0], &[0], 0);
        check(&[0, 7], &[7], 3);
        check(&[1, 0], &[1, 0], 9);
        check(&[0xff, 0xff], &[0xff, 0xff], 16);
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(Bits::from(255_u32) < Bits::from(256_u32));
        assert_eq!(Bits::from_wire(&[0, 0, 9]), Bits::from(9_u64));
        assert!(Bits::from(256_u32).fits(9) && !Bits::from(512_u32).fits(9));
    }

    #[test]
    fn masks_follow_the_width() {
        assert_eq!(Bits::prefix_mask(8, 32), Bits::from(0xff00_0000_u32));
        assert_eq!(Bits::prefix_mask(0, 32), Bits::from(0_u32));
        assert_eq!(Bits::prefix_mask(9, 9), Bits::from(0x1ff_u32));
        assert_eq!(Bits::prefix_mask(1, 9), Bits::from(0x100_u32));
        assert_eq!(Bits::prefix_mask(128, 128), Bits::from(u128::MAX));
    }

    #[test]
    fn octets_have_the_length_of_the_field() {
        assert_eq!(Bits::from(1_u32).to_octets(48), [0, 0, 0, 0, 0, 1]);
        assert_eq!(Bits::from(0_u32).to_octets(9), [0, 0]);
        assert_eq!(Bits::from(0x0001_0203_u32).to_octets(8), [1, 2, 3]);
        assert_eq!(format!("{:x}", Bits::from(0x0a00_0001_u32)), "0xa000001");
    }

    #[test]
    fn and_lines_up_the_low_ends() {
        let net = Bits::from(0x0a01_0203_u32).and(&Bits::prefix_mask(8, 32));
        assert_eq!(net, Bits::from(0x0a00_0000_u32));
        assert!(Bits::from(0xf00_u32).and(&Bits::from(0xff_u32)).is_zero());
    }
}
