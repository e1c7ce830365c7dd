// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A record of what people changed: one line of JSON for each wish that was to have an effect.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    path::Path,
};

use control::supervise::now;
use serde::Serialize;

use crate::{overrides::Override, planner::Wish};

/// What somebody asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    /// When it was done or refused, in UTC.
    time: String,
    /// The subject of the certificate, or what else is known of who asked.
    who: &'a str,
    /// `reload`, `put` or `remove`.
    what: &'static str,
    /// Name of the override.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// What it is to be.
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    wanted: Option<&'a Override>,
    /// Why nothing was done; absent if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// The line of a wish that was granted, or refused for a reason.
    pub(crate) fn new(who: &'a str, wish: &'a Wish, refused: Option<&'a str>) -> Self {
        let (what, name, wanted) = match wish {
            Wish::Reload => ("reload", None, None),
            Wish::Put(name, wanted) => ("put", Some(name.as_str()), Some(wanted)),
            Wish::Remove(name) => ("remove", Some(name.as_str()), None),
        };
        Self {
            time: now().to_text(),
            who,
            what,
            name,
            wanted,
            refused,
        }
    }
}

/// Adds a line to a file, and waits until it is on the disk.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn append(path: &Path, line: &Line<'_>) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    // In one piece, so that lines of several controllers do not mix.
    file.write_all(&text)?;
    file.sync_data()
}
