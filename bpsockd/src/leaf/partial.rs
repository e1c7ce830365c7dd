// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Data units of which not all fragments have come.

use std::collections::BTreeMap;

/// Which parts of a data unit are there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Partial {
    total: u64,
    /// Ends of the parts, by their offsets.
    parts: BTreeMap<u64, u64>,
    /// Octets of all parts: more than `total` if some overlap.
    octets: u64,
    /// Octets of the fragments as they are stored.
    pub stored: u64,
    /// When the data unit expires.
    pub expires_ms: u64,
}

/// What a fragment is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Worth {
    /// It says nothing new, or something that cannot be.
    Nothing,
    /// It has to be kept.
    Keep,
    /// With it the data unit is complete.
    Completes,
}

impl Partial {
    /// A data unit of this many octets, of which nothing is there.
    #[must_use]
    pub fn new(total: u64, expires_ms: u64) -> Self {
        Self {
            total,
            expires_ms,
            ..Self::default()
        }
    }

    /// Adds a part.
    pub fn add(&mut self, offset: u64, length: u64, total: u64) -> Worth {
        let Some(end) = offset.checked_add(length) else {
            return Worth::Nothing;
        };
        let known = self.parts.get(&offset).copied().unwrap_or(offset);
        let is_empty_unit = total == 0 && self.parts.is_empty();
        if total != self.total || end > total || (known >= end && !is_empty_unit) {
            return Worth::Nothing;
        }
        self.octets += end - known;
        self.parts.insert(offset, end);
        if self.octets >= self.total && self.covers() {
            Worth::Completes
        } else {
            Worth::Keep
        }
    }

    fn covers(&self) -> bool {
        let mut covered = 0;
        for (offset, end) in &self.parts {
            if *offset > covered {
                return false;
            }
            covered = covered.max(*end);
        }
        covered == self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_in_any_order_and_with_overlaps() {
        let mut unit = Partial::new(10, 0);
        assert_eq!(unit.add(8, 2, 10), Worth::Keep);
        assert_eq!(unit.add(8, 2, 10), Worth::Nothing);
        assert_eq!(unit.add(8, 1, 10), Worth::Nothing);
        assert_eq!(unit.add(4, 4, 10), Worth::Keep);
        assert_eq!(unit.add(3, 4, 10), Worth::Keep);
        // As many octets as the data unit has, and a hole.
        assert_eq!(unit.add(2, 1, 10), Worth::Keep);
        assert_eq!(unit.add(0, 3, 10), Worth::Completes);
    }

    #[test]
    fn what_cannot_be_is_nothing() {
        let mut unit = Partial::new(10, 0);
        assert_eq!(unit.add(0, 5, 11), Worth::Nothing);
        assert_eq!(unit.add(8, 3, 10), Worth::Nothing);
        assert_eq!(unit.add(u64::MAX, 3, 10), Worth::Nothing);
        assert_eq!(unit.add(3, 0, 10), Worth::Nothing);
        assert_eq!(unit.add(0, 10, 10), Worth::Completes);
        assert_eq!(Partial::new(0, 0).add(0, 0, 0), Worth::Completes);
    }
}
