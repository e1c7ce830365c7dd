// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the cluster controller plans for the slow path: neighbours, and routes with a beginning and an
//! end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bundle::Eid;
use contact::{BytesPerSecond, Confidence, Contact, NodeNumber, Plan, UtcTime};
use control::proto::{Neighbour, Route, SlowPath};

use crate::config::{Mac, Peer, Translation};
use crate::core::NextHop;
use crate::datagram::Addresses;
use crate::network::Network;
use crate::time::UnixMs;
use crate::timetable::PlannedContacts;

/// The plan for the slow path.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Addresses of the node.
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// Its endpoints are those of this node ID.
    pub(crate) node_id: Eid<'static>,
    hops: BTreeMap<NodeNumber, NextHop>,
    legs: Legs,
    /// As if nothing waited anywhere.
    plain: Legs,
    /// When can be sent to whom.
    pub(crate) timetable: PlannedContacts,
}

/// Where routes lead.
#[derive(Clone, Debug, Default)]
struct Legs {
    by_node: BTreeMap<u64, Vec<Leg>>,
    /// The longest name first.
    by_name: Vec<(String, Leg)>,
}

/// A neighbour for a time.
#[derive(Clone, Copy, Debug)]
struct Leg {
    neighbour: NodeNumber,
    from: UnixMs,
    until: UnixMs,
}

impl Planned {
    /// Reads the plan. Parts of it that cannot work are left out.
    #[must_use]
    pub fn new(plan: &SlowPath, common: &Translation, node_id: Eid<'static>) -> Self {
        let mut planned = Self {
            addresses: plan
                .addresses
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect(),
            node_id,
            hops: BTreeMap::new(),
            legs: Legs::new(&plan.routes),
            plain: Legs::new(&plan.plain_routes),
            timetable: timetable(plan),
        };
        for neighbour in &plan.neighbours {
            if let Some(hop) = next_hop(neighbour, common, &planned.node_id) {
                planned.hops.insert(NodeNumber(neighbour.node), hop);
            }
        }
        planned
    }

    /// Where bundles for an endpoint go, or for whom they wait, at a time.
    #[must_use]
    pub fn find(&self, endpoint: &Eid<'_>, now: UnixMs) -> Option<&NextHop> {
        self.hop(self.legs.find(endpoint, now)?)
    }

    /// Where they would go if nothing waited anywhere, if that can be somewhere else.
    pub(crate) fn find_plain(&self, endpoint: &Eid<'_>, now: UnixMs) -> Option<NodeNumber> {
        self.plain.find(endpoint, now)
    }

    /// How frames reach a neighbour.
    #[must_use]
    pub fn hop(&self, neighbour: NodeNumber) -> Option<&NextHop> {
        self.hops.get(&neighbour)
    }
}

impl Legs {
    fn new(routes: &[Route]) -> Self {
        let mut legs = Self::default();
        for route in routes {
            let leg = Leg {
                neighbour: NodeNumber(route.neighbour),
                from: UnixMs::from_utc(UtcTime::from_micros(route.from_us)),
                until: UnixMs::from_utc(UtcTime::from_micros(route.until_us)),
            };
            let of_node = legs.by_node.entry(route.destination).or_default();
            of_node.push(leg);
            let names = route.names.iter().map(|name| (name.clone(), leg));
            legs.by_name.extend(names);
        }
        legs.by_name
            .sort_by_key(|(name, _)| usize::MAX - name.len());
        legs
    }

    fn find(&self, endpoint: &Eid<'_>, now: UnixMs) -> Option<NodeNumber> {
        let holds = |leg: &&Leg| leg.from <= now && now < leg.until;
        let leg = match endpoint {
            Eid::Ipn { node, .. } => self.by_node.get(node)?.iter().find(holds),
            Eid::Dtn(name) => {
                let mut legs = self.by_name.iter();
                let leg = legs.find(|(start, leg)| name.starts_with(start) && holds(&leg));
                leg.map(|(_, leg)| leg)
            }
            Eid::Null => None,
        };
        Some(leg?.neighbour)
    }
}

fn timetable(plan: &SlowPath) -> PlannedContacts {
    const HERE: NodeNumber = NodeNumber(u64::MAX);
    let mut contacts = Plan::new();
    for window in &plan.windows {
        // What is empty or overlaps is left out.
        let _ = contacts.add_contact(Contact {
            from: HERE,
            to: NodeNumber(window.neighbour),
            start: UtcTime::from_micros(window.from_us),
            end: UtcTime::from_micros(window.until_us),
            rate: BytesPerSecond(window.bytes_per_second),
            confidence: Confidence::CERTAIN,
        });
    }
    PlannedContacts::new(&contacts, HERE)
}

fn next_hop(from: &Neighbour, common: &Translation, node_id: &Eid<'static>) -> Option<NextHop> {
    let option = |name: &str| from.options.get(name).copied();
    let small =
        |name: &str, usual: u8| option(name).map_or(Some(usual), |value| value.try_into().ok());
    let flag = |name: &str| option(name).is_none_or(|value| value != 0);
    let mtu = option("mtu").filter(|mtu| *mtu != 0);
    let peer = Peer {
        network: Network::try_from(from.address.clone()).ok()?,
        speaks: u8::try_from(from.speaks).ok()?,
        port: Some(u16::try_from(from.port).ok()?),
        mtu: mtu.and_then(|mtu| mtu.try_into().ok()),
        node: Some(from.node),
        crc_primary: small("crc_primary", 1)?,
        crc_blocks: small("crc_blocks", 0)?,
        cbhe: flag("cbhe"),
        dictionary: flag("dictionary"),
        sequence32: flag("sequence32"),
        lifetime32: flag("lifetime32"),
        age_type: small("age_type", 20)?,
    };
    let mac = |text: &String| Mac::try_from(text.clone()).ok();
    Some(NextHop {
        receiver: peer.receiver_of(common, node_id.clone())?,
        addresses: Addresses {
            ethernet_source: mac(&from.ethernet_source)?.0,
            ethernet_destination: mac(&from.ethernet)?.0,
            source: from.source.parse().ok()?,
            destination: from.address.parse().ok()?,
        },
    })
}
