// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A whole bundle of version 7.

use alloc::vec::Vec;

use crate::cbor::{self, array};
use crate::error::{DecodeError, Fault, Parsed, fail_in, named};
use crate::v7::rules::BlockRules;
use crate::v7::{Block, BlockType, BundleFlags, CrcType, Primary};

/// Which deviations from the standard are accepted.
///
/// Integers that are not shortest, tags and inner items of indefinite length never are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each deviation is accepted on its own"
)]
pub struct Tolerance {
    /// A primary block that neither a CRC nor an integrity block protects. dtn7-rs sends it.
    pub unprotected_primary: bool,
    /// Block number 0, any number of times. ION gives it to the blocks of fragments.
    pub block_number_zero: bool,
    /// An outer array of definite length.
    pub definite_outer_array: bool,
    /// Reserved flags, and requests for reports that the source or payload rules out.
    pub meaningless_flags: bool,
    /// Creation time zero without a bundle age block.
    pub age_missing: bool,
    /// The numbers 0 and 1 for truth values in status reports, as ION sent until version 4.1.2.
    pub integer_booleans: bool,
}

impl Tolerance {
    /// Accepts what is seen in the field and can be read in one way only.
    pub const LENIENT: Self = Self {
        unprotected_primary: true,
        block_number_zero: true,
        definite_outer_array: true,
        meaningless_flags: true,
        age_missing: false,
        integer_booleans: true,
    };

    /// Accepts what the standard allows.
    pub const STRICT: Self = Self {
        unprotected_primary: false,
        block_number_zero: false,
        definite_outer_array: false,
        meaningless_flags: false,
        age_missing: false,
        integer_booleans: false,
    };
}

impl Default for Tolerance {
    fn default() -> Self {
        Self::LENIENT
    }
}

/// A bundle of version 7.
///
/// A bundle that was decoded ends with its only payload block. A bundle that is put together
/// otherwise is encoded as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bundle<'a> {
    /// The primary block.
    pub primary: Primary<'a>,
    /// The other blocks in their order: the payload block is the last.
    pub blocks: Vec<Block<'a>>,
}

impl<'a> Bundle<'a> {
    /// Decodes octets that are one bundle, and checks its CRCs.
    ///
    /// The data of blocks is not looked at, because a confidentiality block may have encrypted
    /// it: [`Block::content`] does that.
    ///
    /// # Errors
    ///
    /// The first rule of the format that the input breaks, in the order of the octets.
    pub fn decode(input: &'a [u8], tolerance: Tolerance) -> Result<Self, DecodeError> {
        Self::decode_noting(input, tolerance, |_| ())
    }

    /// Decodes octets that are one bundle, and hands over the octets of each block.
    pub(crate) fn decode_noting(
        input: &'a [u8],
        tolerance: Tolerance,
        note: impl FnMut(&'a [u8]),
    ) -> Result<Self, DecodeError> {
        match parse(input, tolerance, note) {
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
    pub fn decode_first(
        input: &'a [u8],
        tolerance: Tolerance,
    ) -> Result<(Self, &'a [u8]), DecodeError> {
        match parse(input, tolerance, |_| ()) {
            Ok((rest, bundle)) => Ok((bundle, rest)),
            Err(error) => Err(DecodeError::locate(error, input)),
        }
    }

    /// Appends the octets of the bundle, with new CRCs.
    ///
    /// Nothing is checked or added. The outer array is indefinite, as the standard asks.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(cbor::INDEFINITE_ARRAY);
        self.primary.encode(out);
        for block in &self.blocks {
            block.encode(out);
        }
        out.push(cbor::BREAK);
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
}

/// Bundles with more blocks than these are rare.
const USUAL_BLOCKS: usize = 4;

/// How the outer array ends.
#[derive(Clone, Copy)]
enum Outer {
    Indefinite,
    /// The number of blocks that are still to come.
    Definite(u64),
}

fn parse<'a>(
    input: &'a [u8],
    tolerance: Tolerance,
    mut note: impl FnMut(&'a [u8]),
) -> Parsed<'a, Bundle<'a>> {
    let (primary_at, outer) = named("bundle", input, |at| outer(tolerance, at))?;
    let (rest, primary) = Primary::parse(primary_at)?;
    note(&primary_at[..primary_at.len() - rest.len()]);
    if !tolerance.meaningless_flags && !flags_agree(&primary) {
        let fault = Fault::FlagsInvalid(primary.flags.0);
        return fail_in("bundle flags", primary_at, fault);
    }
    let (rest, blocks) = blocks(&primary, outer, tolerance, rest, note)?;
    let has = |kind| blocks.iter().any(|block| block.kind == kind);
    if primary.creation.time_ms == 0 && !has(BlockType::AGE) && !tolerance.age_missing {
        return fail_in("creation timestamp", primary_at, Fault::AgeMissing);
    }
    let protected = primary.crc != CrcType::None || blocks.iter().any(Block::protects_primary);
    if !protected && !tolerance.unprotected_primary {
        return fail_in("primary CRC", primary_at, Fault::CrcMissing);
    }
    Ok((rest, Bundle { primary, blocks }))
}

fn outer(tolerance: Tolerance, input: &[u8]) -> Parsed<'_, Outer> {
    if let Some((&cbor::INDEFINITE_ARRAY, rest)) = input.split_first() {
        return Ok((rest, Outer::Indefinite));
    }
    let (rest, items) = array(input)?;
    if !tolerance.definite_outer_array {
        return fail_in(
            "bundle",
            input,
            Fault::Expected("an array of indefinite length"),
        );
    }
    match items.checked_sub(1) {
        Some(blocks) => Ok((rest, Outer::Definite(blocks))),
        None => fail_in("bundle", input, Fault::Expected("a primary block")),
    }
}

/// Whether the flags are what the standard allows for the source and the payload.
fn flags_agree(primary: &Primary<'_>) -> bool {
    let flags = primary.flags;
    let asks_in_vain = primary.is_unreportable() && flags.intersects(BundleFlags::REPORTS);
    // A fragment of an anonymous bundle should not exist, but neither value of the flag is right.
    let divisible = !flags.intersects(BundleFlags::MUST_NOT_FRAGMENT.with(BundleFlags::FRAGMENT));
    let asks_to_lose_parts = primary.source.is_null() && divisible;
    flags.without(BundleFlags::KNOWN).0 == 0 && !asks_in_vain && !asks_to_lose_parts
}

/// Parses the blocks after the primary block, and the end of the bundle.
fn blocks<'a>(
    primary: &Primary<'_>,
    mut outer: Outer,
    tolerance: Tolerance,
    input: &'a [u8],
    mut note: impl FnMut(&'a [u8]),
) -> Parsed<'a, Vec<Block<'a>>> {
    let mut rules = BlockRules::new(primary, tolerance);
    let mut blocks = Vec::with_capacity(USUAL_BLOCKS);
    let mut rest = input;
    loop {
        let ends = match outer {
            Outer::Indefinite => rest.first() == Some(&cbor::BREAK),
            Outer::Definite(left) => left == 0,
        };
        if ends && !rules.payload_seen() {
            return fail_in("end of bundle", rest, Fault::PayloadMissing);
        }
        match outer {
            Outer::Indefinite if ends => return Ok((&rest[1..], blocks)),
            Outer::Definite(0) => return Ok((rest, blocks)),
            Outer::Definite(left) => outer = Outer::Definite(left - 1),
            Outer::Indefinite => {}
        }
        let (after, block) = Block::parse(&mut rules, rest)?;
        blocks.push(block);
        note(&rest[..rest.len() - after.len()]);
        rest = after;
    }
}
