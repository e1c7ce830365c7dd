// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A meter for each receiver, which the control plane configures. The test turns the clock.

use p4rt::{
    entries::EntriesFile,
    p4info::Index,
    proto::p4::v1::{DirectMeterEntry, Entity, MeterConfig, Update, entity, update::Type},
};
use switch::Silent;
use testbed::{
    lab::{Lab, Receiver},
    traffic::{Input, Side},
};

use crate::datagrams::{BUNDLE_6, frame_6};

const SECOND_NS: u64 = 1_000_000_000;

/// Configures the meter of an entry of table `peer` or `peer_ipv6`, as P4Runtime does.
fn configure(lab: &mut Lab, entry: &str, config: Option<MeterConfig>) {
    let switch = lab.switch();
    let index = Index::new(switch.p4info()).expect("the P4Info is consistent");
    let file = EntriesFile::parse(&format!(r#"{{"tables": [{entry}]}}"#)).expect("it is JSON");
    let resolved = file.resolve(&index).expect("the program has such an entry");
    let entry = resolved.entries[0].key.to_proto(&index);
    let meter = DirectMeterEntry {
        table_entry: Some(entry.expect("the program has such a key")),
        config,
        ..DirectMeterEntry::default()
    };
    let update = Update {
        r#type: Type::Modify.into(),
        entity: Some(Entity {
            entity: Some(entity::Entity::DirectMeterEntry(meter)),
        }),
    };
    assert_eq!(switch.write(&update, 0), Ok(()));
}

/// The entry of the receivers of version 7, which [`Lab`] has.
fn peer(receiver: Receiver) -> String {
    let params = receiver.params(Side::V7);
    format!(
        r#"{{"table": "ingress.peer", "match": {{"hdr.ipv4.dst": "10.7.{}.0/24"}},
            "action": "ingress.reads_v7", "params": {{{params}}}}}"#,
        receiver.address()
    )
}

/// Enough for two frames at once, and for one more each second.
fn rate(frame: &[u8]) -> MeterConfig {
    let octets = i64::try_from(frame.len()).expect("frames are short");
    MeterConfig {
        cir: octets,
        cburst: octets,
        pir: octets,
        pburst: 2 * octets,
        ..MeterConfig::default()
    }
}

fn passes(lab: &mut Lab, frame: &[u8], now_ns: u64) -> bool {
    let frames = lab.watch(Side::V6.port(), frame, now_ns, &mut Silent);
    assert!(frames.len() <= 1);
    !frames.is_empty()
}

/// How many datagrams were dropped because they were too many.
fn metered(lab: &mut Lab) -> u64 {
    let pipeline = lab.switch().pipeline();
    let counters = &pipeline.program().counters;
    let place = counters
        .iter()
        .position(|counter| counter.name == "ingress.metered");
    let id = p4::ir::CounterId(u32::try_from(place.expect("it is there")).expect("few"));
    pipeline.counter(id, 0).expect("it has a cell").packets
}

/// Runs frames at these times, and says which of them pass.
fn check(lab: &mut Lab, frame: &[u8], expected: &[(u64, bool)]) {
    let before = metered(lab);
    for (now_ns, expected) in expected {
        let found = passes(lab, frame, *now_ns);
        assert_eq!(found, *expected, "at {now_ns} ns");
    }
    let dropped = expected.iter().filter(|(_, passes)| !passes).count();
    assert_eq!(metered(lab) - before, dropped as u64);
}

const TWO_AND_THEN_ONE_EACH_SECOND: &[(u64, bool)] = &[
    (0, true),
    (0, true),
    (0, false),
    (SECOND_NS - 1, false),
    (SECOND_NS, true),
    (SECOND_NS, false),
    (4 * SECOND_NS, true),
    (4 * SECOND_NS, true),
    (4 * SECOND_NS, false),
];

/// What is red is dropped and counted; yellow and green pass, and so does everything without a
/// configuration.
#[test]
fn more_than_a_receiver_wants_is_dropped_and_counted() {
    let mut lab = Lab::default();
    let receiver = Receiver::USUAL;
    let input = Input::new(Side::V6, receiver.address(), BUNDLE_6.to_vec());
    let frame = input.datagram.to_frame();
    check(&mut lab, &frame, &[(0, true); 10]);
    configure(&mut lab, &peer(receiver), Some(rate(&frame)));
    check(&mut lab, &frame, TWO_AND_THEN_ONE_EACH_SECOND);
    configure(&mut lab, &peer(receiver), None);
    check(&mut lab, &frame, &[(4 * SECOND_NS, true); 10]);
}

/// What one receiver gets is not taken from another.
#[test]
fn receivers_have_meters_of_their_own() {
    let mut lab = Lab::default();
    let frames = [0, 1].map(|number| {
        let receiver = Receiver::new(number);
        let input = Input::new(Side::V6, receiver.address(), BUNDLE_6.to_vec());
        let frame = input.datagram.to_frame();
        configure(&mut lab, &peer(receiver), Some(rate(&frame)));
        frame
    });
    for frame in &frames {
        check(&mut lab, frame, TWO_AND_THEN_ONE_EACH_SECOND);
    }
}

#[test]
fn receivers_over_ipv6_have_meters_too() {
    let mut lab = Lab::default();
    let frame = frame_6(BUNDLE_6, Side::V6, false);
    let entry = r#"{"table": "ingress.peer_ipv6", "match": {"hdr.ipv6.dst": "fd07::/16"},
        "action": "ingress.speaks_v7_ipv6"}"#;
    configure(&mut lab, entry, Some(rate(&frame)));
    check(&mut lab, &frame, TWO_AND_THEN_ONE_EACH_SECOND);
}
