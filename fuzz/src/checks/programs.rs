// SPDX-License-Identifier: Apache-2.0 OR MIT
//! P4 programs: any octets as their text, and any octets as their packets.

use std::sync::{LazyLock, Mutex, PoisonError};

use switch::{DropReason, offline::Offline, traffic::Sink};

/// Programs that use each construct and extern, and entries that let packets in.
pub(crate) const PROGRAMS: [(&str, &str); 8] = [
    (include_str!("../../../switch/testdata/externs.p4"), "{}"),
    (
        include_str!("../../../switch/testdata/features.p4"),
        r#"{"multicast_groups": [{"id": 1, "replicas": [{"port": 1, "instance": 1},
            {"port": 2, "instance": 2}]}], "clone_sessions": [{"id": 1, "replicas": [{"port": 3}]}],
            "tables": [{"table": "MyIngress.hosts", "action": "MyIngress.flood",
            "match": {"dst": "ff:ff:ff:ff:ff:ff"}, "params": {"group": "1"}}]}"#,
    ),
    (
        include_str!("../../../switch/testdata/l2.p4"),
        r#"{"multicast_groups": [{"id": 1, "replicas": [{"port": 1, "instance": 1},
            {"port": 2, "instance": 2}]}]}"#,
    ),
    (include_str!("../../../switch/testdata/matches.p4"), "{}"),
    (include_str!("../../../switch/testdata/parser.p4"), "{}"),
    (include_str!("../../../switch/testdata/profiles.p4"), "{}"),
    (
        include_str!("../../../switch/testdata/traffic.p4"),
        r#"{"multicast_groups": [{"id": 1, "replicas": [{"port": 1, "instance": 1},
            {"port": 2, "instance": 2}]}], "clone_sessions": [{"id": 1, "replicas": [{"port": 3}],
            "packet_length_bytes": 4}]}"#,
    ),
    (
        include_str!("../../../p4/testdata/programs/translator.p4"),
        "{}",
    ),
];

/// Octets in packets that leave, per octet of a packet that comes in: a copy for each of the
/// limit's 4096, and what a program writes in front of one.
const MOST_COPIES: usize = 4096 + 1;

/// Counts what leaves.
#[derive(Debug, Default)]
struct Count {
    sent: usize,
    longest: usize,
    ended: usize,
}

impl Sink for Count {
    fn transmit(&mut self, _: u32, packet: &[u8]) {
        self.sent += 1;
        self.longest = self.longest.max(packet.len());
    }

    fn digest(&mut self, _: usize, _: &[u64]) {}

    fn drop(&mut self, _: DropReason) {
        self.ended += 1;
    }
}

/// Takes octets as the text of a program: it is refused with a place, or it runs.
///
/// # Panics
///
/// A promise is broken.
pub fn p4_source(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let source = p4::Source {
        name: "input.p4",
        text,
        ..p4::Source::default()
    };
    match Offline::load(&source) {
        Ok(mut program) => {
            run(&mut program, 1, &[0; 64]);
        }
        Err(error) => assert!(!error.to_string().is_empty(), "an error says what is wrong"),
    }
}

/// Takes octets as a program, a port and a packet: the packet comes to an end.
///
/// # Panics
///
/// A promise is broken.
pub fn packets(input: &[u8]) {
    static LOADED: LazyLock<Vec<Mutex<Offline>>> = LazyLock::new(|| {
        PROGRAMS
            .map(|(text, entries)| Mutex::new(load(text, entries)))
            .into()
    });
    let [program, port, packet @ ..] = input else {
        return;
    };
    let program = &LOADED[usize::from(*program) % PROGRAMS.len()];
    let mut program = program.lock().unwrap_or_else(PoisonError::into_inner);
    run(&mut program, u32::from(*port) * 2, packet);
}

fn load(text: &str, entries: &str) -> Offline {
    let source = p4::Source {
        name: "program.p4",
        text,
        ..p4::Source::default()
    };
    let mut program = match Offline::load(&source) {
        Ok(program) => program,
        Err(error) => panic!("{error}"),
    };
    program.install(entries).expect("the entries fit");
    program
}

fn run(program: &mut Offline, port: u32, packet: &[u8]) {
    let mut count = Count::default();
    let recorder = program.run(port, packet, 1_000_000, &mut count);
    assert!(count.sent <= MOST_COPIES, "{count:?}");
    let program = program.pipeline().program();
    let story = switch::trace::render(program, &recorder);
    assert!(story.starts_with("packet on port"), "{story}");
}
