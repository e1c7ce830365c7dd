// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the policy of a translation may choose.

use std::num::NonZeroU64;

use bundle::translate::{PriorityRule, UnknownBlocks};
use bundle::{Loss, Policy, Reason, Version, translate, translate_into, v6, v7};

use crate::support::{seven, six, to_v6, to_v7};

/// A bundle of version 6 with a block of this type and flags before the payload.
fn six_with(kind: u8, flags: u64) -> v6::Bundle<'static> {
    let mut bundle = six();
    let data = b"private"[..].into();
    let block = v6::Block::new(v6::BlockType(kind), v6::BlockFlags(flags), data);
    bundle.blocks.insert(0, block);
    bundle
}

/// A bundle of version 7 with a block of this type and flags before the payload.
fn seven_with(kind: u64, flags: u64) -> v7::Bundle<'static> {
    let mut bundle = seven();
    let data = b"private"[..].into();
    let block = v7::Block::new(v7::BlockType(kind), 2, v7::BlockFlags(flags), data);
    bundle.blocks.insert(0, block);
    bundle
}

fn unknown(unknown_blocks: UnknownBlocks) -> Policy {
    Policy {
        unknown_blocks,
        ..Policy::default()
    }
}

fn reason(octets: &[u8], policy: &Policy) -> Reason {
    translate(octets, policy)
        .expect_err("the policy refuses it")
        .reason
}

#[test]
fn the_priority_travels_in_a_block_and_comes_back() {
    let cases = [
        (
            PriorityRule::Qos,
            v7::BlockType::QOS,
            vec![0x84, 0, 2, 0, 0],
        ),
        (PriorityRule::Hdtn, v7::BlockType::HDTN_PRIORITY, vec![2]),
    ];
    for (priority, kind, data) in cases {
        let policy = Policy {
            priority,
            hdtn_priority: true,
            ..Policy::default()
        };
        let mut bundle = six();
        bundle.primary.flags = bundle.primary.flags.with_priority(v6::Priority::Expedited);
        to_v7(&bundle, &policy, |there, losses| {
            assert_eq!(there.blocks[0].kind, kind);
            assert_eq!(there.blocks[0].number, 2);
            assert_eq!(*there.blocks[0].data, data);
            assert!(!losses.contains(Loss::Priority));
            to_v6(there, &policy, |back, _| {
                assert_eq!(back.primary.flags.priority(), v6::Priority::Expedited);
                assert_eq!(back.blocks.len(), 1);
            });
        });
    }
}

#[test]
fn a_class_of_service_block_is_enough_for_the_priority() {
    let policy = Policy {
        priority: PriorityRule::Qos,
        ..Policy::default()
    };
    let mut bundle = six();
    let ecos = v6::Block::ecos(v6::BlockFlags::default(), 1, 5, None);
    bundle.blocks.insert(0, ecos);
    to_v7(&bundle, &policy, |there, _| {
        assert_eq!(there.blocks.len(), 2);
        assert_eq!(*there.blocks[0].data, [0x84, 1, 1, 5, 0]);
    });
}

#[test]
fn private_blocks_are_kept_both_ways() {
    let policy = unknown(UnknownBlocks::KeepPrivate);
    for kind in [192, 200, 255] {
        // Nothing was left out, so the wish to have the bundle deleted does not apply.
        let bundle = six_with(kind, 0x05);
        to_v7(&bundle, &policy, |there, losses| {
            assert_eq!(there.blocks[0].kind.0, u64::from(kind));
            assert_eq!(*there.blocks[0].data, *b"private");
            assert_eq!(there.blocks[0].flags.0, 0x05);
            assert!(!losses.contains(Loss::UnknownBlock));
            to_v6(there, &policy, |back, _| {
                assert_eq!(back.blocks[0], bundle.blocks[0]);
            });
        });
    }
}

#[test]
fn blocks_with_another_meaning_are_not_kept() {
    let policy = unknown(UnknownBlocks::KeepPrivate);
    // 193 and 194 are ION's in version 7 only.
    for kind in [8, 191, 193, 194] {
        to_v7(&six_with(kind, 0), &policy, |there, losses| {
            assert_eq!(there.blocks.len(), 1);
            assert!(losses.contains(Loss::UnknownBlock));
        });
        let required = six_with(kind, 0x04).to_vec();
        assert_eq!(reason(&required, &policy), Reason::BlockRequired);
    }
    for kind in [191, 256, 448] {
        to_v6(&seven_with(kind, 0), &policy, |there, losses| {
            assert_eq!(there.blocks.len(), 1);
            assert!(losses.contains(Loss::UnknownBlock));
        });
    }
    let mut refers = six_with(200, 0);
    refers.blocks[0].references = vec![v6::EidRef { scheme: 3, ssp: 1 }];
    to_v7(&refers, &policy, |there, losses| {
        assert_eq!(there.blocks.len(), 1);
        assert!(losses.contains(Loss::UnknownBlock));
    });
}

#[test]
fn unknown_blocks_can_be_refused() {
    let policy = unknown(UnknownBlocks::Refuse);
    let (one, two) = (six_with(200, 0).to_vec(), seven_with(200, 0).to_vec());
    assert_eq!(reason(&one, &policy), Reason::BlockRequired);
    assert_eq!(reason(&two, &policy), Reason::BlockRequired);
}

#[test]
fn a_lifetime_of_zero_can_stand_for_another() {
    let mut bundle = six();
    bundle.primary.lifetime_s = 0;
    let policy = Policy {
        lifetime_zero_s: NonZeroU64::new(3600),
        ..Policy::default()
    };
    to_v7(&bundle, &policy, |there, _| {
        assert_eq!(there.primary.lifetime_ms, 3_599_993);
    });
    to_v7(&bundle, &Policy::default(), |there, _| {
        assert_eq!(there.primary.lifetime_ms, 0);
    });
    bundle.primary.lifetime_s = 1;
    to_v7(&bundle, &policy, |there, _| {
        assert_eq!(there.primary.lifetime_ms, 993);
    });
}

#[test]
fn results_are_appended_and_refusals_leave_nothing() {
    let policy = Policy::default();
    let mut out = b"before".to_vec();
    let done = translate_into(&six().to_vec(), &policy, &mut out).expect("it is translatable");
    assert_eq!(done.version, Version::V7);
    assert_eq!(out, [b"before", &seven().to_vec()[..]].concat());

    // The permits are read before the primary block is written, the hop limit after it.
    let mut late = seven();
    let hops = v7::Block::hop_count_data(1, 2);
    let block = v7::Block::new(v7::BlockType::HOP_COUNT, 2, v7::BlockFlags(0), hops.into());
    late.blocks.insert(0, block);
    let before = out.clone();
    let refusal = translate_into(&late.to_vec(), &policy, &mut out).expect_err("it went too far");
    assert_eq!(refusal.reason, Reason::HopLimit);
    assert_eq!(out, before);
}
