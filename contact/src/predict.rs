// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Prediction of contacts that come again, with a confidence that can be checked.
//!
//! A pair of nodes that met before at regular times will meet again a period later. The period is
//! the one after which most encounters were followed by another; the last encounters, moved on by
//! periods, are the predictions. Their confidence is how often the same predictions came true:
//! the history is gone through once more, and at each encounter the next ones are predicted from
//! what was known then. So a pair that meets at random gets a low confidence, and not a high one
//! because some period fits what has already happened.

use std::collections::BTreeSet;

use crate::model::{BytesPerSecond, Confidence, Contact, Span, UtcTime};
use crate::plan::Plan;

/// How many of the last encounters of a pair are looked at.
const REMEMBERED: usize = 48;
/// No period is known from fewer encounters.
const FEWEST: usize = 3;
/// A period is tried if two encounters were so far apart that at most so many were between.
const REACH: usize = 12;
/// An encounter is expected again for so many periods after it was missed.
const MISSES: u64 = 6;
/// How much an outcome counts against the next one: the last 20 decide.
const MEMORY: f64 = 0.95;
/// A shorter period is taken if it is right almost as often, because its multiples are, too.
const ALMOST: f64 = 0.9;

/// Predicts the contacts of all pairs that start after `now` and not after `until`.
///
/// `history` has what took place, each encounter as a contact. Predictions of one pair do not
/// overlap.
#[must_use]
pub fn predict(history: &Plan, now: UtcTime, until: UtcTime) -> Vec<Contact> {
    let pairs: BTreeSet<_> = history
        .contacts()
        .map(|contact| (contact.from, contact.to))
        .collect();
    let pairs = pairs.into_iter();
    pairs
        .flat_map(|(from, to)| predict_pair(history.contacts_between(from, to), now, until))
        .collect()
}

/// Predicts the contacts of one pair from its encounters in order.
fn predict_pair(encounters: &[Contact], now: UtcTime, until: UtcTime) -> Vec<Contact> {
    let known = encounters.partition_point(|encounter| encounter.start <= now);
    let encounters = &encounters[known.saturating_sub(REMEMBERED)..known];
    let starts: Vec<u64> = encounters
        .iter()
        .map(|encounter| encounter.start.micros())
        .collect();
    let lengths: Vec<u64> = encounters
        .iter()
        .map(|encounter| encounter.end.since(encounter.start).micros())
        .collect();
    let Some(rhythm) = Rhythm::of(&starts, &lengths) else {
        return Vec::new();
    };
    let confidence = track_record(&starts, &lengths, now.micros());
    let rates = encounters
        .iter()
        .map(|encounter| encounter.rate.0)
        .collect();
    let (Some(confidence), Some(rate), Some(last)) = (
        Confidence::new(confidence),
        median(rates),
        encounters.last(),
    ) else {
        return Vec::new();
    };
    let mut free = now.max(last.end);
    let mut predictions = Vec::new();
    for start in rhythm.expected(&starts, now.micros(), until.micros()) {
        let start = UtcTime::from_micros(start);
        let end = start.checked_add(Span::from_micros(rhythm.length));
        if let Some(end) = end.filter(|_| start >= free) {
            predictions.push(Contact {
                from: last.from,
                to: last.to,
                start,
                end,
                rate: BytesPerSecond(rate),
                confidence,
            });
            free = end;
        }
    }
    predictions
}

/// What is regular about encounters. Times are in microseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Rhythm {
    period: u64,
    /// The usual length of an encounter.
    length: u64,
    /// An encounter is as expected if it starts so much earlier or later.
    tolerance: u64,
}

impl Rhythm {
    /// The shortest of the periods that are right most often. None if no encounter ever came a
    /// period after another one that did.
    fn of(starts: &[u64], lengths: &[u64]) -> Option<Self> {
        if starts.len() < FEWEST {
            return None;
        }
        let length = median(lengths.to_vec())?;
        let tolerance = length / 2;
        let candidates = (1..=REACH).flat_map(|apart| starts.windows(apart + 1));
        let mut periods: Vec<u64> = candidates
            .map(|between| between[between.len() - 1] - between[0])
            .filter(|&period| period > length)
            .collect();
        periods.sort_unstable();
        // Of those that cannot be told apart, one will do.
        periods.dedup_by(|next, kept| *next - *kept <= tolerance / 4);
        let rhythms = periods.into_iter().map(|period| Self {
            period,
            length,
            tolerance,
        });
        let scored: Vec<_> = rhythms
            .filter_map(|rhythm| Some((rhythm.score(starts)?, rhythm)))
            .collect();
        let best = scored.iter().map(|&(score, _)| score).fold(0.0, f64::max);
        let good = scored
            .into_iter()
            .find(|&(score, _)| score >= best * ALMOST);
        good.map(|(_, rhythm)| rhythm.refined(starts))
    }

    /// How often an encounter is followed by another one after the period. A few failures more
    /// are counted, so that of long periods, which few pairs of encounters confirm, less is
    /// believed.
    fn score(&self, starts: &[u64]) -> Option<f64> {
        let last = *starts.last()?;
        let (mut right, mut all) = (0_u32, 0_u32);
        for start in starts {
            let expected = start.saturating_add(self.period);
            if expected > last.saturating_add(self.tolerance) {
                break;
            }
            all += 1;
            right += u32::from(self.near(starts, expected).is_some());
        }
        (right > 1).then(|| f64::from(right) / f64::from(all + 4))
    }

    /// The same with the mean of all distances that are a period.
    fn refined(self, starts: &[u64]) -> Self {
        let pairs = starts.iter().filter_map(|&start| {
            let next = self.near(starts, start.saturating_add(self.period))?;
            Some(next - start)
        });
        let (sum, count) = pairs.fold((0_u128, 0_u128), |(sum, count), distance| {
            (sum + u128::from(distance), count + 1)
        });
        let mean = sum
            .checked_div(count)
            .and_then(|mean| u64::try_from(mean).ok());
        Self {
            period: mean.unwrap_or(self.period),
            ..self
        }
    }

    /// The first encounter that is as expected at this time.
    fn near(&self, starts: &[u64], time: u64) -> Option<u64> {
        let place = starts.partition_point(|start| *start < time.saturating_sub(self.tolerance));
        let start = starts.get(place).copied();
        start.filter(|&start| start <= time.saturating_add(self.tolerance))
    }

    /// The times at which encounters are expected, after one time and not after another.
    fn expected(&self, starts: &[u64], after: u64, until: u64) -> Vec<u64> {
        let mut expected = Vec::new();
        let mut phases: Vec<u64> = Vec::new();
        let oldest = after.saturating_sub(self.period.saturating_mul(MISSES));
        for &start in starts.iter().rev().take_while(|&&start| start >= oldest) {
            // An older encounter of the same phase says nothing new.
            let phase = start % self.period;
            let is_old = phases.iter().any(|other| {
                let apart = phase.abs_diff(*other);
                apart.min(self.period - apart) <= self.tolerance * 2
            });
            if is_old {
                continue;
            }
            phases.push(phase);
            let passed = after.saturating_sub(start) / self.period;
            let next = passed
                .checked_add(1)
                .and_then(|periods| self.period.checked_mul(periods));
            let mut next = next.and_then(|gone| start.checked_add(gone));
            while let Some(time) = next.filter(|&time| time <= until) {
                expected.push(time);
                next = time.checked_add(self.period);
            }
        }
        expected.sort_unstable();
        expected
    }
}

/// How often predictions of the next encounter came true, as far as can be known from these few.
///
/// One success and one failure are there from the beginning, so that nothing is certain.
fn track_record(starts: &[u64], lengths: &[u64], now: u64) -> f64 {
    let (mut right, mut all) = (0.0, 0.0);
    for known in FEWEST..=starts.len() {
        let (past, future) = starts.split_at(known);
        let Some(rhythm) = Rhythm::of(past, &lengths[..known]) else {
            continue;
        };
        let last = past[known - 1];
        // What was expected until the next encounter, or is overdue.
        let until = future.first().map_or_else(
            || now.saturating_sub(rhythm.tolerance),
            |&next| next.saturating_add(rhythm.tolerance),
        );
        for expected in rhythm.expected(past, last.saturating_add(rhythm.tolerance), until) {
            let is_right = rhythm.near(future, expected).is_some();
            right = right * MEMORY + f64::from(u8::from(is_right));
            all = all * MEMORY + 1.0;
        }
    }
    (right + 1.0) / (all + 2.0)
}

fn median(mut numbers: Vec<u64>) -> Option<u64> {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied()
}

impl Plan {
    /// Adds predictions. Those that overlap what is in the plan are left out: what is scheduled
    /// counts more. Returns how many were added.
    pub fn add_predictions(&mut self, predictions: impl IntoIterator<Item = Contact>) -> usize {
        let added = predictions
            .into_iter()
            .map(|contact| self.add_contact(contact));
        added.flatten().count()
    }
}

#[cfg(test)]
mod tests {
    use super::{Rhythm, track_record};

    #[test]
    fn the_period_is_found_in_spite_of_what_was_missed() {
        // Every 1000, but for three that did not take place.
        let numbers = (0..24).filter(|number| ![3, 8, 14].contains(number));
        let starts: Vec<u64> = numbers.map(|number| number * 1000).collect();
        let lengths = vec![100; starts.len()];
        let rhythm = Rhythm::of(&starts, &lengths).expect("it is regular");
        assert_eq!(rhythm.period, 1000);
        let next = rhythm.expected(&starts, 23_000, 26_000);
        assert_eq!(next, [24_000, 25_000, 26_000]);
    }

    #[test]
    fn a_day_with_several_passes_comes_again() {
        let days = (0..5).flat_map(|day| [100, 195, 290].map(|pass| day * 1440 + pass));
        let starts: Vec<u64> = days.collect();
        let lengths = vec![10; starts.len()];
        let rhythm = Rhythm::of(&starts, &lengths).expect("it is regular");
        assert_eq!(rhythm.period, 1440);
        let next = rhythm.expected(&starts, 5 * 1440, 6 * 1440);
        assert_eq!(next, [100, 195, 290].map(|pass| 5 * 1440 + pass));
    }

    #[test]
    fn overdue_encounters_lower_the_confidence() {
        let starts: Vec<u64> = (0..20).map(|number| number * 1000).collect();
        let lengths = vec![100; starts.len()];
        let records = [19_500, 21_500, 23_500].map(|now| track_record(&starts, &lengths, now));
        assert!(records[0] > 0.85, "{records:?}");
        assert!(records.is_sorted_by(|a, b| a > b), "{records:?}");
        assert!(records[2] < 0.8, "{records:?}");
    }
}
