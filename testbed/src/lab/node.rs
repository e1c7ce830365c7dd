// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The switch as a node: bundles that are for itself, and the neighbours that get them.

use bundle::{Eid, Policy, translate};

use super::{Lab, Receiver};
use crate::{
    traffic::{Input, Side},
    verdict::{Hop, Rules},
};

/// The address of the switch.
const ADDRESS: [u8; 4] = [10, 9, 0, 1];
/// Its node number.
const NODE: u64 = 9;
/// How old bundles get there.
const RESIDENCE_MS: u64 = 7;
/// How every neighbour is reached: what tells them apart is what they read.
const HOP: Hop = Hop {
    ethernet: [[2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 7]],
    ipv4: [ADDRESS, [10, 99, 0, 7]],
};

impl Lab {
    /// Makes the switch a node, with a neighbour for each [`Receiver`] on each side.
    ///
    /// # Panics
    ///
    /// The switch refuses the entries.
    pub fn add_node(&mut self) {
        self.install(&node_entries());
    }

    /// Leads every endpoint to one neighbour.
    ///
    /// # Panics
    ///
    /// The switch refuses the entries: [`Lab::add_node`] comes first.
    pub fn route_to(&mut self, side: Side, receiver: Receiver) {
        self.install(&route_entries(side, receiver));
    }

    /// What the program owes a receiver that is a neighbour of the node, and reads the version of
    /// the bundle or the other one.
    #[must_use]
    pub fn node_rules(&self, receiver: Receiver, relays: bool) -> Rules {
        node_rules(&receiver.rules(&self.parameters), relays)
    }
}

/// The address of the node, and a neighbour for each [`Receiver`] on each side, as the text of a
/// file of entries.
#[must_use]
pub fn node_entries() -> String {
    let sides = |receiver| [Side::V6, Side::V7].map(|side| next_hop(side, receiver));
    let hops: Vec<_> = Receiver::all().flat_map(sides).collect();
    let [a, b, c, d] = ADDRESS;
    format!(
        r#"{{"tables": [
            {{"table": "ingress.peer", "match": {{"hdr.ipv4.dst": "{a}.{b}.{c}.{d}"}},
              "action": "ingress.routes", "params": {{"node": "{NODE}", "service": "0",
                "residence": "{RESIDENCE_MS}"}}}},
            {}]}}"#,
        hops.join(",")
    )
}

/// Leads every endpoint to one neighbour of [`node_entries`], as the text of a file of entries.
#[must_use]
pub fn route_entries(side: Side, receiver: Receiver) -> String {
    let next_hop = number(side, receiver);
    format!(
        r#"{{"defaults": [
            {{"table": "ingress.endpoint", "action": "ingress.to_next_hop",
              "params": {{"next_hop": "{next_hop}"}}}},
            {{"table": "ingress.named_endpoint", "action": "ingress.named_to_next_hop",
              "params": {{"next_hop": "{next_hop}"}}}}]}}"#
    )
}

/// What a program owes a receiver that is a neighbour of the node, and reads the version of the
/// bundle or the other one.
#[must_use]
pub fn node_rules(rules: &Rules, relays: bool) -> Rules {
    Rules {
        policy: Policy {
            node: Some(translate::Node {
                id: Eid::ipn(NODE, 0),
                residence_ms: RESIDENCE_MS,
            }),
            ..rules.policy.clone()
        },
        hop: Some(HOP),
        relays,
        limits: rules.limits,
    }
}

/// Sends a datagram to the node instead.
#[must_use]
pub fn to_node(mut input: Input) -> Input {
    input.datagram.ipv4.destination = ADDRESS;
    input
}

/// The number of a neighbour.
fn number(side: Side, receiver: Receiver) -> u16 {
    u16::from(side.version()) << 8 | u16::from(receiver.number())
}

fn next_hop(side: Side, receiver: Receiver) -> String {
    let mac = |octets: [u8; 6]| octets.map(|octet| format!("{octet:02x}")).join(":");
    let ip = |octets: [u8; 4]| octets.map(|octet| octet.to_string()).join(".");
    format!(
        r#"{{"table": "ingress.next_hop", "match": {{"meta.next_hop": "{}"}},
            "action": "ingress.hop_v{}", "params": {{"port": "{}",
              "ethernet_src": "{}", "ethernet_dst": "{}",
              "ipv4_src": "{}", "ipv4_dst": "{}", "udp_port": "4556", {}}}}}"#,
        number(side, receiver),
        side.version(),
        side.port(),
        mac(HOP.ethernet[0]),
        mac(HOP.ethernet[1]),
        ip(HOP.ipv4[0]),
        ip(HOP.ipv4[1]),
        receiver.params(side)
    )
}
