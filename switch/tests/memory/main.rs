// SPDX-License-Identifier: Apache-2.0 OR MIT
//! No packet allocates memory once the buffers of its worker have grown to what packets need.
//!
//! A program of its own, because it counts the allocations of its threads.
#![expect(
    clippy::cast_possible_truncation,
    reason = "the test cuts small numbers into octets"
)]
#![allow(
    unsafe_code,
    reason = "an allocator can be counted only by one that implements an unsafe trait"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs,
    path::Path,
};

use switch::{
    DropReason, Silent,
    offline::Offline,
    traffic::{Sink, Worker},
};

/// The system's allocator, which counts for each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends may allocate when its counter is gone.
    _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: all requests go to the system's allocator as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the promises that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts what comes out.
#[derive(Default)]
struct Counted {
    sent: u64,
    digests: u64,
    drops: u64,
}

impl Sink for Counted {
    fn transmit(&mut self, _: u32, _: &[u8]) {
        self.sent += 1;
    }

    fn digest(&mut self, _: usize, _: &[u64]) {
        self.digests += 1;
    }

    fn drop(&mut self, _: DropReason) {
        self.drops += 1;
    }
}

const PROGRAMS: [&str; 6] = [
    "l2.p4",
    "matches.p4",
    "parser.p4",
    "traffic.p4",
    "externs.p4",
    "profiles.p4",
];

const GROUPS: &str = r#"{
    "multicast_groups": [{"id": 1, "replicas": [
        {"port": 4, "instance": 1}, {"port": 5, "instance": 2}]}],
    "clone_sessions": [{"id": 1, "replicas": [{"port": 9, "instance": 3}]}]
}"#;

/// Packets of all first octets that the programs know, and of many lengths.
fn packets() -> Vec<Vec<u8>> {
    let octet = |seed: u32| (seed.wrapping_mul(0x9e37_79b1) >> 24) as u8;
    let packet = |n: u32| {
        let rest = (0..n * 7 % 90).map(move |at| octet(n * 100 + at));
        std::iter::once((n % 20) as u8)
            .chain([(n / 20) as u8])
            .chain(rest)
    };
    (0..200).map(|n| packet(n).collect()).collect()
}

fn load(name: &str) -> Offline {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(name);
    let text = fs::read_to_string(path).expect("the program is in testdata");
    let source = p4::Source {
        name,
        text: &text,
        ..p4::Source::default()
    };
    let mut program = Offline::load(&source).expect("the program is right");
    program.install(GROUPS).expect("the groups fit");
    program
}

/// Runs packets three times, and gives the number of allocations of the last time.
fn allocations(program: &Offline, packets: &[Vec<u8>]) -> (u64, Counted) {
    let pipeline = program.pipeline();
    let (mut worker, mut sink) = (Worker::new(1), Counted::default());
    let mut before = 0;
    for _ in 0..3 {
        before = COUNT.get();
        let state = pipeline.state();
        for packet in packets {
            let packet = (1, packet.as_slice());
            pipeline.process_with(&state, &mut worker, packet, 1, &mut sink, &mut Silent);
        }
    }
    (COUNT.get() - before, sink)
}

fn check(prepare: impl Fn(&Offline)) {
    let packets = packets();
    let mut all = Counted::default();
    for name in PROGRAMS {
        let program = load(name);
        prepare(&program);
        let (allocated, sink) = allocations(&program, &packets);
        assert_eq!(allocated, 0, "{name}");
        all.sent += sink.sent;
        all.digests += sink.digests;
        all.drops += sink.drops;
    }
    assert!(all.sent > 1000 && all.digests > 0 && all.drops > 0);
}

#[test]
fn no_packet_allocates() {
    check(|_| {});
}

#[cfg(feature = "native")]
#[test]
fn no_packet_allocates_in_machine_code() {
    check(|program| {
        let pipeline = program.pipeline();
        pipeline.optimise().expect("this machine has a compiler");
    });
}
