// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two bundle formats as tables: fields in the order of the wire, blocks, and guards.
//!
//! Nothing here knows a target. A lowering turns these tables into the text of one architecture.
//! Field names are places in the metadata of a generated program, without the leading `meta.`.

use bundle::Reason;

/// One item on the wire, and the field that holds its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Item {
    /// A number: an SDNV in version 6, an unsigned CBOR integer in version 7.
    Number(&'static str),
    /// An endpoint ID as the version has it: two numbers that are node and service or places in
    /// the dictionary (version 6), a CBOR array (version 7).
    Eid(&'static str),
    /// An endpoint ID as two strings that end with a zero each (RFC 6259), or as a reference.
    Text(&'static str),
    /// One octet that holds a number.
    Octet(&'static str),
    /// One octet that has to have this value; otherwise the bundle has this problem.
    Expect(u8, Reason),
}

/// An item that is there if a bit of a field says so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Optional {
    /// The field that holds the bit.
    pub flags: &'static str,
    /// The bit, counted from the lowest.
    pub bit: u8,
    /// The item.
    pub item: Item,
}

/// The data of a block in one version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Content {
    /// Block type code.
    pub code: u8,
    /// The items that are always there.
    pub items: &'static [Item],
    /// One more at the end that may be missing.
    pub optional: Option<Optional>,
}

/// The type of a field of a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FieldKind {
    /// An unsigned number of 64 bits.
    Number,
    /// An endpoint ID.
    Eid,
}

/// How the values of a block become those of the other version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transform {
    /// They stay.
    Same,
    /// Microseconds of version 6, milliseconds of version 7.
    Age,
    /// Extended class of service of version 6, quality of service of version 7.
    Quality,
    /// Hops are counted, and the block has no place in version 6.
    Hops,
    /// The class of service of version 6 is in the primary block. Its type is not assigned, so the
    /// block is this one only if the receiver's entry says so.
    Priority,
}

/// An extension block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Block {
    /// Name of the block, and of its part of the metadata.
    pub name: &'static str,
    /// For people, with the standard.
    pub title: &'static str,
    /// What the block holds.
    pub fields: &'static [(&'static str, FieldKind)],
    /// How its values cross.
    pub transform: Transform,
    /// The block in version 6, if it has one.
    pub v6: Option<Content>,
    /// The block in version 7, if it has one.
    pub v7: Option<Content>,
}

impl Block {
    /// The block in a version.
    #[must_use]
    pub const fn content(&self, version: Version) -> Option<Content> {
        match version {
            Version::V6 => self.v6,
            Version::V7 => self.v7,
        }
    }
}

/// Fields of the version 6 primary block behind its length (RFC 5050 4.5.1).
pub const V6_PRIMARY: &[Item] = &[
    Item::Eid("primary.destination"),
    Item::Eid("primary.source"),
    Item::Eid("primary.report_to"),
    Item::Eid("primary.custodian"),
    Item::Number("primary.time"),
    Item::Number("primary.sequence"),
    Item::Number("primary.lifetime"),
    Item::Number("primary.dictionary_length"),
];

/// Fields of the version 7 primary block behind its CRC type (RFC 9171 4.3.1).
pub const V7_PRIMARY: &[Item] = &[
    Item::Eid("primary.destination"),
    Item::Eid("primary.source"),
    Item::Eid("primary.report_to"),
    Item::Expect(0x82, Reason::UnexpectedItem),
    Item::Number("primary.time"),
    Item::Number("primary.sequence"),
    Item::Number("primary.lifetime"),
];

/// What both versions add to the primary block of a fragment.
pub const FRAGMENT: &[Item] = &[
    Item::Number("primary.fragment_offset"),
    Item::Number("primary.adu_length"),
];

/// The extension blocks that the program reads.
pub const BLOCKS: &[Block] = &[
    PREVIOUS_NODE,
    QUALITY,
    BUNDLE_AGE,
    PERMITS,
    HOP_COUNT,
    PRIORITY,
];

/// Who sent the bundle last.
const PREVIOUS_NODE: Block = Block {
    name: "previous_node",
    title: "Previous hop insertion block (RFC 6259), previous node block (RFC 9171 4.4.1)",
    fields: &[("eid", FieldKind::Eid)],
    transform: Transform::Same,
    v6: Some(Content {
        code: 5,
        items: &[Item::Text("previous_node.eid")],
        optional: None,
    }),
    v7: Some(Content {
        code: 6,
        items: &[Item::Eid("previous_node.eid")],
        optional: None,
    }),
};

/// What the bundle asks for, besides its priority.
const QUALITY: Block = Block {
    name: "quality",
    title: "Extended class of service block (CCSDS 734.2-B-1), quality of service block of ION",
    fields: &[
        ("flags6", FieldKind::Number),
        ("flags7", FieldKind::Number),
        ("class_of_service", FieldKind::Number),
        ("ordinal", FieldKind::Number),
        ("label", FieldKind::Number),
    ],
    transform: Transform::Quality,
    v6: Some(Content {
        code: 19,
        items: &[
            Item::Octet("quality.flags6"),
            Item::Octet("quality.ordinal"),
        ],
        optional: Some(Optional {
            flags: "quality.flags6",
            bit: 2,
            item: Item::Number("quality.label"),
        }),
    }),
    v7: Some(Content {
        code: 193,
        items: &[
            Item::Expect(0x84, Reason::BlockMalformed),
            Item::Number("quality.flags7"),
            Item::Number("quality.class_of_service"),
            Item::Number("quality.ordinal"),
            Item::Number("quality.label"),
        ],
        optional: None,
    }),
};

/// How old the bundle is, for nodes without a clock.
const BUNDLE_AGE: Block = Block {
    name: "bundle_age",
    title: "Bundle age block: microseconds in version 6, milliseconds in version 7 (RFC 9171 4.4.2)",
    fields: &[("age", FieldKind::Number)],
    transform: Transform::Age,
    v6: Some(Content {
        code: 20,
        items: &[Item::Number("bundle_age.age")],
        optional: None,
    }),
    v7: Some(Content {
        code: 7,
        items: &[Item::Number("bundle_age.age")],
        optional: None,
    }),
};

/// How many copies may still be made.
const PERMITS: Block = Block {
    name: "permits",
    title: "Spray-and-wait permits of ION",
    fields: &[("copies", FieldKind::Number)],
    transform: Transform::Same,
    v6: Some(Content {
        code: 21,
        items: &[Item::Number("permits.copies")],
        optional: None,
    }),
    v7: Some(Content {
        code: 194,
        items: &[Item::Number("permits.copies")],
        optional: None,
    }),
};

/// How many hops the bundle may make, and has made.
const HOP_COUNT: Block = Block {
    name: "hop_count",
    title: "Hop count block (RFC 9171 4.4.3)",
    fields: &[("limit", FieldKind::Number), ("count", FieldKind::Number)],
    transform: Transform::Hops,
    v6: None,
    v7: Some(Content {
        code: 10,
        items: &[
            Item::Expect(0x82, Reason::BlockMalformed),
            Item::Number("hop_count.limit"),
            Item::Number("hop_count.count"),
        ],
        optional: None,
    }),
};

/// The class of service of HDTN.
const PRIORITY: Block = Block {
    name: "hdtn_priority",
    title: "Priority of HDTN, where the receiver's entry says so",
    fields: &[("class_of_service", FieldKind::Number)],
    transform: Transform::Priority,
    v6: None,
    v7: Some(Content {
        code: 13,
        items: &[Item::Number("hdtn_priority.class_of_service")],
        optional: None,
    }),
};

/// Block type of version 6 with two meanings: a bundle age alone, or who has custody.
pub const V6_CUSTODY_OR_AGE: u8 = 10;

/// Block types of security blocks in version 6 (RFC 6257, and those of ION and bplib).
pub const V6_SECURITY: &[u8] = &[2, 3, 4, 9, 13];

/// Block types of security blocks in version 7 (RFC 9172).
pub const V7_SECURITY: &[u8] = &[11, 12];

/// Bundle versions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// RFC 5050.
    V6,
    /// RFC 9171.
    V7,
}
