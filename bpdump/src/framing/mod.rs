// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finds the bundles in the frames of a capture.
//!
//! Each convergence layer has a module that knows nothing of files: octets in, bundles out.

mod ltp;
mod packet;
mod stcp;
mod tcp;
mod tcpcl;
mod udp;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bundle::v7::Tolerance;
use bundle::{Version, v6, v7};

pub(crate) use packet::Link;

/// A frame as a capture file has it.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Its number in the file, from 1, as Wireshark counts.
    pub(crate) number: u64,
    /// When it was captured, since 1970. Some formats do not say.
    pub(crate) time: Option<Duration>,
    pub(crate) link: Link,
    pub(crate) octets: Vec<u8>,
}

/// Which ports carry what.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    /// Bundles in UDP datagrams, TCPCL and STCP.
    pub(crate) bundles: Vec<u16>,
    /// LTP over UDP.
    pub(crate) ltp: Vec<u16>,
}

/// How a bundle travelled.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Layer {
    Udp,
    Ltp,
    Tcpcl3,
    Tcpcl4,
    Stcp,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Udp => "UDP",
            Self::Ltp => "LTP",
            Self::Tcpcl3 => "TCPCLv3",
            Self::Tcpcl4 => "TCPCLv4",
            Self::Stcp => "STCP",
        })
    }
}

/// Sender and receiver.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Path {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}", self.from, self.to)
    }
}

/// A bundle, and the frame that completed it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) frame: u64,
    pub(crate) time: Option<Duration>,
    pub(crate) layer: Layer,
    pub(crate) path: Path,
    pub(crate) octets: Vec<u8>,
}

/// What frames have given so far.
#[derive(Debug)]
pub(crate) struct Framing {
    ports: Ports,
    packets: packet::Packets,
    blocks: ltp::Blocks,
    flows: tcp::Flows,
    found: Vec<Found>,
}

impl Framing {
    pub(crate) fn new(ports: Ports) -> Self {
        Self {
            ports,
            packets: packet::Packets::default(),
            blocks: ltp::Blocks::default(),
            flows: tcp::Flows::default(),
            found: Vec::new(),
        }
    }

    /// Takes the next frame.
    pub(crate) fn take(&mut self, frame: &Frame) {
        let Some(packet) = self.packets.read(frame) else {
            return;
        };
        let path = packet.path;
        let mut bundles = Vec::new();
        match packet.transport {
            packet::Transport::Udp(payload) => {
                if self.ports.ltp_between(path) {
                    if let Some(block) = self.blocks.take(path.from.ip(), &payload) {
                        bundles.extend(split(&block).map(|octets| (Layer::Ltp, octets)));
                    }
                } else if self.ports.bundles.contains(&path.to.port()) {
                    bundles.extend(udp::bundle(&payload).map(|octets| (Layer::Udp, octets)));
                }
            }
            packet::Transport::Tcp(segment) => {
                if self.ports.bundles_between(path) {
                    bundles = self.flows.take(path, segment);
                }
            }
        }
        let found = bundles.into_iter().map(|(layer, octets)| Found {
            frame: frame.number,
            time: frame.time,
            layer,
            path,
            octets,
        });
        self.found.extend(found);
    }

    /// The bundles, and what a user has to know about those that are not among them.
    pub(crate) fn finish(self) -> (Vec<Found>, Vec<String>) {
        let mut notices = self.packets.notices();
        notices.extend(self.blocks.notices());
        notices.extend(self.flows.notices());
        (self.found, notices)
    }
}

impl Ports {
    fn ltp_between(&self, path: Path) -> bool {
        self.ltp.contains(&path.from.port()) || self.ltp.contains(&path.to.port())
    }

    fn bundles_between(&self, path: Path) -> bool {
        self.bundles.contains(&path.from.port()) || self.bundles.contains(&path.to.port())
    }
}

/// Splits octets that hold one bundle after another. What is no bundle stays whole.
pub(crate) fn split(octets: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let after = after_first(rest).unwrap_or_default();
        let (first, others) = rest.split_at(rest.len() - after.len());
        rest = others;
        Some(first.to_vec())
    })
}

/// What follows the first of several bundles. `None` if the octets do not begin with one.
pub(crate) fn after_first(octets: &[u8]) -> Option<&[u8]> {
    match bundle::version(octets)? {
        Version::V6 => v6::Bundle::decode_first(octets).ok().map(|(_, rest)| rest),
        Version::V7 => v7::Bundle::decode_first(octets, Tolerance::LENIENT)
            .ok()
            .map(|(_, rest)| rest),
    }
}
