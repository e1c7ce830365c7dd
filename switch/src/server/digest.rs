// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Digest lists: collects samples, decides when a list leaves, and suppresses what was not
//! acknowledged yet. See
//! [P4Runtime §9.6](https://p4.org/p4-spec/p4runtime/v1.5.0/P4Runtime-Spec.html#sec-digestentry).
//!
//! This part has no clock: time is an argument.

use std::collections::{BTreeMap, HashMap, HashSet};

/// Longest list, if the controller sets no bound or a larger one.
const MAX_LIST: usize = 1024;

/// Samples of one digest that may wait for an acknowledgement. Beyond it, new samples are dropped.
const MAX_UNACKNOWLEDGED: usize = 65_536;

/// How a controller wants a digest.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Config {
    /// Longest time that a sample waits for its list; 0 sends each at once.
    pub(crate) max_timeout_ns: u64,
    /// Longest list; 0 sets no bound.
    pub(crate) max_list_size: usize,
    /// How long an unacknowledged sample is not repeated; 0 repeats always.
    pub(crate) ack_timeout_ns: u64,
}

/// A sample: the limbs of all fields.
pub(crate) type Sample = Vec<u64>;

/// A list that leaves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct List {
    /// Index of the digest in the program.
    pub(crate) digest: usize,
    pub(crate) id: u64,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Debug, Default)]
struct Queue {
    config: Config,
    waiting: Vec<Sample>,
    distinct: HashSet<Sample>,
    /// When the oldest waiting sample came.
    since_ns: u64,
    /// Lists that were sent and not acknowledged: time and samples.
    sent: BTreeMap<u64, (u64, Vec<Sample>)>,
    /// Samples that are not repeated, and until when.
    suppressed: HashMap<Sample, u64>,
}

/// The digests of one pipeline that a controller has asked for.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    queues: BTreeMap<usize, Queue>,
    next_list: u64,
    dropped: u64,
}

impl Digests {
    /// How a digest is configured, if it is.
    pub(crate) fn config(&self, digest: usize) -> Option<Config> {
        self.queues.get(&digest).map(|queue| queue.config)
    }

    /// Configures a digest, or stops it. What waits is dropped when it stops.
    pub(crate) fn configure(&mut self, digest: usize, config: Option<Config>) {
        match config {
            Some(config) => self.queues.entry(digest).or_default().config = config,
            None => _ = self.queues.remove(&digest),
        }
    }

    /// Samples that were dropped because too many wait for an acknowledgement.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A packet has sent a digest. Returns the list that is full now.
    pub(crate) fn sample(&mut self, digest: usize, sample: &[u64], now_ns: u64) -> Option<List> {
        let queue = self.queues.get_mut(&digest)?;
        let config = queue.config;
        if config.ack_timeout_ns > 0 {
            if queue
                .suppressed
                .get(sample)
                .is_some_and(|until| *until > now_ns)
            {
                return None;
            }
            if queue.suppressed.len() >= MAX_UNACKNOWLEDGED {
                self.dropped += 1;
                return None;
            }
            queue.suppressed.insert(
                sample.to_vec(),
                now_ns.saturating_add(config.ack_timeout_ns),
            );
        }
        if !queue.distinct.insert(sample.to_vec()) {
            return None;
        }
        if queue.waiting.is_empty() {
            queue.since_ns = now_ns;
        }
        queue.waiting.push(sample.to_vec());
        let bound = if config.max_list_size == 0 {
            MAX_LIST
        } else {
            config.max_list_size
        };
        let full = queue.waiting.len() >= bound.min(MAX_LIST) || config.max_timeout_ns == 0;
        full.then(|| self.flush(digest, now_ns)).flatten()
    }

    /// The lists whose time has come; also forgets what was never acknowledged.
    pub(crate) fn due(&mut self, now_ns: u64) -> Vec<List> {
        let mut due = Vec::new();
        for (digest, queue) in &mut self.queues {
            let timeout = queue.config.ack_timeout_ns;
            queue.suppressed.retain(|_, until| *until > now_ns);
            queue
                .sent
                .retain(|_, (at, _)| at.saturating_add(timeout) > now_ns);
            let deadline = queue.since_ns.saturating_add(queue.config.max_timeout_ns);
            if !queue.waiting.is_empty() && deadline <= now_ns {
                due.push(*digest);
            }
        }
        due.into_iter()
            .filter_map(|digest| self.flush(digest, now_ns))
            .collect()
    }

    /// When [`Digests::due`] has something to do next.
    pub(crate) fn deadline_ns(&self) -> Option<u64> {
        let waiting = self
            .queues
            .values()
            .filter(|queue| !queue.waiting.is_empty());
        waiting
            .map(|queue| queue.since_ns.saturating_add(queue.config.max_timeout_ns))
            .min()
    }

    /// A controller has acknowledged a list: its samples may be sent again.
    /// Returns whether the list was waiting for that.
    pub(crate) fn acknowledge(&mut self, digest: usize, list: u64) -> bool {
        let Some(queue) = self.queues.get_mut(&digest) else {
            return false;
        };
        let Some((_, samples)) = queue.sent.remove(&list) else {
            return false;
        };
        for sample in samples {
            queue.suppressed.remove(&sample);
        }
        true
    }

    fn flush(&mut self, digest: usize, now_ns: u64) -> Option<List> {
        let queue = self.queues.get_mut(&digest)?;
        self.next_list += 1;
        let samples = std::mem::take(&mut queue.waiting);
        queue.distinct.clear();
        if queue.config.ack_timeout_ns > 0 {
            queue.sent.insert(self.next_list, (now_ns, samples.clone()));
        }
        Some(List {
            digest,
            id: self.next_list,
            samples,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(max_timeout_ns: u64, max_list_size: usize, ack_timeout_ns: u64) -> Digests {
        let mut digests = Digests::default();
        let config = Config {
            max_timeout_ns,
            max_list_size,
            ack_timeout_ns,
        };
        digests.configure(0, Some(config));
        digests
    }

    #[test]
    fn lists_leave_when_full_or_when_their_time_has_come() {
        let mut digests = with(100, 2, 0);
        assert_eq!(digests.sample(0, &[1], 0), None);
        assert_eq!(
            digests.sample(0, &[1], 1),
            None,
            "samples of a list are distinct"
        );
        let list = digests.sample(0, &[2], 2).expect("the list is full");
        assert_eq!(list.samples, [[1], [2]]);
        assert_eq!(digests.sample(0, &[1], 10), None);
        assert_eq!(digests.deadline_ns(), Some(110));
        assert!(digests.due(109).is_empty());
        assert_eq!(digests.due(110)[0].samples, [[1]]);
        assert_eq!(digests.sample(7, &[1], 0), None, "not configured");
    }

    #[test]
    fn no_timeout_sends_at_once() {
        let mut digests = with(0, 0, 0);
        assert!(digests.sample(0, &[1], 0).is_some());
        assert!(digests.sample(0, &[1], 0).is_some());
    }

    #[test]
    fn samples_wait_for_their_acknowledgement() {
        let mut digests = with(0, 1, 1000);
        let list = digests.sample(0, &[1], 0).expect("sent");
        assert_eq!(digests.sample(0, &[1], 10), None);
        assert!(digests.acknowledge(0, list.id));
        assert!(!digests.acknowledge(0, list.id));
        assert!(digests.sample(0, &[1], 20).is_some());
        assert_eq!(digests.sample(0, &[1], 1019), None);
        assert!(
            digests.sample(0, &[1], 1020).is_some(),
            "the time-out has passed"
        );
    }
}
