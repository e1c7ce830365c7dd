// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles of version 6 with values at edges.

use std::borrow::Cow;

use bundle::{
    Eid,
    arbitrary::{Shape, v6_bundle},
    v6::{
        Addresses, Block, BlockFlags, BlockType, Bundle, BundleFlags, Fragment, ReportTime,
        StatusReport, Subject,
    },
};
use proptest::{
    array::uniform4,
    collection::vec,
    prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof},
    sample::select,
};
use testbed::verdict::Limits;

use super::edges;

/// A type that is not assigned.
const UNKNOWN: BlockType = BlockType(199);
const NANOSECONDS: u64 = 1_000_000_000;

/// A change of a bundle.
#[derive(Clone, Debug)]
enum Edit {
    Payload(Vec<u8>),
    Seconds(u64),
    Sequence(u64),
    Lifetime(u64),
    Fragment(u64, u64),
    Names([Eid<'static>; 4], bool),
    /// Takes the place of the block of its type, or comes first.
    Block(Block<'static>),
    /// Fills up with unknown blocks to so many extension blocks.
    Blocks(usize, Vec<u8>),
    Report(StatusReport<'static>),
    Flags(u64),
}

/// A bundle with one to three values at an edge.
pub(super) fn bundle(limits: Limits) -> BoxedStrategy<Bundle<'static>> {
    let shape = Shape {
        any_blocks: false,
        odd_flags: false,
        payload_max: 40,
        ..Shape::ANY
    };
    (v6_bundle(shape), vec(edit(limits), 1..4))
        .prop_map(|(mut bundle, edits)| {
            for edit in edits {
                edit.apply(&mut bundle);
            }
            bundle
        })
        .boxed()
}

fn edit(limits: Limits) -> BoxedStrategy<Edit> {
    let names = uniform4(prop_oneof![edges::eid(limits), Just(Eid::ipn(2, 1))]);
    prop_oneof![
        4 => edges::payload(limits).prop_map(Edit::Payload),
        1 => edges::seconds().prop_map(Edit::Seconds),
        1 => edges::sequence().prop_map(Edit::Sequence),
        1 => edges::lifetime().prop_map(Edit::Lifetime),
        1 => (edges::number(), edges::number()).prop_map(|(at, of)| Edit::Fragment(at, of)),
        2 => (names, any::<bool>()).prop_map(|(eids, spell)| Edit::Names(eids, spell)),
        3 => block(limits).prop_map(Edit::Block),
        1 => (edges::block_count(limits), vec(any::<u8>(), 0..40))
            .prop_map(|(count, data)| Edit::Blocks(count, data)),
        2 => report(limits).prop_map(Edit::Report),
        1 => (0..1_u64 << 21).prop_map(Edit::Flags),
    ]
    .boxed()
}

/// A block that is known, with numbers at edges.
fn block(limits: Limits) -> BoxedStrategy<Block<'static>> {
    let flags = || select(&[0, 1, 2, 0x10, 0x17, 0x20, 0x80][..]).prop_map(BlockFlags);
    let age_types = select(&[BlockType::AGE, BlockType::CUSTODY_OR_AGE][..]);
    let label = proptest::option::of(edges::number());
    prop_oneof![
        (flags(), edges::eid(limits)).prop_map(|(flags, eid)| Block::previous_hop(flags, &eid)),
        (flags(), age_types, edges::number())
            .prop_map(|(flags, kind, age)| Block::age(kind, flags, age)),
        (flags(), 0..16_u8, any::<u8>(), label).prop_map(|(flags, bits, ordinal, label)| {
            let bits = if label.is_some() { bits | 4 } else { bits & !4 };
            Block::ecos(flags, bits, ordinal, label)
        }),
        (flags(), edges::number()).prop_map(|(flags, permits)| Block::permits(flags, permits)),
    ]
    .boxed()
}

fn report(limits: Limits) -> BoxedStrategy<StatusReport<'static>> {
    let nanoseconds = select(&[0, 1, 999_999, 1_000_000, NANOSECONDS - 1, NANOSECONDS][..]);
    let time = (edges::seconds(), nanoseconds).prop_map(|(seconds, nanoseconds)| ReportTime {
        seconds,
        nanoseconds,
    });
    let times = proptest::array::uniform5(proptest::option::weighted(0.4, time));
    let reason = prop_oneof![0..18_u8, any::<u8>()];
    let fragment = proptest::option::weighted(0.3, (edges::number(), edges::number()));
    let other_status = prop_oneof![3 => Just(0), 1 => any::<u8>().prop_map(|bits| bits & 0xe0)];
    (
        times,
        other_status,
        reason,
        fragment,
        edges::seconds(),
        edges::sequence(),
        edges::eid(limits),
    )
        .prop_map(
            |(times, other_status, reason, fragment, seconds, sequence, source)| StatusReport {
                times,
                other_status,
                reason,
                subject: Subject {
                    fragment,
                    creation: bundle::v6::CreationTimestamp { seconds, sequence },
                    source: Cow::Owned(source.to_string().into_bytes()),
                },
            },
        )
        .boxed()
}

impl Edit {
    fn apply(self, bundle: &mut Bundle<'static>) {
        let primary = &mut bundle.primary;
        match self {
            Self::Payload(octets) => set_payload(bundle, octets, false),
            Self::Seconds(seconds) => primary.creation.seconds = seconds,
            Self::Sequence(sequence) => primary.creation.sequence = sequence,
            Self::Lifetime(seconds) => primary.lifetime_s = seconds,
            Self::Fragment(offset, adu_length) => {
                primary.fragment = Some(Fragment { offset, adu_length });
            }
            Self::Names(eids, spell) => address(bundle, &eids, spell),
            Self::Block(block) => {
                bundle.blocks.retain(|other| other.kind != block.kind);
                bundle.blocks.insert(0, block);
            }
            Self::Blocks(count, data) => {
                let have = bundle.blocks.len() - 1;
                for _ in have..count {
                    let block = Block::new(UNKNOWN, BlockFlags(0x10), data.clone().into());
                    bundle.blocks.insert(0, block);
                }
            }
            Self::Report(report) => {
                let mut octets = Vec::new();
                report.encode(&mut octets);
                set_payload(bundle, octets, true);
            }
            Self::Flags(bits) => primary.flags = BundleFlags(bits & !0x0b | primary.flags.0 & 0x0a),
        }
    }
}

fn set_payload(bundle: &mut Bundle<'static>, octets: Vec<u8>, is_record: bool) {
    let payload = bundle
        .blocks
        .iter_mut()
        .find(|block| block.kind == BlockType::PAYLOAD);
    if let Some(payload) = payload {
        payload.data = octets.into();
    }
    let flags = bundle.primary.flags;
    bundle.primary.flags = flags.set_to(BundleFlags::ADMIN_RECORD, is_record);
    if is_record {
        bundle.primary.fragment = None;
    }
}

/// Puts endpoint IDs in, as numbers if they can be and are not wanted as strings.
pub(super) fn address(bundle: &mut Bundle<'static>, eids: &[Eid<'static>; 4], spell: bool) {
    let eids = eids.each_ref();
    let compressed = Addresses::compressed(eids).filter(|_| !spell);
    let form = compressed.unwrap_or_else(|| Addresses::dictionary(eids));
    let primary = &mut bundle.primary;
    [
        primary.destination,
        primary.source,
        primary.report_to,
        primary.custodian,
    ] = form.references;
    primary.dictionary = Cow::Owned(form.dictionary);
    for block in &mut bundle.blocks {
        // They were numbers in another form.
        block.references.clear();
        block.flags = block.flags.without(BlockFlags::EID_REFERENCES);
        if block.kind == BlockType::PREVIOUS_HOP && block.data.is_empty() {
            *block = Block::previous_hop(block.flags, &Eid::ipn(3, 0));
        }
    }
}
