// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles together with the octets that they were decoded from.
//!
//! A bundle may be valid and still not be spelled as this crate would spell it: with padded SDNVs,
//! an outer array of definite length, a final zero octet that is missing. Who forwards such a
//! bundle, or signs a part of it, needs the octets as they came.

use alloc::vec::Vec;
use core::ops::Deref;

use crate::error::DecodeError;
use crate::v7::Tolerance;
use crate::{v6, v7};

/// A decoded bundle, and where each of its blocks is in the octets.
///
/// It dereferences to the bundle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct View<'a, B> {
    octets: &'a [u8],
    bundle: B,
    blocks: Vec<&'a [u8]>,
}

impl<'a, B> View<'a, B> {
    /// The octets of the whole bundle.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The octets of each block in wire order, with its CRC. The primary block is the first.
    #[must_use]
    pub fn blocks_octets(&self) -> &[&'a [u8]] {
        &self.blocks
    }

    /// The bundle without its octets.
    #[must_use]
    pub fn into_bundle(self) -> B {
        self.bundle
    }
}

impl<B> Deref for View<'_, B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.bundle
    }
}

impl<'a> View<'a, v6::Bundle<'a>> {
    /// Decodes octets that are one bundle of version 6.
    ///
    /// # Errors
    ///
    /// As [`v6::Bundle::decode`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, DecodeError> {
        let mut blocks = Vec::new();
        let bundle = v6::Bundle::decode_noting(octets, |block| blocks.push(block))?;
        Ok(Self {
            octets,
            bundle,
            blocks,
        })
    }

    /// Whether the octets are those that encoding gives.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.bundle.to_vec() == self.octets
    }
}

impl<'a> View<'a, v7::Bundle<'a>> {
    /// Decodes octets that are one bundle of version 7.
    ///
    /// # Errors
    ///
    /// As [`v7::Bundle::decode`].
    pub fn decode(octets: &'a [u8], tolerance: Tolerance) -> Result<Self, DecodeError> {
        let mut blocks = Vec::new();
        let note = |block| blocks.push(block);
        let bundle = v7::Bundle::decode_noting(octets, tolerance, note)?;
        Ok(Self {
            octets,
            bundle,
            blocks,
        })
    }

    /// Whether the octets are those that encoding gives.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.bundle.to_vec() == self.octets
    }
}

#[cfg(test)]
mod tests {
    use super::View;
    use crate::v7::Tolerance;
    use crate::{v6, v7};

    /// From ipn:1.1 to ipn:2.1 with payload "hi"; the payload's length is padded.
    const PADDED: &[u8] =
        b"\x06\x81\x10\x11\x02\x01\x01\x01\x01\x01\x00\x00\x82\xfe\xbb\xfa\x40\x07\x9c\x10\x00\
          \x01\x08\x80\x02hi";

    #[test]
    fn octets_of_another_spelling_are_kept() {
        let view = View::<v6::Bundle<'_>>::decode(PADDED).expect("the bundle is valid");
        assert!(!view.is_canonical());
        assert_eq!(view.payload(), b"hi");
        let payload = PADDED.len() - 6;
        assert_eq!(
            view.blocks_octets(),
            [&PADDED[..payload], &PADDED[payload..]]
        );
        assert_eq!(view.octets(), PADDED);

        let octets = view.into_bundle().to_vec();
        let again = View::<v6::Bundle<'_>>::decode(&octets).expect("the bundle is valid");
        assert!(again.is_canonical());
        assert_eq!(octets.len(), PADDED.len() - 1);
    }

    #[test]
    fn blocks_of_version_7_are_found_with_their_crcs() {
        let policy = crate::Policy::default();
        let seven = crate::translate(PADDED, &policy).expect("it is translatable");
        let view = View::<v7::Bundle<'_>>::decode(&seven.octets, Tolerance::STRICT);
        let view = view.expect("the result is valid");
        assert!(view.is_canonical());
        let blocks = view.blocks_octets();
        let whole = [b"\x9f", blocks[0], blocks[1], b"\xff"].concat();
        assert_eq!(whole, seven.octets);
        assert_eq!(blocks[1], b"\x85\x01\x01\x00\x00\x42hi");
    }
}
