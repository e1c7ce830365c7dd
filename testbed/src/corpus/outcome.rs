// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a check of a set has found, and which misses are known.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Programs of one set that do what they should, and those that do not.
pub(crate) struct Outcome {
    /// Name of the check.
    pub(crate) check: &'static str,
    /// What is counted.
    pub(crate) what: &'static str,
    pub(crate) total: usize,
    /// Name of the program, and what happens instead.
    pub(crate) misses: Vec<(String, String)>,
}

/// Misses that are expected: by check and program, with a reason.
pub(crate) struct Known<'a>(BTreeMap<(&'a str, &'a str), &'a str>);

impl<'a> Known<'a> {
    /// Lines of the form `check program: reason`; `#` begins a comment.
    pub(crate) fn parse(text: &'a str) -> Self {
        let entries = text.lines().filter_map(|line| {
            let line = line
                .split_once('#')
                .map_or(line, |(before, _)| before)
                .trim();
            let (key, reason) = line.split_once(": ")?;
            let (check, program) = key.split_once(' ')?;
            Some(((check, program), reason))
        });
        Self(entries.collect())
    }
}

impl Outcome {
    pub(crate) fn new(check: &'static str, what: &'static str) -> Self {
        Self {
            check,
            what,
            total: 0,
            misses: Vec::new(),
        }
    }

    /// Counts a program; `fault` says what is wrong, if anything is.
    pub(crate) fn count(&mut self, program: &str, fault: Option<String>) {
        self.total += 1;
        if let Some(fault) = fault {
            self.misses.push((program.to_owned(), fault));
        }
    }

    /// Shows figures and misses; says whether all misses are known, and all that are known still miss.
    pub(crate) fn print(&self, known: &Known<'_>) -> bool {
        let good = self.total - self.misses.len();
        let share = (1000 * good + self.total / 2) / self.total.max(1);
        println!(
            "{}: {good} of {} {} ({}.{} %)",
            self.check,
            self.total,
            self.what,
            share / 10,
            share % 10
        );
        let mut as_known = true;
        for (program, fault) in &self.misses {
            if let Some(reason) = known.0.get(&(self.check, program.as_str())) {
                println!("  known  {program}: {reason}");
            } else {
                as_known = false;
                println!("  MISS   {program}: {fault}");
            }
        }
        for (check, program) in known.0.keys() {
            let missed = self.misses.iter().any(|(name, _)| name == program);
            if *check == self.check && !missed {
                as_known = false;
                println!("  STALE  {program} is in the list of known misses, but does not miss");
            }
        }
        as_known
    }

    pub(crate) fn report(&self) -> Value {
        let misses: Vec<_> = self
            .misses
            .iter()
            .map(|(program, fault)| json!({ "program": program, "fault": fault }))
            .collect();
        json!({ "check": self.check, "what": self.what, "total": self.total, "misses": misses })
    }
}
