// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The reference translator between the two versions.
//!
//! It is stateless: the result is a function of the octets and the [`Policy`]. Translators that
//! work in parallel or in a row with one policy therefore agree on the identity of every bundle.
//! `docs/translation.md` lists the rules in the order in which they apply.

mod identity;
mod losses;
mod policy;
mod qos;
mod refusal;
mod report;
mod rules;
mod v6_to_v7;
mod v7_to_v6;

use alloc::vec::Vec;

pub use identity::{Identity6, Identity7, lifetime_to_v6, lifetime_to_v7};
pub use losses::{Loss, Losses};
pub use policy::{Crcs, Node, PeerV6, Policy, Profile};
pub use refusal::Refusal;

use crate::reason::Reason;
use crate::version::{Version, version};

/// A bundle of the other version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Translation {
    /// The version of the result.
    pub version: Version,
    /// The octets of the result.
    pub octets: Vec<u8>,
    /// What the input said and the result does not.
    pub losses: Losses,
}

/// Translates a bundle into the other version.
///
/// # Errors
///
/// The input breaks a rule of its own version, or says something that the other version, or the
/// receiver that the policy describes, cannot be told truthfully.
pub fn translate(input: &[u8], policy: &Policy) -> Result<Translation, Refusal> {
    match version(input) {
        Some(Version::V6) => v6_to_v7::translate(input, policy),
        Some(Version::V7) => v7_to_v6::translate(input, policy),
        None if input.is_empty() => Err(Refusal::new(Reason::Truncated, 0, "version")),
        None => Err(Refusal::new(Reason::Version, 0, "version")),
    }
}
