// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sddtn-p4-corpus`: the P4 front end and the switch against the test programs of the reference compiler.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Parser;
use serde_json::json;

use crate::{
    files::Corpus,
    outcome::{Known, Outcome},
};

#[path = "../corpus/checks.rs"]
mod checks;
#[path = "../corpus/files.rs"]
mod files;
#[path = "../corpus/outcome.rs"]
mod outcome;

/// Programs that are expected to miss, and why.
const KNOWN: &str = include_str!("../corpus/known.txt");

/// Check the front end against p4c's test programs: what must be accepted, what must be refused, P4Info, and packet
/// tests.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  sddtn-p4-corpus p4c/testdata
      check all sets; p4c/p4include is next to the folder
  sddtn-p4-corpus p4c/testdata --out out/p4-corpus
      write report.json with every miss, too

Exit status: 0 nothing but the known misses, 1 there are others, 2 the command line is at fault,
3 files cannot be used."
)]
struct Args {
    /// Folder `testdata` of p4c's repository.
    testdata: PathBuf,
    /// Folder with p4c's declaration files; by default `p4include` next to the test data.
    #[arg(long, value_name = "DIR")]
    include: Option<PathBuf>,
    /// Folder for the report.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("sddtn-p4-corpus: {error:#}");
            ExitCode::from(3)
        }
    }
}

/// Runs all checks; says whether there are no misses but the known ones.
fn run(args: &Args) -> anyhow::Result<bool> {
    let corpus = Corpus::open(&args.testdata, args.include.as_deref())?;
    let known = Known::parse(KNOWN);
    let outcomes = [
        checks::samples(&corpus)?,
        checks::errors(&corpus)?,
        checks::v1model(&corpus)?,
        checks::p4info(&corpus)?,
        checks::stf(&corpus)?,
    ];
    let mut good = true;
    for outcome in &outcomes {
        good &= outcome.print(&known);
    }
    if let Some(out) = &args.out {
        write_report(out, &outcomes)?;
    }
    Ok(good)
}

fn write_report(out: &PathBuf, outcomes: &[Outcome]) -> anyhow::Result<()> {
    fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let report: Vec<_> = outcomes.iter().map(Outcome::report).collect();
    let path = out.join("report.json");
    fs::write(&path, format!("{:#}\n", json!(report)))
        .with_context(|| format!("cannot write {}", path.display()))
}
