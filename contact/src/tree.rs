// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The routes from one node to all others.

use crate::graph::{ContactGraph, utc};
use crate::model::{NodeNumber, UtcTime};
use crate::route::Route;
use crate::search::{Label, Query, Search};

/// The routes from one node to all others, in the memory of the [`Search`] that found them.
#[derive(Debug)]
pub struct Tree<'a> {
    search: &'a Search,
    graph: &'a ContactGraph,
    at: UtcTime,
    /// The place of the node from which the routes go, if it is in the graph.
    root: Option<u32>,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(
        search: &'a Search,
        graph: &'a ContactGraph,
        query: &Query<'_>,
        root: Option<u32>,
    ) -> Self {
        Self {
            search,
            graph,
            at: query.at,
            root,
        }
    }

    /// The earliest arrival at a node and the fewest hops of those, or `None` without a route.
    #[must_use]
    pub fn arrival(&self, node: NodeNumber) -> Option<(UtcTime, usize)> {
        let label = self.label(node)?;
        Some((utc(label.arrival), label.hops as usize))
    }

    /// The route to a node.
    #[must_use]
    pub fn route(&self, node: NodeNumber) -> Option<Route> {
        let label = self.label(node)?;
        Some(Route::of(self.graph, self.search.hops_to(label), self.at))
    }

    /// The nodes to which there is a route, in order, with the root itself.
    pub fn reached(&self) -> impl Iterator<Item = NodeNumber> {
        let nodes = self.graph.nodes().iter().copied();
        nodes.filter(|&node| self.label(node).is_some())
    }

    fn label(&self, node: NodeNumber) -> Option<&Label> {
        self.root?;
        self.search.first_label(self.graph.node_place(node)?)
    }
}
