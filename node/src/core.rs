// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the node decides about each frame: send, keep or drop. Time is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use bundle::v6::Priority;
use bundle::{Eid, Policy, Reason};
use contact::NodeNumber;
use tracing::{debug, trace};

use crate::counters::Counters;
use crate::datagram::{Addresses, Datagram, DatagramError, OtherVersion};
use crate::network::PrefixTable;
use crate::pace::Pace;
use crate::planned::Planned;
use crate::punt::Punt;
use crate::receiver::{Obstacle, Prepared, Receiver};
use crate::routes::{Routes, destination};
use crate::summary::Summary;
use crate::time::UnixMs;
use crate::timetable::Timetable;

/// What the configuration makes of the node.
#[derive(Debug)]
pub struct Setup {
    /// Who is where.
    pub receivers: PrefixTable<Receiver>,
    /// Where datagrams are addressed to the switch itself: their bundles are routed.
    pub own_addresses: BTreeSet<IpAddr>,
    /// Where bundles go that come to it.
    pub routes: Routes<NextHop>,
    /// The endpoints of this node are those of this node ID.
    pub node_id: Option<Eid<'static>>,
    /// When they can be reached. `None`: always.
    pub timetable: Option<Box<dyn Timetable>>,
    /// Whether bundles can be kept.
    pub has_store: bool,
    /// Whether a cluster controller plans contacts: without its plan nothing leaves the store.
    pub awaits_plan: bool,
    /// Whether expired bundles are dropped even if they do not wait.
    pub drop_expired: bool,
}

/// Where a route leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NextHop {
    /// Who it is, and what it reads.
    pub receiver: Receiver,
    /// The addresses of frames to it.
    pub addresses: Addresses,
}

/// The node without its connections, its store and its clock.
#[derive(Debug)]
pub struct Core {
    setup: Setup,
    /// What the cluster controller plans. What the configuration says comes first.
    planned: Option<Arc<Planned>>,
    /// How much went to each neighbour in its contact.
    pace: BTreeMap<NodeNumber, Pace>,
    /// The ends of contacts that take nothing any more of what waits for them.
    full: BTreeMap<NodeNumber, UnixMs>,
    /// What happened. The parts that have connections count there, too.
    pub counters: Counters,
}

/// What becomes of a frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// These frames go to the switch.
    Send(Vec<Vec<u8>>),
    /// The frame waits for a contact.
    Keep(Kept),
    /// The contact that is open does not last for it: it waits for the next one.
    Hold,
    /// The frame is dropped and counted.
    Drop,
}

/// A frame that waits for a contact. It is as it came: what is sent depends on when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
    /// Whose contact it waits for.
    pub neighbour: NodeNumber,
    /// When waiting is of no use any more.
    pub expires: UnixMs,
    /// How urgent it is.
    pub priority: Priority,
    /// When it came.
    pub arrived: UnixMs,
    /// The frame, without the punt header.
    pub frame: Vec<u8>,
}

/// For whom bundles wait that have no way. No plan has a node of this number.
pub const NOBODY: NodeNumber = NodeNumber(u64::MAX);

/// When a neighbour can be sent to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Readiness {
    /// At once.
    Now,
    /// Not before this time.
    At(UnixMs),
    /// Not in any contact that is known.
    Never,
}

/// Why a frame leads nowhere.
#[derive(Debug, thiserror::Error)]
enum Dead {
    #[error("frame carries no bundle")]
    Datagram(#[from] DatagramError),
    #[error("no receiver is known at {0}")]
    NoReceiver(IpAddr),
    #[error("no route to {0}")]
    NoRoute(Eid<'static>),
    #[error("{0} is an endpoint of this node, which has no applications")]
    Local(Eid<'static>),
    #[error(transparent)]
    OtherVersion(#[from] OtherVersion),
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
    #[error("bundle has expired")]
    Expired,
    #[error("contact is closed, and there is no store")]
    NoStore,
}

impl Dead {
    const fn reason(&self) -> Reason {
        match self {
            Self::Datagram(_) => Reason::Encapsulation,
            Self::NoReceiver(_) | Self::NoRoute(_) | Self::OtherVersion(_) => Reason::NoRoute,
            Self::Local(_) => Reason::LocalDelivery,
            Self::Obstacle(obstacle) => obstacle.reason(),
            Self::Expired => Reason::Expired,
            Self::NoStore => Reason::Store,
        }
    }
}

impl Core {
    /// A node to which nothing has happened yet.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self {
            setup,
            planned: None,
            pace: BTreeMap::new(),
            full: BTreeMap::new(),
            counters: Counters::default(),
        }
    }

    /// Goes by a plan of the cluster controller from now on.
    pub fn follow(&mut self, planned: Arc<Planned>) {
        self.planned = Some(planned);
        // Its contacts may be longer.
        self.full.clear();
    }

    fn timetable(&self) -> Option<&dyn Timetable> {
        let planned = self.planned.as_ref();
        let planned = planned.map(|planned| &planned.timetable as &dyn Timetable);
        planned.or(self.setup.timetable.as_deref())
    }

    /// Decides about a frame from the switch. `waiting` says how many bundles each neighbour has
    /// in the store: what comes later does not overtake them.
    pub fn receive(
        &mut self,
        octets: &[u8],
        waiting: &BTreeMap<NodeNumber, u64>,
        now: UnixMs,
    ) -> Verdict {
        self.counters.received += 1;
        let punt = match Punt::decode(octets) {
            Ok(punt) => punt,
            Err(error) => {
                trace!(offset = error.offset, reason = %error.fault, "not punted");
                self.counters.not_punted += 1;
                return Verdict::Drop;
            }
        };
        self.counters.punt(punt.reason);
        let decided = self.decide(punt.frame, waiting, now);
        decided.unwrap_or_else(|dead| self.bury(&dead))
    }

    /// For whom a bundle should wait now, if that is another neighbour than before.
    ///
    /// It stays where it would go if nothing waited: others go elsewhere because it is there.
    #[must_use]
    pub fn reroute(&self, kept: &Kept, now: UnixMs) -> Option<NodeNumber> {
        let datagram = Datagram::decode(&kept.frame).ok()?;
        let way = self.find(&datagram, now).ok()?;
        let neighbour = way.receiver.neighbour;
        let neighbour = neighbour.filter(|neighbour| *neighbour != kept.neighbour)?;
        let has_contact = || self.readiness(kept.neighbour, now) != Readiness::Never;
        let stays = way.is_planned && self.plain_way(&datagram, now) == Some(kept.neighbour);
        (!stays || !has_contact()).then_some(neighbour)
    }

    fn plain_way(&self, datagram: &Datagram<'_>, now: UnixMs) -> Option<NodeNumber> {
        let destination = destination(datagram.bundle(), &Policy::default()).ok()?;
        self.planned.as_ref()?.find_plain(&destination, now)
    }

    /// Decides about a frame that waited, and whose neighbour is ready. One for which there is
    /// another way by now is kept for that.
    pub fn release(&mut self, kept: &Kept, now: UnixMs) -> Verdict {
        if let Some(neighbour) = self.reroute(kept, now) {
            let kept = kept.clone();
            return Verdict::Keep(Kept { neighbour, ..kept });
        }
        let prepare = || {
            let datagram = Datagram::decode(&kept.frame)?;
            let hop = || self.planned.as_ref()?.hop(kept.neighbour);
            let way = match self.find(&datagram, now) {
                // The plan has no way any more, but the neighbour is there and may have one.
                Err(Dead::NoRoute(destination)) => {
                    Way::to(hop().ok_or(Dead::NoRoute(destination))?)
                }
                // It stays with its neighbour.
                Ok(way) if way.is_planned => hop().map_or(way, Way::to),
                found => found?,
            };
            way.prepare(&datagram, now.since_ms(kept.arrived))
        };
        match prepare() {
            Ok(prepared) if !self.fits(kept.neighbour, &prepared, now) => Verdict::Hold,
            Ok(prepared) => {
                self.spend(kept.neighbour, &prepared, now);
                self.send(prepared)
            }
            Err(dead) => self.bury(&dead),
        }
    }

    /// When a bundle that waits for this neighbour can be sent.
    #[must_use]
    pub fn readiness(&self, neighbour: NodeNumber, now: UnixMs) -> Readiness {
        if self.setup.awaits_plan && self.planned.is_none() {
            return Readiness::Never;
        }
        let Some(timetable) = self.timetable() else {
            return Readiness::Now;
        };
        let next = || {
            let start = timetable.next_start(neighbour, now);
            start.map_or(Readiness::Never, Readiness::At)
        };
        let Some(opening) = timetable.open_at(neighbour, now) else {
            return next();
        };
        if self.full.get(&neighbour) == Some(&opening.end) {
            return next();
        }
        let pace = self.pace.get(&neighbour).copied().unwrap_or_default();
        match pace.free_at(opening.rate) {
            Some(time) if time <= now => Readiness::Now,
            Some(time) if time < opening.end => Readiness::At(time),
            _ => next(),
        }
    }

    /// How many octets the open contact with a neighbour still takes. Where none is open, no contact
    /// bounds them.
    #[must_use]
    pub fn room(&self, neighbour: NodeNumber, now: UnixMs) -> u64 {
        let timetable = self.timetable();
        let opening = timetable.and_then(|table| table.open_at(neighbour, now));
        let pace = self.pace.get(&neighbour).copied().unwrap_or_default();
        opening.map_or(u64::MAX, |opening| pace.room(opening, now))
    }

    /// Nothing that waits for a neighbour fits into the contact that is open: there is none until
    /// that one is over, or until something else comes.
    pub fn fill(&mut self, neighbour: NodeNumber, now: UnixMs) {
        let timetable = self.timetable();
        let opening = timetable.and_then(|table| table.open_at(neighbour, now));
        if let Some(opening) = opening {
            self.full.insert(neighbour, opening.end);
        }
    }

    fn fits(&self, neighbour: NodeNumber, prepared: &Prepared, now: UnixMs) -> bool {
        octets(prepared) <= self.room(neighbour, now)
    }

    fn decide(
        &mut self,
        frame: &[u8],
        waiting: &BTreeMap<NodeNumber, u64>,
        now: UnixMs,
    ) -> Result<Verdict, Dead> {
        let datagram = Datagram::decode(frame)?;
        let may_wait = self.setup.awaits_plan && self.setup.has_store;
        let way = match self.find(&datagram, now) {
            Err(Dead::NoRoute(_)) if may_wait => return self.await_way(frame, &datagram, now),
            found => found?,
        };
        // What cannot be sent now could not be sent later either, so it does not wait.
        let prepared = way.prepare(&datagram, 0)?;
        let receiver = way.receiver;
        let neighbour = receiver.neighbour;
        let summary = Summary::of(datagram.bundle(), &receiver.policy, now);
        let summary = summary.map_err(|error| Obstacle::Refusal(error.into()))?;
        if self.setup.drop_expired && summary.expires <= now {
            return Err(Dead::Expired);
        }
        let Some(neighbour) = neighbour else {
            return Ok(self.send(prepared));
        };
        let behind_others = waiting.get(&neighbour).is_some_and(|count| *count > 0);
        let is_ready = self.readiness(neighbour, now) == Readiness::Now && !behind_others;
        // Without a store it is better to try.
        let fits = !self.setup.has_store || self.fits(neighbour, &prepared, now);
        if is_ready && fits {
            self.spend(neighbour, &prepared, now);
            return Ok(self.send(prepared));
        }
        if !self.setup.has_store {
            return Err(Dead::NoStore);
        }
        // It may be shorter than what did not fit.
        self.full.remove(&neighbour);
        Ok(Verdict::Keep(Kept {
            neighbour,
            expires: summary.expires,
            priority: summary.priority,
            arrived: now,
            frame: frame.to_vec(),
        }))
    }

    /// Keeps a bundle to which no plan knows a way yet: a controller that has just started knows less of
    /// other clusters than it will.
    fn await_way(
        &self,
        frame: &[u8],
        datagram: &Datagram<'_>,
        now: UnixMs,
    ) -> Result<Verdict, Dead> {
        let summary = Summary::of(datagram.bundle(), &Policy::default(), now);
        let summary = summary.map_err(|error| Obstacle::Refusal(error.into()))?;
        if self.setup.drop_expired && summary.expires <= now {
            return Err(Dead::Expired);
        }
        Ok(Verdict::Keep(Kept {
            neighbour: NOBODY,
            expires: summary.expires,
            priority: summary.priority,
            arrived: now,
            frame: frame.to_vec(),
        }))
    }

    /// The receiver at the address of the datagram, or on the route of the bundle if the datagram
    /// is for the switch itself.
    fn find(&self, datagram: &Datagram<'_>, now: UnixMs) -> Result<Way<'_>, Dead> {
        let (setup, planned) = (&self.setup, self.planned.as_deref());
        let address = datagram.destination();
        let is_own = setup.own_addresses.contains(&address)
            || planned.is_some_and(|planned| planned.addresses.contains(&address));
        if !is_own {
            let receiver = setup.receivers.find(address);
            let receiver = receiver.ok_or(Dead::NoReceiver(address))?;
            return Ok(Way {
                receiver,
                addresses: None,
                is_planned: false,
            });
        }
        // What a bundle may deviate in is the receiver's choice, and that is not known yet.
        let destination = destination(datagram.bundle(), &Policy::default());
        let destination = destination.map_err(Obstacle::Refusal)?;
        let ids = [
            setup.node_id.as_ref(),
            planned.map(|planned| &planned.node_id),
        ];
        if ids
            .into_iter()
            .flatten()
            .any(|id| same_node(id, &destination))
        {
            return Err(Dead::Local(destination));
        }
        let of_plan = || Some(Way::to(planned?.find(&destination, now)?));
        let configured = setup.routes.find(&destination).map(|hop| Way {
            is_planned: false,
            ..Way::to(hop)
        });
        let way = configured.or_else(of_plan);
        way.ok_or_else(|| Dead::NoRoute(destination.clone()))
    }

    fn send(&mut self, prepared: Prepared) -> Verdict {
        match prepared.translated {
            Some(version) => self.counters.translated(version),
            None => self.counters.relayed += 1,
        }
        if prepared.frames.len() > 1 {
            self.counters.fragmented += 1;
        }
        Verdict::Send(prepared.frames)
    }

    fn bury(&mut self, dead: &Dead) -> Verdict {
        let reason = dead.reason();
        let mut why: &dyn std::error::Error = dead;
        while let Some(source) = why.source() {
            why = source;
        }
        debug!(reason = reason.name(), offset = offset(dead), %why, "dropped");
        self.counters.drop(reason);
        Verdict::Drop
    }

    /// Counts what goes to a neighbour against the rate of its contact.
    fn spend(&mut self, neighbour: NodeNumber, prepared: &Prepared, now: UnixMs) {
        let timetable = self.timetable();
        let opening = timetable.and_then(|table| table.open_at(neighbour, now));
        if let Some(opening) = opening {
            let pace = self.pace.entry(neighbour).or_default();
            pace.spend(octets(prepared), opening.rate, now);
        }
    }
}

/// How a bundle goes on.
struct Way<'a> {
    receiver: &'a Receiver,
    /// Frames get these. `None`: they keep theirs.
    addresses: Option<&'a Addresses>,
    /// Whether the cluster controller's plan says so.
    is_planned: bool,
}

impl<'a> Way<'a> {
    /// The way to a neighbour of the plan.
    const fn to(hop: &'a NextHop) -> Self {
        Self {
            receiver: &hop.receiver,
            addresses: Some(&hop.addresses),
            is_planned: true,
        }
    }

    fn prepare(&self, datagram: &Datagram<'_>, residence_ms: u64) -> Result<Prepared, Dead> {
        let Some(addresses) = self.addresses else {
            return Ok(self.receiver.prepare(datagram, residence_ms)?);
        };
        let frame = datagram.readdressed(addresses)?;
        let datagram = Datagram::decode(&frame)?;
        Ok(self.receiver.prepare(&datagram, residence_ms)?)
    }
}

fn octets(prepared: &Prepared) -> u64 {
    let frames = prepared.frames.iter();
    frames.map(|frame| frame.len() as u64).sum()
}

/// Whether an endpoint is one of the node with this ID.
fn same_node(id: &Eid<'_>, endpoint: &Eid<'_>) -> bool {
    match (id, endpoint) {
        (Eid::Ipn { node, .. }, Eid::Ipn { node: found, .. }) => node == found,
        (Eid::Dtn(id), Eid::Dtn(name)) => {
            let authority = |name: &str| name.split('/').nth(2).map(str::to_owned);
            authority(id) == authority(name)
        }
        _ => false,
    }
}

/// Where in the frame or the bundle the obstacle is, as far as it is at a place.
const fn offset(dead: &Dead) -> Option<usize> {
    match dead {
        Dead::Datagram(error) => Some(error.offset),
        Dead::Obstacle(Obstacle::Refusal(refusal)) => Some(refusal.offset),
        _ => None,
    }
}
