// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles of version 7 with values at edges.

use bundle::{
    arbitrary::{Shape, v7_bundle},
    v7::{
        self, Assertion, Block, BlockFlags, BlockType, Bundle, BundleFlags, CrcType,
        CreationTimestamp, Fragment, Qos, StatusReport,
    },
};
use proptest::{
    collection::vec,
    option::weighted,
    prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof},
    sample::select,
};
use testbed::verdict::Limits;

use super::edges;

/// A type that is not assigned.
const UNKNOWN: BlockType = BlockType(199);

/// A change of a bundle.
#[derive(Clone, Debug)]
enum Edit {
    Payload(Vec<u8>),
    Time(u64),
    Sequence(u64),
    Lifetime(u64),
    Fragment(u64, u64),
    Names([v7::Eid<'static>; 3]),
    /// Takes the place of the block of its type, or comes first.
    Block(BlockType, BlockFlags, Vec<u8>),
    /// Fills up with unknown blocks to so many extension blocks.
    Blocks(usize, Vec<u8>),
    Report(StatusReport<'static>),
    Flags(u64),
    Crcs(CrcType, CrcType),
}

/// A bundle with one to three values at an edge.
pub(super) fn bundle(limits: Limits) -> BoxedStrategy<Bundle<'static>> {
    let shape = Shape {
        any_blocks: false,
        odd_flags: false,
        payload_max: 40,
        ..Shape::ANY
    };
    (v7_bundle(shape), vec(edit(limits), 1..4))
        .prop_map(|(mut bundle, edits)| {
            for edit in edits {
                edit.apply(&mut bundle);
            }
            bundle
        })
        .boxed()
}

fn eid(limits: Limits) -> BoxedStrategy<v7::Eid<'static>> {
    let part = || {
        let edges = [0, 1, 23, 24, 255, 256, u32::MAX - 1, u32::MAX];
        prop_oneof![select(edges.to_vec()), any::<u32>()]
    };
    let three =
        (part(), part(), part()).prop_map(|(allocator, node, service)| v7::Eid::IpnWithAllocator {
            allocator,
            node,
            service,
        });
    prop_oneof![3 => edges::eid(limits).prop_map(v7::Eid::from), 1 => three].boxed()
}

fn edit(limits: Limits) -> BoxedStrategy<Edit> {
    let usual = || {
        Just(v7::Eid::Ipn {
            node: 2,
            service: 1,
        })
    };
    let name = || prop_oneof![eid(limits), usual()];
    let crc = || select(&[CrcType::None, CrcType::Crc16, CrcType::Crc32c][..]);
    prop_oneof![
        4 => edges::payload(limits).prop_map(Edit::Payload),
        1 => edges::milliseconds().prop_map(Edit::Time),
        1 => edges::sequence().prop_map(Edit::Sequence),
        1 => edges::lifetime().prop_map(Edit::Lifetime),
        1 => (edges::number(), edges::number()).prop_map(|(at, of)| Edit::Fragment(at, of)),
        2 => (name(), name(), name()).prop_map(|(a, b, c)| Edit::Names([a, b, c])),
        3 => block(limits),
        1 => (edges::block_count(limits), vec(any::<u8>(), 0..40))
            .prop_map(|(count, data)| Edit::Blocks(count, data)),
        2 => report(limits).prop_map(Edit::Report),
        1 => (0..1_u64 << 21).prop_map(Edit::Flags),
        1 => (crc(), crc()).prop_map(|(primary, blocks)| Edit::Crcs(primary, blocks)),
    ]
    .boxed()
}

/// A block that is known, with numbers at edges.
fn block(limits: Limits) -> BoxedStrategy<Edit> {
    let flags = select(&[0, 1, 2, 0x10, 0x17][..]).prop_map(BlockFlags);
    let class = prop_oneof![0..5_u64, edges::number()];
    let ordinal = prop_oneof![select(&[0, 1, 254, 255, 256][..]), edges::number()];
    let qos =
        (0..64_u64, class, ordinal, edges::number()).prop_map(|(flags, class, ordinal, label)| {
            Qos {
                flags,
                class,
                ordinal,
                label,
            }
        });
    let hops = select(&[0, 1, 2, 23, 24, 254, 255, 256, u64::MAX][..]);
    let data = prop_oneof![
        eid(limits)
            .prop_filter_map("a name", |eid| eid
                .normal()
                .ok()
                .map(|eid| Block::previous_node_data(eid.into_owned())))
            .prop_map(|data| (BlockType::PREVIOUS_NODE, data)),
        edges::number().prop_map(|age| (BlockType::AGE, Block::number_data(age))),
        (hops.clone(), hops)
            .prop_map(|(limit, count)| (BlockType::HOP_COUNT, Block::hop_count_data(limit, count))),
        qos.prop_map(|qos| (BlockType::QOS, Block::qos_data(qos))),
        edges::number().prop_map(|permits| (BlockType::PERMITS, Block::number_data(permits))),
    ];
    (flags, data)
        .prop_map(|(flags, (kind, data))| Edit::Block(kind, flags, data))
        .boxed()
}

fn report(limits: Limits) -> BoxedStrategy<StatusReport<'static>> {
    let assertion = prop_oneof![
        3 => Just(Assertion::No),
        1 => Just(Assertion::Yes),
        3 => edges::milliseconds().prop_map(Assertion::At),
    ];
    let reason = prop_oneof![3 => 0..18_u64, 1 => edges::number()];
    let fragment = weighted(0.3, (edges::number(), edges::number()));
    (
        vec(assertion, 4..6),
        reason,
        eid(limits),
        edges::milliseconds(),
        edges::sequence(),
        fragment,
    )
        .prop_map(
            |(assertions, reason, source, time_ms, sequence, fragment)| StatusReport {
                assertions,
                reason,
                source,
                creation: CreationTimestamp { time_ms, sequence },
                fragment,
            },
        )
        .boxed()
}

impl Edit {
    fn apply(self, bundle: &mut Bundle<'static>) {
        let primary = &mut bundle.primary;
        match self {
            Self::Payload(octets) => set_payload(bundle, octets, false),
            Self::Time(time_ms) => primary.creation.time_ms = time_ms,
            Self::Sequence(sequence) => primary.creation.sequence = sequence,
            Self::Lifetime(lifetime_ms) => primary.lifetime_ms = lifetime_ms,
            Self::Fragment(offset, adu_length) => {
                primary.fragment = Some(Fragment { offset, adu_length });
            }
            Self::Names(eids) => {
                [primary.destination, primary.source, primary.report_to] = eids;
            }
            Self::Block(kind, flags, data) => {
                bundle.blocks.retain(|other| other.kind != kind);
                insert(bundle, kind, flags, data);
            }
            Self::Blocks(count, data) => {
                let have = bundle.blocks.len() - 1;
                for _ in have..count {
                    insert(bundle, UNKNOWN, BlockFlags(0x10), data.clone());
                }
            }
            Self::Report(report) => {
                let mut octets = Vec::new();
                report.encode(&mut octets);
                set_payload(bundle, octets, true);
            }
            Self::Flags(bits) => primary.flags = BundleFlags(bits & !3 | primary.flags.0 & 2),
            Self::Crcs(on_primary, on_blocks) => {
                primary.crc = on_primary;
                for block in &mut bundle.blocks {
                    block.crc = on_blocks;
                }
            }
        }
    }
}

/// Puts a block first, under a number that no other has.
fn insert(bundle: &mut Bundle<'static>, kind: BlockType, flags: BlockFlags, data: Vec<u8>) {
    let numbers = bundle.blocks.iter().map(|block| block.number);
    let number = numbers.max().unwrap_or(1).wrapping_add(1);
    bundle
        .blocks
        .insert(0, Block::new(kind, number, flags, data.into()));
}

fn set_payload(bundle: &mut Bundle<'static>, octets: Vec<u8>, is_record: bool) {
    if let Some(payload) = bundle.blocks.last_mut() {
        payload.data = octets.into();
    }
    let flags = bundle.primary.flags;
    bundle.primary.flags = flags.set_to(BundleFlags::ADMIN_RECORD, is_record);
    if is_record {
        bundle.primary.fragment = None;
    }
}
