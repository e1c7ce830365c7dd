// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ports: where frames come from and go to.
//!
//! | Written | Means |
//! | --- | --- |
//! | `1@udp:127.0.0.1:5001=127.0.0.1:6001` | one frame in each datagram; needs no privileges |
//! | `1@pcap:in.pcap,out.pcap` | frames of a capture in, a capture of what leaves out |
//! | `1@veth0` | a Linux interface, by a packet socket; needs `CAP_NET_RAW` |
//!
//! Programs in the same process use [`Link`]s.

use std::{fmt, net::SocketAddr, num::NonZeroUsize, path::PathBuf, str::FromStr, sync::Arc};

use tokio::{net::UdpSocket, sync::mpsc};
use tokio_util::sync::CancellationToken;

use self::interfaces::Share;
use crate::{device::Device, run::Config, traffic::Worker};

pub(crate) mod interfaces;
pub(crate) mod outbox;
mod packet;
pub mod pcap;
mod ring;

pub use packet::{PacketSocket, raw_socket};

/// Longest frame that a port takes.
pub const MAX_FRAME: usize = 65_535;

/// Frames that may wait in a link.
const LINK_QUEUE: usize = 1024;

/// Frames that a port processes before it lets other tasks run.
const BATCH: usize = 64;

/// A port as it is written on the command line: `NUMBER@WHERE`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PortSpec {
    /// Number of the port in the P4 program.
    pub number: u32,
    /// What it is attached to.
    pub attachment: Attachment,
}

/// What a port is attached to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Attachment {
    /// A pair of UDP addresses.
    Udp {
        /// Address to bind.
        local: SocketAddr,
        /// Address to send to. Frames from others are not accepted.
        peer: SocketAddr,
    },
    /// A capture to read and one to write.
    Pcap {
        /// Frames that come in, as soon as there is a pipeline.
        input: PathBuf,
        /// Frames that leave.
        output: PathBuf,
    },
    /// A network interface.
    Interface(String),
}

/// Why a port cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// There is no `@` in the text.
    #[error("port {0:?} is not of the form NUMBER@WHERE, for example 1@veth0")]
    Form(String),
    /// The number is none, or cannot be a port.
    #[error("port number {0:?} is not in 0..=510")]
    Number(String),
    /// A UDP attachment without two addresses.
    #[error(
        "{0:?} is not of the form LOCAL_ADDRESS=PEER_ADDRESS, for example \
        127.0.0.1:5001=127.0.0.1:6001"
    )]
    Udp(String),
    /// A capture attachment without two files.
    #[error("{0:?} is not of the form INPUT.pcap,OUTPUT.pcap")]
    Pcap(String),
    /// Two ports have one number.
    #[error("port {0} is given twice")]
    Duplicate(u32),
    /// The attachment cannot be opened.
    #[error("cannot open {what} for port {number}")]
    Open {
        /// Number of the port.
        number: u32,
        /// The file, address or interface.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Largest port number: 511 means "drop" in v1model.
const MAX_PORT: u32 = 510;

impl FromStr for PortSpec {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let (number, place) = text
            .split_once('@')
            .ok_or_else(|| PortError::Form(text.into()))?;
        let bad = || PortError::Number(number.to_owned());
        let number: u32 = number.parse().map_err(|_| bad())?;
        if number > MAX_PORT {
            return Err(bad());
        }
        let attachment = if let Some(pair) = place.strip_prefix("udp:") {
            let bad = || PortError::Udp(pair.to_owned());
            let (local, peer) = pair.split_once('=').ok_or_else(bad)?;
            let local = local.parse().map_err(|_| bad())?;
            Attachment::Udp {
                local,
                peer: peer.parse().map_err(|_| bad())?,
            }
        } else if let Some(pair) = place.strip_prefix("pcap:") {
            let bad = || PortError::Pcap(pair.to_owned());
            let (input, output) = pair.split_once(',').ok_or_else(bad)?;
            Attachment::Pcap {
                input: input.into(),
                output: output.into(),
            }
        } else if place.is_empty() {
            return Err(PortError::Form(text.to_owned()));
        } else {
            Attachment::Interface(place.to_owned())
        };
        Ok(Self { number, attachment })
    }
}

/// The sending side of a port. Sending never waits: what does not fit is dropped.
#[derive(Debug)]
pub(crate) enum Transmitter {
    Udp {
        socket: Arc<UdpSocket>,
        peer: SocketAddr,
    },
    Pcap(pcap::Output),
    Interface(packet::PacketSocket),
    Link(mpsc::Sender<Vec<u8>>),
}

impl Transmitter {
    /// Sends a frame; returns whether it was taken.
    pub(crate) fn send(&self, frame: &[u8]) -> bool {
        match self {
            Self::Udp { socket, peer } => socket.try_send_to(frame, *peer).is_ok(),
            Self::Pcap(output) => output.write(frame).is_ok(),
            Self::Interface(socket) => socket.send_all(frame, &[frame.len()]).0 == 1,
            Self::Link(sender) => sender.try_send(frame.to_vec()).is_ok(),
        }
    }

    /// Sends what waits for the port; returns how many frames were taken, and their octets.
    /// Only interfaces have anything that waits.
    pub(crate) fn send_all(&self, queue: &outbox::Queue) -> (u64, u64) {
        match self {
            Self::Interface(socket) => socket.send_all(&queue.frames, &queue.ends),
            Self::Udp { .. } | Self::Pcap(_) | Self::Link(_) => (0, 0),
        }
    }

    /// Whether frames for the port may wait for others, to be sent with one call.
    pub(crate) fn gathers(&self) -> bool {
        matches!(self, Self::Interface(_))
    }

    /// Whether the link of the port works. Ports without a link of their own always do.
    pub(crate) fn is_up(&self) -> bool {
        match self {
            Self::Interface(socket) => socket.is_up(),
            Self::Udp { .. } | Self::Pcap(_) | Self::Link(_) => true,
        }
    }
}

/// The receiving side of a port.
#[derive(Debug)]
pub(crate) enum Receiver {
    Udp {
        socket: Arc<UdpSocket>,
        peer: SocketAddr,
    },
    Pcap(Vec<Vec<u8>>),
    Link(mpsc::Receiver<Vec<u8>>),
}

/// The far end of a link to a port of a switch in the same process.
#[derive(Debug)]
pub struct Link {
    /// Frames to the switch.
    pub sender: mpsc::Sender<Vec<u8>>,
    /// Frames from the switch.
    pub receiver: mpsc::Receiver<Vec<u8>>,
}

/// Both ends of a new link: the port, and what talks to it.
pub(crate) fn link() -> (Transmitter, Receiver, Link) {
    let (to_switch, from_peer) = mpsc::channel(LINK_QUEUE);
    let (to_peer, from_switch) = mpsc::channel(LINK_QUEUE);
    let link = Link {
        sender: to_switch,
        receiver: from_switch,
    };
    (Transmitter::Link(to_peer), Receiver::Link(from_peer), link)
}

/// Empty shares for the threads that take frames from interfaces; none without any.
pub(crate) fn shares(config: &Config) -> Result<Vec<Share>, PortError> {
    let is_interface = |spec: &&PortSpec| matches!(spec.attachment, Attachment::Interface(_));
    let Some(first) = config.ports.iter().find(is_interface) else {
        return Ok(Vec::new());
    };
    let threads = config
        .threads
        .map_or_else(interfaces::threads, NonZeroUsize::get);
    let shares = (0..threads).map(|_| Share::new());
    shares
        .collect::<Result<_, _>>()
        .map_err(|source| PortError::Open {
            number: first.number,
            what: "a queue of events".to_owned(),
            source,
        })
}

/// Opens what a port is attached to. Must run inside a tokio runtime. What an interface receives is
/// for the threads that have shares of it.
pub(crate) async fn open(
    spec: &PortSpec,
    shares: &mut [Share],
) -> Result<(Transmitter, Option<Receiver>), PortError> {
    let fail = |what: &dyn fmt::Display, source| PortError::Open {
        number: spec.number,
        what: what.to_string(),
        source,
    };
    Ok(match &spec.attachment {
        Attachment::Udp { local, peer } => {
            let socket = Arc::new(
                UdpSocket::bind(local)
                    .await
                    .map_err(|error| fail(local, error))?,
            );
            let transmitter = Transmitter::Udp {
                socket: Arc::clone(&socket),
                peer: *peer,
            };
            let peer = *peer;
            (transmitter, Some(Receiver::Udp { socket, peer }))
        }
        Attachment::Pcap { input, output } => {
            let frames = pcap::read(input).map_err(|error| fail(&input.display(), error))?;
            let created = pcap::Output::create(output);
            let output = created.map_err(|error| fail(&output.display(), error))?;
            (Transmitter::Pcap(output), Some(Receiver::Pcap(frames)))
        }
        Attachment::Interface(name) => {
            let socket = packet::PacketSocket::open(name).map_err(|error| fail(name, error))?;
            interfaces::open(spec.number, name, shares).map_err(|error| fail(name, error))?;
            (Transmitter::Interface(socket), None)
        }
    })
}

/// Hands the frames of one port to the device until `stop`, or until there are no more.
pub(crate) async fn serve(
    device: Arc<Device>,
    number: u32,
    receiver: Receiver,
    stop: CancellationToken,
) {
    // Each port has a seed of its own, so that ports do not draw the same random numbers.
    let mut worker = Worker::new(device.now_ns() ^ u64::from(number) << 32);
    tokio::select! {
        () = stop.cancelled() => {}
        () = receive(&device, number, receiver, &mut worker) => {}
    }
}

async fn receive(device: &Device, number: u32, receiver: Receiver, worker: &mut Worker) {
    let mut frame = vec![0; MAX_FRAME];
    match receiver {
        Receiver::Udp { socket, peer } => loop {
            if socket.readable().await.is_err() {
                continue;
            }
            for _ in 0..BATCH {
                match socket.try_recv_from(&mut frame) {
                    Ok((len, from)) if from == peer => {
                        device.receive(worker, number, [&frame[..len]]);
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    // Someone else's datagram; or the peer is not there yet, or no more: the port
                    // stays open for it.
                    Ok(_) | Err(_) => {}
                }
            }
            tokio::task::yield_now().await;
        },
        Receiver::Pcap(frames) => {
            device.wait_running().await;
            for frame in &frames {
                device.receive(worker, number, [frame.as_slice()]);
                tokio::task::yield_now().await;
            }
        }
        Receiver::Link(mut frames) => {
            let mut batch = Vec::with_capacity(BATCH);
            while frames.recv_many(&mut batch, BATCH).await > 0 {
                device.receive(worker, number, batch.iter().map(Vec::as_slice));
                batch.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<PortSpec, &str>) {
        let found = text.parse::<PortSpec>().map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn ports_are_read() {
        let local = "127.0.0.1:1".parse().expect("an address");
        let peer = "[::1]:2".parse().expect("an address");
        let attachment = Attachment::Udp { local, peer };
        check(
            "1@udp:127.0.0.1:1=[::1]:2",
            Ok(PortSpec {
                number: 1,
                attachment,
            }),
        );
        let attachment = Attachment::Interface("veth0".to_owned());
        check(
            "510@veth0",
            Ok(PortSpec {
                number: 510,
                attachment,
            }),
        );
        check("511@veth0", Err("port number \"511\" is not in 0..=510"));
        check(
            "veth0",
            Err("port \"veth0\" is not of the form NUMBER@WHERE, for example 1@veth0"),
        );
        let attachment = Attachment::Pcap {
            input: "a".into(),
            output: "b".into(),
        };
        check(
            "0@pcap:a,b",
            Ok(PortSpec {
                number: 0,
                attachment,
            }),
        );
        check(
            "0@pcap:a",
            Err("\"a\" is not of the form INPUT.pcap,OUTPUT.pcap"),
        );
    }
}
