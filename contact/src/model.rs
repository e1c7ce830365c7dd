// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a contact plan is made of.

use std::fmt;
use std::hash::{Hash, Hasher};

/// The number of a node, as in `ipn` endpoint IDs.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeNumber(pub u64);

/// A point in time: microseconds since 1970-01-01 00:00:00 UTC, without leap seconds.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UtcTime(u64);

/// A length of time in microseconds.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Span(u64);

/// How many microseconds a second has.
pub(crate) const MICROS_PER_SECOND: u64 = 1_000_000;

/// A rate of transmission. Zero means that nothing can be sent.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BytesPerSecond(pub u64);

impl fmt::Display for NodeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl UtcTime {
    /// The last time there is.
    pub const MAX: Self = Self(u64::MAX);

    /// The time so many microseconds after the beginning of 1970.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The time so many seconds after the beginning of 1970, or the last time there is.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Microseconds since the beginning of 1970.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the beginning of 1970; what is left of a second is left out.
    #[must_use]
    pub const fn whole_seconds(self) -> u64 {
        self.0 / MICROS_PER_SECOND
    }

    /// Whether this is the beginning of a second.
    #[must_use]
    pub const fn is_whole_second(self) -> bool {
        self.0.is_multiple_of(MICROS_PER_SECOND)
    }

    /// This time and so much more, or `None` beyond the last time there is.
    #[must_use]
    pub const fn checked_add(self, span: Span) -> Option<Self> {
        match self.0.checked_add(span.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// How long it is from `earlier` to this time: zero if this time is not later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal_seconds(self.0, f)
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// So many microseconds.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// So many seconds, or the longest time there is.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// So many seconds, or `None` if there is no such time.
    #[must_use]
    pub const fn checked_from_seconds(seconds: u64) -> Option<Self> {
        match seconds.checked_mul(MICROS_PER_SECOND) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// The number of microseconds.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The whole seconds; what is left of a second is left out.
    #[must_use]
    pub const fn whole_seconds(self) -> u64 {
        self.0 / MICROS_PER_SECOND
    }

    /// Whether it is a number of whole seconds.
    #[must_use]
    pub const fn is_whole_seconds(self) -> bool {
        self.0.is_multiple_of(MICROS_PER_SECOND)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal_seconds(self.0, f)
    }
}

/// Writes microseconds as seconds, with as many decimals as they need.
fn decimal_seconds(micros: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (seconds, rest) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
    if rest == 0 {
        return fmt::Display::fmt(&seconds, f);
    }
    let decimals = format!("{rest:06}");
    write!(f, "{seconds}.{}", decimals.trim_end_matches('0'))
}

impl BytesPerSecond {
    /// A rate without a limit: sending takes no time.
    pub const UNLIMITED: Self = Self(u64::MAX);

    /// How many bytes pass in this time. The part of a byte that is not complete is left out.
    #[must_use]
    pub const fn bytes_in(self, span: Span) -> u128 {
        self.0 as u128 * span.0 as u128 / MICROS_PER_SECOND as u128
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
    /// The first time at which it can send.
    pub start: UtcTime,
    /// The first time at which it cannot send any more.
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
        self.rate.bytes_in(self.end.since(self.start.max(time)))
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
    /// The first time for which it holds.
    pub start: UtcTime,
    /// The first time for which it does not hold any more.
    pub end: UtcTime,
    /// How long the signal travels.
    pub light_time: Span,
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
            start: UtcTime::from_seconds(100),
            end: UtcTime::from_seconds(160),
            rate: BytesPerSecond(1000),
            confidence: Confidence::CERTAIN,
        };
        assert_eq!(contact.volume_bytes(), 60_000);
        assert_eq!(contact.volume_bytes_from(UtcTime::from_seconds(0)), 60_000);
        assert_eq!(contact.volume_bytes_from(UtcTime::from_seconds(159)), 1000);
        assert_eq!(contact.volume_bytes_from(UtcTime::from_seconds(160)), 0);
        let endless = Contact {
            start: UtcTime::from_seconds(0),
            end: UtcTime::MAX,
            rate: BytesPerSecond(u64::MAX),
            ..contact
        };
        assert_eq!(
            endless.volume_bytes(),
            u128::from(u64::MAX) * u128::from(u64::MAX) / 1_000_000
        );
    }

    #[test]
    fn times_are_shown_in_seconds() {
        assert_eq!(UtcTime::from_seconds(12).to_string(), "12");
        assert_eq!(UtcTime::from_micros(12_000_500).to_string(), "12.0005");
        assert_eq!(UtcTime::from_seconds(u64::MAX), UtcTime::MAX);
    }
}
