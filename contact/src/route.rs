// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes, and which of two is better.

use std::cmp::Reverse;

use crate::graph::{ContactGraph, ContactIndex};
use crate::model::{Confidence, NodeNumber, UtcTime};

/// A way through contacts, with the times of one bundle on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// The contacts in order. There is none if the bundle is where it should be.
    pub hops: Vec<Hop>,
    /// When the last byte is there, at the earliest.
    pub arrival: UtcTime,
    /// When the first contact of the route ends, so that the route does; the last time there is
    /// if it has no contact.
    pub termination: UtcTime,
}

/// A contact of a route.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Hop {
    /// Which one.
    pub contact: ContactIndex,
    /// When the first byte is sent.
    pub first_byte: UtcTime,
    /// When the last byte arrives at the node that receives.
    pub arrival: UtcTime,
}

/// What makes a route better than another one: the lesser is better.
///
/// Earlier arrival, then fewer hops, then later termination, then the lower number of the entry
/// node: [CCSDS 734.3-B-1 §3.2.8.1.4](https://ccsds.org/publications/).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Rank {
    /// When the last byte arrives.
    pub arrival: UtcTime,
    /// The number of contacts.
    pub hops: usize,
    /// When the route ends.
    pub termination: Reverse<UtcTime>,
    /// The neighbour to which it leads; none if it has no hop.
    pub entry: Option<NodeNumber>,
}

impl Route {
    /// A route without hops.
    pub(crate) const fn here(at: UtcTime) -> Self {
        Self {
            hops: Vec::new(),
            arrival: at,
            termination: UtcTime::MAX,
        }
    }

    /// The route with these hops, or the one without hops at this time.
    pub(crate) fn of(graph: &ContactGraph, hops: Vec<Hop>, at: UtcTime) -> Self {
        let ends = hops.iter().map(|hop| graph.contact(hop.contact).end);
        Self {
            arrival: hops.last().map_or(at, |hop| hop.arrival),
            termination: ends.min().unwrap_or(UtcTime::MAX),
            hops,
        }
    }

    /// The neighbour to which the route leads; none if it has no hop.
    #[must_use]
    pub fn entry(&self, graph: &ContactGraph) -> Option<NodeNumber> {
        let first = self.hops.first()?;
        Some(graph.contact(first.contact).to)
    }

    /// What makes it better than another one.
    #[must_use]
    pub fn rank(&self, graph: &ContactGraph) -> Rank {
        Rank {
            arrival: self.arrival,
            hops: self.hops.len(),
            termination: Reverse(self.termination),
            entry: self.entry(graph),
        }
    }

    /// How likely it is that all contacts happen, if they do not depend on each other.
    #[must_use]
    pub fn confidence(&self, graph: &ContactGraph) -> Confidence {
        let contacts = self.hops.iter().map(|hop| graph.contact(hop.contact));
        let product = contacts
            .map(|contact| contact.confidence.probability())
            .product();
        Confidence::new(product).unwrap_or(Confidence::CERTAIN)
    }

    /// The contacts in order.
    pub fn contacts(&self) -> impl Iterator<Item = ContactIndex> {
        self.hops.iter().map(|hop| hop.contact)
    }
}
