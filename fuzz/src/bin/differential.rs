// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fuzz-differential`: generated programs against the reference, on many bundles.

use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use bundle::{Version, version};
use clap::Parser;
use fuzz::{
    differential::{
        Case, Class, Passed,
        campaign::{self, Difference, Plan, Results},
        tshark::Capture,
    },
    seeds::Bundles,
};
use serde_json::json;
use testbed::{
    frame::Datagram,
    lab::Lab,
    verdict::{Outcome, hex},
};

/// Compare generated programs, on both engines of our switch, with the reference translator, on real and on generated bundles.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  fuzz-differential
      200,000 bundles of a new seed, which is printed
  fuzz-differential --bundles 1000000 --seed 7
      a million others, the same in each run
  fuzz-differential --format json > results.json
      results for programs

Exit status: 0 no difference, 1 a difference or a malformed result, 2 the command line is at fault,
3 files are, or tshark is missing."
)]
struct Args {
    /// How many bundles are generated.
    #[arg(long, value_name = "COUNT", default_value_t = 200_000)]
    bundles: u64,
    /// Which ones. Without it, the time decides.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How many threads run them. Without it, one for each core.
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,
    /// Captures and vectors, which are run in each program.
    #[arg(long, value_name = "DIR", default_value = "testdata")]
    testdata: PathBuf,
    /// Where frames and results are written; it is made if it is missing.
    #[arg(long, value_name = "DIR", default_value = "out/fuzz/differential")]
    out: PathBuf,
    /// Where differences are kept, made small, for `cargo test -p fuzz` to run them again.
    #[arg(long, value_name = "DIR", default_value = "fuzz/regressions/switch")]
    vectors: PathBuf,
    /// Leave captures and vectors out.
    #[arg(long)]
    generated_only: bool,
    /// Leave machine code out: the interpreter of the switch runs the programs.
    #[arg(long)]
    interpreted_only: bool,
    /// Go on without tshark if it is missing.
    #[arg(long)]
    without_tshark: bool,
    /// How to print the results.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// How often progress is printed.
const PROGRESS: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("fuzz-differential: {error:#}");
            ExitCode::from(3)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<bool> {
    let plan = Plan {
        bundles: args.bundles,
        seed: args.seed.unwrap_or_else(seed_of_now),
        threads: args
            .threads
            .or_else(|| thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get),
        machine_code: !args.interpreted_only,
    };
    if plan.machine_code {
        let why = "no machine code; `--interpreted-only` goes on without";
        Lab::default().optimise().context(why)?;
    }
    eprintln!("seed {}", plan.seed);
    let real = if args.generated_only {
        Vec::new()
    } else {
        Bundles::read(&args.testdata)?.all()
    };
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    let mut frames = Frames::new(&args.out)?;
    let mut progress = Progress::new();
    let results = campaign::run(
        plan,
        &real,
        |case, passed| frames.add(case, passed),
        |results| progress.show(results),
    );
    for difference in &results.differences {
        keep(&args.vectors, difference)?;
    }
    let complaints = frames.finish(args.without_tshark)?;
    match args.format {
        Format::Text => print_text(&results, &complaints),
        Format::Json => println!("{}", to_json(plan, &results, &complaints)),
    }
    let malformed = complaints
        .iter()
        .any(|(_, found)| !found.malformed.is_empty());
    Ok(results.differences.is_empty() && results.different.is_empty() && !malformed)
}

fn seed_of_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

type Complaints = Vec<(Version, fuzz::differential::Complaints)>;

/// The results that left the switch, by version, for tshark.
struct Frames {
    six: Capture,
    seven: Capture,
    failed: Option<anyhow::Error>,
}

impl Frames {
    fn new(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            six: Capture::new(&folder.join("results-v6.pcap"))?,
            seven: Capture::new(&folder.join("results-v7.pcap"))?,
            failed: None,
        })
    }

    fn add(&mut self, _: &Case, passed: &Passed) {
        // What goes on in its version is what came in, in forms that tshark may not know.
        if passed.outcome != Outcome::Translated || self.failed.is_some() {
            return;
        }
        let payload = Datagram::parse(&passed.frame).map(|datagram| datagram.payload);
        let capture = match payload.as_deref().and_then(version) {
            Some(Version::V6) => &mut self.six,
            _ => &mut self.seven,
        };
        self.failed = capture.add(&passed.frame).err();
    }

    fn finish(self, without_tshark: bool) -> anyhow::Result<Complaints> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let both = [(Version::V6, self.six), (Version::V7, self.seven)];
        let asked = both
            .into_iter()
            .map(|(version, capture)| Ok((version, capture.finish()?)));
        match asked.collect::<anyhow::Result<_>>() {
            Err(error) if without_tshark => {
                eprintln!("tshark did not look at the results: {error:#}");
                Ok(Vec::new())
            }
            found => found,
        }
    }
}

struct Progress {
    start: Instant,
    shown: Instant,
}

impl Progress {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            start,
            shown: start,
        }
    }

    fn show(&mut self, results: &Results) {
        if self.shown.elapsed() < PROGRESS {
            return;
        }
        self.shown = Instant::now();
        let total = results.total();
        let different: u64 = results.different.values().sum();
        eprintln!(
            "{total} bundles in {:.0} s, {different} different",
            self.start.elapsed().as_secs_f64()
        );
    }
}

/// Writes a difference where the tests of this crate find it.
fn keep(folder: &Path, difference: &Difference) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let octets = difference.case.to_vec();
    let name = format!(
        "found-{}-{:08x}.hex",
        difference.class,
        bundle::crc::castagnoli(&octets)
    );
    let setting = &difference.case.setting;
    let mut text = format!(
        "# --profile {} --max-payload {} --max-blocks {} --max-eid {}, {:?}, receiver {}\n",
        setting.program.parameters().profile,
        setting.program.parameters().max_payload,
        setting.program.parameters().max_blocks,
        setting.program.parameters().max_eid,
        setting.role,
        setting.receiver.number(),
    );
    for line in difference.what.lines() {
        text.extend(["# ", line, "\n"]);
    }
    text.extend([hex(&octets).as_str(), "\n"]);
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("{}: {}", path.display(), difference.what);
    Ok(())
}

/// A column of the table.
fn column(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Forwarded => 0,
        Outcome::Translated => 1,
        Outcome::Relayed => 2,
        Outcome::Refused(_) => 3,
        Outcome::RefusedOtherwise(..) | Outcome::Unexplained(..) => 4,
        Outcome::Punted(_) => 5,
    }
}

/// A row for each class.
fn rows(results: &Results) -> BTreeMap<Class, [u64; 7]> {
    let mut rows = BTreeMap::<Class, [u64; 7]>::new();
    for ((class, outcome), count) in &results.outcomes {
        rows.entry(*class).or_default()[column(*outcome)] += count;
    }
    for (class, count) in &results.different {
        rows.entry(*class).or_default()[6] += count;
    }
    rows
}

fn print_text(results: &Results, complaints: &Complaints) {
    println!(
        "| class | bundles | no bundle | translated | sent on | refused | another fault | slow path | different |"
    );
    println!("| --- | --: | --: | --: | --: | --: | --: | --: | --: |");
    for (class, counts) in rows(results) {
        let total: u64 = counts.iter().sum();
        print!("| {class} | {total} |");
        for count in counts {
            print!(" {count} |");
        }
        println!();
    }
    println!("\n| program says | reference says | bundles |\n| --- | --- | --: |");
    let mut pairs = BTreeMap::<_, u64>::new();
    for ((_, outcome), count) in &results.outcomes {
        if let Outcome::RefusedOtherwise(program, reference) = outcome {
            *pairs.entry((program, reference)).or_default() += count;
        }
    }
    for ((program, reference), count) in pairs {
        println!("| {} | {} | {count} |", program.name(), reference.name());
    }
    for (version, found) in complaints {
        println!(
            "\ntshark: {} of {} results of {version:?} malformed, {} more with numbers that it does not hold",
            found.malformed.len(),
            found.frames,
            found.wide
        );
        for octets in found.malformed.iter().take(5) {
            println!("  {}", hex(octets));
        }
    }
}

fn to_json(plan: Plan, results: &Results, complaints: &Complaints) -> serde_json::Value {
    let classes: serde_json::Map<_, _> = rows(results)
        .into_iter()
        .map(|(class, [none, translated, relayed, refused, otherwise, slow, different])| {
            let counts = json!({
                "forwarded": none, "translated": translated, "relayed": relayed, "refused": refused,
                "refused_otherwise": otherwise, "slow_path": slow, "different": different,
            });
            (class.to_string(), counts)
        })
        .collect();
    let tshark: Vec<_> = complaints
        .iter()
        .map(|(version, found)| {
            json!({
                "version": format!("{version:?}"), "frames": found.frames, "wide": found.wide,
                "malformed": found.malformed.iter().map(|octets| hex(octets)).collect::<Vec<_>>(),
            })
        })
        .collect();
    let examples: Vec<_> = results
        .examples
        .iter()
        .map(|([program, reference], case)| {
            json!({
                "program": program.name(), "reference": reference.name(),
                "case": hex(&case.to_vec()),
            })
        })
        .collect();
    json!({
        "seed": plan.seed, "machine_code": plan.machine_code, "bundles": results.total(), "classes": classes, "tshark": tshark,
        "examples": examples,
    })
}
