// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The P4Runtime server, through a real client: `testdata/l2.p4` and others.

use std::time::Duration;

use p4rt::{
    p4info::Index,
    proto::p4::config::v1::P4Info,
    proto::p4::v1::{
        self as proto, FieldMatch, TableEntry, entity::Entity as Kind, field_match,
        field_match::FieldMatchType, get_forwarding_pipeline_config_request::ResponseType, p4_data,
        packet_replication_engine_entry as replication,
        set_forwarding_pipeline_config_request::Action, stream_message_response::Update as Message,
        update::Type,
    },
};
use switch::{
    offline::Offline,
    ports::Link,
    run::{Config, Switch},
};
use tokio::time::timeout;
use tonic::Code;

use crate::{
    controller::{Controller, soon, status_of, update},
    support::text,
};

const CPU_PORT: u32 = 510;

/// A switch with links on ports 1, 2 and 3, and no program.
pub(crate) async fn start() -> (Switch, Vec<Link>) {
    let config = Config {
        links: vec![1, 2, 3],
        cpu_port: Some(CPU_PORT),
        ..Config::default()
    };
    let mut switch = Switch::start(config)
        .await
        .expect("links and port 0 are always free");
    let links = (1..=3)
        .map(|port| switch.take_link(port).expect("was asked for"))
        .collect();
    (switch, links)
}

fn p4info_of(program: &str) -> P4Info {
    let text = text(program);
    let source = p4::Source {
        name: program,
        text: &text,
        ..p4::Source::default()
    };
    let program = Offline::load(&source).expect("the program is valid");
    program.p4info().clone()
}

/// Numbers of the objects of a program.
pub(crate) struct Ids(pub(crate) Index);

impl Ids {
    pub(crate) fn of(program: &str) -> Self {
        Self(Index::new(&p4info_of(program)).expect("our own P4Info is consistent"))
    }

    pub(crate) fn table(&self, name: &str) -> u32 {
        self.0.table(name).expect("the program has this table").id
    }

    pub(crate) fn action(&self, name: &str) -> u32 {
        self.0.action(name).expect("the program has this action").id
    }
}

#[expect(clippy::unnecessary_wraps, reason = "entries have an optional action")]
pub(crate) fn action(id: u32, params: &[&[u8]]) -> Option<proto::TableAction> {
    let params = params.iter().zip(1..);
    let params = params
        .map(|(value, param_id)| proto::action::Param {
            param_id,
            value: value.to_vec(),
        })
        .collect();
    let action = proto::Action {
        action_id: id,
        params,
    };
    Some(proto::TableAction {
        r#type: Some(proto::table_action::Type::Action(action)),
    })
}

pub(crate) fn exact(field_id: u32, value: &[u8]) -> FieldMatch {
    let exact = field_match::Exact {
        value: value.to_vec(),
    };
    FieldMatch {
        field_id,
        field_match_type: Some(FieldMatchType::Exact(exact)),
    }
}

/// An entry of `MyIngress.destinations`.
pub(crate) fn destination(ids: &Ids, mac: &[u8], port: u8) -> TableEntry {
    TableEntry {
        table_id: ids.table("MyIngress.destinations"),
        r#match: vec![exact(1, mac)],
        action: action(ids.action("MyIngress.forward"), &[&[port]]),
        ..TableEntry::default()
    }
}

pub(crate) fn group(id: u32, ports: &[u8]) -> Kind {
    let replica = |(port, instance): (&u8, u32)| proto::Replica {
        instance,
        port_kind: Some(proto::replica::PortKind::Port(vec![*port])),
        ..proto::Replica::default()
    };
    let group = proto::MulticastGroupEntry {
        multicast_group_id: id,
        replicas: ports.iter().zip(1..).map(replica).collect(),
        metadata: Vec::new(),
    };
    let r#type = Some(replication::Type::MulticastGroupEntry(group));
    Kind::PacketReplicationEngineEntry(proto::PacketReplicationEngineEntry { r#type })
}

pub(crate) fn frame(dst: u8, src: u8) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src, 0x08, 0x00];
    frame.extend([0xab; 10]);
    frame
}

#[tokio::test]
async fn arbitration_follows_the_highest_id_ever_seen() {
    let (switch, _links) = start().await;
    let address = switch.grpc_address();
    let mut low = Controller::primary(address, 5).await;
    let mut high = Controller::primary(address, 10).await;
    let news = low
        .hear_arbitration()
        .await
        .expect("told about the new primary");
    assert_eq!(status_of(&news), Code::AlreadyExists);
    assert_eq!(news.election_id.map(|id| id.low), Some(10));
    assert_eq!(
        low.push("l2.p4", Action::Verify)
            .await
            .map_err(|e| e.code()),
        Err(Code::PermissionDenied)
    );
    let mut twin = Controller::connect(address).await;
    let refused = twin.bid(Some(10)).await.expect_err("the id is taken");
    assert_eq!(refused.code(), Code::InvalidArgument);
    high.push("l2.p4", Action::VerifyAndCommit)
        .await
        .expect("the primary may push");
    drop(high);
    let news = low
        .hear_arbitration()
        .await
        .expect("told that the primary is gone");
    assert_eq!(status_of(&news), Code::NotFound);
    // The state survives its controller.
    let ids = Ids::of("l2.p4");
    assert_eq!(
        low.write(Type::Insert, Kind::TableEntry(destination(&ids, &[9], 1)))
            .await,
        Err(Code::PermissionDenied)
    );
    let answer = low.bid(Some(11)).await.expect("accepted");
    assert_eq!(status_of(&answer), Code::Ok);
    low.write(Type::Insert, Kind::TableEntry(destination(&ids, &[9], 1)))
        .await
        .expect("primary");
    switch.stop().await;
}

#[tokio::test]
async fn streams_are_refused_for_reasons() {
    let (switch, _links) = start().await;
    let address = switch.grpc_address();
    let mut stranger = Controller::connect(address).await;
    let refused = stranger
        .bid_for(7, "", Some(1))
        .await
        .expect_err("no such device");
    assert_eq!(refused.code(), Code::NotFound);
    let mut mover = Controller::primary(address, 3).await;
    let refused = mover
        .bid_for(1, "other", Some(3))
        .await
        .expect_err("the role is fixed");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let mut crowd = Vec::new();
    for _ in 0..16 {
        let mut one = Controller::connect(address).await;
        one.bid(None).await.expect("there is room");
        crowd.push(one);
    }
    let mut last = Controller::connect(address).await;
    let refused = last.bid(None).await.expect_err("there is no room");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    switch.stop().await;
}

#[tokio::test]
async fn requests_are_checked_in_order() {
    let (switch, _links) = start().await;
    let mut controller = Controller::primary(switch.grpc_address(), 1).await;
    let ids = Ids::of("l2.p4");
    let entry = || Kind::TableEntry(destination(&ids, &[9], 1));
    assert_eq!(
        controller.write(Type::Insert, entry()).await,
        Err(Code::FailedPrecondition)
    );
    let wrong = proto::WriteRequest {
        device_id: 9,
        ..Default::default()
    };
    let status = soon(controller.client.write(wrong))
        .await
        .expect_err("no such device");
    assert_eq!(status.code(), Code::NotFound);
    let capabilities = controller
        .client
        .capabilities(proto::CapabilitiesRequest::default());
    let version = soon(capabilities).await.expect("an answer").into_inner();
    assert_eq!(version.p4runtime_api_version, "1.5.0");
    switch.stop().await;
}

#[tokio::test]
async fn pipelines_are_verified_saved_and_committed() {
    let (switch, _links) = start().await;
    let mut controller = Controller::primary(switch.grpc_address(), 1).await;
    let get = |kind: ResponseType| proto::GetForwardingPipelineConfigRequest {
        device_id: 1,
        response_type: kind as i32,
    };
    let call = controller
        .client
        .get_forwarding_pipeline_config(get(ResponseType::All));
    assert_eq!(
        soon(call).await.expect("an answer").into_inner().config,
        None
    );
    let code = |result: Result<(), tonic::Status>| result.map_err(|status| status.code());
    assert_eq!(
        code(controller.push("l2.p4", Action::Commit).await),
        Err(Code::NotFound)
    );
    controller
        .push("l2.p4", Action::Verify)
        .await
        .expect("valid");
    let status = controller
        .push_config("garbage", Some(P4Info::default()), Action::Verify)
        .await;
    let status = status.expect_err("not a program");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(
        status.message().contains("p4_device_config:1:8"),
        "{}",
        status.message()
    );
    let bridge = text("l2.p4");
    let other = controller.push_config(&bridge, Some(P4Info::default()), Action::Verify);
    let status = other.await.expect_err("another interface");
    assert!(
        status.message().starts_with("P4Info does not belong"),
        "{}",
        status.message()
    );
    controller
        .push("l2.p4", Action::VerifyAndSave)
        .await
        .expect("valid");
    // What is saved is written and read before it is committed.
    let call = controller
        .client
        .get_forwarding_pipeline_config(get(ResponseType::CookieOnly));
    let config = soon(call).await.expect("an answer").into_inner().config;
    assert_eq!(config, None, "not in force yet");
    let entry = Kind::TableEntry(destination(&Ids::of("l2.p4"), &[9], 1));
    let written = controller.write(Type::Insert, entry.clone()).await;
    assert_eq!(written, Ok(()));
    let committed = controller.push_config("", None, Action::Commit).await;
    assert_eq!(
        code(committed),
        Err(Code::InvalidArgument),
        "with a program"
    );
    controller
        .push("l2.p4", Action::Commit)
        .await
        .expect("was saved");
    let all = Kind::TableEntry(TableEntry::default());
    assert_eq!(controller.read(all).await.expect("readable"), [entry]);
    let call = controller
        .client
        .get_forwarding_pipeline_config(get(ResponseType::CookieOnly));
    let config = soon(call)
        .await
        .expect("an answer")
        .into_inner()
        .config
        .expect("committed");
    assert_eq!(config.cookie.map(|cookie| cookie.cookie), Some(77));
    assert!(config.p4info.is_none() && config.p4_device_config.is_empty());
    let call = controller
        .client
        .get_forwarding_pipeline_config(get(ResponseType::All));
    let config = soon(call)
        .await
        .expect("an answer")
        .into_inner()
        .config
        .expect("committed");
    assert_eq!(config.p4_device_config, text("l2.p4").as_bytes());
    switch.stop().await;
}

#[tokio::test]
async fn reconcile_keeps_state_and_commit_drops_it() {
    let (switch, links) = start().await;
    let mut controller = Controller::with_program(switch.grpc_address(), "l2.p4").await;
    let ids = Ids::of("l2.p4");
    let entry = destination(&ids, &[9], 1);
    controller
        .write(Type::Insert, Kind::TableEntry(entry.clone()))
        .await
        .expect("new");
    controller
        .write(Type::Insert, group(1, &[1, 2]))
        .await
        .expect("new");
    let digest = proto::DigestEntry {
        digest_id: ids.0.digest("learn_t").expect("of the program").id,
        config: Some(proto::digest_entry::Config::default()),
    };
    controller
        .write(Type::Insert, Kind::DigestEntry(digest))
        .await
        .expect("new");
    controller
        .push("l2.p4", Action::ReconcileAndCommit)
        .await
        .expect("the same program");
    let all = Kind::TableEntry(TableEntry::default());
    let kept = controller.read(all.clone()).await.expect("readable");
    assert_eq!(kept, [Kind::TableEntry(entry)]);
    soon(links[0].sender.send(frame(9, 1)))
        .await
        .expect("the port is open");
    let news = controller.hear().await.expect("open");
    assert!(matches!(news, Message::Digest(_)), "{news:?}");
    controller
        .push("matches.p4", Action::ReconcileAndCommit)
        .await
        .expect_err("entries of other tables do not fit");
    assert_eq!(controller.read(all.clone()).await.expect("unchanged"), kept);
    controller
        .push("l2.p4", Action::VerifyAndCommit)
        .await
        .expect("valid");
    assert_eq!(controller.read(all).await.expect("readable"), []);
    switch.stop().await;
}

#[tokio::test]
async fn a_push_whose_caller_has_gone_does_not_replace_later_ones() {
    let (switch, _links) = start().await;
    let mut controller = Controller::primary(switch.grpc_address(), 1).await;
    // Long enough to be interrupted.
    let constants = (0..20_000).map(|number| format!("const bit<32> C{number} = {number};\n"));
    let slow = text("l2.p4") + &constants.collect::<String>();
    let p4info = Some(p4info_of("l2.p4"));
    let push = controller.push_config(&slow, p4info.clone(), Action::VerifyAndCommit);
    timeout(Duration::from_millis(50), push)
        .await
        .expect_err("the caller gives up");
    controller
        .push("matches.p4", Action::VerifyAndCommit)
        .await
        .expect("valid");
    // This takes as long as the first one.
    controller
        .push_config(&slow, p4info, Action::Verify)
        .await
        .expect("valid");
    let request = proto::GetForwardingPipelineConfigRequest {
        device_id: 1,
        response_type: ResponseType::DeviceConfigAndCookie as i32,
    };
    let answer = soon(controller.client.get_forwarding_pipeline_config(request)).await;
    let config = answer.expect("there is one").into_inner().config;
    let program = config.expect("there is one").p4_device_config;
    assert_eq!(program, text("matches.p4").into_bytes());
    switch.stop().await;
}

#[tokio::test]
async fn table_updates_have_their_codes() {
    let (switch, _links) = start().await;
    let mut controller = Controller::with_program(switch.grpc_address(), "l2.p4").await;
    let ids = Ids::of("l2.p4");
    let new = |mac: u8, port: u8| destination(&ids, &[mac], port);
    let bad = |change: fn(&mut TableEntry)| {
        let mut entry = destination(&ids, &[1], 1);
        change(&mut entry);
        Kind::TableEntry(entry)
    };
    let mut check = async |kind: Type, entity: Kind, expected: Result<(), Code>| {
        let shown = format!("{kind:?} {entity:?}");
        assert_eq!(controller.write(kind, entity).await, expected, "{shown}");
    };
    let entry = |mac, port| Kind::TableEntry(new(mac, port));
    check(Type::Insert, entry(9, 1), Ok(())).await;
    check(Type::Insert, entry(9, 2), Err(Code::AlreadyExists)).await;
    check(Type::Modify, entry(9, 2), Ok(())).await;
    check(Type::Modify, entry(8, 2), Err(Code::NotFound)).await;
    check(Type::Delete, entry(8, 2), Err(Code::NotFound)).await;
    check(Type::Unspecified, entry(7, 2), Err(Code::InvalidArgument)).await;
    // A deletion looks at the key only, and a key may have leading zeros.
    let mut key = new(9, 0);
    key.action = None;
    key.r#match = vec![exact(1, &[0, 0, 9])];
    check(Type::Delete, Kind::TableEntry(key), Ok(())).await;
    let invalid = Err(Code::InvalidArgument);
    check(Type::Insert, bad(|entry| entry.r#match.clear()), invalid).await;
    check(
        Type::Insert,
        bad(|entry| entry.r#match = vec![exact(2, &[1])]),
        invalid,
    )
    .await;
    check(
        Type::Insert,
        bad(|entry| entry.r#match = vec![exact(1, &[])]),
        Err(Code::OutOfRange),
    )
    .await;
    check(
        Type::Insert,
        bad(|e| e.r#match = vec![exact(1, &[1]), exact(1, &[1])]),
        invalid,
    )
    .await;
    check(Type::Insert, bad(|entry| entry.priority = 1), invalid).await;
    check(Type::Insert, bad(|entry| entry.action = None), invalid).await;
    check(
        Type::Insert,
        bad(|entry| entry.is_default_action = true),
        invalid,
    )
    .await;
    let wide = bad(|entry| entry.r#match = vec![exact(1, &[1, 0, 0, 0, 0, 0, 0])]);
    check(Type::Insert, wide, Err(Code::OutOfRange)).await;
    let table = bad(|entry| entry.table_id = 0x0200_0001);
    check(Type::Insert, table, Err(Code::NotFound)).await;
    let mut entry_with = async |id: u32, params: &[&[u8]], expected| {
        let mut entry = new(1, 1);
        entry.action = action(id, params);
        check(Type::Insert, Kind::TableEntry(entry), expected).await;
    };
    let forward = ids.action("MyIngress.forward");
    entry_with(ids.action("MyIngress.learn"), &[], invalid).await;
    entry_with(forward, &[], invalid).await;
    entry_with(forward, &[&[2, 0]], Err(Code::OutOfRange)).await;
    entry_with(forward, &[&[1, 0xff]], Ok(())).await;
    switch.stop().await;
}

#[tokio::test]
async fn batches_report_each_update() {
    let (switch, _links) = start().await;
    let mut controller = Controller::with_program(switch.grpc_address(), "l2.p4").await;
    let ids = Ids::of("l2.p4");
    let insert = |mac: u16| {
        let entry = destination(&ids, &mac.to_be_bytes(), 1);
        update(Type::Insert, Kind::TableEntry(entry))
    };
    let mut updates: Vec<_> = (1..=8).map(insert).collect();
    updates.push(insert(3));
    // The table holds eight entries, and each further one fails on its own.
    updates.extend((100..2000).map(insert));
    let failures = controller.failures(updates).await;
    assert_eq!(failures.len(), 1901);
    assert_eq!(
        (failures[0].index, failures[0].code),
        (8, Code::AlreadyExists)
    );
    assert!(
        failures[1..]
            .iter()
            .all(|failure| failure.code == Code::ResourceExhausted)
    );
    let wanted = TableEntry {
        table_id: ids.table("MyIngress.destinations"),
        ..Default::default()
    };
    let found = controller
        .read(Kind::TableEntry(wanted))
        .await
        .expect("readable");
    assert_eq!(found.len(), 8);
    switch.stop().await;
}

#[tokio::test]
async fn constant_parts_are_refused() {
    let (switch, _links) = start().await;
    let mut controller = Controller::with_program(switch.grpc_address(), "matches.p4").await;
    let ids = Ids::of("matches.p4");
    let table_id = ids.table("MyIngress.constants");
    let all = TableEntry {
        table_id,
        ..TableEntry::default()
    };
    let entries = controller
        .read(Kind::TableEntry(all))
        .await
        .expect("readable");
    assert_eq!(entries.len(), 3);
    for kind in &entries {
        let Kind::TableEntry(entry) = kind else {
            panic!("{kind:?} is no table entry")
        };
        assert!(entry.is_const && entry.priority > 0, "{entry:?}");
        let written = Kind::TableEntry(TableEntry {
            is_const: false,
            ..entry.clone()
        });
        for change in [Type::Modify, Type::Delete] {
            let refused = controller.write(change, written.clone()).await;
            assert_eq!(refused, Err(Code::PermissionDenied));
            let refused = controller.write(change, kind.clone()).await;
            assert_eq!(refused, Err(Code::InvalidArgument), "said to be constant");
        }
    }
    let default = TableEntry {
        table_id,
        is_default_action: true,
        action: action(ids.action("MyIngress.none"), &[]),
        ..TableEntry::default()
    };
    let refused = controller
        .write(Type::Modify, Kind::TableEntry(default))
        .await;
    assert_eq!(refused, Err(Code::PermissionDenied));
    let only_default = TableEntry {
        table_id: ids.table("MyIngress.exactly"),
        r#match: vec![exact(1, &[1]), exact(2, &[1])],
        action: action(ids.action("MyIngress.fallback"), &[]),
        ..TableEntry::default()
    };
    let refused = controller
        .write(Type::Insert, Kind::TableEntry(only_default))
        .await;
    assert_eq!(refused, Err(Code::PermissionDenied));
    switch.stop().await;
}

#[tokio::test]
async fn default_entries_change_and_return() {
    let (switch, mut links) = start().await;
    let mut controller = Controller::with_program(switch.grpc_address(), "l2.p4").await;
    let ids = Ids::of("l2.p4");
    let table_id = ids.table("MyIngress.destinations");
    let default = |action| {
        Kind::TableEntry(TableEntry {
            table_id,
            is_default_action: true,
            action,
            ..TableEntry::default()
        })
    };
    let initial = controller.read(default(None)).await.expect("readable");
    assert_eq!(
        initial,
        [default(action(ids.action("MyIngress.flood"), &[&[1]]))]
    );
    let forward = default(action(ids.action("MyIngress.forward"), &[&[3]]));
    controller
        .write(Type::Modify, forward.clone())
        .await
        .expect("not constant");
    assert_eq!(
        controller.read(default(None)).await.expect("readable"),
        [forward]
    );
    soon(links[0].sender.send(frame(1, 2)))
        .await
        .expect("the port is open");
    assert_eq!(soon(links[2].receiver.recv()).await, Some(frame(1, 2)));
    controller
        .write(Type::Modify, default(None))
        .await
        .expect("resets");
    assert_eq!(
        controller.read(default(None)).await.expect("readable"),
        initial
    );
    switch.stop().await;
}

#[tokio::test]
async fn groups_and_sessions_are_kept() {
    let (switch, _links) = start().await;
    let mut controller = Controller::with_program(switch.grpc_address(), "l2.p4").await;
    assert_eq!(
        controller.write(Type::Insert, group(0, &[1])).await,
        Err(Code::InvalidArgument)
    );
    assert_eq!(
        controller.write(Type::Modify, group(5, &[1])).await,
        Err(Code::NotFound)
    );
    controller
        .write(Type::Insert, group(5, &[1, 2]))
        .await
        .expect("new");
    assert_eq!(
        controller.write(Type::Insert, group(5, &[1])).await,
        Err(Code::AlreadyExists)
    );
    controller
        .write(Type::Modify, group(5, &[3]))
        .await
        .expect("was there");
    controller
        .write(Type::Insert, group(6, &[]))
        .await
        .expect("groups may be empty");
    let found = controller.read(group(0, &[])).await.expect("readable");
    assert_eq!(found, [group(5, &[3]), group(6, &[])]);
    assert_eq!(
        controller.read(group(5, &[])).await.expect("readable"),
        [group(5, &[3])]
    );
    controller
        .write(Type::Delete, group(5, &[]))
        .await
        .expect("was there");
    let session = |id, len| {
        let session = proto::CloneSessionEntry {
            session_id: id,
            packet_length_bytes: len,
            ..Default::default()
        };
        let r#type = Some(replication::Type::CloneSessionEntry(session));
        Kind::PacketReplicationEngineEntry(proto::PacketReplicationEngineEntry { r#type })
    };
    let refused = controller.write(Type::Insert, session(0, 0)).await;
    assert_eq!(refused, Err(Code::InvalidArgument));
    controller
        .write(Type::Insert, session(7, 64))
        .await
        .expect("new");
    let found = controller.read(session(0, 0)).await.expect("readable");
    assert_eq!(found, [session(7, 64)]);
    switch.stop().await;
}

#[tokio::test]
async fn arrays_are_read_and_written() {
    let (switch, _links) = start().await;
    let mut controller = Controller::with_program(switch.grpc_address(), "externs.p4").await;
    let text = text("externs.p4");
    let source = p4::Source {
        name: "externs.p4",
        text: &text,
        ..p4::Source::default()
    };
    let program = Offline::load(&source).expect("the program is valid");
    let ir = program.pipeline().program();
    let at = |index| Some(proto::Index { index });
    let data = |packet_count, byte_count| {
        Some(proto::CounterData {
            packet_count,
            byte_count,
        })
    };
    let counter = |index, data| {
        let counter_id = ir.counters[0].p4info_id;
        Kind::CounterEntry(proto::CounterEntry {
            counter_id,
            index,
            data,
        })
    };
    controller
        .write(Type::Modify, counter(at(2), data(5, 6)))
        .await
        .expect("in range");
    let refused = controller
        .write(Type::Modify, counter(at(4), data(5, 6)))
        .await;
    assert_eq!(refused, Err(Code::OutOfRange));
    let refused = controller
        .write(Type::Insert, counter(at(2), data(5, 6)))
        .await;
    assert_eq!(refused, Err(Code::InvalidArgument));
    let all = controller
        .read(counter(None, None))
        .await
        .expect("readable");
    let expected: Vec<Kind> = (0..4)
        .map(|cell| counter(at(cell), if cell == 2 { data(5, 6) } else { data(0, 0) }))
        .collect();
    assert_eq!(all, expected);
    let register = |number: usize, index, value: &[u8]| {
        let data = p4_data::Data::Bitstring(value.to_vec());
        Kind::RegisterEntry(proto::RegisterEntry {
            register_id: ir.registers[number].p4info_id,
            index,
            data: Some(proto::P4Data { data: Some(data) }),
        })
    };
    controller
        .write(Type::Modify, register(1, None, &[7; 12]))
        .await
        .expect("fits");
    let found = controller
        .read(register(1, at(1), &[]))
        .await
        .expect("readable");
    assert_eq!(found, [register(1, at(1), &[7; 12])]);
    let refused = controller
        .write(Type::Modify, register(0, at(0), &[1, 0, 0, 0, 0]))
        .await;
    assert_eq!(refused, Err(Code::OutOfRange));
    let meter = |config| {
        let meter_id = ir.meters[0].p4info_id;
        Kind::MeterEntry(proto::MeterEntry {
            meter_id,
            index: at(1),
            config,
            counter_data: None,
        })
    };
    let config = proto::MeterConfig {
        cir: 1,
        cburst: 2,
        pir: 3,
        pburst: 4,
        ..Default::default()
    };
    controller
        .write(Type::Modify, meter(Some(config)))
        .await
        .expect("in range");
    assert_eq!(
        controller.read(meter(None)).await.expect("readable"),
        [meter(Some(config))]
    );
    switch.stop().await;
}

#[tokio::test]
async fn reads_need_an_entity_and_a_device() {
    let (switch, _links) = start().await;
    let mut controller = Controller::with_program(switch.grpc_address(), "l2.p4").await;
    let empty = vec![proto::Entity { entity: None }];
    let refused = controller
        .read_all(1, empty)
        .await
        .expect_err("nothing is asked for");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let refused = controller
        .read_all(2, Vec::new())
        .await
        .expect_err("no such device");
    assert_eq!(refused.code(), Code::NotFound);
    for (device_id, expected) in [(0, None), (1, None), (2, Some(Code::NotFound))] {
        let request = proto::CapabilitiesRequest { device_id };
        let answer = soon(controller.client.capabilities(request)).await;
        assert_eq!(answer.err().map(|status| status.code()), expected);
    }
    switch.stop().await;
}
