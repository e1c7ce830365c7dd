// SPDX-License-Identifier: Apache-2.0 OR MIT
//! States for the payload and for the end of a bundle.

use bundle::Reason;

use super::graph::{Graph, Open, Routine};
use crate::layout::Version;
use crate::v1model::{OUT_BITS, START_BITS};

impl Graph {
    pub(super) fn payload(&mut self) {
        let open = Open::new("parse_payload")
            .comment(&["The payload, alike in both versions: each bit of its length is a header."])
            .verify("meta.payload.present == 0", Reason::PayloadDuplicate)
            .set("payload.present", "1")
            .set("payload.flags", "meta.block.flags")
            .set("payload.length", "meta.block.length");
        self.select(
            open,
            "meta.again.look, meta.primary.flags[1:1], meta.version",
            &[
                ("(2, _, _)", "parse_payload_data"),
                ("(_, 0, _)", "parse_payload_data"),
                ("(_, 1, 6)", "parse_v6_report"),
                ("default", "parse_v7_report"),
            ],
        );
        let open = Open::new("parse_payload_data")
            .verify("meta.payload.length <= MAX_PAYLOAD", Reason::PayloadTooLong)
            .set("payload.written", "meta.payload.length");
        let open = self
            .call(open, Routine::Crc, "crc_cursor", "payload_head")
            .set("payload.start", "meta.cursor.length")
            .set("payload.left", "meta.payload.length[15:8]");
        let first = self.first_chunk();
        self.select(
            open,
            "meta.again.look, meta.version",
            &[
                ("(2, _)", "hop_payload"),
                ("(_, 6)", "write_v7_data"),
                ("default", &first),
            ],
        );
        self.hop_payload(&first);
        let open = self.call(
            Open::new("write_v7_data"),
            Routine::PayloadHead,
            "write_v7_payload_head",
            "write_v7_data",
        );
        self.goto(open, &first);
        self.payload_chunks();
        self.payload_end();
        self.payload_head();
        self.end_6();
        self.finish_7();
        self.finish_6();
    }

    fn first_chunk(&self) -> String {
        match self.sizes.payload_bits {
            bits @ 0..=8 => format!("parse_payload_{}", 1_u32 << (bits - 1)),
            _ => "parse_payload_256".to_owned(),
        }
    }

    /// Rows of 256 octets, and a header for each bit of what is left.
    fn payload_chunks(&mut self) {
        if self.sizes.payload_bits > 8 {
            self.branch(
                Open::new("parse_payload_256"),
                "meta.payload.left",
                "0",
                "parse_payload_128",
                "take_payload_256",
            );
            let open = Open::new("take_payload_256")
                .add("pkt.extract(hdr.payload_256.next);")
                .set("payload.left", "meta.payload.left - 1");
            let row = "hdr.payload_256.last.octets".to_owned();
            self.payload_crc(open, 256, row, "parse_payload_256");
        }
        for bit in (0..self.sizes.payload_bits.min(8)).rev() {
            let octets = 1_u32 << bit;
            let next = match bit {
                0 => "parse_payload_end".to_owned(),
                _ => format!("parse_payload_{}", octets >> 1),
            };
            let take = format!("take_payload_{octets}");
            self.branch(
                Open::new(format!("parse_payload_{octets}")),
                &format!("meta.payload.length[{bit}:{bit}]"),
                "1",
                &take,
                &next,
            );
            let open = Open::new(take).add(format!("pkt.extract(hdr.payload_{octets});"));
            let row = format!(
                "hdr.payload_{octets}.octets ++ {}w0",
                OUT_BITS - 8 * octets as usize
            );
            self.payload_crc(open, octets, row, &next);
        }
    }

    /// Only what a CRC covers is copied: rows are wide, and most payloads have no CRC.
    fn payload_crc(&mut self, open: Open, octets: u32, row: String, next: &str) {
        let add = format!("add_payload_{octets}");
        self.branch(open, "meta.crc.type", "0", next, &add);
        let open = Open::new(add)
            .set("crc.octets", row)
            .set("crc.left", octets.to_string());
        let open = self.call(
            open,
            Routine::Crc,
            "crc_next",
            &format!("payload_crc_{octets}"),
        );
        self.goto(open, next);
    }

    fn payload_end(&mut self) {
        let open = Open::new("parse_payload_end")
            .set(
                "cursor.length",
                "meta.cursor.length + meta.payload.length[15:0]",
            )
            .set("crc.start", "meta.cursor.length")
            .set("payload.crc", "meta.crc.value");
        self.branch(
            open,
            "meta.payload.length[0:0]",
            "1",
            "parse_payload_odd",
            "parse_payload_check",
        );
        let open = Open::new("parse_payload_odd").set(
            "cursor.sums",
            "meta.cursor.sums[31:0] ++ meta.cursor.sums[63:32]",
        );
        self.goto(open, "parse_payload_check");
        self.branch(
            Open::new("parse_payload_check"),
            "meta.version",
            "6",
            "parse_v6_block_end",
            "parse_v7_payload_crc",
        );
        let open = self.call(
            Open::new("parse_v7_payload_crc"),
            Routine::Check,
            "check_crc",
            "v7_payload_crc",
        );
        self.goto(open, "parse_v7_block_end");
    }

    /// The head of the payload block of version 7, which is the last one: it is kept until then.
    fn payload_head(&mut self) {
        let open = Open::new("write_v7_payload_head")
            .comment(&[
                "The head of the payload block, which is the last one and waits until then.",
            ])
            .hold()
            .set("crc.type", "meta.again.crc_blocks")
            .set("crc.start", "0")
            .set(
                "crc.value",
                "(meta.again.crc_blocks == 1 ? 32w0xffff0000 : 0xffffffff)",
            )
            .append("(meta.again.crc_blocks == 0 ? 8w0x85 : 8w0x86)", 1)
            .append("16w0x0101", 2)
            .set("payload.flags", "meta.payload.flags & meta.to.block_flags")
            .append("meta.payload.flags[7:0]", 1)
            .append("6w0 ++ meta.again.crc_blocks", 1);
        let open = self.put_major(open, 2, "meta.payload.written", "write_v7_payload_length");
        let open = self
            .call(open, Routine::Crc, "crc_out", "write_v7_payload_head")
            .set("payload.head", "meta.written.octets[127:0]")
            .set("payload.head_length", "meta.written.length")
            .set("written.octets", "meta.held.octets")
            .set("written.length", "meta.held.length");
        self.goto(open, "payload_head_done");
    }

    /// The end of a bundle of version 6: an age if version 7 needs one.
    fn end_6(&mut self) {
        let open =
            Open::new("parse_v6_end").verify("meta.payload.present == 1", Reason::PayloadMissing);
        self.select(
            open,
            "meta.again.look, meta.again.priority_block, meta.quality.present, meta.primary.time, meta.bundle_age.present",
            &[
                ("(2, _, _, _, _)", "accept"),
                ("(_, 13, 0, _, _)", "write_v7_priority"),
                ("(_, 193, 0, _, _)", "write_v7_quality"),
                ("(_, _, _, 0, 0)", "write_v7_age"),
                ("default", "write_v7_payload"),
            ],
        );
        self.priority_7();
        let open = Open::new("write_v7_age")
            .comment(&["RFC 9171 4.2.7: without a creation time there has to be an age."])
            .hold();
        let open = self
            .put(
                open,
                Version::V7,
                "48w0 ++ meta.again.residence",
                "write_v7_residence",
            )
            .set("put_block.type", "7")
            .set("put_block.flags", "1");
        let open = self.call(open, Routine::PutBlock, "put_block_7", "write_v7_age");
        self.goto(open, "write_v7_payload");
    }

    /// The priority of version 6 in a block, if the receiver wants it and no other block has it.
    fn priority_7(&mut self) {
        let class = "(meta.primary.flags[8:7] == 3 ? 8w1 : 6w0 ++ meta.primary.flags[8:7])";
        let open = Open::new("write_v7_quality")
            .comment(&["The priority of version 6, which no other block has."])
            .hold()
            .append("16w0x8400", 2)
            .append(class, 1)
            .append("16w0", 2)
            .set("put_block.type", "193")
            .set("put_block.flags", "1");
        self.goto(open, "write_v7_class");
        let open = Open::new("write_v7_priority")
            .hold()
            .append(class, 1)
            .set("put_block.type", "13")
            .set("put_block.flags", "0");
        self.goto(open, "write_v7_class");
        let open = self.call(
            Open::new("write_v7_class"),
            Routine::PutBlock,
            "put_block_7",
            "write_v7_class",
        );
        self.select(
            open,
            "meta.primary.time, meta.bundle_age.present",
            &[("(0, 0)", "write_v7_age"), ("default", "write_v7_payload")],
        );
    }

    /// The end of a bundle of version 7, and the CRC of its payload block.
    fn finish_7(&mut self) {
        let open = Open::new("write_v7_payload")
            .append_short("meta.payload.head", "meta.payload.head_length")
            .keep("tail", OUT_BITS)
            .set("crc.type", "meta.again.crc_blocks")
            .set("crc.value", "meta.payload.crc");
        self.branch(
            open,
            "meta.again.crc_blocks",
            "0",
            "accept",
            "write_v7_trailer",
        );
        let open = Open::new("write_v7_trailer")
            .set("crc.left", "(meta.again.crc_blocks == 1 ? 16w3 : 5)")
            .set(
                "crc.octets",
                format!(
                    "(meta.again.crc_blocks == 1 ? 8w0x42 : 8w0x44) ++ {}w0",
                    OUT_BITS - 8
                ),
            );
        let open = self.call(open, Routine::Crc, "crc_next", "write_v7_trailer");
        self.goto(open, "accept");
    }

    /// The head of the payload block of version 6, and what stands before the dictionary.
    fn finish_6(&mut self) {
        let open = Open::new("parse_v7_end")
            .verify("meta.payload.present == 1", Reason::PayloadMissing)
            .verify(
                "meta.primary.time != 0 || meta.bundle_age.present == 1",
                Reason::AgeMissing,
            );
        self.branch_hop(open, "accept", "write_v6_payload_head");
        let open = Open::new("write_v6_payload_head")
            .verify(
                "meta.quality.present == 1 || meta.hdtn_priority.class_of_service <= 3",
                Reason::ValueRange,
            )
            .set(
                "payload.flags",
                "(meta.payload.flags & meta.to.block_flags) | BLOCK6_FLAG_LAST",
            )
            .append("8w1", 1);
        let open = self.put(
            open,
            Version::V6,
            "meta.payload.flags",
            "write_v6_payload_flags",
        );
        let open = self
            .put(
                open,
                Version::V6,
                "meta.payload.written",
                "write_v6_payload_length",
            )
            .keep("tail", OUT_BITS)
            .set(
                "to.flags",
                "meta.to.flags | (55w0 ++ meta.to.priority ++ 7w0) | (meta.primary.group == 1 ? 0 : FLAG6_SINGLETON)",
            )
            .append("8w6", 1);
        let open = self.put(open, Version::V6, "meta.to.flags", "write_v6_flags");
        let open = self
            .put(
                open,
                Version::V6,
                "48w0 ++ (meta.fields.length + meta.names.length + meta.fragment_length)",
                "write_v6_length",
            )
            .append_register("meta.fields.octets", "meta.fields.length")
            .keep("start", START_BITS);
        self.goto(open, "accept");
    }
}
