// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the leaf agent decides: endpoints, bundles in and out, fragments, duplicates, reports.
//!
//! There is no socket and no clock here: times are arguments, and what is to survive goes into the
//! [`Batch`] that the caller commits before it tells anybody.

mod endpoints;
mod receiving;
mod sending;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bpsock::Address;
use bpsock::abi::{BP_FLAG_REPORT_DELETION, BP_STATUS_DELETED, BundleId};
use bundle::Eid;
use tracing::warn;

use crate::agent::{Command, Delivery, Event, Outgoing, Registration, Request};
use crate::config::{Leaf as Config, Peer};
use crate::leaf::form::Arrival;
use crate::leaf::lanes::Lane;
use crate::leaf::partial::Partial;
use crate::leaf::store::{Batch, Contents, Queue, StoreError};
pub(crate) use endpoints::services_from;

type Done = Result<(), StoreError>;

/// The reason code of a report that says only what happened, and of one about an expired bundle.
const NO_REASON: u32 = 0;
const LIFETIME_EXPIRED: u32 = 1;

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
    /// When it began, in DTN time.
    begun_ms: u64,
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
    /// Of the bundle.
    flags: u32,
}

/// Where a bundle comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Origin {
    /// A program on this node: it has an identity that no other one has.
    Own,
    /// The network, which may bring it again.
    Network,
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
            begun_ms: now_ms,
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
        batch: &Batch<'_>,
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
                let outcome = self.cancel(registration, bundle, batch);
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

    /// Takes bundles out of the store that have left.
    ///
    /// # Errors
    ///
    /// The store cannot be used.
    pub fn settle(&mut self, batch: &Batch<'_>) -> Done {
        for number in std::mem::take(&mut self.left) {
            self.forget_outgoing(number);
            batch.discard(Queue::Out, number);
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

    /// Removes what has expired, once a second, and takes messages in that waited for room.
    ///
    /// # Errors
    ///
    /// The store cannot be used.
    pub fn tick(&mut self, now_ms: u64, batch: &Batch<'_>, events: &mut Vec<Event>) -> Done {
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
                batch.discard(Queue::Out, number);
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
            self.forget_first_seen(batch);
        }
        Ok(())
    }

    fn expire_incoming(
        &mut self,
        number: u64,
        now_ms: u64,
        batch: &Batch<'_>,
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
        let octets = self.forget_incoming(number, BP_FLAG_REPORT_DELETION, batch)?;
        let Some(arrival) = octets.as_deref().map(Arrival::decode).and_then(Result::ok) else {
            return Ok(());
        };
        let what = (BP_STATUS_DELETED, LIFETIME_EXPIRED);
        self.report(&arrival, what, now_ms, batch, events)
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
