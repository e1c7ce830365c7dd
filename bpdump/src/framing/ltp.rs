// SPDX-License-Identifier: Apache-2.0 OR MIT
//! LTP: blocks of bundles from the segments of sessions.
//! See [RFC 5326 §3](https://www.rfc-editor.org/rfc/rfc5326#section-3).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bundle::sdnv;

/// The client service of the Bundle Protocol.
const BUNDLE_PROTOCOL: u64 = 1;
/// More than this is not kept for one block.
const BLOCK_MAX: u64 = 256 << 20;

/// Who sent a block, and its number.
type Session = (IpAddr, u64, u64);

/// The blocks of all sessions.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    open: BTreeMap<Session, Block>,
    done: BTreeSet<Session>,
    unreadable: usize,
}

/// The segments of a block that have arrived, by their offset.
#[derive(Debug, Default)]
struct Block {
    segments: BTreeMap<u64, Vec<u8>>,
    /// Where the block ends, once the segment that says so is here.
    end: Option<u64>,
}

/// A segment of data.
#[derive(Debug, Eq, PartialEq)]
struct Segment<'a> {
    engine: u64,
    session: u64,
    offset: u64,
    data: &'a [u8],
    ends_block: bool,
}

impl Blocks {
    /// Takes the next datagram, and returns the block that it completes.
    pub(super) fn take(&mut self, from: IpAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        let Some(segment) = Segment::decode(datagram) else {
            self.unreadable += 1;
            return None;
        };
        let segment = segment?;
        let session = (from, segment.engine, segment.session);
        let end = segment.offset.checked_add(segment.data.len() as u64)?;
        if self.done.contains(&session) || end > BLOCK_MAX {
            return None;
        }
        let block = self.open.entry(session).or_default();
        if segment.ends_block {
            block.end = Some(end);
        }
        block.insert(segment.offset, segment.data);
        let octets = block.octets()?;
        self.open.remove(&session);
        self.done.insert(session);
        Some(octets)
    }

    pub(super) fn notices(&self) -> Vec<String> {
        let unfinished = self.open.iter().map(|((from, engine, session), block)| {
            let octets: usize = block.segments.values().map(Vec::len).sum();
            format!(
                "LTP session {session} of engine {engine} at {from} is incomplete: {octets} octets arrived"
            )
        });
        let unreadable = (self.unreadable > 0).then(|| {
            format!(
                "{} datagrams of the LTP port are no LTP segments",
                self.unreadable
            )
        });
        unfinished.chain(unreadable).collect()
    }
}

impl Block {
    /// Keeps a segment. A retransmission may be cut differently: the longest one stays.
    fn insert(&mut self, offset: u64, data: &[u8]) {
        let known = self.segments.entry(offset).or_default();
        if known.len() < data.len() {
            *known = data.to_vec();
        }
    }

    /// The whole block, if nothing is missing.
    fn octets(&self) -> Option<Vec<u8>> {
        let end = self.end?;
        let mut covered = 0;
        for (offset, data) in &self.segments {
            if *offset > covered {
                return None;
            }
            covered = covered.max(offset + data.len() as u64);
        }
        if covered < end {
            return None;
        }
        let mut octets = Vec::new();
        for (offset, data) in &self.segments {
            let known = octets.len() as u64;
            let skipped = usize::try_from(known.saturating_sub(*offset)).ok()?;
            octets.extend_from_slice(data.get(skipped..).unwrap_or_default());
        }
        Some(octets)
    }
}

impl<'a> Segment<'a> {
    /// Decodes a segment. `None` if it is damaged, `Some(None)` if it holds no data of bundles.
    #[expect(
        clippy::option_option,
        reason = "damaged and irrelevant segments are counted differently"
    )]
    fn decode(input: &'a [u8]) -> Option<Option<Self>> {
        let (first, rest) = input.split_first()?;
        let (version, kind) = (first >> 4, first & 0x0f);
        if version != 0 {
            return None;
        }
        let (engine, rest) = sdnv::decode(rest).ok()?;
        let (session, rest) = sdnv::decode(rest).ok()?;
        let (counts, mut rest) = rest.split_first()?;
        for _ in 0..counts >> 4 {
            let (_tag, after) = rest.split_first()?;
            let (length, after) = sdnv::decode(after).ok()?;
            rest = after.get(usize::try_from(length).ok()?..)?;
        }
        // Red data is 0 to 3, green data 4 and 7. Others are reports and cancellations.
        if !matches!(kind, 0..=4 | 7) {
            return Some(None);
        }
        let (client, rest) = sdnv::decode(rest).ok()?;
        let (offset, rest) = sdnv::decode(rest).ok()?;
        let (length, mut rest) = sdnv::decode(rest).ok()?;
        let is_checkpoint = matches!(kind, 1..=3);
        if is_checkpoint {
            let (_checkpoint, after) = sdnv::decode(rest).ok()?;
            let (_report, after) = sdnv::decode(after).ok()?;
            rest = after;
        }
        let data = rest.get(..usize::try_from(length).ok()?)?;
        let ends_block = matches!(kind, 3 | 7);
        let segment = Self {
            engine,
            session,
            offset,
            data,
            ends_block,
        };
        Some((client == BUNDLE_PROTOCOL).then_some(segment))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::Blocks;

    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A segment of red data of engine 1, session 9: the last one ends the block.
    fn red(offset: u8, data: &[u8], last: bool) -> Vec<u8> {
        let length = u8::try_from(data.len()).expect("short data");
        let head = [if last { 3 } else { 0 }, 1, 9, 0, 1, offset, length];
        let checkpoint: &[u8] = if last { &[5, 0] } else { &[] };
        [&head, checkpoint, data].concat()
    }

    #[track_caller]
    fn check(segments: &[Vec<u8>], expected: Option<&[u8]>) {
        let mut blocks = Blocks::default();
        let found: Vec<_> = segments
            .iter()
            .filter_map(|segment| blocks.take(FROM, segment))
            .collect();
        assert_eq!(found.first().map(Vec::as_slice), expected);
        assert!(found.len() <= 1);
        assert_eq!(blocks.notices().is_empty(), expected.is_some());
    }

    #[test]
    fn any_order_and_retransmissions() {
        let (first, second) = (red(0, &[1, 2], false), red(2, &[3], true));
        let whole: &[u8] = &[1, 2, 3];
        check(&[first.clone(), second.clone()], Some(whole));
        check(
            &[second.clone(), first.clone(), second.clone()],
            Some(whole),
        );
        check(&[red(0, &[1, 2, 3], false), second.clone()], Some(whole));
        check(&[first.clone(), red(1, &[2, 3], true)], Some(whole));
        check(&[first], None);
        check(&[second], None);
    }

    #[test]
    fn other_segments_are_left_alone() {
        let mut blocks = Blocks::default();
        let report = [8, 1, 9, 0, 1, 1, 3, 0, 1, 0, 3];
        assert_eq!(blocks.take(FROM, &report), None);
        assert!(blocks.notices().is_empty());
        assert_eq!(blocks.take(FROM, &[0x10]), None);
        assert_eq!(blocks.notices().len(), 1);
    }
}
