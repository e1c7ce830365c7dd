// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles as tables for people: offset, octets if wanted, name, value.

use std::fmt::Write as _;

use bundle::Version;
use bundle::dissect::{Dissection, Field, Value};

use crate::input::Item;
use crate::render::style::{BAD, GOOD, HEADING, NOTE, PLACE, paint};
use crate::render::value::{describe, spaced_hex};
use crate::render::{capture_time, crcs};

/// Octets in a row of the dump beside the fields.
const ROW: usize = 8;
/// Columns of a row of the dump.
const DUMP: usize = 3 * ROW - 1;
/// Columns of names, with their indentation.
const NAMES: usize = 30;
/// Columns for source and destination in the heading.
const ENDPOINTS: usize = 56;
/// Columns of a line, if its words allow it.
const WIDTH: usize = 100;
/// Rows of the dump of one field. A long payload is cut, and its length is told.
const ROWS_MAX: usize = 16;

/// Which fields are shown, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detail {
    /// Heads, lengths and the parts of endpoint IDs, too.
    pub(crate) full: bool,
    /// The octets beside the fields.
    pub(crate) hex: bool,
}

/// The name of a version.
pub(crate) const fn version(version: Option<Version>) -> &'static str {
    match version {
        Some(Version::V6) => "BPv6",
        Some(Version::V7) => "BPv7",
        None => "no bundle",
    }
}

/// Appends the lines that say which bundle it is, and whether the decoder accepts it.
pub(crate) fn heading(item: &Item, dissection: &Dissection<'_>, out: &mut String) {
    let _ = writeln!(out, "{}", paint(HEADING, item.name()));
    if let Some(captured) = &item.captured {
        if let Some(time) = capture_time(captured) {
            let _ = write!(out, "{time}, ");
        }
        let _ = writeln!(out, "{}, {}", captured.layer, captured.path);
    }
    let mut line = format!(
        "{}, {} octets",
        version(dissection.version),
        item.octets.len()
    );
    let endpoints = ["source", "destination"].map(|name| dissection.primary(name).map(describe));
    if let [Some(source), Some(destination)] = endpoints {
        let both = format!(", {source} -> {destination}");
        // The table has long ones.
        if both.chars().count() <= ENDPOINTS {
            line.push_str(&both);
        }
    }
    let _ = match &dissection.error {
        None => writeln!(out, "{line}, {}", paint(GOOD, valid(dissection))),
        Some(error) => {
            let text = format!("malformed at octet {}: {}", error.offset, error.fault);
            writeln!(out, "{line}\n{}", paint(BAD, text))
        }
    };
}

fn valid(dissection: &Dissection<'_>) -> String {
    match crcs(dissection).0 {
        0 => "valid, no CRC".to_owned(),
        1 => "valid, 1 CRC right".to_owned(),
        count => format!("valid, {count} CRCs right"),
    }
}

/// Appends the table of the fields.
pub(crate) fn fields(input: &[u8], dissection: &Dissection<'_>, detail: Detail, out: &mut String) {
    // The groups around the field: their depth, and what they make of their members.
    let mut around: Vec<(usize, Around)> = Vec::new();
    for (index, field) in dissection.fields.iter().enumerate() {
        around.retain(|(depth, _)| *depth < field.depth);
        let inside = |kind| around.iter().any(|(_, group)| *group == kind);
        let in_data = inside(Around::Data);
        let whole = detail.full || detail.hex;
        if whole || !inside(Around::Told) && !is_quiet(dissection, index) || is_odd(field) {
            let octets = if dissection.is_leaf(index) {
                input.get(field.range.clone()).unwrap_or_default()
            } else {
                &[]
            };
            // Without the group of the data, its members stand beside the other fields.
            let depth = field.depth - usize::from(!whole && in_data);
            row(field, octets, detail, depth, out);
        }
        match field.value {
            Value::Eid(Ok(_)) | Value::Time(..) | Value::Truth(_) => {
                around.push((field.depth, Around::Told));
            }
            Value::Group if field.name == "data" => around.push((field.depth, Around::Data)),
            _ => {}
        }
    }
}

/// What a group is to its members.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Around {
    /// It says what its members say.
    Told,
    /// The data of a block.
    Data,
}

/// Whether a field deserves a look, whatever it is.
const fn is_odd(field: &Field<'_>) -> bool {
    field.fault.is_some() || field.padding > 0
}

/// Whether other fields say what this one says.
fn is_quiet(dissection: &Dissection<'_>, index: usize) -> bool {
    let field = &dissection.fields[index];
    let is_empty_group = field.value == Value::Group
        && field.name != "primary block"
        && members(dissection, index).all(is_frame);
    // The heading of a block or record says its type, and its data is told by what is in it.
    let is_heading = matches!(field.name, "block type" | "record type" | "data");
    // A length that is too large is the very reason why reading stops behind it.
    let next = dissection.fields.get(index + 1);
    let is_last = next.is_some_and(|next| next.value == Value::Broken);
    !is_last && (is_frame(field) || is_empty_group || is_heading)
}

/// Whether a field only says how many octets or items follow.
const fn is_frame(field: &Field<'_>) -> bool {
    let is_head = matches!(
        field.value,
        Value::Array(_) | Value::Length(_) | Value::IndefiniteArray | Value::Break
    );
    is_head && !is_odd(field)
}

fn members<'a, 'b>(
    dissection: &'b Dissection<'a>,
    index: usize,
) -> impl Iterator<Item = &'b Field<'a>> {
    let depth = dissection.fields[index].depth;
    let behind = dissection.fields[index + 1..].iter();
    behind.take_while(move |field| field.depth > depth)
}

/// Appends a field: a line, and more where its octets or its value need them.
fn row(field: &Field<'_>, octets: &[u8], detail: Detail, depth: usize, out: &mut String) {
    let value = describe(&field.value);
    let is_group = matches!(field.value, Value::Group | Value::Block { .. });
    let indented = format!("{:indent$}{}", "", field.name, indent = 2 * depth);
    let name = match (is_group, value.is_empty()) {
        (true, false) => format!("{indented} {value}"),
        (_, true) => indented,
        (false, false) => format!("{indented:<NAMES$}"),
    };
    let value = if is_group { String::new() } else { value };
    let dump = if detail.hex { DUMP + 2 } else { 0 };
    let column = 8 + dump + NAMES + 2;
    let mut words = wrapped(&value, WIDTH - column).into_iter();
    let octets = if detail.hex { octets } else { &[] };
    let mut rows = octets.chunks(ROW).map(spaced_hex);
    let mut line = paint(PLACE, format_args!("{:>6}  ", field.range.start));
    if detail.hex {
        let _ = write!(line, "{:<DUMP$}  ", rows.next().unwrap_or_default());
    }
    line.push_str(&match (is_group, field.fault) {
        (_, Some(_)) => paint(BAD, name),
        (true, None) => paint(HEADING, name),
        (false, None) => name,
    });
    if let Some(first) = words.next() {
        let right = matches!(&field.value, Value::Crc(crc) if crc.is_right());
        let first = if right { paint(GOOD, first) } else { first };
        let _ = write!(line, "  {first}");
    }
    let (remarks, length) = remarks(field);
    if column + value.chars().count().min(WIDTH - column) + length > WIDTH + 10 {
        // Under the name, a remark is not cut by the end of the line.
        let _ = writeln!(out, "{}", line.trim_end());
        line = format!("{:indent$}", "", indent = 8 + dump + 2 * depth);
    }
    line.push_str(&remarks);
    let _ = writeln!(out, "{}", line.trim_end());
    more_rows(field.range.start, rows, words, dump, out);
    if octets.len() > ROW * ROWS_MAX {
        let offset = field.range.start + ROW * ROWS_MAX;
        let more = octets.len() - ROW * ROWS_MAX;
        let text = format!("{offset:>6}  ... {more} more octets");
        let _ = writeln!(out, "{}", paint(PLACE, text));
    }
}

/// What is remarkable about a field, behind its value, and how many columns that takes.
fn remarks(field: &Field<'_>) -> (String, usize) {
    let padding = match field.padding {
        0 => String::new(),
        1 => "  (1 octet of padding)".to_owned(),
        more => format!("  ({more} octets of padding)"),
    };
    let fault = field.fault.map(|fault| format!("  <- {fault}"));
    let fault = fault.unwrap_or_default();
    let length = padding.chars().count() + fault.chars().count();
    (paint(NOTE, padding) + &paint(BAD, fault), length)
}

/// Appends the rows of octets and the lines of the value that have no room beside the name.
fn more_rows(
    start: usize,
    rows: impl Iterator<Item = String>,
    mut words: impl Iterator<Item = String>,
    dump: usize,
    out: &mut String,
) {
    let mut rows = rows.take(ROWS_MAX - 1);
    for place in 1.. {
        let (row, words) = (rows.next(), words.next());
        if row.is_none() && words.is_none() {
            break;
        }
        let offset = row.as_ref().map(|_| (start + ROW * place).to_string());
        let offset = paint(PLACE, format_args!("{:>6}  ", offset.unwrap_or_default()));
        let row = row.unwrap_or_default();
        let words = words.unwrap_or_default();
        let line = format!("{offset}{row:<dump$}{:NAMES$}  {words}", "");
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// A text in lines of so many columns, cut at spaces.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if text.is_empty() {
        return lines;
    }
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn long_values_are_wrapped_at_spaces() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable", 3), ["unbreakable"]);
    }
}
