// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fragmentation of bundles: one bundle becomes several, none longer than a limit.
//!
//! See [RFC 9171 §5.8](https://www.rfc-editor.org/rfc/rfc9171#section-5.8) and
//! [RFC 5050 §5.8](https://www.rfc-editor.org/rfc/rfc5050#section-5.8). Reassembly is the
//! business of the destination.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use crate::error::DecodeError;
use crate::v7::Tolerance;
use crate::{Version, v6, v7, version};

/// The most bundles that one becomes: the blocks that go into each of them are the sender's
/// choice, and so is how little room they leave.
pub const MAX_FRAGMENTS: usize = 1024;

/// Divides a bundle into fragments of at most `max_len` octets, in the order of the payload.
///
/// A bundle that is short enough is the only element of the result, unchanged. A fragment may be
/// divided again: offsets are those in the original data unit.
///
/// In version 7 all blocks go into the first fragment, and those into each that say so or without
/// which a fragment would have neither an end of its life nor a limit of its hops: bundle age and
/// hop count. In version 6 blocks go into the fragment at their side of the payload, or into each.
///
/// # Errors
///
/// The bundle is none, must not be fragmented, or leaves no room for its payload.
pub fn fragment(octets: &[u8], max_len: usize) -> Result<Vec<Vec<u8>>, FragmentError> {
    fragment_into(octets, max_len, MAX_FRAGMENTS)
}

/// As [`fragment()`], with another limit than [`MAX_FRAGMENTS`]: the source of a bundle knows what
/// is in it.
///
/// # Errors
///
/// As [`fragment()`].
pub fn fragment_into(
    octets: &[u8],
    max_len: usize,
    max_fragments: usize,
) -> Result<Vec<Vec<u8>>, FragmentError> {
    if octets.len() <= max_len {
        return Ok(vec![octets.to_vec()]);
    }
    match version(octets) {
        Some(Version::V6) => {
            let bundle = v6::Bundle::decode(octets)?;
            let source = bundle.primary.eid(bundle.primary.source);
            let forbidden = bundle
                .primary
                .flags
                .contains(v6::BundleFlags::MUST_NOT_FRAGMENT);
            allow(forbidden, source.is_ok_and(|source| source.is_null()))?;
            let known = bundle.primary.fragment;
            let known = known.map(|fragment| (fragment.offset, fragment.adu_length));
            let unit = DataUnit::new(known, bundle.payload().len())?;
            divide(unit.payload_len, max_len, max_fragments, |piece| {
                piece_v6(&bundle, unit, piece)
            })
        }
        Some(Version::V7) => {
            let bundle = v7::Bundle::decode(octets, Tolerance::LENIENT)?;
            let forbidden = bundle
                .primary
                .flags
                .contains(v7::BundleFlags::MUST_NOT_FRAGMENT);
            allow(forbidden, bundle.primary.source.is_null())?;
            let known = bundle.primary.fragment;
            let known = known.map(|fragment| (fragment.offset, fragment.adu_length));
            let unit = DataUnit::new(known, bundle.payload().len())?;
            divide(unit.payload_len, max_len, max_fragments, |piece| {
                piece_v7(&bundle, unit, piece)
            })
        }
        None => Err(FragmentError::Version),
    }
}

fn allow(forbidden: bool, anonymous: bool) -> Result<(), FragmentError> {
    match (forbidden, anonymous) {
        (true, _) => Err(FragmentError::Forbidden),
        // Fragments are put together by their source and creation time.
        (_, true) => Err(FragmentError::Anonymous),
        _ => Ok(()),
    }
}

/// Where the payload is in the application data unit.
#[derive(Clone, Copy)]
struct DataUnit {
    offset: u64,
    length: u64,
    payload_len: usize,
}

impl DataUnit {
    /// `known` is offset and length, if the bundle is a fragment already.
    fn new(known: Option<(u64, u64)>, payload_len: usize) -> Result<Self, FragmentError> {
        let own = payload_len as u64;
        let (offset, length) = known.unwrap_or((0, own));
        let end = offset.checked_add(own);
        if end.is_none_or(|end| end > length) {
            return Err(FragmentError::Extent);
        }
        Ok(Self {
            offset,
            length,
            payload_len,
        })
    }

    /// Cannot overflow: the range is in the payload, and its end was checked.
    const fn offset_of(self, piece: &Piece) -> u64 {
        self.offset + piece.range.start as u64
    }
}

/// A part of the payload, and whether it is at an end of it.
struct Piece {
    range: Range<usize>,
    is_first: bool,
    is_last: bool,
}

/// Cuts the payload into the largest pieces that fit. `write` makes a fragment of a piece.
fn divide(
    payload_len: usize,
    max_len: usize,
    max_fragments: usize,
    write: impl Fn(&Piece) -> Vec<u8>,
) -> Result<Vec<Vec<u8>>, FragmentError> {
    let mut fragments = Vec::new();
    let mut start = 0;
    loop {
        if fragments.len() == max_fragments {
            return Err(FragmentError::NoRoom { max_len });
        }
        let piece = |len, is_last| Piece {
            range: start..start + len,
            is_first: start == 0,
            is_last,
        };
        let rest = payload_len - start;
        // More than fits is not written to see that: the whole rest, for each fragment.
        if rest <= max_len {
            let last = write(&piece(rest, true));
            if last.len() <= max_len {
                fragments.push(last);
                return Ok(fragments);
            }
        }
        let without_payload = write(&piece(0, false)).len();
        let used = without_payload + longest_head_growth(max_len);
        // What has to follow the payload may leave too little room for the rest. Then an octet of
        // it is kept for the last fragment, because one without a payload says nothing.
        let len = max_len.saturating_sub(used).min(rest.saturating_sub(1));
        if len == 0 {
            return Err(FragmentError::NoRoom { max_len });
        }
        fragments.push(write(&piece(len, false)));
        start += len;
    }
}

/// By how many octets the length of a payload grows at most, compared to that of an empty one.
/// Heads of CBOR grow in larger steps than SDNVs do.
const fn longest_head_growth(len: usize) -> usize {
    match len as u64 {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 9,
    }
}

fn piece_v6(bundle: &v6::Bundle<'_>, unit: DataUnit, piece: &Piece) -> Vec<u8> {
    let mut primary = bundle.primary.clone();
    primary.fragment = Some(v6::Fragment {
        offset: unit.offset_of(piece),
        adu_length: unit.length,
    });
    let mut before_payload = true;
    let mut blocks = Vec::with_capacity(bundle.blocks.len());
    for block in &bundle.blocks {
        if block.kind == v6::BlockType::PAYLOAD {
            before_payload = false;
            let mut part = block.clone();
            part.data = part_of(&block.data, piece);
            blocks.push(part);
            continue;
        }
        let at_its_side = if before_payload {
            piece.is_first
        } else {
            piece.is_last
        };
        if at_its_side || block.flags.contains(v6::BlockFlags::REPLICATE) {
            blocks.push(block.clone());
        }
    }
    v6::Bundle { primary, blocks }.to_vec()
}

fn piece_v7(bundle: &v7::Bundle<'_>, unit: DataUnit, piece: &Piece) -> Vec<u8> {
    let mut primary = bundle.primary.clone();
    primary.fragment = Some(v7::Fragment {
        offset: unit.offset_of(piece),
        adu_length: unit.length,
    });
    let mut blocks = Vec::with_capacity(bundle.blocks.len());
    for block in &bundle.blocks {
        let needed = [v7::BlockType::AGE, v7::BlockType::HOP_COUNT].contains(&block.kind);
        let everywhere = needed || block.flags.contains(v7::BlockFlags::REPLICATE);
        if block.kind == v7::BlockType::PAYLOAD {
            let mut part = block.clone();
            part.data = part_of(&block.data, piece);
            blocks.push(part);
        } else if piece.is_first || everywhere {
            blocks.push(block.clone());
        }
    }
    v7::Bundle { primary, blocks }.to_vec()
}

fn part_of<'a>(data: &'a [u8], piece: &Piece) -> Cow<'a, [u8]> {
    Cow::Borrowed(data.get(piece.range.clone()).unwrap_or_default())
}

/// Why a bundle cannot be divided.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FragmentError {
    /// The first octet begins no bundle.
    #[error("octets are no bundle of a known version")]
    Version,
    /// The octets are no bundle.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Its flags say that it must not be fragmented.
    #[error("bundle must not be fragmented")]
    Forbidden,
    /// It has no source, by which fragments are put together.
    #[error("bundle without a source cannot be fragmented")]
    Anonymous,
    /// It is a fragment whose payload does not fit into the data unit that it states.
    #[error("fragment reaches beyond its data unit")]
    Extent,
    /// What goes into each fragment leaves no or too little room for the payload.
    #[error("blocks leave too little room for the payload in {max_len} octets")]
    NoRoom {
        /// The limit for each fragment.
        max_len: usize,
    },
}
