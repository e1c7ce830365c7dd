// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sddtn-conformance`: the generated programs against the reference compiler and switch.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Parser;
use serde_json::json;
use testbed::traffic;

use crate::{
    compile::{Compiled, compile},
    run::{Comparison, compare},
    tools::Tools,
};

#[path = "../conformance/capture.rs"]
mod capture;
#[path = "../conformance/cases.rs"]
mod cases;
#[path = "../conformance/compile.rs"]
mod compile;
#[path = "../conformance/dataplane.rs"]
mod dataplane;
#[path = "../conformance/lab.rs"]
mod lab;
#[path = "../conformance/run.rs"]
mod run;
#[path = "../conformance/tools.rs"]
mod tools;

/// Compile generated programs with p4c, run them on BMv2 with real traffic, and compare both with
/// this project's own front end, switch and reference translator.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  sddtn-conformance --out out/conformance
      check everything; p4test, p4c-bm2-ss and simple_switch_grpc must be on the PATH
  sddtn-conformance --max-payload 1400 --allow-missing
      check one program with those of the tools that are there

Exit status: 0 everything agrees, 1 something differs, 3 a tool is missing, or files or network fail."
)]
struct Args {
    /// Folder for everything that is written; it is made if it is missing.
    #[arg(long, value_name = "DIR", default_value = "out/conformance")]
    out: PathBuf,
    /// Folder with captures of real traffic.
    #[arg(long, value_name = "DIR", default_value = "testdata/captures")]
    captures: PathBuf,
    /// Folder with test vectors.
    #[arg(long, value_name = "DIR", default_value = "testdata/vectors")]
    vectors: PathBuf,
    /// Damaged bundles that are made of those of the captures and vectors.
    #[arg(long, value_name = "COUNT", default_value_t = 3000)]
    damaged: usize,
    /// Another number damages other bundles in other places.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Longest payloads of the programs, in octets.
    #[arg(
        long,
        value_name = "OCTETS",
        value_delimiter = ',',
        default_value = "13,255,1400,9000"
    )]
    max_payload: Vec<u32>,
    /// Succeed although a tool is missing, if all that can be checked agrees.
    #[arg(long)]
    allow_missing: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(Verdict::Agree) => ExitCode::SUCCESS,
        Ok(Verdict::Differ) => ExitCode::from(1),
        Ok(Verdict::Missing) => ExitCode::from(3),
        Err(error) => {
            eprintln!("sddtn-conformance: {error:#}");
            ExitCode::from(3)
        }
    }
}

/// What the whole run shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Agree,
    Differ,
    Missing,
}

fn run(args: &Args) -> anyhow::Result<Verdict> {
    let captured = traffic::captured(&args.captures)?;
    let cases = cases::all(captured, &args.vectors, args.damaged, args.seed)?;
    let stages = cases::stages(cases);
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    let tools = Tools::find();
    tools.print();

    println!("\n== 1. the reference compiler");
    let mut compiled = Vec::new();
    for &max_payload in &args.max_payload {
        let program = compile(&tools, &args.out, max_payload)?;
        program.print();
        compiled.push(program);
    }

    println!("\n== 2. the reference switch");
    let mut comparisons = Vec::new();
    for program in &compiled {
        let (Some(switch), Some(json)) = (&tools.simple_switch_grpc, program.json()) else {
            println!("{}: not run on BMv2", program.name);
            continue;
        };
        for stage in &stages {
            let comparison = compare(switch, program, json, stage)
                .with_context(|| format!("cannot run {}", program.name))?;
            comparison.print();
            comparisons.push(comparison);
        }
    }

    write_report(args, &tools, &compiled, &comparisons)?;
    let verdict = verdict(args, &tools, &compiled, &comparisons);
    println!(
        "\n{}",
        match verdict {
            Verdict::Agree if tools.any_missing() =>
                "what could be checked agrees; the rest was not",
            Verdict::Agree => "everything agrees",
            Verdict::Differ => "NOT everything agrees",
            Verdict::Missing => "tools are missing: --allow-missing accepts that",
        }
    );
    Ok(verdict)
}

fn verdict(
    args: &Args,
    tools: &Tools,
    compiled: &[Compiled],
    comparisons: &[Comparison],
) -> Verdict {
    if !compiled.iter().all(Compiled::good) || !comparisons.iter().all(Comparison::good) {
        Verdict::Differ
    } else if tools.any_missing() && !args.allow_missing {
        Verdict::Missing
    } else {
        Verdict::Agree
    }
}

fn write_report(
    args: &Args,
    tools: &Tools,
    compiled: &[Compiled],
    comparisons: &[Comparison],
) -> anyhow::Result<()> {
    let report = json!({
        "tools": tools.report(),
        "compiled": compiled.iter().map(Compiled::report).collect::<Vec<_>>(),
        "run": comparisons.iter().map(Comparison::report).collect::<Vec<_>>(),
    });
    let path = args.out.join("report.json");
    fs::write(&path, format!("{report:#}\n"))
        .with_context(|| format!("cannot write {}", path.display()))
}
