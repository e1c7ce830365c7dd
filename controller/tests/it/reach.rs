// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes through other clusters, without connections and a clock.

use std::collections::{BTreeMap, BTreeSet};

use contact::{
    BytesPerSecond, Confidence, Contact, ContactGraph, GraphOptions, NodeNumber, Plan, Query,
    Range, Search, Span, UtcTime,
};
use controller::{
    config::{Cluster, Peering},
    peering::wire::Change,
    reach::{Known, Table, add_to, offers, settled},
    schedule::Network,
};
use proptest::prelude::*;

/// Times are seconds after this.
const NOW: UtcTime = UtcTime::from_seconds(1_000_000);
const HORIZON: Span = Span::from_seconds(1000);
/// Clusters a, b and c have two nodes each.
const NODES: [(&str, [u64; 2]); 3] = [("a", [1, 2]), ("b", [3, 4]), ("c", [5, 6])];

type Times = (u64, u64, u64, u64, u64);

fn at(seconds: u64) -> UtcTime {
    NOW.checked_add(Span::from_seconds(seconds))
        .expect("it is early")
}

fn cluster_of(node: u64) -> &'static str {
    let mut clusters = NODES.iter();
    clusters
        .find(|(_, nodes)| nodes.contains(&node))
        .expect("it is in a cluster")
        .0
}

/// A plan of contacts: from, to, start, end, and light time.
fn plan(contacts: &[Times]) -> Plan {
    let mut plan = Plan::new();
    for &(from, to, start, end, light) in contacts {
        let (from, to) = (NodeNumber(from), NodeNumber(to));
        let contact = Contact {
            from,
            to,
            start: at(start),
            end: at(end),
            rate: BytesPerSecond(1000),
            confidence: Confidence::CERTAIN,
        };
        let range = Range {
            from,
            to,
            start: at(start),
            end: at(end),
            light_time: Span::from_seconds(light),
        };
        // Made-up contacts may overlap.
        if plan.add_contact(contact).is_ok() {
            plan.add_range(range).expect("it is as long as its contact");
        }
    }
    plan
}

fn network(plan: Plan) -> Network {
    Network {
        version: 1,
        graph: ContactGraph::new(&plan, &GraphOptions::default()),
        options: GraphOptions::default(),
        plan,
        nodes: Vec::new(),
        links: Vec::new(),
        bundle_octets: 0,
        guard: Span::ZERO,
        taken: None,
    }
}

/// A cluster that knows the contacts that it takes part in.
struct Side {
    network: Network,
    peering: Peering,
    known: Known,
}

impl Side {
    fn new(name: &str, plan: &Plan) -> Self {
        let mut own = Plan::new();
        let mut gateways: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for contact in plan.contacts() {
            let ends = [contact.from.0, contact.to.0];
            if ends.iter().any(|node| cluster_of(*node) == name) {
                own.add_contact(*contact).expect("it was in a plan");
                for node in ends.into_iter().filter(|node| cluster_of(*node) != name) {
                    gateways.entry(cluster_of(node)).or_default().insert(node);
                }
            }
        }
        for range in plan.ranges() {
            own.add_range(*range).expect("it was in a plan");
        }
        let peer = |(cluster, gateways): (&str, BTreeSet<u64>)| Cluster {
            cluster: cluster.to_owned(),
            address: None,
            gateways,
            tls: None,
        };
        Self {
            network: network(own),
            peering: Peering {
                cluster: name.to_owned(),
                listen: None,
                tls: None,
                hold_s: 30,
                peers: gateways.into_iter().map(peer).collect(),
            },
            known: Known::new(),
        }
    }

    /// Hears what another cluster says, in the form in which it is sent.
    fn hear(&mut self, from: &str, table: &Table) -> bool {
        let mut peers = self.peering.peers.iter();
        let Some(peer) = peers.find(|peer| peer.cluster == from) else {
            return false;
        };
        let last = self.known.entry(from.to_owned()).or_default();
        let before = last.clone();
        let message = Change::between(last, table).to_update();
        let own = &self.peering.cluster;
        let sound = |window: &controller::reach::Window| {
            let is_sound = window.is_sound(from, &peer.gateways, own);
            assert!(is_sound, "{window:?}");
            is_sound
        };
        let change = Change::of_update(&message, sound).expect("it is complete");
        change.apply(last);
        assert_eq!(last, table, "what is sent arrives");
        *last != before
    }

    fn arrival(&self, from: u64, to: u64) -> Option<UtcTime> {
        let network = add_to(&self.network, &self.known, NOW);
        arrival(&network, from, to)
    }
}

fn arrival(network: &Network, from: u64, to: u64) -> Option<UtcTime> {
    let query = Query::new(NodeNumber(from), NOW);
    let route = Search::new().route(&network.graph, &query, NodeNumber(to));
    route.map(|route| route.arrival)
}

/// Lets clusters talk until nobody says anything new.
fn converse(sides: &mut [Side]) {
    for _ in 0..10 {
        let mut is_new = false;
        for speaker in 0..sides.len() {
            let side = &sides[speaker];
            let said = offers(&side.network, &side.peering, &side.known, NOW, HORIZON);
            let name = side.peering.cluster.clone();
            for listener in sides.iter_mut() {
                if let Some(table) = said.get(&listener.peering.cluster) {
                    is_new |= listener.hear(&name, table);
                }
            }
        }
        if !is_new {
            return;
        }
    }
    panic!("the clusters never agree");
}

fn sides(contacts: &[Times]) -> [Side; 3] {
    let plan = plan(contacts);
    NODES.map(|(name, _)| Side::new(name, &plan))
}

#[test]
fn the_earliest_arrival_wins_and_not_the_shortest_path() {
    // From a to c there is a direct contact late, and one through b early.
    let mut sides = sides(&[
        (1, 2, 0, 900, 0),
        (2, 3, 10, 20, 1),
        (3, 4, 0, 900, 0),
        (4, 5, 30, 40, 1),
        (5, 6, 0, 900, 0),
        (2, 5, 500, 600, 1),
    ]);
    assert_eq!(sides[0].arrival(1, 6), None, "a knows nothing of node 6");
    converse(&mut sides);
    assert_eq!(sides[0].arrival(1, 6), Some(at(31)));
    // The window says through whom.
    let windows = &sides[0].known["b"][&NodeNumber(6)];
    assert_eq!(windows.len(), 1, "{windows:?}");
    assert_eq!(windows[0].path, ["b", "c"]);
    assert_eq!(windows[0].gateway, NodeNumber(3));
    // Who waits at node 3 leaves by the contact from 30 to 40.
    assert_eq!(windows[0].waits_until, at(30));
    assert_eq!(windows[0].until.since(at(40)), Span::from_micros(1));
    assert_eq!(windows[0].confidence, Confidence::CERTAIN);
    // Nothing is announced to a cluster that leads through it.
    assert!(!sides[1].known["a"].contains_key(&NodeNumber(4)));
}

#[test]
fn what_only_time_changes_is_not_said_again() {
    let mut sides = sides(&[(1, 2, 0, 5000, 0), (2, 1, 0, 900, 0), (3, 2, 0, 5000, 1)]);
    converse(&mut sides);
    let offered = |now: UtcTime| {
        let Side {
            network,
            peering,
            known,
        } = &sides[0];
        offers(network, peering, known, now, HORIZON)["b"].clone()
    };
    let first = offered(NOW);
    assert_eq!(first.keys().collect::<Vec<_>>(), [&NodeNumber(1)]);
    let later = offered(at(7));
    assert_ne!(first, later);
    assert_eq!(settled(&first, later, at(7)), first);
    // What has changed is said.
    let until = first[&NodeNumber(1)][0].until;
    assert_eq!(until.since(at(900)), Span::from_micros(1));
    assert_eq!(settled(&first, offered(at(901)), at(901)), Table::new());
}

#[test]
fn what_a_peer_may_not_say_is_not_believed() {
    let mut sides = sides(&[(1, 2, 0, 900, 0), (2, 3, 0, 900, 1), (3, 4, 0, 900, 0)]);
    converse(&mut sides);
    let window = sides[0].known["b"][&NodeNumber(4)][0].clone();
    let gateways = [3].into();
    assert!(window.is_sound("b", &gateways, "a"));
    assert!(!window.is_sound("c", &gateways, "a"), "of another cluster");
    assert!(
        !window.is_sound("b", &[4].into(), "a"),
        "of another gateway"
    );
    assert!(
        !window.is_sound("b", &gateways, "b"),
        "through this cluster"
    );
    let mut other = window.clone();
    other.until = other.from;
    assert!(!other.is_sound("b", &gateways, "a"), "it is empty");
    let mut other = window.clone();
    other.waits_until = other.until;
    assert!(!other.is_sound("b", &gateways, "a"), "it is never over");
    let mut other = window;
    other.travel = Span::from_seconds(u64::MAX / 1_000_000);
    assert!(!other.is_sound("b", &gateways, "a"), "it takes for ever");
}

fn contact() -> impl Strategy<Value = Times> {
    (1..=6_u64, 1..=6_u64, 0..800_u64, 1..300_u64, 0..60_u64)
        .prop_filter("of two nodes", |(from, to, ..)| from != to)
        .prop_map(|(from, to, start, length, light)| (from, to, start, start + length, light))
}

/// The clusters of a route, each once for each stay.
fn stays(network: &Network, from: u64, to: u64) -> Vec<&'static str> {
    let query = Query::new(NodeNumber(from), NOW);
    let route = Search::new().route(&network.graph, &query, NodeNumber(to));
    let route = route.expect("there is one");
    let mut stays = vec![cluster_of(from)];
    for contact in route.contacts() {
        stays.push(cluster_of(network.graph.contact(contact).to.0));
    }
    stays.dedup();
    stays
}

/// A cluster that knows only its own contacts finds the arrival of one that knows all.
fn check_arrivals(contacts: &[Times]) {
    let whole = network(plan(contacts));
    let mut sides = sides(contacts);
    converse(&mut sides);
    for (side, (name, nodes)) in sides.iter().zip(NODES) {
        for from in nodes {
            for to in (1..=6).filter(|to| cluster_of(*to) != name) {
                let (found, best) = (side.arrival(from, to), arrival(&whole, from, to));
                let Some(best) = best else {
                    assert_eq!(found, None);
                    continue;
                };
                let stays = stays(&whole, from, to);
                let unique: BTreeSet<_> = stays.iter().collect();
                if unique.len() == stays.len() {
                    assert_eq!(found, Some(best), "{from} to {to}");
                } else {
                    // No cluster offers a way that comes back to it.
                    assert!(found.is_none_or(|found| found >= best));
                }
            }
        }
    }
}

#[test]
fn who_arrives_when_a_contact_ends_is_in_time() {
    check_arrivals(&[
        (5, 1, 372, 373, 42),
        (1, 2, 145, 414, 0),
        (2, 3, 414, 415, 0),
    ]);
}

proptest! {
    #[test]
    fn clusters_route_as_one_network_would(contacts in proptest::collection::vec(contact(), 1..40)) {
        check_arrivals(&contacts);
    }
}
