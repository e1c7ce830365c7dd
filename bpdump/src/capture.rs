// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Capture files: pcap and pcapng.

use std::time::Duration;

use anyhow::Context;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{DataLink, PcapError};

use crate::framing::{Frame, Link};

const PCAP: [[u8; 4]; 4] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
];
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// The forms of capture files.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    Pcap,
    Pcapng,
}

impl Format {
    /// Tells the form by the first octets. `None` if the file is no capture.
    pub(crate) fn of(octets: &[u8]) -> Option<Self> {
        let magic = octets.first_chunk::<4>()?;
        if *magic == PCAPNG {
            Some(Self::Pcapng)
        } else {
            PCAP.contains(magic).then_some(Self::Pcap)
        }
    }
}

/// Hands over every frame of a capture. A file that is cut gives the frames before the cut.
///
/// Returns whether the file was cut.
pub(crate) fn frames(
    octets: &[u8],
    format: Format,
    mut take: impl FnMut(Frame),
) -> anyhow::Result<bool> {
    let outcome = match format {
        Format::Pcap => pcap(octets, &mut take),
        Format::Pcapng => pcapng(octets, &mut take),
    };
    match outcome {
        Ok(()) => Ok(false),
        Err(PcapError::IncompleteBuffer) => Ok(true),
        Err(error) => Err(error).context("the capture is damaged"),
    }
}

fn pcap(octets: &[u8], take: &mut impl FnMut(Frame)) -> Result<(), PcapError> {
    let mut reader = PcapReader::new(octets)?;
    let link = link(reader.header().datalink);
    let mut number = 0;
    while let Some(packet) = reader.next_packet() {
        let packet = packet?;
        number += 1;
        take(Frame {
            number,
            time: Some(packet.timestamp),
            link,
            octets: packet.data.into_owned(),
        });
    }
    Ok(())
}

fn pcapng(octets: &[u8], take: &mut impl FnMut(Frame)) -> Result<(), PcapError> {
    let mut reader = PcapNgReader::new(octets)?;
    let mut interfaces: Vec<(Link, u64)> = Vec::new();
    let mut number = 0;
    while let Some(block) = reader.next_block() {
        let (interface, ticks, data) = match block? {
            Block::SectionHeader(_) => {
                interfaces.clear();
                continue;
            }
            Block::InterfaceDescription(interface) => {
                interfaces.push((link(interface.linktype), ticks_per_second(&interface)));
                continue;
            }
            // The crate takes the number for nanoseconds, whatever the interface says.
            Block::EnhancedPacket(packet) => {
                let ticks = u64::try_from(packet.timestamp.as_nanos()).ok();
                (packet.interface_id, ticks, packet.data)
            }
            Block::SimplePacket(packet) => (0, None, packet.data),
            Block::Packet(packet) => (
                u32::from(packet.interface_id),
                Some(packet.timestamp),
                packet.data,
            ),
            _ => continue,
        };
        number += 1;
        let known = usize::try_from(interface).ok();
        let known = known.and_then(|index| interfaces.get(index));
        let (link, per_second) = known.copied().unwrap_or((Link::Ethernet, 1_000_000));
        take(Frame {
            number,
            time: ticks.map(|ticks| since_1970(ticks, per_second)),
            link,
            octets: data.into_owned(),
        });
    }
    Ok(())
}

fn since_1970(ticks: u64, per_second: u64) -> Duration {
    let nanoseconds = u128::from(ticks % per_second) * 1_000_000_000 / u128::from(per_second);
    Duration::from_secs(ticks / per_second)
        + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default())
}

/// How fast the clock of an interface counts: microseconds, if it does not say.
fn ticks_per_second(interface: &InterfaceDescriptionBlock<'_>) -> u64 {
    let resolution = interface.options.iter().find_map(|option| match option {
        InterfaceDescriptionOption::IfTsResol(resolution) => Some(*resolution),
        _ => None,
    });
    let (base, exponent) = match resolution {
        None => (10, 6),
        Some(resolution) if resolution & 0x80 != 0 => (2, resolution & 0x7f),
        Some(resolution) => (10, resolution),
    };
    u64::checked_pow(base, u32::from(exponent)).unwrap_or(1_000_000_000)
}

/// Numbers of <https://www.tcpdump.org/linktypes.html>.
fn link(link: DataLink) -> Link {
    match u32::from(link) {
        0 | 108 => Link::Null,
        1 => Link::Ethernet,
        12 | 14 | 101 | 228 | 229 => Link::Ip,
        113 => Link::Sll,
        276 => Link::Sll2,
        number => Link::Other(number),
    }
}
