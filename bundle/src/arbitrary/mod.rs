// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Generators of bundles for property tests (feature `proptest`).
//!
//! [`v6_octets`] and [`v7_octets`] give bundles that their decoders accept, with numbers near the
//! places where an encoding grows. Most of them can be translated; the rest have to be refused by
//! everybody for the same reason. [`mutated`] turns them into octets that are likely not valid.

mod padded;
mod v6;
mod v7;
mod values;

use alloc::vec::Vec;

use proptest::prelude::{Strategy, any};
use proptest::sample::Index;

pub use padded::v6_padded_octets;
pub use v6::{v6_bundle, v6_octets};
pub use v7::{v7_bundle, v7_octets};
pub use values::{integer, payload, sequence};

/// What the generated bundles have.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each ingredient is asked for on its own"
)]
pub struct Shape {
    /// `dtn` endpoint IDs besides `ipn` and `dtn:none`: dictionaries in version 6, text in
    /// version 7. In version 7 also `ipn` with three numbers.
    pub any_eids: bool,
    /// Blocks besides those that ION sends: unknown types, hop counts, custody and security.
    pub any_blocks: bool,
    /// Status reports.
    pub reports: bool,
    /// Fragments.
    pub fragments: bool,
    /// Blocks after the payload, in version 6.
    pub trailing_blocks: bool,
    /// Custody requests, and flags that the source or payload rules out (lenient decoders ignore
    /// them), in either version.
    pub odd_flags: bool,
    /// Creation times and sequence numbers of any size. Otherwise they are those of real sources.
    pub any_times: bool,
    /// The longest payload that is no status report.
    pub payload_max: usize,
}

impl Shape {
    /// What a P4 program of ordinary size translates: compressed headers and ION's blocks.
    pub const FAST_PATH: Self = Self {
        any_eids: false,
        any_blocks: false,
        reports: false,
        fragments: true,
        trailing_blocks: false,
        odd_flags: false,
        any_times: false,
        payload_max: 300,
    };

    /// Everything.
    pub const ANY: Self = Self {
        any_eids: true,
        any_blocks: true,
        reports: true,
        fragments: true,
        trailing_blocks: true,
        odd_flags: true,
        any_times: true,
        payload_max: 300,
    };
}

/// Changes, inserts or removes a few octets, or cuts the end off.
pub fn mutated(octets: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = (0..5_u8, any::<Index>(), any::<u8>());
    (octets, proptest::collection::vec(change, 1..4)).prop_map(|(mut octets, changes)| {
        for (kind, index, value) in changes {
            if octets.is_empty() {
                break;
            }
            let at = index.index(octets.len());
            match kind {
                0 => octets[at] = value,
                1 => octets[at] ^= 1 << (value % 8),
                2 => octets.insert(at, value),
                3 => drop(octets.remove(at)),
                _ => octets.truncate(at),
            }
        }
        octets
    })
}
