// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The connection to the daemon, and the thread that reads from it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, socket_with,
};

use crate::address::Address;
use crate::net::shared::{Owner, Shared};
use crate::net::socket::{Endpoint, Socket};
use crate::protocol::{Message, frames};

/// A connection to the daemon, for any number of sockets. Clones share it.
#[derive(Clone, Debug)]
pub struct Door {
    pub(super) owner: Arc<Owner>,
}

/// A datagram holds messages that are below 64 KiB each; the daemon sends one in each.
const DATAGRAM: usize = 1 << 17;
/// A daemon that listens says at once that it is there.
const START: Duration = Duration::from_secs(10);
/// How long the thread waits between two attempts to find the next daemon.
const RETRY: Duration = Duration::from_millis(100);

impl Door {
    /// Connects to the daemon at this path.
    ///
    /// # Errors
    ///
    /// Nobody listens there (ECONNREFUSED, ENOENT), or it is no daemon of this version.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let connection = Arc::new(dial(path)?);
        let shared = Arc::new(Shared::new(Arc::clone(&connection)));
        let reader = Reader {
            shared: Arc::downgrade(&shared),
            path: path.to_owned(),
        };
        thread::Builder::new()
            .name("bpsock".to_owned())
            .spawn(move || reader.run(connection))?;
        let door = Self {
            owner: Arc::new(Owner(shared)),
        };
        door.owner.0.wait_registered(START)?;
        Ok(door)
    }

    /// A socket with this address. Node 0 is the node of the agent, service 0 any free service.
    ///
    /// # Errors
    ///
    /// What the daemon says: EADDRINUSE, EADDRNOTAVAIL, EACCES, EAFNOSUPPORT, ENETDOWN; or
    /// ECONNREFUSED without a daemon.
    pub fn bind(&self, address: &Address) -> io::Result<Socket> {
        Socket::bind(self.clone(), address)
    }

    /// As [`Door::bind`], for a descriptor that somebody else has: an octet is written into `signal`, an
    /// end of a pair of `SOCK_SEQPACKET`, when there is a message. `other` is the other end, from which
    /// octets are taken when their messages are gone; without it they stay until
    /// [`Endpoint::quieten`].
    ///
    /// # Errors
    ///
    /// As [`Door::bind`].
    pub fn endpoint(
        &self,
        address: &Address,
        signal: OwnedFd,
        other: Option<OwnedFd>,
    ) -> io::Result<Endpoint> {
        Endpoint::new(self.clone(), address, (other.map(Arc::new), signal))
    }

    /// Octets of the longest message.
    #[must_use]
    pub fn max_message(&self) -> usize {
        self.owner.0.max_message() as usize
    }
}

fn dial(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let connection = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    connect(&connection, &SocketAddrUnix::new(path)?)?;
    Ok(connection)
}

/// What the thread needs. It does not keep the door alive.
struct Reader {
    shared: Weak<Shared>,
    path: PathBuf,
}

impl Reader {
    fn run(self, mut connection: Arc<OwnedFd>) {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            self.read(&connection, &mut buffer);
            let Some(next) = self.next_daemon() else {
                return;
            };
            connection = next;
        }
    }

    /// Handles messages until the daemon ends, or says something that no daemon says.
    fn read(&self, connection: &OwnedFd, buffer: &mut [u8]) {
        loop {
            let length = match recv(connection, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => return,
                Ok((length, _)) => length,
                Err(Errno::INTR) => continue,
                Err(_) => return,
            };
            let Some(shared) = self.shared.upgrade() else {
                return;
            };
            for frame in frames(&buffer[..length]) {
                let message = frame.and_then(|frame| Message::decode(frame.body));
                match message {
                    Ok(Some(message)) => shared.handle(&message),
                    Ok(None) => {}
                    Err(_) => return,
                }
            }
        }
    }

    /// Waits for the next daemon. `None` if nobody needs one.
    fn next_daemon(&self) -> Option<Arc<OwnedFd>> {
        self.shared.upgrade()?.disconnected();
        loop {
            if self.shared.upgrade()?.is_closing() {
                return None;
            }
            if let Ok(connection) = dial(&self.path) {
                let connection = Arc::new(connection);
                self.shared.upgrade()?.connected(Arc::clone(&connection));
                return Some(connection);
            }
            thread::sleep(RETRY);
        }
    }
}
