// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A socket of family 28 as the program sees it: unbound at first, with options and a peer.

use std::ffi::c_int;
use std::io;
use std::mem;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::path::PathBuf;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bpsock::abi::BundleId;
use bpsock::net::{self, Door, Message, default_path};
use bpsock::{AF_BP, Address, AddressError};

use crate::real;

/// An errno.
pub(crate) type Errno = c_int;

/// The errno of this thread.
pub(crate) fn errno() -> Errno {
    // SAFETY: the place exists as long as the thread.
    unsafe { *libc::__errno_location() }
}

pub(crate) fn set_errno(error: Errno) {
    // SAFETY: the place exists as long as the thread.
    unsafe { *libc::__errno_location() = error }
}

pub(crate) fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// A socket. Descriptors that were duplicated share it.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) protocol: c_int,
    /// The process that made it: a child cannot use the connection of its parent.
    process: u32,
    state: Mutex<State>,
    /// Held while the daemon is asked for an address.
    binding: Mutex<()>,
    /// Held while a message is handed over, so that two readers do not get the same one.
    reading: Mutex<()>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    bound: Option<Arc<net::Socket>>,
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
    /// A new socket and its descriptor.
    pub(crate) fn new(kind: c_int, protocol: c_int) -> Result<(RawFd, Self), Errno> {
        let flags = kind & (libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        if kind & !flags != libc::SOCK_DGRAM {
            return Err(libc::ESOCKTNOSUPPORT);
        }
        if ![0, 1, libc::IPPROTO_UDP].contains(&protocol) {
            return Err(libc::EPROTONOSUPPORT);
        }
        let mut pair = [0; 2];
        let seqpacket = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
        // SAFETY: there is room for two descriptors.
        let made = unsafe {
            libc::syscall(
                libc::SYS_socketpair,
                libc::AF_UNIX,
                seqpacket,
                0,
                pair.as_mut_ptr(),
            )
        };
        if made < 0 {
            return Err(errno());
        }
        let [fd, signal] = pair;
        // SAFETY: the descriptor is new, and nobody else has it.
        let signal = unsafe { OwnedFd::from_raw_fd(signal) };
        set_flags(fd, flags);
        let state = State {
            signal: Some(signal),
            ..State::default()
        };
        let socket = Self {
            protocol,
            process: process::id(),
            state: Mutex::new(state),
            binding: Mutex::new(()),
            reading: Mutex::new(()),
        };
        Ok((fd, socket))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn reading(&self) -> MutexGuard<'_, ()> {
        lock(&self.reading)
    }

    /// What has an address, if it has one.
    pub(crate) fn bound(&self) -> Result<Option<Arc<net::Socket>>, Errno> {
        if self.process != process::id() {
            return Err(libc::EBADF);
        }
        Ok(self.state().bound.clone())
    }

    pub(crate) fn bind(&self, fd: RawFd, address: &Address) -> Result<(), Errno> {
        let _binding = lock(&self.binding);
        if self.bound()?.is_some() {
            return Err(libc::EINVAL);
        }
        self.bind_locked(fd, address).map(drop)
    }

    /// What has an address. A socket that has none gets any free service.
    pub(crate) fn autobind(&self, fd: RawFd) -> Result<Arc<net::Socket>, Errno> {
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

    fn bind_locked(&self, fd: RawFd, address: &Address) -> Result<Arc<net::Socket>, Errno> {
        let door = door()?;
        let signal = self.state().signal.as_ref().map(OwnedFd::try_clone);
        let signal = signal
            .ok_or(libc::EINVAL)?
            .map_err(|error| errno_of(&error))?;
        // SAFETY: there are no pointers.
        let own = unsafe { real::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
        if own < 0 {
            return Err(errno());
        }
        // SAFETY: the descriptor is new, and nobody else has it.
        let own = unsafe { OwnedFd::from_raw_fd(own) };
        let bound = door.bind_on(address, (own, signal));
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
    pub(crate) fn set_receive_buffer(&self, fd: RawFd) {
        let octets = int_option(fd, libc::SO_RCVBUF);
        if let (Ok(Some(bound)), Ok(octets)) = (self.bound(), usize::try_from(octets)) {
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

const NONBLOCKING: libc::c_ulong = (libc::O_RDWR | libc::O_NONBLOCK) as libc::c_ulong;

fn set_flags(fd: RawFd, flags: c_int) {
    // SAFETY: there are no pointers.
    unsafe {
        if flags & libc::SOCK_CLOEXEC == 0 {
            real::fcntl(fd, libc::F_SETFD, 0);
        }
        if flags & libc::SOCK_NONBLOCK != 0 {
            real::fcntl(fd, libc::F_SETFL, NONBLOCKING);
        }
    }
}

/// A number that the system knows of the descriptor.
pub(crate) fn int_option(fd: RawFd, name: c_int) -> c_int {
    let mut value: c_int = 0;
    let mut length = 4;
    // SAFETY: value and length are writable, and the length is that of the value.
    unsafe {
        real::getsockopt(
            fd,
            libc::SOL_SOCKET,
            name,
            (&raw mut value).cast(),
            &raw mut length,
        );
    }
    value
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
