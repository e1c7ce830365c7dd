// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the blocks that were read so far allow the next block to be.

use alloc::collections::BTreeSet;

use crate::error::Fault;
use crate::v7::{BlockFlags, BlockType, Primary, Tolerance};

/// The rules about block types, numbers and flags, asked field by field in wire order.
pub(super) struct BlockRules {
    tolerance: Tolerance,
    unreportable: bool,
    numbers: BTreeSet<u64>,
    kinds: BTreeSet<BlockType>,
}

impl BlockRules {
    pub(super) fn new(primary: &Primary<'_>, tolerance: Tolerance) -> Self {
        Self {
            tolerance,
            unreportable: primary.is_unreportable(),
            numbers: BTreeSet::new(),
            kinds: BTreeSet::new(),
        }
    }

    pub(super) fn payload_seen(&self) -> bool {
        self.kinds.contains(&BlockType::PAYLOAD)
    }

    pub(super) fn admit_kind(&mut self, kind: BlockType) -> Result<(), Fault> {
        let payload_seen = self.payload_seen();
        let first = self.kinds.insert(kind);
        match kind {
            BlockType::PAYLOAD if payload_seen => Err(Fault::PayloadDuplicate),
            _ if payload_seen => Err(Fault::PayloadNotLast),
            _ if kind.is_single() && !first => Err(Fault::BlockDuplicate(kind.0)),
            _ => Ok(()),
        }
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
