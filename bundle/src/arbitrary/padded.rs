// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles of version 6 with SDNVs that are longer than they have to be.

use alloc::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::Strategy;

use super::{Shape, v6_bundle};
use crate::sdnv;
use crate::v6::{BlockFlags, Bundle, EidRef};

/// The octets of a bundle with padded SDNVs, and those of the same bundle without padding.
///
/// bplib sends such bundles. Both decode to the same bundle.
pub fn v6_padded_octets(shape: Shape) -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let pads = vec(0..sdnv::MAX_LEN, 1..20);
    (v6_bundle(shape), pads).prop_map(|(bundle, pads)| {
        let mut padder = Padder {
            pads: pads.into_iter().cycle(),
            out: Vec::new(),
        };
        padder.bundle(&bundle);
        (padder.out, bundle.to_vec())
    })
}

/// Writes numbers with more octets than they need, as many more as a list says.
struct Padder<I> {
    pads: I,
    out: Vec<u8>,
}

impl<I: Iterator<Item = usize>> Padder<I> {
    fn number(&mut self, value: u64) {
        let room = sdnv::MAX_LEN - sdnv::encoded_len(value);
        let padding = self.pads.next().unwrap_or(0).min(room);
        self.out.resize(self.out.len() + padding, 0x80);
        sdnv::encode(value, &mut self.out);
    }

    fn reference(&mut self, reference: EidRef) {
        self.number(reference.scheme);
        self.number(reference.ssp);
    }

    fn octets(&mut self, octets: &[u8]) {
        self.number(octets.len() as u64);
        self.out.extend_from_slice(octets);
    }

    fn bundle(&mut self, bundle: &Bundle<'_>) {
        let primary = &bundle.primary;
        self.out.push(6);
        self.number(primary.flags.0);
        let start = self.out.len();
        for reference in [
            primary.destination,
            primary.source,
            primary.report_to,
            primary.custodian,
        ] {
            self.reference(reference);
        }
        self.number(primary.creation.seconds);
        self.number(primary.creation.sequence);
        self.number(primary.lifetime_s);
        self.octets(&primary.dictionary);
        if let Some(fragment) = primary.fragment {
            self.number(fragment.offset);
            self.number(fragment.adu_length);
        }
        // The length comes before the fields, and its own size depends on theirs.
        let fields = self.out.split_off(start);
        self.octets(&fields);
        for block in &bundle.blocks {
            self.out.push(block.kind.0);
            self.number(block.flags.0);
            if block.flags.contains(BlockFlags::EID_REFERENCES) {
                self.number(block.references.len() as u64);
                for reference in &block.references {
                    self.reference(*reference);
                }
            }
            self.octets(&block.data);
        }
    }
}
