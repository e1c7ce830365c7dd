// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Frames without bundles, as hosts exchange them before and besides their bundles.

use etherparse::{Ethernet2Header, PacketBuilder, ether_type};

use crate::{frame::ethernet_address, traffic::Side};

/// A made-up host of each side.
const HOST: [u8; 4] = [0, 0, 9, 9];
/// Everybody.
const BROADCAST: [u8; 6] = [0xff; 6];

/// An ARP exchange, an echo exchange, and a datagram for another service, in the order in which
/// two hosts send them.
///
/// # Panics
///
/// Never: a vector takes every frame.
#[must_use]
pub fn frames() -> Vec<(Side, Vec<u8>)> {
    let (six, seven) = (Side::V6, Side::V7);
    let mut frames = vec![(six, arp(six, 1)), (seven, arp(seven, 2))];
    for (side, is_request) in [(six, true), (seven, false)] {
        let builder = to_other(side);
        let packet = if is_request {
            builder.icmpv4_echo_request(7, 1)
        } else {
            builder.icmpv4_echo_reply(7, 1)
        };
        let mut frame = Vec::new();
        packet
            .write(&mut frame, b"ordinary traffic")
            .expect("a vector takes every frame");
        frames.push((side, frame));
    }
    let mut frame = Vec::new();
    let datagram = to_other(six).udp(40_000, 9);
    datagram
        .write(&mut frame, b"\x06 is not a bundle here")
        .expect("a vector takes every frame");
    frames.push((six, frame));
    frames
}

/// A packet from the host of a side to that of the other.
fn to_other(side: Side) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    let (from, to) = (side.host(HOST), side.other().host(HOST));
    PacketBuilder::ethernet2(ethernet_address(from), ethernet_address(to)).ipv4(
        from.octets(),
        to.octets(),
        64,
    )
}

/// An ARP request (1) or reply (2) from the host of a side to that of the other (RFC 826).
fn arp(side: Side, operation: u8) -> Vec<u8> {
    let (from, to) = (side.host(HOST), side.other().host(HOST));
    let is_reply = operation == 2;
    let destination = if is_reply {
        ethernet_address(to)
    } else {
        BROADCAST
    };
    let ethernet = Ethernet2Header {
        source: ethernet_address(from),
        destination,
        ether_type: ether_type::ARP,
    };
    let mut frame = ethernet.to_bytes().to_vec();
    frame.extend([0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(ethernet_address(from));
    frame.extend(from.octets());
    frame.extend(if is_reply {
        ethernet_address(to)
    } else {
        [0; 6]
    });
    frame.extend(to.octets());
    frame
}
