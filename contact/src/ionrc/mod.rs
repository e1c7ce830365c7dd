// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Contact plans as ION writes them: the commands `a contact` and `a range` of `ionadmin`.
//!
//! ```text
//! # from here on, times with a plus sign are seconds after this one
//! @ 2026/01/31-12:00:00
//! a contact +0 +3600 1 2 125000 0.9
//! a range +0 +3600 1 2 1
//! ```
//!
//! A command is one line of words. A contact has start, end, sending node, receiving node, bytes
//! a second, and a confidence that is 1 if it is left out. A range has start, end, two nodes and
//! whole light seconds; see [`Range`](crate::Range) for its directions. Times are
//! `yyyy/mm/dd-hh:mm:ss` in UTC, or `+seconds` after the reference time, which `@` sets: `@ 0`
//! back to what it was at the beginning, `@ +seconds` from what it was so far.
//!
//! Other commands are errors and are not passed over, because the plan would be another one than
//! ION's. That includes registration contacts, which start at `-1`, and hypothetical contacts,
//! which end at `0`.

mod error;
mod export;
mod import;

pub use error::{ExportError, ImportError, ImportFault};
pub use export::export;
pub use import::import;
