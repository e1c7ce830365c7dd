// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A whole bundle of version 6.

use alloc::vec::Vec;

use crate::error::{DecodeError, Fault, Parsed, fail_in};
use crate::v6::{Block, BlockFlags, BlockType, Primary};

/// Bundles with more blocks than these are rare.
const USUAL_BLOCKS: usize = 4;

/// A bundle of version 6.
///
/// A bundle that was decoded has one payload block and at least that block. A bundle that is
/// put together otherwise is encoded as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Bundle<'a> {
    /// The primary block.
    pub primary: Primary<'a>,
    /// The other blocks in their order. Blocks may follow the payload.
    pub blocks: Vec<Block<'a>>,
}

impl<'a> Bundle<'a> {
    /// Decodes octets that are one bundle.
    ///
    /// The data of blocks is not looked at: [`Block::content`] does that.
    ///
    /// # Errors
    ///
    /// The first rule of the format that the input breaks, in the order of the octets.
    pub fn decode(input: &'a [u8]) -> Result<Self, DecodeError> {
        Self::decode_noting(input, |_| ())
    }

    /// Decodes octets that are one bundle, and hands over the octets of each block.
    pub(crate) fn decode_noting(
        input: &'a [u8],
        note: impl FnMut(&'a [u8]),
    ) -> Result<Self, DecodeError> {
        match Self::parse(input, note) {
            Ok(([], bundle)) => Ok(bundle),
            Ok((rest, _)) => Err(DecodeError::trailing(input, rest)),
            Err(error) => Err(DecodeError::locate(error, input)),
        }
    }

    /// Decodes the first of several bundles, and returns the octets that follow it.
    ///
    /// LTP blocks may hold more than one bundle.
    ///
    /// # Errors
    ///
    /// As [`Bundle::decode`], but octets may follow.
    pub fn decode_first(input: &'a [u8]) -> Result<(Self, &'a [u8]), DecodeError> {
        match Self::parse(input, |_| ()) {
            Ok((rest, bundle)) => Ok((bundle, rest)),
            Err(error) => Err(DecodeError::locate(error, input)),
        }
    }

    /// Appends the octets of the bundle.
    ///
    /// The last block gets the flag that says so. Nothing else is checked or added.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.primary.encode(out);
        let last = self.blocks.len().saturating_sub(1);
        for (index, block) in self.blocks.iter().enumerate() {
            block.encode(index == last, out);
        }
    }

    /// The octets of the bundle.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    /// The data of the payload block. Empty if there is no such block.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        let payload = self
            .blocks
            .iter()
            .find(|block| block.kind == BlockType::PAYLOAD);
        payload.map_or(&[], |block| &block.data)
    }

    fn parse(input: &'a [u8], mut note: impl FnMut(&'a [u8])) -> Parsed<'a, Self> {
        let (mut rest, primary) = Primary::parse(input)?;
        note(&input[..input.len() - rest.len()]);
        let offsets = primary.valid_offsets();
        let mut blocks = Vec::with_capacity(USUAL_BLOCKS);
        let mut payload_seen = false;
        loop {
            let (after, block) = Block::parse(rest)?;
            if block.kind == BlockType::PAYLOAD && payload_seen {
                return fail_in("block type", rest, Fault::PayloadDuplicate);
            }
            payload_seen |= block.kind == BlockType::PAYLOAD;
            for reference in &block.references {
                if let Err(fault) = reference.check(offsets.as_ref()) {
                    return fail_in("EID references", rest, fault);
                }
            }
            let last = block.flags.contains(BlockFlags::LAST);
            blocks.push(block);
            note(&rest[..rest.len() - after.len()]);
            rest = after;
            if last {
                break;
            }
        }
        if !payload_seen {
            return fail_in("end of bundle", rest, Fault::PayloadMissing);
        }
        Ok((rest, Self { primary, blocks }))
    }
}
