// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A node's neighbours over both IP versions, its names, and what reports say of bundles.

use bundle::{
    Eid, Policy, relay, translate,
    translate::Node,
    v7::{self, Tolerance},
};
use etherparse::{IpHeaders, Ipv4Header, PacketBuilder, ip_number};
use p4gen::{Parameters, UdpPorts};
use testbed::{
    frame::{BUNDLE_PORT, checksum_faults},
    lab::Lab,
    traffic::Side,
    verdict::{SLOW_PATH_PORT, hex},
};

use crate::datagrams::{BUNDLE_6, hello_7};

const SENDER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SENDER_PORT: u16 = 40_000;
const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
const NEIGHBOUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];
const RESIDENCE_MS: u64 = 20;
/// Seconds from 2000 to 2026.
const NOW_MS: u64 = 820_454_400_000;

/// IP versions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ip {
    V4,
    V6,
}

/// Hosts by their last number.
const fn host_4(host: u8) -> [u8; 4] {
    [10, 9, 0, host]
}

const fn host_6(host: u8) -> [u8; 16] {
    [0xfd, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]
}

/// A datagram with a bundle.
struct Sent<'a> {
    ip: Ip,
    macs: [[u8; 6]; 2],
    hosts: [u8; 2],
    udp_port: u16,
    octets: &'a [u8],
}

impl Sent<'_> {
    fn frame(&self) -> Vec<u8> {
        let ethernet = PacketBuilder::ethernet2(self.macs[0], self.macs[1]);
        let [from, to] = self.hosts;
        let packet = match self.ip {
            Ip::V4 => {
                let (from, to) = (host_4(from), host_4(to));
                let header = Ipv4Header::new(0, 64, ip_number::UDP, from, to).expect("it is short");
                ethernet.ip(IpHeaders::Ipv4(
                    header,
                    etherparse::Ipv4Extensions::default(),
                ))
            }
            Ip::V6 => ethernet.ipv6(host_6(from), host_6(to), 64),
        };
        let mut frame = Vec::new();
        packet
            .udp(SENDER_PORT, self.udp_port)
            .write(&mut frame, self.octets)
            .expect("writing to memory cannot fail");
        frame
    }
}

/// From a host to the node.
fn to_node(ip: Ip, octets: &[u8]) -> Vec<u8> {
    let macs = [SENDER_MAC, OWN_MAC];
    let (hosts, udp_port) = ([1, 9], BUNDLE_PORT);
    Sent {
        ip,
        macs,
        hosts,
        udp_port,
        octets,
    }
    .frame()
}

/// The UDP port at which the neighbour listens.
const NEIGHBOUR_PORT: u16 = 4557;

/// From the node to its neighbour.
fn from_node(ip: Ip, octets: &[u8]) -> Vec<u8> {
    let macs = [OWN_MAC, NEIGHBOUR_MAC];
    let (hosts, udp_port) = ([9, 7], NEIGHBOUR_PORT);
    Sent {
        ip,
        macs,
        hosts,
        udp_port,
        octets,
    }
    .frame()
}

/// What the node is called, in entries and for the reference.
#[derive(Clone, Copy, Debug)]
enum Name {
    Ipn,
    Dtn,
}

impl Name {
    fn node(self) -> Node {
        Node {
            id: match self {
                Self::Ipn => Eid::ipn(9, 0),
                Self::Dtn => Eid::Dtn("//gw/".into()),
            },
            residence_ms: RESIDENCE_MS,
        }
    }

    fn action(self) -> (&'static str, &'static str) {
        match self {
            Self::Ipn => ("routes", r#""node": "9", "service": "0""#),
            Self::Dtn => (
                "routes_named",
                r#""name": "0x2f2f67772f", "name_length": "5""#,
            ),
        }
    }
}

/// A node with one neighbour, which reads the version of its side.
fn node(name: Name, hop: Ip, side: Side) -> Lab {
    let mut lab = Lab::default();
    let (routes, params) = name.action();
    let (suffix, ip, from, to) = match hop {
        Ip::V4 => ("", 4, "10.9.0.9", "10.9.0.7"),
        Ip::V6 => ("_ipv6", 6, "fd09::9", "fd09::7"),
    };
    let (reads, forms) = match side {
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
    lab.install(&format!(
        r#"{{"tables": [
            {{"table": "ingress.peer", "match": {{"hdr.ipv4.dst": "10.9.0.9"}},
              "action": "ingress.{routes}",
              "params": {{{params}, "residence": "{RESIDENCE_MS}"}}}},
            {{"table": "ingress.peer_ipv6", "match": {{"hdr.ipv6.dst": "fd09::9"}},
              "action": "ingress.{routes}_ipv6",
              "params": {{{params}, "residence": "{RESIDENCE_MS}"}}}},
            {{"table": "ingress.endpoint", "priority": 1, "match": {{}},
              "action": "ingress.to_next_hop", "params": {{"next_hop": "1"}}}},
            {{"table": "ingress.named_endpoint", "match": {{}},
              "action": "ingress.named_to_next_hop", "params": {{"next_hop": "1"}}}},
            {{"table": "ingress.next_hop", "match": {{"meta.next_hop": "1"}},
              "action": "ingress.{reads}{suffix}", "params": {{"port": "{}",
                "ethernet_src": "02:00:00:00:00:09", "ethernet_dst": "02:00:00:00:00:07",
                "ipv{ip}_src": "{from}", "ipv{ip}_dst": "{to}", "udp_port": "{NEIGHBOUR_PORT}",
                "mtu": "0", {forms}}}}}]}}"#,
        side.port(),
    ));
    lab
}

/// What the node makes of a bundle whose next hop is on a side.
fn expected(name: Name, octets: &[u8], to: Side) -> Vec<u8> {
    let node = name.node();
    let version = bundle::version(octets).expect("it is a bundle");
    if (version == bundle::Version::V6) == (to == Side::V6) {
        return relay(octets, &node, Tolerance::LENIENT).expect("it is valid");
    }
    let policy = Policy {
        node: Some(node),
        ..Policy::default()
    };
    translate(octets, &policy)
        .expect("it is translatable")
        .octets
}

/// Version 7 from one name to another, without a previous node.
fn named(source: &'static str, destination: &'static str) -> Vec<u8> {
    let seven = hello_7();
    let mut bundle = v7::Bundle::decode(&seven, Tolerance::LENIENT).expect("it is valid");
    bundle.primary.source = Eid::Dtn(source.into()).into();
    bundle.primary.destination = Eid::Dtn(destination.into()).into();
    bundle
        .blocks
        .retain(|block| block.kind != v7::BlockType::PREVIOUS_NODE);
    bundle.to_vec()
}

#[test]
fn nodes_have_neighbours_over_both_ip_versions() {
    let bundles = [BUNDLE_6.to_vec(), hello_7(), named("//a/b", "//c/d")];
    for (from, to, side) in [
        (Ip::V4, Ip::V6, Side::V7),
        (Ip::V6, Ip::V4, Side::V6),
        (Ip::V6, Ip::V6, Side::V7),
        (Ip::V4, Ip::V4, Side::V6),
    ] {
        let name = if from == to { Name::Dtn } else { Name::Ipn };
        let mut lab = node(name, to, side);
        for octets in &bundles {
            let (frames, recorder) = lab.run(1, &to_node(from, octets));
            let expected = from_node(to, &expected(name, octets, side));
            let shown = |frames: &[(u16, Vec<u8>)]| {
                let line = |(port, frame): &(u16, Vec<u8>)| format!("{port} {}", hex(frame));
                frames.iter().map(line).collect::<Vec<_>>()
            };
            let expected = [(side.port(), expected)];
            let what = format!("{name:?} {from:?} to {to:?}, {side:?}: {recorder:?}");
            assert_eq!(shown(&frames), shown(&expected), "{what}");
        }
    }
}

/// The route with the longest prefix counts, the packet has made a hop, and bundles do as others.
#[test]
fn longer_prefixes_of_ip_routes_count() {
    let mut lab = Lab::new(Parameters::default());
    let route = |table: &str, key: &str, prefix: &str, port: u16| {
        format!(
            r#"{{"table": "ingress.{table}", "match": {{"hdr.{key}.dst": "{prefix}"}},
                "action": "ingress.route", "params": {{"port": "{port}",
                  "ethernet_src": "02:00:00:00:00:09", "ethernet_dst": "02:00:00:00:00:07"}}}}"#
        )
    };
    let routes = [
        route("ipv4_route", "ipv4", "10.9.0.0/16", 1),
        route("ipv4_route", "ipv4", "10.9.0.8/29", 2),
        route("ipv6_route", "ipv6", "fd09::/16", 1),
        route("ipv6_route", "ipv6", "fd09::8/125", 2),
    ];
    lab.install(&format!(r#"{{"tables": [{}]}}"#, routes.join(",")));
    for (ip, hops_at) in [(Ip::V4, 22), (Ip::V6, 21)] {
        for (host, port) in [(7, 1), (9, 2)] {
            for udp_port in [53, BUNDLE_PORT] {
                let frame = Sent {
                    ip,
                    macs: [SENDER_MAC, OWN_MAC],
                    hosts: [1, host],
                    udp_port,
                    octets: BUNDLE_6,
                }
                .frame();
                let (frames, recorder) = lab.run(3, &frame);
                let [(found, output)] = frames.as_slice() else {
                    panic!("{recorder:?}");
                };
                assert_eq!(*found, port);
                assert_eq!(output[..12], [NEIGHBOUR_MAC, OWN_MAC].concat());
                assert_eq!(output[hops_at], 63);
                if ip == Ip::V4 {
                    assert_eq!(checksum_faults(output), None);
                }
                assert_eq!(output[output.len() - BUNDLE_6.len()..], *BUNDLE_6);
            }
        }
    }
}

/// In IPv6 there has to be a checksum, and the program cannot make one from nothing.
#[test]
fn a_datagram_without_a_checksum_does_not_cross_to_ipv6() {
    let mut lab = node(Name::Ipn, Ip::V6, Side::V7);
    let mut frame = to_node(Ip::V4, BUNDLE_6);
    frame[40..42].fill(0);
    let (frames, recorder) = lab.run(1, &frame);
    let [(SLOW_PATH_PORT, output)] = frames.as_slice() else {
        panic!("{recorder:?}");
    };
    assert_eq!(output[14], bundle::Reason::Encapsulation.code());
    assert_eq!(output[18..], frame);
}

/// A report, field by field. Wide fields are numbers of some words, the lowest first.
fn fields(words: &[u64]) -> Vec<(&'static str, Vec<u64>)> {
    let widths = [
        ("version", 8_usize),
        ("flags", 64),
        ("source_node", 64),
        ("source_service", 64),
        ("source_name", 512),
        ("destination_node", 64),
        ("destination_service", 64),
        ("destination_name", 512),
        ("creation_time", 64),
        ("sequence", 64),
        ("fragment_offset", 64),
        ("adu_length", 64),
        ("lifetime", 64),
        ("age", 64),
        ("payload_length", 64),
        ("length", 16),
        ("sent_length", 16),
        ("sent_version", 8),
        ("reason", 8),
        ("neighbour", 48),
        ("neighbour_ip", 128),
        ("neighbour_udp_port", 16),
        ("ingress_port", 9),
        ("ingress_time", 64),
    ];
    let mut rest = words;
    let fields = widths.map(|(name, width)| {
        let (field, after) = rest.split_at(width.div_ceil(64));
        rest = after;
        (name, field.to_vec())
    });
    assert!(rest.is_empty(), "the report has more fields");
    fields.into()
}

fn check_report(words: &[u64], expected: &[(&str, u64)]) {
    let found = fields(words);
    for (name, value) in expected {
        let (_, field) = found
            .iter()
            .find(|(found, _)| found == name)
            .expect("the report has the field");
        assert_eq!(field[0], *value, "{name}");
        assert!(field[1..].iter().all(|word| *word == 0), "{name}");
    }
}

/// A short name as a number.
fn text(name: &str) -> u64 {
    name.bytes()
        .fold(0, |all, octet| all << 8 | u64::from(octet))
}

#[test]
fn reports_say_what_came_and_what_became_of_it() {
    let mut lab = node(Name::Ipn, Ip::V6, Side::V7);
    let octets = named("//a/b", "//c/d");
    let sent = expected(Name::Ipn, &octets, Side::V7);
    let report = lab.report(1, &to_node(Ip::V4, &octets));
    check_report(
        &report,
        &[
            ("version", 7),
            ("source_node", 0),
            ("source_name", text("//a/b")),
            ("destination_name", text("//c/d")),
            ("creation_time", 802_094_400_007),
            ("sequence", 0),
            ("lifetime", 3_599_993),
            ("age", 125),
            ("payload_length", 5),
            ("length", octets.len() as u64),
            ("sent_length", sent.len() as u64),
            ("sent_version", 7),
            ("reason", 0),
            ("neighbour", 0x0200_0000_0001),
            ("neighbour_ip", 0xffff_0a09_0001),
            ("neighbour_udp_port", u64::from(SENDER_PORT)),
            ("ingress_port", 1),
        ],
    );
    // Ages and lifetimes are those of the bundle as it came.
    let report = lab.report(1, &to_node(Ip::V4, BUNDLE_6));
    let sent = expected(Name::Ipn, BUNDLE_6, Side::V7);
    check_report(
        &report,
        &[
            ("version", 6),
            ("flags", 0x90),
            ("source_node", 1),
            ("source_service", 1),
            ("destination_node", 2),
            ("lifetime", 3600),
            ("age", 125_000),
            ("length", BUNDLE_6.len() as u64),
            ("sent_length", sent.len() as u64),
            ("sent_version", 7),
            ("reason", 0),
        ],
    );
    // A bundle that goes nowhere.
    let cut = &BUNDLE_6[..BUNDLE_6.len() - 1];
    let report = lab.report(1, &to_node(Ip::V4, cut));
    let reason = bundle::Reason::Truncated.code().into();
    check_report(
        &report,
        &[("sent_version", 0), ("sent_length", 0), ("reason", reason)],
    );
}

/// A mask over the beginning of a name is for all endpoints of a node.
#[test]
fn telemetry_knows_names() {
    let mut lab = node(Name::Ipn, Ip::V4, Side::V7);
    let beginning = |name: &str| {
        let digits = hex(name.as_bytes());
        let mask = "ff".repeat(name.len());
        format!("0x{digits:0<128}&&&0x{mask:0<128}")
    };
    lab.install(&format!(
        r#"{{"tables": [{{"table": "ingress.named_telemetry", "priority": 1,
            "match": {{"meta.source_name": "{}"}}, "action": "ingress.silence"}}]}}"#,
        beginning("//quiet/")
    ));
    for (source, reports) in [("//quiet/a", 0), ("//quiet/b", 0), ("//quick/a", 1)] {
        let frame = to_node(Ip::V4, &named(source, "//c/d"));
        assert_eq!(lab.digests(1, &frame), reports, "{source}");
    }
}

/// Without a clock at the source, a bundle expires by its age.
#[test]
fn old_bundles_without_a_creation_time_expire() {
    let mut lab = node(Name::Ipn, Ip::V4, Side::V7);
    lab.install(&format!(
        r#"{{"defaults": [{{"table": "ingress.clock", "action": "ingress.set_clock",
            "params": {{"start": "{NOW_MS}"}}}}]}}"#
    ));
    let seven = hello_7();
    for (lifetime_ms, reason) in [(125, 0), (124, bundle::Reason::Expired.code())] {
        let mut bundle = v7::Bundle::decode(&seven, Tolerance::LENIENT).expect("it is valid");
        bundle.primary.creation.time_ms = 0;
        bundle.primary.lifetime_ms = lifetime_ms;
        let report = lab.report(1, &to_node(Ip::V4, &bundle.to_vec()));
        check_report(&report, &[("reason", reason.into()), ("age", 125)]);
    }
    // Version 6 counts in seconds and microseconds: 125 ms are less than a second.
    let mut six = bundle::v6::Bundle::decode(BUNDLE_6).expect("it is valid");
    six.primary.creation.seconds = 0;
    for (lifetime_s, reason) in [(1, 0), (0, bundle::Reason::Expired.code())] {
        six.primary.lifetime_s = lifetime_s;
        let report = lab.report(1, &to_node(Ip::V4, &six.to_vec()));
        check_report(&report, &[("reason", reason.into()), ("age", 125_000)]);
    }
}

/// Bundles in datagrams to any of the ports of the program; others are no bundles to it.
#[test]
fn a_program_may_have_several_udp_ports() {
    let mut lab = Lab::new(Parameters {
        max_payload: 255,
        udp_ports: UdpPorts::new(&[BUNDLE_PORT, 5000]).expect("they are two ports"),
        ..Parameters::default()
    });
    let mut input = crate::translator::input(Side::V6, BUNDLE_6.to_vec());
    for (port, crosses) in [(BUNDLE_PORT, true), (5000, true), (5001, false)] {
        input.datagram.udp.destination_port = port;
        let output = if crosses {
            hello_7()
        } else {
            BUNDLE_6.to_vec()
        };
        let expected = input.datagram.with_payload(output).to_frame();
        let (frames, recorder) = lab.run(Side::V6.port(), &input.datagram.to_frame());
        assert_eq!(
            frames,
            [(Side::V7.port(), expected)],
            "{port}: {recorder:?}"
        );
    }
}
