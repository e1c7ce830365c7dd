// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bpdump explain`: why a bundle is malformed or refused.

use std::fmt::Write as _;
use std::io::Write as _;

use bundle::dissect::{Dissection, Field, Value, dissect};
use bundle::{Fault, Reason, ReasonKind, Refusal, translate};
use serde_json::{Value as Json, json};

use crate::Format;
use crate::advice::advice;
use crate::failure::{Failure, Verdict};
use crate::input::{Input, Item};
use crate::policy::PolicyArgs;
use crate::render::style::{BAD, GOOD, HEADING, NOTE, PLACE, paint};
use crate::render::value::{describe, spaced_hex};
use crate::render::{json, text};
use crate::translate::{refusal_object, summary};

/// Octets in a row of the excerpt.
const ROW: usize = 16;
/// Columns of a paragraph, without its indentation.
const PARAGRAPH: usize = 88;

const EXAMPLES: &str = "\
Examples:
  bpdump explain --frame 7 capture.pcap
  bpdump explain --strict capture.pcap
  bpdump explain --peer dictionary 9f8907000282...ff

The policy is that of `bpdump translate`: a bundle is fine if it can be translated.";

/// Explain why bundles are malformed or refused: the rule, the place, and what would have to change.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    #[command(flatten)]
    input: Input,
    /// Form of the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    policy: PolicyArgs,
}

/// An obstacle, and what is known about its place.
struct Case<'a> {
    item: &'a Item,
    refusal: &'a Refusal,
    dissection: &'a Dissection<'a>,
    /// The field that it is about.
    field: Option<usize>,
}

impl Explain {
    pub(crate) fn run(self) -> Result<Verdict, Failure> {
        let items = self.input.read()?;
        let policy = self.policy.policy();
        let mut out = anstream::stdout().lock();
        let mut verdict = Verdict::Fine;
        let mut at_fault = 0;
        for item in &items {
            let outcome = translate(&item.octets, &policy);
            verdict.note(outcome.is_ok());
            match outcome {
                Ok(translation) if self.format == Format::Text => {
                    if items.len() == 1 {
                        writeln!(out, "{}", summary(item, &translation))?;
                    }
                }
                Ok(_) => writeln!(out, "{}", fine_object(item))?,
                Err(refusal) => {
                    at_fault += 1;
                    let dissection = dissect(&item.octets, policy.tolerance);
                    let case = Case {
                        item,
                        refusal: &refusal,
                        dissection: &dissection,
                        field: locate(&dissection, &refusal),
                    };
                    match self.format {
                        Format::Text if items.len() == 1 => write!(out, "{}", case.text())?,
                        Format::Text => writeln!(out, "{}", case.text())?,
                        Format::Json => writeln!(out, "{}", case.object())?,
                    }
                }
            }
        }
        if items.len() > 1 && self.format == Format::Text {
            let fine = format!(
                "{} of {} bundles are fine",
                items.len() - at_fault,
                items.len()
            );
            let style = if at_fault == 0 { GOOD } else { HEADING };
            writeln!(out, "{}", paint(style, fine))?;
        }
        Ok(verdict)
    }
}

/// Finds the field that a refusal is about.
///
/// A broken rule of the format has its octet. Other refusals name a field of the primary block or
/// of the block whose data begins at the offset.
fn locate(dissection: &Dissection<'_>, refusal: &Refusal) -> Option<usize> {
    let fields = &dissection.fields;
    if refusal.fault.is_some() {
        let reaches = |field: &Field<'_>| {
            field.range.start >= refusal.offset || field.range.contains(&refusal.offset)
        };
        let marked = |field: &Field<'_>| field.fault == refusal.fault && reaches(field);
        let named =
            |field: &Field<'_>| field.name == refusal.field && field.range.start >= refusal.offset;
        return fields
            .iter()
            .position(marked)
            .or_else(|| fields.iter().position(named))
            .or_else(|| dissection.field_at(refusal.offset));
    }
    let name = match refusal.reason {
        Reason::SequenceRange => "sequence number",
        Reason::TimeRange => "creation time",
        Reason::Custody => "bundle flags",
        Reason::HopLimit => "hop count",
        _ => refusal.field,
    };
    let named = fields
        .iter()
        .position(|field| field.name == name && field.range.start >= refusal.offset);
    let holds = |field: &Field<'_>| {
        matches!(field.value, Value::Block { .. }) && field.range.contains(&refusal.offset)
    };
    named.or_else(|| fields.iter().position(holds)).or_else(|| {
        let outermost = fields
            .iter()
            .position(|field| field.name == "primary block");
        outermost.or(Some(0))
    })
}

impl Case<'_> {
    const fn outcome(&self) -> &'static str {
        match self.refusal.reason.kind() {
            ReasonKind::Malformed => "malformed",
            ReasonKind::Refused | ReasonKind::FastPathLimit => "refused",
        }
    }

    /// The groups around the field, and the field.
    fn path(&self) -> Vec<String> {
        let Some(index) = self.field else {
            return vec![self.refusal.field.to_owned()];
        };
        let name = |field: &&Field<'_>| match &field.value {
            value @ Value::Block { .. } => format!("block {}", describe(value)),
            _ => field.name.to_owned(),
        };
        self.dissection.path(index).iter().map(name).collect()
    }

    /// Faults of other fields: with one of them gone, the next one is the obstacle.
    fn others(&self) -> impl Iterator<Item = (&Field<'_>, Fault)> {
        let fields = self.dissection.fields.iter().enumerate();
        let others = fields.filter(|(index, _)| Some(*index) != self.field);
        let faulty = others.filter_map(|(_, field)| field.fault.map(|fault| (field, fault)));
        faulty.filter(|(_, fault)| Some(*fault) != self.refusal.fault)
    }

    fn text(&self) -> String {
        let reason = self.refusal.reason;
        let advice = advice(reason, self.dissection.version);
        let mut text = paint(HEADING, self.item.name());
        let verdict = format!(
            "{}: {} (code {})",
            self.outcome(),
            reason.name(),
            reason.code()
        );
        let _ = writeln!(text, "  {}", paint(BAD, verdict));
        let version = text::version(self.dissection.version);
        let what = match self.refusal.fault.filter(|fault| says_more(*fault)) {
            Some(fault) => format!("{reason} ({version}): {fault}."),
            None => format!("{reason} ({version})."),
        };
        paragraph("what", &what, &mut text);
        let offset = self.offset();
        let place = format!("octet {offset} (0x{offset:x}): {}", self.path().join(" / "));
        paragraph("where", &place, &mut text);
        let value = self.field.map(|index| &self.dissection.fields[index].value);
        if let Some(value) = value.filter(|value| !matches!(value, Value::Block { .. })) {
            paragraph("value", &describe(value), &mut text);
        }
        self.excerpt(&mut text);
        paragraph("rule", advice.rule, &mut text);
        paragraph("remedy", advice.remedy, &mut text);
        for (field, fault) in self.others() {
            let also = format!("octet {}, {}: {fault}.", field.range.start, field.name);
            let also = paint(NOTE, also);
            let _ = writeln!(text, "  also    {also}");
        }
        text
    }

    /// Where the obstacle is: the octet of a broken rule, or the field that is refused.
    fn offset(&self) -> usize {
        match self.field.map(|index| &self.dissection.fields[index]) {
            Some(field) if self.refusal.fault.is_none() => field.range.start,
            Some(field) if field.fault == self.refusal.fault => {
                field.range.start.max(self.refusal.offset)
            }
            _ => self.refusal.offset,
        }
    }

    /// Appends the octets around the place, with carets under it.
    fn excerpt(&self, text: &mut String) {
        let octets = &self.item.octets;
        let offset = self.offset();
        let end = self
            .field
            .map_or(offset, |index| self.dissection.fields[index].range.end);
        let first_row = offset / ROW;
        for row in first_row.saturating_sub(1)..=first_row + 1 {
            let Some(part) = octets.get(row * ROW..) else {
                break;
            };
            let part = &part[..part.len().min(ROW)];
            if part.is_empty() && row != first_row {
                break;
            }
            let place = paint(PLACE, format_args!("{:>6}", row * ROW));
            let label = if row == first_row { "octets" } else { "" };
            let _ = writeln!(text, "  {label:<6}{place}  {}", spaced_hex(part));
            if row == first_row {
                let column = offset - row * ROW;
                let marked = end.clamp(offset + 1, (row + 1) * ROW) - offset;
                let carets = "^".repeat(3 * marked - 1);
                let indent = 2 + 6 + 6 + 2 + 3 * column;
                let _ = writeln!(text, "{:indent$}{}", "", paint(BAD, carets));
            }
        }
    }

    fn object(&self) -> Json {
        let advice = advice(self.refusal.reason, self.dissection.version);
        let also: Vec<_> = self
            .others()
            .map(|(field, fault)| {
                json!({
                    "offset": field.range.start,
                    "field": field.name,
                    "reason": fault.reason().name(),
                    "text": fault.to_string(),
                })
            })
            .collect();
        let mut object = json::origin(self.item);
        let members = [
            ("version", json::version(self.dissection.version)),
            ("outcome", json!(self.outcome())),
            ("refusal", refusal_object(self.refusal)),
            ("offset", json!(self.offset())),
            ("path", json!(self.path())),
            ("rule", json!(advice.rule)),
            ("remedy", json!(advice.remedy)),
            ("also", json!(also)),
        ];
        for (name, value) in members {
            object.insert(name.to_owned(), value);
        }
        Json::Object(object)
    }
}

/// Whether a fault says more than its reason does.
const fn says_more(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::Expected(_)
            | Fault::Version(_)
            | Fault::PrimaryLength { .. }
            | Fault::Dictionary(_)
            | Fault::CrcType(_)
            | Fault::BlockNumber(_)
            | Fault::TrailingOctets(_)
            | Fault::BlockDuplicate(_)
            | Fault::FlagsInvalid(_)
    )
}

fn fine_object(item: &Item) -> Json {
    let mut object = json::origin(item);
    let version = json::version(bundle::version(&item.octets));
    object.insert("version".to_owned(), version);
    object.insert("outcome".to_owned(), json!("translated"));
    Json::Object(object)
}

/// Appends a text behind its label, in lines that are not too long.
fn paragraph(label: &str, text: &str, out: &mut String) {
    if text.is_empty() {
        return;
    }
    let mut line = String::new();
    let mut label = label;
    for word in text.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > PARAGRAPH {
            let _ = writeln!(out, "  {label:<8}{line}");
            line.clear();
            label = "";
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "  {label:<8}{line}");
}
