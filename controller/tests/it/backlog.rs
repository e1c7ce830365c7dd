// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What waits at nodes, and what that does to routes. With a clock that the test turns.

use std::sync::Arc;

use contact::{ContactGraph, GraphOptions, NodeNumber, Search, Span, UtcTime, ionrc};
use control::proto::{Backlog, Report};
use controller::{
    backlog::{Claims, Reports},
    config::Node,
    routing::Choice,
    schedule::Network,
};
use proptest::prelude::*;

const HERE: NodeNumber = NodeNumber(1);
const THERE: NodeNumber = NodeNumber(9);

/// From node 1 to node 9 in one way through node 2 and in a later one through node 3. A contact of
/// 100 seconds with node 2 takes 100 000 octets, and another one follows.
const PLAN: &str = "a contact +0 +100 1 2 1000\na contact +300 +400 1 2 1000\n\
    a contact +150 +250 1 3 1000\na contact +0 +900 2 9 100000\na contact +0 +900 3 9 100000\n\
    a range +0 +900 1 2 0\na range +0 +900 1 3 0\na range +0 +900 2 9 0\na range +0 +900 3 9 0\n";

fn network(text: &str) -> Arc<Network> {
    let plan = ionrc::import(text, UtcTime::default()).expect("ION would read it");
    Arc::new(Network {
        version: 1,
        graph: ContactGraph::new(&plan, &GraphOptions::default()),
        options: GraphOptions::default(),
        plan,
        nodes: Vec::new(),
        links: Vec::new(),
        bundle_octets: 0,
        guard: Span::ZERO,
        taken: None,
    })
}

/// A controller that has nothing but reports.
struct Desk {
    plain: Arc<Network>,
    reports: Reports,
    claims: Claims,
}

impl Desk {
    fn new(text: &str) -> Self {
        Self {
            plain: network(text),
            reports: Reports::default(),
            claims: Claims::default(),
        }
    }

    /// Node 1 reports what waits for node 2: bulk, normal, expedited. Whether that is news.
    fn hear(&mut self, second: u64, octets: [u64; 3]) -> bool {
        let [bulk_octets, normal_octets, expedited_octets] = octets;
        let backlog = Backlog {
            neighbour: 2,
            bulk_octets,
            normal_octets,
            expedited_octets,
        };
        let report = Report {
            backlog: (octets != [0; 3]).then_some(backlog).into_iter().collect(),
            every_s: 10,
            ..Report::default()
        };
        self.reports.hear(HERE, &report, at(second));
        self.settle(second)
    }

    fn settle(&mut self, second: u64) -> bool {
        let graph = &self.plain.graph;
        self.claims.settle(graph, &self.reports, at(second))
    }

    fn network(&self) -> Arc<Network> {
        self.claims.add_to(&self.plain)
    }

    /// What is done with bundles for node 9 from one second to another.
    fn pieces(&self, (from, until): (u64, u64)) -> Vec<(Choice, UtcTime, UtcTime)> {
        let node = Node {
            number: 1,
            switch: None,
            address: None,
            names: Vec::new(),
            residence_ms: 0,
            ethernet: None,
        };
        let times = (at(from), at(until));
        let pieces = self.network().pieces(&mut Search::new(), &node, times);
        let to_9 = pieces.iter().filter(|piece| piece.destination == THERE);
        to_9.map(|piece| (piece.choice, piece.from, piece.until))
            .collect()
    }

    /// By which neighbour a bundle goes to node 9, and when it arrives.
    fn way(&self, second: u64) -> (u64, u64) {
        let route = self.network().itinerary(HERE, THERE, at(second));
        let route = route.expect("there is a way");
        let neighbour = route.neighbour().expect("it is elsewhere");
        (neighbour.0, route.arrival.whole_seconds())
    }
}

fn at(second: u64) -> UtcTime {
    UtcTime::from_seconds(second)
}

#[test]
fn a_contact_that_is_spoken_for_is_left_out_until_it_has_drained() {
    let mut desk = Desk::new(PLAN);
    assert_eq!(desk.way(10), (2, 10));
    assert!(!desk.hear(10, [0, 0, 0]));
    // The rest of the contact takes 90 000.
    assert!(desk.hear(10, [0, 90_000, 0]));
    assert_eq!(desk.way(10), (3, 150));
    let left_out = desk.network().left_out(HERE, THERE, at(10));
    let texts: Vec<_> = left_out.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "contact 1 to 2 (1970-01-01T00:00:00Z to 1970-01-01T00:01:40Z) is full: 90000 octets of \
             class normal and 0 of class expedited (0 of class bulk) wait for it, as node 1 reported \
             at 1970-01-01T00:00:10Z"
        ]
    );
    // It drains at its rate: that is what was expected.
    for second in 11..60 {
        assert!(
            !desk.hear(second, [0, 100_000 - second * 1000, 0]),
            "{second}"
        );
        assert_eq!(desk.way(second), (3, 150));
    }
    // What waited is dropped, or gone faster.
    assert!(desk.hear(60, [0, 0, 0]));
    assert_eq!(desk.way(60), (2, 60));
    assert!(desk.network().left_out(HERE, THERE, at(60)).is_empty());
}

#[test]
fn what_waits_delays_and_what_fits_beside_it_goes_on() {
    let mut desk = Desk::new(PLAN);
    assert!(desk.hear(0, [0, 30_000, 10_000]));
    // The bundle is sent after 40 000 octets: still earlier than the other way.
    assert_eq!(desk.way(0), (2, 40));
    assert_eq!(desk.way(50), (2, 50));
    let [taken] = desk.network().left_out(HERE, THERE, at(0))[..] else {
        panic!("one contact is taken");
    };
    assert_eq!(taken.free_from, Some(at(40)));
    // The switch sends as before: rules do not close the contact for what passes.
    assert_eq!(desk.pieces((0, 100)), [(Choice::Send, at(0), at(100))]);
}

/// What does not fit into one contact takes a part of the next.
#[test]
fn what_waits_fills_contacts_in_their_order() {
    let only_2 = PLAN.replace("a contact +150 +250 1 3 1000\n", "");
    let mut desk = Desk::new(&only_2);
    assert!(desk.hear(0, [0, 150_000, 0]));
    assert_eq!(desk.way(0), (2, 350));
    // There is no way at all beside what waits: bundles wait behind it.
    assert!(desk.hear(0, [0, 500_000, 0]));
    assert_eq!(desk.way(0), (2, 0));
    let pieces = desk.pieces((0, 100));
    assert_eq!(pieces, [(Choice::Send, at(0), at(100))]);
    assert_eq!(desk.network().left_out(HERE, THERE, at(0)).len(), 1);
}

/// Rules are for class normal: bulk bundles go after what they send.
#[test]
fn bulk_bundles_take_nothing() {
    let mut desk = Desk::new(PLAN);
    assert!(!desk.hear(0, [1_000_000, 0, 0]));
    assert_eq!(desk.way(0), (2, 0));
}

/// What is through within a second, or a little more or less than expected, changes nothing.
#[test]
fn small_changes_change_nothing() {
    let mut desk = Desk::new(PLAN);
    assert!(!desk.hear(0, [0, 900, 0]));
    assert!(desk.hear(0, [0, 80_000, 0]));
    assert!(!desk.hear(0, [0, 85_000, 0]));
    assert!(!desk.hear(0, [0, 75_000, 0]));
    assert_eq!(desk.way(0), (2, 80));
    // But a contact that becomes full does, and one that is almost full stays as if it were.
    assert!(desk.hear(0, [0, 100_000, 0]));
    for octets in [99_000, 101_000, 95_000, 100_000, 90_000] {
        assert!(!desk.hear(0, [0, octets, 0]), "{octets}");
        assert_eq!(desk.way(0), (3, 150));
    }
    assert!(desk.hear(0, [0, 80_000, 0]));
    assert_eq!(desk.way(0), (2, 80));
}

#[test]
fn reports_are_forgotten_when_they_are_old_or_their_node_is_gone() {
    let mut desk = Desk::new(PLAN);
    assert!(desk.hear(0, [0, 100_000, 0]));
    assert_eq!(desk.reports.next_end(at(0)), Some(at(30)));
    assert!(!desk.settle(29));
    assert_eq!(desk.way(29), (3, 150));
    assert!(desk.settle(30));
    assert_eq!(desk.way(30), (2, 30));
    assert_eq!(desk.reports.next_end(at(30)), None);
    assert!(desk.hear(40, [0, 100_000, 0]));
    desk.reports.forget(HERE);
    assert!(desk.settle(41));
    assert_eq!(desk.way(41), (2, 41));
    assert_eq!(desk.claims, Claims::default());
}

/// What is known of a node is bounded, whatever it says.
#[test]
fn reports_that_make_no_sense_do_no_harm() {
    let mut desk = Desk::new(PLAN);
    let backlog = (0..100_000).map(|neighbour| Backlog {
        neighbour,
        bulk_octets: u64::MAX,
        normal_octets: u64::MAX,
        expedited_octets: u64::MAX,
    });
    let report = Report {
        backlog: backlog.collect(),
        every_s: u32::MAX,
        ..Report::default()
    };
    desk.reports.hear(HERE, &report, at(0));
    assert_eq!(desk.reports.current(at(0)).count(), 1024);
    assert_eq!(desk.reports.next_end(at(0)), Some(at(600)));
    assert!(desk.settle(0));
    assert_eq!(desk.way(0), (2, 0));
}

/// Contacts without a limit, and those in which nothing is sent, are as they were.
#[test]
fn rates_without_a_volume_stay_as_they_were() {
    for rate in [0, u64::MAX] {
        let text = PLAN.replace("1 2 1000", &format!("1 2 {rate}"));
        let mut desk = Desk::new(&text);
        let before = desk.way(0);
        assert!(!desk.hear(0, [0, 1_000_000, 0]), "{rate}");
        assert_eq!(desk.way(0), before);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// A backlog that drains as is expected, or a tenth faster or slower, is news once.
    #[test]
    fn noise_is_no_news(
        octets in 20_000..80_000_u64,
        noise in prop::collection::vec(-10..=10_i64, 1..60),
    ) {
        let mut desk = Desk::new(PLAN);
        prop_assert!(desk.hear(0, [0, octets, 0]));
        for (second, percent) in (1..).zip(noise) {
            let expected = octets.saturating_sub(second * 1000);
            let told = expected * u64::try_from(100 + percent).expect("it is above 0") / 100;
            prop_assert!(!desk.hear(second, [0, told, 0]), "{} of {}", told, expected);
        }
    }

    /// Whatever is reported: the best way beside what waits is never earlier than without it, and what
    /// is told again is no news.
    #[test]
    fn what_waits_makes_nothing_earlier(
        reports in prop::collection::vec((0..400_u64, 0..300_000_u64), 1..8),
    ) {
        let mut desk = Desk::new(PLAN);
        let mut reports = reports;
        reports.sort_unstable();
        for (second, octets) in reports {
            desk.hear(second, [0, octets, 0]);
            prop_assert!(!desk.settle(second));
            let plain = desk.plain.itinerary(HERE, THERE, at(second)).map(|route| route.arrival);
            let beside = desk.network().itinerary(HERE, THERE, at(second));
            if let (Some(plain), Some(beside)) = (plain, beside.map(|route| route.arrival)) {
                prop_assert!(plain <= beside);
            }
        }
    }
}
