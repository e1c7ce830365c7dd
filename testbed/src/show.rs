// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A bundle for people: every field with its name.

use bundle::{Version, v6, v7};

/// Octets of payload that are shown.
const PAYLOAD_SHOWN: usize = 24;

/// Names and values of the fields of a bundle, in the order of the wire; or why it is none.
#[must_use]
pub fn fields(octets: &[u8]) -> Vec<(String, String)> {
    match bundle::version(octets) {
        Some(Version::V6) => match v6::Bundle::decode(octets) {
            Ok(bundle) => version_6(&bundle),
            Err(error) => vec![row("no bundle", &error)],
        },
        Some(Version::V7) => match v7::Bundle::decode(octets, v7::Tolerance::LENIENT) {
            Ok(bundle) => version_7(&bundle),
            Err(error) => vec![row("no bundle", &error)],
        },
        None => vec![row("no bundle", &"the first octet is of neither version")],
    }
}

fn row(name: impl Into<String>, value: &impl ToString) -> (String, String) {
    (name.into(), value.to_string())
}

fn version_6(bundle: &v6::Bundle<'_>) -> Vec<(String, String)> {
    let primary = &bundle.primary;
    let eid = |reference| match primary.eid(reference) {
        Ok(eid) => eid.to_string(),
        Err(fault) => fault.to_string(),
    };
    let mut rows = vec![
        row("version", &6),
        row("flags", &format!("{:#x}", primary.flags.0)),
        row("destination", &eid(primary.destination)),
        row("source", &eid(primary.source)),
        row("report-to", &eid(primary.report_to)),
        row("custodian", &eid(primary.custodian)),
        row("creation time", &format!("{} s", primary.creation.seconds)),
        row("sequence number", &primary.creation.sequence),
        row("lifetime", &format!("{} s", primary.lifetime_s)),
    ];
    if let Some(fragment) = primary.fragment {
        rows.push(row(
            "fragment",
            &format!("{} of {}", fragment.offset, fragment.adu_length),
        ));
    }
    for block in &bundle.blocks {
        let content = match block.content() {
            Ok(v6::Content::Payload(payload)) => text(payload),
            Ok(v6::Content::Age(age)) => format!("bundle age {age} us"),
            Ok(v6::Content::PreviousHop(hop)) => match hop.eid(primary) {
                Ok(eid) => format!("previous hop {eid}"),
                Err(fault) => fault.to_string(),
            },
            Ok(v6::Content::Ecos {
                flags,
                ordinal,
                label,
            }) => {
                format!("class of service: flags {flags:#x}, ordinal {ordinal}, label {label:?}")
            }
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        };
        rows.push(row(format!("block type {}", block.kind.0), &content));
    }
    rows
}

fn version_7(bundle: &v7::Bundle<'_>) -> Vec<(String, String)> {
    let primary = &bundle.primary;
    let eid = |eid: &v7::Eid<'_>| match eid.normal() {
        Ok(eid) => eid.to_string(),
        Err(fault) => fault.to_string(),
    };
    let mut rows = vec![
        row("version", &7),
        row("flags", &format!("{:#x}", primary.flags.0)),
        row("CRC type", &format!("{:?}", primary.crc)),
        row("destination", &eid(&primary.destination)),
        row("source", &eid(&primary.source)),
        row("report-to", &eid(&primary.report_to)),
        row("creation time", &format!("{} ms", primary.creation.time_ms)),
        row("sequence number", &primary.creation.sequence),
        row("lifetime", &format!("{} ms", primary.lifetime_ms)),
    ];
    if let Some(fragment) = primary.fragment {
        rows.push(row(
            "fragment",
            &format!("{} of {}", fragment.offset, fragment.adu_length),
        ));
    }
    for block in &bundle.blocks {
        let content = match block.content() {
            Ok(v7::Content::Payload(payload)) => text(payload),
            Ok(v7::Content::Age(age)) => format!("bundle age {age} ms"),
            Ok(v7::Content::PreviousNode(node)) => format!("previous node {}", eid(&node)),
            Ok(v7::Content::Qos(qos)) => format!(
                "quality of service: flags {:#x}, class {}, ordinal {}, label {}",
                qos.flags, qos.class, qos.ordinal, qos.label
            ),
            Ok(v7::Content::HopCount { limit, count }) => format!("hop {count} of {limit}"),
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        };
        rows.push(row(
            format!("block {} type {}", block.number, block.kind.0),
            &content,
        ));
    }
    rows
}

fn text(payload: &[u8]) -> String {
    let shown = &payload[..payload.len().min(PAYLOAD_SHOWN)];
    let more = if shown.len() < payload.len() {
        "..."
    } else {
        ""
    };
    format!(
        "payload of {} octets: {}{more}",
        payload.len(),
        shown.escape_ascii()
    )
}
