// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Action profiles and selectors, and batches of updates that are carried out wholly or not at
//! all: `testdata/profiles.p4` and `testdata/l2.p4`.

use std::collections::BTreeMap;

use p4rt::{
    proto::p4::v1::{
        self as proto, TableEntry, action_profile_group::Member, entity::Entity as Kind,
        set_forwarding_pipeline_config_request::Action as Commit, table_action, update::Type,
        write_request::Atomicity,
    },
    status::update_failures,
};
use switch::{ports::Link, run::Switch};
use tonic::Code;

use crate::{
    controller::{Controller, soon, update},
    server::{Ids, destination, exact, group as multicast, start},
};

/// A switch with a program, and its primary controller.
async fn with(program: &str) -> (Switch, Vec<Link>, Controller) {
    let (switch, links) = start().await;
    let mut controller = Controller::primary(switch.grpc_address(), 1).await;
    let pushed = controller.push(program, Commit::VerifyAndCommit).await;
    pushed.expect("the program is valid");
    (switch, links, controller)
}

/// Ids of the action profiles of a program, by name.
async fn profiles(controller: &mut Controller) -> BTreeMap<String, u32> {
    let request = proto::GetForwardingPipelineConfigRequest {
        device_id: 1,
        ..Default::default()
    };
    let answer = soon(controller.client.get_forwarding_pipeline_config(request)).await;
    let config = answer.expect("there is a program").into_inner().config;
    let info = config.expect("was asked for").p4info.expect("likewise");
    let named = info.action_profiles.into_iter().filter_map(|p| p.preamble);
    named.map(|p| (p.name, p.id)).collect()
}

fn answer(ids: &Ids, value: u8) -> proto::Action {
    proto::Action {
        action_id: ids.action("MyIngress.answer"),
        params: vec![proto::action::Param {
            param_id: 1,
            value: vec![value],
        }],
    }
}

fn member(profile: u32, id: u32, action: proto::Action) -> Kind {
    Kind::ActionProfileMember(proto::ActionProfileMember {
        action_profile_id: profile,
        member_id: id,
        action: Some(action),
    })
}

fn group(profile: u32, id: u32, members: &[(u32, i32)]) -> Kind {
    let members = members.iter().map(|(member_id, weight)| Member {
        member_id: *member_id,
        weight: *weight,
        watch_kind: None,
    });
    Kind::ActionProfileGroup(proto::ActionProfileGroup {
        action_profile_id: profile,
        group_id: id,
        members: members.collect(),
        max_size: 0,
    })
}

fn entry(table: u32, key: u8, action: table_action::Type) -> Kind {
    Kind::TableEntry(TableEntry {
        table_id: table,
        r#match: vec![exact(1, &[key])],
        action: Some(proto::TableAction {
            r#type: Some(action),
        }),
        ..TableEntry::default()
    })
}

/// Sends requests of one key and many flows, and counts the answers.
async fn answers(links: &mut [Link], table: u8, key: u8, flows: u16) -> BTreeMap<u8, usize> {
    let mut counts = BTreeMap::new();
    for flow in 0..flows {
        // A CRC of numbers in a row has a pattern in its low bits.
        let [high, low] = flow.wrapping_mul(0x9e37).to_be_bytes();
        let packet = vec![table, key, high, low, 0];
        soon(links[0].sender.send(packet))
            .await
            .expect("the port is open");
        let sent = soon(links[1].receiver.recv()).await;
        let sent = sent.expect("the switch runs");
        *counts.entry(sent[4]).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn members_are_shared() {
    let (switch, mut links, mut controller) = with("profiles.p4").await;
    let ids = Ids::of("profiles.p4");
    let table = ids.table("MyIngress.single");
    let profile = profiles(&mut controller).await["MyIngress.shared"];
    let by_member = table_action::Type::ActionProfileMemberId;
    let mut write = async |kind, entity| controller.write(kind, entity).await;
    let one = |value| member(profile, 1, answer(&ids, value));
    let user = || entry(table, 5, by_member(1));
    assert_eq!(write(Type::Insert, user()).await, Err(Code::NotFound));
    assert_eq!(write(Type::Insert, one(7)).await, Ok(()));
    assert_eq!(write(Type::Insert, one(7)).await, Err(Code::AlreadyExists));
    assert_eq!(write(Type::Insert, user()).await, Ok(()));
    let direct = entry(table, 6, table_action::Type::Action(answer(&ids, 1)));
    assert_eq!(
        write(Type::Insert, direct).await,
        Err(Code::InvalidArgument)
    );
    let by_group = entry(table, 6, table_action::Type::ActionProfileGroupId(1));
    assert_eq!(
        write(Type::Insert, by_group).await,
        Err(Code::InvalidArgument)
    );
    assert_eq!(answers(&mut links, 0, 5, 1).await, [(7, 1)].into());
    assert_eq!(write(Type::Modify, one(8)).await, Ok(()));
    assert_eq!(answers(&mut links, 0, 5, 1).await, [(8, 1)].into());
    assert_eq!(
        write(Type::Delete, one(8)).await,
        Err(Code::FailedPrecondition)
    );
    let other = |id| member(profile, id, answer(&ids, 9));
    assert_eq!(write(Type::Insert, other(2)).await, Ok(()));
    assert_eq!(
        write(Type::Insert, other(3)).await,
        Err(Code::ResourceExhausted)
    );
    assert_eq!(write(Type::Delete, user()).await, Ok(()));
    assert_eq!(write(Type::Delete, one(8)).await, Ok(()));
    assert_eq!(answers(&mut links, 0, 5, 1).await, [(0xff, 1)].into());
    let all = Kind::ActionProfileMember(proto::ActionProfileMember::default());
    let found = controller.read(all).await.expect("readable");
    assert_eq!(found, [other(2)]);
    switch.stop().await;
}

#[tokio::test]
async fn selectors_spread_flows_by_weight() {
    let (switch, mut links, mut controller) = with("profiles.p4").await;
    let ids = Ids::of("profiles.p4");
    let table = ids.table("MyIngress.spread");
    let profile = profiles(&mut controller).await["MyIngress.chosen"];
    for (id, value) in [(1, 10), (2, 20)] {
        let member = member(profile, id, answer(&ids, value));
        assert_eq!(controller.write(Type::Insert, member).await, Ok(()));
    }
    let mut write = async |kind, entity| controller.write(kind, entity).await;
    let two = |weight| group(profile, 4, &[(1, weight), (2, 3)]);
    assert_eq!(
        write(Type::Insert, two(0)).await,
        Err(Code::InvalidArgument)
    );
    let unknown = group(profile, 4, &[(9, 1)]);
    assert_eq!(write(Type::Insert, unknown).await, Err(Code::NotFound));
    assert_eq!(write(Type::Insert, two(1)).await, Ok(()));
    let by_group = entry(table, 5, table_action::Type::ActionProfileGroupId(4));
    assert_eq!(write(Type::Insert, by_group.clone()).await, Ok(()));
    let counts = answers(&mut links, 1, 5, 400).await;
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), [10, 20]);
    assert!((60..140).contains(&counts[&10]), "a quarter: {counts:?}");
    let again = answers(&mut links, 1, 5, 400).await;
    assert_eq!(again, counts, "a flow stays with its member");
    let first = member(profile, 1, answer(&ids, 10));
    assert_eq!(
        write(Type::Delete, first).await,
        Err(Code::FailedPrecondition)
    );
    assert_eq!(
        write(Type::Modify, group(profile, 4, &[(2, 1)])).await,
        Ok(())
    );
    assert_eq!(answers(&mut links, 1, 5, 20).await, [(20, 20)].into());
    assert_eq!(write(Type::Modify, group(profile, 4, &[])).await, Ok(()));
    assert_eq!(answers(&mut links, 1, 5, 3).await, [(0xff, 3)].into());
    let list = proto::ActionProfileActionSet {
        action_profile_actions: [30, 40]
            .map(|value| proto::ActionProfileAction {
                action: Some(answer(&ids, value)),
                weight: 1,
                watch_kind: None,
            })
            .into(),
        ..proto::ActionProfileActionSet::default()
    };
    let one_shot = entry(table, 6, table_action::Type::ActionProfileActionSet(list));
    assert_eq!(
        write(Type::Insert, one_shot.clone()).await,
        Err(Code::InvalidArgument),
        "the profile has members"
    );
    let groups = Kind::ActionProfileGroup(proto::ActionProfileGroup::default());
    let member = |id, value| member(profile, id, answer(&ids, value));
    assert_eq!(write(Type::Delete, by_group).await, Ok(()));
    assert_eq!(write(Type::Delete, group(profile, 4, &[])).await, Ok(()));
    assert_eq!(write(Type::Delete, member(1, 10)).await, Ok(()));
    assert_eq!(write(Type::Delete, member(2, 20)).await, Ok(()));
    assert_eq!(write(Type::Insert, one_shot.clone()).await, Ok(()));
    assert_eq!(
        write(Type::Insert, member(1, 10)).await,
        Err(Code::InvalidArgument),
        "an entry is programmed in one shot"
    );
    let counts = answers(&mut links, 1, 6, 100).await;
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), [30, 40]);
    let found = controller.read(Kind::TableEntry(TableEntry {
        table_id: table,
        ..TableEntry::default()
    }));
    assert_eq!(found.await.expect("readable"), [one_shot]);
    let found = controller.read(groups).await.expect("readable");
    assert_eq!(found, []);
    switch.stop().await;
}

#[tokio::test]
async fn batches_are_carried_out_wholly_or_not_at_all() {
    let (switch, _links, mut controller) = with("l2.p4").await;
    let ids = Ids::of("l2.p4");
    let at = |mac: u8, port| Kind::TableEntry(destination(&ids, &[mac], port));
    for mac in [1, 2] {
        assert_eq!(controller.write(Type::Insert, at(mac, 1)).await, Ok(()));
    }
    let everything = || {
        vec![
            Kind::TableEntry(TableEntry::default()),
            Kind::PacketReplicationEngineEntry(proto::PacketReplicationEngineEntry {
                r#type: Some(
                    proto::packet_replication_engine_entry::Type::MulticastGroupEntry(
                        proto::MulticastGroupEntry::default(),
                    ),
                ),
            }),
        ]
    };
    let mut before = Vec::new();
    for kind in everything() {
        before.extend(controller.read(kind).await.expect("readable"));
    }
    let batch = |last| {
        vec![
            update(Type::Insert, at(3, 1)),
            update(Type::Modify, at(1, 2)),
            update(Type::Delete, at(2, 1)),
            update(Type::Insert, multicast(7, &[1, 2])),
            update(Type::Insert, last),
            update(Type::Insert, at(9, 1)),
        ]
    };
    for atomicity in [Atomicity::RollbackOnError, Atomicity::DataplaneAtomic] {
        let refused = controller.write_with(atomicity, batch(at(3, 2))).await;
        let status = refused.expect_err("one update fails");
        let failures = update_failures(&status, 6).expect("one error for each update");
        let codes = failures.iter().map(|failure| (failure.index, failure.code));
        let mut expected = [Code::Aborted; 6];
        expected[4] = Code::AlreadyExists;
        assert_eq!(
            codes.collect::<Vec<_>>(),
            (0..).zip(expected).collect::<Vec<_>>()
        );
        let mut after = Vec::new();
        for kind in everything() {
            after.extend(controller.read(kind).await.expect("readable"));
        }
        let sorted = |mut kinds: Vec<Kind>| {
            kinds.sort_by_key(|kind| format!("{kind:?}"));
            kinds
        };
        assert_eq!(sorted(after), sorted(before.clone()));
    }
    let done = controller.write_with(Atomicity::DataplaneAtomic, batch(at(4, 2)));
    done.await.expect("all updates fit");
    let entries = controller.read(Kind::TableEntry(TableEntry::default()));
    assert_eq!(entries.await.expect("readable").len(), 4);
    switch.stop().await;
}
