// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every UDP datagram of the captures in `testdata/captures`.

use std::fs::{self, File};
use std::path::Path;

use bundle::Policy;
use node::datagram::{Datagram, DatagramFault};
use node::slow_path::{self, SlowPathError};
use pcap_file::pcap::PcapReader;

use crate::frames::payload_of_correct;

const CAPTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/captures");

/// The port of the UDP convergence layer. Other datagrams carry blocks of LTP.
const UDPCL: [u8; 2] = 4556_u16.to_be_bytes();

/// Calls `check` with every frame of every capture.
fn each_frame(mut check: impl FnMut(&Path, &[u8])) {
    for folder in fs::read_dir(CAPTURES).expect("the captures are in the repository") {
        let folder = folder.expect("the folder can be read").path();
        // Bundles that came over other layers are in a file beside the captures.
        if !folder.is_dir() {
            continue;
        }
        for file in fs::read_dir(folder).expect("captures are in folders") {
            let path = file.expect("the folder can be read").path();
            let file = File::open(&path).expect("the file was just listed");
            let mut packets = PcapReader::new(file).expect("the file is a capture");
            while let Some(packet) = packets.next_packet() {
                check(&path, &packet.expect("the capture is complete").data);
            }
        }
    }
}

/// What else the captures hold is TCP, and nothing of it is taken for a datagram.
#[test]
fn datagrams_are_unchanged_by_their_own_bundle() {
    let (mut datagrams, mut others) = (0, 0);
    each_frame(|path, frame| match Datagram::decode(frame) {
        Ok(datagram) => {
            datagrams += 1;
            let result = datagram
                .with_bundle(datagram.bundle())
                .expect("it fitted before");
            assert_eq!(result, frame, "{}", path.display());
            assert_eq!(
                payload_of_correct(&result),
                datagram.bundle(),
                "{}",
                path.display()
            );
        }
        Err(error) => {
            others += 1;
            assert_eq!(
                error.fault,
                DatagramFault::Protocol(6),
                "{}",
                path.display()
            );
        }
    });
    println!("{datagrams} datagrams, {others} other frames");
    assert!(datagrams >= 1000, "only {datagrams} datagrams were found");
}

/// The slow path says of each bundle what the reference translator says of it alone.
#[test]
fn bundles_are_translated_as_the_reference_does() {
    let policy = Policy::default();
    let (mut translated, mut refused) = (0, 0);
    each_frame(|path, frame| {
        let Ok(datagram) = Datagram::decode(frame) else {
            return;
        };
        if frame[36..38] != UDPCL {
            return;
        }
        let expected = bundle::translate(datagram.bundle(), &policy);
        match (slow_path::translate(frame, &policy), expected) {
            (Ok(result), Ok(expected)) => {
                translated += 1;
                assert_eq!(
                    payload_of_correct(&result),
                    expected.octets,
                    "{}",
                    path.display()
                );
                // Lengths and checksums are checked above. All else in the headers stays.
                for kept in [0..16, 18..24, 26..38] {
                    assert_eq!(result[kept.clone()], frame[kept], "{}", path.display());
                }
            }
            (Err(SlowPathError::Refusal(refusal)), Err(expected)) => {
                refused += 1;
                assert_eq!(refusal, expected, "{}", path.display());
            }
            (result, expected) => panic!("{}: {result:?}, not {expected:?}", path.display()),
        }
    });
    println!("{translated} bundles translated, {refused} refused");
    assert!(
        translated >= 500,
        "only {translated} bundles were translated"
    );
}
