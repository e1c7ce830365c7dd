// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What must survive: bundles to send, bundles to deliver, fragments, and what was seen.
//!
//! A folder of fjall, with a log in front: a change is one write to its end. A [`Batch`] is one
//! transaction: all of it is safe when [`Batch::commit`] returns, or nothing, as far as
//! [`Safety`] says.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bpsock::abi::BundleId;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

/// The parts of the store, each with keys of its own.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Part {
    /// Bundles by the order of their coming.
    Outbox,
    /// The same.
    Inbox,
    /// Fragments: the identity of their data unit behind its length, and their offset.
    Fragments,
    /// When a data unit that was received need not be known any more, by its identity.
    Seen,
    /// Single numbers.
    About,
}

impl Part {
    const ALL: [Self; 5] = [
        Self::Outbox,
        Self::Inbox,
        Self::Fragments,
        Self::Seen,
        Self::About,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Outbox => "outbox",
            Self::Inbox => "inbox",
            Self::Fragments => "fragments",
            Self::Seen => "seen",
            Self::About => "about",
        }
    }
}

/// The version of what is in the folder.
const FORMAT: u64 = 2;
/// Names of single numbers.
const FORMAT_KEY: &[u8] = b"format";
const LAST_TIME: &[u8] = b"last time";
const LAST_SEQUENCE: &[u8] = b"last sequence";
/// Octets of the log, after which what is left of it goes into tables. fjall needs this many.
const LOG: u64 = 64 << 20;
/// Octets of tables that stay in memory.
const CACHE: u64 = 8 << 20;

/// Which of the two queues.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Queue {
    /// To send.
    Out,
    /// To deliver.
    In,
}

impl Queue {
    const fn part(self) -> Part {
        match self {
            Self::Out => Part::Outbox,
            Self::In => Part::Inbox,
        }
    }
}

/// What committed changes survive.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Safety {
    /// The end of the process, whatever ends it: the system has them.
    Process,
    /// The end of the system, too: the disk has them.
    #[default]
    System,
}

/// The folder.
pub struct Store {
    database: Database,
    parts: [Keyspace; Part::ALL.len()],
    safety: Safety,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("safety", &self.safety)
            .finish_non_exhaustive()
    }
}

/// What the folder holds when it is opened.
#[derive(Debug, Default)]
pub struct Contents {
    /// Bundles to send, by number.
    pub outbox: Vec<(u64, Vec<u8>)>,
    /// Bundles to deliver, by number.
    pub inbox: Vec<(u64, Vec<u8>)>,
    /// Fragments.
    pub fragments: Vec<(Vec<u8>, Vec<u8>)>,
    /// Identities, and until when they matter.
    pub seen: Vec<(Vec<u8>, u64)>,
    /// The identity that was used last.
    pub last: BundleId,
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// fjall cannot read or write its files.
    #[error(transparent)]
    Database(Box<fjall::Error>),
    /// Another process has it open.
    #[error("another process uses it")]
    Locked,
    /// There is a file of this name.
    #[error("{} is a file, and the store is a folder", .0.display())]
    File(PathBuf),
    /// It is of another version of this program.
    #[error("store has format {0}, and this program has {FORMAT}")]
    Format(u64),
    /// Something in it is shorter than it should be.
    #[error("store is damaged: a {0} is cut off")]
    Damaged(&'static str),
}

impl From<fjall::Error> for StoreError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Locked => Self::Locked,
            error => Self::Database(Box::new(error)),
        }
    }
}

impl Store {
    /// Opens the folder, or makes a new one, and reads it.
    ///
    /// # Errors
    ///
    /// It cannot be used, or another process uses it.
    pub fn open(path: &Path, safety: Safety) -> Result<(Self, Contents), StoreError> {
        if path.is_file() {
            return Err(StoreError::File(path.to_owned()));
        }
        let database = Database::builder(path)
            .worker_threads(1)
            .cache_size(CACHE)
            .max_journaling_size(LOG)
            .open()?;
        let mut parts = Vec::with_capacity(Part::ALL.len());
        for part in Part::ALL {
            parts.push(database.keyspace(part.name(), KeyspaceCreateOptions::default)?);
        }
        let parts = parts.try_into();
        let store = Self {
            database,
            parts: parts.unwrap_or_else(|_| unreachable!("there is one for each part")),
            safety,
        };
        let format = store.single(FORMAT_KEY)?;
        if let Some(other) = format.filter(|format| *format != FORMAT) {
            return Err(StoreError::Format(other));
        }
        let mut contents = Contents {
            last: BundleId {
                creation_ms: store.single(LAST_TIME)?.unwrap_or(0),
                sequence: store.single(LAST_SEQUENCE)?.unwrap_or(0),
            },
            ..Contents::default()
        };
        store.each(Part::Outbox, |key, value| {
            contents.outbox.push((number(key)?, value.to_vec()));
            Ok(())
        })?;
        store.each(Part::Inbox, |key, value| {
            contents.inbox.push((number(key)?, value.to_vec()));
            Ok(())
        })?;
        store.each(Part::Fragments, |key, value| {
            let fragment = (identity_of(key)?.to_vec(), value.to_vec());
            contents.fragments.push(fragment);
            Ok(())
        })?;
        store.each(Part::Seen, |key, value| {
            contents.seen.push((key.to_vec(), number(value)?));
            Ok(())
        })?;
        if format.is_none() {
            let batch = store.begin();
            batch.put_single(FORMAT_KEY, FORMAT);
            batch.commit()?;
        }
        Ok((store, contents))
    }

    /// Begins a transaction.
    #[must_use]
    pub fn begin(&self) -> Batch<'_> {
        Batch {
            store: self,
            forgets: Cell::new(true),
            changes: RefCell::default(),
        }
    }

    /// A bundle of a queue.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn bundle(&self, queue: Queue, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.part(queue.part()).get(number.to_be_bytes())?;
        Ok(found.map(|value| value.to_vec()))
    }

    const fn part(&self, part: Part) -> &Keyspace {
        &self.parts[part as usize]
    }

    fn single(&self, key: &[u8]) -> Result<Option<u64>, StoreError> {
        let found = self.part(Part::About).get(key)?;
        found.map(|value| number(&value)).transpose()
    }

    fn each(
        &self,
        part: Part,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for entry in self.part(part).iter() {
            let (key, value) = entry.into_inner()?;
            take(&key, &value)?;
        }
        Ok(())
    }
}

/// New values by part and key. What is removed is `None`.
type Changes = BTreeMap<(Part, Vec<u8>), Option<Vec<u8>>>;

/// Changes that are safe together.
pub struct Batch<'s> {
    store: &'s Store,
    /// Whether it only forgets: what is forgotten may come again after a loss of power.
    forgets: Cell<bool>,
    changes: RefCell<Changes>,
}

impl Batch<'_> {
    /// Puts a bundle into a queue.
    pub fn put(&self, queue: Queue, number: u64, octets: &[u8]) {
        self.change(queue.part(), number.to_be_bytes().into(), Some(octets));
    }

    /// Takes a bundle out of a queue that nobody needs any more.
    pub fn discard(&self, queue: Queue, number: u64) {
        self.change(queue.part(), number.to_be_bytes().into(), None);
    }

    /// Takes a bundle out of a queue.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn remove(&self, queue: Queue, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let (part, key) = (queue.part(), number.to_be_bytes());
        let known = self.changes.borrow().get(&(part, key.into())).cloned();
        let removed = match known {
            Some(value) => value,
            None => self.store.bundle(queue, number)?,
        };
        if removed.is_some() {
            self.change(part, key.into(), None);
        }
        Ok(removed)
    }

    /// Keeps a fragment.
    pub fn put_fragment(&self, key: &[u8], offset: u64, octets: &[u8]) {
        let mut place = fragments_of(key);
        place.extend(offset.to_be_bytes());
        self.change(Part::Fragments, place, Some(octets));
    }

    /// Takes all fragments of a data unit, in the order of their offsets.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn take_fragments(&self, key: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
        let prefix = fragments_of(key);
        let mut taken = BTreeMap::new();
        for entry in self.store.part(Part::Fragments).prefix(&prefix) {
            let (place, value) = entry.into_inner()?;
            taken.insert(place.to_vec(), Some(value.to_vec()));
        }
        let changes = self.changes.borrow();
        let from = (Part::Fragments, prefix.clone());
        let newer = changes
            .range(from..)
            .take_while(|((part, place), _)| *part == Part::Fragments && place.starts_with(&prefix))
            .map(|((_, place), value)| (place.clone(), value.clone()));
        taken.extend(newer);
        drop(changes);
        for place in taken.keys() {
            self.change(Part::Fragments, place.clone(), None);
        }
        Ok(taken.into_values().flatten().collect())
    }

    /// Remembers a data unit.
    pub fn remember(&self, key: &[u8], until: u64) {
        self.change(Part::Seen, key.into(), Some(&until.to_be_bytes()));
    }

    /// Forgets a data unit.
    pub fn forget(&self, key: &[u8]) {
        self.change(Part::Seen, key.into(), None);
    }

    /// Notes the identity that was used last, so that no other bundle gets it.
    pub fn set_last(&self, last: BundleId) {
        self.put_single(LAST_TIME, last.creation_ms);
        self.put_single(LAST_SEQUENCE, last.sequence);
    }

    /// Makes the changes safe, if there are some.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    pub fn commit(self) -> Result<(), StoreError> {
        let changes = self.changes.into_inner();
        if changes.is_empty() {
            return Ok(());
        }
        let mode = match self.store.safety {
            Safety::System if !self.forgets.get() => PersistMode::SyncData,
            _ => PersistMode::Buffer,
        };
        let mut batch = self.store.database.batch().durability(Some(mode));
        for ((part, key), value) in changes {
            let part = self.store.part(part);
            match value {
                Some(value) => batch.insert(part, key, value),
                None => batch.remove(part, key),
            }
        }
        Ok(batch.commit()?)
    }

    fn put_single(&self, key: &[u8], value: u64) {
        self.change(Part::About, key.into(), Some(&value.to_be_bytes()));
    }

    fn change(&self, part: Part, key: Vec<u8>, value: Option<&[u8]>) {
        if value.is_some() {
            self.forgets.set(false);
        }
        let value = value.map(<[u8]>::to_vec);
        self.changes.borrow_mut().insert((part, key), value);
    }
}

/// What the keys of all fragments of a data unit begin with, and no others do.
fn fragments_of(identity: &[u8]) -> Vec<u8> {
    let mut prefix = (identity.len() as u64).to_be_bytes().to_vec();
    prefix.extend_from_slice(identity);
    prefix
}

/// The identity in the key of a fragment.
fn identity_of(key: &[u8]) -> Result<&[u8], StoreError> {
    let identity = key.get(8..key.len().saturating_sub(8));
    identity.ok_or(StoreError::Damaged("fragment"))
}

fn number(octets: &[u8]) -> Result<u64, StoreError> {
    let octets = octets.try_into();
    Ok(u64::from_be_bytes(
        octets.map_err(|_| StoreError::Damaged("number"))?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> (Store, Contents) {
        Store::open(path, Safety::Process).expect("it is a folder of this test")
    }

    #[test]
    fn what_is_committed_is_there_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("store");
        let (store, contents) = open(&path);
        assert!(contents.outbox.is_empty() && contents.seen.is_empty());
        assert!(matches!(
            Store::open(&path, Safety::Process),
            Err(StoreError::Locked)
        ));
        let batch = store.begin();
        batch.put(Queue::Out, 7, b"seven");
        batch.put(Queue::In, 8, b"eight");
        batch.put(Queue::In, 9, b"nine");
        batch.remember(b"who", 5);
        batch.put_fragment(b"unit", 3, b"b");
        batch.put_fragment(b"unit", 0, b"a");
        batch.put_fragment(b"unit2", 0, b"c");
        let last = BundleId {
            creation_ms: 1,
            sequence: 2,
        };
        batch.set_last(last);
        batch.commit().expect("it can be written");
        // What is not committed is not there.
        store.begin().put(Queue::Out, 10, b"ten");
        drop(store);
        let (store, contents) = open(&path);
        assert_eq!(contents.outbox, [(7, b"seven".to_vec())]);
        assert_eq!(
            contents.inbox,
            [(8, b"eight".to_vec()), (9, b"nine".to_vec())]
        );
        assert_eq!(contents.seen, [(b"who".to_vec(), 5)]);
        assert_eq!(contents.fragments.len(), 3);
        assert_eq!(contents.fragments[0].0, b"unit");
        assert_eq!(contents.last, last);
        let found = store.bundle(Queue::In, 9).expect("it can be read");
        assert_eq!(found.as_deref(), Some(&b"nine"[..]));
    }

    #[test]
    fn a_batch_sees_its_own_changes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (store, _) = open(&folder.path().join("store"));
        let batch = store.begin();
        batch.put_fragment(b"unit", 9, b"old");
        batch.put(Queue::Out, 1, b"old");
        batch.commit().expect("it can be written");
        let batch = store.begin();
        batch.put(Queue::Out, 2, b"new");
        batch.put_fragment(b"unit", 2, b"new");
        batch.put_fragment(b"unit2", 0, b"other");
        let remove = |number| batch.remove(Queue::Out, number).expect("it can be read");
        assert_eq!(remove(2).as_deref(), Some(&b"new"[..]));
        assert_eq!(remove(2), None);
        assert_eq!(remove(1).as_deref(), Some(&b"old"[..]));
        assert_eq!(remove(1), None);
        let take = || batch.take_fragments(b"unit").expect("it can be read");
        assert_eq!(take(), [b"new".to_vec(), b"old".to_vec()]);
        assert!(take().is_empty());
        batch.commit().expect("it can be written");
        assert_eq!(store.bundle(Queue::Out, 1).expect("it can be read"), None);
        let left = store.begin().take_fragments(b"unit2");
        assert_eq!(left.expect("it can be read"), [b"other".to_vec()]);
    }

    #[test]
    fn a_file_is_no_store() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let refused = Store::open(file.path(), Safety::System);
        assert!(matches!(refused, Err(StoreError::File(_))));
    }
}
