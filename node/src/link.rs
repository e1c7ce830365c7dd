// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The link to the switch: frames in, frames out.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::attachment::Attachment;

#[cfg(target_os = "linux")]
mod packet;

/// The longest frame: what a UDP datagram, and more than what an interface carries.
pub const MAX_FRAME: usize = 65_535;

/// How long a frame may wait for room in the link. More means that the link is down.
const SEND_DEADLINE: Duration = Duration::from_secs(1);

/// An open link.
#[derive(Debug)]
pub enum Link {
    /// One frame in each datagram.
    Udp {
        /// Bound.
        socket: UdpSocket,
        /// The switch.
        peer: SocketAddr,
    },
    /// A Linux interface.
    #[cfg(target_os = "linux")]
    Interface(packet::PacketSocket),
}

impl Link {
    /// Opens a link. Must run inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn open(attachment: &Attachment) -> io::Result<Self> {
        match attachment {
            Attachment::Udp { local, peer } => Ok(Self::Udp {
                socket: UdpSocket::bind(local).await?,
                peer: *peer,
            }),
            #[cfg(target_os = "linux")]
            Attachment::Interface(name) => packet::PacketSocket::open(name).map(Self::Interface),
            #[cfg(not(target_os = "linux"))]
            Attachment::Interface(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The address that was bound, if it is a UDP link.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Udp { socket, .. } => socket.local_addr().ok(),
            #[cfg(target_os = "linux")]
            Self::Interface(_) => None,
        }
    }

    /// Waits for a frame from the switch.
    ///
    /// # Errors
    ///
    /// The link is down. It may come up again.
    pub async fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp { socket, peer } => loop {
                let (len, from) = socket.recv_from(frame).await?;
                if from == *peer {
                    return Ok(len);
                }
            },
            #[cfg(target_os = "linux")]
            Self::Interface(socket) => socket.receive(frame).await,
        }
    }

    /// Hands a frame to the link. Nobody tells whether the switch gets it.
    ///
    /// # Errors
    ///
    /// The link has no room for it within a second, or never takes frames of this length.
    pub async fn send(&self, frame: &[u8]) -> Result<(), SendError> {
        let sending = async {
            match self {
                Self::Udp { socket, peer } => socket.send_to(frame, peer).await.map(|_| ()),
                #[cfg(target_os = "linux")]
                Self::Interface(socket) => socket.send(frame).await,
            }
        };
        match timeout(SEND_DEADLINE, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                Err(SendError::TooLong {
                    len_bytes: frame.len(),
                })
            }
            Ok(Err(error)) => Err(SendError::Down(error)),
            Err(_) => Err(SendError::Down(io::ErrorKind::TimedOut.into())),
        }
    }
}

/// Why a frame was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It will never be sent.
    #[error("frame of {len_bytes} octets is too long for the link")]
    TooLong {
        /// The length of the frame.
        len_bytes: usize,
    },
    /// It may be sent later.
    #[error("link to the switch is down")]
    Down(#[source] io::Error),
}
