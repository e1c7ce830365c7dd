// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a node does with bundles for each destination, at each time: routes through the contact
//! graph as pieces of time in which the same contact is the next one.
//!
//! A route is the best one by the order of SABR when a piece begins. It stays until the last time at
//! which a bundle still catches all of its contacts, or until another route arrives earlier. As long
//! as a route waits for a contact it cannot be overtaken. After that it is compared with the
//! earliest route where it ends and whenever any contact starts; the time of the change is then
//! searched for. A better route that comes and goes between two such times is missed: that takes a
//! contact that ends before another one, to which its light has not yet come, starts. What is lost
//! is less than the light times of that route.

use std::fmt;

use contact::{
    Candidate, Confidence, Contact, ContactGraph, ContactIndex, NodeNumber, Query, Route, Search,
    Span, UtcTime,
};

use crate::backlog::Taken;

/// A piece of time in which bundles for a destination wait for, or are sent in, one contact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Piece {
    /// Where the bundles go.
    pub destination: NodeNumber,
    /// When it begins.
    pub from: UtcTime,
    /// The first time after it.
    pub until: UtcTime,
    /// What is done.
    pub choice: Choice,
    /// The route of a bundle that departs when the piece begins.
    pub route: Itinerary,
}

/// What is done with a bundle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choice {
    /// It is sent to the neighbour.
    Send,
    /// It waits for the contact with the neighbour.
    Wait,
}

/// A route with the times of its contacts, for people and programs that have no graph.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Itinerary {
    /// The contacts in order.
    pub legs: Vec<Leg>,
    /// When the bundle arrives.
    pub arrival: UtcTime,
    /// How likely it is that all contacts happen.
    pub confidence: Confidence,
}

/// A contact of a route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Leg {
    /// The node that sends.
    pub from: NodeNumber,
    /// The node that receives.
    pub to: NodeNumber,
    /// When the contact starts.
    pub start: UtcTime,
    /// When it ends.
    pub end: UtcTime,
}

/// What routes are computed for.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Neighbours to which nothing can be sent.
    pub excluded: &'a [NodeNumber],
    /// The octets of the bundles: contacts that take fewer are not used.
    pub bundle_octets: u64,
    /// Nothing is sent in the last part of a contact, so that no rule outlives it.
    pub guard: Span,
    /// What the graph does not have because it is spoken for.
    pub taken: Option<&'a Taken>,
}

/// A span of departures for which one route is the best one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stretch {
    /// The first departure.
    pub from: UtcTime,
    /// The last departure that arrives as early as the first one: until then a bundle only waits.
    pub waits_until: UtcTime,
    /// The first departure after it.
    pub until: UtcTime,
    /// The route of a bundle that departs first.
    pub route: Route,
}

/// The best routes of a source and a destination from `from` on, in order. The last ends at `until`,
/// or where there are no more routes.
#[must_use]
pub fn stretches(
    graph: &ContactGraph,
    search: &mut Search,
    (source, destination): (NodeNumber, NodeNumber),
    (from, until): (UtcTime, UtcTime),
    terms: Terms<'_>,
) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut time = from;
    while time < until {
        let query = Query {
            bytes: terms.bundle_octets,
            excluded: terms.excluded,
            ..Query::new(source, time)
        };
        let Some(route) = search.best_route(graph, &query, destination) else {
            break;
        };
        if route.hops.is_empty() {
            break;
        }
        let (waits_until, last) = departures(graph, search, &query, &route, destination, until);
        let Some(after) = last.checked_add(Span::from_micros(1)) else {
            break;
        };
        let after = after.min(until);
        stretches.push(Stretch {
            from: time,
            waits_until,
            until: after,
            route,
        });
        time = after;
    }
    stretches
}

/// The pieces of a source and a destination from `from` on, in order. The last ends at `until`, or
/// where there are no more routes.
#[must_use]
pub fn pieces(
    graph: &ContactGraph,
    search: &mut Search,
    (source, destination): (NodeNumber, NodeNumber),
    times: (UtcTime, UtcTime),
    terms: Terms<'_>,
) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for stretch in stretches(graph, search, (source, destination), times, terms) {
        let Stretch {
            from, until, route, ..
        } = stretch;
        let Some(first) = route.contacts().next() else {
            break;
        };
        // What waits for the contact does not close it: the switch and the node's store share it.
        let contact = planned(graph.contact(first), terms.taken);
        let close = contact.end.micros().saturating_sub(terms.guard.micros());
        let close = UtcTime::from_micros(close).min(until).max(from);
        let open = contact.start.clamp(from, close);
        for (choice, begin, end) in [
            (Choice::Wait, from, open),
            (Choice::Send, open, close),
            (Choice::Wait, close, until),
        ] {
            let piece = Piece {
                destination,
                from: begin,
                until: end,
                choice,
                route: Itinerary::of(graph, &route, terms.taken),
            };
            push(&mut pieces, piece);
        }
    }
    pieces
}

/// Adds a piece, or makes the last one longer if it goes on.
fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    if piece.from >= piece.until {
        return;
    }
    if let Some(last) = pieces.last_mut() {
        let same_leg = last.route.legs.first() == piece.route.legs.first();
        if last.until == piece.from && last.choice == piece.choice && same_leg {
            last.until = piece.until;
            return;
        }
    }
    pieces.push(piece);
}

/// Until when a route that is the best one when the query departs arrives as early as then, and the
/// last time, before `until`, at which it is taken.
fn departures(
    graph: &ContactGraph,
    search: &mut Search,
    query: &Query<'_>,
    route: &Route,
    destination: NodeNumber,
    until: UtcTime,
) -> (UtcTime, UtcTime) {
    let contacts: Vec<_> = route.contacts().collect();
    let arrival = |at| {
        let found = Candidate::of(graph, &Query { at, ..*query }, &contacts);
        found.ok().map(|candidate| candidate.route.arrival)
    };
    let latest = UtcTime::from_micros(until.micros() - 1);
    let last_catch = last_that(query.at, latest, |at| arrival(at).is_some());
    let waits_until = last_that(query.at, last_catch, |at| {
        arrival(at) == Some(route.arrival)
    });
    let starts = graph.contacts().iter().map(|contact| contact.start);
    let mut looks: Vec<_> = starts
        .filter(|start| waits_until < *start && *start < last_catch)
        .chain([last_catch])
        .collect();
    looks.sort_unstable();
    looks.dedup();
    let mut is_first = |at| {
        let first = search.route(graph, &Query { at, ..*query }, destination);
        first.is_none_or(|first| Some(first.arrival) >= arrival(at))
    };
    let mut good = waits_until;
    for look in looks {
        if !is_first(look) {
            return (waits_until, last_that(good, look, is_first));
        }
        good = look;
    }
    (waits_until, last_catch)
}

/// The last time for which a condition is true that is true at `low` and, once false, stays false.
fn last_that(low: UtcTime, high: UtcTime, mut holds: impl FnMut(UtcTime) -> bool) -> UtcTime {
    if holds(high) {
        return high;
    }
    let (mut low, mut high) = (low.micros(), high.micros());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds(UtcTime::from_micros(middle)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    UtcTime::from_micros(low)
}

/// A contact as it is in the plan.
fn planned(contact: &Contact, taken: Option<&Taken>) -> Contact {
    let found = taken.and_then(|taken| taken.find(contact));
    found.map_or(*contact, |taken| taken.contact)
}

impl Leg {
    /// A contact as a part of a route.
    #[must_use]
    pub const fn of(contact: &Contact) -> Self {
        Self {
            from: contact.from,
            to: contact.to,
            start: contact.start,
            end: contact.end,
        }
    }
}

impl Itinerary {
    /// The contacts of a route of this graph, as they are in the plan.
    #[must_use]
    pub fn of(graph: &ContactGraph, route: &Route, taken: Option<&Taken>) -> Self {
        let leg = |index: ContactIndex| Leg::of(&planned(graph.contact(index), taken));
        Self {
            legs: route.contacts().map(leg).collect(),
            arrival: route.arrival,
            confidence: route.confidence(graph),
        }
    }

    /// The neighbour to which it leads.
    #[must_use]
    pub fn neighbour(&self) -> Option<NodeNumber> {
        self.legs.first().map(|leg| leg.to)
    }
}

impl fmt::Display for Itinerary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, leg) in self.legs.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", then " };
            let (start, end) = (leg.start.to_text(), leg.end.to_text());
            write!(f, "{comma}{} to {} ({start} to {end})", leg.from, leg.to)?;
        }
        write!(f, "; arrives {}", self.arrival.to_text())?;
        if self.confidence != Confidence::CERTAIN {
            write!(f, ", confidence {:.2}", self.confidence.probability())?;
        }
        Ok(())
    }
}
