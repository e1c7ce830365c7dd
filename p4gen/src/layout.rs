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
    /// An endpoint ID: two numbers in version 6 (RFC 6260), a CBOR array in version 7.
    Eid(&'static str),
    /// One octet that holds a number.
    Octet(&'static str),
    /// One octet that has to have this value; otherwise the bundle has this problem.
    Expect(u8, Reason),
    /// A number in decimal digits, ended by this octet.
    Decimal(&'static str, u8),
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

/// An extension block that exists in both versions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Block {
    /// Name of the block, and of its part of the metadata.
    pub name: &'static str,
    /// For people, with the standard.
    pub title: &'static str,
    /// What the block holds.
    pub fields: &'static [(&'static str, FieldKind)],
    /// The block in version 6.
    pub v6: Content,
    /// The block in version 7.
    pub v7: Content,
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

/// The extension blocks that are translated.
pub const BLOCKS: &[Block] = &[PREVIOUS_NODE, QUALITY, BUNDLE_AGE];

/// Who sent the bundle last.
const PREVIOUS_NODE: Block = Block {
    name: "previous_node",
    title: "Previous hop insertion block (RFC 6259), previous node block (RFC 9171 4.4.1)",
    fields: &[("eid", FieldKind::Eid)],
    v6: Content {
        code: 5,
        items: &[
            Item::Expect(b'i', Reason::EidForm),
            Item::Expect(b'p', Reason::EidForm),
            Item::Expect(b'n', Reason::EidForm),
            Item::Expect(0, Reason::EidForm),
            Item::Decimal("previous_node.eid.node", b'.'),
            Item::Decimal("previous_node.eid.service", 0),
        ],
        optional: None,
    },
    v7: Content {
        code: 6,
        items: &[Item::Eid("previous_node.eid")],
        optional: None,
    },
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
    v6: Content {
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
    },
    v7: Content {
        code: 193,
        items: &[
            Item::Expect(0x84, Reason::BlockMalformed),
            Item::Number("quality.flags7"),
            Item::Number("quality.class_of_service"),
            Item::Number("quality.ordinal"),
            Item::Number("quality.label"),
        ],
        optional: None,
    },
};

/// How old the bundle is, for nodes without a clock.
const BUNDLE_AGE: Block = Block {
    name: "bundle_age",
    title: "Bundle age block: microseconds in version 6, milliseconds in version 7 (RFC 9171 4.4.2)",
    fields: &[("age", FieldKind::Number)],
    v6: Content {
        code: 20,
        items: &[Item::Number("bundle_age.age")],
        optional: None,
    },
    v7: Content {
        code: 7,
        items: &[Item::Number("bundle_age.age")],
        optional: None,
    },
};

/// Block types of security blocks in version 6 (RFC 6257, and those of ION and bplib).
pub const V6_SECURITY: &[u8] = &[2, 3, 4, 9, 13];

/// Block types of security blocks in version 7 (RFC 9172).
pub const V7_SECURITY: &[u8] = &[11, 12];

/// A condition, over fields that are known once the bundle is parsed, that forbids translation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Condition {
    /// A flag of the bundle, by the name of its constant.
    Flag(&'static str),
    /// Block numbers repeat, or the payload is not number 1.
    BlockNumbers,
    /// The source is null, and a block asks for reports.
    AnonymousReport,
    /// The creation time is zero, and there is no age block.
    AgeMissing,
    /// A service number, of another than the null endpoint, does not fit into 32 bits (RFC 9758 3.3).
    ServiceRange,
    /// A node number that stands for the local node, and must not travel (RFC 9758 5.5).
    LocalNode,
    /// The previous node is null: its text is not one that the program writes.
    PreviousNodeNull,
}

/// Bundle versions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// RFC 5050.
    V6,
    /// RFC 9171.
    V7,
}

/// A rule that joins several fields, and what it means if the bundle breaks it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Guard {
    /// The version it is about; both if `None`.
    pub version: Option<Version>,
    /// What must not be.
    pub condition: Condition,
    /// Why not.
    pub reason: Reason,
}

/// Guards in the order in which they count: broken bundles first, then what cannot be translated.
pub const GUARDS: &[Guard] = &[
    Guard {
        version: Some(Version::V7),
        condition: Condition::BlockNumbers,
        reason: Reason::BlockNumber,
    },
    Guard {
        version: Some(Version::V7),
        condition: Condition::AnonymousReport,
        reason: Reason::FlagsInvalid,
    },
    Guard {
        version: Some(Version::V7),
        condition: Condition::AgeMissing,
        reason: Reason::AgeMissing,
    },
    Guard {
        version: Some(Version::V6),
        condition: Condition::Flag("FLAG6_CUSTODY"),
        reason: Reason::Custody,
    },
    Guard {
        version: None,
        condition: Condition::Flag("FLAG_ADMIN"),
        reason: Reason::AdminUnsupported,
    },
    Guard {
        version: Some(Version::V6),
        condition: Condition::LocalNode,
        reason: Reason::EidMalformed,
    },
    Guard {
        version: None,
        condition: Condition::ServiceRange,
        reason: Reason::ValueRange,
    },
    Guard {
        version: Some(Version::V7),
        condition: Condition::PreviousNodeNull,
        reason: Reason::EidForm,
    },
];
