// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Does the calls that were caught.

use std::ffi::{c_int, c_long};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;

use bpsock_calls::{Call, Errno, Outcome, Span};
use libc::seccomp_notif;

use crate::listener::Listener;
use crate::process::{Processes, Trapped, is_of_own_user};
use crate::sockets::Sockets;

/// What all threads of the supervisor share.
#[derive(Debug)]
pub(crate) struct Supervisor {
    listener: Listener,
    sockets: Sockets,
    processes: Processes,
    /// Descriptors of the family have this number or a higher one.
    first: u32,
    /// Threads that wait for a call.
    waiting: AtomicUsize,
}

/// How many threads may wait for a call: one that comes back to more of them ends.
const WAITING: usize = 4;

impl Supervisor {
    pub(crate) fn new(listener: Listener, first: u32) -> Result<Self, Errno> {
        Ok(Self {
            listener,
            sockets: Sockets::new()?,
            processes: Processes::default(),
            first,
            waiting: AtomicUsize::new(0),
        })
    }

    /// Starts the threads. They end with the process.
    pub(crate) fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let supervisor = Arc::clone(self);
        thread::Builder::new().spawn(move || supervisor.sockets.keep_sweeping())?;
        self.add_worker()
    }

    fn add_worker(self: &Arc<Self>) -> std::io::Result<()> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let supervisor = Arc::clone(self);
        let added = thread::Builder::new().spawn(move || supervisor.work());
        if added.is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        added.map(drop)
    }

    /// Takes calls and does them. A call may wait: then another thread takes the next one.
    fn work(self: &Arc<Self>) {
        loop {
            let received = self.listener.receive();
            let others = self.waiting.fetch_sub(1, Ordering::Relaxed) - 1;
            if others == 0 {
                // Without another thread calls wait until this one is done.
                let _ = self.add_worker();
            }
            // Otherwise the caller is gone already.
            if let Ok(notification) = received {
                self.handle(&notification);
            }
            if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                return;
            }
        }
    }

    fn handle(&self, notification: &seccomp_notif) {
        let id = notification.id;
        let call = c_long::from(notification.data.nr);
        let outcome = match call {
            libc::SYS_socket => self.make(notification),
            libc::SYS_socketpair => Some(Err(libc::EOPNOTSUPP)),
            _ => self.on_descriptor(notification, call),
        };
        if let Some(result) = outcome {
            self.listener.answer(id, result);
        }
    }

    /// `socket`. `None` if the caller has its answer.
    fn make(&self, notification: &seccomp_notif) -> Option<Result<i64, Errno>> {
        let [_, kind, protocol, ..] = notification.data.args.map(int);
        let fd = match self.sockets.make(kind, protocol) {
            Ok(fd) => fd,
            Err(error) => return Some(Err(error)),
        };
        let is_cloexec = kind & libc::SOCK_CLOEXEC != 0;
        let given = self.give(notification, fd.as_fd(), 0, is_cloexec);
        given.err().map(Err)
    }

    /// Gives the caller a descriptor with a number that is high enough, and ends its call.
    fn give(
        &self,
        notification: &seccomp_notif,
        fd: std::os::fd::BorrowedFd<'_>,
        at_least: u32,
        is_cloexec: bool,
    ) -> Result<(), Errno> {
        let id = notification.id;
        if self.first == 0 {
            return self.listener.give(id, fd, None, is_cloexec);
        }
        let process = self.processes.of(notification.pid, self.first)?;
        let mut next = process.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mut has_wrapped = false;
        let mut number = (*next).max(at_least);
        loop {
            if process.descriptor(number.cast_signed()).err() != Some(libc::EBADF) {
                number += 1;
                continue;
            }
            match self.listener.give(id, fd, Some(number), is_cloexec) {
                // There are no higher numbers.
                Err(libc::EBADF) if !has_wrapped => {
                    has_wrapped = true;
                    number = self.first.max(at_least);
                }
                Err(libc::EBADF) => return Err(libc::EMFILE),
                Err(error) => return Err(error),
                Ok(()) => {
                    *next = number + 1;
                    return Ok(());
                }
            }
        }
    }

    /// A call on a descriptor. `None` if the caller has its answer.
    fn on_descriptor(
        &self,
        notification: &seccomp_notif,
        call: c_long,
    ) -> Option<Result<i64, Errno>> {
        let (id, thread) = (notification.id, notification.pid);
        let number = int(notification.data.args[0]);
        let process = self.processes.of(thread, self.first).ok();
        let found = process.and_then(|process| {
            let descriptor = process.descriptor(number).ok()?;
            let socket = self.sockets.find(&descriptor)?;
            Some((process, descriptor, socket))
        });
        let Some((process, descriptor, socket)) = found else {
            self.listener.pass_on(id);
            return None;
        };
        let trapped = Trapped {
            listener: &self.listener,
            id,
            thread,
            process,
            descriptor,
        };
        let Some(call) = parse(call, &notification.data.args) else {
            return self.copy(notification, call, &trapped);
        };
        if !socket.is_bound() && binds(&call) {
            if !is_of_own_user(thread) {
                return Some(Err(libc::EACCES));
            }
            self.sockets.sweep();
        }
        match socket.perform(&trapped, &call) {
            Outcome::Done(Ok(result)) => Some(Ok(i64::try_from(result).unwrap_or(i64::MAX))),
            Outcome::Done(Err(error)) => Some(Err(error)),
            Outcome::System => {
                self.listener.pass_on(id);
                None
            }
        }
    }

    /// `dup` and the like: the copy has a high number, too.
    fn copy(
        &self,
        notification: &seccomp_notif,
        call: c_long,
        trapped: &Trapped<'_>,
    ) -> Option<Result<i64, Errno>> {
        let arguments = notification.data.args;
        let fd = trapped.descriptor.as_fd();
        let given = match call {
            libc::SYS_dup => self.give(notification, fd, 0, false),
            libc::SYS_fcntl => {
                let is_cloexec = int(arguments[1]) == libc::F_DUPFD_CLOEXEC;
                match u32::try_from(int(arguments[2])) {
                    Ok(at_least) => self.give(notification, fd, at_least, is_cloexec),
                    Err(_) => Err(libc::EINVAL),
                }
            }
            // What the copy receives and sends would not be caught.
            _ if int(arguments[1]) < self.first.cast_signed() => Err(libc::EINVAL),
            _ => {
                self.listener.pass_on(trapped.id);
                Ok(())
            }
        };
        given.err().map(Err)
    }
}

/// An argument of type `int`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the system looks at the low half, too"
)]
const fn int(argument: u64) -> c_int {
    (argument as u32).cast_signed()
}

/// Whether a call gives an unbound socket an address.
const fn binds(call: &Call) -> bool {
    matches!(
        call,
        Call::Bind(_)
            | Call::Connect(_)
            | Call::Send { .. }
            | Call::SendMessage(..)
            | Call::SendMessages(..)
            | Call::SendParts(..)
    )
}

/// The call with this number and these arguments; `None` for those that copy descriptors.
fn parse(call: c_long, arguments: &[u64; 6]) -> Option<Call> {
    let word = |at: usize| usize::try_from(arguments[at]).unwrap_or(usize::MAX);
    // A length that is no length is too long for an address.
    let length = |at: usize| usize::try_from(int(arguments[at])).unwrap_or(usize::MAX);
    let number = |at: usize| int(arguments[at]);
    let name = Span::new(word(1), length(2));
    Some(match call {
        libc::SYS_bind => Call::Bind(name),
        libc::SYS_connect => Call::Connect(name),
        libc::SYS_listen | libc::SYS_accept | libc::SYS_accept4 => Call::Unsupported,
        libc::SYS_getsockname => Call::Name(word(1), word(2)),
        libc::SYS_getpeername => Call::Peer(word(1), word(2)),
        libc::SYS_shutdown => Call::Shutdown(number(1)),
        libc::SYS_setsockopt => Call::SetOption {
            level: number(1),
            name: number(2),
            value: Span::new(word(3), length(4)),
        },
        libc::SYS_getsockopt => Call::Option {
            level: number(1),
            name: number(2),
            value: word(3),
            length: word(4),
        },
        libc::SYS_sendto => Call::Send {
            data: Span::new(word(1), word(2)),
            flags: number(3),
            name: Span::new(word(4), length(5)),
        },
        libc::SYS_write => Call::Send {
            data: Span::new(word(1), word(2)),
            flags: 0,
            name: Span::default(),
        },
        libc::SYS_recvfrom => Call::Receive {
            data: Span::new(word(1), word(2)),
            flags: number(3),
            name: word(4),
            name_length: word(5),
        },
        libc::SYS_read => Call::Receive {
            data: Span::new(word(1), word(2)),
            flags: 0,
            name: 0,
            name_length: 0,
        },
        libc::SYS_sendmsg => Call::SendMessage(word(1), number(2)),
        libc::SYS_recvmsg => Call::ReceiveMessage(word(1), number(2)),
        libc::SYS_sendmmsg => Call::SendMessages(word(1), length(2), number(3)),
        libc::SYS_recvmmsg => Call::ReceiveMessages(word(1), length(2), number(3)),
        libc::SYS_writev => Call::SendParts(word(1), length(2)),
        libc::SYS_readv => Call::ReceiveParts(word(1), length(2)),
        libc::SYS_ioctl => Call::Control(arguments[1] & 0xffff_ffff, word(2)),
        _ => return None,
    })
}
