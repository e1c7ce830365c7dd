// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles on their way in: fragments, duplicates, the inbox, status reports.

use bpsock::abi::{BP_FLAG_REPORT_RECEPTION, BP_REPORT_STATUS, BP_STATUS_RECEIVED, Report};
use bundle::Version;
use tracing::debug;

use super::{Core, Done, NO_REASON, Origin, Waiting, is_admin, size};
use crate::agent::Event;
use crate::leaf::form::{ADMIN_RECORD, Arrival, Draft, Status, rejoin};
use crate::leaf::partial::{Partial, Worth};
use crate::leaf::store::{Batch, Queue, StoreError};

/// Data units that are known as received. The ones that expire first are forgotten first.
const MAX_SEEN: usize = 1_000_000;

impl Core {
    // Arriving.

    /// A datagram came.
    ///
    /// # Errors
    ///
    /// The store cannot be used.
    pub fn datagram(
        &mut self,
        octets: &[u8],
        now_ms: u64,
        batch: &Batch<'_>,
        events: &mut Vec<Event>,
    ) -> Done {
        self.tally.datagrams_received += 1;
        self.accept(octets, Origin::Network, now_ms, batch, events)
    }

    pub(super) fn accept(
        &mut self,
        octets: &[u8],
        origin: Origin,
        now_ms: u64,
        batch: &Batch<'_>,
        events: &mut Vec<Event>,
    ) -> Done {
        let arrival = match Arrival::decode(octets) {
            Ok(arrival) => arrival,
            Err(error) => {
                self.tally.malformed += 1;
                debug!(reason = %error, "no bundle");
                return Ok(());
            }
        };
        let is_local = self.is_local(&arrival.endpoint);
        let expires_ms = arrival.expires_ms(now_ms);
        let key = match origin {
            Origin::Own => None,
            Origin::Network => arrival.identity(),
        };
        let is_known = key.as_ref().is_some_and(|key| self.seen.contains_key(key));
        let is_full = self.octets + octets.len() as u64 > self.quota;
        let is_first = arrival.fragment.is_none_or(|(offset, _)| offset == 0);
        if is_local && is_known && is_first && arrival.info.flags & BP_FLAG_REPORT_RECEPTION != 0 {
            // The report about it was lost, or the sender would not send it again.
            self.report(
                &arrival,
                (BP_STATUS_RECEIVED, NO_REASON),
                now_ms,
                batch,
                events,
            )?;
        }
        let refusals = [
            (!is_local, &mut self.tally.not_local),
            (expires_ms <= now_ms, &mut self.tally.expired),
            (is_known, &mut self.tally.duplicates),
            (is_full, &mut self.tally.no_room),
        ];
        for (applies, counter) in refusals {
            if applies {
                *counter += 1;
                return Ok(());
            }
        }
        if arrival.fragment.is_none() {
            return self.accept_whole(octets, &arrival, key, now_ms, batch, events);
        }
        let Some(key) = key else {
            // Fragments of nobody cannot be told from each other.
            self.tally.malformed += 1;
            return Ok(());
        };
        let Some(whole) = self.accept_fragment(&key, octets, &arrival, expires_ms, batch)? else {
            return Ok(());
        };
        match Arrival::decode(&whole) {
            Ok(arrival) => self.accept_whole(&whole, &arrival, Some(key), now_ms, batch, events),
            Err(error) => {
                self.tally.malformed += 1;
                debug!(reason = %error, "fragments make no bundle");
                Ok(())
            }
        }
    }

    /// Keeps a fragment. Returns the whole bundle if it is complete.
    fn accept_fragment(
        &mut self,
        key: &[u8],
        octets: &[u8],
        arrival: &Arrival<'_>,
        expires_ms: u64,
        batch: &Batch<'_>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (offset, total) = arrival.fragment.unwrap_or_default();
        if total > self.max_message {
            self.tally.no_room += 1;
            return Ok(None);
        }
        let partial = self.partials.entry(key.to_vec());
        let partial = partial.or_insert_with(|| Partial::new(total, expires_ms));
        let worth = partial.add(offset, arrival.payload.len() as u64, total);
        if worth == Worth::Nothing {
            self.tally.duplicates += 1;
            return Ok(None);
        }
        partial.stored += octets.len() as u64;
        self.octets += octets.len() as u64;
        batch.put_fragment(key, offset, octets);
        if worth == Worth::Keep {
            return Ok(None);
        }
        let fragments = batch.take_fragments(key)?;
        self.forget_partial(key);
        self.tally.reassembled += 1;
        let mut payload = vec![0; size(total)];
        for fragment in &fragments {
            let Ok(part) = Arrival::decode(fragment) else {
                continue;
            };
            let start = size(part.fragment.unwrap_or_default().0);
            let place = payload.get_mut(start..start + part.payload.len());
            if let Some(place) = place {
                place.copy_from_slice(&part.payload);
            }
        }
        let first = fragments.first().map(|first| rejoin(first, &payload));
        Ok(first.and_then(Result::ok))
    }

    pub(super) fn forget_partial(&mut self, key: &[u8]) {
        if let Some(partial) = self.partials.remove(key) {
            self.octets -= partial.stored;
        }
    }

    fn accept_whole(
        &mut self,
        octets: &[u8],
        arrival: &Arrival<'_>,
        key: Option<Vec<u8>>,
        now_ms: u64,
        batch: &Batch<'_>,
        events: &mut Vec<Event>,
    ) -> Done {
        if let Some(key) = key {
            self.remember(key, arrival.expires_ms(now_ms), batch);
        }
        if arrival.is_admin && is_admin(&arrival.endpoint) {
            self.reported(arrival, events);
            return Ok(());
        }
        let number = self.number();
        batch.put(Queue::In, number, octets);
        self.index_inbox(number, arrival, octets.len() as u64, now_ms);
        if arrival.info.flags & BP_FLAG_REPORT_RECEPTION != 0 {
            self.report(
                arrival,
                (BP_STATUS_RECEIVED, NO_REASON),
                now_ms,
                batch,
                events,
            )?;
        }
        Ok(())
    }

    pub(super) fn index_inbox(
        &mut self,
        number: u64,
        arrival: &Arrival<'_>,
        octets: u64,
        now_ms: u64,
    ) {
        self.octets += octets;
        let waiting = Waiting {
            endpoint: arrival.endpoint.clone(),
            octets,
            expires_ms: arrival.expires_ms(now_ms),
            flags: arrival.info.flags,
        };
        self.inbox.insert(number, waiting);
        self.make_ready(number);
    }

    fn remember(&mut self, key: Vec<u8>, until: u64, batch: &Batch<'_>) {
        batch.remember(&key, until);
        self.seen_until.insert((until, key.clone()));
        self.seen.insert(key, until);
        while self.seen.len() > MAX_SEEN {
            self.forget_first_seen(batch);
        }
    }

    pub(super) fn forget_first_seen(&mut self, batch: &Batch<'_>) {
        if let Some((_, key)) = self.seen_until.pop_first() {
            self.seen.remove(&key);
            batch.forget(&key);
        }
    }

    /// Takes a bundle out of the inbox, and returns it if it asks for one of these reports.
    pub(super) fn forget_incoming(
        &mut self,
        number: u64,
        reports: u32,
        batch: &Batch<'_>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(waiting) = self.inbox.remove(&number) else {
            return Ok(None);
        };
        self.octets -= waiting.octets;
        if let Some(ready) = self.ready.get_mut(&waiting.endpoint) {
            ready.remove(&number);
            if ready.is_empty() {
                self.ready.remove(&waiting.endpoint);
            }
        }
        if waiting.flags & reports != 0 {
            return batch.remove(Queue::In, number);
        }
        batch.discard(Queue::In, number);
        Ok(None)
    }

    // Reports and the end of lifetimes.

    /// Tells who wants to know what became of a bundle.
    pub(super) fn report(
        &mut self,
        arrival: &Arrival<'_>,
        (status, reason): (u32, u32),
        now_ms: u64,
        batch: &Batch<'_>,
        events: &mut Vec<Event>,
    ) -> Done {
        let (Some(report_to), false) = (&arrival.report_to, arrival.is_admin) else {
            return Ok(());
        };
        let Ok(destination) = report_to.eid() else {
            return Ok(());
        };
        let wants_time = arrival.version == Version::V6
            || arrival.info.flags & bpsock::abi::BP_FLAG_STATUS_TIME != 0;
        let says = Status {
            status,
            reason,
            time_ms: if wants_time { now_ms } else { 0 },
            source: arrival.sender.clone(),
            bundle: arrival.info.bundle,
        };
        let lane = self.lane_to(&destination);
        let version = lane.map_or(Version::V7, |lane| self.peers[lane].version());
        let Ok(record) = says.encode(version) else {
            return Ok(());
        };
        let admin = self.admin.clone();
        let bundle = self.new_identity(now_ms);
        batch.set_last(bundle);
        let draft = Draft {
            source: &admin,
            destination: report_to,
            report_to: None,
            bundle,
            lifetime_ms: self.lifetime_ms,
            flags: ADMIN_RECORD,
            hop_limit: None,
            priority: 1,
            data: &record,
        };
        match self.post(&draft, false, now_ms, batch, events)? {
            Ok(()) => self.tally.reports_made += 1,
            Err(error) => debug!(%error, to = %report_to, "cannot report"),
        }
        Ok(())
    }

    /// A report came: it goes to the socket that sent the bundle.
    fn reported(&mut self, arrival: &Arrival<'_>, events: &mut Vec<Event>) {
        let Some(status) = Status::decode(arrival.version, &arrival.payload) else {
            return;
        };
        self.tally.reports_received += 1;
        let is_reception = status.status == BP_STATUS_RECEIVED;
        if is_reception && !self.confirmed(&status.source, status.bundle) {
            return;
        }
        let Some(registration) = self.endpoints.get(&status.source) else {
            return;
        };
        events.push(Event::Report {
            registration: *registration,
            report: Report {
                kind: BP_REPORT_STATUS,
                status: status.status,
                reason: status.reason,
                time_ms: status.time_ms,
                bundle: status.bundle,
                ..Report::default()
            },
            source: Some(arrival.source.clone()),
        });
    }
}
