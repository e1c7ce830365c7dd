// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles that go on in their version: what a hop changes, and that it changes nothing else.

use bundle::translate::Node;
use bundle::v7::{Block, BlockFlags, BlockType, Tolerance};
use bundle::{Eid, Policy, translate, v6, v7};
use node::relay::{RelayError, relay};

use crate::bundles::{Sample, age_ms, decode_v7, node_id, previous_node};

const RESIDENCE_MS: u64 = 1500;

fn node() -> Node {
    Node {
        id: node_id(),
        residence_ms: RESIDENCE_MS,
    }
}

/// Version 7 with a bundle age of 0 and a hop count.
fn seven(limit: u64, count: u64) -> Vec<u8> {
    let octets = translate(&Sample::default().v6(), &Policy::default());
    let octets = octets.expect("it is translatable").octets;
    let mut bundle = decode_v7(&octets);
    let data = Block::hop_count_data(limit, count);
    let number = bundle.blocks.iter().map(|block| block.number).max();
    let number = number.expect("there are blocks") + 1;
    let block = Block::new(
        BlockType::HOP_COUNT,
        number,
        BlockFlags::default(),
        data.into(),
    );
    bundle.blocks.insert(0, block);
    bundle.to_vec()
}

#[test]
fn version_7_gets_older_makes_a_hop_and_comes_from_here() {
    let before = seven(3, 2);
    let after = relay(&before, &node()).expect("it may make a hop");
    assert_eq!(age_ms(&after), Some(RESIDENCE_MS));
    assert_eq!(previous_node(&after), Some(node_id()));
    let (old, new) = (decode_v7(&before), decode_v7(&after));
    assert_eq!(old.primary, new.primary);
    assert_eq!(old.payload(), new.payload());
    let hops = new.blocks.iter().find_map(|block| match block.content() {
        Ok(v7::Content::HopCount { limit, count }) => Some((limit, count)),
        _ => None,
    });
    assert_eq!(hops, Some((3, 3)));
    assert_eq!(
        relay(&after, &node()),
        Err(RelayError::HopLimit { limit: 3 })
    );
}

#[test]
fn there_is_one_previous_node() {
    let once = relay(&seven(9, 0), &node()).expect("it may make a hop");
    let elsewhere = Node {
        id: Eid::ipn(11, 0),
        residence_ms: 0,
    };
    let twice = relay(&once, &elsewhere).expect("it may make a hop");
    assert_eq!(previous_node(&twice), Some(Eid::ipn(11, 0)));
    assert_eq!(
        decode_v7(&twice).blocks.len(),
        decode_v7(&once).blocks.len()
    );
}

#[test]
fn version_6_gets_older_and_comes_from_here() {
    let octets = Sample::default().v6();
    let mut bundle = v6::Bundle::decode(&octets).expect("it is valid");
    let previous = v6::Block::previous_hop(v6::BlockFlags::REPLICATE, &Eid::ipn(7, 0));
    bundle.blocks.insert(0, previous);
    let after = relay(&bundle.to_vec(), &node()).expect("it is valid");
    let after = v6::Bundle::decode(&after).expect("it is valid");
    let mut expected = bundle.clone();
    expected.blocks[0] = v6::Block::previous_hop(v6::BlockFlags::REPLICATE, &node_id());
    let kind = v6::BlockType::AGE;
    let age = v6::Block::age(kind, v6::BlockFlags::REPLICATE, RESIDENCE_MS * 1000);
    expected.blocks[1] = age;
    assert_eq!(after.to_vec(), expected.to_vec());
}

#[test]
fn octets_that_are_no_bundle_are_refused() {
    for octets in [&b""[..], b"\x06", b"\x9f\xff", b"hello"] {
        assert!(matches!(relay(octets, &node()), Err(RelayError::Decode(_))));
    }
    let whole = seven(3, 0);
    assert!(v7::Bundle::decode(&whole, Tolerance::STRICT).is_ok());
    for len in 0..whole.len() {
        assert!(relay(&whole[..len], &node()).is_err(), "{len} octets");
    }
}
