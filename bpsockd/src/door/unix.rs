// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The front door for processes: a UNIX socket of type `SOCK_SEQPACKET`.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bpsock::protocol::BP_UNIX_TYPE;
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen,
    socket_with,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::broker::{DoorId, Peer};
use crate::door::{Input, Outbox, read, watch, write};

/// Numbers of front doors, of all kinds.
#[derive(Clone, Debug, Default)]
pub struct Numbers(Arc<AtomicU64>);

impl Numbers {
    /// A number that was not used before.
    #[must_use]
    pub fn next(&self) -> DoorId {
        DoorId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Listens on a path, which is removed in the end.
#[derive(Debug)]
pub struct Listener {
    socket: AsyncFd<OwnedFd>,
    path: PathBuf,
}

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// Front doors that may be connected: each needs a descriptor.
const MAX_DOORS: usize = 4096;
/// Pause when there are no descriptors left.
const RETRY: Duration = Duration::from_millis(200);

impl Listener {
    /// Listens on a path. What an earlier daemon left there is replaced.
    ///
    /// # Errors
    ///
    /// Another daemon listens (EADDRINUSE), or the path cannot be used.
    pub fn bind(path: &Path, mode: u32) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let new = || socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let address = SocketAddrUnix::new(path)?;
        match connect(&new()?, &address) {
            Ok(()) | Err(Errno::AGAIN) => return Err(Errno::ADDRINUSE.into()),
            // Nobody listens on what is there.
            Err(Errno::CONNREFUSED) => fs::remove_file(path)?,
            Err(_) => {}
        }
        let socket = new()?;
        bind(&socket, &address)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        listen(&socket, BACKLOG)?;
        Ok(Self {
            socket: watch(socket)?,
            path: path.to_owned(),
        })
    }

    /// Accepts front doors until `stop`.
    ///
    /// # Errors
    ///
    /// The socket cannot be watched.
    pub async fn serve(
        self,
        numbers: Numbers,
        to: mpsc::Sender<Input>,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let mut doors = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = doors.join_next() => continue,
                accepted = self.accept(), if doors.len() < MAX_DOORS => accepted,
            };
            match accepted {
                Ok((connection, uid)) => {
                    let door = door(numbers.next(), connection, uid, to.clone(), stop.clone());
                    doors.spawn(door);
                }
                Err(error) => {
                    warn!(reason = %error, "cannot accept");
                    sleep(RETRY).await;
                }
            }
        }
        while doors.join_next().await.is_some() {}
        Ok(())
    }

    async fn accept(&self) -> io::Result<(AsyncFd<OwnedFd>, u32)> {
        loop {
            let mut guard = self.socket.readable().await?;
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            if let Ok(accepted) = guard.try_io(|fd| Ok(accept_with(fd, flags)?)) {
                let connection = accepted?;
                let uid = socket_peercred(&connection)?.uid.as_raw();
                return Ok((watch(connection)?, uid));
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Whoever has replaced it meanwhile does without.
        let _ = fs::remove_file(&self.path);
    }
}

/// One front door, until either side ends it.
async fn door(
    id: DoorId,
    connection: AsyncFd<OwnedFd>,
    uid: u32,
    to: mpsc::Sender<Input>,
    stop: CancellationToken,
) {
    let outbox = Arc::new(Outbox::new(BP_UNIX_TYPE));
    let peer = Peer::Process { uid };
    let connected = Input::Connected(id, peer, Arc::clone(&outbox));
    if to.send(connected).await.is_err() {
        return;
    }
    let exchange = async {
        let mut reading = pin!(read(id, &connection, &to));
        tokio::select! {
            ended = &mut reading => ended,
            ended = write(&connection, &outbox) => match ended {
                // It has left. What it said before that counts, such as what it has read.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => reading.await,
                other => other,
            },
        }
    };
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = exchange => ended,
    };
    if let Err(error) = ended {
        debug!(door = id.0, reason = %error, "connection ended");
    }
    // Without anybody who listens the daemon is about to end.
    let _ = to.send(Input::Gone(id)).await;
}
