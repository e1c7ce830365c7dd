// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A fast keyed hash for the limbs of table keys.
//!
//! Hosts choose some keys (learned addresses, for example), so each process draws a seed; the
//! hash need not be cryptographic, because an attacker does not see its values.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes [`LimbHasher`]s with one seed.
#[derive(Clone, Debug)]
pub(crate) struct Seed(u64);

impl Default for Seed {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0) | 1)
    }
}

impl BuildHasher for Seed {
    type Hasher = LimbHasher;

    #[inline]
    fn build_hasher(&self) -> LimbHasher {
        LimbHasher(self.0)
    }
}

/// An odd number without a pattern: the fraction of the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Folds 128-bit products of the limbs.
#[derive(Debug)]
pub(crate) struct LimbHasher(u64);

impl Hasher for LimbHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut limb = [0; 8];
            limb[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_ne_bytes(limb));
        }
    }

    #[inline]
    fn write_u64(&mut self, limb: u64) {
        let product = u128::from(self.0 ^ limb) * u128::from(MULTIPLIER);
        self.0 = (product as u64) ^ (product >> 64) as u64 ^ self.0.rotate_left(23);
    }

    fn write_u128(&mut self, limbs: u128) {
        self.write_u64(limbs as u64);
        self.write_u64((limbs >> 64) as u64);
    }

    /// The number of limbs is the same for all keys of a table.
    fn write_usize(&mut self, _: usize) {}

    #[inline]
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 29
    }
}
