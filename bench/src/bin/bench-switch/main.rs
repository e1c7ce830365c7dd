// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How fast the switch runs programs: its engine with packets in memory, and the whole switch next
//! to BMv2 through network interfaces.

mod bmv2;
mod control;
mod load;
mod measure;
mod ports;
mod process;
mod scenario;
mod table;
mod veth;

use std::{ffi::OsString, fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use bench::page::put;
use clap::{Parser, ValueEnum};

use self::{measure::measure, ports::Row};

/// Measure the software switch with an L2 switch, an IPv4 router and the translator.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  bench-switch --measure memory --only translator
      the engine alone, with packets in memory
  bench-switch --date $(date -I) --write bench/results/switch.md
      everything; the whole switches need root, and BMv2 needs simple_switch_grpc and
      p4c-bm2-ss on the PATH"
)]
struct Options {
    /// Time for each measurement.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    seconds: f64,
    /// Measure only scenarios whose names contain this.
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,
    /// Put the tables into this file, between its marks.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Date that the tables show.
    #[arg(long, value_name = "DATE", default_value = "no date")]
    date: String,
    /// Run the instructions of the interpreter instead of machine code.
    #[arg(long)]
    interpret: bool,
    /// A translator to measure instead of the one that the generator writes now.
    #[arg(long, value_name = "P4_FILE")]
    translator: Option<PathBuf>,
    /// What to measure.
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Measured::All)]
    measure: Measured,
    /// Measure whole switches in the network namespace of this process.
    #[arg(long, hide = true)]
    in_namespace: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Measured {
    /// The engine, and whole switches.
    All,
    /// The engine alone, with packets in memory.
    Memory,
    /// Whole switches alone.
    Ports,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-switch: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn time(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds).unwrap_or(Duration::from_secs(2))
    }

    /// What the process in the namespace has to know.
    fn pass_on(&self) -> Vec<OsString> {
        let mut args = vec!["--seconds".into(), self.seconds.to_string().into()];
        args.extend(["--only".into(), (&self.only).into()]);
        if let Some(translator) = &self.translator {
            args.extend(["--translator".into(), translator.into()]);
        }
        args
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    if options.in_namespace {
        return ports::measure_here(options);
    }
    let mut engine = Vec::new();
    if options.measure != Measured::Ports {
        let text = memory(options, &mut engine)?;
        publish(options, "in memory", &text)?;
    }
    if options.measure != Measured::Memory {
        let rows = ports::measure(options)?;
        let text = table::through_ports(&engine, &rows);
        publish(options, "through interfaces", &text)?;
        if options.measure == Measured::All {
            publish(options, "aims", &table::aims(&engine, &rows))?;
        }
    }
    Ok(())
}

/// Measures the engine alone.
fn memory(options: &Options, rows: &mut Vec<Row>) -> anyhow::Result<String> {
    let mut text = table::IN_MEMORY.to_owned();
    for make in scenario::ALL {
        if !make.name.contains(&options.only) {
            continue;
        }
        let scenario = (make.make)(options.translator.as_deref())
            .with_context(|| format!("cannot prepare {}", make.name))?;
        if !options.interpret && scenario.program.pipeline().gains_from_machine_code() {
            let started = std::time::Instant::now();
            scenario.program.pipeline().optimise()?;
            eprintln!("machine code after {:?}", started.elapsed());
            scenario.compare()?;
        }
        for cores in [1, 2] {
            let measured = measure(&scenario, cores, options.time());
            let line = table::line(make.name, &scenario, measured);
            eprint!("{line}");
            text.push_str(&line);
            rows.push(Row {
                program: make.name.to_owned(),
                switch: table::ENGINE.to_owned(),
                cores,
                ns_each: measured.ns_each(),
                rate: measured.rate(),
            });
        }
    }
    Ok(text)
}

/// Prints a table, and puts it where the file has a mark for it.
fn publish(options: &Options, name: &str, text: &str) -> anyhow::Result<()> {
    let text = format!("{}\n\n{text}", table::machine(&options.date));
    println!("{text}");
    let Some(path) = &options.write else {
        return Ok(());
    };
    let page = fs::read_to_string(path).unwrap_or_default();
    fs::write(path, put(&page, name, &text))
        .with_context(|| format!("cannot write {}", path.display()))
}
