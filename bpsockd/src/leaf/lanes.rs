// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles on their way out: a queue for each neighbour, and how fast it may go.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

/// Which neighbour, by its place in the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct To {
    /// The place.
    pub lane: usize,
    /// Where datagrams go.
    pub address: SocketAddr,
}

/// The way to a neighbour.
#[derive(Clone, Debug)]
pub struct Lane {
    address: SocketAddr,
    octets_per_s: Option<u64>,
    /// The most urgent bundle first, and of those the oldest.
    queue: BTreeSet<(u8, u64)>,
    /// The bundle whose fragments are being sent.
    current: Option<(u64, VecDeque<Vec<u8>>)>,
    free_at_us: u64,
}

/// How far the sending may be ahead of the rate: timers are no better than some milliseconds.
const SLACK_US: u64 = 10_000;
/// How long to wait when the system cannot send.
const RETRY_US: u64 = 1_000_000;

impl Lane {
    /// A way that is free.
    #[must_use]
    pub const fn new(address: SocketAddr, octets_per_s: Option<u64>) -> Self {
        Self {
            address,
            octets_per_s,
            queue: BTreeSet::new(),
            current: None,
            free_at_us: 0,
        }
    }

    /// Where it leads.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a bundle. A larger priority goes first.
    pub fn push(&mut self, priority: u8, number: u64) {
        self.queue.insert((u8::MAX - priority, number));
    }

    /// Takes a bundle out that has not begun to leave.
    pub fn remove(&mut self, priority: u8, number: u64) -> bool {
        self.queue.remove(&(u8::MAX - priority, number))
    }

    /// The next bundle to divide and send, if the one before has left.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        let first = self.queue.first().filter(|_| self.current.is_none());
        first.map(|(_, number)| *number)
    }

    /// The fragments of that bundle.
    pub fn begin(&mut self, fragments: Vec<Vec<u8>>) {
        if let Some((_, number)) = self.queue.pop_first() {
            self.current = Some((number, fragments.into()));
        }
    }

    /// The next datagram, if the rate allows one.
    #[must_use]
    pub fn datagram(&self, now_ms: u64) -> Option<&[u8]> {
        let (_, fragments) = self.current.as_ref()?;
        let may = self.free_at_us <= (now_ms * 1000).saturating_add(SLACK_US);
        fragments.front().filter(|_| may).map(Vec::as_slice)
    }

    /// The datagram has left. Returns the bundle if it was the last of it.
    pub fn sent(&mut self, now_ms: u64) -> Option<u64> {
        let (number, fragments) = self.current.as_mut()?;
        let number = *number;
        let octets = fragments
            .pop_front()
            .map_or(0, |fragment| fragment.len() as u64);
        if let Some(rate) = self.octets_per_s {
            let cost = octets.saturating_mul(1_000_000) / rate.max(1);
            self.free_at_us = self.free_at_us.max(now_ms * 1000) + cost;
        }
        if fragments.is_empty() {
            self.current = None;
            return Some(number);
        }
        None
    }

    /// The system could not send: once more, later.
    pub fn failed(&mut self, now_ms: u64) {
        self.free_at_us = now_ms * 1000 + RETRY_US + SLACK_US;
    }

    /// In how many milliseconds something may be sent. `None` if there is nothing.
    #[must_use]
    pub fn due_in_ms(&self, now_ms: u64) -> Option<u64> {
        if self.current.is_none() && self.queue.is_empty() {
            return None;
        }
        let wait = self.free_at_us.saturating_sub(SLACK_US + now_ms * 1000);
        Some(wait.div_ceil(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(rate: Option<u64>) -> Lane {
        Lane::new("127.0.0.1:1".parse().unwrap(), rate)
    }

    #[test]
    fn urgent_bundles_go_first_and_others_in_order() {
        let mut lane = lane(None);
        for (priority, number) in [(1, 5), (1, 4), (0, 1), (2, 9)] {
            lane.push(priority, number);
        }
        assert!(lane.remove(1, 4));
        assert!(!lane.remove(1, 4));
        let mut order = Vec::new();
        while let Some(number) = lane.next() {
            lane.begin(vec![vec![0], vec![1]]);
            // The next one has to wait for all of it.
            assert_eq!(lane.next(), None);
            assert_eq!(lane.sent(0), None);
            assert_eq!(lane.sent(0), Some(number));
            order.push(number);
        }
        assert_eq!(order, [9, 5, 1]);
    }

    #[test]
    fn no_faster_than_the_rate() {
        let mut lane = lane(Some(1000));
        lane.push(1, 1);
        lane.begin(vec![vec![0; 100]; 3]);
        assert!(lane.datagram(1000).is_some());
        lane.sent(1000);
        assert!(lane.datagram(1000).is_none());
        assert_eq!(lane.due_in_ms(1000), Some(90));
        assert!(lane.datagram(1090).is_some());
        lane.failed(1090);
        assert_eq!(lane.due_in_ms(1090), Some(1000));
    }
}
