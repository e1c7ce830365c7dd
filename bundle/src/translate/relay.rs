// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A bundle whose receiver reads it as it is: what changes because a node is a hop.
//!
//! The bundle comes from this node now, has got older and made a hop, and what nobody here can
//! process is treated as its flags say. Everything else stays octet for octet. See
//! [RFC 9171 §5.4](https://www.rfc-editor.org/rfc/rfc9171#section-5.4) and §5.6.

use alloc::vec::Vec;

use crate::cbor;
use crate::error::offset_in;
use crate::reason::Reason;
use crate::sdnv;
use crate::translate::policy::Node;
use crate::translate::refusal::Refusal;
use crate::translate::rules::Once;
use crate::v6;
use crate::v7::{self, Tolerance};
use crate::version::{Version, version};

const US_PER_MS: u64 = 1000;
/// The payload block has this number, and every bundle has it.
const PAYLOAD_NUMBER: u64 = 1;
/// Head and end of the outer array.
const OUTER_OCTETS: usize = 10;

/// Writes the bundle as this node sends it on in its version.
///
/// In a bundle with a security block, known blocks that cannot be read stay as they are, because
/// they may be encrypted.
///
/// # Errors
///
/// The octets are no bundle, an unknown block forbids to send it, or it may make no more hops.
pub fn relay(input: &[u8], node: &Node, tolerance: Tolerance) -> Result<Vec<u8>, Refusal> {
    match version(input) {
        Some(Version::V6) => relay_v6(input, node),
        Some(Version::V7) => relay_v7(input, node, tolerance),
        None if input.is_empty() => Err(Refusal::new(Reason::Truncated, 0, "version")),
        None => Err(Refusal::new(Reason::Version, 0, "version")),
    }
}

/// What a hop does to a block.
enum Hop<B> {
    Stays,
    Goes,
    Becomes(B),
}

fn relay_v7(input: &[u8], node: &Node, tolerance: Tolerance) -> Result<Vec<u8>, Refusal> {
    let mut parts = Vec::new();
    let bundle = v7::Bundle::decode_noting(input, tolerance, |octets| parts.push(octets))?;
    let (primary, parts) = parts.split_first().expect("a bundle has a primary block");
    let secured = bundle.blocks.iter().any(|block| block.kind.is_security());
    let is_previous = |block: &v7::Block<'_>| block.kind == v7::BlockType::PREVIOUS_NODE;
    let adds = !bundle.blocks.iter().any(is_previous);

    let mut blocks = Vec::with_capacity(input.len());
    let mut items = 1 + bundle.blocks.len() + usize::from(adds);
    for (block, octets) in bundle.blocks.iter().zip(parts) {
        if adds && block.kind == v7::BlockType::PAYLOAD {
            previous_node(&bundle, node)?.encode(&mut blocks);
        }
        match hop_v7(input, block, node, secured)? {
            Hop::Stays => blocks.extend_from_slice(octets),
            Hop::Goes => items -= 1,
            Hop::Becomes(data) => v7::Block {
                data: data.into(),
                ..block.clone()
            }
            .encode(&mut blocks),
        }
    }
    let mut out = Vec::with_capacity(blocks.len() + primary.len() + OUTER_OCTETS);
    let is_indefinite = input.first() == Some(&cbor::INDEFINITE_ARRAY);
    if is_indefinite {
        out.push(cbor::INDEFINITE_ARRAY);
    } else {
        cbor::encode_array(items as u64, &mut out);
    }
    out.extend_from_slice(primary);
    out.append(&mut blocks);
    if is_indefinite {
        out.push(cbor::BREAK);
    }
    Ok(out)
}

/// The block that says that the bundle comes from here, with a number that is free.
fn previous_node(bundle: &v7::Bundle<'_>, node: &Node) -> Result<v7::Block<'static>, Refusal> {
    let used = bundle.blocks.iter().map(|block| block.number).max();
    let number = used.unwrap_or(PAYLOAD_NUMBER).checked_add(1);
    let number =
        number.ok_or_else(|| Refusal::new(Reason::BlockNumber, 0, "number of a new block"))?;
    Ok(v7::Block::new(
        v7::BlockType::PREVIOUS_NODE,
        number,
        v7::BlockFlags::DISCARD_UNPROCESSED,
        v7::Block::previous_node_data(node.id.clone()).into(),
    ))
}

fn hop_v7(
    input: &[u8],
    block: &v7::Block<'_>,
    node: &Node,
    secured: bool,
) -> Result<Hop<Vec<u8>>, Refusal> {
    let offset = offset_in(input, &block.data);
    match block.kind {
        v7::BlockType::PREVIOUS_NODE if !secured || block.content().is_ok() => {
            return Ok(Hop::Becomes(v7::Block::previous_node_data(node.id.clone())));
        }
        v7::BlockType::QOS | v7::BlockType::PERMITS => return Ok(Hop::Stays),
        _ => {}
    }
    match block.content() {
        Ok(v7::Content::Age(age_ms)) => {
            let age_ms = age_ms.saturating_add(node.residence_ms);
            Ok(Hop::Becomes(v7::Block::number_data(age_ms)))
        }
        Ok(v7::Content::HopCount { limit, count }) if count < limit => {
            Ok(Hop::Becomes(v7::Block::hop_count_data(limit, count + 1)))
        }
        Ok(v7::Content::HopCount { .. }) => {
            Err(Refusal::new(Reason::HopLimit, offset, "hop count"))
        }
        Ok(v7::Content::Other) => {
            let flags = block.flags;
            unknown(
                flags.contains(v7::BlockFlags::DELETE_UNPROCESSED),
                flags.contains(v7::BlockFlags::DISCARD_UNPROCESSED),
                offset,
            )
        }
        Ok(_) => Ok(Hop::Stays),
        Err(_) if secured => Ok(Hop::Stays),
        Err(error) => Err(Refusal::in_data(&error, offset)),
    }
}

/// What the flags of an unknown block say.
fn unknown<B>(deletes_bundle: bool, is_discarded: bool, offset: usize) -> Result<Hop<B>, Refusal> {
    match (deletes_bundle, is_discarded) {
        (true, _) => Err(Refusal::new(Reason::BlockRequired, offset, "unknown block")),
        (_, true) => Ok(Hop::Goes),
        _ => Ok(Hop::Stays),
    }
}

fn relay_v6(input: &[u8], node: &Node) -> Result<Vec<u8>, Refusal> {
    let mut parts = Vec::new();
    let bundle = v6::Bundle::decode_noting(input, |octets| parts.push(octets))?;
    let (primary, parts) = parts.split_first().expect("a bundle has a primary block");
    let secured = bundle.blocks.iter().any(|block| block.kind.is_security());
    let is_previous = |block: &v6::Block<'_>| block.kind == v6::BlockType::PREVIOUS_HOP;
    let adds = !bundle.blocks.iter().any(is_previous);

    let mut out = Vec::with_capacity(input.len());
    out.extend_from_slice(primary);
    let mut once = Once::default();
    let mut last_at = out.len();
    for (block, octets) in bundle.blocks.iter().zip(parts) {
        if adds && block.kind == v6::BlockType::PAYLOAD {
            let flags = v6::BlockFlags::DISCARD_UNPROCESSED;
            v6::Block::previous_hop(flags, &node.id).encode(false, &mut out);
        }
        let at = out.len();
        match hop_v6(input, block, node, secured, &mut once)? {
            Hop::Stays => out.extend_from_slice(octets),
            Hop::Goes => continue,
            Hop::Becomes(block) => block.encode(false, &mut out),
        }
        if matches!(block.content(), Ok(v6::Content::Other)) {
            set_flag(&mut out[at..], v6::BlockFlags::FORWARDED_UNPROCESSED);
        }
        last_at = at;
    }
    set_flag(&mut out[last_at..], v6::BlockFlags::LAST);
    Ok(out)
}

/// Sets a flag of a block, whose flags stay as long as they are: it is one of the lowest seven.
fn set_flag(block: &mut [u8], flag: v6::BlockFlags) {
    let flags = block.iter_mut().skip(1);
    if let Some(last) = flags.into_iter().find(|octet| **octet & 0x80 == 0) {
        *last |= u8::try_from(flag.0).expect("the flag is one of the lowest seven");
    }
}

fn hop_v6(
    input: &[u8],
    block: &v6::Block<'_>,
    node: &Node,
    secured: bool,
    once: &mut Once,
) -> Result<Hop<v6::Block<'static>>, Refusal> {
    let offset = offset_in(input, &block.data);
    let (kind, flags) = (block.kind, block.flags);
    match kind {
        v6::BlockType::PREVIOUS_HOP => {
            once.note(kind.0.into(), offset)?;
            if secured && block.content().is_err() {
                return Ok(Hop::Stays);
            }
            let flags = flags.without(v6::BlockFlags::EID_REFERENCES);
            return Ok(Hop::Becomes(v6::Block::previous_hop(flags, &node.id)));
        }
        // With a name behind its number, the block is about custody.
        v6::BlockType::CUSTODY_OR_AGE
            if sdnv::decode(&block.data).is_ok_and(|(_, rest)| !rest.is_empty()) =>
        {
            return Ok(Hop::Stays);
        }
        v6::BlockType::ECOS | v6::BlockType::PERMITS => return Ok(Hop::Stays),
        _ => {}
    }
    match block.content() {
        Ok(v6::Content::Age(age_us)) => {
            once.note(v6::BlockType::AGE.0.into(), offset)?;
            let here = age_us.saturating_add(node.residence_ms.saturating_mul(US_PER_MS));
            let flags = flags.without(v6::BlockFlags::EID_REFERENCES);
            Ok(Hop::Becomes(v6::Block::age(kind, flags, here)))
        }
        Ok(v6::Content::Other) => unknown(
            flags.contains(v6::BlockFlags::DELETE_UNPROCESSED),
            flags.contains(v6::BlockFlags::DISCARD_UNPROCESSED),
            offset,
        ),
        Ok(_) => Ok(Hop::Stays),
        Err(_) if secured => Ok(Hop::Stays),
        Err(error) => Err(Refusal::in_data(&error, offset)),
    }
}
