// SPDX-License-Identifier: Apache-2.0 OR MIT
//! States that write one item behind what was written: numbers, endpoint IDs, blocks.

use super::graph::{Graph, Open, Routine, balanced};
use crate::layout::Version;

/// An SDNV of 64 bits has ten groups of seven.
const SDNV_OCTETS: usize = 10;

impl Graph {
    pub(super) fn writers(&mut self) {
        self.put_sdnv();
        self.put_head();
        self.put_eid();
        self.put_decimal();
        self.put_ssp();
        self.put_block_6();
        self.put_block_7();
    }

    /// Writes a number as its version has it.
    pub(super) fn put(&mut self, open: Open, version: Version, value: &str, after: &str) -> Open {
        match version {
            Version::V6 => {
                let open = open.set("put.value", value);
                self.call(open, Routine::Put, "put_sdnv", after)
            }
            Version::V7 => self.put_major(open, 0, value, after),
        }
    }

    /// Writes the head of a CBOR item of a major type.
    pub(super) fn put_major(&mut self, open: Open, major: u8, value: &str, after: &str) -> Open {
        let open = open
            .set("put.value", value)
            .set("put.major", major.to_string());
        self.call(open, Routine::Put, "put_head", after)
    }

    /// Writes an endpoint ID of version 7.
    pub(super) fn put_eid_of(&mut self, open: Open, from: &str, after: &str) -> Open {
        let open = open.copy_eid("eid", from);
        self.call(open, Routine::PutEid, "put_eid", after)
    }

    /// Self-delimiting numeric values (RFC 6256) in their shortest form.
    fn put_sdnv(&mut self) {
        let mut cases: Vec<(String, String)> = (1..SDNV_OCTETS)
            .map(|octets| {
                let mask = u64::MAX << (7 * octets);
                (format!("0 &&& {mask:#x}"), format!("put_sdnv_{octets}"))
            })
            .collect();
        cases.push(("default".to_owned(), format!("put_sdnv_{SDNV_OCTETS}")));
        let cases: Vec<_> = cases
            .iter()
            .map(|(value, target)| (value.as_str(), target.as_str()))
            .collect();
        let open = Open::new("put_sdnv")
            .comment(&["Self-delimiting numeric value (RFC 6256) in its shortest form."]);
        self.select(open, "meta.put.value", &cases);
        for octets in 1..=SDNV_OCTETS {
            let groups: Vec<_> = (0..octets)
                .rev()
                .map(|group| {
                    let more = u8::from(group != 0);
                    if group == SDNV_OCTETS - 1 {
                        "(7w0x40 ++ meta.put.value[63:63])".to_owned()
                    } else {
                        let low = 7 * group;
                        format!("(1w{more} ++ meta.put.value[{}:{low}])", low + 6)
                    }
                })
                .collect();
            let open =
                Open::new(format!("put_sdnv_{octets}")).append(&balanced(&groups, " ++"), octets);
            self.goto(open, "put_done");
        }
    }

    /// Heads of CBOR items in their shortest form (RFC 8949 3 and 4.2.1).
    fn put_head(&mut self) {
        let open = Open::new("put_head")
            .comment(&["Head of a CBOR item in its shortest form (RFC 8949 3 and 4.2.1)."]);
        self.select(
            open,
            "meta.put.value",
            &[
                ("0 &&& 0xfffffffffffffff0", "put_head_0"),
                ("16 &&& 0xfffffffffffffff8", "put_head_0"),
                ("0 &&& 0xffffffffffffff00", "put_head_1"),
                ("0 &&& 0xffffffffffff0000", "put_head_2"),
                ("0 &&& 0xffffffff00000000", "put_head_4"),
                ("default", "put_head_8"),
            ],
        );
        let open = Open::new("put_head_0").append("meta.put.major ++ meta.put.value[4:0]", 1);
        self.goto(open, "put_done");
        for (octets, information) in [(1, 24), (2, 25), (4, 26), (8, 27)] {
            let bits = 8 * octets;
            let item = format!(
                "meta.put.major ++ 5w{information} ++ meta.put.value[{}:0]",
                bits - 1
            );
            let open = Open::new(format!("put_head_{octets}")).append(&item, octets + 1);
            self.goto(open, "put_done");
        }
    }

    /// The endpoint ID in `meta.eid`, as version 7 has it.
    fn put_eid(&mut self) {
        let open = Open::new("put_eid").comment(&["Endpoint ID of version 7 (RFC 9171 4.2.5.1)."]);
        self.select(
            open,
            "meta.eid.length, meta.eid.node",
            &[
                ("(0, 0)", "put_eid_none"),
                ("(0, _)", "put_eid_ipn"),
                ("default", "put_eid_dtn"),
            ],
        );
        let open = Open::new("put_eid_none").append("24w0x820100", 3);
        self.goto(open, "put_eid_done");
        let open = Open::new("put_eid_ipn").append("24w0x820282", 3);
        let open = self.put_major(open, 0, "meta.eid.node", "put_eid_node");
        let open = self.put_major(open, 0, "meta.eid.service", "put_eid_service");
        self.goto(open, "put_eid_done");
        let open = Open::new("put_eid_dtn").append("16w0x8201", 2);
        let open = self
            .put_major(open, 3, "48w0 ++ meta.eid.length", "put_eid_text")
            .append_register("meta.eid.text", "meta.eid.length");
        self.goto(open, "put_eid_done");
    }

    /// Numbers in decimal digits, the last one first, in a register of twenty.
    fn put_decimal(&mut self) {
        let open = Open::new("put_decimal")
            .comment(&[
                "Number in decimal digits. The tenth of a number is exact for all of them: the",
                "factor is 2^67 / 10, rounded up.",
            ])
            .set("decimal.digits", "0")
            .set("decimal.length", "0");
        self.goto(open, "put_digit");
        let open = Open::new("put_digit")
            .set(
                "decimal.tenth",
                "(bit<64>)(((bit<128>)meta.decimal.value * 0xcccccccccccccccd) >> 67)",
            )
            .set("decimal.length", "meta.decimal.length + 1");
        self.goto(open, "put_digit_low");
        let open = Open::new("put_digit_low")
            .set(
                "decimal.digits",
                "(meta.decimal.value - meta.decimal.tenth * 10)[7:0] + 0x30 ++ meta.decimal.digits[159:8]",
            )
            .set("decimal.value", "meta.decimal.tenth");
        self.branch(open, "meta.decimal.tenth", "0", "put_digits", "put_digit");
        let open = Open::new("put_digits")
            .set("shift", "(bit<8>)(160 - (meta.decimal.length << 3))")
            .add("meta.decimal.digits = meta.decimal.digits >> meta.shift;")
            .append_short("meta.decimal.digits", "meta.decimal.length");
        self.goto(open, "put_decimal_done");
    }

    /// What stands behind the colon of the endpoint ID in `meta.eid`.
    fn put_ssp(&mut self) {
        let open = Open::new("put_ssp")
            .comment(&["What stands behind the colon of an endpoint ID, as text."]);
        self.select(
            open,
            "meta.eid.length, meta.eid.node",
            &[
                ("(0, 0)", "put_ssp_none"),
                ("(0, _)", "put_ssp_ipn"),
                ("default", "put_ssp_dtn"),
            ],
        );
        let open = Open::new("put_ssp_none").append("32w0x6e6f6e65", 4);
        self.goto(open, "put_ssp_done");
        let open = Open::new("put_ssp_ipn").set("decimal.value", "meta.eid.node");
        let open = self
            .call(open, Routine::PutDecimal, "put_decimal", "put_ssp_node")
            .append("8w0x2e", 1)
            .set("decimal.value", "meta.eid.service");
        let open = self.call(open, Routine::PutDecimal, "put_decimal", "put_ssp_service");
        self.goto(open, "put_ssp_done");
        let open = Open::new("put_ssp_dtn").append_register("meta.eid.text", "meta.eid.length");
        self.goto(open, "put_ssp_done");
    }

    /// What was written becomes the data of a block behind what was held.
    fn unhold(open: Open) -> Open {
        open.set("data.octets", "meta.written.octets[1023:0]")
            .set("data.length", "meta.written.length")
            .set("written.octets", "meta.held.octets")
            .set("written.length", "meta.held.length")
    }

    fn put_block_6(&mut self) {
        let open = Open::new("put_block_6")
            .comment(&["What was written becomes the data of a block (RFC 5050 4.5.2)."]);
        let open = Self::unhold(open).append("meta.put_block.type[7:0]", 1);
        let open = self.put(
            open,
            Version::V6,
            "meta.put_block.flags",
            "put_block_6_flags",
        );
        let open = self.put(
            open,
            Version::V6,
            "48w0 ++ meta.data.length",
            "put_block_6_length",
        );
        let open = self.put_data(open, "put_block_6");
        self.goto(open, "put_block_done");
    }

    /// The data of a block, which are short unless there is a name in them.
    fn put_data(&mut self, open: Open, prefix: &str) -> Open {
        let state = |what: &str| format!("{prefix}_{what}");
        self.branch(
            open,
            "meta.data.length[15:5]",
            "0",
            &state("short_data"),
            &state("long_data"),
        );
        let open = Open::new(state("short_data"))
            .append_short("meta.data.octets[255:0]", "meta.data.length");
        self.goto(open, &state("data_end"));
        let open =
            Open::new(state("long_data")).append_register("meta.data.octets", "meta.data.length");
        self.goto(open, &state("data_end"));
        Open::new(state("data_end"))
    }

    fn put_block_7(&mut self) {
        let open = Open::new("put_block_7")
            .comment(&["What was written becomes the data of a block (RFC 9171 4.3.2)."]);
        let open = Self::unhold(open)
            .set("crc.type", "meta.again.crc_blocks")
            .set("crc.start", "meta.written.length")
            .append("(meta.again.crc_blocks == 0 ? 8w0x85 : 8w0x86)", 1);
        let open = self.put_major(open, 0, "meta.put_block.type", "put_block_7_type");
        self.branch_hop(open, "hop_block_numbers", "put_block_7_numbers");
        let open = Open::new("put_block_7_numbers")
            .append("meta.put_block.number[7:0]", 1)
            .append("meta.put_block.flags[7:0]", 1);
        self.goto(open, "put_block_7_crc_type");
        let open = Open::new("put_block_7_crc_type").append("6w0 ++ meta.again.crc_blocks", 1);
        let open = self.put_major(open, 2, "48w0 ++ meta.data.length", "put_block_7_length");
        let open = self
            .put_data(open, "put_block_7")
            .set("put_block.number", "meta.put_block.number + 1")
            .add("meta.crc.value = 0xffffffff;");
        let open = self.call(open, Routine::Seal, "seal", "put_block_7_crc");
        self.goto(open, "put_block_done");
    }
}
