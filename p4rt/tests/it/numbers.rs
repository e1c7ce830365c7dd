// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The numbers on the wire, written out by hand where they are easy to confuse.

use p4rt::proto::{
    google::rpc,
    p4::{
        config::v1::{self as config, match_field},
        v1::{self as p4, field_match, field_match::FieldMatchType},
    },
};
use prost::Message;

/// The message has these bytes, and these bytes are the message.
fn check<M: Message + Default + PartialEq + std::fmt::Debug>(message: &M, wire: &[u8]) {
    assert_eq!(message.encode_to_vec(), wire, "{message:?}");
    assert_eq!(&M::decode(wire).expect("the bytes are a message"), message);
}

/// The first byte of a field: its number and its wire type.
fn tag(number: u8, wire_type: u8) -> u8 {
    number << 3 | wire_type
}

const VARINT: u8 = 0;
const BYTES: u8 = 2;

#[test]
fn action_parameters_start_at_4_and_2() {
    let param = p4::action::Param {
        param_id: 1,
        value: vec![7],
    };
    check(&param, &[tag(2, VARINT), 1, tag(3, BYTES), 1, 7]);
    let action = p4::Action {
        action_id: 9,
        params: vec![param],
    };
    check(
        &action,
        &[
            tag(1, VARINT),
            9,
            tag(4, BYTES),
            5,
            tag(2, VARINT),
            1,
            tag(3, BYTES),
            1,
            7,
        ],
    );
    let argument = config::table_action_call::Argument {
        param_id: 1,
        value: vec![7],
    };
    let call = config::TableActionCall {
        action_id: 9,
        arguments: vec![argument],
    };
    check(&call, &action.encode_to_vec());
}

#[test]
fn match_kinds_skip_5() {
    let field = |kind| p4::FieldMatch {
        field_id: 1,
        field_match_type: Some(kind),
    };
    let v = || vec![1];
    let exact = FieldMatchType::Exact(field_match::Exact { value: v() });
    check(
        &field(exact),
        &[tag(1, VARINT), 1, tag(2, BYTES), 3, tag(1, BYTES), 1, 1],
    );
    let ternary = FieldMatchType::Ternary(field_match::Ternary {
        value: v(),
        mask: v(),
    });
    let two = [tag(1, BYTES), 1, 1, tag(2, BYTES), 1, 1];
    check(
        &field(ternary),
        &[&[tag(1, VARINT), 1, tag(3, BYTES), 6], two.as_slice()].concat(),
    );
    let lpm = FieldMatchType::Lpm(field_match::Lpm {
        value: v(),
        prefix_len: 8,
    });
    let wire = [
        tag(1, VARINT),
        1,
        tag(4, BYTES),
        5,
        tag(1, BYTES),
        1,
        1,
        tag(2, VARINT),
        8,
    ];
    check(&field(lpm), &wire);
    let range = FieldMatchType::Range(field_match::Range {
        low: v(),
        high: v(),
    });
    check(
        &field(range),
        &[&[tag(1, VARINT), 1, tag(6, BYTES), 6], two.as_slice()].concat(),
    );
    let optional = FieldMatchType::Optional(field_match::Optional { value: v() });
    check(
        &field(optional),
        &[tag(1, VARINT), 1, tag(7, BYTES), 3, tag(1, BYTES), 1, 1],
    );
}

#[test]
fn roles_have_three_numbers() {
    let write = p4::WriteRequest {
        role: "r".to_owned(),
        ..Default::default()
    };
    check(&write, &[tag(6, BYTES), 1, b'r']);
    let read = p4::ReadRequest {
        role: "r".to_owned(),
        ..Default::default()
    };
    check(&read, &[tag(3, BYTES), 1, b'r']);
    let role = p4::Role {
        name: "r".to_owned(),
        ..Default::default()
    };
    check(&role, &[tag(3, BYTES), 1, b'r']);
    let push = p4::SetForwardingPipelineConfigRequest {
        role: "r".to_owned(),
        ..Default::default()
    };
    check(&push, &[tag(6, BYTES), 1, b'r']);
}

#[test]
fn table_entries_keep_old_numbers_free() {
    let entry = p4::TableEntry {
        table_id: 1,
        priority: 2,
        is_default_action: true,
        idle_timeout_ns: 3,
        is_const: true,
        ..Default::default()
    };
    let wire = [
        tag(1, 0),
        1,
        tag(4, 0),
        2,
        tag(8, 0),
        1,
        tag(9, 0),
        3,
        tag(13, 0),
        1,
    ];
    check(&entry, &wire);
}

#[test]
fn stream_messages_have_numbers_of_their_own() {
    use p4::{stream_message_request as request, stream_message_response as response};
    let ack = p4::DigestListAck {
        digest_id: 1,
        list_id: 2,
    };
    let ack = p4::StreamMessageRequest {
        update: Some(request::Update::DigestAck(ack)),
    };
    check(
        &ack,
        &[tag(3, BYTES), 4, tag(1, VARINT), 1, tag(2, VARINT), 2],
    );
    let list = p4::DigestList {
        digest_id: 1,
        list_id: 2,
        timestamp: 4,
        ..Default::default()
    };
    let list = p4::StreamMessageResponse {
        update: Some(response::Update::Digest(list)),
    };
    check(
        &list,
        &[tag(3, BYTES), 6, tag(1, 0), 1, tag(2, 0), 2, tag(4, 0), 4],
    );
    let error = p4::StreamError {
        canonical_code: 3,
        ..Default::default()
    };
    let error = p4::StreamMessageResponse {
        update: Some(response::Update::Error(error)),
    };
    check(&error, &[tag(6, BYTES), 2, tag(1, VARINT), 3]);
}

#[test]
fn entities_are_numbered_by_kind() {
    use p4::{entity::Entity, packet_replication_engine_entry::Type};
    let wrap = |entity| p4::Entity {
        entity: Some(entity),
    };
    check(
        &wrap(Entity::TableEntry(p4::TableEntry::default())),
        &[tag(2, BYTES), 0],
    );
    check(
        &wrap(Entity::CounterEntry(p4::CounterEntry::default())),
        &[tag(7, BYTES), 0],
    );
    check(
        &wrap(Entity::DirectCounterEntry(p4::DirectCounterEntry::default())),
        &[tag(8, BYTES), 0],
    );
    check(
        &wrap(Entity::RegisterEntry(p4::RegisterEntry::default())),
        &[tag(11, BYTES), 0],
    );
    check(
        &wrap(Entity::DigestEntry(p4::DigestEntry::default())),
        &[tag(12, BYTES), 0],
    );
    let replica = p4::Replica {
        port_kind: Some(p4::replica::PortKind::Port(vec![5])),
        instance: 1,
        ..Default::default()
    };
    let group = p4::MulticastGroupEntry {
        multicast_group_id: 9,
        replicas: vec![replica],
        ..Default::default()
    };
    let engine = p4::PacketReplicationEngineEntry {
        r#type: Some(Type::MulticastGroupEntry(group)),
    };
    // Fields may come in any order; this encoder puts a oneof where its first number is.
    let group_wire = [
        tag(1, 0),
        9,
        tag(2, BYTES),
        5,
        tag(3, BYTES),
        1,
        5,
        tag(2, 0),
        1,
    ];
    let wire = [
        &[tag(9, BYTES), 11, tag(1, BYTES), 9],
        group_wire.as_slice(),
    ]
    .concat();
    check(&wrap(Entity::PacketReplicationEngineEntry(engine)), &wire);
}

#[test]
fn p4info_has_distant_numbers() {
    let type_info = config::P4TypeInfo::default();
    let p4info = config::P4Info {
        type_info: Some(type_info),
        ..Default::default()
    };
    check(&p4info, &[0xc2, 0x0c, 0]); // 200 << 3 | 2
    let p4info = config::P4Info {
        externs: vec![config::Extern::default()],
        ..Default::default()
    };
    check(&p4info, &[0xa2, 0x06, 0]); // 100 << 3 | 2
    let digest = config::P4Info {
        digests: vec![config::Digest::default()],
        ..Default::default()
    };
    check(&digest, &[tag(12, BYTES), 0]);
}

#[test]
fn match_types_and_prefixes_have_gaps() {
    use config::p4_ids::Prefix;
    use match_field::MatchType;
    let types = [
        MatchType::Exact,
        MatchType::Lpm,
        MatchType::Ternary,
        MatchType::Range,
    ];
    assert_eq!(types.map(|kind| kind as i32), [2, 3, 4, 5]);
    assert_eq!(MatchType::Optional as i32, 6);
    assert!(MatchType::try_from(1).is_err());
    let prefixes = [
        Prefix::Action,
        Prefix::Table,
        Prefix::Counter,
        Prefix::DirectCounter,
    ];
    assert_eq!(
        prefixes.map(|prefix| prefix as i32),
        [0x01, 0x02, 0x12, 0x13]
    );
    assert_eq!(Prefix::Digest as i32, 0x17);
    assert_eq!(p4::SdnPort::Cpu as i32, -3);
    let field = config::MatchField {
        r#match: Some(match_field::Match::MatchType(MatchType::Lpm as i32)),
        ..Default::default()
    };
    check(&field, &[tag(5, VARINT), 3]);
}

#[test]
fn statuses_and_identifiers_are_plain() {
    let status = rpc::Status {
        code: 5,
        message: "m".to_owned(),
        details: Vec::new(),
    };
    check(&status, &[tag(1, VARINT), 5, tag(2, BYTES), 1, b'm']);
    check(
        &p4::Uint128 { high: 1, low: 2 },
        &[tag(1, VARINT), 1, tag(2, VARINT), 2],
    );
    let error = p4::Error {
        canonical_code: 6,
        code: 7,
        ..Default::default()
    };
    check(&error, &[tag(1, VARINT), 6, tag(4, VARINT), 7]);
    let config = p4::digest_entry::Config {
        max_timeout_ns: 1,
        max_list_size: 2,
        ack_timeout_ns: 3,
    };
    check(
        &config,
        &[tag(1, VARINT), 1, tag(2, VARINT), 2, tag(3, VARINT), 3],
    );
}
