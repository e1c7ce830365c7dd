// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bundles that wait, on disk.
//!
//! One redb file with four tables: the bundles by the sequence of their arrival, and an index each
//! by neighbour and urgency, by expiry, and by who has to make room. Every change is one
//! transaction that is on disk when the call returns: a process that is killed loses nothing of
//! what was stored. What was sent and not yet removed is sent again: bundles leave **at least
//! once**.
//!
//! # Who makes room
//!
//! When the quota is full: first what has expired; then what is less urgent than the new bundle,
//! the least urgent first, and of those the youngest. If that is not enough the new bundle is
//! dropped, and nothing else is. So what is stored gives way to more urgent bundles only.

use std::collections::BTreeMap;
use std::path::Path;

use bundle::v6::Priority;
use contact::NodeNumber;
use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition, WriteTransaction,
};

use crate::core::Kept;
use crate::counters::Level;
use crate::time::UnixMs;

/// Neighbour, expiry, priority and arrival of a bundle, then its frame, by sequence.
const BUNDLES: TableDefinition<'_, u64, (u64, u64, u8, u64, &[u8])> =
    TableDefinition::new("bundles");
/// Neighbour, the inverse of the priority, sequence.
const BY_NEIGHBOUR: TableDefinition<'_, (u64, u8, u64), ()> = TableDefinition::new("by_neighbour");
/// Expiry, sequence.
const BY_EXPIRY: TableDefinition<'_, (u64, u64), ()> = TableDefinition::new("by_expiry");
/// Priority, the inverse of the sequence; and the octets that leaving would free.
const BY_WORTH: TableDefinition<'_, (u8, u64), u64> = TableDefinition::new("by_worth");
/// Facts about the file itself.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");

/// The version of the tables above.
const FORMAT: u64 = 1;

/// So many bundles that do not fit into a contact are passed over for shorter ones. It bounds the time
/// that looking takes.
const MOST_PASSED_OVER: usize = 4096;

/// The number of a stored bundle. Later ones have larger numbers, while earlier ones are there.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sequence(pub u64);

/// The bundles that wait.
#[derive(Debug)]
pub struct Store {
    database: Database,
    quota_octets: u64,
    totals: Totals,
}

/// What is in the tables, in numbers. Taken from them when the file is opened.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Totals {
    next: u64,
    octets: u64,
    waiting: BTreeMap<NodeNumber, u64>,
    /// Octets of frames by neighbour and priority. Nobody is here with none.
    backlog: Backlog,
}

/// Octets of frames that wait for each neighbour: bulk, normal, expedited.
pub type Backlog = BTreeMap<NodeNumber, [u64; 3]>;

/// What became of bundles.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Change {
    /// Bundles that were put in.
    pub stored: u64,
    /// Bundles that expired, stored ones and new ones.
    pub expired: u64,
    /// Bundles that had to go or could not come for lack of room.
    pub over_quota: u64,
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// redb cannot read or write its file.
    #[error(transparent)]
    Database(Box<redb::Error>),
    /// The file is of another version of this program.
    #[error("store has format {found}, and this program has {FORMAT}")]
    Format {
        /// The version in the file.
        found: u64,
    },
    /// An index has what the bundles do not have: not this program wrote the file.
    #[error("index names bundle {0}, which is not there")]
    Index(u64),
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

impl Store {
    /// Opens the file, or makes a new one. After a crash this repairs it.
    ///
    /// # Errors
    ///
    /// The file cannot be used, or another process uses it.
    pub fn open(path: &Path, quota_octets: u64) -> Result<Self, StoreError> {
        let database = Database::create(path)?;
        let transaction = database.begin_write()?;
        check_format(&transaction)?;
        let totals = Tables::open(&transaction)?.totals()?;
        transaction.commit()?;
        Ok(Self {
            database,
            quota_octets,
            totals,
        })
    }

    /// How full it is.
    #[must_use]
    pub fn level(&self) -> Level {
        Level {
            bundles: self.totals.waiting.values().sum(),
            octets: self.totals.octets,
            quota_octets: self.quota_octets,
        }
    }

    /// How many bundles wait for each neighbour. Nobody is here with none.
    #[must_use]
    pub fn waiting(&self) -> &BTreeMap<NodeNumber, u64> {
        &self.totals.waiting
    }

    /// How much waits for each neighbour. Nobody is here with none.
    #[must_use]
    pub fn backlog(&self) -> &Backlog {
        &self.totals.backlog
    }

    /// Puts bundles in, in their order. They are on disk when this returns.
    ///
    /// # Errors
    ///
    /// The file cannot be written. Then none of them is stored.
    pub fn put(&mut self, bundles: &[Kept], now: UnixMs) -> Result<Change, StoreError> {
        let transaction = self.database.begin_write()?;
        let mut totals = self.totals.clone();
        let mut change = Change::default();
        {
            let mut tables = Tables::open(&transaction)?;
            for kept in bundles {
                let octets = kept.frame.len() as u64;
                if kept.expires <= now {
                    change.expired += 1;
                    continue;
                }
                if octets > self.quota_octets.saturating_sub(totals.octets) {
                    change.expired += tables.expire(&mut totals, now)?;
                }
                match tables.who_makes_room(&totals, self.quota_octets, kept)? {
                    Some(leaving) => {
                        change.over_quota += leaving.len() as u64;
                        for sequence in leaving {
                            tables.remove(&mut totals, sequence)?;
                        }
                        tables.insert(&mut totals, kept)?;
                        change.stored += 1;
                    }
                    None => change.over_quota += 1,
                }
            }
        }
        transaction.commit()?;
        self.totals = totals;
        Ok(change)
    }

    /// The bundles that go to a neighbour next: the most urgent first, and of those the oldest. Those
    /// with more octets than `room` are passed over.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn next_for(
        &self,
        neighbour: NodeNumber,
        room: u64,
        most: usize,
    ) -> Result<Vec<(Sequence, Kept)>, StoreError> {
        let transaction = self.database.begin_read()?;
        let index = transaction.open_table(BY_NEIGHBOUR)?;
        let worth = transaction.open_table(BY_WORTH)?;
        let bundles = transaction.open_table(BUNDLES)?;
        let range = (neighbour.0, 0, 0)..=(neighbour.0, u8::MAX, u64::MAX);
        let mut found = Vec::new();
        for entry in index.range(range)?.take(MOST_PASSED_OVER + most) {
            let (_, urgency, sequence) = entry?.0.value();
            let octets = worth.get((!urgency, !sequence))?;
            let octets = octets.ok_or(StoreError::Index(sequence))?.value();
            if octets > room {
                continue;
            }
            let record = bundles.get(sequence)?.ok_or(StoreError::Index(sequence))?;
            found.push((Sequence(sequence), kept(record.value())));
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
    }

    /// Takes bundles out, because they were sent. Those that are not there are no error.
    ///
    /// # Errors
    ///
    /// The file cannot be written. Then all of them are still there.
    pub fn remove(&mut self, sequences: &[Sequence]) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        let mut totals = self.totals.clone();
        {
            let mut tables = Tables::open(&transaction)?;
            for sequence in sequences {
                tables.remove(&mut totals, sequence.0)?;
            }
        }
        transaction.commit()?;
        self.totals = totals;
        Ok(())
    }

    /// Takes out what has expired, and returns how many that were.
    ///
    /// # Errors
    ///
    /// The file cannot be written. Then all of them are still there.
    pub fn expire(&mut self, now: UnixMs) -> Result<u64, StoreError> {
        if self.first_expiry()?.is_none_or(|first| first > now) {
            return Ok(0);
        }
        let transaction = self.database.begin_write()?;
        let mut totals = self.totals.clone();
        let expired = Tables::open(&transaction)?.expire(&mut totals, now)?;
        transaction.commit()?;
        self.totals = totals;
        Ok(expired)
    }

    /// When the first bundle expires.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn first_expiry(&self) -> Result<Option<UnixMs>, StoreError> {
        let transaction = self.database.begin_read()?;
        let index = transaction.open_table(BY_EXPIRY)?;
        let first = index.first()?;
        Ok(first.map(|(key, _)| UnixMs(key.value().0)))
    }
}

/// All tables of one transaction. They change together.
struct Tables<'t> {
    bundles: Table<'t, u64, (u64, u64, u8, u64, &'static [u8])>,
    by_neighbour: Table<'t, (u64, u8, u64), ()>,
    by_expiry: Table<'t, (u64, u64), ()>,
    by_worth: Table<'t, (u8, u64), u64>,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            bundles: transaction.open_table(BUNDLES)?,
            by_neighbour: transaction.open_table(BY_NEIGHBOUR)?,
            by_expiry: transaction.open_table(BY_EXPIRY)?,
            by_worth: transaction.open_table(BY_WORTH)?,
        })
    }

    fn totals(&self) -> Result<Totals, StoreError> {
        let last = self.bundles.last()?.map(|(sequence, _)| sequence.value());
        let mut totals = Totals {
            next: last.map_or(0, |last| last + 1),
            ..Totals::default()
        };
        for entry in self.by_worth.iter()? {
            totals.octets += entry?.1.value();
        }
        for entry in self.by_neighbour.iter()? {
            let (neighbour, urgency, sequence) = entry?.0.value();
            let neighbour = NodeNumber(neighbour);
            *totals.waiting.entry(neighbour).or_default() += 1;
            let octets = self.by_worth.get((!urgency, !sequence))?;
            let octets = octets.ok_or(StoreError::Index(sequence))?.value();
            totals.backlog.entry(neighbour).or_default()[class(!urgency)] += octets;
        }
        Ok(totals)
    }

    fn insert(&mut self, totals: &mut Totals, kept: &Kept) -> Result<(), StoreError> {
        let sequence = totals.next;
        let (neighbour, expires, arrived) = (kept.neighbour.0, kept.expires.0, kept.arrived.0);
        let (priority, octets) = (kept.priority as u8, kept.frame.len() as u64);
        let record = (neighbour, expires, priority, arrived, kept.frame.as_slice());
        self.bundles.insert(sequence, record)?;
        self.by_neighbour
            .insert((neighbour, !priority, sequence), ())?;
        self.by_expiry.insert((expires, sequence), ())?;
        self.by_worth.insert((priority, !sequence), octets)?;
        totals.next += 1;
        totals.octets += octets;
        *totals.waiting.entry(kept.neighbour).or_default() += 1;
        totals.backlog.entry(kept.neighbour).or_default()[class(priority)] += octets;
        Ok(())
    }

    fn remove(&mut self, totals: &mut Totals, sequence: u64) -> Result<(), StoreError> {
        let Some(record) = self.bundles.remove(sequence)? else {
            return Ok(());
        };
        let (neighbour, expires, priority, _, frame) = record.value();
        self.by_neighbour.remove((neighbour, !priority, sequence))?;
        self.by_expiry.remove((expires, sequence))?;
        self.by_worth.remove((priority, !sequence))?;
        let octets = frame.len() as u64;
        totals.octets = totals.octets.saturating_sub(octets);
        let neighbour = NodeNumber(neighbour);
        if let Some(waiting) = totals.backlog.get_mut(&neighbour) {
            let waiting = &mut waiting[class(priority)];
            *waiting = waiting.saturating_sub(octets);
        }
        if let Some(count) = totals.waiting.get_mut(&neighbour) {
            *count -= 1;
            if *count == 0 {
                totals.waiting.remove(&neighbour);
                totals.backlog.remove(&neighbour);
            }
        }
        Ok(())
    }

    fn expire(&mut self, totals: &mut Totals, now: UnixMs) -> Result<u64, StoreError> {
        let mut expired = Vec::new();
        for entry in self.by_expiry.range(..=(now.0, u64::MAX))? {
            expired.push(entry?.0.value().1);
        }
        for &sequence in &expired {
            self.remove(totals, sequence)?;
        }
        Ok(expired.len() as u64)
    }

    /// Which bundles go so that this one fits. `None` if it does not fit anyway.
    fn who_makes_room(
        &self,
        totals: &Totals,
        quota_octets: u64,
        kept: &Kept,
    ) -> Result<Option<Vec<u64>>, StoreError> {
        let octets = kept.frame.len() as u64;
        let mut free = quota_octets.saturating_sub(totals.octets);
        let mut leaving = Vec::new();
        for entry in self.by_worth.range(..(kept.priority as u8, 0))? {
            if free >= octets {
                break;
            }
            let (key, freed) = entry?;
            leaving.push(!key.value().1);
            free += freed.value();
        }
        Ok((free >= octets).then_some(leaving))
    }
}

fn check_format(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let mut about = transaction.open_table(ABOUT)?;
    let found = about.get("format")?.map(|format| format.value());
    match found {
        Some(FORMAT) => Ok(()),
        Some(found) => Err(StoreError::Format { found }),
        None => {
            about.insert("format", FORMAT)?;
            Ok(())
        }
    }
}

/// The place of a priority among the three that there are.
const fn class(priority: u8) -> usize {
    match priority {
        0 => 0,
        2 => 2,
        _ => 1,
    }
}

fn kept((neighbour, expires, priority, arrived, frame): (u64, u64, u8, u64, &[u8])) -> Kept {
    Kept {
        neighbour: NodeNumber(neighbour),
        expires: UnixMs(expires),
        priority: match class(priority) {
            0 => Priority::Bulk,
            2 => Priority::Expedited,
            _ => Priority::Normal,
        },
        arrived: UnixMs(arrived),
        frame: frame.to_vec(),
    }
}
