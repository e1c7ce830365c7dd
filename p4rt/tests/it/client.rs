// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The client against a switch that keeps entries and forwards nothing.

use std::{future::Future, time::Duration};

use p4rt::{
    client::{
        Client, ConnectOptions, Connection, Pipeline, PipelineChange, Session, SessionOptions,
    },
    entry::{Condition, Entry, Key},
    fake::FakeSwitch,
    proto::p4::v1::{DigestList, Entity, PacketIn, TableEntry, Update, entity, update::Type},
    session::{Backoff, OtherPrimary, State},
    value::Match,
};
use tonic::Code;

use crate::{demo, demo_p4info};

const DEADLINE: Duration = Duration::from_secs(20);

fn options(switch: &FakeSwitch, election_id: u128) -> SessionOptions {
    let connect = ConnectOptions::new(switch.address().to_string(), 1);
    let backoff = Backoff {
        first: Duration::from_millis(10),
        longest: Duration::from_millis(50),
    };
    SessionOptions {
        backoff,
        ..SessionOptions::new(connect, election_id)
    }
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let in_time = tokio::time::timeout(DEADLINE, future).await;
    in_time.unwrap_or_else(|_| panic!("no {what} within {DEADLINE:?}"))
}

async fn until(session: &mut Session, condition: impl FnMut(&Connection) -> bool) -> Connection {
    let found = soon("change of state", session.connection.wait_for(condition)).await;
    found.expect("the session goes on").clone()
}

async fn primary(session: &mut Session) -> Client {
    let connection = until(session, |c| c.state == State::Primary).await;
    connection.client.expect("a primary has a client")
}

fn pipeline() -> Pipeline {
    Pipeline {
        p4info: demo_p4info(),
        device_config: b"program".to_vec(),
    }
}

fn forward(mac: u128, kind: Type) -> Update {
    let fields = [("hdr.ethernet.dst".to_owned(), Match::Exact(mac.into()))].into();
    let condition = Condition::Match {
        fields,
        priority: 0,
    };
    let key = Key {
        table: "ingress.l2_forward".to_owned(),
        condition,
    };
    let params = [("port".to_owned(), 1_u32.into())].into();
    let entry = Entry {
        key,
        action: "ingress.forward".to_owned(),
        params,
        metadata: Vec::new(),
    };
    let entry = entry.to_proto(&demo()).expect("the entry fits the program");
    let entity = Entity {
        entity: Some(entity::Entity::TableEntry(entry)),
    };
    Update {
        r#type: kind.into(),
        entity: Some(entity),
    }
}

fn all_tables() -> Vec<Entity> {
    vec![Entity {
        entity: Some(entity::Entity::TableEntry(TableEntry::default())),
    }]
}

#[tokio::test]
async fn a_program_is_pushed_once() {
    let switch = FakeSwitch::start().expect("a free port");
    let mut session = Session::start(options(&switch, 5));
    let client = primary(&mut session).await;
    let push = async |pipeline: Pipeline| client.ensure_pipeline(&pipeline).await.expect("a push");
    assert_eq!(push(pipeline()).await, PipelineChange::FirstPushed);
    assert_eq!(push(pipeline()).await, PipelineChange::Unchanged);
    assert_eq!(switch.pushes(), 1);
    let other = Pipeline {
        device_config: b"other".to_vec(),
        ..pipeline()
    };
    assert_eq!(
        push(other).await,
        PipelineChange::Replaced(pipeline().cookie())
    );
    assert_eq!(switch.pushes(), 2);
}

#[tokio::test]
async fn every_failure_of_a_large_batch_is_reported() {
    let switch = FakeSwitch::start().expect("a free port");
    let mut session = Session::start(options(&switch, 5));
    let client = primary(&mut session).await;
    client.push_pipeline(&pipeline()).await.expect("a push");
    let inserts: Vec<_> = (1..=1000).map(|mac| forward(mac, Type::Insert)).collect();
    assert_eq!(client.write(&inserts).await.expect("a write"), []);
    assert_eq!(switch.writes(), 4, "256 updates in a request");
    let again = client.write(&inserts).await.expect("a write with failures");
    assert!(
        again
            .iter()
            .all(|failure| failure.code == Code::AlreadyExists)
    );
    let places: Vec<_> = again.iter().map(|failure| failure.index).collect();
    assert_eq!(places, (0..1000).collect::<Vec<_>>());
    assert_eq!(client.read(all_tables()).await.expect("a read").len(), 1000);
    let delete = [forward(1, Type::Delete), forward(4000, Type::Delete)];
    let failures = client.write(&delete).await.expect("a write with a failure");
    let short: Vec<_> = failures
        .iter()
        .map(|failure| (failure.index, failure.code))
        .collect();
    assert_eq!(short, [(1, Code::NotFound)]);
}

#[tokio::test]
async fn a_backup_takes_over_when_the_primary_leaves() {
    let switch = FakeSwitch::start().expect("a free port");
    let mut first = Session::start(options(&switch, 10));
    primary(&mut first).await;
    let mut second = Session::start(options(&switch, 5));
    let backup = until(&mut second, |c| matches!(c.state, State::Backup { .. })).await;
    let expected = State::Backup {
        highest: Some(10),
        other: OtherPrimary::Present,
    };
    assert_eq!(backup.state, expected);
    let refused = backup
        .client
        .expect("a backup may read")
        .push_pipeline(&pipeline())
        .await;
    assert_eq!(
        refused.expect_err("a backup may not write").code(),
        Code::PermissionDenied
    );
    soon("end of the session", first.stop()).await;
    primary(&mut second).await;
}

#[tokio::test]
async fn a_taken_election_id_is_a_loss_with_a_reason() {
    let switch = FakeSwitch::start().expect("a free port");
    let mut first = Session::start(options(&switch, 5));
    primary(&mut first).await;
    let mut second = Session::start(options(&switch, 5));
    let lost = until(&mut second, |c| matches!(c.state, State::Lost { .. })).await;
    let State::Lost { reason, .. } = lost.state else {
        unreachable!("waited for this state")
    };
    assert_eq!(reason, "InvalidArgument: election id is taken");
}

#[tokio::test]
async fn a_session_returns_after_a_restart() {
    let switch = FakeSwitch::start().expect("a free port");
    let address = switch.address();
    let mut session = Session::start(options(&switch, 5));
    primary(&mut session).await;
    let before = session.connection.borrow().generation;
    drop(switch);
    let lost = until(&mut session, |c| matches!(c.state, State::Lost { .. })).await;
    assert!(lost.client.is_none());
    let switch = FakeSwitch::start_at(address).expect("the same port");
    let back = until(&mut session, |c| c.state == State::Primary).await;
    assert!(back.generation > before);
    let client = back.client.expect("a primary has a client");
    let change = client.ensure_pipeline(&pipeline()).await.expect("a push");
    assert_eq!((change, switch.pushes()), (PipelineChange::FirstPushed, 1));
}

fn list(list_id: u64) -> DigestList {
    DigestList {
        digest_id: 0x1700_0002,
        list_id,
        ..DigestList::default()
    }
}

#[tokio::test]
async fn digests_arrive_in_order_and_are_acknowledged() {
    let switch = FakeSwitch::start().expect("a free port");
    let mut session = Session::start(options(&switch, 5));
    let client = primary(&mut session).await;
    for list_id in 1..=3 {
        assert!(switch.send_digest(list(list_id)));
        let digest = soon("digest", session.digests.recv())
            .await
            .expect("the session goes on");
        assert_eq!(digest.list, list(list_id));
        client.acknowledge(&digest).await;
    }
    let acked = async {
        while switch.acks().len() < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon("acknowledgement", acked).await;
    let ids: Vec<_> = switch.acks().iter().map(|ack| ack.list_id).collect();
    assert_eq!(ids, [1, 2, 3]);
}

#[tokio::test]
async fn queues_are_bounded_and_losses_counted() {
    let switch = FakeSwitch::start().expect("a free port");
    let small = SessionOptions {
        digest_queue: 2,
        packet_queue: 1,
        ..options(&switch, 5)
    };
    let mut session = Session::start(small);
    primary(&mut session).await;
    for list_id in 1..=5 {
        assert!(switch.send_digest(list(list_id)));
    }
    for payload in 1..=3 {
        assert!(switch.send_packet(PacketIn {
            payload: vec![payload],
            metadata: Vec::new()
        }));
    }
    let counted = async {
        while session.drops().packets < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon("drop", counted).await;
    assert_eq!(session.drops().digests, 3);
    let first = soon("digest", session.digests.recv())
        .await
        .expect("the session goes on");
    assert_eq!(first.list.list_id, 1, "the oldest are kept");
}

#[tokio::test]
async fn reading_needs_no_session() {
    let switch = FakeSwitch::start().expect("a free port");
    let options = ConnectOptions::new(switch.address().to_string(), 1);
    let client = Client::connect(&options).await.expect("a connection");
    assert_eq!(client.capabilities().await.expect("an answer"), "1.5.0");
    assert!(client.read(all_tables()).await.expect("a read").is_empty());
    let error = client
        .write(&[forward(1, Type::Insert)])
        .await
        .expect_err("nobody is primary");
    assert_eq!(error.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_missing_switch_is_an_error() {
    let address = {
        let switch = FakeSwitch::start().expect("a free port");
        switch.address().to_string()
    };
    let mut gone = ConnectOptions::new(address.clone(), 1);
    gone.connect_timeout = Duration::from_secs(2);
    // The port closes in the background.
    let refused = async {
        loop {
            if let Err(error) = Client::connect(&gone).await {
                return error;
            }
        }
    };
    let error = soon("refusal", refused).await;
    assert_eq!(error.to_string(), format!("cannot reach {address}"));
    let error = Client::connect(&ConnectOptions::new("no address", 1)).await;
    assert!(
        error
            .expect_err("a space is not part of an address")
            .to_string()
            .contains("host:port")
    );
}
