// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Predictions against what then happens: confidence is worth its number.

use contact::predict::predict;
use contact::{BytesPerSecond, Confidence, Contact, NodeNumber, Plan, UtcTime};

const PERIOD: u64 = 6000;
const LENGTH: u64 = 600;

/// Numbers that look random: `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn encounter(pair: u64, start: u64) -> Contact {
    Contact {
        from: NodeNumber(pair),
        to: NodeNumber(pair + 1_000_000),
        start: UtcTime::from_seconds(start),
        end: UtcTime::from_seconds(start + LENGTH),
        rate: BytesPerSecond(1000),
        confidence: Confidence::CERTAIN,
    }
}

/// Every period, with jitter, a pair meets with a probability of so many per cent.
fn regular(pair: u64, per_cent: u64, periods: u64, random: &mut Random) -> Vec<Contact> {
    let mut met = Vec::new();
    for number in 0..periods {
        let jitter = random.below(200);
        if random.below(100) < per_cent {
            met.push(encounter(pair, number * PERIOD + jitter));
        }
    }
    met
}

/// At any time, with a mean gap of about a period.
fn irregular(pair: u64, periods: u64, random: &mut Random) -> Vec<Contact> {
    let (mut met, mut time) = (Vec::new(), 0);
    while time < periods * PERIOD {
        time += LENGTH + 1 + random.below(2 * PERIOD);
        met.push(encounter(pair, time));
    }
    met
}

/// The predictions of the next two periods, each with whether it came true: whether an encounter
/// overlaps it.
fn outcomes(met: &[Contact], now: u64) -> Vec<(f64, bool)> {
    let now = UtcTime::from_seconds(now);
    let mut history = Plan::new();
    for &contact in met.iter().filter(|contact| contact.end <= now) {
        history
            .add_contact(contact)
            .expect("encounters of a pair do not overlap");
    }
    let until = UtcTime::from_seconds(now.whole_seconds() + 2 * PERIOD);
    let predictions = predict(&history, now, until);
    let outcome = |prediction: &Contact| {
        let came = met
            .iter()
            .any(|contact| contact.start < prediction.end && prediction.start < contact.end);
        (prediction.confidence.probability(), came)
    };
    predictions.iter().map(outcome).collect()
}

#[test]
fn confidence_is_how_often_it_comes_true() {
    let mut random = Random(1);
    let mut all = Vec::new();
    for pair in 0..600 {
        let per_cent = 50 + random.below(51);
        let met = regular(pair, per_cent, 44, &mut random);
        all.extend(outcomes(&met, 40 * PERIOD + 1000));
    }
    assert!(all.len() > 900, "{} predictions", all.len());
    // Reliability: in each band, the mean confidence is close to the share that came true.
    for band in [0.4..0.6, 0.6..0.8, 0.8..1.0] {
        let inside: Vec<_> = all
            .iter()
            .filter(|(confidence, _)| band.contains(confidence))
            .collect();
        let share = mean(inside.iter().map(|(_, came)| f64::from(u8::from(*came))));
        let confidence = mean(inside.iter().map(|(confidence, _)| *confidence));
        assert!(inside.len() > 100, "{} in {band:?}", inside.len());
        assert!(
            (share - confidence).abs() < 0.08,
            "{share} for {confidence} in {band:?}"
        );
    }
    // The Brier score is better than that of the best constant.
    let base = mean(all.iter().map(|(_, came)| f64::from(u8::from(*came))));
    let brier = mean(
        all.iter()
            .map(|&(confidence, came)| square(confidence - f64::from(u8::from(came)))),
    );
    assert!(brier < base * (1.0 - base), "{brier} with {base}");
}

#[test]
fn what_is_random_gets_little_confidence() {
    let mut random = Random(2);
    let mut all = Vec::new();
    for pair in 0..150 {
        let met = irregular(pair, 44, &mut random);
        all.extend(outcomes(&met, 40 * PERIOD));
    }
    let confidence = mean(all.iter().map(|(confidence, _)| *confidence));
    let share = mean(all.iter().map(|(_, came)| f64::from(u8::from(*came))));
    assert!(
        confidence < 0.35,
        "{confidence}, and {share} of {} came",
        all.len()
    );
    assert!(
        (share - confidence).abs() < 0.15,
        "{share} for {confidence}"
    );
}

#[test]
fn what_is_always_there_is_almost_certain() {
    let met: Vec<_> = (0..40)
        .map(|number| encounter(1, number * PERIOD))
        .collect();
    let outcomes = outcomes(&met[..38], 37 * PERIOD + LENGTH);
    assert_eq!(outcomes.len(), 2);
    assert!(
        outcomes.iter().all(|&(confidence, _)| confidence > 0.93),
        "{outcomes:?}"
    );
}

#[test]
fn two_encounters_are_no_rhythm() {
    let met = [encounter(1, 0), encounter(1, PERIOD)];
    assert_eq!(outcomes(&met, PERIOD + LENGTH), []);
}

#[test]
fn what_is_scheduled_counts_more() {
    let met: Vec<_> = (0..10)
        .map(|number| encounter(1, number * PERIOD))
        .collect();
    let mut history = Plan::new();
    for &contact in &met {
        history
            .add_contact(contact)
            .expect("encounters of a pair do not overlap");
    }
    let now = UtcTime::from_seconds(9 * PERIOD + LENGTH);
    let until = UtcTime::from_seconds(11 * PERIOD);
    let predictions = predict(&history, now, until);
    assert_eq!(predictions.len(), 2);
    let mut plan = Plan::new();
    plan.add_contact(encounter(1, 10 * PERIOD + 100))
        .expect("it is the only one");
    assert_eq!(plan.add_predictions(predictions), 1);
    assert_eq!(plan.contacts().count(), 2);
}

fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = numbers.fold((0.0, 0.0), |(sum, count), number| {
        (sum + number, count + 1.0)
    });
    sum / count
}

fn square(number: f64) -> f64 {
    number * number
}
