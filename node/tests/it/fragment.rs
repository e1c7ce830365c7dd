// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fragments: their payloads make up the bundle again, and nothing that has to be in them is not.

use bundle::arbitrary::{Shape, v6_bundle, v7_bundle};
use bundle::fragment::{FragmentError, MAX_FRAGMENTS, fragment};
use bundle::v7::Tolerance;
use bundle::{v6, v7};
use proptest::prelude::*;

use crate::bundles::Sample;

/// A fragment of either version, as far as both have the same.
#[derive(Debug)]
struct Part {
    offset: u64,
    adu_length: u64,
    payload: Vec<u8>,
}

/// Checks that parts follow each other, and returns what they make up.
fn join(parts: &[Part], first_offset: u64, adu_length: u64) -> Vec<u8> {
    let mut payload = Vec::new();
    for part in parts {
        assert_eq!(part.offset, first_offset + payload.len() as u64);
        assert_eq!(part.adu_length, adu_length);
        assert!(!part.payload.is_empty(), "a fragment says nothing");
        payload.extend_from_slice(&part.payload);
    }
    payload
}

/// Checks that parts make up a payload, which may be that of a fragment with this offset and length.
fn check_payload(parts: &[Part], before: Option<(u64, u64)>, payload: &[u8]) {
    let (offset, adu_length) = before.unwrap_or((0, payload.len() as u64));
    assert_eq!(join(parts, offset, adu_length), payload);
}

fn payload_place(bundle: &v6::Bundle<'_>) -> usize {
    let is_payload = |block: &v6::Block<'_>| block.kind == v6::BlockType::PAYLOAD;
    let place = bundle.blocks.iter().position(is_payload);
    place.expect("there is one")
}

/// All blocks but the payload. Which is the last is told by the place, and differs.
fn others_v6<'a>(bundle: &v6::Bundle<'a>) -> Vec<v6::Block<'a>> {
    let mut blocks = bundle.blocks.clone();
    blocks.remove(payload_place(bundle));
    for block in &mut blocks {
        block.flags = block.flags.without(v6::BlockFlags::LAST);
    }
    blocks
}

/// All blocks but the payload, and what the payload has besides its data.
fn others_v7<'a>(bundle: &v7::Bundle<'a>) -> (Vec<v7::Block<'a>>, v7::CrcType, v7::BlockFlags) {
    let mut blocks = bundle.blocks.clone();
    let payload = blocks.pop().expect("the payload is the last block");
    (blocks, payload.crc, payload.flags)
}

fn check_v6(whole: &v6::Bundle<'_>, fragments: &[Vec<u8>]) {
    let decoded: Vec<_> = fragments
        .iter()
        .map(|octets| v6::Bundle::decode(octets).expect("a fragment is a bundle"))
        .collect();
    let part = |bundle: &v6::Bundle<'_>| {
        let fragment = bundle.primary.fragment.expect("it is a fragment");
        Part {
            offset: fragment.offset,
            adu_length: fragment.adu_length,
            payload: bundle.payload().to_vec(),
        }
    };
    let parts: Vec<_> = decoded.iter().map(part).collect();
    let before = whole.primary.fragment;
    let before = before.map(|part| (part.offset, part.adu_length));
    check_payload(&parts, before, whole.payload());

    let last = fragments.len() - 1;
    for (number, fragment) in decoded.iter().enumerate() {
        let wanted: Vec<_> = others_v6(whole)
            .into_iter()
            .enumerate()
            .filter(|(index, block)| {
                let at_its_side = number
                    == if *index < payload_place(whole) {
                        0
                    } else {
                        last
                    };
                at_its_side || block.flags.contains(v6::BlockFlags::REPLICATE)
            })
            .map(|(_, block)| block)
            .collect();
        assert_eq!(others_v6(fragment), wanted, "blocks of fragment {number}");
        let mut primary = fragment.primary.clone();
        primary.fragment = whole.primary.fragment;
        primary.flags = whole.primary.flags;
        assert_eq!(primary, whole.primary);
    }
}

fn check_v7(whole: &v7::Bundle<'_>, fragments: &[Vec<u8>]) {
    let tolerance = Tolerance::LENIENT;
    let decoded: Vec<_> = fragments
        .iter()
        .map(|octets| v7::Bundle::decode(octets, tolerance).expect("a fragment is a bundle"))
        .collect();
    let part = |bundle: &v7::Bundle<'_>| {
        let fragment = bundle.primary.fragment.expect("it is a fragment");
        Part {
            offset: fragment.offset,
            adu_length: fragment.adu_length,
            payload: bundle.payload().to_vec(),
        }
    };
    let parts: Vec<_> = decoded.iter().map(part).collect();
    let before = whole.primary.fragment;
    let before = before.map(|part| (part.offset, part.adu_length));
    check_payload(&parts, before, whole.payload());

    let (blocks, crc, flags) = others_v7(whole);
    for (number, fragment) in decoded.iter().enumerate() {
        let needed = [v7::BlockType::AGE, v7::BlockType::HOP_COUNT];
        let everywhere = |block: &v7::Block<'_>| {
            needed.contains(&block.kind) || block.flags.contains(v7::BlockFlags::REPLICATE)
        };
        let mut wanted = blocks.clone();
        wanted.retain(|block| number == 0 || everywhere(block));
        assert_eq!(others_v7(fragment), (wanted, crc, flags));
        let mut primary = fragment.primary.clone();
        primary.fragment = whole.primary.fragment;
        primary.flags = whole.primary.flags;
        assert_eq!(primary, whole.primary);
    }
}

/// Why a bundle may stay whole.
fn check_error(error: &FragmentError, forbidden: bool, anonymous: bool) {
    match error {
        FragmentError::Forbidden => assert!(forbidden),
        FragmentError::Anonymous => assert!(anonymous && !forbidden),
        // Generated fragments state any length of their data unit.
        FragmentError::NoRoom { .. } | FragmentError::Extent => {}
        other => panic!("{other}"),
    }
}

proptest! {
    #[test]
    fn fragments_of_version_6_rejoin(
        bundle in v6_bundle(Shape::ANY), max_len in 1_usize..600, divisible in any::<bool>(),
    ) {
        let mut bundle = bundle;
        let flag = v6::BundleFlags::MUST_NOT_FRAGMENT;
        bundle.primary.flags = bundle.primary.flags.set_to(flag, !divisible);
        let octets = bundle.to_vec();
        let bundle = v6::Bundle::decode(&octets).expect("it was just written");
        let source = bundle.primary.eid(bundle.primary.source);
        let anonymous = source.is_ok_and(|source| source.is_null());
        match fragment(&octets, max_len) {
            Ok(whole) if octets.len() <= max_len => prop_assert_eq!(whole, vec![octets]),
            Ok(fragments) => {
                prop_assert!(divisible && !anonymous && fragments.len() <= MAX_FRAGMENTS);
                prop_assert!(fragments.iter().all(|fragment| fragment.len() <= max_len));
                check_v6(&bundle, &fragments);
            }
            Err(error) => check_error(&error, !divisible, anonymous),
        }
    }

    #[test]
    fn fragments_of_version_7_rejoin(
        bundle in v7_bundle(Shape::ANY), max_len in 1_usize..600, divisible in any::<bool>(),
    ) {
        let mut bundle = bundle;
        let flag = v7::BundleFlags::MUST_NOT_FRAGMENT;
        bundle.primary.flags = bundle.primary.flags.set_to(flag, !divisible);
        let octets = bundle.to_vec();
        let bundle = v7::Bundle::decode(&octets, Tolerance::LENIENT).expect("it was just written");
        let anonymous = bundle.primary.source.is_null();
        match fragment(&octets, max_len) {
            Ok(whole) if octets.len() <= max_len => prop_assert_eq!(whole, vec![octets]),
            Ok(fragments) => {
                prop_assert!(divisible && !anonymous && fragments.len() <= MAX_FRAGMENTS);
                prop_assert!(fragments.iter().all(|fragment| fragment.len() <= max_len));
                check_v7(&bundle, &fragments);
            }
            Err(error) => check_error(&error, !divisible, anonymous),
        }
    }

    #[test]
    fn arbitrary_octets_are_no_panic(
        octets in proptest::collection::vec(any::<u8>(), 0..300), max_len in 0_usize..100,
    ) {
        let _ = fragment(&octets, max_len);
    }
}

/// The sample with 4000 octets, and both versions of it.
fn long() -> [Vec<u8>; 2] {
    let sample = Sample {
        payload: (0..4000_u16).map(|n| n.to_le_bytes()[0]).collect(),
        ..Sample::default()
    };
    let six = sample.v6();
    let seven = bundle::translate(&six, &bundle::Policy::default()).expect("it is translatable");
    [six, seven.octets]
}

#[test]
fn a_long_bundle_becomes_as_few_as_fit() {
    for octets in long() {
        for max_len in [400, 1000, 1472, 3999] {
            let fragments = fragment(&octets, max_len).expect("there is room");
            // Less than 60 octets of each are not payload.
            assert_eq!(
                fragments.len(),
                4000_usize.div_ceil(max_len - 60),
                "{max_len}"
            );
            let [first, .., _] = fragments.as_slice() else {
                panic!("at least two")
            };
            assert!(first.len() + 2 >= max_len, "{} of {max_len}", first.len());
        }
    }
}

#[test]
fn fragments_can_be_divided_again() {
    for octets in long() {
        let coarse = fragment(&octets, 1472).expect("there is room");
        let fine: Vec<_> = coarse
            .iter()
            .flat_map(|octets| fragment(octets, 300).expect("there is room"))
            .collect();
        if octets[0] == 6 {
            check_v6(&v6::Bundle::decode(&octets).expect("valid"), &fine);
        } else {
            let whole = v7::Bundle::decode(&octets, Tolerance::STRICT).expect("valid");
            check_v7(&whole, &fine);
        }
    }
}

#[test]
fn too_little_room_is_said() {
    for octets in long() {
        assert_eq!(
            fragment(&octets, 30),
            Err(FragmentError::NoRoom { max_len: 30 })
        );
        // Some octets of payload in each would make more fragments than anyone wants.
        let least = (30..100).find(|&len| fragment(&octets, len).is_ok());
        let fragments = fragment(&octets, least.expect("there is one")).expect("it was found");
        assert!(fragments.len() <= MAX_FRAGMENTS);
    }
}
