// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The contact graph: a plan in the form in which routes are searched.
//!
//! Contacts stand by sending node, then by receiving node, then by time. A search therefore goes
//! from node to node, finds the contacts of a pair that are not over yet by bisection, and looks
//! at one or two of them.

use crate::model::{Confidence, Contact, NodeNumber, Span, UtcTime};
use crate::plan::Plan;

/// What a graph takes from a plan.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct GraphOptions {
    /// The light time where the plan states none. Contacts without one are left out if this is
    /// `None`, as in ION.
    pub default_light_time: Option<Span>,
    /// What is added to each light time because nodes move, in millionths of it. See
    /// [`ION_MARGIN_PPM`].
    pub margin_ppm: u32,
    /// Contacts in which there is less confidence are left out.
    pub least_confidence: Option<Confidence>,
}

/// The margin of ION, which reckons with 450 000 miles an hour during the flight of the signal.
pub const ION_MARGIN_PPM: u32 = 671;

/// A contact of a graph, by its place in [`ContactGraph::contacts`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ContactIndex(pub(crate) u32);

impl ContactIndex {
    /// The place in [`ContactGraph::contacts`].
    #[must_use]
    pub const fn place(self) -> usize {
        self.0 as usize
    }
}

/// A plan in the form in which routes are searched.
#[derive(Clone, Debug, Default)]
pub struct ContactGraph {
    /// All nodes, sorted.
    nodes: Vec<NodeNumber>,
    /// The place of the first edge of each node, and the number of edges at the end.
    first_edge: Vec<u32>,
    edges: Vec<Edge>,
    windows: Vec<Window>,
    /// [`Window::last`] once more, close together for bisections.
    lasts: Vec<u64>,
    contacts: Vec<Contact>,
    /// The place of the first window of each contact, and the number of windows at the end.
    first_window: Vec<u32>,
    /// All times at which contacts end, sorted.
    ends: Vec<u64>,
    /// The place of the first entry of each node in `arriving`, and their number at the end.
    first_arriving: Vec<u32>,
    /// The places of the edges that arrive at a node, and of the nodes where they begin.
    arriving: Vec<(u32, u32)>,
    /// By node.
    clocks: Vec<Clock>,
    /// By node, piece of time and edge.
    ahead: Vec<Ahead>,
}

/// The contacts of an ordered pair.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    /// The place of the receiving node.
    pub(crate) to: u32,
    /// The place of the first window.
    pub(crate) first: u32,
    /// The place behind the last window.
    pub(crate) end: u32,
    /// No window has a shorter light time.
    pub(crate) least_light: u64,
}

/// The time of a node in pieces of equal length. The pieces are about as many as an edge of the
/// node has windows.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// When the first piece begins, which is also for all times before.
    start: u64,
    /// The length of a piece.
    piece: u64,
    pieces: usize,
    /// The place of the first of [`ContactGraph::ahead`].
    first: usize,
}

/// The first window of an edge that is not over when a piece begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    /// When it starts: no later window starts earlier.
    pub(crate) start: u64,
    /// Its place.
    window: u32,
}

/// The part of a contact that has one light time. Times are in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// The first time at which a byte can be sent.
    pub(crate) start: u64,
    /// The last time at which the first byte of a bundle can be sent.
    ///
    /// The end of the contact counts: [CCSDS 734.3-B-1 §3.2.4.1.1](https://ccsds.org/publications/).
    pub(crate) last: u64,
    /// When the last byte must be sent: the end of the contact.
    pub(crate) end: u64,
    pub(crate) light: u64,
    /// Bytes a second.
    pub(crate) rate: u64,
    /// The place of the contact.
    pub(crate) contact: u32,
}

impl ContactGraph {
    /// The graph of a plan. Contacts of a node with itself are no part of any route.
    ///
    /// # Panics
    ///
    /// The plan has 2^32 contacts with a light time or more.
    #[must_use]
    pub fn new(plan: &Plan, options: &GraphOptions) -> Self {
        let mut graph = Self::default();
        let is_wanted = |contact: &&Contact| {
            let least = options
                .least_confidence
                .map_or(0.0, Confidence::probability);
            contact.from != contact.to && contact.confidence.probability() >= least
        };
        for contact in plan.contacts().filter(is_wanted) {
            graph.nodes.extend([contact.from, contact.to]);
        }
        graph.nodes.sort_unstable();
        graph.nodes.dedup();
        for contact in plan.contacts().filter(is_wanted) {
            graph.add(plan, options, contact);
        }
        let nodes = graph.nodes.len();
        graph.first_edge.resize(nodes + 1, place(graph.edges.len()));
        graph.first_window.push(place(graph.windows.len()));
        graph.ends = graph
            .contacts
            .iter()
            .map(|contact| contact.end.micros())
            .collect();
        graph.ends.sort_unstable();
        graph.ends.dedup();
        graph.turn_round();
        graph.look_ahead();
        graph
    }

    /// Notes which windows come next, by node, piece of time and edge.
    ///
    /// A search that comes to a node looks at all of its edges at one time, and most of them open
    /// too late. This is what it has to know for that, in one place; the windows of each edge are
    /// far apart.
    fn look_ahead(&mut self) {
        for node in 0..place(self.nodes.len()) {
            let edges = self.edges(node);
            let windows = edges.iter().map(|edge| (edge.end - edge.first) as usize);
            let pieces = windows.sum::<usize>().div_ceil(edges.len().max(1));
            let of_node = edges.first().zip(edges.last());
            let lasts = of_node.map_or(&[][..], |(first, last)| {
                &self.lasts[first.first as usize..last.end as usize]
            });
            let start = lasts.iter().copied().min().unwrap_or(0);
            let end = lasts.iter().copied().max().unwrap_or(0);
            let piece = ((end - start) / pieces.max(1) as u64).max(1);
            let clock = Clock {
                start,
                piece,
                pieces,
                first: self.ahead.len(),
            };
            let mut places: Vec<u32> = edges.iter().map(|edge| edge.first).collect();
            let mut ahead = Vec::with_capacity(pieces * edges.len());
            for number in 0..pieces as u64 {
                let begin = start.saturating_add(piece.saturating_mul(number));
                for (edge, at) in edges.iter().zip(&mut places) {
                    while *at < edge.end && self.lasts[*at as usize] < begin {
                        *at += 1;
                    }
                    let window = (*at < edge.end).then(|| &self.windows[*at as usize]);
                    ahead.push(Ahead {
                        start: window.map_or(u64::MAX, |window| window.start),
                        window: *at,
                    });
                }
            }
            self.ahead.extend(ahead);
            self.clocks.push(clock);
        }
    }

    /// Notes which edges arrive at each node.
    fn turn_round(&mut self) {
        let mut by_end: Vec<(u32, u32, u32)> = Vec::with_capacity(self.edges.len());
        for from in 0..place(self.nodes.len()) {
            let first = self.first_edge[from as usize];
            let edges = (first..).zip(self.edges(from));
            by_end.extend(edges.map(|(number, edge)| (edge.to, number, from)));
        }
        by_end.sort_unstable();
        let nodes = 0..=place(self.nodes.len());
        let first = nodes.map(|node| place(by_end.partition_point(|&(to, ..)| to < node)));
        self.first_arriving = first.collect();
        self.arriving = by_end
            .into_iter()
            .map(|(_, edge, from)| (edge, from))
            .collect();
    }

    /// Adds a contact. They come by sending node, receiving node and time.
    fn add(&mut self, plan: &Plan, options: &GraphOptions, contact: &Contact) {
        let first = self.windows.len();
        let index = place(self.contacts.len());
        for (light, start, until) in plan.lit_parts(contact) {
            let Some(light) = light.or(options.default_light_time) else {
                continue;
            };
            let is_last = until == contact.end;
            self.windows.push(Window {
                start: start.micros(),
                last: until.micros() - u64::from(!is_last),
                end: contact.end.micros(),
                light: with_margin(light.micros(), options.margin_ppm),
                rate: contact.rate.0,
                contact: index,
            });
        }
        if self.windows.len() > first {
            self.contacts.push(*contact);
            self.first_window.push(place(first));
            self.join(contact, first);
        }
    }

    /// Makes the windows from `first` on part of the edge of their pair.
    fn join(&mut self, contact: &Contact, first: usize) {
        let (from, to) = (self.known(contact.from), self.known(contact.to));
        let (begin, end) = (place(first), place(self.windows.len()));
        let added = &self.windows[first..];
        self.lasts.extend(added.iter().map(|window| window.last));
        let least_light = added.iter().map(|window| window.light).min().unwrap_or(0);
        // The nodes up to this one that have no edge yet begin, and end, where this one begins.
        let is_new_node = self.first_edge.len() <= from as usize;
        let edges = place(self.edges.len());
        self.first_edge
            .resize(self.first_edge.len().max(from as usize + 1), edges);
        match self.edges.last_mut() {
            Some(edge) if !is_new_node && edge.to == to => {
                edge.end = end;
                edge.least_light = edge.least_light.min(least_light);
            }
            _ => self.edges.push(Edge {
                to,
                first: begin,
                end,
                least_light,
            }),
        }
    }

    fn known(&self, node: NodeNumber) -> u32 {
        self.node_place(node)
            .expect("the nodes of all contacts are in the graph")
    }

    /// The contacts of the graph, by sending node, receiving node and start.
    #[must_use]
    pub fn contacts(&self) -> &[Contact] {
        &self.contacts
    }

    /// A contact of the graph.
    ///
    /// # Panics
    ///
    /// The index is of another graph, which has more contacts.
    #[must_use]
    pub fn contact(&self, index: ContactIndex) -> &Contact {
        &self.contacts[index.place()]
    }

    /// The nodes of the graph, sorted.
    #[must_use]
    pub fn nodes(&self) -> &[NodeNumber] {
        &self.nodes
    }

    /// The indices of all contacts.
    pub fn indices(&self) -> impl Iterator<Item = ContactIndex> + use<> {
        (0..place(self.contacts.len())).map(ContactIndex)
    }

    /// The contacts of the same pair that come before this one, in order.
    pub(crate) fn before(&self, index: ContactIndex) -> impl Iterator<Item = ContactIndex> {
        let wanted = self.contact(index);
        let (before, _) = self.contacts.split_at(index.place());
        let is_same = |contact: &&Contact| (contact.from, contact.to) == (wanted.from, wanted.to);
        let first = before.len() - before.iter().rev().take_while(is_same).count();
        (place(first)..index.0).map(ContactIndex)
    }

    pub(crate) fn node_place(&self, node: NodeNumber) -> Option<u32> {
        self.nodes.binary_search(&node).ok().map(place)
    }

    pub(crate) fn node(&self, place: u32) -> NodeNumber {
        self.nodes[place as usize]
    }

    /// The edges that leave a node, by receiving node.
    #[inline]
    pub(crate) fn edges(&self, node: u32) -> &[Edge] {
        let node = node as usize;
        &self.edges[self.first_edge[node] as usize..self.first_edge[node + 1] as usize]
    }

    /// The edges that leave a node, each with a window from which on to look for one that is not
    /// over at this time.
    #[inline]
    pub(crate) fn edges_at(&self, node: u32, time: u64) -> impl Iterator<Item = (&Edge, Ahead)> {
        let edges = self.edges(node);
        let clock = &self.clocks[node as usize];
        let piece = time.saturating_sub(clock.start) / clock.piece;
        let piece = usize::try_from(piece).unwrap_or(usize::MAX);
        let piece = piece.min(clock.pieces.saturating_sub(1));
        let first = clock.first + piece * edges.len();
        let ahead = &self.ahead[first..first + edges.len()];
        edges.iter().zip(ahead.iter().copied())
    }

    /// The windows of an edge in which a first byte can be sent at this time or later. See
    /// [`Self::edges_at`].
    #[inline]
    pub(crate) fn windows_ahead(&self, edge: &Edge, ahead: Ahead, time: u64) -> &[Window] {
        let (mut first, end) = (ahead.window as usize, edge.end as usize);
        let near = end.min(first + NEAR);
        while first < near && self.lasts[first] < time {
            first += 1;
        }
        if first == near {
            first += self.lasts[first..end].partition_point(|&last| last < time);
        }
        &self.windows[first..end]
    }

    /// The nodes from which edges lead to a node, each with a time before which nothing arrives
    /// from there if it leaves at this time or later.
    pub(crate) fn arriving(&self, node: u32, time: u64) -> impl Iterator<Item = (u64, u32)> {
        let node = node as usize;
        let range = self.first_arriving[node] as usize..self.first_arriving[node + 1] as usize;
        let arriving = self.arriving[range].iter();
        arriving.map(move |&(edge, from)| {
            let edge = &self.edges[edge as usize];
            let windows = self.windows_from(edge, time);
            let start = windows.first().map_or(u64::MAX, |window| window.start);
            (start.max(time).saturating_add(edge.least_light), from)
        })
    }

    /// The windows of an edge in which a first byte can be sent at this time or later.
    #[inline]
    pub(crate) fn windows_from(&self, edge: &Edge, time: u64) -> &[Window] {
        let (first, end) = (edge.first as usize, edge.end as usize);
        let over = self.lasts[first..end].partition_point(|&last| last < time);
        &self.windows[first + over..end]
    }

    /// The memory that the graph takes, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of_val(&*self.nodes)
            + size_of_val(&*self.first_edge)
            + size_of_val(&*self.edges)
            + size_of_val(&*self.windows)
            + size_of_val(&*self.lasts)
            + size_of_val(&*self.contacts)
            + size_of_val(&*self.first_window)
            + size_of_val(&*self.ends)
            + size_of_val(&*self.first_arriving)
            + size_of_val(&*self.arriving)
            + size_of_val(&*self.clocks)
            + size_of_val(&*self.ahead)
    }

    /// The times after this one at which contacts end.
    pub(crate) fn ends_after(&self, time: UtcTime) -> &[u64] {
        let first = self.ends.partition_point(|&end| end <= time.micros());
        &self.ends[first..]
    }

    /// The windows of a contact.
    pub(crate) fn windows_of(&self, contact: ContactIndex) -> &[Window] {
        let first = self.first_window[contact.place()] as usize;
        &self.windows[first..self.first_window[contact.place() + 1] as usize]
    }
}

impl Window {
    /// The time at which the window's contact starts to count for routes.
    pub(crate) fn contact_start(self, graph: &ContactGraph) -> u64 {
        graph.contact(ContactIndex(self.contact)).start.micros()
    }
}

/// So many windows of an edge are looked at one by one. In the mean there is one in a piece of time.
const NEAR: usize = 8;

/// A count as a place. The largest plan of [`ContactGraph::new`] bounds all counts.
pub(crate) fn place(count: usize) -> u32 {
    u32::try_from(count).expect("the graph has fewer than 2^32 contacts")
}

fn with_margin(light: u64, ppm: u32) -> u64 {
    let margin = u128::from(light) * u128::from(ppm) / 1_000_000;
    light.saturating_add(u64::try_from(margin).unwrap_or(u64::MAX))
}

/// A time of the searches as one of the plans.
pub(crate) const fn utc(micros: u64) -> UtcTime {
    UtcTime::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::with_margin;

    #[test]
    fn margin_is_in_millionths() {
        assert_eq!(with_margin(1_000_000, 671), 1_000_671);
        assert_eq!(with_margin(7, 0), 7);
        assert_eq!(with_margin(u64::MAX, 1), u64::MAX);
    }
}
