// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Real traffic from captures, readdressed so that each bundle version lives on its own side.
//!
//! The captures were taken between hosts of one version, often under the same addresses. Here a
//! sender keeps the last two numbers of its address and gets a network that names its version;
//! its receiver gets the network of the other version. Nothing else of a frame changes but the
//! checksums over the addresses.

use std::{
    fs::{self, File},
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use bundle::Version;
use etherparse::{Ethernet2Header, Ipv4Header, UdpHeader, ip_number};
use pcap_file::{DataLink, pcap::PcapReader};

use crate::{
    frame::{BUNDLE_PORT, Datagram, ethernet_address},
    verdict::hex,
};

/// A side of the switch: where one bundle version is spoken.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Side {
    /// Version 6, network 10.6.0.0/16, port 1.
    V6,
    /// Version 7, network 10.7.0.0/16, port 2.
    V7,
}

impl Side {
    /// The other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::V6 => Self::V7,
            Self::V7 => Self::V6,
        }
    }

    /// Port of the switch that leads to this side.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::V6 => 1,
            Self::V7 => 2,
        }
    }

    /// The bundle version that is spoken here.
    #[must_use]
    pub fn version(self) -> u8 {
        match self {
            Self::V6 => 6,
            Self::V7 => 7,
        }
    }

    /// The network of this side.
    #[must_use]
    pub fn network(self) -> String {
        format!("10.{}.0.0/16", self.version())
    }

    /// A host of this side, told apart by the last two numbers of the address it was captured with.
    #[must_use]
    pub fn host(self, captured: [u8; 4]) -> Ipv4Addr {
        Ipv4Addr::new(10, self.version(), captured[2], captured[3])
    }
}

/// A frame that enters the switch.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// File and number of the frame, for messages.
    pub origin: String,
    /// Where it enters.
    pub side: Side,
    /// The datagram in it.
    pub datagram: Datagram,
}

impl Input {
    /// A datagram from one side to a host of the other, whose address has this third number.
    ///
    /// # Panics
    ///
    /// The payload does not fit into a datagram.
    #[must_use]
    pub fn new(side: Side, third: u8, payload: Vec<u8>) -> Self {
        let source = side.host([0, 0, 1, 1]);
        let destination = side.other().host([0, 0, third, 2]);
        let ipv4 = Ipv4Header::new(
            u16::try_from(UdpHeader::LEN + payload.len()).expect("the payload fits"),
            64,
            ip_number::UDP,
            source.octets(),
            destination.octets(),
        )
        .expect("the payload fits");
        let ethernet = Ethernet2Header {
            source: ethernet_address(source),
            destination: ethernet_address(destination),
            ether_type: etherparse::ether_type::IPV4,
        };
        let udp = UdpHeader {
            source_port: 40_000,
            destination_port: BUNDLE_PORT,
            length: 0,
            // Anything but zero is replaced by the right one.
            checksum: 1,
        };
        Self {
            origin: format!("bundle {}", hex(&payload)),
            side,
            datagram: Datagram {
                ethernet,
                ipv4,
                udp,
                payload,
            },
        }
    }
}

/// The UDP datagrams of all captures below a folder, in the order of file names and frames.
///
/// # Errors
///
/// A folder or file that cannot be read, with its name.
pub fn captured(folder: &Path) -> anyhow::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for path in captures(folder)? {
        let side = side_of(&path);
        let name = path
            .strip_prefix(folder)
            .unwrap_or(&path)
            .display()
            .to_string();
        for (number, frame) in frames(&path)?.into_iter().enumerate() {
            let Some(datagram) = Datagram::parse(&frame) else {
                continue;
            };
            let side = match bundle::version(&datagram.payload) {
                Some(Version::V6) if datagram.is_for_bundles() => Side::V6,
                Some(Version::V7) if datagram.is_for_bundles() => Side::V7,
                _ => side,
            };
            let origin = format!("{name} frame {}", number + 1);
            inputs.push(Input {
                origin,
                side,
                datagram: readdressed(datagram, side),
            });
        }
    }
    anyhow::ensure!(
        !inputs.is_empty(),
        "there are no captures with UDP in {}",
        folder.display()
    );
    Ok(inputs)
}

/// Where the traffic of a capture without bundles belongs: folders are named after versions.
fn side_of(path: &Path) -> Side {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    if folder.to_string_lossy().contains('6') {
        Side::V6
    } else {
        Side::V7
    }
}

fn captures(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the captures in {}", folder.display()))?;
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot list {}", folder.display()))?
            .path();
        if path.is_dir() {
            files.extend(captures(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "pcap")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The frames of a capture of an Ethernet link.
///
/// # Errors
///
/// A file that is missing, is no capture, or is one of another link.
pub fn frames(path: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let file =
        File::open(path).with_context(|| format!("cannot open the capture {}", path.display()))?;
    let mut reader =
        PcapReader::new(file).with_context(|| format!("{} is not a pcap file", path.display()))?;
    anyhow::ensure!(
        reader.header().datalink == DataLink::ETHERNET,
        "{} is not a capture of an Ethernet link",
        path.display()
    );
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet.with_context(|| format!("{} is damaged", path.display()))?;
        frames.push(packet.data.into_owned());
    }
    Ok(frames)
}

fn readdressed(mut datagram: Datagram, side: Side) -> Datagram {
    let source = side.host(datagram.ipv4.source);
    let destination = side.other().host(datagram.ipv4.destination);
    datagram.ipv4.source = source.octets();
    datagram.ipv4.destination = destination.octets();
    datagram.ethernet.source = ethernet_address(source);
    datagram.ethernet.destination = ethernet_address(destination);
    datagram
}
