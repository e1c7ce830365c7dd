// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sddtn-node check`.

use std::path::PathBuf;

use node::setup;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration file.
    config: PathBuf,
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let (config, timetable) = setup::check(&self.config)?;
        let neighbours = timetable.map_or(0, |table| table.neighbours());
        println!(
            "{}: link {}, {} peers, {neighbours} neighbours with contacts",
            self.config.display(),
            config.link,
            config.peers.len(),
        );
        Ok(())
    }
}
