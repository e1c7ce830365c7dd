// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When the node can send to whom.

use std::collections::BTreeMap;
use std::fmt::Debug;

use contact::{BytesPerSecond, NodeNumber, Plan};

use crate::time::UnixMs;

/// What the node asks of a contact plan. It sends to neighbours only.
pub trait Timetable: Debug + Send {
    /// The contact with this neighbour that is open at this time.
    fn open_at(&self, neighbour: NodeNumber, time: UnixMs) -> Option<Opening>;

    /// When the next contact with this neighbour starts, after this time.
    fn next_start(&self, neighbour: NodeNumber, after: UnixMs) -> Option<UnixMs>;
}

/// A contact of this node: from `start`, and until just before `end`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opening {
    /// The first millisecond.
    pub start: UnixMs,
    /// The first millisecond after it.
    pub end: UnixMs,
    /// How fast may be sent.
    pub rate: BytesPerSecond,
}

/// The contacts of one node in a contact plan.
#[derive(Clone, Debug)]
pub struct PlannedContacts {
    /// By neighbour, and sorted by time: contacts of one pair of nodes do not overlap.
    by_neighbour: BTreeMap<NodeNumber, Vec<Opening>>,
}

impl PlannedContacts {
    /// The contacts in which this node sends.
    #[must_use]
    pub fn new(plan: &Plan, sender: NodeNumber) -> Self {
        let mut by_neighbour: BTreeMap<NodeNumber, Vec<Opening>> = BTreeMap::new();
        for contact in plan.contacts().filter(|contact| contact.from == sender) {
            by_neighbour.entry(contact.to).or_default().push(Opening {
                start: UnixMs::from_utc(contact.start),
                end: UnixMs::from_utc(contact.end),
                rate: contact.rate,
            });
        }
        for openings in by_neighbour.values_mut() {
            openings.sort_by_key(|opening| opening.start);
        }
        Self { by_neighbour }
    }

    /// How many neighbours have contacts.
    #[must_use]
    pub fn neighbours(&self) -> usize {
        self.by_neighbour.len()
    }

    fn of(&self, neighbour: NodeNumber) -> &[Opening] {
        self.by_neighbour.get(&neighbour).map_or(&[], Vec::as_slice)
    }
}

impl Timetable for PlannedContacts {
    fn open_at(&self, neighbour: NodeNumber, time: UnixMs) -> Option<Opening> {
        let openings = self.of(neighbour);
        let started = openings.partition_point(|opening| opening.start <= time);
        let last = *openings.get(started.checked_sub(1)?)?;
        (time < last.end).then_some(last)
    }

    fn next_start(&self, neighbour: NodeNumber, after: UnixMs) -> Option<UnixMs> {
        let openings = self.of(neighbour);
        let started = openings.partition_point(|opening| opening.start <= after);
        openings.get(started).map(|opening| opening.start)
    }
}

#[cfg(test)]
mod tests {
    use contact::{UtcTime, ionrc};

    use super::*;

    #[test]
    fn contacts_open_and_close_at_their_edges() {
        let text = "a contact +10 +20 1 2 1000\na contact +30 +40 1 2 2000\n\
                    a contact +0 +99 2 1 1000\n";
        let plan = ionrc::import(text, UtcTime::from_seconds(0)).expect("the plan is valid");
        let table = PlannedContacts::new(&plan, NodeNumber(1));
        let open = |ms| {
            table
                .open_at(NodeNumber(2), UnixMs(ms))
                .map(|open| open.rate.0)
        };
        assert_eq!(open(9_999), None);
        assert_eq!(open(10_000), Some(1000));
        assert_eq!(open(19_999), Some(1000));
        assert_eq!(open(20_000), None);
        assert_eq!(open(30_000), Some(2000));
        assert_eq!(open(40_000), None);
        let next = |ms| {
            table
                .next_start(NodeNumber(2), UnixMs(ms))
                .map(|time| time.0)
        };
        assert_eq!(next(0), Some(10_000));
        assert_eq!(next(10_000), Some(30_000));
        assert_eq!(next(30_000), None);
        // The other direction is another node's to send in.
        assert_eq!(table.open_at(NodeNumber(1), UnixMs(1)), None);
    }
}
