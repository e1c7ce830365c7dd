// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the sockets of one connection share with its reading thread.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use rustix::process::{getgid, getpid, getuid};

use crate::abi::BundleId;
use crate::address::Address;
use crate::net::socket::{Ends, Received, StatusReport};
use crate::protocol::{
    Assembly, BP_CHUNK_DEFAULT, BP_OPEN_RESTORE, BP_PROTOCOL_VERSION, Delivered, Limits, Message,
    Part,
};

/// Ends the connection when the last door and the last socket are gone.
#[derive(Debug)]
pub(super) struct Owner(pub(super) Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closing = true;
        if let Some(connection) = state.connection.take() {
            // The reader wakes up. It may have found the end of the daemon itself.
            let _ = shutdown(&*connection, Shutdown::Both);
        }
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
pub(super) struct State {
    connection: Option<Arc<OwnedFd>>,
    /// `None` until the daemon has said REGISTER.
    limits: Option<Limits>,
    requests: BTreeMap<u32, Request>,
    sockets: BTreeMap<u32, Slot>,
    last_request: u32,
    last_socket: u32,
    outstanding_bytes: u64,
    outstanding_sends: u32,
    closing: bool,
}

/// A request that has no answer yet, or one that nobody has read.
#[derive(Debug)]
struct Request {
    socket: u32,
    purpose: Purpose,
    answer: Option<Answer>,
    /// Nobody waits: an error is one of the socket.
    abandoned: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Purpose {
    Open,
    Restore,
    Send { octets: u32 },
    Cancel,
}

/// The REPLY.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) error: u32,
    pub(super) address: Option<Address>,
    pub(super) bundle: Option<BundleId>,
}

/// A bound socket.
#[derive(Debug)]
pub(super) struct Slot {
    address: Address,
    is_open: bool,
    queue: VecDeque<(u64, Arc<Received>)>,
    queued_octets: usize,
    receive_buffer: usize,
    /// What there was no room for: nothing else is taken before it, so that order is kept.
    refused: Option<u64>,
    /// Whether the daemon waits to hear of room.
    wants_room: bool,
    arriving: Option<Arriving>,
    reports: VecDeque<StatusReport>,
    error: Option<Errno>,
    hung_up: bool,
    /// The application's descriptor, if it is known here, and its other end.
    descriptor: Option<Arc<OwnedFd>>,
    signal: Option<OwnedFd>,
    /// Octets that wait at the descriptor: one for each message, as far as there is room for them,
    /// so that edges are seen.
    signals: usize,
}

#[derive(Debug)]
struct Arriving {
    delivery: u64,
    about: Box<Delivered>,
    assembly: Assembly,
}

/// The longest message that this side takes.
const MAX_MESSAGE: u32 = 256 << 20;
/// What the protocol page says about windows that the daemon does not state.
const WINDOW_BYTES: u32 = 1 << 20;
const WINDOW_REQUESTS: u32 = 256;
/// How many status reports may wait; more are dropped, as the protocol allows.
const REPORTS: usize = 256;
/// What an arriving message may hold besides those in the queue.
pub(super) const RECEIVE_BUFFER: usize = 4 << 20;

impl Shared {
    pub(super) fn new(connection: Arc<OwnedFd>) -> Self {
        Self {
            state: Mutex::new(State {
                connection: Some(connection),
                limits: None,
                requests: BTreeMap::new(),
                sockets: BTreeMap::new(),
                last_request: 0,
                last_socket: 0,
                outstanding_bytes: 0,
                outstanding_sends: 0,
                closing: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the condition gives a value. `None` when the time is over.
    fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut condition: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(value) = condition(&mut state) {
                return Some(value);
            }
            let Some(deadline) = deadline else {
                let woken = self.changed.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.checked_duration_since(Instant::now())?;
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn wait_registered(&self, patience: Duration) -> io::Result<()> {
        let deadline = Some(Instant::now() + patience);
        let registered = self.wait(deadline, |state| match (&state.connection, state.limits) {
            (None, _) => Some(Err(Errno::CONNREFUSED)),
            (_, Some(_)) => Some(Ok(())),
            _ => None,
        });
        Ok(registered.unwrap_or(Err(Errno::CONNREFUSED))?)
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    pub(super) fn max_message(&self) -> u32 {
        self.lock().max_message()
    }

    pub(super) fn chunk_max(&self) -> usize {
        let limits = self.lock().limits.unwrap_or_default();
        limits.chunk_max.unwrap_or(BP_CHUNK_DEFAULT) as usize
    }

    /// The daemon has ended: what it did not answer it never will.
    pub(super) fn disconnected(&self) {
        let mut state = self.lock();
        state.connection = None;
        state.limits = None;
        state.outstanding_bytes = 0;
        state.outstanding_sends = 0;
        let State {
            requests, sockets, ..
        } = &mut *state;
        requests.retain(|_, request| {
            if request.answer.is_none() {
                request.answer = Some(Answer::error(Errno::CONNRESET));
            }
            // Nobody would take the answer.
            !request.abandoned && request.purpose != Purpose::Restore
        });
        for slot in sockets.values_mut() {
            slot.forget_queue();
        }
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn connected(&self, connection: Arc<OwnedFd>) {
        let mut state = self.lock();
        if !state.closing {
            state.connection = Some(connection);
        }
    }

    /// Sends one message to the daemon.
    pub(super) fn tell(&self, message: &Message<'_>) -> Result<(), Errno> {
        let connection = self.lock().connection.clone();
        let connection = connection.ok_or(Errno::CONNREFUSED)?;
        write(&connection, message)
    }

    /// What the daemon says.
    pub(super) fn handle(&self, message: &Message<'_>) {
        let mut state = self.lock();
        let answers = state.handle(message);
        let Some(connection) = state.connection.clone() else {
            return;
        };
        // HELLO and the sockets that were open go first, and REFUSE before the ROOM that follows it:
        // other threads wait for the lock.
        let state = (!answers.is_empty()).then_some(state);
        for answer in answers {
            // An error is the end of the daemon, which the next read finds.
            let _ = write(&connection, &answer);
        }
        drop(state);
        self.changed.notify_all();
    }

    // Requests.

    /// Opens a socket, and waits for the answer.
    pub(super) fn open(&self, address: &Address, ends: Ends) -> io::Result<(u32, Address)> {
        self.wait_registered(Duration::from_secs(1))?;
        let mut state = self.lock();
        let socket = state.new_socket(Slot::new(address.clone(), ends));
        let request = state.new_request(socket, Purpose::Open);
        let flags = 0;
        drop(state);
        let told = self.tell(&open_message(request, socket, address.clone(), flags));
        let answer = told.and_then(|()| self.answer(request, None));
        let opened = answer.and_then(|answer| {
            answer.check()?;
            answer.address.ok_or(Errno::PROTO)
        });
        let mut state = self.lock();
        match opened {
            Ok(address) => {
                if let Some(slot) = state.sockets.get_mut(&socket) {
                    slot.address.clone_from(&address);
                    slot.is_open = true;
                }
                Ok((socket, address))
            }
            Err(error) => {
                state.requests.remove(&request);
                state.sockets.remove(&socket);
                Err(error.into())
            }
        }
    }

    /// Closes a socket. What it has not read goes back to the agent.
    pub(super) fn close(&self, socket: u32) {
        let removed = self.lock().sockets.remove(&socket);
        if removed.is_some_and(|slot| slot.is_open && !slot.hung_up) {
            // Without a daemon there is nothing to close.
            let _ = self.tell(&Message::Close { socket });
        }
    }

    /// Takes room in the window of the daemon for a message, and returns the number of its request.
    pub(super) fn start_send(
        &self,
        socket: u32,
        octets: u32,
        deadline: Option<Instant>,
    ) -> Result<u32, Errno> {
        let started = self.wait(deadline, |state| {
            if state.connection.is_none() || state.limits.is_none() {
                return Some(Err(Errno::CONNREFUSED));
            }
            if octets > state.max_message() {
                return Some(Err(Errno::MSGSIZE));
            }
            let limits = state.limits.unwrap_or_default();
            let bytes = u64::from(limits.window_bytes.unwrap_or(WINDOW_BYTES));
            let sends = limits.window_requests.unwrap_or(WINDOW_REQUESTS);
            let after = state.outstanding_bytes + u64::from(octets);
            let fits = after <= bytes && state.outstanding_sends < sends;
            if state.outstanding_sends > 0 && !fits {
                return None;
            }
            state.outstanding_bytes = after;
            state.outstanding_sends += 1;
            Some(Ok(state.new_request(socket, Purpose::Send { octets })))
        });
        started.unwrap_or(Err(Errno::AGAIN))
    }

    pub(super) fn start_cancel(&self, socket: u32, bundle: BundleId) -> Result<u32, Errno> {
        let request = self.lock().new_request(socket, Purpose::Cancel);
        self.tell(&Message::Cancel {
            request,
            socket,
            bundle,
        })?;
        Ok(request)
    }

    /// Waits for the answer to a request. When the time is over, nobody will wait for it.
    pub(super) fn answer(&self, request: u32, deadline: Option<Instant>) -> Result<Answer, Errno> {
        let answer = self.wait(deadline, |state| {
            let pending = state.requests.get_mut(&request)?;
            let answer = pending.answer.take()?;
            state.requests.remove(&request);
            Some(answer)
        });
        answer.ok_or_else(|| {
            self.abandon(request);
            Errno::TIMEDOUT
        })
    }

    /// Nobody will wait for the answer. An error becomes one of the socket.
    pub(super) fn abandon(&self, request: u32) {
        let mut state = self.lock();
        let Some(pending) = state.requests.get_mut(&request) else {
            return;
        };
        pending.abandoned = true;
        if let Some(answer) = pending.answer.take() {
            let socket = pending.socket;
            state.requests.remove(&request);
            state.blame(socket, &answer);
        }
    }

    // Messages that have arrived.

    /// Takes the next message, or looks at it.
    pub(super) fn receive(&self, socket: u32, peek: bool) -> Result<Arc<Received>, Errno> {
        let mut state = self.lock();
        let slot = state.sockets.get_mut(&socket).ok_or(Errno::BADF)?;
        if let Some(error) = slot.error.take() {
            return Err(error);
        }
        let front = slot.queue.front();
        let seen = front.map(|(_, message)| Arc::clone(message));
        let taken = if peek { None } else { slot.queue.pop_front() };
        slot.quieten();
        if peek {
            return seen.ok_or(Errno::AGAIN);
        }
        let Some((delivery, message)) = taken else {
            return Err(if slot.hung_up {
                Errno::SHUTDOWN
            } else {
                Errno::AGAIN
            });
        };
        slot.queued_octets -= message.data.len();
        let has_room = slot.wants_room && slot.queued_octets < slot.receive_buffer;
        slot.wants_room &= !has_room;
        drop(state);
        // Without a daemon the next one delivers the message again: at least once.
        let _ = self.tell(&Message::Ack { socket, delivery });
        if has_room {
            let _ = self.tell(&Message::Room { socket });
        }
        Ok(message)
    }

    /// Octets of the next message; `None` if there is none.
    pub(super) fn next_len(&self, socket: u32) -> Option<usize> {
        let state = self.lock();
        let front = state.sockets.get(&socket)?.queue.front()?;
        Some(front.1.data.len())
    }

    pub(super) fn quieten(&self, socket: u32, descriptor: BorrowedFd<'_>) {
        if let Some(slot) = self.lock().sockets.get_mut(&socket) {
            slot.quieten_on(descriptor);
        }
    }

    pub(super) fn set_receive_buffer(&self, socket: u32, octets: usize) {
        if let Some(slot) = self.lock().sockets.get_mut(&socket) {
            slot.receive_buffer = octets;
        }
    }

    pub(super) fn take_error(&self, socket: u32) -> Option<Errno> {
        self.lock().sockets.get_mut(&socket)?.error.take()
    }

    pub(super) fn report(&self, socket: u32, deadline: Option<Instant>) -> Option<StatusReport> {
        self.wait(deadline, |state| {
            state.sockets.get_mut(&socket)?.reports.pop_front()
        })
    }
}

impl State {
    fn max_message(&self) -> u32 {
        let theirs = self.limits.and_then(|limits| limits.max_message);
        theirs.unwrap_or(MAX_MESSAGE).min(MAX_MESSAGE)
    }

    fn new_socket(&mut self, slot: Slot) -> u32 {
        self.last_socket = self.last_socket.checked_add(1).unwrap_or(1);
        self.sockets.insert(self.last_socket, slot);
        self.last_socket
    }

    fn new_request(&mut self, socket: u32, purpose: Purpose) -> u32 {
        self.last_request = self.last_request.wrapping_add(1);
        self.requests.insert(
            self.last_request,
            Request {
                socket,
                purpose,
                answer: None,
                abandoned: false,
            },
        );
        self.last_request
    }

    /// Does what a message asks for, and returns what to answer.
    fn handle(&mut self, message: &Message<'_>) -> Vec<Message<'static>> {
        match message {
            Message::Register { version, limits } if *version == BP_PROTOCOL_VERSION => {
                self.registered(*limits)
            }
            Message::Reply {
                request,
                error,
                address,
                bundle,
            } => {
                let answer = Answer {
                    error: *error,
                    address: address.clone(),
                    bundle: *bundle,
                };
                self.answered(*request, answer);
                Vec::new()
            }
            Message::Deliver {
                socket,
                delivery,
                part,
                data,
            } => {
                let refused = self.deliver(*socket, *delivery, part, data).err();
                refused.map_or_else(Vec::new, |error| {
                    vec![Message::Refuse {
                        socket: *socket,
                        delivery: *delivery,
                        error: errno_number(error),
                    }]
                })
            }
            Message::Revoke { socket, delivery } => {
                if let Some(slot) = self.sockets.get_mut(socket) {
                    slot.revoke(*delivery);
                }
                Vec::new()
            }
            Message::Report {
                socket,
                report,
                source,
            } => {
                if let Some(slot) = self.sockets.get_mut(socket)
                    && slot.reports.len() < REPORTS
                {
                    slot.reports.push_back(StatusReport {
                        report: *report,
                        source: source.clone(),
                    });
                }
                Vec::new()
            }
            Message::Hangup { socket, error } => {
                self.hang_up(*socket, *error);
                Vec::new()
            }
            // What only front doors say, or another version: nothing that a client can act on.
            _ => Vec::new(),
        }
    }

    /// The daemon is there: its limits count, and it hears of the sockets that are bound.
    fn registered(&mut self, limits: Limits) -> Vec<Message<'static>> {
        let again = self.limits.replace(limits).is_some();
        let mut answers = vec![Message::Hello {
            version: BP_PROTOCOL_VERSION,
            max_message: MAX_MESSAGE,
            chunk_max: crate::protocol::BP_CHUNK_LIMIT,
        }];
        if again {
            return answers;
        }
        let bound = self
            .sockets
            .iter()
            .filter(|(_, slot)| slot.is_open && !slot.hung_up);
        let bound: Vec<_> = bound
            .map(|(socket, slot)| (*socket, slot.address.clone()))
            .collect();
        for (socket, address) in bound {
            let request = self.new_request(socket, Purpose::Restore);
            answers.push(open_message(request, socket, address, BP_OPEN_RESTORE));
        }
        answers
    }

    fn answered(&mut self, number: u32, answer: Answer) {
        let Some(request) = self.requests.get_mut(&number) else {
            return;
        };
        let (socket, purpose, abandoned) = (request.socket, request.purpose, request.abandoned);
        if let Purpose::Send { octets } = purpose
            && request.answer.is_none()
        {
            self.outstanding_bytes = self.outstanding_bytes.saturating_sub(octets.into());
            self.outstanding_sends = self.outstanding_sends.saturating_sub(1);
        }
        if purpose == Purpose::Restore {
            self.requests.remove(&number);
            if answer.error != 0 {
                self.hang_up(socket, answer.error);
            }
        } else if abandoned {
            self.requests.remove(&number);
            self.blame(socket, &answer);
        } else if let Some(request) = self.requests.get_mut(&number) {
            request.answer = Some(answer);
        }
    }

    fn blame(&mut self, socket: u32, answer: &Answer) {
        if let (Err(error), Some(slot)) = (answer.check(), self.sockets.get_mut(&socket)) {
            slot.error = Some(error);
        }
    }

    fn hang_up(&mut self, socket: u32, error: u32) {
        if let Some(slot) = self.sockets.get_mut(&socket) {
            slot.error = Some(errno(error));
            slot.hung_up = true;
            // Poll says that the other end is gone.
            slot.signal = None;
        }
    }

    fn deliver(
        &mut self,
        socket: u32,
        delivery: u64,
        part: &Part<Box<Delivered>>,
        data: &[u8],
    ) -> Result<(), Errno> {
        let max_message = self.max_message();
        let slot = self.sockets.get_mut(&socket).ok_or(Errno::BADF)?;
        match part {
            Part::First { total, head } => {
                if *total > max_message {
                    return Err(Errno::MSGSIZE);
                }
                if slot.refused.is_some_and(|refused| refused != delivery) {
                    // It was sent before the daemon heard of the refusal, and comes again.
                    return Ok(());
                }
                if slot.wants_room || slot.queued_octets >= slot.receive_buffer {
                    slot.refused = Some(delivery);
                    slot.wants_room = true;
                    return Err(Errno::AGAIN);
                }
                slot.refused = None;
                slot.arriving = Some(Arriving {
                    delivery,
                    about: head.clone(),
                    assembly: Assembly::new(*total),
                });
            }
            Part::Next { .. } => {}
        }
        let Some(mut arriving) = slot.arriving.take_if(|it| it.delivery == delivery) else {
            // A part of a message that was refused.
            return Ok(());
        };
        arriving
            .assembly
            .push(part.offset(), data)
            .map_err(|_| Errno::INVAL)?;
        if arriving.assembly.is_complete() {
            slot.queue_message(arriving);
        } else {
            slot.arriving = Some(arriving);
        }
        Ok(())
    }
}

impl Slot {
    fn new(address: Address, (descriptor, signal): Ends) -> Self {
        Self {
            address,
            is_open: false,
            queue: VecDeque::new(),
            queued_octets: 0,
            receive_buffer: RECEIVE_BUFFER,
            refused: None,
            wants_room: false,
            arriving: None,
            reports: VecDeque::new(),
            error: None,
            hung_up: false,
            descriptor,
            signal: Some(signal),
            signals: 0,
        }
    }

    fn queue_message(&mut self, arriving: Arriving) {
        let message = Received {
            about: *arriving.about,
            data: arriving.assembly.into_data(),
        };
        self.queued_octets += message.data.len();
        self.queue.push_back((arriving.delivery, Arc::new(message)));
        if let Some(signal) = &self.signal {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            self.signals += usize::from(send(signal, &[0], flags).is_ok());
        }
    }

    /// Takes octets from the descriptor, until there are no more than messages.
    fn quieten(&mut self) {
        if let Some(descriptor) = self.descriptor.clone() {
            self.quieten_on(descriptor.as_fd());
        }
    }

    fn quieten_on(&mut self, descriptor: BorrowedFd<'_>) {
        while self.signals > self.queue.len() {
            let mut octet = [0; 1];
            // The octet is there, because it was counted.
            let _ = recv(descriptor, &mut octet, RecvFlags::DONTWAIT);
            self.signals -= 1;
        }
    }

    fn revoke(&mut self, delivery: u64) {
        self.refused.take_if(|refused| *refused == delivery);
        self.arriving
            .take_if(|arriving| arriving.delivery == delivery);
        let found = self
            .queue
            .iter()
            .position(|(number, _)| *number == delivery);
        if let Some((_, message)) = found.and_then(|at| self.queue.remove(at)) {
            self.queued_octets -= message.data.len();
        }
        self.quieten();
    }

    /// What was taken and not read is with the agent, and comes again.
    fn forget_queue(&mut self) {
        self.queue.clear();
        self.quieten();
        self.queued_octets = 0;
        self.refused = None;
        self.wants_room = false;
        self.arriving = None;
    }
}

impl Answer {
    fn error(error: Errno) -> Self {
        Self {
            error: errno_number(error),
            address: None,
            bundle: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), Errno> {
        if self.error == 0 {
            Ok(())
        } else {
            Err(errno(self.error))
        }
    }
}

fn open_message(request: u32, socket: u32, address: Address, flags: u32) -> Message<'static> {
    Message::Open {
        request,
        socket,
        address,
        flags,
        uid: getuid().as_raw(),
        gid: getgid().as_raw(),
        pid: getpid().as_raw_nonzero().get().cast_unsigned(),
    }
}

fn errno(number: u32) -> Errno {
    let known = i32::try_from(number)
        .ok()
        .filter(|number| (1..4096).contains(number));
    known.map_or(Errno::PROTO, Errno::from_raw_os_error)
}

fn errno_number(error: Errno) -> u32 {
    error.raw_os_error().cast_unsigned()
}

fn write(connection: &OwnedFd, message: &Message<'_>) -> Result<(), Errno> {
    let octets = message.to_unix();
    loop {
        return match send(connection, &octets, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => continue,
            Err(Errno::PIPE | Errno::NOTCONN) => Err(Errno::CONNRESET),
            done => done.map(|_| ()),
        };
    }
}
