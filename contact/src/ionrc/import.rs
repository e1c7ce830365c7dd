// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From commands to a plan.

use crate::civil::Civil;
use crate::ionrc::{ImportError, ImportFault};
use crate::model::{BytesPerSecond, Confidence, Contact, NodeNumber, Range, Span, UtcTime};
use crate::plan::Plan;
use crate::schedule::Conflict;

/// Reads a plan. `reference` is the time to which times with a plus sign are added.
///
/// ION takes the time at which it reads the commands.
///
/// # Errors
///
/// All lines that are wrong, each with the first fault in it.
pub fn import(text: &str, reference: UtcTime) -> Result<Plan, Vec<ImportError>> {
    let mut import = Import {
        plan: Plan::new(),
        initial: reference,
        reference,
    };
    let mut errors = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if let Err(Misplaced { column, fault }) = import.line(text) {
            errors.push(ImportError {
                line,
                column,
                fault,
            });
        }
    }
    if errors.is_empty() {
        Ok(import.plan)
    } else {
        Err(errors)
    }
}

/// A fault in a line.
struct Misplaced {
    column: usize,
    fault: ImportFault,
}

/// What the lines so far amount to.
struct Import {
    plan: Plan,
    initial: UtcTime,
    reference: UtcTime,
}

impl Import {
    fn line(&mut self, text: &str) -> Result<(), Misplaced> {
        let mut words = Words { text, rest: text };
        let Some(command) = words.next() else {
            return Ok(());
        };
        match command.text {
            "@" => self.set_reference(&mut words),
            "a" => {
                let kind = words.expect("contact or range")?;
                match kind.text {
                    "contact" => self.add_contact(&mut words),
                    "range" => self.add_range(&mut words),
                    _ => Err(kind.fault(ImportFault::Command)),
                }
            }
            comment if comment.starts_with('#') => Ok(()),
            _ => Err(command.fault(ImportFault::Command)),
        }
    }

    fn set_reference(&mut self, words: &mut Words<'_>) -> Result<(), Misplaced> {
        let time = words.expect("reference time")?;
        let reference = if time.text == "0" {
            self.initial
        } else {
            self.time(time)?
        };
        words.end()?;
        self.reference = reference;
        Ok(())
    }

    fn add_contact(&mut self, words: &mut Words<'_>) -> Result<(), Misplaced> {
        let start = words.expect("start")?;
        if start.text == "-1" {
            return Err(start.fault(ImportFault::Registration));
        }
        let end = words.expect("end")?;
        if end.text == "0" {
            return Err(end.fault(ImportFault::Hypothetical));
        }
        let contact = Contact {
            start: self.time(start)?,
            end: self.time(end)?,
            from: NodeNumber(words.number("sending node")?),
            to: NodeNumber(words.number("receiving node")?),
            rate: BytesPerSecond(words.number("rate in bytes a second")?),
            confidence: words.next().map_or(Ok(Confidence::CERTAIN), confidence)?,
        };
        words.end()?;
        self.plan
            .add_contact(contact)
            .map_err(|conflict| conflicting(conflict, start, end))
    }

    fn add_range(&mut self, words: &mut Words<'_>) -> Result<(), Misplaced> {
        let start = words.expect("start")?;
        let end = words.expect("end")?;
        let range = Range {
            start: self.time(start)?,
            end: self.time(end)?,
            from: NodeNumber(words.number("sending node")?),
            to: NodeNumber(words.number("receiving node")?),
            light_time: light_time(words.expect("range in light seconds")?)?,
        };
        words.end()?;
        self.plan
            .add_range(range)
            .map_err(|conflict| conflicting(conflict, start, end))
    }

    fn time(&self, word: Word<'_>) -> Result<UtcTime, Misplaced> {
        let time = match word.text.strip_prefix('+') {
            Some(seconds) => digits(seconds)
                .and_then(|seconds| self.reference.checked_add(Span::from_seconds(seconds))),
            None => date(word.text),
        };
        time.ok_or(word.fault(ImportFault::Time))
    }
}

/// Points to the word that is the cause: the end if there is no time before it.
fn conflicting(conflict: Conflict, start: Word<'_>, end: Word<'_>) -> Misplaced {
    let word = match conflict {
        Conflict::Empty => end,
        Conflict::Overlap(_) => start,
    };
    word.fault(ImportFault::Conflict(conflict))
}

fn confidence(word: Word<'_>) -> Result<Confidence, Misplaced> {
    let probability = word.text.parse().ok();
    probability
        .and_then(Confidence::new)
        .ok_or(word.fault(ImportFault::Expected("confidence from 0 to 1")))
}

fn light_time(word: Word<'_>) -> Result<Span, Misplaced> {
    digits(word.text)
        .and_then(Span::checked_from_seconds)
        .ok_or(word.fault(ImportFault::Expected("range in light seconds")))
}

/// Parses `yyyy/mm/dd-hh:mm:ss`, with all the digits.
fn date(text: &str) -> Option<UtcTime> {
    let (date, time) = text.split_once('-')?;
    let mut date = date.split('/');
    let mut time = time.split(':');
    let civil = Civil {
        year: digits(date.next()?)?,
        month: digits(date.next()?)?,
        day: digits(date.next()?)?,
        hour: digits(time.next()?)?,
        minute: digits(time.next()?)?,
        second: digits(time.next()?)?,
    };
    // What is written back differently has other digits, or more parts.
    civil.time().filter(|_| civil.to_string() == text)
}

/// Parses a decimal number that has digits and nothing else.
fn digits(text: &str) -> Option<u64> {
    let all = text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| all)
}

/// A word and its place in the line.
#[derive(Clone, Copy)]
struct Word<'a> {
    column: usize,
    text: &'a str,
}

impl Word<'_> {
    const fn fault(self, fault: ImportFault) -> Misplaced {
        Misplaced {
            column: self.column,
            fault,
        }
    }
}

/// The words of a line that are still to be read.
struct Words<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<Word<'a>> {
        let start = self.rest.trim_start_matches(is_blank);
        let len = start.find(is_blank).unwrap_or(start.len());
        let (text, rest) = start.split_at(len);
        let column = self.column_of(start);
        self.rest = rest;
        (!text.is_empty()).then_some(Word { column, text })
    }

    /// The next word, which must be there. A word that is missing is missed behind the last one.
    fn expect(&mut self, what: &'static str) -> Result<Word<'a>, Misplaced> {
        let column = self.column_of(self.rest);
        self.next().ok_or(Misplaced {
            column,
            fault: ImportFault::Missing(what),
        })
    }

    fn number(&mut self, what: &'static str) -> Result<u64, Misplaced> {
        let word = self.expect(what)?;
        digits(word.text).ok_or(word.fault(ImportFault::Expected(what)))
    }

    fn end(&mut self) -> Result<(), Misplaced> {
        self.next()
            .map_or(Ok(()), |word| Err(word.fault(ImportFault::Surplus)))
    }

    /// The column at which a rest of the line starts.
    fn column_of(&self, rest: &str) -> usize {
        self.text.chars().count() - rest.chars().count() + 1
    }
}

const fn is_blank(character: char) -> bool {
    character.is_ascii_whitespace()
}
