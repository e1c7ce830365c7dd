// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Threads that take frames from Linux interfaces: each has a ring of every interface, and the
//! kernel puts the frames of one flow into one ring. So all cores share the work of one port, and
//! no frame overtakes another one of its flow.

use std::{io, os::fd::OwnedFd, thread, time::Duration};

use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};
use tokio_util::sync::CancellationToken;

use super::{BATCH, outbox::Outbox, ring::Ring};
use crate::{device::Device, traffic::Worker};

/// The most threads that start unasked.
const MOST_THREADS: usize = 8;

/// Longest wait for a frame, after which a thread sees whether it should end.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Pause after an error, so that an interface that is down does not keep a core busy.
const RETRY: Duration = Duration::from_millis(200);

/// How many threads there are if nobody says: as many as this process has cores.
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_THREADS))
}

/// What one thread takes frames from.
#[derive(Debug)]
pub(crate) struct Share {
    /// Rings, and the ports that they belong to.
    rings: Vec<(u32, Ring)>,
    watch: OwnedFd,
}

impl Share {
    /// A share of nothing.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            rings: Vec::new(),
            watch: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        })
    }

    /// Adds a ring of a port.
    pub(crate) fn add(&mut self, port: u32, ring: Ring) -> io::Result<()> {
        let data = epoll::EventData::new_u64(self.rings.len() as u64);
        epoll::add(&self.watch, &ring, data, epoll::EventFlags::IN)?;
        self.rings.push((port, ring));
        Ok(())
    }

    /// Hands frames to the device until `stop`.
    pub(crate) fn serve(mut self, device: &Device, seed: u64, stop: &CancellationToken) {
        let mut worker = Worker::new(seed);
        let mut outbox = Outbox::default();
        while !stop.is_cancelled() {
            let mut any = false;
            for (port, ring) in &mut self.rings {
                if ring.look(BATCH) {
                    device.receive_into(&mut worker, *port, ring.frames(), &mut outbox);
                    ring.release();
                    any = true;
                }
            }
            device.flush(&mut outbox);
            if !any && let Err(error) = self.wait() {
                tracing::warn!(reason = %error, "cannot wait for frames");
                thread::sleep(RETRY);
            }
        }
    }

    /// Waits for a frame, but not for ever.
    fn wait(&self) -> io::Result<()> {
        let mut events = Vec::with_capacity(self.rings.len());
        match epoll::wait(&self.watch, spare_capacity(&mut events), Some(&PATIENCE)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let (flags, at) = (event.flags, event.data.u64());
            if !flags.contains(epoll::EventFlags::ERR) {
                continue;
            }
            // An interface that goes down says so once, and may come up again.
            let ring = usize::try_from(at).ok().and_then(|at| self.rings.get(at));
            if let Some((port, ring)) = ring
                && let Some(error) = ring.error()
            {
                tracing::warn!(port, reason = %error, "cannot receive");
            }
        }
        Ok(())
    }
}

/// Opens as many rings on an interface as there are shares, and adds one to each.
pub(crate) fn open(port: u32, interface: &str, shares: &mut [Share]) -> io::Result<()> {
    let count = shares.len();
    let mut group = None;
    for share in shares {
        let ring = Ring::open(interface, count)?;
        group = Some(ring.start(group)?);
        share.add(port, ring)?;
    }
    Ok(())
}
