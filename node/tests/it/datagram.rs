// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finding and replacing the bundle of a frame, on hand-made frames.

use etherparse::PacketBuilder;
use node::datagram::{Addresses, Datagram, DatagramError, DatagramFault, OtherVersion, TooLong};

use crate::frames::{fix_ip_checksum, frame, frame_with_options, payload_of_correct};

/// Puts a bundle in the place of the one of a frame, and checks the result from the outside.
fn replaced(frame: &[u8], bundle: &[u8]) -> Vec<u8> {
    let datagram = Datagram::decode(frame).expect("the frame has a datagram");
    let result = datagram.with_bundle(bundle).expect("the bundle fits");
    assert_eq!(payload_of_correct(&result), bundle);
    result
}

/// Changes a good frame, and checks why it is refused. Header checksums are made to fit.
fn check_error(change: impl FnOnce(&mut Vec<u8>), offset: usize, fault: DatagramFault) {
    let mut octets = frame(b"bundle");
    change(&mut octets);
    if octets.len() >= 34 {
        fix_ip_checksum(&mut octets);
    }
    let error = Datagram::decode(&octets).expect_err("the frame has a fault");
    assert_eq!(error, DatagramError { offset, fault });
}

#[test]
fn the_same_bundle_gives_the_same_frame() {
    for octets in [frame(b"bundle"), frame(b""), frame_with_options(b"odd")] {
        let datagram = Datagram::decode(&octets).expect("the frame has a datagram");
        assert_eq!(datagram.with_bundle(datagram.bundle()), Ok(octets));
    }
}

#[test]
fn another_bundle_gives_a_correct_frame() {
    let result = replaced(&frame(b"bundle"), b"a longer bundle");
    assert_eq!(result, frame(b"a longer bundle"));
    assert_eq!(replaced(&frame(b"bundle"), b""), frame(b""));
}

#[test]
fn options_and_reserved_bits_stay() {
    let mut octets = frame_with_options(b"bundle");
    octets[20] |= 0x80;
    fix_ip_checksum(&mut octets);
    let result = replaced(&octets, b"another");
    assert_eq!(result[14], 0x47);
    assert_eq!(result[20..24], octets[20..24]);
    assert_eq!(result[26..42], octets[26..42]);
}

#[test]
fn padding_of_the_link_is_dropped() {
    let mut octets = frame(b"b");
    let without = octets.clone();
    octets.resize(60, 0xee);
    let datagram = Datagram::decode(&octets).expect("padding is no fault");
    assert_eq!(datagram.bundle(), b"b");
    assert_eq!(datagram.with_bundle(b"b"), Ok(without));
}

#[test]
fn zero_checksum_stays_zero() {
    let mut octets = frame(b"bundle");
    octets[40..42].fill(0);
    let result = replaced(&octets, b"another bundle");
    assert_eq!(result[40..42], [0, 0]);
}

/// A checksum that comes out as zero is sent as all ones, because zero means that there is none.
#[test]
fn computed_zero_is_sent_as_ones() {
    // Without the two octets the sum is `c`, and so the two octets that add up to zero are `c`.
    let without = replaced(&frame(b"x"), &[0, 0]);
    let result = replaced(&frame(b"x"), &without[40..42]);
    assert_eq!(result[40..42], [0xff, 0xff]);
    // Such a frame is accepted as well.
    assert_eq!(replaced(&result, &without[40..42]), result);
}

#[test]
fn the_largest_datagram_fits() {
    let octets = frame(b"");
    let datagram = Datagram::decode(&octets).expect("the frame has a datagram");
    let largest = vec![7; 65535 - 28];
    assert_eq!(
        payload_of_correct(&datagram.with_bundle(&largest).expect("it fits")),
        largest
    );
    let larger = vec![7; 65535 - 27];
    assert_eq!(
        datagram.with_bundle(&larger),
        Err(TooLong { len_bytes: 65536 })
    );
}

#[test]
fn fragments_are_refused() {
    check_error(|octets| octets[20] = 0x20, 20, DatagramFault::Fragment);
    check_error(|octets| octets[21] = 1, 20, DatagramFault::Fragment);
}

#[test]
fn other_protocols_are_refused() {
    check_error(
        |octets| octets[12] = 0x86,
        12,
        DatagramFault::EtherType(0x8600),
    );
    check_error(|octets| octets[14] = 0x65, 14, DatagramFault::IpVersion(6));
    check_error(
        |octets| octets[14] = 0x44,
        14,
        DatagramFault::IpHeaderLength(4),
    );
    check_error(|octets| octets[23] = 6, 23, DatagramFault::Protocol(6));
}

#[test]
fn lengths_that_disagree_are_refused() {
    let udp = |stated, actual| DatagramFault::UdpLength { stated, actual };
    check_error(
        |octets| octets[17] = 19,
        16,
        DatagramFault::IpTotalLength(19),
    );
    check_error(|octets| octets[17] = 27, 41, DatagramFault::Truncated);
    check_error(|octets| octets[17] = 33, 38, udp(14, 13));
    check_error(|octets| octets[17] = 35, 48, DatagramFault::Truncated);
    check_error(|octets| octets[39] = 13, 38, udp(13, 14));
    check_error(|octets| octets[39] = 0, 38, udp(0, 14));
}

#[test]
fn short_frames_are_refused() {
    for len in 0..48 {
        let octets = &frame(b"bundle")[..len];
        let error = Datagram::decode(octets).expect_err("the frame is cut off");
        assert_eq!(
            error,
            DatagramError {
                offset: len,
                fault: DatagramFault::Truncated
            }
        );
    }
}

#[test]
fn damage_is_not_covered_by_a_new_checksum() {
    for (place, offset, fault) in [
        (22, 24, DatagramFault::IpChecksum),
        (36, 40, DatagramFault::UdpChecksum),
        (47, 40, DatagramFault::UdpChecksum),
    ] {
        let mut octets = frame(b"bundle");
        octets[place] ^= 0x10;
        let error = Datagram::decode(&octets).expect_err("a checksum does not match");
        assert_eq!(error, DatagramError { offset, fault });
    }
}

/// A frame over IPv6, with so many VLAN tags.
fn frame_6(bundle: &[u8], tags: usize) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let mut plain = Vec::new();
    builder
        .ipv6([1; 16], [2; 16], 63)
        .udp(41000, 4556)
        .write(&mut plain, bundle)
        .expect("the bundles of the tests fit into a datagram");
    tagged(&plain, tags)
}

/// The same frame with tags in front of its `EtherType`.
fn tagged(frame: &[u8], tags: usize) -> Vec<u8> {
    let tags = [[0x88, 0xa8, 0, 5], [0x81, 0, 0, 7], [0x81, 0, 0, 9]][3 - tags..].concat();
    [&frame[..12], &tags, &frame[12..]].concat()
}

#[test]
fn ipv6_and_tags_are_seen_through() {
    for tags in 0..3 {
        let (before, after) = (b"bundle".as_slice(), b"a longer bundle".as_slice());
        for (octets, expected) in [
            (frame_6(before, tags), frame_6(after, tags)),
            (tagged(&frame(before), tags), tagged(&frame(after), tags)),
        ] {
            let padded = [&octets[..], &[0; 9]].concat();
            let datagram = Datagram::decode(&padded).expect("the frame has a datagram");
            assert_eq!(datagram.bundle(), before);
            assert_eq!(datagram.with_bundle(after), Ok(expected));
        }
    }
    let datagram = frame_6(b"", 0);
    let datagram = Datagram::decode(&datagram).expect("the frame has a datagram");
    assert_eq!(datagram.destination(), std::net::Ipv6Addr::from([2; 16]));
    assert_eq!(datagram.overhead(), 48);
    let largest = vec![7; 65535 - 8];
    assert!(datagram.with_bundle(&largest).is_ok());
    assert!(datagram.with_bundle(&vec![7; 65535 - 7]).is_err());
}

#[test]
fn errors_over_ipv6_say_where() {
    let check = |change: &dyn Fn(&mut Vec<u8>), offset, fault| {
        let mut octets = frame_6(b"bundle", 1);
        change(&mut octets);
        let error = Datagram::decode(&octets).expect_err("the frame has a fault");
        assert_eq!(error, DatagramError { offset, fault });
    };
    // Ethernet and a tag are 18 octets, IPv6 is 40.
    check(
        &|octets| octets[17] = 1,
        16,
        DatagramFault::EtherType(0x8601),
    );
    check(&|octets| octets[18] = 0x40, 18, DatagramFault::IpVersion(4));
    check(&|octets| octets[24] = 44, 24, DatagramFault::Fragment);
    check(&|octets| octets[24] = 0, 24, DatagramFault::Protocol(0));
    check(&|octets| octets[23] += 1, 72, DatagramFault::Truncated);
    check(
        &|octets| octets[64..66].fill(0),
        64,
        DatagramFault::UdpChecksum,
    );
    check(&|octets| octets[70] ^= 1, 64, DatagramFault::UdpChecksum);
    for len in 0..72 {
        check(
            &|octets| octets.truncate(len),
            len,
            DatagramFault::Truncated,
        );
    }
    let three = tagged(&frame(b"bundle"), 3);
    let error = Datagram::decode(&three).expect_err("two tags are enough");
    assert_eq!(error.fault, DatagramFault::EtherType(0x8100));
}

/// Addresses of a next hop, over IPv4 or IPv6.
fn next_hop(source: &str, destination: &str) -> Addresses {
    Addresses {
        ethernet_source: [2, 0, 0, 0, 0, 8],
        ethernet_destination: [2, 0, 0, 0, 0, 9],
        source: source.parse().expect("an address"),
        destination: destination.parse().expect("an address"),
    }
}

#[test]
fn frames_to_a_next_hop_have_its_addresses_and_right_checksums() {
    let hop = next_hop("10.9.0.1", "10.99.0.7");
    let builder = PacketBuilder::ethernet2(hop.ethernet_source, hop.ethernet_destination);
    let mut expected = Vec::new();
    let written = builder
        .ipv4([10, 9, 0, 1], [10, 99, 0, 7], 64)
        .udp(41000, 4556)
        .write(&mut expected, b"bundle");
    written.expect("it fits");
    for tags in 0..3 {
        let octets = tagged(&frame(b"bundle"), tags);
        let datagram = Datagram::decode(&octets).expect("the frame has a datagram");
        assert_eq!(datagram.readdressed(&hop), Ok(tagged(&expected, tags)));
    }
    let mut unchecked = frame(b"bundle");
    unchecked[40..42].fill(0);
    let datagram = Datagram::decode(&unchecked).expect("the frame has a datagram");
    let result = datagram.readdressed(&hop).expect("both are of version 4");
    assert_eq!(result[40..42], [0, 0]);
    assert_eq!(payload_of_correct(&result), b"bundle");
}

#[test]
fn frames_to_a_next_hop_keep_their_ip_version() {
    let hop = next_hop("fd00::1", "fd00::2");
    let builder = PacketBuilder::ethernet2(hop.ethernet_source, hop.ethernet_destination);
    let mut expected = Vec::new();
    let octets = |last| {
        let mut octets = [0; 16];
        (octets[0], octets[15]) = (0xfd, last);
        octets
    };
    let written = builder
        .ipv6(octets(1), octets(2), 64)
        .udp(41000, 4556)
        .write(&mut expected, b"bundle");
    written.expect("it fits");
    let six = frame_6(b"bundle", 0);
    let datagram = Datagram::decode(&six).expect("the frame has a datagram");
    assert_eq!(datagram.readdressed(&hop), Ok(expected));
    let four = next_hop("10.9.0.1", "10.99.0.7");
    assert_eq!(datagram.readdressed(&four), Err(OtherVersion));
}
