// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Blocks that break a rule, or that nobody can translate.

use bundle::translate::Node;
use bundle::{Eid, Policy, Reason, v6, v7};

use super::{Case, block6, block7, case6, case7, strict};

/// Type, flags and data of the blocks before the payload.
type Blocks<T> = &'static [(T, u64, &'static [u8])];

const BLOCKS_V6: &[(&str, Reason, Blocks<u8>)] = &[
    ("security", Reason::Security, &[(3, 0, &[])]),
    (
        "integrity block of bplib",
        Reason::Security,
        &[(13, 0, &[])],
    ),
    ("required", Reason::BlockRequired, &[(8, 4, &[])]),
    (
        "two hops",
        Reason::BlockDuplicate,
        &[(5, 0, b"ipn\x001.0\x00"), (5, 0, b"ipn\x001.0\x00")],
    ),
    (
        "two ages",
        Reason::BlockDuplicate,
        &[(20, 0, &[0]), (20, 0, &[0])],
    ),
    (
        "ages of two types",
        Reason::BlockDuplicate,
        &[(10, 0, &[0]), (20, 0, &[0])],
    ),
    (
        "two custody blocks",
        Reason::BlockDuplicate,
        &[(10, 0, b"\x01ipn:1.0"), (10, 0, b"\x01ipn:1.0")],
    ),
    (
        "two classes",
        Reason::BlockDuplicate,
        &[(19, 0, &[0, 0]), (19, 0, &[0, 0])],
    ),
    (
        "two permits",
        Reason::BlockDuplicate,
        &[(21, 0, &[1]), (21, 0, &[1])],
    ),
    ("empty age", Reason::BlockMalformed, &[(20, 0, &[])]),
    ("age and more", Reason::BlockMalformed, &[(20, 0, &[1, 2])]),
    (
        "age of eleven octets",
        Reason::IntegerTooLong,
        &[(20, 0, &[0x80; 11])],
    ),
    (
        "neither age nor custody",
        Reason::BlockMalformed,
        &[(10, 0, b"\x01abc")],
    ),
    (
        "class without label",
        Reason::BlockMalformed,
        &[(19, 0, &[4, 0])],
    ),
    (
        "class and more",
        Reason::BlockMalformed,
        &[(19, 0, &[0, 0, 0])],
    ),
    ("class cut short", Reason::BlockMalformed, &[(19, 0, &[0])]),
    (
        "hop without number",
        Reason::BlockMalformed,
        &[(5, 0, b"ipn")],
    ),
    (
        "hop and more",
        Reason::BlockMalformed,
        &[(5, 0, b"ipn\x001.0\x00x")],
    ),
    (
        "hop without service",
        Reason::EidMalformed,
        &[(5, 0, b"ipn\x001\x00")],
    ),
    (
        "hop of another scheme",
        Reason::EidScheme,
        &[(5, 0, b"imc\x001.0\x00")],
    ),
    ("empty hop", Reason::BlockMalformed, &[(5, 0, &[])]),
];

const BLOCKS_V7: &[(&str, Reason, Blocks<u64>)] = &[
    ("integrity", Reason::Security, &[(11, 0, &[])]),
    ("confidentiality", Reason::Security, &[(12, 0, &[])]),
    (
        "encrypted age",
        Reason::Security,
        &[(7, 0, &[0xff]), (12, 0, &[])],
    ),
    ("required", Reason::BlockRequired, &[(192, 4, &[])]),
    (
        "two ages",
        Reason::BlockDuplicate,
        &[(7, 0, &[0]), (7, 0, &[0])],
    ),
    (
        "two classes",
        Reason::BlockDuplicate,
        &[(193, 0, &[0x84, 0, 0, 0, 0]), (193, 0, &[0x84, 0, 0, 0, 0])],
    ),
    (
        "two permits",
        Reason::BlockDuplicate,
        &[(194, 0, &[0]), (194, 0, &[0])],
    ),
    ("empty age", Reason::BlockMalformed, &[(7, 0, &[])]),
    ("age and more", Reason::BlockMalformed, &[(7, 0, &[0, 0])]),
    ("age as text", Reason::BlockMalformed, &[(7, 0, &[0x60])]),
    ("longer age", Reason::NotShortest, &[(7, 0, &[0x18, 0])]),
    (
        "class of three",
        Reason::BlockMalformed,
        &[(193, 0, &[0x83, 0, 0, 0])],
    ),
    (
        "hop limit 0",
        Reason::BlockMalformed,
        &[(10, 0, &[0x82, 0, 0])],
    ),
    (
        "hop limit 256",
        Reason::BlockMalformed,
        &[(10, 0, &[0x82, 0x19, 1, 0, 0])],
    ),
    ("hops", Reason::HopLimit, &[(10, 0, &[0x82, 4, 5])]),
    (
        "broken previous node",
        Reason::EidMalformed,
        &[(6, 0, &[0x82, 2, 0x81, 0])],
    ),
    (
        "previous node of another scheme",
        Reason::EidScheme,
        &[(6, 0, &[0x82, 3, 0x82, 1, 0])],
    ),
];

pub(super) fn blocks_v6() -> Vec<Case> {
    let mut cases = vec![
        case6("custody", Reason::Custody, |bundle| {
            bundle.primary.flags = v6::BundleFlags(0x98);
        }),
        case6("security before custody", Reason::Security, |bundle| {
            bundle.primary.flags = v6::BundleFlags(0x98);
            bundle.blocks.push(block6(4, 0, &[]));
        }),
    ];
    cases.extend(BLOCKS_V6.iter().map(|(name, reason, blocks)| {
        let blocks = blocks
            .iter()
            .map(|(kind, flags, data)| block6(*kind, *flags, data));
        case6(name, *reason, |bundle| {
            drop(bundle.blocks.splice(0..0, blocks));
        })
    }));
    cases
}

pub(super) fn blocks_v7() -> Vec<Case> {
    let with = |blocks: Blocks<u64>| {
        let numbered = blocks.iter().zip(2..);
        numbered.map(|((kind, flags, data), number)| block7(*kind, number, *flags, data))
    };
    let mut cases: Vec<_> = BLOCKS_V7
        .iter()
        .map(|(name, reason, blocks)| {
            case7(name, *reason, |bundle| {
                drop(bundle.blocks.splice(0..0, with(blocks)));
            })
        })
        .collect();
    let node = Node {
        id: Eid::ipn(7, 0),
        residence_ms: 0,
    };
    cases.push(Case {
        policy: Policy {
            node: Some(node),
            ..Policy::default()
        },
        ..case7("one hop more", Reason::HopLimit, |bundle| {
            bundle.blocks.insert(0, block7(10, 2, 0, &[0x82, 4, 4]));
        })
    });
    cases
}

pub(super) fn block_rules_v7() -> Vec<Case> {
    let other = |number| block7(192, number, 0, &[]);
    vec![
        case7("number 1", Reason::BlockNumber, |bundle| {
            bundle.blocks.insert(0, other(1));
        }),
        case7("same number", Reason::BlockNumber, |bundle| {
            drop(bundle.blocks.splice(0..0, [other(2), other(2)]));
        }),
        Case {
            policy: strict(),
            ..case7("number 0", Reason::BlockNumber, |bundle| {
                bundle.blocks.insert(0, other(0));
            })
        },
        case7("payload 0", Reason::BlockNumber, |bundle| {
            bundle.blocks[0].number = 0;
        }),
        case7("payload 2", Reason::BlockNumber, |bundle| {
            bundle.blocks[0].number = 2;
        }),
        case7("no payload", Reason::PayloadMissing, |bundle| {
            bundle.blocks.clear();
        }),
        case7("two payloads", Reason::PayloadDuplicate, |bundle| {
            bundle.blocks.push(block7(1, 1, 0, &[]));
        }),
        case7("payload first", Reason::PayloadNotLast, |bundle| {
            bundle.blocks.push(block7(7, 2, 0, &[0]));
        }),
        case7(
            "report on an anonymous bundle",
            Reason::FlagsInvalid,
            |bundle| {
                bundle.primary.source = v7::Eid::DtnNone;
                bundle.blocks[0].flags = v7::BlockFlags::REPORT_UNPROCESSED;
            },
        ),
        case7("report on a report", Reason::FlagsInvalid, |bundle| {
            bundle.primary.flags = v7::BundleFlags::ADMIN_RECORD;
            bundle.blocks[0].flags = v7::BlockFlags::REPORT_UNPROCESSED;
        }),
    ]
}
