// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Counters, registers, meters, hashes and checksums: `testdata/externs.p4`.

use switch::{Count, DropReason, Event, MeterConfig};

use crate::support::Bench;

fn packet(order: u8, index: u8, a: u32, b: u32) -> Vec<u8> {
    let mut packet = vec![order, index];
    packet.extend(a.to_be_bytes());
    packet.extend(b.to_be_bytes());
    packet
}

/// Runs an order and gives the `b` that leaves.
fn ask(bench: &mut Bench, order: u8, index: u8, a: u32) -> u32 {
    let out = bench.one(&packet(order, index, a, 0xffff_ffff));
    u32::from_be_bytes(out[6..10].try_into().expect("four octets"))
}

#[test]
fn counters_count_packets_and_octets() {
    let mut bench = Bench::new("externs.p4");
    for index in [1, 1, 3, 4, 255] {
        bench.one(&packet(0, index, 0, 0));
    }
    let pipeline = bench.program.pipeline();
    let id = p4::ir::CounterId(0);
    let counts: Vec<Count> = (0..4)
        .map(|index| pipeline.counter(id, index).expect("in range"))
        .collect();
    let count = |packets, bytes| Count { packets, bytes };
    assert_eq!(
        counts,
        [count(0, 0), count(2, 20), count(0, 0), count(1, 10)]
    );
    assert!(pipeline.counter(id, 4).is_err());
}

#[test]
fn registers_keep_values() {
    let mut bench = Bench::new("externs.p4");
    assert_eq!(ask(&mut bench, 1, 2, 0xdead), 0);
    assert_eq!(ask(&mut bench, 1, 2, 0xbeef), 0xdead);
    assert_eq!(ask(&mut bench, 1, 3, 1), 0);
    assert_eq!(ask(&mut bench, 1, 9, 5), 0, "out of range reads 0");
    assert_eq!(ask(&mut bench, 1, 9, 5), 0, "and writes nothing");
    assert_eq!(ask(&mut bench, 2, 1, 0x1234_5678), 0);
    assert_eq!(ask(&mut bench, 2, 1, 0), 0x1234_5678);
}

#[test]
fn meters_colour_packets() {
    let mut bench = Bench::new("externs.p4");
    assert_eq!(
        ask(&mut bench, 3, 0, 0),
        0,
        "without a configuration all is green"
    );
    let config = MeterConfig {
        cir: 1,
        cburst: 1,
        pir: 1,
        pburst: 2,
    };
    let meter = p4::ir::MeterId(0);
    let set = |now_ns| {
        let pipeline = bench.program.pipeline();
        pipeline.with_meter(meter, 1, |cell| cell.configure(Some(config), now_ns))
    };
    set(bench.now_ns).expect("in range");
    let colours: Vec<u32> = (0..3).map(|_| ask(&mut bench, 3, 1, 0)).collect();
    assert_eq!(colours, [0, 1, 2]);
}

#[test]
fn hashes_pack_bits_of_all_fields() {
    let mut bench = Bench::new("externs.p4");
    let a = u32::from_be_bytes(*b"1234");
    // CRC-32 of "1234" and the two zero octets of the header that is not there.
    assert_eq!(ask(&mut bench, 0x10, 0, a), 0x64f9_844e);
    // CRC-16/ARC of "1234" is 0x14ba.
    assert_eq!(ask(&mut bench, 0x11, 0, a), 0x100 + 0x14ba % 16);
    assert_eq!(ask(&mut bench, 0x12, 0, 0x0001_f203), 0xffff - 0xf204);
    assert_eq!(ask(&mut bench, 0x13, 0, 0x1234_ff00), 0x1234 ^ 0xff00);
    assert_eq!(
        ask(&mut bench, 0x14, 0, 0x0abc),
        0xabc0,
        "12 bits fill up to 16"
    );
    assert_eq!(
        ask(&mut bench, 0x15, 0, 1),
        7,
        "a maximum of 0 leaves the base"
    );
}

#[test]
fn random_stays_in_its_range() {
    let mut bench = Bench::new("externs.p4");
    let drawn: std::collections::BTreeSet<u32> =
        (0..200).map(|_| ask(&mut bench, 0x20, 0, 1000)).collect();
    assert_eq!(drawn, [1000, 1001, 1002, 1003].into());
}

#[test]
fn assertions_drop_and_messages_are_traced() {
    let mut bench = Bench::new("externs.p4");
    let kept = bench.run(&packet(0x30, 0, 2, 0));
    assert_eq!(kept.drops, [DropReason::Assertion]);
    let (kept, recorder) = bench.run_on(1, &packet(0x30, 0, 1, 5));
    assert_eq!(kept.sent.len(), 1);
    let logged = Event::Log("a is 1, b is 5".to_owned());
    assert!(recorder.events.iter().any(|(_, event)| *event == logged));
}

/// The Internet checksum, word by word.
fn checksum(data: &[u8]) -> u16 {
    let words = data
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !(((sum & 0xffff) + (sum >> 16)) as u16)
}

/// A packet whose checksum is over both numbers, and over the payload if that is given.
fn summed(order: u8, payload: &[u8], in_sum: bool, flip: u16) -> Vec<u8> {
    let mut packet = packet(order, 0, 0x1234_5678, 0x9abc_def0);
    let mut data = packet[2..].to_vec();
    if in_sum {
        data.extend_from_slice(payload);
    }
    packet.extend((checksum(&data) ^ flip).to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

#[test]
fn checksums_are_verified() {
    let mut bench = Bench::new("externs.p4");
    for (order, in_sum) in [(0x40, false), (0x41, true)] {
        for (flip, expected) in [(0, 0), (1, 1)] {
            let out = bench.one(&summed(order, &[1, 2, 3], in_sum, flip));
            assert_eq!(out[1], expected, "order {order:#x}, flip {flip}");
        }
    }
}

#[test]
fn checksums_are_updated() {
    let mut bench = Bench::new("externs.p4");
    for (order, in_sum) in [(0x42, false), (0x43, true)] {
        let out = bench.one(&summed(order, &[1, 2, 3], in_sum, 0x5555));
        assert_eq!(out, summed(order, &[1, 2, 3], in_sum, 0));
    }
    let untouched = summed(0x44, &[1, 2, 3], true, 0x5555);
    assert_eq!(bench.one(&untouched), untouched);
}
