// SPDX-License-Identifier: Apache-2.0 OR MIT
//! States that read a primary block, and write that of the other version.

use bundle::Reason;

use super::blocks::div_1000;
use super::graph::{Graph, Open, Routine};
use crate::layout::{FRAGMENT, V6_PRIMARY, V7_PRIMARY, Version};
use crate::v1model::START_BITS;

/// The endpoint IDs that cross, in the order of the wire.
const EIDS: [&str; 3] = ["destination", "source", "report_to"];

impl Graph {
    pub(super) fn primary(&mut self) {
        self.version_6();
        self.resolve_all();
        self.write_primary_7();
        self.version_7();
        self.write_primary_6();
        self.dictionary();
    }

    fn version_6(&mut self) {
        let open = Open::new("parse_v6")
            .comment(&["Version 6: RFC 5050 4.5.1, also in the form of RFC 6260."])
            .set("version", "6")
            .octet_6();
        let open = self.number(open, Version::V6, "primary.flags");
        let open = self
            .number(open, Version::V6, "primary.block_length")
            .set("primary.start", "meta.cursor.length");
        let open = self.read_all(open, V6_PRIMARY, Version::V6);
        self.select(
            open,
            "meta.again.look, meta.primary.dictionary_length",
            &[
                ("(_, 0)", "parse_v6_fragment"),
                ("(2, _)", "hop_v6_start"),
                ("default", "parse_v6_dictionary"),
            ],
        );
        let open = Open::new("parse_v6_dictionary")
            .verify(
                "meta.primary.dictionary_length <= MAX_STRING_LENGTH",
                Reason::EidForm,
            )
            .set("chars.length", "meta.primary.dictionary_length[15:0]");
        let open = self
            .call(open, Routine::Load, "load_string", "v6_dictionary")
            .set("dictionary.octets", "meta.chars.octets")
            .set("dictionary.end", "(bit<64>)meta.chars.end");
        self.branch_hop(open, "hop_v6_dictionary", "parse_v6_fragment");
        self.fragment(Open::new("parse_v6_fragment"), "v6", Version::V6);
        let within: Vec<_> = EIDS
            .iter()
            .chain(&["custodian"])
            .flat_map(|eid| [(eid, "scheme"), (eid, "ssp")])
            .map(|(eid, half)| format!("meta.reference.{eid}.{half} < meta.dictionary.end"))
            .collect();
        let open = Open::new("parse_v6_primary_end")
            .verify(
                "meta.primary.block_length == (bit<64>)(meta.cursor.length - meta.primary.start)",
                Reason::PrimaryLength,
            )
            .verify(
                &format!(
                    "meta.primary.dictionary_length == 0 || ({})",
                    within.join("\n            && ")
                ),
                Reason::Dictionary,
            )
            .verify("meta.primary.flags[3:3] == 0", Reason::Custody);
        self.goto(open, "resolve_destination");
    }

    /// What a fragment has more, and then the end of the primary block.
    fn fragment(&mut self, open: Open, prefix: &str, version: Version) {
        let end = format!("parse_{prefix}_primary_end");
        let fragment = format!("parse_{prefix}_fragment_fields");
        self.branch(open, "meta.primary.flags[0:0]", "1", &fragment, &end);
        let open = self.read_all(Open::new(fragment), FRAGMENT, version);
        self.goto(open, &end);
    }

    /// What the references of version 6 mean.
    fn resolve_all(&mut self) {
        let mut open = Open::new("resolve_destination");
        for eid in EIDS {
            open = open
                .set("resolve.scheme", format!("meta.reference.{eid}.scheme"))
                .set("resolve.ssp", format!("meta.reference.{eid}.ssp"));
            open = self
                .call(open, Routine::Resolve, "resolve", &format!("v6_{eid}"))
                .copy_eid(&format!("primary.{eid}"), "eid");
        }
        self.branch_hop(open, "hop_v6_primary", "write_v7");
    }

    /// Flags that both versions have, made consistent with source and payload.
    pub(super) fn shared_flags(open: Open) -> Open {
        open.set(
            "anonymous",
            "(meta.primary.source.node == 0 && meta.primary.source.length == 0 ? 1w1 : 0)",
        )
        .set("unreportable", "meta.anonymous | meta.primary.flags[1:1]")
    }

    fn flag_rules(open: Open) -> Open {
        open.set("to.flags", "meta.primary.flags & FLAGS_COMMON")
            .set(
                "to.flags",
                "(meta.unreportable == 1 ? meta.to.flags & ~FLAGS_REPORT : meta.to.flags)",
            )
            .set(
                "to.flags",
                "(meta.primary.flags[0:0] == 1 ? meta.to.flags & ~FLAG_NO_FRAGMENT : (meta.anonymous == 1 ? meta.to.flags | FLAG_NO_FRAGMENT : meta.to.flags))",
            )
            .set(
                "to.block_flags",
                "(meta.unreportable == 1 ? BLOCK_FLAGS_COMMON & ~BLOCK_FLAG_REPORT : BLOCK_FLAGS_COMMON)",
            )
    }

    /// The primary block of version 7 in three parts: what stands before the endpoint IDs, these,
    /// and the rest, which the other blocks follow.
    fn write_primary_7(&mut self) {
        let open = Open::new("write_v7").comment(&["The new primary block (RFC 9171 4.3.1)."]);
        let open = Self::shared_flags(open);
        self.goto(open, "write_v7_flags");
        let open = Self::flag_rules(Open::new("write_v7_flags"));
        self.goto(open, "write_v7_status_time");
        let open = Open::new("write_v7_status_time")
            .set(
                "to.flags",
                "((meta.to.flags & FLAGS_REPORT) != 0 ? meta.to.flags | FLAG7_STATUS_TIME : meta.to.flags)",
            )
            .set("to_7.seconds", "meta.primary.time")
            .set("to_7.sequence", "meta.primary.sequence");
        let open = self
            .call(open, Routine::Identity7, "identity_7", "write_v7_identity")
            .set("to.time", "meta.to_7.time")
            .set("to.sequence", "meta.to_7.sequence")
            .comment(&["The bundle ends when it would have ended."])
            .set(
                "to.wide",
                "(bit<80>)meta.primary.lifetime * 1000 |-| (bit<80>)meta.to_7.digits",
            );
        self.goto(open, "write_v7_lifetime");
        let open = Open::new("write_v7_lifetime")
            .set(
                "to.lifetime",
                "(meta.to.wide[79:64] != 0 ? 0xffffffffffffffff : meta.to.wide[63:0])",
            )
            .set("crc.type", "meta.again.crc_primary")
            .set("crc.start", "0")
            .set(
                "crc.value",
                "(meta.again.crc_primary == 1 ? 32w0xffff0000 : 0xffffffff)",
            )
            .append(
                "7w0b1000100 ++ (meta.again.crc_primary == 0 ? 1w0 : 1w1)",
                1,
            )
            .add("meta.written.octets[1:1] = meta.primary.flags[0:0];")
            .append("8w7", 1);
        let open = self
            .put(open, Version::V7, "meta.to.flags", "write_v7_flags")
            .append("6w0 ++ meta.again.crc_primary", 1);
        let mut open = self
            .call(open, Routine::Crc, "crc_out", "write_v7_start_crc")
            .keep("start", START_BITS);
        for eid in EIDS {
            open = self.put_eid_of(open, &format!("primary.{eid}"), &format!("write_v7_{eid}"));
        }
        let open = self
            .call(open, Routine::Crc, "crc_out", "write_v7_names_crc")
            .keep("names", 2048)
            .append("8w0x82", 1);
        let open = self.put(open, Version::V7, "meta.to.time", "write_v7_time");
        let open = self.put(open, Version::V7, "meta.to.sequence", "write_v7_sequence");
        let open = self.put(
            open,
            Version::V7,
            "meta.to.lifetime",
            "write_v7_lifetime_number",
        );
        let open = self.write_fragment(open, "write_v7", Version::V7);
        let open = self
            .call(open, Routine::Seal, "seal", "write_v7_crc")
            .set("put_block.number", "2");
        self.branch(
            open,
            "meta.again.add_previous",
            "1",
            "write_v7_node",
            "parse_v6_block",
        );
        self.write_node_7();
    }

    /// The node ID of this node as the first block of version 7.
    fn write_node_7(&mut self) {
        let open = Open::new("write_v7_node")
            .comment(&["This node, if the bundle has no previous node that it replaces."])
            .hold()
            .node_eid("eid");
        let open = self
            .call(open, Routine::PutEid, "put_eid", "write_v7_node")
            .set("put_block.type", "6")
            .set("put_block.flags", "0x10");
        let open = self.call(
            open,
            Routine::PutBlock,
            "put_block_7",
            "write_v7_node_block",
        );
        self.goto(open, "parse_v6_block");
    }

    fn write_fragment(&mut self, open: Open, prefix: &str, version: Version) -> Open {
        let (fields, end) = (
            format!("{prefix}_fragment_fields"),
            format!("{prefix}_fragment_end"),
        );
        self.branch(open, "meta.primary.flags[0:0]", "1", &fields, &end);
        let mut open = Open::new(fields);
        for field in ["fragment_offset", "adu_length"] {
            open = self.put(
                open,
                version,
                &format!("meta.primary.{field}"),
                &format!("{prefix}_{field}"),
            );
        }
        self.goto(open, &end);
        Open::new(end)
    }

    fn version_7(&mut self) {
        let open = Open::new("parse_v7_indefinite")
            .comment(&["Version 7: RFC 9171 4.1 and 4.3.1. The CRC begins behind the outer array."])
            .octet_6();
        self.goto(open, "parse_v7");
        let open = self
            .head(Open::new("parse_v7_definite"), 4, "v7_items")
            .set("outer.definite", "1")
            .set("outer.left", "meta.number.value - 1")
            .set("outer.items", "meta.number.value[4:0]")
            .verify("meta.number.value != 0", Reason::UnexpectedItem)
            .set("cursor.octets", "0");
        self.goto(open, "parse_v7");
        let open = Open::new("parse_v7")
            .set("version", "7")
            .set("crc.start", "meta.cursor.length");
        let open = self
            .head(open, 4, "v7_primary_items")
            .set("primary.items", "meta.number.value");
        let open = self
            .head(open, 0, "v7_version")
            .verify("meta.number.value == 7", Reason::Version);
        let open = self.number(open, Version::V7, "primary.flags");
        let open = self
            .head(open, 0, "v7_primary_crc_type")
            .verify("meta.number.value <= 2", Reason::CrcType)
            .set("block.crc", "meta.number.value[1:0]")
            .set(
                "crc.value",
                "(meta.block.crc == 1 ? 32w0xffff0000 : 0xffffffff)",
            )
            .add("// The head of the array has to fit what stands in the block.")
            .verify(
                "meta.primary.items == 62w0b10 ++ meta.primary.flags[0:0] ++ (meta.block.crc != 0 ? 1w1 : 0)",
                Reason::PrimaryLength,
            );
        let mut open = open;
        for &item in V7_PRIMARY {
            open = self.read(open, item, Version::V7);
            if let crate::layout::Item::Eid(field) = item {
                if field == "primary.destination" {
                    open = open.set("primary.group", "meta.eid.group");
                }
                let after = format!("v7_{}_crc", field.replace('.', "_"));
                open = self.call(open, Routine::Crc, "crc_cursor", &after);
            }
        }
        self.fragment(open, "v7", Version::V7);
        let open = self.call(
            Open::new("parse_v7_primary_end"),
            Routine::Check,
            "check_crc",
            "v7_primary_crc",
        );
        self.branch_hop(open, "hop_v7_primary", "write_v6");
    }

    /// The primary block of version 6 in three parts: flags to lifetime, which is finished when the
    /// priority is known, the dictionary, and the rest, which the other blocks follow.
    fn write_primary_6(&mut self) {
        let open =
            Open::new("write_v6").comment(&["The new primary block (RFC 5050 4.5.1, RFC 6260)."]);
        let open = Self::shared_flags(open)
            .set("to.priority", "1")
            .set("to_6.time", "meta.primary.time")
            .set("to_6.sequence", "meta.primary.sequence");
        let open = self.call(open, Routine::Identity6, "identity_6", "write_v6_identity");
        let open = Self::flag_rules(open)
            .comment(&["Lifetimes are rounded up: no bundle ends early."])
            .set("to.time", "meta.to_6.seconds")
            .set("to.sequence", "meta.to_6.sequence")
            .set(
                "to.wide",
                "(bit<80>)meta.primary.lifetime + (bit<80>)meta.to_6.digits + 999",
            );
        self.goto(open, "write_v6_lifetime");
        let open = Open::new("write_v6_lifetime").set("to.lifetime", div_1000("meta.to.wide", 80));
        self.goto(open, "write_v6_lifetime_cap");
        let open = Open::new("write_v6_lifetime_cap").set(
            "to.lifetime",
            "(meta.again.lifetime32 == 1 && meta.to.lifetime[63:32] != 0 ? 0xffffffff : meta.to.lifetime)",
        );
        self.select(
            open,
            "meta.primary.destination.length | meta.primary.source.length | meta.primary.report_to.length, meta.again.cbhe",
            &[
                ("(0, 1)", "write_v6_numbers"),
                ("default", "write_v6_dictionary"),
            ],
        );
        self.write_fields_6();
    }

    /// Endpoint IDs as numbers, and the fields behind them.
    fn write_fields_6(&mut self) {
        let mut open = Open::new("write_v6_numbers");
        for eid in EIDS {
            for half in ["node", "service"] {
                open = self.put(
                    open,
                    Version::V6,
                    &format!("meta.primary.{eid}.{half}"),
                    &format!("write_v6_{eid}_{half}"),
                );
            }
        }
        let open = open.comment(&["The custodian is null."]).append("16w0", 2);
        self.goto(open, "write_v6_creation");
        let mut open = Open::new("write_v6_creation");
        for field in ["time", "sequence", "lifetime"] {
            open = self.put(
                open,
                Version::V6,
                &format!("meta.to.{field}"),
                &format!("write_v6_{field}"),
            );
        }
        let open = self
            .put(
                open,
                Version::V6,
                "48w0 ++ meta.names.length",
                "write_v6_names_length",
            )
            .keep("fields", START_BITS);
        let open = self
            .write_fragment(open, "write_v6", Version::V6)
            .set("fragment_length", "meta.written.length");
        self.branch(
            open,
            "meta.again.add_previous",
            "1",
            "write_v6_node",
            "parse_v7_block",
        );
        self.write_node_6();
    }

    /// The node ID of this node as the first block of version 6.
    fn write_node_6(&mut self) {
        let open = Open::new("write_v6_node")
            .comment(&["This node, if the bundle has no previous node that it replaces."])
            .hold()
            .node_eid("eid");
        let open = self
            .put_text(open, "write_v6_node")
            .set("put_block.type", "5")
            .set("put_block.flags", "0x10");
        let open = self.call(
            open,
            Routine::PutBlock,
            "put_block_6",
            "write_v6_node_block",
        );
        self.goto(open, "parse_v7_block");
    }

    /// The dictionary holds each string once, in the order in which they are needed.
    fn dictionary(&mut self) {
        let mut open = Open::new("write_v6_dictionary")
            .comment(&[
                "The dictionary holds each string once, in the order in which they are needed.",
            ])
            .verify("meta.again.dictionary == 1", Reason::PeerForm);
        for (at, eid) in EIDS.iter().enumerate() {
            let state = |what: &str| format!("intern_{eid}_{what}");
            open = open.copy_eid("eid", &format!("primary.{eid}"));
            self.select(
                open,
                "meta.eid.node, meta.form.has_dtn, meta.form.has_ipn",
                &[
                    ("(0, 0, _)", &state("dtn")),
                    ("(0, 1, _)", &state("old_dtn")),
                    ("(_, _, 0)", &state("ipn")),
                    ("default", &state("old_ipn")),
                ],
            );
            for (scheme, text) in [("dtn", "0x64746e00"), ("ipn", "0x69706e00")] {
                let open = Open::new(state(scheme))
                    .set(&format!("form.has_{scheme}"), "1")
                    .set(&format!("form.{scheme}"), "meta.written.length")
                    .append(&format!("32w{text}"), 4);
                self.goto(open, &state(&format!("old_{scheme}")));
                let open = Open::new(state(&format!("old_{scheme}")))
                    .set(&format!("form.{eid}_scheme"), format!("meta.form.{scheme}"));
                self.goto(open, &state("find"));
            }
            let mut find = Open::new(state("find"));
            for earlier in &EIDS[..at] {
                let (same, next) = (
                    state(&format!("is_{earlier}")),
                    state(&format!("is_not_{earlier}")),
                );
                self.branch(
                    find.set(
                        "form.same",
                        format!(
                            "(meta.eid.length == meta.primary.{earlier}.length && meta.eid.text == meta.primary.{earlier}.text && meta.eid.node == meta.primary.{earlier}.node && meta.eid.service == meta.primary.{earlier}.service ? 1w1 : 0)"
                        ),
                    ),
                    "meta.form.same",
                    "1",
                    &same,
                    &next,
                );
                let open = Open::new(same).set(
                    &format!("form.{eid}_ssp"),
                    format!("meta.form.{earlier}_ssp"),
                );
                self.goto(open, &state("known"));
                find = Open::new(next);
            }
            let find = find.set(&format!("form.{eid}_ssp"), "meta.written.length");
            let end = self
                .call(find, Routine::PutSsp, "put_ssp", &format!("intern_{eid}"))
                .append("8w0", 1);
            self.goto(end, &state("known"));
            open = Open::new(state("known"));
        }
        self.custodian(open);
    }

    /// The custodian is `dtn:none`.
    fn custodian(&mut self, open: Open) {
        self.branch(
            open,
            "meta.form.has_dtn",
            "1",
            "intern_custodian",
            "intern_custodian_dtn",
        );
        let open = Open::new("intern_custodian_dtn")
            .set("form.dtn", "meta.written.length")
            .append("32w0x64746e00", 4);
        self.goto(open, "intern_custodian");
        let keys: Vec<_> = EIDS
            .iter()
            .map(|eid| {
                format!(
                    "(meta.primary.{eid}.node == 0 && meta.primary.{eid}.length == 0 ? 1w1 : 0)"
                )
            })
            .collect();
        let open = Open::new("intern_custodian").set("form.null", keys.join(" ++ "));
        self.select(
            open,
            "meta.form.null",
            &[
                ("4 &&& 4", "intern_custodian_destination"),
                ("2 &&& 2", "intern_custodian_source"),
                ("1 &&& 1", "intern_custodian_report_to"),
                ("default", "intern_custodian_none"),
            ],
        );
        for eid in EIDS {
            let open = Open::new(format!("intern_custodian_{eid}"))
                .set("form.custodian_ssp", format!("meta.form.{eid}_ssp"));
            self.goto(open, "write_v6_references");
        }
        let open = Open::new("intern_custodian_none")
            .set("form.custodian_ssp", "meta.written.length")
            .append("40w0x6e6f6e6500", 5);
        self.goto(open, "write_v6_references");
        let mut open = Open::new("write_v6_references").keep("names", 2048);
        for eid in EIDS {
            for half in ["scheme", "ssp"] {
                open = self.put(
                    open,
                    Version::V6,
                    &format!("48w0 ++ meta.form.{eid}_{half}"),
                    &format!("write_v6_{eid}_{half}"),
                );
            }
        }
        let open = self.put(
            open,
            Version::V6,
            "48w0 ++ meta.form.dtn",
            "write_v6_custodian_scheme",
        );
        let open = self.put(
            open,
            Version::V6,
            "48w0 ++ meta.form.custodian_ssp",
            "write_v6_custodian_ssp",
        );
        self.goto(open, "write_v6_creation");
    }
}
