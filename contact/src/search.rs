// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The search for the route with the earliest arrival and, of those, the fewest hops.
//!
//! Who arrives at a node earlier can always wait, so it is enough to know of each node the
//! earliest arrival and not to search among contacts. That alone does not find the fewest hops:
//! a later arrival with fewer hops may catch the same contact. So a node keeps every arrival that
//! has fewer hops than all earlier ones, which are one or two in practice.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::graph::{Ahead, ContactGraph, ContactIndex, Edge, utc};
use crate::model::{BytesPerSecond, NodeNumber, Span, UtcTime};
use crate::passage::{Load, Passage, sending_time};
use crate::route::{Hop, Route};
use crate::tree::Tree;
use crate::volume::{Backlog, Priority, Volumes};

/// What a route is wanted for.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The node where the bundle is.
    pub from: NodeNumber,
    /// The time from which on it can be sent.
    pub at: UtcTime,
    /// How much it takes, with the overhead of the convergence layer.
    ///
    /// Zero, the default, is the search of CCSDS 734.3-B-1, in which sending takes no time.
    pub bytes: u64,
    /// Whether a contact will do that only takes a part of it.
    pub may_fragment: bool,
    /// Its class of service. It counts for `volumes` and `backlog`.
    pub priority: Priority,
    /// When it must have arrived.
    pub deadline: UtcTime,
    /// Neighbours to which it must not be sent.
    pub excluded: &'a [NodeNumber],
    /// The neighbour from which it came, to which it must not return.
    pub previous: Option<NodeNumber>,
    /// What is left of the contacts. All of it if this is `None`.
    pub volumes: Option<&'a Volumes>,
    /// What is sent to the neighbours before it. Nothing if this is `None`.
    pub backlog: Option<&'a Backlog>,
}

impl Query<'_> {
    /// A route from a node, from this time on, and nothing else asked.
    #[must_use]
    pub const fn new(from: NodeNumber, at: UtcTime) -> Self {
        Query {
            from,
            at,
            bytes: 0,
            may_fragment: false,
            priority: Priority::Normal,
            deadline: UtcTime::MAX,
            excluded: &[],
            previous: None,
            volumes: None,
            backlog: None,
        }
    }

    pub(crate) const fn load(&self) -> Load<'_> {
        Load {
            bytes: self.bytes,
            may_fragment: self.may_fragment,
            priority: self.priority,
            volumes: self.volumes,
        }
    }
}

/// The memory of searches. It grows to what the largest search needs, and is used again.
#[derive(Clone, Debug, Default)]
pub struct Search {
    labels: Vec<Label>,
    /// Arrival, hops and label, the least first.
    queue: BinaryHeap<Reverse<(u64, u32, u32)>>,
    states: Vec<State>,
    /// The number of the run, which tells states of this run from older ones.
    run: u32,
    /// The nodes before the destination, each after the time before which nothing arrives from
    /// there.
    before_end: Vec<(u64, u32)>,
}

/// An arrival at a node. Times are in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    pub(crate) node: u32,
    pub(crate) hops: u32,
    pub(crate) arrival: u64,
    first_byte: u64,
    contact: u32,
    /// The label of the node before, or [`NONE`].
    before: u32,
}

/// What is known of a node.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    run: u32,
    /// The fewest hops of the arrivals that are final.
    settled: u32,
    /// The earliest arrival so far, final or not, and its hops.
    arrival: u64,
    hops: u32,
    /// The label of the earliest arrival, once it is final.
    first: u32,
}

const NONE: u32 = u32::MAX;

/// One run: what is searched, and where.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) graph: &'a ContactGraph,
    pub(crate) query: &'a Query<'a>,
    /// Where to go; everywhere if this is `None`.
    pub(crate) to: Option<u32>,
    pub(crate) start: Start<'a>,
    pub(crate) entry: Entry,
    pub(crate) deadline: u64,
    /// Contacts that end earlier are not used.
    pub(crate) least_end: u64,
    /// Routes with more hops are not wanted.
    pub(crate) most_hops: u32,
}

/// What a run has found so far, and what can still be better.
struct Goal {
    /// Nothing that arrives later is wanted.
    deadline: u64,
    /// The most hops with which it is worth to be at a node on the way.
    most_on_the_way: u32,
    /// The label of the best route so far, and its hops.
    best: Option<(u32, u32)>,
    /// How many of [`Search::before_end`] have been gone on from.
    passed: usize,
}

/// Where a run starts.
#[derive(Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) node: u32,
    pub(crate) time: u64,
    /// The nodes behind, to which there is no return. The first of them is the source.
    pub(crate) passed: &'a [u32],
    /// Contacts that are not the next one.
    pub(crate) banned: &'a [ContactIndex],
}

/// To which neighbours of the source a route may lead.
#[derive(Clone, Copy)]
pub(crate) enum Entry {
    Any,
    Only(NodeNumber),
    UpTo(NodeNumber),
}

impl Search {
    /// Memory for searches.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The route with the earliest arrival and, of those, the fewest hops. `None` if no route
    /// fulfils the query.
    ///
    /// Among several that are equal in both it is always the same one. [`Self::best_route`] goes
    /// on to compare.
    pub fn route(
        &mut self,
        graph: &ContactGraph,
        query: &Query<'_>,
        to: NodeNumber,
    ) -> Option<Route> {
        if query.from == to {
            return (query.at <= query.deadline).then(|| Route::here(query.at));
        }
        let task = Task::new(graph, query, Some(to))?;
        let label = self.run(&task)?;
        Some(self.route_to(graph, query, label))
    }

    /// The best route of all in the whole order of [`Rank`](crate::Rank). `None` if no route
    /// fulfils the query.
    ///
    /// It searches again for a route that ends later, or enters at a lower node, and arrives at
    /// the same time with as many hops, until there is none: three searches in most cases, and not
    /// many more in the others.
    pub fn best_route(
        &mut self,
        graph: &ContactGraph,
        query: &Query<'_>,
        to: NodeNumber,
    ) -> Option<Route> {
        self.best_of_entry(graph, query, to, Entry::Any)
    }

    /// The best route that leads to such a neighbour.
    pub(crate) fn best_of_entry(
        &mut self,
        graph: &ContactGraph,
        query: &Query<'_>,
        to: NodeNumber,
        entry: Entry,
    ) -> Option<Route> {
        if query.from == to {
            return (query.at <= query.deadline).then(|| Route::here(query.at));
        }
        let mut task = Task::new(graph, query, Some(to))?;
        task.entry = entry;
        let label = self.run(&task)?;
        let mut best = self.route_to(graph, query, label);
        task.deadline = best.arrival.micros();
        self.raise_termination(&mut task, &mut best);
        if matches!(entry, Entry::Only(_)) {
            return Some(best);
        }
        task.least_end = best.termination.micros();
        self.lower_entry(&mut task, &mut best);
        Some(best)
    }

    /// Replaces a route by the one that ends last of all that are equal to it so far.
    ///
    /// In most cases there is no later one, so the next end of a contact is tried first, then
    /// ends twice as far away each time, and then those between.
    fn raise_termination(&mut self, task: &mut Task<'_>, best: &mut Route) {
        let mut step = 1;
        let mut impossible = task.latest_first_end().saturating_add(1);
        let mut failed = false;
        loop {
            let ends = task.graph.ends_after(best.termination);
            let ends = &ends[..ends.partition_point(|&end| end < impossible)];
            if ends.is_empty() {
                return;
            }
            let tried = if failed { ends.len().div_ceil(2) } else { step };
            task.least_end = ends[tried.min(ends.len()) - 1];
            if let Some(route) = self.equal_route(task, best.hops.len()) {
                *best = route;
            } else {
                impossible = task.least_end;
                failed = true;
            }
            step *= 2;
        }
    }

    /// Replaces a route by the one with the lowest entry node of all that are equal to it so far.
    ///
    /// In most cases there is none, so all lower neighbours are tried at once, and then by halves.
    fn lower_entry(&mut self, task: &mut Task<'_>, best: &mut Route) {
        let graph = task.graph;
        let neighbours = graph.edges(task.start.node);
        let (mut low, mut is_first) = (0, true);
        while let Some(entry) = best.entry(graph) {
            let high = neighbours.partition_point(|edge| graph.node(edge.to) < entry);
            if low >= high {
                return;
            }
            let tried = if is_first {
                high - 1
            } else {
                low.midpoint(high)
            };
            is_first = false;
            task.entry = Entry::UpTo(graph.node(neighbours[tried].to));
            match self.equal_route(task, best.hops.len()) {
                Some(route) => *best = route,
                None => low = tried + 1,
            }
        }
    }

    /// A route by the deadline of the task, which is the earliest arrival, with so many hops.
    fn equal_route(&mut self, task: &Task<'_>, hops: usize) -> Option<Route> {
        let most_hops = u32::try_from(hops).unwrap_or(NONE);
        let label = self.run(&Task { most_hops, ..*task })?;
        let is_equal = self.labels[label as usize].hops as usize == hops;
        is_equal.then(|| self.route_to(task.graph, task.query, label))
    }

    /// The best routes to all nodes at once, each as [`Self::route`] finds it.
    pub fn tree<'a>(&'a mut self, graph: &'a ContactGraph, query: &Query<'_>) -> Tree<'a> {
        let root = Task::new(graph, query, None).map(|task| {
            self.run(&task);
            task.start.node
        });
        Tree::new(self, graph, query, root)
    }

    /// Runs a task, and returns the label of the destination.
    pub(crate) fn run(&mut self, task: &Task<'_>) -> Option<u32> {
        self.begin(task);
        let mut goal = Goal {
            deadline: task.deadline,
            most_on_the_way: task.most_hops.saturating_sub(1),
            best: None,
            passed: 0,
        };
        while let Some(Reverse((arrival, hops, label))) = self.queue.pop() {
            let node = self.labels[label as usize].node;
            let state = &mut self.states[node as usize];
            if state.settled <= hops {
                continue;
            }
            if task.to == Some(node) {
                return Some(label);
            }
            if hops > goal.most_on_the_way {
                continue;
            }
            if state.settled == NONE {
                state.first = label;
            }
            state.settled = hops;
            self.go_on(task, &mut goal, label, arrival);
            if task.to.is_some() && self.is_earliest(&mut goal) {
                // No route arrives earlier, so only one with fewer hops can be better.
                let (best, hops) = goal.best?;
                if hops <= 2 {
                    return Some(best);
                }
                goal.most_on_the_way = goal.most_on_the_way.min(hops - 2);
            }
        }
        None
    }

    /// Takes all edges from a label.
    fn go_on(&mut self, task: &Task<'_>, goal: &mut Goal, label: u32, arrival: u64) {
        let Label { node, hops, .. } = self.labels[label as usize];
        for (edge, ahead) in task.graph.edges_at(node, arrival) {
            let is_end = task.to == Some(edge.to);
            if !is_end && hops + 1 > goal.most_on_the_way {
                continue;
            }
            let Some(latest) = self.latest(edge.to, hops + 1, goal.deadline) else {
                continue;
            };
            let found = if label == 0 {
                task.start_on(edge, arrival, latest)
            } else {
                task.go_on(edge, ahead, arrival, latest)
            };
            if let Some((contact, passage)) = found {
                if is_end {
                    // It is better than the last one: earlier, or as early with fewer hops.
                    let place = u32::try_from(self.labels.len()).unwrap_or(NONE);
                    goal.best = Some((place, hops + 1));
                    goal.deadline = passage.arrival;
                }
                self.reach(edge.to, hops + 1, contact, passage, label);
            }
        }
    }

    /// Whether no route can arrive earlier than the best one so far; without one, whether none can
    /// arrive in time.
    ///
    /// Who is at a node first can do there what all others can. So a node before the destination
    /// counts no more once it was gone on from, or if nothing that leaves it now is early enough.
    fn is_earliest(&self, goal: &mut Goal) -> bool {
        while let Some(&(earliest, node)) = self.before_end.get(goal.passed) {
            let is_late = match goal.best {
                Some(_) => earliest >= goal.deadline,
                None => earliest > goal.deadline,
            };
            if is_late {
                return true;
            }
            let state = &self.states[node as usize];
            if state.run != self.run || state.settled == NONE {
                return false;
            }
            goal.passed += 1;
        }
        true
    }

    fn begin(&mut self, task: &Task<'_>) {
        self.labels.clear();
        self.queue.clear();
        self.states
            .resize(task.graph.nodes().len(), State::default());
        if self.run == u32::MAX {
            self.states.fill(State::default());
            self.run = 0;
        }
        self.run += 1;
        for &node in task.start.passed {
            self.states[node as usize] = State {
                run: self.run,
                first: NONE,
                ..State::default()
            };
        }
        let passage = Passage {
            first_byte: task.start.time,
            arrival: task.start.time,
        };
        self.before_end.clear();
        if let Some(to) = task.to {
            let arriving = task.graph.arriving(to, task.start.time);
            self.before_end.extend(arriving);
            self.before_end.sort_unstable();
        }
        if task.start.time <= task.deadline {
            self.state(task.start.node);
            self.reach(task.start.node, 0, NONE, passage, NONE);
        }
    }

    /// The state of a node, which is a new one if the node was not seen in this run.
    fn state(&mut self, node: u32) -> &mut State {
        let state = &mut self.states[node as usize];
        if state.run != self.run {
            *state = State {
                run: self.run,
                settled: NONE,
                arrival: u64::MAX,
                hops: NONE,
                first: NONE,
            };
        }
        state
    }

    /// The last time at which it is still worth to arrive at a node with so many hops.
    fn latest(&mut self, node: u32, hops: u32, deadline: u64) -> Option<u64> {
        let state = self.state(node);
        if state.settled <= hops {
            None
        } else if hops < state.hops {
            Some(deadline)
        } else {
            Some(deadline.min(state.arrival.checked_sub(1)?))
        }
    }

    fn reach(&mut self, node: u32, hops: u32, contact: u32, passage: Passage, before: u32) {
        let Ok(label) = u32::try_from(self.labels.len()) else {
            return;
        };
        let arrival = passage.arrival;
        self.labels.push(Label {
            node,
            hops,
            arrival,
            first_byte: passage.first_byte,
            contact,
            before,
        });
        self.queue.push(Reverse((arrival, hops, label)));
        let state = &mut self.states[node as usize];
        if (arrival, hops) < (state.arrival, state.hops) {
            (state.arrival, state.hops) = (arrival, hops);
        }
    }

    /// The label of the earliest arrival at a node in the last run.
    pub(crate) fn first_label(&self, node: u32) -> Option<&Label> {
        let state = self.states.get(node as usize)?;
        let is_reached = state.run == self.run && state.first != NONE;
        is_reached.then(|| &self.labels[state.first as usize])
    }

    /// The hops that lead to a label, the first one first.
    pub(crate) fn hops_to(&self, label: &Label) -> Vec<Hop> {
        let mut hops = Vec::with_capacity(label.hops as usize);
        let mut label = label;
        while label.before != NONE {
            hops.push(Hop {
                contact: ContactIndex(label.contact),
                first_byte: utc(label.first_byte),
                arrival: utc(label.arrival),
            });
            label = &self.labels[label.before as usize];
        }
        hops.reverse();
        hops
    }

    pub(crate) fn hops_to_place(&self, label: u32) -> Vec<Hop> {
        self.hops_to(&self.labels[label as usize])
    }

    fn route_to(&self, graph: &ContactGraph, query: &Query<'_>, label: u32) -> Route {
        Route::of(graph, self.hops_to_place(label), query.at)
    }
}

impl<'a> Task<'a> {
    /// The task of a query. `None` if one of the nodes is not in the graph.
    pub(crate) fn new(
        graph: &'a ContactGraph,
        query: &'a Query<'a>,
        to: Option<NodeNumber>,
    ) -> Option<Self> {
        let to = match to {
            Some(node) => Some(graph.node_place(node)?),
            None => None,
        };
        Some(Self {
            graph,
            query,
            to,
            start: Start {
                node: graph.node_place(query.from)?,
                time: query.at.micros(),
                passed: &[],
                banned: &[],
            },
            entry: Entry::Any,
            deadline: query.deadline.micros(),
            least_end: 0,
            most_hops: NONE,
        })
    }

    /// When the last of the contacts ends in which a route by the deadline can begin.
    fn latest_first_end(&self) -> u64 {
        let ends = self.graph.edges(self.start.node).iter().filter_map(|edge| {
            let windows = self.graph.windows_from(edge, self.start.time);
            let begun = windows.partition_point(|window| window.start <= self.deadline);
            windows[..begun].last().map(|window| window.end)
        });
        ends.max().unwrap_or(0)
    }

    /// The contact of an edge in which the bundle arrives first, and not later than `latest`.
    /// Of two that are equal it is the later one, because it ends later.
    ///
    /// A bundle that arrives no earlier for waiting is sent at once.
    #[inline]
    fn go_on(
        &self,
        edge: &Edge,
        ahead: Ahead,
        time: u64,
        mut latest: u64,
    ) -> Option<(u32, Passage)> {
        let sent = time.max(ahead.start);
        if sent.saturating_add(edge.least_light) > latest {
            return None;
        }
        let load = self.query.load();
        let mut best = None;
        let mut windows = self.graph.windows_ahead(edge, ahead, time);
        if self.least_end > 0 {
            let early = windows.partition_point(|window| window.end < self.least_end);
            windows = &windows[early..];
        }
        for window in windows {
            if window.start.saturating_add(edge.least_light) > latest {
                break;
            }
            match load.pass(window, time) {
                Some(passage) if passage.arrival <= latest => {
                    latest = passage.arrival;
                    best = Some(better(best, window.contact, passage));
                }
                _ => (),
            }
        }
        best
    }

    /// The same for the node where the run starts. There, contacts and neighbours may be
    /// forbidden, and other bundles go first.
    ///
    /// The backlog fills the contacts in their order. Only what does not fit into a contact
    /// before delays the bundle: the earliest transmission opportunity of
    /// [CCSDS 734.3-B-1 §3.2.6](https://ccsds.org/publications/).
    fn start_on(&self, edge: &Edge, time: u64, mut latest: u64) -> Option<(u32, Passage)> {
        let mut queued = self.queued(edge)?;
        let load = self.query.load();
        let (mut contact, mut opportunity, mut best) = (NONE, None, None);
        for window in self.graph.windows_from(edge, time) {
            if window.start.saturating_add(edge.least_light) > latest {
                break;
            }
            if window.contact != contact {
                contact = window.contact;
                let open = time.max(window.contact_start(self.graph));
                opportunity = opportunity_after(&mut queued, open, window.end, window.rate);
            }
            let is_banned = self.start.banned.contains(&ContactIndex(contact));
            let Some(opportunity) = opportunity.filter(|_| !is_banned) else {
                continue;
            };
            match load.pass(window, opportunity) {
                Some(passage) if passage.arrival <= latest && window.end >= self.least_end => {
                    latest = passage.arrival;
                    best = Some(better(best, contact, passage));
                }
                _ => (),
            }
        }
        best
    }

    /// How many bytes go first on an edge of the start, or `None` if it must not be taken.
    fn queued(&self, edge: &Edge) -> Option<u64> {
        if !self.start.passed.is_empty() {
            return Some(0);
        }
        let node = self.graph.node(edge.to);
        let is_entry = match self.entry {
            Entry::Any => true,
            Entry::Only(only) => node == only,
            Entry::UpTo(highest) => node <= highest,
        };
        let is_previous = self.query.previous == Some(node);
        if !is_entry || is_previous || self.query.excluded.contains(&node) {
            return None;
        }
        let backlog = self.query.backlog;
        Some(backlog.map_or(0, |backlog| backlog.before(node, self.query.priority)))
    }
}

/// Takes a contact in which the bundle arrives as early as in the best one so far, or earlier.
#[inline]
fn better(best: Option<(u32, Passage)>, contact: u32, passage: Passage) -> (u32, Passage) {
    match best {
        // The same contact with another light time.
        Some((other, first)) if other == contact && first.arrival == passage.arrival => {
            (other, first)
        }
        _ => (contact, passage),
    }
}

/// When a bundle can be sent in a contact after the bytes that are queued, or `None` if the
/// contact is full with them. What the contact takes of them is queued no more.
pub(crate) fn opportunity_after(queued: &mut u64, open: u64, end: u64, rate: u64) -> Option<u64> {
    if *queued == 0 {
        return Some(open);
    }
    let span = Span::from_micros(end.saturating_sub(open));
    let volume = BytesPerSecond(rate).bytes_in(span);
    if u128::from(*queued) >= volume {
        *queued = queued.saturating_sub(u64::try_from(volume).unwrap_or(u64::MAX));
        return None;
    }
    let delay = sending_time(*queued, rate)?;
    *queued = 0;
    open.checked_add(delay)
}
