// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Intervals of time, grouped by ordered node pair: what contacts and ranges have in common.

use std::collections::BTreeMap;

use crate::model::{Contact, NodeNumber, Range, UtcTime};

/// An ordered pair of nodes: the one that sends, and the one that receives.
pub(crate) type Pair = (NodeNumber, NodeNumber);

/// A time span between two nodes: from `start`, and until just before `end`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Interval {
    /// The node that sends.
    pub from: NodeNumber,
    /// The node that receives.
    pub to: NodeNumber,
    /// The first time in it.
    pub start: UtcTime,
    /// The first time after it.
    pub end: UtcTime,
}

/// Why a contact or a range cannot be in a plan.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Conflict {
    /// It ends before it starts, or at that very time.
    #[error("end is not after start")]
    Empty,
    /// Another one of the same ordered pair of nodes is already there at some of the time.
    #[error(
        "overlaps one from node {} to node {} from {} to {}",
        .0.from, .0.to, .0.start, .0.end
    )]
    Overlap(Interval),
}

/// What takes place in an interval.
pub(crate) trait Scheduled: Copy {
    fn interval(&self) -> Interval;

    fn is_open_at(&self, time: UtcTime) -> bool {
        let Interval { start, end, .. } = self.interval();
        start <= time && time < end
    }
}

impl Scheduled for Contact {
    fn interval(&self) -> Interval {
        Interval {
            from: self.from,
            to: self.to,
            start: self.start,
            end: self.end,
        }
    }
}

impl Scheduled for Range {
    fn interval(&self) -> Interval {
        Interval {
            from: self.from,
            to: self.to,
            start: self.start,
            end: self.end,
        }
    }
}

/// Items by ordered pair, and sorted by time. Those of one pair do not overlap, and none is empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Schedule<T> {
    /// No pair is here without an item, so that equal contents are equal schedules.
    by_pair: BTreeMap<Pair, Vec<T>>,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self {
            by_pair: BTreeMap::new(),
        }
    }
}

impl<T: Scheduled> Schedule<T> {
    pub(crate) fn insert(&mut self, item: T) -> Result<(), Conflict> {
        let Interval {
            from,
            to,
            start,
            end,
        } = item.interval();
        if end <= start {
            return Err(Conflict::Empty);
        }
        let items = self.by_pair.entry((from, to)).or_default();
        // What is sorted and does not overlap is sorted by its ends, too. So the first item that
        // ends after the new one starts is the only one to look at.
        let place = items.partition_point(|other| other.interval().end <= start);
        match items.get(place).map(Scheduled::interval) {
            Some(other) if other.start < end => Err(Conflict::Overlap(other)),
            _ => {
                items.insert(place, item);
                Ok(())
            }
        }
    }

    pub(crate) fn remove(&mut self, from: NodeNumber, to: NodeNumber, start: UtcTime) -> Option<T> {
        let items = self.by_pair.get_mut(&(from, to))?;
        let place = items
            .binary_search_by_key(&start, |item| item.interval().start)
            .ok()?;
        let removed = items.remove(place);
        if items.is_empty() {
            self.by_pair.remove(&(from, to));
        }
        Some(removed)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.by_pair.values().flatten()
    }

    pub(crate) fn between(&self, from: NodeNumber, to: NodeNumber) -> &[T] {
        self.by_pair.get(&(from, to)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn open_at(&self, time: UtcTime) -> impl Iterator<Item = &T> {
        self.by_pair
            .values()
            .filter_map(move |items| open_in(items, time))
    }

    pub(crate) fn open_between(
        &self,
        from: NodeNumber,
        to: NodeNumber,
        time: UtcTime,
    ) -> Option<&T> {
        open_in(self.between(from, to), time)
    }

    pub(crate) fn next_after(&self, from: NodeNumber, to: NodeNumber, time: UtcTime) -> Option<&T> {
        let items = self.between(from, to);
        items.get(items.partition_point(|item| item.interval().start <= time))
    }

    /// The first item of an ordered pair that ends after this time: it is open, or the next one.
    pub(crate) fn open_or_next(
        &self,
        from: NodeNumber,
        to: NodeNumber,
        time: UtcTime,
    ) -> Option<&T> {
        let items = self.between(from, to);
        items.get(items.partition_point(|item| item.interval().end <= time))
    }

    pub(crate) fn next_edge_after(&self, time: UtcTime) -> Option<UtcTime> {
        let edges = self.by_pair.values().filter_map(|items| {
            let ending = items.get(items.partition_point(|item| item.interval().end <= time))?;
            let Interval { start, end, .. } = ending.interval();
            Some(if start > time { start } else { end })
        });
        edges.min()
    }
}

/// The item of one pair that is open at this time. There is at most one.
fn open_in<T: Scheduled>(items: &[T], time: UtcTime) -> Option<&T> {
    let place = items.partition_point(|item| item.interval().end <= time);
    items.get(place).filter(|item| item.is_open_at(time))
}
