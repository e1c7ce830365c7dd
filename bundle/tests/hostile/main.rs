// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Inputs that were made to cost memory or time: no number in an input may cost more than the
//! octets that are there.
//!
//! A program of its own, because it counts what every allocation of its threads takes.
#![allow(
    unsafe_code,
    reason = "an allocator can be counted only by one that implements an unsafe trait"
)]

mod allocator;
mod inputs;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bundle::arbitrary::{Shape, mutated, v6_octets, v7_octets};
use bundle::{Policy, translate, v6, v7};
use proptest::prelude::{Strategy, any, prop_assert, prop_oneof, proptest};
use proptest::test_runner::Config;

use crate::allocator::{Counting, Usage};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Octets of memory in use at one time for each octet of the input, while it is decoded.
///
/// The smallest block of version 6 has three octets, and becomes a value of nine words. A vector
/// that grows holds its old place and a new one, twice as large, at the same time: three times
/// nine words for three octets, at worst. All other parts are cheaper.
const DECODING: usize = 80;
/// The same for translating: decoded blocks, what they say, and the result.
const TRANSLATING: usize = 120;
/// Growing vectors move: all their places together are twice the last one.
const TOTAL: usize = 2;
/// What even the smallest input may take.
const BASE: usize = 4096;

/// The length of long inputs.
const LONG: usize = 300_000;
/// More than work that grows with the input needs for a long one, even without optimisation and
/// next to other work. What grows with the square of the input takes a minute.
const PATIENCE: Duration = Duration::from_secs(10);

/// A name, a bound on memory, and what is done with an input.
type Work = (&'static str, usize, fn(&[u8]));

/// Everything that reads octets as they come.
const WORK: &[Work] = &[
    ("v6", DECODING, |octets| {
        if let Ok(bundle) = v6::Bundle::decode(octets) {
            for block in &bundle.blocks {
                black_box(block.content()).ok();
            }
        }
    }),
    ("v7", DECODING, |octets| {
        if let Ok(bundle) = v7::Bundle::decode(octets, v7::Tolerance::LENIENT) {
            for block in &bundle.blocks {
                black_box(block.content()).ok();
            }
        }
    }),
    ("v7 strict", DECODING, |octets| {
        black_box(v7::Bundle::decode(octets, v7::Tolerance::STRICT)).ok();
    }),
    ("record of v6", DECODING, |octets| {
        black_box(v6::AdminRecord::decode(octets)).ok();
    }),
    ("record of v7", DECODING, |octets| {
        black_box(v7::AdminRecord::decode(octets, v7::Tolerance::LENIENT)).ok();
    }),
    ("translate", TRANSLATING, |octets| {
        black_box(translate(octets, &Policy::default())).ok();
    }),
];

/// Runs everything on an input, and says where memory went beyond the bounds.
fn excess(octets: &[u8]) -> Option<String> {
    WORK.iter().find_map(|(name, factor, work)| {
        let usage = allocator::measure(|| work(octets));
        let bound = factor * octets.len() + BASE;
        println!("{name}: {usage:?} for {} octets", octets.len());
        let fits = usage.peak <= bound && usage.total <= TOTAL * bound;
        (!fits).then(|| format!("{name}: {usage:?} for {} octets", octets.len()))
    })
}

#[test]
fn usage_is_counted() {
    let usage = allocator::measure(|| {
        let small = black_box(vec![0_u8; 100]);
        let mut large = black_box(vec![0_u8; 1000]);
        drop(small);
        large.resize(5000, 1);
        black_box(large);
    });
    assert!((5000..=6100).contains(&usage.peak), "{usage:?}");
    assert!((6100..=7100).contains(&usage.total), "{usage:?}");
}

/// Numbers that promise more than there is cost nothing, at any length of what follows.
#[test]
fn promises_are_not_believed() {
    for (name, octets) in inputs::promises() {
        assert_eq!(excess(&octets), None, "{name}");
        for (part, _, work) in WORK {
            let Usage { largest, .. } = allocator::measure(|| work(&octets));
            assert!(largest <= BASE, "{name}, {part}: {largest} at once");
        }
    }
}

/// Many small parts cost what the bounds say, however many they are.
#[test]
fn memory_grows_with_the_input() {
    for length in [100, 10_000, LONG] {
        for (name, octets) in inputs::many_parts(length) {
            assert_eq!(excess(&octets), None, "{name}, about {length} octets");
        }
    }
}

/// The inputs are not refused at their first octet, or they would show nothing.
#[test]
fn many_parts_are_decoded() {
    for (name, octets) in inputs::many_parts(10_000) {
        let fine = v6::Bundle::decode(&octets).is_ok()
            || v7::Bundle::decode(&octets, v7::Tolerance::LENIENT).is_ok()
            || v7::AdminRecord::decode(&octets, v7::Tolerance::LENIENT).is_ok();
        assert!(fine, "{name}");
    }
}

#[test]
fn work_grows_with_the_input() {
    for (name, octets) in inputs::many_parts(LONG) {
        for (part, _, work) in WORK {
            let start = Instant::now();
            work(&octets);
            let taken = start.elapsed();
            println!("{name}, {part}: {taken:?}");
            assert!(taken < PATIENCE, "{name}, {part}: {taken:?}");
        }
    }
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_octets_keep_the_bounds(
        octets in prop_oneof![
            v6_octets(Shape::ANY),
            v7_octets(Shape::ANY),
            mutated(v6_octets(Shape::ANY)),
            mutated(v7_octets(Shape::ANY)),
            proptest::collection::vec(any::<u8>(), 0..300),
            proptest::collection::vec(any::<u8>(), 0..300).prop_map(|rest| [&[6], &rest[..]].concat()),
        ],
    ) {
        let excess = excess(&octets);
        prop_assert!(excess.is_none(), "{}", excess.unwrap_or_default());
    }
}
