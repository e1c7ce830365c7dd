// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Packets through a switch that a controller programs, and what the controller hears of them: packets, digests,
//! idle entries. Through a real client, as in `server`.

use p4rt::proto::p4::v1::{
    self as proto, TableEntry, entity::Entity as Kind, p4_data, stream_message_request,
    stream_message_response::Update as Message, update::Type,
};
use tonic::Code;

use crate::{
    controller::{Controller, soon},
    server::{Ids, action, destination, exact, frame, group, start},
};

#[tokio::test]
async fn packets_flow_and_are_counted() {
    let (switch, mut links) = start().await;
    let mut controller = Controller::with_program(switch.grpc_address(), "l2.p4").await;
    let ids = Ids::of("l2.p4");
    controller
        .write(Type::Insert, group(1, &[1, 2, 3]))
        .await
        .expect("new");
    let entry = destination(&ids, &[2, 0, 0, 0, 0, 9], 2);
    controller
        .write(Type::Insert, Kind::TableEntry(entry.clone()))
        .await
        .expect("new");
    // Flooded to all ports but its own.
    soon(links[0].sender.send(frame(0xff, 1)))
        .await
        .expect("the port is open");
    assert_eq!(soon(links[1].receiver.recv()).await, Some(frame(0xff, 1)));
    assert_eq!(soon(links[2].receiver.recv()).await, Some(frame(0xff, 1)));
    for _ in 0..3 {
        soon(links[0].sender.send(frame(9, 1)))
            .await
            .expect("the port is open");
        assert_eq!(soon(links[1].receiver.recv()).await, Some(frame(9, 1)));
    }
    let count = proto::CounterData {
        packet_count: 3,
        byte_count: 72,
    };
    let wanted = TableEntry {
        action: None,
        ..entry.clone()
    };
    let direct = Kind::DirectCounterEntry(proto::DirectCounterEntry {
        table_entry: Some(TableEntry {
            table_id: entry.table_id,
            ..TableEntry::default()
        }),
        data: None,
    });
    let shown = Kind::DirectCounterEntry(proto::DirectCounterEntry {
        table_entry: Some(wanted.clone()),
        data: Some(count),
    });
    assert_eq!(
        controller.read(direct.clone()).await.expect("readable"),
        [shown]
    );
    let with = TableEntry {
        counter_data: Some(proto::CounterData::default()),
        ..wanted.clone()
    };
    let found = controller
        .read(Kind::TableEntry(with))
        .await
        .expect("readable");
    assert_eq!(
        found,
        [Kind::TableEntry(TableEntry {
            counter_data: Some(count),
            ..entry
        })]
    );
    let zero = Kind::DirectCounterEntry(proto::DirectCounterEntry {
        table_entry: Some(wanted),
        data: Some(proto::CounterData::default()),
    });
    controller
        .write(Type::Modify, zero.clone())
        .await
        .expect("counters can be set");
    assert_eq!(controller.read(direct).await.expect("readable"), [zero]);
    switch.stop().await;
}

#[tokio::test]
async fn packets_to_and_from_the_controller() {
    let (switch, mut links) = start().await;
    let mut controller = Controller::with_program(switch.grpc_address(), "l2.p4").await;
    let ids = Ids::of("l2.p4");
    let metadata = |id: u32, value: &[u8]| proto::PacketMetadata {
        metadata_id: id,
        value: value.to_vec(),
    };
    let out = proto::PacketOut {
        payload: frame(1, 2),
        metadata: vec![metadata(1, &[2]), metadata(2, &[0])],
    };
    controller
        .say(stream_message_request::Update::Packet(out.clone()))
        .await;
    assert_eq!(soon(links[1].receiver.recv()).await, Some(frame(1, 2)));
    let mut punt = destination(&ids, &[2, 0, 0, 0, 0, 5], 1);
    punt.action = action(ids.action("MyIngress.punt"), &[]);
    controller
        .write(Type::Insert, Kind::TableEntry(punt))
        .await
        .expect("new");
    soon(links[2].sender.send(frame(5, 6)))
        .await
        .expect("the port is open");
    let expected = proto::PacketIn {
        payload: frame(5, 6),
        metadata: vec![metadata(1, &[3]), metadata(2, &[0])],
    };
    assert_eq!(
        controller.hear().await.expect("open"),
        Message::Packet(expected)
    );
    let broken = proto::PacketOut {
        metadata: vec![metadata(1, &[2])],
        ..out.clone()
    };
    controller
        .say(stream_message_request::Update::Packet(broken.clone()))
        .await;
    let Message::Error(error) = controller.hear().await.expect("open") else {
        panic!("the packet is refused")
    };
    assert_eq!(Code::from_i32(error.canonical_code), Code::InvalidArgument);
    let mut backup = Controller::connect(switch.grpc_address()).await;
    backup.bid(None).await.expect("accepted");
    backup
        .say(stream_message_request::Update::Packet(out))
        .await;
    let Message::Error(error) = backup.hear().await.expect("open") else {
        panic!("backups may not send")
    };
    assert_eq!(Code::from_i32(error.canonical_code), Code::PermissionDenied);
    switch.stop().await;
}

#[tokio::test]
async fn digests_are_listed_suppressed_and_acknowledged() {
    let (switch, links) = start().await;
    let mut controller = Controller::with_program(switch.grpc_address(), "l2.p4").await;
    let ids = Ids::of("l2.p4");
    let digest_id = ids
        .0
        .digest("learn_t")
        .expect("the program has this digest")
        .id;
    let entry = |config| Kind::DigestEntry(proto::DigestEntry { digest_id, config });
    let config = |timeout_ns, size, ack_ns| {
        Some(proto::digest_entry::Config {
            max_timeout_ns: timeout_ns,
            max_list_size: size,
            ack_timeout_ns: ack_ns,
        })
    };
    let hour = 3_600_000_000_000;
    let first = entry(config(hour, 2, hour));
    assert_eq!(
        controller.write(Type::Modify, first.clone()).await,
        Err(Code::NotFound)
    );
    controller
        .write(Type::Insert, first.clone())
        .await
        .expect("new");
    assert_eq!(
        controller.write(Type::Insert, first.clone()).await,
        Err(Code::AlreadyExists)
    );
    let all = Kind::DigestEntry(proto::DigestEntry::default());
    assert_eq!(
        controller.read(all.clone()).await.expect("readable"),
        [first]
    );
    // Two equal samples are one; the second address fills the list.
    for src in [1, 1, 2] {
        soon(links[0].sender.send(frame(9, src)))
            .await
            .expect("the port is open");
    }
    let Message::Digest(list) = controller.hear().await.expect("open") else {
        panic!("a digest comes first")
    };
    assert_eq!(list.digest_id, digest_id);
    let samples: Vec<Vec<Vec<u8>>> = list.data.iter().map(members).collect();
    let mac = |src| vec![2, 0, 0, 0, 0, src];
    assert_eq!(samples, [vec![mac(1), vec![1]], vec![mac(2), vec![1]]]);
    assert!(
        list.timestamp > 1_000_000_000_000_000_000,
        "nanoseconds since the epoch"
    );
    let ack = proto::DigestListAck {
        digest_id,
        list_id: list.list_id,
    };
    controller
        .say(stream_message_request::Update::DigestAck(ack))
        .await;
    // Unknown digests are refused, which also shows that the acknowledgement before was handled.
    let bad = proto::DigestListAck {
        digest_id: 1,
        list_id: 1,
    };
    controller
        .say(stream_message_request::Update::DigestAck(bad))
        .await;
    let Message::Error(error) = controller.hear().await.expect("open") else {
        panic!("there is no such digest")
    };
    assert_eq!(Code::from_i32(error.canonical_code), Code::InvalidArgument);
    for src in [2, 1] {
        soon(links[0].sender.send(frame(9, src)))
            .await
            .expect("the port is open");
    }
    let Message::Digest(list) = controller.hear().await.expect("open") else {
        panic!("acknowledged samples come again")
    };
    assert_eq!(list.data.len(), 2);
    controller
        .write(Type::Delete, entry(None))
        .await
        .expect("was there");
    assert_eq!(controller.read(all).await.expect("readable"), []);
    controller
        .write(Type::Insert, entry(config(1_000_000, 0, 0)))
        .await
        .expect("new");
    soon(links[0].sender.send(frame(9, 7)))
        .await
        .expect("the port is open");
    let Message::Digest(list) = controller.hear().await.expect("open") else {
        panic!("the time-out sends the list")
    };
    assert_eq!(list.data.len(), 1);
    switch.stop().await;
}

fn members(data: &proto::P4Data) -> Vec<Vec<u8>> {
    let Some(p4_data::Data::Struct(fields)) = &data.data else {
        panic!("{data:?}")
    };
    let bits = |member: &proto::P4Data| match &member.data {
        Some(p4_data::Data::Bitstring(bits)) => bits.clone(),
        other => panic!("{other:?}"),
    };
    fields.members.iter().map(bits).collect()
}

#[tokio::test]
async fn idle_entries_are_reported() {
    let (switch, _links) = start().await;
    let mut controller = Controller::with_program(switch.grpc_address(), "l2.p4").await;
    let ids = Ids::of("l2.p4");
    let mut entry = destination(&ids, &[9], 1);
    entry.idle_timeout_ns = 1_000_000;
    controller
        .write(Type::Insert, Kind::TableEntry(entry.clone()))
        .await
        .expect("new");
    for _ in 0..2 {
        let Message::IdleTimeoutNotification(news) = controller.hear().await.expect("open") else {
            panic!("nothing else happens")
        };
        assert_eq!(
            news.table_entry,
            [TableEntry {
                action: None,
                ..entry.clone()
            }]
        );
    }
    let mut other = destination(&ids, &[9], 1);
    other.table_id = ids.table("MyIngress.sources");
    other.r#match = vec![exact(1, &[1]), exact(2, &[1])];
    other.action = action(ids.action("NoAction"), &[]);
    other.idle_timeout_ns = 1;
    let refused = controller
        .write(Type::Insert, Kind::TableEntry(other))
        .await;
    assert_eq!(refused, Err(Code::InvalidArgument));
    switch.stop().await;
}
