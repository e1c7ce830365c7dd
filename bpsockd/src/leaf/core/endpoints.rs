// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Endpoints of sockets, and what they are offered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bpsock::Address;
use bpsock::abi::{BP_FLAG_REPORT_DELIVERY, BP_STATUS_DELIVERED};
use bpsock::protocol::Delivered;
use bundle::Eid;
use rustix::io::Errno;

use super::{Core, Done, Endpoint, NO_REASON, is_admin, size};
use crate::agent::{Delivery, Event, Registration};
use crate::leaf::form::Arrival;
use crate::leaf::store::{Batch, Queue, Store};

/// What one socket may have been offered and not read.
const WINDOW_MESSAGES: usize = 64;
const WINDOW_OCTETS: usize = 1 << 20;
/// Services that are chosen for sockets that want any.
const FREE_SERVICES: std::ops::RangeInclusive<u64> = 49_152..=65_535;
/// The node number of `ipn` that is the local node.
const LOCAL_NODE: u64 = u32::MAX as u64;

/// The services to choose from, each once. Agents that begin at different times begin elsewhere: sockets
/// that come back from an earlier daemon, each in its own time, find their addresses free.
pub(crate) fn services_from(begun_ms: u64) -> impl Iterator<Item = u64> {
    let (low, high) = (*FREE_SERVICES.start(), *FREE_SERVICES.end());
    let first = low + begun_ms % (high - low + 1);
    (first..=high).chain(low..first)
}

impl Core {
    pub(super) fn register(
        &mut self,
        registration: Registration,
        wanted: &Address,
    ) -> Result<Address, Errno> {
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
            let service = services_from(self.begun_ms).find(free);
            let service = service.ok_or(Errno::ADDRINUSE)?;
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

    pub(super) fn is_local(&self, eid: &Eid<'_>) -> bool {
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

    pub(super) fn unregister(&mut self, registration: Registration) {
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
    pub(super) fn pause(&mut self, registration: Registration, first: Delivery) {
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

    /// Messages for the endpoint of a socket that it has not read.
    #[must_use]
    pub fn unread(&self, registration: Registration) -> usize {
        self.registrations.get(&registration).map_or(0, |endpoint| {
            let ready = self.ready.get(&endpoint.eid);
            endpoint.offered.len() + ready.map_or(0, BTreeSet::len)
        })
    }

    pub(super) fn take_back(
        &mut self,
        registration: Registration,
        delivery: Delivery,
    ) -> Option<u64> {
        let endpoint = self.registrations.get_mut(&registration)?;
        let number = endpoint.offered.remove(&delivery)?;
        let octets = self.inbox.get(&number).map_or(0, |it| it.octets);
        endpoint.offered_octets = endpoint.offered_octets.saturating_sub(size(octets));
        Some(number)
    }

    pub(super) fn make_ready(&mut self, number: u64) {
        if let Some(waiting) = self.inbox.get(&number) {
            let ready = self.ready.entry(waiting.endpoint.clone());
            ready.or_default().insert(number);
        }
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
    pub(super) fn delivered(
        &mut self,
        number: u64,
        now_ms: u64,
        batch: &Batch<'_>,
        events: &mut Vec<Event>,
    ) -> Done {
        let octets = self.forget_incoming(number, BP_FLAG_REPORT_DELIVERY, batch)?;
        let Some(arrival) = octets.as_deref().map(Arrival::decode).and_then(Result::ok) else {
            return Ok(());
        };
        let what = (BP_STATUS_DELIVERED, NO_REASON);
        self.report(&arrival, what, now_ms, batch, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_beginning_is_another_first_service() {
        assert_ne!(services_from(7).next(), services_from(8).next());
        let mut all: Vec<_> = services_from(u64::MAX).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(FREE_SERVICES));
    }
}
