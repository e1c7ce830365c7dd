// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The identity of a bundle and its lifetime, in the units of both versions.
//!
//! Version 6 counts seconds, version 7 milliseconds. Profile A moves three decimal digits
//! between the milliseconds and the sequence number, so that no two bundles get one identity and
//! the way back is exact. The lifetime makes up for the moved digits: the time at which the bundle
//! expires stays.

use crate::reason::Reason;
use crate::translate::policy::Profile;
use crate::{v6, v7};

/// Milliseconds in a second, and the number of values that three digits have.
const BASE: u64 = 1000;

/// Creation time and sequence number of version 6.
pub type Identity6 = v6::CreationTimestamp;
/// Creation time and sequence number of version 7.
pub type Identity7 = v7::CreationTimestamp;

impl Profile {
    /// The identity in version 7. Time zero, of a source without a clock, stays zero.
    ///
    /// # Errors
    ///
    /// [`Reason::TimeRange`]: the milliseconds do not fit into 64 bits.
    pub fn to_v7(self, identity: Identity6) -> Result<Identity7, Reason> {
        let Identity6 { seconds, sequence } = identity;
        if seconds == 0 {
            return Ok(Identity7 {
                time_ms: 0,
                sequence,
            });
        }
        let (digits, sequence) = match self {
            Self::A => (sequence % BASE, sequence / BASE),
            Self::N => (0, sequence),
        };
        let time_ms = seconds
            .checked_mul(BASE)
            .and_then(|time| time.checked_add(digits));
        Ok(Identity7 {
            time_ms: time_ms.ok_or(Reason::TimeRange)?,
            sequence,
        })
    }

    /// The identity in version 6. `sequence_max` is what the receiver can hold.
    ///
    /// # Errors
    ///
    /// [`Reason::TimeRange`] for the first 999 milliseconds of the year 2000, which would become
    /// "no clock"; [`Reason::SequenceRange`] if the sequence number is too large.
    pub fn to_v6(self, identity: Identity7, sequence_max: u64) -> Result<Identity6, Reason> {
        let Identity7 { time_ms, sequence } = identity;
        let (seconds, digits) = (time_ms / BASE, time_ms % BASE);
        if seconds == 0 && digits != 0 {
            return Err(Reason::TimeRange);
        }
        let sequence = match self {
            Self::A if seconds != 0 => sequence
                .checked_mul(BASE)
                .and_then(|sequence| sequence.checked_add(digits)),
            Self::A | Self::N => Some(sequence),
        };
        match sequence {
            Some(sequence) if sequence <= sequence_max => Ok(Identity6 { seconds, sequence }),
            _ => Err(Reason::SequenceRange),
        }
    }

    /// The milliseconds that this profile adds to the creation time on the way to version 7.
    const fn milliseconds_added(self, identity: Identity6) -> u64 {
        match self {
            Self::A if identity.seconds != 0 => identity.sequence % BASE,
            Self::A | Self::N => 0,
        }
    }
}

/// The lifetime in milliseconds of a bundle with this identity in version 6.
///
/// It ends at zero and at 2^64-1.
#[must_use]
pub fn lifetime_to_v7(profile: Profile, identity: Identity6, lifetime_s: u64) -> u64 {
    u64::try_from(exact_lifetime_to_v7(profile, identity, lifetime_s)).unwrap_or(u64::MAX)
}

/// Whether [`lifetime_to_v7`] ends before the bundle does, for want of room.
pub(super) fn lifetime_to_v7_is_capped(
    profile: Profile,
    identity: Identity6,
    lifetime_s: u64,
) -> bool {
    exact_lifetime_to_v7(profile, identity, lifetime_s) > u64::MAX.into()
}

fn exact_lifetime_to_v7(profile: Profile, identity: Identity6, lifetime_s: u64) -> u128 {
    // Saturation before subtraction would be wrong by the digits just below the end of the range.
    let whole_ms = u128::from(lifetime_s) * u128::from(BASE);
    whole_ms.saturating_sub(profile.milliseconds_added(identity).into())
}

/// The lifetime in seconds of a bundle that was created at this time of version 7.
///
/// The second in which the creation time is cut short is added, and the result is rounded up: the
/// bundle never expires earlier.
#[must_use]
pub const fn lifetime_to_v6(time_ms: u64, lifetime_ms: u64) -> u64 {
    // Both remainders are below 1000, so together they add two seconds at most.
    let remainders = lifetime_ms % BASE + time_ms % BASE;
    lifetime_ms / BASE + remainders.div_ceil(BASE)
}

#[cfg(test)]
mod tests {
    use super::{
        Identity6, Identity7, Profile, lifetime_to_v6, lifetime_to_v7, lifetime_to_v7_is_capped,
    };
    use crate::reason::Reason;

    #[track_caller]
    fn both_ways(seconds: u64, sequence6: u64, time_ms: u64, sequence7: u64) {
        let six = Identity6 {
            seconds,
            sequence: sequence6,
        };
        let seven = Identity7 {
            time_ms,
            sequence: sequence7,
        };
        assert_eq!(Profile::A.to_v7(six), Ok(seven));
        assert_eq!(Profile::A.to_v6(seven, u64::MAX), Ok(six));
    }

    #[test]
    fn digits_move() {
        both_ways(802_094_400, 7, 802_094_400_007, 0);
        both_ways(802_094_400, 3250, 802_094_400_250, 3);
        both_ways(1, 0, 1000, 0);
        both_ways(0, 77, 0, 77);
        both_ways(0, u64::MAX, 0, u64::MAX);
        both_ways(1, u64::MAX, 1615, u64::MAX / 1000);
        both_ways(u64::MAX / 1000, 615, u64::MAX, 0);
    }

    #[test]
    fn ends_of_the_ranges() {
        let late = Identity6 {
            seconds: u64::MAX / 1000,
            sequence: 616,
        };
        assert_eq!(Profile::A.to_v7(late), Err(Reason::TimeRange));
        for time_ms in [1, 999] {
            let early = Identity7 {
                time_ms,
                sequence: 0,
            };
            assert_eq!(Profile::A.to_v6(early, u64::MAX), Err(Reason::TimeRange));
        }
        let max = u64::from(u32::MAX);
        let fits = Identity7 {
            time_ms: 1295,
            sequence: 4_294_967,
        };
        assert_eq!(
            Profile::A.to_v6(fits, max),
            Ok(Identity6 {
                seconds: 1,
                sequence: max
            })
        );
        let above = Identity7 {
            time_ms: 1296,
            ..fits
        };
        assert_eq!(Profile::A.to_v6(above, max), Err(Reason::SequenceRange));
    }

    #[test]
    fn lifetimes() {
        let identity = Identity6 {
            seconds: 1,
            sequence: 7,
        };
        assert_eq!(lifetime_to_v7(Profile::A, identity, 3600), 3_599_993);
        assert_eq!(lifetime_to_v7(Profile::N, identity, 3600), 3_600_000);
        assert_eq!(lifetime_to_v7(Profile::A, identity, 0), 0);
        assert_eq!(lifetime_to_v7(Profile::A, identity, u64::MAX), u64::MAX);
        let edge = u64::MAX / 1000 + 1;
        let digits = Identity6 {
            seconds: 1,
            sequence: 999,
        };
        assert_eq!(lifetime_to_v7(Profile::A, digits, edge), u64::MAX - 614);
        assert!(!lifetime_to_v7_is_capped(Profile::A, digits, edge));
        assert!(lifetime_to_v7_is_capped(Profile::A, identity, edge));
        assert!(lifetime_to_v7_is_capped(Profile::N, digits, edge));
        assert_eq!(lifetime_to_v6(1007, 3_599_993), 3600);
        assert_eq!(lifetime_to_v6(1250, 86_400_000), 86_401);
        assert_eq!(lifetime_to_v6(0, 0), 0);
        assert_eq!(lifetime_to_v6(u64::MAX, u64::MAX), u64::MAX / 1000 + 2);
    }
}
