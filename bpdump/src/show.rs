// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bpdump show`: every field of every bundle.

use std::fmt::Write as _;
use std::io::Write as _;

use bundle::dissect::{Dissection, Utc, Value, dissect};

use crate::Format;
use crate::failure::{Failure, Verdict};
use crate::input::{Input, Item};
use crate::policy::ToleranceArgs;
use crate::render::style::{BAD, GOOD, HEADING, paint};
use crate::render::text::{self, Detail};
use crate::render::{capture_time, crcs, json, payload_length, value};

const EXAMPLES: &str = "\
Examples:
  bpdump show capture.pcap
  bpdump show --brief --port 4558 capture.pcapng
  bpdump show --hex 06811011020101010101000082febbfa40079c100005100869706e00312e300001090568656c6c6f
  xxd -p bundle.bin | bpdump show -
  bpdump show --format json capture.pcap | jq -r .source

A malformed bundle is shown as far as it can be read; the exit status is 0 all the same.";

/// Show every field of every bundle.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Show {
    #[command(flatten)]
    input: Input,
    /// Form of the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// One line for each bundle.
    #[arg(short, long)]
    brief: bool,
    /// The octets beside the fields, and every field.
    #[arg(short = 'x', long, conflicts_with = "brief")]
    hex: bool,
    /// Every field: heads, lengths and the parts of endpoint IDs, too.
    #[arg(long, conflicts_with = "brief")]
    full: bool,
    #[command(flatten)]
    tolerance: ToleranceArgs,
}

impl Show {
    pub(crate) fn run(self) -> Result<Verdict, Failure> {
        let items = self.input.read()?;
        let tolerance = self.tolerance.tolerance();
        let dissected = items
            .iter()
            .map(|item| (item, dissect(&item.octets, tolerance)));
        let mut out = anstream::stdout().lock();
        match (self.format, self.brief) {
            (Format::Json, brief) => {
                for (item, dissection) in dissected {
                    writeln!(out, "{}", json::bundle(item, &dissection, !brief))?;
                }
            }
            (Format::Text, true) => {
                let rows: Vec<_> = dissected.map(|(item, it)| brief(item, &it)).collect();
                write!(out, "{}", table(&rows))?;
            }
            (Format::Text, false) => {
                let detail = Detail {
                    full: self.full,
                    hex: self.hex,
                };
                for (place, (item, dissection)) in dissected.enumerate() {
                    let mut page = String::new();
                    if place > 0 {
                        page.push('\n');
                    }
                    text::heading(item, &dissection, &mut page);
                    text::fields(&item.octets, &dissection, detail, &mut page);
                    write!(out, "{page}")?;
                }
            }
        }
        Ok(Verdict::Fine)
    }
}

/// The columns of the brief form.
const COLUMNS: [&str; 9] = [
    "frame",
    "time",
    "by",
    "v",
    "source",
    "destination",
    "created",
    "flags",
    "payload",
];
/// Characters of an endpoint ID that a table shows.
const ENDPOINT: usize = 28;
/// Columns of numbers, which are aligned to the right.
const RIGHT: [bool; 9] = [true, false, false, true, false, false, false, true, true];

struct Row {
    cells: [String; 9],
    verdict: String,
    fine: bool,
}

fn brief(item: &Item, dissection: &Dissection<'_>) -> Row {
    let captured = item.captured.as_ref();
    let frame = captured.map_or(item.index as u64, |captured| captured.frame);
    let captured_at = captured.and_then(capture_time).unwrap_or_default();
    let (day, time) = captured_at.split_once('T').unwrap_or_default();
    let endpoint = |name| {
        let value = dissection.primary(name).map(value::describe);
        cut(&value.unwrap_or_default())
    };
    let flags = match dissection.primary("bundle flags") {
        Some(Value::Flags { bits, .. }) => format!("{bits:#x}"),
        _ => String::new(),
    };
    let version = text::version(dissection.version).strip_prefix("BPv");
    let cells = [
        frame.to_string(),
        time.trim_end_matches('Z').to_owned(),
        captured
            .map(|captured| captured.layer.to_string())
            .unwrap_or_default(),
        version.unwrap_or("-").to_owned(),
        endpoint("source"),
        endpoint("destination"),
        created(dissection, day),
        flags,
        payload(dissection),
    ];
    let verdict = match (&dissection.error, crcs(dissection)) {
        (Some(error), _) => format!("{} at {}", error.reason().name(), error.offset),
        (None, (0, _)) => "no CRC".to_owned(),
        (None, _) => "CRC right".to_owned(),
    };
    Row {
        cells,
        verdict,
        fine: dissection.error.is_none(),
    }
}

/// A text that fits into a column.
fn cut(text: &str) -> String {
    match text.char_indices().nth(ENDPOINT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The length of the payload, and of a fragment its place in the whole.
fn payload(dissection: &Dissection<'_>) -> String {
    let Some(length) = payload_length(dissection) else {
        return String::new();
    };
    match (
        dissection.primary("fragment offset"),
        dissection.primary("total ADU length"),
    ) {
        (Some(Value::Number(offset)), Some(Value::Length(total))) => {
            format!("{length} at {offset} of {total}")
        }
        _ => length.to_string(),
    }
}

/// Creation time and sequence number. The day is left out if it is that of the capture.
fn created(dissection: &Dissection<'_>, day: &str) -> String {
    let time = match dissection.primary("creation time") {
        Some(Value::Time(0, _)) => "0".to_owned(),
        Some(Value::Time(time, unit)) => match Utc::since_2000(*time, *unit) {
            Some(utc) => {
                let text = utc.to_string();
                let (date, time) = text.split_once('T').unwrap_or_default();
                let time = time.trim_end_matches('Z');
                if date == day {
                    time.to_owned()
                } else {
                    format!("{date} {time}")
                }
            }
            None => format!("{time} {}", unit.symbol()),
        },
        _ => return String::new(),
    };
    match dissection.primary("sequence number") {
        Some(Value::Number(sequence)) => format!("{time} #{sequence}"),
        _ => time,
    }
}

fn table(rows: &[Row]) -> String {
    let used = |column: usize| rows.iter().any(|row| !row.cells[column].is_empty());
    let widths: Vec<_> = COLUMNS
        .iter()
        .enumerate()
        .map(|(column, heading)| {
            let cells = rows.iter().map(|row| row.cells[column].chars().count());
            let width = cells.max().unwrap_or_default().max(heading.len());
            if used(column) { width } else { 0 }
        })
        .collect();
    let line = |cells: [&str; 9]| {
        let mut line = String::new();
        for (column, cell) in cells.into_iter().enumerate() {
            let width = widths[column];
            let _ = match (width, RIGHT[column]) {
                (0, _) => Ok(()),
                (_, true) => write!(line, "{cell:>width$}  "),
                (_, false) => write!(line, "{cell:<width$}  "),
            };
        }
        line
    };
    let mut text = paint(HEADING, format_args!("{}verdict", line(COLUMNS)));
    text.push('\n');
    for row in rows {
        let style = if row.fine { GOOD } else { BAD };
        let cells = row.cells.each_ref().map(String::as_str);
        let _ = writeln!(text, "{}{}", line(cells), paint(style, &row.verdict));
    }
    text
}
