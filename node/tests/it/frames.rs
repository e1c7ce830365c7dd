// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Frames for the tests, and an independent check of the frames that come back.

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};

/// A frame with a bundle in a UDP datagram, and a checksum.
pub(crate) fn frame(bundle: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 63)
        .udp(41000, 4556);
    let mut octets = Vec::new();
    builder
        .write(&mut octets, bundle)
        .expect("the bundles of the tests fit into a datagram");
    octets
}

/// The same with eight octets of IP options.
pub(crate) fn frame_with_options(bundle: &[u8]) -> Vec<u8> {
    let mut header = etherparse::Ipv4Header::new(
        0,
        64,
        etherparse::IpNumber::UDP,
        [10, 0, 0, 1],
        [10, 0, 0, 2],
    )
    .expect("an empty payload fits");
    header.options = [1, 1, 1, 0, 0, 0, 0, 0].into();
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ip(etherparse::IpHeaders::Ipv4(
            header,
            etherparse::Ipv4Extensions::default(),
        ))
        .udp(41000, 4556);
    let mut octets = Vec::new();
    builder
        .write(&mut octets, bundle)
        .expect("the bundles of the tests fit into a datagram");
    octets
}

/// Checks a frame with etherparse's own strict parser, and returns the payload of its datagram.
///
/// The lengths must agree and leave no padding, and both checksums must be the ones that
/// etherparse computes; a UDP checksum of zero is one that the sender did not make.
pub(crate) fn payload_of_correct(frame: &[u8]) -> Vec<u8> {
    let packet = SlicedPacket::from_ethernet(frame).expect("the frame can be parsed");
    let Some(NetSlice::Ipv4(ipv4)) = packet.net else {
        panic!("not IPv4: {frame:02x?}")
    };
    let Some(TransportSlice::Udp(udp)) = packet.transport else {
        panic!("not UDP: {frame:02x?}")
    };
    let header = ipv4.header().to_header();
    let mut fixed = frame.to_vec();
    fix_ip_checksum(&mut fixed);
    assert_eq!(fixed, frame, "IPv4 header checksum");
    // etherparse forgets the reserved flag, and its checksum with it.
    if frame[20] & 0x80 == 0 {
        assert_eq!(header.header_checksum, header.calc_header_checksum());
    }
    assert_eq!(
        usize::from(header.total_len),
        frame.len() - 14,
        "padding or a wrong length"
    );
    assert_eq!(usize::from(udp.length()), udp.slice().len());
    assert_eq!(udp.slice().len(), frame.len() - 14 - header.header_len());
    let expected = udp
        .to_header()
        .calc_checksum_ipv4(&header, udp.payload())
        .expect("it fits");
    assert!(
        [0, expected].contains(&udp.checksum()),
        "UDP checksum {:#06x}",
        udp.checksum()
    );
    udp.payload().to_vec()
}

/// Sets the IPv4 header checksum again, after a test has changed the header.
pub(crate) fn fix_ip_checksum(frame: &mut [u8]) {
    let len = usize::from(frame[14] & 15) * 4;
    frame[24..26].fill(0);
    let sum: u32 = frame[14..14 + len]
        .chunks_exact(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let checksum = !u16::try_from(folded).expect("the carries are folded in");
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
}
