// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs of `testdata/`, and a sink that keeps what comes out.

use std::{fs, path::PathBuf};

use switch::{DropReason, Recorder, offline::Offline, traffic::Sink};

/// Path of a program.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(name)
}

/// Text of a program.
pub(crate) fn text(name: &str) -> String {
    fs::read_to_string(path(name)).expect("the program is in testdata")
}

/// Everything that came out.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Kept {
    pub(crate) sent: Vec<(u32, Vec<u8>)>,
    pub(crate) digests: Vec<Vec<u64>>,
    pub(crate) drops: Vec<DropReason>,
}

impl Sink for Kept {
    fn transmit(&mut self, port: u32, packet: &[u8]) {
        self.sent.push((port, packet.to_vec()));
    }

    fn digest(&mut self, _: usize, values: &[u64]) {
        self.digests.push(values.to_vec());
    }

    fn drop(&mut self, reason: DropReason) {
        self.drops.push(reason);
    }
}

/// A program to run packets through.
pub(crate) struct Bench {
    pub(crate) program: Offline,
    pub(crate) now_ns: u64,
}

impl Bench {
    pub(crate) fn new(name: &str) -> Self {
        Self::with_entries(name, "{}")
    }

    pub(crate) fn with_entries(name: &str, entries: &str) -> Self {
        let text = text(name);
        let source = p4::Source {
            name,
            text: &text,
            ..p4::Source::default()
        };
        let mut program = match Offline::load(&source) {
            Ok(program) => program,
            Err(error) => panic!("{error}"),
        };
        program.install(entries).expect("the entries fit");
        Self {
            program,
            now_ns: 1_000_000,
        }
    }

    /// Runs a packet that comes in on port 1.
    pub(crate) fn run(&mut self, packet: &[u8]) -> Kept {
        self.run_on(1, packet).0
    }

    pub(crate) fn run_on(&mut self, port: u32, packet: &[u8]) -> (Kept, Recorder) {
        let mut kept = Kept::default();
        let recorder = self.program.run(port, packet, self.now_ns, &mut kept);
        (kept, recorder)
    }

    /// Runs a packet that must lead to exactly one, and gives that.
    pub(crate) fn one(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut kept = self.run(packet);
        assert_eq!(kept.sent.len(), 1, "{kept:?}");
        kept.sent.remove(0).1
    }
}
