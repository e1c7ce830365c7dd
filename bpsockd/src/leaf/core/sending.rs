// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles on their way out: the outbox, what leaves next, what leaves once more.

use bpsock::Address;
use bpsock::abi::{
    BP_FLAG_NO_FRAGMENT, BP_FLAG_REPORT_DELETION, BP_FLAG_REPORT_DELIVERY,
    BP_FLAG_REPORT_FORWARDING, BP_FLAG_REPORT_RECEPTION, BundleId,
};
use bundle::fragment::fragment_into;
use bundle::v7::CrcType;
use bundle::{Eid, Version};
use rustix::io::Errno;
use tracing::warn;

use super::{Core, Done, Leaving, Origin, priority};
use crate::agent::{Event, Outgoing, Registration};
use crate::config::Peer;
use crate::leaf::form::{ADMIN_RECORD, Crcs, Draft};
use crate::leaf::lanes::To;
use crate::leaf::store::{Batch, Queue, Store, StoreError};

/// More fragments than these are not made of one bundle.
const MAX_FRAGMENTS: usize = 65_536;
/// How long a bundle waits for its confirmation at first, and how often that time is doubled.
const FIRST_WAIT_MS: u64 = 500;
const MAX_DOUBLINGS: u32 = 6;
const REPORTS: u32 = BP_FLAG_REPORT_RECEPTION
    | BP_FLAG_REPORT_FORWARDING
    | BP_FLAG_REPORT_DELIVERY
    | BP_FLAG_REPORT_DELETION;

impl Core {
    // Sending.

    pub(super) fn lane_to(&self, destination: &Eid<'_>) -> Option<usize> {
        let fits = |peer: &Peer| {
            peer.endpoints
                .iter()
                .any(|pattern| pattern.fits(destination))
        };
        self.peers.iter().position(fits)
    }

    /// Takes messages into the store, in their order, as far as there is room.
    pub(super) fn send_waiting(
        &mut self,
        now_ms: u64,
        batch: &Batch<'_>,
        events: &mut Vec<Event>,
    ) -> Done {
        while let Some((_, _, message)) = self.waiting.front() {
            let needed = message.data.len() as u64;
            if self.octets + needed > self.quota && !self.outbox.is_empty() {
                // Room comes when bundles leave. The application waits, or its window is full.
                return Ok(());
            }
            let Some((request, registration, message)) = self.waiting.pop_front() else {
                return Ok(());
            };
            let outcome = if self.octets + needed > self.quota {
                Err(Errno::NOBUFS)
            } else {
                self.send(registration, &message, now_ms, batch, events)?
            };
            events.push(Event::Sent(request, outcome.map(Some)));
        }
        Ok(())
    }

    fn send(
        &mut self,
        registration: Registration,
        message: &Outgoing,
        now_ms: u64,
        batch: &Batch<'_>,
        events: &mut Vec<Event>,
    ) -> Result<Result<BundleId, Errno>, StoreError> {
        let Some(endpoint) = self.registrations.get(&registration) else {
            return Ok(Err(Errno::BADF));
        };
        let source = endpoint.address.clone();
        let options = message.options;
        let flags = options.chosen_flags();
        let lifetime_ms = options.chosen_lifetime_ms().unwrap_or(self.lifetime_ms);
        let hop_limit = options.chosen_hop_limit();
        let priority = options.chosen_priority();
        let is_sound = lifetime_ms > 0
            && hop_limit.is_none_or(|limit| (1..=255).contains(&limit))
            && priority.is_none_or(|priority| priority <= 2);
        if !is_sound {
            return Ok(Err(Errno::INVAL));
        }
        // Without an address for reports, the daemon takes them for the socket.
        let report_to = message.report_to.clone();
        let report_to = report_to.or_else(|| (flags & REPORTS != 0).then(|| self.admin.clone()));
        let bundle = self.new_identity(now_ms);
        let draft = Draft {
            source: &source,
            destination: &message.destination,
            report_to: report_to.as_ref(),
            bundle,
            lifetime_ms,
            flags,
            hop_limit,
            priority: priority.unwrap_or(1),
            data: &message.data,
        };
        let sent = self.post(&draft, priority.is_some(), now_ms, batch, events)?;
        batch.set_last(self.last);
        Ok(sent.map(|()| bundle))
    }

    /// Puts a bundle on its way, which may be a short one.
    pub(super) fn post(
        &mut self,
        draft: &Draft<'_>,
        priority_matters: bool,
        now_ms: u64,
        batch: &Batch<'_>,
        events: &mut Vec<Event>,
    ) -> Result<Result<(), Errno>, StoreError> {
        let Ok(destination) = draft.destination.eid().map(Eid::into_owned) else {
            return Ok(Err(Errno::AFNOSUPPORT));
        };
        let crcs = |primary, blocks| Crcs { primary, blocks };
        if self.is_local(&destination) {
            let encoded = draft.encode(Version::V7, crcs(CrcType::Crc16, CrcType::None));
            let Ok(octets) = encoded else {
                return Ok(Err(Errno::AFNOSUPPORT));
            };
            self.accept(&octets, Origin::Own, now_ms, batch, events)?;
            return Ok(Ok(()));
        }
        let Some(lane) = self.lane_to(&destination) else {
            return Ok(Err(Errno::HOSTUNREACH));
        };
        let peer = &self.peers[lane];
        let version = peer.version();
        let unsupported = match version {
            Version::V6 => draft.hop_limit.is_some(),
            Version::V7 => priority_matters && draft.priority != 1,
        };
        if unsupported {
            return Ok(Err(Errno::OPNOTSUPP));
        }
        let crcs = crcs(peer.crc_primary(), peer.crc_blocks());
        let mut asking = draft.clone();
        let may_ask = peer.confirm && draft.flags & ADMIN_RECORD == 0;
        if may_ask
            && draft
                .report_to
                .is_none_or(|report_to| *report_to == self.admin)
        {
            asking.flags |= BP_FLAG_REPORT_RECEPTION;
            asking.report_to = Some(&self.admin);
        }
        let Ok(octets) = asking.encode(version, crcs) else {
            return Ok(Err(Errno::AFNOSUPPORT));
        };
        let is_confirmed = self.confirms(lane, asking.flags, asking.report_to);
        let room = peer.room();
        let is_whole = draft.flags & BP_FLAG_NO_FRAGMENT != 0;
        let fits = octets.len() <= room
            || (!is_whole && fragment_into(&octets, room, MAX_FRAGMENTS).is_ok());
        if !fits {
            return Ok(Err(Errno::MSGSIZE));
        }
        let number = self.number();
        batch.put(Queue::Out, number, &octets);
        let leaving = Leaving {
            source: draft.source.eid().map_or(Eid::Null, Eid::into_owned),
            bundle: draft.bundle,
            lane,
            priority: priority(draft.priority),
            octets: octets.len() as u64,
            expires_ms: draft.bundle.creation_ms.saturating_add(draft.lifetime_ms),
            is_confirmed,
            attempts: 0,
            is_watched: draft.flags & BP_FLAG_REPORT_RECEPTION != 0,
        };
        self.index_outbox(number, leaving);
        Ok(Ok(()))
    }

    /// Whether the receiver of such a bundle will say that it has it.
    pub(super) fn confirms(&self, lane: usize, flags: u32, report_to: Option<&Address>) -> bool {
        self.peers[lane].confirm
            && flags & BP_FLAG_REPORT_RECEPTION != 0
            && report_to == Some(&self.admin)
    }

    pub(super) fn index_outbox(&mut self, number: u64, leaving: Leaving) {
        self.octets += leaving.octets;
        self.lanes[leaving.lane].push(leaving.priority, number);
        self.outbox.insert(number, leaving);
    }

    pub(super) fn cancel(
        &mut self,
        registration: Registration,
        bundle: BundleId,
        batch: &Batch<'_>,
    ) -> Result<(), Errno> {
        let source = self.registrations.get(&registration).map(|it| &it.eid);
        let found = self
            .outbox
            .iter()
            .find(|(_, leaving)| Some(&leaving.source) == source && leaving.bundle == bundle);
        let Some((&number, leaving)) = found else {
            return Err(Errno::NOENT);
        };
        // What has begun to leave cannot be taken back.
        if !self.lanes[leaving.lane].remove(leaving.priority, number) {
            return Err(Errno::NOENT);
        }
        self.forget_outgoing(number);
        batch.discard(Queue::Out, number);
        Ok(())
    }

    pub(super) fn forget_outgoing(&mut self, number: u64) {
        if let Some(leaving) = self.outbox.remove(&number) {
            self.octets -= leaving.octets;
        }
    }

    /// The next datagram that may be sent now.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn next_datagram(
        &mut self,
        store: &Store,
        now_ms: u64,
    ) -> Result<Option<(To, Vec<u8>)>, StoreError> {
        for (place, lane) in self.lanes.iter_mut().enumerate() {
            while let Some(number) = lane.next() {
                let octets = store.bundle(Queue::Out, number)?;
                let room = self.peers[place].room();
                let fragments =
                    octets.and_then(|octets| fragment_into(&octets, room, MAX_FRAGMENTS).ok());
                // It did fit when it came: the configuration has changed.
                let is_lost = fragments.is_none();
                lane.begin(fragments.unwrap_or_default());
                if !is_lost {
                    break;
                }
                warn!(number, "a bundle does not fit the path any more");
                lane.sent(now_ms);
                self.left.push(number);
            }
            if let Some(datagram) = lane.datagram(now_ms) {
                let address = lane.address();
                let to = To {
                    lane: place,
                    address,
                };
                return Ok(Some((to, datagram.to_vec())));
            }
        }
        Ok(None)
    }

    /// The datagram has left.
    pub fn datagram_sent(&mut self, to: To, now_ms: u64) {
        self.tally.datagrams_sent += 1;
        let Some(number) = self.lanes[to.lane].sent(now_ms) else {
            return;
        };
        self.tally.bundles_sent += 1;
        match self.outbox.get_mut(&number) {
            Some(leaving) if leaving.is_confirmed => {
                let wait = FIRST_WAIT_MS << leaving.attempts.min(MAX_DOUBLINGS);
                leaving.attempts += 1;
                self.again.insert((now_ms + wait, number));
            }
            _ => self.left.push(number),
        }
    }

    /// The system could not send it.
    pub fn send_failed(&mut self, to: To, now_ms: u64) {
        self.lanes[to.lane].failed(now_ms);
    }

    /// In how many milliseconds there is something to send, or to take out of the store.
    #[must_use]
    pub fn next_send_ms(&self, now_ms: u64) -> Option<u64> {
        if !self.left.is_empty() {
            return Some(0);
        }
        let due = self.lanes.iter().filter_map(|lane| lane.due_in_ms(now_ms));
        let again = self.again.first().map(|(at, _)| at.saturating_sub(now_ms));
        due.chain(again).min()
    }

    /// Bundles that nobody has confirmed leave once more.
    pub(super) fn send_again(&mut self, now_ms: u64) {
        while let Some((_, number)) = self.again.first().filter(|(at, _)| *at <= now_ms) {
            let number = *number;
            self.again.pop_first();
            if let Some(leaving) = self.outbox.get(&number) {
                self.tally.repeated += 1;
                self.lanes[leaving.lane].push(leaving.priority, number);
            }
        }
    }

    /// The receiver has a bundle. Returns whether its sender wants to know.
    pub(super) fn confirmed(&mut self, source: &Eid<'_>, bundle: BundleId) -> bool {
        let found = self
            .outbox
            .iter()
            .find(|(_, it)| it.bundle == bundle && it.source == *source && it.is_confirmed);
        let Some((&number, leaving)) = found else {
            return true;
        };
        let is_watched = leaving.is_watched;
        self.lanes[leaving.lane].remove(leaving.priority, number);
        self.again.retain(|(_, other)| *other != number);
        self.left.push(number);
        is_watched
    }
}
