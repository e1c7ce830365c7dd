// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads the bundles out of the captures: pcap files of Ethernet frames, IPv4 and UDP.

use std::fs;
use std::path::{Path, PathBuf};

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const ETHERNET_HEADER: usize = 14;
const UDP_HEADER: usize = 8;
const UDP: u8 = 17;
/// The port of the UDP convergence layer, and its neighbour that two of the scenarios use.
const BUNDLE_PORTS: [u16; 2] = [4556, 4557];

/// One datagram with a bundle.
pub(crate) struct Captured {
    /// The implementation, the scenario and the place in the file, for messages.
    pub(crate) name: String,
    /// The folder of the capture: the implementation.
    pub(crate) folder: String,
    /// The bundle.
    pub(crate) octets: Vec<u8>,
}

/// Every bundle over UDP of every capture, in the order of the names.
pub(crate) fn bundles() -> Vec<Captured> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/captures");
    let mut bundles = Vec::new();
    for folder in entries(&root).into_iter().filter(|path| path.is_dir()) {
        for file in entries(&folder) {
            if file
                .extension()
                .is_some_and(|extension| extension == "pcap")
            {
                read(&file, &folder, &mut bundles);
            }
        }
    }
    bundles
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).expect("the folder of captures is readable");
    let mut paths: Vec<_> = listed
        .map(|entry| entry.expect("an entry is readable").path())
        .collect();
    paths.sort();
    paths
}

fn read(file: &Path, folder: &Path, bundles: &mut Vec<Captured>) {
    let name = |path: &Path| {
        path.file_name()
            .expect("a path has a name")
            .display()
            .to_string()
    };
    let octets = fs::read(file).expect("the capture is readable");
    let (header, mut rest) = octets.split_at(FILE_HEADER);
    assert_eq!(
        header[..4],
        [0xd4, 0xc3, 0xb2, 0xa1],
        "{} is no pcap file",
        file.display()
    );
    let mut frame_number = 0;
    while !rest.is_empty() {
        frame_number += 1;
        let length = u32::from_le_bytes(rest[8..12].try_into().expect("four octets"));
        let end = RECORD_HEADER + usize::try_from(length).expect("a frame fits into memory");
        if let Some(bundle) = udp_payload(&rest[RECORD_HEADER..end]) {
            bundles.push(Captured {
                name: format!("{}/{} frame {frame_number}", name(folder), name(file)),
                folder: name(folder),
                octets: bundle.to_vec(),
            });
        }
        rest = &rest[end..];
    }
}

/// The payload of a datagram to one of the bundle ports, if the frame holds one.
fn udp_payload(frame: &[u8]) -> Option<&[u8]> {
    let packet = &frame[ETHERNET_HEADER..];
    if frame[12..14] != [8, 0] || packet[9] != UDP {
        return None;
    }
    let fragmented = u16::from_be_bytes([packet[6], packet[7]]) & 0x3fff != 0;
    assert!(!fragmented, "the captures hold no IP fragments");
    let datagram = &packet[usize::from(packet[0] & 0x0f) * 4..];
    let port = u16::from_be_bytes([datagram[2], datagram[3]]);
    let length = usize::from(u16::from_be_bytes([datagram[4], datagram[5]]));
    BUNDLE_PORTS
        .contains(&port)
        .then(|| &datagram[UDP_HEADER..length])
}
