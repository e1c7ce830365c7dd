// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which sockets there are, by the inode of the descriptor that stands for them.
//!
//! Descriptors are copied by dup, fork and over other sockets, and nobody says when the last one is
//! closed. So none is kept here: the other end, which is kept, hangs up then.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bpsock_calls::{Errno, Socket};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;

/// All sockets of all processes.
#[derive(Debug)]
pub(crate) struct Sockets {
    by_inode: Mutex<BTreeMap<u64, Arc<Socket>>>,
    /// The other ends. Each is told of once.
    ends: OwnedFd,
}

/// How many ends are asked for at a time.
const EVENTS: usize = 64;

fn number(error: rustix::io::Errno) -> Errno {
    error.raw_os_error()
}

fn inode(fd: impl AsFd) -> Result<u64, Errno> {
    Ok(fstat(fd).map_err(number)?.st_ino)
}

impl Sockets {
    pub(crate) fn new() -> Result<Self, Errno> {
        Ok(Self {
            by_inode: Mutex::default(),
            ends: epoll::create(CreateFlags::CLOEXEC).map_err(number)?,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Socket>>> {
        // Nothing that can panic happens half way through a change.
        self.by_inode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new socket. It is forgotten when the descriptor and all its copies are closed.
    pub(crate) fn make(&self, kind: c_int, protocol: c_int) -> Result<OwnedFd, Errno> {
        let (fd, mut socket) = Socket::new(kind, protocol)?;
        let inode = inode(&fd)?;
        socket.forget_descriptor(|end| {
            let flags = EventFlags::HUP | EventFlags::ET;
            epoll::add(&self.ends, end, EventData::new_u64(inode), flags).map_err(number)
        })?;
        self.lock().insert(inode, Arc::new(socket));
        Ok(fd)
    }

    /// The socket that a descriptor stands for, if it is one.
    pub(crate) fn find(&self, fd: impl AsFd) -> Option<Arc<Socket>> {
        let inode = inode(fd).ok()?;
        self.lock().get(&inode).map(Arc::clone)
    }

    /// Closes what has no descriptor any more.
    pub(crate) fn sweep(&self) {
        let mut sockets = self.lock();
        loop {
            let mut events = Vec::with_capacity(EVENTS);
            let none = Timespec::default();
            let buffer = rustix::buffer::spare_capacity(&mut events);
            if epoll::wait(&self.ends, buffer, Some(&none)).is_err() || events.is_empty() {
                return;
            }
            for event in events {
                // Its address is free before the lock is: the next socket may want it.
                drop(sockets.remove(&event.data.u64()));
            }
        }
    }

    /// Closes what has no descriptor any more, as long as this process lives.
    pub(crate) fn keep_sweeping(&self) {
        loop {
            let mut fds = [PollFd::new(&self.ends, PollFlags::IN)];
            // After an error the next round finds what there is.
            let _ = poll(&mut fds, None);
            self.sweep();
        }
    }
}
