// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How fast the switch runs programs, with packets in memory:
//! `cargo run --release -p bench --bin bench-switch [-- --seconds N] [--only NAME] [--interpret] [--write FILE]`.

mod measure;
mod scenario;

use std::{fmt::Write as _, fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, anyhow};

use self::{
    measure::{Measurement, measure},
    scenario::Scenario,
};

fn main() -> ExitCode {
    match Options::parse().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("switch: {error:#}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    /// Time for each measurement.
    time: Duration,
    /// Scenarios whose names contain this.
    only: String,
    /// Where to write the table.
    write: Option<PathBuf>,
    /// Whether to run the instructions of the interpreter instead of machine code.
    interpret: bool,
    /// A translator to measure instead of the one that the generator writes now.
    translator: Option<PathBuf>,
}

impl Options {
    fn parse() -> anyhow::Result<Self> {
        let mut options = Self {
            time: Duration::from_secs(2),
            only: String::new(),
            write: None,
            interpret: false,
            translator: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            if name == "--interpret" {
                options.interpret = true;
                continue;
            }
            let value = arguments.next();
            let value = value.ok_or_else(|| anyhow!("{name} needs a value"))?;
            match name.as_str() {
                "--seconds" => {
                    let seconds = value.parse().context("--seconds wants a number")?;
                    options.time = Duration::try_from_secs_f64(seconds)?;
                }
                "--only" => options.only = value,
                "--write" => options.write = Some(value.into()),
                "--translator" => options.translator = Some(value.into()),
                other => return Err(anyhow!("unknown option {other}")),
            }
        }
        Ok(options)
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    let mut table = String::from(
        "| program | packets | octets each | cores | ns of a core for a packet | packets each second of a core |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    print!("{table}");
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
            let line = line(
                make.name,
                &scenario,
                measure(&scenario, cores, options.time),
            );
            print!("{line}");
            table.push_str(&line);
        }
    }
    if let Some(path) = &options.write {
        let text = fs::read_to_string(path).unwrap_or_default();
        let before = text.split(MARK).next().unwrap_or_default();
        fs::write(path, format!("{before}{MARK}\n{table}"))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Text above this line of a result file is kept.
const MARK: &str = "<!-- measured -->\n";

fn line(name: &str, scenario: &Scenario, measured: Measurement) -> String {
    let octets: usize = scenario
        .packets
        .iter()
        .map(|(_, packet)| packet.len())
        .sum();
    let mut line = String::new();
    _ = writeln!(
        line,
        "| {name} | {} | {} | {} | {:.0} | {:.0} |",
        scenario.packets.len(),
        octets / scenario.packets.len().max(1),
        measured.cores,
        measured.ns_each(),
        measured.rate(),
    );
    line
}
