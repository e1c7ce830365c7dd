// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the leaf agent decides: endpoints, bundles in and out, fragments, duplicates, reports.
//!
//! There is no socket and no clock here: times are arguments, and what is to survive goes into the
//! [`Batch`] that the caller commits before it tells anybody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bpsock::Address;
use bpsock::abi::{
    BP_FLAG_NO_FRAGMENT, BP_FLAG_REPORT_DELETION, BP_FLAG_REPORT_DELIVERY,
    BP_FLAG_REPORT_FORWARDING, BP_FLAG_REPORT_RECEPTION, BP_REPORT_STATUS, BP_STATUS_DELETED,
    BP_STATUS_DELIVERED, BP_STATUS_RECEIVED, BundleId, Report,
};
use bpsock::protocol::Delivered;
use bundle::fragment::fragment_into;
use bundle::{Eid, Version};
use rustix::io::Errno;
use tracing::{debug, warn};

use crate::agent::{Command, Delivery, Event, Outgoing, Registration, Request};
use crate::config::{Leaf as Config, Peer};
use crate::leaf::form::{ADMIN_RECORD, Arrival, Crcs, Draft, Status, rejoin};
use crate::leaf::lanes::{Lane, To};
use crate::leaf::partial::{Partial, Worth};
use crate::leaf::store::{Batch, Contents, Queue, Store, StoreError};
use bundle::v7::CrcType;

type Done = Result<(), StoreError>;

/// What one socket may have been offered and not read.
const WINDOW_MESSAGES: usize = 64;
const WINDOW_OCTETS: usize = 1 << 20;
/// Services that are chosen for sockets that want any.
const FREE_SERVICES: std::ops::RangeInclusive<u64> = 49_152..=65_535;
/// The node number of `ipn` that is the local node.
const LOCAL_NODE: u64 = u32::MAX as u64;
/// More fragments than these are not made of one bundle.
const MAX_FRAGMENTS: usize = 65_536;
/// Data units that are known as received. The ones that expire first are forgotten first.
const MAX_SEEN: usize = 1_000_000;
/// How long a bundle waits for its confirmation at first, and how often that time is doubled.
const FIRST_WAIT_MS: u64 = 500;
const MAX_DOUBLINGS: u32 = 6;
/// The reason code of a report that says only what happened, and of one about an expired bundle.
const NO_REASON: u32 = 0;
const LIFETIME_EXPIRED: u32 = 1;
const REPORTS: u32 = BP_FLAG_REPORT_RECEPTION
    | BP_FLAG_REPORT_FORWARDING
    | BP_FLAG_REPORT_DELIVERY
    | BP_FLAG_REPORT_DELETION;

/// Counters, since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Bundles that have left, whole.
    pub bundles_sent: u64,
    /// Bundles that left once more, because nobody had confirmed them.
    pub repeated: u64,
    /// Datagrams that have left.
    pub datagrams_sent: u64,
    /// Datagrams that came.
    pub datagrams_received: u64,
    /// Datagrams that are no bundle.
    pub malformed: u64,
    /// Bundles for other nodes.
    pub not_local: u64,
    /// Bundles and fragments that were there already.
    pub duplicates: u64,
    /// Bundles that expired before they were sent or read.
    pub expired: u64,
    /// Bundles and fragments for which the store had no room.
    pub no_room: u64,
    /// Data units that were put together.
    pub reassembled: u64,
    /// Status reports made.
    pub reports_made: u64,
    /// Status reports received.
    pub reports_received: u64,
}

/// How full the store is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Levels {
    /// Bundles to send.
    pub outbox: u64,
    /// Bundles to deliver.
    pub inbox: u64,
    /// Data units of which fragments are missing.
    pub partial: u64,
    /// Octets of all of them.
    pub octets: u64,
}

/// The agent without its socket.
#[derive(Debug)]
pub struct Core {
    node: u64,
    name: Option<String>,
    admin: Address,
    lifetime_ms: u64,
    max_message: u64,
    quota: u64,
    peers: Vec<Peer>,
    lanes: Vec<Lane>,
    endpoints: BTreeMap<Eid<'static>, Registration>,
    registrations: BTreeMap<Registration, Endpoint>,
    inbox: BTreeMap<u64, Waiting>,
    /// Bundles of the inbox that nobody was offered.
    ready: BTreeMap<Eid<'static>, BTreeSet<u64>>,
    outbox: BTreeMap<u64, Leaving>,
    /// Bundles that have left and are still in the store.
    left: Vec<u64>,
    /// When bundles leave once more, if nobody has confirmed them by then.
    again: BTreeSet<(u64, u64)>,
    /// Messages that wait for room in the store.
    waiting: VecDeque<(Request, Registration, Outgoing)>,
    partials: BTreeMap<Vec<u8>, Partial>,
    seen: BTreeMap<Vec<u8>, u64>,
    seen_until: BTreeSet<(u64, Vec<u8>)>,
    last: BundleId,
    next_number: u64,
    next_delivery: u64,
    next_tick_ms: u64,
    octets: u64,
    tally: Tally,
}

#[derive(Debug)]
struct Endpoint {
    eid: Eid<'static>,
    address: Address,
    offered: BTreeMap<Delivery, u64>,
    offered_octets: usize,
    is_paused: bool,
    /// What it was offered and had no room for. It is offered again under the same number.
    returned: BTreeMap<u64, Delivery>,
    /// What this socket will never take.
    refused: BTreeSet<u64>,
}

/// A bundle in the inbox.
#[derive(Debug)]
struct Waiting {
    endpoint: Eid<'static>,
    octets: u64,
    expires_ms: u64,
}

/// A bundle in the outbox.
#[derive(Debug)]
struct Leaving {
    source: Eid<'static>,
    bundle: BundleId,
    lane: usize,
    priority: u8,
    octets: u64,
    expires_ms: u64,
    /// Whether it stays until the receiver has it, and how often it has left.
    is_confirmed: bool,
    attempts: u32,
    /// Whether the sender wants to know of the reception.
    is_watched: bool,
}

impl Core {
    /// An agent with what its store holds.
    #[must_use]
    pub fn new(config: &Config, max_message: u32, contents: Contents, now_ms: u64) -> Self {
        let lane = |peer: &Peer| Lane::new(peer.address, peer.octets_per_s.map(u64::from));
        let mut core = Self {
            node: config.node_number(),
            name: config.name.clone(),
            admin: Address::from_eid(&Eid::ipn(config.node_number(), 0)),
            lifetime_ms: config.lifetime_ms,
            max_message: max_message.into(),
            quota: config.quota_octets,
            peers: config.peers.clone(),
            lanes: config.peers.iter().map(lane).collect(),
            endpoints: BTreeMap::new(),
            registrations: BTreeMap::new(),
            inbox: BTreeMap::new(),
            ready: BTreeMap::new(),
            outbox: BTreeMap::new(),
            left: Vec::new(),
            again: BTreeSet::new(),
            waiting: VecDeque::new(),
            partials: BTreeMap::new(),
            seen: BTreeMap::new(),
            seen_until: BTreeSet::new(),
            last: contents.last,
            next_number: 1,
            next_delivery: 0,
            next_tick_ms: 0,
            octets: 0,
            tally: Tally::default(),
        };
        core.load(contents, now_ms);
        core
    }

    fn load(&mut self, contents: Contents, now_ms: u64) {
        for (key, until) in contents.seen {
            self.seen_until.insert((until, key.clone()));
            self.seen.insert(key, until);
        }
        for (number, octets) in contents.inbox {
            self.next_number = self.next_number.max(number + 1);
            if let Ok(arrival) = Arrival::decode(&octets) {
                self.index_inbox(number, &arrival, octets.len() as u64, now_ms);
            }
        }
        for (number, octets) in contents.outbox {
            self.next_number = self.next_number.max(number + 1);
            let lane = Arrival::decode(&octets).ok().and_then(|arrival| {
                let lane = self.lane_to(&arrival.endpoint)?;
                let expires_ms = arrival.expires_ms(now_ms);
                let is_confirmed =
                    self.confirms(lane, arrival.info.flags, arrival.report_to.as_ref());
                Some((lane, arrival.sender, arrival.info, expires_ms, is_confirmed))
            });
            let Some((lane, source, info, expires_ms, is_confirmed)) = lane else {
                warn!(number, "a bundle in the store has no way any more");
                self.left.push(number);
                continue;
            };
            let leaving = Leaving {
                source,
                bundle: info.bundle,
                lane,
                priority: priority(info.priority),
                octets: octets.len() as u64,
                expires_ms,
                is_confirmed,
                attempts: 0,
                is_watched: true,
            };
            self.index_outbox(number, leaving);
        }
        for (key, octets) in contents.fragments {
            let Ok(arrival) = Arrival::decode(&octets) else {
                continue;
            };
            if let Some((offset, total)) = arrival.fragment {
                let expires_ms = arrival.expires_ms(now_ms);
                let partial = self.partials.entry(key);
                let partial = partial.or_insert_with(|| Partial::new(total, expires_ms));
                partial.add(offset, arrival.payload.len() as u64, total);
                partial.stored += octets.len() as u64;
                self.octets += octets.len() as u64;
            }
        }
    }

    /// Counters.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// How full the store is.
    #[must_use]
    pub fn levels(&self) -> Levels {
        Levels {
            outbox: self.outbox.len() as u64,
            inbox: self.inbox.len() as u64,
            partial: self.partials.len() as u64,
            octets: self.octets,
        }
    }

    // Commands.

    /// Does what the daemon wants.
    ///
    /// # Errors
    ///
    /// The store cannot be used.
    pub fn command(
        &mut self,
        command: Command,
        now_ms: u64,
        batch: &Batch,
        events: &mut Vec<Event>,
    ) -> Done {
        match command {
            Command::Register {
                registration,
                address,
            } => {
                let outcome = self.register(registration, &address);
                events.push(Event::Registered(registration, outcome));
            }
            Command::Unregister(registration) => self.unregister(registration),
            Command::Send {
                request,
                registration,
                message,
            } => {
                self.waiting.push_back((request, registration, message));
                self.send_waiting(now_ms, batch, events)?;
            }
            Command::Cancel {
                request,
                registration,
                bundle,
            } => {
                let outcome = self.cancel(registration, bundle, batch)?;
                events.push(Event::Cancelled(request, outcome));
            }
            Command::Acknowledge(registration, delivery) => {
                if let Some(number) = self.take_back(registration, delivery) {
                    self.delivered(number, now_ms, batch, events)?;
                }
            }
            Command::Pause(registration, delivery) => self.pause(registration, delivery),
            Command::Refuse(registration, delivery) => {
                let number = self.take_back(registration, delivery);
                let endpoint = self.registrations.get_mut(&registration);
                if let (Some(number), Some(endpoint)) = (number, endpoint) {
                    endpoint.refused.insert(number);
                    self.make_ready(number);
                }
            }
            Command::Resume(registration) => {
                if let Some(endpoint) = self.registrations.get_mut(&registration) {
                    endpoint.is_paused = false;
                }
            }
        }
        Ok(())
    }

    fn register(&mut self, registration: Registration, wanted: &Address) -> Result<Address, Errno> {
        let address = self.localised(wanted)?;
        let eid = address.eid().map_err(|_| Errno::AFNOSUPPORT)?.into_owned();
        if !self.is_local(&eid) || is_admin(&eid) {
            return Err(Errno::ADDRNOTAVAIL);
        }
        if self.endpoints.contains_key(&eid) {
            return Err(Errno::ADDRINUSE);
        }
        self.endpoints.insert(eid.clone(), registration);
        let endpoint = Endpoint {
            eid,
            address: address.clone(),
            offered: BTreeMap::new(),
            offered_octets: 0,
            is_paused: false,
            returned: BTreeMap::new(),
            refused: BTreeSet::new(),
        };
        self.registrations.insert(registration, endpoint);
        Ok(address)
    }

    /// The address with the numbers of this node, and a free service if any is wanted.
    fn localised(&self, wanted: &Address) -> Result<Address, Errno> {
        let is_own = |node: u64| node == 0 || node == LOCAL_NODE || node == self.node;
        let with = |make: &dyn Fn(u64) -> Option<Address>, service: u64| {
            if service != 0 {
                return make(service).ok_or(Errno::ADDRNOTAVAIL);
            }
            let free = |service: &u64| {
                let eid = Eid::ipn(self.node, *service);
                !self.endpoints.contains_key(&eid) && !self.ready.contains_key(&eid)
            };
            let service = FREE_SERVICES.clone().find(free).ok_or(Errno::ADDRINUSE)?;
            make(service).ok_or(Errno::ADDRNOTAVAIL)
        };
        match wanted {
            Address::Ipn { node, service } if is_own((*node).into()) => {
                let make = |service: u64| Some(Address::from_eid(&Eid::ipn(self.node, service)));
                with(&make, (*service).into())
            }
            Address::Ipn64 { node, service } if is_own(*node) => {
                let node = self.node;
                with(&|service| Some(Address::Ipn64 { node, service }), *service)
            }
            Address::Ipn3 {
                allocator,
                node,
                service,
            } if is_own(u64::from(*allocator) << 32 | u64::from(*node)) => {
                let allocator = u32::try_from(self.node >> 32).unwrap_or_default();
                let node = u32::try_from(self.node & LOCAL_NODE).unwrap_or_default();
                let make = |service| {
                    Some(Address::Ipn3 {
                        allocator,
                        node,
                        service,
                    })
                };
                with(&make, *service)
            }
            Address::Dtn(_) if self.name.is_some() => Ok(wanted.clone()),
            _ => Err(Errno::ADDRNOTAVAIL),
        }
    }

    fn is_local(&self, eid: &Eid<'_>) -> bool {
        match eid {
            Eid::Null => false,
            Eid::Ipn { node, .. } => *node == self.node,
            Eid::Dtn(ssp) => self.name.as_ref().is_some_and(|name| {
                let rest = ssp
                    .strip_prefix("//")
                    .and_then(|ssp| ssp.strip_prefix(name.as_str()));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }),
        }
    }

    fn unregister(&mut self, registration: Registration) {
        let Some(endpoint) = self.registrations.remove(&registration) else {
            return;
        };
        self.endpoints.remove(&endpoint.eid);
        for number in endpoint.offered.into_values() {
            self.make_ready(number);
        }
        self.waiting
            .retain(|(_, sender, _)| *sender != registration);
    }

    /// Takes a message back and all that were offered after it: the socket has ignored them.
    fn pause(&mut self, registration: Registration, first: Delivery) {
        let Some(endpoint) = self.registrations.get_mut(&registration) else {
            return;
        };
        endpoint.is_paused = true;
        let back: Vec<_> = endpoint.offered.range(first..).map(|(it, _)| *it).collect();
        for delivery in back {
            let Some(number) = self.take_back(registration, delivery) else {
                continue;
            };
            if let Some(endpoint) = self.registrations.get_mut(&registration) {
                endpoint.returned.insert(number, delivery);
            }
            self.make_ready(number);
        }
    }

    fn take_back(&mut self, registration: Registration, delivery: Delivery) -> Option<u64> {
        let endpoint = self.registrations.get_mut(&registration)?;
        let number = endpoint.offered.remove(&delivery)?;
        let octets = self.inbox.get(&number).map_or(0, |it| it.octets);
        endpoint.offered_octets = endpoint.offered_octets.saturating_sub(size(octets));
        Some(number)
    }

    fn make_ready(&mut self, number: u64) {
        if let Some(waiting) = self.inbox.get(&number) {
            let ready = self.ready.entry(waiting.endpoint.clone());
            ready.or_default().insert(number);
        }
    }

    // Sending.

    fn lane_to(&self, destination: &Eid<'_>) -> Option<usize> {
        let fits = |peer: &Peer| {
            peer.endpoints
                .iter()
                .any(|pattern| pattern.fits(destination))
        };
        self.peers.iter().position(fits)
    }

    /// Takes messages into the store, in their order, as far as there is room.
    fn send_waiting(&mut self, now_ms: u64, batch: &Batch, events: &mut Vec<Event>) -> Done {
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
        batch: &Batch,
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
        batch.set_last(self.last)?;
        Ok(sent.map(|()| bundle))
    }

    /// Puts a bundle on its way, which may be a short one.
    fn post(
        &mut self,
        draft: &Draft<'_>,
        priority_matters: bool,
        now_ms: u64,
        batch: &Batch,
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
            self.accept(&octets, now_ms, batch, events)?;
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
        batch.put(Queue::Out, number, &octets)?;
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
    fn confirms(&self, lane: usize, flags: u32, report_to: Option<&Address>) -> bool {
        self.peers[lane].confirm
            && flags & BP_FLAG_REPORT_RECEPTION != 0
            && report_to == Some(&self.admin)
    }

    fn index_outbox(&mut self, number: u64, leaving: Leaving) {
        self.octets += leaving.octets;
        self.lanes[leaving.lane].push(leaving.priority, number);
        self.outbox.insert(number, leaving);
    }

    fn cancel(
        &mut self,
        registration: Registration,
        bundle: BundleId,
        batch: &Batch,
    ) -> Result<Result<(), Errno>, StoreError> {
        let source = self.registrations.get(&registration).map(|it| &it.eid);
        let found = self
            .outbox
            .iter()
            .find(|(_, leaving)| Some(&leaving.source) == source && leaving.bundle == bundle);
        let Some((&number, leaving)) = found else {
            return Ok(Err(Errno::NOENT));
        };
        // What has begun to leave cannot be taken back.
        if !self.lanes[leaving.lane].remove(leaving.priority, number) {
            return Ok(Err(Errno::NOENT));
        }
        self.forget_outgoing(number);
        batch.remove(Queue::Out, number)?;
        Ok(Ok(()))
    }

    fn forget_outgoing(&mut self, number: u64) {
        if let Some(leaving) = self.outbox.remove(&number) {
            self.octets -= leaving.octets;
        }
    }

    /// The next datagram that may be sent now.
    pub fn next_datagram(&mut self, store: &Store, now_ms: u64) -> Option<(To, Vec<u8>)> {
        for (place, lane) in self.lanes.iter_mut().enumerate() {
            while let Some(number) = lane.next() {
                let octets = store.bundle(Queue::Out, number).ok().flatten();
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
                return Some((to, datagram.to_vec()));
            }
        }
        None
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
    fn send_again(&mut self, now_ms: u64) {
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
    fn confirmed(&mut self, source: &Eid<'_>, bundle: BundleId) -> bool {
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

    /// Takes bundles out of the store that have left.
    ///
    /// # Errors
    ///
    /// The store cannot be used.
    pub fn settle(&mut self, batch: &Batch) -> Done {
        for number in std::mem::take(&mut self.left) {
            self.forget_outgoing(number);
            batch.remove(Queue::Out, number)?;
        }
        Ok(())
    }

    const fn new_identity(&mut self, now_ms: u64) -> BundleId {
        if now_ms > self.last.creation_ms {
            self.last = BundleId {
                creation_ms: now_ms,
                sequence: 0,
            };
        } else {
            // The clock stands or goes back: the number tells the bundles apart.
            self.last.sequence += 1;
        }
        self.last
    }

    const fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

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
        batch: &Batch,
        events: &mut Vec<Event>,
    ) -> Done {
        self.tally.datagrams_received += 1;
        self.accept(octets, now_ms, batch, events)
    }

    fn accept(
        &mut self,
        octets: &[u8],
        now_ms: u64,
        batch: &Batch,
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
        let key = arrival.identity();
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
            return self.accept_whole(octets, &arrival, now_ms, batch, events);
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
            Ok(arrival) => self.accept_whole(&whole, &arrival, now_ms, batch, events),
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
        batch: &Batch,
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
        batch.put_fragment(key, offset, octets)?;
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

    fn forget_partial(&mut self, key: &[u8]) {
        if let Some(partial) = self.partials.remove(key) {
            self.octets -= partial.stored;
        }
    }

    fn accept_whole(
        &mut self,
        octets: &[u8],
        arrival: &Arrival<'_>,
        now_ms: u64,
        batch: &Batch,
        events: &mut Vec<Event>,
    ) -> Done {
        if let Some(key) = arrival.identity() {
            self.remember(key, arrival.expires_ms(now_ms), batch)?;
        }
        if arrival.is_admin && is_admin(&arrival.endpoint) {
            self.reported(arrival, events);
            return Ok(());
        }
        let number = self.number();
        batch.put(Queue::In, number, octets)?;
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

    fn index_inbox(&mut self, number: u64, arrival: &Arrival<'_>, octets: u64, now_ms: u64) {
        self.octets += octets;
        let waiting = Waiting {
            endpoint: arrival.endpoint.clone(),
            octets,
            expires_ms: arrival.expires_ms(now_ms),
        };
        self.inbox.insert(number, waiting);
        self.make_ready(number);
    }

    fn remember(&mut self, key: Vec<u8>, until: u64, batch: &Batch) -> Done {
        batch.remember(&key, until)?;
        self.seen_until.insert((until, key.clone()));
        self.seen.insert(key, until);
        while self.seen.len() > MAX_SEEN {
            self.forget_first_seen(batch)?;
        }
        Ok(())
    }

    fn forget_first_seen(&mut self, batch: &Batch) -> Done {
        if let Some((_, key)) = self.seen_until.pop_first() {
            self.seen.remove(&key);
            batch.forget(&key)?;
        }
        Ok(())
    }

    /// Hands messages to sockets that have room for them.
    ///
    /// # Errors
    ///
    /// The store cannot be used.
    pub fn offer(&mut self, store: &Store, events: &mut Vec<Event>) -> Done {
        for (registration, endpoint) in &mut self.registrations {
            let Some(ready) = self.ready.get_mut(&endpoint.eid) else {
                continue;
            };
            while !endpoint.is_paused
                && endpoint.offered.len() < WINDOW_MESSAGES
                && (endpoint.offered.is_empty() || endpoint.offered_octets < WINDOW_OCTETS)
            {
                let next = ready
                    .iter()
                    .find(|number| !endpoint.refused.contains(number));
                let Some(&number) = next else { break };
                ready.remove(&number);
                let Some(octets) = store.bundle(Queue::In, number)? else {
                    continue;
                };
                let Ok(arrival) = Arrival::decode(&octets) else {
                    continue;
                };
                let delivery = endpoint.returned.remove(&number).unwrap_or_else(|| {
                    self.next_delivery += 1;
                    Delivery(self.next_delivery)
                });
                endpoint.offered.insert(delivery, number);
                endpoint.offered_octets += octets.len();
                let about = Delivered {
                    source: arrival.source,
                    destination: Some(arrival.destination),
                    info: Some(arrival.info),
                    report_to: arrival.report_to,
                    previous_node: arrival.previous_node,
                };
                events.push(Event::Arrived {
                    registration: *registration,
                    delivery,
                    about: Box::new(about),
                    data: Arc::from(&*arrival.payload),
                });
            }
            if ready.is_empty() {
                self.ready.remove(&endpoint.eid);
            }
        }
        Ok(())
    }

    /// An application has read a message: it is gone, and its sender hears of it.
    fn delivered(
        &mut self,
        number: u64,
        now_ms: u64,
        batch: &Batch,
        events: &mut Vec<Event>,
    ) -> Done {
        let octets = self.forget_incoming(number, batch)?;
        let Some(arrival) = octets.as_deref().map(Arrival::decode).and_then(Result::ok) else {
            return Ok(());
        };
        if arrival.info.flags & BP_FLAG_REPORT_DELIVERY != 0 {
            self.report(
                &arrival,
                (BP_STATUS_DELIVERED, NO_REASON),
                now_ms,
                batch,
                events,
            )?;
        }
        Ok(())
    }

    fn forget_incoming(
        &mut self,
        number: u64,
        batch: &Batch,
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
        batch.remove(Queue::In, number)
    }

    // Reports and the end of lifetimes.

    /// Tells who wants to know what became of a bundle.
    fn report(
        &mut self,
        arrival: &Arrival<'_>,
        (status, reason): (u32, u32),
        now_ms: u64,
        batch: &Batch,
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
        batch.set_last(bundle)?;
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

    /// Removes what has expired, once a second, and takes messages in that waited for room.
    ///
    /// # Errors
    ///
    /// The store cannot be used.
    pub fn tick(&mut self, now_ms: u64, batch: &Batch, events: &mut Vec<Event>) -> Done {
        self.send_again(now_ms);
        self.send_waiting(now_ms, batch, events)?;
        if now_ms < self.next_tick_ms {
            return Ok(());
        }
        self.next_tick_ms = now_ms + 1000;
        let expired = self.inbox.iter().filter(|(_, it)| it.expires_ms <= now_ms);
        let expired: Vec<_> = expired.map(|(number, _)| *number).collect();
        for number in expired {
            self.expire_incoming(number, now_ms, batch, events)?;
        }
        let expired = self.outbox.iter().filter(|(_, it)| it.expires_ms <= now_ms);
        let expired: Vec<_> = expired.map(|(number, _)| *number).collect();
        for number in expired {
            let Some(leaving) = self.outbox.get(&number) else {
                continue;
            };
            let waits = self.again.iter().any(|(_, other)| *other == number);
            if self.lanes[leaving.lane].remove(leaving.priority, number) || waits {
                self.again.retain(|(_, other)| *other != number);
                self.tally.expired += 1;
                self.forget_outgoing(number);
                batch.remove(Queue::Out, number)?;
            }
        }
        let expired = self
            .partials
            .iter()
            .filter(|(_, it)| it.expires_ms <= now_ms);
        let expired: Vec<_> = expired.map(|(key, _)| key.clone()).collect();
        for key in expired {
            self.tally.expired += 1;
            batch.take_fragments(&key)?;
            self.forget_partial(&key);
        }
        while self
            .seen_until
            .first()
            .is_some_and(|(until, _)| *until <= now_ms)
        {
            self.forget_first_seen(batch)?;
        }
        Ok(())
    }

    fn expire_incoming(
        &mut self,
        number: u64,
        now_ms: u64,
        batch: &Batch,
        events: &mut Vec<Event>,
    ) -> Done {
        self.tally.expired += 1;
        let endpoint = self.inbox.get(&number).map(|it| it.endpoint.clone());
        let registration = endpoint.and_then(|it| self.endpoints.get(&it)).copied();
        if let Some(registration) = registration {
            let endpoint = self.registrations.get_mut(&registration);
            let delivery = endpoint.and_then(|endpoint| {
                let mut offered = endpoint.offered.iter();
                let offered = offered.find(|(_, it)| **it == number).map(|(it, _)| *it);
                offered.or_else(|| endpoint.returned.remove(&number))
            });
            if let Some(delivery) = delivery {
                self.take_back(registration, delivery);
                events.push(Event::Revoked(registration, delivery));
            }
        }
        let octets = self.forget_incoming(number, batch)?;
        let Some(arrival) = octets.as_deref().map(Arrival::decode).and_then(Result::ok) else {
            return Ok(());
        };
        if arrival.info.flags & BP_FLAG_REPORT_DELETION != 0 {
            let what = (BP_STATUS_DELETED, LIFETIME_EXPIRED);
            self.report(&arrival, what, now_ms, batch, events)?;
        }
        Ok(())
    }
}

/// Whether it is the node's own endpoint, for administrative records.
fn is_admin(eid: &Eid<'_>) -> bool {
    match eid {
        Eid::Ipn { service, .. } => *service == 0,
        Eid::Dtn(ssp) => {
            let demux = ssp.strip_prefix("//").and_then(|ssp| ssp.split_once('/'));
            demux.is_none_or(|(_, demux)| demux.is_empty())
        }
        Eid::Null => false,
    }
}

fn priority(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// A length in memory. Longer ones do not get here: the limits of messages are below.
fn size(octets: u64) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}
