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
mod relay;
mod report;
mod rules;
mod v6_to_v7;
mod v7_to_v6;

use alloc::vec::Vec;

pub use identity::{Identity6, Identity7, lifetime_to_v6, lifetime_to_v7};
pub use losses::{Loss, Losses};
pub use policy::{
    Crcs, Node, PeerV6, Policy, PriorityRule, Profile, UnknownBlocks, UnknownProfile,
};
pub use refusal::Refusal;
pub use relay::relay;

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

/// What a translation that was appended to a buffer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Translated {
    /// The version of the result.
    pub version: Version,
    /// What the input said and the result does not.
    pub losses: Losses,
}

/// How much longer than the input results usually are at most: a result rarely grows again.
const USUAL_GROWTH: usize = 64;

/// Translates a bundle into the other version.
///
/// # Errors
///
/// The input breaks a rule of its own version, or says something that the other version, or the
/// receiver that the policy describes, cannot be told truthfully.
pub fn translate(input: &[u8], policy: &Policy) -> Result<Translation, Refusal> {
    let mut octets = Vec::with_capacity(input.len() + USUAL_GROWTH);
    let Translated { version, losses } = translate_into(input, policy, &mut octets)?;
    Ok(Translation {
        version,
        octets,
        losses,
    })
}

/// Appends the bundle in the other version to a buffer, which may be used again and again.
///
/// # Errors
///
/// As [`translate()`]. The buffer is as it was before.
pub fn translate_into(
    input: &[u8],
    policy: &Policy,
    out: &mut Vec<u8>,
) -> Result<Translated, Refusal> {
    let before = out.len();
    let (version, losses) = match version(input) {
        Some(Version::V6) => (Version::V7, v6_to_v7::translate(input, policy, out)),
        Some(Version::V7) => (Version::V6, v7_to_v6::translate(input, policy, out)),
        None if input.is_empty() => return Err(Refusal::new(Reason::Truncated, 0, "version")),
        None => return Err(Refusal::new(Reason::Version, 0, "version")),
    };
    match losses {
        Ok(losses) => Ok(Translated { version, losses }),
        Err(refusal) => {
            out.truncate(before);
            Err(refusal)
        }
    }
}
