// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Entries files, and entries by name.

use p4rt::{
    Entry,
    entries::EntriesFile,
    p4info::{CounterKind, Index, IndexError},
    proto::p4::v1::{P4Data, P4StructLike, field_match::FieldMatchType, p4_data::Data},
};

use crate::{demo, demo_p4info};

const FILE: &str = r#"{
  "tables": [
    {"table": "ingress.peer", "match": {"hdr.ipv4.dst": "10.0.0.2/32"},
     "action": "ingress.speaks_v6", "params": {"sequence32": "1", "lifetime32": "0"}},
    {"table": "peer", "match": {"hdr.ipv4.dst": "10.1.0.0/16"}, "action": "speaks_v7"},
    {"table": "ingress.filter", "action": "ingress.refuse", "priority": 10,
     "match": {"hdr.ipv4.src": "10.0.0.1&&&255.0.0.255", "hdr.udp.dst": "4556..4557",
               "hdr.ipv4.protocol": "*"}}
  ],
  "defaults": [{"table": "l2_forward", "action": "ingress.flood", "params": {"group": "1"}}],
  "multicast_groups": [{"id": 1, "replicas": [{"port": 2, "instance": 1}, {"port": 1}]}],
  "clone_sessions": [{"id": 5, "replicas": [{"port": 3}], "packet_length_bytes": 64}],
  "digests": [{"digest": "bundle_report_t", "max_timeout_ms": 10, "max_list_size": 1,
               "ack_timeout_ms": 0}]
}"#;

#[test]
fn a_file_resolves_to_entries_with_full_names() {
    let file = EntriesFile::parse(FILE).expect("the text is an entries file");
    let resolved = file.resolve(&demo()).expect("the file fits the program");
    let keys: Vec<_> = resolved
        .entries
        .iter()
        .map(|e| e.key.table.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "ingress.peer",
            "ingress.peer",
            "ingress.filter",
            "ingress.l2_forward"
        ]
    );
    assert_eq!(resolved.entries[1].action, "ingress.speaks_v7");
    let ports: Vec<_> = resolved.multicast_groups[0]
        .replicas
        .iter()
        .map(|r| (r.port, r.instance))
        .collect();
    assert_eq!(ports, [(1, 0), (2, 1)], "replicas are sorted");
    assert_eq!(resolved.clone_sessions[0].packet_length_bytes, Some(64));
    assert_eq!(
        EntriesFile::parse(&file.print()).expect("printed files are read again"),
        file
    );
}

#[test]
fn entries_survive_the_wire() {
    let index = demo();
    let file = EntriesFile::parse(FILE).expect("the text is an entries file");
    for entry in file
        .resolve(&index)
        .expect("the file fits the program")
        .entries
    {
        let wire = entry
            .to_proto(&index)
            .expect("a resolved entry has a message");
        assert_eq!(Entry::from_proto(&wire, &index), Ok(entry));
    }
}

#[test]
fn open_fields_are_left_out_and_values_are_canonical() {
    let index = demo();
    let file = EntriesFile::parse(FILE).expect("the text is an entries file");
    let resolved = file.resolve(&index).expect("the file fits the program");
    let wire = resolved.entries[2]
        .to_proto(&index)
        .expect("a resolved entry has a message");
    assert_eq!((wire.priority, wire.r#match.len()), (10, 2));
    let Some(FieldMatchType::Ternary(ternary)) = &wire.r#match[0].field_match_type else {
        panic!("the first field is ternary: {wire:?}");
    };
    assert_eq!(
        (ternary.value.as_slice(), ternary.mask.as_slice()),
        ([10, 0, 0, 1].as_slice(), [255, 0, 0, 255].as_slice())
    );
    let wire = resolved.entries[3]
        .to_proto(&index)
        .expect("a resolved entry has a message");
    assert!(wire.is_default_action && wire.r#match.is_empty());
}

/// Values that arrive padded, or with bits outside of the mask, name the same entry.
#[test]
fn equal_keys_are_equal_in_any_spelling() {
    let index = demo();
    let file = EntriesFile::parse(FILE).expect("the text is an entries file");
    let entries = file
        .resolve(&index)
        .expect("the file fits the program")
        .entries;
    let mut wire = entries[2]
        .to_proto(&index)
        .expect("a resolved entry has a message");
    for field in &mut wire.r#match {
        match field.field_match_type.as_mut() {
            Some(FieldMatchType::Ternary(ternary)) => ternary.value = vec![0, 10, 99, 99, 1],
            Some(FieldMatchType::Range(range)) => range.low.insert(0, 0),
            _ => {}
        }
    }
    assert_eq!(
        Entry::from_proto(&wire, &index).map(|entry| entry.key),
        Ok(entries[2].key.clone())
    );
}

fn misfits(json: &str) -> Vec<String> {
    let file = EntriesFile::parse(json).expect("the text is an entries file");
    let misfits = file
        .resolve(&demo())
        .expect_err("the file does not fit the program");
    misfits.iter().map(ToString::to_string).collect()
}

#[test]
fn all_misfits_are_reported_with_their_places() {
    let found = misfits(
        r#"{"tables": [
            {"table": "ingress.nothing", "action": "ingress.pass"},
            {"table": "ingress.peer", "match": {"hdr.ipv4.src": "1"}, "action": "ingress.pass"},
            {"table": "ingress.peer", "match": {"hdr.ipv4.dst": "10.0.0.1/8"}, "action": "ingress.pass"},
            {"table": "ingress.l2_forward", "action": "ingress.forward", "params": {"port": "1"}},
            {"table": "ingress.peer", "action": "ingress.speaks_v6", "params": {"sequence32": "2"}},
            {"table": "ingress.peer", "action": "ingress.speaks_v6"},
            {"table": "ingress.peer", "action": "ingress.flood", "params": {"group": "1"}},
            {"table": "ingress.filter", "action": "ingress.pass"},
            {"table": "ingress.peer", "action": "ingress.pass", "priority": 1},
            {"table": "ingress.l2_source", "action": "ingress.learn",
             "match": {"hdr.ethernet.src": "02:00:00:00:00:01", "std.ingress_port": "1"}}
          ],
          "multicast_groups": [{"id": 0, "replicas": []},
                               {"id": 1, "replicas": [{"port": 1}, {"port": 1}]}],
          "digests": [{"digest": "nothing_t"}]}"#,
    );
    let expected = [
        r#"tables[0].table: no table is called "ingress.nothing""#,
        r#"tables[1].match["hdr.ipv4.src"]: table "ingress.peer" has no field "hdr.ipv4.src""#,
        r#"tables[2].match["hdr.ipv4.dst"]: "10.0.0.1/8" sets bits outside of its prefix or mask"#,
        r#"tables[3]: exact field "hdr.ethernet.dst" needs a value"#,
        r#"tables[4].params["sequence32"]: "2" does not fit into 1 bits"#,
        r#"tables[5]: action "ingress.speaks_v6" takes (sequence32, lifetime32), found no parameters"#,
        r#"tables[6]: table "ingress.peer" cannot use action "ingress.flood" in an entry"#,
        r#"tables[7]: table "ingress.filter" needs a priority above 0, found 0"#,
        r#"tables[8]: table "ingress.peer" needs no priority, found 1"#,
        r#"tables[9]: table "ingress.l2_source" cannot use action "ingress.learn" in an entry"#,
        "multicast_groups[0]: number 0 is reserved",
        "multicast_groups[1]: port 1 with instance 0 is listed twice",
        r#"digests[0]: no digest is called "nothing_t""#,
    ];
    assert_eq!(found, expected);
}

#[test]
fn unknown_members_are_refused_with_their_line() {
    use std::error::Error as _;
    let error = EntriesFile::parse("{\n \"tabels\": []}").expect_err("a misspelt member");
    let cause = error.source().expect("the reader says why").to_string();
    assert!(
        cause.contains("tabels") && cause.contains("line 2"),
        "{cause}"
    );
}

#[test]
fn digest_samples_have_named_members() {
    let index = demo();
    let digest = index
        .digest("learn_t")
        .expect("the program has this digest");
    let bits = |octets: &[u8]| P4Data {
        data: Some(Data::Bitstring(octets.to_vec())),
    };
    let sample = |members| P4Data {
        data: Some(Data::Struct(P4StructLike { members })),
    };
    let good = sample(vec![bits(&[2, 0, 0, 0, 0, 1]), bits(&[3])]);
    let members = digest.sample(&good).expect("two values for two members");
    let shown: Vec<_> = members
        .iter()
        .map(|(f, v)| (f.name.as_str(), v.to_uint()))
        .collect();
    assert_eq!(
        shown,
        [("address", Some(0x0200_0000_0001)), ("port", Some(3))]
    );
    assert!(digest.sample(&sample(vec![bits(&[1])])).is_err());
}

#[test]
fn the_index_knows_both_directions() {
    let index = demo();
    let peer = index.table("peer").expect("an alias names a table");
    assert_eq!((peer.name.as_str(), peer.id), ("ingress.peer", 0x0200_0001));
    assert_eq!(peer.direct_counter, Some(0x1300_0001));
    assert_eq!(
        index.table_by_id(peer.id).map(|table| table.size),
        Some(Some(1024))
    );
    let source = index
        .table("ingress.l2_source")
        .expect("the program has this table");
    assert!(source.fixed.default_action && !source.fixed.entries);
    let reasons = index
        .counter("reasons")
        .expect("the program has this counter");
    assert_eq!(reasons.kind, CounterKind::Indexed { size: 256 });
}

#[test]
fn contradictions_in_a_p4info_are_refused() {
    let mut p4info = demo_p4info();
    p4info.actions.remove(0);
    let error = Index::new(&p4info).expect_err("a table refers to the action");
    assert!(
        matches!(
            error,
            IndexError::NoAction {
                id: 0x0100_0001,
                ..
            }
        ),
        "{error}"
    );
    let mut p4info = demo_p4info();
    let twin = p4info.tables[0].clone();
    p4info.tables.push(twin);
    assert!(matches!(
        Index::new(&p4info),
        Err(IndexError::Duplicate { .. })
    ));
}
