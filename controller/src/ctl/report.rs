// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tables for people, and the same as JSON for programs.

use std::fmt::Write as _;

use clap::ValueEnum;
use serde_json::{Map, Value};

/// Form of the output.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// Tables for people.
    Text,
    /// One JSON document for programs.
    Json,
}

/// A titled table.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    pub(super) title: String,
    /// Shown behind the title for people; programs count for themselves.
    pub(super) note: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// Shows sections: as text, or as a JSON object of arrays of objects.
pub(super) fn show(sections: &[Section], format: Format) -> String {
    match format {
        Format::Text => text(sections),
        Format::Json => {
            let all: Map<_, _> = sections
                .iter()
                .map(|section| (section.title.clone(), rows(section)))
                .collect();
            let json = serde_json::to_string_pretty(&all).expect("texts have a JSON form");
            format!("{json}\n")
        }
    }
}

fn rows(section: &Section) -> Value {
    let row = |row: &Vec<String>| {
        let cells = section.columns.iter().zip(row);
        let cells = cells.filter(|(_, cell)| !cell.is_empty());
        let cells = cells.map(|(name, cell)| (name.clone(), Value::from(cell.as_str())));
        Value::Object(cells.collect())
    };
    Value::Array(section.rows.iter().map(row).collect())
}

fn text(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}{}", section.title, section.note);
        if section.rows.is_empty() {
            continue;
        }
        let width = |column: usize| {
            let cells = section.rows.iter().filter_map(|row| row.get(column));
            let cells = cells.chain(section.columns.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..section.columns.len()).map(width).collect();
        for row in std::iter::once(&section.columns).chain(&section.rows) {
            let mut line = String::from(" ");
            for (cell, width) in row.iter().zip(&widths) {
                let _ = write!(line, " {cell:<width$} ");
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let cells = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        let section = Section {
            title: "t".to_owned(),
            note: " (2)".to_owned(),
            columns: cells(&["key", "action"]),
            rows: vec![cells(&["10.0.0.1/32", "drop"]), cells(&["1", ""])],
        };
        let expected = "t (2)\n  key          action\n  10.0.0.1/32  drop\n  1\n";
        assert_eq!(show(std::slice::from_ref(&section), Format::Text), expected);
        let json: Value = serde_json::from_str(&show(&[section], Format::Json)).expect("JSON");
        assert_eq!(json["t"][0]["key"], "10.0.0.1/32");
        assert!(
            json["t"][1].get("action").is_none(),
            "empty cells are absent"
        );
    }
}
