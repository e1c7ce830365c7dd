// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sddtn-endurance`: kills the parts of a relay again and again, and counts what is lost.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use testbed::{endurance, scenario};

/// Kill -9 the switch, the node and the controller of a relay in random order, while bundles come and
/// contacts open and close. Count the stored bundles that are lost and the rules that outlive their
/// contacts, and show how long everything takes.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  sddtn-endurance
      a few kills, in half a minute
  sddtn-endurance --kills 200 --seed 7
      many, in a quarter of an hour

Exit status: 0 nothing was lost, 1 something was, 3 files or network fail."
)]
struct Args {
    /// How often something is killed.
    #[arg(long, value_name = "N", default_value_t = 6)]
    kills: u32,
    /// The order of the kills follows from it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Folder for everything that is written; it is made if it is missing.
    #[arg(long, value_name = "DIR", default_value = "out/endurance")]
    out: PathBuf,
    /// Form of the report.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("sddtn-endurance: {error:#}");
            ExitCode::from(3)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<bool> {
    scenario::fresh_folder(&args.out)?;
    for file in ["bundles.redb", "plan.bin", "state.redb"] {
        let path = args.out.join(file);
        if path.exists() {
            std::fs::remove_file(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    let figures = endurance::run(&args.out, args.kills, args.seed)?;
    match args.format {
        Format::Text => print!("{figures}"),
        Format::Json => println!("{}", serde_json::to_string_pretty(&figures)?),
    }
    Ok(figures.good())
}
