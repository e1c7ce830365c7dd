// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How much of each contact is still free, and what waits to be sent.

use std::collections::BTreeMap;

use crate::graph::{ContactGraph, ContactIndex};
use crate::model::NodeNumber;
use crate::route::Route;

/// The class of service of a bundle. A later one goes before an earlier one.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Priority {
    /// What can wait.
    Bulk,
    /// What has no other class.
    #[default]
    Normal,
    /// What cannot wait.
    Expedited,
}

/// How many priorities there are.
pub(crate) const PRIORITIES: usize = 3;

impl Priority {
    /// All of them, in order.
    pub const ALL: [Self; PRIORITIES] = [Self::Bulk, Self::Normal, Self::Expedited];

    pub(crate) const fn place(self) -> usize {
        self as usize
    }
}

/// What is left of the volume of each contact of one graph, for each priority.
///
/// What is booked for a priority is taken from that one and from the lower ones, so that bulk
/// bundles see how much is left, and expedited bundles see no bulk bundle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Volumes {
    /// Bytes. A number is negative if bundles of a higher priority came later.
    left: Vec<[i64; PRIORITIES]>,
}

impl Volumes {
    /// All of every contact is left.
    #[must_use]
    pub fn new(graph: &ContactGraph) -> Self {
        let all = graph.contacts().iter().map(|contact| {
            let bytes = i64::try_from(contact.volume_bytes()).unwrap_or(i64::MAX);
            [bytes; PRIORITIES]
        });
        Self {
            left: all.collect(),
        }
    }

    /// How many bytes of this priority a contact can still take.
    ///
    /// # Panics
    ///
    /// The contact is of another graph.
    #[must_use]
    pub fn left(&self, contact: ContactIndex, priority: Priority) -> u64 {
        let left = self.left[contact.place()][priority.place()];
        u64::try_from(left).unwrap_or(0)
    }

    /// Whether a contact takes so many bytes more. None is left for a bundle without bytes, too.
    pub(crate) fn takes(&self, contact: u32, priority: Priority, bytes: u64) -> bool {
        self.left(ContactIndex(contact), priority) >= bytes.max(1)
    }

    /// Books bytes in all contacts of a route.
    ///
    /// # Panics
    ///
    /// The route is of another graph.
    pub fn book(&mut self, route: &Route, bytes: u64, priority: Priority) {
        self.change(route, priority, |left| left.saturating_sub_unsigned(bytes));
    }

    /// Gives back what was booked, because it was not sent.
    ///
    /// # Panics
    ///
    /// The route is of another graph.
    pub fn release(&mut self, route: &Route, bytes: u64, priority: Priority) {
        self.change(route, priority, |left| left.saturating_add_unsigned(bytes));
    }

    fn change(&mut self, route: &Route, priority: Priority, change: impl Fn(i64) -> i64) {
        for hop in &route.hops {
            for left in &mut self.left[hop.contact.place()][..=priority.place()] {
                *left = change(*left);
            }
        }
    }
}

/// What waits at a node to be sent to its neighbours.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Backlog {
    bytes: BTreeMap<NodeNumber, [u64; PRIORITIES]>,
}

impl Backlog {
    /// Nothing waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So much more waits for a neighbour.
    pub fn add(&mut self, neighbour: NodeNumber, priority: Priority, bytes: u64) {
        let waiting = self.bytes.entry(neighbour).or_default();
        let waiting = &mut waiting[priority.place()];
        *waiting = waiting.saturating_add(bytes);
    }

    /// So much was sent, or is not to be sent any more.
    pub fn remove(&mut self, neighbour: NodeNumber, priority: Priority, bytes: u64) {
        if let Some(waiting) = self.bytes.get_mut(&neighbour) {
            let waiting = &mut waiting[priority.place()];
            *waiting = waiting.saturating_sub(bytes);
        }
    }

    /// How much goes before a bundle of this priority: what is as urgent, or more.
    #[must_use]
    pub fn before(&self, neighbour: NodeNumber, priority: Priority) -> u64 {
        let waiting = self.bytes.get(&neighbour).copied().unwrap_or_default();
        waiting[priority.place()..]
            .iter()
            .fold(0, |sum, &bytes| sum.saturating_add(bytes))
    }
}
