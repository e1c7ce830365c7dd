// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Exhaustive search: every route of a small plan, by the letter of the rules and in no hurry.
//!
//! It shares nothing with the searches that it judges but the plan, the order of contacts and the
//! types of the questions.

use std::collections::BTreeSet;

use contact::{
    BytesPerSecond, Contact, ContactGraph, ContactIndex, NodeNumber, Plan, Query, Rank, UtcTime,
};

/// A route that the rules allow.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Allowed {
    pub(crate) rank: Rank,
    pub(crate) contacts: Vec<ContactIndex>,
}

/// All routes of a query that pass no node twice, best first.
pub(crate) fn allowed(
    plan: &Plan,
    graph: &ContactGraph,
    query: &Query<'_>,
    to: NodeNumber,
) -> Vec<Allowed> {
    let mut oracle = Oracle {
        plan,
        graph,
        query,
        to,
        allowed: Vec::new(),
    };
    oracle.extend(&mut Vec::new(), &mut BTreeSet::from([query.from]));
    let mut allowed = oracle.allowed;
    allowed.sort_by(|a, b| (a.rank, &a.contacts).cmp(&(b.rank, &b.contacts)));
    allowed
}

struct Oracle<'a> {
    plan: &'a Plan,
    graph: &'a ContactGraph,
    query: &'a Query<'a>,
    to: NodeNumber,
    allowed: Vec<Allowed>,
}

impl Oracle<'_> {
    fn extend(&mut self, path: &mut Vec<ContactIndex>, passed: &mut BTreeSet<NodeNumber>) {
        let node = path
            .last()
            .map_or(self.query.from, |&last| self.graph.contact(last).to);
        if node == self.to {
            if let Some(rank) = rank(self.plan, self.graph, self.query, path) {
                let contacts = path.clone();
                self.allowed.push(Allowed { rank, contacts });
            }
            return;
        }
        for index in self.graph.indices() {
            let contact = self.graph.contact(index);
            if contact.from == node && passed.insert(contact.to) {
                path.push(index);
                self.extend(path, passed);
                path.pop();
                passed.remove(&contact.to);
            }
        }
    }
}

/// The rank of a bundle's way through these contacts, or `None` if the rules do not allow it.
pub(crate) fn rank(
    plan: &Plan,
    graph: &ContactGraph,
    query: &Query<'_>,
    path: &[ContactIndex],
) -> Option<Rank> {
    let contacts: Vec<Contact> = path.iter().map(|&index| *graph.contact(index)).collect();
    let first = contacts.first()?;
    if query.excluded.contains(&first.to) || query.previous == Some(first.to) {
        return None;
    }
    let mut first_bytes = Vec::new();
    let mut time = opportunity(plan, graph, query, path[0])?;
    for contact in &contacts {
        let (first_byte, arrival) = pass(plan, query, contact, time)?;
        first_bytes.push(first_byte);
        time = arrival;
    }
    for (number, &index) in path.iter().enumerate() {
        let later = contacts[number..].iter().map(|contact| contact.end);
        let stop = later.min().expect("the contact itself is one of them");
        let room = micros_to_bytes(contacts[number].rate, stop, first_bytes[number]);
        let volumes = query.volumes;
        let left = volumes.map_or(u64::MAX, |volumes| volumes.left(index, query.priority));
        let limit = room.min(u128::from(left));
        let is_too_small = limit < u128::from(query.bytes) && !query.may_fragment;
        let is_depleted = left == 0 || (limit == 0 && query.bytes > 0);
        if is_too_small || is_depleted {
            return None;
        }
    }
    (time <= query.deadline.micros()).then(|| Rank {
        arrival: UtcTime::from_micros(time),
        hops: contacts.len(),
        termination: std::cmp::Reverse(
            contacts
                .iter()
                .map(|contact| contact.end)
                .min()
                .expect("there is a contact"),
        ),
        entry: Some(first.to),
    })
}

/// When the first byte is sent in a contact, and when the last one arrives at the earliest.
fn pass(plan: &Plan, query: &Query<'_>, contact: &Contact, time: u64) -> Option<(u64, u64)> {
    if contact.rate.0 == 0 {
        return None;
    }
    // It may pay to wait for a shorter light time.
    let opening = time.max(contact.start.micros());
    let changes = plan.ranges().map(|range| range.start.micros());
    let ends = plan.ranges().map(|range| range.end.micros());
    let times = changes
        .chain(ends)
        .filter(|&change| change > opening && change < contact.end.micros());
    let passages = times
        .chain([opening])
        .filter(|&at| at <= contact.end.micros());
    passages
        .filter_map(|first_byte| {
            // At the end of the contact, the light time is what it was just before.
            let lit = UtcTime::from_micros(first_byte.min(contact.end.micros() - 1));
            let light = plan.light_time(contact.from, contact.to, lit)?;
            let needed = if query.may_fragment {
                query.bytes.min(1)
            } else {
                query.bytes
            };
            let is_in_time = first_byte + sending(needed, contact.rate) <= contact.end.micros();
            let arrival = first_byte + sending(query.bytes, contact.rate) + light.micros();
            is_in_time.then_some((first_byte, arrival))
        })
        .min_by_key(|&(first_byte, arrival)| (arrival, first_byte))
}

fn sending(bytes: u64, rate: BytesPerSecond) -> u64 {
    if rate == BytesPerSecond::UNLIMITED {
        return 0;
    }
    (bytes * 1_000_000).div_ceil(rate.0)
}

fn micros_to_bytes(rate: BytesPerSecond, end: UtcTime, start: u64) -> u128 {
    let micros = end.micros().saturating_sub(start);
    if rate == BytesPerSecond::UNLIMITED {
        return u128::MAX;
    }
    u128::from(rate.0) * u128::from(micros) / 1_000_000
}

/// When the first contact is free for the bundle: what goes first fills the contacts in order.
///
/// A contact that has no light time any more takes nothing.
fn opportunity(
    plan: &Plan,
    graph: &ContactGraph,
    query: &Query<'_>,
    first: ContactIndex,
) -> Option<u64> {
    let wanted = graph.contact(first);
    let at = query.at.max(wanted.start);
    let queued = query
        .backlog
        .map_or(0, |backlog| backlog.before(wanted.to, query.priority));
    let prior = graph.contacts().iter().filter(|contact| {
        (contact.from, contact.to) == (wanted.from, wanted.to)
            && contact.end <= wanted.start
            && is_lit(plan, contact, query.at)
    });
    let relief: u128 = prior
        .map(|contact| contact.volume_bytes_from(query.at))
        .sum();
    let residual = u128::from(queued).saturating_sub(relief);
    if residual == 0 {
        return Some(at.micros());
    }
    if residual >= wanted.volume_bytes_from(query.at) {
        return None;
    }
    let residual = u64::try_from(residual).expect("it is a part of a number of 64 bits");
    Some(at.micros() + sending(residual, wanted.rate))
}

/// Whether a contact has a light time at this time or later.
fn is_lit(plan: &Plan, contact: &Contact, from: UtcTime) -> bool {
    let (from, end) = (from.max(contact.start), contact.end);
    let changes = plan.ranges().flat_map(|range| [range.start, range.end]);
    let mut times = changes.chain([from]);
    times.any(|time| {
        let time = time.max(from);
        time < end && plan.light_time(contact.from, contact.to, time).is_some()
    })
}
