// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles as text for people and as JSON for programs.

pub(crate) mod json;
pub(crate) mod style;
pub(crate) mod text;
pub(crate) mod value;

use bundle::dissect::{Dissection, Unit, Utc, Value};

use crate::input::Captured;

/// From the start of the year 1970 to that of the year 2000, in seconds.
const BEFORE_2000: u64 = 946_684_800;

/// When a bundle was captured.
pub(crate) fn capture_time(captured: &Captured) -> Option<String> {
    let since_1970 = captured.time_us?;
    let since_2000 = since_1970.checked_sub(BEFORE_2000 * 1_000_000)?;
    Utc::since_2000(since_2000, Unit::Microseconds).map(|utc| utc.to_string())
}

/// How many octets the payload has, if there is a payload block.
pub(crate) fn payload_length(dissection: &Dissection<'_>) -> Option<usize> {
    let is_payload =
        |value: &Value<'_>| matches!(value, Value::Block { kind, .. } if kind.number == 1);
    let mut fields = dissection
        .fields
        .iter()
        .skip_while(|field| !is_payload(&field.value));
    let block = fields.next()?;
    let data = fields
        .take_while(|field| field.depth > block.depth)
        .find(|field| field.name == "data");
    Some(data.map_or(0, |data| data.range.len()))
}

/// How many CRCs there are, and how many of them are wrong.
pub(crate) fn crcs(dissection: &Dissection<'_>) -> (usize, usize) {
    let crcs = dissection
        .fields
        .iter()
        .filter_map(|field| match field.value {
            Value::Crc(crc) => Some(crc),
            _ => None,
        });
    crcs.fold((0, 0), |(all, wrong), crc| {
        (all + 1, wrong + usize::from(!crc.is_right()))
    })
}
