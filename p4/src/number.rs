// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Integer literals: `8w0xff`, `4s7`, `0b1010_0101`, `42`.

use num_bigint::{BigInt, BigUint};

/// Longest literal, in characters: enough for the widest value in binary.
const MAX_LEN: usize = 8192;

/// An integer literal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Literal {
    pub(crate) value: BigInt,
    /// Width, and whether it is signed.
    pub(crate) width: Option<(u32, bool)>,
}

/// Reads an integer literal; the error says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Literal, &'static str> {
    if text.len() > MAX_LEN {
        return Err("integer literal is too long");
    }
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (width, rest) = match text[digits..].chars().next() {
        Some(kind @ ('w' | 's')) => {
            let width: u32 = text[..digits].parse().map_err(|_| "width is too large")?;
            (Some((width, kind == 's')), &text[digits + 1..])
        }
        _ => (None, text),
    };
    let lower = rest.to_ascii_lowercase();
    let (radix, body) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0d") => (10, &lower[2..]),
        _ => (10, &*lower),
    };
    let body: String = body.chars().filter(|c| *c != '_').collect();
    let value = BigUint::parse_bytes(body.as_bytes(), radix).ok_or("this is not an integer")?;
    Ok(Literal {
        value: value.into(),
        width,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(i64, Option<(u32, bool)>)>) {
        let found = parse(text)
            .ok()
            .map(|literal| (literal.value, literal.width));
        assert_eq!(
            found,
            expected.map(|(value, width)| (value.into(), width)),
            "{text}"
        );
    }

    #[test]
    fn literals() {
        check("42", Some((42, None)));
        check("0x2A", Some((42, None)));
        check("8w0b0010_1010", Some((42, Some((8, false)))));
        check("4s7", Some((7, Some((4, true)))));
        check("0o17", Some((15, None)));
        check("12q", None);
        check("0x", None);
        check("8w", None);
    }
}
