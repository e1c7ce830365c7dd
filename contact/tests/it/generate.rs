// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Generated plans: they are what they should look like, and routes go through all of it.

use contact::generate::{Scenario, generate};
use contact::{ContactGraph, GraphOptions, NodeNumber, Query, Search, Span, UtcTime};

const START: UtcTime = UtcTime::from_seconds(1_800_000_000);

const SCENARIO: Scenario = Scenario {
    seed: 7,
    stations: 4,
    satellites: 9,
    relays: 3,
    landers: 2,
    start: START,
    seconds: 86_400,
};

#[test]
fn equal_seeds_give_equal_plans() {
    assert_eq!(generate(&SCENARIO), generate(&SCENARIO));
    let other = Scenario {
        seed: 8,
        ..SCENARIO
    };
    assert_ne!(generate(&SCENARIO), generate(&other));
}

#[test]
fn contacts_are_in_both_directions_and_within_the_plan() {
    let plan = generate(&SCENARIO);
    let end = START
        .checked_add(Span::from_seconds(86_400))
        .expect("it is in this century");
    assert!(plan.contacts().count() > 300);
    for contact in plan.contacts() {
        assert!(START <= contact.start && contact.end <= end);
        let reverse = plan.open_between(contact.to, contact.from, contact.start);
        assert_eq!(reverse.map(|reverse| reverse.end), Some(contact.end));
        let light = plan.light_time(contact.from, contact.to, contact.start);
        let micros = light.expect("each contact has a range").micros();
        // From 780 km above a station to beyond the Moon.
        assert!((2_000..1_500_000).contains(&micros), "{micros}");
    }
}

#[test]
fn passes_are_as_long_as_those_of_low_orbits() {
    let plan = generate(&SCENARIO);
    let is_station = |node: NodeNumber| node.0 <= 4;
    let is_satellite = |node: NodeNumber| (5..14).contains(&node.0);
    let passes = plan
        .contacts()
        .filter(|contact| is_station(contact.from) && is_satellite(contact.to));
    let lengths: Vec<_> = passes
        .map(|pass| pass.end.since(pass.start).whole_seconds())
        .collect();
    assert!(lengths.len() > 60, "{}", lengths.len());
    assert!(lengths.iter().all(|&length| length < 900), "{lengths:?}");
}

#[test]
fn a_lander_reaches_everyone_within_the_day() {
    let plan = generate(&SCENARIO);
    let graph = ContactGraph::new(&plan, &GraphOptions::default());
    let mut search = Search::new();
    let lander = NodeNumber(18);
    let tree = search.tree(&graph, &Query::new(lander, START));
    assert_eq!(tree.reached().count(), 18);
}
