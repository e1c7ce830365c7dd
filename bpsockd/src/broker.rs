// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which socket is whose: messages of front doors and events of the agent in, both out.
//!
//! There is no connection and no clock here. One task owns the broker, so that "is it taken" and
//! "take it" are one step.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use bpsock::Address;
use bpsock::abi::{BP_FLAG_ALL, BundleId, Options};
use bpsock::protocol::{
    Assembly, BP_CHUNK_DEFAULT, BP_CHUNK_LIMIT, BP_OPEN_PRIVILEGED, BP_OPEN_RESTORE,
    BP_PROTOCOL_VERSION, Limits, Message, Part, Sent,
};
use rustix::io::Errno;

use crate::access::{Access, Owner};
use crate::agent::{Command, Delivery, Event, Outgoing, Registration, Request};

/// A front door, for as long as it is connected.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DoorId(pub u64);

/// Who is behind a front door.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// A process, as the system knows it: what it says about itself is not believed.
    Process {
        /// Its user.
        uid: u32,
    },
    /// The kernel, which is believed.
    Kernel,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send a message to a front door.
    Tell(DoorId, Message<'static>),
    /// Send a message in parts to a front door.
    Deliver {
        /// Which.
        door: DoorId,
        /// The socket.
        socket: u32,
        /// The number of the delivery.
        delivery: u64,
        /// What is said once.
        about: Box<bpsock::protocol::Delivered>,
        /// The message.
        data: std::sync::Arc<[u8]>,
        /// Octets in each part.
        chunk: usize,
    },
    /// Ask the agent.
    Ask(Command),
    /// Ask the agent after a while.
    Later(Command),
    /// End the connection of a front door: it broke the protocol.
    Close(DoorId, &'static str),
}

/// What the daemon allows its front doors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Allowance {
    /// Octets of the longest message.
    pub max_message: u32,
    /// Octets on their way without a reply.
    pub window_bytes: u32,
    /// Requests on their way without a reply.
    pub window_requests: u32,
}

/// Numbers for metrics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Sockets that were opened.
    pub opened: u64,
    /// Binds that were refused, for whatever reason.
    pub bind_refused: u64,
    /// Messages that the agent took.
    pub sent: u64,
    /// Messages that were not sent.
    pub send_failed: u64,
    /// Messages offered to sockets.
    pub offered: u64,
    /// Messages that applications read.
    pub acknowledged: u64,
    /// Messages that sockets refused.
    pub refused: u64,
    /// Status reports handed to sockets.
    pub reports: u64,
    /// Front doors that broke the protocol.
    pub violations: u64,
}

/// The registry of sockets and the requests that are open.
#[derive(Debug)]
pub struct Broker {
    access: Access,
    allowance: Allowance,
    doors: BTreeMap<DoorId, Door>,
    places: BTreeMap<Registration, Place>,
    requests: BTreeMap<Request, Waiting>,
    next: u64,
    /// What happened so far.
    pub tally: Tally,
}

#[derive(Debug)]
struct Door {
    peer: Peer,
    /// Octets of data in each message, and the longest message: the smaller of both sides.
    chunk: u32,
    max_message: u32,
    is_greeted: bool,
    sockets: BTreeMap<u32, Socket>,
    sends: BTreeMap<u32, Arriving>,
    outstanding: u32,
}

#[derive(Debug)]
struct Socket {
    registration: Registration,
    state: SocketState,
    offered: BTreeSet<u64>,
    /// What it had no room for: it hears of nothing else before that.
    refused: Option<u64>,
}

#[derive(Debug)]
enum SocketState {
    Opening {
        request: u32,
        owner: Owner,
        /// It had the address before, and sends without waiting for the answer.
        is_restored: bool,
    },
    Open,
}

/// Where a registration belongs.
#[derive(Clone, Copy, Debug)]
struct Place {
    door: DoorId,
    socket: u32,
}

/// A message of which not all parts have come.
#[derive(Debug)]
struct Arriving {
    registration: Registration,
    sent: Sent,
    assembly: Assembly,
}

/// Who waits for an answer of the agent.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    door: DoorId,
    number: u32,
}

type Broken = &'static str;

impl Broker {
    /// An empty registry.
    #[must_use]
    pub const fn new(access: Access, allowance: Allowance) -> Self {
        Self {
            access,
            allowance,
            doors: BTreeMap::new(),
            places: BTreeMap::new(),
            requests: BTreeMap::new(),
            next: 0,
            tally: Tally {
                opened: 0,
                bind_refused: 0,
                sent: 0,
                send_failed: 0,
                offered: 0,
                acknowledged: 0,
                refused: 0,
                reports: 0,
                violations: 0,
            },
        }
    }

    /// How many front doors and sockets there are.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.doors.len(), self.places.len())
    }

    /// A front door has connected: it is greeted.
    pub fn connected(&mut self, id: DoorId, peer: Peer) -> Vec<Action> {
        let door = Door {
            peer,
            chunk: BP_CHUNK_DEFAULT,
            max_message: self.allowance.max_message,
            is_greeted: false,
            sockets: BTreeMap::new(),
            sends: BTreeMap::new(),
            outstanding: 0,
        };
        self.doors.insert(id, door);
        let limits = Limits {
            max_message: Some(self.allowance.max_message),
            chunk_max: Some(BP_CHUNK_LIMIT),
            window_bytes: Some(self.allowance.window_bytes),
            window_requests: Some(self.allowance.window_requests),
        };
        let version = BP_PROTOCOL_VERSION;
        vec![Action::Tell(id, Message::Register { version, limits })]
    }

    /// A front door is gone, and its sockets with it.
    pub fn disconnected(&mut self, id: DoorId) -> Vec<Action> {
        let Some(door) = self.doors.remove(&id) else {
            return Vec::new();
        };
        self.requests.retain(|_, waiting| waiting.door != id);
        let registrations = door.sockets.values().map(|socket| socket.registration);
        let mut actions = Vec::new();
        for registration in registrations {
            self.places.remove(&registration);
            actions.push(Action::Ask(Command::Unregister(registration)));
        }
        actions
    }

    /// A front door says something.
    pub fn heard(&mut self, id: DoorId, message: &Message<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Err(broken) = self.hear(id, message, &mut actions) {
            self.tally.violations += 1;
            actions.push(Action::Close(id, broken));
            actions.extend(self.disconnected(id));
        }
        actions
    }

    fn hear(
        &mut self,
        id: DoorId,
        message: &Message<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Broken> {
        let Some(door) = self.doors.get_mut(&id) else {
            // It was closed while its message was on the way.
            return Ok(());
        };
        match message {
            Message::Hello {
                version,
                max_message,
                chunk_max,
            } => {
                if *version != BP_PROTOCOL_VERSION {
                    return Err("another version of the protocol");
                }
                door.is_greeted = true;
                door.chunk = (*chunk_max).min(BP_CHUNK_LIMIT);
                door.max_message = (*max_message).min(self.allowance.max_message);
            }
            _ if !door.is_greeted => return Err("a message before HELLO"),
            Message::Open {
                request,
                socket,
                address,
                flags,
                uid,
                ..
            } => {
                let owner = match door.peer {
                    Peer::Process { uid } => Owner {
                        uid,
                        is_privileged: false,
                    },
                    Peer::Kernel => Owner {
                        uid: *uid,
                        is_privileged: flags & BP_OPEN_PRIVILEGED != 0,
                    },
                };
                let is_restored = flags & BP_OPEN_RESTORE != 0;
                let address = (address, is_restored);
                self.open(id, (*request, *socket), address, owner, actions);
            }
            Message::Close { socket } => self.close(id, *socket, actions),
            Message::Send {
                request,
                socket,
                part,
                data,
            } => self.send(id, (*request, *socket), part, data, actions)?,
            Message::Cancel {
                request,
                socket,
                bundle,
            } => self.cancel(id, (*request, *socket), *bundle, actions),
            Message::Ack { socket, delivery } => {
                if let Some(registration) = door.answered(*socket, *delivery) {
                    self.tally.acknowledged += 1;
                    let delivery = Delivery(*delivery);
                    actions.push(Action::Ask(Command::Acknowledge(registration, delivery)));
                }
            }
            Message::Refuse {
                socket,
                delivery,
                error,
            } => {
                if let Some(command) = door.refused(*socket, *delivery, *error) {
                    self.tally.refused += 1;
                    actions.push(Action::Ask(command));
                }
            }
            Message::Room { socket } => {
                if let Some(socket) = door.sockets.get(socket) {
                    actions.push(Action::Ask(Command::Resume(socket.registration)));
                }
            }
            // What only the daemon says.
            _ => return Err("a message that only the daemon sends"),
        }
        Ok(())
    }

    /// The kernel could not handle a message, for want of memory or because its answers are not read.
    ///
    /// A delivery is then as one that was refused, but nobody says when there is room. If it has another
    /// daemon, the front door begins again.
    pub fn not_handled(&mut self, id: DoorId, message: &Message<'_>) -> Vec<Action> {
        match message {
            Message::Deliver {
                socket, delivery, ..
            } => {
                let door = self.doors.get_mut(&id);
                let Some(registration) = door.and_then(|door| door.paused(*socket, *delivery))
                else {
                    return Vec::new();
                };
                self.tally.refused += 1;
                vec![
                    Action::Ask(Command::Pause(registration, Delivery(*delivery))),
                    Action::Later(Command::Resume(registration)),
                ]
            }
            Message::Register { .. } => {
                let mut actions = vec![Action::Close(id, "it has another daemon")];
                actions.extend(self.disconnected(id));
                actions
            }
            _ => Vec::new(),
        }
    }

    fn open(
        &mut self,
        id: DoorId,
        (request, socket): (u32, u32),
        (address, is_restored): (&Address, bool),
        owner: Owner,
        actions: &mut Vec<Action>,
    ) {
        let registration = Registration(self.number());
        let Some(door) = self.doors.get_mut(&id) else {
            return;
        };
        let refusal = if door.sockets.contains_key(&socket) {
            Some(Errno::INVAL)
        } else if self.access.allows(owner, address) {
            None
        } else {
            Some(Errno::ACCESS)
        };
        if let Some(error) = refusal {
            self.tally.bind_refused += 1;
            actions.push(reply(id, request, Err(error)));
            return;
        }
        let state = SocketState::Opening {
            request,
            owner,
            is_restored,
        };
        door.sockets.insert(
            socket,
            Socket {
                registration,
                state,
                offered: BTreeSet::new(),
                refused: None,
            },
        );
        self.places.insert(registration, Place { door: id, socket });
        let address = address.clone();
        actions.push(Action::Ask(Command::Register {
            registration,
            address,
        }));
    }

    fn close(&mut self, id: DoorId, socket: u32, actions: &mut Vec<Action>) {
        let door = self.doors.get_mut(&id);
        let Some(closed) = door.and_then(|door| door.sockets.remove(&socket)) else {
            return;
        };
        self.places.remove(&closed.registration);
        actions.push(Action::Ask(Command::Unregister(closed.registration)));
    }

    fn send(
        &mut self,
        id: DoorId,
        (request, socket): (u32, u32),
        part: &Part<Sent>,
        data: &[u8],
        actions: &mut Vec<Action>,
    ) -> Result<(), Broken> {
        let limit = self.allowance;
        let Some(door) = self.doors.get_mut(&id) else {
            return Ok(());
        };
        if let Part::First { total, head } = part {
            let is_open = |it: &&Socket| match it.state {
                SocketState::Opening { is_restored, .. } => is_restored,
                SocketState::Open => true,
            };
            let Some(known) = door.sockets.get(&socket).filter(is_open) else {
                actions.push(reply(id, request, Err(Errno::BADF)));
                return Ok(());
            };
            if *total > door.max_message {
                actions.push(reply(id, request, Err(Errno::MSGSIZE)));
                return Ok(());
            }
            let begun: usize = door.sends.values().map(|it| it.assembly.total()).sum();
            let is_over = begun > limit.window_bytes as usize;
            if is_over || door.outstanding >= limit.window_requests.saturating_mul(2) {
                return Err("more on the way than the window allows");
            }
            door.outstanding += 1;
            door.sends.insert(
                request,
                Arriving {
                    registration: known.registration,
                    sent: head.clone(),
                    assembly: Assembly::new(*total),
                },
            );
        }
        let Some(mut arriving) = door.sends.remove(&request) else {
            // It was answered with an error while this part was on the way.
            return Ok(());
        };
        if arriving.assembly.push(part.offset(), data).is_err() {
            return Err("a part out of order");
        }
        if !arriving.assembly.is_complete() {
            door.sends.insert(request, arriving);
            return Ok(());
        }
        let agent_request = Request(self.number());
        let waiting = Waiting {
            door: id,
            number: request,
        };
        self.requests.insert(agent_request, waiting);
        let message = Outgoing {
            destination: arriving.sent.destination,
            options: known_options(arriving.sent.options),
            report_to: arriving.sent.report_to,
            data: arriving.assembly.into_data(),
        };
        actions.push(Action::Ask(Command::Send {
            request: agent_request,
            registration: arriving.registration,
            message,
        }));
        Ok(())
    }

    fn cancel(
        &mut self,
        id: DoorId,
        (number, socket): (u32, u32),
        bundle: BundleId,
        actions: &mut Vec<Action>,
    ) {
        let door = self.doors.get(&id);
        let Some(socket) = door.and_then(|door| door.sockets.get(&socket)) else {
            actions.push(reply(id, number, Err(Errno::BADF)));
            return;
        };
        let registration = socket.registration;
        let request = Request(self.number());
        self.requests.insert(request, Waiting { door: id, number });
        actions.push(Action::Ask(Command::Cancel {
            request,
            registration,
            bundle,
        }));
    }

    /// The agent says something.
    #[expect(clippy::too_many_lines, reason = "a few lines for each event")]
    pub fn happened(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Registered(registration, outcome) => self.registered(registration, outcome),
            Event::Sent(request, outcome) => {
                match outcome {
                    Ok(_) => self.tally.sent += 1,
                    Err(_) => self.tally.send_failed += 1,
                }
                let waiting = self.requests.remove(&request);
                let door = waiting.and_then(|waiting| self.doors.get_mut(&waiting.door));
                if let Some(door) = door {
                    door.outstanding = door.outstanding.saturating_sub(1);
                }
                answer(waiting, outcome)
            }
            Event::Cancelled(request, outcome) => {
                answer(self.requests.remove(&request), outcome.map(|()| None))
            }
            Event::Arrived {
                registration,
                delivery,
                about,
                data,
            } => {
                let Some((place, door)) = self.place(registration) else {
                    return Vec::new();
                };
                let chunk = door.chunk as usize;
                if let Some(socket) = door.sockets.get_mut(&place.socket) {
                    if socket.refused.is_some_and(|refused| refused != delivery.0) {
                        // It was on its way when the agent was told to stop, and comes again.
                        return Vec::new();
                    }
                    socket.refused = None;
                    socket.offered.insert(delivery.0);
                }
                self.tally.offered += 1;
                vec![Action::Deliver {
                    door: place.door,
                    socket: place.socket,
                    delivery: delivery.0,
                    about,
                    data,
                    chunk,
                }]
            }
            Event::Revoked(registration, delivery) => {
                let Some((place, door)) = self.place(registration) else {
                    return Vec::new();
                };
                let socket = place.socket;
                door.answered(socket, delivery.0);
                if let Some(socket) = door.sockets.get_mut(&socket) {
                    socket.refused.take_if(|refused| *refused == delivery.0);
                }
                let delivery = delivery.0;
                vec![Action::Tell(
                    place.door,
                    Message::Revoke { socket, delivery },
                )]
            }
            Event::Report {
                registration,
                report,
                source,
            } => {
                let Some((place, _)) = self.place(registration) else {
                    return Vec::new();
                };
                self.tally.reports += 1;
                let message = Message::Report {
                    socket: place.socket,
                    report,
                    source,
                };
                vec![Action::Tell(place.door, message)]
            }
            Event::Lost(registration, error) => {
                let Some(place) = self.places.remove(&registration) else {
                    return Vec::new();
                };
                if let Some(door) = self.doors.get_mut(&place.door) {
                    door.sockets.remove(&place.socket);
                }
                let message = Message::Hangup {
                    socket: place.socket,
                    error: errno_number(error),
                };
                vec![Action::Tell(place.door, message)]
            }
        }
    }

    fn registered(
        &mut self,
        registration: Registration,
        outcome: Result<Address, Errno>,
    ) -> Vec<Action> {
        let Some(place) = self.places.get(&registration).copied() else {
            // It was closed meanwhile, and the agent has been told.
            return Vec::new();
        };
        let door = self.doors.get_mut(&place.door);
        let Some(socket) = door.and_then(|door| door.sockets.get_mut(&place.socket)) else {
            return Vec::new();
        };
        let SocketState::Opening { request, owner, .. } =
            mem::replace(&mut socket.state, SocketState::Open)
        else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        // The agent chose the service: the rules are asked once more.
        let outcome = outcome.and_then(|address| {
            if self.access.allows(owner, &address) {
                return Ok(address);
            }
            actions.push(Action::Ask(Command::Unregister(registration)));
            Err(Errno::ACCESS)
        });
        match outcome {
            Ok(address) => {
                self.tally.opened += 1;
                let message = Message::Reply {
                    request,
                    error: 0,
                    address: Some(address),
                    bundle: None,
                };
                actions.push(Action::Tell(place.door, message));
            }
            Err(error) => {
                self.tally.bind_refused += 1;
                self.places.remove(&registration);
                if let Some(door) = self.doors.get_mut(&place.door) {
                    door.sockets.remove(&place.socket);
                }
                actions.push(reply(place.door, request, Err(error)));
            }
        }
        actions
    }

    fn place(&mut self, registration: Registration) -> Option<(Place, &mut Door)> {
        let place = self.places.get(&registration).copied()?;
        Some((place, self.doors.get_mut(&place.door)?))
    }

    const fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Door {
    /// The delivery has an answer. `None` if the socket does not have it.
    fn answered(&mut self, socket: u32, delivery: u64) -> Option<Registration> {
        let socket = self.sockets.get_mut(&socket)?;
        socket
            .offered
            .remove(&delivery)
            .then_some(socket.registration)
    }

    /// The socket has not taken a delivery. Returns what the agent is to be told.
    fn refused(&mut self, socket: u32, delivery: u64, error: u32) -> Option<Command> {
        if error == errno_number(Errno::AGAIN) {
            let paused = self.paused(socket, delivery)?;
            return Some(Command::Pause(paused, Delivery(delivery)));
        }
        let answered = self.answered(socket, delivery)?;
        Some(Command::Refuse(answered, Delivery(delivery)))
    }

    /// The socket has no room for the delivery, and ignores what was sent to it after that.
    /// `None` if there is no such socket.
    fn paused(&mut self, socket: u32, delivery: u64) -> Option<Registration> {
        let socket = self.sockets.get_mut(&socket)?;
        if socket.offered.contains(&delivery) {
            socket.refused = Some(delivery);
        }
        // It may have expired meanwhile: those behind it were ignored all the same.
        socket.offered.split_off(&delivery);
        Some(socket.registration)
    }
}

/// Only flags with a meaning reach the agent.
fn known_options(options: Options) -> Options {
    Options {
        flags: options.flags & BP_FLAG_ALL,
        ..options
    }
}

fn answer(waiting: Option<Waiting>, outcome: Result<Option<BundleId>, Errno>) -> Vec<Action> {
    waiting.map_or_else(Vec::new, |waiting| {
        vec![reply(waiting.door, waiting.number, outcome)]
    })
}

fn reply(door: DoorId, request: u32, outcome: Result<Option<BundleId>, Errno>) -> Action {
    let message = Message::Reply {
        request,
        error: outcome.err().map_or(0, errno_number),
        address: None,
        bundle: outcome.ok().flatten(),
    };
    Action::Tell(door, message)
}

fn errno_number(error: Errno) -> u32 {
    error.raw_os_error().cast_unsigned()
}
