// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which version of the Bundle Protocol some octets are.

/// A version of the Bundle Protocol.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// Version 6, [RFC 5050](https://www.rfc-editor.org/rfc/rfc5050).
    V6,
    /// Version 7, [RFC 9171](https://www.rfc-editor.org/rfc/rfc9171).
    V7,
}

/// Tells the version of a bundle by its first octet, and nothing else about it.
///
/// A version 6 bundle begins with its version number. A version 7 bundle begins with the head of a
/// CBOR array, which is indefinite (`9f`) in bundles that keep every rule.
#[must_use]
pub fn version(input: &[u8]) -> Option<Version> {
    match input.first()? {
        6 => Some(Version::V6),
        0x80..=0x9f => Some(Version::V7),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Version, version};

    #[test]
    fn first_octet_decides() {
        assert_eq!(version(&[6]), Some(Version::V6));
        assert_eq!(version(&[0x9f, 0x88]), Some(Version::V7));
        assert_eq!(version(&[0x82]), Some(Version::V7));
        assert_eq!(version(&[0, 0, 0, 0]), None);
        assert_eq!(version(&[]), None);
    }
}
