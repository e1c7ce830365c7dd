// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How packets find entries of tables: by a hash of the masked key, or by prefix.

use std::collections::{BTreeMap, HashMap};

use super::hasher::Seed;

/// Entries with one masked key, the one that wins first.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) first: usize,
    pub(super) others: Vec<usize>,
}

impl Bucket {
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }
}

/// Buckets by masked key. Short keys lie next to their buckets, so that a lookup goes through
/// memory once.
#[derive(Debug)]
pub(super) enum Buckets {
    /// Keys of one limb.
    One(HashMap<u64, Bucket, Seed>),
    /// Keys of two limbs.
    Two(HashMap<u128, Bucket, Seed>),
    /// Any other keys.
    Many(HashMap<Box<[u64]>, Bucket, Seed>),
}

impl Buckets {
    /// Buckets for keys of so many limbs.
    pub(super) fn new(limbs: usize) -> Self {
        match limbs {
            1 => Self::One(HashMap::default()),
            2 => Self::Two(HashMap::default()),
            _ => Self::Many(HashMap::default()),
        }
    }

    /// The entries of a masked key.
    #[inline]
    pub(super) fn get(&self, key: &[u64]) -> Option<&Bucket> {
        match self {
            Self::One(map) => map.get(key.first()?),
            Self::Two(map) => map.get(&number(key)),
            Self::Many(map) => map.get(key),
        }
    }

    /// Sets the entries of a masked key, the one that wins first; none removes the key.
    pub(super) fn set(&mut self, key: &[u64], entries: &[usize]) {
        let bucket = entries.split_first().map(|(first, others)| Bucket {
            first: *first,
            others: others.to_vec(),
        });
        match (self, bucket) {
            (Self::One(map), Some(bucket)) => _ = map.insert(number(key) as u64, bucket),
            (Self::One(map), None) => _ = map.remove(&(number(key) as u64)),
            (Self::Two(map), Some(bucket)) => _ = map.insert(number(key), bucket),
            (Self::Two(map), None) => _ = map.remove(&number(key)),
            (Self::Many(map), Some(bucket)) => _ = map.insert(key.into(), bucket),
            (Self::Many(map), None) => _ = map.remove(key),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::One(map) => map.is_empty(),
            Self::Two(map) => map.is_empty(),
            Self::Many(map) => map.is_empty(),
        }
    }
}

/// The lowest two limbs of a key.
#[inline]
fn number(key: &[u64]) -> u128 {
    let limb = |index: usize| u128::from(key.get(index).copied().unwrap_or(0));
    limb(0) | limb(1) << 64
}

/// Entries with prefixes of one key: the values that it can have, in ranges of which each belongs
/// to one entry. A prefix inside another one takes its range from it. However many lengths of
/// prefixes there are, a lookup is one search.
#[derive(Debug)]
pub(super) struct Prefixes {
    width: u32,
    ranges: Ranges,
    /// All entries, by length and first value.
    all: BTreeMap<(u32, u128), usize>,
}

/// Keys of one limb take half of the memory.
#[derive(Debug)]
enum Ranges {
    Short(Tree<u64>),
    Long(Tree<u128>),
}

/// Length of a prefix, and its entry.
type Owner = Option<(u32, usize)>;

/// Widest key of a tree of ranges.
pub(super) const WIDEST_PREFIX: u32 = 128;

impl Prefixes {
    /// No entries, for a key of so many bits.
    pub(super) fn new(width: u32) -> Self {
        Self {
            width,
            ranges: if width <= 64 {
                Ranges::Short(Tree::new())
            } else {
                Ranges::Long(Tree::new())
            },
            all: BTreeMap::new(),
        }
    }

    /// The entry with the longest prefix of a key.
    #[inline]
    pub(super) fn get(&self, key: &[u64]) -> Option<usize> {
        let owner = match &self.ranges {
            Ranges::Short(tree) => tree.get(*key.first()?),
            Ranges::Long(tree) => tree.get(number(key)),
        };
        owner.map(|(_, entry)| entry)
    }

    /// Adds an entry whose prefix no other one has.
    pub(super) fn insert(&mut self, value: &[u64], prefix_len: u32, entry: usize) {
        let (first, behind) = self.bounds(value, prefix_len);
        self.all.insert((prefix_len, first), entry);
        self.change(first, behind, |owner| match owner {
            Some((len, _)) if len > prefix_len => owner,
            _ => Some((prefix_len, entry)),
        });
    }

    /// Removes an entry.
    pub(super) fn remove(&mut self, value: &[u64], prefix_len: u32) {
        let (first, behind) = self.bounds(value, prefix_len);
        let Some(entry) = self.all.remove(&(prefix_len, first)) else {
            return;
        };
        // The longest of the prefixes around it gets what it had.
        let heir = (0..prefix_len).rev().find_map(|len| {
            let start = first & self.ones(len);
            Some((len, *self.all.get(&(len, start))?))
        });
        self.change(first, behind, |owner| match owner {
            Some((_, other)) if other == entry => heir,
            _ => owner,
        });
    }

    /// The bits of a prefix.
    fn ones(&self, prefix_len: u32) -> u128 {
        let all = u128::MAX >> (128 - self.width.clamp(1, 128));
        let rest = self.width.saturating_sub(prefix_len);
        all & u128::MAX.checked_shl(rest).unwrap_or(0)
    }

    /// The first value with a prefix, and the first one behind, if there is one.
    fn bounds(&self, value: &[u64], prefix_len: u32) -> (u128, Option<u128>) {
        let first = number(value) & self.ones(prefix_len);
        let size = 1_u128.checked_shl(self.width.saturating_sub(prefix_len));
        let behind = size.and_then(|size| first.checked_add(size));
        (
            first,
            behind.filter(|behind| behind & !self.ones(self.width) == 0),
        )
    }

    fn change(&mut self, first: u128, behind: Option<u128>, to: impl Fn(Owner) -> Owner) {
        match &mut self.ranges {
            Ranges::Short(tree) => tree.change(first as u64, behind.map(|value| value as u64), to),
            Ranges::Long(tree) => tree.change(first, behind, to),
        }
    }
}

/// Owner of each range, by the first value in it: a tree of two levels, whose leaves are searched
/// by halves. A change moves no more than a leaf and the list of leaves.
#[derive(Debug)]
struct Tree<K> {
    /// The first value of each leaf; the first of all is 0.
    firsts: Vec<K>,
    leaves: Vec<Leaf<K>>,
}

#[derive(Debug)]
struct Leaf<K> {
    starts: Vec<K>,
    owners: Vec<Owner>,
}

/// Ranges from which on a leaf becomes two: few in tests, which then have many leaves.
const LEAF: usize = if cfg!(test) { 4 } else { 512 };

impl<K: Copy + Default + Ord> Tree<K> {
    /// One range that nobody owns.
    fn new() -> Self {
        let leaf = Leaf {
            starts: vec![K::default()],
            owners: vec![None],
        };
        Self {
            firsts: vec![K::default()],
            leaves: vec![leaf],
        }
    }

    /// The leaf with the range of a value, and the range in it.
    #[inline]
    fn find(&self, value: K) -> (usize, usize) {
        let last = |starts: &[K]| starts.partition_point(|start| *start <= value).max(1) - 1;
        let leaf = last(&self.firsts);
        (leaf, last(&self.leaves[leaf].starts))
    }

    #[inline]
    fn get(&self, value: K) -> Owner {
        let (leaf, at) = self.find(value);
        self.leaves[leaf].owners[at]
    }

    /// Gives the ranges between two values other owners, and joins neighbours of one owner.
    fn change(&mut self, first: K, behind: Option<K>, to: impl Fn(Owner) -> Owner) {
        self.split(first);
        if let Some(behind) = behind {
            self.split(behind);
        }
        let (from, mut at) = self.find(first);
        for leaf in &mut self.leaves[from..] {
            let end = behind.map_or(leaf.starts.len(), |behind| {
                leaf.starts.partition_point(|start| *start < behind)
            });
            for owner in leaf.owners.get_mut(at..end).unwrap_or_default() {
                *owner = to(*owner);
            }
            if end < leaf.starts.len() {
                break;
            }
            at = 0;
        }
        self.join(first);
        if let Some(behind) = behind {
            self.join(behind);
        }
    }

    /// Lets a range begin at a value.
    fn split(&mut self, value: K) {
        let (index, at) = self.find(value);
        let leaf = &mut self.leaves[index];
        if leaf.starts[at] == value {
            return;
        }
        leaf.starts.insert(at + 1, value);
        leaf.owners.insert(at + 1, leaf.owners[at]);
        if leaf.starts.len() > LEAF {
            let upper = Leaf {
                starts: leaf.starts.split_off(LEAF / 2),
                owners: leaf.owners.split_off(LEAF / 2),
            };
            self.firsts.insert(index + 1, upper.starts[0]);
            self.leaves.insert(index + 1, upper);
        }
    }

    /// Makes the range that begins at a value part of the one before, if both have one owner.
    fn join(&mut self, value: K) {
        let (index, at) = self.find(value);
        let before = match (index, at) {
            (0, 0) => return,
            (_, 0) => self.leaves[index - 1].owners.last().copied(),
            _ => Some(self.leaves[index].owners[at - 1]),
        };
        let leaf = &mut self.leaves[index];
        if leaf.starts[at] != value || before != Some(leaf.owners[at]) {
            return;
        }
        leaf.starts.remove(at);
        leaf.owners.remove(at);
        if let Some(first) = leaf.starts.first() {
            self.firsts[index] = *first;
        } else {
            self.firsts.remove(index);
            self.leaves.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The plain definition: of all prefixes that match, the longest.
    fn longest(entries: &[(u128, u32, usize)], width: u32, key: u128) -> Option<usize> {
        let matching = entries.iter().filter(|(value, len, _)| {
            let rest = width - len;
            key.checked_shr(rest).unwrap_or(0) == value.checked_shr(rest).unwrap_or(0)
        });
        matching
            .max_by_key(|(_, len, _)| *len)
            .map(|(_, _, entry)| *entry)
    }

    fn limbs(value: u128) -> [u64; 2] {
        [value as u64, (value >> 64) as u64]
    }

    proptest! {
        /// Few values, so that prefixes lie in each other, and are removed and added again.
        #[test]
        fn ranges_agree_with_prefixes(
            width in prop::sample::select(vec![1_u32, 8, 32, 64, 65, 128]),
            changes in prop::collection::vec((0..6_u128, 0..=128_u32), 1..60),
            keys in prop::collection::vec(any::<u128>(), 20),
        ) {
            let all = u128::MAX >> (128 - width);
            let mut prefixes = Prefixes::new(width);
            let mut entries: Vec<(u128, u32, usize)> = Vec::new();
            for (index, (seed, len)) in changes.into_iter().enumerate() {
                let len = len % (width + 1);
                let value = (seed.wrapping_mul(0x5555_aaaa_3333_cccc_5555_aaaa_3333_cccc) & all)
                    & (all << (width - len).min(127)) & if len == 0 { 0 } else { all };
                let known = entries.iter().position(|(other, of, _)| (*other, *of) == (value, len));
                if let Some(known) = known {
                    prefixes.remove(&limbs(value), len);
                    entries.remove(known);
                } else {
                    prefixes.insert(&limbs(value), len, index);
                    entries.push((value, len, index));
                }
                let near = entries.iter().flat_map(|(value, _, _)| {
                    [*value, value.wrapping_sub(1) & all, value.wrapping_add(1) & all]
                });
                for key in near.chain(keys.iter().map(|key| key & all)) {
                    let expected = longest(&entries, width, key);
                    prop_assert_eq!(prefixes.get(&limbs(key)), expected);
                }
            }
            for (value, len, _) in entries {
                prefixes.remove(&limbs(value), len);
            }
            prop_assert!(keys.iter().all(|key| prefixes.get(&limbs(key & all)).is_none()));
        }
    }
}
