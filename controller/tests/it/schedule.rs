// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules from a contact plan, on a switch and with a clock that exist only here.

use std::sync::Arc;

use contact::{ContactGraph, GraphOptions, NodeNumber, Search, Span, UtcTime, ionrc};
use control::{
    core::{Command, Core, Event, Reading},
    desired::{Item, ItemKey, SwitchState},
    orders::{Intent, Orders, Origin},
    rules::{Note, Rules},
};
use controller::{config::Config, schedule::Network};
use p4rt::{client::PipelineChange, entries::EntriesFile, p4info::Index};

const P4INFO: &str = include_str!("../../testdata/node.p4info.txtpb");

/// A relay, node 10, between a lander and a ground station.
const SITE: &str = r#"
[[switch]]
name = "relay"
address = "127.0.0.1:9559"
device_id = 1
election_id = 7
p4info = "node.p4info.txtpb"
device_config = "node.p4"

[contacts]
plan = "plan.ionrc"

[[node]]
number = 10
switch = "relay"
address = "10.9.0.1"
names = ["//relay/"]

[[node]]
number = 2
names = ["//lander/"]

[[link]]
from = 10
to = 2
port = 1
ethernet = "02:00:00:00:00:02"
ethernet_source = "02:00:00:00:00:0a"
address = "10.9.0.2"
speaks = 6

[[link]]
from = 10
to = 3
port = 2
ethernet = "02:00:00:00:00:03"
ethernet_source = "02:00:00:00:00:0a"
address = "10.9.0.3"
speaks = 7
options = { crc_primary = 2 }
"#;

/// Node 4 is behind node 3; node 5 is a neighbour without a link.
const PLAN: &str = "a contact +10 +20 10 2 1000\na contact +15 +40 10 3 1000\n\
    a contact +60 +70 10 2 1000\na contact +30 +50 3 4 1000\na contact +0 +99 10 5 1000\n\
    a range +0 +99 2 10 1\na range +0 +99 3 10 1\na range +0 +99 3 4 1\na range +0 +99 5 10 1\n";

fn index() -> Arc<Index> {
    let p4info = p4rt::text::parse(P4INFO).expect("the file is valid");
    Arc::new(Index::new(&p4info).expect("the file is consistent"))
}

pub(crate) fn network() -> Network {
    let config = Config::parse(SITE).expect("valid TOML");
    assert_eq!(config.misconfigurations(), []);
    let plan = ionrc::import(PLAN, UtcTime::default()).expect("ION would read it");
    Network {
        version: 42,
        graph: ContactGraph::new(&plan, &GraphOptions::default()),
        options: GraphOptions::default(),
        plan,
        nodes: config.nodes,
        links: config.links,
        bundle_octets: 0,
        guard: Span::from_micros(50_000),
        taken: None,
    }
}

fn rules(network: &Network, from: u64, until: u64) -> Rules {
    let node = network.node_of("relay").expect("it is configured");
    let times = (UtcTime::from_seconds(from), UtcTime::from_seconds(until));
    let rules = network.rules(&mut Search::new(), node, times, &index());
    rules.expect("the program has the tables")
}

fn orders() -> Orders {
    let network = network();
    let node = network.node_of("relay").expect("it is configured");
    let mut intent = Intent::default();
    let added = network.add_to(&mut intent, node, &index());
    added.expect("the program has the tables");
    Orders {
        intent,
        rules: rules(&network, 0, 90),
        ..Orders::default()
    }
}

/// A switch that carries out commands at once.
struct Simulation {
    core: Core,
    state: SwitchState,
    /// The times that it is when the next answers to readings come.
    times: Vec<u64>,
    /// Whether it carries out the updates of a request from the last one to the first.
    is_reversed: bool,
    /// Routes that led to no neighbour between two updates.
    dangling: Vec<String>,
}

impl Simulation {
    fn start(orders: Orders, seconds: u64) -> Self {
        let core = Core::new(index(), Arc::new(orders), &[], 8);
        let mut simulation = Self {
            core,
            state: SwitchState::default(),
            times: Vec::new(),
            is_reversed: false,
            dangling: Vec::new(),
        };
        simulation.run(Event::Time(UtcTime::from_seconds(seconds)));
        simulation.run(Event::Primary);
        simulation
    }

    fn run(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for command in self.core.handle(event) {
                match command {
                    Command::EnsurePipeline => {
                        events.push(Event::PipelineReady(PipelineChange::Unchanged));
                    }
                    Command::Read => {
                        events.push(Event::Read(Reading {
                            state: self.state.clone(),
                            unreadable: Vec::new(),
                        }));
                        let time = (!self.times.is_empty()).then(|| self.times.remove(0));
                        events.extend(time.map(UtcTime::from_seconds).map(Event::Time));
                    }
                    Command::Write(mut changes) => {
                        if self.is_reversed {
                            changes.reverse();
                        }
                        for change in &changes {
                            self.state.apply(change);
                            self.look_for_dangling();
                        }
                        events.push(Event::Written(Vec::new()));
                    }
                    _ => {}
                }
            }
        }
    }

    /// What the switch does with bundles for a node.
    fn act(&self, node: u64) -> String {
        let mut entries = self.state.entries_of("ingress.endpoint");
        let found = entries.find(|entry| {
            let key = ItemKey::Entry(entry.key.clone()).to_string();
            key.contains(&format!("={node:#x}"))
        });
        let Some(entry) = found else {
            return "nothing".to_owned();
        };
        let hop = entry.params.get("next_hop");
        let hop = hop.map_or(String::new(), |hop| format!(" {}", hop.as_bytes()[0]));
        format!("{}{hop}", entry.action.trim_start_matches("ingress."))
    }

    fn neighbours(&self) -> usize {
        self.state.entries_of("ingress.next_hop").count()
    }

    /// Notes routes to neighbours that are not there.
    fn look_for_dangling(&mut self) {
        let hops = self.state.entries_of("ingress.next_hop");
        let hops: Vec<String> = hops
            .map(|entry| ItemKey::Entry(entry.key.clone()).to_string())
            .collect();
        for entry in self.state.entries_of("ingress.endpoint") {
            let Some(hop) = entry.params.get("next_hop") else {
                continue;
            };
            let wanted = format!("={:#x}]", hop.as_bytes()[0]);
            if !hops.iter().any(|hop| hop.ends_with(&wanted)) {
                self.dangling.push(format!("{:?}", entry.key));
            }
        }
    }
}

#[test]
fn rules_open_and_close_with_contacts() {
    let mut simulation = Simulation::start(orders(), 0);
    let mut at = |seconds: u64| {
        simulation.run(Event::Time(UtcTime::from_micros(seconds * 1_000_000 + 1)));
        let acts = [2, 3, 4, 10].map(|node| simulation.act(node));
        format!("{}: {}", acts.join(", "), simulation.neighbours())
    };
    assert_eq!(at(0), "store, store, store, deliver: 0");
    assert_eq!(at(10), "to_next_hop 1, store, store, deliver: 1");
    assert_eq!(
        at(15),
        "to_next_hop 1, to_next_hop 2, to_next_hop 2, deliver: 2"
    );
    assert_eq!(at(21), "store, to_next_hop 2, to_next_hop 2, deliver: 1");
    assert_eq!(at(41), "store, nothing, nothing, deliver: 0");
    assert_eq!(at(61), "to_next_hop 1, nothing, nothing, deliver: 1");
    assert_eq!(at(71), "nothing, nothing, nothing, deliver: 0");
}

/// Between any two updates, and in whatever order a switch carries out those of one request, a bundle
/// finds the old way or the new one: when contacts begin and end, and when plans change.
#[test]
fn what_is_new_is_made_before_what_is_old_is_broken() {
    for is_reversed in [false, true] {
        let mut simulation = Simulation::start(orders(), 0);
        simulation.is_reversed = is_reversed;
        for seconds in 0..90 {
            simulation.run(Event::Time(UtcTime::from_seconds(seconds)));
            let mut other = orders();
            other.rules = Rules::default();
            simulation.run(Event::Orders(Arc::new(other)));
            simulation.run(Event::Orders(Arc::new(orders())));
        }
        assert_eq!(simulation.dangling.first(), None);
    }
}

/// Whatever the time is at which the clock is looked at, what the switch holds has not ended.
#[test]
fn no_rule_outlives_its_contact() {
    let orders = orders();
    let ends = network();
    let mut simulation = Simulation::start(orders, 0);
    let mut seen = 0;
    for step in 0..9_000_u64 {
        let now = UtcTime::from_micros(step * 10_000);
        simulation.run(Event::Time(now));
        for item in simulation.state.items() {
            let Item::Entry(entry) = item else { continue };
            let Some(note) = Note::decode(&entry.metadata) else {
                continue;
            };
            seen += 1;
            assert!(now < note.until, "{entry:?} at {now}");
            assert_eq!(note.version, 42);
            if entry.action.contains("hop_v") {
                let to = if entry.action.ends_with('6') { 2 } else { 3 };
                let open = ends.plan.open_between(NodeNumber(10), NodeNumber(to), now);
                assert!(open.is_some(), "{entry:?} at {now}");
            }
        }
    }
    assert!(seen > 10_000, "{seen}");
}

/// A switch that takes long to read and write is looked at more than once before it is believed. A contact
/// that begins and ends meanwhile is no entry that the switch does not take.
#[test]
fn contacts_end_while_a_slow_switch_is_verified() {
    let mut simulation = Simulation::start(orders(), 50);
    let reason = "gone".to_owned();
    simulation.run(Event::Lost { reason });
    simulation.state = SwitchState::default();
    simulation.times = vec![58, 65, 71];
    simulation.run(Event::Primary);
    assert!(simulation.times.is_empty());
    assert_eq!(
        (simulation.act(2).as_str(), simulation.neighbours()),
        ("nothing", 0)
    );
}

#[test]
fn edges_are_told_in_advance() {
    let mut simulation = Simulation::start(orders(), 0);
    let mut edges = Vec::new();
    while let Some(edge) = simulation.core.next_edge() {
        edges.push(edge.micros() / 1000);
        simulation.run(Event::Time(edge));
    }
    let expected = [
        10_000, 15_000, 19_950, 20_000, 39_950, 40_000, 60_000, 69_950, 70_000,
    ];
    assert_eq!(edges, expected);
}

/// A clock that goes back brings no rule back.
#[test]
fn a_clock_that_is_set_back_changes_nothing() {
    let mut simulation = Simulation::start(orders(), 30);
    let before = simulation.state.clone();
    simulation.run(Event::Time(UtcTime::from_seconds(12)));
    assert_eq!(simulation.state, before);
}

#[test]
fn what_operators_ask_for_stands_above_rules() {
    let line = r#"{"tables": [{"table": "ingress.endpoint", "priority": 1000,
        "match": {"meta.primary.destination.node": "2"}, "action": "ingress.no_route"}]}"#;
    let file = EntriesFile::parse(line).expect("valid JSON");
    let resolved = file.resolve(&index()).expect("it fits");
    let mut orders = orders();
    for entry in resolved.entries {
        orders
            .intent
            .put(Item::Entry(entry), Origin::File("operator".to_owned()));
    }
    let mut simulation = Simulation::start(orders, 0);
    for seconds in 0..80 {
        simulation.run(Event::Time(UtcTime::from_seconds(seconds)));
        assert_eq!(simulation.act(2), "no_route", "at {seconds}");
    }
}

#[test]
fn new_orders_take_effect_at_once() {
    let mut simulation = Simulation::start(orders(), 12);
    assert_eq!(simulation.act(2), "to_next_hop 1");
    simulation.run(Event::Orders(Arc::new(Orders::default())));
    assert_eq!(
        (simulation.act(2), simulation.state.len()),
        ("nothing".to_owned(), 0)
    );
    simulation.run(Event::Orders(Arc::new(orders())));
    assert_eq!(simulation.act(2), "to_next_hop 1");
}

#[test]
fn a_rule_says_which_route_and_plan_it_is_of() {
    let orders = orders();
    let now = UtcTime::from_seconds(31);
    let why = |table: &str| -> Vec<String> {
        let rules = orders.rules.at(now);
        let of_table = rules.filter(|rule| rule.entry.key.table == table);
        of_table.map(|rule| rule.why.clone()).collect()
    };
    let found = why("ingress.endpoint");
    let expected = "route to node 4, plan 42: 10 to 3 (1970-01-01T00:00:15Z to \
        1970-01-01T00:00:40Z), then 3 to 4 (1970-01-01T00:00:30Z to 1970-01-01T00:00:50Z); arrives";
    assert!(
        found.iter().any(|why| why.starts_with(expected)),
        "{found:#?}"
    );
    let expected = "contact 10 to 3 (1970-01-01T00:00:15Z to 1970-01-01T00:00:40Z), plan 42";
    assert_eq!(why("ingress.next_hop"), [expected]);
    // Names lead where numbers lead.
    assert_eq!(why("ingress.named_endpoint").len(), 1);
}

/// The slow path routes by the same pieces, and knows how fast it may send.
#[test]
fn the_slow_path_has_the_same_routes() {
    let network = network();
    let node = network.node_of("relay").expect("it is configured");
    let times = (UtcTime::default(), UtcTime::from_seconds(90));
    let pieces = network.pieces(&mut Search::new(), node, times);
    let plan = network.slow_path(node, &pieces, times);
    assert_eq!(plan.addresses, ["10.9.0.1"]);
    let neighbours: Vec<_> = plan
        .neighbours
        .iter()
        .map(|known| (known.node, known.port))
        .collect();
    assert_eq!(neighbours, [(2, 1), (3, 2)]);
    assert_eq!(plan.neighbours[1].options["crc_primary"], 2);
    let windows: Vec<_> = plan
        .windows
        .iter()
        .map(|window| window.until_us / 1000)
        .collect();
    assert_eq!(windows, [19_950, 69_950, 39_950]);
    assert_eq!(plan.routes.len(), pieces.len());
    let to_4 = plan.routes.iter().find(|route| route.destination == 4);
    assert_eq!(
        to_4.map(|route| (route.neighbour, route.from_us)),
        Some((3, 0))
    );
    let named = plan
        .routes
        .iter()
        .filter(|route| route.names == ["//lander/"]);
    assert!(named.count() > 1);
}

/// Node 5 is in the plan, but nothing says how to reach it.
#[test]
fn neighbours_without_a_link_are_not_used() {
    let network = network();
    let found = network.itinerary(NodeNumber(10), NodeNumber(5), UtcTime::from_seconds(1));
    assert_eq!(found, None);
    let all = rules(&network, 0, 90);
    assert!(all.all().iter().all(|rule| !rule.why.contains("to node 5")));
}

#[test]
fn what_cannot_work_is_listed() {
    let check = |from: &str, to: &str, expected: &str| {
        let config = Config::parse(&SITE.replacen(from, to, 1)).expect("valid TOML");
        let found: Vec<_> = config.misconfigurations();
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, [expected]);
    };
    check(
        "[contacts]\nplan = \"plan.ionrc\"\n",
        "",
        "[[node]] and [[link]] need [contacts]",
    );
    check("number = 2", "number = 10", "node 10 is configured twice");
    check(
        "switch = \"relay\"",
        "switch = \"other\"",
        "node 10 names switch \"other\", which is not configured",
    );
    check(
        "address = \"10.9.0.1\"",
        "",
        "node 10 has a switch, and needs an address",
    );
    check(
        "\"//lander/\"",
        "\"lander\"",
        "node 2: \"lander\" is not the beginning of a name, such as //lander/",
    );
    check("to = 3", "to = 2", "link from 10 to 2 is configured twice");
    check(
        "speaks = 7",
        "speaks = 8",
        "link from 10 to 3: speaks must be 6 or 7, found 8",
    );
    check(
        "from = 10",
        "from = 2",
        "link from 2 to 2: no [[node]] 2 with a switch",
    );
    check(
        "plan = \"plan.ionrc\"",
        "plan = \"plan.ionrc\"\nhorizon_s = 0",
        "contacts: horizon_s must be above 0",
    );
    for (from, to) in [
        ("02:00:00:00:00:02", "2"),
        ("plan.ionrc\"", "p\"\norigin = \"now\""),
    ] {
        assert!(Config::parse(&SITE.replacen(from, to, 1)).is_err());
    }
}
