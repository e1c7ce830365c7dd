// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A bound socket.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::abi::{BundleId, Options, Report};
use crate::address::Address;
use crate::net::Door;
use crate::protocol::{self, Delivered, Part, Sent};

/// How to send a message. By default: as the daemon likes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Message {
    /// Lifetime, flags, limit of hops, priority.
    pub options: Options,
    /// Where status reports go. By default the daemon takes them, for [`Endpoint::report`].
    pub report_to: Option<Address>,
}

/// A message that was received.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    /// Source, destination and what the bundle says.
    pub about: Delivered,
    /// What was sent.
    pub data: Vec<u8>,
}

/// What became of a bundle that was sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatusReport {
    /// The report.
    pub report: Report,
    /// Who reports.
    pub source: Option<Address>,
}

/// A message that is on its way to the daemon.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ticket(u32);

/// What has an address, for whoever waits in another way than [`Socket`] does. Dropping it closes it,
/// and returns what was not read to the agent.
#[derive(Debug)]
pub struct Endpoint {
    door: Door,
    number: u32,
    address: Address,
}

/// A socket with an address: an [`Endpoint`] with a descriptor, to be waited on.
#[derive(Debug)]
pub struct Socket {
    endpoint: Endpoint,
    descriptor: Arc<OwnedFd>,
}

/// Where an octet comes out for each message, and the other end, into which it goes.
///
/// Without the first one, [`Endpoint::quieten`] takes the octets out.
pub(super) type Ends = (Option<Arc<OwnedFd>>, OwnedFd);

impl Endpoint {
    pub(super) fn new(door: Door, address: &Address, ends: Ends) -> io::Result<Self> {
        let (number, address) = door.owner.0.open(address, ends)?;
        Ok(Self {
            door,
            number,
            address,
        })
    }

    /// The address, with the numbers that the daemon chose.
    #[must_use]
    pub const fn local_address(&self) -> &Address {
        &self.address
    }

    /// Sends a message, and waits until the agent has taken it.
    ///
    /// # Errors
    ///
    /// What the agent says: EHOSTUNREACH, EMSGSIZE, ENOBUFS, ENETDOWN, EACCES, EOPNOTSUPP,
    /// EAFNOSUPPORT; or ECONNREFUSED and ECONNRESET when there is no daemon.
    pub fn send_to(
        &self,
        data: &[u8],
        destination: &Address,
        message: &Message,
    ) -> io::Result<Option<BundleId>> {
        let ticket = self.start_send(data, destination, message, None)?;
        let answer = self.door.owner.0.answer(ticket.0, None)?;
        answer.check()?;
        Ok(answer.bundle)
    }

    /// Sends a message, and does not wait for the agent. `patience` is how long to wait for room
    /// in the window of the daemon; `None` is for ever.
    ///
    /// # Errors
    ///
    /// EAGAIN if there is no room; EMSGSIZE, ECONNREFUSED, ECONNRESET.
    pub fn start_send(
        &self,
        data: &[u8],
        destination: &Address,
        message: &Message,
        patience: Option<Duration>,
    ) -> io::Result<Ticket> {
        let shared = &self.door.owner.0;
        let total = u32::try_from(data.len()).map_err(|_| Errno::MSGSIZE)?;
        let deadline = patience.map(|patience| Instant::now() + patience);
        let request = shared.start_send(self.number, total, deadline)?;
        let chunk = shared.chunk_max();
        let mut parts = data.chunks(chunk);
        let first = protocol::Message::Send {
            request,
            socket: self.number,
            part: Part::First {
                total,
                head: Sent {
                    source: self.address.clone(),
                    destination: destination.clone(),
                    options: message.options,
                    report_to: message.report_to.clone(),
                },
            },
            data: parts.next().unwrap_or_default(),
        };
        shared.tell(&first)?;
        let mut offset = chunk;
        for data in parts {
            shared.tell(&protocol::Message::Send {
                request,
                socket: self.number,
                part: Part::Next {
                    offset: u32::try_from(offset).map_err(|_| Errno::MSGSIZE)?,
                },
                data,
            })?;
            offset += data.len();
        }
        Ok(Ticket(request))
    }

    /// Waits for the answer to a message; `None` is for ever.
    ///
    /// # Errors
    ///
    /// What the agent says; ETIMEDOUT when the time is over.
    pub fn finish_send(
        &self,
        ticket: Ticket,
        patience: Option<Duration>,
    ) -> io::Result<Option<BundleId>> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let answer = self.door.owner.0.answer(ticket.0, deadline)?;
        answer.check()?;
        Ok(answer.bundle)
    }

    /// Nobody will wait for the answer: [`Endpoint::take_error`] tells an error.
    pub fn abandon_send(&self, ticket: Ticket) {
        self.door.owner.0.abandon(ticket.0);
    }

    /// Takes a bundle back that has not left.
    ///
    /// # Errors
    ///
    /// ENOENT if it has left or never was, EOPNOTSUPP if the agent cannot.
    pub fn cancel(&self, bundle: BundleId) -> io::Result<()> {
        let request = self.door.owner.0.start_cancel(self.number, bundle)?;
        Ok(self.door.owner.0.answer(request, None)?.check()?)
    }

    /// The next message, if it is there.
    ///
    /// # Errors
    ///
    /// EAGAIN if there is none; an error of the socket.
    pub fn try_recv(&self) -> io::Result<Arc<Received>> {
        let received = self.door.owner.0.receive(self.number, false);
        Ok(received?)
    }

    /// The next message, if it is there, without taking it.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::try_recv`].
    pub fn try_peek(&self) -> io::Result<Arc<Received>> {
        let seen = self.door.owner.0.receive(self.number, true);
        Ok(seen?)
    }

    /// Octets of the next message; `None` if there is none.
    #[must_use]
    pub fn next_len(&self) -> Option<usize> {
        self.door.owner.0.next_len(self.number)
    }

    /// How many octets may wait here before the agent has to keep messages. 4 MiB by default.
    pub fn set_receive_buffer(&self, octets: usize) {
        self.door.owner.0.set_receive_buffer(self.number, octets);
    }

    /// The error of a message that nobody waited for, or of the endpoint. Told once.
    #[must_use]
    pub fn take_error(&self) -> Option<io::Error> {
        self.door
            .owner
            .0
            .take_error(self.number)
            .map(io::Error::from)
    }

    /// Waits for a status report. `None` when the time is over.
    #[must_use]
    pub fn report(&self, patience: Duration) -> Option<StatusReport> {
        let deadline = Some(Instant::now() + patience);
        self.door.owner.0.report(self.number, deadline)
    }

    /// Takes octets from the descriptor of whoever waits, until there are no more than messages.
    ///
    /// To be called after [`Endpoint::try_recv`], and when there was nothing for it.
    pub fn quieten(&self, descriptor: BorrowedFd<'_>) {
        self.door.owner.0.quieten(self.number, descriptor);
    }
}

impl Socket {
    pub(super) fn bind(door: Door, address: &Address) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let (descriptor, signal) = (Arc::new(pair.0), pair.1);
        let ends = (Some(Arc::clone(&descriptor)), signal);
        let endpoint = Endpoint::new(door, address, ends)?;
        Ok(Self {
            endpoint,
            descriptor,
        })
    }

    /// Waits for the next message. `None` is for ever.
    ///
    /// # Errors
    ///
    /// EAGAIN when the time is over; EINTR after a signal; an error of the socket.
    pub fn recv(&self, patience: Option<Duration>) -> io::Result<Arc<Received>> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        loop {
            match self.try_recv() {
                Err(error) if error.raw_os_error() == Some(Errno::AGAIN.raw_os_error()) => {
                    self.wait_readable(deadline)?;
                }
                received => return received,
            }
        }
    }

    fn wait_readable(&self, deadline: Option<Instant>) -> Result<(), Errno> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec::try_from(left).map_err(|_| Errno::INVAL));
        let mut fds = [PollFd::new(&*self.descriptor, PollFlags::IN)];
        match poll(&mut fds, left.transpose()?.as_ref())? {
            0 => Err(Errno::AGAIN),
            _ => Ok(()),
        }
    }
}

impl Deref for Socket {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl AsFd for Socket {
    /// Readable when [`Endpoint::try_recv`] has something. Only for waiting.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.door.owner.0.close(self.number);
    }
}
