// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles as JSON objects. The members are listed in the README of the crate.

use bundle::dissect::{Dissection, Field, Value};
use bundle::{DecodeError, Reason, Version};
use serde_json::{Map, Value as Json, json};

use crate::input::Item;
use crate::render::value::{describe, hex};
use crate::render::{capture_time, crcs, payload_length};

/// Larger integers are not the same in every reader of JSON.
const EXACT_MAX: u64 = 1 << 53;

/// A number, or its digits as text from 2^53 on.
pub(crate) fn number(number: u64) -> Json {
    if number < EXACT_MAX {
        json!(number)
    } else {
        json!(number.to_string())
    }
}

/// The number of a version.
pub(crate) fn version(version: Option<Version>) -> Json {
    match version {
        Some(Version::V6) => json!(6),
        Some(Version::V7) => json!(7),
        None => Json::Null,
    }
}

/// Where a bundle comes from: the members that every object begins with.
pub(crate) fn origin(item: &Item) -> Map<String, Json> {
    let mut object = Map::new();
    object.insert("file".to_owned(), json!(item.file));
    object.insert("index".to_owned(), json!(item.index));
    if let Some(captured) = &item.captured {
        object.insert("frame".to_owned(), json!(captured.frame));
        object.insert("time".to_owned(), json!(capture_time(captured)));
        object.insert("layer".to_owned(), json!(captured.layer.to_string()));
        object.insert("from".to_owned(), json!(captured.path.from));
        object.insert("to".to_owned(), json!(captured.path.to));
    }
    object
}

/// A reason with its code.
pub(crate) fn reason(reason: Reason) -> Json {
    json!({ "name": reason.name(), "code": reason.code(), "text": reason.text() })
}

/// A bundle with or without its fields.
pub(crate) fn bundle(item: &Item, dissection: &Dissection<'_>, with_fields: bool) -> Json {
    let mut object = origin(item);
    let text = |name| dissection.primary(name).map_or(Json::Null, raw);
    let (crcs, wrong) = crcs(dissection);
    let members = [
        ("version", version(dissection.version)),
        ("octets", json!(item.octets.len())),
        ("source", text("source")),
        ("destination", text("destination")),
        ("report_to", text("report-to")),
        ("creation_time", text("creation time")),
        ("sequence_number", text("sequence number")),
        ("lifetime", text("lifetime")),
        ("bundle_flags", text("bundle flags")),
        ("payload_octets", json!(payload_length(dissection))),
        ("crcs", json!(crcs)),
        ("crcs_wrong", json!(wrong)),
        ("error", dissection.error.as_ref().map_or(Json::Null, error)),
        ("hex", json!(hex(&item.octets))),
    ];
    for (name, value) in members {
        object.insert(name.to_owned(), value);
    }
    if with_fields {
        let fields = dissection.fields.iter().enumerate();
        let fields = fields.map(|(index, it)| field(it, dissection.is_leaf(index)));
        object.insert("fields".to_owned(), fields.collect());
    }
    Json::Object(object)
}

fn error(error: &DecodeError) -> Json {
    json!({
        "offset": error.offset,
        "field": error.field,
        "fault": error.fault.to_string(),
        "reason": reason(error.reason()),
    })
}

fn field(field: &Field<'_>, is_leaf: bool) -> Json {
    json!({
        "name": field.name,
        "offset": field.range.start,
        "octets": field.range.len(),
        "depth": field.depth,
        "leaf": is_leaf,
        "value": raw(&field.value),
        "text": describe(&field.value),
        "padding": field.padding,
        "fault": field.fault.map(|fault| json!({
            "reason": fault.reason().name(),
            "text": fault.to_string(),
        })),
    })
}

/// A value without units and explanations.
fn raw(value: &Value<'_>) -> Json {
    match value {
        Value::Block { kind, .. } | Value::Code(kind) => number(kind.number),
        Value::Number(it)
        | Value::Length(it)
        | Value::Array(it)
        | Value::Time(it, _)
        | Value::Duration(it, _) => number(*it),
        Value::Flags { bits, .. } => number(*bits),
        Value::Eid(Ok(eid)) => json!(eid.to_string()),
        Value::Truth(truth) => json!(truth),
        Value::Text(text) => json!(text),
        Value::Octets(octets) | Value::Unread(octets) => json!(hex(octets)),
        Value::Crc(crc) => json!({
            "found": crc.found,
            "computed": crc.computed,
            "right": crc.is_right(),
        }),
        _ => Json::Null,
    }
}
