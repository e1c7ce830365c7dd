// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What has to survive the controller: overrides of operators, and what was learned of neighbours.
//!
//! Each access opens the file and closes it again, so that several controllers on one machine can
//! share it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use crate::{neighbours::Memory, overrides::Override};

/// Names, and overrides in JSON.
const OVERRIDES: TableDefinition<'_, &str, &str> = TableDefinition::new("overrides");
/// What was learned, in JSON.
const LEARNED: TableDefinition<'_, &str, &str> = TableDefinition::new("learned");
/// The one key of it.
const NEIGHBOURS: &str = "neighbours";
/// How long another controller may keep the file open. Its accesses take milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause between attempts to open it.
const POLL: Duration = Duration::from_millis(2);

/// The file.
#[derive(Clone, Debug)]
pub struct State {
    path: PathBuf,
}

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file.
    #[error("cannot use {}", .path.display())]
    Database {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
    /// Something in it is not of its form.
    #[error("{} holds something that this version does not understand", .path.display())]
    Form {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Any error of an access.
enum Failure {
    Database(Box<redb::Error>),
    Form(serde_json::Error),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

impl State {
    /// Opens the file, and makes it if it is not there.
    ///
    /// # Errors
    /// It cannot be made or read.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let state = Self {
            path: path.to_owned(),
        };
        state.access(|database| {
            let transaction = database.begin_write()?;
            transaction.open_table(OVERRIDES)?;
            transaction.open_table(LEARNED)?;
            transaction.commit()?;
            Ok(())
        })?;
        Ok(state)
    }

    /// The overrides, by name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn overrides(&self) -> Result<BTreeMap<String, Override>, StateError> {
        self.access(|database| {
            let transaction = database.begin_read()?;
            let table = transaction.open_table(OVERRIDES)?;
            let mut found = BTreeMap::new();
            for row in table.iter()? {
                let (name, text) = row?;
                let read = serde_json::from_str(text.value()).map_err(Failure::Form)?;
                found.insert(name.value().to_owned(), read);
            }
            Ok(found)
        })
    }

    /// Keeps an override, in the place of one with its name.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put_override(&self, name: &str, wanted: &Override) -> Result<(), StateError> {
        self.access(|database| {
            let text = serde_json::to_string(wanted).map_err(Failure::Form)?;
            let transaction = database.begin_write()?;
            transaction.open_table(OVERRIDES)?.insert(name, &*text)?;
            transaction.commit()?;
            Ok(())
        })
    }

    /// Forgets an override.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remove_override(&self, name: &str) -> Result<(), StateError> {
        self.access(|database| {
            let transaction = database.begin_write()?;
            transaction.open_table(OVERRIDES)?.remove(name)?;
            transaction.commit()?;
            Ok(())
        })
    }

    /// What was learned of neighbours.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn memory(&self) -> Result<Memory, StateError> {
        self.access(|database| {
            let transaction = database.begin_read()?;
            let table = transaction.open_table(LEARNED)?;
            let Some(text) = table.get(NEIGHBOURS)? else {
                return Ok(Memory::default());
            };
            serde_json::from_str(text.value()).map_err(Failure::Form)
        })
    }

    /// Keeps what was learned of neighbours, in the place of what there was.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put_memory(&self, memory: &Memory) -> Result<(), StateError> {
        self.access(|database| {
            let text = serde_json::to_string(memory).map_err(Failure::Form)?;
            let transaction = database.begin_write()?;
            let mut table = transaction.open_table(LEARNED)?;
            table.insert(NEIGHBOURS, &*text)?;
            drop(table);
            transaction.commit()?;
            Ok(())
        })
    }

    fn access<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Failure>,
    ) -> Result<T, StateError> {
        let path = || self.path.clone();
        let done = self.database().and_then(|database| work(&database));
        done.map_err(|failure| match failure {
            Failure::Database(source) => StateError::Database {
                path: path(),
                source,
            },
            Failure::Form(source) => StateError::Form {
                path: path(),
                source,
            },
        })
    }

    fn database(&self) -> Result<Database, Failure> {
        let start = Instant::now();
        loop {
            match Database::create(&self.path) {
                Err(DatabaseError::DatabaseAlreadyOpen) if start.elapsed() < PATIENCE => {
                    sleep(POLL);
                }
                opened => return Ok(opened?),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(folder: &tempfile::TempDir) -> State {
        State::open(&folder.path().join("state.redb")).expect("the folder is writable")
    }

    #[test]
    fn overrides_are_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let wanted: Override = serde_json::from_str(
            r#"{"switch": "s1", "table": "ingress.peer", "match": {"a": "1"}, "action": "pass"}"#,
        )
        .expect("an override");
        state(&folder)
            .put_override("one", &wanted)
            .expect("writable");
        let found = state(&folder).overrides().expect("readable");
        assert_eq!(found.get("one"), Some(&wanted));
        state(&folder).remove_override("one").expect("writable");
        assert!(state(&folder).overrides().expect("readable").is_empty());
    }
}
