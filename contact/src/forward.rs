// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The forwarding decision of a node: where a bundle goes next, and what that takes.

use crate::graph::ContactGraph;
use crate::model::{NodeNumber, UtcTime};
use crate::route::Route;
use crate::search::{Entry, Query, Search};
use crate::volume::{Backlog, Priority, Volumes};

/// What a bundle is to the decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bundle {
    /// Where it goes.
    pub destination: NodeNumber,
    /// How much it takes, with the overhead of the convergence layer.
    pub bytes: u64,
    /// Its class of service.
    pub priority: Priority,
    /// When it is of no use any more.
    pub expires: UtcTime,
    /// Whether it may be cut into fragments.
    pub may_fragment: bool,
    /// Whether it goes to every neighbour that has a route.
    pub is_critical: bool,
    /// The neighbour from which it came.
    pub previous: Option<NodeNumber>,
}

/// What a node knows when it forwards: what is left of the contacts, and what waits.
#[derive(Clone, Debug)]
pub struct Forwarder {
    node: NodeNumber,
    volumes: Volumes,
    backlog: Backlog,
    search: Search,
}

impl Forwarder {
    /// A node of a graph that has promised nothing yet.
    #[must_use]
    pub fn new(node: NodeNumber, graph: &ContactGraph) -> Self {
        Self {
            node,
            volumes: Volumes::new(graph),
            backlog: Backlog::new(),
            search: Search::new(),
        }
    }

    /// The routes that a bundle takes: the best one, or for a critical bundle the best one of
    /// each neighbour, best first. None if it has to wait for another plan.
    ///
    /// Every route is searched anew under the rules for candidates of
    /// [CCSDS 734.3-B-1 §3.2.6.9](https://ccsds.org/publications/), and chosen in the order of
    /// [`Rank`](crate::Rank), so none is missed because it was not in a list of computed routes.
    /// Nothing is booked yet.
    ///
    /// # Panics
    ///
    /// The graph is not the one of which the forwarder was made.
    pub fn decide(
        &mut self,
        graph: &ContactGraph,
        now: UtcTime,
        bundle: &Bundle,
        excluded: &[NodeNumber],
    ) -> Vec<Route> {
        let query = Query {
            bytes: bundle.bytes,
            may_fragment: bundle.may_fragment,
            priority: bundle.priority,
            deadline: bundle.expires,
            excluded,
            previous: bundle.previous,
            volumes: Some(&self.volumes),
            backlog: Some(&self.backlog),
            ..Query::new(self.node, now)
        };
        let to = bundle.destination;
        if !bundle.is_critical || to == self.node {
            let best = self.search.best_route(graph, &query, to);
            return best.into_iter().collect();
        }
        let Some(node) = graph.node_place(self.node) else {
            return Vec::new();
        };
        let neighbours = graph.edges(node).iter().map(|edge| graph.node(edge.to));
        let mut routes: Vec<_> = neighbours
            .filter_map(|neighbour| {
                let entry = Entry::Only(neighbour);
                self.search.best_of_entry(graph, &query, to, entry)
            })
            .collect();
        routes.sort_by_key(|route| route.rank(graph));
        routes
    }

    /// Decides, books the volume of the routes, and queues the bundle for their neighbours.
    ///
    /// # Panics
    ///
    /// The graph is not the one of which the forwarder was made.
    pub fn forward(
        &mut self,
        graph: &ContactGraph,
        now: UtcTime,
        bundle: &Bundle,
        excluded: &[NodeNumber],
    ) -> Vec<Route> {
        let routes = self.decide(graph, now, bundle, excluded);
        for route in &routes {
            self.volumes.book(route, bundle.bytes, bundle.priority);
            if let Some(entry) = route.entry(graph) {
                self.backlog.add(entry, bundle.priority, bundle.bytes);
            }
        }
        routes
    }

    /// A bundle left for a neighbour: it waits no more, and has used what was booked for it.
    pub fn sent(&mut self, neighbour: NodeNumber, bundle: &Bundle) {
        self.backlog
            .remove(neighbour, bundle.priority, bundle.bytes);
    }

    /// A bundle did not leave on its route, and will not: what was booked is free again.
    ///
    /// # Panics
    ///
    /// The route is of another graph.
    pub fn withdraw(&mut self, graph: &ContactGraph, route: &Route, bundle: &Bundle) {
        self.volumes.release(route, bundle.bytes, bundle.priority);
        if let Some(entry) = route.entry(graph) {
            self.backlog.remove(entry, bundle.priority, bundle.bytes);
        }
    }

    /// What is left of the contacts.
    #[must_use]
    pub const fn volumes(&self) -> &Volumes {
        &self.volumes
    }

    /// What waits for the neighbours.
    #[must_use]
    pub const fn backlog(&self) -> &Backlog {
        &self.backlog
    }
}
