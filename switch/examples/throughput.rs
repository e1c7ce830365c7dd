// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many packets a second one core runs through a program, without ports:
//! `cargo run --release -p switch --example throughput -- PROGRAM.p4 CAPTURE.pcap [SECONDS]`.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use switch::{
    DropReason, Silent,
    offline::Offline,
    ports::pcap,
    traffic::{Sink, Worker},
};

/// Counts what leaves.
#[derive(Default)]
struct Counted {
    sent: u64,
    dropped: u64,
}

impl Sink for Counted {
    fn transmit(&mut self, _: u32, _: &[u8]) {
        self.sent += 1;
    }

    fn digest(&mut self, _: usize, _: &[u64]) {}

    fn drop(&mut self, _: DropReason) {
        self.dropped += 1;
    }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, capture, rest @ ..] = arguments.as_slice() else {
        return Err(anyhow!(
            "usage: throughput PROGRAM.p4 CAPTURE.pcap [SECONDS]"
        ));
    };
    let seconds = rest.first().map_or(Ok(2), |text| text.parse())?;
    let text = std::fs::read_to_string(name).with_context(|| format!("cannot read {name}"))?;
    let started = Instant::now();
    let source = p4::Source {
        name,
        text: &text,
        ..p4::Source::default()
    };
    let program = Offline::load(&source)?;
    let pipeline = program.pipeline();
    println!(
        "{} instructions after {:?}",
        pipeline.instructions(),
        started.elapsed()
    );
    let frames =
        pcap::read(Path::new(capture)).with_context(|| format!("cannot read {capture}"))?;
    let (mut worker, mut sink, mut packets) = (Worker::new(1), Counted::default(), 0_u64);
    let state = pipeline.state();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(seconds) {
        for frame in &frames {
            let packet = (1, frame.as_slice());
            pipeline.process_with(&state, &mut worker, packet, 0, &mut sink, &mut Silent);
        }
        packets += frames.len() as u64;
    }
    let each = started.elapsed() / u32::try_from(packets).unwrap_or(u32::MAX).max(1);
    println!(
        "{packets} packets, {each:?} each; {} sent, {} dropped",
        sink.sent, sink.dropped
    );
    Ok(())
}
