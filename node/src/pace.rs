// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How fast the node may send to a neighbour.

use contact::BytesPerSecond;

use crate::time::UnixMs;

/// Until when the way to a neighbour is taken by what was sent, so that what waited for a contact
/// does not come all at once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pace {
    busy_until_us: u64,
}

/// How far the node may be ahead of the rate: timers are no better than some milliseconds.
const SLACK_MS: u64 = 20;

impl Pace {
    /// Counts octets that are sent now.
    pub fn spend(&mut self, octets: u64, rate: BytesPerSecond, now: UnixMs) {
        let micros = u128::from(octets) * 1_000_000;
        let micros = micros.checked_div(rate.0.into()).unwrap_or(u128::MAX);
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        let start = self.busy_until_us.max(now.0.saturating_mul(1000));
        self.busy_until_us = start.saturating_add(micros);
    }

    /// From when on something may be sent. `None` if nothing ever may at this rate.
    #[must_use]
    pub fn free_at(self, rate: BytesPerSecond) -> Option<UnixMs> {
        let free = UnixMs((self.busy_until_us / 1000).saturating_sub(SLACK_MS));
        (rate.0 > 0).then_some(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: BytesPerSecond = BytesPerSecond(1000);

    #[test]
    fn no_faster_than_the_rate() {
        let mut pace = Pace::default();
        assert_eq!(pace.free_at(RATE), Some(UnixMs(0)));
        pace.spend(500, RATE, UnixMs(10_000));
        assert_eq!(pace.free_at(RATE), Some(UnixMs(10_480)));
        pace.spend(500, RATE, UnixMs(10_480));
        assert_eq!(pace.free_at(RATE), Some(UnixMs(10_980)));
        // What was not used is not saved.
        pace.spend(500, RATE, UnixMs(90_000));
        assert_eq!(pace.free_at(RATE), Some(UnixMs(90_480)));
    }

    #[test]
    fn nothing_at_rate_zero() {
        assert_eq!(Pace::default().free_at(BytesPerSecond(0)), None);
    }
}
