// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the blocks that were read so far allow the next block to be.

use alloc::collections::BTreeSet;
use core::mem;

use crate::error::Fault;
use crate::v7::{BlockFlags, BlockType, Primary, Tolerance};

/// The rules about block types, numbers and flags, asked field by field in wire order.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is about one kind of block"
)]
pub(super) struct BlockRules {
    tolerance: Tolerance,
    unreportable: bool,
    numbers: Numbers,
    payload_seen: bool,
    previous_node_seen: bool,
    age_seen: bool,
    hop_count_seen: bool,
}

/// A set of numbers that are mostly small: those below 64 cost no memory.
#[derive(Default)]
struct Numbers {
    small: u64,
    large: BTreeSet<u64>,
}

impl Numbers {
    /// Whether the number was not in the set before.
    fn insert(&mut self, number: u64) -> bool {
        if number >= u64::from(u64::BITS) {
            return self.large.insert(number);
        }
        let before = self.small;
        self.small |= 1 << number;
        self.small != before
    }
}

impl BlockRules {
    pub(super) fn new(primary: &Primary<'_>, tolerance: Tolerance) -> Self {
        Self {
            tolerance,
            unreportable: primary.is_unreportable(),
            numbers: Numbers::default(),
            payload_seen: false,
            previous_node_seen: false,
            age_seen: false,
            hop_count_seen: false,
        }
    }

    pub(super) const fn payload_seen(&self) -> bool {
        self.payload_seen
    }

    pub(super) fn admit_kind(&mut self, kind: BlockType) -> Result<(), Fault> {
        if self.payload_seen {
            let is_payload = kind == BlockType::PAYLOAD;
            return Err(if is_payload {
                Fault::PayloadDuplicate
            } else {
                Fault::PayloadNotLast
            });
        }
        self.payload_seen = kind == BlockType::PAYLOAD;
        let single = match kind {
            BlockType::PREVIOUS_NODE => &mut self.previous_node_seen,
            BlockType::AGE => &mut self.age_seen,
            BlockType::HOP_COUNT => &mut self.hop_count_seen,
            _ => return Ok(()),
        };
        if mem::replace(single, true) {
            return Err(Fault::BlockDuplicate(kind.0));
        }
        Ok(())
    }

    pub(super) fn admit_number(&mut self, kind: BlockType, number: u64) -> Result<(), Fault> {
        let is_payload = kind == BlockType::PAYLOAD;
        let allowed = match number {
            0 => self.tolerance.block_number_zero && !is_payload,
            _ => is_payload == (number == 1) && self.numbers.insert(number),
        };
        if allowed {
            Ok(())
        } else {
            Err(Fault::BlockNumber(number))
        }
    }

    pub(super) fn admit_flags(&self, flags: BlockFlags) -> Result<(), Fault> {
        let reserved = flags.without(BlockFlags::KNOWN).0 != 0;
        let asks_in_vain = self.unreportable && flags.contains(BlockFlags::REPORT_UNPROCESSED);
        if asks_in_vain || (reserved && !self.tolerance.meaningless_flags) {
            return Err(Fault::FlagsInvalid(flags.0));
        }
        Ok(())
    }
}
