// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What parsers do, and how they fail: `testdata/parser.p4`.

use crate::support::Bench;

/// The report in front of the packet: error, items, what was seen, and the packet behind it.
fn check(packet: &[u8], error: u8, items: u8, seen: u8) {
    let out = Bench::new("parser.p4").one(packet);
    assert_eq!(out[..3], [error, items, seen], "{packet:?}");
    let len = u32::try_from(packet.len()).expect("short");
    assert_eq!(out[3..7], len.to_be_bytes(), "{packet:?}");
    assert_eq!(&out[7..], packet, "all octets leave, parsed or not");
}

#[test]
fn accepts_and_keeps_the_payload() {
    check(&[0x10, 1, 2, 3], 0, 0, 0);
    check(&[0x1f], 0, 0, 0);
}

#[test]
fn reject_keeps_the_headers_so_far() {
    check(&[0x25, 1], 0, 0, 0);
}

#[test]
fn no_case_is_no_match() {
    check(&[0x99, 1], 2, 0, 0);
}

#[test]
fn empty_packet_is_too_short() {
    check(&[], 1, 0, 0);
}

#[test]
fn stack_is_filled_item_by_item() {
    check(&[1, 0x81], 0, 1, 0);
    check(&[1, 0x01, 0x02, 0x83, 0xff], 0, 3, 0);
}

#[test]
fn stack_overflow_stops_the_parser() {
    check(&[1, 1, 2, 3, 4, 0x85], 3, 3, 0);
}

#[test]
fn short_packet_consumes_nothing() {
    check(&[1, 0x01], 1, 1, 0);
    check(&[6, 1, 2, 3], 1, 0, 0);
    check(&[6, 1, 2, 3, 4], 0, 0, 0);
}

#[test]
fn lookahead_and_advance_are_checked() {
    check(&[2, 0xaa, 0xbb], 0, 0, 0xbb);
    check(&[2, 0xaa], 1, 0, 0);
    // `advance` drops what it skips, as in BMv2: it is parsed, and in no header.
    let out = Bench::new("parser.p4").one(&[3, 1, 2, 0x44]);
    assert_eq!(out[..3], [0, 0, 0x44]);
    assert_eq!(out[7..], [3, 0x44]);
    check(&[3, 1], 1, 0, 0);
}

#[test]
fn verify_sets_its_error() {
    check(&[4, 7], 0, 0, 0x77);
    check(&[4, 8], 9, 0, 0);
}

#[test]
fn endless_loop_times_out() {
    let out = Bench::new("parser.p4").one(&[5]);
    assert_eq!(out[0], 5);
}
