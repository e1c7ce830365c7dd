// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A socket for tokio.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::spawn_blocking;

use crate::abi::BundleId;
use crate::address::Address;
use crate::net::{Door, Message, Received, Socket};

/// A socket whose waiting is that of tokio.
#[derive(Debug)]
pub struct AsyncSocket {
    socket: Arc<Socket>,
    descriptor: AsyncFd<OwnedFd>,
}

impl AsyncSocket {
    /// As [`Door::bind`].
    ///
    /// # Errors
    ///
    /// As [`Door::bind`].
    pub async fn bind(door: &Door, address: &Address) -> io::Result<Self> {
        let (door, address) = (door.clone(), address.clone());
        let bound = spawn_blocking(move || door.bind(&address)).await;
        let socket = bound.map_err(io::Error::other)??;
        let descriptor = socket.as_fd().try_clone_to_owned()?;
        Ok(Self {
            socket: Arc::new(socket),
            descriptor: watch(descriptor)?,
        })
    }

    /// The address, with the numbers that the daemon chose.
    #[must_use]
    pub fn local_address(&self) -> &Address {
        self.socket.local_address()
    }

    /// As [`Endpoint::send_to`](crate::net::Endpoint::send_to).
    ///
    /// # Errors
    ///
    /// As [`Endpoint::send_to`](crate::net::Endpoint::send_to).
    pub async fn send_to(
        &self,
        data: Vec<u8>,
        destination: &Address,
        message: Message,
    ) -> io::Result<Option<BundleId>> {
        let (socket, destination) = (Arc::clone(&self.socket), destination.clone());
        let sent = spawn_blocking(move || socket.send_to(&data, &destination, &message)).await;
        sent.map_err(io::Error::other)?
    }

    /// Waits for the next message. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// An error of the socket.
    pub async fn recv(&self) -> io::Result<Arc<Received>> {
        loop {
            let mut guard = self.descriptor.readable().await?;
            if let Ok(received) = guard.try_io(|_| self.socket.try_recv()) {
                return received;
            }
        }
    }
}

#[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is open and stays the same until it is dropped, with the AsyncFd.
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
    Ok(watched?)
}
