// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Plans on their way from the controller to a node.

use std::{collections::BTreeMap, sync::Arc};

use contact::UtcTime;
use control::{
    desired::Item,
    holder::Holder,
    orders::{Intent, Orders, Origin},
    plan::{apply, difference, pack, program, unpack},
    proto::{Ack, ControllerMessage, Plan, SlowPath, ack::Stage, controller_message::Message},
    roll_out::RollOut,
    rules::{Note, Rule, Rules},
};
use p4rt::{Entry, client::Pipeline, entries::TableLine, p4info::Index};
use proptest::prelude::*;

const P4INFO: &str = include_str!("../../../p4rt/testdata/demo.p4info.txtpb");
const NODE: u64 = 10;

fn pipeline() -> Pipeline {
    Pipeline {
        p4info: p4rt::text::parse(P4INFO).expect("the file is valid"),
        device_config: b"program".to_vec(),
    }
}

fn index() -> Arc<Index> {
    Arc::new(Index::new(&pipeline().p4info).expect("the file is consistent"))
}

fn seconds(seconds: u64) -> UtcTime {
    UtcTime::from_seconds(seconds)
}

fn entry(host: u8) -> Entry {
    let line = TableLine {
        table: "ingress.peer".to_owned(),
        fields: [("hdr.ipv4.dst".to_owned(), format!("10.0.0.{host}"))].into(),
        action: "ingress.speaks_v7".to_owned(),
        params: BTreeMap::new(),
        priority: None,
    };
    line.resolve(&index()).expect("the line fits the program")
}

/// Orders with one entry for all times, and rules for hosts.
fn orders(rules: &[(u8, u64, u64)]) -> Orders {
    let mut intent = Intent::default();
    intent.put(Item::Entry(entry(200)), Origin::Controller);
    let rule = |(host, from, until): &(u8, u64, u64)| {
        let note = Note {
            version: 1,
            until: seconds(*until),
        };
        Rule::new(
            entry(*host),
            note,
            seconds(*from),
            format!("contact with {host}"),
        )
    };
    let rules = Rules::new(rules.iter().map(rule).collect()).expect("rules do not overlap");
    let slow_path = SlowPath {
        addresses: vec!["10.9.0.1".to_owned()],
        ..SlowPath::default()
    };
    Orders {
        intent,
        rules,
        slow_path,
    }
}

fn plan(version: u64, activate_at: u64, rules: &[(u8, u64, u64)]) -> Plan {
    let program = program(&pipeline(), &[1, 2], 8);
    let packed = pack(
        version,
        seconds(activate_at),
        program,
        &orders(rules),
        &index(),
    );
    packed.expect("the entries fit the program")
}

fn message(plan: Plan) -> ControllerMessage {
    ControllerMessage {
        message: Some(Message::Plan(plan)),
    }
}

#[test]
fn a_plan_is_read_as_it_was_written() {
    let rules = [(1, 10, 20), (1, 20, 30), (2, 5, 40)];
    let unpacked = unpack(&plan(1, 0, &rules)).expect("it is a plan");
    assert_eq!(*unpacked.orders, orders(&rules));
    assert_eq!(unpacked.pipeline.cookie(), pipeline().cookie());
    assert_eq!((unpacked.ports, unpacked.max_macs), (vec![1, 2], 8));
}

#[test]
fn a_delta_has_only_what_changed() {
    let base = plan(1, 0, &[(1, 10, 20), (2, 10, 20), (3, 30, 40)]);
    // At 15 s the first two rules hold already, so that it does not matter when they began.
    let next = plan(2, 15, &[(1, 15, 20), (2, 15, 25), (4, 50, 60)]);
    let delta = difference(&base, &next);
    assert_eq!(
        (delta.removed.as_slice(), delta.added.len()),
        (&[1, 2][..], 2)
    );
    assert_eq!((&delta.program, &delta.always), (&None, &None));
    let applied = apply(Some(&base), delta.clone()).expect("it starts from this plan");
    for time in 15..70 {
        let of = |plan: &Plan| unpack(plan).expect("it is a plan").orders.at(seconds(time));
        assert_eq!(of(&applied), of(&next), "at {time}");
    }
    assert!(apply(None, delta.clone()).is_err());
    assert!(apply(Some(&next), delta).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn deltas_lead_to_the_plan(
        before in prop::collection::btree_map(0..8_u8, (0..50_u64, 1..50_u64), 0..8),
        after in prop::collection::btree_map(0..8_u8, (0..50_u64, 1..50_u64), 0..8),
        activate_at in 0..60_u64,
    ) {
        let list = |map: BTreeMap<u8, (u64, u64)>| -> Vec<_> {
            map.into_iter().map(|(host, (from, len))| (host, from, from + len)).collect()
        };
        let (base, next) = (plan(1, 0, &list(before)), plan(2, activate_at, &list(after)));
        let applied = apply(Some(&base), difference(&base, &next)).expect("it starts from it");
        let (applied, next) = (unpack(&applied), unpack(&next));
        let (applied, next) = (applied.expect("a plan").orders, next.expect("a plan").orders);
        for time in activate_at..110 {
            prop_assert_eq!(applied.at(seconds(time)), next.at(seconds(time)));
        }
    }
}

#[test]
fn a_node_goes_over_to_a_plan_at_its_time() {
    let mut holder = Holder::default();
    let taken = holder.take(message(plan(5, 100, &[]))).expect("an answer");
    assert_eq!((taken.ack.stage(), taken.changed), (Stage::Received, true));
    assert_eq!((holder.version(), holder.current()), (5, None));
    assert_eq!(holder.activate(seconds(99)), None);
    assert_eq!(holder.next_at(), Some(seconds(100)));
    let ack = holder.activate(seconds(100)).expect("its time has come");
    assert_eq!((ack.version, ack.stage()), (5, Stage::Active));
    assert_eq!(holder.current().map(|plan| plan.version), Some(5));
    // What was kept is what a restarted node has.
    let kept = holder.kept();
    assert_eq!(Holder::new(kept.current, kept.next).version(), 5);
}

#[test]
fn what_cannot_be_used_changes_nothing() {
    let mut holder = Holder::default();
    holder.take(message(plan(5, 0, &[(1, 10, 20)])));
    let refused = |holder: &mut Holder, plan: Plan| {
        let taken = holder.take(message(plan)).expect("an answer");
        assert_eq!((taken.ack.stage(), taken.changed), (Stage::Refused, false));
        assert_eq!(holder.version(), 5);
        taken.ack.reason
    };
    let reason = refused(&mut holder, plan(4, 0, &[]));
    assert_eq!(reason, "plan 4 is not newer than plan 5");
    let mut broken = plan(6, 0, &[(1, 10, 20)]);
    broken.rules[0].entry = vec![0xff];
    assert!(refused(&mut holder, broken).starts_with("a part of the plan cannot be read: "));
    let mut twice = plan(6, 0, &[(1, 10, 20)]);
    twice.rules.push(twice.rules[0].clone());
    assert!(refused(&mut holder, twice).contains("overlap"));
    let mut without = plan(6, 0, &[]);
    without.program = None;
    assert_eq!(refused(&mut holder, without), "the plan has no program");
}

/// A controller and a node, and the messages between them.
#[derive(Default)]
struct Pair {
    controller: RollOut,
    node: Holder,
    kinds: Vec<&'static str>,
}

impl Pair {
    fn publish(&mut self, plan: Plan) {
        let message = self.controller.publish(NODE, plan, seconds(0));
        self.deliver(message);
    }

    fn attach(&mut self) {
        let message = self.controller.hello(NODE, self.node.version());
        self.deliver(message);
    }

    /// Delivers a message, and its answers, until nobody has anything to say.
    fn deliver(&mut self, message: Option<ControllerMessage>) {
        let mut message = message;
        while let Some(sent) = message.take() {
            self.kinds.push(match &sent.message {
                Some(Message::Plan(_)) => "plan",
                Some(Message::Delta(_)) => "delta",
                None => "nothing",
            });
            if let Some(taken) = self.node.take(sent) {
                message = self.controller.ack(NODE, &taken.ack, seconds(1));
            }
        }
    }

    fn versions(&self) -> (u64, u64) {
        let held = self.controller.nodes().map(|(_, node)| node.held()).next();
        (held.unwrap_or(0), self.node.version())
    }
}

#[test]
fn deltas_follow_acknowledged_plans() {
    let mut pair = Pair::default();
    pair.publish(plan(1, 0, &[(1, 10, 20)]));
    assert_eq!(pair.kinds, [""; 0], "the node is not there");
    pair.attach();
    pair.publish(plan(2, 0, &[(1, 10, 20), (2, 10, 20)]));
    pair.publish(plan(3, 0, &[(2, 10, 20)]));
    assert_eq!(pair.kinds, ["plan", "delta", "delta"]);
    assert_eq!(pair.versions(), (3, 3));
    // A stream that is replaced sends nothing that is there.
    pair.controller.lost(NODE);
    pair.attach();
    assert_eq!(pair.kinds.len(), 3);
    let node = pair.controller.nodes().next().expect("there is one").1;
    assert_eq!(node.ack_micros, Some(1_000_000));
}

#[test]
fn a_node_that_lost_its_plan_gets_a_whole_one() {
    let mut pair = Pair::default();
    pair.publish(plan(1, 0, &[]));
    pair.attach();
    pair.publish(plan(2, 0, &[]));
    pair.node = Holder::default();
    // The node does not say so, and refuses the delta.
    pair.publish(plan(3, 0, &[]));
    assert_eq!(pair.kinds, ["plan", "delta", "delta", "plan"]);
    assert_eq!(pair.versions(), (3, 3));
    // It says so.
    pair.node = Holder::default();
    pair.attach();
    assert_eq!(pair.kinds.last(), Some(&"plan"));
    assert_eq!(pair.versions(), (3, 3));
}

#[test]
fn a_controller_that_restarted_sends_a_whole_plan() {
    let mut pair = Pair::default();
    pair.publish(plan(1, 0, &[]));
    pair.attach();
    pair.controller = RollOut::default();
    pair.publish(plan(7, 0, &[]));
    pair.attach();
    assert_eq!(pair.kinds, ["plan", "plan"]);
    assert_eq!(pair.versions(), (7, 7));
}

#[test]
fn a_plan_that_is_refused_is_not_sent_again() {
    let mut pair = Pair::default();
    let mut broken = plan(1, 0, &[]);
    broken.program = None;
    pair.publish(broken);
    pair.attach();
    assert_eq!(pair.kinds, ["plan"]);
    let node = pair.controller.nodes().next().expect("there is one").1;
    assert_eq!(node.refusal.as_deref(), Some("the plan has no program"));
    // An answer that nobody waits for has no effect.
    let late = Ack {
        version: 99,
        ..Ack::default()
    };
    assert_eq!(pair.controller.ack(NODE, &late, seconds(1)), None);
}
