// SPDX-License-Identifier: Apache-2.0 OR MIT
//! States that read a block, and write it in the other version at once.
//!
//! Blocks come in any order, and leave in the order in which they came: so each is written when it
//! has been read. The states of a kind of block exist once, and the row of blocks is a loop.

use bundle::Reason;

use super::fields::prefix;
use super::graph::{Graph, Open, Routine};
use crate::layout::{
    BLOCKS, Block, Content, Transform, V6_CUSTODY_OR_AGE, V6_SECURITY, V7_SECURITY, Version,
};
use crate::v1model::text::Next;

const fn other(version: Version) -> Version {
    match version {
        Version::V6 => Version::V7,
        Version::V7 => Version::V6,
    }
}

impl Graph {
    pub(super) fn blocks(&mut self) {
        self.block_6();
        self.block_7();
        for version in [Version::V6, Version::V7] {
            for block in BLOCKS {
                if let Some(content) = block.content(version) {
                    self.content(block, &content, version);
                }
            }
            self.unknown(version);
        }
        self.custody_or_age();
        self.block_ends();
    }

    fn count(open: Open) -> Open {
        open.set("block.count", "meta.block.count + 1")
            .verify("meta.block.count <= MAX_BLOCKS + 1", Reason::TooManyBlocks)
    }

    /// Type, flags, references and length of a block of version 6.
    fn block_6(&mut self) {
        let open = Self::count(
            Open::new("parse_v6_block").comment(&["RFC 5050 4.5.2: type, flags, length."]),
        )
        .octet_6()
        .set("block.type", "(bit<64>)meta.octet")
        .set("block.references", "0")
        .set("block.left", "0");
        let open = self.number(open, Version::V6, "block.flags");
        self.select(
            open,
            "meta.again.look, meta.block.flags[6:6]",
            &[
                ("(2, _)", "hop_v6_flags"),
                ("(_, 1)", "parse_v6_references"),
                ("default", "parse_v6_block_length"),
            ],
        );
        let open = self
            .number(
                Open::new("parse_v6_references"),
                Version::V6,
                "block.references",
            )
            .set("block.left", "meta.block.references");
        self.goto(open, "parse_v6_reference");
        self.branch(
            Open::new("parse_v6_reference"),
            "meta.block.left",
            "0",
            "parse_v6_block_length",
            "take_v6_reference",
        );
        let open = self.number(
            Open::new("take_v6_reference"),
            Version::V6,
            "reference.block.scheme",
        );
        let open = self
            .number(open, Version::V6, "reference.block.ssp")
            .verify(
                "meta.primary.dictionary_length == 0 || (meta.reference.block.scheme < meta.dictionary.end && meta.reference.block.ssp < meta.dictionary.end)",
                Reason::Dictionary,
            )
            .set("block.left", "meta.block.left - 1");
        self.goto(open, "parse_v6_reference");
        let open = self
            .number(
                Open::new("parse_v6_block_length"),
                Version::V6,
                "block.length",
            )
            .set("block.start", "meta.cursor.length");
        let special = [(
            format!("(_, {V6_CUSTODY_OR_AGE})"),
            "parse_v6_custody_or_age".to_owned(),
        )];
        self.block_types(open, Version::V6, &special, V6_SECURITY);
    }

    /// Head of the array, type, number, flags, type of CRC and length of a block of version 7.
    fn block_7(&mut self) {
        let open = Open::new("parse_v7_block")
            .comment(&["RFC 9171 4.1: the end of the array, or another block."]);
        self.select(
            open,
            "meta.outer.definite, meta.outer.left",
            &[("(1, 0)", "parse_v7_end"), ("default", "parse_v7_item")],
        );
        let open = Open::new("parse_v7_item")
            .octet_7()
            .set("outer.left", "meta.outer.left - 1");
        self.select(
            open,
            "meta.octet, meta.outer.definite",
            &[
                ("(0xff, 0)", "parse_v7_end"),
                ("(0x85, _)", "parse_v7_block_head"),
                ("(0x86, _)", "parse_v7_block_head"),
                ("default", "refuse_item"),
            ],
        );
        let open = Self::count(
            Open::new("parse_v7_block_head")
                .comment(&["RFC 9171 4.3.2: type, number, flags, CRC type, data."]),
        )
        .verify("meta.payload.present == 0", Reason::PayloadNotLast)
        .set("crc.start", "meta.cursor.length - 1")
        .set("block.has_crc", "meta.octet[1:1]");
        let mut open = self.number(open, Version::V7, "block.type");
        open = self.number(open, Version::V7, "block.number");
        let unused: Vec<_> = (0..=self.sizes.max_blocks)
            .map(|at| {
                format!(
                    "meta.block.number != meta.block.numbers[{}:{}]",
                    64 * at + 63,
                    64 * at
                )
            })
            .collect();
        let bits = 64 * (self.sizes.max_blocks + 1);
        let open = open
            .verify(
                "(meta.block.number == 1) == (meta.block.type == 1)",
                Reason::BlockNumber,
            )
            .verify(
                &format!(
                    "meta.block.number == 0 || ({})",
                    unused.join("\n            && ")
                ),
                Reason::BlockNumber,
            )
            .set(
                "block.numbers",
                format!("meta.block.numbers[{}:0] ++ meta.block.number", bits - 65),
            );
        let open = self.number(open, Version::V7, "block.flags").verify(
            "meta.unreportable == 0 || meta.block.flags[1:1] == 0",
            Reason::FlagsInvalid,
        );
        let open = self
            .head(open, 0, "v7_block_crc")
            .verify("meta.number.value <= 2", Reason::CrcType)
            .set("block.crc", "meta.number.value[1:0]")
            .verify(
                "(meta.block.crc != 0) == (meta.block.has_crc == 1)",
                Reason::UnexpectedItem,
            )
            .set(
                "crc.value",
                "(meta.block.crc == 1 ? 32w0xffff0000 : 0xffffffff)",
            );
        let open = self
            .head(open, 2, "v7_block_length")
            .set("block.length", "meta.number.value")
            .set("block.start", "meta.cursor.length");
        self.block_types(open, Version::V7, &[], V7_SECURITY);
    }

    fn block_types(
        &mut self,
        open: Open,
        version: Version,
        special: &[(String, String)],
        security: &[u8],
    ) {
        let prefix = prefix(version);
        let mut cases = vec![("(1, 1)".to_owned(), "parse_payload".to_owned())];
        for block in BLOCKS {
            if let Some(content) = block.content(version) {
                let state = match block.transform {
                    Transform::Priority => "see",
                    _ => "parse",
                };
                cases.push((
                    format!("(1, {})", content.code),
                    format!("{state}_{prefix}_{}", block.name),
                ));
            }
        }
        cases.extend_from_slice(special);
        for code in security {
            cases.push((format!("(_, {code})"), "refuse_security".to_owned()));
        }
        cases.push(("(2, 1)".to_owned(), format!("hop_{prefix}_payload")));
        cases.push(("(2, _)".to_owned(), format!("hop_{prefix}_block")));
        cases.push(("default".to_owned(), format!("parse_{prefix}_unknown")));
        self.close(
            open,
            Next::Select {
                key: "meta.again.look, meta.block.type".to_owned(),
                cases,
            },
        );
    }

    /// The data of one kind of block, and the block in the other version.
    fn content(&mut self, block: &Block, content: &Content, version: Version) {
        let (prefix, name) = (prefix(version), block.name);
        let (have, end) = (
            format!("have_{prefix}_{name}"),
            format!("check_{prefix}_{name}"),
        );
        let open = Open::new(format!("parse_{prefix}_{name}")).set("block.inside", "1");
        let open = self.read_all(open, content.items, version);
        if let Some(optional) = content.optional {
            let state = format!("parse_{prefix}_{name}_optional");
            let key = format!("meta.{}[{bit}:{bit}]", optional.flags, bit = optional.bit);
            self.branch(open, &key, "1", &state, &have);
            let open = self.read(Open::new(state), optional.item, version);
            self.goto(open, &have);
        } else {
            self.goto(open, &have);
        }
        let once = |open: Open| {
            open.verify(&format!("meta.{name}.present == 0"), Reason::BlockDuplicate)
                .set(&format!("{name}.present"), "1")
        };
        let whole = |open: Open| {
            open.verify(
                "meta.block.length == (bit<64>)(meta.cursor.length - meta.block.start)",
                Reason::BlockMalformed,
            )
            .set("block.inside", "0")
        };
        let open = match version {
            Version::V6 => once(whole(Open::new(have))),
            Version::V7 => whole(once(Open::new(have))),
        };
        let open = match version {
            Version::V6 => open,
            Version::V7 => self.call(open, Routine::Check, "check_crc", &format!("v7_{name}_crc")),
        };
        if self.hop_content(block, content, version) {
            self.branch_hop(open, &format!("hop_{prefix}_{name}"), &end);
        } else {
            self.goto(open, &end);
        }
        let open = Open::new(end);
        let open = if block.name == "previous_node" {
            self.this_node(open, prefix)
        } else {
            open
        };
        let open = self.transform(open, block, version);
        let to = other(version);
        let Some(content) = block.content(to) else {
            self.goto(open, &format!("parse_{prefix}_block_end"));
            return;
        };
        let open = self.write_block(open, block, &content, to);
        self.goto(open, &format!("parse_{prefix}_block_end"));
    }

    /// A node replaces the previous one.
    fn this_node(&mut self, open: Open, prefix: &str) -> Open {
        let (yes, end) = (
            format!("replace_{prefix}_node"),
            format!("have_{prefix}_node"),
        );
        self.branch(open, "meta.again.is_node", "1", &yes, &end);
        self.goto(Open::new(yes).node_eid("previous_node.eid"), &end);
        Open::new(end)
    }

    /// Writes a block whose values are those of the version.
    pub(super) fn write_block(
        &mut self,
        open: Open,
        block: &Block,
        content: &Content,
        to: Version,
    ) -> Open {
        let (prefix, name) = (prefix(to), block.name);
        let mut open = open.hold();
        for &item in content.items {
            open = self.write(open, item, to, "put");
        }
        let end = format!("put_{prefix}_{name}");
        if let Some(optional) = content.optional {
            let state = format!("put_{prefix}_{name}_optional");
            let key = format!("meta.{}[{bit}:{bit}]", optional.flags, bit = optional.bit);
            self.branch(open, &key, "1", &state, &end);
            let open = self.write(Open::new(state), optional.item, to, "put");
            self.goto(open, &end);
        } else {
            self.goto(open, &end);
        }
        let code = match (block.transform, to) {
            (Transform::Age, Version::V6) => "(bit<64>)meta.again.age_type".to_owned(),
            _ => content.code.to_string(),
        };
        let open = Open::new(end)
            .set("put_block.type", code)
            .set("put_block.flags", "meta.block.flags & meta.to.block_flags");
        self.call(
            open,
            Routine::PutBlock,
            &format!("put_block_{}", &prefix[1..]),
            &format!("put_{prefix}_{name}_block"),
        )
    }

    /// Makes the values of a block those of the other version.
    fn transform(&mut self, open: Open, block: &Block, from: Version) -> Open {
        match (block.transform, from) {
            (Transform::Same, _) | (Transform::Hops | Transform::Priority, Version::V6) => open,
            (Transform::Age, Version::V6) => {
                open.set("age", "meta.bundle_age.age").set(
                    "bundle_age.age",
                    format!(
                        "{} + (48w0 ++ meta.again.residence)",
                        div_1000("meta.bundle_age.age", 64)
                    ),
                )
            }
            (Transform::Age, Version::V7) => open
                .set("age", "meta.bundle_age.age")
                .set(
                    "to.wide",
                    "((bit<80>)meta.bundle_age.age + (bit<80>)meta.again.residence) * 1000",
                )
                .verify("meta.to.wide[79:64] == 0", Reason::ValueRange)
                .set("bundle_age.age", "meta.to.wide[63:0]"),
            (Transform::Quality, Version::V6) => open
                .set("quality.class_of_service", "62w0 ++ meta.primary.flags[8:7]")
                .set(
                    "quality.class_of_service",
                    "(meta.quality.class_of_service == 3 ? 64w1 : meta.quality.class_of_service)",
                )
                .set("quality.flags7", "60w0 ++ meta.quality.flags6[3:0]")
                .set(
                    "quality.flags7",
                    "((meta.quality.flags7 & ECOS_STREAMING) == ECOS_STREAMING ? (meta.quality.flags7 & ~ECOS_STREAMING) | QOS_STREAMING : meta.quality.flags7)",
                ),
            (Transform::Quality, Version::V7) => self.quality_6(open),
            (Transform::Priority, Version::V7) => self.priority_6(open),
            (Transform::Hops, Version::V7) => open
                .verify(
                    "meta.hop_count.limit != 0 && meta.hop_count.limit <= 255",
                    Reason::BlockMalformed,
                )
                .verify(
                    "meta.hop_count.count < meta.hop_count.limit || (meta.again.is_node == 0 && meta.hop_count.count == meta.hop_count.limit)",
                    Reason::HopLimit,
                ),
        }
    }

    /// ION's block counts, if there is one.
    fn priority_6(&mut self, open: Open) -> Open {
        self.branch(
            Open::new("see_v7_hdtn_priority"),
            "meta.again.hdtn_priority",
            "1",
            "parse_v7_hdtn_priority",
            "parse_v7_unknown",
        );
        self.branch(
            open,
            "meta.quality.present",
            "1",
            "parse_v7_block_end",
            "take_v7_hdtn_priority",
        );
        Open::new("take_v7_hdtn_priority")
            .comment(&["Its range is checked at the end: ION's block may follow, and count instead."])
            .set(
                "to.priority",
                "(meta.hdtn_priority.class_of_service == 3 ? 2w1 : meta.hdtn_priority.class_of_service[1:0])",
            )
    }

    fn quality_6(&mut self, open: Open) -> Open {
        let open = open
            .verify(
                "meta.quality.class_of_service <= 3 && meta.quality.ordinal <= 255",
                Reason::ValueRange,
            )
            .set(
                "to.priority",
                "(meta.quality.class_of_service == 3 ? 2w1 : meta.quality.class_of_service[1:0])",
            )
            .set(
                "quality.flags6",
                "(60w0 ++ meta.quality.flags7[3:0]) | (meta.quality.flags7[4:4] == 1 ? ECOS_STREAMING : 0)",
            );
        self.select(
            open,
            "meta.quality.flags6, meta.quality.ordinal",
            &[
                ("(0, 0)", "parse_v7_block_end"),
                ("default", "check_v7_quality_written"),
            ],
        );
        Open::new("check_v7_quality_written")
            .comment(&["Without anything but a priority there is nothing for the block to say."])
    }

    /// Blocks that have no translation are dropped, unless that is forbidden.
    fn unknown(&mut self, version: Version) {
        let prefix = prefix(version);
        let open = Open::new(format!("parse_{prefix}_unknown"))
            .comment(&["Unknown blocks are dropped, unless they forbid it."])
            .verify("meta.block.flags[2:2] == 0", Reason::BlockRequired);
        let skip = format!("skip_{prefix}_block");
        self.goto(open, &skip);
        let open = self.skip_data(Open::new(skip), &format!("{prefix}_unknown"));
        let end = format!("parse_{prefix}_block_end");
        match version {
            Version::V6 => self.goto(open, &end),
            Version::V7 => {
                let open = self.call(open, Routine::Check, "check_crc", "v7_unknown_crc");
                self.branch(open, "meta.hop.drop", "1", "hop_v7_drop", &end);
            }
        }
    }

    /// Passes over the data of a block.
    pub(super) fn skip_data(&mut self, open: Open, after: &str) -> Open {
        let open = open
            .verify("meta.block.length[63:16] == 0", Reason::Truncated)
            .set("skip.left", "meta.block.length[15:0]");
        self.call(open, Routine::Skip, "skip_next", after)
    }

    /// One number alone is an age; with a name behind it, it is about custody.
    fn custody_or_age(&mut self) {
        let open = Open::new("parse_v6_custody_or_age")
            .comment(&[
                "One number alone is a bundle age; with a name behind it, it is about custody.",
            ])
            .verify("meta.block.length[63:16] == 0", Reason::Truncated);
        let open = self.number(open, Version::V6, "custody.number").set(
            "block.left",
            "meta.block.length - (bit<64>)(meta.cursor.length - meta.block.start)",
        );
        self.select(
            open,
            "meta.again.look, meta.block.left",
            &[
                ("(_, 0)", "parse_v6_other_age"),
                ("(2, _)", "hop_v6_custody"),
                ("default", "parse_v6_custody"),
            ],
        );
        let open = Open::new("hop_v6_custody")
            .verify("meta.block.left[63:16] == 0", Reason::BlockMalformed);
        self.goto(open, "hop_v6_copy");
        let open = Open::new("parse_v6_other_age").set("bundle_age.age", "meta.custody.number");
        self.goto(open, "have_v6_bundle_age");
        let open = Open::new("parse_v6_custody")
            .verify("meta.custody.present == 0", Reason::BlockDuplicate)
            .verify("meta.block.left[63:16] == 0", Reason::BlockMalformed)
            .set("custody.present", "1")
            .set("custody.colon", "0");
        self.goto(open, "parse_v6_custodian");
        self.branch(
            Open::new("parse_v6_custodian"),
            "meta.block.left",
            "0",
            "have_v6_custody",
            "take_v6_custodian",
        );
        let open = Open::new("take_v6_custodian")
            .octet_6()
            .verify(
                "meta.octet >= 0x20 && meta.octet <= 0x7e",
                Reason::BlockMalformed,
            )
            .set(
                "custody.colon",
                "meta.custody.colon | (meta.octet == 0x3a ? 1w1 : 0)",
            )
            .set("block.left", "meta.block.left - 1");
        self.goto(open, "parse_v6_custodian");
        let open =
            Open::new("have_v6_custody").verify("meta.custody.colon == 1", Reason::BlockMalformed);
        self.goto(open, "parse_v6_block_end");
    }

    /// The previous hop in its two spellings.
    pub(super) fn previous_hop(&mut self, open: Open, field: &str) -> Open {
        self.select(
            open,
            "meta.block.references, meta.block.length",
            &[
                ("(1, 0)", "parse_v6_hop_reference"),
                ("(0, _)", "parse_v6_hop_text"),
                ("default", "refuse_block_data"),
            ],
        );
        let open = Open::new("parse_v6_hop_reference")
            .set("resolve.scheme", "meta.reference.block.scheme")
            .set("resolve.ssp", "meta.reference.block.ssp");
        let open = self.call(open, Routine::Resolve, "resolve", "v6_hop_reference");
        self.goto(open, "have_v6_hop");
        let open = Open::new("parse_v6_hop_text")
            .verify("meta.block.length <= MAX_STRING_LENGTH", Reason::EidForm)
            .set("chars.length", "meta.block.length[15:0]");
        let open = self
            .call(open, Routine::Load, "load_string", "v6_hop_text")
            .verify("meta.chars.end != 0", Reason::BlockMalformed)
            .set("half", "meta.chars.octets[2047:2016]")
            .add("meta.chars.octets = meta.chars.octets << 32;");
        self.scheme_of_text(open, 0, "refuse_eid_scheme", "parse_v6_hop_name");
        let open = self
            .call(
                Open::new("parse_v6_hop_name"),
                Routine::Name,
                "read_name",
                "v6_hop_name",
            )
            .verify(
                "meta.block.length == 48w0 ++ meta.name.length + 4 || meta.block.length == 48w0 ++ meta.name.length + 3",
                Reason::BlockMalformed,
            )
            .verify("meta.eid.node != 0xffffffff", Reason::EidMalformed)
            .verify("meta.eid.service[63:32] == 0", Reason::ValueRange);
        self.goto(open, "have_v6_hop");
        Open::new("have_v6_hop").copy_eid(field, "eid")
    }

    fn block_ends(&mut self) {
        self.select(
            Open::new("parse_v6_block_end"),
            "meta.again.look, meta.block.flags[3:3]",
            &[
                ("(_, 1)", "parse_v6_end"),
                ("(2, _)", "hop_v6_next"),
                ("default", "parse_v6_block"),
            ],
        );
        self.goto(Open::new("parse_v7_block_end"), "parse_v7_block");
    }
}

/// The thousandth part of a number below 2^65, exact: the factor is 2^70 / 125, rounded up.
pub(super) fn div_1000(place: &str, bits: usize) -> String {
    let factor = (1_u128 << 70).div_ceil(125);
    format!(
        "(bit<64>)(((bit<128>){place}[{}:3] * {factor:#x}) >> 70)",
        bits - 1
    )
}
