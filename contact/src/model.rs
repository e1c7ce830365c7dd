// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a contact plan is made of.

use std::fmt;
use std::hash::{Hash, Hasher};

/// The number of a node, as in `ipn` endpoint IDs.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeNumber(pub u64);

/// A point in time: seconds since 1970-01-01 00:00:00 UTC, without leap seconds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UtcTime(pub u64);

/// A length of time in seconds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Seconds(pub u64);

/// A rate of transmission. Zero means that nothing can be sent.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BytesPerSecond(pub u64);

impl fmt::Display for NodeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl UtcTime {
    /// This time and so many seconds more, or `None` beyond the last time there is.
    #[must_use]
    pub const fn checked_add(self, seconds: Seconds) -> Option<Self> {
        match self.0.checked_add(seconds.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// How long it is from `earlier` to this time: zero if this time is not later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Seconds {
        Seconds(self.0.saturating_sub(earlier.0))
    }
}

/// How likely it is that a contact happens: from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Confidence(f64);

impl Confidence {
    /// The confidence in a contact that is scheduled.
    pub const CERTAIN: Self = Self(1.0);

    /// A confidence, or `None` if the number is not between 0 and 1.
    #[must_use]
    pub fn new(probability: f64) -> Option<Self> {
        // Adding zero turns the negative zero into the positive one, so that equal is the same.
        (0.0..=1.0)
            .contains(&probability)
            .then_some(Self(probability + 0.0))
    }

    /// The number.
    #[must_use]
    pub const fn probability(self) -> f64 {
        self.0
    }
}

// There is no NaN and only one zero, so equal numbers have equal bits and the order is total.
impl Eq for Confidence {}

impl PartialEq for Confidence {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Hash for Confidence {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A time in which one node can send to another: from `start`, and until just before `end`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Contact {
    /// The node that sends.
    pub from: NodeNumber,
    /// The node that receives.
    pub to: NodeNumber,
    /// The first second of the contact.
    pub start: UtcTime,
    /// The first second after the contact.
    pub end: UtcTime,
    /// How fast it sends.
    pub rate: BytesPerSecond,
    /// How likely the contact is.
    pub confidence: Confidence,
}

impl Contact {
    /// How many bytes can be sent in the whole contact.
    #[must_use]
    pub fn volume_bytes(&self) -> u128 {
        self.volume_bytes_from(self.start)
    }

    /// How many bytes can be sent from this time on: all before the contact, none after it.
    #[must_use]
    pub fn volume_bytes_from(&self, time: UtcTime) -> u128 {
        let Seconds(seconds) = self.end.since(self.start.max(time));
        u128::from(self.rate.0) * u128::from(seconds)
    }
}

/// The one-way light time between two nodes: from `start`, and until just before `end`.
///
/// A range from the lower to the higher node number holds for both directions, except where the
/// reverse is stated.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Range {
    /// The node that sends.
    pub from: NodeNumber,
    /// The node that receives.
    pub to: NodeNumber,
    /// The first second for which it holds.
    pub start: UtcTime,
    /// The first second for which it does not hold any more.
    pub end: UtcTime,
    /// How long the signal travels.
    pub light_time: Seconds,
}

#[cfg(test)]
mod tests {
    use super::{BytesPerSecond, Confidence, Contact, NodeNumber, UtcTime};

    #[test]
    fn confidence_is_a_probability() {
        for good in [0.0, 0.5, 1.0] {
            assert_eq!(
                Confidence::new(good).map(Confidence::probability),
                Some(good)
            );
        }
        for bad in [-0.001, 1.001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Confidence::new(bad), None);
        }
        assert_eq!(Confidence::new(-0.0), Confidence::new(0.0));
    }

    #[test]
    fn volume_is_rate_times_what_is_left() {
        let contact = Contact {
            from: NodeNumber(1),
            to: NodeNumber(2),
            start: UtcTime(100),
            end: UtcTime(160),
            rate: BytesPerSecond(1000),
            confidence: Confidence::CERTAIN,
        };
        assert_eq!(contact.volume_bytes(), 60_000);
        assert_eq!(contact.volume_bytes_from(UtcTime(0)), 60_000);
        assert_eq!(contact.volume_bytes_from(UtcTime(159)), 1000);
        assert_eq!(contact.volume_bytes_from(UtcTime(160)), 0);
        let endless = Contact {
            start: UtcTime(0),
            end: UtcTime(u64::MAX),
            rate: BytesPerSecond(u64::MAX),
            ..contact
        };
        assert_eq!(
            endless.volume_bytes(),
            u128::from(u64::MAX) * u128::from(u64::MAX)
        );
    }
}
