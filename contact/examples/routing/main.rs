// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Figures of routing: whether searches agree with exhaustive search, and how long they take.
//!
//! `make routing` runs it all; see [`USAGE`].

use std::{env, fs, process::ExitCode};

use contact::{Plan, UtcTime, ionrc, tvgutil};

mod agree;
#[path = "../../tests/it/oracle.rs"]
mod oracle;
mod plans;
mod random;
mod times;

const USAGE: &str = "\
Figures of routing.

Usage:
  routing agree [QUERIES] [SEED]   compare searches with exhaustive search on small random plans (100000, 1);
                                   status 1 if they differ
  routing times [QUERIES]          measure searches on generated plans of 10^3 to 10^6 contacts (2000)
  routing file FORMAT FILE         the same for a plan in a file; FORMAT is ion or tvg-util
  routing plans FOLDER [QUERIES]   small plans of a folder against exhaustive search (20 queries each), and times
                                   of large ones; in the form of ION or of DtnSim
  routing lines FOLDER [QUERIES]   write generated plans, questions and answers as lines, for other
                                   implementations (1000)

Examples:
  cargo run --release -p contact --example routing -- agree 1000000
  cargo run --release -p contact --example routing -- file tvg-util plan.json";

/// The beginning of generated plans, and what relative times of files count from.
const START: UtcTime = UtcTime::from_seconds(1_800_000_000);

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |place: usize, default: usize| match args.get(place) {
        Some(text) => text.parse().map_err(|error| format!("{text:?}: {error}")),
        None => Ok(default),
    };
    let done = match args.first().copied() {
        Some("agree") => number(1, 100_000).and_then(|queries| {
            let seed = number(2, 1)?;
            agree::run(queries, seed as u64)
        }),
        Some("times") => number(1, 2000).map(times::of_generated_plans),
        Some("file") if args.len() == 3 => {
            read(args[1], args[2]).map(|plan| times::of_plan(&plan, args[2]))
        }
        Some("plans") if args.len() > 1 => {
            number(2, 20).and_then(|queries| plans::run(args[1].as_ref(), queries))
        }
        Some("lines") if args.len() > 1 => number(2, 1000).and_then(|queries| {
            times::write_lines(args[1].as_ref(), queries).map_err(|error| error.to_string())
        }),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads a plan. Nodes of tvg-util files get numbers in the order in which they appear.
fn read(format: &str, path: &str) -> Result<Plan, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let shown = |faults: &[String]| format!("{path}: {}", faults.join("; "));
    match format {
        "ion" => ionrc::import(&text, START).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            shown(&faults)
        }),
        "tvg-util" => {
            let options = tvgutil::Options {
                origin: START,
                known_at: None,
            };
            let names = std::cell::RefCell::new(Vec::<String>::new());
            let number = |name: &str| {
                let mut names = names.borrow_mut();
                let place = names.iter().position(|known| known == name);
                let place = place.unwrap_or_else(|| {
                    names.push(name.to_owned());
                    names.len() - 1
                });
                Some(contact::NodeNumber(place as u64 + 1))
            };
            tvgutil::import(&text, &options, number).map_err(|faults| {
                let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                shown(&faults)
            })
        }
        other => Err(format!("{other:?} is no format; use ion or tvg-util")),
    }
}
