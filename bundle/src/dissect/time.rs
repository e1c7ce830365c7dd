// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Numbers of the wire as points in time.

use core::fmt;

/// What one step of a number is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl Unit {
    /// How many of it a second has.
    #[must_use]
    pub const fn per_second(self) -> u64 {
        match self {
            Self::Seconds => 1,
            Self::Milliseconds => 1000,
            Self::Microseconds => 1_000_000,
            Self::Nanoseconds => 1_000_000_000,
        }
    }

    /// The symbol of the unit.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
        }
    }
}

/// Days from the start of the year 1 to the start of the year 2000, in the Gregorian calendar.
const DAYS_BEFORE_2000: u64 = 730_119;
const DAYS_IN_400_YEARS: u64 = 146_097;
const SECONDS_IN_DAY: u64 = 86_400;
const YEAR_MAX: u64 = 9999;

/// A point in time, written like `2026-11-22T00:15:25.042Z`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Utc {
    year: u64,
    month: u64,
    day: u64,
    second_of_day: u64,
    /// Parts of a second, and whether they are written.
    milliseconds: Option<u64>,
}

impl Utc {
    /// The time that lies so far after the start of the year 2000. Leap seconds are not counted,
    /// as in POSIX time, because that is what implementations send.
    ///
    /// `None` if the year would have more than four digits.
    #[must_use]
    pub fn since_2000(time: u64, unit: Unit) -> Option<Self> {
        let per_second = unit.per_second();
        let (seconds, parts) = (time / per_second, time % per_second);
        let (year, month, day) = date(seconds / SECONDS_IN_DAY)?;
        let milliseconds = match unit {
            Unit::Seconds => None,
            _ => Some(parts * 1000 / per_second),
        };
        Some(Self {
            year,
            month,
            day,
            second_of_day: seconds % SECONDS_IN_DAY,
            milliseconds,
        })
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, second) = (self.second_of_day / 60, self.second_of_day % 60);
        let (hour, minute) = (minutes / 60, minutes % 60);
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)?;
        write!(f, "T{hour:02}:{minute:02}:{second:02}")?;
        if let Some(milliseconds) = self.milliseconds {
            write!(f, ".{milliseconds:03}")?;
        }
        f.write_str("Z")
    }
}

/// The year, month and day so many days after the start of the year 2000.
fn date(days_since_2000: u64) -> Option<(u64, u64, u64)> {
    let days = days_since_2000.checked_add(DAYS_BEFORE_2000)?;
    let mut year = 400 * (days / DAYS_IN_400_YEARS) + 1;
    let mut left = days % DAYS_IN_400_YEARS;
    if year > YEAR_MAX {
        return None;
    }
    while left >= days_in_year(year) {
        left -= days_in_year(year);
        year += 1;
    }
    let mut month = 1;
    while left >= days_in_month(year, month) {
        left -= days_in_month(year, month);
        month += 1;
    }
    (year <= YEAR_MAX).then_some((year, month, left + 1))
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

const fn days_in_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::{Unit, Utc};

    #[track_caller]
    fn check(time: u64, unit: Unit, text: &str) {
        let utc = Utc::since_2000(time, unit).expect("the year has four digits");
        assert_eq!(utc.to_string(), text);
    }

    #[test]
    fn known_times() {
        check(0, Unit::Seconds, "2000-01-01T00:00:00Z");
        check(5_097_600, Unit::Seconds, "2000-02-29T00:00:00Z");
        check(802_094_400, Unit::Seconds, "2025-06-01T12:00:00Z");
        check(
            802_094_400_007,
            Unit::Milliseconds,
            "2025-06-01T12:00:00.007Z",
        );
        check(252_455_615_999, Unit::Seconds, "9999-12-31T23:59:59Z");
    }

    #[test]
    fn years_of_five_digits_have_no_text() {
        assert_eq!(Utc::since_2000(252_455_616_000, Unit::Seconds), None);
        assert_eq!(Utc::since_2000(u64::MAX, Unit::Seconds), None);
    }
}
