// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles of version 7.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::Shape;
use super::values::{eid, integer, integer32, lifetime_s, milliseconds, one_in, payload, sequence};
use crate::v7::{
    Assertion, Block, BlockFlags, BlockType, Bundle, BundleFlags, CrcType, CreationTimestamp, Eid,
    Fragment, Primary, Qos, StatusReport,
};

/// Every flag but those that follow from other fields.
const PLAIN_FLAGS: u64 = 0x7_4064;
/// Flags of version 6, which are reserved here.
const ODD_FLAGS: u64 = 0x18_bf98;

/// The octets of a bundle.
pub fn v7_octets(shape: Shape) -> impl Strategy<Value = Vec<u8>> {
    v7_bundle(shape).prop_map(|bundle| bundle.to_vec())
}

/// A bundle that is encoded as it is decoded.
pub fn v7_bundle(shape: Shape) -> impl Strategy<Value = Bundle<'static>> {
    let plain = payload(shape.payload_max)
        .prop_map(|data| (data, false))
        .boxed();
    let payload = if shape.reports {
        prop_oneof![7 => plain, 1 => report(shape)].boxed()
    } else {
        plain
    };
    let payload_parts = (payload, block_flags(shape), crc());
    (primary(shape), blocks(shape), payload_parts).prop_map(
        move |(primary, mut blocks, ((data, is_admin), flags, crc))| {
            blocks.push(Block {
                crc,
                ..Block::new(BlockType::PAYLOAD, 1, flags, data.into())
            });
            let mut bundle = Bundle { primary, blocks };
            bundle.primary.flags = bundle
                .primary
                .flags
                .set_to(BundleFlags::ADMIN_RECORD, is_admin);
            if is_admin {
                bundle.primary.fragment = None;
            }
            silence(&mut bundle, shape);
            let is_fragment = bundle.primary.fragment.is_some();
            bundle.primary.flags = bundle
                .primary
                .flags
                .set_to(BundleFlags::FRAGMENT, is_fragment);
            add_missing_age(&mut bundle);
            bundle
        },
    )
}

fn primary(shape: Shape) -> BoxedStrategy<Primary<'static>> {
    let odd = one_in(8, shape.odd_flags);
    let flags = (any::<u64>(), odd, any::<u64>()).prop_map(|(plain, odd, odd_bits)| {
        BundleFlags(plain & PLAIN_FLAGS | if odd { odd_bits & ODD_FLAGS } else { 0 })
    });
    let fragment = (one_in(4, shape.fragments), integer(), integer())
        .prop_map(|(yes, offset, adu_length)| yes.then_some(Fragment { offset, adu_length }));
    let lifetime = (lifetime_s(shape), prop_oneof![Just(0), 0..1000_u64])
        .prop_map(|(seconds, rest)| seconds.saturating_mul(1000).saturating_add(rest));
    let eids = (wire_eid(shape), wire_eid(shape), wire_eid(shape));
    let crc = if shape.any_blocks {
        crc()
    } else {
        protecting_crc()
    };
    (
        flags,
        crc,
        eids,
        milliseconds(shape),
        sequence(shape),
        lifetime,
        fragment,
    )
        .prop_map(
            |(flags, crc, eids, time_ms, sequence, lifetime_ms, fragment)| Primary {
                flags,
                crc,
                destination: eids.0,
                source: eids.1,
                report_to: eids.2,
                creation: CreationTimestamp { time_ms, sequence },
                lifetime_ms,
                fragment,
            },
        )
        .boxed()
}

/// An endpoint ID in any of its spellings, as far as the shape allows them.
fn wire_eid(shape: Shape) -> BoxedStrategy<Eid<'static>> {
    let preferred = eid(shape).prop_map(Eid::from);
    if !shape.any_eids {
        return preferred.boxed();
    }
    let three = (integer32(), integer32(), integer32()).prop_filter_map(
        "the local node has no other name",
        |(allocator, node, service)| {
            let part = |number| u32::try_from(number).ok();
            let (allocator, node, service) = (part(allocator)?, part(node)?, part(service)?);
            let local = allocator == 0 && node == u32::MAX;
            (!local).then_some(Eid::IpnWithAllocator {
                allocator,
                node,
                service,
            })
        },
    );
    let null = select(alloc::vec![
        Eid::Dtn(Cow::Borrowed("none")),
        Eid::Ipn {
            node: 0,
            service: 0
        },
        Eid::Ipn {
            node: 0,
            service: 7
        },
    ]);
    prop_oneof![12 => preferred, 3 => three, 1 => null].boxed()
}

fn crc() -> BoxedStrategy<CrcType> {
    select(&[CrcType::None, CrcType::Crc16, CrcType::Crc32c][..]).boxed()
}

fn protecting_crc() -> BoxedStrategy<CrcType> {
    select(&[CrcType::Crc16, CrcType::Crc32c][..]).boxed()
}

fn block_flags(shape: Shape) -> BoxedStrategy<BlockFlags> {
    let known = select(&[0, 1, 0x10, 0x11, 2, 0x12][..]);
    let odd = (one_in(8, shape.odd_flags), any::<u64>());
    (known, odd)
        .prop_map(|(known, (odd, bits))| BlockFlags(if odd { bits & 0x37fb } else { known }))
        .boxed()
}

/// Some of the blocks, each at most once and in any order, with their numbers.
fn blocks(shape: Shape) -> BoxedStrategy<Vec<Block<'static>>> {
    let qos = (integer32(), 0..4_u64, 0..256_u64, integer()).prop_map(
        |(flags, class, ordinal, label)| {
            let flags = flags & 0x1f;
            Qos {
                flags,
                class,
                ordinal,
                label: if flags & 4 == 0 { 0 } else { label },
            }
        },
    );
    let data = (
        weighted(
            0.6,
            wire_eid(shape).prop_filter_map("a name", |eid| previous_node(&eid)),
        ),
        weighted(0.5, qos.prop_map(Block::qos_data)),
        weighted(0.6, age(shape).prop_map(Block::number_data)),
        weighted(0.1, integer().prop_map(Block::number_data)),
        weighted(if shape.any_blocks { 0.4 } else { 0.1 }, hop_count(shape)),
    );
    let ion = data.prop_map(|(previous, qos, age, permits, hops)| {
        let kinds = [
            (BlockType::PREVIOUS_NODE, previous),
            (BlockType::QOS, qos),
            (BlockType::AGE, age),
            (BlockType::PERMITS, permits),
            (BlockType::HOP_COUNT, hops),
        ];
        let present = kinds
            .into_iter()
            .filter_map(|(kind, data)| data.map(|data| (kind, data)));
        present.collect::<Vec<_>>()
    });
    let others = if shape.any_blocks {
        vec(other(), 0..2).boxed()
    } else {
        Just(Vec::new()).boxed()
    };
    (ion, others)
        .prop_map(|(mut blocks, others)| {
            blocks.extend(others);
            blocks
        })
        .prop_shuffle()
        .prop_flat_map(move |blocks| {
            let count = blocks.len();
            let flags = vec((block_flags(shape), one_in(40, shape.any_blocks)), count);
            (
                Just(blocks),
                flags,
                vec(crc(), count),
                numbers(count, shape),
            )
        })
        .prop_map(|(blocks, flags, crcs, numbers)| {
            let rest = flags.into_iter().zip(crcs).zip(numbers);
            blocks
                .into_iter()
                .zip(rest)
                .map(|((kind, data), (((flags, required), crc), number))| {
                    let flags = flags.set_to(BlockFlags::DELETE_UNPROCESSED, required);
                    Block {
                        kind,
                        number,
                        flags,
                        crc,
                        data: data.into(),
                    }
                })
                .collect()
        })
        .boxed()
}

/// Numbers from 2 in a row, or with gaps.
fn numbers(count: usize, shape: Shape) -> BoxedStrategy<Vec<u64>> {
    let gaps = if shape.any_blocks {
        integer32().prop_map(|gap| gap / 16).boxed()
    } else {
        Just(0).boxed()
    };
    vec(gaps, count)
        .prop_map(|gaps| {
            let mut next = 1;
            gaps.into_iter()
                .map(|gap| {
                    next += 1 + gap;
                    next
                })
                .collect()
        })
        .boxed()
}

fn age(shape: Shape) -> BoxedStrategy<u64> {
    if shape.any_times {
        prop_oneof![3 => integer32(), 1 => integer()].boxed()
    } else {
        integer32()
    }
}

fn previous_node(eid: &Eid<'static>) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    eid.normal().ok()?;
    eid.encode(&mut data);
    Some(data)
}

fn hop_count(shape: Shape) -> BoxedStrategy<Vec<u8>> {
    (1..256_u64, 0..256_u64)
        .prop_map(move |(limit, count)| {
            let over = shape.any_blocks && count % 8 == 0;
            Block::hop_count_data(limit, if over { count } else { count % (limit + 1) })
        })
        .boxed()
}

/// A block of an unknown type, or one that protects others and whose data is not looked at.
fn other() -> impl Strategy<Value = (BlockType, Vec<u8>)> {
    let kinds = select(
        &[
            2_u64, 8, 11, 12, 13, 15, 23, 24, 192, 195, 222, 255, 256, 65_536,
        ][..],
    );
    // Half of the blocks that may be HDTN's priority are one. The samples of other blocks do not
    // change with it: what is compared with other implementations keeps its seeds.
    (kinds.prop_map(BlockType), payload(40)).prop_map(|(kind, data)| {
        let class = u64::from(data.first().copied().unwrap_or_default());
        if kind == BlockType::HDTN_PRIORITY && class.is_multiple_of(2) {
            (kind, Block::number_data(class / 2 % 5))
        } else {
            (kind, data)
        }
    })
}

/// Clears what a bundle may not ask for if nobody may be told about it.
///
/// The flags of the bundle itself stay if odd flags are wanted: lenient decoders accept them.
fn silence(bundle: &mut Bundle<'static>, shape: Shape) {
    if !bundle.primary.is_unreportable() {
        return;
    }
    for block in &mut bundle.blocks {
        block.flags = block.flags.without(BlockFlags::REPORT_UNPROCESSED);
    }
    if shape.odd_flags {
        return;
    }
    bundle.primary.flags = bundle.primary.flags.without(BundleFlags::REPORTS);
    if bundle.primary.source.is_null() {
        bundle.primary.flags = bundle.primary.flags.with(BundleFlags::MUST_NOT_FRAGMENT);
        bundle.primary.fragment = None;
    }
}

fn add_missing_age(bundle: &mut Bundle<'static>) {
    let has_age = bundle
        .blocks
        .iter()
        .any(|block| block.kind == BlockType::AGE);
    if bundle.primary.creation.time_ms != 0 || has_age {
        return;
    }
    let number = bundle
        .blocks
        .iter()
        .map(|block| block.number)
        .max()
        .unwrap_or(1)
        + 1;
    let data = Block::number_data(1500).into();
    bundle.blocks.insert(
        0,
        Block::new(BlockType::AGE, number, BlockFlags::REPLICATE, data),
    );
}

/// A status report and the truth that it is one.
fn report(shape: Shape) -> BoxedStrategy<(Vec<u8>, bool)> {
    let assertion = prop_oneof![
        3 => Just(Assertion::No),
        1 => Just(Assertion::Yes),
        2 => milliseconds(shape).prop_map(Assertion::At),
    ];
    let creation = (milliseconds(shape), sequence(shape))
        .prop_map(|(time_ms, sequence)| CreationTimestamp { time_ms, sequence });
    let fragment = weighted(0.3, (integer(), integer()));
    (
        vec(assertion, 4..6),
        prop_oneof![0..18_u64, integer()],
        wire_eid(shape),
        creation,
        fragment,
    )
        .prop_map(|(assertions, reason, source, creation, fragment)| {
            let mut data = Vec::new();
            StatusReport {
                assertions,
                reason,
                source,
                creation,
                fragment,
            }
            .encode(&mut data);
            (data, true)
        })
        .boxed()
}
