// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the node decides, with a clock that the test turns.

use std::collections::BTreeMap;
use std::sync::Arc;

use bundle::v6::Priority;
use bundle::v7::Tolerance;
use bundle::{Policy, Reason, Version, translate};
use contact::{BytesPerSecond, NodeNumber, UtcTime};
use control::proto::{Neighbour, Route, SlowPath, Window};
use node::config::{Config, Translation};
use node::core::{Core, NOBODY, Readiness, Setup, Verdict};
use node::inject::{Inject, LEARNED_PORT};
use node::planned::Planned;
use node::punt::{PortId, Punt};
use node::time::UnixMs;
use node::timetable::{Opening, Timetable};

use crate::bundles::{CREATED_S, Sample, age_ms, decode_v7, node_id};
use crate::frames::{frame, payload_of_correct};

pub(crate) const NEIGHBOUR: NodeNumber = NodeNumber(2);
/// When the bundles of the tests are made.
pub(crate) const CREATED: UnixMs = UnixMs::from_dtn_ms(CREATED_S * 1000);

/// A contact from 10 to 20 seconds after the bundles are made, and one from 100 to 110.
#[derive(Debug)]
struct Twice;

const RATE: BytesPerSecond = BytesPerSecond(1000);

impl Timetable for Twice {
    fn open_at(&self, neighbour: NodeNumber, time: UnixMs) -> Option<Opening> {
        let contacts = [10_000, 100_000].map(|start| Opening {
            start: CREATED.plus_ms(start),
            end: CREATED.plus_ms(start + 10_000),
            rate: RATE,
        });
        let mut contacts = contacts.into_iter();
        contacts.find(|open| neighbour == NEIGHBOUR && open.start <= time && time < open.end)
    }

    fn next_start(&self, neighbour: NodeNumber, after: UnixMs) -> Option<UnixMs> {
        let starts = [10_000, 100_000].map(|start| CREATED.plus_ms(start));
        let mut starts = starts.into_iter();
        starts.find(|start| neighbour == NEIGHBOUR && *start > after)
    }
}

const ALWAYS: &str = "link = \"eth0\"\n[[peer]]\nnetwork = \"10.0.0.2\"\nspeaks = 7\n";
pub(crate) const WAITING: &str = "link = \"eth0\"\nnode_id = \"ipn:10.0\"\n\
    contacts = { plan = \"plan\", local_node = 10 }\n\
    [[peer]]\nnetwork = \"10.0.0.2\"\nspeaks = 7\nport = 2\nnode = 2\n";

pub(crate) fn core(config: &str, has_store: bool) -> Core {
    let config = Config::parse(config).expect("it is valid");
    assert_eq!(config.misconfigurations(), []);
    let timetable = || Box::new(Twice) as Box<dyn Timetable>;
    Core::new(Setup {
        receivers: config.receivers(),
        own_addresses: config.addresses.clone(),
        routes: config.routes(),
        node_id: config.own_id(),
        timetable: config.contacts.is_some().then(timetable),
        has_store,
        awaits_plan: config.controller.is_some(),
        drop_expired: config.drop_expired,
    })
}

pub(crate) fn punted(bundle: &[u8]) -> Vec<u8> {
    Punt {
        reason: Reason::PayloadTooLong,
        version: Some(Version::V6),
        ingress_port: PortId(1),
        frame: &frame(bundle),
    }
    .encode()
}

/// The port and the bundles of frames for the switch.
fn sent(verdict: Verdict) -> (PortId, Vec<Vec<u8>>) {
    let Verdict::Send(frames) = verdict else {
        panic!("{verdict:?}")
    };
    let decode = |frame: &Vec<u8>| {
        let inject = Inject::decode(frame).expect("it has an inject header");
        (inject.egress_port, payload_of_correct(inject.frame))
    };
    let (ports, bundles): (Vec<_>, Vec<_>) = frames.iter().map(decode).unzip();
    assert!(ports.iter().all(|port| *port == ports[0]));
    (ports[0], bundles)
}

#[test]
fn without_contacts_bundles_go_at_once() {
    let mut core = core(ALWAYS, false);
    let six = Sample::default().v6();
    let seven = translate(&six, &Policy::default()).expect("it is translatable");
    let verdict = core.receive(&punted(&six), &BTreeMap::new(), CREATED);
    assert_eq!(sent(verdict), (LEARNED_PORT, vec![seven.octets.clone()]));
    let verdict = core.receive(&punted(&seven.octets), &BTreeMap::new(), CREATED);
    assert_eq!(sent(verdict), (LEARNED_PORT, vec![seven.octets]));
    assert_eq!(
        (core.counters.translated_to_v7, core.counters.relayed),
        (1, 1)
    );
}

#[test]
fn what_is_too_long_for_the_path_is_divided() {
    let mut core = core(&ALWAYS.replace("speaks", "mtu = 576\nspeaks"), false);
    let long = Sample {
        payload: vec![7; 1200],
        ..Sample::default()
    };
    let verdict = core.receive(&punted(&long.v6()), &BTreeMap::new(), CREATED);
    let (_, bundles) = sent(verdict);
    assert_eq!(bundles.len(), 3);
    assert!(bundles.iter().all(|bundle| bundle.len() + 28 <= 576));
    let payload: Vec<_> = bundles
        .iter()
        .flat_map(|bundle| decode_v7(bundle).payload().to_vec())
        .collect();
    assert_eq!(payload, long.payload);
    assert_eq!(core.counters.fragmented, 1);
}

#[test]
fn bundles_wait_for_the_contact_and_get_older() {
    let mut core = core(WAITING, true);
    let expedited = Sample {
        priority: Priority::Expedited,
        lifetime_s: 60,
        ..Sample::default()
    };
    let none = BTreeMap::new();
    let arrival = CREATED.plus_ms(4000);
    let verdict = core.receive(&punted(&expedited.v6()), &none, arrival);
    let Verdict::Keep(kept) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!((kept.neighbour, kept.arrived), (NEIGHBOUR, arrival));
    assert_eq!(kept.expires, CREATED.plus_ms(60_000));
    assert_eq!(kept.priority, Priority::Expedited);
    assert_eq!(kept.frame, frame(&expedited.v6()));

    let open = CREATED.plus_ms(10_000);
    assert_eq!(core.readiness(NEIGHBOUR, arrival), Readiness::At(open));
    assert_eq!(core.readiness(NEIGHBOUR, open), Readiness::Now);
    let (port, bundles) = sent(core.release(&kept, open));
    assert_eq!(port, PortId(2));
    assert_eq!(age_ms(&bundles[0]), Some(6000));
}

#[test]
fn open_contacts_are_used_at_their_rate_and_in_order() {
    let mut core = core(WAITING, true);
    let none = BTreeMap::new();
    let open = CREATED.plus_ms(12_000);
    let kilobyte = Sample {
        payload: vec![7; 1000],
        ..Sample::default()
    };
    let octets = punted(&kilobyte.v6());
    assert!(matches!(
        core.receive(&octets, &none, open),
        Verdict::Send(_)
    ));
    // More than a second later the next.
    assert!(matches!(
        core.receive(&octets, &none, open),
        Verdict::Keep(_)
    ));
    let Readiness::At(next) = core.readiness(NEIGHBOUR, open) else {
        panic!("the contact is taken")
    };
    assert!((1000..1200).contains(&next.since_ms(open)), "{next:?}");
    assert_eq!(core.readiness(NEIGHBOUR, next), Readiness::Now);
    // What comes later does not overtake what waits.
    let waiting = BTreeMap::from([(NEIGHBOUR, 1)]);
    assert!(matches!(
        core.receive(&octets, &waiting, next),
        Verdict::Keep(_)
    ));
    assert!(matches!(
        core.receive(&octets, &none, next),
        Verdict::Send(_)
    ));
    // What does not fit into this contact waits for the next one.
    let late = CREATED.plus_ms(19_999);
    assert_eq!(core.room(NEIGHBOUR, late), 1);
    let Verdict::Keep(kept) = core.receive(&octets, &none, late) else {
        panic!("a kilobyte does not fit into a millisecond");
    };
    assert_eq!(core.release(&kept, late), Verdict::Hold);
    core.fill(NEIGHBOUR, late);
    let second = Readiness::At(CREATED.plus_ms(100_000));
    assert_eq!(core.readiness(NEIGHBOUR, late), second);
    let never = core.readiness(NEIGHBOUR, CREATED.plus_ms(110_000));
    assert_eq!(never, Readiness::Never);
}

/// The verdict is to drop, and this is the only reason.
fn check_dropped(mut core: Core, octets: &[u8], now: UnixMs, reason: Reason) {
    assert_eq!(core.receive(octets, &BTreeMap::new(), now), Verdict::Drop);
    assert_eq!(core.counters.dropped, BTreeMap::from([(reason, 1)]));
}

#[test]
fn drops_have_a_reason() {
    let good = punted(&Sample::default().v6());
    check_dropped(core(WAITING, false), &good, CREATED, Reason::Store);
    let elsewhere = ALWAYS.replace("10.0.0.2", "10.0.0.3");
    check_dropped(core(&elsewhere, false), &good, CREATED, Reason::NoRoute);
    check_dropped(
        core(ALWAYS, false),
        &punted(b""),
        CREATED,
        Reason::Truncated,
    );
    check_dropped(
        core(ALWAYS, false),
        &punted(b"\x06\x81"),
        CREATED,
        Reason::Truncated,
    );
    let custody = {
        let octets = Sample::default().v6();
        let mut bundle = bundle::v6::Bundle::decode(&octets).expect("it is valid");
        bundle.primary.flags = bundle.primary.flags.with(bundle::v6::BundleFlags::CUSTODY);
        bundle.to_vec()
    };
    check_dropped(
        core(ALWAYS, false),
        &punted(&custody),
        CREATED,
        Reason::Custody,
    );
    let narrow = ALWAYS.replace("speaks", "mtu = 68\nspeaks");
    let long = Sample {
        payload: vec![7; 200],
        ..Sample::default()
    };
    check_dropped(
        core(&narrow, false),
        &punted(&long.v6()),
        CREATED,
        Reason::Mtu,
    );
}

#[test]
fn expired_bundles_are_dropped_if_that_is_wanted() {
    let short = Sample {
        lifetime_s: 60,
        ..Sample::default()
    };
    let octets = punted(&short.v6());
    let late = CREATED.plus_ms(60_000);
    let verdict = core(ALWAYS, false).receive(&octets, &BTreeMap::new(), late);
    assert!(matches!(verdict, Verdict::Send(_)));
    let strict = ALWAYS.replace("[[peer]]", "drop_expired = true\n[[peer]]");
    check_dropped(core(&strict, false), &octets, late, Reason::Expired);
    let early = UnixMs(late.0 - 1);
    let verdict = core(&strict, false).receive(&octets, &BTreeMap::new(), early);
    assert!(matches!(verdict, Verdict::Send(_)));
}

#[test]
fn frames_without_a_punt_header_are_counted_apart() {
    let mut core = core(ALWAYS, false);
    let unpunted = frame(&Sample::default().v6());
    let verdict = core.receive(&unpunted, &BTreeMap::new(), CREATED);
    assert_eq!(verdict, Verdict::Drop);
    assert_eq!((core.counters.received, core.counters.not_punted), (1, 1));
    assert_eq!(core.counters.dropped, BTreeMap::new());
}

/// A node at the address to which the frames of the tests go. Node 2 is behind a next hop that
/// reads version 7, and an endpoint of node 3 behind one that reads version 6.
const ROUTER: &str = "link = \"eth0\"\nnode_id = \"ipn:10.0\"\naddresses = [\"10.0.0.2\"]\n\
    [[peer]]\nnetwork = \"10.99.0.7\"\nspeaks = 7\nport = 7\n\
    [[peer]]\nnetwork = \"10.99.0.6\"\nspeaks = 6\nport = 6\n\
    [[route]]\nendpoint = \"ipn:2.*\"\nnext_hop = \"10.99.0.7\"\nsource = \"10.0.0.2\"\n\
    ethernet = \"02:00:00:00:00:07\"\nethernet_source = \"02:00:00:00:00:0a\"\n\
    [[route]]\nendpoint = \"ipn:3.1\"\nnext_hop = \"10.99.0.6\"\nsource = \"10.0.0.2\"\n\
    ethernet = \"02:00:00:00:00:06\"\nethernet_source = \"02:00:00:00:00:0a\"\n";

/// The sample with another destination.
fn sample_to(node: u64) -> Vec<u8> {
    let octets = Sample::default().v6();
    let mut bundle = bundle::v6::Bundle::decode(&octets).expect("it is valid");
    bundle.primary.destination.scheme = node;
    bundle.to_vec()
}

#[test]
fn bundles_to_the_switch_go_where_their_destination_is() {
    let policy = Policy {
        node: Some(bundle::translate::Node {
            id: node_id(),
            residence_ms: 0,
        }),
        ..Policy::default()
    };
    let translated = translate(&sample_to(2), &policy).expect("it is translatable");
    let same = policy.node.clone().expect("it was just set");
    let relayed = bundle::relay(&sample_to(3), &same, Tolerance::LENIENT).expect("it is valid");
    for (destination, last, expected) in [(2, 7, translated.octets), (3, 6, relayed)] {
        let mut core = core(ROUTER, false);
        let verdict = core.receive(&punted(&sample_to(destination)), &BTreeMap::new(), CREATED);
        let Verdict::Send(frames) = verdict else {
            panic!("{verdict:?}")
        };
        let inject = Inject::decode(&frames[0]).expect("it has an inject header");
        assert_eq!(inject.egress_port, PortId(u16::from(last)));
        assert_eq!(inject.frame[..6], [2, 0, 0, 0, 0, last]);
        assert_eq!(inject.frame[6..12], [2, 0, 0, 0, 0, 10]);
        assert_eq!(inject.frame[26..34], [10, 0, 0, 2, 10, 99, 0, last]);
        assert_eq!(payload_of_correct(inject.frame), expected);
    }
}

#[test]
fn bundles_to_the_switch_without_a_way_on_are_dropped() {
    for (node, reason) in [(4, Reason::NoRoute), (10, Reason::LocalDelivery)] {
        let octets = punted(&sample_to(node));
        check_dropped(core(ROUTER, false), &octets, CREATED, reason);
    }
}

/// A plan of the cluster controller: node 2 has routes through node 3 at first and then through node
/// 4, both behind the switch at ports of their numbers. Node 3 has contacts from 10 to 20 and from 30
/// to 40 seconds, node 4 from 30 to 40.
fn planned() -> Arc<Planned> {
    planned_with(|plan| plan)
}

fn planned_with(change: impl FnOnce(SlowPath) -> SlowPath) -> Arc<Planned> {
    let at = |seconds: u64| {
        let time = CREATED.plus_ms(seconds * 1000);
        UtcTime::from_micros(time.0 * 1000).micros()
    };
    let neighbour = |node: u64| Neighbour {
        node,
        port: u32::try_from(node).expect("it is small"),
        ethernet: format!("02:00:00:00:00:0{node}"),
        ethernet_source: "02:00:00:00:00:0a".to_owned(),
        address: format!("10.99.0.{node}"),
        source: "10.0.0.2".to_owned(),
        speaks: 7,
        ..Neighbour::default()
    };
    let route = |neighbour, from, until| Route {
        destination: 2,
        neighbour,
        from_us: at(from),
        until_us: at(until),
        ..Route::default()
    };
    let window = |neighbour, from, until| Window {
        neighbour,
        from_us: at(from),
        until_us: at(until),
        bytes_per_second: 1_000_000,
    };
    let plan = SlowPath {
        addresses: vec!["10.0.0.2".to_owned()],
        neighbours: vec![neighbour(3), neighbour(4)],
        routes: vec![route(3, 0, 20), route(4, 20, 40)],
        windows: vec![window(3, 10, 20), window(3, 30, 40), window(4, 30, 40)],
        plain_routes: Vec::new(),
    };
    Arc::new(Planned::new(
        &change(plan),
        &Translation::default(),
        node_id(),
    ))
}

#[test]
fn the_plan_of_the_controller_says_for_whom_bundles_wait() {
    let mut core = core("link = \"eth0\"\n", true);
    core.follow(planned());
    let octets = punted(&sample_to(2));
    let none = BTreeMap::new();
    let Verdict::Keep(kept) = core.receive(&octets, &none, CREATED) else {
        panic!("the contact is closed");
    };
    let (three, four) = (NodeNumber(3), NodeNumber(4));
    assert_eq!(kept.neighbour, three);
    let opens = CREATED.plus_ms(10_000);
    assert_eq!(core.readiness(three, CREATED), Readiness::At(opens));
    let (port, bundles) = sent(core.release(&kept, opens));
    assert_eq!(port, PortId(3));
    assert_eq!(age_ms(&bundles[0]), Some(10_000));
    // In the contact it goes at once.
    assert_eq!(
        sent(core.receive(&octets, &none, opens.plus_ms(1000))).0,
        PortId(3)
    );
    // What did not go there in time goes the other way.
    let later = CREATED.plus_ms(30_000);
    assert_eq!(core.reroute(&kept, later), Some(four));
    let Verdict::Keep(moved) = core.release(&kept, later) else {
        panic!("there is another way");
    };
    assert_eq!((moved.neighbour, moved.arrived), (four, kept.arrived));
    assert_eq!(sent(core.release(&moved, later)).0, PortId(4));
    check_dropped(core, &punted(&sample_to(9)), later, Reason::NoRoute);
}

/// Routes that lead elsewhere because of what waits do not take that along.
#[test]
fn what_waits_is_not_moved_because_it_waits() {
    let mut core = core("link = \"eth0\"\n", true);
    core.follow(planned());
    let octets = punted(&sample_to(2));
    let none = BTreeMap::new();
    let (three, four) = (NodeNumber(3), NodeNumber(4));
    let Verdict::Keep(kept) = core.receive(&octets, &none, CREATED) else {
        panic!("the contact is closed");
    };
    assert_eq!(kept.neighbour, three);
    // Because of it, new bundles go through node 4 at once.
    core.follow(planned_with(|plan| {
        let routes = plan.routes.iter().cloned();
        let all_through_4 = routes.map(|route| Route {
            neighbour: 4,
            ..route
        });
        SlowPath {
            routes: all_through_4.collect(),
            plain_routes: plan.routes,
            ..plan
        }
    }));
    let Verdict::Keep(new) = core.receive(&octets, &none, CREATED) else {
        panic!("the contact is closed");
    };
    assert_eq!(new.neighbour, four);
    let opens = CREATED.plus_ms(10_000);
    assert_eq!(core.reroute(&kept, opens), None);
    assert_eq!(sent(core.release(&kept, opens)).0, PortId(3));
    // Later both kinds of routes lead elsewhere.
    let later = CREATED.plus_ms(30_000);
    assert_eq!(core.reroute(&kept, later), Some(four));
    // What waits for nobody any more is moved, whatever would be if nothing waited.
    core.follow(planned_with(|plan| SlowPath {
        plain_routes: vec![Route {
            neighbour: 3,
            ..plan.routes[1].clone()
        }],
        windows: plan.windows[2..].to_vec(),
        ..plan
    }));
    assert_eq!(core.reroute(&kept, later), Some(four));
}

/// A node that starts has bundles in its store before it has its plan.
#[test]
fn what_waited_is_not_dropped_before_there_is_a_plan() {
    let controller = "[controller]\naddress = \"c:1\"\nnode = 10\nswitch = \"s:1\"\n";
    let config = format!("link = \"eth0\"\nstore = {{ path = \"b.redb\" }}\n{controller}");
    let mut core = core(&config, true);
    let opens = CREATED.plus_ms(10_000);
    assert_eq!(core.readiness(NodeNumber(3), opens), Readiness::Never);
    core.follow(planned());
    assert_eq!(core.readiness(NodeNumber(3), opens), Readiness::Now);
}

/// A controller that has just started knows no way into other clusters: what comes then waits for a plan
/// that has one.
#[test]
fn what_has_no_way_waits_for_a_plan_that_has_one() {
    let controller = "[controller]\naddress = \"c:1\"\nnode = 10\nswitch = \"s:1\"\n";
    let config = format!("link = \"eth0\"\nstore = {{ path = \"b.redb\" }}\n{controller}");
    let octets = punted(&sample_to(2));
    let mut core = core(&config, true);
    // By then the plan is over.
    let after = CREATED.plus_ms(41_000);
    core.follow(planned());
    let Verdict::Keep(kept) = core.receive(&octets, &BTreeMap::new(), after) else {
        panic!("there is no way yet");
    };
    assert_eq!(kept.neighbour, NOBODY);
    assert_eq!(core.readiness(NOBODY, after), Readiness::Never);
    assert_eq!(core.reroute(&kept, after), None);
    // As if the plan were a new one.
    assert_eq!(core.reroute(&kept, CREATED), Some(NodeNumber(3)));
}

/// A bundle that waited leaves with its neighbour even if the plan knows no way any more.
#[test]
fn what_waited_is_not_dropped_when_the_plan_ends() {
    let mut core = core("link = \"eth0\"\n", true);
    core.follow(planned());
    let verdict = core.receive(&punted(&sample_to(2)), &BTreeMap::new(), CREATED);
    let Verdict::Keep(kept) = verdict else {
        panic!("the contact is closed");
    };
    let after = CREATED.plus_ms(41_000);
    assert_eq!(core.readiness(NodeNumber(3), after), Readiness::Never);
    assert_eq!(core.reroute(&kept, after), None);
    assert_eq!(sent(core.release(&kept, after)).0, PortId(3));
}
