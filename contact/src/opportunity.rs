// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What becomes of bytes that wait at a node, contact by contact: when others can follow them.

use crate::graph::{ContactGraph, ContactIndex, place};
use crate::model::{Contact, NodeNumber, UtcTime};
use crate::search::opportunity_after;

impl ContactGraph {
    /// The contacts of an ordered pair, by start.
    pub fn between(
        &self,
        from: NodeNumber,
        to: NodeNumber,
    ) -> impl Iterator<Item = ContactIndex> + use<> {
        let pair = |contact: &Contact| (contact.from, contact.to);
        let contacts = self.contacts();
        let first = contacts.partition_point(|contact| pair(contact) < (from, to));
        let end = contacts.partition_point(|contact| pair(contact) <= (from, to));
        (place(first)..place(end)).map(ContactIndex)
    }

    /// The first contact of an ordered pair that is not full with the bytes that wait for it at this
    /// time, and when these are through: the earliest transmission opportunity of what comes after
    /// them, as in [CCSDS 734.3-B-1 §3.2.6](https://ccsds.org/publications/).
    #[must_use]
    pub fn opportunity(
        &self,
        (from, to): (NodeNumber, NodeNumber),
        at: UtcTime,
        bytes: u64,
    ) -> Option<(ContactIndex, UtcTime)> {
        let mut queued = bytes;
        let mut contacts = self.between(from, to);
        contacts.find_map(|index| {
            let contact = self.contact(index);
            if contact.end <= at {
                return None;
            }
            let open = contact.start.max(at).micros();
            let end = contact.end.micros();
            let time = opportunity_after(&mut queued, open, end, contact.rate.0)?;
            Some((index, UtcTime::from_micros(time)))
        })
    }

    /// How many of the bytes that wait for a neighbour at one time still do at a later one, if all
    /// contacts until then are used for nothing else.
    #[must_use]
    pub fn left_of(
        &self,
        (from, to): (NodeNumber, NodeNumber),
        (since, until): (UtcTime, UtcTime),
        bytes: u64,
    ) -> u64 {
        let sent = self.between(from, to).map(|index| {
            let contact = self.contact(index);
            let open = contact.start.max(since);
            contact.rate.bytes_in(contact.end.min(until).since(open))
        });
        let sent = sent.fold(0, u128::saturating_add);
        bytes.saturating_sub(u64::try_from(sent).unwrap_or(u64::MAX))
    }
}
