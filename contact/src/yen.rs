// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Yen's algorithm: the first k routes, with Lawler's change that no route is found twice.
//!
//! All routes that were not found yet are those that leave a route that was found at some node
//! and go on in a contact that no found route takes there. The best one of each of these sets is
//! one search, and the best of the best is the next route.

use crate::graph::{ContactGraph, ContactIndex};
use crate::model::{NodeNumber, UtcTime};
use crate::route::{Hop, Route};
use crate::search::{Query, Search, Start, Task};

/// The best route of a set that was not found yet.
#[derive(Debug, Eq, PartialEq)]
struct Pending {
    hops: Vec<Hop>,
    arrival: UtcTime,
    /// How many of its hops are those of a route that was found.
    shared: usize,
}

impl Pending {
    /// Earlier arrival and fewer hops come first. The contacts make the order a total one.
    fn key(&self) -> (UtcTime, usize, impl Iterator<Item = ContactIndex>) {
        let contacts = self.hops.iter().map(|hop| hop.contact);
        (self.arrival, self.hops.len(), contacts)
    }
}

impl Ord for Pending {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let ((arrival, hops, contacts), (other_arrival, other_hops, others)) =
            (self.key(), other.key());
        (arrival, hops)
            .cmp(&(other_arrival, other_hops))
            .then_with(|| contacts.cmp(others))
    }
}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Search {
    /// The first `k` routes by arrival and hops, or all if there are fewer. No route passes a
    /// node twice, and no two have the same contacts.
    pub fn routes(
        &mut self,
        graph: &ContactGraph,
        query: &Query<'_>,
        to: NodeNumber,
        k: usize,
    ) -> Vec<Route> {
        if query.from == to {
            return self.route(graph, query, to).into_iter().take(k).collect();
        }
        let Some(task) = Task::new(graph, query, Some(to)) else {
            return Vec::new();
        };
        let mut found: Vec<Route> = Vec::new();
        // Sorted, and no more than are still wanted.
        let mut pending: Vec<Pending> = Vec::new();
        pending.extend(self.pending(&task, &[], &[]));
        while found.len() < k && !pending.is_empty() {
            let next = pending.remove(0);
            found.push(Route::of(graph, next.hops, query.at));
            let wanted = k - found.len();
            pending.truncate(wanted);
            let route = &found[found.len() - 1];
            for leaving in next.shared..route.hops.len() {
                // What is later than all that are wanted is not searched for.
                let last = pending.get(wanted.wrapping_sub(1));
                let deadline = last.map_or(task.deadline, |last| last.arrival.micros());
                let bounded = Task { deadline, ..task };
                let (prefix, _) = route.hops.split_at(leaving);
                let banned = continuations(&found, prefix);
                if let Some(other) = self.pending(&bounded, prefix, &banned) {
                    let place = pending.partition_point(|known| *known < other);
                    pending.insert(place, other);
                    pending.truncate(wanted);
                }
            }
        }
        found
    }

    /// The best route that begins with these hops and does not go on in a banned contact.
    fn pending(
        &mut self,
        task: &Task<'_>,
        prefix: &[Hop],
        banned: &[ContactIndex],
    ) -> Option<Pending> {
        let mut passed = vec![task.start.node];
        for hop in prefix {
            passed.push(task.graph.node_place(task.graph.contact(hop.contact).to)?);
        }
        let node = passed.pop()?;
        let time = prefix
            .last()
            .map_or(task.start.time, |hop| hop.arrival.micros());
        let start = Start {
            node,
            time,
            passed: &passed,
            banned,
        };
        let label = self.run(&Task { start, ..*task })?;
        let mut hops = prefix.to_vec();
        hops.extend(self.hops_to_place(label));
        Some(Pending {
            arrival: hops.last()?.arrival,
            shared: prefix.len(),
            hops,
        })
    }
}

/// The contacts in which routes that begin like this one go on.
fn continuations(found: &[Route], prefix: &[Hop]) -> Vec<ContactIndex> {
    let begins = |route: &&Route| {
        let contacts = route.contacts().take(prefix.len());
        contacts.eq(prefix.iter().map(|hop| hop.contact))
    };
    let next = found
        .iter()
        .filter(begins)
        .filter_map(|route| route.hops.get(prefix.len()));
    next.map(|hop| hop.contact).collect()
}
