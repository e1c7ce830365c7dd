// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What has to be known about a bundle that waits: when it expires, and how urgent it is.

use bundle::v6::{self, Priority};
use bundle::{DecodeError, Policy, Version, v7, version};

use crate::time::UnixMs;

/// When a bundle expires, and how urgent it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Summary {
    /// The first time at which it is of no use any more.
    pub expires: UnixMs,
    /// Its class of service. Bundles that say nothing have the default of the policy.
    pub priority: Priority,
}

impl Summary {
    /// Reads it from a bundle that arrives now.
    ///
    /// A source without a clock says zero as creation time. Its bundle expires by its age, and
    /// without a block for that by its lifetime from now on.
    ///
    /// # Errors
    ///
    /// The octets are no bundle.
    pub fn of(octets: &[u8], policy: &Policy, now: UnixMs) -> Result<Self, DecodeError> {
        if version(octets) == Some(Version::V6) {
            return Ok(Self::of_v6(&v6::Bundle::decode(octets)?, policy, now));
        }
        let bundle = v7::Bundle::decode(octets, policy.tolerance)?;
        Ok(Self::of_v7(&bundle, policy, now))
    }

    fn of_v6(bundle: &v6::Bundle<'_>, policy: &Policy, now: UnixMs) -> Self {
        let primary = &bundle.primary;
        let lifetime_s = match (primary.lifetime_s, policy.lifetime_zero_s) {
            (0, Some(stands_for)) => stands_for.get(),
            (lifetime_s, _) => lifetime_s,
        };
        let created = match primary.creation.seconds {
            0 => {
                let age_us = bundle
                    .blocks
                    .iter()
                    .find_map(|block| match block.content() {
                        Ok(v6::Content::Age(age_us)) => Some(age_us),
                        _ => None,
                    });
                before(now, age_us.unwrap_or(0) / 1000)
            }
            seconds => UnixMs::from_dtn_ms(seconds.saturating_mul(1000)),
        };
        Self {
            expires: created.plus_ms(lifetime_s.saturating_mul(1000)),
            priority: primary.flags.priority(),
        }
    }

    fn of_v7(bundle: &v7::Bundle<'_>, policy: &Policy, now: UnixMs) -> Self {
        let primary = &bundle.primary;
        let mut age_ms = 0;
        let mut priority = policy.default_priority;
        for block in &bundle.blocks {
            match block.content() {
                Ok(v7::Content::Age(age)) => age_ms = age,
                Ok(v7::Content::Qos(qos)) => priority = class(qos.class, priority),
                _ if policy.hdtn_priority && block.kind == v7::BlockType::HDTN_PRIORITY => {
                    let stated = block.hdtn_priority();
                    priority = stated.map_or(priority, |stated| class(stated, priority));
                }
                _ => {}
            }
        }
        let created = match primary.creation.time_ms {
            0 => before(now, age_ms),
            time_ms => UnixMs::from_dtn_ms(time_ms),
        };
        Self {
            expires: created.plus_ms(primary.lifetime_ms),
            priority,
        }
    }
}

/// So long before now, and at least the first time there is.
const fn before(now: UnixMs, ms: u64) -> UnixMs {
    UnixMs(now.0.saturating_sub(ms))
}

const fn class(class: u64, otherwise: Priority) -> Priority {
    match class {
        0 => Priority::Bulk,
        1 => Priority::Normal,
        2 => Priority::Expedited,
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 6, ipn:1.1 to ipn:2.1, expedited, created at 802094400 with a lifetime of 3600 s.
    const EXPEDITED: &[u8] =
        b"\x06\x82\x10\x11\x02\x01\x01\x01\x01\x01\x00\x00\x82\xfe\xbb\xfa\x40\x07\x9c\x10\x00\
          \x01\x08\x02hi";
    const CREATED_S: u64 = 802_094_400;

    fn check(octets: &[u8], now: UnixMs, expires: UnixMs, priority: Priority) {
        let summary = Summary::of(octets, &Policy::default(), now);
        assert_eq!(summary, Ok(Summary { expires, priority }));
    }

    #[test]
    fn both_versions_expire_at_one_time() {
        let expires = UnixMs::from_dtn_ms((CREATED_S + 3600) * 1000);
        check(EXPEDITED, UnixMs(7), expires, Priority::Expedited);
        let policy = Policy {
            priority: bundle::translate::PriorityRule::Qos,
            ..Policy::default()
        };
        let seven = bundle::translate(EXPEDITED, &policy).expect("it is translatable");
        check(&seven.octets, UnixMs(7), expires, Priority::Expedited);
    }

    #[test]
    fn without_a_clock_the_age_counts() {
        let mut bundle = v6::Bundle::decode(EXPEDITED).expect("it is valid");
        bundle.primary.creation.seconds = 0;
        let now = UnixMs(1_000_000_000);
        check(
            &bundle.to_vec(),
            now,
            now.plus_ms(3_600_000),
            Priority::Expedited,
        );
        let age = v6::Block::age(
            v6::BlockType::AGE,
            v6::BlockFlags::default(),
            1_600_000 * 1000,
        );
        bundle.blocks.insert(0, age);
        check(
            &bundle.to_vec(),
            now,
            now.plus_ms(2_000_000),
            Priority::Expedited,
        );
    }
}
