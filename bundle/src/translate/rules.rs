// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules that both directions share.

use smallvec::SmallVec;

use crate::eid::Eid;
use crate::error::Fault;
use crate::reason::Reason;
use crate::translate::losses::{Loss, Losses};
use crate::translate::refusal::Refusal;
use crate::v7;

/// The longest scheme-specific part of version 6.
/// See [RFC 5050 §4.4](https://www.rfc-editor.org/rfc/rfc5050#section-4.4).
const SSP_MAX: usize = 1023;
const SERVICE_MAX: u64 = u32::MAX as u64;
const PRIVATE_TYPES_START: u64 = 192;
const PRIVATE_TYPES_END: u64 = 255;

/// Bundle flags that have the same place and meaning in both versions.
const SHARED_BUNDLE_FLAGS: u64 = 0x7_4027;
const REPORT_FLAGS: u64 = 0x7_4000;
const MUST_NOT_FRAGMENT: u64 = 0x04;
/// Block flags that have the same place and meaning in both versions.
const SHARED_BLOCK_FLAGS: u64 = 0x17;
const REPORT_UNPROCESSED: u64 = 0x02;

/// What the flags of a bundle depend on.
#[derive(Clone, Copy)]
pub(super) struct Traits {
    pub(super) is_admin: bool,
    pub(super) is_anonymous: bool,
    pub(super) is_fragment: bool,
}

impl Traits {
    /// Nobody is told about reports, nor about bundles that have no source.
    const fn is_unreportable(self) -> bool {
        self.is_admin || self.is_anonymous
    }

    /// The bundle flags that both versions have.
    ///
    /// A bundle without a source has no identity, so its fragments would not find together. A
    /// fragment, in turn, was allowed to be one.
    pub(super) fn bundle_flags(self, flags: u64, losses: &mut Losses) -> u64 {
        let mut kept = flags & SHARED_BUNDLE_FLAGS;
        if self.is_unreportable() {
            losses.add_if(kept & REPORT_FLAGS != 0, Loss::ReportFlags);
            kept &= !REPORT_FLAGS;
        }
        if self.is_fragment {
            kept &= !MUST_NOT_FRAGMENT;
        } else if self.is_anonymous {
            kept |= MUST_NOT_FRAGMENT;
        }
        kept
    }

    /// The block flags that both versions have.
    pub(super) const fn block_flags(self, flags: u64) -> u64 {
        let kept = flags & SHARED_BLOCK_FLAGS;
        if self.is_unreportable() {
            kept & !REPORT_UNPROCESSED
        } else {
            kept
        }
    }
}

/// Whether the flags ask for any status report.
pub(super) const fn asks_for_reports(flags: u64) -> bool {
    flags & REPORT_FLAGS != 0
}

/// Whether a block of this type, which one version does not know, may mean the same in the other:
/// it is for private use in both, and not one of those that ION uses in version 7 only.
///
/// See [RFC 5050 §4.5.2](https://www.rfc-editor.org/rfc/rfc5050#section-4.5.2) and
/// [RFC 9171 §4.3.2](https://www.rfc-editor.org/rfc/rfc9171#section-4.3.2).
pub(super) const fn is_private(kind: u64) -> bool {
    matches!(kind, PRIVATE_TYPES_START..=PRIVATE_TYPES_END)
        && kind != v7::BlockType::QOS.0
        && kind != v7::BlockType::PERMITS.0
}

/// Checks that both versions can name an endpoint.
pub(super) fn nameable(eid: Result<Eid<'_>, Fault>) -> Result<Eid<'_>, Reason> {
    let eid = eid.map_err(Fault::reason)?;
    match &eid {
        eid if eid.is_local_node() => Err(Reason::EidMalformed),
        Eid::Ipn { service, .. } if *service > SERVICE_MAX => Err(Reason::ValueRange),
        Eid::Dtn(ssp) if ssp.len() > SSP_MAX => Err(Reason::ValueRange),
        _ => Ok(eid),
    }
}

/// Finds blocks that occur twice and must not: the set of types below 256 that were seen. Types
/// that are known are below, in both versions.
#[derive(Default)]
pub(super) struct Once([u64; 4]);

impl Once {
    /// Notes a block of a known type that may occur once.
    pub(super) fn note(&mut self, kind: u64, offset: usize) -> Result<(), Refusal> {
        let bit = 1 << (kind % 64);
        let word = usize::try_from(kind / 64).ok();
        let Some(word) = word.and_then(|word| self.0.get_mut(word)) else {
            return Ok(());
        };
        if *word & bit == 0 {
            *word |= bit;
            return Ok(());
        }
        Err(Refusal::fault(
            Fault::BlockDuplicate(kind),
            offset,
            "block type",
        ))
    }
}

/// A block and what its data says.
pub(super) struct Known<B, C> {
    pub(super) block: B,
    pub(super) content: C,
    /// Where the data is in the input.
    pub(super) offset: usize,
}

/// The blocks of a bundle, in their order. The usual ones need no memory of their own.
pub(super) type KnownBlocks<B, C> = SmallVec<[Known<B, C>; 6]>;
