// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Contact plans as tvg-util has them: time-varying graphs in JSON.
//!
//! ```json
//! {"vertices": {"a": ["b"], "b": []},
//!  "edges": [{"vertices": ["a", "b"],
//!             "contacts": [["a", "b", 0.0, 60.5, [[0.0, 0.9, [[0.0, 9600.0, 0.25]]]]]]}],
//!  "contact_type": "PredictedContact_v2"}
//! ```
//!
//! A contact has sender, receiver, start, end, and generations of predictions: known from when
//! on, probability, and characteristics, which are from when on, bits a second, and delay. A
//! `Contact_v2` has characteristics and no generations. A bit error rate may stand before the
//! delay; it is passed over. Times are seconds, with decimals, after an origin that the file does
//! not name. Nodes have names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::json::{self, JsonError, JsonExportError, JsonFault};
use crate::model::{BytesPerSecond, Confidence, Contact, NodeNumber, Range, Span, UtcTime};
use crate::plan::Plan;

/// What a time-varying graph leaves open.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// The time from which times count.
    pub origin: UtcTime,
    /// Predictions that became known later are not used, and contacts that have no others are
    /// left out. `None` stands for the newest prediction.
    pub known_at: Option<UtcTime>,
}

/// Reads a plan. `number` tells the number of a node by its name.
///
/// Times are rounded to microseconds, and rates down to whole bytes a second. A contact in which
/// the rate changes becomes several.
///
/// # Errors
///
/// All contacts that are wrong, each with the first fault in it.
pub fn import(
    text: &str,
    options: &Options,
    mut number: impl FnMut(&str) -> Option<NodeNumber>,
) -> Result<Plan, Vec<JsonError>> {
    let value = json::parse(text)?;
    let kind = value.get("contact_type").and_then(Value::as_str);
    let is_predicted = match kind {
        Some("PredictedContact_v2") => true,
        Some("Contact_v2") => false,
        _ => {
            return Err(json::whole(JsonFault::Expected(
                "a contact type of version 2",
            )));
        }
    };
    let edges = value.get("edges").and_then(Value::as_array);
    let edges = edges.ok_or_else(|| json::whole(JsonFault::Missing("edges")))?;
    let mut contacts = Vec::new();
    for edge in edges {
        let of_edge = edge.get("contacts").and_then(Value::as_array);
        contacts.extend(of_edge.ok_or_else(|| json::whole(JsonFault::Missing("contacts")))?);
    }
    let mut reader = Reader {
        options,
        is_predicted,
        number: &mut number,
    };
    json::read_all(contacts.into_iter(), |plan, contact| {
        reader.read(plan, contact)
    })
}

struct Reader<'a> {
    options: &'a Options,
    is_predicted: bool,
    number: &'a mut dyn FnMut(&str) -> Option<NodeNumber>,
}

/// What holds from a time on.
#[derive(Clone, Copy)]
struct Characteristics {
    from: UtcTime,
    rate: BytesPerSecond,
    light_time: Span,
}

impl Reader<'_> {
    fn read(&mut self, plan: &mut Plan, value: &Value) -> Result<(), JsonFault> {
        let Some([from, to, start, end, rest]) = fields(value) else {
            return Err(JsonFault::Expected("a contact of five fields"));
        };
        let (start, end) = (self.time(start)?, self.time(end)?);
        let Some((confidence, characteristics)) = self.newest(rest)? else {
            return Ok(());
        };
        let contact = Contact {
            from: self.node(from)?,
            to: self.node(to)?,
            start,
            end,
            rate: BytesPerSecond(0),
            confidence,
        };
        let listed = characteristics.as_array().into_iter().flatten();
        let mut listed: Vec<_> = listed
            .map(|one| self.characteristics(one))
            .collect::<Result<_, _>>()?;
        listed.sort_by_key(|one| one.from);
        add(plan, &contact, &listed)
    }

    /// The confidence and the characteristics that were known last, if any were.
    fn newest<'v>(&self, value: &'v Value) -> Result<Option<(Confidence, &'v Value)>, JsonFault> {
        if !self.is_predicted {
            return Ok(Some((Confidence::CERTAIN, value)));
        }
        let generations = value.as_array().ok_or(JsonFault::Expected("generations"))?;
        let mut newest: Option<(UtcTime, Confidence, &Value)> = None;
        for generation in generations {
            let Some([known, probability, characteristics]) = fields(generation) else {
                return Err(JsonFault::Expected("a generation of three fields"));
            };
            let known = self.time(known)?;
            let probability = probability.as_f64().and_then(Confidence::new);
            let probability = probability.ok_or(JsonFault::Expected("a probability"))?;
            let is_newer = newest.is_none_or(|(other, ..)| other <= known);
            if is_newer && self.options.known_at.is_none_or(|now| known <= now) {
                newest = Some((known, probability, characteristics));
            }
        }
        Ok(newest.map(|(_, probability, characteristics)| (probability, characteristics)))
    }

    fn characteristics(&self, value: &Value) -> Result<Characteristics, JsonFault> {
        let ((Some([from, bits, delay]), _) | (_, Some([from, bits, _, delay]))) =
            (fields(value), fields(value))
        else {
            let expected = "characteristics of three or four fields";
            return Err(JsonFault::Expected(expected));
        };
        let bits = bits.as_f64().filter(|bits| *bits >= 0.0);
        let bits = bits.ok_or(JsonFault::Expected("a rate in bits a second"))?;
        Ok(Characteristics {
            from: self.time(from)?,
            rate: BytesPerSecond(integer((bits / 8.0).floor())),
            light_time: span(delay).ok_or(JsonFault::Expected("a delay in seconds"))?,
        })
    }

    fn time(&self, value: &Value) -> Result<UtcTime, JsonFault> {
        let time = span(value).and_then(|span| self.options.origin.checked_add(span));
        time.ok_or(JsonFault::Expected("a time in seconds"))
    }

    fn node(&mut self, value: &Value) -> Result<NodeNumber, JsonFault> {
        let number = match value {
            Value::String(name) => (self.number)(name),
            Value::Number(name) => (self.number)(&name.to_string()),
            _ => return Err(JsonFault::Expected("the name of a node")),
        };
        number.ok_or(JsonFault::UnknownNode)
    }
}

/// The fields of an array of this length.
fn fields<const LEN: usize>(value: &Value) -> Option<&[Value; LEN]> {
    value.as_array()?.as_slice().try_into().ok()
}

/// Adds a contact in parts of one rate, with a range for each part of one delay.
fn add(plan: &mut Plan, contact: &Contact, listed: &[Characteristics]) -> Result<(), JsonFault> {
    if contact.end <= contact.start {
        return Err(JsonFault::Conflict(crate::schedule::Conflict::Empty));
    }
    let Some(first) = listed
        .iter()
        .rev()
        .find(|one| one.from <= contact.start)
        .or(listed.first())
    else {
        return Err(JsonFault::Missing("characteristics"));
    };
    let mut part = Contact {
        rate: first.rate,
        ..*contact
    };
    let mut range = Range {
        from: contact.from,
        to: contact.to,
        start: contact.start,
        end: contact.end,
        light_time: first.light_time,
    };
    for change in listed
        .iter()
        .filter(|one| contact.start < one.from && one.from < contact.end)
    {
        if change.rate != part.rate {
            let end = change.from;
            plan.add_contact(Contact { end, ..part })
                .map_err(JsonFault::Conflict)?;
            (part.start, part.rate) = (end, change.rate);
        }
        if change.light_time != range.light_time {
            let end = change.from;
            plan.add_range(Range { end, ..range })
                .map_err(JsonFault::Conflict)?;
            (range.start, range.light_time) = (end, change.light_time);
        }
    }
    plan.add_contact(part).map_err(JsonFault::Conflict)?;
    plan.add_range(range).map_err(JsonFault::Conflict)
}

/// Seconds with decimals, to the nearest microsecond.
fn span(value: &Value) -> Option<Span> {
    let micros = value.as_f64()? * 1e6;
    (0.0..9e18)
        .contains(&micros)
        .then(|| Span::from_micros(integer(micros.round())))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no number is negative, and what is too large becomes the largest one"
)]
fn integer(number: f64) -> u64 {
    number as u64
}

/// Writes a plan as predictions, known from the origin on. `name` tells the name of a node.
///
/// # Errors
///
/// The first thing that the format cannot say: times before the origin, contacts without a light
/// time, rates without a limit.
pub fn export(
    plan: &Plan,
    origin: UtcTime,
    name: impl Fn(NodeNumber) -> String,
) -> Result<String, JsonExportError> {
    let mut vertices: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut edges: BTreeMap<(NodeNumber, NodeNumber), Vec<Value>> = BTreeMap::new();
    for contact in plan.contacts() {
        let (from, to) = (name(contact.from), name(contact.to));
        vertices.entry(to.clone()).or_default();
        vertices.entry(from).or_default().insert(to);
        let of_edge = edges.entry((contact.from, contact.to)).or_default();
        of_edge.push(write(plan, contact, origin, &name)?);
    }
    let edges = edges.into_iter().map(|((from, to), contacts)| {
        json!({ "vertices": [name(from), name(to)], "contacts": contacts })
    });
    let plan = json!({
        "vertices": vertices,
        "edges": edges.collect::<Vec<_>>(),
        "contact_type": "PredictedContact_v2",
    });
    Ok(format!("{plan}\n"))
}

fn write(
    plan: &Plan,
    contact: &Contact,
    origin: UtcTime,
    name: &impl Fn(NodeNumber) -> String,
) -> Result<Value, JsonExportError> {
    let time = |time| Ok(seconds(json::since(time, origin)?));
    let bits = contact
        .rate
        .0
        .checked_mul(8)
        .filter(|&bits| bits < 1 << f64::MANTISSA_DIGITS);
    let bits = bits.ok_or(JsonExportError::Rate(contact.rate.0))?;
    let mut characteristics = Vec::new();
    for (light_time, start, _) in plan.lit_parts(contact) {
        let light_time = light_time.ok_or(JsonExportError::NoLightTime(start))?;
        characteristics.push(json!([time(start)?, float(bits), seconds(light_time)]));
    }
    let probability = contact.confidence.probability();
    Ok(json!([
        name(contact.from),
        name(contact.to),
        time(contact.start)?,
        time(contact.end)?,
        [[0.0, probability, characteristics]],
    ]))
}

fn seconds(span: Span) -> f64 {
    float(span.micros()) / 1e6
}

#[expect(
    clippy::cast_precision_loss,
    reason = "2^53 microseconds are 285 years, and rates are below 2^53"
)]
fn float(number: u64) -> f64 {
    number as f64
}
