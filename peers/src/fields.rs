// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A bundle as a list of named texts, so that codecs with different types can be compared.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

/// Names and values. Block fields are named `block INDEX FIELD`, in the order of the octets.
pub type Fields = BTreeMap<String, String>;

/// Adds a field.
pub fn put(fields: &mut Fields, name: impl Into<String>, value: impl Display) {
    fields.insert(name.into(), value.to_string());
}

/// Adds a field of a block.
pub fn put_block(fields: &mut Fields, index: usize, name: &str, value: impl Display) {
    put(fields, format!("block {index} {name}"), value);
}

/// Flags as they are compared.
#[must_use]
pub fn flags(flags: u64) -> String {
    format!("{flags:#x}")
}

/// Octets in hexadecimal digits.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// Octets from hexadecimal digits; `None` if the text is something else.
#[must_use]
pub fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair)
                .ok()
                .filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{from_hex, hex};

    #[test]
    fn hexadecimal_both_ways() {
        assert_eq!(hex(&[0, 0x9f, 0xff]), "009fff");
        assert_eq!(from_hex("009fff"), Some(vec![0, 0x9f, 0xff]));
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("0g"), None);
    }
}
