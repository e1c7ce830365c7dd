// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Frames on their way out: those of one port leave together, with one call for many.

use std::collections::BTreeMap;

/// Octets that may wait for a port before they leave.
const MOST: usize = 128 << 10;

/// Frames that wait to be sent, by port.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queues: BTreeMap<u32, Queue>,
}

/// Frames for one port.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// The frames, one behind the other.
    pub(crate) frames: Vec<u8>,
    /// Where each of them ends.
    pub(crate) ends: Vec<usize>,
}

impl Outbox {
    /// Puts a frame behind others of its port. Returns the queue if it is so long that it should
    /// be sent now.
    pub(crate) fn push(&mut self, port: u32, frame: &[u8]) -> Option<&mut Queue> {
        let queue = self.queues.entry(port).or_default();
        queue.frames.extend_from_slice(frame);
        queue.ends.push(queue.frames.len());
        (queue.frames.len() > MOST).then_some(queue)
    }

    /// What waits for each port.
    pub(crate) fn waiting(&mut self) -> impl Iterator<Item = (u32, &mut Queue)> {
        let queues = self.queues.iter_mut();
        let queues = queues.filter(|(_, queue)| !queue.ends.is_empty());
        queues.map(|(port, queue)| (*port, queue))
    }
}

impl Queue {
    /// Forgets what was sent.
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.ends.clear();
    }
}
