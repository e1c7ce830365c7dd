// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bundle in an Ethernet frame with IP and UDP, and the same frame with another bundle.
//!
//! Up to two VLAN tags may stand in front of the IP header. The whole payload of a datagram is
//! one bundle. Which UDP ports carry bundles is for the switch program to decide, so they are not
//! looked at here.

use ::core::net::IpAddr;

use etherparse::checksum::Sum16BitWords;
use etherparse::err::{ipv4, ipv6};
use etherparse::{EtherType, Ethernet2Header, IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice};
use etherparse::{UdpHeader, UdpHeaderSlice};

/// A frame that carries one complete UDP datagram.
///
/// Only correct ones exist: lengths agree and checksums match.
#[derive(Clone, Debug)]
pub struct Datagram<'a> {
    /// The Ethernet header with its VLAN tags.
    link: &'a [u8],
    network: Network<'a>,
    udp: UdpHeaderSlice<'a>,
    bundle: &'a [u8],
}

/// The header of the packet.
#[derive(Clone, Debug)]
enum Network<'a> {
    V4(Ipv4HeaderSlice<'a>),
    V6(Ipv6HeaderSlice<'a>),
}

impl<'a> Datagram<'a> {
    /// Finds the datagram in a frame.
    ///
    /// The length in the IP header says where it ends: octets behind it are padding of the link.
    ///
    /// # Errors
    ///
    /// The frame carries something else or a fragment, its lengths disagree, or a checksum does
    /// not match.
    pub fn decode(frame: &'a [u8]) -> Result<Self, DatagramError> {
        let (link, ether_type) = link_header(frame)?;
        let (network, after) = match ether_type {
            EtherType::IPV4 => ipv4_packet(frame, link.len())?,
            EtherType::IPV6 => ipv6_packet(frame, link.len())?,
            EtherType(other) => {
                let fault = DatagramFault::EtherType(other);
                return Err(error(link.len() - 2, fault));
            }
        };
        let udp = udp_header(&network, link.len(), after)?;
        let bundle = after.get(UdpHeader::LEN..).unwrap_or_default();
        Ok(Self {
            link,
            network,
            udp,
            bundle,
        })
    }

    /// The bundle: the payload of the datagram.
    #[must_use]
    pub fn bundle(&self) -> &'a [u8] {
        self.bundle
    }

    /// Where the packet goes.
    #[must_use]
    pub fn destination(&self) -> IpAddr {
        match &self.network {
            Network::V4(header) => header.destination_addr().into(),
            Network::V6(header) => header.destination_addr().into(),
        }
    }

    /// The length of the IP and UDP headers: what a packet has besides the bundle.
    #[must_use]
    pub fn overhead(&self) -> usize {
        self.network.octets().len() + UdpHeader::LEN
    }

    /// The frame with other addresses, and a hop limit as if it was new. It has the same bundle.
    ///
    /// The result can be decoded: its checksums are those of the new addresses.
    ///
    /// # Errors
    ///
    /// The addresses are of another IP version than the packet.
    pub fn readdressed(&self, addresses: &Addresses) -> Result<Vec<u8>, OtherVersion> {
        let mut network = self.network.octets().to_vec();
        match (&self.network, addresses.source, addresses.destination) {
            (Network::V4(_), IpAddr::V4(source), IpAddr::V4(destination)) => {
                network[IPV4_TTL] = NEW_HOP_LIMIT;
                network[IPV4_SOURCE..][..4].copy_from_slice(&source.octets());
                network[IPV4_DESTINATION..][..4].copy_from_slice(&destination.octets());
                set_ipv4_checksum(&mut network);
            }
            (Network::V6(_), IpAddr::V6(source), IpAddr::V6(destination)) => {
                network[IPV6_HOP_LIMIT] = NEW_HOP_LIMIT;
                network[IPV6_SOURCE..][..16].copy_from_slice(&source.octets());
                network[IPV6_DESTINATION..][..16].copy_from_slice(&destination.octets());
            }
            _ => return Err(OtherVersion),
        }
        let mut udp = self.udp.to_header();
        if udp.checksum != 0 {
            let pseudo = pseudo_sum(addresses.source, addresses.destination, udp.length);
            udp.checksum = udp_checksum(pseudo, &udp, self.bundle);
        }
        let mut frame =
            Vec::with_capacity(self.link.len() + network.len() + usize::from(udp.length));
        frame.extend_from_slice(&addresses.ethernet_destination);
        frame.extend_from_slice(&addresses.ethernet_source);
        frame.extend_from_slice(&self.link[ETHERNET_ADDRESSES..]);
        frame.extend_from_slice(&network);
        frame.extend_from_slice(&udp.to_bytes());
        frame.extend_from_slice(self.bundle);
        Ok(frame)
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
        let counted = self.network.counted(udp_len);
        let too_long = TooLong { len_bytes: counted };
        let counted = u16::try_from(counted).map_err(|_| too_long)?;
        let udp_len = u16::try_from(udp_len).map_err(|_| too_long)?;

        let head = self.link.len() + self.network.octets().len();
        let mut frame = Vec::with_capacity(head + usize::from(udp_len));
        frame.extend_from_slice(self.link);
        frame.extend_from_slice(&self.network.with_length(counted));
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
            udp.checksum = udp_checksum(self.network.udp_sum(length), &udp, bundle);
        }
        udp
    }
}

impl Network<'_> {
    fn octets(&self) -> &[u8] {
        match self {
            Self::V4(header) => header.slice(),
            Self::V6(header) => header.slice(),
        }
    }

    /// What the header counts as the length of a packet with so many octets behind the header.
    fn counted(&self, after: usize) -> usize {
        match self {
            Self::V4(header) => header.slice().len() + after,
            Self::V6(_) => after,
        }
    }

    /// The octets of the header with another length, and the checksum that goes with it.
    ///
    /// The octets are patched and not written anew, so that reserved bits and options survive.
    fn with_length(&self, counted: u16) -> Vec<u8> {
        let mut octets = self.octets().to_vec();
        match self {
            Self::V4(_) => {
                octets[IPV4_TOTAL_LENGTH..][..2].copy_from_slice(&counted.to_be_bytes());
                set_ipv4_checksum(&mut octets);
            }
            Self::V6(_) => {
                octets[IPV6_PAYLOAD_LENGTH..][..2].copy_from_slice(&counted.to_be_bytes());
            }
        }
        octets
    }

    /// The sum of the pseudo header.
    fn udp_sum(&self, length: u16) -> Sum16BitWords {
        match self {
            Self::V4(header) => {
                let (source, destination) = (header.source_addr(), header.destination_addr());
                pseudo_sum(source.into(), destination.into(), length)
            }
            Self::V6(header) => {
                let (source, destination) = (header.source_addr(), header.destination_addr());
                pseudo_sum(source.into(), destination.into(), length)
            }
        }
    }
}

/// The sum of the pseudo header, with which every UDP checksum begins.
/// See [RFC 8200 §8.1](https://www.rfc-editor.org/rfc/rfc8200#section-8.1) for version 6.
fn pseudo_sum(source: IpAddr, destination: IpAddr, length: u16) -> Sum16BitWords {
    let mut sum = Sum16BitWords::new();
    for address in [source, destination] {
        sum = match address {
            IpAddr::V4(address) => sum.add_4bytes(address.octets()),
            IpAddr::V6(address) => sum.add_16bytes(address.octets()),
        };
    }
    sum.add_2bytes([0, IpNumber::UDP.0])
        .add_2bytes(length.to_be_bytes())
}

/// The checksum of a datagram, as it is in the header: never zero, because that means none.
fn udp_checksum(pseudo: Sum16BitWords, udp: &UdpHeader, bundle: &[u8]) -> u16 {
    pseudo
        .add_2bytes(udp.source_port.to_be_bytes())
        .add_2bytes(udp.destination_port.to_be_bytes())
        .add_2bytes(udp.length.to_be_bytes())
        .add_slice(bundle)
        .to_ones_complement_with_no_zero()
        .to_be()
}

/// Makes the checksum of an IPv4 header right.
fn set_ipv4_checksum(header: &mut [u8]) {
    header[IPV4_CHECKSUM..][..2].fill(0);
    let sum = Sum16BitWords::new().add_slice(header);
    let checksum = sum.ones_complement().to_be();
    header[IPV4_CHECKSUM..][..2].copy_from_slice(&checksum.to_be_bytes());
}

/// The Ethernet header with its tags, and the `EtherType` of what follows.
fn link_header(frame: &[u8]) -> Result<(&[u8], EtherType), DatagramError> {
    let mut len = Ethernet2Header::LEN;
    loop {
        let truncated = error(frame.len(), DatagramFault::Truncated);
        let link = frame.get(..len).ok_or(truncated)?;
        let ether_type = link.last_chunk().map(|octets| u16::from_be_bytes(*octets));
        let ether_type = EtherType(ether_type.ok_or(truncated)?);
        let tags = (len - Ethernet2Header::LEN) / VLAN_TAG_LEN;
        if !VLAN_ETHER_TYPES.contains(&ether_type) || tags == MAX_VLAN_TAGS {
            return Ok((link, ether_type));
        }
        len += VLAN_TAG_LEN;
    }
}

/// Parses the IPv4 header behind the Ethernet header.
/// Returns it and what the packet holds after it, without the padding of the link.
fn ipv4_packet(frame: &[u8], start: usize) -> Result<(Network<'_>, &[u8]), DatagramError> {
    let truncated = error(frame.len(), DatagramFault::Truncated);
    let packet = frame.get(start..).ok_or(truncated)?;
    let header = Ipv4HeaderSlice::from_slice(packet).map_err(|fault| match fault {
        ipv4::HeaderSliceError::Len(_) => truncated,
        ipv4::HeaderSliceError::Content(ipv4::HeaderError::UnexpectedVersion {
            version_number,
        }) => error(start, DatagramFault::IpVersion(version_number)),
        ipv4::HeaderSliceError::Content(ipv4::HeaderError::HeaderLengthSmallerThanHeader {
            ihl,
        }) => error(start, DatagramFault::IpHeaderLength(ihl)),
    })?;
    let header_len = header.slice().len();
    let sum = Sum16BitWords::new().add_slice(header.slice());
    if sum.ones_complement() != 0 {
        return Err(error(start + IPV4_CHECKSUM, DatagramFault::IpChecksum));
    }
    let total_len = usize::from(header.total_len());
    if total_len < header_len {
        let fault = DatagramFault::IpTotalLength(header.total_len());
        return Err(error(start + IPV4_TOTAL_LENGTH, fault));
    }
    if header.is_fragmenting_payload() {
        return Err(error(start + IPV4_FRAGMENT, DatagramFault::Fragment));
    }
    if header.protocol() != IpNumber::UDP {
        let fault = DatagramFault::Protocol(header.protocol().0);
        return Err(error(start + IPV4_PROTOCOL, fault));
    }
    let after = packet.get(header_len..total_len).ok_or(truncated)?;
    Ok((Network::V4(header), after))
}

/// The same for IPv6. Extension headers count as another protocol, and a fragment has one.
fn ipv6_packet(frame: &[u8], start: usize) -> Result<(Network<'_>, &[u8]), DatagramError> {
    let truncated = error(frame.len(), DatagramFault::Truncated);
    let packet = frame.get(start..).ok_or(truncated)?;
    let header = Ipv6HeaderSlice::from_slice(packet).map_err(|fault| match fault {
        ipv6::HeaderSliceError::Len(_) => truncated,
        ipv6::HeaderSliceError::Content(ipv6::HeaderError::UnexpectedVersion {
            version_number,
        }) => error(start, DatagramFault::IpVersion(version_number)),
    })?;
    if header.next_header() == IpNumber::IPV6_FRAGMENTATION_HEADER {
        return Err(error(start + IPV6_NEXT_HEADER, DatagramFault::Fragment));
    }
    if header.next_header() != IpNumber::UDP {
        let fault = DatagramFault::Protocol(header.next_header().0);
        return Err(error(start + IPV6_NEXT_HEADER, fault));
    }
    let end = header.slice().len() + usize::from(header.payload_length());
    let after = packet.get(header.slice().len()..end).ok_or(truncated)?;
    Ok((Network::V6(header), after))
}

/// Parses the UDP header at the start of what an IP packet holds.
fn udp_header<'a>(
    network: &Network<'_>,
    link_len: usize,
    packet: &'a [u8],
) -> Result<UdpHeaderSlice<'a>, DatagramError> {
    let start = link_len + network.octets().len();
    let header = UdpHeaderSlice::from_slice(packet)
        .map_err(|_| error(start + packet.len(), DatagramFault::Truncated))?;
    if usize::from(header.length()) != packet.len() {
        let fault = DatagramFault::UdpLength {
            stated: header.length(),
            actual: packet.len(),
        };
        return Err(error(start + UDP_LENGTH, fault));
    }
    // Over IPv6 a checksum is not optional: RFC 8200 §8.1.
    let unchecked = header.checksum() == 0 && matches!(network, Network::V4(_));
    let sum = network.udp_sum(header.length()).add_slice(packet);
    if !unchecked && (header.checksum() == 0 || sum.ones_complement() != 0) {
        return Err(error(start + UDP_CHECKSUM, DatagramFault::UdpChecksum));
    }
    Ok(header)
}

const fn error(offset: usize, fault: DatagramFault) -> DatagramError {
    DatagramError { offset, fault }
}

/// Customer and service tags.
const VLAN_ETHER_TYPES: [EtherType; 2] =
    [EtherType::VLAN_TAGGED_FRAME, EtherType::PROVIDER_BRIDGING];
const VLAN_TAG_LEN: usize = 4;
/// The hop limit of a new packet, as the switch program has it.
const NEW_HOP_LIMIT: u8 = 64;
/// One service tag and one customer tag.
const MAX_VLAN_TAGS: usize = 2;

// Where the fields are that errors point to and that change: in the IP header, and in the UDP
// header. The smallest headers, of 20, 40 and 8 octets, contain all of their fields.
const ETHERNET_ADDRESSES: usize = 12;
const IPV4_TOTAL_LENGTH: usize = 2;
const IPV4_FRAGMENT: usize = 6;
const IPV4_TTL: usize = 8;
const IPV4_PROTOCOL: usize = 9;
const IPV4_CHECKSUM: usize = 10;
const IPV4_SOURCE: usize = 12;
const IPV4_DESTINATION: usize = 16;
const IPV6_PAYLOAD_LENGTH: usize = 4;
const IPV6_NEXT_HEADER: usize = 6;
const IPV6_HOP_LIMIT: usize = 7;
const IPV6_SOURCE: usize = 8;
const IPV6_DESTINATION: usize = 24;
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
    /// The frame carries neither IPv4 nor IPv6, or has more than two VLAN tags.
    #[error("EtherType is {0:#06x}, expected IPv4 or IPv6")]
    EtherType(u16),
    /// The IP version is not the one that the `EtherType` says.
    #[error("IP version {0} contradicts the EtherType")]
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
    /// The UDP checksum does not match, so something was damaged on the way; or there is none
    /// over IPv6.
    #[error("UDP checksum does not match")]
    UdpChecksum,
}

/// The addresses of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Addresses {
    /// The interface that sends.
    pub ethernet_source: [u8; 6],
    /// The interface that receives.
    pub ethernet_destination: [u8; 6],
    /// The host that sends.
    pub source: IpAddr,
    /// The host that receives.
    pub destination: IpAddr,
}

/// Addresses of one IP version are no addresses for a packet of the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("addresses of the next hop are of another IP version than the packet")]
pub struct OtherVersion;

/// A new bundle does not fit into a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("packet would have a length of {len_bytes}, and IP allows 65535")]
pub struct TooLong {
    /// The length that the IP header would have to state.
    pub len_bytes: usize,
}
