// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles of version 6.

use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::Shape;
use super::values::{eid, integer, integer32, lifetime_s, one_in, payload, seconds, sequence};
use crate::eid::Eid;
use crate::v6::{
    Addresses, Block, BlockFlags, BlockType, Bundle, BundleFlags, CreationTimestamp, EidRef,
    Fragment, Primary, Priority, ReportTime, StatusReport, Subject,
};

/// Flags that bundles have without asking for more than the shape allows.
const PLAIN_FLAGS: u64 = 0x7_c034;
/// Custody, the reserved priority and reserved flags.
const ODD_FLAGS: u64 = 0x18_01c8;

/// The octets of a bundle.
pub fn v6_octets(shape: Shape) -> impl Strategy<Value = Vec<u8>> {
    v6_bundle(shape).prop_map(|bundle| bundle.to_vec())
}

/// A bundle that is encoded as it is decoded.
pub fn v6_bundle(shape: Shape) -> impl Strategy<Value = Bundle<'static>> {
    let eids = [eid(shape), eid(shape), eid(shape), custodian(shape)];
    let plain = payload(shape.payload_max)
        .prop_map(|data| (data, false))
        .boxed();
    let payload = if shape.reports {
        prop_oneof![7 => plain, 1 => report(shape)].boxed()
    } else {
        plain
    };
    let parts = (
        eids,
        primary(shape),
        blocks(shape),
        payload,
        block_flags(shape),
        any::<usize>(),
    );
    parts.prop_map(
        move |(eids, mut primary, blocks, (data, is_admin), flags, place)| {
            let is_anonymous = eids[1].is_null();
            let blocks = with_payload(
                blocks,
                Block::new(BlockType::PAYLOAD, flags, data.into()),
                {
                    if shape.trailing_blocks {
                        place
                    } else {
                        usize::MAX
                    }
                },
            );
            address(
                &mut primary,
                &eids,
                shape.any_eids && place.is_multiple_of(5),
            );
            let mut bundle = Bundle { primary, blocks };
            bundle.primary.flags = bundle
                .primary
                .flags
                .set_to(BundleFlags::ADMIN_RECORD, is_admin);
            if is_admin {
                bundle.primary.fragment = None;
            }
            if !shape.odd_flags && (is_admin || is_anonymous) {
                silence(&mut bundle, is_anonymous);
            }
            settle_flags(&mut bundle);
            bundle
        },
    )
}

fn custodian(shape: Shape) -> BoxedStrategy<Eid<'static>> {
    prop_oneof![4 => Just(Eid::Null), 1 => eid(shape)].boxed()
}

/// A primary block without endpoint IDs.
fn primary(shape: Shape) -> BoxedStrategy<Primary<'static>> {
    let odd = one_in(8, shape.odd_flags);
    let priority = select(&[Priority::Bulk, Priority::Normal, Priority::Expedited][..]);
    let flags =
        (any::<u64>(), priority, odd, any::<u64>()).prop_map(|(plain, priority, odd, odd_bits)| {
            let odd_bits = if odd { odd_bits & ODD_FLAGS } else { 0 };
            BundleFlags(plain & PLAIN_FLAGS)
                .with_priority(priority)
                .with(BundleFlags(odd_bits))
        });
    let fragment = (one_in(4, shape.fragments), integer(), integer())
        .prop_map(|(yes, offset, adu_length)| yes.then_some(Fragment { offset, adu_length }));
    (
        flags,
        seconds(shape),
        sequence(shape),
        lifetime_s(shape),
        fragment,
    )
        .prop_map(|(flags, seconds, sequence, lifetime_s, fragment)| Primary {
            flags,
            creation: CreationTimestamp { seconds, sequence },
            lifetime_s,
            fragment,
            ..Primary::default()
        })
        .boxed()
}

/// Puts the endpoint IDs in. All of them may be compressible and stand in a dictionary all the same.
fn address(primary: &mut Primary<'static>, eids: &[Eid<'static>; 4], prefer_dictionary: bool) {
    let [destination, source, report_to, custodian] = eids;
    let eids = [destination, source, report_to, custodian];
    let compressed = Addresses::compressed(eids).filter(|_| !prefer_dictionary);
    let form = compressed.unwrap_or_else(|| Addresses::dictionary(eids));
    let [destination, source, report_to, custodian] = form.references;
    primary.destination = destination;
    primary.source = source;
    primary.report_to = report_to;
    primary.custodian = custodian;
    primary.dictionary = Cow::Owned(form.dictionary);
}

fn block_flags(shape: Shape) -> BoxedStrategy<BlockFlags> {
    let known = select(&[0, 1, 0x10, 0x11, 2, 0x12, 0x20][..]);
    let odd = (one_in(8, shape.odd_flags), any::<u64>());
    (known, odd)
        // References are added with the flag for them, and the last block is known at the end.
        .prop_map(|(known, (odd, bits))| BlockFlags(if odd { bits & 0x37b7 } else { known }))
        .boxed()
}

/// Some of the blocks, each at most once and in any order.
fn blocks(shape: Shape) -> BoxedStrategy<Vec<Block<'static>>> {
    let age = prop_oneof![3 => integer32().prop_map(|ms| ms * 1000), 1 => integer()];
    let ion = (
        weighted(0.6, (block_flags(shape), eid(shape))),
        weighted(0.3, (block_flags(shape), any::<(u8, u8)>(), integer())),
        weighted(0.6, (block_flags(shape), age)),
        weighted(0.1, (block_flags(shape), integer())),
    )
        .prop_map(|(hop, ecos, age, permits)| {
            let label = |flags: u8, label| (flags & 4 != 0).then_some(label);
            let mut blocks = Vec::new();
            blocks.extend(hop.map(|(flags, eid)| Block::previous_hop(flags, &eid)));
            blocks.extend(ecos.map(|(flags, (bits, ordinal), number)| {
                Block::ecos(flags, bits & 0x0f, ordinal, label(bits, number))
            }));
            blocks.extend(age.map(|(flags, age)| Block::age(BlockType::AGE, flags, age)));
            blocks.extend(permits.map(|(flags, permits)| Block::permits(flags, permits)));
            blocks
        });
    if !shape.any_blocks {
        return ion.boxed();
    }
    let kinds = select(&[2_u8, 4, 6, 7, 8, 9, 10, 11, 13, 22, 192, 199, 255][..]);
    let other = (kinds, block_flags(shape), one_in(5, true), payload(40)).prop_map(
        |(kind, flags, required, data)| {
            let flags = flags.set_to(BlockFlags::DELETE_UNPROCESSED, required);
            let data = if kind == 10 {
                b"\x07ipn:6.2".to_vec()
            } else {
                data
            };
            Block::new(BlockType(kind), flags, data.into())
        },
    );
    let with_references = (other, vec(any::<(u8, u8)>(), 0..3)).prop_map(|(mut block, numbers)| {
        let reference = |(scheme, ssp): (u8, u8)| EidRef {
            scheme: scheme.into(),
            ssp: ssp.into(),
        };
        block.references = numbers.into_iter().map(reference).collect();
        block
    });
    (ion, vec(with_references, 0..2))
        .prop_map(|(mut blocks, others)| {
            blocks.extend(others);
            blocks
        })
        .prop_shuffle()
        .boxed()
}

fn with_payload(
    mut blocks: Vec<Block<'static>>,
    payload: Block<'static>,
    place: usize,
) -> Vec<Block<'static>> {
    let place = if place.is_multiple_of(4) {
        place / 4 % (blocks.len() + 1)
    } else {
        blocks.len()
    };
    blocks.insert(place, payload);
    blocks
}

/// Clears what a bundle may not ask for if nobody may be told about it.
fn silence(bundle: &mut Bundle<'static>, is_anonymous: bool) {
    let reports = BundleFlags(0x7_c000);
    bundle.primary.flags = bundle.primary.flags.without(reports);
    if is_anonymous {
        bundle.primary.flags = bundle.primary.flags.with(BundleFlags::MUST_NOT_FRAGMENT);
        bundle.primary.fragment = None;
    }
    for block in &mut bundle.blocks {
        block.flags = block.flags.without(BlockFlags::REPORT_UNPROCESSED);
    }
}

/// Makes the flags that follow from other fields agree with them, as they do after decoding.
fn settle_flags(bundle: &mut Bundle<'static>) {
    let is_fragment = bundle.primary.fragment.is_some();
    bundle.primary.flags = bundle
        .primary
        .flags
        .set_to(BundleFlags::FRAGMENT, is_fragment);
    let is_compressed = bundle.primary.is_compressed();
    let last = bundle.blocks.len() - 1;
    for (index, block) in bundle.blocks.iter_mut().enumerate() {
        if !is_compressed {
            // The numbers of the generator are no offsets of this dictionary.
            block.references.clear();
        }
        let refers = !block.references.is_empty();
        block.flags = block
            .flags
            .set_to(BlockFlags::EID_REFERENCES, refers)
            .set_to(BlockFlags::LAST, index == last);
    }
}

/// A status report and the truth that it is one.
fn report(shape: Shape) -> BoxedStrategy<(Vec<u8>, bool)> {
    let time =
        (seconds(shape), 0..1_000_000_000_u64).prop_map(|(seconds, nanoseconds)| ReportTime {
            seconds,
            nanoseconds,
        });
    let times = proptest::array::uniform5(weighted(0.4, time));
    let subject = (
        weighted(0.3, (integer(), integer())),
        seconds(shape),
        sequence(shape),
        eid(shape).prop_map(|eid| Cow::Owned(eid.to_string().into_bytes())),
    )
        .prop_map(|(fragment, seconds, sequence, source)| {
            let creation = CreationTimestamp { seconds, sequence };
            Subject {
                fragment,
                creation,
                source,
            }
        });
    (times, prop_oneof![0..10_u8, any::<u8>()], subject)
        .prop_map(|(times, reason, subject)| {
            let mut data = Vec::new();
            StatusReport {
                times,
                other_status: 0,
                reason,
                subject,
            }
            .encode(&mut data);
            (data, true)
        })
        .boxed()
}
