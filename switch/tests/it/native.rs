// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Machine code does to each packet what the interpreter does.

use proptest::prelude::*;
use switch::{Silent, traffic::Worker};

use crate::support::{Bench, Kept};

const PROGRAMS: [&str; 5] = [
    "l2.p4",
    "matches.p4",
    "parser.p4",
    "traffic.p4",
    "externs.p4",
];

const GROUPS: &str = r#"{
    "multicast_groups": [{"id": 1, "replicas": [
        {"port": 4, "instance": 1}, {"port": 5, "instance": 2}]}],
    "clone_sessions": [{"id": 1, "replicas": [{"port": 9, "instance": 3}]}]
}"#;

/// Runs packets on a fresh switch, compiled or not, and gives everything that comes out.
fn run(name: &str, packets: &[(u32, Vec<u8>)], compiled: bool) -> Vec<Kept> {
    let bench = Bench::with_entries(name, GROUPS);
    let pipeline = bench.program.pipeline();
    if compiled {
        pipeline.optimise().expect("this machine has a compiler");
    }
    let mut worker = Worker::new(7);
    let outcomes = packets.iter().map(|(port, packet)| {
        let mut kept = Kept::default();
        pipeline.process(&mut worker, (*port, packet), 1000, &mut kept, &mut Silent);
        kept
    });
    outcomes.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn machine_code_agrees_with_the_interpreter(
        packets in prop::collection::vec(
            (0..4_u32, (0..80_u8, prop::collection::vec(any::<u8>(), 0..80)).prop_map(
                |(first, rest)| [&[first], rest.as_slice()].concat())), 1..100),
    ) {
        for name in PROGRAMS {
            prop_assert_eq!(run(name, &packets, true), run(name, &packets, false), "{}", name);
        }
    }
}

/// Measured in `docs/adr/0010`: a bridge is slower as machine code, a program of long values faster.
#[test]
fn only_programs_with_long_values_are_worth_it() {
    let gains = |name| {
        let bench = Bench::with_entries(name, "{}");
        bench.program.pipeline().gains_from_machine_code()
    };
    assert!(!gains("l2.p4"));
    assert!(gains("externs.p4"));
}
