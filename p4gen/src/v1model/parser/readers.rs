// SPDX-License-Identifier: Apache-2.0 OR MIT
//! States that read one item, for all fields: numbers, endpoint IDs, octets.

use bundle::Reason;

use super::graph::{Graph, Open, Routine};
use crate::v1model::OUT_BITS;

/// An SDNV of 64 bits has ten groups of seven.
const SDNV_OCTETS: usize = 10;

impl Graph {
    pub(super) fn readers(&mut self) {
        self.read_sdnv();
        self.read_head();
        self.read_eid();
        self.load();
        self.skip();
    }

    /// Self-delimiting numeric values (RFC 6256), leading groups of zeros included.
    fn read_sdnv(&mut self) {
        for octet in 1..=SDNV_OCTETS {
            let mut open = Open::new(format!("read_sdnv_{octet}")).octet_6();
            if octet == 1 {
                open = open
                    .comment(&["Self-delimiting numeric value (RFC 6256), one to ten octets."])
                    .add("meta.number.value = (bit<64>)meta.octet[6:0];");
            } else {
                open = open.add("meta.number.value = meta.number.value[56:0] ++ meta.octet[6:0];");
            }
            if octet == SDNV_OCTETS {
                let open = open.verify("meta.octet[7:7] == 0", Reason::IntegerTooLong);
                self.goto(open, "number_read");
                continue;
            }
            let next = match octet + 1 {
                SDNV_OCTETS => "read_sdnv_room".to_owned(),
                next => format!("read_sdnv_{next}"),
            };
            if octet == 1 {
                self.select(
                    open,
                    "meta.again.look, meta.octet[7:7]",
                    &[
                        ("(2, _)", "hop_number"),
                        ("(_, 1)", &next),
                        ("default", "number_read"),
                    ],
                );
            } else {
                self.branch(open, "meta.octet[7:7]", "1", &next, "number_read");
            }
        }
        let open = Open::new("read_sdnv_room")
            .comment(&["The tenth octet shifts these bits out."])
            .verify("meta.number.value[63:57] == 0", Reason::IntegerTooLong);
        self.goto(open, &format!("read_sdnv_{SDNV_OCTETS}"));
    }

    /// Heads of CBOR items in their shortest form (RFC 8949 3 and 4.2.1).
    fn read_head(&mut self) {
        let open = Open::new("read_head")
            .comment(&["Head of a CBOR item in its shortest form (RFC 8949 3 and 4.2.1)."])
            .octet_7()
            .verify(
                "meta.octet[7:5] == meta.number.major",
                Reason::UnexpectedItem,
            )
            .add("meta.number.value = (bit<64>)meta.octet[4:0];");
        self.select(
            open,
            "meta.octet[4:0]",
            &[
                ("24", "read_head_1"),
                ("25", "read_head_2"),
                ("26", "read_head_4"),
                ("27", "read_head_8"),
                ("28 &&& 28", "refuse_item"),
                ("default", "number_read"),
            ],
        );
        let open = Open::new("read_head_1")
            .octet_7()
            .add("meta.number.value = (bit<64>)meta.octet;")
            .verify("meta.octet >= 24", Reason::NotShortest);
        self.goto(open, "number_read");
        for (octets, place, upper) in [
            (2_usize, "meta.word", "15:8"),
            (4, "meta.half", "31:16"),
            (8, "meta.number.value", "63:32"),
        ] {
            let mut open = Open::new(format!("read_head_{octets}")).words(place, octets);
            if octets < 8 {
                open = open.add(format!("meta.number.value = (bit<64>){place};"));
            }
            self.goto(
                open.verify(&format!("{place}[{upper}] != 0"), Reason::NotShortest),
                "number_read",
            );
        }
    }

    /// Endpoint IDs of version 7.
    fn read_eid(&mut self) {
        let open = Open::new("read_eid")
            .comment(&["Endpoint ID of version 7 (RFC 9171 4.2.5.1, RFC 9758 5)."])
            .octet_7()
            .verify("meta.octet == 0x82", Reason::UnexpectedItem)
            .octet_7()
            .set("eid.allocator", "0")
            .set("eid.node", "0")
            .set("eid.service", "0")
            .set("eid.text", "0")
            .set("eid.length", "0")
            .set("eid.group", "0")
            .set("eid.slash", "0")
            .set("eid.slashes", "0");
        self.select(
            open,
            "meta.octet",
            &[
                ("1", "read_eid_dtn"),
                ("2", "read_eid_ipn"),
                ("default", "refuse_eid_form"),
            ],
        );
        self.read_eid_ipn();
        self.read_eid_dtn();
    }

    fn read_eid_ipn(&mut self) {
        let open = self.head(Open::new("read_eid_ipn"), 4, "eid_numbers");
        self.select(
            open,
            "meta.number.value",
            &[
                ("2", "read_eid_node"),
                ("3", "read_eid_allocator"),
                ("default", "refuse_local_node"),
            ],
        );
        let open = self
            .head(Open::new("read_eid_allocator"), 0, "eid_allocator")
            .add("meta.eid.allocator = meta.number.value;")
            .verify("meta.eid.allocator[63:32] == 0", Reason::EidMalformed);
        let open = self
            .head(open, 0, "eid_local")
            .verify("meta.number.value[63:32] == 0", Reason::EidMalformed)
            .add("meta.eid.node = meta.eid.allocator[31:0] ++ meta.number.value[31:0];");
        let open = self
            .head(open, 0, "eid_local_service")
            .verify("meta.number.value[63:32] == 0", Reason::EidMalformed)
            .add("meta.eid.service = meta.number.value;");
        self.goto(open, "read_eid_end");
        let open = self
            .head(Open::new("read_eid_node"), 0, "eid_node")
            .add("meta.eid.node = meta.number.value;");
        let open = self
            .head(open, 0, "eid_service")
            .add("meta.eid.service = meta.number.value;");
        self.goto(open, "read_eid_end");
        self.select(
            Open::new("read_eid_end"),
            "meta.eid.node",
            &[
                ("0", "eid_null"),
                ("0xffffffff", "refuse_local_node"),
                ("default", "eid_read"),
            ],
        );
        let open = Open::new("eid_null")
            .comment(&["RFC 9758 5.4: every service of node 0 is the null endpoint."])
            .set("eid.service", "0");
        self.goto(open, "eid_read");
    }

    fn read_eid_dtn(&mut self) {
        let open = Open::new("read_eid_dtn").add("meta.octet = pkt.lookahead<bit<8>>();");
        self.branch(
            open,
            "meta.octet[7:5]",
            "0",
            "read_eid_none",
            "read_eid_text",
        );
        let open = self
            .head(Open::new("read_eid_none"), 0, "eid_none")
            .verify("meta.number.value == 0", Reason::EidMalformed);
        self.goto(open, "eid_read");
        let open = self
            .head(Open::new("read_eid_text"), 3, "eid_text")
            .verify("meta.number.value <= MAX_EID", Reason::EidForm)
            .verify(
                "meta.cursor.length + meta.number.value[15:0] + 8 <= hdr.udp.length",
                Reason::Truncated,
            )
            .verify(
                "meta.block.inside == 0 || (bit<64>)(meta.cursor.length - meta.block.start) + meta.number.value <= meta.block.length",
                Reason::BlockMalformed,
            )
            .set("eid.length", "meta.number.value[15:0]")
            .set("load.left", "meta.number.value[15:0]");
        self.goto(open, "read_eid_next");
        self.branch(
            Open::new("read_eid_next"),
            "meta.load.left",
            "0",
            "read_eid_name",
            "read_eid_octet",
        );
        let open = Open::new("read_eid_octet")
            .octet_7()
            .verify(
                "meta.octet[7:7] == 0 && meta.octet != 0",
                Reason::EidMalformed,
            )
            .add(format!(
                "meta.eid.text = meta.eid.text[{}:0] ++ meta.octet;",
                8 * self.sizes.max_eid - 9
            ))
            .add("// A name whose third slash is followed by a tilde is that of a group.")
            .set(
                "eid.group",
                "meta.eid.group | (meta.eid.slash == 1 && meta.octet == 0x7e ? 1w1 : 0)",
            )
            .set(
                "eid.slash",
                "(meta.eid.slashes == 2 && meta.octet == 0x2f ? 1w1 : 0)",
            )
            .set(
                "eid.slashes",
                "(meta.octet == 0x2f && meta.eid.slashes != 3 ? meta.eid.slashes + 1 : meta.eid.slashes)",
            )
            .add("meta.load.left = meta.load.left - 1;");
        self.goto(open, "read_eid_next");
        self.read_eid_name();
    }

    fn read_eid_name(&mut self) {
        let open = Open::new("read_eid_name")
            .comment(&["`none`, or a name that begins with two slashes."]);
        self.select(
            open,
            "meta.eid.length, meta.eid.text[31:0]",
            &[
                ("(4, 0x6e6f6e65)", "eid_text_none"),
                ("(0, _)", "refuse_local_node"),
                ("(1, _)", "refuse_local_node"),
                ("default", "read_eid_slashes"),
            ],
        );
        let open = Open::new("eid_text_none")
            .set("eid.text", "0")
            .set("eid.length", "0");
        self.goto(open, "eid_read");
        let open = Open::new("read_eid_slashes")
            .set("shift", "(bit<8>)((meta.eid.length - 2) << 1)")
            .set(
                "word",
                "(meta.eid.text >> meta.shift >> meta.shift >> meta.shift >> meta.shift)[15:0]",
            )
            .verify("meta.word == 0x2f2f", Reason::EidMalformed);
        self.goto(open, "eid_read");
    }

    /// Octets into the string register, the first one in the highest bits.
    fn load(&mut self) {
        let open = Open::new("load_string")
            .comment(&["So many octets as a string, whose first octet is in the highest bits."])
            .set("chars.octets", "0")
            .set("chars.end", "0")
            .set("chars.at", "0")
            .set("load.left", "meta.chars.length")
            .verify("meta.chars.length <= MAX_STRING", Reason::EidForm);
        self.goto(open, "load_next");
        self.branch(
            Open::new("load_next"),
            "meta.load.left",
            "0",
            "load_end",
            "load_octet",
        );
        let open = Open::new("load_octet")
            .octet_7()
            .add(format!(
                "meta.chars.octets = meta.chars.octets[{}:0] ++ meta.octet;",
                OUT_BITS - 9
            ))
            .add("meta.load.left = meta.load.left - 1;")
            .add("meta.chars.at = meta.chars.at + 1;");
        self.branch(open, "meta.octet", "0", "load_zero", "load_next");
        let open = Open::new("load_zero").set("chars.end", "meta.chars.at");
        self.goto(open, "load_next");
        let open = Open::new("load_end")
            .set("shift", "(bit<8>)(256 - meta.chars.length)")
            .add(shift_eight("meta.chars.octets", "<<"));
        self.goto(open, "loaded");
    }

    /// Octets that only a CRC and the checksum look at.
    fn skip(&mut self) {
        self.select(
            Open::new("skip_next").comment(&["Octets that only a CRC and the checksum look at."]),
            "meta.skip.left",
            &[
                ("0", "skipped"),
                ("0 &&& 0xfff8", "skip_octet"),
                ("default", "skip_word"),
            ],
        );
        let open = Open::new("skip_octet")
            .octet_7()
            .add("meta.skip.left = meta.skip.left - 1;");
        self.goto(open, "skip_next");
        let open = Open::new("skip_word")
            .words("meta.skip.word", 8)
            .add("meta.skip.left = meta.skip.left - 8;")
            .set("skip.pending", "meta.cursor.length - meta.crc.start");
        self.branch(
            open,
            "meta.skip.pending[6:6]",
            "1",
            "skip_flush",
            "skip_next",
        );
        let open = self.call(
            Open::new("skip_flush"),
            Routine::Crc,
            "crc_cursor",
            "skip_flush",
        );
        self.goto(open, "skip_next");
    }
}

/// Shifts by up to 255 octets. BMv2 shifts by 255 bits at most: eight times an eighth.
pub(super) fn shift_eight(place: &str, operator: &str) -> String {
    format!(
        "{place} = {place}{};",
        format!(" {operator} meta.shift").repeat(8)
    )
}
