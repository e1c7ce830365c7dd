// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One program on two switches: BMv2's output against the reference translator, and against ours.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use testbed::{
    ordinary,
    traffic::Side,
    verdict::{Outcome, hex, judge},
};

use crate::{
    capture::Captures,
    cases::{Case, Role, Set, Stage, is_reported},
    compile::Compiled,
    lab::{Lab, Program},
    tools::Tool,
};

/// Long enough for a loaded machine; nothing waits that long when all is well.
const DEADLINE: Duration = Duration::from_secs(20);
/// So many lost frames are no accident: nothing is learned by waiting for more.
const MOST_LOST: usize = 5;
/// Differences that are printed; all are in the files.
const SHOWN: usize = 5;

/// A frame that left a switch, and where.
type Output = Option<(u16, Vec<u8>)>;

/// How a program runs on BMv2 in a role.
#[derive(Debug)]
pub(crate) struct Comparison {
    name: String,
    role: Role,
    ordinary: usize,
    outcomes: BTreeMap<(Set, Side, Outcome), usize>,
    /// Where BMv2 does not do what the reference translator says.
    from_reference: Vec<String>,
    /// Where BMv2 and this project's switch do not do the same.
    from_ours: Vec<String>,
    reports: usize,
    seconds: [f64; 2],
}

/// What a switch has done with all frames.
struct Run {
    ordinary: Vec<Output>,
    bundles: Vec<Output>,
    reports: Vec<Value>,
    shown: [String; 2],
    seconds: f64,
}

/// Runs a program on both switches in a role.
///
/// # Errors
///
/// A switch or a controller fails. Frames that are lost or wrong are differences, not errors.
pub(crate) fn compare(
    simple_switch_grpc: &Tool,
    compiled: &Compiled,
    json: &Path,
    stage: &Stage,
) -> anyhow::Result<Comparison> {
    let folder = compiled.folder.join(stage.role.name());
    let source = compiled.folder.join(format!("{}.p4", compiled.name));
    let program = |device_config| Program {
        folder: &folder,
        name: &compiled.name,
        device_config,
        entries: stage.role.entries(),
    };
    let cases = &stage.cases;
    let ours = Lab::ours(&program(&source)).and_then(|lab| run(lab, cases));
    let ours = ours.context("our switch")?;
    let bmv2 = Lab::bmv2(&simple_switch_grpc.path, &program(json)).and_then(|lab| run(lab, cases));
    let bmv2 = bmv2.context("BMv2")?;

    let comparison = Comparison::new(compiled, stage, &bmv2, &ours);
    let path = folder.join("differences.txt");
    fs::write(&path, comparison.differences())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(comparison)
}

fn run(mut lab: Lab, cases: &[Case]) -> anyhow::Result<Run> {
    let start = Instant::now();
    let mut exchange = Exchange {
        captures: Captures::new(&lab.folder),
        lab: &mut lab,
        lost: 0,
    };
    let mut ordinary = Vec::new();
    for (side, frame) in ordinary::frames() {
        ordinary.push(exchange.frame(side.port(), &frame)?);
    }
    let mut bundles = Vec::new();
    for Case { input, .. } in cases {
        let frame = input.datagram.to_frame();
        bundles.push(exchange.frame(input.side.port(), &frame)?);
    }
    // Were there more frames than one for each, the last of them would stand here.
    let (side, last) = ordinary::frames().remove(0);
    ordinary.push(exchange.frame(side.port(), &last)?);

    let seconds = start.elapsed().as_secs_f64();
    let reported = cases.iter().filter(|case| is_reported(&case.input));
    Ok(Run {
        ordinary,
        bundles,
        reports: lab.reports(reported.count())?,
        shown: [lab.shown("tables")?, lab.shown("counters")?],
        seconds,
    })
}

struct Exchange<'a> {
    captures: Captures,
    lab: &'a mut Lab,
    lost: usize,
}

impl Exchange<'_> {
    /// Sends a frame, and waits for the one that it becomes: never more than one is in a queue.
    fn frame(&mut self, port: u16, frame: &[u8]) -> anyhow::Result<Output> {
        self.captures.add("input", port, frame)?;
        self.lab.wire.send(port, frame)?;
        let output = self.lab.wire.receive(DEADLINE)?;
        if let Some((port, frame)) = &output {
            self.captures.add("output", *port, frame)?;
        } else {
            self.lost += 1;
            ensure!(
                self.lost < MOST_LOST,
                "{MOST_LOST} frames were lost, the last one is {}",
                hex(frame)
            );
        }
        Ok(output)
    }
}

impl Comparison {
    fn new(compiled: &Compiled, stage: &Stage, bmv2: &Run, ours: &Run) -> Self {
        let cases = &stage.cases;
        let mut comparison = Self {
            name: compiled.name.clone(),
            role: stage.role,
            ordinary: 0,
            outcomes: BTreeMap::new(),
            from_reference: Vec::new(),
            from_ours: Vec::new(),
            reports: bmv2.reports.len(),
            seconds: [bmv2.seconds, ours.seconds],
        };
        comparison.judge_ordinary(bmv2);
        comparison.judge_bundles(compiled, cases, bmv2);
        comparison.compare_frames(cases, bmv2, ours);
        comparison.compare_state(bmv2, ours);
        comparison
    }

    /// Frames that are no bundles cross as they are.
    fn judge_ordinary(&mut self, bmv2: &Run) {
        let mut frames = ordinary::frames();
        frames.push(frames[0].clone());
        for ((side, frame), output) in frames.iter().zip(&bmv2.ordinary) {
            let expected = (side.other().port(), frame.clone());
            if output.as_ref() == Some(&expected) {
                self.ordinary += 1;
            } else {
                self.from_reference.push(format!(
                    "ordinary frame {}: {}",
                    hex(frame),
                    describe(output)
                ));
            }
        }
    }

    fn judge_bundles(&mut self, compiled: &Compiled, cases: &[Case], bmv2: &Run) {
        for (Case { set, input }, output) in cases.iter().zip(&bmv2.bundles) {
            let rules = self.role.rules(&compiled.parameters, input);
            let verdict = match output {
                Some((port, frame)) => judge(input, &rules, *port, frame),
                None => Err("was lost".to_owned()),
            };
            match verdict {
                Ok(outcome) => {
                    let key = (*set, input.side, outcome);
                    *self.outcomes.entry(key).or_default() += 1;
                }
                Err(difference) => self
                    .from_reference
                    .push(format!("{} {difference}", input.origin)),
            }
        }
    }

    fn compare_frames(&mut self, cases: &[Case], bmv2: &Run, ours: &Run) {
        let origins = cases.iter().map(|case| case.input.origin.as_str());
        let bundles = origins.zip(bmv2.bundles.iter().zip(&ours.bundles));
        let pairs = bmv2.ordinary.iter().zip(&ours.ordinary);
        for (origin, (theirs, own)) in pairs.map(|pair| ("ordinary frame", pair)).chain(bundles) {
            if theirs != own {
                self.from_ours.push(format!(
                    "{origin}:\n  BMv2 {}\n  ours {}",
                    describe(theirs),
                    describe(own)
                ));
            }
        }
    }

    /// Reports to the controller, table entries with their counters, and counters.
    fn compare_state(&mut self, bmv2: &Run, ours: &Run) {
        if bmv2.reports.len() != ours.reports.len() {
            self.from_ours.push(format!(
                "{} bundle reports from BMv2, {} from ours",
                bmv2.reports.len(),
                ours.reports.len()
            ));
        }
        for (theirs, own) in bmv2.reports.iter().zip(&ours.reports) {
            if theirs != own {
                self.from_ours
                    .push(format!("bundle report:\n  BMv2 {theirs}\n  ours {own}"));
            }
        }
        for (theirs, own) in bmv2.shown.iter().zip(&ours.shown) {
            let (theirs, own): (Vec<_>, Vec<_>) = (theirs.lines().collect(), own.lines().collect());
            if theirs.len() != own.len() {
                self.from_ours.push(format!(
                    "sddtnctl shows {} lines of BMv2 and {} of ours",
                    theirs.len(),
                    own.len()
                ));
            }
            for (theirs, own) in theirs.iter().zip(&own).filter(|(a, b)| a != b) {
                self.from_ours
                    .push(format!("sddtnctl:\n  BMv2 {theirs}\n  ours {own}"));
            }
        }
    }

    /// How many outcomes of a set are of a kind.
    fn count(&self, set: Set, kind: impl Fn(Outcome) -> bool) -> usize {
        self.outcomes
            .iter()
            .filter(|((of, _, outcome), _)| *of == set && kind(*outcome))
            .map(|(_, count)| count)
            .sum()
    }

    /// Whether both comparisons found no difference, and there was something to compare.
    pub(crate) fn good(&self) -> bool {
        let translated = self.count(Set::Captured, |outcome| outcome == Outcome::Translated);
        self.from_reference.is_empty() && self.from_ours.is_empty() && translated > 0
    }

    fn differences(&self) -> String {
        let from_reference = self.from_reference.iter();
        let from_ours = self.from_ours.iter();
        from_reference
            .map(|difference| format!("BMv2 differs from the reference: {difference}\n"))
            .chain(from_ours.map(|it| format!("BMv2 differs from our switch: {it}\n")))
            .collect()
    }

    /// Says what came out.
    pub(crate) fn print(&self) {
        println!(
            "{}, {}: BMv2 in {:.1} s, ours in {:.1} s",
            self.name,
            self.role.name(),
            self.seconds[0],
            self.seconds[1]
        );
        println!("{:>5}  ordinary frames forwarded unchanged", self.ordinary);
        for set in Set::ALL {
            self.print_set(set);
        }
        println!(
            "  {} differences from the reference; {} from our switch, in frames, {} bundle reports, \
             table entries and counters",
            self.from_reference.len(),
            self.from_ours.len(),
            self.reports
        );
        for difference in self
            .from_reference
            .iter()
            .chain(&self.from_ours)
            .take(SHOWN)
        {
            println!("  DIFFERENT: {difference}");
        }
    }

    fn print_set(&self, set: Set) {
        println!(
            "{:>5}  {}: {} translated and {} sent on as the reference does, {} refused as it does, {} refused for \
             another of several faults, {} left to the slow path, {} no bundles",
            self.count(set, |_| true),
            set.name(),
            self.count(set, |outcome| outcome == Outcome::Translated),
            self.count(set, |outcome| outcome == Outcome::Relayed),
            self.count(set, |outcome| matches!(outcome, Outcome::Refused(_))),
            self.count(set, |outcome| matches!(
                outcome,
                Outcome::RefusedOtherwise(..)
            )),
            self.count(set, |outcome| matches!(outcome, Outcome::Punted(_))),
            self.count(set, |outcome| outcome == Outcome::Forwarded),
        );
    }

    /// The same for scripts.
    pub(crate) fn report(&self) -> Value {
        let mut outcomes = BTreeMap::<_, BTreeMap<_, _>>::new();
        for ((set, side, outcome), count) in &self.outcomes {
            let set = outcomes.entry(set.name()).or_default();
            set.insert(describe_outcome(*side, *outcome), count);
        }
        json!({
            "name": self.name,
            "role": self.role.name(),
            "ordinary": self.ordinary,
            "outcomes": outcomes,
            "bundle_reports": self.reports,
            "differences_from_reference": self.from_reference,
            "differences_from_our_switch": self.from_ours,
            "bmv2_seconds": self.seconds[0],
            "our_seconds": self.seconds[1],
        })
    }
}

fn describe(output: &Output) -> String {
    match output {
        Some((port, frame)) => format!("port {port}: {}", hex(frame)),
        None => "lost".to_owned(),
    }
}

fn describe_outcome(side: Side, outcome: Outcome) -> String {
    let from = side.version();
    match outcome {
        Outcome::Forwarded => format!("no bundle, side of BPv{from}: forwarded unchanged"),
        Outcome::Translated => format!(
            "BPv{from} translated to BPv{}: equal to the reference",
            side.other().version()
        ),
        Outcome::Relayed => format!("BPv{from} sent on: equal to the reference"),
        Outcome::Refused(reason) => format!("BPv{from} refused, as the reference does: {reason}"),
        Outcome::RefusedOtherwise(reason, other) | Outcome::Unexplained(reason, other) => {
            format!("BPv{from} refused: {reason}; the reference: {other}")
        }
        Outcome::Punted(reason) => format!("BPv{from} left to the slow path: {reason}"),
    }
}
