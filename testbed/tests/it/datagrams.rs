// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What surrounds a bundle: checksums, padding, options, fragments, and who the receiver is.

use std::net::Ipv4Addr;

use bundle::{Policy, Reason, translate};
use testbed::{
    frame::{Datagram, checksum_faults},
    traffic::{Input, Side},
    verdict::{Outcome, SLOW_PATH_PORT},
};

use crate::{lab::Lab, translator::input};

/// Version 6, ipn:1.1 to ipn:2.1, with previous hop and age; from the worked examples.
const BUNDLE_6: &[u8] =
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
    assert_eq!(Lab::new().check(&input), Ok(Outcome::Translated));
    let (_, output) = one(&mut Lab::new(), &input.datagram.to_frame());
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
    let (port, output) = one(&mut Lab::new(), &frame);
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
    let (_, output) = one(&mut Lab::new(), &frame);
    assert_eq!(output[..expected.len()], expected);
    assert_eq!(output[expected.len()..], [0; 7]);
}

/// Checks that a frame leaves unchanged, behind a punt header with this reason.
fn check_punt(frame: &[u8], reason: Reason) {
    let (port, output) = one(&mut Lab::new(), frame);
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

#[test]
fn definite_outer_array_takes_the_slow_path() {
    let octets = b"\x82\x88\x07\x00\x00\x82\x02\x82\x02\x01".to_vec();
    let outcome = Lab::new().check(&input(Side::V7, octets));
    assert_eq!(outcome, Ok(Outcome::Punted(Reason::Framing)));
}

#[test]
fn bundle_to_an_unknown_receiver_passes_unchanged() {
    let mut input = hello();
    input.datagram.ipv4.destination = Ipv4Addr::new(192, 0, 2, 1).octets();
    let frame = input.datagram.to_frame();
    assert_eq!(one(&mut Lab::new(), &frame), (Side::V7.port(), frame));
}

#[test]
fn bundle_to_a_receiver_of_its_version_passes_unchanged() {
    let mut input = hello();
    input.datagram.ipv4.destination = Side::V6.host([0, 0, 2, 2]).octets();
    let frame = input.datagram.to_frame();
    assert_eq!(one(&mut Lab::new(), &frame), (Side::V7.port(), frame));
}

#[test]
fn keepalives_pass_unchanged() {
    for payload in [vec![0; 4], vec![]] {
        let outcome = Lab::new().check(&input(Side::V6, payload));
        assert_eq!(outcome, Ok(Outcome::Forwarded));
    }
}
