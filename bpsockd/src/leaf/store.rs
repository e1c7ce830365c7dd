// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What must survive: bundles to send, bundles to deliver, fragments, and what was seen.
//!
//! One redb file. A [`Batch`] is one transaction: all of it is on disk when [`Batch::commit`]
//! returns, or nothing.

use std::cell::Cell;
use std::path::Path;

use bpsock::abi::BundleId;
use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction,
};

/// Bundles by the order of their coming.
type Bundles = TableDefinition<'static, u64, &'static [u8]>;
const OUTBOX: Bundles = TableDefinition::new("outbox");
const INBOX: Bundles = TableDefinition::new("inbox");
/// Fragments by the identity of their data unit and their offset.
const FRAGMENTS: TableDefinition<'_, (&[u8], u64), &[u8]> = TableDefinition::new("fragments");
/// When a data unit that was received need not be known any more, by its identity.
const SEEN: TableDefinition<'_, &[u8], u64> = TableDefinition::new("seen");
/// Single numbers.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const FORMAT: u64 = 1;

/// Which of the two queues.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Queue {
    /// To send.
    Out,
    /// To deliver.
    In,
}

impl Queue {
    const fn table(self) -> Bundles {
        match self {
            Self::Out => OUTBOX,
            Self::In => INBOX,
        }
    }
}

/// The file.
#[derive(Debug)]
pub struct Store {
    database: Database,
}

/// What the file holds when it is opened.
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
    /// redb cannot read or write its file.
    #[error(transparent)]
    Database(Box<redb::Error>),
    /// The file is of another version of this program.
    #[error("store has format {0}, and this program has {FORMAT}")]
    Format(u64),
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

impl Store {
    /// Opens the file, or makes a new one, and reads it.
    ///
    /// # Errors
    ///
    /// The file cannot be used, or another process uses it.
    pub fn open(path: &Path) -> Result<(Self, Contents), StoreError> {
        let database = Database::create(path)?;
        let transaction = database.begin_write()?;
        let mut contents = Contents::default();
        {
            let mut about = transaction.open_table(ABOUT)?;
            let format = about.get("format")?.map(|value| value.value());
            match format {
                None => drop(about.insert("format", FORMAT)?),
                Some(FORMAT) => {}
                Some(other) => return Err(StoreError::Format(other)),
            }
            let number = |name| -> Result<u64, StoreError> {
                Ok(about.get(name)?.map_or(0, |value| value.value()))
            };
            contents.last.creation_ms = number("last time")?;
            contents.last.sequence = number("last sequence")?;
            for (table, into) in [(OUTBOX, &mut contents.outbox), (INBOX, &mut contents.inbox)] {
                for entry in transaction.open_table(table)?.iter()? {
                    let (key, value) = entry?;
                    into.push((key.value(), value.value().to_vec()));
                }
            }
            for entry in transaction.open_table(FRAGMENTS)?.iter()? {
                let (key, value) = entry?;
                let fragment = (key.value().0.to_vec(), value.value().to_vec());
                contents.fragments.push(fragment);
            }
            for entry in transaction.open_table(SEEN)?.iter()? {
                let (key, value) = entry?;
                contents.seen.push((key.value().to_vec(), value.value()));
            }
        }
        transaction.commit()?;
        Ok((Self { database }, contents))
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn begin(&self) -> Result<Batch, StoreError> {
        let transaction = self.database.begin_write()?;
        let is_changed = Cell::new(false);
        Ok(Batch {
            transaction,
            is_changed,
        })
    }

    /// A bundle of a queue.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn bundle(&self, queue: Queue, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.database.begin_read()?.open_table(queue.table())?;
        let found = table.get(number)?;
        Ok(found.map(|value| value.value().to_vec()))
    }
}

/// Changes that are on disk together.
pub struct Batch {
    transaction: WriteTransaction,
    is_changed: Cell<bool>,
}

impl Batch {
    /// Puts a bundle into a queue.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn put(&self, queue: Queue, number: u64, octets: &[u8]) -> Result<(), StoreError> {
        self.is_changed.set(true);
        let mut table = self.transaction.open_table(queue.table())?;
        table.insert(number, octets)?;
        Ok(())
    }

    /// Takes a bundle out of a queue.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn remove(&self, queue: Queue, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.is_changed.set(true);
        let mut table = self.transaction.open_table(queue.table())?;
        let removed = table.remove(number)?.map(|value| value.value().to_vec());
        Ok(removed)
    }

    /// Keeps a fragment.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn put_fragment(&self, key: &[u8], offset: u64, octets: &[u8]) -> Result<(), StoreError> {
        self.is_changed.set(true);
        let mut table = self.transaction.open_table(FRAGMENTS)?;
        table.insert((key, offset), octets)?;
        Ok(())
    }

    /// Takes all fragments of a data unit, in the order of their offsets.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn take_fragments(&self, key: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
        self.is_changed.set(true);
        let mut table = self.transaction.open_table(FRAGMENTS)?;
        let mut taken = Vec::new();
        for entry in table.extract_from_if((key, 0)..=(key, u64::MAX), |_, _| true)? {
            taken.push(entry?.1.value().to_vec());
        }
        Ok(taken)
    }

    /// Remembers a data unit.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn remember(&self, key: &[u8], until: u64) -> Result<(), StoreError> {
        self.is_changed.set(true);
        self.transaction.open_table(SEEN)?.insert(key, until)?;
        Ok(())
    }

    /// Forgets a data unit.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn forget(&self, key: &[u8]) -> Result<(), StoreError> {
        self.is_changed.set(true);
        self.transaction.open_table(SEEN)?.remove(key)?;
        Ok(())
    }

    /// Notes the identity that was used last, so that no other bundle gets it.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn set_last(&self, last: BundleId) -> Result<(), StoreError> {
        self.is_changed.set(true);
        let mut about = self.transaction.open_table(ABOUT)?;
        about.insert("last time", last.creation_ms)?;
        about.insert("last sequence", last.sequence)?;
        Ok(())
    }

    /// Puts the changes on disk, if there are some.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn commit(self) -> Result<(), StoreError> {
        if self.is_changed.get() {
            self.transaction.commit()?;
        } else {
            self.transaction.abort()?;
        }
        Ok(())
    }
}
