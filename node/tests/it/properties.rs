// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Properties that hold for all octets.

use bundle::{Policy, Reason, Version};
use node::datagram::Datagram;
use node::punt::{PortId, Punt};
use node::slow_path;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::frames::{fix_ip_checksum, frame, frame_with_options, payload_of_correct};

fn octets() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

/// Frames of the right kind with a few octets changed, which come further than random ones.
fn damaged_frame() -> impl Strategy<Value = Vec<u8>> {
    let base = (octets(), any::<bool>());
    let base = base.prop_map(|(data, options)| {
        if options {
            frame_with_options(&data)
        } else {
            frame(&data)
        }
    });
    (
        base,
        vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        any::<bool>(),
    )
        .prop_map(|(mut frame, changes, fix)| {
            for (place, octet) in changes {
                *place.get_mut(&mut frame) = octet;
            }
            if fix && frame.len() >= 14 + 60 {
                fix_ip_checksum(&mut frame);
            }
            frame
        })
}

proptest! {
    #[test]
    fn nothing_panics(octets in octets()) {
        let _ = Datagram::decode(&octets);
        let _ = slow_path::translate(&octets, &Policy::default());
        if let Ok(punt) = Punt::decode(&octets) {
            prop_assert_eq!(punt.encode(), octets);
        }
    }

    #[test]
    fn what_is_decoded_can_be_written(octets in damaged_frame(), bundle in octets()) {
        if let Ok(datagram) = Datagram::decode(&octets) {
            let result = datagram.with_bundle(&bundle).expect("it is short");
            prop_assert_eq!(payload_of_correct(&result), bundle);
        }
        let _ = slow_path::translate(&octets, &Policy::default());
    }

    #[test]
    fn bundles_are_found_and_replaced(
        old in octets(), new in octets(), padding in octets(), options: bool, checksum: bool,
    ) {
        let build = if options { frame_with_options } else { frame };
        let (mut before, mut expected) = (build(&old), build(&new));
        if !checksum {
            let place = if options { 48..50 } else { 40..42 };
            before[place.clone()].fill(0);
            expected[place].fill(0);
        }
        before.extend_from_slice(&padding);
        let datagram = Datagram::decode(&before).expect("the frame has a datagram");
        prop_assert_eq!(datagram.bundle(), &old);
        prop_assert_eq!(datagram.with_bundle(&new), Ok(expected));
    }

    #[test]
    fn punts_survive(
        reason in prop::sample::select(Reason::ALL),
        version in prop::sample::select(vec![None, Some(Version::V6), Some(Version::V7)]),
        port: u16,
        frame in octets(),
    ) {
        let punt = Punt { reason, version, ingress_port: PortId(port), frame: &frame };
        let octets = punt.encode();
        prop_assert_eq!(Punt::decode(&octets), Ok(punt));
    }
}
