// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The state of a switch, and what leads from one state to another.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use p4rt::{
    Entry,
    entries::{CloneSession, DigestLine, MulticastGroup},
    entry::{Condition, Key},
    p4info::Index,
    value,
};

use crate::names;

/// What a switch holds, or should.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SwitchState {
    items: BTreeMap<ItemKey, Item>,
}

/// One thing in a switch that can be written by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Item {
    /// A table entry or default entry. An empty action name stands for the program's own default.
    Entry(Entry),
    /// A multicast group.
    MulticastGroup(MulticastGroup),
    /// A clone session.
    CloneSession(CloneSession),
    /// A subscription.
    Digest(DigestLine),
}

/// What tells the items of a switch apart.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ItemKey {
    /// A table entry or default entry.
    Entry(Key),
    /// A multicast group.
    MulticastGroup(u32),
    /// A clone session.
    CloneSession(u32),
    /// A subscription.
    Digest(String),
}

/// A step from one state towards another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// What to do.
    pub kind: ChangeKind,
    /// What to do it with.
    pub item: Item,
}

/// The kinds of step.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ChangeKind {
    /// The item is new.
    Insert,
    /// The item is there with other contents.
    Modify,
    /// The item has to go.
    Delete,
}

impl SwitchState {
    /// Adds an item, and returns the one with the same key that it replaces.
    pub fn put(&mut self, item: Item) -> Option<Item> {
        self.items.insert(item.key(), item)
    }

    /// Adds an item unless one with its key is there.
    pub fn put_if_absent(&mut self, item: Item) {
        self.items.entry(item.key()).or_insert(item);
    }

    /// Takes an item out.
    pub fn remove(&mut self, key: &ItemKey) {
        self.items.remove(key);
    }

    /// Looks an item up.
    #[must_use]
    pub fn item(&self, key: &ItemKey) -> Option<&Item> {
        self.items.get(key)
    }

    /// The items, by key.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    /// The entries of a table, without its default entry.
    pub fn entries_of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.items().filter_map(move |item| match item {
            Item::Entry(entry) if entry.key.table == table && !entry.key.is_default() => {
                Some(entry)
            }
            _ => None,
        })
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes a step that a switch has carried out.
    pub fn apply(&mut self, change: &Change) {
        match change.kind {
            ChangeKind::Delete => {
                self.items.remove(&change.item.key());
            }
            ChangeKind::Insert | ChangeKind::Modify => {
                self.items.insert(change.item.key(), change.item.clone());
            }
        }
    }
}

/// What has to be written to lead a switch from `actual` to `wanted`.
///
/// The groups of changes are in order, because a switch may reorder updates within a request. What is new
/// is made before what is old is broken: first come neighbours and whatever else is pointed at, then what
/// points there, and what nobody points at any more goes last. A bundle that passes meanwhile finds the old
/// way or the new one. What lets frames out comes after what says how bundles are treated, so that none
/// passes untranslated meanwhile. Only a table that has no room for both makes room first. Items in
/// `skip` are left as they are.
#[must_use]
pub fn difference(
    wanted: &SwitchState,
    actual: &SwitchState,
    index: &Index,
    skip: &BTreeSet<ItemKey>,
) -> Vec<Vec<Change>> {
    let mut changes = Vec::new();
    for (key, item) in actual.items.iter().filter(|(key, _)| !skip.contains(key)) {
        if !wanted.items.contains_key(key) {
            changes.extend(removal(item, index));
        }
    }
    for (key, item) in wanted.items.iter().filter(|(key, _)| !skip.contains(key)) {
        let kind = match actual.items.get(key) {
            Some(there) if there == item => continue,
            Some(_) => ChangeKind::Modify,
            // A default entry is always there.
            None if key.is_default_entry() => ChangeKind::Modify,
            None => ChangeKind::Insert,
        };
        let item = item.clone();
        changes.push(Change { kind, item });
    }
    let full = full_tables(&changes, actual, index);
    let mut groups: BTreeMap<Stage, Vec<Change>> = BTreeMap::new();
    for change in changes {
        let stage = Stage::of(&change, &full);
        groups.entry(stage).or_default().push(change);
    }
    groups.into_values().collect()
}

/// Groups of changes, in the order in which they are written.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Stage {
    MakeRoom,
    WriteTargets,
    WriteEntries,
    WriteGroups,
    WriteForwarding,
    Subscribe,
    RemoveEntries,
    RemoveTargets,
}

impl Stage {
    fn of(change: &Change, full: &BTreeSet<String>) -> Self {
        let is_removal = change.kind == ChangeKind::Delete;
        match &change.item {
            Item::Entry(entry) => match entry.key.table.as_str() {
                table if is_removal && full.contains(table) => Self::MakeRoom,
                names::NEXT_HOP if is_removal => Self::RemoveTargets,
                _ if is_removal => Self::RemoveEntries,
                names::NEXT_HOP => Self::WriteTargets,
                names::L2_FORWARD => Self::WriteForwarding,
                _ => Self::WriteEntries,
            },
            Item::MulticastGroup(_) | Item::CloneSession(_) if is_removal => Self::RemoveTargets,
            Item::MulticastGroup(_) | Item::CloneSession(_) => Self::WriteGroups,
            Item::Digest(_) => Self::Subscribe,
        }
    }
}

/// The step that takes away what nobody wants, if there is one.
fn removal(item: &Item, index: &Index) -> Option<Change> {
    let delete = || Change {
        kind: ChangeKind::Delete,
        item: item.clone(),
    };
    match item {
        Item::Entry(entry) if entry.key.is_default() => reset(entry, index),
        // What the program brought along is the program's.
        Item::Entry(entry) if fixed_entries(entry, index) => None,
        Item::Entry(_) | Item::MulticastGroup(_) | Item::CloneSession(_) => Some(delete()),
        // Servers go on sampling after a digest is deleted, or fail to delete it at all. A
        // subscription that nobody wants costs little: its lists are acknowledged.
        Item::Digest(_) => None,
    }
}

/// The tables that have no room for what is new as long as what is old is there.
fn full_tables(changes: &[Change], actual: &SwitchState, index: &Index) -> BTreeSet<String> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let new = changes
        .iter()
        .filter(|change| change.kind == ChangeKind::Insert);
    let new = new.map(|change| &change.item);
    for item in actual.items().chain(new) {
        if let Item::Entry(entry) = item
            && !entry.key.is_default()
        {
            *counts.entry(&entry.key.table).or_default() += 1;
        }
    }
    let size = |table: &str| index.table(table).and_then(|table| table.size);
    let full = counts
        .into_iter()
        .filter(|(table, count)| size(table).is_some_and(|size| *count > size));
    full.map(|(table, _)| table.to_owned()).collect()
}

/// Puts a default entry back to what the program says, if it is known and something else is there.
fn reset(entry: &Entry, index: &Index) -> Option<Change> {
    let table = index
        .table(&entry.key.table)
        .filter(|table| !table.fixed.default_action)?;
    let initial = Entry::initial_default(table, index)?;
    let differs = !entry.action.is_empty() && *entry != initial;
    differs.then_some(Change {
        kind: ChangeKind::Modify,
        item: Item::Entry(initial),
    })
}

fn fixed_entries(entry: &Entry, index: &Index) -> bool {
    index
        .table(&entry.key.table)
        .is_some_and(|table| table.fixed.entries)
}

impl Item {
    /// What tells this item apart.
    #[must_use]
    pub fn key(&self) -> ItemKey {
        match self {
            Self::Entry(entry) => ItemKey::Entry(entry.key.clone()),
            Self::MulticastGroup(group) => ItemKey::MulticastGroup(group.id),
            Self::CloneSession(session) => ItemKey::CloneSession(session.id),
            Self::Digest(digest) => ItemKey::Digest(digest.digest.clone()),
        }
    }
}

impl ItemKey {
    fn is_default_entry(&self) -> bool {
        matches!(self, Self::Entry(key) if key.is_default())
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(Key {
                table,
                condition: Condition::Default,
            }) => {
                write!(f, "default entry of {table}")
            }
            Self::Entry(Key {
                table,
                condition: Condition::Match { fields, priority },
            }) => {
                write!(f, "entry of {table} [")?;
                for (place, (name, field)) in fields.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(
                        f,
                        "{comma}{name}={}",
                        value::print_match(field, value::Format::Hex)
                    )?;
                }
                f.write_str("]")?;
                if *priority == 0 {
                    Ok(())
                } else {
                    write!(f, " priority {priority}")
                }
            }
            Self::MulticastGroup(id) => write!(f, "multicast group {id}"),
            Self::CloneSession(id) => write!(f, "clone session {id}"),
            Self::Digest(name) => write!(f, "digest {name}"),
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Insert => "insert",
            Self::Modify => "modify",
            Self::Delete => "delete",
        })
    }
}
