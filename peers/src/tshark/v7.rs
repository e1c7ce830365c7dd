// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Version 7 as tshark's dissector tells it.

use bundle::Fault;
use bundle::v7::{self, CrcType};
use serde_cbor::Value;

use super::run::{Row, number};
use crate::facts::{has_three_numbers, is_of_other_scheme};
use crate::fields::{Fields, flags, hex, put, put_block};
use crate::{Case, Difference, Theirs, ours};

pub(super) const FIELDS: &[&str] = &[
    "bpv7.primary.version",
    "bpv7.primary.bundle_flags",
    "bpv7.primary.dst_uri",
    "bpv7.primary.src_uri",
    "bpv7.primary.report_uri",
    "bpv7.time.dtntime",
    "bpv7.create_ts.seqno",
    "bpv7.primary.lifetime",
    "bpv7.primary.frag_offset",
    "bpv7.primary.total_len",
    "bpv7.crc_type",
    "bpv7.crc_status",
    "bpv7.canonical.type_code",
    "bpv7.canonical.block_num",
    "bpv7.canonical.block_flags",
    "bpv7.canonical.data",
    "bpv7.previous_node.uri",
    "bpv7.bundle_age.time",
    "bpv7.hop_count.limit",
    "bpv7.hop_count.current",
    "bpv7.admin_rec.type_code",
    "bpv7.status_assert.val",
    "bpv7.status_rep.reason_code",
    "bpv7.status_rep.subj_src_uri",
    "bpv7.status_rep.subj_frag_offset",
    "bpv7.status_rep.subj_payload_len",
    "data.data",
    "_ws.malformed",
    "_ws.expert.message",
];

/// The status of a CRC that is right.
const GOOD: &str = "1";

/// Our fields of a bundle, with what tshark tells on top: the status of the CRCs and the data of
/// the blocks that it does not dissect.
#[must_use]
pub fn fields_of_ours(bundle: &v7::Bundle<'_>) -> Fields {
    let mut fields = ours::fields_v7(bundle);
    fields.retain(|name, _| !name.ends_with(" data"));
    let types = bundle.blocks.iter().map(|block| block.crc);
    let with_crc = types
        .chain([bundle.primary.crc])
        .filter(|crc| *crc != CrcType::None);
    put(&mut fields, "CRC status", good(with_crc.count()));
    let is_record = bundle.primary.flags.contains(v7::BundleFlags::ADMIN_RECORD);
    let is_part = bundle.primary.fragment.is_some();
    let is_encrypted = ours::has(bundle, v7::BlockType::CONFIDENTIALITY);
    let plain = bundle.blocks.iter().filter(|block| match block.kind.0 {
        1 => !is_record && !is_part && !is_encrypted,
        6 | 7 | 10 | 11 | 12 => false,
        _ => true,
    });
    let data: Vec<_> = plain
        .filter(|block| !block.data.is_empty())
        .map(|block| hex(&block.data))
        .collect();
    put(&mut fields, "data", data.join(" "));
    put(&mut fields, "remarks", "");
    join_statuses(&mut fields);
    fields
}

/// Puts the statuses of a report into one list, and their times into another. tshark's fields do
/// not tell which time belongs to which status.
fn join_statuses(fields: &mut Fields) {
    if fields.get("record").map(String::as_str) != Some("status report") {
        return;
    }
    let statuses = fields
        .iter()
        .filter(|(name, _)| name.starts_with("report status "));
    let statuses: Vec<_> = statuses.map(|(_, status)| status.clone()).collect();
    fields.retain(|name, _| !name.starts_with("report status "));
    let values = statuses
        .iter()
        .map(|status| if status == "no" { "0" } else { "1" });
    put(
        fields,
        "report statuses",
        values.collect::<Vec<_>>().join(" "),
    );
    let times = statuses
        .iter()
        .filter_map(|status| status.strip_prefix("at "));
    put(fields, "report times", times.collect::<Vec<_>>().join(" "));
}

fn good(count: usize) -> String {
    vec![GOOD; count].join(" ")
}

/// What tshark says about a bundle.
#[must_use]
pub fn theirs(row: &Row) -> Theirs {
    if !row.first("_ws.malformed").is_empty() {
        return Theirs::Refused("malformed".to_owned());
    }
    if row.first("bpv7.primary.version").is_empty() {
        return Theirs::Refused(format!("not dissected: {}", row.remarks().join("; ")));
    }
    Theirs::Accepted {
        fields: fields(row),
        octets: None,
    }
}

fn fields(row: &Row) -> Fields {
    let mut fields = Fields::new();
    let mut one = |name: &str, field: &str| {
        let value = row.first(field);
        if !value.is_empty() {
            put(&mut fields, name, value);
        }
    };
    one("time", "bpv7.time.dtntime");
    one("sequence", "bpv7.create_ts.seqno");
    one("lifetime", "bpv7.primary.lifetime");
    one("fragment offset", "bpv7.primary.frag_offset");
    one("data unit length", "bpv7.primary.total_len");
    one("crc", "bpv7.crc_type");
    put(
        &mut fields,
        "flags",
        flag_text(row.first("bpv7.primary.bundle_flags")),
    );
    put(
        &mut fields,
        "destination",
        eid_text(row.first("bpv7.primary.dst_uri")),
    );
    put(
        &mut fields,
        "source",
        eid_text(row.first("bpv7.primary.src_uri")),
    );
    put(
        &mut fields,
        "report-to",
        eid_text(row.first("bpv7.primary.report_uri")),
    );
    put_blocks(&mut fields, row);
    put(
        &mut fields,
        "CRC status",
        row.all("bpv7.crc_status").join(" "),
    );
    put(&mut fields, "data", row.all("data.data").join(" "));
    put(&mut fields, "remarks", row.remarks().join("; "));
    put_record(&mut fields, row);
    fields
}

fn put_blocks(fields: &mut Fields, row: &Row) {
    let crcs = row.all("bpv7.crc_type").iter().skip(1);
    let lists = [
        ("number", row.all("bpv7.canonical.block_num")),
        ("length", row.all("bpv7.canonical.data")),
    ];
    for (name, values) in lists {
        for (index, value) in values.iter().enumerate() {
            put_block(fields, index, name, value);
        }
    }
    for (index, crc) in crcs.enumerate() {
        put_block(fields, index, "crc", crc);
    }
    for (index, value) in row.all("bpv7.canonical.block_flags").iter().enumerate() {
        put_block(fields, index, "flags", flag_text(value));
    }
    for (index, kind) in row.all("bpv7.canonical.type_code").iter().enumerate() {
        put_block(fields, index, "type", kind);
        let content = match kind.as_str() {
            "6" => eid_text(row.first("bpv7.previous_node.uri")),
            "7" => row.first("bpv7.bundle_age.time").to_owned(),
            "10" => {
                let limit = row.first("bpv7.hop_count.limit");
                format!("{limit} {}", row.first("bpv7.hop_count.current"))
            }
            _ => continue,
        };
        put_block(fields, index, "content", content);
    }
}

fn put_record(fields: &mut Fields, row: &Row) {
    match row.first("bpv7.admin_rec.type_code") {
        "" => return,
        "1" => put(fields, "record", "status report"),
        _ => return put(fields, "record", "other"),
    }
    // The creation time of the bundle is first, that of the subject last.
    let times = row.all("bpv7.time.dtntime");
    let asserted = times.get(1..times.len().saturating_sub(1));
    put(
        fields,
        "report statuses",
        row.all("bpv7.status_assert.val").join(" "),
    );
    put(
        fields,
        "report times",
        asserted.unwrap_or_default().join(" "),
    );
    put(
        fields,
        "report reason",
        row.first("bpv7.status_rep.reason_code"),
    );
    put(
        fields,
        "report source",
        eid_text(row.first("bpv7.status_rep.subj_src_uri")),
    );
    put(
        fields,
        "report time",
        times.last().map_or("", String::as_str),
    );
    let sequence = row.all("bpv7.create_ts.seqno").last();
    put(
        fields,
        "report sequence",
        sequence.map_or("", String::as_str),
    );
    let fragment = [
        ("report offset", "bpv7.status_rep.subj_frag_offset"),
        ("report length", "bpv7.status_rep.subj_payload_len"),
    ];
    for (name, field) in fragment {
        if !row.first(field).is_empty() {
            put(fields, name, row.first(field));
        }
    }
}

fn flag_text(value: &str) -> String {
    number(value).map_or_else(|| value.to_owned(), flags)
}

/// The text of ours: tshark shows `ipn:0.N` as it is, which is the null endpoint.
fn eid_text(uri: &str) -> String {
    if uri.starts_with("ipn:0.") {
        "dtn:none".to_owned()
    } else {
        uri.to_owned()
    }
}

/// The rule that a difference follows, if there is one.
#[must_use]
pub fn explained(case: &Case<'_>, difference: &Difference) -> Option<&'static str> {
    match difference {
        Difference::TheyRefuse(reason) if reason == "malformed" => malformed(case),
        Difference::TheyRefuse(_) | Difference::Octets { .. } => None,
        Difference::WeRefuse(fault) => (*fault == Fault::EidMalformed && case.names_local_node())
            .then_some("tshark: the local node is a node"),
        Difference::Field { name, theirs, .. } => field(case, name, theirs.as_deref()),
    }
}

/// Why the dissector stops in the middle of the bundle.
fn malformed(case: &Case<'_>) -> Option<&'static str> {
    if has_odd_security(case) {
        return Some("tshark: reads the data of security blocks");
    }
    case.is_report(|report| report.assertions.len() > 4)
        .then_some("tshark: no statuses beyond the four of RFC 9171")
}

const NO_FRAGMENTS: &str = "tshark: no fragments in status reports";
const DUPLICATES: &str = "tshark: remarks that block number 0 is the primary block";
const OTHER_SCHEME: &str = "tshark: no scheme but dtn and ipn";
const BESIDE_CIPHERTEXT: &str =
    "tshark: reads the payload although a confidentiality block may say otherwise";

fn field(case: &Case<'_>, name: &str, theirs: Option<&str>) -> Option<&'static str> {
    let theirs_text = theirs.unwrap_or_default();
    if name == "remarks" {
        let remarks = theirs_text.split("; ");
        let rules: Option<Vec<_>> = remarks.map(|remark| remark_rule(case, remark)).collect();
        return rules?.first().copied();
    }
    let of_payload = name.starts_with("rec") || name.starts_with("report ") || name == "data";
    if of_payload && case.is(|bundle| ours::has(bundle, v7::BlockType::CONFIDENTIALITY)) {
        return Some(BESIDE_CIPHERTEXT);
    }
    if name == "report offset" || name == "report length" {
        return theirs.is_none().then_some(NO_FRAGMENTS);
    }
    if name == "data" {
        return (case.theirs_field("record") == Some("other"))
            .then_some("tshark: shows the content of an unknown record");
    }
    let is = |question: fn(&v7::Eid<'_>) -> bool| match name {
        "report source" => case.is_report(|report| question(&report.source)),
        "destination" => case.is(|bundle| question(&bundle.primary.destination)),
        "source" => case.is(|bundle| question(&bundle.primary.source)),
        "report-to" => case.is(|bundle| question(&bundle.primary.report_to)),
        name if name.ends_with(" content") => case.has_block(
            |block| matches!(block.content(), Ok(v7::Content::PreviousNode(eid)) if question(&eid)),
        ),
        _ => false,
    };
    match theirs {
        Some("") if is(has_three_numbers) => Some("tshark: no ipn with three numbers"),
        Some("") if is(is_of_other_scheme) => Some(OTHER_SCHEME),
        _ => None,
    }
}

fn remark_rule(case: &Case<'_>, remark: &str) -> Option<&'static str> {
    match remark {
        "Data not fully dissected" if case.is_report(|report| report.fragment.is_some()) => {
            Some(NO_FRAGMENTS)
        }
        "Duplicate block number" if case.has_block(|block| block.number == 0) => Some(DUPLICATES),
        "Unknown Node ID scheme code" if case.has_eid(is_of_other_scheme) => Some(OTHER_SCHEME),
        remark if case.has_block(|block| block.kind.is_security()) => {
            let of_security = remark.starts_with("BPSec ") || remark.starts_with("Block is targed");
            of_security.then_some("tshark: remarks about security blocks")
        }
        _ => None,
    }
}

/// Whether the data of a security block is not what RFC 9172 says. Here it is random.
fn has_odd_security(case: &Case<'_>) -> bool {
    case.has_block(|block| block.kind.is_security() && !is_abstract_security_block(&block.data))
}

/// Whether octets are an abstract security block: targets, context, flags, source, and more.
///
/// See [RFC 9172 §3.6](https://www.rfc-editor.org/rfc/rfc9172#section-3.6).
fn is_abstract_security_block(data: &[u8]) -> bool {
    let items = serde_cbor::Deserializer::from_slice(data).into_iter::<Value>();
    let items: Result<Vec<_>, _> = items.collect();
    let Ok(items) = items else { return false };
    let [
        Value::Array(targets),
        Value::Integer(_),
        Value::Integer(_),
        Value::Array(_),
        more @ ..,
    ] = items.as_slice()
    else {
        return false;
    };
    let is_number = |item: &Value| matches!(item, Value::Integer(_));
    let is_list = |item: &Value| matches!(item, Value::Array(_));
    targets.iter().all(is_number) && matches!(more.len(), 1 | 2) && more.iter().all(is_list)
}
