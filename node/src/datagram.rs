// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bundle in an Ethernet frame with IPv4 and UDP, and the same frame with another bundle.
//!
//! The whole payload of a datagram is one bundle. Which UDP ports carry bundles is for the switch
//! program to decide, so they are not looked at here.

use etherparse::checksum::Sum16BitWords;
use etherparse::err::ipv4::{HeaderError, HeaderSliceError};
use etherparse::{EtherType, Ethernet2Header, Ethernet2HeaderSlice, IpNumber, Ipv4HeaderSlice};
use etherparse::{UdpHeader, UdpHeaderSlice};

/// A frame that carries one complete UDP datagram over IPv4.
///
/// Only correct ones exist: lengths agree and checksums match.
#[derive(Clone, Debug)]
pub struct Datagram<'a> {
    ethernet: Ethernet2HeaderSlice<'a>,
    ipv4: Ipv4HeaderSlice<'a>,
    udp: UdpHeaderSlice<'a>,
    bundle: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Finds the datagram in a frame.
    ///
    /// The IP total length says where it ends: octets behind it are padding of the link.
    ///
    /// # Errors
    ///
    /// The frame carries something else or a fragment, its lengths disagree, or a checksum does
    /// not match.
    pub fn decode(frame: &'a [u8]) -> Result<Self, DatagramError> {
        let truncated = error(frame.len(), DatagramFault::Truncated);
        let ethernet = Ethernet2HeaderSlice::from_slice(frame).map_err(|_| truncated)?;
        if ethernet.ether_type() != EtherType::IPV4 {
            let fault = DatagramFault::EtherType(ethernet.ether_type().0);
            return Err(error(ETHER_TYPE_OFFSET, fault));
        }
        let (ipv4, after) = ipv4_packet(frame)?;
        let udp = udp_header(&ipv4, after)?;
        let bundle = after.get(UdpHeader::LEN..).unwrap_or_default();
        Ok(Self {
            ethernet,
            ipv4,
            udp,
            bundle,
        })
    }

    /// The bundle: the payload of the datagram.
    #[must_use]
    pub fn bundle(&self) -> &'a [u8] {
        self.bundle
    }

    /// The same frame with another bundle in it.
    ///
    /// Lengths and checksums are those of the new datagram. The UDP checksum stays zero if it is,
    /// which means that the sender made none. All else stays as it is, IP options and
    /// identification included. There is no padding: adding it is up to the link.
    ///
    /// # Errors
    ///
    /// The bundle is too long for a datagram.
    pub fn with_bundle(&self, bundle: &[u8]) -> Result<Vec<u8>, TooLong> {
        let udp_len = UdpHeader::LEN + bundle.len();
        let total_len = self.ipv4.slice().len() + udp_len;
        let too_long = TooLong {
            len_bytes: total_len,
        };
        let total_len = u16::try_from(total_len).map_err(|_| too_long)?;
        let udp_len = u16::try_from(udp_len).map_err(|_| too_long)?;

        let mut frame = Vec::with_capacity(Ethernet2Header::LEN + usize::from(total_len));
        frame.extend_from_slice(self.ethernet.slice());
        frame.extend_from_slice(&ipv4_with_length(&self.ipv4, total_len));
        frame.extend_from_slice(&self.udp_with_length(udp_len, bundle).to_bytes());
        frame.extend_from_slice(bundle);
        Ok(frame)
    }

    /// The UDP header for this bundle.
    /// See [RFC 768](https://www.rfc-editor.org/rfc/rfc768).
    fn udp_with_length(&self, length: u16, bundle: &[u8]) -> UdpHeader {
        let mut udp = self.udp.to_header();
        udp.length = length;
        if udp.checksum != 0 {
            udp.checksum = udp_sum(&self.ipv4, length)
                .add_2bytes(udp.source_port.to_be_bytes())
                .add_2bytes(udp.destination_port.to_be_bytes())
                .add_2bytes(length.to_be_bytes())
                .add_slice(bundle)
                .to_ones_complement_with_no_zero()
                .to_be();
        }
        udp
    }
}

/// Parses the IPv4 header behind the Ethernet header.
/// Returns it and what the packet holds after it, without the padding of the link.
fn ipv4_packet(frame: &[u8]) -> Result<(Ipv4HeaderSlice<'_>, &[u8]), DatagramError> {
    let truncated = error(frame.len(), DatagramFault::Truncated);
    let packet = frame.get(Ethernet2Header::LEN..).ok_or(truncated)?;
    let header = Ipv4HeaderSlice::from_slice(packet).map_err(|fault| match fault {
        HeaderSliceError::Len(_) => truncated,
        HeaderSliceError::Content(HeaderError::UnexpectedVersion { version_number }) => {
            error(IPV4_OFFSET, DatagramFault::IpVersion(version_number))
        }
        HeaderSliceError::Content(HeaderError::HeaderLengthSmallerThanHeader { ihl }) => {
            error(IPV4_OFFSET, DatagramFault::IpHeaderLength(ihl))
        }
    })?;
    let header_len = header.slice().len();
    if Sum16BitWords::new()
        .add_slice(header.slice())
        .ones_complement()
        != 0
    {
        return Err(error(
            IPV4_OFFSET + IPV4_CHECKSUM,
            DatagramFault::IpChecksum,
        ));
    }
    let total_len = usize::from(header.total_len());
    if total_len < header_len {
        let fault = DatagramFault::IpTotalLength(header.total_len());
        return Err(error(IPV4_OFFSET + IPV4_TOTAL_LENGTH, fault));
    }
    if header.is_fragmenting_payload() {
        return Err(error(IPV4_OFFSET + IPV4_FRAGMENT, DatagramFault::Fragment));
    }
    if header.protocol() != IpNumber::UDP {
        let fault = DatagramFault::Protocol(header.protocol().0);
        return Err(error(IPV4_OFFSET + IPV4_PROTOCOL, fault));
    }
    let after = packet.get(header_len..total_len).ok_or(truncated)?;
    Ok((header, after))
}

/// Parses the UDP header at the start of what an IPv4 packet holds.
fn udp_header<'a>(
    ipv4: &Ipv4HeaderSlice<'_>,
    packet: &'a [u8],
) -> Result<UdpHeaderSlice<'a>, DatagramError> {
    let start = IPV4_OFFSET + ipv4.slice().len();
    let header = UdpHeaderSlice::from_slice(packet)
        .map_err(|_| error(start + packet.len(), DatagramFault::Truncated))?;
    if usize::from(header.length()) != packet.len() {
        let fault = DatagramFault::UdpLength {
            stated: header.length(),
            actual: packet.len(),
        };
        return Err(error(start + UDP_LENGTH, fault));
    }
    let sum = udp_sum(ipv4, header.length()).add_slice(packet);
    if header.checksum() != 0 && sum.ones_complement() != 0 {
        return Err(error(start + UDP_CHECKSUM, DatagramFault::UdpChecksum));
    }
    Ok(header)
}

/// The sum of the pseudo header, with which every UDP checksum begins.
fn udp_sum(ipv4: &Ipv4HeaderSlice<'_>, length: u16) -> Sum16BitWords {
    Sum16BitWords::new()
        .add_4bytes(ipv4.source())
        .add_4bytes(ipv4.destination())
        .add_2bytes([0, ipv4.protocol().0])
        .add_2bytes(length.to_be_bytes())
}

/// The octets of the header with another total length, and the checksum that goes with it.
///
/// The octets are patched and not written anew, so that reserved bits and options survive.
fn ipv4_with_length(header: &Ipv4HeaderSlice<'_>, total_len: u16) -> Vec<u8> {
    let mut octets = header.slice().to_vec();
    octets[IPV4_TOTAL_LENGTH..][..2].copy_from_slice(&total_len.to_be_bytes());
    octets[IPV4_CHECKSUM..][..2].fill(0);
    let checksum = Sum16BitWords::new()
        .add_slice(&octets)
        .ones_complement()
        .to_be();
    octets[IPV4_CHECKSUM..][..2].copy_from_slice(&checksum.to_be_bytes());
    octets
}

const fn error(offset: usize, fault: DatagramFault) -> DatagramError {
    DatagramError { offset, fault }
}

// Where the fields are that errors point to and that change: in the frame, in the IPv4 header,
// and in the UDP header. The smallest IPv4 header, of 20 octets, contains all of its fields.
const ETHER_TYPE_OFFSET: usize = 12;
const IPV4_OFFSET: usize = Ethernet2Header::LEN;
const IPV4_TOTAL_LENGTH: usize = 2;
const IPV4_FRAGMENT: usize = 6;
const IPV4_PROTOCOL: usize = 9;
const IPV4_CHECKSUM: usize = 10;
const UDP_LENGTH: usize = 4;
const UDP_CHECKSUM: usize = 6;

/// Why a frame holds no bundle that can be replaced, and where.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cannot find a datagram at octet {offset}")]
pub struct DatagramError {
    /// Distance from the start of the frame, in octets.
    pub offset: usize,
    /// What is in the way.
    #[source]
    pub fault: DatagramFault,
}

/// What is in the way of finding the datagram of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DatagramFault {
    /// The frame ends before its headers or the lengths in them do.
    #[error("frame ends too early")]
    Truncated,
    /// The frame does not carry IPv4. A VLAN tag counts as something else.
    #[error("EtherType is {0:#06x}, expected IPv4")]
    EtherType(u16),
    /// The IP version is not 4.
    #[error("IP version is {0}, expected 4")]
    IpVersion(u8),
    /// The IPv4 header says that it is shorter than its fields.
    #[error("IPv4 header has {0} words, expected at least 5")]
    IpHeaderLength(u8),
    /// The checksum of the IPv4 header does not match.
    #[error("IPv4 header checksum does not match")]
    IpChecksum,
    /// The total length is smaller than the header.
    #[error("IPv4 total length is {0}, less than the header")]
    IpTotalLength(u16),
    /// The packet is a fragment of a datagram.
    #[error("packet is a fragment")]
    Fragment,
    /// The packet does not carry UDP.
    #[error("IP protocol is {0}, expected UDP")]
    Protocol(u8),
    /// The two lengths of the datagram are not the same.
    #[error("UDP length is {stated}, and the packet holds {actual} octets")]
    UdpLength {
        /// The length in the UDP header.
        stated: u16,
        /// What the IP total length leaves for the datagram.
        actual: usize,
    },
    /// The UDP checksum does not match, so something was damaged on the way.
    #[error("UDP checksum does not match")]
    UdpChecksum,
}

/// A new bundle does not fit into a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("packet would have {len_bytes} octets, and IPv4 allows 65535")]
pub struct TooLong {
    /// The length that the IPv4 packet would have.
    pub len_bytes: usize,
}
