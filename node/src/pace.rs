// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How fast the node may send to a neighbour.

use contact::{BytesPerSecond, Span};

use crate::time::UnixMs;
use crate::timetable::Opening;

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

    /// How many octets can be sent until a contact ends, from now on and after what was sent.
    #[must_use]
    pub fn room(self, opening: Opening, now: UnixMs) -> u64 {
        let start = self.busy_until_us.max(now.0.saturating_mul(1000));
        let left = opening.end.0.saturating_mul(1000).saturating_sub(start);
        let octets = opening.rate.bytes_in(Span::from_micros(left));
        u64::try_from(octets).unwrap_or(u64::MAX)
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
    fn a_contact_takes_its_rate_by_its_time() {
        let opening = Opening {
            start: UnixMs(10_000),
            end: UnixMs(12_000),
            rate: RATE,
        };
        let mut pace = Pace::default();
        assert_eq!(pace.room(opening, UnixMs(10_000)), 2000);
        pace.spend(1500, RATE, UnixMs(10_000));
        assert_eq!(pace.room(opening, UnixMs(10_100)), 500);
        assert_eq!(pace.room(opening, UnixMs(11_900)), 100);
        assert_eq!(pace.room(opening, UnixMs(12_000)), 0);
        let rate = BytesPerSecond::UNLIMITED;
        let unlimited = Opening { rate, ..opening };
        assert_eq!(pace.room(unlimited, UnixMs(10_000)), u64::MAX / 2);
    }

    #[test]
    fn nothing_at_rate_zero() {
        assert_eq!(Pace::default().free_at(BytesPerSecond(0)), None);
    }
}
