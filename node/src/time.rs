// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Points in time: what the node takes as an argument instead of reading a clock.

use contact::UtcTime;

/// Milliseconds since 1970-01-01 00:00:00 UTC, without leap seconds.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnixMs(pub u64);

/// DTN time begins with the year 2000.
/// See [RFC 9171 §4.2.6](https://www.rfc-editor.org/rfc/rfc9171#section-4.2.6).
const DTN_EPOCH: UnixMs = UnixMs(946_684_800_000);

impl UnixMs {
    /// The time of a DTN time in milliseconds. What is too late to count is the end of time.
    #[must_use]
    pub const fn from_dtn_ms(dtn_ms: u64) -> Self {
        DTN_EPOCH.plus_ms(dtn_ms)
    }

    /// The first millisecond that does not begin before this time.
    #[must_use]
    pub const fn from_utc(time: UtcTime) -> Self {
        Self(time.micros().div_ceil(1000))
    }

    /// So many milliseconds later, and at most the last time there is.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// How many milliseconds it is after `earlier`: zero if it is not later.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dtn_time_begins_with_2000() {
        // 2000-01-01 is 10957 days after 1970-01-01.
        assert_eq!(UnixMs::from_dtn_ms(5), UnixMs(10_957 * 86_400_000 + 5));
        assert_eq!(UnixMs::from_dtn_ms(u64::MAX), UnixMs(u64::MAX));
    }
}
