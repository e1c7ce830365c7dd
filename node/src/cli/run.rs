// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sddtn-node run`.

use std::path::PathBuf;

use node::daemon::{self, Options};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration file.
    config: PathBuf,
    /// Write this file when frames are taken: JSON with the addresses that were bound.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

impl Args {
    #[tokio::main]
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let options = Options {
            config: self.config,
            ready_file: self.ready_file,
        };
        daemon::run(&options).await
    }
}
