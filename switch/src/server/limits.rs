// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many calls a connection may make.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

/// Connections whose rates are remembered. More than the server lets in, so that one that floods
/// is not forgotten for those that come and go.
const REMEMBERED: usize = 1024;

const SECOND_NS: u64 = 1_000_000_000;

/// Counts the calls of each connection.
#[derive(Debug)]
pub(crate) struct CallRates {
    per_second: u32,
    peers: Mutex<BTreeMap<SocketAddr, Bucket>>,
}

/// Calls that a connection has left, and when that was so. A call costs as many units as a second
/// has nanoseconds divided by the rate.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left_ns: u64,
    at_ns: u64,
}

impl CallRates {
    /// A limit of so many calls in a second, all of which may come at once.
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.max(1),
            peers: Mutex::default(),
        }
    }

    /// Whether a connection may make a call now.
    pub(crate) fn admit(&self, peer: Option<SocketAddr>, now_ns: u64) -> bool {
        // Without an address, it comes from this process.
        let Some(peer) = peer else {
            return true;
        };
        let cost = SECOND_NS / u64::from(self.per_second);
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if !peers.contains_key(&peer) && peers.len() >= REMEMBERED {
            // Whoever was silent for a second has all its calls again.
            peers.retain(|_, bucket| now_ns.saturating_sub(bucket.at_ns) < SECOND_NS);
            if peers.len() >= REMEMBERED {
                return false;
            }
        }
        let full = Bucket {
            left_ns: SECOND_NS,
            at_ns: now_ns,
        };
        let bucket = peers.entry(peer).or_insert(full);
        let gained = now_ns.saturating_sub(bucket.at_ns);
        bucket.left_ns = bucket.left_ns.saturating_add(gained).min(SECOND_NS);
        bucket.at_ns = now_ns;
        if bucket.left_ns < cost {
            return false;
        }
        bucket.left_ns -= cost;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn a_connection_has_so_many_calls_in_a_second() {
        let rates = CallRates::new(10);
        let now = 5 * SECOND_NS;
        let admitted = (0..20).filter(|_| rates.admit(Some(peer(1)), now)).count();
        assert_eq!(admitted, 10);
        assert!(rates.admit(Some(peer(2)), now), "another connection");
        assert!(!rates.admit(Some(peer(1)), now + SECOND_NS / 20));
        assert!(rates.admit(Some(peer(1)), now + SECOND_NS / 10));
        assert!(!rates.admit(Some(peer(1)), now + SECOND_NS / 10));
    }

    #[test]
    fn connections_are_forgotten_when_they_are_silent() {
        let rates = CallRates::new(10);
        let at = |second: u64| second * SECOND_NS;
        let many = u16::try_from(REMEMBERED).expect("a port");
        assert!((0..many).all(|port| rates.admit(Some(peer(port)), at(1))));
        assert!(!rates.admit(Some(peer(many)), at(1)));
        assert!(rates.admit(Some(peer(many)), at(2)));
    }
}
