// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Values and matches as people write them.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, Ipv6Addr},
};

use crate::bits::Bits;

/// What one field of a table key must be.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Match {
    /// The field equals the value.
    Exact(Bits),
    /// The first `prefix_len` bits of the field equal those of the value.
    Lpm {
        /// The value; all bits after the prefix are zero.
        value: Bits,
        /// Length of the prefix in bits, from 1 to the width.
        prefix_len: u32,
    },
    /// The field equals the value in the bits of the mask.
    Ternary {
        /// The value; all bits outside of the mask are zero.
        value: Bits,
        /// The bits that matter; not zero.
        mask: Bits,
    },
    /// The field lies between both values.
    Range {
        /// The smallest value.
        low: Bits,
        /// The largest value.
        high: Bits,
    },
    /// The field equals the value, in a table where it may also be left out.
    Optional(Bits),
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MatchKind {
    /// Equal; every entry states the field.
    Exact,
    /// Longest prefix.
    Lpm,
    /// Value and mask.
    Ternary,
    /// Lowest and highest value.
    Range,
    /// Equal, or left out.
    Optional,
}

impl MatchKind {
    /// Whether a table with such a field orders its entries by priority.
    #[must_use]
    pub fn has_priority(self) -> bool {
        matches!(self, Self::Ternary | Self::Range | Self::Optional)
    }

    /// The word of the P4 language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Lpm => "lpm",
            Self::Ternary => "ternary",
            Self::Range => "range",
            Self::Optional => "optional",
        }
    }
}

/// How a value is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// `42`
    Decimal,
    /// `0x2a`
    Hex,
    /// `10.0.0.1`
    Ipv4,
    /// `fd00::1`
    Ipv6,
    /// `02:00:00:00:00:01`
    Mac,
}

/// Why a text is not a value or match.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The text has none of the known forms.
    #[error("{0:?} is not a number, 0x number, IPv4, IPv6 or MAC address")]
    Unreadable(String),
    /// The number needs more bits than the field has.
    #[error("{text:?} does not fit into {width_bits} bits")]
    TooWide {
        /// What was written.
        text: String,
        /// Width of the field.
        width_bits: u32,
    },
    /// An address has another width than the field.
    #[error("{text:?} is an address of {address_bits} bits, but the field has {width_bits}")]
    AddressWidth {
        /// What was written.
        text: String,
        /// Width of the address.
        address_bits: u32,
        /// Width of the field.
        width_bits: u32,
    },
    /// A prefix length is not a number or exceeds the width.
    #[error("prefix length in {text:?} is not a number from 0 to {width_bits}")]
    PrefixLength {
        /// What was written.
        text: String,
        /// Width of the field.
        width_bits: u32,
    },
    /// Bits are set that the prefix or mask says do not matter.
    #[error("{0:?} sets bits outside of its prefix or mask")]
    BitsOutside(String),
    /// A range whose ends are the wrong way round.
    #[error("range {0:?} is empty")]
    EmptyRange(String),
    /// An exact field cannot be left open.
    #[error("an exact field needs a value")]
    Open,
}

/// Reads a value: `10.0.0.1`, `fd00::1`, `02:00:00:00:00:01`, `0x2a` or `42`.
///
/// # Errors
/// Says which rule the text breaks; see [`ValueError`].
pub fn parse(text: &str, width_bits: u32) -> Result<Bits, ValueError> {
    let text = text.trim();
    if let Some((bits, address_bits)) = address(text) {
        if address_bits != width_bits {
            return Err(ValueError::AddressWidth {
                text: text.to_owned(),
                address_bits,
                width_bits,
            });
        }
        return Ok(bits);
    }
    let bits = number(text).ok_or_else(|| ValueError::Unreadable(text.to_owned()))?;
    if !bits.fits(width_bits) {
        return Err(ValueError::TooWide {
            text: text.to_owned(),
            width_bits,
        });
    }
    Ok(bits)
}

/// Reads a match of one kind; `None` is "any value", written `*`.
///
/// | Kind | Forms |
/// | --- | --- |
/// | exact | `value` |
/// | lpm | `value/length`, `value` |
/// | ternary | `value&&&mask`, `value/length`, `value` |
/// | range | `low..high`, `value` |
/// | optional | `value` |
///
/// # Errors
/// Says which rule the text breaks; see [`ValueError`].
pub fn parse_match(
    text: &str,
    kind: MatchKind,
    width_bits: u32,
) -> Result<Option<Match>, ValueError> {
    let text = text.trim();
    if text == "*" {
        return if kind == MatchKind::Exact {
            Err(ValueError::Open)
        } else {
            Ok(None)
        };
    }
    match kind {
        MatchKind::Exact => Ok(Some(Match::Exact(parse(text, width_bits)?))),
        MatchKind::Optional => Ok(Some(Match::Optional(parse(text, width_bits)?))),
        MatchKind::Lpm => {
            let (value, prefix_len) = prefix(text, width_bits)?;
            Ok((prefix_len > 0).then_some(Match::Lpm { value, prefix_len }))
        }
        MatchKind::Ternary => ternary(text, width_bits),
        MatchKind::Range => range(text, width_bits),
    }
}

/// Prints a value in a form that [`parse`] reads.
#[must_use]
pub fn print(bits: &Bits, format: Format) -> String {
    let number = bits.to_uint();
    match (format, number) {
        (Format::Decimal, Some(number)) => number.to_string(),
        (Format::Ipv4, Some(number)) if bits.fits(32) => u32::try_from(number)
            .map_or_else(|_| format!("{bits:x}"), |n| Ipv4Addr::from(n).to_string()),
        (Format::Ipv6, Some(number)) => Ipv6Addr::from(number).to_string(),
        (Format::Mac, Some(_)) if bits.fits(48) => {
            let mut text = String::new();
            for octet in bits.to_octets(48) {
                let colon = if text.is_empty() { "" } else { ":" };
                // Writing to a string cannot fail.
                let _ = write!(text, "{colon}{octet:02x}");
            }
            text
        }
        _ => format!("{bits:x}"),
    }
}

/// Prints a match in a form that [`parse_match`] reads.
#[must_use]
pub fn print_match(value: &Match, format: Format) -> String {
    match value {
        Match::Exact(value) | Match::Optional(value) => print(value, format),
        Match::Lpm { value, prefix_len } => format!("{}/{prefix_len}", print(value, format)),
        Match::Ternary { value, mask } => {
            format!(
                "{}&&&{}",
                print(value, format),
                print(mask, mask_format(format))
            )
        }
        Match::Range { low, high } => format!("{}..{}", print(low, format), print(high, format)),
    }
}

/// A mask reads better as bits than as a decimal number.
fn mask_format(format: Format) -> Format {
    if format == Format::Decimal {
        Format::Hex
    } else {
        format
    }
}

/// Reads an address and its width in bits.
fn address(text: &str) -> Option<(Bits, u32)> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some((Bits::from(address.to_bits()), 32));
    }
    if let Some(octets) = mac(text) {
        return Some((Bits::from_wire(&octets), 48));
    }
    let address = text.parse::<Ipv6Addr>().ok()?;
    Some((Bits::from(address.to_bits()), 128))
}

/// Six octets of two hexadecimal digits with colons. Five colons alone are no IPv6 address.
fn mac(text: &str) -> Option<Vec<u8>> {
    let parts: Vec<&str> = text.split(':').collect();
    let hex = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    if parts.len() != 6 || !parts.iter().all(hex) {
        return None;
    }
    parts
        .iter()
        .map(|part| u8::from_str_radix(part, 16).ok())
        .collect()
}

/// Reads a decimal number of up to 128 bits, or a hexadecimal one of any length.
fn number(text: &str) -> Option<Bits> {
    let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) else {
        // `parse` would also take a sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        return if digits {
            text.parse::<u128>().ok().map(Bits::from)
        } else {
            None
        };
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let even = if digits.len() % 2 == 0 {
        digits.to_owned()
    } else {
        format!("0{digits}")
    };
    let octet = |at: usize| {
        even.get(at..at + 2)
            .and_then(|two| u8::from_str_radix(two, 16).ok())
    };
    let octets: Option<Vec<u8>> = (0..even.len()).step_by(2).map(octet).collect();
    octets.map(|octets| Bits::from_wire(&octets))
}

/// Reads `value/length`, or a value as the longest prefix.
fn prefix(text: &str, width_bits: u32) -> Result<(Bits, u32), ValueError> {
    let Some((value, length)) = text.split_once('/') else {
        return Ok((parse(text, width_bits)?, width_bits));
    };
    let value = parse(value, width_bits)?;
    let length = length
        .trim()
        .parse()
        .ok()
        .filter(|length| *length <= width_bits);
    let Some(length) = length else {
        return Err(ValueError::PrefixLength {
            text: text.to_owned(),
            width_bits,
        });
    };
    if value.and(&Bits::prefix_mask(length, width_bits)) != value {
        return Err(ValueError::BitsOutside(text.to_owned()));
    }
    Ok((value, length))
}

fn ternary(text: &str, width_bits: u32) -> Result<Option<Match>, ValueError> {
    let (value, mask) = if let Some((value, mask)) = text.split_once("&&&") {
        (parse(value, width_bits)?, parse(mask, width_bits)?)
    } else {
        let (value, length) = prefix(text, width_bits)?;
        (value, Bits::prefix_mask(length, width_bits))
    };
    if value.and(&mask) != value {
        return Err(ValueError::BitsOutside(text.to_owned()));
    }
    Ok((!mask.is_zero()).then_some(Match::Ternary { value, mask }))
}

fn range(text: &str, width_bits: u32) -> Result<Option<Match>, ValueError> {
    let (low, high) = match text.split_once("..") {
        Some((low, high)) => (parse(low, width_bits)?, parse(high, width_bits)?),
        None => (parse(text, width_bits)?, parse(text, width_bits)?),
    };
    if low > high {
        return Err(ValueError::EmptyRange(text.to_owned()));
    }
    let any = low.is_zero() && high == Bits::prefix_mask(width_bits, width_bits);
    Ok((!any).then_some(Match::Range { low, high }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, width_bits: u32, expected: u128, printed: (Format, &str)) {
        let bits = parse(text, width_bits).expect("the text is a value");
        assert_eq!(bits, Bits::from(expected), "{text}");
        assert_eq!(print(&bits, printed.0), printed.1);
        assert_eq!(
            parse(printed.1, width_bits),
            Ok(bits),
            "printed values are read again"
        );
    }

    #[test]
    fn values_have_many_forms() {
        check("10.0.0.1", 32, 0x0a00_0001, (Format::Ipv4, "10.0.0.1"));
        check("0.0.0.1", 32, 1, (Format::Ipv4, "0.0.0.1"));
        check("0x0A000001", 32, 0x0a00_0001, (Format::Hex, "0xa000001"));
        check(
            "02:00:00:00:00:0a",
            48,
            0x0200_0000_000a,
            (Format::Mac, "02:00:00:00:00:0a"),
        );
        check(
            "00:00:00:00:00:00",
            48,
            0,
            (Format::Mac, "00:00:00:00:00:00"),
        );
        check("fd00::1", 128, 0xfd << 120 | 1, (Format::Ipv6, "fd00::1"));
        check("511", 9, 511, (Format::Decimal, "511"));
    }

    #[test]
    fn wide_values_are_hexadecimal() {
        let text = format!("0x1{}", "0".repeat(40));
        let bits = parse(&text, 256).expect("161 bits");
        assert_eq!((bits.len_bits(), bits.to_uint()), (161, None));
        assert_eq!(print(&bits, Format::Decimal), text);
    }

    #[test]
    fn bad_values_are_refused() {
        for text in [
            "",
            "x",
            "0x",
            "0xg",
            "-1",
            "+1",
            "10.0.0",
            "1:2",
            "00:00:00:00:00:0g",
        ] {
            assert_eq!(
                parse(text, 32),
                Err(ValueError::Unreadable(text.to_owned()))
            );
        }
        assert!(matches!(
            parse("512", 9),
            Err(ValueError::TooWide { width_bits: 9, .. })
        ));
        let wrong = parse("10.0.0.1", 48);
        assert!(matches!(
            wrong,
            Err(ValueError::AddressWidth {
                address_bits: 32,
                ..
            })
        ));
    }

    fn check_match(text: &str, kind: MatchKind, printed: Option<&str>) {
        let value = parse_match(text, kind, 32).expect("the text is a match");
        let shown = value.as_ref().map(|value| print_match(value, Format::Ipv4));
        assert_eq!(shown.as_deref(), printed, "{text}");
        if let Some(shown) = shown {
            assert_eq!(
                parse_match(&shown, kind, 32),
                Ok(value),
                "printed matches are read again"
            );
        }
    }

    #[test]
    fn matches_have_the_forms_of_their_kind() {
        check_match("10.0.0.0/8", MatchKind::Lpm, Some("10.0.0.0/8"));
        check_match("10.0.0.1", MatchKind::Lpm, Some("10.0.0.1/32"));
        check_match("0.0.0.0/0", MatchKind::Lpm, None);
        check_match("1&&&0x3", MatchKind::Ternary, Some("0.0.0.1&&&0.0.0.3"));
        check_match(
            "10.0.0.0/8",
            MatchKind::Ternary,
            Some("10.0.0.0&&&255.0.0.0"),
        );
        check_match("0&&&0", MatchKind::Ternary, None);
        check_match("1..2", MatchKind::Range, Some("0.0.0.1..0.0.0.2"));
        check_match("0..0xffffffff", MatchKind::Range, None);
        check_match("*", MatchKind::Optional, None);
        check_match("7", MatchKind::Exact, Some("0.0.0.7"));
    }

    #[test]
    fn bad_matches_are_refused() {
        let error = |text: &str, kind| parse_match(text, kind, 32).expect_err(text);
        assert_eq!(error("*", MatchKind::Exact), ValueError::Open);
        assert!(matches!(
            error("10.0.0.1/8", MatchKind::Lpm),
            ValueError::BitsOutside(_)
        ));
        assert!(matches!(
            error("10.0.0.0/33", MatchKind::Lpm),
            ValueError::PrefixLength { .. }
        ));
        assert!(matches!(
            error("2&&&1", MatchKind::Ternary),
            ValueError::BitsOutside(_)
        ));
        assert!(matches!(
            error("2..1", MatchKind::Range),
            ValueError::EmptyRange(_)
        ));
    }
}
