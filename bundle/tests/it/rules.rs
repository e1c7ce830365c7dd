// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rules of `docs/translation.md`, one by one.

use bundle::translate::{Node, Profile};
use bundle::{Eid, Loss, Policy, v6, v7};

use crate::support::{admin_v6, seven, six, to_v6, to_v7};

fn default() -> Policy {
    Policy::default()
}

fn node(residence_ms: u64) -> Policy {
    Policy {
        node: Some(Node {
            id: Eid::ipn(7, 0),
            residence_ms,
        }),
        ..default()
    }
}

#[test]
fn bundle_flags_to_v7() {
    let check = |flags, expected, loss: Option<Loss>| {
        let mut bundle = six();
        bundle.primary.flags = v6::BundleFlags(flags);
        to_v7(&bundle, &default(), |result, losses| {
            assert_eq!(result.primary.flags.0, expected, "{flags:#x}");
            assert_eq!(
                losses.iter().collect::<Vec<_>>(),
                loss.into_iter().collect::<Vec<_>>()
            );
        });
    };
    check(0x90, 0, None);
    check(0xb4, 0x24, None);
    check(0x190, 0, None);
    check(0x10, 0, Some(Loss::Priority));
    check(0x110, 0, Some(Loss::Priority));
    check(0x80, 0, Some(Loss::Singleton));
    check(0x4090, 0x4040, None);
    check(0x1_0090, 0x1_0040, None);
    check(0x2_0090, 0x2_0040, None);
    check(0x4_0090, 0x4_0040, None);
    check(0x8090, 0, Some(Loss::CustodyReport));
    check(0x18_0ed0, 0, None);
}

#[test]
fn bundle_flags_to_v6() {
    let check = |flags, expected| {
        let mut bundle = seven();
        bundle.primary.flags = v7::BundleFlags(flags);
        to_v6(&bundle, &default(), |result, _| {
            assert_eq!(result.primary.flags.0, expected, "{flags:#x}");
        });
    };
    check(0, 0x90);
    check(0x24, 0xb4);
    check(0x40, 0x90);
    check(0x7_4040, 0x7_4090);
    check(0x7_4000, 0x7_4090);
    // Reserved bits, among them the custody bits of version 6.
    check(0xff18_bf98, 0x90);
}

#[test]
fn nobody_is_told_about_reports_and_anonymous_bundles() {
    let asking = v6::BundleFlags(0x7_c090);
    let mut anonymous = six();
    anonymous.primary.flags = asking;
    anonymous.primary.source = v6::EidRef::default();
    anonymous.blocks[0].flags = v6::BlockFlags(0x03);
    to_v7(&anonymous, &default(), |result, losses| {
        assert_eq!(result.primary.flags.0, 0x04);
        assert_eq!(result.blocks[0].flags.0, 0x01);
        assert!(losses.contains(Loss::ReportFlags));
    });
    let mut report = admin_v6();
    report.primary.flags = asking.with(v6::BundleFlags::ADMIN_RECORD);
    report.blocks[0].flags = v6::BlockFlags(0x13);
    to_v7(&report, &default(), |result, _| {
        assert_eq!(result.primary.flags.0, 0x02);
        assert_eq!(result.blocks[0].flags.0, 0x11);
    });
    let mut anonymous = seven();
    anonymous.primary.flags = v7::BundleFlags(0x7_4040);
    anonymous.primary.source = v7::Eid::Ipn {
        node: 0,
        service: 9,
    };
    to_v6(&anonymous, &default(), |result, _| {
        assert_eq!(result.primary.flags.0, 0x94);
    });
}

#[test]
fn fragments_may_be_fragmented() {
    let mut bundle = six();
    bundle.primary.flags = v6::BundleFlags(0x94);
    bundle.primary.source = v6::EidRef::default();
    bundle.primary.fragment = Some(v6::Fragment {
        offset: u64::MAX,
        adu_length: 1 << 40,
    });
    to_v7(&bundle, &default(), |result, _| {
        assert_eq!(result.primary.flags.0, 0x01);
        let fragment = v7::Fragment {
            offset: u64::MAX,
            adu_length: 1 << 40,
        };
        assert_eq!(result.primary.fragment, Some(fragment));
    });
    let mut bundle = seven();
    bundle.primary.flags = v7::BundleFlags::MUST_NOT_FRAGMENT;
    bundle.primary.fragment = Some(v7::Fragment {
        offset: u64::MAX,
        adu_length: 1 << 40,
    });
    to_v6(&bundle, &default(), |result, _| {
        assert_eq!(result.primary.flags.0, 0x91);
    });
}

#[test]
fn groups_are_no_singletons() {
    let mut bundle = seven();
    bundle.primary.destination = v7::Eid::Dtn("//node/~group".into());
    to_v6(&bundle, &default(), |result, _| {
        assert_eq!(result.primary.flags.0, 0x80);
    });
    bundle.primary.destination = v7::Eid::Dtn("//~node/".into());
    to_v6(&bundle, &default(), |result, _| {
        assert_eq!(result.primary.flags.0, 0x90);
    });
    bundle.primary.destination = v7::Eid::DtnNone;
    to_v6(&bundle, &default(), |result, _| {
        assert_eq!(result.primary.flags.0, 0x90);
    });
}

#[test]
fn custodian_is_lost() {
    let mut bundle = six();
    bundle.primary.custodian = v6::EidRef { scheme: 9, ssp: 0 };
    to_v7(&bundle, &default(), |_, losses| {
        assert!(losses.contains(Loss::Custodian));
    });
    to_v6(&seven(), &default(), |result, _| {
        assert_eq!(result.primary.custodian, v6::EidRef::default());
    });
}

#[test]
fn block_flags_are_masked() {
    let mut bundle = six();
    bundle.blocks[0].flags = v6::BlockFlags(0x3fbf);
    to_v7(&bundle, &default(), |result, _| {
        assert_eq!(result.blocks[0].flags.0, 0x17);
    });
    let mut bundle = seven();
    bundle.blocks[0].flags = v7::BlockFlags(0xff);
    to_v6(&bundle, &default(), |result, _| {
        assert_eq!(result.blocks[0].flags.0, 0x1f);
    });
}

#[test]
fn blocks_get_numbers_and_the_payload_comes_last() {
    let plain = v6::BlockFlags::default();
    let mut bundle = six();
    bundle
        .blocks
        .insert(0, v6::Block::previous_hop(plain, &Eid::ipn(3, 0)));
    bundle
        .blocks
        .push(v6::Block::age(v6::BlockType::AGE, plain, 5_000_999));
    bundle.blocks.push(v6::Block::permits(plain, 3));
    to_v7(&bundle, &default(), |result, losses| {
        let order: Vec<_> = result
            .blocks
            .iter()
            .map(|block| (block.kind.0, block.number))
            .collect();
        assert_eq!(order, [(6, 2), (7, 3), (194, 4), (1, 1)]);
        let age = result.blocks[1].content();
        assert_eq!(age, Ok(v7::Content::Age(5000)));
        assert!(losses.contains(Loss::BlockOrder) && losses.contains(Loss::AgePrecision));
    });
}

#[test]
fn both_types_of_age_and_the_custody_block() {
    let plain = v6::BlockFlags::default();
    let mut bundle = six();
    bundle.blocks.insert(
        0,
        v6::Block::age(v6::BlockType::CUSTODY_OR_AGE, plain, 7000),
    );
    to_v7(&bundle, &default(), |result, _| {
        assert_eq!(result.blocks[0].content(), Ok(v7::Content::Age(7)));
    });
    bundle.blocks[0].data = b"\x81\x00ipn:6.2".into();
    to_v7(&bundle, &default(), |result, losses| {
        assert_eq!(result.blocks.len(), 1);
        assert!(losses.contains(Loss::Custody));
    });
    let mut policy = default();
    policy.peer_v6.age_block = v6::BlockType::CUSTODY_OR_AGE;
    let mut bundle = seven();
    bundle
        .blocks
        .insert(0, block(v7::BlockType::AGE, v7::Block::number_data(7)));
    to_v6(&bundle, &policy, |result, _| {
        assert_eq!(result.blocks[0].kind, v6::BlockType::CUSTODY_OR_AGE);
        assert_eq!(result.blocks[0].content(), Ok(v6::Content::Age(7000)));
    });
}

#[test]
fn zero_time_gets_an_age() {
    let mut bundle = six();
    bundle.primary.creation = v6::CreationTimestamp {
        seconds: 0,
        sequence: 1234,
    };
    bundle.blocks.insert(
        0,
        v6::Block::previous_hop(v6::BlockFlags(0x10), &Eid::ipn(3, 0)),
    );
    let ages = |policy: &Policy| {
        to_v7(&bundle, policy, |result, _| {
            assert_eq!(result.primary.creation.sequence, 1234);
            assert_eq!(result.primary.lifetime_ms, 3_600_000);
            let kinds: Vec<_> = result.blocks.iter().map(|block| block.kind.0).collect();
            assert_eq!(kinds, [6, 7, 1]);
            assert_eq!(result.blocks[1].flags.0, 0x01);
            result.blocks[1].data.to_vec()
        })
    };
    assert_eq!(ages(&default()), [0]);
    assert_eq!(ages(&node(23)), [23]);
    let mut policy = default();
    policy.tolerance.age_missing = true;
    let mut bundle = seven();
    bundle.primary.creation.time_ms = 0;
    to_v6(&bundle, &policy, |result, _| {
        assert_eq!(result.blocks[0].content(), Ok(v6::Content::Age(0)));
    });
}

#[test]
fn a_node_is_a_hop() {
    let plain = v6::BlockFlags(0x11);
    let mut bundle = six();
    bundle
        .blocks
        .insert(0, v6::Block::age(v6::BlockType::AGE, plain, 5_000_000));
    to_v7(&bundle, &node(23), |result, _| {
        assert_eq!(result.blocks[0].flags.0, 0x10);
        assert_eq!(*result.blocks[0].data, [0x82, 2, 0x82, 7, 0]);
        assert_eq!(result.blocks[1].content(), Ok(v7::Content::Age(5023)));
    });
    bundle
        .blocks
        .insert(0, v6::Block::previous_hop(plain, &Eid::ipn(3, 0)));
    to_v7(&bundle, &node(23), |result, _| {
        assert_eq!(result.blocks.len(), 3);
        assert_eq!(result.blocks[0].flags.0, 0x11);
        assert_eq!(*result.blocks[0].data, [0x82, 2, 0x82, 7, 0]);
    });
    let mut bundle = seven();
    bundle.blocks.insert(
        0,
        block(v7::BlockType::HOP_COUNT, v7::Block::hop_count_data(5, 4)),
    );
    bundle
        .blocks
        .insert(0, block(v7::BlockType::AGE, v7::Block::number_data(5)));
    to_v6(&bundle, &node(23), |result, losses| {
        assert_eq!(*result.blocks[0].data, *b"ipn\x007.0\x00");
        assert_eq!(result.blocks[1].content(), Ok(v6::Content::Age(28_000)));
        assert_eq!(result.blocks.len(), 3);
        assert!(losses.contains(Loss::HopCount));
    });
}

#[test]
fn previous_nodes_of_all_spellings() {
    let check = |data: &[u8], expected: &[u8]| {
        let mut bundle = seven();
        bundle
            .blocks
            .insert(0, block(v7::BlockType::PREVIOUS_NODE, data.to_vec()));
        to_v6(&bundle, &default(), |result, _| {
            assert_eq!(*result.blocks[0].data, *expected);
        });
        let mut bundle = six();
        let previous = v6::Block::new(
            v6::BlockType::PREVIOUS_HOP,
            v6::BlockFlags(0x10),
            expected.into(),
        );
        bundle.blocks.insert(0, previous);
        to_v7(&bundle, &default(), |result, _| {
            assert_eq!(*result.blocks[0].data, *data);
        });
        let without_end = expected[..expected.len() - 1].to_vec();
        bundle.blocks[0].data = without_end.into();
        to_v7(&bundle, &default(), |result, _| {
            assert_eq!(*result.blocks[0].data, *data);
        });
    };
    check(&[0x82, 2, 0x82, 1, 0], b"ipn\x001.0\x00");
    check(&[0x82, 1, 0], b"dtn\x00none\x00");
    check(b"\x82\x01\x65//n1/", b"dtn\x00//n1/\x00");

    let mut bundle = six();
    let mut reference = v6::Block::new(
        v6::BlockType::PREVIOUS_HOP,
        v6::BlockFlags(0x10),
        (&[][..]).into(),
    );
    reference.references = vec![v6::EidRef { scheme: 24, ssp: 3 }];
    bundle.blocks.insert(0, reference);
    to_v7(&bundle, &default(), |result, _| {
        assert_eq!(*result.blocks[0].data, [0x82, 2, 0x82, 0x18, 24, 3]);
    });
}

#[test]
fn classes_of_service() {
    let mut bundle = six();
    bundle.primary.flags = v6::BundleFlags(0x110);
    bundle
        .blocks
        .insert(0, v6::Block::ecos(v6::BlockFlags(1), 0x0b, 9, Some(300)));
    to_v7(&bundle, &default(), |result, losses| {
        let qos = v7::Qos {
            flags: 0x15,
            class: 2,
            ordinal: 9,
            label: 300,
        };
        assert_eq!(result.blocks[0].content(), Ok(v7::Content::Qos(qos)));
        assert!(losses.is_empty(), "{losses:?}");
    });
    bundle.blocks[0] = v6::Block::ecos(v6::BlockFlags(1), 0xf0, 0, None);
    to_v7(&bundle, &default(), |result, losses| {
        let qos = v7::Qos {
            class: 2,
            ..v7::Qos::default()
        };
        assert_eq!(result.blocks[0].content(), Ok(v7::Content::Qos(qos)));
        assert!(losses.contains(Loss::QosFlags));
    });
    let priority = |qos: &[u8], hdtn: &[u8], policy: &Policy| {
        let mut bundle = seven();
        if !hdtn.is_empty() {
            bundle
                .blocks
                .insert(0, block(v7::BlockType::HDTN_PRIORITY, hdtn.to_vec()));
        }
        if !qos.is_empty() {
            bundle
                .blocks
                .insert(0, block(v7::BlockType::QOS, qos.to_vec()));
        }
        for (index, block) in bundle.blocks.iter_mut().rev().enumerate() {
            block.number = index as u64 + 1;
        }
        to_v6(&bundle, policy, |result, _| {
            assert_eq!(result.blocks.len(), 1, "the default class needs no block");
            result.primary.flags.0 >> 7 & 3
        })
    };
    let hdtn = Policy {
        hdtn_priority: true,
        ..default()
    };
    let expedited = Policy {
        default_priority: v6::Priority::Expedited,
        ..default()
    };
    assert_eq!(priority(&[], &[], &default()), 1);
    assert_eq!(priority(&[], &[], &expedited), 2);
    assert_eq!(priority(&[0x84, 0, 0, 0, 0], &[], &expedited), 0);
    assert_eq!(priority(&[0x84, 0, 3, 0, 0], &[], &expedited), 1);
    assert_eq!(priority(&[], &[2], &default()), 1);
    assert_eq!(priority(&[], &[2], &hdtn), 2);
    assert_eq!(priority(&[0x84, 0, 0, 0, 7], &[2], &hdtn), 0);
}

#[test]
fn unknown_blocks_are_removed() {
    let mut bundle = seven();
    bundle
        .blocks
        .insert(0, block(v7::BlockType(300), vec![1, 2, 3]));
    to_v6(&bundle, &default(), |result, losses| {
        assert_eq!(result.blocks.len(), 1);
        assert!(losses.contains(Loss::UnknownBlock));
    });
    for kind in [6, 7, 8, 11, 12, 193] {
        let mut bundle = six();
        let unknown = v6::Block::new(
            v6::BlockType(kind),
            v6::BlockFlags(0x12),
            (&[1, 2, 3][..]).into(),
        );
        bundle.blocks.insert(0, unknown);
        to_v7(&bundle, &default(), |result, losses| {
            assert_eq!(result.blocks.len(), 1);
            assert!(losses.contains(Loss::UnknownBlock));
        });
    }
}

#[test]
fn lifetimes_for_the_receiver() {
    let mut bundle = seven();
    bundle.primary.lifetime_ms = u64::MAX;
    to_v6(&bundle, &default(), |result, losses| {
        assert_eq!(result.primary.lifetime_s, u64::from(u32::MAX));
        assert!(losses.contains(Loss::LifetimeCapped));
    });
    to_v6(&bundle, &crate::support::wide(), |result, losses| {
        assert_eq!(result.primary.lifetime_s, u64::MAX / 1000 + 1);
        assert!(!losses.contains(Loss::LifetimeCapped));
    });
}

#[test]
fn natural_profile() {
    let policy = Policy {
        profile: Profile::N,
        ..default()
    };
    let mut bundle = six();
    bundle.primary.creation.sequence = 4_000_000_123;
    to_v7(&bundle, &policy, |result, _| {
        assert_eq!(result.primary.creation.time_ms, 802_094_400_000);
        assert_eq!(result.primary.creation.sequence, 4_000_000_123);
        assert_eq!(result.primary.lifetime_ms, 3_600_000);
    });
    let mut bundle = seven();
    bundle.primary.creation = v7::CreationTimestamp {
        time_ms: 1999,
        sequence: 4_000_000_123,
    };
    to_v6(&bundle, &policy, |result, _| {
        assert_eq!(result.primary.creation.seconds, 1);
        assert_eq!(result.primary.creation.sequence, 4_000_000_123);
        assert_eq!(result.primary.lifetime_s, 3601);
    });
}

#[test]
fn crcs_are_a_choice() {
    let mut policy = default();
    policy.crcs.primary = v7::CrcType::Crc32c;
    policy.crcs.blocks = v7::CrcType::Crc16;
    to_v7(&six(), &policy, |result, _| {
        assert_eq!(result.primary.crc, v7::CrcType::Crc32c);
        assert_eq!(result.blocks[0].crc, v7::CrcType::Crc16);
    });
}

fn block(kind: v7::BlockType, data: Vec<u8>) -> v7::Block<'static> {
    // Distinct numbers for the few blocks that these tests combine.
    v7::Block::new(kind, kind.0 + 2, v7::BlockFlags::default(), data.into())
}

/// LTP blocks hold several bundles, one after the other.
#[test]
fn bundles_in_a_row() {
    let (one, two) = (six().to_vec(), seven().to_vec());
    let row = [&one[..], &two, &one, &[0]].concat();
    let (first, rest) = v6::Bundle::decode_first(&row).expect("the first bundle is whole");
    assert_eq!(first.to_vec(), one);
    let lenient = v7::Tolerance::LENIENT;
    let (second, rest) = v7::Bundle::decode_first(rest, lenient).expect("the second is whole");
    assert_eq!(second, seven());
    let (third, rest) = v6::Bundle::decode_first(rest).expect("the third is whole");
    assert_eq!((third.to_vec(), rest), (one, &[0][..]));
}

/// A definite outer array and reserved flags are read as what they mean, and not written.
#[test]
fn lenient_spellings_are_read() {
    let mut octets = seven().to_vec();
    octets[0] = 0x82;
    octets.pop();
    let decoded = v7::Bundle::decode(&octets, v7::Tolerance::LENIENT);
    assert_eq!(decoded, Ok(seven()));
    v7::Bundle::decode(&octets, v7::Tolerance::STRICT).expect_err("it has to be indefinite");

    let mut fragment = seven();
    for kind in [193, 7] {
        let data = if kind == 7 {
            vec![5]
        } else {
            vec![0x84, 0, 1, 0, 0]
        };
        fragment.blocks.insert(
            0,
            v7::Block {
                number: 0,
                ..block(v7::BlockType(kind), data)
            },
        );
    }
    to_v6(&fragment, &default(), |result, _| {
        assert_eq!(result.blocks[0].content(), Ok(v6::Content::Age(5000)));
        assert_eq!(result.blocks.len(), 2);
    });
}
