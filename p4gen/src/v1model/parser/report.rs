// SPDX-License-Identifier: Apache-2.0 OR MIT
//! States that read a status report, and write it in the other version.

use bundle::Reason;

use super::blocks::div_1000;
use super::graph::{Graph, Open, Routine};
use crate::layout::Version;
use crate::v1model::OUT_BITS;

/// Places of reception, forwarding, delivery and deletion among the times of version 6. Place 1
/// is the acceptance of custody.
const PLACES: [usize; 4] = [0, 2, 3, 4];
/// Times of version 6.
const TIMES: usize = 5;

impl Graph {
    pub(super) fn reports(&mut self) {
        self.read_report_6();
        self.write_report_7();
        self.read_report_7();
        self.write_report_6();
    }

    /// RFC 5050 6.1.1, the status report.
    fn read_report_6(&mut self) {
        let open = Open::new("parse_v6_report")
            .comment(&["Status report of version 6 (RFC 5050 6.1.1)."])
            .verify("meta.primary.flags[0:0] == 0", Reason::AdminRecord)
            .verify("meta.payload.length != 0", Reason::BlockMalformed)
            .set("payload.start", "meta.cursor.length")
            .set("block.inside", "1")
            .octet_6()
            .verify("meta.octet[7:4] == 1", Reason::AdminRecord)
            .set("record.for_fragment", "meta.octet[0:0]")
            .octet_6()
            .set("record.status", "meta.octet")
            .octet_6()
            .set("record.code", "(bit<64>)meta.octet");
        self.branch(
            open,
            "meta.record.for_fragment",
            "1",
            "parse_v6_report_fragment",
            "parse_v6_report_time_0",
        );
        let mut open = Open::new("parse_v6_report_fragment");
        for field in ["record.fragment_offset", "record.fragment_length"] {
            open = self.number(open, Version::V6, field);
        }
        self.goto(open, "parse_v6_report_time_0");
        for at in 0..TIMES {
            let next = match at + 1 {
                TIMES => "parse_v6_report_subject".to_owned(),
                next => format!("parse_v6_report_time_{next}"),
            };
            let take = format!("take_v6_report_time_{at}");
            self.branch(
                Open::new(format!("parse_v6_report_time_{at}")),
                &format!("meta.record.status[{at}:{at}]"),
                "1",
                &take,
                &next,
            );
            let open = self.number(
                Open::new(take),
                Version::V6,
                &format!("record.seconds_{at}"),
            );
            let open = self
                .number(open, Version::V6, &format!("record.nanoseconds_{at}"))
                .verify("meta.number.value <= 999999999", Reason::BlockMalformed);
            self.goto(open, &next);
        }
        self.read_subject_6();
    }

    /// The bundle that the report is about: its identity, and its source as text.
    fn read_subject_6(&mut self) {
        let mut open = Open::new("parse_v6_report_subject");
        for field in ["record.time", "record.sequence", "record.length"] {
            open = self.number(open, Version::V6, field);
        }
        let open = open
            .verify("meta.record.length <= MAX_STRING_LENGTH", Reason::EidForm)
            .set("chars.length", "meta.record.length[15:0]");
        let open = self
            .call(open, Routine::Load, "load_string", "v6_report_source")
            .set("half", "meta.chars.octets[2047:2016]")
            .add("meta.chars.octets = meta.chars.octets << 32;");
        self.scheme_of_text(open, b':', "refuse_eid_scheme", "parse_v6_report_name");
        let open = self
            .call(
                Open::new("parse_v6_report_name"),
                Routine::Name,
                "read_name",
                "v6_report_name",
            )
            .add("// What was read as a name ends with a zero that is not there.")
            .verify(
                "meta.record.length == 48w0 ++ meta.name.length + 3",
                Reason::EidMalformed,
            )
            .verify("meta.eid.node != 0xffffffff", Reason::EidMalformed)
            .verify("meta.eid.service[63:32] == 0", Reason::ValueRange)
            .copy_eid("record.source", "eid")
            .verify(
                "meta.payload.length == (bit<64>)(meta.cursor.length - meta.payload.start)",
                Reason::BlockMalformed,
            )
            .set("block.inside", "0")
            .verify("meta.record.status & 0x1d != 0", Reason::ReportEmpty);
        self.goto(open, "write_v7_record");
    }

    /// RFC 9171 6.1.1.
    fn write_report_7(&mut self) {
        let open = Open::new("write_v7_record")
            .hold()
            .append("16w0x8201 ++ 6w0x21 ++ meta.record.for_fragment ++ 1w0", 3)
            .append("8w0x84", 1);
        self.goto(open, "write_v7_place_0");
        for (at, place) in PLACES.into_iter().enumerate() {
            let next = match PLACES.get(at + 1) {
                Some(next) => format!("write_v7_place_{next}"),
                None => "write_v7_reason".to_owned(),
            };
            let (yes, no) = (
                format!("write_v7_place_{place}_yes"),
                format!("write_v7_place_{place}_no"),
            );
            self.branch(
                Open::new(format!("write_v7_place_{place}")),
                &format!("meta.record.status[{place}:{place}]"),
                "1",
                &yes,
                &no,
            );
            let open = Open::new(no).append("16w0x81f4", 2);
            self.goto(open, &next);
            let open = Open::new(yes)
                .add("// The millionth part is exact for all numbers of nanoseconds.")
                .set(
                    "to.wide",
                    format!(
                        "(bit<80>)meta.record.seconds_{place} * 1000 + (bit<80>)(((bit<64>)meta.record.nanoseconds_{place}[29:6] * {}) >> 40)",
                        (1_u64 << 40).div_ceil(15_625)
                    ),
                )
                .verify("meta.to.wide[79:64] == 0", Reason::TimeRange)
                .append("16w0x82f5", 2);
            let open = self.put(
                open,
                Version::V7,
                "meta.to.wide[63:0]",
                &format!("write_v7_report_time_{place}"),
            );
            self.goto(open, &next);
        }
        self.write_subject_7();
    }

    /// The reason, and the bundle that the report is about.
    fn write_subject_7(&mut self) {
        let open = Open::new("write_v7_reason")
            .append("(meta.record.code <= 8 ? meta.record.code[7:0] : 0)", 1);
        let open = self
            .put_eid_of(open, "record.source", "write_v7_report_source")
            .append("8w0x82", 1)
            .set("to_7.seconds", "meta.record.time")
            .set("to_7.sequence", "meta.record.sequence");
        let open = self.call(
            open,
            Routine::Identity7,
            "identity_7",
            "write_v7_report_identity",
        );
        let open = self.put(open, Version::V7, "meta.to_7.time", "write_v7_subject_time");
        let open = self.put(
            open,
            Version::V7,
            "meta.to_7.sequence",
            "write_v7_subject_sequence",
        );
        let open = self.report_fragment(open, Version::V7);
        self.release_report(open, "write_v7_record_head");
        let open = self.call(
            Open::new("write_v7_record_head"),
            Routine::PayloadHead,
            "write_v7_payload_head",
            "write_v7_record",
        );
        self.branch(
            open,
            "meta.again.crc_blocks",
            "0",
            "parse_v6_block_end",
            "write_v7_record_crc",
        );
        let open = Open::new("write_v7_record_crc")
            .set("crc.octets", "meta.report.octets")
            .set("crc.left", "meta.report.length");
        let open = self
            .call(open, Routine::Crc, "crc_align", "write_v7_record_crc")
            .set("payload.crc", "meta.crc.value");
        self.goto(open, "parse_v6_block_end");
    }

    fn report_fragment(&mut self, open: Open, version: Version) -> Open {
        let prefix = super::fields::prefix(version);
        let (yes, end) = (
            format!("write_{prefix}_subject_fragment"),
            format!("write_{prefix}_subject_end"),
        );
        self.branch(open, "meta.record.for_fragment", "1", &yes, &end);
        let mut open = Open::new(yes);
        for field in ["fragment_offset", "fragment_length"] {
            open = self.put(
                open,
                version,
                &format!("meta.record.{field}"),
                &format!("write_{prefix}_subject_{field}"),
            );
        }
        self.goto(open, &end);
        Open::new(end)
    }

    /// Keeps the record, and goes on behind what was held.
    fn release_report(&mut self, open: Open, next: &str) {
        let open = open
            .keep("report", OUT_BITS)
            .set("payload.written", "48w0 ++ meta.report.length")
            .set("written.octets", "meta.held.octets")
            .set("written.length", "meta.held.length");
        self.goto(open, next);
    }

    /// RFC 9171 6.1.1, the bundle status report.
    fn read_report_7(&mut self) {
        let open = Open::new("parse_v7_report")
            .comment(&["Status report of version 7 (RFC 9171 6.1.1)."])
            .verify("meta.primary.flags[0:0] == 0", Reason::AdminRecord)
            .set("payload.start", "meta.cursor.length")
            .set("block.inside", "1")
            .octet_7()
            .verify("meta.octet == 0x82", Reason::UnexpectedItem);
        let open = self
            .head(open, 0, "v7_record_type")
            .verify("meta.number.value == 1", Reason::AdminRecord)
            .octet_7()
            .verify(
                "meta.octet == 0x84 || meta.octet == 0x86",
                Reason::BlockMalformed,
            )
            .set("record.for_fragment", "meta.octet[1:1]");
        let open = self
            .head(open, 4, "v7_assertions")
            .verify("meta.number.value >= 4", Reason::BlockMalformed)
            .set("record.left", "meta.number.value - 4");
        self.goto(open, "parse_v7_place_0");
        for (at, place) in PLACES.into_iter().enumerate() {
            let next = match PLACES.get(at + 1) {
                Some(next) => format!("parse_v7_place_{next}"),
                None => "parse_v7_further".to_owned(),
            };
            self.read_assertion(place, &next);
        }
        self.read_further();
        let open = self.number(Open::new("parse_v7_reason"), Version::V7, "record.code");
        let open = self.call(open, Routine::Crc, "crc_cursor", "v7_report_head");
        let open = self.eid(open, "record.source");
        let open = self
            .call(open, Routine::Crc, "crc_cursor", "v7_report_source")
            .octet_7()
            .verify("meta.octet == 0x82", Reason::UnexpectedItem);
        let open = self.number(open, Version::V7, "record.time");
        let open = self.number(open, Version::V7, "record.sequence");
        self.branch(
            open,
            "meta.record.for_fragment",
            "1",
            "parse_v7_report_fragment",
            "parse_v7_report_end",
        );
        let mut open = Open::new("parse_v7_report_fragment");
        for field in ["record.fragment_offset", "record.fragment_length"] {
            open = self.number(open, Version::V7, field);
        }
        self.goto(open, "parse_v7_report_end");
        let open = Open::new("parse_v7_report_end")
            .verify(
                "meta.payload.length == (bit<64>)(meta.cursor.length - meta.payload.start)",
                Reason::BlockMalformed,
            )
            .set("block.inside", "0")
            .verify("meta.record.status != 0", Reason::ReportEmpty);
        let open = self.call(open, Routine::Check, "check_crc", "v7_report_crc");
        self.goto(open, "write_v6_record");
    }

    /// Assertions of later standards, which version 6 cannot say.
    fn read_further(&mut self) {
        let open = self.call(
            Open::new("parse_v7_further").comment(&["Later standards may assert more."]),
            Routine::Crc,
            "crc_cursor",
            "v7_assertion",
        );
        self.branch(
            open,
            "meta.record.left",
            "0",
            "parse_v7_reason",
            "take_v7_further",
        );
        let open = Open::new("take_v7_further")
            .set("record.left", "meta.record.left - 1")
            .octet_7()
            .set("word", "meta.octet ++ 8w0")
            .octet_7()
            .set("word", "meta.word[15:8] ++ meta.octet");
        self.select(
            open,
            "meta.word",
            &[
                ("0x81f4", "parse_v7_further"),
                ("0x8100", "parse_v7_further"),
                ("0x81f5", "parse_v7_further"),
                ("0x8101", "parse_v7_further"),
                ("0x82f5", "take_v7_further_time"),
                ("0x8201", "take_v7_further_time"),
                ("default", "refuse_block_data"),
            ],
        );
        let open = self.number(
            Open::new("take_v7_further_time"),
            Version::V7,
            "record.further",
        );
        self.goto(open, "parse_v7_further");
    }

    fn read_assertion(&mut self, place: usize, next: &str) {
        let state = |what: &str| format!("parse_v7_place_{place}{what}");
        let open = Open::new(state(""))
            .octet_7()
            .set("word", "meta.octet ++ 8w0")
            .octet_7()
            .set("word", "meta.word[15:8] ++ meta.octet");
        self.select(
            open,
            "meta.word",
            &[
                ("0x81f4", next),
                ("0x8100", next),
                ("0x81f5", &state("_untimed")),
                ("0x8101", &state("_untimed")),
                ("0x82f5", &state("_timed")),
                ("0x8201", &state("_timed")),
                ("default", "refuse_block_data"),
            ],
        );
        let open = Open::new(state("_untimed"))
            .comment(&["Version 6 has no report without a time; this one was sent soon after."])
            .set(&format!("record.seconds_{place}"), "meta.primary.time");
        self.goto(open, &state("_set"));
        let open = self.number(
            Open::new(state("_timed")),
            Version::V7,
            &format!("record.seconds_{place}"),
        );
        self.goto(open, &state("_set"));
        let open = Open::new(state("_set")).set(
            "record.status",
            format!("meta.record.status | {}", 1 << place),
        );
        self.goto(open, next);
    }

    /// RFC 5050 6.1.1.
    fn write_report_6(&mut self) {
        let open = Open::new("write_v6_record")
            .hold()
            .append("7w0x08 ++ meta.record.for_fragment", 1)
            .append("meta.record.status", 1)
            .add("// The nearest reason code of version 6.")
            .append(
                "(meta.record.code <= 8 ? meta.record.code[7:0] : (meta.record.code == 10 ? 8w4 : (meta.record.code >= 11 && meta.record.code <= 16 ? 8w8 : 0)))",
                1,
            );
        let (fields, times) = ("write_v6_subject_fragment_fields", "write_v6_place_0");
        self.branch(open, "meta.record.for_fragment", "1", fields, times);
        let mut open = Open::new(fields);
        for field in ["fragment_offset", "fragment_length"] {
            open = self.put(
                open,
                Version::V6,
                &format!("meta.record.{field}"),
                &format!("write_v6_subject_{field}"),
            );
        }
        self.goto(open, times);
        for (at, place) in PLACES.into_iter().enumerate() {
            let next = match PLACES.get(at + 1) {
                Some(next) => format!("write_v6_place_{next}"),
                None => "write_v6_subject".to_owned(),
            };
            let yes = format!("write_v6_place_{place}_yes");
            self.branch(
                Open::new(format!("write_v6_place_{place}")),
                &format!("meta.record.status[{place}:{place}]"),
                "1",
                &yes,
                &next,
            );
            let open = Open::new(yes).set(
                "to.time",
                div_1000(&format!("meta.record.seconds_{place}"), 64),
            );
            let open = self
                .put(
                    open,
                    Version::V6,
                    "meta.to.time",
                    &format!("write_v6_report_seconds_{place}"),
                )
                .set(
                    "to.time",
                    format!("(meta.record.seconds_{place} - meta.to.time * 1000) * 1000000"),
                );
            let open = self.put(
                open,
                Version::V6,
                "meta.to.time",
                &format!("write_v6_report_nanoseconds_{place}"),
            );
            self.goto(open, &next);
        }
        self.write_subject_6();
    }

    /// The bundle that the report is about: its identity, and its source as text.
    fn write_subject_6(&mut self) {
        let open = Open::new("write_v6_subject")
            .set("to_6.time", "meta.record.time")
            .set("to_6.sequence", "meta.record.sequence");
        let open = self.call(
            open,
            Routine::Identity6,
            "identity_6",
            "write_v6_report_identity",
        );
        let open = self.put(
            open,
            Version::V6,
            "meta.to_6.seconds",
            "write_v6_subject_seconds",
        );
        let open = self
            .put(
                open,
                Version::V6,
                "meta.to_6.sequence",
                "write_v6_subject_sequence",
            )
            .comment(&["The source as text, behind its length."])
            .set("aside.octets", "meta.written.octets")
            .set("aside.length", "meta.written.length")
            .set("written.octets", "0")
            .set("written.length", "0")
            .copy_eid("eid", "record.source")
            .append(
                "(meta.record.source.node == 0 ? 32w0x64746e3a : 32w0x69706e3a)",
                4,
            );
        let open = self
            .call(open, Routine::PutSsp, "put_ssp", "write_v6_report_source")
            .set("data.octets", "meta.written.octets[1023:0]")
            .set("data.length", "meta.written.length")
            .set("written.octets", "meta.aside.octets")
            .set("written.length", "meta.aside.length");
        let open = self
            .put(
                open,
                Version::V6,
                "48w0 ++ meta.data.length",
                "write_v6_report_source_length",
            )
            .append_register("meta.data.octets", "meta.data.length");
        self.release_report(open, "parse_v7_block_end");
    }
}
