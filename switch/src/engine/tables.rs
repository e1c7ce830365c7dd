// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Match-action tables while a program runs: lookup for packets, changes for the control plane.
//!
//! A table whose only key is matched by prefix has a tree of ranges ([`super::lookup::Prefixes`]).
//! In all others, entries with the same mask form a group, in which the masked key is looked up in
//! a hash table: a table of exact matches has one group. Groups are tried in the order of their
//! highest priority (or prefix length), and the search ends when no group can beat what was
//! found. Ranges are masked out and compared entry by entry.

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use p4::ir::{ActionId, ActionScope, Const, Match, MatchKind, Program, TableId, limb_count};

use super::{
    externs::MeterCell,
    hasher::Seed,
    lookup::{Buckets, Prefixes, WIDEST_PREFIX},
    profiles::{Profile, Through},
    runs::{Args, Run, Runs},
    wide,
};

/// A refused change of forwarding state. The caller maps it to a status code.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// There is an entry with this key.
    #[error("entry exists")]
    Exists,
    /// There is no entry with this key.
    #[error("no such entry")]
    NotFound,
    /// The table has as many entries as it can hold.
    #[error("table is full: its size is {size}")]
    Full {
        /// The declared size.
        size: u64,
    },
    /// The table's action list does not have this action.
    #[error("action is not in the action list of the table")]
    ForeignAction,
    /// The action may only be the default, or only be in entries.
    #[error("action may not be used here: {reason}")]
    ActionScope {
        /// Which annotation forbids it.
        reason: &'static str,
    },
    /// The entry or default action is constant.
    #[error("{what} is constant")]
    Constant {
        /// What the program declares constant.
        what: &'static str,
    },
    /// An entry of a table with ternary, range or optional keys has no priority.
    #[error("priority must be greater than 0 in a table with ternary, range or optional keys")]
    PriorityMissing,
    /// An entry of another table has a priority.
    #[error("priority must be 0 in a table without ternary, range and optional keys")]
    PriorityUnexpected,
    /// Something else refers to it.
    #[error("in use by {user}")]
    InUse {
        /// What.
        user: &'static str,
    },
    /// An index is beyond the end of an array.
    #[error("index {index} is out of range: the size is {size}")]
    IndexOutOfRange {
        /// The index.
        index: u64,
        /// Number of cells.
        size: u64,
    },
}

/// An action of a table with its arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// The action.
    pub action: ActionId,
    /// One value for each parameter.
    pub args: Vec<Const>,
}

/// What the control plane gives for an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewEntry {
    /// One match for each key.
    pub matches: Vec<Match>,
    /// The greater wins; 0 in tables that need none.
    pub priority: i32,
    /// What it does. Of several actions, the selector chooses one for each packet.
    pub calls: Vec<Call>,
    /// Where the actions come from, in a table with an action profile.
    pub through: Option<Through>,
    /// After which time without a hit a controller is told; `None` for never.
    pub idle_timeout_ns: Option<u64>,
    /// Opaque to the switch.
    pub metadata: Vec<u8>,
}

/// Packets and octets.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    packets: AtomicU64,
    bytes: AtomicU64,
}

/// A value of a counter.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Count {
    /// Number of packets.
    pub packets: u64,
    /// Sum of their lengths in octets.
    pub bytes: u64,
}

impl Tally {
    pub(crate) fn add(&self, bytes: u64) {
        self.packets.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn read(&self) -> Count {
        Count {
            packets: self.packets.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }

    pub(crate) fn set(&self, count: Count) {
        self.packets.store(count.packets, Relaxed);
        self.bytes.store(count.bytes, Relaxed);
    }
}

/// An entry of a table.
#[derive(Debug)]
pub struct Entry {
    /// What the control plane gave: not among what packets need, which lies close together.
    pub new: Box<NewEntry>,
    /// Whether the control plane may not change it.
    pub is_const: bool,
    pub(crate) runs: Runs,
    pub(crate) tally: Tally,
    pub(crate) last_hit_ns: AtomicU64,
    pub(crate) meter: Box<Mutex<MeterCell>>,
    /// When a controller was last told that the entry is idle.
    notified_ns: AtomicU64,
    /// Order of insertion: of entries with equal priority, the oldest wins.
    sequence: u64,
    /// What decides between matching entries: the priority, or the prefix length.
    effective: i64,
}

impl Entry {
    /// What the direct counter says.
    pub fn count(&self) -> Count {
        self.tally.read()
    }

    /// Sets the direct counter.
    pub fn set_count(&self, count: Count) {
        self.tally.set(count);
    }

    /// When the entry was last hit, or written.
    pub fn last_hit_ns(&self) -> u64 {
        self.last_hit_ns.load(Relaxed)
    }

    /// Whether the entry is idle and nobody was told during the last time-out; counts as telling.
    pub(crate) fn is_due(&self, now_ns: u64) -> bool {
        let since = self.last_hit_ns().max(self.notified_ns.load(Relaxed));
        let elapsed = now_ns.saturating_sub(since);
        let due = self
            .new
            .idle_timeout_ns
            .is_some_and(|timeout| elapsed >= timeout);
        if due {
            self.notified_ns.store(now_ns, Relaxed);
        }
        due
    }

    /// Works on the direct meter.
    pub fn with_meter<T>(&self, work: impl FnOnce(&mut MeterCell) -> T) -> T {
        work(&mut self.meter.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn rank(&self) -> (i64, Reverse<u64>) {
        (self.effective, Reverse(self.sequence))
    }
}

/// Entries that share a mask.
#[derive(Debug)]
struct Group {
    mask: Box<[u64]>,
    /// Effective priority of each entry, to know the highest; sorted.
    priorities: Vec<i64>,
    buckets: Buckets,
}

/// A key field as the lookup sees it.
#[derive(Clone, Copy, Debug)]
struct Field {
    kind: MatchKind,
    width: u32,
    /// First limb in the key.
    at: usize,
}

/// A table with its entries.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent properties of the declaration"
)]
pub struct Table {
    fields: Vec<Field>,
    limbs: usize,
    /// Whether entries have priorities.
    prioritised: bool,
    has_ranges: bool,
    size: u64,
    actions: Vec<(ActionId, ActionScope)>,
    const_entries: bool,
    const_default: bool,
    initial_default: Call,
    pub(crate) default: Run,
    default_call: Call,
    pub(crate) default_tally: Tally,
    pub(crate) entries: Vec<Option<Entry>>,
    vacant: Vec<usize>,
    /// Index of the entry with a key and priority.
    index: HashMap<Box<[u64]>, usize, Seed>,
    groups: Vec<Group>,
    /// Instead of groups, in a table whose only key is matched by prefix.
    prefixes: Option<Prefixes>,
    sequence: u64,
}

impl Table {
    /// An empty table with the program's default action and entries.
    pub(crate) fn new(program: &Program, id: TableId) -> Self {
        let table = &program.tables[id.index()];
        let mut limbs = 0;
        let keys = table
            .keys
            .iter()
            .filter(|key| key.match_kind != MatchKind::Selector);
        let fields: Vec<Field> = keys
            .map(|key| {
                let at = limbs;
                limbs += limb_count(key.value.width);
                Field {
                    kind: key.match_kind,
                    width: key.value.width,
                    at,
                }
            })
            .collect();
        let kinds = |wanted: &[MatchKind]| fields.iter().any(|field| wanted.contains(&field.kind));
        let prioritised = kinds(&[MatchKind::Ternary, MatchKind::Range, MatchKind::Optional]);
        let default = &table.default_action;
        let call = Call {
            action: default.action,
            args: default.args.clone(),
        };
        let mut new = Self {
            prefixes: prefixes(&fields),
            prioritised,
            has_ranges: kinds(&[MatchKind::Range]),
            limbs,
            fields,
            size: table.size,
            actions: table
                .actions
                .iter()
                .map(|entry| (entry.action, entry.scope))
                .collect(),
            const_entries: table.const_entries,
            const_default: table.const_default_action,
            initial_default: call.clone(),
            default: Run {
                action: call.action.index(),
                position: 0,
                args: Args::new(&[]),
            },
            default_call: call.clone(),
            default_tally: Tally::default(),
            entries: Vec::new(),
            vacant: Vec::new(),
            index: HashMap::default(),
            groups: Vec::new(),
            sequence: 0,
        };
        new.default = new.run(&call);
        for entry in &table.entries {
            let call = Call {
                action: entry.action.action,
                args: entry.action.args.clone(),
            };
            let matches = entry.matches.clone();
            let priority = i32::try_from(entry.priority).unwrap_or(i32::MAX);
            let given = NewEntry {
                matches,
                priority,
                calls: vec![call],
                through: None,
                idle_timeout_ns: None,
                metadata: Vec::new(),
            };
            // Of equal entries in the program, the first stays.
            if !new
                .index
                .contains_key(&new.identity(&given.matches, given.priority))
            {
                new.place(given, entry.is_const || table.const_entries, 0);
            }
        }
        new
    }

    /// Number of limbs of a key.
    pub(crate) fn key_limbs(&self) -> usize {
        self.limbs
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Declared number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// All entries, in a fixed order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().flatten()
    }

    /// The entry with this key.
    pub fn entry(&self, matches: &[Match], priority: i32) -> Option<&Entry> {
        let index = self.index.get(&self.identity(matches, priority))?;
        self.entries[*index].as_ref()
    }

    /// The default action.
    pub fn default_call(&self) -> &Call {
        &self.default_call
    }

    /// Whether the default action is the one of the program.
    pub fn default_is_initial(&self) -> bool {
        self.default_call == self.initial_default
    }

    /// What the direct counter says about the default action.
    pub fn default_count(&self) -> Count {
        self.default_tally.read()
    }

    /// Sets the direct counter of the default action.
    pub fn set_default_count(&self, count: Count) {
        self.default_tally.set(count);
    }

    /// Finds the entry for a key. `scratch` holds at least as many limbs as the key.
    #[inline]
    pub(crate) fn lookup(&self, key: &[u64], scratch: &mut [u64]) -> Option<usize> {
        if let Some(prefixes) = &self.prefixes {
            return prefixes.get(key);
        }
        if let [group] = self.groups.as_slice()
            && !self.has_ranges
        {
            let masked = &mut scratch[..self.limbs];
            for ((to, limb), mask) in masked.iter_mut().zip(key).zip(&group.mask) {
                *to = limb & mask;
            }
            return group.buckets.get(masked).map(|bucket| bucket.first);
        }
        let mut best: Option<(usize, (i64, Reverse<u64>))> = None;
        for group in &self.groups {
            let highest = group.priorities.last().copied().unwrap_or(i64::MIN);
            if best.is_some_and(|(_, rank)| rank.0 > highest) {
                break;
            }
            let masked = &mut scratch[..self.limbs];
            for ((to, limb), mask) in masked.iter_mut().zip(key).zip(&group.mask) {
                *to = limb & mask;
            }
            let Some(bucket) = group.buckets.get(&*masked) else {
                continue;
            };
            for index in bucket.iter() {
                let Some(entry) = &self.entries[index] else {
                    continue;
                };
                if self.has_ranges && !self.in_ranges(entry, key) {
                    continue;
                }
                let rank = entry.rank();
                if best.is_none_or(|(_, found)| rank > found) {
                    best = Some((index, rank));
                }
                break;
            }
        }
        best.map(|(index, _)| index)
    }

    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// If the key exists, the table is full or constant, or the entry does not fit the table.
    pub fn insert(&mut self, new: NewEntry, now_ns: u64) -> Result<(), ControlError> {
        self.check(&new)?;
        if self.const_entries {
            return Err(ControlError::Constant {
                what: "the list of entries",
            });
        }
        if self
            .index
            .contains_key(&self.identity(&new.matches, new.priority))
        {
            return Err(ControlError::Exists);
        }
        if self.index.len() as u64 >= self.size {
            return Err(ControlError::Full { size: self.size });
        }
        self.place(new, false, now_ns);
        Ok(())
    }

    /// Changes the action of an entry; its counter stays.
    ///
    /// # Errors
    ///
    /// If there is no such entry, it is constant, or the action does not fit the table.
    pub fn modify(&mut self, new: NewEntry, now_ns: u64) -> Result<(), ControlError> {
        self.check(&new)?;
        let index = self.changeable(&new.matches, new.priority)?;
        let runs = self.runs(&new.calls);
        if let Some(entry) = &mut self.entries[index] {
            entry.runs = runs;
            *entry.new = new;
            entry.last_hit_ns.store(now_ns, Relaxed);
        }
        Ok(())
    }

    /// Removes an entry.
    ///
    /// # Errors
    ///
    /// If there is no such entry, or it is constant.
    pub fn delete(&mut self, matches: &[Match], priority: i32) -> Result<(), ControlError> {
        let index = self.changeable(matches, priority)?;
        self.index.remove(&self.identity(matches, priority));
        let Some(entry) = self.entries[index].take() else {
            return Err(ControlError::NotFound);
        };
        self.vacant.push(index);
        let (mask, value) = self.masked(&entry.new.matches);
        let effective = entry.effective;
        if let Some(prefixes) = &mut self.prefixes {
            prefixes.remove(&value, u32::try_from(effective).unwrap_or(0));
            return Ok(());
        }
        let Some(at) = self.groups.iter().position(|group| group.mask == mask) else {
            return Ok(());
        };
        let group = &mut self.groups[at];
        if let Some(bucket) = group.buckets.get(&value) {
            let others: Vec<usize> = bucket.iter().filter(|other| *other != index).collect();
            group.buckets.set(&value, &others);
        }
        if let Ok(at) = group.priorities.binary_search(&effective) {
            group.priorities.remove(at);
        }
        if group.buckets.is_empty() {
            self.groups.remove(at);
        }
        self.sort_groups();
        Ok(())
    }

    /// Sets the default action; `None` sets the program's again.
    ///
    /// # Errors
    ///
    /// If it is constant, or the action does not fit the table.
    pub fn set_default(&mut self, call: Option<Call>) -> Result<(), ControlError> {
        let call = call.unwrap_or_else(|| self.initial_default.clone());
        match self.scope(&call)? {
            _ if self.const_default && call != self.default_call => {
                return Err(ControlError::Constant {
                    what: "the default action",
                });
            }
            ActionScope::TableOnly => {
                return Err(ControlError::ActionScope {
                    reason: "@tableonly",
                });
            }
            _ => {}
        }
        self.default = self.run(&call);
        self.default_call = call;
        Ok(())
    }

    fn check(&self, new: &NewEntry) -> Result<(), ControlError> {
        for call in &new.calls {
            if self.scope(call)? == ActionScope::DefaultOnly {
                return Err(ControlError::ActionScope {
                    reason: "@defaultonly",
                });
            }
        }
        if self.prioritised && new.priority <= 0 {
            return Err(ControlError::PriorityMissing);
        }
        if !self.prioritised && new.priority != 0 {
            return Err(ControlError::PriorityUnexpected);
        }
        Ok(())
    }

    fn scope(&self, call: &Call) -> Result<ActionScope, ControlError> {
        let found = self
            .actions
            .iter()
            .find(|(action, _)| *action == call.action);
        found
            .map(|(_, scope)| *scope)
            .ok_or(ControlError::ForeignAction)
    }

    fn changeable(&self, matches: &[Match], priority: i32) -> Result<usize, ControlError> {
        if self.const_entries {
            return Err(ControlError::Constant {
                what: "the list of entries",
            });
        }
        let index = self.index.get(&self.identity(matches, priority));
        let index = *index.ok_or(ControlError::NotFound)?;
        if self.entries[index]
            .as_ref()
            .is_some_and(|entry| entry.is_const)
        {
            return Err(ControlError::Constant { what: "the entry" });
        }
        Ok(index)
    }

    /// Gives entries that refer to a profile their actions anew.
    pub(crate) fn rebind(&mut self, profile: &Profile) {
        for index in 0..self.entries.len() {
            let through = self.entries[index]
                .as_ref()
                .and_then(|entry| entry.new.through.clone());
            let Some(through) = through else {
                continue;
            };
            // What is referred to cannot be removed, so there is always something.
            let calls = profile.resolve(&through).unwrap_or_default();
            let runs = self.runs(&calls);
            if let Some(entry) = &mut self.entries[index] {
                entry.runs = runs;
                entry.new.calls = calls;
            }
        }
    }

    fn runs(&self, calls: &[Call]) -> Runs {
        calls.iter().map(|call| self.run(call)).collect()
    }

    fn run(&self, call: &Call) -> Run {
        let position = self
            .actions
            .iter()
            .position(|(action, _)| *action == call.action);
        let limbs = call.args.iter().flat_map(|value| value.limbs.iter());
        let limbs: Vec<u64> = limbs.copied().collect();
        Run {
            action: call.action.index(),
            position: position.unwrap_or(0) as u32,
            args: Args::new(&limbs),
        }
    }

    /// Adds an entry that is known to be new.
    fn place(&mut self, new: NewEntry, is_const: bool, now_ns: u64) {
        self.sequence += 1;
        let identity = self.identity(&new.matches, new.priority);
        let (mask, value) = self.masked(&new.matches);
        let effective = self.effective(&new);
        let entry = Entry {
            runs: self.runs(&new.calls),
            new: Box::new(new),
            is_const,
            tally: Tally::default(),
            last_hit_ns: AtomicU64::new(now_ns),
            meter: Box::default(),
            notified_ns: AtomicU64::new(now_ns),
            sequence: self.sequence,
            effective,
        };
        let rank = entry.rank();
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        self.entries[index] = Some(entry);
        self.index.insert(identity, index);
        if let Some(prefixes) = &mut self.prefixes {
            prefixes.insert(&value, u32::try_from(effective).unwrap_or(0), index);
            return;
        }
        let at = self
            .groups
            .iter()
            .position(|group| group.mask == mask)
            .unwrap_or_else(|| {
                let buckets = Buckets::new(self.limbs);
                self.groups.push(Group {
                    mask,
                    priorities: Vec::new(),
                    buckets,
                });
                self.groups.len() - 1
            });
        let group = &mut self.groups[at];
        let bucket = group.buckets.get(&value);
        let mut sharing: Vec<usize> =
            bucket.map_or_else(Vec::new, |bucket| bucket.iter().collect());
        let entries = &self.entries;
        let rank_of = |index: &usize| entries[*index].as_ref().map(Entry::rank);
        let before = sharing.partition_point(|other| rank_of(other) > Some(rank));
        sharing.insert(before, index);
        group.buckets.set(&value, &sharing);
        let sorted = group
            .priorities
            .partition_point(|other| *other <= effective);
        group.priorities.insert(sorted, effective);
        self.sort_groups();
    }

    fn sort_groups(&mut self) {
        self.groups
            .sort_by_key(|group| Reverse(group.priorities.last().copied()));
    }

    /// What decides between matching entries: the priority, or the prefix length.
    fn effective(&self, new: &NewEntry) -> i64 {
        if self.prioritised {
            return i64::from(new.priority);
        }
        let patterns = self.fields.iter().zip(&new.matches);
        let prefixes = patterns.map(|(field, pattern)| match pattern {
            Match::Lpm { prefix_len, .. } => i64::from(*prefix_len),
            Match::Exact(_) if field.kind == MatchKind::Lpm => i64::from(field.width),
            _ => 0,
        });
        prefixes.sum()
    }

    /// Mask and masked value of an entry, over all limbs of the key.
    fn masked(&self, matches: &[Match]) -> (Box<[u64]>, Box<[u64]>) {
        let (mut mask, mut value) = (vec![0; self.limbs], vec![0; self.limbs]);
        for (field, pattern) in self.fields.iter().zip(matches) {
            let (bits, ones) = match pattern {
                Match::Any | Match::Range { .. } => continue,
                Match::Exact(bits) => (bits, Const::ones(field.width)),
                Match::Lpm { value, prefix_len } => (value, prefix_mask(field.width, *prefix_len)),
                Match::Ternary { value, mask } => (value, mask.clone()),
            };
            for (limb, (bits, ones)) in bits.limbs.iter().zip(&ones.limbs).enumerate() {
                mask[field.at + limb] = *ones;
                value[field.at + limb] = bits & ones;
            }
        }
        (mask.into(), value.into())
    }

    /// What makes an entry the same entry: all matches and the priority.
    fn identity(&self, matches: &[Match], priority: i32) -> Box<[u64]> {
        let (mask, value) = self.masked(matches);
        let mut identity = mask.into_vec();
        identity.extend(value);
        for pattern in matches {
            if let Match::Range { low, high } = pattern {
                identity.extend(low.limbs.iter().chain(&high.limbs));
            }
        }
        identity.push(i64::from(priority).cast_unsigned());
        identity.into()
    }

    fn in_ranges(&self, entry: &Entry, key: &[u64]) -> bool {
        self.fields
            .iter()
            .zip(&entry.new.matches)
            .all(|(field, pattern)| match pattern {
                Match::Range { low, high } => {
                    let value = &key[field.at..field.at + low.limbs.len()];
                    wide::compare(value, &low.limbs).is_ge()
                        && wide::compare(value, &high.limbs).is_le()
                }
                _ => true,
            })
    }
}

/// A tree of ranges for a table whose only key is matched by prefix.
fn prefixes(fields: &[Field]) -> Option<Prefixes> {
    match fields {
        [field] if field.kind == MatchKind::Lpm && field.width <= WIDEST_PREFIX => {
            Some(Prefixes::new(field.width))
        }
        _ => None,
    }
}

/// The mask of the first `prefix_len` bits of a `width` bits wide value.
pub(crate) fn prefix_mask(width: u32, prefix_len: u32) -> Const {
    let mut limbs = vec![u64::MAX; limb_count(width)];
    wide::shl(&mut limbs, width.saturating_sub(prefix_len) as usize);
    Const::from_limbs(width, limbs)
}
