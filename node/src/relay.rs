// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A bundle that its receiver reads as it is: what changes because this node is a hop.
//!
//! The bundle gets older, makes a hop, and comes from this node now. See
//! [RFC 9171 §5.4](https://www.rfc-editor.org/rfc/rfc9171#section-5.4).

use std::borrow::Cow;

use bundle::translate::Node;
use bundle::v7::Tolerance;
use bundle::{DecodeError, Reason, Version, v6, v7, version};

/// Writes the bundle as this node sends it.
///
/// Blocks whose data cannot be read stay as they are, because they may be encrypted. In version 6
/// the previous hop is replaced, but not added: its block is optional there.
///
/// # Errors
///
/// The octets are no bundle, or it may make no more hops.
pub fn relay(octets: &[u8], node: &Node) -> Result<Vec<u8>, RelayError> {
    match version(octets) {
        Some(Version::V6) => Ok(relay_v6(v6::Bundle::decode(octets)?, node)),
        _ => relay_v7(v7::Bundle::decode(octets, Tolerance::LENIENT)?, node),
    }
}

fn relay_v6(mut bundle: v6::Bundle<'_>, node: &Node) -> Vec<u8> {
    let residence_us = node.residence_ms.saturating_mul(1000);
    for block in &mut bundle.blocks {
        let (kind, flags) = (block.kind, block.flags);
        let replaced = match block.content() {
            Ok(v6::Content::Age(age_us)) => {
                v6::Block::age(kind, flags, age_us.saturating_add(residence_us))
            }
            Ok(v6::Content::PreviousHop(_)) => {
                let flags = flags.without(v6::BlockFlags::EID_REFERENCES);
                v6::Block::previous_hop(flags, &node.id)
            }
            _ => continue,
        };
        *block = replaced;
    }
    bundle.to_vec()
}

fn relay_v7(mut bundle: v7::Bundle<'_>, node: &Node) -> Result<Vec<u8>, RelayError> {
    let mut has_previous_node = false;
    for block in &mut bundle.blocks {
        let data = match block.content() {
            Ok(v7::Content::Age(age_ms)) => {
                v7::Block::number_data(age_ms.saturating_add(node.residence_ms))
            }
            Ok(v7::Content::HopCount { limit, count }) => {
                let count = count.saturating_add(1);
                if count > limit {
                    return Err(RelayError::HopLimit { limit });
                }
                v7::Block::hop_count_data(limit, count)
            }
            Ok(v7::Content::PreviousNode(_)) => {
                has_previous_node = true;
                v7::Block::previous_node_data(node.id.clone())
            }
            _ => continue,
        };
        block.data = Cow::Owned(data);
    }
    if !has_previous_node {
        let used = bundle.blocks.iter().map(|block| block.number).max();
        let number = used.unwrap_or(1).max(1).checked_add(1);
        let block = v7::Block::new(
            v7::BlockType::PREVIOUS_NODE,
            number.ok_or(RelayError::BlockNumbers)?,
            v7::BlockFlags::default(),
            Cow::Owned(v7::Block::previous_node_data(node.id.clone())),
        );
        bundle.blocks.insert(0, block);
    }
    Ok(bundle.to_vec())
}

/// Why a bundle cannot be passed on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The octets are no bundle.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It has made all the hops that it may make.
    #[error("bundle has made the {limit} hops that it may make")]
    HopLimit {
        /// How many.
        limit: u64,
    },
    /// The largest block number is taken.
    #[error("bundle has no block number left")]
    BlockNumbers,
}

impl RelayError {
    /// The reason for counters and logs.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Decode(error) => error.fault.reason(),
            Self::HopLimit { .. } => Reason::HopLimit,
            Self::BlockNumbers => Reason::BlockNumber,
        }
    }
}
