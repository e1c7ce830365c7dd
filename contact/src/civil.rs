// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Dates of the Gregorian calendar and seconds since 1970, in both directions.

use crate::model::{MICROS_PER_SECOND, Span, UtcTime};

/// A date and a time of day in UTC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Civil {
    pub(crate) year: u64,
    pub(crate) month: u64,
    pub(crate) day: u64,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    pub(crate) second: u64,
}

const DAY_SECONDS: u64 = 86_400;
/// The days of 400 years, after which the calendar repeats.
const ERA_DAYS: u64 = 146_097;
/// The days from 1600-03-01, the start of an era, to 1970-01-01.
const EPOCH_DAY: u64 = 135_080;
const EPOCH_ERA_YEAR: u64 = 1600;
/// The year of the last date that this module writes or reads.
pub(crate) const LAST_YEAR: u64 = 9999;
const FIRST_YEAR: u64 = 1970;

impl Civil {
    /// The time of this date, or `None` if there is no such date between 1970 and 9999.
    ///
    /// A leap second is no time that can be told apart, so second 60 is refused.
    pub(crate) fn time(self) -> Option<UtcTime> {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        let date = (FIRST_YEAR..=LAST_YEAR).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_of_month(year, month)).contains(&day);
        if !date || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        // Years begin in March here, so that the day that is sometimes missing is the last one.
        let month_from_march = (month + 9) % 12;
        let years = year - EPOCH_ERA_YEAR - u64::from(month < 3);
        let leap_days = years / 4 - years / 100 + years / 400;
        let days = years * 365 + leap_days + first_day_of_month(month_from_march) + day - 1;
        let of_day = (hour * 60 + minute) * 60 + second;
        Some(UtcTime::from_seconds(
            (days - EPOCH_DAY) * DAY_SECONDS + of_day,
        ))
    }

    /// The date of this time without its part of a second, or `None` after the year 9999.
    pub(crate) fn of(time: UtcTime) -> Option<Self> {
        let seconds = time.whole_seconds();
        let days = seconds / DAY_SECONDS + EPOCH_DAY;
        let (era, of_era) = (days / ERA_DAYS, days % ERA_DAYS);
        // Every 4 years but the 100th has a day more; the last day of an era is the 400th's.
        let leap_days = of_era / 1460 - of_era / 36_524 + of_era / 146_096;
        let years = (of_era - leap_days) / 365;
        let of_year = of_era - (years * 365 + years / 4 - years / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        let year = EPOCH_ERA_YEAR + era * 400 + years + u64::from(month < 3);
        let of_day = seconds % DAY_SECONDS;
        (year <= LAST_YEAR).then_some(Self {
            year,
            month,
            day: of_year - first_day_of_month(month_from_march) + 1,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        })
    }
}

impl UtcTime {
    /// The time as ISO 8601 has it in UTC, such as `2026-11-28T06:30:00.5Z`, or as seconds since
    /// 1970 after the year 9999.
    #[must_use]
    pub fn to_text(self) -> String {
        let Some(date) = Civil::of(self) else {
            return self.to_string();
        };
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = date;
        let whole = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        match self.micros() % MICROS_PER_SECOND {
            0 => whole + "Z",
            rest => format!("{whole}.{}Z", format!("{rest:06}").trim_end_matches('0')),
        }
    }

    /// Reads what [`Self::to_text`] writes, between the years 1970 and 9999. `None` for all else.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let (time, decimals) = time.split_once('.').unwrap_or((time, "0"));
        let [year, month, day] = fields(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = fields(time, ':', [2, 2, 2])?;
        let civil = Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        };
        if decimals.is_empty() || decimals.len() > 6 {
            return None;
        }
        let micros = number(&format!("{decimals:0<6}"))?;
        civil.time()?.checked_add(Span::from_micros(micros))
    }
}

/// Three numbers of so many digits.
fn fields(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut next = |digits| {
        parts
            .next()
            .filter(|part| part.len() == digits)
            .and_then(number)
    };
    let found = [next(digits[0])?, next(digits[1])?, next(digits[2])?];
    parts.next().is_none().then_some(found)
}

fn number(digits: &str) -> Option<u64> {
    let all_digits = digits.bytes().all(|digit| digit.is_ascii_digit());
    all_digits.then(|| digits.parse().ok())?
}

/// The days before a month in a year that begins in March: five months have 153 days.
const fn first_day_of_month(month_from_march: u64) -> u64 {
    (153 * month_from_march + 2) / 5
}

const fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::{Civil, DAY_SECONDS, days_of_month};
    use crate::model::UtcTime;

    fn midnight(year: u64, month: u64, day: u64) -> Civil {
        Civil {
            year,
            month,
            day,
            hour: 0,
            minute: 0,
            second: 0,
        }
    }

    /// Counts days one by one, and compares both directions with the count.
    #[test]
    fn every_day_until_9999() {
        let mut seconds = 0;
        for year in 1970..=9999 {
            for month in 1..=12 {
                for day in 1..=days_of_month(year, month) {
                    let date = midnight(year, month, day);
                    assert_eq!(date.time(), Some(UtcTime::from_seconds(seconds)));
                    assert_eq!(Civil::of(UtcTime::from_seconds(seconds)), Some(date));
                    seconds += DAY_SECONDS;
                }
            }
        }
        assert_eq!(Civil::of(UtcTime::from_seconds(seconds)), None);
        assert_eq!(Civil::of(UtcTime::MAX), None);
    }

    #[test]
    fn texts_are_read_as_they_were_written() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-01-01T00:00:00.000001Z", 946_684_800_000_001),
            ("2026-11-28T06:30:00.5Z", 1_795_847_400_500_000),
        ] {
            let time = UtcTime::from_micros(micros);
            assert_eq!(time.to_text(), text);
            assert_eq!(UtcTime::from_text(text), Some(time));
        }
        for text in [
            "",
            "Z",
            "2026-11-28T06:30:00",
            "2026-11-28T06:30Z",
            "2026-1-28T06:30:00Z",
            "2026-11-31T06:30:00Z",
            "2026-11-28T06:30:60Z",
            "2026-11-28T06:30:00.Z",
            "2026-11-28T06:30:00.0000001Z",
            "2026-11-28T06:30:+1Z",
        ] {
            assert_eq!(UtcTime::from_text(text), None, "{text:?}");
        }
    }

    #[test]
    fn known_times() {
        // 2^31 - 1, the last second of 32-bit clocks, and a leap day.
        let last = Civil {
            hour: 3,
            minute: 14,
            second: 7,
            ..midnight(2038, 1, 19)
        };
        assert_eq!(last.time(), Some(UtcTime::from_seconds(2_147_483_647)));
        assert_eq!(
            midnight(2000, 2, 29).time(),
            Some(UtcTime::from_seconds(951_782_400))
        );
    }

    #[test]
    fn dates_that_do_not_exist() {
        let good = midnight(2023, 2, 28);
        let bad = [
            Civil { year: 1969, ..good },
            Civil {
                year: 10_000,
                ..good
            },
            Civil { month: 0, ..good },
            Civil { month: 13, ..good },
            Civil { day: 0, ..good },
            Civil { day: 29, ..good },
            Civil { hour: 24, ..good },
            Civil { minute: 60, ..good },
            Civil { second: 60, ..good },
            midnight(2100, 2, 29),
        ];
        for date in bad {
            assert_eq!(date.time(), None, "{date:?}");
        }
    }
}
