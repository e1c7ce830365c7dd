// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The entries that a program needs, as a JSON file that people can read and edit.
//!
//! The generator writes one next to each program, operators write their own, and the controller
//! installs all of them. Names and values are texts; [`EntriesFile::resolve`] checks them.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    Entry,
    entry::{Condition, EntryError, Key},
    p4info::{Action, Index},
    value::{self, ValueError},
};

/// The whole file. Every part may be absent.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EntriesFile {
    /// Entries of tables.
    pub tables: Vec<TableLine>,
    /// Default entries of tables.
    pub defaults: Vec<DefaultLine>,
    /// Multicast groups.
    pub multicast_groups: Vec<MulticastGroup>,
    /// Clone sessions.
    pub clone_sessions: Vec<CloneSession>,
    /// Digests to subscribe to.
    pub digests: Vec<DigestLine>,
}

/// An entry of a table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TableLine {
    /// Name of the table.
    pub table: String,
    /// The match of each field by name, in the forms of [`value::parse_match`].
    #[serde(rename = "match", default)]
    pub fields: BTreeMap<String, String>,
    /// Name of the action.
    pub action: String,
    /// The parameters of the action by name, in the forms of [`value::parse`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// Larger wins; absent in tables without ternary, range and optional fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
}

/// The default entry of a table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultLine {
    /// Name of the table.
    pub table: String,
    /// Name of the action.
    pub action: String,
    /// The parameters of the action by name, in the forms of [`value::parse`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

/// A multicast group.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MulticastGroup {
    /// Number of the group; not 0.
    pub id: u32,
    /// The copies to make.
    pub replicas: Vec<Replica>,
}

/// A clone session.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CloneSession {
    /// Number of the session; not 0.
    pub id: u32,
    /// The copies to make.
    pub replicas: Vec<Replica>,
    /// Bytes of the packet to keep; absent keeps all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet_length_bytes: Option<u32>,
}

/// One copy of a packet.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Replica {
    /// Port that the copy leaves by.
    pub port: u32,
    /// Tells copies for one port apart.
    #[serde(default)]
    pub instance: u32,
}

/// A subscription to a digest.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DigestLine {
    /// Name of the digest.
    pub digest: String,
    /// Longest time that a sample waits for its list, in milliseconds.
    #[serde(default)]
    pub max_timeout_ms: u32,
    /// Samples in a list; 0 sets no bound.
    #[serde(default)]
    pub max_list_size: u32,
    /// How long equal samples are suppressed without an acknowledgement; 0 never does.
    #[serde(default)]
    pub ack_timeout_ms: u32,
}

/// A text that is not an entries file.
#[derive(Debug, thiserror::Error)]
#[error("not an entries file")]
pub struct ParseError(#[from] serde_json::Error);

/// Something in the file that the program has no place for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Misfit {
    /// Where in the file, as a path: `tables[3].match["hdr.ipv4.dst"]`.
    pub place: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a part of an entries file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// An entry does not fit the program.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// A text is not a value of its field.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The program has no such digest.
    #[error("no digest is called {0:?}")]
    NoDigest(String),
    /// A group or session has the number 0.
    #[error("number 0 is reserved")]
    Zero,
    /// Two copies are the same.
    #[error("port {port} with instance {instance} is listed twice")]
    SameReplica {
        /// Port of both.
        port: u32,
        /// Instance of both.
        instance: u32,
    },
}

/// The contents of a file, checked against a program.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Resolved {
    /// Entries and default entries, with full names.
    pub entries: Vec<Entry>,
    /// Multicast groups; the copies are sorted.
    pub multicast_groups: Vec<MulticastGroup>,
    /// Clone sessions; the copies are sorted.
    pub clone_sessions: Vec<CloneSession>,
    /// Subscriptions, with full names.
    pub digests: Vec<DigestLine>,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)
    }
}

impl std::error::Error for Misfit {}

impl EntriesFile {
    /// Reads the JSON text.
    ///
    /// # Errors
    /// Says line and column of the first fault.
    pub fn parse(json: &str) -> Result<Self, ParseError> {
        Ok(serde_json::from_str(json)?)
    }

    /// Writes the JSON text, indented, with a line end.
    #[must_use]
    #[expect(
        clippy::missing_panics_doc,
        reason = "such values always have a JSON form"
    )]
    pub fn print(&self) -> String {
        let mut json =
            serde_json::to_string_pretty(self).expect("texts and numbers have a JSON form");
        json.push('\n');
        json
    }

    /// Checks names and values against a program.
    ///
    /// # Errors
    /// All misfits of the file, in its order.
    pub fn resolve(&self, index: &Index) -> Result<Resolved, Vec<Misfit>> {
        let mut misfits = Vec::new();
        let mut resolved = Resolved::default();
        let mut keep = |place: String, entry: Result<Entry, (String, Fault)>| match entry {
            Ok(entry) => resolved.entries.push(entry),
            Err((part, fault)) => misfits.push(Misfit {
                place: place + &part,
                fault,
            }),
        };
        for (at, line) in self.tables.iter().enumerate() {
            keep(format!("tables[{at}]"), line.resolve(index));
        }
        for (at, line) in self.defaults.iter().enumerate() {
            keep(format!("defaults[{at}]"), line.resolve(index));
        }
        for (at, group) in self.multicast_groups.iter().enumerate() {
            match sorted(group.id, &group.replicas) {
                Ok(replicas) => {
                    resolved.multicast_groups.push(MulticastGroup {
                        replicas,
                        ..group.clone()
                    });
                }
                Err(fault) => {
                    misfits.push(Misfit {
                        place: format!("multicast_groups[{at}]"),
                        fault,
                    });
                }
            }
        }
        for (at, session) in self.clone_sessions.iter().enumerate() {
            match sorted(session.id, &session.replicas) {
                Ok(replicas) => {
                    resolved.clone_sessions.push(CloneSession {
                        replicas,
                        ..session.clone()
                    });
                }
                Err(fault) => {
                    misfits.push(Misfit {
                        place: format!("clone_sessions[{at}]"),
                        fault,
                    });
                }
            }
        }
        for (at, line) in self.digests.iter().enumerate() {
            if let Some(digest) = index.digest(&line.digest) {
                resolved.digests.push(DigestLine {
                    digest: digest.name.clone(),
                    ..line.clone()
                });
            } else {
                let fault = Fault::NoDigest(line.digest.clone());
                misfits.push(Misfit {
                    place: format!("digests[{at}]"),
                    fault,
                });
            }
        }
        if misfits.is_empty() {
            Ok(resolved)
        } else {
            Err(misfits)
        }
    }
}

impl TableLine {
    /// Checks one entry; a fault comes with its place inside the entry.
    ///
    /// # Errors
    /// The first fault.
    pub fn resolve(&self, index: &Index) -> Result<Entry, (String, Fault)> {
        let table = index
            .table(&self.table)
            .ok_or_else(|| no_table(&self.table))?;
        let mut fields = BTreeMap::new();
        for (name, text) in &self.fields {
            let place = || format!(".match[{name:?}]");
            let field = table.field(name).ok_or_else(|| {
                let (table, field) = (table.name.clone(), name.clone());
                (place(), EntryError::NoField { table, field }.into())
            })?;
            let value = value::parse_match(text, field.kind, field.width_bits);
            if let Some(value) = value.map_err(|error| (place(), error.into()))? {
                fields.insert(name.clone(), value);
            }
        }
        let condition = Condition::Match {
            fields,
            priority: self.priority.unwrap_or(0),
        };
        let key = Key {
            table: table.name.clone(),
            condition,
        };
        finish(key, &self.action, &self.params, index)
    }
}

impl DefaultLine {
    /// Checks one default entry; a fault comes with its place inside the entry.
    ///
    /// # Errors
    /// The first fault.
    pub fn resolve(&self, index: &Index) -> Result<Entry, (String, Fault)> {
        let table = index
            .table(&self.table)
            .ok_or_else(|| no_table(&self.table))?;
        let key = Key {
            table: table.name.clone(),
            condition: Condition::Default,
        };
        finish(key, &self.action, &self.params, index)
    }
}

fn no_table(name: &str) -> (String, Fault) {
    (
        ".table".to_owned(),
        EntryError::NoTable(name.to_owned()).into(),
    )
}

fn finish(
    key: Key,
    action: &str,
    params: &BTreeMap<String, String>,
    index: &Index,
) -> Result<Entry, (String, Fault)> {
    let found = index.action(action);
    let action = found.ok_or_else(|| {
        (
            ".action".to_owned(),
            EntryError::NoAction(action.to_owned()).into(),
        )
    })?;
    let mut values = BTreeMap::new();
    for (name, text) in params {
        let width_bits = param_width(action, name);
        let bits = value::parse(text, width_bits)
            .map_err(|error| (format!(".params[{name:?}]"), error.into()))?;
        values.insert(name.clone(), bits);
    }
    let entry = Entry {
        key,
        action: action.name.clone(),
        params: values,
        metadata: Vec::new(),
    };
    // The message is not needed here, but making it checks what is left to check.
    entry
        .to_proto(index)
        .map_err(|error| (String::new(), error.into()))?;
    Ok(entry)
}

/// An unknown parameter is reported with the list of those that exist, not for its width.
fn param_width(action: &Action, name: &str) -> u32 {
    let param = action.params.iter().find(|param| param.name == name);
    param.map_or(128, |param| param.width_bits)
}

fn sorted(id: u32, replicas: &[Replica]) -> Result<Vec<Replica>, Fault> {
    if id == 0 {
        return Err(Fault::Zero);
    }
    let mut sorted = replicas.to_vec();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find_map(|pair| match pair {
        [left, right] if left == right => Some(*left),
        _ => None,
    });
    match twice {
        Some(Replica { port, instance }) => Err(Fault::SameReplica { port, instance }),
        None => Ok(sorted),
    }
}
