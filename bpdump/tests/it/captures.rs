// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every capture through every command.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;

use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionBlock;

use crate::support::{captures, objects, run, testdata};

/// The bundles of each convergence layer, as the index of the captures counts them.
const EXPECTED: [(&str, usize); 4] = [("LTP", 74), ("STCP", 48), ("TCPCLv3", 48), ("UDP", 1035)];

#[test]
fn every_bundle_is_found() {
    let mut layers: BTreeMap<String, usize> = BTreeMap::new();
    let mut malformed = Vec::new();
    for capture in captures() {
        let run = run(&["show", "--format", "json", "--brief", &capture]);
        assert_eq!(run.status, 0, "{capture}: {}", run.err);
        for object in objects(&run) {
            let layer = object["layer"].as_str().expect("the layer is known");
            *layers.entry(layer.to_owned()).or_default() += 1;
            if !object["error"].is_null() {
                malformed.push((capture.clone(), object["error"]["reason"]["name"].clone()));
            }
        }
    }
    let layers: Vec<_> = layers
        .iter()
        .map(|(name, count)| (&**name, *count))
        .collect();
    assert_eq!(layers, EXPECTED);
    // The node number that `ipn` reserves, sent on purpose.
    assert!(
        malformed
            .iter()
            .all(|(_, reason)| reason == "eid_malformed")
    );
    assert_eq!(malformed.len(), 3);
}

/// No line is much wider than a terminal. Tables are as wide as the longest endpoint ID.
#[test]
fn every_bundle_is_shown() {
    for capture in captures() {
        for (form, width) in [("--brief", 160), ("--full", 110), ("--hex", 130)] {
            let run = run(&["show", form, &capture]);
            assert_eq!(run.status, 0, "{capture}: {}", run.err);
            let too_wide = |line: &&str| line.chars().count() > width;
            assert_eq!(run.out.lines().find(too_wide), None, "{capture} {form}");
        }
    }
}

#[test]
fn all_captures_at_once() {
    let captures = captures();
    let mut arguments = vec!["stats"];
    arguments.extend(captures.iter().map(String::as_str));
    insta::assert_snapshot!(run(&arguments).page());
}

/// A pcapng file of the same frames has the same bundles.
#[test]
fn both_forms_of_captures() {
    let name = "ion7/tcpcl_full_v21.pcap";
    let file = File::open(testdata("captures").join(name)).expect("the capture is there");
    let mut reader = PcapReader::new(BufReader::new(file)).expect("it is a capture");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("same.pcapng");
    let file = File::create(&path).expect("a file");
    let mut writer = PcapNgWriter::new(file).expect("a capture");
    let interface = InterfaceDescriptionBlock {
        linktype: DataLink::ETHERNET,
        snaplen: 0,
        options: vec![],
    };
    writer.write_pcapng_block(interface).expect("it is written");
    while let Some(packet) = reader.next_packet() {
        let packet = packet.expect("the frame is whole");
        // The unit is the microsecond, and the crate writes the number of nanoseconds.
        let ticks = u64::try_from(packet.timestamp.as_micros()).expect("a time of today");
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: std::time::Duration::from_nanos(ticks),
            original_len: packet.orig_len,
            data: packet.data,
            options: vec![],
        };
        writer.write_pcapng_block(block).expect("it is written");
    }
    let same = path.to_str().expect("the name is text");
    let (old, new) = (
        run(&["show", "--brief", name]),
        run(&["show", "--brief", same]),
    );
    assert!(old.out.lines().count() > 10);
    assert_eq!(old.out, new.out);
}

/// What a capture with the wrong ports gives is a hint, and no error.
#[test]
fn other_ports_are_asked_for() {
    let name = "bp7/bpv7_rnd.pcap";
    let run = run(&["show", "--port", "9", name]);
    assert_eq!(run.status, 0);
    assert_eq!(run.out, "");
    assert!(run.err.contains("--port"), "{}", run.err);
}
