// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a route will do for a bundle, and why not: for routes that were computed before.
//!
//! A search for a bundle finds what these rules accept. They stand here on their own, so that a
//! decision can be explained contact by contact.

use crate::graph::{ContactGraph, ContactIndex, Window};
use crate::model::{BytesPerSecond, Confidence, NodeNumber, Span, UtcTime};
use crate::passage::{Load, Passage};
use crate::route::{Hop, Route};
use crate::search::{Query, opportunity_after};
use crate::volume::Priority;

/// A route that will do for a bundle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// The route, with the times of the bundle on it.
    pub route: Route,
    /// How many bytes it can take: the least effective volume limit of its contacts.
    pub volume_limit_bytes: u64,
    /// How likely it is that all contacts happen.
    pub confidence: Confidence,
}

/// Why a route will not do for a bundle.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// There are no contacts, or one does not start where the one before ends.
    #[error("contacts do not join")]
    Broken,
    /// The bundle must not be sent to the neighbour.
    #[error("neighbour {0} is excluded")]
    Excluded(NodeNumber),
    /// The bundle would go back to where it came from.
    #[error("neighbour {0} is where the bundle came from")]
    Returns(NodeNumber),
    /// The contact is over before the bundle can be sent.
    #[error("contact {} is over before the bundle can be sent", .0.place())]
    Missed(ContactIndex),
    /// The contact has no volume left for the priority of the bundle.
    #[error("contact {} has no volume left", .0.place())]
    Depleted(ContactIndex),
    /// The bundle must not be fragmented, and the contact takes only a part of it.
    #[error("contact {} takes {bytes} bytes", .contact.place())]
    TooSmall {
        /// The contact.
        contact: ContactIndex,
        /// How much it takes.
        bytes: u64,
    },
    /// The bundle arrives after the deadline.
    #[error("bundle arrives at {0} s, after its deadline")]
    Late(UtcTime),
}

impl Candidate {
    /// Tells whether a bundle can take these contacts one after the other, by the rules of
    /// [CCSDS 734.3-B-1 §3.2.6.9](https://ccsds.org/publications/).
    ///
    /// # Errors
    ///
    /// The first rule that they break.
    ///
    /// # Panics
    ///
    /// A contact is of another graph.
    pub fn of(
        graph: &ContactGraph,
        query: &Query<'_>,
        contacts: &[ContactIndex],
    ) -> Result<Self, Rejection> {
        check_joined(graph, query, contacts)?;
        let hops = times(graph, query, contacts)?;
        let route = Route::of(graph, hops, query.at);
        let volume_limit_bytes = volume_limit(graph, query, &route)?;
        if route.arrival > query.deadline {
            return Err(Rejection::Late(route.arrival));
        }
        Ok(Self {
            confidence: route.confidence(graph),
            volume_limit_bytes,
            route,
        })
    }
}

fn check_joined(
    graph: &ContactGraph,
    query: &Query<'_>,
    contacts: &[ContactIndex],
) -> Result<(), Rejection> {
    let mut node = query.from;
    for &contact in contacts {
        let contact = graph.contact(contact);
        if contact.from != node {
            return Err(Rejection::Broken);
        }
        node = contact.to;
    }
    let first = contacts.first().ok_or(Rejection::Broken)?;
    let entry = graph.contact(*first).to;
    if query.previous == Some(entry) {
        return Err(Rejection::Returns(entry));
    }
    if query.excluded.contains(&entry) {
        return Err(Rejection::Excluded(entry));
    }
    Ok(())
}

/// When the bundle passes each contact. How much room is left there is another question.
fn times(
    graph: &ContactGraph,
    query: &Query<'_>,
    contacts: &[ContactIndex],
) -> Result<Vec<Hop>, Rejection> {
    let whole = Load {
        volumes: None,
        ..query.load()
    };
    // What does not fit as a whole gets times, too, so that the room that there is can be named.
    let part = Load {
        may_fragment: true,
        ..whole
    };
    let mut hops = Vec::with_capacity(contacts.len());
    let mut time = query.at.micros();
    for (number, &contact) in contacts.iter().enumerate() {
        if number == 0 {
            time = opportunity(graph, query, contact).ok_or(Rejection::Missed(contact))?;
        }
        let windows = graph.windows_of(contact);
        let passage = whole.pass_contact(graph, contact, time);
        let Passage {
            first_byte,
            arrival,
        } = passage
            .or_else(|| part.pass_contact(graph, contact, time))
            .ok_or_else(|| {
                if windows.iter().any(|window| time <= window.last) {
                    Rejection::Depleted(contact)
                } else {
                    Rejection::Missed(contact)
                }
            })?;
        hops.push(Hop {
            contact,
            first_byte: UtcTime::from_micros(first_byte),
            arrival: UtcTime::from_micros(arrival),
        });
        time = arrival;
    }
    Ok(hops)
}

/// When the bundle can be sent in its first contact, after what is queued for the neighbour.
fn opportunity(graph: &ContactGraph, query: &Query<'_>, contact: ContactIndex) -> Option<u64> {
    let wanted = graph.contact(contact);
    let backlog = query.backlog;
    let mut queued = backlog.map_or(0, |backlog| backlog.before(wanted.to, query.priority));
    for other in graph.before(contact) {
        let is_over = |window: &Window| window.last < query.at.micros();
        if !graph.windows_of(other).iter().all(is_over) {
            let other = graph.contact(other);
            let open = other.start.max(query.at).micros();
            opportunity_after(&mut queued, open, other.end.micros(), other.rate.0);
        }
    }
    let open = wanted.start.max(query.at).micros();
    opportunity_after(&mut queued, open, wanted.end.micros(), wanted.rate.0)
}

/// The route volume limit. What the later contacts have no time for counts as not there.
fn volume_limit(graph: &ContactGraph, query: &Query<'_>, route: &Route) -> Result<u64, Rejection> {
    let mut stop = UtcTime::MAX;
    let mut limit = u64::MAX;
    let mut tightest = None;
    for hop in route.hops.iter().rev() {
        let contact = graph.contact(hop.contact);
        stop = stop.min(contact.end);
        let left = left(query, hop.contact, query.priority);
        let room = room(contact.rate, stop.since(hop.first_byte));
        if left == 0 || (room == 0 && query.bytes > 0) {
            return Err(Rejection::Depleted(hop.contact));
        }
        if left.min(room) < limit {
            limit = left.min(room);
            tightest = Some(hop.contact);
        }
    }
    match tightest {
        Some(contact) if limit < query.bytes && !query.may_fragment => Err(Rejection::TooSmall {
            contact,
            bytes: limit,
        }),
        _ => Ok(limit),
    }
}

fn left(query: &Query<'_>, contact: ContactIndex, priority: Priority) -> u64 {
    let volumes = query.volumes;
    volumes.map_or(u64::MAX, |volumes| volumes.left(contact, priority))
}

fn room(rate: BytesPerSecond, span: Span) -> u64 {
    if rate == BytesPerSecond::UNLIMITED {
        return u64::MAX;
    }
    u64::try_from(rate.bytes_in(span)).unwrap_or(u64::MAX)
}
