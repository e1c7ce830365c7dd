// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Arithmetic on values wider than 64 bits: little-endian slices of 64-bit limbs.
//!
//! Callers keep the unused bits of the highest limb zero; every function that could set them
//! takes the width and clears them again ([`trim`]).

use std::cmp::Ordering;

use super::bits::mask;

/// Limbs of the widest value (2048 bits), which bounds the buffers on the stack.
pub(crate) const MAX_LIMBS: usize = 32;

/// A value on the stack while an operation works on it.
pub(crate) type Buffer = [u64; MAX_LIMBS];

/// Clears the bits above `width_bits`.
pub(crate) fn trim(value: &mut [u64], width_bits: u32) {
    let partial = width_bits % 64;
    let full = (width_bits / 64) as usize;
    if let Some(limb) = value.get_mut(full) {
        *limb &= if partial == 0 { 0 } else { mask(partial) };
    }
    if let Some(rest) = value.get_mut(full + 1..) {
        rest.fill(0);
    }
}

/// Adds `b` to `a`; returns the carry out of the highest limb.
pub(crate) fn add(a: &mut [u64], b: &[u64]) -> bool {
    let mut carry = false;
    for (x, y) in a.iter_mut().zip(b) {
        let (sum, first) = x.overflowing_add(*y);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        *x = sum;
        carry = first | second;
    }
    carry
}

/// Subtracts `b` from `a`; returns the borrow.
pub(crate) fn sub(a: &mut [u64], b: &[u64]) -> bool {
    let mut borrow = false;
    for (x, y) in a.iter_mut().zip(b) {
        let (difference, first) = x.overflowing_sub(*y);
        let (difference, second) = difference.overflowing_sub(u64::from(borrow));
        *x = difference;
        borrow = first | second;
    }
    borrow
}

/// The low limbs of `a * b`, as many as `into` holds.
pub(crate) fn mul(into: &mut [u64], a: &[u64], b: &[u64]) {
    into.fill(0);
    for (i, x) in a.iter().enumerate().filter(|(_, x)| **x != 0) {
        let mut carry = 0u128;
        let Some(row) = into.get_mut(i..) else { return };
        for (sum, y) in row.iter_mut().zip(b.iter().chain(std::iter::repeat(&0))) {
            let step = u128::from(*x) * u128::from(*y) + u128::from(*sum) + carry;
            *sum = step as u64;
            carry = step >> 64;
        }
    }
}

/// Shifts left by `amount` bits; bits beyond the highest limb are lost.
pub(crate) fn shl(value: &mut [u64], amount: usize) {
    let (whole, part) = (amount / 64, amount % 64);
    let n = value.len();
    if whole >= n {
        return value.fill(0);
    }
    for i in (0..n).rev() {
        let high = if i >= whole { value[i - whole] } else { 0 };
        let low = if i > whole { value[i - whole - 1] } else { 0 };
        value[i] = if part == 0 {
            high
        } else {
            high << part | low >> (64 - part)
        };
    }
}

/// Shifts right by `amount` bits, moving zeros in.
pub(crate) fn shr(value: &mut [u64], amount: usize) {
    let (whole, part) = (amount / 64, amount % 64);
    let n = value.len();
    if whole >= n {
        return value.fill(0);
    }
    for i in 0..n {
        let low = value.get(i + whole).copied().unwrap_or(0);
        let high = value.get(i + whole + 1).copied().unwrap_or(0);
        value[i] = if part == 0 {
            low
        } else {
            low >> part | high << (64 - part)
        };
    }
}

/// Copies the sign bit of a `width_bits` wide value into all higher limbs of the slice.
pub(crate) fn sign_extend(value: &mut [u64], width_bits: u32) {
    if width_bits == 0 || !bit(value, width_bits - 1) {
        return;
    }
    let partial = width_bits % 64;
    let full = (width_bits / 64) as usize;
    if let Some(limb) = value.get_mut(full) {
        *limb |= if partial == 0 {
            u64::MAX
        } else {
            !mask(partial)
        };
    }
    if let Some(rest) = value.get_mut(full + 1..) {
        rest.fill(u64::MAX);
    }
}

/// Whether bit number `index` is set.
pub(crate) fn bit(value: &[u64], index: u32) -> bool {
    value
        .get((index / 64) as usize)
        .is_some_and(|limb| limb >> (index % 64) & 1 == 1)
}

/// Compares unsigned values of equal length.
pub(crate) fn compare(a: &[u64], b: &[u64]) -> Ordering {
    a.iter().rev().cmp(b.iter().rev())
}

/// Compares two's-complement values of `width_bits`.
pub(crate) fn compare_signed(a: &[u64], b: &[u64], width_bits: u32) -> Ordering {
    match (bit(a, width_bits - 1), bit(b, width_bits - 1)) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        _ => compare(a, b),
    }
}

/// Quotient and remainder by long division; `None` if the divisor is zero.
pub(crate) fn div_rem(a: &[u64], b: &[u64]) -> Option<(Buffer, Buffer)> {
    if b.iter().all(|limb| *limb == 0) {
        return None;
    }
    let n = a.len();
    let (mut quotient, mut remainder) = ([0; MAX_LIMBS], [0; MAX_LIMBS]);
    for index in (0..n * 64).rev() {
        let lost = bit(&remainder[..n], (n * 64 - 1) as u32);
        shl(&mut remainder[..n], 1);
        remainder[0] |= a[index / 64] >> (index % 64) & 1;
        if lost || compare(&remainder[..n], b) != Ordering::Less {
            sub(&mut remainder[..n], b);
            quotient[index / 64] |= 1 << (index % 64);
        }
    }
    Some((quotient, remainder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(value: u128) -> [u64; 2] {
        [value as u64, (value >> 64) as u64]
    }

    fn joined(limbs: &[u64]) -> u128 {
        u128::from(limbs[0]) | u128::from(limbs[1]) << 64
    }

    /// Two limbs must agree with the machine's own 128-bit arithmetic.
    #[test]
    fn agrees_with_u128() {
        let samples = [
            0,
            1,
            7,
            u128::from(u64::MAX),
            1 << 64,
            u128::MAX,
            0x1234_5678_9abc_def0 << 50,
        ];
        for a in samples {
            for b in samples {
                let mut x = pair(a);
                add(&mut x, &pair(b));
                assert_eq!(joined(&x), a.wrapping_add(b));
                let mut x = pair(a);
                assert_eq!(sub(&mut x, &pair(b)), a < b);
                assert_eq!(joined(&x), a.wrapping_sub(b));
                let mut product = [0; 2];
                mul(&mut product, &pair(a), &pair(b));
                assert_eq!(joined(&product), a.wrapping_mul(b));
                assert_eq!(compare(&pair(a), &pair(b)), a.cmp(&b));
                let signed = (a.cast_signed()).cmp(&b.cast_signed());
                assert_eq!(compare_signed(&pair(a), &pair(b), 128), signed);
                match div_rem(&pair(a), &pair(b)) {
                    None => assert_eq!(b, 0),
                    Some((q, r)) => assert_eq!((joined(&q), joined(&r)), (a / b, a % b)),
                }
            }
            for amount in [0, 1, 63, 64, 65, 127, 128, 4000] {
                let mut x = pair(a);
                shl(&mut x, amount);
                assert_eq!(joined(&x), a.checked_shl(amount as u32).unwrap_or(0));
                let mut x = pair(a);
                shr(&mut x, amount);
                assert_eq!(joined(&x), a.checked_shr(amount as u32).unwrap_or(0));
            }
        }
    }

    #[test]
    fn sign_extension_and_trim_are_inverse() {
        let mut value = [1 << 35, 0, 0];
        sign_extend(&mut value, 36);
        assert_eq!(value, [!0 << 35, !0, !0]);
        trim(&mut value, 36);
        assert_eq!(value, [1 << 35, 0, 0]);
    }
}
