// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `sddtn-demo`: the main job, end to end, on real traffic.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use bundle::Policy;
use clap::Parser;
use pcap_file::pcap::{PcapPacket, PcapWriter};
use testbed::{
    link::Links,
    ordinary,
    process::{self, Process, contents},
    scenario::{self, DEADLINE, Program},
    show,
    traffic::{self, Input, Side},
    verdict::{Limits, Outcome, Rules, SLOW_PATH_PORT, judge},
};

/// Run the main job end to end: generate a program, switch real bundles through it under a
/// controller, and compare each with the reference translator.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example:
  sddtn-demo --out out/demo
      run, and leave program, logs, events and captures in out/demo

Exit status: 0 every datagram is as the reference says, 1 one is not, 3 files or network fail."
)]
struct Args {
    /// Folder for everything that is written; it is made if it is missing.
    #[arg(long, value_name = "DIR", default_value = "out/demo")]
    out: PathBuf,
    /// Folder with captures of real traffic.
    #[arg(long, value_name = "DIR", default_value = "testdata/captures")]
    captures: PathBuf,
    /// Longest payload that the program carries, in octets.
    #[arg(long, value_name = "OCTETS", default_value_t = 1400)]
    max_payload: u32,
    /// Fail if tshark is missing, instead of saying that its check was left out.
    #[arg(long)]
    require_tshark: bool,
}

/// Differences that are printed.
const SHOWN: usize = 5;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("sddtn-demo: {error:#}");
            ExitCode::from(3)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<bool> {
    let inputs = traffic::captured(&args.captures)?;
    scenario::fresh_folder(&args.out)?;

    step(1, "p4gen writes the program");
    println!("{}", generate(args)?.trim_end());

    step(2, "the front end checks it");
    let program = args.out.join("translator.p4");
    let checked = process::output(
        &process::sibling("p4switch")?,
        &["check".as_ref(), program.as_os_str()],
    )?;
    println!("{}", checked.trim_end());

    step(3, "the switch starts, and the controller programs it");
    let links = Links::new(&scenario::PORTS)?;
    let (_switch, address) = scenario::start_switch(&args.out, &links)?;
    let program = Program {
        target: "sddtn",
        p4info: "translator.p4info.txtpb",
        device_config: "translator.p4",
        entries: &["translator.entries.json"],
    };
    let mut controller = scenario::start_controller(&args.out, &program, &address)?;
    println!("P4Runtime at {address}; the controller is primary and has written what it wants");

    step(4, "real traffic enters on two ports");
    let mut captures = Captures::new(&args.out)?;
    let ordinary = ordinary_traffic(&links, &mut captures)?;
    let verdicts = bundles(args, &inputs, &links, &mut captures)?;
    drop(captures);

    step(5, "what happened");
    show_example(&inputs)?;
    let reported = reported(args, &mut controller, verdicts.bundles())?;
    show_digests(&reported)?;
    show_switch(&address)?;
    let clean = tshark(args)?;
    println!("ordinary frames forwarded unchanged (ARP, ICMP, UDP): {ordinary}");
    verdicts.print();
    Ok(verdicts.good() && clean)
}

fn step(number: u32, what: &str) {
    println!("\n== {number}. {what}");
}

fn generate(args: &Args) -> anyhow::Result<String> {
    let (out, max_payload) = (args.out.display().to_string(), args.max_payload.to_string());
    let slow_path = SLOW_PATH_PORT.to_string();
    let options = [
        "--target",
        "bmv2",
        "--max-payload",
        &max_payload,
        "--slow-path-port",
        &slow_path,
        "--name",
        "translator",
        "-o",
        &out,
    ];
    process::output(&process::sibling("p4gen")?, &options)
}

/// The frames that enter and leave, as capture files.
struct Captures {
    files: BTreeMap<(&'static str, u16), PcapWriter<File>>,
    clock: Duration,
}

impl Captures {
    fn new(out: &Path) -> anyhow::Result<Self> {
        let mut files = BTreeMap::new();
        for (direction, ports) in [("input", &[1, 2][..]), ("output", &[1, 2, SLOW_PATH_PORT])] {
            for &port in ports {
                let path = out.join(format!("{direction}-port{port}.pcap"));
                let file = File::create(&path)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                let writer = PcapWriter::new(file).context("cannot begin a capture")?;
                files.insert((direction, port), writer);
            }
        }
        Ok(Self {
            files,
            clock: Duration::ZERO,
        })
    }

    fn add(&mut self, direction: &'static str, port: u16, frame: &[u8]) -> anyhow::Result<()> {
        // The files show order, not time: a millisecond for each frame.
        self.clock += Duration::from_millis(1);
        let length = frame
            .len()
            .try_into()
            .context("a frame is longer than a capture holds")?;
        let packet = PcapPacket::new(self.clock, length, frame);
        let writer = self
            .files
            .get_mut(&(direction, port))
            .with_context(|| format!("a frame left on port {port}, which is not connected"))?;
        writer
            .write_packet(&packet)
            .context("cannot write a capture")?;
        Ok(())
    }
}

/// Sends a frame, and waits for the one that it becomes.
fn exchange(
    links: &Links,
    captures: &mut Captures,
    port: u16,
    frame: &[u8],
) -> anyhow::Result<(u16, Vec<u8>)> {
    captures.add("input", port, frame)?;
    links.send(port, frame)?;
    let (port, output) = links
        .receive(DEADLINE)
        .with_context(|| format!("nothing left the switch within {DEADLINE:?}"))?;
    captures.add("output", port, &output)?;
    Ok((port, output))
}

/// Frames that are no bundles cross as they are, from the first one, with no entry made by hand.
fn ordinary_traffic(links: &Links, captures: &mut Captures) -> anyhow::Result<usize> {
    let frames = ordinary::frames();
    for (side, frame) in &frames {
        let (port, output) = exchange(links, captures, side.port(), frame)?;
        ensure!(
            (port, output.as_slice()) == (side.other().port(), frame.as_slice()),
            "an ordinary frame did not cross unchanged: {}",
            testbed::verdict::hex(frame)
        );
    }
    Ok(frames.len())
}

/// What became of all datagrams.
#[derive(Default)]
struct Verdicts {
    outcomes: BTreeMap<(Side, Outcome), usize>,
    differences: Vec<String>,
}

fn bundles(
    args: &Args,
    inputs: &[Input],
    links: &Links,
    captures: &mut Captures,
) -> anyhow::Result<Verdicts> {
    let rules = Rules {
        limits: Limits::for_payload(args.max_payload),
        ..Rules::default()
    };
    let mut verdicts = Verdicts::default();
    for input in inputs {
        let frame = input.datagram.to_frame();
        let (port, output) = exchange(links, captures, input.side.port(), &frame)
            .with_context(|| format!("{} was lost", input.origin))?;
        match judge(input, &rules, port, &output) {
            Ok(outcome) => *verdicts.outcomes.entry((input.side, outcome)).or_default() += 1,
            Err(difference) => verdicts
                .differences
                .push(format!("{} {difference}", input.origin)),
        }
    }
    println!("{} datagrams entered, {} left", inputs.len(), inputs.len());
    Ok(verdicts)
}

impl Verdicts {
    fn good(&self) -> bool {
        let compared = |side| {
            self.outcomes
                .get(&(side, Outcome::Translated))
                .copied()
                .unwrap_or(0)
        };
        self.differences.is_empty() && compared(Side::V6) > 0 && compared(Side::V7) > 0
    }

    /// Datagrams that carry a bundle: each makes one report.
    fn bundles(&self) -> usize {
        let bundles = self
            .outcomes
            .iter()
            .filter(|((_, outcome), _)| *outcome != Outcome::Forwarded);
        bundles.map(|(_, count)| count).sum::<usize>() + self.differences.len()
    }

    fn print(&self) {
        for ((side, outcome), count) in &self.outcomes {
            let from = side.version();
            let what = match outcome {
                Outcome::Forwarded => "no bundle: forwarded unchanged".to_owned(),
                Outcome::Translated => format!(
                    "BPv{from} translated to BPv{}: equal to the reference, checksums right",
                    side.other().version()
                ),
                Outcome::Relayed => format!("BPv{from} sent on: equal to the reference"),
                Outcome::Refused(reason) => {
                    format!("BPv{from} refused, as the reference does: {reason}")
                }
                Outcome::RefusedOtherwise(reason, other) | Outcome::Unexplained(reason, other) => {
                    format!("BPv{from} refused: {reason}; the reference: {other}")
                }
                Outcome::Punted(reason) => format!("BPv{from} left to the slow path: {reason}"),
            };
            println!("{count:>5}  {what}");
        }
        for difference in self.differences.iter().take(SHOWN) {
            println!("DIFFERENT: {difference}");
        }
        println!(
            "{} of {} datagrams differ from the reference",
            self.differences.len(),
            { self.outcomes.values().sum::<usize>() + self.differences.len() }
        );
    }
}

/// One bundle before and after, with its fields named.
fn show_example(inputs: &[Input]) -> anyhow::Result<()> {
    let example = inputs
        .iter()
        .find(|input| input.side == Side::V6 && input.datagram.is_for_bundles())
        .context("there is no version 6 bundle in the captures")?;
    let before = &example.datagram.payload;
    let after = match bundle::translate(before, &Policy::default()) {
        Ok(translation) => translation.octets,
        Err(refusal) => bail!(
            "{} cannot be translated: {}",
            example.origin,
            refusal.reason
        ),
    };
    println!("{} before and after:", example.origin);
    for (octets, title) in [(before, "before"), (&after, "after")] {
        println!("  {title}, {} octets", octets.len());
        for (name, value) in show::fields(octets) {
            println!("    {name:<16} {value}");
        }
    }
    Ok(())
}

/// What the controller has written down, once it has heard of every bundle.
fn reported(args: &Args, controller: &mut Process, bundles: usize) -> anyhow::Result<Vec<String>> {
    let events = args.out.join("events.jsonl");
    controller.wait_for(&format!("{bundles} bundle reports"), DEADLINE, || {
        let lines: Vec<_> = contents(&events)?.lines().map(str::to_owned).collect();
        (lines.len() >= bundles).then_some(lines)
    })
}

fn show_digests(reported: &[String]) -> anyhow::Result<()> {
    println!(
        "\nthe controller received {} bundle reports, among them:",
        reported.len()
    );
    for line in reported.iter().step_by((reported.len() / 3).max(1)).take(3) {
        let event: serde_json::Value = serde_json::from_str(line).context("an event is no JSON")?;
        println!("  {event}");
    }
    Ok(())
}

fn show_switch(address: &str) -> anyhow::Result<()> {
    let program = process::sibling("sddtnctl")?;
    for command in ["tables", "counters"] {
        println!("\nsddtnctl {command}:");
        println!(
            "{}",
            process::output(&program, &["--switch", address, command])?.trim_end()
        );
    }
    println!();
    Ok(())
}

/// Asks tshark whether it finds anything malformed in what left the switch.
fn tshark(args: &Args) -> anyhow::Result<bool> {
    let mut packets = 0;
    for port in [Side::V6.port(), Side::V7.port()] {
        let capture = args
            .out
            .join(format!("output-port{port}.pcap"))
            .display()
            .to_string();
        let read =
            |filter: &str| process::output(Path::new("tshark"), &["-r", &capture, "-Y", filter]);
        let all = match read("frame") {
            Ok(all) => all,
            Err(error) if args.require_tshark => return Err(error),
            Err(error) => {
                println!("tshark did not look at the output: {error:#}");
                return Ok(true);
            }
        };
        let malformed = read("_ws.malformed")?;
        if !malformed.is_empty() {
            println!("tshark finds malformed packets in {capture}:\n{malformed}");
            return Ok(false);
        }
        packets += all.lines().count();
    }
    println!("tshark finds nothing malformed in {packets} output frames");
    Ok(true)
}
