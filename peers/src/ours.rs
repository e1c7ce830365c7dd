// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the codecs of this project say about a bundle.

use bundle::v7::{Assertion, BlockType, BundleFlags, Content, Tolerance};
use bundle::{Fault, v6, v7};

use crate::fields::{Fields, flags, hex, put, put_block};

/// Reads a bundle of version 7 as a node does: the bundle, and the blocks that RFC 9171 defines.
///
/// The decoder leaves the data of blocks alone because they may be encrypted. Here they are read
/// unless the bundle has a confidentiality block.
///
/// # Errors
///
/// The rule that the octets break.
pub fn read_v7(octets: &[u8], tolerance: Tolerance) -> Result<v7::Bundle<'_>, Fault> {
    let bundle = v7::Bundle::decode(octets, tolerance).map_err(|error| error.fault)?;
    if !has(&bundle, BlockType::CONFIDENTIALITY) {
        for block in bundle.blocks.iter().filter(|block| is_standard(block.kind)) {
            block.content().map_err(|error| error.fault)?;
        }
    }
    Ok(bundle)
}

/// Whether RFC 9171 defines the type of a block that is no payload.
const fn is_standard(kind: BlockType) -> bool {
    matches!(
        kind,
        BlockType::PREVIOUS_NODE | BlockType::AGE | BlockType::HOP_COUNT
    )
}

/// Whether a bundle has a block of a type.
#[must_use]
pub fn has(bundle: &v7::Bundle<'_>, kind: BlockType) -> bool {
    bundle.blocks.iter().any(|block| block.kind == kind)
}

/// The endpoint ID as text: of the schemes that are known in its normal form, of others as it is.
#[must_use]
pub fn eid_text(eid: &v7::Eid<'_>) -> String {
    match (eid, eid.normal()) {
        (_, Ok(eid)) => eid.to_string(),
        (v7::Eid::Other { scheme, ssp }, _) => format!("scheme {scheme} {}", hex(ssp)),
        (_, Err(fault)) => fault.to_string(),
    }
}

/// The bundle with every endpoint ID in its preferred spelling, as peers write it from text.
#[must_use]
pub fn preferred<'a>(bundle: &'a v7::Bundle<'a>) -> v7::Bundle<'a> {
    let mut preferred = bundle.clone();
    let spelling = |eid: &'a v7::Eid<'a>| eid.normal().map_or_else(|_| eid.clone(), v7::Eid::from);
    preferred.primary.destination = spelling(&bundle.primary.destination);
    preferred.primary.source = spelling(&bundle.primary.source);
    preferred.primary.report_to = spelling(&bundle.primary.report_to);
    for block in &mut preferred.blocks {
        let data = match block.content() {
            Ok(v7::Content::PreviousNode(eid)) => {
                eid.normal().ok().map(v7::Block::previous_node_data)
            }
            _ => None,
        };
        if let Some(data) = data {
            block.data = data.into();
        }
    }
    preferred
}

/// The fields of a bundle of version 7.
#[must_use]
pub fn fields_v7(bundle: &v7::Bundle<'_>) -> Fields {
    let primary = &bundle.primary;
    let mut fields = Fields::new();
    put(&mut fields, "flags", flags(primary.flags.0));
    put(&mut fields, "crc", primary.crc as u64);
    put(&mut fields, "destination", eid_text(&primary.destination));
    put(&mut fields, "source", eid_text(&primary.source));
    put(&mut fields, "report-to", eid_text(&primary.report_to));
    put(&mut fields, "time", primary.creation.time_ms);
    put(&mut fields, "sequence", primary.creation.sequence);
    put(&mut fields, "lifetime", primary.lifetime_ms);
    if let Some(fragment) = primary.fragment {
        put(&mut fields, "fragment offset", fragment.offset);
        put(&mut fields, "data unit length", fragment.adu_length);
    }
    for (index, block) in bundle.blocks.iter().enumerate() {
        put_block(&mut fields, index, "type", block.kind.0);
        put_block(&mut fields, index, "number", block.number);
        put_block(&mut fields, index, "flags", flags(block.flags.0));
        put_block(&mut fields, index, "crc", block.crc as u64);
        put_block(&mut fields, index, "length", block.data.len());
        put_block(&mut fields, index, "data", hex(&block.data));
        if let Some(content) = content_v7(block) {
            put_block(&mut fields, index, "content", content);
        }
    }
    if is_report_v7(bundle) {
        put_record(&mut fields, bundle.payload());
    }
    fields
}

/// Whether the payload is a whole administrative record that can be read.
#[must_use]
pub fn is_report_v7(bundle: &v7::Bundle<'_>) -> bool {
    bundle.primary.flags.contains(BundleFlags::ADMIN_RECORD)
        && bundle.primary.fragment.is_none()
        && !has(bundle, BlockType::CONFIDENTIALITY)
}

fn content_v7(block: &v7::Block<'_>) -> Option<String> {
    match block.content().ok()? {
        Content::PreviousNode(eid) => Some(eid_text(&eid)),
        Content::Age(age) => Some(age.to_string()),
        Content::HopCount { limit, count } => Some(format!("{limit} {count}")),
        _ => None,
    }
}

fn put_record(fields: &mut Fields, payload: &[u8]) {
    let report = match v7::AdminRecord::decode(payload, Tolerance::LENIENT) {
        Ok(v7::AdminRecord::StatusReport(report)) => report,
        Ok(_) => return put(fields, "record", "other"),
        Err(_) => return put(fields, "record", "malformed"),
    };
    put(fields, "record", "status report");
    for (index, assertion) in report.assertions.iter().enumerate() {
        put(
            fields,
            format!("report status {index}"),
            assertion_text(*assertion),
        );
    }
    put(fields, "report reason", report.reason);
    put(fields, "report source", eid_text(&report.source));
    put(fields, "report time", report.creation.time_ms);
    put(fields, "report sequence", report.creation.sequence);
    if let Some((offset, length)) = report.fragment {
        put(fields, "report offset", offset);
        put(fields, "report length", length);
    }
}

/// What a status report says of one event.
#[must_use]
pub fn assertion_text(assertion: Assertion) -> String {
    match assertion {
        Assertion::No => "no".to_owned(),
        Assertion::Yes => "yes".to_owned(),
        Assertion::At(time) => format!("at {time}"),
    }
}

/// The fields of a bundle of version 6.
#[must_use]
pub fn fields_v6(bundle: &v6::Bundle<'_>) -> Fields {
    let primary = &bundle.primary;
    let mut fields = Fields::new();
    let eid = |reference| match primary.eid(reference) {
        Ok(eid) => eid.to_string(),
        Err(fault) => fault.to_string(),
    };
    put(&mut fields, "flags", flags(primary.flags.0));
    put(&mut fields, "destination", eid(primary.destination));
    put(&mut fields, "source", eid(primary.source));
    put(&mut fields, "report-to", eid(primary.report_to));
    put(&mut fields, "custodian", eid(primary.custodian));
    put(&mut fields, "time", primary.creation.seconds);
    put(&mut fields, "sequence", primary.creation.sequence);
    put(&mut fields, "lifetime", primary.lifetime_s);
    put(&mut fields, "dictionary length", primary.dictionary.len());
    if let Some(fragment) = primary.fragment {
        put(&mut fields, "fragment offset", fragment.offset);
        put(&mut fields, "data unit length", fragment.adu_length);
    }
    for (index, block) in bundle.blocks.iter().enumerate() {
        put_block(&mut fields, index, "type", block.kind.0);
        put_block(&mut fields, index, "flags", flags(block.flags.0));
        put_block(&mut fields, index, "length", block.data.len());
        put_block(&mut fields, index, "data", hex(&block.data));
    }
    fields
}
