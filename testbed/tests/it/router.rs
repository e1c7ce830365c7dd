// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The generated program as a node: datagrams for the switch itself, routes to endpoints, and what
//! the slow path sends back.

use std::cell::RefCell;

use bundle::{
    Eid, Policy, Reason,
    arbitrary::{Shape, v6_octets, v7_octets},
    translate::{Node, translate},
};
use etherparse::Ipv4Header;
use proptest::prelude::*;
use testbed::{
    frame::Datagram,
    lab::Lab,
    traffic::{Input, Side},
    verdict::SLOW_PATH_PORT,
};

use crate::{datagrams::BUNDLE_6, translator::input};

/// The address of the switch, as a node.
const ADDRESS: [u8; 4] = [10, 9, 0, 1];
/// Next hops by the side on which they are.
const NEIGHBOUR: [u8; 4] = [10, 99, 0, 7];
const NEIGHBOUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];
pub(crate) const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
/// How much older bundles get here.
const RESIDENCE_MS: u64 = 1500;

thread_local! {
    static TO_V6: RefCell<Lab> = RefCell::new(router(Side::V6));
    static TO_V7: RefCell<Lab> = RefCell::new(router(Side::V7));
}

/// A node whose routes all lead to one neighbour.
pub(crate) fn router(side: Side) -> Lab {
    let mut lab = node(side);
    lab.install(
        r#"{"tables": [
            {"table": "ingress.endpoint", "priority": 1, "match": {},
              "action": "ingress.to_next_hop", "params": {"next_hop": "1"}},
            {"table": "ingress.named_endpoint", "match": {},
              "action": "ingress.named_to_next_hop", "params": {"next_hop": "1"}}]}"#,
    );
    lab
}

/// A node with a neighbour, and without routes.
fn node(side: Side) -> Lab {
    let mut lab = Lab::default();
    let (action, forms) = match side {
        Side::V6 => (
            "hop_v6",
            r#""sequence32": "1", "lifetime32": "1", "cbhe": "1", "dictionary": "1",
               "age_type": "20", "hdtn_priority": "0""#,
        ),
        Side::V7 => (
            "hop_v7",
            r#""crc_primary": "1", "crc_blocks": "0", "priority_block": "0""#,
        ),
    };
    let port = side.port();
    lab.install(&format!(
        r#"{{"tables": [
            {{"table": "ingress.peer", "match": {{"hdr.ipv4.dst": "10.9.0.1"}},
              "action": "ingress.routes",
              "params": {{"node": "9", "service": "0", "residence": "{RESIDENCE_MS}"}}}},
            {{"table": "ingress.inject_port", "match": {{"std.ingress_port": "{SLOW_PATH_PORT}"}},
              "action": "ingress.inject"}},
            {{"table": "ingress.next_hop", "match": {{"meta.next_hop": "1"}},
              "action": "ingress.{action}", "params": {{"port": "{port}",
                "ethernet_src": "02:00:00:00:00:09", "ethernet_dst": "02:00:00:00:00:07",
                "ipv4_src": "10.9.0.1", "ipv4_dst": "10.99.0.7", "udp_port": "4556", "mtu": "0",
                {forms}}}}}]}}"#
    ));
    lab
}

/// A datagram for the node.
pub(crate) fn to_node(side: Side, octets: Vec<u8>) -> Input {
    let mut input = input(side, octets);
    input.datagram.ipv4.destination = ADDRESS;
    input
}

pub(crate) fn this_node() -> Node {
    Node {
        id: Eid::ipn(9, 0),
        residence_ms: RESIDENCE_MS,
    }
}

/// What the node makes of a datagram: a new one, with the bundle as the reference has it.
fn expected(input: &Input) -> Option<Vec<u8>> {
    let policy = Policy {
        node: Some(this_node()),
        ..Policy::default()
    };
    let translation = translate(&input.datagram.payload, &policy).ok()?;
    Some(sent(input, translation.octets))
}

/// The node's datagram with this bundle.
pub(crate) fn sent(input: &Input, octets: Vec<u8>) -> Vec<u8> {
    let datagram = input.datagram.with_payload(octets);
    let ipv4 = Ipv4Header {
        source: ADDRESS,
        destination: NEIGHBOUR,
        time_to_live: 64,
        ..datagram.ipv4.clone()
    };
    let mut datagram = Datagram { ipv4, ..datagram };
    datagram.ethernet.source = OWN_MAC;
    datagram.ethernet.destination = NEIGHBOUR_MAC;
    datagram.to_frame()
}

fn check(lab: &mut Lab, input: &Input) -> Result<(), TestCaseError> {
    let frame = input.datagram.to_frame();
    let (mut frames, recorder) = lab.run(input.side.port(), &frame);
    prop_assert_eq!(frames.len(), 1, "{:?}", recorder);
    let (port, output) = frames.remove(0);
    if let Some(expected) = expected(input) {
        prop_assert_eq!(port, input.side.other().port(), "{}", input.origin);
        prop_assert_eq!(output, expected, "{}", input.origin);
    } else {
        prop_assert_eq!(port, SLOW_PATH_PORT, "{}", input.origin);
        prop_assert_eq!(&output[18..], frame);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn version_6_is_routed(octets in v6_octets(Shape::ANY)) {
        TO_V7.with_borrow_mut(|lab| check(lab, &to_node(Side::V6, octets)))?;
    }

    #[test]
    fn version_7_is_routed(octets in v7_octets(Shape::ANY)) {
        TO_V6.with_borrow_mut(|lab| check(lab, &to_node(Side::V7, octets)))?;
    }
}

/// The reason for which a bundle for the node goes to the slow path. `None` if it is routed.
fn reason(lab: &mut Lab) -> Option<Reason> {
    let input = to_node(Side::V6, BUNDLE_6.to_vec());
    let (frames, recorder) = lab.run(Side::V6.port(), &input.datagram.to_frame());
    let [(port, output)] = frames.as_slice() else {
        panic!("{recorder:?}");
    };
    (*port == SLOW_PATH_PORT).then(|| Reason::from_code(output[14]).expect("a reason"))
}

/// The narrower route counts: all of node 2, then service 1 of it.
#[test]
fn routes_have_wildcards() {
    let mut lab = node(Side::V7);
    assert_eq!(reason(&mut lab), Some(Reason::NoRoute));
    let mut add = |priority, matches: &str, action: &str, params: &str| {
        lab.install(&format!(
            r#"{{"tables": [{{"table": "ingress.endpoint", "priority": {priority},
                "match": {{{matches}}}, "action": "ingress.{action}", "params": {{{params}}}}}]}}"#
        ));
        reason(&mut lab)
    };
    let node = r#""meta.primary.destination.node": "2""#;
    let found = add(1, node, "store", "");
    assert_eq!(found, Some(Reason::Store));
    let service = format!(r#"{node}, "meta.primary.destination.service": "7""#);
    let found = add(2, &service, "to_next_hop", r#""next_hop": "1""#);
    assert_eq!(found, Some(Reason::Store));
    let service = format!(r#"{node}, "meta.primary.destination.service": "1""#);
    let found = add(3, &service, "deliver", "");
    assert_eq!(found, Some(Reason::LocalDelivery));
    let found = add(4, node, "to_next_hop", r#""next_hop": "2""#);
    assert_eq!(found, Some(Reason::NoRoute), "there is no such neighbour");
    let found = add(5, node, "to_next_hop", r#""next_hop": "1""#);
    assert_eq!(found, None);
}

/// A frame from the slow path, behind an inject header.
fn injected(port: u16, frame: &[u8]) -> Vec<u8> {
    let header = [&[0; 12][..], &[0x88, 0xb6], &port.to_be_bytes()].concat();
    [&header, frame].concat()
}

#[test]
fn the_slow_path_injects_frames() {
    let frame = input(Side::V6, BUNDLE_6.to_vec()).datagram.to_frame();
    let mut lab = node(Side::V7);
    let mut run = |port, header_port| lab.run(port, &injected(header_port, &frame)).0;
    assert_eq!(run(SLOW_PATH_PORT, 2), [(2, frame.clone())]);
    // By its address, which nobody has learned: out of all other ports.
    let flooded = [(1, frame.clone()), (2, frame.clone())];
    assert_eq!(run(SLOW_PATH_PORT, 0xffff), flooded);
    // Others may not.
    assert_eq!(run(1, 2), []);
}

/// Packets to a network behind a router get its address, and one hop less.
#[test]
fn networks_behind_a_router_have_routes() {
    let mut lab = Lab::default();
    lab.install(
        r#"{"tables": [{"table": "ingress.ipv4_route", "match": {"hdr.ipv4.dst": "10.7.2.0/24"},
            "action": "ingress.route", "params": {"port": "2",
              "ethernet_src": "02:00:00:00:00:09", "ethernet_dst": "02:00:00:00:00:07"}}]}"#,
    );
    for to_bundles in [true, false] {
        let mut input = input(Side::V6, BUNDLE_6.to_vec());
        if !to_bundles {
            input.datagram.udp.destination_port = 53;
        }
        let mut expected = match expected(&input) {
            Some(_) if to_bundles => {
                let translation = translate(BUNDLE_6, &Policy::default());
                let octets = translation.expect("the reference translates it").octets;
                input.datagram.with_payload(octets)
            }
            _ => input.datagram.clone(),
        };
        expected.ethernet.source = OWN_MAC;
        expected.ethernet.destination = NEIGHBOUR_MAC;
        expected.ipv4.time_to_live -= 1;
        let (frames, _) = lab.run(Side::V6.port(), &input.datagram.to_frame());
        assert_eq!(frames, [(2, expected.to_frame())]);
    }
}

/// Reports are for what operators do not silence.
#[test]
fn telemetry_chooses_what_is_reported() {
    let mut lab = Lab::default();
    let frame = input(Side::V6, BUNDLE_6.to_vec()).datagram.to_frame();
    assert_eq!(lab.digests(Side::V6.port(), &frame), 1);
    lab.install(
        r#"{"tables": [{"table": "ingress.telemetry", "priority": 1,
            "match": {"meta.reason": "0", "meta.primary.source.node": "1"},
            "action": "ingress.silence"}]}"#,
    );
    assert_eq!(lab.digests(Side::V6.port(), &frame), 0);
}

/// A node looks at a bundle twice before it translates it, and reports it once.
#[test]
fn a_bundle_makes_one_report() {
    for side in [Side::V6, Side::V7] {
        let input = to_node(Side::V6, BUNDLE_6.to_vec());
        let frame = input.datagram.to_frame();
        assert_eq!(router(side).digests(Side::V6.port(), &frame), 1, "{side:?}");
    }
}
