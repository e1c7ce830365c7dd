// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What clusters tell each other: which nodes can be reached through which gateway, when, and when a
//! bundle arrives.
//!
//! A cluster announces windows. In the graph of another one, a window is a contact of the gateway with
//! the destination, whose light time is all that happens on the way. Routes through several clusters
//! therefore follow from the same search as all others, and the earliest arrival wins, whatever the
//! number of clusters is.

use std::collections::{BTreeMap, BTreeSet};

use contact::{
    BytesPerSecond, Confidence, Contact, ContactGraph, NodeNumber, Plan, Range, Route, Search,
    Span, UtcTime,
};

use crate::{
    config::Peering,
    routing::{Stretch, Terms, stretches},
    schedule::Network,
};

/// When bundles can be handed to a gateway of another cluster for a destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The node that takes them.
    pub gateway: NodeNumber,
    /// The first time.
    pub from: UtcTime,
    /// The first time after it.
    pub until: UtcTime,
    /// What comes earlier waits there until this time.
    pub waits_until: UtcTime,
    /// How long it then takes to the destination.
    pub travel: Span,
    /// What is sent in a second where the way is slowest.
    pub rate: BytesPerSecond,
    /// The octets of the largest bundle that fits into each contact of the way.
    pub max_bundle: u32,
    /// How likely the way is there.
    pub confidence: Confidence,
    /// The clusters on the way, the one that announces it first.
    pub path: Vec<String>,
}

/// What a cluster announces, by destination. Windows of one gateway do not overlap.
pub type Table = BTreeMap<NodeNumber, Vec<Window>>;

/// What was announced, by cluster.
pub type Known = BTreeMap<String, Table>;

/// No way takes longer: what claims to is not believed.
const MOST_TRAVEL: Span = Span::from_seconds(100 * 365 * 86_400);
/// What limits a way is in its window, not in the rate of its contact.
const NO_LIMIT: BytesPerSecond = BytesPerSecond(1 << 40);

impl Window {
    /// Whether two windows say the same from now on.
    fn says_the_same(&self, other: &Self, now: UtcTime) -> bool {
        let later = |time: UtcTime| time.max(now);
        let begun = |window: &Self| Self {
            from: later(window.from),
            waits_until: later(window.waits_until),
            ..window.clone()
        };
        begun(self) == begun(other)
    }

    /// Whether a cluster may announce it to another one.
    #[must_use]
    pub fn is_sound(&self, announcing: &str, gateways: &BTreeSet<u64>, own: &str) -> bool {
        self.from < self.until
            && (self.from..self.until).contains(&self.waits_until)
            && self.travel <= MOST_TRAVEL
            && gateways.contains(&self.gateway.0)
            && self.path.first().is_some_and(|first| first == announcing)
            && !self.path.iter().any(|cluster| cluster == own)
    }

    /// As a contact in the graph of another cluster.
    fn add_to(&self, plan: &mut Plan, to: NodeNumber) -> bool {
        let (from, start, end) = (self.gateway, self.waits_until, self.until);
        let range = Range {
            from,
            to,
            start,
            end,
            light_time: self.travel,
        };
        let contact = Contact {
            from,
            to,
            start,
            end,
            rate: NO_LIMIT,
            confidence: self.confidence,
        };
        // What the own plan says about these nodes counts more.
        if from == to || plan.add_range(range).is_err() {
            return false;
        }
        if plan.add_contact(contact).is_err() {
            plan.remove_range(from, to, start);
            return false;
        }
        true
    }
}

/// The network with what other clusters have announced: a new version of the plan.
#[must_use]
pub fn add_to(network: &Network, known: &Known, now: UtcTime) -> Network {
    let mut plan = own(&network.plan, |_| true);
    let tables = known.values().flatten();
    let windows = tables.flat_map(|(to, windows)| windows.iter().map(|window| (*to, window)));
    for (to, window) in windows.filter(|(_, window)| fits(window, network)) {
        window.add_to(&mut plan, to);
    }
    Network {
        version: network.version.max(now.micros() / 1000),
        graph: ContactGraph::new(&plan, &network.options),
        plan,
        ..network.clone()
    }
}

/// Some contacts of a plan, and the ranges that they need: ranges of other nodes stand in the way of
/// windows.
fn own(plan: &Plan, is_wanted: impl Fn(&Contact) -> bool) -> Plan {
    let mut own = Plan::new();
    // What was in a plan fits into one.
    for contact in plan.contacts().filter(|contact| is_wanted(contact)) {
        let _ = own.add_contact(*contact);
    }
    for range in plan.ranges() {
        if !own.contacts_between(range.from, range.to).is_empty() {
            let _ = own.add_range(*range);
        }
    }
    own
}

fn fits(window: &Window, network: &Network) -> bool {
    u64::from(window.max_bundle) >= network.bundle_octets
}

/// What this cluster announces to each other one: from now on, and until about a horizon later.
///
/// Nothing is announced to a cluster that leads through it.
#[must_use]
pub fn offers(
    network: &Network,
    peering: &Peering,
    known: &Known,
    now: UtcTime,
    horizon: Span,
) -> Known {
    let until = end_of(now, horizon);
    let offer = |place: usize| {
        let peer = &peering.peers[place].cluster;
        let view = View::of(network, peering, known, place);
        (peer.clone(), view.table((now, until)))
    };
    (0..peering.peers.len()).map(offer).collect()
}

/// The end of a horizon. It moves in steps, so that not every table is another one.
fn end_of(now: UtcTime, horizon: Span) -> UtcTime {
    let step = (horizon.micros() / 2).max(1);
    let steps = (now.micros() / step).saturating_add(3);
    UtcTime::from_micros(steps.saturating_mul(step))
}

/// Keeps the windows of the last table where nothing has changed but that time has passed.
#[must_use]
pub fn settled(last: &Table, mut next: Table, now: UtcTime) -> Table {
    for (to, windows) in &mut next {
        let Some(before) = last.get(to) else { continue };
        let before: Vec<_> = before.iter().filter(|window| now < window.until).collect();
        let same = before.len() == windows.len()
            && windows
                .iter()
                .zip(&before)
                .all(|(one, other)| one.says_the_same(other, now));
        if same {
            *windows = before.into_iter().cloned().collect();
        }
    }
    next
}

/// The network as one other cluster may use it.
struct View<'a> {
    network: &'a Network,
    peering: &'a Peering,
    /// The cluster that it is for.
    peer: usize,
    graph: ContactGraph,
    /// The clusters on the way of contacts that stand for windows, by nodes and start.
    paths: BTreeMap<(NodeNumber, NodeNumber, UtcTime), &'a Window>,
}

impl<'a> View<'a> {
    fn of(network: &'a Network, peering: &'a Peering, known: &'a Known, peer: usize) -> Self {
        let cluster = &peering.peers[peer];
        let is_theirs = |node: NodeNumber| cluster.gateways.contains(&node.0);
        let mut plan = own(&network.plan, |contact| {
            !is_theirs(contact.from) && !is_theirs(contact.to)
        });
        let mut paths = BTreeMap::new();
        let others = known
            .iter()
            .filter(|(name, _)| **name != cluster.cluster)
            .flat_map(|(_, table)| table);
        for (to, windows) in others {
            for window in windows.iter().filter(|window| fits(window, network)) {
                let leads_there = window.path.contains(&cluster.cluster);
                if !leads_there && !is_theirs(*to) && window.add_to(&mut plan, *to) {
                    paths.insert((window.gateway, *to, window.waits_until), window);
                }
            }
        }
        Self {
            network,
            peering,
            peer,
            graph: ContactGraph::new(&plan, &network.options),
            paths,
        }
    }

    /// The nodes of this cluster that hear gateways of the other one.
    fn borders(&self) -> BTreeSet<NodeNumber> {
        let theirs = &self.peering.peers[self.peer].gateways;
        let contacts = self.network.plan.contacts();
        let heard = contacts.filter(|contact| theirs.contains(&contact.from.0));
        let peers = &self.peering.peers;
        let is_own = |node: &NodeNumber| !peers.iter().any(|peer| peer.gateways.contains(&node.0));
        heard.map(|contact| contact.to).filter(is_own).collect()
    }

    fn table(&self, times: (UtcTime, UtcTime)) -> Table {
        let mut table = Table::new();
        let mut search = Search::new();
        for border in self.borders() {
            let mut nodes = self.network.nodes.iter();
            let node = nodes.find(|node| node.id() == border);
            let excluded = node.map_or(Vec::new(), |node| self.network.excluded(node));
            let terms = Terms {
                excluded: &excluded,
                bundle_octets: self.network.bundle_octets,
                guard: self.network.guard,
                // Other clusters are told of contacts as they are planned.
                taken: None,
            };
            for &to in self.graph.nodes().iter().filter(|to| **to != border) {
                let found = stretches(&self.graph, &mut search, (border, to), times, terms);
                let windows = found
                    .iter()
                    .filter_map(|stretch| self.window(border, stretch));
                let windows: Vec<_> = windows.collect();
                if !windows.is_empty() {
                    table.entry(to).or_default().extend(windows);
                }
            }
        }
        table
    }

    fn window(&self, gateway: NodeNumber, stretch: &Stretch) -> Option<Window> {
        let route = &stretch.route;
        let contacts = || route.contacts().map(|index| self.graph.contact(index));
        let close = contacts().next()?.end.micros();
        // Who is there when the contact ends can still send, as in the search; windows end before their ends.
        let close = close.saturating_sub(self.network.guard.micros());
        let until = stretch
            .until
            .min(UtcTime::from_micros(close.saturating_add(1)));
        let last = UtcTime::from_micros(until.micros().checked_sub(1)?);
        let waits_until = stretch.waits_until.min(last);
        if until <= stretch.from {
            return None;
        }
        let limits = contacts().map(|contact| {
            let stands_for = self.paths.get(&(contact.from, contact.to, contact.start));
            stands_for.map_or_else(
                || (contact.rate, contact.volume_bytes()),
                |window| (window.rate, window.max_bundle.into()),
            )
        });
        let (rate, volume) = limits.reduce(|(a, b), (c, d)| (a.min(c), b.min(d)))?;
        Some(Window {
            gateway,
            from: stretch.from,
            until,
            waits_until,
            travel: route.arrival.since(waits_until),
            rate,
            max_bundle: u32::try_from(volume).unwrap_or(u32::MAX),
            confidence: route.confidence(&self.graph),
            path: self.path(route),
        })
    }

    /// The clusters on a way.
    fn path(&self, route: &Route) -> Vec<String> {
        let mut path = vec![self.peering.cluster.clone()];
        let mut add = |cluster: &String| {
            if path.last() != Some(cluster) {
                path.push(cluster.clone());
            }
        };
        for contact in route.contacts().map(|index| self.graph.contact(index)) {
            if let Some(window) = self.paths.get(&(contact.from, contact.to, contact.start)) {
                window.path.iter().for_each(&mut add);
            }
            let mut peers = self.peering.peers.iter();
            if let Some(peer) = peers.find(|peer| peer.gateways.contains(&contact.to.0)) {
                add(&peer.cluster);
            }
        }
        path
    }
}
