// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random numbers that are the same everywhere, and small random plans full of ties.

use contact::{
    Backlog, BytesPerSecond, Confidence, Contact, ContactGraph, NodeNumber, Plan, Priority, Query,
    Range, Search, Span, UtcTime, Volumes,
};

const NODES: u64 = 5;

/// Steele, Lea and Flood: Fast Splittable Pseudorandom Number Generators, 2014.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below this one, or 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).checked_rem(end).unwrap_or(0)
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let place = self.below(from.len() as u64);
        from[usize::try_from(place).unwrap_or(0)]
    }

    fn node(&mut self) -> NodeNumber {
        NodeNumber(1 + self.below(NODES))
    }

    /// Few times, so that contacts touch and arrivals are equal.
    fn interval(&mut self) -> (UtcTime, UtcTime) {
        let start = self.below(12);
        let end = start + 1 + self.below(7);
        (UtcTime::from_seconds(start), UtcTime::from_seconds(end))
    }

    /// A plan of up to 31 contacts.
    pub(crate) fn plan(&mut self) -> Plan {
        let mut plan = Plan::new();
        for _ in 0..=self.below(31) {
            let (start, end) = self.interval();
            let contact = Contact {
                from: self.node(),
                to: self.node(),
                start,
                end,
                rate: BytesPerSecond(self.pick(&[1, 3, 10, 10, 1000, 1000, 0, u64::MAX])),
                confidence: Confidence::CERTAIN,
            };
            // What overlaps is refused.
            let _ = plan.add_contact(contact);
        }
        for _ in 0..self.below(6) {
            let (start, end) = self.interval();
            let range = Range {
                from: self.node(),
                to: self.node(),
                start,
                end,
                light_time: Span::from_seconds(self.pick(&[0, 1, 2, 9])),
            };
            let _ = plan.add_range(range);
        }
        // Most pairs have a light time in the later part of the plan, few have none.
        for (from, to) in (1..=NODES).flat_map(|from| (1..=NODES).map(move |to| (from, to))) {
            let range = Range {
                from: NodeNumber(from),
                to: NodeNumber(to),
                start: UtcTime::from_seconds(to / 4),
                end: UtcTime::from_seconds(40),
                light_time: Span::from_seconds(self.below(3)),
            };
            let _ = plan.add_range(range);
        }
        plan
    }

    /// A query that says nothing about a bundle.
    pub(crate) fn query(&mut self) -> (Query<'static>, NodeNumber) {
        let from = self.node();
        let to = NodeNumber(1 + (from.0 + self.below(NODES - 1)) % NODES);
        (Query::new(from, UtcTime::from_seconds(self.below(14))), to)
    }

    /// What a query for a bundle can ask besides.
    pub(crate) fn demand(&mut self, graph: &ContactGraph) -> Demand {
        let mut demand = Demand {
            volumes: Volumes::new(graph),
            backlog: Backlog::new(),
            excluded: (0..self.below(2)).map(|_| self.node()).collect(),
            previous: (self.below(5) == 0).then(|| self.node()),
            deadline: match self.below(3) {
                0 => UtcTime::from_seconds(self.below(30)),
                _ => UtcTime::MAX,
            },
        };
        for _ in 0..self.below(6) {
            let (query, to) = self.query();
            if let Some(route) = Search::new().route(graph, &query, to) {
                let (bytes, priority) = (1 + self.below(29), self.pick(&Priority::ALL));
                demand.volumes.book(&route, bytes, priority);
            }
        }
        for _ in 0..self.below(6) {
            let (node, bytes) = (self.node(), 1 + self.below(39));
            demand.backlog.add(node, self.pick(&Priority::ALL), bytes);
        }
        demand
    }

    /// The same query for a bundle.
    pub(crate) fn with<'a>(&mut self, query: Query<'_>, demand: &'a Demand) -> Query<'a> {
        Query {
            bytes: self.pick(&[0, 1, 2, 5, 12, 40]),
            may_fragment: self.below(2) == 0,
            priority: self.pick(&Priority::ALL),
            deadline: demand.deadline,
            excluded: &demand.excluded,
            previous: demand.previous,
            volumes: Some(&demand.volumes),
            backlog: Some(&demand.backlog),
            ..Query::new(query.from, query.at)
        }
    }
}

/// What queries for bundles borrow.
pub(crate) struct Demand {
    volumes: Volumes,
    backlog: Backlog,
    excluded: Vec<NodeNumber>,
    previous: Option<NodeNumber>,
    deadline: UtcTime,
}
