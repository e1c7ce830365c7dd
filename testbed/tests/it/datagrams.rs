// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What surrounds a bundle: checksums, padding, options, fragments, and who the receiver is.

use std::net::Ipv4Addr;

use bundle::{Policy, Reason, translate};
use etherparse::{PacketBuilder, VlanId};
use testbed::{
    frame::{BUNDLE_PORT, Datagram, checksum_faults},
    lab::Lab,
    traffic::{Input, Side},
    verdict::{Outcome, SLOW_PATH_PORT},
};

use crate::translator::input;

/// Version 6, ipn:1.1 to ipn:2.1, with previous hop and age; from the worked examples.
pub(crate) const BUNDLE_6: &[u8] =
    b"\x06\x81\x10\x11\x02\x01\x01\x01\x01\x01\x00\x00\x82\xfe\xbb\xfa\x40\x07\x9c\x10\x00\
    \x05\x10\x08ipn\x001.0\x00\x14\x01\x03\x87\xd0\x48\x01\x09\x05hello";

/// The only frame that leaves for a frame that enters on the side of version 6.
fn one(lab: &mut Lab, frame: &[u8]) -> (u16, Vec<u8>) {
    let (mut frames, recorder) = lab.run(Side::V6.port(), frame);
    assert_eq!(frames.len(), 1, "{recorder:?}");
    frames.remove(0)
}

fn hello() -> Input {
    input(Side::V6, BUNDLE_6.to_vec())
}

#[test]
fn zero_checksum_stays_zero() {
    let mut input = hello();
    input.datagram.udp.checksum = 0;
    assert_eq!(Lab::default().check(&input), Ok(Outcome::Translated));
    let (_, output) = one(&mut Lab::default(), &input.datagram.to_frame());
    assert_eq!(
        Datagram::parse(&output).map(|datagram| datagram.udp.checksum),
        Some(0)
    );
}

/// The checksum is updated, not made anew: the receiver still sees what went wrong before.
#[test]
fn damage_stays_visible() {
    check_damage(BUNDLE_6.len() - 1);
    // The sequence number, which the new head spells otherwise.
    check_damage(17);
}

fn check_damage(octet: usize) {
    let mut frame = hello().datagram.to_frame();
    let head = frame.len() - BUNDLE_6.len();
    frame[head + octet] ^= 0x10;
    let (port, output) = one(&mut Lab::default(), &frame);
    assert_eq!(port, Side::V7.port());
    let fault = checksum_faults(&output).expect("the datagram is damaged");
    assert!(fault.contains("UDP checksum"), "{fault}");
}

#[test]
fn link_padding_stays_behind_the_packet() {
    let input = hello();
    let expected = translate(BUNDLE_6, &Policy::default()).expect("the reference translates it");
    let expected = input.datagram.with_payload(expected.octets).to_frame();
    let mut frame = input.datagram.to_frame();
    frame.extend([0; 7]);
    let (_, output) = one(&mut Lab::default(), &frame);
    assert_eq!(output[..expected.len()], expected);
    assert_eq!(output[expected.len()..], [0; 7]);
}

/// Checks that a frame leaves unchanged, behind a punt header with this reason.
fn check_punt(frame: &[u8], reason: Reason) {
    let (port, output) = one(&mut Lab::default(), frame);
    assert_eq!(port, SLOW_PATH_PORT);
    assert_eq!((output[14], output[15]), (reason.code(), 6));
    assert_eq!(output[18..], *frame);
}

#[test]
fn options_take_the_slow_path() {
    let mut input = hello();
    let options = [1; 8];
    input.datagram.ipv4.options = options.into();
    check_punt(&input.datagram.to_frame(), Reason::Encapsulation);
}

#[test]
fn first_fragment_takes_the_slow_path() {
    let mut input = hello();
    input.datagram.ipv4.more_fragments = true;
    check_punt(&input.datagram.to_frame(), Reason::Encapsulation);
}

#[test]
fn lengths_that_disagree_take_the_slow_path() {
    let mut frame = hello().datagram.to_frame();
    // The UDP length, one less than there is.
    frame[39] -= 1;
    check_punt(&frame, Reason::Encapsulation);
}

#[test]
fn long_payload_takes_the_slow_path() {
    let mut octets = BUNDLE_6[..38].to_vec();
    // Payload block, last, 1401 octets.
    octets.extend([1, 9, 0x8a, 0x79]);
    octets.extend([0x55; 1401]);
    check_punt(
        &input(Side::V6, octets).datagram.to_frame(),
        Reason::PayloadTooLong,
    );
}

/// The bundle of version 7 that the worked example of version 6 becomes.
pub(crate) fn hello_7() -> Vec<u8> {
    translate(BUNDLE_6, &Policy::default())
        .expect("the reference translates it")
        .octets
}

#[test]
fn definite_outer_array_crosses() {
    let mut octets = hello_7();
    octets.pop();
    octets[0] = 0x84;
    assert_eq!(
        Lab::default().check(&input(Side::V7, octets)),
        Ok(Outcome::Translated)
    );
}

/// A frame in other headers: with a tag, over IP version 6.
pub(crate) fn frame_6(payload: &[u8], side: Side, tagged: bool) -> Vec<u8> {
    let host = |side: Side| {
        [
            0xfd,
            side.version(),
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            1,
        ]
    };
    let ethernet = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let mut frame = Vec::new();
    let (source, destination) = (host(side), host(side.other()));
    let written = if tagged {
        ethernet
            .single_vlan(VlanId::try_new(7).expect("twelve bits"))
            .ipv6(source, destination, 64)
            .udp(40_000, BUNDLE_PORT)
            .write(&mut frame, payload)
    } else {
        ethernet
            .ipv6(source, destination, 64)
            .udp(40_000, BUNDLE_PORT)
            .write(&mut frame, payload)
    };
    written.expect("writing to memory cannot fail");
    frame
}

/// The new datagram has the checksum that it has when it is made anew.
#[test]
fn bundles_cross_over_ipv6_and_with_a_tag() {
    let mut lab = Lab::default();
    for tagged in [false, true] {
        let (port, output) = one(&mut lab, &frame_6(BUNDLE_6, Side::V6, tagged));
        assert_eq!(port, Side::V7.port());
        assert_eq!(output, frame_6(&hello_7(), Side::V6, tagged));
    }
}

#[test]
fn tagged_frames_over_ipv4_cross() {
    let tagged = |frame: &[u8]| {
        let (addresses, rest) = frame.split_at(12);
        [addresses, &[0x81, 0, 0, 7], rest].concat()
    };
    let input = hello();
    let expected = input.datagram.with_payload(hello_7()).to_frame();
    let (_, output) = one(&mut Lab::default(), &tagged(&input.datagram.to_frame()));
    assert_eq!(output, tagged(&expected));
}

/// With one octet less the result would not fit the link.
#[test]
fn results_above_the_mtu_take_the_slow_path() {
    let mut input = hello();
    let length = 28 + hello_7().len();
    let frame_of = |input: &Input| input.datagram.to_frame();
    for (mtu, reason) in [(length, None), (length - 1, Some(Reason::Mtu))] {
        let mut lab = Lab::default();
        lab.install(&format!(
            r#"{{"tables": [{{"table": "ingress.peer", "match": {{"hdr.ipv4.dst": "10.7.99.0/24"}},
                "action": "ingress.reads_v7",
                "params": {{"crc_primary": "1", "crc_blocks": "0", "priority_block": "0",
                  "mtu": "{mtu}"}}}}]}}"#
        ));
        input.datagram.ipv4.destination = Side::V7.host([0, 0, 99, 2]).octets();
        let (port, output) = one(&mut lab, &frame_of(&input));
        let found = (port == SLOW_PATH_PORT).then(|| Reason::from_code(output[14]));
        assert_eq!(found.flatten(), reason, "MTU {mtu}");
    }
}

/// A bundle of 2023 with a lifetime of an hour, when the switch's clock is told the time.
#[test]
fn expired_bundles_are_refused() {
    let creation = 802_094_400_u64 * 1000;
    let ends = creation + 3600 * 1000;
    for (now, reason) in [(ends, None), (ends + 1, Some(Reason::Expired))] {
        let mut lab = Lab::default();
        lab.install(&format!(
            r#"{{"defaults": [{{"table": "ingress.clock", "action": "ingress.set_clock",
                "params": {{"start": "{now}"}}}}]}}"#
        ));
        let (port, output) = one(&mut lab, &hello().datagram.to_frame());
        let found = (port == SLOW_PATH_PORT).then(|| Reason::from_code(output[14]));
        assert_eq!(found.flatten(), reason, "at {now}");
    }
}

#[test]
fn bundle_to_an_unknown_receiver_passes_unchanged() {
    let mut input = hello();
    input.datagram.ipv4.destination = Ipv4Addr::new(192, 0, 2, 1).octets();
    let frame = input.datagram.to_frame();
    assert_eq!(one(&mut Lab::default(), &frame), (Side::V7.port(), frame));
}

#[test]
fn bundle_to_a_receiver_of_its_version_passes_unchanged() {
    let mut input = hello();
    input.datagram.ipv4.destination = Side::V6.host([0, 0, 2, 2]).octets();
    let frame = input.datagram.to_frame();
    assert_eq!(one(&mut Lab::default(), &frame), (Side::V7.port(), frame));
}

#[test]
fn keepalives_pass_unchanged() {
    for payload in [vec![0; 4], vec![]] {
        let outcome = Lab::default().check(&input(Side::V6, payload));
        assert_eq!(outcome, Ok(Outcome::Forwarded));
    }
}
