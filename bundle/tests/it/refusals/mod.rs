// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every reason to refuse, and which one is given when there are several.

mod blocks;
mod structure;
mod values;

use std::collections::BTreeSet;

use bundle::{Policy, Reason, ReasonKind, translate, v6, v7};

use crate::support::{seven, six};

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

/// Every reason of the codecs and the translator occurs, and for what it should.
#[test]
fn every_reason() {
    let cases: Vec<Case> = [
        structure::structure_v6(),
        structure::structure_v7(),
        blocks::blocks_v6(),
        blocks::blocks_v7(),
        blocks::block_rules_v7(),
        values::numbers(),
        values::records(),
        values::reports(),
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

fn strict() -> Policy {
    Policy {
        tolerance: v7::Tolerance::STRICT,
        ..Policy::default()
    }
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
