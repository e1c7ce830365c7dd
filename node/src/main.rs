// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The slow path of a switch, and the store for bundles that have to wait.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use node::setup::SetupError;
use tracing::{error, level_filters::LevelFilter};
use tracing_subscriber::EnvFilter;

mod cli;

/// The slow path of a switch, and the store for bundles that have to wait.
#[derive(Debug, Parser)]
#[command(name = "sddtn-node", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run until SIGTERM or SIGINT.
    Run(cli::run::Args),
    /// Check a configuration and the contact plan that it names, and print what it amounts to.
    Check(cli::check::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter.from_env_lossy())
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    let done = match cli.command {
        Command::Run(args) => args.run(),
        Command::Check(args) => args.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            let status = error.downcast_ref().map_or(1, SetupError::status);
            ExitCode::from(status)
        }
    }
}
