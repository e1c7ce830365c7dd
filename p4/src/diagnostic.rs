// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages about a program: what is wrong, where, and what would help.

use std::fmt;

use crate::source::{SourceMap, Span};

/// Most errors that one run reports; later ones are counted only.
const MAX_ERRORS: usize = 100;

/// Characters of a source line that a message shows, and how many of them at most stand before the mark.
const MAX_LINE: usize = 200;
const MAX_BEFORE: usize = 140;

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// There is no program.
    Error,
    /// The program is used as it is.
    Warning,
}

/// One message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Short text under the marked place; may be empty.
    pub label: String,
    /// Other places that matter, each with its text.
    pub notes: Vec<(Span, String)>,
    /// What would help.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub(crate) fn error(span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            span,
            label: String::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// With another place.
    pub(crate) fn note(mut self, span: Span, text: impl Into<String>) -> Self {
        self.notes.push((span, text.into()));
        self
    }

    /// With a hint.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Everything that one run has to say, in order of the source.
#[derive(Clone, Debug, Default, Eq, PartialEq, thiserror::Error)]
pub struct Diagnostics {
    /// The messages.
    pub list: Vec<Diagnostic>,
    /// Errors beyond the limit, which are not in the list.
    pub suppressed: usize,
    /// The text that the spans point into.
    pub sources: SourceMap,
}

impl Diagnostics {
    /// Whether there is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|one| one.severity == Severity::Error)
    }

    /// Adds a message. Repetitions of one message at one place are dropped.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.len() >= MAX_ERRORS {
            self.suppressed += 1;
        } else if !self.list.contains(&diagnostic) {
            self.list.push(diagnostic);
        }
    }

    /// Puts the messages in the order of the source.
    pub(crate) fn sort(&mut self) {
        self.list.sort_by_key(|one| one.span);
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            render(f, diagnostic, &self.sources)?;
        }
        if self.suppressed > 0 {
            writeln!(f, "\n... and {} more", self.suppressed)?;
        }
        Ok(())
    }
}

/// Writes one message with its source lines.
fn render(f: &mut fmt::Formatter<'_>, one: &Diagnostic, sources: &SourceMap) -> fmt::Result {
    let severity = match one.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    writeln!(f, "{severity}: {}", one.message)?;
    let widest = one
        .notes
        .iter()
        .map(|(span, _)| sources.position(*span).line)
        .chain([sources.position(one.span).line])
        .max()
        .unwrap_or(1);
    let gutter = widest.to_string().len();
    excerpt(f, sources, one.span, &one.label, '^', gutter)?;
    for (span, text) in &one.notes {
        excerpt(f, sources, *span, text, '-', gutter)?;
    }
    if let Some(help) = &one.help {
        writeln!(f, "{:gutter$} = help: {help}", "")?;
    }
    Ok(())
}

/// Writes a source line with a mark under the span.
fn excerpt(
    f: &mut fmt::Formatter<'_>,
    sources: &SourceMap,
    span: Span,
    label: &str,
    mark: char,
    gutter: usize,
) -> fmt::Result {
    let position = sources.position(span);
    let line = sources
        .file(span.file)
        .map_or("", |file| file.line(position.line));
    let start = (position.column - 1).saturating_sub(MAX_BEFORE);
    let window = line.chars().skip(start).take(MAX_LINE);
    let text: String = window.map(|c| if c == '\t' { ' ' } else { c }).collect();
    let before = position.column - 1 - start;
    let here = sources
        .text(span)
        .lines()
        .next()
        .unwrap_or("")
        .chars()
        .count();
    let room = text.chars().count().saturating_sub(before);
    let marks: String = std::iter::repeat_n(mark, here.min(room).max(1)).collect();
    writeln!(f, "{:gutter$}--> {}", "", sources.describe(span))?;
    writeln!(f, "{:gutter$} |", "")?;
    writeln!(f, "{:>gutter$} | {}", position.line, text.trim_end())?;
    let tail = format!("{:before$}{marks} {label}", "");
    writeln!(f, "{:gutter$} | {}", "", tail.trim_end())
}
