// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The crate [bp7](https://crates.io/crates/bp7) of dtn7-rs: version 7.

use std::cmp::Reverse;
use std::time::Duration;

use bp7::administrative_record::{AdministrativeRecord, BundleStatusItem, StatusReport};
use bp7::bundle::BundleBuilder;
use bp7::canonical::{CanonicalBlock, CanonicalBlockBuilder, CanonicalData};
use bp7::crc::{CRC_16, CRC_32, CRC_NO, CrcBlock as _};
use bp7::dtntime::CreationTimestamp;
use bp7::eid::EndpointID;
use bp7::primary::PrimaryBlockBuilder;
use bundle::{Fault, v7};

use crate::facts::{self, has_no_demux, has_three_numbers, is_none_as_text, is_of_other_scheme};
use crate::fields::{Fields, flags, hex, put, put_block};
use crate::{Case, Difference, Theirs};

/// What bp7 says: it decodes, and validates.
#[must_use]
pub fn read(octets: &[u8]) -> Theirs {
    let mut bundle = match bp7::Bundle::try_from(octets) {
        Ok(bundle) => bundle,
        Err(error) => return Theirs::Refused(error.to_string()),
    };
    if let Err(errors) = bundle.validate() {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        return Theirs::Refused(errors.join("; "));
    }
    Theirs::Accepted {
        fields: fields(&bundle),
        octets: Some(bundle.to_cbor()),
    }
}

/// The bundle as bp7's builders make it from the fields of ours, with endpoint IDs from text.
///
/// `None` if the types of bp7 have no place for a value: block flags and hop counts above 255,
/// other schemes, and block number 0. [`sorted`] makes ours comparable.
#[must_use]
pub fn build(bundle: &v7::Bundle<'_>) -> Option<Theirs> {
    let primary = &bundle.primary;
    let eid = |eid: &v7::Eid<'_>| EndpointID::try_from(eid.normal().ok()?.to_string()).ok();
    let fragment = primary.fragment.unwrap_or_default();
    let timestamp = primary.creation;
    let built = PrimaryBlockBuilder::new()
        .bundle_control_flags(primary.flags.0)
        .destination(eid(&primary.destination)?)
        .source(eid(&primary.source)?)
        .report_to(eid(&primary.report_to)?)
        .creation_timestamp(CreationTimestamp::with_time_and_seq(
            timestamp.time_ms,
            timestamp.sequence,
        ))
        .lifetime(Duration::from_millis(primary.lifetime_ms))
        .fragmentation_offset(fragment.offset)
        .total_data_length(fragment.adu_length)
        .build();
    let mut built = match built {
        Ok(built) => built,
        Err(error) => return Some(Theirs::Refused(error.to_string())),
    };
    built.set_crc_type(crc_code(primary.crc));
    let blocks: Option<Vec<_>> = bundle.blocks.iter().map(build_block).collect();
    let builder = BundleBuilder::new().primary(built).canonicals(blocks?);
    Some(match builder.build() {
        Ok(mut bundle) => Theirs::Accepted {
            octets: Some(bundle.to_cbor()),
            fields: fields(&bundle),
        },
        Err(error) => Theirs::Refused(error.to_string()),
    })
}

/// The bundle with its blocks as bp7's builder sorts them: the largest number first.
#[must_use]
pub fn sorted<'a>(bundle: &v7::Bundle<'a>) -> v7::Bundle<'a> {
    let mut bundle = bundle.clone();
    bundle.blocks.sort_by_key(|block| Reverse(block.number));
    bundle
}

fn crc_code(crc: v7::CrcType) -> u8 {
    match crc {
        v7::CrcType::None => CRC_NO,
        v7::CrcType::Crc16 => CRC_16,
        v7::CrcType::Crc32c => CRC_32,
    }
}

fn build_block(block: &v7::Block<'_>) -> Option<CanonicalBlock> {
    if block.number == 0 {
        return None;
    }
    let data = match block.content().ok()? {
        v7::Content::PreviousNode(eid) => {
            let text = eid.normal().ok()?.to_string();
            CanonicalData::PreviousNode(EndpointID::try_from(text).ok()?)
        }
        v7::Content::Age(age) => CanonicalData::BundleAge(age),
        v7::Content::HopCount { limit, count } => {
            CanonicalData::HopCount(limit.try_into().ok()?, count.try_into().ok()?)
        }
        v7::Content::Payload(data) => CanonicalData::Data(data.to_vec()),
        _ => CanonicalData::Unknown(block.data.to_vec()),
    };
    let mut built = CanonicalBlockBuilder::new()
        .block_type(block.kind.0)
        .block_number(block.number)
        .block_control_flags(block.flags.0.try_into().ok()?)
        .data(data)
        .build()
        .ok()?;
    built.set_crc_type(crc_code(block.crc));
    Some(built)
}

/// The rule that a difference in a bundle follows that bp7 built.
#[must_use]
pub fn explained_build(case: &Case<'_>, difference: &Difference) -> Option<&'static str> {
    let is_null = |bundle: &v7::Bundle<'_>| bundle.primary.destination.is_null();
    match difference {
        Difference::TheyRefuse(reason) => (reason.contains("destination") && case.is(is_null))
            .then_some("bp7: the builder wants a destination that is not null"),
        Difference::Field { .. } | Difference::Octets { .. } => case
            .has_eid(has_no_demux)
            .then_some("bp7: a slash ends the node name of dtn"),
        Difference::WeRefuse(_) => None,
    }
}

fn fields(bundle: &bp7::Bundle) -> Fields {
    let primary = &bundle.primary;
    let mut fields = Fields::new();
    put(&mut fields, "flags", flags(primary.bundle_control_flags));
    put(&mut fields, "crc", primary.crc_type());
    put(&mut fields, "destination", eid_text(&primary.destination));
    put(&mut fields, "source", eid_text(&primary.source));
    put(&mut fields, "report-to", eid_text(&primary.report_to));
    put(&mut fields, "time", primary.creation_timestamp.dtntime());
    put(&mut fields, "sequence", primary.creation_timestamp.seqno());
    put(&mut fields, "lifetime", primary.lifetime.as_millis());
    if primary.has_fragmentation() {
        put(&mut fields, "fragment offset", primary.fragmentation_offset);
        put(&mut fields, "data unit length", primary.total_data_length);
    }
    for (index, block) in bundle.canonicals.iter().enumerate() {
        let data = match block.data() {
            CanonicalData::Data(data) | CanonicalData::Unknown(data) => data.clone(),
            other => other.to_cbor(),
        };
        put_block(&mut fields, index, "type", block.block_type);
        put_block(&mut fields, index, "number", block.block_number);
        put_block(
            &mut fields,
            index,
            "flags",
            flags(block.block_control_flags.into()),
        );
        put_block(&mut fields, index, "crc", block.crc_type());
        put_block(&mut fields, index, "length", data.len());
        put_block(&mut fields, index, "data", hex(&data));
        if let Some(content) = content(block.data()) {
            put_block(&mut fields, index, "content", content);
        }
    }
    let is_whole = !primary.has_fragmentation();
    if bundle.is_administrative_record() && is_whole && !is_encrypted(bundle) {
        put_record(&mut fields, bundle.payload().map_or(&[], Vec::as_slice));
    }
    fields
}

fn is_encrypted(bundle: &bp7::Bundle) -> bool {
    let confidentiality = v7::BlockType::CONFIDENTIALITY.0;
    bundle
        .canonicals
        .iter()
        .any(|block| block.block_type == confidentiality)
}

/// The text of ours: bp7 has `ipn:0.0` apart from `dtn:none`, which name the same endpoint.
fn eid_text(eid: &EndpointID) -> String {
    match eid {
        EndpointID::Ipn(_, address) if address.node_number() == 0 => "dtn:none".to_owned(),
        eid => eid.to_string(),
    }
}

fn content(data: &CanonicalData) -> Option<String> {
    match data {
        CanonicalData::HopCount(limit, count) => Some(format!("{limit} {count}")),
        CanonicalData::BundleAge(age) => Some(age.to_string()),
        CanonicalData::PreviousNode(eid) => Some(eid_text(eid)),
        _ => None,
    }
}

fn put_record(fields: &mut Fields, payload: &[u8]) {
    match serde_cbor::from_slice(payload) {
        Ok(AdministrativeRecord::BundleStatusReport(report)) => put_report(fields, &report),
        Ok(_) => put(fields, "record", "other"),
        Err(_) => put(fields, "record", "malformed"),
    }
}

fn put_report(fields: &mut Fields, report: &StatusReport) {
    put(fields, "record", "status report");
    for (index, item) in report.status_information.iter().enumerate() {
        put(fields, format!("report status {index}"), status_text(item));
    }
    put(fields, "report reason", report.report_reason);
    put(fields, "report source", eid_text(&report.source_node));
    put(fields, "report time", report.timestamp.dtntime());
    put(fields, "report sequence", report.timestamp.seqno());
    // The crate tells a report about a fragment by its length.
    if report.frag_len != 0 {
        put(fields, "report offset", report.frag_offset);
        put(fields, "report length", report.frag_len);
    }
}

fn status_text(item: &BundleStatusItem) -> String {
    match (item.asserted, item.status_requested) {
        (false, _) => "no".to_owned(),
        (true, false) => "yes".to_owned(),
        (true, true) => format!("at {}", item.time),
    }
}

/// The rule that a difference follows, if there is one.
///
/// bp7 0.12.1 is used without its feature `bpsec`, as `bp7` and dtn7-rs build it by default.
#[must_use]
pub fn explained(case: &Case<'_>, difference: &Difference) -> Option<&'static str> {
    match difference {
        Difference::TheyRefuse(reasons) => {
            // Validation names every fault that it finds: each of them needs a rule.
            let rules: Option<Vec<_>> = reasons
                .split("; ")
                .map(|reason| refusal(case, reason))
                .collect();
            rules?.first().copied()
        }
        Difference::WeRefuse(fault) => acceptance(case, *fault),
        Difference::Field { name, ours, theirs } => {
            field(case, name, ours.as_deref(), theirs.as_deref())
        }
        Difference::Octets { .. } => {
            (case.has_eid(is_null_with_service) && is_normalised(case)).then_some(NULL_SERVICE)
        }
    }
}

/// An endpoint of node 0 is null. bp7 forgets the service number, and so computes CRCs of other
/// octets than those that came.
const NULL_SERVICE: &str = "bp7: ipn:0.N becomes ipn:0.0";

fn is_null_with_service(eid: &v7::Eid<'_>) -> bool {
    matches!(
        eid,
        v7::Eid::Ipn {
            node: 0,
            service: 1..
        }
    )
}

/// Why bp7 refuses what we accept.
fn refusal(case: &Case<'_>, reason: &str) -> Option<&'static str> {
    let is_decoder = reason.starts_with("CborDecodeError");
    let is_content = |kind: u64| {
        reason.contains("can not be decoded") && reason.contains(&format!("of type {kind} "))
    };
    let is_address = is_decoder || is_content(v7::BlockType::PREVIOUS_NODE.0);
    let rules = [
        (
            is_address && case.has_eid(has_three_numbers),
            "bp7: no ipn with three numbers",
        ),
        (
            is_address && case.has_eid(is_none_as_text),
            "bp7: no dtn:none as text",
        ),
        (
            is_address && case.has_eid(is_of_other_scheme),
            "bp7: no scheme but dtn and ipn",
        ),
        (
            is_decoder && case.has_block(|block| block.flags.0 > 0xff),
            "bp7: block flags have eight bits",
        ),
        (
            reason.contains("reserved bits")
                && (case.is(|bundle| bundle.primary.flags.0 & RESERVED != 0)
                    || case.has_block(|block| block.flags.0 & RESERVED_IN_BLOCKS != 0)),
            "bp7: no reserved flags",
        ),
        (
            reason.contains("Block number zero") && case.has_block(|block| block.number == 0),
            "bp7: no block number 0",
        ),
        (
            reason.contains("multiple times")
                && case.is(|bundle| {
                    let zeros = bundle.blocks.iter().filter(|block| block.number == 0);
                    zeros.count() > 1
                }),
            "bp7: no block number 0",
        ),
        (
            reason.contains("no status report request flags") && case.is(facts::asks_in_vain),
            "bp7: no report requests by administrative records",
        ),
        (
            reason.contains("CRC check failed") && case.has_eid(is_null_with_service),
            NULL_SERVICE,
        ),
        (
            is_content(v7::BlockType::HOP_COUNT.0)
                && case.has_block(|block| {
                    matches!(
                        block.content(),
                        Ok(v7::Content::HopCount { count: 256.., .. })
                    )
                }),
            "bp7: hop counts have eight bits",
        ),
    ];
    rules
        .iter()
        .find(|(applies, _)| *applies)
        .map(|(_, rule)| *rule)
}

/// Why bp7 accepts what we refuse.
fn acceptance(case: &Case<'_>, fault: Fault) -> Option<&'static str> {
    match fault {
        Fault::CrcMissing => Some("bp7: the primary block needs no CRC"),
        Fault::FlagsInvalid(flags) if flags & !ALL_OF_BP7 != 0 => {
            Some("bp7: flags above bit 20 are not looked at")
        }
        Fault::FlagsInvalid(flags)
            if flags & RESERVED_IN_BLOCKS == 0
                && case.has_block(|block| block.flags.0 == flags) =>
        {
            Some("bp7: the eighth flag of a block is not looked at")
        }
        // Not by our source: behind the flags may be what nobody but bp7 reads.
        Fault::FlagsInvalid(_) if case.theirs_field("source") == Some("dtn:none") => {
            Some("bp7: an anonymous source may ask for anything")
        }
        Fault::EidMalformed if case.names_local_node() => Some("bp7: the local node is a node"),
        Fault::Expected(_) | Fault::NotShortest if is_normalised(case) => {
            Some("bp7: any spelling of a CBOR item")
        }
        _ => None,
    }
}

/// Whether bp7 writes the bundle as we read it.
fn is_normalised(case: &Case<'_>) -> bool {
    let Theirs::Accepted {
        octets: Some(octets),
        ..
    } = case.theirs
    else {
        return false;
    };
    case.was_normalised(octets, case.theirs)
}

/// Why a field has another value.
fn field(
    case: &Case<'_>,
    name: &str,
    ours: Option<&str>,
    theirs: Option<&str>,
) -> Option<&'static str> {
    if name.starts_with("block ") && (name.ends_with(" data") || name.ends_with(" length")) {
        // The data of a previous node block.
        return case.has_eid(is_null_with_service).then_some(NULL_SERVICE);
    }
    if name == "record" && ours == Some("other") && theirs == Some("malformed") {
        return Some("bp7: unknown records are byte strings");
    }
    if !name.starts_with("re") || case.theirs_field("record") == Some("status report") {
        let fragment = name == "report offset" || name == "report length";
        let is_empty = |report: &v7::StatusReport<'_>| matches!(report.fragment, Some((_, 0)));
        return (fragment && case.is_report(is_empty))
            .then_some("bp7: a report about an empty fragment is about no fragment");
    }
    let rules = [
        (
            case.is_report(|report| report.reason > u32::MAX.into()),
            "bp7: reason codes have 32 bits",
        ),
        (
            case.is_report(|report| has_three_numbers(&report.source)),
            "bp7: no ipn with three numbers",
        ),
        (
            case.is_report(|report| is_none_as_text(&report.source)),
            "bp7: no dtn:none as text",
        ),
    ];
    rules
        .iter()
        .find(|(applies, _)| *applies)
        .map(|(_, rule)| *rule)
}

/// Reserved bundle flags that bp7 knows as such.
const RESERVED: u64 = 0x18_bf98;
/// All bundle flags that bp7 knows.
const ALL_OF_BP7: u64 = 0x1f_ffff;
/// Reserved block flags that bp7 knows as such.
const RESERVED_IN_BLOCKS: u64 = 0x68;
