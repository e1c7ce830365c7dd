// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Numbers, endpoint IDs and payloads with a liking for the places where an encoding grows.

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::Shape;
use crate::eid::Eid;

/// The bits at which an SDNV or a CBOR head grows. The head also grows at 24.
const GROWING_BITS: [u32; 13] = [5, 7, 8, 14, 16, 21, 28, 32, 35, 42, 49, 56, 63];
/// The time from which real sources count, in seconds: 2025.
const REAL_SECONDS: core::ops::Range<u64> = 788_918_400..946_684_800;

/// Any number: often small, or next to where an encoding grows.
pub fn integer() -> BoxedStrategy<u64> {
    let edge = (select(&GROWING_BITS[..]), 0..3_u64).prop_map(|(bit, step)| (1 << bit) + step - 1);
    let width = (0..64_u32, any::<u64>()).prop_map(|(shift, value)| value >> shift);
    prop_oneof![
        3 => 0..30_u64,
        3 => edge,
        3 => width,
        1 => Just(u64::MAX),
    ]
    .boxed()
}

/// Any number of 32 bits, as [`integer`].
pub(super) fn integer32() -> BoxedStrategy<u64> {
    integer().prop_map(|value| value % (1 << 32)).boxed()
}

/// A sequence number: any if the shape says so, otherwise one that version 6 has room for.
pub fn sequence(shape: Shape) -> BoxedStrategy<u64> {
    let real = integer().prop_map(|value| value % 4_294_967);
    if shape.any_times {
        prop_oneof![3 => real, 1 => integer()].boxed()
    } else {
        real.boxed()
    }
}

/// Seconds since the year 2000: any if the shape says so, zero at times.
pub(super) fn seconds(shape: Shape) -> BoxedStrategy<u64> {
    let real = prop_oneof![6 => REAL_SECONDS, 1 => Just(0)];
    if shape.any_times {
        prop_oneof![3 => real, 1 => integer()].boxed()
    } else {
        real.boxed()
    }
}

/// Milliseconds since the year 2000, as [`seconds`].
pub(super) fn milliseconds(shape: Shape) -> BoxedStrategy<u64> {
    let real = (
        seconds(Shape {
            any_times: false,
            ..shape
        }),
        0..1000_u64,
    )
        .prop_map(|(seconds, rest)| {
            if seconds == 0 {
                0
            } else {
                seconds * 1000 + rest
            }
        });
    if shape.any_times {
        prop_oneof![3 => real, 1 => integer()].boxed()
    } else {
        real.boxed()
    }
}

/// A lifetime in seconds.
pub(super) fn lifetime_s(shape: Shape) -> BoxedStrategy<u64> {
    let real = prop_oneof![Just(300), Just(3600), Just(86_400), integer32()];
    if shape.any_times {
        prop_oneof![3 => real, 1 => integer()].boxed()
    } else {
        real.boxed()
    }
}

/// A payload of at most this many octets, often as long as a length grows.
pub fn payload(max: usize) -> BoxedStrategy<Vec<u8>> {
    let edges: Vec<usize> = [0, 1, 13, 23, 24, 127, 128, 255, 256]
        .into_iter()
        .filter(|edge| *edge <= max)
        .collect();
    let length = prop_oneof![select(edges), 0..=max];
    length
        .prop_flat_map(|length| vec(any::<u8>(), length))
        .boxed()
}

/// An endpoint ID that both versions can name.
pub(super) fn eid(shape: Shape) -> BoxedStrategy<Eid<'static>> {
    let node = integer().prop_filter("the local node has no other name", |node| {
        *node != u64::from(u32::MAX)
    });
    let ipn = (node, integer32()).prop_map(|(node, service)| Eid::ipn(node, service));
    let compressible = prop_oneof![6 => ipn, 1 => Just(Eid::Null)];
    if !shape.any_eids {
        return compressible.boxed();
    }
    let dtn = ("[a-c]{1,3}", "(/~?[a-c]{0,30})?")
        .prop_map(|(node, demux)| Eid::Dtn(Cow::Owned(format!("//{node}{demux}"))));
    prop_oneof![2 => compressible, 1 => dtn].boxed()
}

/// Whether something that happens in one of `times` bundles happens.
pub(super) fn one_in(times: u32, allowed: bool) -> BoxedStrategy<bool> {
    if allowed {
        (0..times).prop_map(|draw| draw == 0).boxed()
    } else {
        Just(false).boxed()
    }
}
