// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The checks: what must be accepted, what must be refused, and what must be equal.

use std::panic::{AssertUnwindSafe, catch_unwind};

use p4::diagnostic::{Diagnostics, Severity};
use switch::{offline::Offline, stf};

use crate::{
    files::{Corpus, Program},
    outcome::Outcome,
};

/// The message of a fault that no program may cause.
const PANIC: &str = "the front end panics";

/// Every sample, whatever its architecture is, parses and has right types.
pub(crate) fn samples(corpus: &Corpus) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::new("samples", "samples are parsed and type-checked");
    for program in corpus.programs("p4_16_samples")? {
        let fault = match guarded(corpus, &program, p4::check) {
            Some(Ok(_)) => None,
            Some(Err(diagnostics)) => Some(first(&diagnostics)),
            None => Some(PANIC.to_owned()),
        };
        outcome.count(&program.name, fault);
    }
    Ok(outcome)
}

/// Every wrong program is refused: by the type checker, or for v1model by what comes after it.
pub(crate) fn errors(corpus: &Corpus) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::new("errors", "wrong programs are refused");
    for program in corpus.programs("p4_16_errors")? {
        let refused = guarded(corpus, &program, |source| {
            p4::check(source).is_err() || (program.is_v1model() && p4::compile(source).is_err())
        });
        let fault = match refused {
            Some(true) => None,
            Some(false) => Some("it is accepted".to_owned()),
            None => Some(PANIC.to_owned()),
        };
        outcome.count(&program.name, fault);
    }
    Ok(outcome)
}

/// Every sample for v1model gives a program that the switch can run.
pub(crate) fn v1model(corpus: &Corpus) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::new("v1model", "samples for v1model are compiled");
    for program in corpus.programs("p4_16_samples")? {
        if !program.is_v1model() || !has_main(&program) {
            continue;
        }
        let fault = match guarded(corpus, &program, p4::compile) {
            Some(Ok(_)) => None,
            Some(Err(diagnostics)) => Some(first(&diagnostics)),
            None => Some(PANIC.to_owned()),
        };
        outcome.count(&program.name, fault);
    }
    Ok(outcome)
}

/// P4Info is that of p4c, octet for octet.
pub(crate) fn p4info(corpus: &Corpus) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::new("p4info", "P4Info files for v1model are equal to p4c's");
    for program in corpus.programs("p4_16_samples")? {
        let expected = format!("p4_16_samples_outputs/{}.p4info.txtpb", program.name);
        let Some(expected) = corpus.file(&expected).filter(|_| program.is_v1model()) else {
            continue;
        };
        let fault = match guarded(corpus, &program, p4::interface) {
            Some(Ok((p4info, _))) => difference(&p4info.to_text(), &expected),
            Some(Err(diagnostics)) => Some(format!("not compiled: {}", first(&diagnostics))),
            None => Some(PANIC.to_owned()),
        };
        outcome.count(&program.name, fault);
    }
    Ok(outcome)
}

/// Packet tests pass.
pub(crate) fn stf(corpus: &Corpus) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::new("stf", "packet tests for v1model pass");
    for program in corpus.programs("p4_16_samples")? {
        let stem = program.name.trim_end_matches(".p4");
        let script = corpus.file(&format!("p4_16_samples/{stem}.stf"));
        let Some(script) = script.filter(|_| program.is_v1model()) else {
            continue;
        };
        let fault = guarded(corpus, &program, |source| played(source, &script));
        outcome.count(
            &program.name,
            fault.unwrap_or_else(|| Some(PANIC.to_owned())),
        );
    }
    Ok(outcome)
}

/// What goes wrong when a packet test is played.
fn played(source: &p4::Source<'_>, script: &str) -> Option<String> {
    let script = match stf::Script::parse(script) {
        Ok(script) => script,
        Err(error) => return Some(format!("the test cannot be read: {error}")),
    };
    if let Err(diagnostics) = p4::compile(source) {
        return Some(format!("not compiled: {}", first(&diagnostics)));
    }
    match Offline::load(source) {
        Ok(mut program) => {
            let report = stf::play(&mut program, &script);
            report.failures.first().map(ToString::to_string)
        }
        Err(error) => Some(error.to_string()),
    }
}

/// Runs a part with a program; nothing if it panics.
fn guarded<T>(
    corpus: &Corpus,
    program: &Program,
    part: impl FnOnce(&p4::Source<'_>) -> T,
) -> Option<T> {
    catch_unwind(AssertUnwindSafe(|| corpus.with_source(program, part))).ok()
}

/// The first error in one line.
fn first(diagnostics: &Diagnostics) -> String {
    let error = diagnostics
        .list
        .iter()
        .find(|one| one.severity == Severity::Error);
    error.map_or_else(String::new, |error| {
        let place = diagnostics.sources.position(error.span);
        format!("{} (line {})", error.message, place.line)
    })
}

/// Whether a program has an instance of its package, and is not a file for others to include.
fn has_main(program: &Program) -> bool {
    program.text.contains(" main;") || program.text.contains(")main;")
}

/// The first line in which two texts differ.
fn difference(ours: &str, theirs: &str) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let (mut left, mut right) = (ours.lines(), theirs.lines());
    let mut number = 1;
    loop {
        let (a, b) = (left.next(), right.next());
        if a != b || a.is_none() {
            let shown = |line: Option<&str>| line.map_or("the end", str::trim).to_owned();
            return Some(format!(
                "line {number}: `{}` instead of `{}`",
                shown(a),
                shown(b)
            ));
        }
        number += 1;
    }
}
