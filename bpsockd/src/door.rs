// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Front doors: where messages of the protocol come from, and where they go.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, mpsc};

use crate::broker::{DoorId, Peer};

pub mod netlink;
pub mod unix;

/// What a front door does.
#[derive(Debug)]
pub enum Input {
    /// It has connected. Messages to it go into the outbox.
    Connected(DoorId, Peer, std::sync::Arc<Outbox>),
    /// A datagram came.
    Heard(DoorId, Vec<u8>),
    /// It is gone.
    Gone(DoorId),
}

/// Datagrams that wait for a front door to read them.
///
/// What may be in it is bounded by the windows of sockets and requests. A front door that does not
/// read although it is told to has [`OUTBOX_OCTETS`].
#[derive(Debug)]
pub struct Outbox {
    /// The type of messages on the transport.
    pub kind: u16,
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    datagrams: VecDeque<Vec<u8>>,
    octets: usize,
    is_closed: bool,
}

/// Octets that may wait for one front door.
pub const OUTBOX_OCTETS: usize = 512 << 20;
/// A datagram of the protocol holds chunks of at most 65,000 octets; some may be together.
const DATAGRAM: usize = 1 << 18;

impl Outbox {
    /// An empty one.
    #[must_use]
    pub fn new(kind: u16) -> Self {
        Self {
            kind,
            queue: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing that can panic happens half way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a datagram. `false` if there is too much already.
    pub fn push(&self, datagram: Vec<u8>) -> bool {
        let mut queue = self.lock();
        queue.octets += datagram.len();
        queue.datagrams.push_back(datagram);
        let fits = queue.octets <= OUTBOX_OCTETS;
        drop(queue);
        self.changed.notify_one();
        fits
    }

    /// The connection is to end.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// The next datagram. `None` when the connection is to end.
    async fn next(&self) -> Option<Vec<u8>> {
        loop {
            let changed = self.changed.notified();
            {
                let mut queue = self.lock();
                if let Some(datagram) = queue.datagrams.pop_front() {
                    queue.octets -= datagram.len();
                    return Some(datagram);
                }
                if queue.is_closed {
                    return None;
                }
            }
            changed.await;
        }
    }
}

/// Watches a descriptor that does not block.
#[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is open and stays the same until it is dropped, with the AsyncFd.
    let watched = unsafe { AsyncFd::register(descriptor) };
    Ok(watched?)
}

/// Hands datagrams over until the connection ends.
async fn read(
    id: DoorId,
    connection: &AsyncFd<OwnedFd>,
    to: &mpsc::Sender<Input>,
) -> io::Result<()> {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let mut guard = connection.readable().await?;
        let received = guard.try_io(|fd| Ok(recv(fd, &mut *buffer, RecvFlags::DONTWAIT)?));
        match received {
            Ok(Ok((0, _))) => return Ok(()),
            Ok(Ok((length, actual))) => {
                if actual > length {
                    return Err(Errno::MSGSIZE.into());
                }
                let heard = Input::Heard(id, buffer[..length].to_vec());
                if to.send(heard).await.is_err() {
                    return Ok(());
                }
            }
            Ok(Err(error)) if is_overrun(&error) => {}
            Ok(Err(error)) => return Err(error),
            Err(_would_block) => {}
        }
    }
}

/// The kernel has dropped a message, and sends it again: nothing is lost.
fn is_overrun(error: &io::Error) -> bool {
    let harmless = [Errno::NOBUFS, Errno::INTR].map(Errno::raw_os_error);
    error
        .raw_os_error()
        .is_some_and(|error| harmless.contains(&error))
}

/// Sends what is in the outbox until it is closed.
async fn write(connection: &AsyncFd<OwnedFd>, from: &Outbox) -> io::Result<()> {
    while let Some(datagram) = from.next().await {
        loop {
            let mut guard = connection.writable().await?;
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match guard.try_io(|fd| Ok(send(fd, &datagram, flags)?)) {
                Ok(Ok(_)) => break,
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }
    Ok(())
}
