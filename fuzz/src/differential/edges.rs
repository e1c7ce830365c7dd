// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Values at the edges of what encodings, versions and programs can hold.

use std::borrow::Cow;

use bundle::{Eid, arbitrary::integer};
use proptest::{
    prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof},
    sample::select,
};
use testbed::verdict::Limits;

/// Milliseconds in a second; also what profile A moves between the numbers of an identity.
const BASE: u64 = 1000;
/// The longest name that version 6 has.
const SSP_MAX: usize = 1023;
/// A dictionary, or a name as text, has so many octets at most in a program.
const TEXT_MAX: usize = 255;

/// A value one below, at, or one above each of these.
fn around(edges: impl IntoIterator<Item = u64>) -> BoxedStrategy<u64> {
    let edges: Vec<u64> = edges.into_iter().collect();
    (select(edges), 0..3_u64)
        .prop_map(|(edge, step)| edge.saturating_sub(1).saturating_add(step))
        .boxed()
}

/// Numbers at the ends of encodings, of decimal digits, and of what can be multiplied.
pub(super) fn number() -> BoxedStrategy<u64> {
    let decimal = (0..20).map(|digits| 10_u64.pow(digits));
    let products = [u64::MAX / BASE, u64::MAX / 1_000_000];
    prop_oneof![
        3 => integer(),
        1 => around(decimal),
        1 => around(products),
    ]
    .boxed()
}

/// Seconds of version 6.
pub(super) fn seconds() -> BoxedStrategy<u64> {
    let edges = [0, 1, BASE, 1 << 32, u64::MAX / BASE];
    prop_oneof![2 => around(edges), 1 => number(), 1 => Just(802_094_400)].boxed()
}

/// Milliseconds of version 7.
pub(super) fn milliseconds() -> BoxedStrategy<u64> {
    let edges = [
        0,
        1,
        BASE - 1,
        BASE,
        1 << 32,
        BASE << 32,
        1 << 43,
        u64::MAX - 615,
        u64::MAX,
    ];
    prop_oneof![2 => around(edges), 1 => number(), 1 => 802_094_400_000..802_094_402_000_u64]
        .boxed()
}

/// Sequence numbers.
pub(super) fn sequence() -> BoxedStrategy<u64> {
    let edges = [
        0,
        615,
        BASE,
        u64::from(u32::MAX) / BASE,
        1 << 32,
        u64::MAX / BASE,
        u64::MAX,
    ];
    prop_oneof![2 => around(edges), 1 => number()].boxed()
}

/// Lifetimes, in the unit of either version.
pub(super) fn lifetime() -> BoxedStrategy<u64> {
    let edges = [
        0,
        1,
        BASE,
        1 << 32,
        u64::from(u32::MAX) * BASE,
        BASE << 32,
        u64::MAX / BASE,
        u64::MAX,
    ];
    prop_oneof![2 => around(edges), 1 => number()].boxed()
}

/// Payloads whose length is at an edge of the program, of a row or chunk of it, or of a length.
pub(super) fn payload(limits: Limits) -> BoxedStrategy<Vec<u8>> {
    let max = limits.max_payload;
    let chunks = (0..14).map(|bit| 1_u64 << bit);
    let rows = (1..=max / 256 + 1).map(|row| row * 256);
    let edges = chunks.chain(rows).chain([0, 13, 24, max]);
    let edges: Vec<u64> = edges.filter(|edge| *edge <= max + 1).collect();
    (around(edges), any::<u8>())
        .prop_map(|(length, first)| {
            let count = usize::try_from(length).expect("payloads fit into datagrams");
            let places = (0..=u8::MAX).cycle().take(count);
            places
                .map(|at| at.wrapping_mul(31).wrapping_add(first))
                .collect()
        })
        .boxed()
}

/// Endpoint IDs whose names or numbers are at an edge.
pub(super) fn eid(limits: Limits) -> BoxedStrategy<Eid<'static>> {
    let lengths = [2, 3, limits.max_eid, TEXT_MAX - 5, TEXT_MAX, SSP_MAX];
    let length = (select(lengths.to_vec()), 0..3_usize).prop_map(|(edge, step)| edge + step - 1);
    let name = (length, any::<bool>()).prop_map(|(length, is_group)| {
        let demux = if is_group { "//g/~" } else { "//n/" };
        let mut name = demux.to_owned();
        name.extend(('a'..='z').cycle().take(length.saturating_sub(name.len())));
        name.truncate(length.max(2));
        Eid::Dtn(Cow::Owned(name))
    });
    let service = prop_oneof![around([0, 1 << 32]), number().prop_map(|n| n % (1 << 32))];
    let numbers = (number(), service).prop_map(|(node, service)| Eid::ipn(node, service));
    prop_oneof![2 => name, 3 => numbers, 1 => Just(Eid::Null)].boxed()
}

/// How many extension blocks there are: about as many as the program reads.
pub(super) fn block_count(limits: Limits) -> BoxedStrategy<usize> {
    let most = limits.max_blocks;
    (most.saturating_sub(1)..=most + 1).boxed()
}
