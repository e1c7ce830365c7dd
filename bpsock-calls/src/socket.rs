// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A socket of family 28 as the program sees it: unbound at first, with options and a peer.

use std::ffi::c_int;
use std::io;
use std::mem;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bpsock::abi::BundleId;
use bpsock::net::{self, Door, Message, default_path};
use bpsock::{AF_BP, Address, AddressError};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::caller::Errno;

/// The number of the family, as `socket` takes it.
pub const FAMILY: c_int = AF_BP as c_int;

pub(crate) fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// A socket. Descriptors that were duplicated share it.
#[derive(Debug)]
pub struct Socket {
    pub(crate) protocol: c_int,
    /// The process that made it: a child cannot use the connection of its parent.
    process: u32,
    knows_descriptor: bool,
    state: Mutex<State>,
    /// Held while the daemon is asked for an address.
    binding: Mutex<()>,
    /// Held while a message is handed over, so that two readers do not get the same one.
    reading: Mutex<()>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    bound: Option<Arc<net::Endpoint>>,
    /// The other end of the descriptor, before there is an address.
    signal: Option<OwnedFd>,
    pub(crate) peer: Option<Address>,
    pub(crate) message: Message,
    pub(crate) recvinfo: u32,
    pub(crate) recverr: bool,
    pub(crate) last: Option<BundleId>,
    pub(crate) is_shut_read: bool,
    pub(crate) is_shut_write: bool,
}

/// The connection to the daemon, and the process that it is of.
static DOOR: Mutex<Option<(u32, Door)>> = Mutex::new(None);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic happens half way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connection of this process, which is made when it is first needed.
fn door() -> Result<Door, Errno> {
    let mut door = lock(&DOOR);
    let process = process::id();
    if let Some((owner, door)) = &*door
        && *owner == process
    {
        return Ok(door.clone());
    }
    // There is no daemon, whatever the reason.
    let path: PathBuf = default_path();
    let new = Door::connect(&path).map_err(|_| libc::ECONNREFUSED)?;
    let old = door.replace((process, new.clone()));
    // It is the connection of the parent, which goes on using it.
    mem::forget(old);
    Ok(new)
}

/// The longest message, as the daemon says if there is one.
pub(crate) fn max_message() -> usize {
    door().map_or(DEFAULT_MAX_MESSAGE, |door| door.max_message())
}

impl Socket {
    /// A new socket, and the descriptor that stands for it.
    ///
    /// # Errors
    ///
    /// ESOCKTNOSUPPORT, EPROTONOSUPPORT, and without descriptors EMFILE.
    pub fn new(kind: c_int, protocol: c_int) -> Result<(OwnedFd, Self), Errno> {
        let flags = kind & (libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        if kind & !flags != libc::SOCK_DGRAM {
            return Err(libc::ESOCKTNOSUPPORT);
        }
        if ![0, 1, libc::IPPROTO_UDP].contains(&protocol) {
            return Err(libc::EPROTONOSUPPORT);
        }
        let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        let (fd, signal) = socketpair(family, kind, SocketFlags::CLOEXEC, None).map_err(number)?;
        if flags & libc::SOCK_CLOEXEC == 0 {
            fcntl_setfd(&fd, FdFlags::empty()).map_err(number)?;
        }
        if flags & libc::SOCK_NONBLOCK != 0 {
            fcntl_setfl(&fd, OFlags::RDWR | OFlags::NONBLOCK).map_err(number)?;
        }
        let state = State {
            signal: Some(signal),
            ..State::default()
        };
        let socket = Self {
            protocol,
            process: process::id(),
            knows_descriptor: true,
            state: Mutex::new(state),
            binding: Mutex::new(()),
            reading: Mutex::new(()),
        };
        Ok((fd, socket))
    }

    /// The socket keeps no copy of the descriptor that stands for it: its other end, which `watch` gets,
    /// hangs up when the last one is closed.
    ///
    /// # Errors
    ///
    /// Those of `watch`.
    pub fn forget_descriptor(
        &mut self,
        watch: impl FnOnce(BorrowedFd<'_>) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        self.knows_descriptor = false;
        let state = self.state.get_mut();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        state.signal.as_ref().map_or(Ok(()), |it| watch(it.as_fd()))
    }

    /// Whether it has an address.
    pub fn is_bound(&self) -> bool {
        self.state().bound.is_some()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn reading(&self) -> MutexGuard<'_, ()> {
        lock(&self.reading)
    }

    /// What has an address, if it has one.
    pub(crate) fn bound(&self) -> Result<Option<Arc<net::Endpoint>>, Errno> {
        if self.process != process::id() {
            return Err(libc::EBADF);
        }
        Ok(self.state().bound.clone())
    }

    pub(crate) fn bind(&self, fd: BorrowedFd<'_>, address: &Address) -> Result<(), Errno> {
        let _binding = lock(&self.binding);
        if self.bound()?.is_some() {
            return Err(libc::EINVAL);
        }
        self.bind_locked(fd, address).map(drop)
    }

    /// What has an address. A socket that has none gets any free service.
    pub(crate) fn autobind(&self, fd: BorrowedFd<'_>) -> Result<Arc<net::Endpoint>, Errno> {
        let _binding = lock(&self.binding);
        if let Some(bound) = self.bound()? {
            return Ok(bound);
        }
        let any = Address::Ipn {
            node: 0,
            service: 0,
        };
        self.bind_locked(fd, &any)
    }

    fn bind_locked(
        &self,
        fd: BorrowedFd<'_>,
        address: &Address,
    ) -> Result<Arc<net::Endpoint>, Errno> {
        let door = door()?;
        let signal = self.state().signal.as_ref().map(OwnedFd::try_clone);
        let signal = signal
            .ok_or(libc::EINVAL)?
            .map_err(|error| errno_of(&error))?;
        let own = self.knows_descriptor.then(|| fcntl_dupfd_cloexec(fd, 0));
        let own = own.transpose().map_err(number)?;
        let bound = door.endpoint(address, signal, own);
        let bound = Arc::new(bound.map_err(|error| errno_of(&error))?);
        let mut state = self.state();
        state.bound = Some(Arc::clone(&bound));
        // The daemon's end is the only one from now on: when it closes, poll says so.
        drop(state.signal.take());
        drop(state);
        self.set_receive_buffer(fd);
        Ok(bound)
    }

    /// The receive buffer is as large as that of the descriptor.
    pub(crate) fn set_receive_buffer(&self, fd: BorrowedFd<'_>) {
        if let (Ok(Some(bound)), Ok(octets)) = (self.bound(), sockopt::socket_recv_buffer_size(fd))
        {
            bound.set_receive_buffer(octets);
        }
    }

    /// The own address; an unbound socket has one of zeros.
    pub(crate) fn name(&self) -> Result<Vec<u8>, Errno> {
        let unbound = Address::Ipn {
            node: 0,
            service: 0,
        };
        let bound = self.bound()?;
        Ok(bound.map_or_else(|| unbound.encode(), |it| it.local_address().encode()))
    }
}

/// What the kernel module takes without a daemon.
const DEFAULT_MAX_MESSAGE: usize = 16 << 20;

impl Drop for Socket {
    fn drop(&mut self) {
        if self.process != process::id() {
            // The parent has it still: a child closes nothing of it.
            mem::forget(self.state().bound.take());
        }
    }
}

fn number(error: rustix::io::Errno) -> Errno {
    error.raw_os_error()
}

/// More than the system gives: it takes it for as much as it gives.
const MAX_BUFFER: usize = 1 << 30;

/// What `SO_RCVBUF` does on the descriptor.
pub(crate) fn set_buffer(fd: BorrowedFd<'_>, octets: c_int) -> Result<(), Errno> {
    // The system takes a negative number for a very large one.
    let octets = usize::try_from(octets).unwrap_or(MAX_BUFFER);
    sockopt::set_socket_recv_buffer_size(fd, octets).map_err(number)
}

/// Whether a call with these flags may not wait.
#[must_use]
pub fn is_nonblocking(fd: BorrowedFd<'_>, flags: c_int) -> bool {
    let status = fcntl_getfl(fd).unwrap_or(OFlags::empty());
    flags & libc::MSG_DONTWAIT != 0 || status.contains(OFlags::NONBLOCK)
}

/// What `SO_RCVTIMEO` says; `None` is for ever.
#[must_use]
pub fn receive_timeout(fd: BorrowedFd<'_>) -> Option<Duration> {
    sockopt::socket_timeout(fd, Timeout::Recv).unwrap_or(None)
}

/// What `SO_SNDTIMEO` says; `None` is for ever.
pub(crate) fn send_timeout(fd: BorrowedFd<'_>) -> Option<Duration> {
    sockopt::socket_timeout(fd, Timeout::Send).unwrap_or(None)
}

/// An address that the program passes.
pub(crate) fn address(octets: &[u8]) -> Result<Address, Errno> {
    // The kernel looks at the length before it looks at the family.
    if octets.len() < 8 {
        return Err(libc::EINVAL);
    }
    match Address::decode(octets) {
        Ok(Address::DtnTooLong) => Err(libc::EINVAL),
        Ok(address) => Ok(address),
        Err(AddressError::Family(_) | AddressError::Scheme(_)) => Err(libc::EAFNOSUPPORT),
        Err(_) => Err(libc::EINVAL),
    }
}

/// Whether the octets are an address of the family.
pub(crate) fn is_of_family(octets: &[u8]) -> bool {
    octets.first_chunk() == Some(&AF_BP.to_ne_bytes())
}
