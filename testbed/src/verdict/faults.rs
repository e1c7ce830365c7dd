// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a bundle has a fault besides the one that the reference names.
//!
//! The reference says so itself, of parts of the bundle: the primary block, or one or two other
//! blocks, in a bundle that has no other fault.

use std::borrow::Cow;

use bundle::{
    Reason, Version,
    dissect::{Dissection, Field, Value, dissect},
    sdnv, v6,
    v7::{self, Tolerance},
    version,
};

use super::Rules;

/// A bundle of version 6 without a fault, up to the end of its primary block.
const PRIMARY_6: &[u8] = b"\x06\x10\x0c\x02\x01\x01\x01\x00\x00\x00\x00\x01\x00\x0a\x00";
/// An empty payload in version 6, the last block.
const PAYLOAD_6: &[u8] = b"\x01\x08\x00";
/// A bundle of version 7 without a fault, up to its destination.
const FLAGS_7: &[u8] = b"\x9f\x88\x07\x00\x00";
/// Its destination.
const DESTINATION_7: &[u8] = b"\x82\x02\x82\x02\x01";
/// What follows in its primary block.
const BEHIND_DESTINATION_7: &[u8] = b"\x82\x02\x82\x01\x01\x82\x01\x00\x82\x19\x03\xe8\x00\x0a";
/// An empty payload in version 7, and the end of the bundle.
const PAYLOAD_7: &[u8] = b"\x85\x01\x01\x00\x00\x40\xff";
/// Longer records have names that no program reads.
const RECORD_OCTETS: usize = 400;
/// Block type of the payload, in both versions.
const PAYLOAD: u64 = 1;
/// A number that no block of a part has.
const FREE_NUMBER: u64 = 1 << 40;

/// Whether the reference gives this reason to a part of the bundle that begins before `end`.
pub(super) fn has(octets: &[u8], rules: &Rules, reason: Reason, end: usize) -> bool {
    let dissection = dissect(octets, Tolerance::LENIENT);
    if reason == Reason::BlockDuplicate && has_twins(&dissection, end) {
        return true;
    }
    let is_seen = match reason {
        Reason::BlockMalformed => has_odd_previous_node(octets, &dissection, end),
        Reason::PayloadNotLast => has_payload_before_block(&dissection),
        Reason::EidScheme => has_record_without_scheme(octets, &dissection, end),
        _ => false,
    };
    if is_seen {
        return true;
    }
    let parts = match version(octets) {
        Some(Version::V6) => parts_6(octets, &dissection, end),
        Some(Version::V7) => parts_7(octets, &dissection, end),
        None => Vec::new(),
    };
    // What the receiver does not read hides other faults of the primary block.
    let mut reads_all = rules.clone();
    reads_all.policy.peer_v6.cbhe = true;
    reads_all.policy.peer_v6.dictionary = true;
    let names = |octets: &[u8], rules: &Rules| {
        let outcome = rules.reference(octets);
        outcome.is_err_and(|refusal| refusal.reason == reason)
    };
    let mut parts = parts.iter();
    parts.any(|octets| names(octets, rules) || names(octets, &reads_all))
}

/// The octets of the primary block, as far as it goes, and of the array around it.
fn head<'a>(octets: &'a [u8], dissection: &Dissection<'_>) -> &'a [u8] {
    let mut groups = dissection.fields.iter();
    let primary = groups.find(|field| field.name == "primary block");
    let end = primary.map(|group| group.range.end);
    end.and_then(|end| octets.get(..end)).unwrap_or_default()
}

/// The fields of each block after the primary block that begins before a place.
fn blocks<'d, 'a>(dissection: &'d Dissection<'a>, end: usize) -> Vec<&'d [Field<'a>]> {
    let is_block = |field: &Field<'_>| matches!(field.value, Value::Block { .. });
    let mut blocks = Vec::new();
    for (at, group) in dissection.fields.iter().enumerate() {
        if !is_block(group) || group.range.start >= end {
            continue;
        }
        let members = &dissection.fields[at + 1..];
        let len = members.iter().position(|field| field.depth <= group.depth);
        blocks.push(&members[..len.unwrap_or(members.len())]);
    }
    blocks
}

/// Whether two blocks of one kind begin before a place. Parts may have other faults first.
fn has_twins(dissection: &Dissection<'_>, end: usize) -> bool {
    let fields = dissection.fields.iter();
    let mut kinds: Vec<u64> = fields
        .filter(|field| field.range.start < end)
        .filter_map(|field| match field.value {
            Value::Block { kind, .. } => Some(kind.number),
            _ => None,
        })
        .collect();
    kinds.sort_unstable();
    kinds.windows(2).any(|pair| pair[0] == pair[1])
}

/// Whether anything of a block stands behind a payload block.
fn has_payload_before_block(dissection: &Dissection<'_>) -> bool {
    let mut blocks = dissection.fields.iter();
    blocks.any(|field| match field.value {
        Value::Block { kind, .. } => kind.number == PAYLOAD,
        _ => false,
    }) && blocks.any(|field| field.name == "block")
}

/// The number that the first field of this name says.
fn number(fields: &[Field<'_>], name: &str) -> Option<u64> {
    let field = fields.iter().find(|field| field.name == name)?;
    match &field.value {
        Value::Number(number) | Value::Length(number) => Some(*number),
        Value::Code(code) => Some(code.number),
        Value::Flags { bits, .. } => Some(*bits),
        _ => None,
    }
}

/// The octets from the start of the data of a block to the end of the bundle. `head` is the field that
/// says how many of them are the data.
fn from_data<'a>(octets: &'a [u8], fields: &[Field<'_>], head: &str) -> Option<&'a [u8]> {
    let start = fields.iter().find(|field| field.name == head)?.range.end;
    octets.get(start..)
}

/// The octets of the data of a block, as far as they are there.
fn data<'a>(octets: &'a [u8], fields: &[Field<'_>], head: &str) -> Option<&'a [u8]> {
    let rest = from_data(octets, fields, head)?;
    let len = usize::try_from(number(fields, head)?).unwrap_or(usize::MAX);
    Some(&rest[..len.min(rest.len())])
}

/// The first two strings of a previous hop, without what follows them.
fn two_strings(data: &[u8]) -> &[u8] {
    let mut ends = (0..data.len()).filter(|at| data[*at] == 0);
    ends.nth(1).map_or(data, |end| &data[..end])
}

/// What a payload begins with. A record may be whole where its payload is not.
fn beginnings(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..=payload.len().min(RECORD_OCTETS))
        .rev()
        .map(|len| &payload[..len])
}

/// A status report in which everything but its source, or but its times, has no fault.
fn reports_6(payload: &[u8]) -> Vec<Vec<u8>> {
    let decoded = beginnings(payload).find_map(|octets| match v6::AdminRecord::decode(octets) {
        Ok(v6::AdminRecord::StatusReport(report)) => Some(report),
        _ => None,
    });
    let Some(report) = decoded else {
        return Vec::new();
    };
    let mut of_source = report.clone();
    of_source.times = [Some(v6::ReportTime::default()), None, None, None, None];
    of_source.subject.creation = v6::CreationTimestamp::default();
    let mut of_identity = of_source.clone();
    of_identity.subject.creation = report.subject.creation;
    let mut of_times = report;
    of_times.subject.creation = v6::CreationTimestamp::default();
    of_times.subject.source = Cow::Borrowed(b"ipn:1.1");
    of_identity.subject.source = Cow::Borrowed(b"ipn:1.1");
    let written = |report: &v6::StatusReport<'_>| {
        let mut out = Vec::new();
        report.encode(&mut out);
        out
    };
    [&of_source, &of_identity, &of_times].map(written).into()
}

/// Whether a program sees none of the two schemes where a status report names its source.
fn has_record_without_scheme(octets: &[u8], dissection: &Dissection<'_>, end: usize) -> bool {
    let blocks = blocks(dissection, end).into_iter();
    let mut sources =
        blocks.filter_map(|fields| record_source_6(from_data(octets, fields, "data length")?));
    sources.any(|(_, text)| {
        ![b"ipn:", b"dtn:"]
            .iter()
            .any(|scheme| text.starts_with(*scheme))
    })
}

/// A status report about the source that stands where a status report has it. A program reads it
/// there, whatever is wrong with what stands before it, and with the length of the payload.
fn report_of_source_6(record: &[u8]) -> Option<Vec<u8>> {
    let (_, source) = record_source_6(record)?;
    let report = v6::StatusReport {
        times: [Some(v6::ReportTime::default()), None, None, None, None],
        other_status: 0,
        reason: 0,
        subject: v6::Subject {
            fragment: None,
            creation: v6::CreationTimestamp::default(),
            source: Cow::Borrowed(source),
        },
    };
    let mut out = Vec::new();
    report.encode(&mut out);
    Some(out)
}

/// What stands from the start of the payload of version 6 to the end of the bundle, if the bundle says that
/// it is an administrative record.
pub(super) fn record_6<'a>(octets: &'a [u8], dissection: &Dissection<'_>) -> Option<&'a [u8]> {
    let fields = &dissection.fields;
    let flags = number(fields, "bundle flags")?;
    let payload = blocks(dissection, octets.len()).into_iter();
    let mut payload = payload.filter(|fields| number(fields, "block type") == Some(PAYLOAD));
    let record = from_data(octets, payload.next()?, "data length")?;
    (version(octets) == Some(Version::V6)
        && v6::BundleFlags(flags).contains(v6::BundleFlags::ADMIN_RECORD))
    .then_some(record)
}

/// The source in a status report: the length that it states, and its text, as far as it is there.
pub(super) fn record_source_6(record: &[u8]) -> Option<(u64, &[u8])> {
    let [head, status, _reason, rest @ ..] = record else {
        return None;
    };
    let mut rest = rest;
    let times = (status & 0x1f).count_ones();
    let is_fragment = u32::from(head & 1);
    for _ in 0..2 * (times + is_fragment + 1) {
        rest = sdnv::decode(rest).ok()?.1;
    }
    let (len, text) = sdnv::decode(rest).ok()?;
    let there = usize::try_from(len).unwrap_or(usize::MAX).min(text.len());
    Some((len, &text[..there]))
}

/// The same of version 7.
fn reports_7(payload: &[u8]) -> Vec<Vec<u8>> {
    let decode = |octets| v7::AdminRecord::decode(octets, Tolerance::LENIENT);
    let decoded = beginnings(payload).find_map(|octets| match decode(octets) {
        Ok(v7::AdminRecord::StatusReport(report)) => Some(report),
        _ => None,
    });
    let Some(report) = decoded else {
        return Vec::new();
    };
    let mut of_source = report.clone();
    of_source.assertions = vec![v7::Assertion::At(0); 4];
    of_source.creation = v7::CreationTimestamp::default();
    let mut of_identity = of_source.clone();
    of_identity.creation = report.creation;
    of_identity.source = v7::Eid::DtnNone;
    let mut of_times = report;
    of_times.creation = v7::CreationTimestamp::default();
    of_times.source = v7::Eid::DtnNone;
    let written = |report: &v7::StatusReport<'_>| {
        let mut out = Vec::new();
        report.encode(&mut out);
        out
    };
    [&of_source, &of_identity, &of_times].map(written).into()
}

fn block_6<'a>(octets: &'a [u8], fields: &[Field<'_>]) -> Option<v6::Block<'a>> {
    let offsets = fields.iter().filter(|field| {
        [
            "node number",
            "service number",
            "scheme offset",
            "SSP offset",
        ]
        .contains(&field.name)
            && field.depth == fields[0].depth + 1
    });
    let offsets: Vec<u64> = offsets
        .filter_map(|field| match field.value {
            Value::Number(number) => Some(number),
            _ => None,
        })
        .collect();
    let reference = |pair: &[u64]| v6::EidRef {
        scheme: pair[0],
        ssp: pair[1],
    };
    Some(v6::Block {
        kind: v6::BlockType(u8::try_from(number(fields, "block type")?).ok()?),
        flags: v6::BlockFlags(number(fields, "block flags")?),
        references: offsets.chunks_exact(2).map(reference).collect(),
        data: Cow::Borrowed(data(octets, fields, "data length").unwrap_or_default()),
    })
}

fn block_7<'a>(octets: &'a [u8], fields: &[Field<'_>]) -> Option<v7::Block<'a>> {
    Some(v7::Block::new(
        v7::BlockType(number(fields, "block type")?),
        number(fields, "block number")?,
        v7::BlockFlags(number(fields, "block flags")?),
        Cow::Borrowed(data(octets, fields, "data head")?),
    ))
}

/// A block as it is, and with data that go on to the end of the bundle. A program reads numbers and records
/// to their end, and then looks where the data should have ended.
fn variants_6<'a>(octets: &'a [u8], fields: &[Field<'_>]) -> Option<[v6::Block<'a>; 2]> {
    let block = block_6(octets, fields)?;
    let read_on = v6::Block {
        data: Cow::Borrowed(from_data(octets, fields, "data length").unwrap_or_default()),
        ..block.clone()
    };
    Some([block, read_on])
}

/// Each with each.
fn pairs<'a, A, B>(some: &'a [A], others: &'a [B]) -> impl Iterator<Item = (&'a A, &'a B)> {
    let with = move |one| others.iter().map(move |other| (one, other));
    some.iter().flat_map(with)
}

fn parts_6(octets: &[u8], dissection: &Dissection<'_>, end: usize) -> Vec<Vec<u8>> {
    use v6::{BlockType, Bundle, BundleFlags};
    let with_payload = |primary: &[u8]| [primary, PAYLOAD_6].concat();
    let (own, clean) = (
        with_payload(head(octets, dissection)),
        with_payload(PRIMARY_6),
    );
    let clean = Bundle::decode(&clean).expect("it has no fault");
    let record = BundleFlags::ADMIN_RECORD;
    let asked = record.with(BundleFlags::CUSTODY);
    let mut parts = Vec::new();
    let mut primaries = vec![clean.primary.clone()];
    if let Ok(own) = Bundle::decode(&own) {
        for flags in [record, asked] {
            let mut bundle = own.clone();
            bundle.primary.flags = own.primary.flags.without(flags);
            parts.push(bundle.to_vec());
            primaries.push(bundle.primary);
        }
    }
    let empty = &clean.blocks[0];
    let fields = blocks(dissection, end);
    let of_records = fields.iter().filter_map(|fields| {
        let record = from_data(octets, fields, "data length")?;
        report_of_source_6(record)
    });
    for data in of_records {
        let mut bundle = clean.clone();
        bundle.primary.flags = bundle.primary.flags.with(record);
        bundle.blocks[0].data = Cow::Owned(data);
        parts.push(bundle.to_vec());
    }
    let blocks: Vec<_> = fields
        .into_iter()
        .filter_map(|fields| variants_6(octets, fields))
        .collect();
    for (at, variants) in blocks.iter().enumerate() {
        for (block, primary) in pairs(variants, &primaries) {
            let is_payload = block.kind == BlockType::PAYLOAD;
            let mut bundle = Bundle {
                primary: primary.clone(),
                blocks: vec![block.clone()],
            };
            if is_payload {
                bundle.primary.flags = primary.flags.with(record);
            } else {
                bundle.blocks.push(empty.clone());
            }
            parts.push(bundle.to_vec());
            let others = match block.kind {
                BlockType::PAYLOAD => reports_6(&block.data),
                BlockType::PREVIOUS_HOP => vec![two_strings(&block.data).to_vec()],
                _ => Vec::new(),
            };
            for data in others {
                bundle.blocks[0].data = Cow::Owned(data);
                parts.push(bundle.to_vec());
            }
        }
        for other in &blocks[..at] {
            let blocks = vec![other[0].clone(), variants[0].clone(), empty.clone()];
            let primary = clean.primary.clone();
            parts.push(Bundle { primary, blocks }.to_vec());
        }
    }
    parts
}

/// Each endpoint ID as the destination of a bundle.
fn endpoints_7(octets: &[u8], dissection: &Dissection<'_>) -> Vec<Vec<u8>> {
    let fields = dissection.fields.iter();
    let names = [
        "destination",
        "source",
        "report-to",
        "previous node",
        "subject source",
    ];
    let endpoints = fields.filter(|field| names.contains(&field.name));
    endpoints
        .filter_map(|field| octets.get(field.range.clone()))
        .map(|endpoint| [FLAGS_7, endpoint, BEHIND_DESTINATION_7, PAYLOAD_7].concat())
        .collect()
}

/// The same of version 7.
fn variants_7<'a>(octets: &'a [u8], fields: &[Field<'_>]) -> Option<[v7::Block<'a>; 2]> {
    let block = block_7(octets, fields)?;
    let read_on = v7::Block {
        data: Cow::Borrowed(from_data(octets, fields, "data head").unwrap_or_default()),
        ..block.clone()
    };
    Some([block, read_on])
}

/// Whether the data of a previous node does not begin with the head of an array of two, in its shortest
/// form. A program calls that malformed, whatever else it is.
fn has_odd_previous_node(octets: &[u8], dissection: &Dissection<'_>, end: usize) -> bool {
    let nodes = previous_nodes_7(octets, dissection, end);
    let mut heads = nodes.iter().map(|node| node.get(FLAGS_7.len()));
    heads.any(|head| head.is_some_and(|head| *head != 0x82))
}

/// Each previous node as the destination of a bundle that goes on with what follows it. A program reads
/// one to its end, and then looks where the data should have ended.
pub(super) fn previous_nodes_7(
    octets: &[u8],
    dissection: &Dissection<'_>,
    end: usize,
) -> Vec<Vec<u8>> {
    let blocks = blocks(dissection, end).into_iter();
    let nodes = blocks.filter(|fields| {
        version(octets) == Some(Version::V7)
            && number(fields, "block type") == Some(v7::BlockType::PREVIOUS_NODE.0)
    });
    let nodes = nodes.filter_map(|fields| from_data(octets, fields, "data head"));
    nodes.map(|node| [FLAGS_7, node].concat()).collect()
}

fn parts_7(octets: &[u8], dissection: &Dissection<'_>, end: usize) -> Vec<Vec<u8>> {
    use v7::{Block, BlockType, Bundle, BundleFlags};
    const TOLERANCE: Tolerance = Tolerance {
        age_missing: true,
        ..Tolerance::LENIENT
    };
    let with_payload = |primary: &[u8]| [primary, PAYLOAD_7].concat();
    let mut own = with_payload(head(octets, dissection));
    own[0] = FLAGS_7[0];
    let clean = with_payload(&[FLAGS_7, DESTINATION_7, BEHIND_DESTINATION_7].concat());
    let clean = Bundle::decode(&clean, TOLERANCE).expect("it has no fault");
    let record = BundleFlags::ADMIN_RECORD;
    let age = Block::number_data(0);
    let age = Block::new(
        BlockType::AGE,
        FREE_NUMBER,
        v7::BlockFlags::default(),
        age.into(),
    );
    let mut parts = endpoints_7(octets, dissection);
    let mut primaries = vec![clean.primary.clone()];
    if let Ok(own) = Bundle::decode(&own, TOLERANCE) {
        let mut bundle = own;
        bundle.primary.flags = bundle.primary.flags.without(record);
        primaries.push(bundle.primary.clone());
        if bundle.primary.creation.time_ms == 0 {
            bundle.blocks.insert(0, age.clone());
        }
        parts.push(bundle.to_vec());
    }
    let empty = &clean.blocks[0];
    let fields = blocks(dissection, end);
    for around in previous_nodes_7(octets, dissection, end) {
        parts.extend(endpoints_7(&around, &dissect(&around, Tolerance::LENIENT)));
        parts.push(around);
    }
    let blocks: Vec<_> = fields
        .into_iter()
        .filter_map(|fields| variants_7(octets, fields))
        .collect();
    for (at, variants) in blocks.iter().enumerate() {
        for (block, primary) in pairs(variants, &primaries) {
            let mut primary = primary.clone();
            let mut blocks = vec![block.clone()];
            if block.kind == BlockType::PAYLOAD {
                primary.flags = primary.flags.with(record);
            } else {
                blocks.push(empty.clone());
            }
            if primary.creation.time_ms == 0 && block.kind != BlockType::AGE {
                blocks.insert(0, age.clone());
            }
            let mut bundle = Bundle { primary, blocks };
            parts.push(bundle.to_vec());
            if block.kind == BlockType::PAYLOAD {
                for data in reports_7(&block.data) {
                    if let Some(payload) = bundle.blocks.last_mut() {
                        payload.data = Cow::Owned(data);
                    }
                    parts.push(bundle.to_vec());
                }
            }
        }
        for other in &blocks[..at] {
            let blocks = vec![other[0].clone(), variants[0].clone(), empty.clone()];
            let primary = clean.primary.clone();
            parts.push(Bundle { primary, blocks }.to_vec());
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use bundle::{Policy, Reason, translate};

    use crate::verdict::Rules;

    use super::{
        BEHIND_DESTINATION_7, DESTINATION_7, FLAGS_7, PAYLOAD_6, PAYLOAD_7, PRIMARY_6, has,
    };

    #[test]
    fn what_is_put_around_parts_has_no_fault() {
        let seven = [FLAGS_7, DESTINATION_7, BEHIND_DESTINATION_7, PAYLOAD_7].concat();
        for octets in [[PRIMARY_6, PAYLOAD_6].concat(), seven] {
            let outcome = translate(&octets, &Policy::default());
            assert!(outcome.is_ok(), "{outcome:?}");
        }
    }

    /// A bundle with a class of service block that ends early, and without a payload.
    #[test]
    fn a_fault_in_a_part_is_found_and_no_other() {
        let block = b"\x13\x00\x01\x07";
        let octets = [PRIMARY_6, block].concat();
        let has = |reason, end| has(&octets, &Rules::default(), reason, end);
        let end = octets.len();
        assert!(has(Reason::BlockMalformed, end));
        assert!(!has(Reason::BlockMalformed, PRIMARY_6.len()));
        for reason in [Reason::Custody, Reason::TimeRange, Reason::Security] {
            assert!(!has(reason, end), "{reason:?}");
        }
    }
}
