// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a program costs: counted in the checked program, not estimated.

use core::fmt;

use p4::ir::{Program, SlotKind};
use serde::Serialize;

use crate::parameters::Parameters;

/// Sizes of a generated program.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Report {
    /// The parameters, as they are written on the command line.
    pub parameters: String,
    /// Lines of program text.
    pub lines: usize,
    /// Parser states, sub-parsers included each time they are used.
    pub parser_states: usize,
    /// Header instances that a packet can have, among them those of the payload.
    pub headers: usize,
    /// Width of all header instances together, in bits.
    pub header_bits: u64,
    /// Width of the metadata that the program declares, in bits.
    pub metadata_bits: u64,
    /// Tables.
    pub tables: usize,
    /// Counters, direct ones included.
    pub counters: usize,
    /// Digest types.
    pub digests: usize,
}

impl Report {
    /// Counts a program.
    #[must_use]
    pub fn new(parameters: Parameters, text: &str, program: &Program) -> Self {
        let metadata = program
            .slots
            .iter()
            .filter(|slot| slot.kind == SlotKind::Metadata);
        Self {
            parameters: parameters.to_string(),
            lines: text.lines().count(),
            parser_states: program.parser.states.len(),
            headers: program.headers.len(),
            header_bits: program
                .headers
                .iter()
                .map(|header| u64::from(header.width))
                .sum(),
            metadata_bits: metadata.map(|slot| u64::from(slot.width)).sum(),
            tables: program.tables.len(),
            counters: program.counters.len(),
            digests: program.digests.len(),
        }
    }

    /// The report as one JSON object, for scripts.
    ///
    /// # Panics
    ///
    /// Never: the report holds numbers and text only.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and text are always JSON")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.parameters)?;
        for (what, count) in [
            ("lines of text", self.lines as u64),
            ("parser states", self.parser_states as u64),
            ("headers", self.headers as u64),
            ("header bits", self.header_bits),
            ("metadata bits", self.metadata_bits),
            ("tables", self.tables as u64),
            ("counters", self.counters as u64),
            ("digest types", self.digests as u64),
        ] {
            writeln!(f, "  {what:<14} {count:>8}")?;
        }
        Ok(())
    }
}
