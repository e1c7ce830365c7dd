// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parser value sets: sets of patterns that a control plane writes, and a parser selects by.

use p4::ir::{Const, Match, MatchKind, limb_count};

use super::{tables::prefix_mask, wide};

/// A member of a value set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ValueSetMember {
    /// As the control plane gave it, one for each field.
    pub(crate) matches: Vec<Match>,
    /// What a packet is compared with.
    pub(crate) fields: Vec<Test>,
}

impl ValueSetMember {
    /// A member of a set with fields of these widths.
    pub(crate) fn new(matches: Vec<Match>, fields: &[(u32, MatchKind)]) -> Self {
        let tests = matches.iter().zip(fields);
        let fields = tests.map(|(pattern, (width, _))| Test::new(pattern, *width));
        Self {
            fields: fields.collect(),
            matches,
        }
    }
}

/// A pattern of one field, in limbs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Test {
    /// The bits of the mask are those of the value.
    Masked { mask: Vec<u64>, value: Vec<u64> },
    /// The number is neither below the one nor above the other.
    Between { low: Vec<u64>, high: Vec<u64> },
}

impl Test {
    fn new(pattern: &Match, width: u32) -> Self {
        let masked = |mask: Vec<u64>, value: &Const| Self::Masked {
            mask,
            value: value.limbs.clone(),
        };
        match pattern {
            Match::Any => Self::Masked {
                mask: vec![0; limb_count(width)],
                value: vec![0; limb_count(width)],
            },
            Match::Exact(value) => masked(Const::ones(width).limbs, value),
            Match::Lpm { value, prefix_len } => {
                masked(prefix_mask(width, *prefix_len).limbs, value)
            }
            Match::Ternary { value, mask } => masked(mask.limbs.clone(), value),
            Match::Range { low, high } => Self::Between {
                low: low.limbs.clone(),
                high: high.limbs.clone(),
            },
        }
    }

    /// Whether a value fits.
    pub(crate) fn accepts(&self, limbs: &[u64]) -> bool {
        match self {
            Self::Masked { mask, value } => {
                let mut bits = limbs.iter().zip(mask.iter().zip(value));
                bits.all(|(limb, (mask, value))| limb & mask == *value)
            }
            Self::Between { low, high } => {
                wide::compare(limbs, low).is_ge() && wide::compare(limbs, high).is_le()
            }
        }
    }
}
