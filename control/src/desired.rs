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
/// The groups of changes are in order: a switch may reorder updates within a request, so what
/// depends on other things stands in a later group. Room is made first. What lets frames out comes after
/// what says how bundles are treated, so that none passes untranslated meanwhile. Items in `skip` are
/// left as they are.
#[must_use]
pub fn difference(
    wanted: &SwitchState,
    actual: &SwitchState,
    index: &Index,
    skip: &BTreeSet<ItemKey>,
) -> Vec<Vec<Change>> {
    let mut groups: [Vec<Change>; 6] = Default::default();
    let [
        remove_entries,
        write_entries,
        write_groups,
        write_forwarding,
        subscribe,
        remove_groups,
    ] = &mut groups;
    for (key, item) in actual.items.iter().filter(|(key, _)| !skip.contains(key)) {
        if wanted.items.contains_key(key) {
            continue;
        }
        let delete = || Change {
            kind: ChangeKind::Delete,
            item: item.clone(),
        };
        match item {
            Item::Entry(entry) if entry.key.is_default() => {
                write_entries.extend(reset(entry, index));
            }
            // What the program brought along is the program's.
            Item::Entry(entry) if !fixed_entries(entry, index) => remove_entries.push(delete()),
            Item::MulticastGroup(_) | Item::CloneSession(_) => remove_groups.push(delete()),
            // Servers go on sampling after a digest is deleted, or fail to delete it at all. A
            // subscription that nobody wants costs little: its lists are acknowledged.
            Item::Entry(_) | Item::Digest(_) => {}
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
        let change = Change {
            kind,
            item: item.clone(),
        };
        match item {
            Item::Entry(entry) if entry.key.table == names::L2_FORWARD => {
                write_forwarding.push(change);
            }
            Item::Entry(_) => write_entries.push(change),
            Item::MulticastGroup(_) | Item::CloneSession(_) => write_groups.push(change),
            Item::Digest(_) => subscribe.push(change),
        }
    }
    groups
        .into_iter()
        .filter(|group| !group.is_empty())
        .collect()
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
