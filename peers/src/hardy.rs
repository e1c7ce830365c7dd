// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The crate [hardy-bpv7](https://crates.io/crates/hardy-bpv7): version 7.

use bundle::{Fault, v7};
use hardy_bpv7::block::{Block, Type};
use hardy_bpv7::builder::Builder;
use hardy_bpv7::bundle::{CheckedBundle, ParsedBundle};
use hardy_bpv7::creation_timestamp::CreationTimestamp;
use hardy_bpv7::dtn_time::DtnTime;
use hardy_bpv7::editor::Chunk;
use hardy_bpv7::eid::Eid;
use hardy_bpv7::status_report::{AdministrativeRecord, BundleStatusReport, StatusAssertion};
use hardy_bpv7::{bpsec, bundle as hardy};

use crate::facts::{self, has_no_demux, is_odd_null};
use crate::fields::{Fields, flags, hex, put, put_block};
use crate::{Case, Difference, Theirs};

/// What hardy says. It has no keys, and does not look into what is encrypted.
///
/// Its octets are those of its builder: blocks are numbered from 2 in their order, and fragments
/// cannot be built. [`renumbered`] makes ours comparable.
#[must_use]
pub fn read(octets: &[u8]) -> Theirs {
    let parsed = match ParsedBundle::parse(octets, bpsec::no_keys) {
        Ok(parsed) => parsed.bundle,
        Err(error) => return Theirs::Refused(chain(&error)),
    };
    Theirs::Accepted {
        fields: fields(&parsed, octets),
        octets: rebuilt(&parsed, octets),
    }
}

/// The bundle with blocks numbered from 2 in their order, as hardy's builder numbers them.
#[must_use]
pub fn renumbered<'a>(bundle: &v7::Bundle<'a>) -> v7::Bundle<'a> {
    let mut bundle = bundle.clone();
    let mut next = 1;
    for block in &mut bundle.blocks {
        if block.kind != v7::BlockType::PAYLOAD {
            next += 1;
            block.number = next;
        }
    }
    bundle
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// The blocks after the primary block, in the order of the octets.
fn blocks(bundle: &hardy::Bundle) -> Vec<(u64, &Block)> {
    let all = bundle.blocks.iter().filter(|(number, _)| **number != 0);
    let mut blocks: Vec<_> = all.map(|(number, block)| (*number, block)).collect();
    blocks.sort_by_key(|(_, block)| block.extent.start);
    blocks
}

fn fields(bundle: &hardy::Bundle, octets: &[u8]) -> Fields {
    let mut fields = Fields::new();
    put(&mut fields, "flags", flags(u64::from(&bundle.flags)));
    put(&mut fields, "crc", u64::from(bundle.crc_type));
    put(&mut fields, "destination", eid_text(&bundle.destination));
    put(&mut fields, "source", eid_text(&bundle.id.source));
    put(&mut fields, "report-to", eid_text(&bundle.report_to));
    put(&mut fields, "time", time_ms(&bundle.id.timestamp));
    put(
        &mut fields,
        "sequence",
        bundle.id.timestamp.sequence_number(),
    );
    put(&mut fields, "lifetime", bundle.lifetime.as_millis());
    if let Some(fragment) = &bundle.id.fragment_info {
        put(&mut fields, "fragment offset", fragment.offset);
        put(&mut fields, "data unit length", fragment.total_adu_length);
    }
    for (index, (number, block)) in blocks(bundle).into_iter().enumerate() {
        let data = block.payload(octets).unwrap_or_default();
        put_block(&mut fields, index, "type", u64::from(block.block_type));
        put_block(&mut fields, index, "number", number);
        put_block(&mut fields, index, "flags", flags(u64::from(&block.flags)));
        put_block(&mut fields, index, "crc", u64::from(block.crc_type));
        put_block(&mut fields, index, "length", data.len());
        put_block(&mut fields, index, "data", hex(data));
        if let Some(content) = content(bundle, block.block_type) {
            put_block(&mut fields, index, "content", content);
        }
    }
    let is_encrypted = blocks(bundle)
        .iter()
        .any(|(_, block)| block.block_type == Type::BlockSecurity);
    if bundle.flags.is_admin_record && bundle.id.fragment_info.is_none() && !is_encrypted {
        put_record(&mut fields, bundle, octets);
    }
    fields
}

fn time_ms(timestamp: &CreationTimestamp) -> u64 {
    timestamp.creation_time().map_or(0, DtnTime::millisecs)
}

/// The text of ours: the allocator is part of the node number, whatever the spelling.
fn eid_text(eid: &Eid) -> String {
    match eid {
        Eid::LegacyIpn {
            fqnn,
            service_number,
        }
        | Eid::Ipn {
            fqnn,
            service_number,
        } => {
            let node = u64::from(fqnn.allocator_id) << 32 | u64::from(fqnn.node_number);
            format!("ipn:{node}.{service_number}")
        }
        Eid::Unknown { scheme, data } => format!("scheme {scheme} {}", hex(data)),
        eid => eid.to_string(),
    }
}

fn content(bundle: &hardy::Bundle, kind: Type) -> Option<String> {
    match kind {
        Type::PreviousNode => bundle.previous_node.as_ref().map(eid_text),
        Type::BundleAge => bundle.age.map(|age| age.as_millis().to_string()),
        Type::HopCount => {
            let hops = bundle.hop_count.as_ref()?;
            Some(format!("{} {}", hops.limit, hops.count))
        }
        _ => None,
    }
}

fn put_record(fields: &mut Fields, bundle: &hardy::Bundle, octets: &[u8]) {
    let payload = bundle
        .blocks
        .get(&1)
        .and_then(|block| block.payload(octets));
    let payload = payload.unwrap_or_default();
    let parsed = hardy_cbor::decode::parse::<(AdministrativeRecord, bool, usize)>(payload);
    match parsed {
        Ok((AdministrativeRecord::BundleStatusReport(report), _, length))
            if length == payload.len() =>
        {
            put_report(fields, &report);
        }
        Err(hardy_bpv7::status_report::Error::UnknownAdminRecordType(_)) => {
            put(fields, "record", "other");
        }
        _ => put(fields, "record", "malformed"),
    }
}

fn put_report(fields: &mut Fields, report: &BundleStatusReport) {
    put(fields, "record", "status report");
    let statuses = [
        &report.received,
        &report.forwarded,
        &report.delivered,
        &report.deleted,
    ];
    for (index, status) in statuses.into_iter().enumerate() {
        put(
            fields,
            format!("report status {index}"),
            status_text(status.as_ref()),
        );
    }
    put(fields, "report reason", u64::from(report.reason));
    put(fields, "report source", eid_text(&report.bundle_id.source));
    put(fields, "report time", time_ms(&report.bundle_id.timestamp));
    put(
        fields,
        "report sequence",
        report.bundle_id.timestamp.sequence_number(),
    );
    if let Some(fragment) = &report.bundle_id.fragment_info {
        put(fields, "report offset", fragment.offset);
        put(fields, "report length", fragment.total_adu_length);
    }
}

fn status_text(status: Option<&StatusAssertion>) -> String {
    match status {
        None => "no".to_owned(),
        Some(StatusAssertion(None)) => "yes".to_owned(),
        Some(StatusAssertion(Some(time))) => {
            format!("at {}", DtnTime::saturating_from(*time).millisecs())
        }
    }
}

/// The bundle as hardy's builder makes it from what hardy decoded.
fn rebuilt(bundle: &hardy::Bundle, octets: &[u8]) -> Option<Vec<u8>> {
    if bundle.id.fragment_info.is_some() {
        return None;
    }
    let mut builder = Builder::new(bundle.id.source.clone(), bundle.destination.clone())
        .with_flags(bundle.flags.clone())
        .with_crc_type(bundle.crc_type)
        .with_report_to(bundle.report_to.clone())
        .with_lifetime(bundle.lifetime);
    for (_, block) in blocks(bundle) {
        builder = builder
            .add_extension_block(block.block_type)
            .ok()?
            .with_flags(block.flags.clone())
            .with_crc_type(block.crc_type)
            .build(block.payload(octets)?.to_vec().into());
    }
    let (_, octets) = builder.build(bundle.id.timestamp.clone()).ok()?;
    Some(octets.into_vec())
}

/// The rule that a difference follows, if there is one.
#[must_use]
pub fn explained(case: &Case<'_>, difference: &Difference) -> Option<&'static str> {
    match difference {
        Difference::TheyRefuse(reason) => refusal(case, reason),
        Difference::WeRefuse(fault) => acceptance(case, *fault),
        Difference::Field { name, ours, theirs } => {
            field(case, name, ours.as_deref(), theirs.as_deref())
        }
        Difference::Octets { .. } => (case.has_eid(is_rewritten) && is_read_back(case))
            .then_some("hardy: writes the preferred spelling of endpoint IDs"),
    }
}

/// Whether we read what hardy wrote as hardy read what came.
fn is_read_back(case: &Case<'_>) -> bool {
    matches!(
        case.theirs,
        Theirs::Accepted { octets: Some(octets), .. } if case.was_normalised(octets, case.theirs)
    )
}

/// Why hardy refuses what we accept.
fn refusal(case: &Case<'_>, reason: &str) -> Option<&'static str> {
    let rules = [
        (
            reason.contains("cannot be block number 0")
                && case.has_block(|block| block.number == 0),
            "hardy: no block number 0",
        ),
        (
            reason.contains("Invalid bundle or block flag combination")
                && case.is(|bundle| {
                    let free = bundle
                        .primary
                        .flags
                        .without(v7::BundleFlags::MUST_NOT_FRAGMENT);
                    let anonymous = bundle.primary.source.is_null();
                    facts::asks_in_vain(bundle)
                        || anonymous && free == bundle.primary.flags
                        || anonymous && bundle.primary.fragment.is_some()
                }),
            "hardy: anonymous bundles and records ask for nothing",
        ),
        (
            reason.contains("service number") && case.has_eid(has_long_service),
            "hardy: service numbers have 32 bits",
        ),
        (
            reason.contains("Parse error") && case.has_eid(has_no_demux),
            "hardy: a slash ends the node name of dtn",
        ),
        (
            reason.contains("Parse error") && case.has_eid(is_no_uri),
            "hardy: names of dtn have the characters of a URI",
        ),
        (
            reason.contains("unsupported block type") && case.has_block(is_required),
            "hardy: unknown blocks can forbid the bundle",
        ),
        (
            (reason.contains("BPSec") || reason.starts_with("BCB") || reason.starts_with("BIB"))
                && case.has_block(|block| block.kind.is_security()),
            "hardy: reads the data of security blocks",
        ),
        (
            reason.contains("Unsupported EID scheme 0")
                && case.has_eid(|eid| matches!(eid, v7::Eid::Other { scheme: 0, .. })),
            "hardy: no scheme 0",
        ),
        (
            reason.contains("Invalid fragment information")
                && case.is(|bundle| {
                    let fragment = bundle.primary.fragment.unwrap_or_default();
                    fragment.offset > fragment.adu_length
                }),
            "hardy: no fragments behind the end of the data unit",
        ),
    ];
    rules
        .iter()
        .find(|(applies, _)| *applies)
        .map(|(_, rule)| *rule)
}

fn has_long_service(eid: &v7::Eid<'_>) -> bool {
    matches!(eid, v7::Eid::Ipn { node: 1.., service } if *service > u32::MAX.into())
}

/// Whether a `dtn` name has characters that a URI has not (RFC 3986, section 3.2.2; RFC 9171, section
/// 4.2.5.1.1), or octets behind `%` that are no text.
fn is_no_uri(eid: &v7::Eid<'_>) -> bool {
    let v7::Eid::Dtn(ssp) = eid else {
        return false;
    };
    let name = ssp.strip_prefix("//").unwrap_or(ssp);
    let node = name.split('/').next().unwrap_or(name);
    let in_node = |it: u8| it.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&it);
    !node.bytes().all(in_node) || !name.bytes().all(|it| it.is_ascii_graphic())
}

/// Whether a block says that the bundle goes with it, and hardy does not know its type.
fn is_required(block: &v7::Block<'_>) -> bool {
    let known = matches!(block.kind.0, 1 | 6 | 7 | 10);
    !known && block.flags.contains(v7::BlockFlags::DELETE_UNPROCESSED)
}

/// Why hardy accepts what we refuse.
fn acceptance(case: &Case<'_>, fault: Fault) -> Option<&'static str> {
    match fault {
        Fault::CrcMissing => Some("hardy: the parser leaves a missing CRC to a filter"),
        Fault::AgeMissing => Some("hardy: the parser leaves a missing age to a filter"),
        Fault::FlagsInvalid(flags)
            if v7::BundleFlags(flags).without(v7::BundleFlags::KNOWN).0 != 0
                || v7::BlockFlags(flags).without(v7::BlockFlags::KNOWN).0 != 0 =>
        {
            Some("hardy: reserved flags are kept")
        }
        Fault::EidMalformed if case.names_local_node() => Some("hardy: the local node is a node"),
        Fault::Expected(_) | Fault::NotShortest | Fault::BlockMalformed if is_normalised(case) => {
            Some("hardy: any spelling of a CBOR item, and what follows the data of a block")
        }
        _ => None,
    }
}

/// Whether hardy can put the bundle into a canonical form that both sides read alike.
fn is_normalised(case: &Case<'_>) -> bool {
    let checked = CheckedBundle::parse(case.octets, bpsec::no_keys);
    let Some(chunks) = checked.ok().and_then(|checked| checked.new_data) else {
        return false;
    };
    let octets = Chunk::flatten(chunks, case.octets);
    case.was_normalised(&octets, &read(&octets))
}

/// Why a field has another value.
fn field(
    case: &Case<'_>,
    name: &str,
    ours: Option<&str>,
    theirs: Option<&str>,
) -> Option<&'static str> {
    if !name.starts_with("re") {
        return None;
    }
    if case.theirs_field("record") == Some("status report") {
        return match (ours, theirs) {
            (Some("at 0"), Some("yes")) => Some("hardy: time 0 in a report is no time"),
            (Some(ours), Some(END_OF_TIME)) if is_after_the_end(ours) => {
                Some("hardy: time in a report ends with the year 9999")
            }
            _ => None,
        };
    }
    let rules = [
        (
            case.is_report(|report| report.assertions.len() > 4),
            "hardy: no statuses beyond the four of RFC 9171",
        ),
        (
            case.is_report(|report| report.reason == 255),
            "hardy: no reason 255",
        ),
        (
            case.is_report(|report| is_rewritten(&report.source)),
            "hardy: no other spelling of a source in reports",
        ),
        (
            case.is_report(|report| has_no_demux(&report.source)),
            "hardy: a slash ends the node name of dtn",
        ),
    ];
    rules
        .iter()
        .find(|(applies, _)| *applies)
        .map(|(_, rule)| *rule)
}

/// The last millisecond of the year 9999, up to which the crate `time` counts.
const END_OF_TIME: &str = "at 252455615999999";

fn is_after_the_end(status: &str) -> bool {
    let number = |status: &str| status.strip_prefix("at ")?.parse::<u64>().ok();
    number(status) > number(END_OF_TIME)
}

/// Whether hardy has another spelling for the endpoint ID.
fn is_rewritten(eid: &v7::Eid<'_>) -> bool {
    is_odd_null(eid) || matches!(eid, v7::Eid::IpnWithAllocator { allocator: 0, .. })
}
