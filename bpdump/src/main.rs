// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bpdump` shows bundles field by field, translates them, and explains why one is malformed or
//! refused. The README of the crate shows how.

mod advice;
mod capture;
mod explain;
mod failure;
mod framing;
mod input;
mod policy;
mod render;
mod show;
mod stats;
mod translate;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use failure::Verdict;

/// Shows bundles field by field, translates them, and explains why one is malformed or refused.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  bpdump show --brief capture.pcap
      One line for each bundle of a capture, whatever carried it.
  bpdump show --frame 7 --hex capture.pcap
      Every octet of the bundle in frame 7, with its meaning.
  bpdump explain 9f8907000282...ff
      Why a bundle is malformed or refused, and what would have to change.

Exit status: 0 all bundles are fine, 1 one is malformed or refused, 2 the command line is wrong,
3 a file cannot be read or written.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show every field of every bundle: name, offset, meaning, and whether CRCs are right.
    Show(show::Show),
    /// Translate bundles into the other version, and say what was lost.
    Translate(translate::Translate),
    /// Explain why bundles are malformed or refused.
    Explain(explain::Explain),
    /// Count versions, outcomes, sources and block types.
    Stats(stats::Stats),
}

/// The form of the result.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum Format {
    /// For people; it may change.
    #[default]
    Text,
    /// For programs: one JSON object on each line. The README lists the members.
    Json,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Show(show) => show.run(),
        Command::Translate(translate) => translate.run(),
        Command::Explain(explain) => explain.run(),
        Command::Stats(stats) => stats.run(),
    };
    match outcome {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::AtFault) => ExitCode::FAILURE,
        Err(failure) => failure.report(),
    }
}
