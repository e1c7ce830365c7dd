// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles that go on in their version: what a hop changes, and that it changes nothing else.

use bundle::arbitrary::{Shape, v6_octets, v6_padded_octets, v7_octets};
use bundle::translate::Node;
use bundle::v7::{BlockFlags, BlockType, Tolerance};
use bundle::{Eid, Reason, relay, v6, v7};
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::{Config, TestCaseError};

use crate::support::{seven, six};

const RESIDENCE_MS: u64 = 1500;
const NODE_ID: Eid<'static> = Eid::ipn(10, 0);

fn node() -> Node {
    Node {
        id: NODE_ID,
        residence_ms: RESIDENCE_MS,
    }
}

fn relayed(octets: &[u8]) -> Result<Vec<u8>, Reason> {
    relay(octets, &node(), Tolerance::LENIENT).map_err(|refusal| refusal.reason)
}

fn block_7(kind: BlockType, number: u64, flags: BlockFlags, data: Vec<u8>) -> v7::Block<'static> {
    v7::Block::new(kind, number, flags, data.into())
}

/// Version 7 with these blocks in front of the payload.
fn seven_with(blocks: Vec<v7::Block<'static>>) -> v7::Bundle<'static> {
    let mut bundle = seven();
    bundle
        .blocks
        .retain(|block| block.kind == BlockType::PAYLOAD);
    bundle.blocks.splice(0..0, blocks);
    bundle
}

fn check_7(before: Vec<v7::Block<'static>>, after: Result<Vec<v7::Block<'static>>, Reason>) {
    let result = relayed(&seven_with(before).to_vec());
    assert_eq!(result, after.map(|blocks| seven_with(blocks).to_vec()));
}

fn previous(number: u64, flags: BlockFlags, eid: Eid<'_>) -> v7::Block<'static> {
    let data = v7::Block::previous_node_data(eid);
    block_7(BlockType::PREVIOUS_NODE, number, flags, data)
}

/// The block that a hop adds.
fn added(number: u64) -> v7::Block<'static> {
    previous(number, BlockFlags::DISCARD_UNPROCESSED, NODE_ID)
}

#[test]
fn version_7_gets_older_makes_a_hop_and_comes_from_here() {
    let hops = |count| {
        let data = v7::Block::hop_count_data(3, count);
        v7::Block {
            crc: v7::CrcType::Crc32c,
            ..block_7(BlockType::HOP_COUNT, 9, BlockFlags::REPLICATE, data)
        }
    };
    let age = |ms| {
        let data = v7::Block::number_data(ms);
        block_7(BlockType::AGE, 4, BlockFlags::default(), data)
    };
    check_7(
        vec![hops(2), age(23)],
        Ok(vec![hops(3), age(23 + RESIDENCE_MS), added(10)]),
    );
    check_7(vec![hops(3)], Err(Reason::HopLimit));
    let last = vec![age(u64::MAX), added(5)];
    check_7(vec![age(u64::MAX)], Ok(last));
}

#[test]
fn the_previous_node_is_replaced_where_it_is() {
    let qos = || {
        let data = v7::Block::qos_data(v7::Qos::default());
        block_7(BlockType::QOS, 2, BlockFlags::default(), data)
    };
    let flags = BlockFlags::REPLICATE;
    check_7(
        vec![qos(), previous(7, flags, Eid::ipn(977, 0))],
        Ok(vec![qos(), previous(7, flags, NODE_ID)]),
    );
    // Whatever it says.
    let odd = block_7(BlockType::PREVIOUS_NODE, 7, flags, vec![0x20]);
    check_7(vec![odd], Ok(vec![previous(7, flags, NODE_ID)]));
}

#[test]
fn unknown_blocks_go_by_their_flags() {
    let unknown = |flags| block_7(BlockType(200), 2, flags, vec![1, 2]);
    let stays = BlockFlags::REPLICATE;
    check_7(vec![unknown(stays)], Ok(vec![unknown(stays), added(3)]));
    let goes = BlockFlags::DISCARD_UNPROCESSED;
    check_7(vec![unknown(goes)], Ok(vec![added(3)]));
    let forbids = goes.with(BlockFlags::DELETE_UNPROCESSED);
    check_7(vec![unknown(forbids)], Err(Reason::BlockRequired));
}

/// What cannot be read may be encrypted, if there is a security block.
#[test]
fn secured_blocks_stay_as_they_are() {
    let age = || block_7(BlockType::AGE, 2, BlockFlags::default(), vec![0xf6, 1]);
    let hidden = || block_7(BlockType::PREVIOUS_NODE, 4, BlockFlags::default(), vec![9]);
    let security = || {
        let kind = BlockType::CONFIDENTIALITY;
        block_7(kind, 3, BlockFlags::default(), vec![0x81, 2])
    };
    check_7(vec![age()], Err(Reason::BlockMalformed));
    let blocks = || vec![age(), security(), hidden()];
    check_7(blocks(), Ok(blocks()));
}

/// The number of items of a definite array grows and shrinks with the blocks.
#[test]
fn outer_arrays_stay_definite() {
    let flags = BlockFlags::DISCARD_UNPROCESSED;
    let unknown = || block_7(BlockType(200), 2, flags, vec![1, 2]);
    for (before, after) in [
        (vec![], vec![added(2)]),
        (vec![unknown()], vec![added(3)]),
        (
            vec![unknown(), previous(3, flags, Eid::ipn(9, 0))],
            vec![previous(3, flags, NODE_ID)],
        ),
    ] {
        let definite = |blocks: Vec<v7::Block<'static>>| {
            let mut octets = seven_with(blocks).to_vec();
            let items = v7::Bundle::decode(&octets, Tolerance::LENIENT)
                .expect("it is valid")
                .blocks
                .len();
            octets.pop();
            octets[0] = 0x81 + u8::try_from(items).expect("there are few blocks");
            octets
        };
        assert_eq!(relayed(&definite(before)), Ok(definite(after)));
    }
}

fn check_6(before: Vec<v6::Block<'static>>, after: Result<Vec<v6::Block<'static>>, Reason>) {
    let of = |blocks| v6::Bundle { blocks, ..six() }.to_vec();
    assert_eq!(relayed(&of(before)), after.map(of));
}

#[test]
fn version_6_gets_older_and_comes_from_here() {
    let flags = v6::BlockFlags::REPLICATE;
    let hop = |eid| v6::Block::previous_hop(flags, &eid);
    let age = |kind, us| v6::Block::age(kind, flags, us);
    let payload = || v6::Block::new(v6::BlockType::PAYLOAD, flags, b"hello".into());
    let added = || v6::Block::previous_hop(v6::BlockFlags::DISCARD_UNPROCESSED, &NODE_ID);
    for kind in [v6::BlockType::AGE, v6::BlockType::CUSTODY_OR_AGE] {
        let older = age(kind, 5 + RESIDENCE_MS * 1000);
        check_6(
            vec![hop(Eid::ipn(977, 1)), age(kind, 5), payload()],
            Ok(vec![hop(NODE_ID), older.clone(), payload()]),
        );
        check_6(
            vec![payload(), age(kind, 5)],
            Ok(vec![added(), payload(), older]),
        );
        check_6(
            vec![age(kind, 5), age(v6::BlockType::AGE, 5), payload()],
            Err(Reason::BlockDuplicate),
        );
    }
    let custody = || v6::Block::new(v6::BlockType::CUSTODY_OR_AGE, flags, b"\x05ipn:1.1".into());
    check_6(
        vec![custody(), payload()],
        Ok(vec![custody(), added(), payload()]),
    );
}

#[test]
fn unknown_blocks_of_version_6_go_by_their_flags() {
    let unknown = |flags| v6::Block::new(v6::BlockType(200), flags, b"?".into());
    let payload = || v6::Block::new(v6::BlockType::PAYLOAD, v6::BlockFlags(0), b"hello".into());
    let added = || v6::Block::previous_hop(v6::BlockFlags::DISCARD_UNPROCESSED, &NODE_ID);
    let stays = v6::BlockFlags::REPLICATE;
    let opaque = stays.with(v6::BlockFlags::FORWARDED_UNPROCESSED);
    check_6(
        vec![unknown(stays), payload()],
        Ok(vec![unknown(opaque), added(), payload()]),
    );
    // The block that was last goes, and the one before it is the last one then.
    let goes = v6::BlockFlags::DISCARD_UNPROCESSED;
    check_6(vec![payload(), unknown(goes)], Ok(vec![added(), payload()]));
    let forbids = v6::BlockFlags::DELETE_UNPROCESSED;
    check_6(
        vec![unknown(forbids), payload()],
        Err(Reason::BlockRequired),
    );
}

/// Numbers that are longer than they need to be stay so, flags of a changed block excepted.
#[test]
fn padding_stays() {
    let octets = b"\x06\x80\x10\x80\x11\x02\x01\x01\x01\x01\x01\x00\x00\x82\xfe\xbb\xfa\x40\x07\
        \x9c\x10\x00\xc8\x80\x01\x80\x01?\x01\x80\x08\x80\x05hello";
    let expected = b"\x06\x80\x10\x80\x11\x02\x01\x01\x01\x01\x01\x00\x00\x82\xfe\xbb\xfa\x40\x07\
        \x9c\x10\x00\xc8\x80\x21\x80\x01?\x05\x10\x09ipn\x0010.0\x00\x01\x80\x08\x80\x05hello";
    assert_eq!(relayed(octets), Ok(expected.to_vec()));
}

#[test]
fn octets_that_are_no_bundle_are_refused() {
    for (octets, reason) in [
        (&b""[..], Reason::Truncated),
        (b"\x06", Reason::Truncated),
        (b"\x9f\xff", Reason::UnexpectedItem),
        (b"hello", Reason::Version),
    ] {
        assert_eq!(relayed(octets), Err(reason), "{octets:?}");
    }
    let whole = seven().to_vec();
    assert!(relayed(&whole).is_ok());
    for len in 0..whole.len() {
        assert!(relayed(&whole[..len]).is_err(), "{len} octets");
    }
}

/// Blocks of any kind that a hop does not touch.
fn is_untouched_7(block: &v7::Block<'_>) -> bool {
    !matches!(
        block.kind,
        BlockType::PREVIOUS_NODE | BlockType::AGE | BlockType::HOP_COUNT
    )
}

fn check_any_7(octets: &[u8]) -> Result<(), TestCaseError> {
    let Ok(after) = relayed(octets) else {
        return Ok(());
    };
    let read = |octets| v7::Bundle::decode(octets, Tolerance::LENIENT);
    let (Ok(old), Ok(new)) = (read(octets), read(&after)) else {
        return Err(TestCaseError::fail("what is relayed is a bundle"));
    };
    prop_assert_eq!(&old.primary, &new.primary);
    let kept = |bundle: &v7::Bundle<'_>, goes: bool| -> Vec<_> {
        let goes = |block: &&v7::Block<'_>| {
            let unknown = matches!(block.content(), Ok(v7::Content::Other));
            !(goes && unknown && block.flags.contains(BlockFlags::DISCARD_UNPROCESSED))
        };
        let blocks = bundle.blocks.iter();
        let blocks = blocks.filter(|block| is_untouched_7(block)).filter(goes);
        blocks.map(|block| format!("{block:?}")).collect()
    };
    prop_assert_eq!(kept(&old, true), kept(&new, false));
    let nodes = new.blocks.iter();
    let nodes = nodes.filter(|block| block.kind == BlockType::PREVIOUS_NODE);
    prop_assert_eq!(nodes.count(), 1);
    Ok(())
}

fn check_any_6(octets: &[u8]) -> Result<(), TestCaseError> {
    let Ok(after) = relayed(octets) else {
        return Ok(());
    };
    let (Ok(old), Ok(new)) = (v6::Bundle::decode(octets), v6::Bundle::decode(&after)) else {
        return Err(TestCaseError::fail("what is relayed is a bundle"));
    };
    prop_assert_eq!(&old.primary, &new.primary);
    prop_assert_eq!(old.payload(), new.payload());
    let hops = new.blocks.iter();
    let hops = hops.filter(|block| block.kind == v6::BlockType::PREVIOUS_HOP);
    prop_assert_eq!(hops.count(), 1);
    prop_assert!(new.blocks.len() <= old.blocks.len() + 1);
    Ok(())
}

fn any_6() -> impl Strategy<Value = Vec<u8>> {
    let padded = v6_padded_octets(Shape::ANY).prop_map(|(octets, _)| octets);
    prop_oneof![v6_octets(Shape::ANY), padded]
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn nothing_else_changes_in_version_7(octets in v7_octets(Shape::ANY)) {
        check_any_7(&octets)?;
    }

    #[test]
    fn nothing_else_changes_in_version_6(octets in any_6()) {
        check_any_6(&octets)?;
    }
}
