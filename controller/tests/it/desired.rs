// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Differences between states.

use std::collections::{BTreeMap, BTreeSet};

use control::desired::{ChangeKind, Item, ItemKey, SwitchState, difference};
use p4rt::{
    Entry,
    entries::{DefaultLine, DigestLine, MulticastGroup, Replica, TableLine},
};
use proptest::prelude::*;

use crate::demo::index;

fn peer(host: u16, action: &str) -> Item {
    let [third, fourth] = host.to_be_bytes();
    let line = TableLine {
        table: "ingress.peer".to_owned(),
        fields: [("hdr.ipv4.dst".to_owned(), format!("10.0.{third}.{fourth}"))].into(),
        action: action.to_owned(),
        params: BTreeMap::new(),
        priority: None,
    };
    Item::Entry(line.resolve(&index()).expect("the line fits the program"))
}

fn flood(group: u16) -> Item {
    let line = DefaultLine {
        table: "ingress.l2_forward".to_owned(),
        action: "ingress.flood".to_owned(),
        params: [("group".to_owned(), group.to_string())].into(),
    };
    Item::Entry(line.resolve(&index()).expect("the line fits the program"))
}

fn group(id: u32, port: u32) -> Item {
    Item::MulticastGroup(MulticastGroup {
        id,
        replicas: vec![Replica { port, instance: 1 }],
    })
}

fn state(items: impl IntoIterator<Item = Item>) -> SwitchState {
    let mut state = SwitchState::default();
    for item in items {
        state.put(item);
    }
    state
}

fn steps(wanted: &SwitchState, actual: &SwitchState) -> Vec<Vec<String>> {
    let groups = difference(wanted, actual, &index(), &BTreeSet::new());
    let show = |group: &Vec<control::desired::Change>| {
        let lines = group
            .iter()
            .map(|change| format!("{} {}", change.kind, change.item.key()));
        lines.collect()
    };
    groups.iter().map(show).collect()
}

#[test]
fn what_is_depended_on_is_written_first_and_removed_last() {
    let wanted = state([
        peer(1, "ingress.pass"),
        peer(2, "ingress.pass"),
        flood(1),
        group(1, 2),
    ]);
    let actual = state([
        peer(2, "ingress.speaks_v7"),
        peer(3, "ingress.pass"),
        group(9, 1),
    ]);
    // Frames are let out when it is known how they are treated.
    let expected: [&[&str]; 5] = [
        &[
            "insert entry of ingress.peer [hdr.ipv4.dst=0xa000001/32]",
            "modify entry of ingress.peer [hdr.ipv4.dst=0xa000002/32]",
        ],
        &["insert multicast group 1"],
        &["modify default entry of ingress.l2_forward"],
        &["delete entry of ingress.peer [hdr.ipv4.dst=0xa000003/32]"],
        &["delete multicast group 9"],
    ];
    let found = steps(&wanted, &actual);
    let mut found: Vec<Vec<&str>> = found
        .iter()
        .map(|group| group.iter().map(String::as_str).collect())
        .collect();
    for group in &mut found {
        group.sort_unstable();
    }
    let expected = expected.map(|group| {
        let mut group = group.to_vec();
        group.sort_unstable();
        group
    });
    assert_eq!(found, expected);
}

/// A table that has no room for what is old and what is new gives up what is old first.
#[test]
fn full_tables_make_room_first() {
    let size = index().table("ingress.peer").and_then(|table| table.size);
    let size = u16::try_from(size.expect("the program says it")).expect("it is small");
    let full = state((1..=size).map(|host| peer(host, "ingress.pass")));
    let other = state((2..=size + 1).map(|host| peer(host, "ingress.pass")));
    let kinds = |steps: Vec<Vec<String>>| -> Vec<String> {
        let words = steps.into_iter().flatten();
        words.map(|step| step[..6].to_owned()).collect()
    };
    assert_eq!(kinds(steps(&other, &full)), ["delete", "insert"]);
    let room = state((2..=size).map(|host| peer(host, "ingress.pass")));
    let one = state([peer(1, "ingress.pass")]);
    assert_eq!(kinds(steps(&one, &room))[0], "insert");
}

#[test]
fn equal_states_need_nothing() {
    let all = state([peer(1, "ingress.pass"), flood(1), group(1, 2)]);
    assert!(steps(&all, &all.clone()).is_empty());
}

#[test]
fn skipped_items_stay_as_they_are() {
    let wanted = state([peer(1, "ingress.pass"), peer(2, "ingress.pass")]);
    let skip: BTreeSet<ItemKey> = [peer(1, "ingress.pass").key()].into();
    let groups = difference(&wanted, &SwitchState::default(), &index(), &skip);
    let keys: Vec<_> = groups
        .iter()
        .flatten()
        .map(|change| change.item.key())
        .collect();
    assert_eq!(keys, [peer(2, "ingress.pass").key()]);
}

#[test]
fn a_stray_default_goes_back_to_the_program() {
    let mut p4info = p4rt::text::parse(crate::demo::P4INFO).expect("the file is valid");
    let call = p4rt::proto::p4::config::v1::TableActionCall {
        action_id: 0x0100_0009,
        arguments: Vec::new(),
    };
    let refusal = p4info.tables.iter_mut().find(|table| {
        table
            .preamble
            .as_ref()
            .is_some_and(|preamble| preamble.name == "ingress.refusal")
    });
    refusal
        .expect("the program has this table")
        .initial_default_action = Some(call);
    let index = p4rt::p4info::Index::new(&p4info).expect("the program is consistent");
    let line = DefaultLine {
        table: "ingress.refusal".to_owned(),
        action: "ingress.punt".to_owned(),
        params: [("port".to_owned(), "3".to_owned())].into(),
    };
    let stray = Item::Entry(line.resolve(&index).expect("the line fits the program"));
    let groups = difference(
        &SwitchState::default(),
        &state([stray]),
        &index,
        &BTreeSet::new(),
    );
    let [change] = groups[0].as_slice() else {
        panic!("one change: {groups:?}")
    };
    let Item::Entry(Entry { action, .. }) = &change.item else {
        panic!("an entry: {change:?}")
    };
    assert_eq!(
        (change.kind, action.as_str()),
        (ChangeKind::Modify, "ingress.refuse")
    );
}

#[test]
fn subscriptions_that_nobody_wants_stay() {
    let line = DigestLine {
        digest: "learn_t".to_owned(),
        max_timeout_ms: 1,
        max_list_size: 1,
        ack_timeout_ms: 1,
    };
    assert!(steps(&SwitchState::default(), &state([Item::Digest(line)])).is_empty());
}

fn any_state() -> impl Strategy<Value = SwitchState> {
    let actions = prop_oneof![Just("ingress.pass"), Just("ingress.speaks_v7")];
    let peers = proptest::collection::vec((0_u16..6, actions), 0..6);
    let groups = proptest::collection::vec((1_u32..4, 1_u32..3), 0..4);
    (peers, groups).prop_map(|(peers, groups)| {
        let peers = peers.into_iter().map(|(host, action)| peer(host, action));
        state(peers.chain(groups.into_iter().map(|(id, port)| group(id, port))))
    })
}

proptest! {
    /// The difference leads from any state to any other, and each step is one that a switch takes:
    /// INSERT of what is not there, MODIFY and DELETE of what is.
    #[test]
    fn differences_lead_to_what_is_wanted(wanted in any_state(), mut actual in any_state()) {
        let groups = difference(&wanted, &actual, &index(), &BTreeSet::new());
        for change in groups.iter().flatten() {
            let there = actual.item(&change.item.key()).is_some();
            prop_assert_eq!(there, change.kind != ChangeKind::Insert);
            actual.apply(change);
        }
        prop_assert_eq!(&actual, &wanted);
    }
}
