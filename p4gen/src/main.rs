// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `p4gen`: writes bundle translators in P4_16.

mod check;
mod explain;
mod profile;
mod write;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit statuses, alike in all programs of the project.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Status {
    Done = 0,
    InputAtFault = 1,
    CommandLine = 2,
    FilesOrNetwork = 3,
}

/// Why a command did not do what it was asked for: what to say, and how to exit.
#[derive(Debug)]
struct Failure {
    status: Status,
    error: anyhow::Error,
}

impl Failure {
    fn new(status: Status, error: impl Into<anyhow::Error>) -> Self {
        Self {
            status,
            error: error.into(),
        }
    }
}

/// Write P4_16 programs that translate Bundle Protocol version 6 into version 7 and back.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  p4gen --target bmv2 --max-payload 1400 -o out
      write out/bundle_translator.p4, its P4Info, its entries and a resource report
  p4gen --target bmv2 --max-payload 255 --slow-path-port 3 -o out --name small
      a smaller program; longer payloads go to port 3, unchanged, with a reason
  p4gen --target bmv2 --max-payload 9000 --max-blocks 12 --max-eid 32 -o out --name wide
      for jumbo frames; more extension blocks, shorter dtn names
  p4gen --target bmv2 --max-payload 1400 --udp-port 4556 --udp-port 4557 -o out --name two
      bundles in datagrams to two UDP ports
  p4gen explain --max-payload 255
      show layouts, what goes to the slow path and why, and the cost of each parameter
  p4gen check out/small.p4
      check a program, and print what is wrong with it

Exit status: 0 done, 1 the input is at fault, 2 the command line is, 3 files are."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    write: write::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a P4 program, and print what is wrong with it.
    Check(check::Args),
    /// Show what a program reads and writes, what it leaves to the slow path, and what it costs.
    Explain(explain::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Some(Command::Check(args)) => args.run(),
        Some(Command::Explain(args)) => args.run(),
        None => cli.write.run(),
    };
    match outcome {
        Ok(()) => ExitCode::from(Status::Done as u8),
        Err(Failure { status, error }) => {
            eprintln!("p4gen: {error:#}");
            ExitCode::from(status as u8)
        }
    }
}
