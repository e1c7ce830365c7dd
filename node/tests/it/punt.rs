// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The punt header, octet by octet as `docs/punt.md` has it.

use bundle::{Reason, Version};
use node::punt::{PortId, Punt, PuntError, PuntFault};

/// Reason 64, version 6, port 0x0102, and a frame of two octets.
const PUNTED: [u8; 20] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x88, 0xb5, 64, 6, 1, 2, 0xaa, 0xbb,
];

fn check_error(change: impl FnOnce(&mut Vec<u8>), offset: usize, fault: PuntFault) {
    let mut octets = PUNTED.to_vec();
    change(&mut octets);
    assert_eq!(Punt::decode(&octets), Err(PuntError { offset, fault }));
}

#[test]
fn fields_are_where_the_specification_has_them() {
    let expected = Punt {
        reason: Reason::PayloadTooLong,
        version: Some(Version::V6),
        ingress_port: PortId(0x0102),
        frame: &[0xaa, 0xbb],
    };
    assert_eq!(Punt::decode(&PUNTED), Ok(expected));
    assert_eq!(expected.encode(), PUNTED);
}

#[test]
fn every_reason_and_version_survives() {
    for &reason in Reason::ALL {
        for version in [None, Some(Version::V6), Some(Version::V7)] {
            let punt = Punt {
                reason,
                version,
                ingress_port: PortId(511),
                frame: &[1],
            };
            assert_eq!(Punt::decode(&punt.encode()), Ok(punt));
        }
    }
}

#[test]
fn a_header_without_a_frame_is_a_punt() {
    let punt = Punt::decode(&PUNTED[..18]).expect("the header is complete");
    assert_eq!(punt.frame, b"");
}

#[test]
fn errors_say_where() {
    for len in 0..18 {
        check_error(|octets| octets.truncate(len), len, PuntFault::Truncated);
    }
    check_error(|octets| octets[5] = 1, 5, PuntFault::Address);
    check_error(|octets| octets[11] = 1, 11, PuntFault::Address);
    check_error(|octets| octets[12] = 8, 12, PuntFault::EtherType(0x08b5));
    check_error(|octets| octets[14] = 0, 14, PuntFault::Reason(0));
    check_error(|octets| octets[14] = 255, 14, PuntFault::Reason(255));
    check_error(|octets| octets[15] = 5, 15, PuntFault::Version(5));
}
