// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Shows what a switch holds.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use controller::ctl::Cli;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        // A reader that has seen enough is no failure.
        Ok(text) => match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(3),
            _ => ExitCode::SUCCESS,
        },
        Err(error) => {
            let status = error.status();
            eprintln!("sddtnctl: {:#}", anyhow::Error::new(error));
            ExitCode::from(status)
        }
    }
}
