// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Version 6 as tshark's dissector tells it.

use bundle::Eid;
use bundle::v6::{self, BlockType, Content, PreviousHop};

use super::run::{Row, number};
use crate::fields::{Fields, flags, put};
use crate::{Difference, Theirs};

pub(super) const FIELDS: &[&str] = &[
    "bundle.version",
    "bundle.primary.processing.control.flag",
    "bundle.primary.len",
    "bundle.primary.destination_scheme",
    "bundle.primary.destination",
    "bundle.primary.source_scheme",
    "bundle.primary.source",
    "bundle.primary.report_scheme",
    "bundle.primary.report",
    "bundle.primary.custodian_scheme",
    "bundle.primary.custodian",
    "bundle.primary.timestamp",
    "bundle.primary.timestamp_seq_num32",
    "bundle.primary.timestamp_seq_num64",
    "bundle.primary.lifetime_sdnv",
    "bundle.primary.dictionary_len",
    "bundle.primary.fragment_offset",
    "bundle.primary.total_adu_len",
    "bundle.block_type_code",
    "bundle.block.control.flags",
    "bundle.block.length",
    "bundle.payload.length",
    "bundle.block.previous_hop_scheme",
    "bundle.block.previous_hop_eid",
    "bundle.age_extension_block_code",
    "bundle.block.ecos.flags",
    "bundle.block.ecos.ordinal",
    "bundle.block.ecos.flow_label",
    "bundle.admin.record_type",
    "bundle.admin.status.flag",
    "bundle.status_report_reason_code",
    "bundle.admin.fragment_offset",
    "bundle.admin.fragment_length",
    "bundle.admin.status.timecopy",
    "bundle.admin.timestamp_seq_num32",
    "bundle.admin.timestamp_seq_num64",
    "bundle.admin.endpoint_id",
    "_ws.malformed",
    "_ws.expert.message",
];

/// Our fields of a bundle, arranged as tshark tells them: the payload apart from other blocks.
#[must_use]
pub fn fields_of_ours(bundle: &v6::Bundle<'_>) -> Fields {
    let primary = &bundle.primary;
    let mut fields = crate::ours::fields_v6(bundle);
    fields.retain(|name, _| !name.starts_with("block "));
    let (payload, extensions): (Vec<_>, Vec<_>) = bundle
        .blocks
        .iter()
        .partition(|block| block.kind == BlockType::PAYLOAD);
    let list = |values: Vec<String>| values.join(" ");
    // tshark shows the last octet of the flags of the payload, which has seven bits.
    let bits = bundle.blocks.iter().map(|block| match block.kind {
        BlockType::PAYLOAD => flags(block.flags.0 & 0x7f),
        _ => flags(block.flags.0),
    });
    put(&mut fields, "block flags", list(bits.collect()));
    let kinds = extensions.iter().map(|block| block.kind.0.to_string());
    put(&mut fields, "extension types", list(kinds.collect()));
    let lengths = extensions.iter().map(|block| block.data.len().to_string());
    put(&mut fields, "extension lengths", list(lengths.collect()));
    for block in payload {
        put(&mut fields, "payload length", block.data.len());
    }
    for block in extensions {
        put_content(&mut fields, primary, block);
    }
    let is_record = primary.flags.contains(v6::BundleFlags::ADMIN_RECORD);
    if is_record && primary.fragment.is_none() {
        put_record(&mut fields, bundle.payload());
    }
    put(&mut fields, "remarks", "");
    fields
}

fn put_content(fields: &mut Fields, primary: &v6::Primary<'_>, block: &v6::Block<'_>) {
    match block.content() {
        Ok(Content::PreviousHop(hop @ PreviousHop::Strings(..))) => {
            let eid = hop
                .eid(primary)
                .map_or_else(|fault| fault.to_string(), |eid| eid.to_string());
            put(fields, "previous hop", eid);
        }
        // tshark shows whole seconds.
        Ok(Content::Age(age)) if block.kind == BlockType::AGE => {
            put(fields, "age", age / 1_000_000);
        }
        Ok(Content::Ecos {
            flags: bits,
            ordinal,
            label,
        }) => {
            put(fields, "ecos flags", flags(bits.into()));
            put(fields, "ecos ordinal", ordinal);
            if let Some(label) = label {
                put(fields, "ecos label", label);
            }
        }
        _ => {}
    }
}

fn put_record(fields: &mut Fields, payload: &[u8]) {
    let report = match v6::AdminRecord::decode(payload) {
        Ok(v6::AdminRecord::StatusReport(report)) => report,
        Ok(v6::AdminRecord::CustodySignal(signal)) => {
            put(fields, "record", "other");
            return put_subject(fields, &signal.subject);
        }
        Ok(_) => return put(fields, "record", "other"),
        Err(_) => return put(fields, "record", "malformed"),
    };
    put(fields, "record", "status report");
    let asserted = report
        .times
        .iter()
        .enumerate()
        .filter(|(_, time)| time.is_some());
    let bits = asserted.fold(report.other_status, |bits, (index, _)| bits | 1 << index);
    put(fields, "report status", flags(bits.into()));
    put(fields, "report reason", report.reason);
    put_subject(fields, &report.subject);
}

fn put_subject(fields: &mut Fields, subject: &v6::Subject<'_>) {
    put(fields, "report time", subject.creation.seconds);
    put(fields, "report sequence", subject.creation.sequence);
    put(
        fields,
        "report source",
        String::from_utf8_lossy(&subject.source),
    );
    if let Some((offset, length)) = subject.fragment {
        put(fields, "report offset", offset);
        put(fields, "report length", length);
    }
}

/// What tshark says about a bundle.
#[must_use]
pub fn theirs(row: &Row) -> Theirs {
    if !row.first("_ws.malformed").is_empty() {
        return Theirs::Refused("malformed".to_owned());
    }
    if row.first("bundle.version").is_empty() {
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
    one("lifetime", "bundle.primary.lifetime_sdnv");
    one("dictionary length", "bundle.primary.dictionary_len");
    one("fragment offset", "bundle.primary.fragment_offset");
    one("data unit length", "bundle.primary.total_adu_len");
    one("payload length", "bundle.payload.length");
    one("sequence", "bundle.primary.timestamp_seq_num32");
    one("sequence", "bundle.primary.timestamp_seq_num64");
    one("age", "bundle.age_extension_block_code");
    one("ecos ordinal", "bundle.block.ecos.ordinal");
    one("ecos label", "bundle.block.ecos.flow_label");
    one("report reason", "bundle.status_report_reason_code");
    one("report offset", "bundle.admin.fragment_offset");
    one("report length", "bundle.admin.fragment_length");
    one("report sequence", "bundle.admin.timestamp_seq_num32");
    one("report sequence", "bundle.admin.timestamp_seq_num64");
    one("report source", "bundle.admin.endpoint_id");
    put_flags(&mut fields, row);
    for (name, part) in [
        ("destination", "destination"),
        ("source", "source"),
        ("report-to", "report"),
        ("custodian", "custodian"),
    ] {
        let scheme = row.first(&format!("bundle.primary.{part}_scheme"));
        let ssp = row.first(&format!("bundle.primary.{part}"));
        put(&mut fields, name, eid_text(scheme, ssp));
    }
    put_time(&mut fields, "time", row.first("bundle.primary.timestamp"));
    put_time(
        &mut fields,
        "report time",
        row.first("bundle.admin.status.timecopy"),
    );
    put(
        &mut fields,
        "extension types",
        row.all("bundle.block_type_code").join(" "),
    );
    put(
        &mut fields,
        "extension lengths",
        row.all("bundle.block.length").join(" "),
    );
    let hop = row.first("bundle.block.previous_hop_scheme");
    if !hop.is_empty() {
        let ssp = row.first("bundle.block.previous_hop_eid");
        put(&mut fields, "previous hop", eid_text(hop, ssp));
    }
    match number(row.first("bundle.admin.record_type")) {
        None => {}
        Some(1) => put(&mut fields, "record", "status report"),
        Some(_) => put(&mut fields, "record", "other"),
    }
    put(&mut fields, "remarks", row.remarks().join("; "));
    fields
}

fn put_flags(fields: &mut Fields, row: &Row) {
    let octets = number(row.first("bundle.primary.processing.control.flag"));
    put(
        fields,
        "flags",
        octets.map_or_else(String::new, |octets| flags(of_sdnv(octets))),
    );
    let bits = row.numbers("bundle.block.control.flags");
    let bits: Vec<_> = bits
        .into_iter()
        .map(|bits| flags(bits.unwrap_or_default()))
        .collect();
    put(fields, "block flags", bits.join(" "));
    for (name, field) in [
        ("ecos flags", "bundle.block.ecos.flags"),
        ("report status", "bundle.admin.status.flag"),
    ] {
        if let Some(bits) = number(row.first(field)) {
            put(fields, name, flags(bits));
        }
    }
}

/// The value of an SDNV whose octets tshark shows as one number.
fn of_sdnv(octets: u64) -> u64 {
    let groups = octets.to_be_bytes().into_iter();
    groups.fold(0, |value, octet| value << 7 | u64::from(octet & 0x7f))
}

fn eid_text(scheme: &str, ssp: &str) -> String {
    if scheme == "ipn" && ssp.starts_with("0.") {
        "dtn:none".to_owned()
    } else {
        format!("{scheme}:{ssp}")
    }
}

/// Adds a time that tshark shows as a date, in seconds since the start of the year 2000.
fn put_time(fields: &mut Fields, name: &str, date: &str) {
    if !date.is_empty() {
        let seconds = seconds(date).map_or_else(|| date.to_owned(), |seconds| seconds.to_string());
        put(fields, name, seconds);
    }
}

/// The first day of the year 2000, counted from the first of March of the year 0.
const YEAR_2000: i64 = 730_425;

/// The seconds since the start of the year 2000 of a date such as
/// `Nov 21, 2026 19:35:59.000000000 UTC`.
fn seconds(date: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = date.split_whitespace();
    let month = MONTHS.find(words.next()?)? / 3;
    let day: i64 = words.next()?.strip_suffix(',')?.parse().ok()?;
    let year: i64 = words.next()?.parse().ok()?;
    let clock = words.next()?.split('.').next()?;
    let clock: Option<Vec<i64>> = clock.split(':').map(|part| part.parse().ok()).collect();
    let [hour, minute, second] = clock?[..] else {
        return None;
    };
    // Years are counted from March, so that the leap day is the last day of a year.
    let month = i64::try_from(month).ok()? + 1;
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = 365 * year + leap_days + (153 * month + 2) / 5 + day - 1;
    Some((days - YEAR_2000) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// The rule that a difference follows, if there is one.
#[must_use]
pub fn explained(bundle: &v6::Bundle<'_>, difference: &Difference) -> Option<&'static str> {
    if is_wide(bundle) {
        return Some("tshark: integers of version 6 have 31 bits");
    }
    if is_about_blocks(difference) && bundle.blocks.iter().any(|block| block.kind.is_security()) {
        return Some("tshark: reads the data of security blocks");
    }
    let Difference::Field { name, theirs, .. } = difference else {
        let is_malformed = *difference == Difference::TheyRefuse("malformed".to_owned());
        return (is_malformed && is_for_amp(bundle))
            .then_some("tshark: reads every payload for service 5 as AMP");
    };
    if name == "time" && bundle.primary.creation.seconds >= DATES_END {
        return Some("tshark: dates of version 6 end in the year 2038");
    }
    if name == "report time" && record_time(bundle.payload()) >= DATES_END {
        return Some("tshark: dates of version 6 end in the year 2038");
    }
    if name != "remarks" {
        return None;
    }
    let remarks = theirs.as_deref().unwrap_or_default().split("; ");
    let rules: Option<Vec<_>> = remarks.map(|remark| remark_rule(bundle, remark)).collect();
    rules?.first().copied()
}

fn remark_rule(bundle: &v6::Bundle<'_>, remark: &str) -> Option<&'static str> {
    let has = |question: fn(&v6::Block<'_>) -> bool| bundle.blocks.iter().any(question);
    let is_ecos_once = |block: &v6::Block<'_>| {
        block.kind == BlockType::ECOS && !block.flags.contains(v6::BlockFlags::REPLICATE)
    };
    match remark {
        "ERROR: Replicate must be set for ECOS" if has(is_ecos_once) => {
            Some("tshark: remarks that a class of service is not in every fragment")
        }
        remark
            if remark.contains("CTEB") && has(|block| block.kind == BlockType::CUSTODY_OR_AGE) =>
        {
            Some("tshark: remarks about custody")
        }
        _ => None,
    }
}

/// The first number that the dissector cannot hold.
const LIMIT: u64 = 1 << 31;

/// Whether a difference is in what follows the primary block.
fn is_about_blocks(difference: &Difference) -> bool {
    match difference {
        Difference::TheyRefuse(reason) => reason == "malformed",
        Difference::Field { name, .. } => {
            let starts = [
                "block",
                "extension",
                "payload",
                "previous",
                "age",
                "ecos",
                "rec",
            ];
            let starts = starts.iter().chain(&["report ", "remarks"]);
            starts.into_iter().any(|start| name.starts_with(start))
        }
        _ => false,
    }
}

/// The first second, counted from the year 2000, that has no Unix time of 31 bits.
const DATES_END: u64 = LIMIT - 946_684_800;

/// Whether the payload is for service 5, to which the dissector gives a meaning.
fn is_for_amp(bundle: &v6::Bundle<'_>) -> bool {
    let destination = bundle.primary.eid(bundle.primary.destination);
    matches!(destination, Ok(Eid::Ipn { service: 5, .. }))
}

/// Whether a number in the bundle has more than 31 bits. The dissector then shows another number,
/// or gives up.
fn is_wide(bundle: &v6::Bundle<'_>) -> bool {
    let primary = &bundle.primary;
    let creation = primary.creation;
    let mut numbers = vec![creation.seconds, creation.sequence, primary.lifetime_s];
    for reference in [
        primary.destination,
        primary.source,
        primary.report_to,
        primary.custodian,
    ] {
        numbers.extend([reference.scheme, reference.ssp]);
    }
    numbers.extend(
        primary
            .fragment
            .iter()
            .flat_map(|part| [part.offset, part.adu_length]),
    );
    for block in &bundle.blocks {
        numbers.extend(
            block
                .references
                .iter()
                .flat_map(|eid| [eid.scheme, eid.ssp]),
        );
        match block.content() {
            Ok(Content::Age(age)) => numbers.push(age),
            Ok(Content::Ecos { label, .. }) => numbers.extend(label),
            Ok(Content::Custody { id, .. }) => numbers.push(id),
            _ => {}
        }
    }
    if primary.flags.contains(v6::BundleFlags::ADMIN_RECORD) {
        numbers.extend(record_numbers(bundle.payload()));
    }
    numbers.into_iter().any(|number| number >= LIMIT)
}

/// The creation time of the subject of a report, or 0.
fn record_time(payload: &[u8]) -> u64 {
    match v6::AdminRecord::decode(payload) {
        Ok(v6::AdminRecord::StatusReport(report)) => report.subject.creation.seconds,
        Ok(v6::AdminRecord::CustodySignal(signal)) => signal.subject.creation.seconds,
        _ => 0,
    }
}

fn record_numbers(payload: &[u8]) -> Vec<u64> {
    let Ok(v6::AdminRecord::StatusReport(report)) = v6::AdminRecord::decode(payload) else {
        return Vec::new();
    };
    let subject = &report.subject;
    let mut numbers = vec![subject.creation.seconds, subject.creation.sequence];
    numbers.extend(
        subject
            .fragment
            .iter()
            .flat_map(|(offset, length)| [*offset, *length]),
    );
    numbers.extend(report.times.iter().flatten().map(|time| time.seconds));
    numbers
}

#[cfg(test)]
mod tests {
    use super::{of_sdnv, seconds};

    #[test]
    fn octets_of_an_sdnv() {
        assert_eq!(of_sdnv(0x88_8110), 0x2_0090);
        assert_eq!(of_sdnv(0), 0);
    }

    #[test]
    fn dates() {
        assert_eq!(seconds("Jan  1, 2000 00:00:00.000000000 UTC"), Some(0));
        assert_eq!(
            seconds("Jun  1, 2025 12:00:00.000000000 UTC"),
            Some(802_094_400)
        );
        assert_eq!(
            seconds("Feb 29, 2024 00:00:01.000000000 UTC"),
            Some(762_480_001)
        );
        assert_eq!(seconds("soon"), None);
    }
}
