// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The fields of a dissection cover the input, and agree with the decoder.

use bundle::arbitrary::{Shape, mutated, v6_octets, v6_padded_octets, v7_octets};
use bundle::dissect::{Dissection, Unit, Value, dissect};
use bundle::v7::Tolerance;
use bundle::{DecodeError, Eid, Fault, Version, v6, v7, version};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;

use crate::pcap;
use crate::support::{admin_v6, admin_v7, seven, six};

/// Checks what holds for all octets, and returns the fields.
#[track_caller]
fn check(input: &[u8]) -> Dissection<'_> {
    let dissection = dissect(input, Tolerance::LENIENT);
    assert_eq!(dissection.version, version(input));
    check_tiling(&dissection, input.len());
    assert!(dissection.fields.len() <= 16 + 3 * input.len());
    if let Some(error) = decode_error(input) {
        assert_eq!(dissection.error.as_ref(), Some(&error));
        assert!(dissection.fields.iter().any(|field| field.fault.is_some()));
    } else if dissection.version.is_some() {
        assert_eq!(dissection.error, None);
    }
    if dissection.error.is_none() {
        let structural: Vec<_> = faults(&dissection).collect();
        assert_eq!(structural, []);
    }
    dissection
}

fn decode_error(input: &[u8]) -> Option<DecodeError> {
    match version(input)? {
        Version::V6 => v6::Bundle::decode(input).err(),
        Version::V7 => v7::Bundle::decode(input, Tolerance::LENIENT).err(),
    }
}

/// The faults outside the data of blocks.
fn faults(dissection: &Dissection<'_>) -> impl Iterator<Item = (&'static str, Fault)> {
    let mut data_depth = None;
    dissection.fields.iter().filter_map(move |field| {
        if data_depth.is_some_and(|depth| field.depth <= depth) {
            data_depth = None;
        }
        if data_depth.is_none() && field.name == "data" {
            data_depth = Some(field.depth);
        }
        let outside = data_depth.is_none();
        field
            .fault
            .filter(|_| outside)
            .map(|fault| (field.name, fault))
    })
}

/// Leaves follow each other without a gap, and groups hold their members.
#[track_caller]
fn check_tiling(dissection: &Dissection<'_>, length: usize) {
    let mut at = 0;
    for leaf in dissection.leaves() {
        if matches!(leaf.value, Value::Broken) {
            assert!(leaf.range.is_empty() && leaf.range.end <= length);
            continue;
        }
        assert_eq!(leaf.range.start, at, "{leaf:?}");
        assert!(!leaf.range.is_empty(), "{leaf:?}");
        at = leaf.range.end;
    }
    assert_eq!(at, length);
    for index in 0..dissection.fields.len() {
        let path = dissection.path(index);
        let depths: Vec<_> = path.iter().map(|field| field.depth).collect();
        assert_eq!(depths, (0..path.len()).collect::<Vec<_>>());
        for pair in path.windows(2) {
            let inside = pair[0].range.start <= pair[1].range.start
                && pair[1].range.end <= pair[0].range.end;
            assert!(inside || matches!(pair[1].value, Value::Broken));
        }
    }
}

/// The value of the first field of this name.
#[track_caller]
fn value<'a>(dissection: &Dissection<'a>, name: &str) -> Value<'a> {
    let found = dissection.fields.iter().find(|field| field.name == name);
    found.expect("the field is there").value.clone()
}

#[test]
fn every_captured_bundle() {
    let mut count = 0;
    for captured in pcap::bundles() {
        println!("{}", captured.name);
        let dissection = check(&captured.octets);
        let unread = dissection
            .leaves()
            .any(|leaf| matches!(leaf.value, Value::Unread(_)));
        assert!(!unread, "{dissection:#?}");
        count += 1;
    }
    assert!(count > 1000);
}

#[test]
fn fields_of_version_6() {
    let octets = six().to_vec();
    let dissection = check(&octets);
    let eid = |name| value(&dissection, name);
    assert_eq!(eid("destination"), Value::Eid(Ok(Eid::ipn(2, 1))));
    assert_eq!(eid("source"), Value::Eid(Ok(Eid::ipn(1, 1))));
    assert_eq!(eid("custodian"), Value::Eid(Ok(Eid::Null)));
    assert_eq!(
        value(&dissection, "creation time"),
        Value::Time(802_094_400, Unit::Seconds)
    );
    assert_eq!(value(&dissection, "payload"), Value::Octets(b"hello"));
}

#[test]
fn fields_of_version_7() {
    let octets = seven().to_vec();
    let dissection = check(&octets);
    assert_eq!(
        value(&dissection, "destination"),
        Value::Eid(Ok(Eid::ipn(2, 1)))
    );
    assert_eq!(
        value(&dissection, "lifetime"),
        Value::Duration(3_599_993, Unit::Milliseconds)
    );
    let Value::Crc(crc) = value(&dissection, "CRC") else {
        panic!("the primary block has a CRC");
    };
    assert!(crc.is_right());
}

#[test]
fn status_reports_field_by_field() {
    let (old, new) = (admin_v6().to_vec(), admin_v7().to_vec());
    for octets in [&old, &new] {
        let dissection = check(octets);
        assert_eq!(
            value(&dissection, "subject source"),
            Value::Eid(Ok(Eid::ipn(5, 6)))
        );
        assert!(dissection.fields.iter().all(|field| field.fault.is_none()));
    }
}

#[test]
fn dictionary_offsets_become_endpoints() {
    let source = Eid::parse("dtn://n/a").expect("the text is valid");
    let addresses = v6::Addresses::dictionary([&Eid::ipn(2, 1), &source, &source, &Eid::Null]);
    let mut bundle = six();
    let [destination, from, report_to, custodian] = addresses.references;
    bundle.primary.destination = destination;
    bundle.primary.source = from;
    bundle.primary.report_to = report_to;
    bundle.primary.custodian = custodian;
    bundle.primary.dictionary = addresses.dictionary.into();
    let octets = bundle.to_vec();
    let dissection = check(&octets);
    assert_eq!(value(&dissection, "source"), Value::Eid(Ok(source)));
    assert_eq!(value(&dissection, "string"), Value::Text("ipn"));
}

#[test]
fn padding_is_noted() {
    let mut octets = six().to_vec();
    // The service number of the destination: 1 in two octets. The primary block grows by one.
    let at = 1 + 2 + 1 + 1;
    octets.splice(at..=at, [0x80, 0x01]);
    octets[3] += 1;
    let dissection = check(&octets);
    let padded: Vec<_> = dissection
        .fields
        .iter()
        .filter(|field| field.padding > 0)
        .map(|field| (field.name, field.padding))
        .collect();
    assert_eq!(padded, [("service number", 1)]);
    assert_eq!(dissection.error, None);
}

/// A wrong CRC is a remark on it, and the blocks behind it are still read.
#[test]
fn wrong_crc_ends_nothing() {
    let mut octets = seven().to_vec();
    let dissection = check(&octets);
    let crc = dissection.fields.iter().find(|field| field.name == "CRC");
    let at = crc.expect("the primary block has a CRC").range.start;
    octets[at] ^= 1;
    let dissection = check(&octets);
    let found: Vec<_> = faults(&dissection).collect();
    assert_eq!(found, [("CRC", Fault::CrcMismatch)]);
    assert_eq!(value(&dissection, "payload"), Value::Octets(b"hello"));
}

#[test]
fn longer_integer_ends_nothing() {
    let mut octets = seven().to_vec();
    // The version number: 7 in two octets.
    octets.splice(2..3, [0x18, 7]);
    let dissection = check(&octets);
    assert!(faults(&dissection).any(|found| found == ("version", Fault::NotShortest)));
    assert_eq!(value(&dissection, "payload"), Value::Octets(b"hello"));
}

/// Data in the wrong format is noted where it is, and the next block is still read.
#[test]
fn malformed_data_hides_no_block() {
    let mut bundle = seven();
    let age = v7::Block::new(
        v7::BlockType::AGE,
        2,
        v7::BlockFlags::default(),
        b"\x41\x41"[..].into(),
    );
    bundle.blocks.insert(0, age);
    let octets = bundle.to_vec();
    let dissection = check(&octets);
    let broken = dissection
        .fields
        .iter()
        .position(|field| field.value == Value::Broken)
        .expect("the age is no number");
    let path: Vec<_> = dissection
        .path(broken)
        .iter()
        .map(|field| field.name)
        .collect();
    assert_eq!(path, ["block", "data", "bundle age"]);
    assert_eq!(value(&dissection, "payload"), Value::Octets(b"hello"));
    assert_eq!(dissection.error, None);
}

/// Where the structure breaks, the fault comes last, and then what was not read.
#[test]
fn structure_that_breaks_comes_last() {
    let octets = seven().to_vec();
    for length in 1..octets.len() {
        let dissection = check(&octets[..length]);
        assert_eq!(
            dissection.error.as_ref().map(|error| error.fault),
            Some(Fault::Truncated),
            "{length}"
        );
        let end = dissection.fields.len().saturating_sub(2);
        let broken = |field: &bundle::dissect::Field<'_>| field.value == Value::Broken;
        assert!(dissection.fields[end..].iter().any(broken), "{length}");
    }
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn generated_bundles_are_read_to_the_end(
        octets in prop_oneof![
            v6_octets(Shape::ANY),
            v6_padded_octets(Shape::ANY).prop_map(|(padded, _)| padded),
            v7_octets(Shape::ANY),
        ]
    ) {
        let dissection = check(&octets);
        assert_eq!(dissection.error, None);
    }

    #[test]
    fn mutated_bundles_are_covered(
        octets in mutated(prop_oneof![v6_octets(Shape::ANY), v7_octets(Shape::ANY)])
    ) {
        check(&octets);
    }

    #[test]
    fn any_octets_are_covered(
        first in prop_oneof![
            Just(vec![6]),
            Just(vec![0x9f, 0x88, 7]),
            Just(Vec::new()),
        ],
        rest in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        check(&[first, rest].concat());
    }
}
