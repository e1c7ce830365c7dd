// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs packets through a pipeline for a time, on one or more cores.

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use switch::{
    DropReason, Silent,
    traffic::{Sink, Worker},
};

use super::scenario::Scenario;

/// Packets that run under one lock of the state, as ports do it when they are busy.
const BATCH: usize = 64;

/// What came out.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) sent: u64,
    pub(crate) dropped: u64,
    pub(crate) digests: u64,
}

impl Sink for Counted {
    fn transmit(&mut self, port: u32, packet: &[u8]) {
        black_box((port, packet));
        self.sent += 1;
    }

    fn digest(&mut self, _: usize, values: &[u64]) {
        black_box(values);
        self.digests += 1;
    }

    fn drop(&mut self, _: DropReason) {
        self.dropped += 1;
    }
}

/// How long packets took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measurement {
    pub(crate) cores: usize,
    packets: u64,
    /// Time that all cores together worked, however long they waited for other programs.
    worked: Duration,
}

impl Measurement {
    /// Time of one core for one packet.
    #[expect(clippy::cast_precision_loss, reason = "six digits are enough")]
    pub(crate) fn ns_each(self) -> f64 {
        self.worked.as_nanos() as f64 / self.packets as f64
    }

    /// Packets in a second of one core.
    pub(crate) fn rate(self) -> f64 {
        1e9 / self.ns_each()
    }
}

/// The best of three rounds: what else the machine does only makes packets slower.
pub(crate) fn measure(scenario: &Scenario, cores: usize, time: Duration) -> Measurement {
    let rounds = (0..3).map(|_| round(scenario, cores, time / 3));
    let best = rounds.min_by(|a, b| a.ns_each().total_cmp(&b.ns_each()));
    best.expect("there are three rounds")
}

fn round(scenario: &Scenario, cores: usize, time: Duration) -> Measurement {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|core| scope.spawn(move || work(scenario, core as u64, time)))
            .collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        let counts = joined.map(|count| count.expect("no packet panics"));
        let nothing = Measurement {
            cores,
            packets: 0,
            worked: Duration::ZERO,
        };
        counts.fold(nothing, |sum, (packets, worked)| Measurement {
            cores,
            packets: sum.packets + packets,
            worked: sum.worked + worked,
        })
    })
}

/// Time that this thread had a core, as Linux counts it; elsewhere, time that has passed.
fn worked(since: Instant) -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let first = text.and_then(|text| text.split(' ').next()?.parse().ok());
    first.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

fn work(scenario: &Scenario, core: u64, time: Duration) -> (u64, Duration) {
    let pipeline = scenario.program.pipeline();
    let (mut worker, mut sink) = (Worker::new(core + 1), Counted::default());
    let started = Instant::now();
    let before = worked(started);
    let mut count = 0;
    while started.elapsed() < time {
        for batch in scenario.packets.chunks(BATCH) {
            let state = pipeline.state();
            for (port, packet) in batch {
                let packet = (*port, packet.as_slice());
                pipeline.process_with(&state, &mut worker, packet, 1, &mut sink, &mut Silent);
            }
            count += batch.len() as u64;
        }
    }
    assert_eq!(sink.sent, count, "each packet leaves once");
    (count, worked(started).saturating_sub(before))
}
