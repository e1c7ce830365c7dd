// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Clones, copies, new passes and drops: `testdata/traffic.p4`.

use switch::DropReason;

use crate::support::{Bench, Kept};

const ENTRIES: &str = r#"{
    "multicast_groups": [
        {"id": 1, "replicas": [{"port": 4, "instance": 1}, {"port": 5, "instance": 2}]},
        {"id": 2, "replicas": []}
    ],
    "clone_sessions": [
        {"id": 1, "replicas": [{"port": 9, "instance": 3}]},
        {"id": 2, "replicas": [{"port": 9, "instance": 0}], "packet_length_bytes": 3}
    ]
}"#;

/// The orders that the program takes.
mod order {
    pub(super) const UNICAST: u8 = 0;
    pub(super) const CLONE_INGRESS: u8 = 1;
    pub(super) const CLONE_EGRESS: u8 = 2;
    pub(super) const RESUBMIT: u8 = 3;
    pub(super) const RECIRCULATE: u8 = 4;
    pub(super) const MULTICAST: u8 = 5;
    pub(super) const TRUNCATE: u8 = 6;
    pub(super) const DROP_IN_INGRESS: u8 = 7;
    pub(super) const DROP_IN_EGRESS: u8 = 8;
    pub(super) const RECIRCULATE_ALWAYS: u8 = 9;
    pub(super) const DROP_AFTER_MULTICAST: u8 = 10;
    pub(super) const RESUBMIT_ALWAYS: u8 = 11;
}

fn run(order: u8, argument: u8) -> Kept {
    let mut bench = Bench::with_entries("traffic.p4", ENTRIES);
    bench.run(&[order, argument, 0, 0, 0, 0, 0, 0, 0xaa, 0xbb])
}

/// What a packet shows: order, argument, instance, kept, lost, replication id, passes, port.
fn check(order: u8, argument: u8, expected: &[(u32, [u8; 8])]) {
    let kept = run(order, argument);
    let shown: Vec<(u32, Vec<u8>)> = expected
        .iter()
        .map(|(port, header)| (*port, [&header[..], &[0xaa, 0xbb]].concat()))
        .collect();
    assert_eq!(kept.sent, shown);
}

#[test]
fn unicast_keeps_all_metadata() {
    check(order::UNICAST, 0, &[(2, [0, 0, 0, 0x11, 0x22, 0, 1, 1])]);
}

#[test]
fn ingress_clone_is_the_packet_that_came_in() {
    // The clone shows the order that the original has overwritten, and only metadata of its list.
    check(
        order::CLONE_INGRESS,
        1,
        &[
            (9, [1, 1, 1, 0x11, 0, 3, 1, 0]),
            (2, [0xee, 1, 0, 0x11, 0x22, 0, 1, 1]),
        ],
    );
}

#[test]
fn clones_are_cut_to_the_length_of_their_session() {
    let kept = run(order::CLONE_INGRESS, 2);
    assert_eq!(kept.sent[0], (9, vec![1, 2, 1]));
    assert_eq!(kept.sent[1].1.len(), 10);
}

#[test]
fn egress_clone_is_the_packet_that_leaves() {
    check(
        order::CLONE_EGRESS,
        1,
        &[
            (2, [0xdd, 1, 0, 0x11, 0x22, 0, 1, 1]),
            (9, [0xdd, 1, 2, 0x11, 0, 3, 1, 0]),
        ],
    );
}

#[test]
fn unknown_session_makes_no_clone() {
    let kept = run(order::CLONE_INGRESS, 77);
    assert_eq!(kept.sent.len(), 1);
    assert_eq!(kept.drops, [DropReason::NoSession]);
}

#[test]
fn resubmitted_packet_is_the_one_that_came_in() {
    // `argument` was overwritten before; `passes` is in the field list.
    check(order::RESUBMIT, 5, &[(2, [3, 5, 0, 0x11, 0, 0, 2, 0])]);
}

#[test]
fn recirculated_packet_is_the_one_that_left() {
    check(order::RECIRCULATE, 5, &[(2, [4, 5, 0, 0x11, 0, 0, 3, 0])]);
}

#[test]
fn multicast_copies_for_each_replica() {
    check(
        order::MULTICAST,
        1,
        &[
            (4, [5, 1, 5, 0x11, 0x22, 1, 1, 1]),
            (5, [5, 1, 5, 0x11, 0x22, 2, 1, 1]),
        ],
    );
}

#[test]
fn empty_and_unknown_groups_drop() {
    for group in [2, 3] {
        let kept = run(order::MULTICAST, group);
        assert!(kept.sent.is_empty());
        assert_eq!(kept.drops, [DropReason::NoReplicas]);
    }
}

#[test]
fn truncate_cuts_what_leaves() {
    let kept = run(order::TRUNCATE, 3);
    assert_eq!(kept.sent, [(2, vec![6, 3, 0])]);
}

#[test]
fn drops_have_reasons() {
    let drops = |order| {
        let kept = run(order, 1);
        assert!(kept.sent.is_empty());
        kept.drops
    };
    assert_eq!(drops(order::DROP_IN_INGRESS), [DropReason::Ingress]);
    assert_eq!(drops(order::DROP_IN_EGRESS), [DropReason::Egress]);
    assert_eq!(drops(order::DROP_AFTER_MULTICAST), [DropReason::Ingress]);
}

#[test]
fn endless_passes_end() {
    for order in [order::RECIRCULATE_ALWAYS, order::RESUBMIT_ALWAYS] {
        let kept = run(order, 0);
        assert!(kept.sent.is_empty());
        assert_eq!(kept.drops, [DropReason::PassLimit]);
    }
}
