// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parser of a v1model program, as a graph of states.
//!
//! P4 parsers have no subroutines that stay small: a sub-parser is copied to each of its uses, and
//! p4c takes minutes and gigabytes for the hundred uses that a bundle needs. So the states that
//! read a number or an endpoint ID exist once, and a field leaves a code in the metadata that says
//! where to go on. The graph, and with it the time of a compiler, grows with the number of fields
//! and not with their product with the widths.

mod graph;
mod readers;

use bundle::Reason;

use self::graph::{Graph, Open, sums};
use super::text::{Next, ParserText};
use super::{ORDER_DIGIT_BITS, WRITER_BITS};
use crate::layout::{
    BLOCKS, Block, Content, FRAGMENT, Item, V6_PRIMARY, V6_SECURITY, V7_PRIMARY, V7_SECURITY,
    Version,
};

/// CBOR major type of a byte string.
const BYTE_STRING: u8 = 2;

/// States that do nothing but refuse.
const REFUSALS: &[(&str, Reason)] = &[
    ("refuse_item", Reason::UnexpectedItem),
    ("refuse_eid_form", Reason::EidForm),
    ("refuse_local_node", Reason::EidMalformed),
    ("refuse_security", Reason::Security),
    ("refuse_block", Reason::BlockUnsupported),
    ("refuse_crc", Reason::CrcUnsupported),
    ("refuse_without_payload", Reason::PayloadMissing),
    ("refuse_after_payload", Reason::PayloadNotLast),
];

/// The parser for payloads whose length has this many bits.
pub(super) fn parser(payload_bits: u32) -> ParserText {
    let mut graph = Graph::default();
    graph.packet();
    graph.version_6();
    graph.version_7();
    graph.payload(payload_bits);
    graph.readers();
    graph.refusals();
    ParserText {
        states: graph.states,
        numbers: graph.numbers,
        eids: graph.eids,
    }
}

impl Graph {
    /// The headers in front of a bundle.
    fn packet(&mut self) {
        let start = Open::new("start").add("pkt.extract(hdr.ethernet);").add(
            "// The second look needs the addresses and nothing else: the rest stays as it is.",
        );
        self.select(
            start,
            "meta.again.reason, hdr.ethernet.ethertype",
            &[("(0, ETHERTYPE_IPV4)", "parse_ipv4"), ("default", "accept")],
        );
        self.select(
            Open::new("parse_ipv4").add("pkt.extract(hdr.ipv4);"),
            "hdr.ipv4.version, hdr.ipv4.protocol, hdr.ipv4.fragment_offset",
            &[
                ("(4, PROTOCOL_UDP, 0)", "parse_ipv4_length"),
                ("default", "accept"),
            ],
        );
        self.select(
            Open::new("parse_ipv4_length"),
            "hdr.ipv4.ihl",
            &[
                ("5", "parse_udp"),
                ("0 &&& 12", "accept"),
                ("4", "accept"),
                ("default", "skip_ipv4_options"),
            ],
        );
        let options = Open::new("skip_ipv4_options")
            .comment(&[
                "Packets with options are read only to tell whether there is a bundle in them.",
            ])
            .add("meta.encapsulation = 1;")
            .add("pkt.advance(((bit<32>)hdr.ipv4.ihl - 5) << 5);");
        self.goto(options, "parse_udp");
        self.select(
            Open::new("parse_udp").add("pkt.extract(hdr.udp);"),
            "hdr.udp.dst_port",
            &[("BUNDLE_PORT", "parse_bundle"), ("default", "accept")],
        );
        let bundle = Open::new("parse_bundle")
            .comment(&["The first octet tells the versions apart. Anything else is a keepalive or a stranger."])
            .add("meta.octet = pkt.lookahead<bit<8>>();");
        self.select(
            bundle,
            "meta.octet",
            &[
                ("0x06", "parse_v6"),
                ("0x9f", "parse_v7"),
                ("0x80 &&& 0xe0", "parse_v7_definite"),
                ("default", "accept"),
            ],
        );
        let definite = Open::new("parse_v7_definite")
            .add("meta.version = 7;")
            .add("meta.definite = 1;");
        self.goto(definite, "accept");
    }

    fn version_6(&mut self) {
        let open = Open::new("parse_v6")
            .comment(&["Version 6: RFC 5050 4.5.1 in the form of RFC 6260."])
            .add("meta.version = 6;")
            .octet();
        let open = self.item(open, Item::Number("primary.flags"), Version::V6);
        let open = self
            .item(open, Item::Number("primary.block_length"), Version::V6)
            .add("meta.primary.start = meta.cursor.length;");
        let open = self
            .items(open, V6_PRIMARY, Version::V6)
            .verify("meta.primary.dictionary_length == 0", Reason::EidForm);
        self.fragment(open, "v6", Version::V6);
        let open = Open::new("parse_v6_primary_end").verify(
            "meta.primary.block_length == (bit<64>)(meta.cursor.length - meta.primary.start)",
            Reason::PrimaryLength,
        );
        self.goto(open, "parse_v6_block");
        self.block_6();
        for block in BLOCKS {
            self.content(block, &block.v6, "v6", Version::V6);
        }
        let open = Open::new("parse_v6_block_end")
            .verify(
                "meta.block.length == (bit<64>)(meta.cursor.length - meta.block.start)",
                Reason::BlockMalformed,
            )
            .add("// Only a payload block may be the last one here.")
            .verify("meta.block.flags[3:3] == 0", Reason::PayloadMissing);
        self.goto(open, "parse_v6_block");
        let open =
            Open::new("parse_v6_payload").verify("meta.block.flags[3:3] == 1", Reason::BlockOrder);
        self.goto(open, "parse_payload");
    }

    /// What a fragment has more, and then the end of the primary block.
    fn fragment(&mut self, open: Open, prefix: &str, version: Version) {
        let end = format!("parse_{prefix}_primary_end");
        let fragment = format!("parse_{prefix}_fragment");
        self.select(
            open,
            "meta.primary.flags[0:0]",
            &[("1", fragment.as_str()), ("default", end.as_str())],
        );
        let open = self.items(Open::new(fragment), FRAGMENT, version);
        self.goto(open, &end);
    }

    fn block_6(&mut self) {
        let open = Open::new("parse_v6_block")
            .comment(&["RFC 5050 4.5.2: type, flags, length."])
            .octet()
            .add("meta.block.type = (bit<64>)meta.octet;");
        let open = self
            .item(open, Item::Number("block.flags"), Version::V6)
            .add("// Endpoint ID references stand between the flags and the length.")
            .verify("meta.block.flags[6:6] == 0", Reason::BlockUnsupported);
        let open = self
            .item(open, Item::Number("block.length"), Version::V6)
            .add("meta.block.start = meta.cursor.length;");
        self.block_types(
            open,
            "parse_v6_payload",
            "v6",
            |block| block.v6.code,
            V6_SECURITY,
        );
    }

    fn version_7(&mut self) {
        let open = Open::new("parse_v7")
            .comment(&["Version 7: RFC 9171 4.1 and 4.3.1. The CRC begins behind the outer array."])
            .add("meta.version = 7;")
            .octet()
            .octet_7()
            .verify("meta.octet[7:2] == 6w0b100010", Reason::UnexpectedItem)
            .add("meta.primary.array = meta.octet[1:0];");
        let open = self
            .head(open, 0, "v7_version")
            .verify("meta.number.value == 7", Reason::Version);
        let open = self.item(open, Item::Number("primary.flags"), Version::V7);
        let open = self
            .item(open, Item::Number("primary.crc_type"), Version::V7)
            .verify("meta.primary.crc_type <= 2", Reason::CrcType)
            .verify("meta.primary.crc_type != 2", Reason::CrcUnsupported)
            .add("// The head of the array has to fit what stands in the block.")
            .verify(
                "meta.primary.array == meta.primary.flags[0:0] ++ meta.primary.crc_type[0:0]",
                Reason::PrimaryLength,
            );
        let open = self.items(open, V7_PRIMARY, Version::V7);
        self.fragment(open, "v7", Version::V7);
        self.select(
            Open::new("parse_v7_primary_end"),
            "meta.primary.crc_type[0:0]",
            &[("1", "parse_v7_crc"), ("default", "parse_v7_block")],
        );
        let open = Open::new("parse_v7_crc")
            .comment(&["The CRC is computed as if its own octets were zero (RFC 9171 4.2.1, erratum 8043)."])
            .octet_7()
            .verify("meta.octet == 0x42", Reason::UnexpectedItem)
            .add("meta.primary.crc = pkt.lookahead<bit<16>>();")
            .add("pkt.advance(16);")
            .add(sums("meta.primary.crc", 2))
            .add("meta.cursor.length = meta.cursor.length + 2;")
            .add(format!("meta.primary.octets = meta.cursor.octets[{}:0] ++ 16w0;", WRITER_BITS - 17))
            .add("meta.primary.length = meta.cursor.length - 1;");
        self.goto(open, "parse_v7_block");
        self.block_7();
        for block in BLOCKS {
            self.content(block, &block.v7, "v7", Version::V7);
        }
        let open = Open::new("parse_v7_block_end").verify(
            "meta.block.length == (bit<64>)(meta.cursor.length - meta.block.start)",
            Reason::BlockMalformed,
        );
        self.goto(open, "parse_v7_block");
    }

    fn block_7(&mut self) {
        let open = Open::new("parse_v7_block")
            .comment(&["RFC 9171 4.3.2: type, number, flags, CRC type, data."])
            .octet_7();
        self.select(
            open,
            "meta.octet",
            &[
                ("0x85", "parse_v7_block_head"),
                ("0x86", "refuse_crc"),
                ("0xff", "refuse_without_payload"),
                ("default", "refuse_item"),
            ],
        );
        let mut open = Open::new("parse_v7_block_head");
        for field in [
            "block.type",
            "block.number",
            "block.flags",
            "block.crc_type",
        ] {
            open = self.item(open, Item::Number(field), Version::V7);
        }
        let open = open
            .verify("meta.block.crc_type <= 2", Reason::CrcType)
            .verify("meta.block.crc_type == 0", Reason::PrimaryLength);
        let open = self
            .head(open, BYTE_STRING, "v7_block_length")
            .add("meta.block.length = meta.number.value;")
            .add("meta.block.start = meta.cursor.length;");
        self.block_types(
            open,
            "parse_payload",
            "v7",
            |block| block.v7.code,
            V7_SECURITY,
        );
    }

    fn block_types(
        &mut self,
        open: Open,
        payload: &str,
        prefix: &str,
        code: impl Fn(&Block) -> u8,
        security: &[u8],
    ) {
        let mut cases = vec![("1".to_owned(), payload.to_owned())];
        for block in BLOCKS {
            cases.push((
                code(block).to_string(),
                format!("parse_{prefix}_{}", block.name),
            ));
        }
        for code in security {
            cases.push((code.to_string(), "refuse_security".to_owned()));
        }
        cases.push(("default".to_owned(), "refuse_block".to_owned()));
        self.close(
            open,
            Next::Select {
                key: "meta.block.type".to_owned(),
                cases,
            },
        );
    }

    /// The data of one kind of block.
    fn content(&mut self, block: &Block, content: &Content, prefix: &str, version: Version) {
        let name = block.name;
        let end = format!("parse_{prefix}_block_end");
        let open = Open::new(format!("parse_{prefix}_{name}"))
            .verify(&format!("meta.{name}.present == 0"), Reason::BlockDuplicate)
            .add(format!("meta.{name}.present = 1;"))
            .add(format!("meta.{name}.number = meta.block.number;"))
            .add(format!("meta.{name}.flags = meta.block.flags;"))
            .add(format!(
                "meta.order = meta.order[{}:0] ++ BLOCK_{};",
                ORDER_DIGIT_BITS * (BLOCKS.len() - 1) - 1,
                name.to_uppercase()
            ));
        let open = self.items(open, content.items, version);
        let Some(optional) = content.optional else {
            self.goto(open, &end);
            return;
        };
        let state = format!("parse_{prefix}_{name}_optional");
        let key = format!("meta.{}[{bit}:{bit}]", optional.flags, bit = optional.bit);
        self.select(
            open,
            &key,
            &[("1", state.as_str()), ("default", end.as_str())],
        );
        let open = self.item(Open::new(state), optional.item, version);
        self.goto(open, &end);
    }

    /// The payload: each bit of its length is a header, the longest first.
    fn payload(&mut self, bits: u32) {
        let first = format!("parse_payload_{}", 1_u32 << (bits - 1));
        let open = Open::new("parse_payload")
            .comment(&["The payload, alike in both versions: each bit of its length is a header."])
            .add("meta.payload.number = meta.block.number;")
            .add("meta.payload.flags = meta.block.flags;")
            .add("meta.payload.length = meta.block.length;")
            .verify("meta.payload.length <= MAX_PAYLOAD", Reason::PayloadTooLong);
        self.goto(open, &first);
        for bit in (0..bits).rev() {
            let octets = 1_u32 << bit;
            let next = match bit {
                0 => "parse_end".to_owned(),
                _ => format!("parse_payload_{}", octets >> 1),
            };
            let take = format!("take_payload_{octets}");
            self.select(
                Open::new(format!("parse_payload_{octets}")),
                &format!("meta.payload.length[{bit}:{bit}]"),
                &[("1", take.as_str()), ("default", next.as_str())],
            );
            let open = Open::new(take).add(format!("pkt.extract(hdr.payload_{octets});"));
            self.goto(open, &next);
        }
        self.select(
            Open::new("parse_end"),
            "meta.version",
            &[("7", "parse_v7_end"), ("default", "accept")],
        );
        self.select(
            Open::new("parse_v7_end").add("pkt.extract(hdr.stop);"),
            "hdr.stop.value",
            &[
                ("0xff", "accept"),
                ("0x85", "refuse_after_payload"),
                ("0x86", "refuse_after_payload"),
                ("default", "refuse_item"),
            ],
        );
    }
    fn refusals(&mut self) {
        for &(name, reason) in REFUSALS {
            self.goto(Open::new(name).verify("false", reason), "accept");
        }
    }
}
