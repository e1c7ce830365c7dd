// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The contact plan: contacts and ranges that fit together, and the questions one asks of them.

use crate::model::{Contact, MICROS_PER_SECOND, NodeNumber, Range, Span, UtcTime};
use crate::schedule::{Conflict, Schedule};

/// A contact plan: contacts and ranges by ordered node pair, and sorted by time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Plan {
    contacts: Schedule<Contact>,
    ranges: Schedule<Range>,
}

impl Plan {
    /// A plan with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a contact. A contact of a node with itself is allowed.
    ///
    /// # Errors
    ///
    /// It is empty, or overlaps a contact of the same ordered pair. The plan is as before.
    pub fn add_contact(&mut self, contact: Contact) -> Result<(), Conflict> {
        self.contacts.insert(contact)
    }

    /// Adds a range.
    ///
    /// # Errors
    ///
    /// It is empty, or overlaps a range of the same ordered pair. The plan is as before.
    pub fn add_range(&mut self, range: Range) -> Result<(), Conflict> {
        self.ranges.insert(range)
    }

    /// Takes out the contact of an ordered pair that starts at this very time.
    pub fn remove_contact(
        &mut self,
        from: NodeNumber,
        to: NodeNumber,
        start: UtcTime,
    ) -> Option<Contact> {
        self.contacts.remove(from, to, start)
    }

    /// Takes out the range of an ordered pair that starts at this very time.
    pub fn remove_range(
        &mut self,
        from: NodeNumber,
        to: NodeNumber,
        start: UtcTime,
    ) -> Option<Range> {
        self.ranges.remove(from, to, start)
    }

    /// All contacts, by sending node, receiving node and start.
    pub fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.iter()
    }

    /// All ranges as they were stated, by sending node, receiving node and start.
    pub fn ranges(&self) -> impl Iterator<Item = &Range> {
        self.ranges.iter()
    }

    /// The contacts of an ordered pair, by start.
    #[must_use]
    pub fn contacts_between(&self, from: NodeNumber, to: NodeNumber) -> &[Contact] {
        self.contacts.between(from, to)
    }

    /// The contacts that are open at this time, at most one for each ordered pair.
    pub fn open_at(&self, time: UtcTime) -> impl Iterator<Item = &Contact> {
        self.contacts.open_at(time)
    }

    /// The contact of an ordered pair that is open at this time.
    #[must_use]
    pub fn open_between(
        &self,
        from: NodeNumber,
        to: NodeNumber,
        time: UtcTime,
    ) -> Option<&Contact> {
        self.contacts.open_between(from, to, time)
    }

    /// The first contact of an ordered pair that starts after this time.
    #[must_use]
    pub fn next_after(&self, from: NodeNumber, to: NodeNumber, time: UtcTime) -> Option<&Contact> {
        self.contacts.next_after(from, to, time)
    }

    /// The first time after this one at which any contact opens or closes.
    #[must_use]
    pub fn next_edge_after(&self, time: UtcTime) -> Option<UtcTime> {
        self.contacts.next_edge_after(time)
    }

    /// The one-way light time of an ordered pair at this time.
    ///
    /// A range from the lower to the higher node number holds for the reverse as well, except
    /// where that has a range of its own.
    #[must_use]
    pub fn light_time(&self, from: NodeNumber, to: NodeNumber, time: UtcTime) -> Option<Span> {
        let stated = self.ranges.open_between(from, to, time);
        let range = match stated {
            None if from > to => self.ranges.open_between(to, from, time),
            _ => stated,
        };
        range.map(|range| range.light_time)
    }

    /// The one-way light time of an ordered pair from `time` on, and until when it is that one.
    ///
    /// `None` as the light time means that there is none until then.
    pub(crate) fn light_time_until(
        &self,
        from: NodeNumber,
        to: NodeNumber,
        time: UtcTime,
    ) -> (Option<Span>, UtcTime) {
        let stated = self.ranges.open_or_next(from, to, time);
        let until = match stated {
            Some(range) if range.start <= time => return (Some(range.light_time), range.end),
            Some(range) => range.start,
            None => UtcTime::MAX,
        };
        let reverse = self.ranges.open_or_next(to, from, time);
        match reverse.filter(|_| from > to) {
            Some(range) if range.start <= time => (Some(range.light_time), range.end.min(until)),
            Some(range) => (None, range.start.min(until)),
            None => (None, until),
        }
    }

    /// The parts of a contact that have one light time each, or none: the light time, the start
    /// and the end.
    pub(crate) fn lit_parts(
        &self,
        contact: &Contact,
    ) -> impl Iterator<Item = (Option<Span>, UtcTime, UtcTime)> {
        let Contact {
            from,
            to,
            start,
            end,
            ..
        } = *contact;
        let mut next = start;
        std::iter::from_fn(move || {
            let start = next;
            if start >= end {
                return None;
            }
            let (light_time, until) = self.light_time_until(from, to, start);
            next = until.min(end);
            Some((light_time, start, next))
        })
    }

    /// The plan that promises no more than this one and has whole seconds only.
    ///
    /// Contacts and ranges start at the next second and end at the last one; those that are
    /// shorter are left out. Light times are rounded up.
    #[must_use]
    pub fn in_whole_seconds(&self) -> Self {
        let within = |start: UtcTime, end: UtcTime| {
            let start = UtcTime::from_seconds(start.micros().div_ceil(MICROS_PER_SECOND));
            (start, UtcTime::from_seconds(end.whole_seconds()))
        };
        let mut plan = Self::new();
        for contact in self.contacts() {
            let (start, end) = within(contact.start, contact.end);
            // What has become empty is refused, and that is all that can be wrong.
            let _ = plan.add_contact(Contact {
                start,
                end,
                ..*contact
            });
        }
        for range in self.ranges() {
            let (start, end) = within(range.start, range.end);
            let light_time = range.light_time.micros().div_ceil(MICROS_PER_SECOND);
            let light_time = Span::from_seconds(light_time);
            let _ = plan.add_range(Range {
                start,
                end,
                light_time,
                ..*range
            });
        }
        plan
    }
}
