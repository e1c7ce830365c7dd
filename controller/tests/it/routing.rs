// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pieces of time with one next contact, against searches at each time.

use contact::{
    BytesPerSecond, Confidence, Contact, ContactGraph, GraphOptions, NodeNumber, Plan, Query,
    Range, Search, Span, UtcTime, ionrc,
};
use controller::routing::{Choice, Piece, Terms, pieces};
use proptest::prelude::*;

const GUARD: Span = Span::from_micros(50_000);

fn graph(text: &str) -> ContactGraph {
    let plan = ionrc::import(text, UtcTime::default()).expect("ION would read it");
    ContactGraph::new(&plan, &GraphOptions::default())
}

fn terms(guard: Span) -> Terms<'static> {
    Terms {
        excluded: &[],
        bundle_octets: 0,
        guard,
        taken: None,
    }
}

/// The pieces from node 1 to node 9, as texts with milliseconds.
fn shown(text: &str, from: u64, until: u64) -> Vec<String> {
    let times = (UtcTime::from_seconds(from), UtcTime::from_seconds(until));
    let found = pieces(
        &graph(text),
        &mut Search::new(),
        (NodeNumber(1), NodeNumber(9)),
        times,
        terms(GUARD),
    );
    let show = |piece: &Piece| {
        let ms = |time: UtcTime| time.micros() / 1000;
        let word = match piece.choice {
            Choice::Send => "send to",
            Choice::Wait => "wait for",
        };
        let neighbour = piece.route.neighbour().expect("there is one");
        format!("{}-{} {word} {neighbour}", ms(piece.from), ms(piece.until))
    };
    found.iter().map(show).collect()
}

#[test]
fn bundles_wait_for_a_contact_and_are_sent_in_it() {
    let plan = "a contact +10 +20 1 9 1000\na contact +40 +50 1 9 1000\na range +0 +99 1 9 1\n";
    let expected = [
        "0-10000 wait for 9",
        "10000-19950 send to 9",
        // The last part of a contact is kept free; then the next one is waited for.
        "19950-20000 wait for 9",
        "20000-40000 wait for 9",
        "40000-49950 send to 9",
        "49950-50000 wait for 9",
    ];
    assert_eq!(shown(plan, 0, 90), expected);
    assert_eq!(shown(plan, 15, 45)[0], "15000-19950 send to 9");
    assert_eq!(shown(plan, 15, 45)[3], "40000-45000 send to 9");
    assert_eq!(shown(plan, 51, 90), [""; 0]);
}

/// Through node 2 the bundle arrives after 8 s. The contact of node 2 ends at 30 s, so that it has
/// to leave by 26 s.
#[test]
fn a_route_ends_when_a_later_contact_can_no_longer_be_caught() {
    let plan = "a contact +0 +60 1 2 1000\na contact +0 +30 2 9 1000\na contact +50 +60 1 9 1000\n\
                a range +0 +99 1 2 4\na range +0 +99 2 9 4\na range +0 +99 1 9 1\n";
    let expected = [
        "0-26000 send to 2",
        "26000-50000 wait for 9",
        "50000-59950 send to 9",
        "59950-60000 wait for 9",
    ];
    assert_eq!(shown(plan, 0, 90), expected);
}

/// Neither contact begins or ends when the better route changes: through node 2 it takes 10 s, and
/// node 3 has its contact at 40 s.
#[test]
fn a_better_route_is_taken_at_the_time_at_which_it_is_better() {
    let plan = "a contact +0 +90 1 2 1000\na contact +0 +90 2 9 1000\na contact +0 +90 1 3 1000\n\
                a contact +40 +41 3 9 1000\n\
                a range +0 +99 1 2 5\na range +0 +99 2 9 5\na range +0 +99 1 3 1\na range +0 +99 3 9 1\n";
    let found = shown(plan, 0, 60);
    // At 31 s both arrive at 41 s with two hops, and through node 2 the route ends later.
    let expected = [
        "0-31000 send to 2",
        "31000-40000 send to 3",
        "40000-60000 send to 2",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_destination_without_a_way_has_no_piece() {
    assert_eq!(
        shown("a contact +0 +90 1 2 1000\na range +0 +99 1 2 1\n", 0, 90),
        [""; 0]
    );
    assert_eq!(
        shown("a contact +0 +90 1 9 1000\n", 0, 90),
        [""; 0],
        "no light time"
    );
}

fn contact() -> impl Strategy<Value = (u64, u64, u64, u64, u64)> {
    (1..=5_u64, 1..=5_u64, 0..60_u64, 1..25_u64, 0..4_u64)
}

fn plan(contacts: &[(u64, u64, u64, u64, u64)]) -> Plan {
    let mut plan = Plan::new();
    for &(from, to, start, length, light) in contacts {
        let (from, to) = (NodeNumber(from), NodeNumber(to));
        let (start, end) = (
            UtcTime::from_seconds(start),
            UtcTime::from_seconds(start + length),
        );
        // What overlaps is left out.
        let _ = plan.add_contact(Contact {
            from,
            to,
            start,
            end,
            rate: BytesPerSecond(1000),
            confidence: Confidence::CERTAIN,
        });
        let _ = plan.add_range(Range {
            from,
            to,
            start: UtcTime::default(),
            end: UtcTime::from_seconds(200),
            light_time: Span::from_seconds(light),
        });
    }
    plan
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// At each time there is a piece if there is a route, and by its neighbour a bundle arrives
    /// first, or at most the light times of the first route later.
    #[test]
    fn pieces_are_what_searches_find(
        contacts in prop::collection::vec(contact(), 1..14),
        at_ms in 0..90_000_u64,
    ) {
        let graph = ContactGraph::new(&plan(&contacts), &GraphOptions::default());
        let at = UtcTime::from_micros(at_ms * 1000);
        let times = (UtcTime::default(), UtcTime::from_seconds(90));
        let mut search = Search::new();
        let pair = (NodeNumber(1), NodeNumber(5));
        let found = pieces(&graph, &mut search, pair, times, terms(Span::ZERO));
        for two in found.windows(2) {
            prop_assert_eq!(two[0].until, two[1].from, "there is no gap");
        }
        let now = found.iter().find(|piece| piece.from <= at && at < piece.until);
        let first = search.route(&graph, &Query::new(pair.0, at), pair.1);
        prop_assert_eq!(now.is_some(), first.is_some());
        if let (Some(piece), Some(first)) = (now, first) {
            let neighbour = piece.route.neighbour().expect("a piece has a neighbour");
            let others: Vec<_> = (2..=5).map(NodeNumber).filter(|node| *node != neighbour).collect();
            let query = Query { excluded: &others, ..Query::new(pair.0, at) };
            let taken = search.route(&graph, &query, pair.1).expect("the neighbour has a way");
            let light = 3 * first.hops.len() as u64;
            prop_assert!(taken.arrival.since(first.arrival) <= Span::from_seconds(light));
        }
    }

    /// Nothing is sent outside of its contact, or in the guard time at its end.
    #[test]
    fn nothing_is_sent_outside_of_a_contact(
        contacts in prop::collection::vec(contact(), 1..14),
        guard_ms in 0..3000_u64,
    ) {
        let graph = ContactGraph::new(&plan(&contacts), &GraphOptions::default());
        let times = (UtcTime::default(), UtcTime::from_seconds(90));
        let guard = Span::from_micros(guard_ms * 1000);
        let pair = (NodeNumber(1), NodeNumber(5));
        let found = pieces(&graph, &mut Search::new(), pair, times, terms(guard));
        for piece in found.iter().filter(|piece| piece.choice == Choice::Send) {
            let leg = piece.route.legs[0];
            prop_assert!(leg.start <= piece.from, "{:?}", piece);
            prop_assert!(piece.until.micros() + guard.micros() <= leg.end.micros(), "{:?}", piece);
        }
    }
}
