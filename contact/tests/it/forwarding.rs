// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules of routing that implementations get wrong, and decisions of a node, one by one.

use contact::{
    Backlog, Bundle, BytesPerSecond, Candidate, Confidence, Contact, ContactGraph, ContactIndex,
    Forwarder, GraphOptions, ION_MARGIN_PPM, NodeNumber, Plan, Priority, Query, Range, Rejection,
    Route, Search, Span, UtcTime, ionrc,
};

const ZERO: UtcTime = UtcTime::from_seconds(0);

fn at(seconds: u64) -> UtcTime {
    UtcTime::from_seconds(seconds)
}

/// A contact of 10 bytes a second.
fn contact(from: u64, to: u64, start: u64, end: u64) -> Contact {
    Contact {
        from: NodeNumber(from),
        to: NodeNumber(to),
        start: at(start),
        end: at(end),
        rate: BytesPerSecond(10),
        confidence: Confidence::CERTAIN,
    }
}

fn plan(contacts: &[Contact]) -> Plan {
    let mut plan = Plan::new();
    for &contact in contacts {
        plan.add_contact(contact)
            .expect("the contacts of the tests fit together");
    }
    plan
}

/// The graph of contacts between nodes that are next to each other.
fn graph(contacts: &[Contact]) -> ContactGraph {
    let options = GraphOptions {
        default_light_time: Some(Span::ZERO),
        ..GraphOptions::default()
    };
    ContactGraph::new(&plan(contacts), &options)
}

fn nodes(graph: &ContactGraph, route: &Route) -> Vec<u64> {
    let contacts = route.contacts().map(|index| graph.contact(index));
    contacts.map(|contact| contact.to.0).collect()
}

/// Arrival in seconds, and the nodes on the way.
fn first(graph: &ContactGraph, from: u64, to: u64, time: u64) -> Option<(u64, Vec<u64>)> {
    let query = Query::new(NodeNumber(from), at(time));
    let route = Search::new().route(graph, &query, NodeNumber(to))?;
    Some((route.arrival.whole_seconds(), nodes(graph, &route)))
}

fn bundle(destination: u64, bytes: u64) -> Bundle {
    Bundle {
        destination: NodeNumber(destination),
        bytes,
        priority: Priority::Normal,
        expires: UtcTime::MAX,
        may_fragment: false,
        is_critical: false,
        previous: None,
    }
}

#[test]
fn routes_lead_to_lower_numbers_too() {
    let graph = graph(&[contact(9, 5, 0, 10), contact(5, 2, 20, 30)]);
    assert_eq!(first(&graph, 9, 2, 0), Some((20, vec![5, 2])));
    assert_eq!(first(&graph, 2, 9, 0), None);
    assert_eq!(first(&graph, 9, 77, 0), None);
    assert_eq!(first(&graph, 77, 2, 0), None);
}

#[test]
fn the_end_of_a_contact_is_still_in_it_for_routes_but_not_for_bundles() {
    let graph = graph(&[contact(1, 2, 0, 10)]);
    assert_eq!(first(&graph, 1, 2, 10), Some((10, vec![2])));
    assert_eq!(first(&graph, 1, 2, 11), None);
    let query = Query {
        bytes: 1,
        ..Query::new(NodeNumber(1), at(10))
    };
    assert_eq!(Search::new().route(&graph, &query, NodeNumber(2)), None);
}

#[test]
fn of_equal_arrivals_the_one_with_fewer_hops_wins() {
    // The way over 2 is there first, but both have to wait for the contact of 3.
    let graph = graph(&[
        contact(1, 2, 0, 10),
        contact(2, 3, 0, 10),
        contact(1, 3, 5, 10),
        contact(3, 4, 7, 10),
    ]);
    assert_eq!(first(&graph, 1, 3, 0), Some((0, vec![2, 3])));
    assert_eq!(first(&graph, 1, 4, 0), Some((7, vec![3, 4])));
}

#[test]
fn of_equal_hops_the_later_end_and_then_the_lower_entry_wins() {
    let ends = graph(&[
        contact(1, 2, 0, 10),
        contact(1, 3, 0, 12),
        contact(2, 4, 5, 20),
        contact(3, 4, 5, 20),
    ]);
    let query = Query::new(NodeNumber(1), ZERO);
    let best = |graph: &ContactGraph| {
        let route = Search::new().best_route(graph, &query, NodeNumber(4));
        route.map(|route| nodes(graph, &route))
    };
    assert_eq!(best(&ends), Some(vec![3, 4]));
    let entries = graph(&[
        contact(1, 2, 0, 12),
        contact(1, 3, 0, 12),
        contact(2, 4, 5, 20),
        contact(3, 4, 5, 20),
    ]);
    assert_eq!(best(&entries), Some(vec![2, 4]));
}

#[test]
fn a_range_from_the_lower_number_holds_in_both_directions() {
    let mut plan = plan(&[contact(1, 2, 0, 10), contact(2, 1, 0, 10)]);
    let range = Range {
        from: NodeNumber(1),
        to: NodeNumber(2),
        start: ZERO,
        end: at(10),
        light_time: Span::from_seconds(3),
    };
    plan.add_range(range).expect("it is the only one");
    let graph = ContactGraph::new(&plan, &GraphOptions::default());
    assert_eq!(first(&graph, 1, 2, 0), Some((3, vec![2])));
    assert_eq!(first(&graph, 2, 1, 0), Some((3, vec![1])));
    // One from the higher number is for that direction only, and the other has none then.
    let mut plan = self::plan(&[contact(1, 2, 0, 10), contact(2, 1, 0, 10)]);
    let reverse = Range {
        from: NodeNumber(2),
        to: NodeNumber(1),
        ..range
    };
    plan.add_range(reverse).expect("it is the only one");
    let graph = ContactGraph::new(&plan, &GraphOptions::default());
    assert_eq!(first(&graph, 2, 1, 0), Some((3, vec![1])));
    assert_eq!(first(&graph, 1, 2, 0), None);
}

#[test]
fn a_light_time_may_be_longer_than_the_contact() {
    let contacts = [contact(1, 2, 0, 10), contact(2, 3, 1000, 1010)];
    let options = GraphOptions {
        default_light_time: Some(Span::from_seconds(1000)),
        ..GraphOptions::default()
    };
    let graph = ContactGraph::new(&plan(&contacts), &options);
    assert_eq!(first(&graph, 1, 3, 5), Some((2005, vec![2, 3])));
    assert_eq!(first(&graph, 1, 3, 11), None);
}

#[test]
fn the_margin_makes_light_times_longer() {
    let options = GraphOptions {
        default_light_time: Some(Span::from_seconds(10_000)),
        margin_ppm: ION_MARGIN_PPM,
        ..GraphOptions::default()
    };
    let graph = ContactGraph::new(&plan(&[contact(1, 2, 0, 10)]), &options);
    assert_eq!(first(&graph, 1, 2, 0), Some((10_006, vec![2])));
}

#[test]
fn contacts_that_began_in_the_past_have_what_is_left() {
    let graph = graph(&[contact(1, 2, 0, 100)]);
    assert_eq!(first(&graph, 1, 2, 40), Some((40, vec![2])));
    let query = |bytes| Query {
        bytes,
        ..Query::new(NodeNumber(1), at(40))
    };
    let arrival = |bytes| {
        let route = Search::new().route(&graph, &query(bytes), NodeNumber(2));
        route.map(|route| route.arrival)
    };
    assert_eq!(arrival(600), Some(at(100)));
    assert_eq!(arrival(601), None);
}

#[test]
fn doubtful_contacts_can_be_left_out() {
    let mut doubtful = contact(1, 2, 0, 10);
    doubtful.confidence = Confidence::new(0.4).expect("it is a probability");
    let plan = plan(&[doubtful, contact(1, 2, 10, 20)]);
    let options = |least| GraphOptions {
        default_light_time: Some(Span::ZERO),
        least_confidence: Confidence::new(least),
        ..GraphOptions::default()
    };
    let all = ContactGraph::new(&plan, &options(0.4));
    assert_eq!(first(&all, 1, 2, 0), Some((0, vec![2])));
    let route = Search::new().route(&all, &Query::new(NodeNumber(1), ZERO), NodeNumber(2));
    let confidence = route.map(|route| route.confidence(&all));
    assert_eq!(confidence, Confidence::new(0.4));
    let sure = ContactGraph::new(&plan, &options(0.5));
    assert_eq!(first(&sure, 1, 2, 0), Some((10, vec![2])));
}

#[test]
fn depleted_contacts_are_left_out_for_their_priority() {
    let graph = graph(&[contact(1, 2, 0, 10), contact(1, 2, 50, 60)]);
    let mut node = Forwarder::new(NodeNumber(1), &graph);
    let mut forward = |priority| {
        let bundle = Bundle {
            priority,
            ..bundle(2, 60)
        };
        let routes = node.forward(&graph, ZERO, &bundle, &[]);
        node.sent(NodeNumber(2), &bundle);
        routes.first().map(|route| route.arrival.whole_seconds())
    };
    assert_eq!(forward(Priority::Normal), Some(6));
    // 40 bytes are left for what is as urgent, but all of it for what is more urgent.
    assert_eq!(forward(Priority::Normal), Some(56));
    assert_eq!(forward(Priority::Expedited), Some(6));
    assert_eq!(forward(Priority::Bulk), None);
    let left = |place: usize, priority| {
        let index = graph.indices().nth(place).expect("there are two contacts");
        node.volumes().left(index, priority)
    };
    assert_eq!(left(0, Priority::Expedited), 40);
    assert_eq!(left(0, Priority::Normal), 0);
    assert_eq!(left(1, Priority::Normal), 40);
}

#[test]
fn what_waits_delays_what_is_less_urgent() {
    let graph = graph(&[contact(1, 2, 0, 10), contact(1, 2, 50, 60)]);
    let mut node = Forwarder::new(NodeNumber(1), &graph);
    let urgent = Bundle {
        priority: Priority::Expedited,
        ..bundle(2, 30)
    };
    assert_eq!(node.forward(&graph, ZERO, &urgent, &[])[0].arrival, at(3));
    let arrival = |node: &mut Forwarder, bundle: Bundle| {
        let routes = node.decide(&graph, ZERO, &bundle, &[]);
        routes.first().map(|route| route.arrival.whole_seconds())
    };
    // It goes after the 3 seconds of the other one.
    assert_eq!(arrival(&mut node, bundle(2, 30)), Some(6));
    // There is no room for 71 bytes behind them, and the next contact is free of them.
    assert_eq!(arrival(&mut node, bundle(2, 71)), Some(57));
    let routes = node.decide(&graph, ZERO, &bundle(2, 30), &[]);
    assert_eq!(routes[0].hops[0].first_byte, at(3));
    node.withdraw(&graph, &routes[0].clone(), &urgent);
    assert_eq!(arrival(&mut node, bundle(2, 71)), Some(7));
}

#[test]
fn critical_bundles_go_to_every_neighbour_with_a_route() {
    let graph = graph(&[
        contact(1, 2, 0, 10),
        contact(1, 3, 0, 10),
        contact(1, 5, 0, 10),
        contact(2, 4, 20, 30),
        contact(3, 4, 15, 30),
    ]);
    let mut node = Forwarder::new(NodeNumber(1), &graph);
    let critical = Bundle {
        is_critical: true,
        ..bundle(4, 1)
    };
    let routes = node.decide(&graph, ZERO, &critical, &[]);
    let ways: Vec<_> = routes.iter().map(|route| nodes(&graph, route)).collect();
    assert_eq!(ways, [[3, 4], [2, 4]]);
    let returning = Bundle {
        previous: Some(NodeNumber(3)),
        ..critical
    };
    assert_eq!(node.decide(&graph, ZERO, &returning, &[]).len(), 1);
    assert_eq!(
        node.decide(&graph, ZERO, &returning, &[NodeNumber(2)])
            .len(),
        0
    );
    assert_eq!(node.decide(&graph, ZERO, &bundle(1, 1), &[])[0].hops, []);
}

#[test]
fn rejections_name_the_rule() {
    let graph = graph(&[
        contact(1, 2, 0, 10),
        contact(2, 3, 0, 20),
        contact(3, 1, 0, 20),
    ]);
    let [first, second, third] = [0, 1, 2].map(|place| {
        graph
            .indices()
            .nth(place)
            .expect("there are three contacts")
    });
    let check = |query: &Query<'_>, contacts: &[ContactIndex], expected| {
        let candidate = Candidate::of(&graph, query, contacts);
        assert_eq!(
            candidate.map(|candidate| candidate.volume_limit_bytes),
            expected
        );
    };
    let query = Query {
        bytes: 50,
        ..Query::new(NodeNumber(1), ZERO)
    };
    let path = [first, second];
    check(&query, &path, Ok(100));
    check(&query, &[first, third], Err(Rejection::Broken));
    check(&query, &[], Err(Rejection::Broken));
    let late = Query {
        at: at(11),
        ..query
    };
    check(&late, &path, Err(Rejection::Missed(first)));
    let large = Query {
        bytes: 101,
        ..query
    };
    let small = Rejection::TooSmall {
        contact: second,
        bytes: 99,
    };
    check(&large, &path, Err(small));
    check(
        &Query {
            may_fragment: true,
            ..large
        },
        &path,
        Ok(99),
    );
    let expiring = Query {
        deadline: at(9),
        ..query
    };
    check(&expiring, &path, Err(Rejection::Late(at(10))));
    let node = NodeNumber(2);
    check(
        &Query {
            previous: Some(node),
            ..query
        },
        &path,
        Err(Rejection::Returns(node)),
    );
    check(
        &Query {
            excluded: &[node],
            ..query
        },
        &path,
        Err(Rejection::Excluded(node)),
    );
    let mut volumes = contact::Volumes::new(&graph);
    let route = Search::new()
        .route(&graph, &query, node)
        .expect("there is a contact");
    volumes.book(&route, 100, Priority::Normal);
    let depleted = Query {
        volumes: Some(&volumes),
        ..query
    };
    check(&depleted, &path, Err(Rejection::Depleted(first)));
}

/// When what comes next can be sent is what the search finds behind the same backlog, and what is left of
/// that backlog later leads to the same time.
#[test]
fn what_waits_is_through_when_the_search_sends() {
    let text = "a contact +10 +20 1 2 1000\na contact +30 +40 1 2 500\na contact +50 +60 1 2 1000\n\
                a range +0 +99 1 2 0\n";
    let plan = ionrc::import(text, UtcTime::from_seconds(0)).expect("ION would read it");
    let graph = ContactGraph::new(&plan, &GraphOptions::default());
    let pair = (NodeNumber(1), NodeNumber(2));
    for bytes in [0, 1, 4000, 9_999, 10_000, 12_500, 15_000, 24_999, 25_000] {
        for second in [0, 12, 25] {
            let at = UtcTime::from_seconds(second);
            let mut backlog = Backlog::new();
            backlog.add(NodeNumber(2), Priority::Normal, bytes);
            let query = Query {
                backlog: Some(&backlog),
                ..Query::new(NodeNumber(1), at)
            };
            let route = Search::new().route(&graph, &query, NodeNumber(2));
            let hop = route.map(|route| (route.hops[0].contact, route.hops[0].first_byte));
            assert_eq!(
                graph.opportunity(pair, at, bytes),
                hop,
                "{bytes} at {second}"
            );
            for later in [second, 15, 35, 70]
                .into_iter()
                .filter(|later| *later >= second)
            {
                let later = UtcTime::from_seconds(later);
                let left = graph.left_of(pair, (at, later), bytes);
                let again = graph.opportunity(pair, later, left);
                let expected = hop.map(|(contact, time)| (contact, time.max(later)));
                if left > 0 {
                    assert_eq!(again, expected, "{left} of {bytes}");
                }
            }
        }
    }
    let indices: Vec<_> = graph.between(NodeNumber(1), NodeNumber(2)).collect();
    assert_eq!(indices.len(), 3);
    assert_eq!(graph.between(NodeNumber(2), NodeNumber(1)).count(), 0);
}
