// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parts of the configuration that nodes of other implementations need, `[[adapter]]`.

use std::{collections::BTreeSet, path::PathBuf};

use contact::UtcTime;
use serde::Deserialize;

use super::{Misconfiguration, PlanFormat, Time};

/// A file that always has the newest contact plan, for a node that reads it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adapter {
    /// Its name, in answers and logs.
    pub name: String,
    /// The form of the plan; default `ion`.
    #[serde(default)]
    pub format: PlanFormat,
    /// The file. It is replaced as a whole.
    pub file: PathBuf,
    /// From when the times of `hdtn` and `tvg-util` count; default 1970.
    pub origin: Option<Time>,
    /// A program and its arguments that hands the file to the node; default none. No shell reads
    /// them. `{file}` and `{version}` stand for the path and the version of the plan.
    #[serde(default)]
    pub command: Vec<String>,
    /// How long the program may take, and after how long it is tried again; default 30 s.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: u32,
}

/// Something about adapters that cannot work.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AdapterFault {
    /// There is no plan to write.
    #[error("an [[adapter]] needs [contacts]")]
    WithoutContacts,
    /// Two adapters have one name, or one file.
    #[error("two adapters have the name or the file {0:?}")]
    Same(String),
    /// No program ends at once.
    #[error("adapter {0:?}: timeout_s must be above 0")]
    Timeout(String),
}

impl Adapter {
    /// From when times count.
    #[must_use]
    pub fn origin(&self) -> UtcTime {
        self.origin.map_or(UtcTime::from_seconds(0), |time| time.0)
    }
}

/// Finds what cannot work.
pub(super) fn check(adapters: &[Adapter], has_contacts: bool, found: &mut Vec<Misconfiguration>) {
    let mut faults = Vec::new();
    if !adapters.is_empty() && !has_contacts {
        faults.push(AdapterFault::WithoutContacts);
    }
    let (mut names, mut files) = (BTreeSet::new(), BTreeSet::new());
    for adapter in adapters {
        if !names.insert(&adapter.name) {
            faults.push(AdapterFault::Same(adapter.name.clone()));
        }
        if !files.insert(&adapter.file) {
            let file = adapter.file.display().to_string();
            faults.push(AdapterFault::Same(file));
        }
        if adapter.timeout_s == 0 {
            faults.push(AdapterFault::Timeout(adapter.name.clone()));
        }
    }
    found.extend(faults.into_iter().map(Misconfiguration::Adapters));
}

fn default_timeout_s() -> u32 {
    30
}
