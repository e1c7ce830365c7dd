// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Plans of others: small ones against exhaustive search, large ones with times.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use contact::{Plan, ionrc};

use crate::{START, agree, times};

/// Exhaustive search takes too long for plans with more contacts than this.
const SMALL: usize = 120;
/// Times are for plans with more contacts than this.
const LARGE: usize = 1000;

/// Reads all files of a folder, in the form of ION or of `DtnSim`.
pub(crate) fn run(folder: &Path, queries: usize) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", folder.display());
    let found = fs::read_dir(folder).map_err(failed)?;
    let files: Result<Vec<PathBuf>, _> = found.map(|file| file.map(|file| file.path())).collect();
    let mut files = files.map_err(failed)?;
    files.sort();
    let mut small = Vec::new();
    let mut large = Vec::new();
    let (mut between, mut refused) = (0, 0);
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        match read(file) {
            Ok((plan, left_out)) => {
                if left_out > 0 {
                    eprintln!("{name}: {left_out} lines left out");
                }
                match plan.contacts().count() {
                    count if count > LARGE => large.push((name, plan)),
                    count if count > SMALL => between += 1,
                    _ => small.push(plan),
                }
            }
            Err(error) => {
                eprintln!("{name}: not read: {error}");
                refused += 1;
            }
        }
    }
    let count = files.len();
    println!(
        "{count} plans: {} of at most {SMALL} contacts, {between} above, {} above {LARGE}; {refused} not read\n",
        small.len(),
        large.len()
    );
    if !small.is_empty() {
        agree::of_plans(&small, queries)?;
    }
    for (name, plan) in &large {
        println!("\n{name}\n");
        times::of_plan(plan, name);
    }
    Ok(())
}

/// A plan, and how many lines were left out: the horizon of `DtnSim`, what nobody knows ahead of time, and
/// what is refused, such as contacts that are empty or overlap.
fn read(file: &Path) -> Result<(Plan, usize), String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let is_of_dtnsim = |line: &&str| {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("m") => true,
            Some("a") => matches!(words.next(), Some("ocontact" | "orange")),
            _ => false,
        }
    };
    let mut lines: Vec<&str> = text.lines().filter(|line| !is_of_dtnsim(line)).collect();
    let known = lines.len();
    loop {
        let faults = match ionrc::import(&lines.join("\n"), START) {
            Ok(plan) => return Ok((plan, text.lines().count() - lines.len())),
            Err(faults) => faults,
        };
        let refused: BTreeSet<usize> = faults.iter().map(|fault| fault.line).collect();
        let numbered = (1..).zip(lines);
        let kept = numbered.filter(|(number, _)| !refused.contains(number));
        lines = kept.map(|(_, line)| line).collect();
        if (known - lines.len()) * REFUSED_PART > known {
            let first = faults
                .first()
                .map(|error| format!("{error}: {}", error.fault));
            return Err(first.unwrap_or_default());
        }
    }
}

/// A plan of which more than this part is refused is another one.
const REFUSED_PART: usize = 4;
