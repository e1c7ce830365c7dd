// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a node changes in a bundle that goes on in its version: `bundle::relay`.
//!
//! A node looks at a bundle before it knows the next hop. While it reads, it copies what it reads,
//! and writes the blocks of a hop anew. If the next hop reads the version of the bundle, that is the
//! new head; otherwise the bundle is translated in the next look.
//!
//! The octets of version 7 are copied where a CRC would take them: there are never too many of them
//! between two such places. Numbers of version 6 are copied octet by octet.

use bundle::Reason;

use super::graph::{Graph, Open, Routine};
use crate::layout::{BLOCKS, Block, Content, Transform, V6_CUSTODY_OR_AGE, Version};
use crate::v1model::{OUT_BITS, START_BITS};

impl Graph {
    pub(super) fn hops(&mut self) {
        self.hop_copies();
        self.hop_primary_6();
        self.hop_primary_7();
        self.hop_flags_6();
        self.hop_blocks_6();
        self.hop_blocks_7();
        self.hop_unknown_6();
        self.hop_payload_6();
        self.hop_payload_7();
    }

    /// Copies what was read since the last time. The register is then empty for what comes next.
    fn hop_copies(&mut self) {
        let take = |state: &str| {
            Open::new(state)
                .set("crc.left", "meta.cursor.length - meta.crc.start")
                .set("crc.start", "meta.cursor.length")
                .append_register("meta.cursor.octets", "meta.crc.left")
        };
        let open = take("hop_take")
            .comment(&["A node copies what it reads, where a CRC would take it."])
            .set("cursor.octets", "0");
        self.goto(open, "crc_done");
        self.branch(
            take("hop_take_crc"),
            "meta.crc.left[15:6]",
            "0",
            "hop_crc_short",
            "hop_crc_long",
        );
        let open = Self::short_row(Open::new("hop_crc_short"), "cursor.octets");
        self.goto(open.set("cursor.octets", "0"), "crc_next_short");
        let open = Self::long_row(Open::new("hop_crc_long"));
        self.goto(open.set("cursor.octets", "0"), "crc_next");
        let open = Open::new("hop_check");
        let open = self.call(open, Routine::Crc, "crc_cursor", "hop_check");
        self.goto(open, "checked");

        let open = Open::new("hop_number")
            .comment(&["A number of version 6 is copied with its padding."])
            .append("meta.octet", 1)
            .set("hop.octets", "1");
        self.branch(
            open,
            "meta.octet[7:7]",
            "1",
            "hop_number_more",
            "number_read",
        );
        let open = Open::new("hop_number_more")
            .verify(
                "meta.number.value[63:57] == 0 && meta.hop.octets != 10",
                Reason::IntegerTooLong,
            )
            .octet_6()
            .add("meta.number.value = meta.number.value[56:0] ++ meta.octet[6:0];")
            .append("meta.octet", 1)
            .set("hop.octets", "meta.hop.octets + 1");
        self.branch(
            open,
            "meta.octet[7:7]",
            "1",
            "hop_number_more",
            "number_read",
        );
    }

    /// The primary block of version 6 up to the dictionary, the dictionary, and the rest; without a
    /// dictionary it is one part.
    fn hop_primary_6(&mut self) {
        self.goto(Open::new("hop_v6").append("8w6", 1), "parse_v6");
        let open = Open::new("hop_v6_start").keep("start", START_BITS);
        self.goto(open, "parse_v6_dictionary");
        let open = Open::new("hop_v6_dictionary")
            .set("names.length", "meta.chars.length")
            .set("names.octets", "meta.chars.octets")
            .add("meta.shift = (bit<8>)(256 - meta.chars.length);")
            .add(super::readers::shift_eight("meta.names.octets", ">>"));
        self.goto(open, "parse_v6_fragment");
        self.branch(
            Open::new("hop_v6_primary"),
            "meta.primary.dictionary_length",
            "0",
            "hop_v6_names",
            "hop_v6_next",
        );
        let open = Open::new("hop_v6_names").keep("names", OUT_BITS);
        self.goto(open, "hop_v6_next");
    }

    fn hop_primary_7(&mut self) {
        let open = Open::new("hop_v7_primary").keep("names", OUT_BITS);
        let open = Self::shared_flags(open).set("hop.highest", "1");
        self.goto(open, "parse_v7_block");
    }

    /// The type of a block of version 6, and the flag that says that nobody could process it.
    fn hop_flags_6(&mut self) {
        let open = Open::new("hop_v6_next")
            .comment(&["The next block, which may be written anew."])
            .set("held.octets", "meta.written.octets")
            .set("held.length", "meta.written.length")
            .add("meta.octet = pkt.lookahead<bit<8>>();");
        self.select(
            open,
            "meta.octet, meta.previous_node.present",
            &[("(1, 0)", "hop_v6_add"), ("default", "hop_v6_type")],
        );
        let open = Open::new("hop_v6_type").append("meta.octet", 1);
        self.goto(open, "parse_v6_block");
        let known = [1, V6_CUSTODY_OR_AGE]
            .into_iter()
            .chain(BLOCKS.iter().filter_map(|block| Some(block.v6?.code)))
            .map(|code| code.to_string())
            .collect::<Vec<_>>();
        let mut cases: Vec<_> = known
            .iter()
            .map(|code| (code.as_str(), "hop_v6_flags_end"))
            .collect();
        cases.push(("default", "hop_v6_opaque"));
        self.select(Open::new("hop_v6_flags"), "meta.block.type", &cases);
        let open = Open::new("hop_v6_opaque").add("meta.written.octets[5:5] = 1;");
        self.goto(open, "hop_v6_flags_end");
        self.branch(
            Open::new("hop_v6_flags_end"),
            "meta.block.flags[6:6]",
            "1",
            "parse_v6_references",
            "parse_v6_block_length",
        );
    }

    fn hop_blocks_6(&mut self) {
        self.select(
            Open::new("hop_v6_block"),
            "meta.block.type",
            &[
                ("5", "hop_v6_previous_node"),
                ("19", "hop_v6_data"),
                ("20", "parse_v6_bundle_age"),
                ("21", "hop_v6_data"),
                ("default", "hop_v6_unknown"),
            ],
        );
        let open = Open::new("hop_v6_previous_node")
            .verify("meta.previous_node.present == 0", Reason::BlockDuplicate)
            .set("previous_node.present", "1")
            .set("crc.start", "meta.cursor.length");
        let open = self.skip_data(open, "hop_v6_previous").rewrite();
        self.goto(open.set("put_block.flags", HOP_FLAGS_6), "hop_v6_node");
        let open = Open::new("hop_v6_add")
            .comment(&["This node, where the payload begins and nobody else was named."])
            .hold()
            .set("put_block.flags", "0x10");
        self.goto(open, "hop_v6_node");
        let open = Open::new("hop_v6_node").node_eid("eid");
        let open = self
            .put_text(open, "hop_v6_node")
            .set("put_block.type", "5");
        let open = self.call(open, Routine::PutBlock, "put_block_6", "hop_v6_node_block");
        self.branch(
            open,
            "meta.previous_node.present",
            "1",
            "parse_v6_block_end",
            "hop_v6_added",
        );
        let open = Open::new("hop_v6_added").add("meta.octet = pkt.lookahead<bit<8>>();");
        self.goto(open, "hop_v6_type");
    }

    /// What a hop writes anew besides the previous node. False if the block is not of that kind.
    pub(super) fn hop_content(
        &mut self,
        block: &Block,
        content: &Content,
        version: Version,
    ) -> bool {
        let prefix = super::fields::prefix(version);
        let open = Open::new(format!("hop_{prefix}_{}", block.name));
        let open = match (block.transform, version) {
            (Transform::Age, Version::V6) => open.set("age", "meta.bundle_age.age").set(
                "bundle_age.age",
                "meta.bundle_age.age |+| (bit<64>)meta.again.residence * 1000",
            ),
            (Transform::Age, Version::V7) => open.set("age", "meta.bundle_age.age").set(
                "bundle_age.age",
                "meta.bundle_age.age |+| (bit<64>)meta.again.residence",
            ),
            (Transform::Hops, Version::V7) => open
                .verify(
                    "meta.hop_count.limit != 0 && meta.hop_count.limit <= 255",
                    Reason::BlockMalformed,
                )
                .verify(
                    "meta.hop_count.count < meta.hop_count.limit",
                    Reason::HopLimit,
                )
                .set("hop_count.count", "meta.hop_count.count + 1"),
            _ => return false,
        };
        let mut open = open.rewrite();
        for &item in content.items {
            open = self.write(open, item, version, "hop");
        }
        let open = open.set("put_block.type", "meta.block.type");
        match version {
            Version::V6 => {
                let open = open.set("put_block.flags", HOP_FLAGS_6);
                let after = format!("hop_v6_{}_block", block.name);
                let open = self.call(open, Routine::PutBlock, "put_block_6", &after);
                self.goto(open, "parse_v6_block_end");
            }
            Version::V7 => self.goto(open, "hop_v7_rewrite"),
        }
        true
    }

    fn hop_unknown_6(&mut self) {
        let open = Open::new("hop_v6_unknown")
            .verify("meta.block.flags[2:2] == 0", Reason::BlockRequired)
            .set("crc.start", "meta.cursor.length");
        self.branch(
            open,
            "meta.block.flags[4:4]",
            "1",
            "hop_v6_drop",
            "hop_v6_data",
        );
        let open = self
            .skip_data(Open::new("hop_v6_drop"), "hop_v6_drop")
            .set("written.octets", "meta.held.octets")
            .set("written.length", "meta.held.length");
        self.goto(open, "parse_v6_block_end");
        let open = Open::new("hop_v6_data").set("block.left", "meta.block.length");
        self.goto(open, "hop_v6_copy");
        let open = Open::new("hop_v6_copy")
            .verify("meta.block.left[63:16] == 0", Reason::Truncated)
            .set("skip.left", "meta.block.left[15:0]")
            .set("crc.start", "meta.cursor.length")
            .set("cursor.octets", "0");
        let open = self.call(open, Routine::Skip, "skip_next", "hop_v6_copy");
        let open = self.call(open, Routine::Crc, "crc_cursor", "hop_v6_copied");
        self.goto(open, "parse_v6_block_end");
    }

    fn hop_payload_6(&mut self) {
        let open = Open::new("hop_v6_payload")
            .set("crc.start", "meta.cursor.length")
            .set("cursor.octets", "0");
        self.goto(open, "parse_payload");
    }

    fn hop_blocks_7(&mut self) {
        let open = Open::new("hop_v7_block")
            .set("held.octets", "meta.written.octets")
            .set("held.length", "meta.written.length")
            .set(
                "hop.highest",
                "(meta.block.number > meta.hop.highest ? meta.block.number : meta.hop.highest)",
            );
        self.select(
            open,
            "meta.block.type",
            &[
                ("6", "hop_v7_previous_node"),
                ("7", "parse_v7_bundle_age"),
                ("10", "parse_v7_hop_count"),
                ("193", "skip_v7_block"),
                ("194", "skip_v7_block"),
                ("13", "hop_v7_hdtn_priority"),
                ("default", "hop_v7_unknown"),
            ],
        );
        let open = Open::new("hop_v7_hdtn_priority")
            .comment(&[
                "HDTN's priority, or unknown: that is known with the receiver. If it matters, a node decides.",
            ])
            .verify("meta.block.flags[2:2] == 0", Reason::BlockUnsupported);
        self.goto(open, "hop_v7_unknown");
        let open = Open::new("hop_v7_unknown").set("hop.drop", "meta.block.flags[4:4]");
        self.goto(open, "parse_v7_unknown");
        let open = Open::new("hop_v7_drop")
            .set("hop.drop", "0")
            .set("outer.items", "meta.outer.items - 1")
            .set("written.octets", "meta.held.octets")
            .set("written.length", "meta.held.length");
        self.goto(open, "parse_v7_block_end");
        let open = Open::new("hop_v7_previous_node")
            .verify("meta.previous_node.present == 0", Reason::BlockDuplicate)
            .set("previous_node.present", "1");
        let open = self.skip_data(open, "hop_v7_previous");
        let open = self
            .call(open, Routine::Check, "check_crc", "hop_v7_previous_crc")
            .rewrite()
            .node_eid("eid");
        let open = self
            .call(open, Routine::PutEid, "put_eid", "hop_v7_previous_eid")
            .set("put_block.type", "6");
        self.goto(open, "hop_v7_rewrite");
        let open = Open::new("hop_v7_rewrite")
            .comment(&[
                "A block that is written anew keeps its number, its flags and its kind of CRC.",
            ])
            .set("put_block.number", "meta.block.number")
            .set("put_block.flags", "meta.block.flags")
            .set("again.crc_blocks", "meta.block.crc");
        let open = self.call(open, Routine::PutBlock, "put_block_7", "hop_v7_rewritten");
        self.goto(open, "parse_v7_block_end");
        let open = Open::new("hop_block_numbers")
            .comment(&["The numbers and flags of others may have any size."]);
        let open = self.put_major(open, 0, "meta.put_block.number", "hop_block_number");
        let open = self.put_major(open, 0, "meta.put_block.flags", "hop_block_flags");
        self.goto(open, "put_block_7_crc_type");
    }

    /// The payload block is the last one: if nobody was named as the previous node, the block of
    /// this one is written before it.
    fn hop_payload_7(&mut self) {
        self.branch(
            Open::new("hop_v7_payload"),
            "meta.previous_node.present",
            "1",
            "parse_payload",
            "hop_v7_add",
        );
        let open = Open::new("hop_v7_add")
            .comment(&["This node, where the payload begins and nobody else was named."])
            .hold()
            .set("hop.start", "meta.crc.start")
            .node_eid("eid");
        let open = self
            .call(open, Routine::PutEid, "put_eid", "hop_v7_add_eid")
            .set("put_block.type", "6")
            .set("put_block.flags", "0x10")
            .set("put_block.number", "meta.hop.highest + 1")
            .set("again.crc_blocks", "0")
            .set("outer.items", "meta.outer.items + 1");
        let open = self
            .call(open, Routine::PutBlock, "put_block_7", "hop_v7_added")
            .set("crc.start", "meta.hop.start")
            .set(
                "crc.value",
                "(meta.block.crc == 1 ? 32w0xffff0000 : 0xffffffff)",
            );
        self.goto(open, "parse_payload");
    }

    /// What was copied up to the payload is the rest of the new head.
    pub(super) fn hop_payload(&mut self, first: &str) {
        let open = Open::new("hop_payload").keep("tail", OUT_BITS);
        self.goto(open, first);
    }
}

/// The flags of a block that is written anew, which refers to no endpoint IDs.
const HOP_FLAGS_6: &str = "meta.block.flags & ~BLOCK6_FLAG_REFERENCES";
