// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `p4gen check`: the front end on a file.

use std::{fs, path::PathBuf};

use anyhow::Context as _;

use crate::{Failure, Status};

/// Options of the check.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Program to check.
    program: PathBuf,
}

impl Args {
    /// Prints diagnostics, or that there are none.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let path = self.program.display().to_string();
        let text = fs::read_to_string(&self.program)
            .with_context(|| format!("cannot read {path}"))
            .map_err(|error| Failure::new(Status::FilesOrNetwork, error))?;
        p4::compile(&p4::Source {
            name: &path,
            text: &text,
            ..p4::Source::default()
        })
        .map_err(|diagnostics| Failure::new(Status::InputAtFault, anyhow::anyhow!("{diagnostics}")))
        .map(|_| println!("{path}: no errors"))
    }
}
