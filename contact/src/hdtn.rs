// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Contact plans as HDTN has them, in JSON.
//!
//! ```json
//! {"contacts": [{"contact": 0, "source": 1, "dest": 2, "startTime": 0, "endTime": 3600,
//!                "rateBitsPerSec": 1000000, "owlt": 1}]}
//! ```
//!
//! Times are whole seconds after an origin that the file does not name. Rates are in bits a
//! second, and zero is no limit; the older `rate` is in millions of them. A light time (`owlt`)
//! holds for its contact and for its direction only. HDTN takes a number with decimals for zero,
//! so such a number is an error here.

use serde_json::{Value, json};

use crate::json::{self, JsonError, JsonExportError, JsonFault};
use crate::model::{BytesPerSecond, Confidence, Contact, NodeNumber, Range, Span, UtcTime};
use crate::plan::Plan;

/// What an HDTN plan leaves open.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// The time from which times count.
    pub origin: UtcTime,
    /// The light time of contacts without `owlt`. They get none if this is `None`.
    pub default_light_time: Option<Span>,
}

/// Reads a plan. A rate is rounded down to whole bytes a second.
///
/// # Errors
///
/// All contacts that are wrong, each with the first fault in it.
pub fn import(text: &str, options: &Options) -> Result<Plan, Vec<JsonError>> {
    let value = json::parse(text)?;
    let contacts = value.get("contacts").ok_or_else(|| missing("contacts"))?;
    let contacts = contacts
        .as_array()
        .ok_or_else(|| json::whole(JsonFault::Expected("an array of contacts")))?;
    json::read_all(contacts.iter(), |plan, contact| {
        read(plan, contact, options)
    })
}

fn missing(what: &'static str) -> Vec<JsonError> {
    json::whole(JsonFault::Missing(what))
}

fn read(plan: &mut Plan, value: &Value, options: &Options) -> Result<(), JsonFault> {
    let number = |name| json::whole_number(value, name)?.ok_or(JsonFault::Missing(name));
    let time = |name| {
        let span = Span::checked_from_seconds(number(name)?);
        span.and_then(|span| options.origin.checked_add(span))
            .ok_or(JsonFault::Expected(name))
    };
    let contact = Contact {
        from: NodeNumber(number("source")?),
        to: NodeNumber(number("dest")?),
        start: time("startTime")?,
        end: time("endTime")?,
        rate: rate(value)?,
        confidence: Confidence::CERTAIN,
    };
    let stated = match json::whole_number(value, "owlt")? {
        Some(seconds) => {
            Some(Span::checked_from_seconds(seconds).ok_or(JsonFault::Expected("owlt"))?)
        }
        None => options.default_light_time,
    };
    plan.add_contact(contact).map_err(JsonFault::Conflict)?;
    if let Some(light_time) = stated {
        let Contact {
            from,
            to,
            start,
            end,
            ..
        } = contact;
        let range = Range {
            from,
            to,
            start,
            end,
            light_time,
        };
        plan.add_range(range).map_err(JsonFault::Conflict)?;
    }
    Ok(())
}

fn rate(value: &Value) -> Result<BytesPerSecond, JsonFault> {
    let megabits = json::whole_number(value, "rate")?;
    let bits = json::whole_number(value, "rateBitsPerSec")?;
    let bits = match (bits, megabits) {
        (Some(bits), _) => bits,
        (None, Some(megabits)) => megabits
            .checked_mul(1_000_000)
            .ok_or(JsonFault::Expected("rate"))?,
        (None, None) => return Err(JsonFault::Missing("rateBitsPerSec")),
    };
    Ok(match bits {
        0 => BytesPerSecond::UNLIMITED,
        bits => BytesPerSecond(bits / 8),
    })
}

/// Writes a plan with times after an origin, in the order of the plan. A contact in which the
/// light time changes becomes several.
///
/// # Errors
///
/// The first thing that the format cannot say: times before the origin or between seconds, a rate
/// of zero, contacts that are not certain.
pub fn export(plan: &Plan, origin: UtcTime) -> Result<String, JsonExportError> {
    let mut contacts = Vec::new();
    for contact in plan.contacts() {
        for (light_time, start, end) in plan.lit_parts(contact) {
            let part = Contact {
                start,
                end,
                ..*contact
            };
            let number = contacts.len();
            contacts.push(write(number, &part, light_time, origin)?);
        }
    }
    Ok(format!("{:#}\n", json!({ "contacts": contacts })))
}

fn write(
    number: usize,
    contact: &Contact,
    light_time: Option<Span>,
    origin: UtcTime,
) -> Result<Value, JsonExportError> {
    let seconds = |time| match json::since(time, origin)? {
        span if span.is_whole_seconds() => Ok(span.whole_seconds()),
        _ => Err(JsonExportError::Fraction(time)),
    };
    if contact.confidence != Confidence::CERTAIN {
        return Err(JsonExportError::Confidence(contact.start));
    }
    let bits = match contact.rate {
        BytesPerSecond::UNLIMITED => Some(0),
        BytesPerSecond(0) => None,
        BytesPerSecond(bytes) => bytes.checked_mul(8),
    };
    let mut value = json!({
        "contact": number,
        "source": contact.from.0,
        "dest": contact.to.0,
        "startTime": seconds(contact.start)?,
        "endTime": seconds(contact.end)?,
        "rateBitsPerSec": bits.ok_or(JsonExportError::Rate(contact.rate.0))?,
    });
    if let Some(light_time) = light_time {
        if !light_time.is_whole_seconds() {
            return Err(JsonExportError::LightTime(light_time));
        }
        value["owlt"] = json!(light_time.whole_seconds());
    }
    Ok(value)
}
