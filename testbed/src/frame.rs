// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ethernet frames with bundles in UDP datagrams over IPv4.

use std::net::Ipv4Addr;

use etherparse::{
    Ethernet2Header, Ipv4Header, NetHeaders, PacketHeaders, PayloadSlice, TransportHeader,
    UdpHeader,
};

/// UDP port of the bundle convergence layer.
pub const BUNDLE_PORT: u16 = 4556;

/// A UDP datagram and the headers around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Datagram {
    /// Addresses of the frame.
    pub ethernet: Ethernet2Header,
    /// Addresses of the packet.
    pub ipv4: Ipv4Header,
    /// Ports and checksum.
    pub udp: UdpHeader,
    /// What the datagram carries.
    pub payload: Vec<u8>,
}

impl Datagram {
    /// The datagram in a frame, if it holds a whole one. Link padding is not part of it.
    #[must_use]
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let packet = PacketHeaders::from_ethernet_slice(frame).ok()?;
        let ethernet = packet.link?.ethernet2()?;
        let Some(NetHeaders::Ipv4(ipv4, _)) = packet.net else {
            return None;
        };
        let Some(TransportHeader::Udp(udp)) = packet.transport else {
            return None;
        };
        let PayloadSlice::Udp(payload) = packet.payload else {
            return None;
        };
        Some(Self {
            ethernet,
            ipv4,
            udp,
            payload: payload.to_vec(),
        })
    }

    /// Whether the datagram is for the bundle convergence layer.
    #[must_use]
    pub fn is_for_bundles(&self) -> bool {
        self.udp.destination_port == BUNDLE_PORT
    }

    /// The frame, with lengths and checksums made right. A UDP checksum of zero stays zero.
    ///
    /// # Panics
    ///
    /// If the payload does not fit into a packet.
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        let mut ipv4 = self.ipv4.clone();
        let udp_length = UdpHeader::LEN + self.payload.len();
        ipv4.set_payload_len(udp_length)
            .expect("a datagram of a capture fits into a packet");
        ipv4.header_checksum = ipv4.calc_header_checksum();
        let mut udp = UdpHeader {
            length: udp_length.try_into().expect("checked with the packet"),
            ..self.udp.clone()
        };
        if udp.checksum != 0 {
            udp.checksum = udp
                .calc_checksum_ipv4(&ipv4, &self.payload)
                .expect("a datagram of a capture fits into a packet");
        }
        let mut frame = self.ethernet.to_bytes().to_vec();
        frame.extend(ipv4.to_bytes());
        frame.extend(udp.to_bytes());
        frame.extend(&self.payload);
        frame
    }

    /// The same datagram with another payload.
    #[must_use]
    pub fn with_payload(&self, payload: Vec<u8>) -> Self {
        Self {
            payload,
            ..self.clone()
        }
    }
}

/// Why the lengths or checksums of a frame are wrong, if they are.
#[must_use]
pub fn checksum_faults(frame: &[u8]) -> Option<String> {
    let Some(datagram) = Datagram::parse(frame) else {
        return Some("is not a UDP datagram over IPv4".to_owned());
    };
    let right = datagram.ipv4.calc_header_checksum();
    if datagram.ipv4.header_checksum != right {
        return Some(format!(
            "has the IPv4 checksum {:#06x}, which should be {right:#06x}",
            datagram.ipv4.header_checksum
        ));
    }
    let right = datagram
        .udp
        .calc_checksum_ipv4(&datagram.ipv4, &datagram.payload)
        .ok()?;
    if datagram.udp.checksum != 0 && datagram.udp.checksum != right {
        return Some(format!(
            "has the UDP checksum {:#06x}, which should be {right:#06x}",
            datagram.udp.checksum
        ));
    }
    None
}

/// An Ethernet address that tells its IPv4 address, for hosts that exist in a scenario only.
#[must_use]
pub fn ethernet_address(host: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = host.octets();
    [0x02, 0x00, a, b, c, d]
}
