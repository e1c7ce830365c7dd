// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keeps a switch busy through its interfaces, with little work for each frame on this side: frames
//! enter many at a time, and those that leave are counted by the kernel, which wakes nobody for them.
//! What it does at the far end of a pair, it does in the time of the switch.
#![allow(unsafe_code, reason = "counts of packet sockets have no safe wrapper")]

use std::{
    io,
    mem::MaybeUninit,
    os::fd::AsRawFd as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use socket2::Socket;
use switch::ports::{PacketSocket, raw_socket};

use super::veth::{LOST, PORTS, end};

/// The most frames of one measurement.
const MOST: u64 = 20_000_000;

/// How much is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Depth {
    /// Frames that enter together.
    pub(crate) burst: u64,
    /// Frames that have entered and not left.
    pub(crate) window: u64,
}

/// What went through a switch, and how long it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) frames: u64,
    pub(crate) elapsed: Duration,
}

/// Frames that enter a port together.
#[derive(Debug, Default)]
struct Burst {
    port: u32,
    frames: Vec<u8>,
    ends: Vec<usize>,
}

/// Counts what arrives at the far end of a port: a socket that nobody reads.
struct Counter(Socket);

impl Counter {
    fn open(port: u32) -> anyhow::Result<Self> {
        let socket = raw_socket(&end(port))?;
        // What does not fit is counted all the same, and costs nothing.
        socket.set_recv_buffer_size(0)?;
        Ok(Self(socket))
    }

    /// Frames since the last time, kept or not.
    fn take(&self) -> anyhow::Result<u64> {
        let mut counts = MaybeUninit::<libc::tpacket_stats>::zeroed();
        let mut len = libc::socklen_t::try_from(size_of::<libc::tpacket_stats>())?;
        let (level, name) = (libc::SOL_PACKET, libc::PACKET_STATISTICS);
        let fd = self.0.as_raw_fd();
        // SAFETY: the pointers are to a live structure and to its length.
        let done = unsafe {
            let counts = counts.as_mut_ptr().cast();
            libc::getsockopt(fd, level, name, counts, &raw mut len)
        };
        if done < 0 {
            return Err(io::Error::last_os_error()).context("cannot count frames");
        }
        // SAFETY: the structure has integers only, and was zero before the call wrote it.
        let counts = unsafe { counts.assume_init() };
        Ok(counts.tp_packets.into())
    }
}

/// Keeps the switch busy for a time: for frames that leave, others enter.
///
/// # Errors
///
/// A frame is lost, or there are more than were sent.
pub(crate) fn load(
    packets: &[(u32, Vec<u8>)],
    time: Duration,
    depth: Depth,
) -> anyhow::Result<Flow> {
    let counters = (1..=PORTS).map(Counter::open);
    let counters: Vec<Counter> = counters.collect::<anyhow::Result<_>>()?;
    let senders = (1..=PORTS).map(|port| PacketSocket::open(&end(port)));
    let senders: Vec<PacketSocket> = senders.collect::<io::Result<_>>()?;
    let bursts = bursts(packets, depth.burst);
    ensure!(!bursts.is_empty(), "there are no packets");
    let start = Instant::now();
    let mut last_arrival = start;
    let (mut sent, mut arrived) = (0, 0);
    let mut next = bursts.iter().cycle();
    loop {
        let over = sent >= MOST || start.elapsed() >= time;
        while !over && sent - arrived + depth.burst <= depth.window {
            let Some(burst) = next.next() else { break };
            let sender = usize::try_from(burst.port - 1)?;
            let (taken, _) = senders[sender].send_all(&burst.frames, &burst.ends);
            ensure!(taken == burst.ends.len() as u64, "cannot send frames");
            sent += taken;
        }
        let mut found = 0;
        for counter in &counters {
            found += counter.take()?;
        }
        arrived += found;
        ensure!(
            arrived <= sent,
            "of {sent} frames, {arrived} arrive: somebody else sends, too"
        );
        if over && arrived == sent {
            break;
        }
        if found > 0 {
            last_arrival = Instant::now();
        }
        ensure!(
            last_arrival.elapsed() < LOST,
            "{} of {sent} frames are lost",
            sent - arrived
        );
    }
    Ok(Flow {
        frames: arrived,
        elapsed: start.elapsed(),
    })
}

/// Frames in their order, as many together as go to one port.
fn bursts(packets: &[(u32, Vec<u8>)], most: u64) -> Vec<Burst> {
    let mut bursts: Vec<Burst> = Vec::new();
    for (port, frame) in packets {
        let room = |burst: &&mut Burst| burst.port == *port && (burst.ends.len() as u64) < most;
        let burst = if let Some(burst) = bursts.last_mut().filter(room) {
            burst
        } else {
            bursts.push(Burst {
                port: *port,
                ..Burst::default()
            });
            bursts.last_mut().expect("one was just put there")
        };
        burst.frames.extend_from_slice(frame);
        burst.ends.push(burst.frames.len());
    }
    bursts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_one_port_enter_together() {
        let packets = [1, 1, 1, 2, 1].map(|port| (port, vec![0; 10]));
        let found: Vec<_> = bursts(&packets, 2)
            .into_iter()
            .map(|burst| (burst.port, burst.ends))
            .collect();
        let expected = [
            (1, vec![10, 20]),
            (1, vec![10]),
            (2, vec![10]),
            (1, vec![10]),
        ];
        assert_eq!(found, expected);
    }
}
