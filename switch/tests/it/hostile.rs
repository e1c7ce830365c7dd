// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whatever comes in, nothing panics, and the switch goes on.

use p4rt::proto::p4::v1::{
    self as proto, FieldMatch, TableEntry, entity::Entity as Kind, field_match,
    field_match::FieldMatchType, set_forwarding_pipeline_config_request::Action,
    stream_message_request, update::Type,
};
use proptest::prelude::*;
use switch::run::{Config, Switch};

use crate::{
    controller::{Controller, update},
    support::Bench,
};

const PROGRAMS: [&str; 5] = [
    "l2.p4",
    "matches.p4",
    "parser.p4",
    "traffic.p4",
    "externs.p4",
];

const GROUPS: &str = r#"{
    "multicast_groups": [{"id": 1, "replicas": [{"port": 4, "instance": 1}]}],
    "clone_sessions": [{"id": 1, "replicas": [{"port": 9, "instance": 3}]}]
}"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Every packet ends: it is sent, dropped for a reason, or both with its copies.
    #[test]
    fn any_packet_ends(
        packets in prop::collection::vec(
            (0..512_u32, prop::collection::vec(any::<u8>(), 0..80)), 1..40),
    ) {
        for name in PROGRAMS {
            let mut bench = Bench::with_entries(name, GROUPS);
            for (port, packet) in &packets {
                let (kept, _) = bench.run_on(*port, packet);
                prop_assert!(!kept.sent.is_empty() || !kept.drops.is_empty(), "{name}: {packet:?}");
            }
        }
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..10)
}

/// Mostly ids that exist, so that updates come further than the first check.
fn id(kind: u32) -> impl Strategy<Value = u32> {
    let known: Vec<u32> = PROGRAMS[..2]
        .iter()
        .flat_map(|name| {
            let bench = Bench::new(name);
            let info = bench.program.p4info().clone();
            let tables = info.tables.into_iter().filter_map(|table| table.preamble);
            let actions = info
                .actions
                .into_iter()
                .filter_map(|action| action.preamble);
            tables
                .chain(actions)
                .map(|preamble| preamble.id)
                .collect::<Vec<_>>()
        })
        .filter(|id| id >> 24 == kind)
        .collect();
    prop_oneof![8 => prop::sample::select(known), 1 => any::<u32>(), 1 => Just(0)]
}

fn field() -> impl Strategy<Value = FieldMatch> {
    let kind = prop_oneof![
        bytes().prop_map(|value| FieldMatchType::Exact(field_match::Exact { value })),
        (bytes(), bytes()).prop_map(|(value, mask)| {
            FieldMatchType::Ternary(field_match::Ternary { value, mask })
        }),
        (bytes(), any::<i32>()).prop_map(|(value, prefix_len)| {
            FieldMatchType::Lpm(field_match::Lpm { value, prefix_len })
        }),
        (bytes(), bytes())
            .prop_map(|(low, high)| { FieldMatchType::Range(field_match::Range { low, high }) }),
        bytes().prop_map(|value| FieldMatchType::Optional(field_match::Optional { value })),
    ];
    (0..4_u32, prop::option::of(kind)).prop_map(|(field_id, field_match_type)| FieldMatch {
        field_id,
        field_match_type,
    })
}

fn table_entry() -> impl Strategy<Value = Kind> {
    let param = (0..4_u32, bytes());
    let params = prop::collection::vec(
        param.prop_map(|(param_id, value)| proto::action::Param { param_id, value }),
        0..3,
    );
    let action = (id(1), params).prop_map(|(action_id, params)| {
        let action = proto::Action { action_id, params };
        proto::TableAction {
            r#type: Some(proto::table_action::Type::Action(action)),
        }
    });
    let matches = prop::collection::vec(field(), 0..3);
    (
        id(2),
        matches,
        prop::option::of(action),
        -1..3_i32,
        any::<bool>(),
        any::<i64>(),
    )
        .prop_map(
            |(table_id, r#match, action, priority, is_default_action, idle_timeout_ns)| {
                Kind::TableEntry(TableEntry {
                    table_id,
                    r#match,
                    action,
                    priority,
                    is_default_action,
                    idle_timeout_ns,
                    ..TableEntry::default()
                })
            },
        )
}

fn entity() -> impl Strategy<Value = Kind> {
    let index = || prop::option::of(any::<i64>().prop_map(|index| proto::Index { index }));
    prop_oneof![
        6 => table_entry(),
        1 => (any::<u32>(), index()).prop_map(|(counter_id, index)| {
            Kind::CounterEntry(proto::CounterEntry { counter_id, index, data: None })
        }),
        1 => (any::<u32>(), index()).prop_map(|(register_id, index)| {
            Kind::RegisterEntry(proto::RegisterEntry { register_id, index, data: None })
        }),
        1 => Just(Kind::PacketReplicationEngineEntry(proto::PacketReplicationEngineEntry::default())),
        1 => Just(Kind::DirectCounterEntry(proto::DirectCounterEntry::default())),
        1 => Just(Kind::ExternEntry(proto::ExternEntry::default())),
    ]
}

#[test]
fn any_request_gets_an_answer() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let config = Config {
        links: vec![1],
        cpu_port: Some(510),
        ..Config::default()
    };
    let switch = runtime
        .block_on(Switch::start(config))
        .expect("the switch starts");
    let address = switch.grpc_address();
    let mut controller = runtime.block_on(Controller::with_program(address, "l2.p4"));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(60));
    let input = (
        prop::collection::vec((0..5_i32, entity()), 0..30),
        prop::collection::vec(entity(), 0..5),
        bytes(),
    );
    let controller = std::sync::Mutex::new(&mut controller);
    runner
        .run(&input, |(updates, wanted, payload)| {
            let mut controller = controller.lock().expect("no test has failed before");
            let updates = updates
                .into_iter()
                .map(|(kind, entity)| proto::Update {
                    r#type: kind,
                    ..update(Type::Insert, entity)
                })
                .collect();
            runtime.block_on(async {
                // Whether they succeed is not the question here.
                _ = controller.write_all(updates).await;
                for kind in wanted {
                    _ = controller.read(kind).await;
                }
                let packet = proto::PacketOut {
                    payload,
                    metadata: Vec::new(),
                };
                controller
                    .say(stream_message_request::Update::Packet(packet))
                    .await;
                _ = controller.hear().await;
            });
            Ok(())
        })
        .expect("no panic");
    let controller = controller.into_inner().expect("no test has failed before");
    runtime.block_on(async {
        let pushed = controller.push("matches.p4", Action::VerifyAndCommit).await;
        pushed.expect("the switch goes on");
        switch.stop().await;
    });
}
