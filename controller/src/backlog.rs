// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What waits at nodes for their neighbours, and which contacts are spoken for by it. Pure.
//!
//! Nodes report what is in their stores. What was reported last counts for routes until it is news:
//! a report that says what the one before led to expect changes nothing, so rules do not change with
//! each bundle. What waits is taken to be sent in the contacts to come, one after the other and at
//! their rates. Until then those contacts are not there for routes: see [`Taken`].
//!
//! All nodes of the cluster go by the same contacts. If each went by its own backlog only, two of them
//! could send the same bundle to and fro.

use std::{cmp, collections::BTreeMap, fmt, sync::Arc};

use contact::{BytesPerSecond, Contact, ContactGraph, NodeNumber, Priority, Span, UtcTime};
use control::proto::Report;

use crate::{routing::Leg, schedule::Network};

/// Octets that wait, by class of service.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Octets {
    /// What can wait.
    pub bulk: u64,
    /// What has no other class.
    pub normal: u64,
    /// What cannot wait.
    pub expedited: u64,
}

/// The class of service that rules are for: switches have one rule for all bundles of a destination.
pub const CLASS: Priority = Priority::Normal;

impl Octets {
    /// What goes before a bundle of [`CLASS`] that comes now.
    #[must_use]
    pub const fn before(&self) -> u64 {
        self.normal.saturating_add(self.expedited)
    }
}

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bulk,
            normal,
            expedited,
        } = self;
        write!(
            f,
            "{normal} octets of class normal and {expedited} of class expedited ({bulk} of class bulk)"
        )
    }
}

/// A node, and the neighbour that something waits for.
pub type Pair = (NodeNumber, NodeNumber);

/// The last reports of nodes. One that is old, or whose node is gone, counts no more.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reports {
    by_node: BTreeMap<NodeNumber, Reported>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Reported {
    at: UtcTime,
    until: UtcTime,
    waiting: BTreeMap<NodeNumber, Octets>,
}

/// Neighbours of one node that count. A node has a port for each.
const MAX_NEIGHBOURS: usize = 1024;
/// A report counts for so many of the intervals in which its node reports: one may be lost, and one late.
const INTERVALS: u64 = 3;
/// How long a report counts if its node does not say how often it reports.
const USUAL_AGE: Span = Span::from_seconds(60);
/// No report counts for longer, whatever its node says.
const MAX_AGE: Span = Span::from_seconds(600);

impl Reports {
    /// A node has reported.
    pub fn hear(&mut self, node: NodeNumber, report: &Report, now: UtcTime) {
        let age = match report.every_s {
            0 => USUAL_AGE,
            every => Span::from_seconds(u64::from(every) * INTERVALS).min(MAX_AGE),
        };
        let waiting = report.backlog.iter().take(MAX_NEIGHBOURS).map(|backlog| {
            let octets = Octets {
                bulk: backlog.bulk_octets,
                normal: backlog.normal_octets,
                expedited: backlog.expedited_octets,
            };
            (NodeNumber(backlog.neighbour), octets)
        });
        let reported = Reported {
            at: now,
            until: now.checked_add(age).unwrap_or(UtcTime::MAX),
            waiting: waiting.collect(),
        };
        self.by_node.insert(node, reported);
    }

    /// A node is lost, or has started anew: what it reported counts no more.
    pub fn forget(&mut self, node: NodeNumber) {
        self.by_node.remove(&node);
    }

    /// When the next report becomes too old.
    #[must_use]
    pub fn next_end(&self, now: UtcTime) -> Option<UtcTime> {
        let ends = self.by_node.values().map(|reported| reported.until);
        ends.filter(|end| now < *end).min()
    }

    /// What waits by the reports that count, and when that was.
    pub fn current(&self, now: UtcTime) -> impl Iterator<Item = (Pair, Claim)> {
        self.by_node
            .iter()
            .filter(move |(_, reported)| now < reported.until)
            .flat_map(|(&node, reported)| {
                let at = reported.at;
                let waiting = reported.waiting.iter();
                waiting.map(move |(&to, &octets)| ((node, to), Claim { octets, at }))
            })
    }

    /// When a node reported, if that counts.
    fn of(&self, node: NodeNumber, now: UtcTime) -> Option<UtcTime> {
        let reported = self.by_node.get(&node)?;
        (now < reported.until).then_some(reported.at)
    }
}

/// What waited for a neighbour at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Claim {
    /// How much.
    pub octets: Octets,
    /// When.
    pub at: UtcTime,
}

/// What counts for routes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Claims {
    by_pair: BTreeMap<Pair, Claim>,
}

/// What is through within this time counts as nothing, and is no news: reports are about as old.
const SOON: Span = Span::from_seconds(1);
/// What is less than this part more or less than what was expected is no news.
const PART: u64 = 8;

impl Claims {
    /// Goes by new reports. Returns whether routes have to be made again.
    ///
    /// More than expected is news if it is an eighth more, or fills a contact that was not full. Less is
    /// news if it is an eighth less, or nothing: who fills a contact that is almost full does not change
    /// the rules to and fro.
    pub fn settle(&mut self, graph: &ContactGraph, reports: &Reports, now: UtcTime) -> bool {
        let mut is_news = false;
        let current: BTreeMap<Pair, Claim> = reports.current(now).collect();
        for (&pair, &found) in &current {
            let expected = self.expected(graph, pair, found.at);
            if differs(graph, pair, found.at, (expected, found.octets.before())) {
                self.by_pair.insert(pair, found);
                is_news = true;
            }
        }
        let settled = self.by_pair.clone();
        for (pair, claim) in settled {
            let Some(at) = reports.of(pair.0, now) else {
                // Nobody knows what waits there.
                self.by_pair.remove(&pair);
                is_news |= graph.left_of(pair, (claim.at, now), claim.octets.before()) > 0;
                continue;
            };
            let expected = self.expected(graph, pair, at);
            let is_over = !current.contains_key(&pair);
            if is_over && (expected == 0 || differs(graph, pair, at, (expected, 0))) {
                self.by_pair.remove(&pair);
                is_news |= expected > 0;
            }
        }
        is_news
    }

    /// How much is expected to wait at a time.
    fn expected(&self, graph: &ContactGraph, pair: Pair, at: UtcTime) -> u64 {
        let claim = self.by_pair.get(&pair);
        claim.map_or(0, |claim| {
            graph.left_of(pair, (claim.at, at), claim.octets.before())
        })
    }

    /// The network whose routes leave out contacts that are spoken for.
    #[must_use]
    pub fn add_to(&self, network: &Arc<Network>) -> Arc<Network> {
        let taken = Taken::new(self, network);
        if taken.contacts.is_empty() {
            return network.clone();
        }
        Arc::new(Network {
            taken: Some(Arc::new(taken)),
            ..Network::clone(network)
        })
    }
}

/// Whether what waits is something else than what was expected.
fn differs(graph: &ContactGraph, pair: Pair, at: UtcTime, (expected, found): (u64, u64)) -> bool {
    let mut contacts = graph
        .between(pair.0, pair.1)
        .map(|index| graph.contact(index));
    // Without a contact to come it does not matter what waits for one.
    let sends = |contact: &&Contact| at < contact.end && contact.rate > BytesPerSecond(0);
    let Some(next) = contacts.find(sends) else {
        return false;
    };
    let soon = u64::try_from(next.rate.bytes_in(SOON)).unwrap_or(u64::MAX);
    let slack = soon.max(cmp::max(expected, found) / PART);
    let place = |octets| {
        let opportunity = graph.opportunity(pair, at, octets);
        opportunity.map_or(usize::MAX, |(index, _)| index.place())
    };
    expected.abs_diff(found) > slack || (found > expected && place(found) > place(expected))
}

/// A contact that is spoken for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TakenContact {
    /// As it is in the plan.
    pub contact: Contact,
    /// When what waits for it is through; `None` if it is full.
    pub free_from: Option<UtcTime>,
    /// What waits.
    pub claim: Claim,
}

/// The contacts that are spoken for, and the graph without what is taken of them.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What routes are looked for in.
    pub free: ContactGraph,
    /// By pair, and when they end: contacts of a pair do not overlap.
    contacts: BTreeMap<(Pair, UtcTime), TakenContact>,
}

impl Taken {
    fn new(claims: &Claims, network: &Network) -> Self {
        let mut contacts = BTreeMap::new();
        for (&pair, &claim) in &claims.by_pair {
            for taken in taken(&network.graph, pair, claim) {
                contacts.insert((pair, taken.contact.end), taken);
            }
        }
        let mut plan = network.plan.clone();
        for TakenContact {
            contact, free_from, ..
        } in contacts.values()
        {
            plan.remove_contact(contact.from, contact.to, contact.start);
            if let Some(start) = *free_from {
                // A part of what was in a plan fits into it.
                let _ = plan.add_contact(Contact { start, ..*contact });
            }
        }
        Self {
            free: ContactGraph::new(&plan, &network.options),
            contacts,
        }
    }

    /// What is known of a contact of the free graph, or of the plan.
    #[must_use]
    pub fn find(&self, contact: &Contact) -> Option<&TakenContact> {
        let pair = (contact.from, contact.to);
        self.contacts.get(&(pair, contact.end))
    }

    /// All of them, by node, neighbour and time.
    pub fn contacts(&self) -> impl Iterator<Item = &TakenContact> {
        self.contacts.values()
    }
}

/// The contacts that are taken by what waits for a neighbour.
fn taken(graph: &ContactGraph, pair: Pair, claim: Claim) -> Vec<TakenContact> {
    let octets = claim.octets.before();
    if octets == 0 {
        return Vec::new();
    }
    let free = graph.opportunity(pair, claim.at, octets);
    let to_come = graph.between(pair.0, pair.1).filter(|&index| {
        let contact = graph.contact(index);
        // At rate zero nothing is sent, so nothing is taken.
        claim.at < contact.end && contact.rate > BytesPerSecond(0)
    });
    let of = |(index, contact): (contact::ContactIndex, Contact)| {
        let free_from = match free {
            Some((first, _)) if first.place() < index.place() => return None,
            Some((first, time)) if first == index => Some(time),
            _ => None,
        };
        let open = contact.start.max(claim.at);
        // What is through at once takes nothing.
        if free_from.is_some_and(|time| time.since(open) < SOON) {
            return None;
        }
        Some(TakenContact {
            contact,
            free_from,
            claim,
        })
    };
    to_come
        .map(|index| (index, *graph.contact(index)))
        .filter_map(of)
        .collect()
}

/// A contact that a route does not take, or only later, because of what waits for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LeftOut {
    /// The contact.
    pub leg: Leg,
    /// When what waits for it is through; `None` if it is full.
    pub free_from: Option<UtcTime>,
    /// What waits.
    pub claim: Claim,
}

impl LeftOut {
    pub(crate) fn of(taken: &TakenContact) -> Self {
        Self {
            leg: Leg::of(&taken.contact),
            free_from: taken.free_from,
            claim: taken.claim,
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Leg {
            from,
            to,
            start,
            end,
        } = self.leg;
        let (start, end) = (start.to_text(), end.to_text());
        write!(f, "contact {from} to {to} ({start} to {end}) is ")?;
        match self.free_from {
            Some(time) => write!(f, "taken until {}", time.to_text())?,
            None => f.write_str("full")?,
        }
        let Claim { octets, at } = self.claim;
        write!(
            f,
            ": {octets} wait for it, as node {from} reported at {}",
            at.to_text()
        )
    }
}
