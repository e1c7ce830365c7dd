// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles for the tests, and what they say.

use std::borrow::Cow;

use bundle::Eid;
use bundle::v6::{self, Priority};
use bundle::v7::{self, Tolerance};

/// What is different between the bundles of the tests.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) sequence: u64,
    pub(crate) priority: Priority,
    pub(crate) created_s: u64,
    pub(crate) lifetime_s: u64,
    pub(crate) payload: Vec<u8>,
}

/// Seconds from 2000 to 2026: the bundles of the tests expire long after they are run.
pub(crate) const CREATED_S: u64 = 820_454_400;

impl Default for Sample {
    fn default() -> Self {
        Self {
            sequence: 0,
            priority: Priority::Normal,
            created_s: CREATED_S,
            lifetime_s: 3_000_000_000,
            payload: b"hello".to_vec(),
        }
    }
}

impl Sample {
    /// Version 6, ipn:1.1 to ipn:2.1, with a bundle age of zero.
    pub(crate) fn v6(&self) -> Vec<u8> {
        let name = |node| v6::EidRef {
            scheme: node,
            ssp: 1,
        };
        let flags = v6::BundleFlags::SINGLETON.with_priority(self.priority);
        let primary = v6::Primary {
            flags,
            destination: name(2),
            source: name(1),
            report_to: name(1),
            creation: v6::CreationTimestamp {
                seconds: self.created_s,
                sequence: self.sequence,
            },
            lifetime_s: self.lifetime_s,
            ..v6::Primary::default()
        };
        let age = v6::Block::age(v6::BlockType::AGE, v6::BlockFlags::REPLICATE, 0);
        let payload = v6::Block::new(
            v6::BlockType::PAYLOAD,
            v6::BlockFlags::default(),
            Cow::Borrowed(&self.payload),
        );
        let blocks = vec![age, payload];
        v6::Bundle { primary, blocks }.to_vec()
    }
}

pub(crate) fn decode_v7(octets: &[u8]) -> v7::Bundle<'_> {
    v7::Bundle::decode(octets, Tolerance::STRICT).expect("it is a bundle of version 7")
}

/// The age in a bundle of version 7.
pub(crate) fn age_ms(octets: &[u8]) -> Option<u64> {
    let bundle = decode_v7(octets);
    bundle
        .blocks
        .iter()
        .find_map(|block| match block.content() {
            Ok(v7::Content::Age(age_ms)) => Some(age_ms),
            _ => None,
        })
}

/// The previous node in a bundle of version 7.
pub(crate) fn previous_node(octets: &[u8]) -> Option<Eid<'static>> {
    let bundle = decode_v7(octets);
    bundle
        .blocks
        .iter()
        .find_map(|block| match block.content() {
            Ok(v7::Content::PreviousNode(eid)) => {
                let eid = eid.normal().expect("it is of a known scheme");
                Some(eid.into_owned())
            }
            _ => None,
        })
}

/// The node ID of the nodes of the tests.
pub(crate) const fn node_id() -> Eid<'static> {
    Eid::ipn(10, 0)
}
