// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs, checks and traces P4 programs.

mod cli;

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use clap::Parser as _;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, filter::Directive};

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    // It tells the code of whole programs, a megabyte each.
    let quiet = "cranelift_jit=warn".parse::<Directive>();
    let quiet = quiet.expect("it is a directive");
    tracing_subscriber::fmt()
        .with_env_filter(filter.from_env_lossy().add_directive(quiet))
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    cli.run()
}
