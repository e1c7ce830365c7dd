// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can be wrong with the text of a plan, and where; and what that text cannot say.

use crate::model::{Span, UtcTime};
use crate::schedule::Conflict;

/// Where a text is wrong, and how.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}, column {column}")]
pub struct ImportError {
    /// The line, from 1.
    pub line: usize,
    /// The column of the word at fault, in characters from 1.
    pub column: usize,
    /// What is wrong with it.
    #[source]
    pub fault: ImportFault,
}

/// What is wrong with a word.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportFault {
    /// The command is none that is read here.
    #[error("command is not a contact, a range or @")]
    Command,
    /// The line ends before the command is complete.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The word is not of the kind that belongs in its place.
    #[error("expected {0}")]
    Expected(&'static str),
    /// The command is complete, and more words follow.
    #[error("word after the end of the command")]
    Surplus,
    /// The time is neither a date in UTC nor seconds after the reference time.
    #[error("expected a time such as 2026/01/31-12:00:00 or +3600")]
    Time,
    /// The contact starts at -1: it registers a node in a region.
    #[error("registration contacts are not supported")]
    Registration,
    /// The contact ends at 0: ION only supposes it.
    #[error("hypothetical contacts are not supported")]
    Hypothetical,
    /// The contact or range does not fit into the plan.
    #[error("does not fit into the plan")]
    Conflict(#[source] Conflict),
}

/// Why a plan cannot be written in this format.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ExportError {
    /// A time is after the year 9999, which is the last one with four digits.
    #[error("time {0} s is after the year 9999")]
    Time(UtcTime),
    /// A time is not the beginning of a second, and the format has whole seconds only.
    #[error("time {0} s is between two seconds")]
    Fraction(UtcTime),
    /// A light time is not in whole seconds, and the format has no others.
    #[error("light time {0} s is not in whole seconds")]
    LightTime(Span),
}
