// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the reference says of a bundle with several faults, once those that it names are mended.
//!
//! A program reads on where the reference stops, and the other way round. What the reference would
//! have found next is a fault of the bundle, too.

use bundle::{
    Fault, Reason, Refusal, Version,
    dissect::{Dissection, Value, dissect},
    sdnv,
    v6::BlockFlags,
    v7::Tolerance,
    version,
};

use super::{Rules, faults};

/// As many octets as a bundle may miss for what is there to be judged.
const MISSING_OCTETS: usize = 16_384;
/// As many faults are mended, one after the other.
const MOST_MENDS: u32 = 4;
/// A block number that no block has, as CBOR.
const FREE_NUMBER: [u8; 9] = [0x1b, 0, 0, 1, 0, 0, 0, 0, 0];

/// A bundle in which faults are mended.
struct Mended {
    octets: Vec<u8>,
    /// What stands behind is not from the bundle.
    end: usize,
}

/// Whether a bundle that the reference refuses has this fault, too.
pub(super) fn has(octets: &[u8], rules: &Rules, refusal: &Refusal, reason: Reason) -> bool {
    let bundle = Mended {
        octets: octets.to_vec(),
        end: octets.len(),
    };
    bundle.has(rules, refusal, reason, MOST_MENDS)
}

/// A bundle whose end is missing, with zeros in its place. A program finds what is wrong with the
/// octets that are there before it misses others.
pub(super) fn filled(octets: &[u8]) -> Vec<u8> {
    [octets, &[0; MISSING_OCTETS]].concat()
}

/// Whether the head of an array is not in its shortest form. A program knows arrays by one octet, and takes
/// others for another item.
fn has_padded_array(dissection: &Dissection<'_>) -> bool {
    let mut fields = dissection.fields.iter();
    fields.any(|field| field.name.ends_with(" array") && field.fault == Some(Fault::NotShortest))
}

impl Mended {
    fn has(&self, rules: &Rules, refusal: &Refusal, reason: Reason, mends: u32) -> bool {
        let dissection = dissect(&self.octets, Tolerance::LENIENT);
        // Nobody sees what stands behind the place where the structure breaks.
        let end = if dissection.error.is_some() && refusal.reason != Reason::AgeMissing {
            refusal.offset.min(self.end)
        } else {
            self.end
        };
        let is_no_array = reason == Reason::UnexpectedItem
            && (self.is_no_block(&dissection, refusal.offset) || has_padded_array(&dissection));
        if is_no_array || faults::has(&self.octets, rules, reason, end) {
            return true;
        }
        if mends == 0 || refusal.offset > self.end {
            return false;
        }
        self.mend(&dissection, refusal).into_iter().any(|mended| {
            match rules.reference(&mended.octets) {
                Ok(_) => false,
                Err(next) => {
                    next.reason == reason && next.offset < mended.end
                        || reason == Reason::Truncated && mended.ends_at(&next)
                        || mended.has(rules, &next, reason, mends - 1)
                }
            }
        })
    }

    /// The bundle without the fault that the reference names, in each way that is known.
    fn mend(&self, dissection: &Dissection<'_>, refusal: &Refusal) -> Vec<Self> {
        let at = refusal.offset;
        let item = || self.item(at);
        let mended = match (refusal.reason, refusal.field) {
            (Reason::Truncated, _) => return [0, u8::MAX].map(|octet| self.fill(octet)).into(),
            (Reason::BlockDuplicate, _) | (Reason::FlagsInvalid, "block flags") => {
                self.replace(at, item(), &[0])
            }
            (Reason::BlockNumber, "block number") => self.replace(at, item(), &FREE_NUMBER),
            (Reason::IntegerTooLong, _) => {
                let mut longest = Vec::new();
                sdnv::encode(u64::MAX, &mut longest);
                self.replace(at, item(), &longest)
            }
            (Reason::PayloadMissing, _) => self.without_last(dissection),
            _ => None,
        };
        mended.into_iter().collect()
    }

    /// Whether what stands where a block of version 7 begins is neither that nor the end of the bundle. A
    /// program sees that in the first octet; the reference reads what may be a block first.
    fn is_no_block(&self, dissection: &Dissection<'_>, at: usize) -> bool {
        let blocks = dissection.fields.iter();
        let mut starts = blocks
            .filter(|field| field.name == "block")
            .map(|field| field.range.start);
        let octets = &self.octets[..self.end];
        version(&self.octets) == Some(Version::V7)
            && starts.any(|start| {
                let is_odd = |octet: &u8| !matches!(octet, 0x85 | 0x86 | 0xff);
                start <= at && octets.get(start).is_some_and(is_odd)
            })
    }

    /// Whether octets are missing, and none have been put in their place.
    fn ends_at(&self, refusal: &Refusal) -> bool {
        refusal.reason == Reason::Truncated && self.octets.len() == self.end
    }

    fn fill(&self, octet: u8) -> Self {
        Self {
            octets: [&self.octets[..], &[octet; MISSING_OCTETS]].concat(),
            end: self.end,
        }
    }

    /// The length of the number at a place: a CBOR head, or an SDNV.
    fn item(&self, at: usize) -> usize {
        let rest = self.octets.get(at..).unwrap_or_default();
        if version(&self.octets) == Some(Version::V6) {
            let last = rest.iter().position(|octet| octet & 0x80 == 0);
            return last.map_or(rest.len(), |last| last + 1);
        }
        match rest.first().map_or(0, |octet| octet & 0x1f) {
            24 => 2,
            25 => 3,
            26 => 5,
            27 => 9,
            _ => 1,
        }
    }

    fn replace(&self, at: usize, len: usize, by: &[u8]) -> Option<Self> {
        let (before, rest) = self.octets.split_at_checked(at)?;
        let (_, behind) = rest.split_at_checked(len)?;
        Some(Self {
            octets: [before, by, behind].concat(),
            end: (self.end + by.len()).checked_sub(len)?,
        })
    }

    /// The bundle of version 6 in which the last block does not say that it is the last.
    fn without_last(&self, dissection: &Dissection<'_>) -> Option<Self> {
        let mut fields = dissection.fields.iter();
        let (at, bits) = fields.rfind(|it| it.name == "block flags").and_then(|it| {
            let Value::Flags { bits, .. } = it.value else {
                return None;
            };
            Some((it.range.start, bits))
        })?;
        let mut flags = Vec::new();
        sdnv::encode(BlockFlags(bits).without(BlockFlags::LAST).0, &mut flags);
        self.replace(at, self.item(at), &flags)
    }
}
