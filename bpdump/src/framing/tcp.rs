// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Puts the octets of TCP connections in order, and hands them to the protocol above.

use std::collections::BTreeMap;

use super::{Layer, Path, stcp::Stcp, tcpcl::Tcpcl};

/// Segments that wait for an earlier one. More than a window is no traffic but an attack.
const WAITING_MAX: usize = 64 << 20;

/// What a segment has to say here.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) sequence: u32,
    /// Whether it opens the connection.
    pub(super) is_first: bool,
    pub(super) octets: Vec<u8>,
}

/// Every direction of every connection.
#[derive(Debug, Default)]
pub(super) struct Flows {
    flows: BTreeMap<Path, Flow>,
    notices: Vec<String>,
}

/// One direction of a connection.
#[derive(Debug)]
struct Flow {
    /// The sequence number of the octet that comes next.
    next: u32,
    /// Segments that came too early, by the distance from the first octet.
    waiting: BTreeMap<u64, Vec<u8>>,
    waiting_octets: usize,
    delivered: u64,
    protocol: Protocol,
}

/// What is spoken above, as far as it is known.
#[derive(Debug)]
enum Protocol {
    /// Fewer than four octets were seen.
    Unknown(Vec<u8>),
    Tcpcl(Tcpcl),
    Stcp(Stcp),
}

impl Flows {
    /// Takes the next segment, and returns the bundles that it completes.
    pub(super) fn take(&mut self, path: Path, segment: Segment) -> Vec<(Layer, Vec<u8>)> {
        if segment.is_first {
            let opened = Flow::new(segment.sequence.wrapping_add(1));
            if let Some(before) = self.flows.insert(path, opened) {
                self.notices.extend(before.notice(path));
            }
        }
        if segment.octets.is_empty() {
            return Vec::new();
        }
        let flow = self
            .flows
            .entry(path)
            .or_insert_with(|| Flow::new(segment.sequence));
        flow.take(segment)
    }

    pub(super) fn notices(mut self) -> Vec<String> {
        for (path, flow) in &self.flows {
            self.notices.extend(flow.notice(*path));
        }
        self.notices
    }
}

impl Flow {
    const fn new(next: u32) -> Self {
        Self {
            next,
            waiting: BTreeMap::new(),
            waiting_octets: 0,
            delivered: 0,
            protocol: Protocol::Unknown(Vec::new()),
        }
    }

    fn take(&mut self, segment: Segment) -> Vec<(Layer, Vec<u8>)> {
        let sequence = if segment.is_first {
            segment.sequence.wrapping_add(1)
        } else {
            segment.sequence
        };
        // Half of the number space is ahead, and half is behind.
        let ahead = sequence.wrapping_sub(self.next);
        let behind = self.next.wrapping_sub(sequence);
        let mut octets = segment.octets;
        if ahead != 0 && ahead < 1 << 31 {
            if self.waiting_octets + octets.len() <= WAITING_MAX {
                self.waiting_octets += octets.len();
                self.waiting
                    .insert(self.delivered + u64::from(ahead), octets);
            }
            return Vec::new();
        }
        // A retransmission may repeat octets and bring new ones behind them.
        let repeated = usize::try_from(behind).unwrap_or(usize::MAX);
        if repeated >= octets.len() {
            return Vec::new();
        }
        octets.drain(..repeated);
        let mut bundles = self.deliver(&octets);
        while let Some(entry) = self.waiting.first_entry() {
            let Some(behind) = self.delivered.checked_sub(*entry.key()) else {
                break;
            };
            let octets = entry.remove();
            self.waiting_octets -= octets.len();
            let new = usize::try_from(behind).ok().and_then(|at| octets.get(at..));
            bundles.extend(self.deliver(new.unwrap_or_default()));
        }
        bundles
    }

    fn deliver(&mut self, octets: &[u8]) -> Vec<(Layer, Vec<u8>)> {
        self.delivered += octets.len() as u64;
        // Sequence numbers are counted modulo 2^32.
        let [a, b, c, d, ..] = (octets.len() as u64).to_le_bytes();
        self.next = self.next.wrapping_add(u32::from_le_bytes([a, b, c, d]));
        match &mut self.protocol {
            Protocol::Unknown(start) => {
                start.extend_from_slice(octets);
                if start.len() < 4 {
                    return Vec::new();
                }
                let start = std::mem::take(start);
                self.protocol = if start.starts_with(b"dtn!") {
                    Protocol::Tcpcl(Tcpcl::default())
                } else {
                    Protocol::Stcp(Stcp::default())
                };
                self.protocol.take(&start)
            }
            _ => self.protocol.take(octets),
        }
    }

    /// What a user has to know about the octets that gave no bundle.
    fn notice(&self, path: Path) -> Option<String> {
        if !self.waiting.is_empty() {
            return Some(format!(
                "{path}: octets are missing behind the first {}, and what follows was not read",
                self.delivered
            ));
        }
        let why = match &self.protocol {
            Protocol::Unknown(_) => None,
            Protocol::Tcpcl(tcpcl) => tcpcl.stopped(),
            Protocol::Stcp(stcp) => stcp.stopped(),
        };
        why.map(|why| format!("{path}: {why}"))
    }
}

impl Protocol {
    fn take(&mut self, octets: &[u8]) -> Vec<(Layer, Vec<u8>)> {
        match self {
            Self::Unknown(_) => Vec::new(),
            Self::Tcpcl(tcpcl) => tcpcl.take(octets),
            Self::Stcp(stcp) => {
                let bundles = stcp.take(octets);
                bundles.into_iter().map(|it| (Layer::Stcp, it)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Flows, Layer, Path, Segment};

    const BUNDLE: &[u8] = &[6, 1, 2, 3];

    fn path() -> Path {
        Path {
            from: "10.0.0.1:40000".parse().expect("an address"),
            to: "10.0.0.2:4556".parse().expect("an address"),
        }
    }

    fn segment(sequence: u32, octets: &[u8]) -> Segment {
        Segment {
            sequence,
            is_first: false,
            octets: octets.to_vec(),
        }
    }

    /// The bundle in a frame of STCP, near the end of the number space.
    fn check(parts: &[(u32, std::ops::Range<usize>)]) {
        let stream = [&[0, 0, 0, 4], BUNDLE, &[0, 0, 0, 4], BUNDLE].concat();
        let start = u32::MAX - 5;
        let mut flows = Flows::default();
        let syn = Segment {
            sequence: start,
            is_first: true,
            octets: Vec::new(),
        };
        let mut found = flows.take(path(), syn);
        for (offset, range) in parts {
            let sequence = start.wrapping_add(1).wrapping_add(*offset);
            found.extend(flows.take(path(), segment(sequence, &stream[range.clone()])));
        }
        let expected = (Layer::Stcp, BUNDLE.to_vec());
        assert_eq!(found, [expected.clone(), expected]);
        assert!(flows.notices().is_empty());
    }

    #[test]
    fn in_order() {
        check(&[(0, 0..3), (3, 3..9), (9, 9..16)]);
    }

    #[test]
    fn out_of_order_and_repeated() {
        check(&[(9, 9..16), (0, 0..3), (0, 0..5), (2, 2..11)]);
        check(&[(4, 4..8), (8, 8..16), (4, 4..8), (0, 0..4)]);
    }

    #[test]
    fn missing_octets_are_told() {
        let mut flows = Flows::default();
        assert!(flows.take(path(), segment(0, &[0, 0, 0, 4, 6])).is_empty());
        assert!(flows.take(path(), segment(7, &[3])).is_empty());
        assert_eq!(flows.notices().len(), 1);
    }
}
