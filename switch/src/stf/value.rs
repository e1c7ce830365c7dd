// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Numbers of a test, whose digits say how much of a key they cover.

use std::str::FromStr;

use p4::ir::{Const, Match, MatchKind, limb_count};

use crate::engine::tables::prefix_mask;

/// A number, digit by digit; a `*` stands for a digit that may be anything.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Value {
    /// Bits of each digit; none for a decimal number.
    digit_bits: Option<u32>,
    digits: Vec<Option<u8>>,
    prefix_len: Option<u32>,
}

/// A number that does not fit where it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// It is no number.
    #[error("not a number")]
    Malformed,
    /// It needs more bits.
    #[error("number needs more than {width} bits")]
    TooWide {
        /// Bits that there are.
        width: u32,
    },
    /// A `*` or a prefix stands where only a number makes sense.
    #[error("number must be complete")]
    Partial,
}

impl FromStr for Value {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, prefix) = match text.split_once('/') {
            Some((number, prefix)) => (number, Some(prefix)),
            None => (text, None),
        };
        let prefix_len = prefix.map(str::parse).transpose();
        let prefix_len = prefix_len.map_err(|_| ValueError::Malformed)?;
        let lower = number.to_ascii_lowercase();
        let (digit_bits, digits) = match lower.get(..2) {
            Some("0x") => (Some(4), &lower[2..]),
            Some("0o") => (Some(3), &lower[2..]),
            Some("0b") => (Some(1), &lower[2..]),
            _ => (None, lower.as_str()),
        };
        let radix = digit_bits.map_or(10, |bits| 1 << bits);
        let digit = |c: char| match c {
            '*' if digit_bits.is_some() => Ok(None),
            c => match c.to_digit(radix).map(u8::try_from) {
                Some(Ok(digit)) => Ok(Some(digit)),
                _ => Err(ValueError::Malformed),
            },
        };
        let digits: Vec<_> = digits.chars().map(digit).collect::<Result<_, _>>()?;
        if digits.is_empty() {
            return Err(ValueError::Malformed);
        }
        Ok(Self {
            digit_bits,
            digits,
            prefix_len,
        })
    }
}

impl Value {
    /// The number, of that width.
    ///
    /// # Errors
    ///
    /// If it does not fit, or some of it may be anything.
    pub fn number(&self, width: u32) -> Result<Const, ValueError> {
        if self.prefix_len.is_some() || self.digits.contains(&None) {
            return Err(ValueError::Partial);
        }
        self.bits(width, |digit| digit.unwrap_or(0))
    }

    /// What a key of that kind and width compares with.
    ///
    /// # Errors
    ///
    /// If the number does not fit the key.
    pub fn pattern(&self, kind: MatchKind, width: u32) -> Result<Match, ValueError> {
        Ok(match kind {
            MatchKind::Lpm => self.prefix(width)?,
            MatchKind::Ternary => self.ternary(width)?,
            MatchKind::Optional if self.digits.iter().all(Option::is_none) => Match::Any,
            MatchKind::Range => {
                let number = self.number(width)?;
                Match::Range {
                    low: number.clone(),
                    high: number,
                }
            }
            MatchKind::Exact | MatchKind::Optional | MatchKind::Selector => {
                Match::Exact(self.number(width)?)
            }
        })
    }

    /// A prefix is as long as it says, or as its digits are.
    fn prefix(&self, width: u32) -> Result<Match, ValueError> {
        let known = self.digits.iter().flatten().count();
        let known = u32::try_from(known).unwrap_or(u32::MAX);
        let by_digits = self
            .digit_bits
            .map_or(width, |bits| known.saturating_mul(bits));
        let prefix_len = self.prefix_len.unwrap_or(by_digits).min(width);
        let value = self.bits(width, |digit| digit.unwrap_or(0))?;
        let mask = prefix_mask(width, prefix_len);
        Ok(match prefix_len {
            0 => Match::Any,
            _ => Match::Lpm {
                value: and(&value, &mask),
                prefix_len,
            },
        })
    }

    /// The digits that are there count, also if the key is wider.
    fn ternary(&self, width: u32) -> Result<Match, ValueError> {
        let value = self.bits(width, |digit| digit.unwrap_or(0))?;
        let Some(bits) = self.digit_bits else {
            let mask = Const::ones(width);
            return Ok(Match::Ternary { value, mask });
        };
        let ones = (1_u8 << bits) - 1;
        // A mask may reach beyond the key, a value may not.
        let mask = self.wide_bits(|digit| digit.map_or(0, |_| ones));
        let mask = Const::from_limbs(width, mask);
        if mask.is_zero() {
            return Ok(Match::Any);
        }
        Ok(Match::Ternary { value, mask })
    }

    fn bits(&self, width: u32, of: impl Fn(Option<u8>) -> u8) -> Result<Const, ValueError> {
        let mut limbs = self.wide_bits(of);
        limbs.resize(limbs.len().max(limb_count(width)), 0);
        let value = Const::from_limbs(width, limbs.clone());
        let fits = limbs
            .iter()
            .enumerate()
            .all(|(at, limb)| value.limbs.get(at).copied().unwrap_or(0) == *limb);
        fits.then_some(value).ok_or(ValueError::TooWide { width })
    }

    /// All digits as one number, however wide.
    fn wide_bits(&self, of: impl Fn(Option<u8>) -> u8) -> Vec<u64> {
        let radix = self.digit_bits.map_or(10, |bits| 1 << bits);
        let mut limbs: Vec<u64> = vec![0];
        for digit in &self.digits {
            let mut carry = u128::from(of(*digit));
            for limb in &mut limbs {
                carry += u128::from(*limb) * radix;
                *limb = u64::try_from(carry & u128::from(u64::MAX)).unwrap_or(u64::MAX);
                carry >>= 64;
            }
            if carry != 0 {
                limbs.push(u64::try_from(carry).unwrap_or(u64::MAX));
            }
        }
        limbs
    }
}

fn and(a: &Const, b: &Const) -> Const {
    let limbs = a.limbs.iter().zip(&b.limbs).map(|(a, b)| a & b);
    Const::from_limbs(a.width, limbs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        text: &str,
        kind: MatchKind,
        width: u32,
        expected: impl Into<Result<Match, ValueError>>,
    ) {
        let value: Value = text.parse().expect("a number");
        let found = value.pattern(kind, width);
        assert_eq!(found, expected.into(), "{text}");
    }

    #[test]
    fn digits_decide_what_counts() {
        let number = |value| Const::new(16, value);
        let exact = |value| Ok(Match::Exact(number(value)));
        check("0x12", MatchKind::Exact, 16, exact(0x12));
        check("300", MatchKind::Exact, 16, exact(300));
        check("0b101", MatchKind::Exact, 16, exact(5));
        check("0x1*", MatchKind::Exact, 16, Err(ValueError::Partial));
        let wide = Err(ValueError::TooWide { width: 16 });
        check("0x1ffff", MatchKind::Exact, 16, wide);
        let ternary = |value, mask| {
            let (value, mask) = (number(value), number(mask));
            Ok(Match::Ternary { value, mask })
        };
        check("0x25**", MatchKind::Ternary, 16, ternary(0x2500, 0xff00));
        check("0x25", MatchKind::Ternary, 16, ternary(0x25, 0xff));
        check("0x****", MatchKind::Ternary, 16, Ok(Match::Any));
        let lpm = |value, prefix_len| {
            let value = number(value);
            Ok(Match::Lpm { value, prefix_len })
        };
        check("0x12**", MatchKind::Lpm, 16, lpm(0x1200, 8));
        check("0x1234/12", MatchKind::Lpm, 16, lpm(0x1230, 12));
        check("0x1234", MatchKind::Lpm, 16, lpm(0x1234, 16));
        check("0/0", MatchKind::Lpm, 16, Ok(Match::Any));
    }

    #[test]
    fn numbers_may_be_wide() {
        let value: Value = "0x0123456789abcdef0123456789abcdef"
            .parse()
            .expect("a number");
        let limbs = vec![0x0123_4567_89ab_cdef; 2];
        let expected = Const::from_limbs(128, limbs);
        assert_eq!(value.number(128), Ok(expected));
        assert_eq!("0x".parse::<Value>(), Err(ValueError::Malformed));
        assert_eq!("12f".parse::<Value>(), Err(ValueError::Malformed));
    }
}
