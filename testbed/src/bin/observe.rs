// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sddtn-observe`: looks at the rules of switches again and again, for scenarios that are not in Rust.

use std::{
    collections::BTreeMap,
    io::{Read as _, stdin},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use contact::UtcTime;
use serde_json::{Value, json};
use testbed::sampler::{Sampler, Seen};

/// Look at the neighbours of switches every few milliseconds until standard input ends, and then say as
/// JSON what was seen: when rules appeared, and how many outlived their contacts.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  sleep 60 | sddtn-observe --guard-ms 50 --switch relay=127.0.0.1:9559

Exit status: 0 done, 2 the command line is wrong, 3 there is no runtime."
)]
struct Args {
    /// A switch: its name, and the address of its P4Runtime server.
    #[arg(long = "switch", value_name = "NAME=ADDRESS", required = true, value_parser = pair)]
    switches: Vec<(String, String)>,
    /// How long before its contact a rule ends: `contacts.guard_ms` of the controller.
    #[arg(long, value_name = "MS", default_value_t = 50)]
    guard_ms: u64,
    /// Pause between looks at a switch.
    #[arg(long, value_name = "MS", default_value_t = 20)]
    pause_ms: u64,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, address) = text
        .split_once('=')
        .ok_or("no = between name and address")?;
    Ok((name.to_owned(), address.to_owned()))
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sddtn-observe: {error:#}");
            ExitCode::from(3)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let [guard, pause] = [args.guard_ms, args.pause_ms].map(Duration::from_millis);
    let start = |(name, address): &(String, String)| {
        let sampler = Sampler::start(address.clone(), guard, pause)?;
        Ok((name.clone(), sampler))
    };
    let samplers: anyhow::Result<BTreeMap<_, _>> = args.switches.iter().map(start).collect();
    let mut samplers = samplers?;
    let mut rest = Vec::new();
    stdin()
        .read_to_end(&mut rest)
        .context("cannot read standard input")?;
    let all = samplers.iter_mut();
    let switches: BTreeMap<_, _> = all
        .map(|(name, sampler)| (name, shown(&sampler.stop())))
        .collect();
    println!("{}", json!({ "switches": switches }));
    Ok(())
}

/// Times are in seconds since 1970.
fn shown(seen: &Seen) -> Value {
    let appeared = seen.appeared.iter().map(|(neighbour, missing, present)| {
        json!({"neighbour": neighbour, "missing": seconds(*missing), "present": seconds(*present)})
    });
    json!({"looks": seen.looks, "rules": seen.rules, "outlived": seen.outlived,
           "appeared": appeared.collect::<Vec<_>>()})
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds since 1970 fit into 53 bits until the year 2255"
)]
fn seconds(time: UtcTime) -> f64 {
    time.micros() as f64 / 1e6
}
