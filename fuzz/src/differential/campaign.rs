// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Many cases on all cores, and what became of them.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use bundle::Reason;
use testbed::{lab::Receiver, verdict::Outcome};

use super::{Case, Class, Classes, Passed, Program, Rig, Role, Setting, shrink};

/// Cases that are made and run together.
const BATCH: usize = 50;
/// Differences after which a campaign ends: what is found then has one of few causes.
const MOST_DIFFERENCES: usize = 20;
/// Differences of one kind that are made small and kept.
const MOST_ALIKE: usize = 3;
/// Finished batches that wait for the main thread.
const QUEUE: usize = 32;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many bundles are generated.
    pub bundles: u64,
    /// Which ones: equal seeds give equal bundles.
    pub seed: u64,
    /// How many threads run them.
    pub threads: usize,
    /// Whether each case runs in machine code, too, and both engines of the switch are compared.
    pub machine_code: bool,
}

/// What became of the bundles.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// Counts by class and outcome.
    pub outcomes: BTreeMap<(Class, Outcome), u64>,
    /// A case for each pair of reasons that program and reference give.
    pub examples: BTreeMap<[Reason; 2], Case>,
    /// Cases in which they differ, made small.
    pub differences: Vec<Difference>,
    /// How many differed.
    pub different: BTreeMap<Class, u64>,
}

/// A case in which program and reference differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The class of the bundle that it was found with.
    pub class: Class,
    /// The case, made small.
    pub case: Case,
    /// How they differ.
    pub what: String,
}

/// Cases that were run.
type Batch = (Class, Vec<(Case, Result<Passed, String>)>);

impl Results {
    /// How many bundles were run.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.outcomes.values().sum::<u64>() + self.different.values().sum::<u64>()
    }

    fn add(&mut self, class: Class, case: Case, result: Result<&Passed, &String>, rig: &mut Rig) {
        match result {
            Ok(passed) => {
                *self.outcomes.entry((class, passed.outcome)).or_default() += 1;
                if let Outcome::RefusedOtherwise(program, reference) = passed.outcome {
                    self.examples.entry([program, reference]).or_insert(case);
                }
            }
            Err(what) => {
                *self.different.entry(class).or_default() += 1;
                let kinds = self.differences.iter().map(|known| kind(&known.what));
                let alike = kinds.filter(|known| *known == kind(what)).count();
                if self.differences.len() < MOST_DIFFERENCES && alike < MOST_ALIKE {
                    self.add_difference(class, case, what, rig);
                }
            }
        }
    }

    fn add_difference(&mut self, class: Class, case: Case, what: &str, rig: &mut Rig) {
        let case = shrink(case, |case| {
            rig.check(case)
                .is_err_and(|found| kind(&found) == kind(what))
        });
        let Err(what) = rig.check(&case) else { return };
        if self.differences.iter().all(|known| known.case != case) {
            self.differences.push(Difference { class, case, what });
        }
    }
}

/// A difference without its octets: making a case small does not make it another one.
fn kind(what: &str) -> &str {
    let line = what.lines().next().unwrap_or(what);
    line.split_once(" at octet").map_or(line, |(kind, _)| kind)
}

/// Runs real bundles in all programs and roles, and generated ones as the plan says. The frames
/// that left the switch are handed to `passed`, and the results so far to `progress`.
pub fn run(
    plan: Plan,
    real: &[Vec<u8>],
    mut passed: impl FnMut(&Case, &Passed),
    mut progress: impl FnMut(&Results),
) -> Results {
    let real = real_cases(real);
    let batches = Batches {
        plan,
        real: real.chunks(BATCH).collect(),
        next: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    };
    let mut results = Results::default();
    let mut rig = Rig::new(plan.machine_code);
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(QUEUE);
        for _ in 0..plan.threads.max(1) {
            let (batches, sender) = (&batches, sender.clone());
            scope.spawn(move || batches.run(&sender));
        }
        drop(sender);
        for (class, cases) in receiver {
            for (case, result) in cases {
                if let Ok(found) = &result {
                    passed(&case, found);
                }
                results.add(class, case, result.as_ref(), &mut rig);
            }
            progress(&results);
            if results.differences.len() >= MOST_DIFFERENCES {
                batches.stop.store(true, Relaxed);
            }
        }
    });
    results
}

/// Real bundles in each program and role, for receivers that take turns.
fn real_cases(real: &[Vec<u8>]) -> Vec<Case> {
    let mut cases = Vec::new();
    for program in 0..Program::COUNT {
        for role in Role::ALL {
            for (number, octets) in real.iter().enumerate() {
                let number = u8::try_from(number % usize::from(u8::MAX));
                let receiver = Receiver::new(number.expect("it is below 255"));
                let setting = Setting {
                    program: Program::new(program),
                    role,
                    receiver,
                };
                let octets = octets.clone();
                cases.push(Case { setting, octets });
            }
        }
    }
    cases
}

/// The batches of a campaign, which threads take one by one.
struct Batches<'a> {
    plan: Plan,
    real: Vec<&'a [Case]>,
    next: AtomicU64,
    stop: AtomicBool,
}

impl Batches<'_> {
    fn run(&self, results: &SyncSender<Batch>) {
        let mut rig = Rig::new(self.plan.machine_code);
        let classes = Classes::default();
        while !self.stop.load(Relaxed) {
            let Some((class, cases)) = self.take(&classes) else {
                return;
            };
            let checked = cases.into_iter().map(|case| {
                let result = rig.check(&case);
                (case, result)
            });
            let batch = (class, checked.collect());
            if results.send(batch).is_err() {
                return;
            }
        }
    }

    fn take(&self, classes: &Classes) -> Option<(Class, Vec<Case>)> {
        let number = self.next.fetch_add(1, Relaxed);
        if let Some(cases) = usize::try_from(number)
            .ok()
            .and_then(|number| self.real.get(number))
        {
            return Some((Class::Real, cases.to_vec()));
        }
        let number = number - self.real.len() as u64;
        let before = number * BATCH as u64;
        let left = self.plan.bundles.checked_sub(before)?;
        let count = usize::try_from(left).map_or(BATCH, |left| left.min(BATCH));
        if count == 0 {
            return None;
        }
        let class = Class::of_batch(number);
        // The seed of a batch does not depend on who runs it.
        let seed = self.plan.seed.wrapping_mul(1 << 32).wrapping_add(number);
        Some((class, classes.cases(class, seed, count)))
    }
}
