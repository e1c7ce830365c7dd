// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the configuration file, and the files that it names, to a node that can start.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use contact::{NodeNumber, UtcTime, ionrc};

use crate::config::{Config, Contacts};
use crate::core::Setup;
use crate::store::{Store, StoreError};
use crate::time::UnixMs;
use crate::timetable::{PlannedContacts, Timetable};

/// Everything that a node needs besides its connections.
#[derive(Debug)]
pub struct Prepared {
    /// What the file says.
    pub config: Config,
    /// What the core needs of it.
    pub setup: Setup,
    /// The open store.
    pub store: Option<Store>,
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The configuration is no TOML of the right form.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Line, column and fault. Part of the message, because it has several lines.
        source: Box<toml::de::Error>,
    },
    /// What the configuration says cannot work, or a plan is wrong. One line for each fault.
    #[error("{}: {}", path.display(), faults.join("\n"))]
    Faults {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        faults: Vec<String>,
    },
    /// The store cannot be opened.
    #[error("cannot open the store {}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
}

impl SetupError {
    /// The status of the process: 1 the input is at fault, 3 files are.
    #[must_use]
    pub const fn status(&self) -> u8 {
        match self {
            Self::Toml { .. } | Self::Faults { .. } => 1,
            Self::File { .. } | Self::Store { .. } => 3,
        }
    }
}

/// Reads the configuration and the contact plan, and opens the store.
///
/// # Errors
///
/// See [`SetupError`].
pub fn load(path: &Path) -> Result<Prepared, SetupError> {
    let (config, timetable) = check(path)?;
    let store = match &config.store {
        None => None,
        Some(place) => {
            let path = beside(path, &place.path);
            let opened = Store::open(&path, place.quota_octets);
            Some(opened.map_err(|source| SetupError::Store { path, source })?)
        }
    };
    let setup = Setup {
        receivers: config.receivers(),
        own_addresses: config.addresses.clone(),
        routes: config.routes(),
        node_id: config.own_id(),
        timetable: timetable.map(|table| Box::new(table) as Box<dyn Timetable>),
        has_store: store.is_some(),
        awaits_plan: config.controller.is_some(),
        drop_expired: config.drop_expired,
    };
    Ok(Prepared {
        config,
        setup,
        store,
    })
}

/// Reads the configuration and the contact plan, and changes nothing.
///
/// # Errors
///
/// See [`SetupError`].
pub fn check(path: &Path) -> Result<(Config, Option<PlannedContacts>), SetupError> {
    let config = Config::parse(&read(path)?).map_err(|source| SetupError::Toml {
        path: path.to_owned(),
        source,
    })?;
    let faults = config.misconfigurations();
    if !faults.is_empty() {
        return Err(SetupError::Faults {
            path: path.to_owned(),
            faults: faults.iter().map(ToString::to_string).collect(),
        });
    }
    let contacts = config.contacts.as_ref();
    let timetable = contacts.map(|contacts| read_plan(path, contacts));
    Ok((config, timetable.transpose()?))
}

fn read_plan(config: &Path, contacts: &Contacts) -> Result<PlannedContacts, SetupError> {
    let path = beside(config, &contacts.plan);
    let text = read(&path)?;
    let reference = UtcTime::from_seconds(now().0 / 1000);
    let plan = ionrc::import(&text, reference).map_err(|errors| SetupError::Faults {
        path,
        faults: errors.iter().map(ToString::to_string).collect(),
    })?;
    Ok(PlannedContacts::new(&plan, NodeNumber(contacts.local_node)))
}

/// The time on the clock of this machine.
#[must_use]
pub fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.unwrap_or_default().as_millis();
    UnixMs(u64::try_from(ms).unwrap_or(u64::MAX))
}

/// A path that the configuration names.
pub(crate) fn beside(config: &Path, path: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(path)
}

fn read(path: &Path) -> Result<String, SetupError> {
    fs::read_to_string(path).map_err(|source| SetupError::File {
        path: path.to_owned(),
        source,
    })
}
