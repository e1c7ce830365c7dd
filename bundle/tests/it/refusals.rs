// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every reason to refuse, and which one is given when there are several.

use std::collections::BTreeSet;

use bundle::translate::Node;
use bundle::{Eid, Policy, Reason, ReasonKind, translate, v6, v7};

use crate::support::{admin_v6, admin_v7, report_v6, report_v7, seven, six};

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

/// A bundle, a policy and the reason to refuse it.
struct Case {
    name: &'static str,
    octets: Vec<u8>,
    policy: Policy,
    expected: Reason,
}

fn case(name: &'static str, expected: Reason, octets: impl Into<Vec<u8>>) -> Case {
    Case {
        name,
        octets: octets.into(),
        policy: Policy::default(),
        expected,
    }
}

/// A bundle of version 6 that is changed before it is encoded.
fn case6(
    name: &'static str,
    expected: Reason,
    change: impl FnOnce(&mut v6::Bundle<'static>),
) -> Case {
    let mut bundle = six();
    change(&mut bundle);
    case(name, expected, bundle.to_vec())
}

/// A bundle of version 7 that is changed before it is encoded.
fn case7(
    name: &'static str,
    expected: Reason,
    change: impl FnOnce(&mut v7::Bundle<'static>),
) -> Case {
    let mut bundle = seven();
    change(&mut bundle);
    case(name, expected, bundle.to_vec())
}

fn block6(kind: u8, flags: u64, data: &'static [u8]) -> v6::Block<'static> {
    v6::Block::new(v6::BlockType(kind), v6::BlockFlags(flags), data.into())
}

fn block7(kind: u64, number: u64, flags: u64, data: &'static [u8]) -> v7::Block<'static> {
    v7::Block::new(
        v7::BlockType(kind),
        number,
        v7::BlockFlags(flags),
        data.into(),
    )
}

fn dictionary(bundle: &mut v6::Bundle<'_>, strings: &'static [u8]) {
    bundle.primary.dictionary = strings.into();
    let reference = v6::EidRef { scheme: 0, ssp: 4 };
    bundle.primary.destination = reference;
    bundle.primary.source = reference;
    bundle.primary.report_to = reference;
    bundle.primary.custodian = reference;
}

/// Every reason of the codecs and the translator occurs, and for what it should.
#[test]
fn every_reason() {
    let cases: Vec<Case> = [
        structure_v6(),
        structure_v7(),
        blocks_v6(),
        blocks_v7(),
        block_rules_v7(),
        numbers(),
        records(),
        reports(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut seen = BTreeSet::new();
    for Case {
        name,
        octets,
        policy,
        expected,
    } in cases
    {
        let refusal = translate(&octets, &policy).expect_err(name);
        assert_eq!(refusal.reason, expected, "{name}: {refusal:?}");
        assert!(refusal.offset <= octets.len(), "{name}: {refusal:?}");
        assert_eq!(
            refusal.fault.map_or(expected, bundle::Fault::reason),
            expected
        );
        seen.insert(expected);
    }
    let elsewhere = [Reason::Expired];
    let missing: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| reason.kind() != ReasonKind::FastPathLimit)
        .filter(|reason| !seen.contains(reason) && !elsewhere.contains(reason))
        .collect();
    assert!(missing.is_empty(), "{missing:?} never occurs");
}

fn structure_v6() -> Vec<Case> {
    let plain = six().to_vec();
    let mut trailing = plain.clone();
    trailing.push(0);
    let mut long_length = plain.clone();
    long_length[3] += 1;
    let mut short_length = plain.clone();
    short_length[3] -= 1;
    let mut no_last = plain.clone();
    let flags_at = no_last.len() - 7;
    assert_eq!(no_last[flags_at], 8, "the flags of the payload block");
    no_last[flags_at] = 0;
    let eleven = [&[6][..], &[0x80; 11]].concat();
    let large = [&[6][..], &[0x82], &[0x80; 8], &[0]].concat();
    vec![
        case("nothing", Reason::Truncated, []),
        case("keepalive", Reason::Version, [0; 4]),
        case(
            "end of version 6",
            Reason::Truncated,
            &plain[..plain.len() - 1],
        ),
        case("end of its primary block", Reason::Truncated, &plain[..9]),
        case("trailing octets", Reason::TrailingOctets, trailing),
        case("longer length", Reason::PrimaryLength, long_length),
        case("shorter length", Reason::PrimaryLength, short_length),
        case("no last block", Reason::Truncated, no_last),
        case("eleven octets", Reason::IntegerTooLong, eleven),
        case("65 bits", Reason::IntegerTooLong, large),
        case6("offset outside", Reason::Dictionary, |bundle| {
            dictionary(bundle, b"ipn");
        }),
        case6("string without end", Reason::Dictionary, |bundle| {
            dictionary(bundle, b"ipn\x001.1");
        }),
        case6("signed number", Reason::EidMalformed, |bundle| {
            dictionary(bundle, b"ipn\x00+1.1\x00");
        }),
        case6("other scheme", Reason::EidScheme, |bundle| {
            dictionary(bundle, b"imc\x001.1\x00");
        }),
        case6("the local node", Reason::EidMalformed, |bundle| {
            bundle.primary.source.scheme = u64::from(u32::MAX);
        }),
        case6("no payload", Reason::PayloadMissing, |bundle| {
            bundle.blocks = vec![block6(20, 0, &[0])];
        }),
        case6("two payloads", Reason::PayloadDuplicate, |bundle| {
            bundle.blocks.push(block6(1, 0, b"again"));
        }),
    ]
}

fn structure_v7() -> Vec<Case> {
    let plain = seven().to_vec();
    let with = |at: usize, octet: u8| {
        let mut octets = plain.clone();
        octets[at] = octet;
        octets
    };
    let mut trailing = plain.clone();
    trailing.push(0);
    let mut longer_zero = plain.clone();
    longer_zero.splice(3..4, [0x18, 0]);
    let mut tagged = plain.clone();
    tagged.insert(1, 0xc1);
    let mut definite = plain.clone();
    definite.pop();
    definite[0] = 0x83;
    let mut counted = definite.clone();
    counted[0] = 0x81;
    let mut one_more = definite.clone();
    one_more[0] = 0x82;
    one_more.push(0xff);
    let mut cases = structure_of_fields_v7();
    cases.extend([
        case(
            "end of version 7",
            Reason::Truncated,
            &plain[..plain.len() - 1],
        ),
        case("trailing octets", Reason::TrailingOctets, trailing),
        case(
            "too few items in the outer array",
            Reason::PayloadMissing,
            counted,
        ),
        case(
            "too many items in the outer array",
            Reason::Truncated,
            definite,
        ),
        case("definite array and break", Reason::TrailingOctets, one_more),
        case("version 8", Reason::Version, with(2, 8)),
        case("longer zero", Reason::NotShortest, longer_zero),
        case("tag", Reason::UnexpectedItem, tagged),
        case(
            "eight items and a CRC",
            Reason::PrimaryLength,
            with(1, 0x88),
        ),
        case(
            "nine items of a fragment",
            Reason::PrimaryLength,
            with(3, 1),
        ),
        case("CRC type 3", Reason::CrcType, with(4, 3)),
        case(
            "CRC of the wrong length",
            Reason::UnexpectedItem,
            with(4, 2),
        ),
        case("another lifetime", Reason::CrcMismatch, with(34, 0x78)),
    ]);
    cases
}

fn structure_of_fields_v7() -> Vec<Case> {
    vec![
        case7("other scheme", Reason::EidScheme, |bundle| {
            bundle.primary.report_to = v7::Eid::Other {
                scheme: 3,
                ssp: (&[0x82, 1, 0][..]).into(),
            };
        }),
        case7("the local node", Reason::EidMalformed, |bundle| {
            bundle.primary.source = v7::Eid::Ipn {
                node: u64::from(u32::MAX),
                service: 1,
            };
        }),
        Case {
            policy: strict(),
            ..case7("no CRC", Reason::CrcMissing, |bundle| {
                bundle.primary.crc = v7::CrcType::None;
            })
        },
        Case {
            policy: strict(),
            ..case7("reserved flags", Reason::FlagsInvalid, |bundle| {
                bundle.primary.flags = v7::BundleFlags(8);
            })
        },
        case7("no age", Reason::AgeMissing, |bundle| {
            bundle.primary.creation.time_ms = 0;
        }),
    ]
}

fn strict() -> Policy {
    Policy {
        tolerance: v7::Tolerance::STRICT,
        ..Policy::default()
    }
}

fn blocks_v6() -> Vec<Case> {
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

fn blocks_v7() -> Vec<Case> {
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

fn block_rules_v7() -> Vec<Case> {
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

fn numbers() -> Vec<Case> {
    let with = |name, data: &'static [u8], kind| {
        case7(name, Reason::ValueRange, |bundle| {
            bundle.blocks.insert(0, block7(kind, 2, 0, data));
        })
    };
    let mut no_dictionary = Policy::default();
    no_dictionary.peer_v6.dictionary = false;
    let mut no_cbhe = no_dictionary.clone();
    no_cbhe.peer_v6.cbhe = false;
    vec![
        case6("late", Reason::TimeRange, |bundle| {
            bundle.primary.creation.seconds = u64::MAX;
        }),
        case7("early", Reason::TimeRange, |bundle| {
            bundle.primary.creation.time_ms = 999;
        }),
        case7("sequence", Reason::SequenceRange, |bundle| {
            bundle.primary.creation.sequence = 4_294_968;
        }),
        case7("service", Reason::ValueRange, |bundle| {
            bundle.primary.destination = v7::Eid::Ipn {
                node: 1,
                service: 1 << 32,
            };
        }),
        case6("service", Reason::ValueRange, |bundle| {
            bundle.primary.report_to.ssp = 1 << 32;
        }),
        case7("long name", Reason::ValueRange, |bundle| {
            bundle.primary.destination = v7::Eid::Dtn(format!("//{}", "n".repeat(1022)).into());
        }),
        with("age", &[0x1b, 0xff, 0, 0, 0, 0, 0, 0, 0], 7),
        with("ordinal", &[0x84, 0, 0, 0x19, 1, 0, 0], 193),
        with("class", &[0x84, 0, 4, 0, 0], 193),
        Case {
            policy: no_dictionary,
            ..case7("no dictionaries", Reason::PeerForm, |bundle| {
                bundle.primary.destination = v7::Eid::Dtn("//n/x".into());
            })
        },
        Case {
            policy: no_cbhe,
            ..case7("no form at all", Reason::PeerForm, |_| {})
        },
    ]
}

fn records() -> Vec<Case> {
    let payload6 = |name, reason, payload: &'static [u8]| {
        let mut bundle = admin_v6();
        bundle.blocks[0].data = payload.into();
        case(name, reason, bundle.to_vec())
    };
    let payload7 = |name, reason, payload: &'static [u8]| {
        let mut bundle = admin_v7();
        bundle.blocks[0].data = payload.into();
        case(name, reason, bundle.to_vec())
    };
    let mut part6 = admin_v6();
    part6.primary.fragment = Some(v6::Fragment::default());
    let mut part7 = admin_v7();
    part7.primary.fragment = Some(v7::Fragment::default());
    vec![
        payload6("custody signal", Reason::AdminRecord, &[0x20]),
        payload6("encapsulation", Reason::AdminRecord, &[0x70]),
        payload7("encapsulation", Reason::AdminRecord, &[0x82, 7, 0]),
        case("part of a report", Reason::AdminRecord, part6.to_vec()),
        case("part of a report", Reason::AdminRecord, part7.to_vec()),
        payload6("no record", Reason::BlockMalformed, &[]),
        payload6("cut short", Reason::BlockMalformed, &[0x10, 1]),
        payload7("no record", Reason::BlockMalformed, &[]),
        payload7("no pair", Reason::BlockMalformed, &[0x83, 1, 0, 0]),
    ]
}

fn reports() -> Vec<Case> {
    let change6 = |name, reason, change: &dyn Fn(&mut v6::StatusReport<'_>)| {
        let (mut bundle, mut report, mut payload) = (admin_v6(), report_v6(), Vec::new());
        change(&mut report);
        report.encode(&mut payload);
        bundle.blocks[0].data = payload.into();
        case(name, reason, bundle.to_vec())
    };
    let change7 = |name, reason, change: &dyn Fn(&mut v7::StatusReport<'_>)| {
        let (mut bundle, mut report, mut payload) = (admin_v7(), report_v7(), Vec::new());
        change(&mut report);
        report.encode(&mut payload);
        bundle.blocks[0].data = payload.into();
        case(name, reason, bundle.to_vec())
    };
    vec![
        change6("custody only", Reason::ReportEmpty, &|report| {
            report.times = [None, Some(v6::ReportTime::default()), None, None, None];
        }),
        change7("nothing", Reason::ReportEmpty, &|report| {
            report.assertions = vec![v7::Assertion::No; 4];
        }),
        change7("only what comes later", Reason::ReportEmpty, &|report| {
            report.assertions = vec![v7::Assertion::No; 4];
            report.assertions.push(v7::Assertion::Yes);
        }),
        change7("three assertions", Reason::BlockMalformed, &|report| {
            report.assertions.truncate(3);
        }),
        change6("nanoseconds", Reason::BlockMalformed, &|report| {
            let nanoseconds = 1_000_000_000;
            report.times[0] = Some(v6::ReportTime {
                seconds: 0,
                nanoseconds,
            });
        }),
        change6("late event", Reason::TimeRange, &|report| {
            report.times[0] = Some(v6::ReportTime {
                seconds: u64::MAX,
                nanoseconds: 0,
            });
        }),
        change6("source of another scheme", Reason::EidScheme, &|report| {
            report.subject.source = b"imc:1.1"[..].into();
        }),
        change6("source without scheme", Reason::EidMalformed, &|report| {
            report.subject.source = b"1.1"[..].into();
        }),
        change7("early subject", Reason::TimeRange, &|report| {
            report.creation.time_ms = 1;
        }),
        change7(
            "sequence of the subject",
            Reason::SequenceRange,
            &|report| {
                report.creation.sequence = 1 << 32;
            },
        ),
    ]
}

/// The first broken rule on the wire is the one that is named, with its place.
#[test]
fn the_first_octet_decides() {
    let mut bundle = seven();
    bundle.blocks.insert(0, block7(192, 1, 0, &[]));
    let mut octets = bundle.to_vec();
    let last = octets.len() - 1;
    octets[last] = 0;
    let refusal = translate(&octets, &Policy::default()).expect_err("two rules are broken");
    assert_eq!((refusal.reason, refusal.offset), (Reason::BlockNumber, 42));
    assert_eq!(refusal.field, "block number");

    octets[4] = 3;
    let refusal = translate(&octets, &Policy::default()).expect_err("three rules are broken");
    assert_eq!((refusal.reason, refusal.offset), (Reason::CrcType, 4));
    let text = format!("{refusal}: {}", refusal.fault.expect("it is a broken rule"));
    assert_eq!(
        text,
        "cannot translate primary CRC type at octet 4: the CRC type is not 0, 1 or 2: CRC type is 3",
    );
}

/// A refusal about a block points to its data.
#[test]
fn blocks_are_pointed_at() {
    let mut bundle = six();
    bundle.blocks.insert(0, block6(20, 0, &[0x81]));
    let refusal = translate(&bundle.to_vec(), &Policy::default()).expect_err("the age is cut");
    assert_eq!(refusal.reason, Reason::BlockMalformed);
    assert_eq!((refusal.offset, refusal.field), (24, "bundle age"));
}
