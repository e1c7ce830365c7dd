// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Plans in the formats of HDTN and tvg-util, and the units that differ between formats.

use contact::{
    BytesPerSecond, Confidence, Conflict, Contact, JsonError, JsonExportError, JsonFault,
    NodeNumber, Plan, Range, Span, UtcTime, hdtn, ionrc, tvgutil,
};

const ORIGIN: UtcTime = UtcTime::from_seconds(1_800_000_000);
const ONE: NodeNumber = NodeNumber(1);
const TWO: NodeNumber = NodeNumber(2);

fn after(seconds: u64) -> UtcTime {
    UtcTime::from_seconds(1_800_000_000 + seconds)
}

fn contact(from: u64, to: u64, start: u64, end: u64, rate: u64) -> Contact {
    Contact {
        from: NodeNumber(from),
        to: NodeNumber(to),
        start: after(start),
        end: after(end),
        rate: BytesPerSecond(rate),
        confidence: Confidence::CERTAIN,
    }
}

fn range(from: u64, to: u64, start: u64, end: u64, light_time: Span) -> Range {
    Range {
        from: NodeNumber(from),
        to: NodeNumber(to),
        start: after(start),
        end: after(end),
        light_time,
    }
}

fn plan(contacts: &[Contact], ranges: &[Range]) -> Plan {
    let mut plan = Plan::new();
    for &contact in contacts {
        plan.add_contact(contact)
            .expect("the contacts of the tests fit together");
    }
    for &range in ranges {
        plan.add_range(range)
            .expect("the ranges of the tests fit together");
    }
    plan
}

fn from_hdtn(members: &str) -> Result<Plan, Vec<JsonError>> {
    let text = format!(r#"{{"contacts": [{{"contact": 0, "source": 1, "dest": 2, {members}}}]}}"#);
    let options = hdtn::Options {
        origin: ORIGIN,
        default_light_time: None,
    };
    hdtn::import(&text, &options)
}

fn hdtn_fault(members: &str) -> JsonFault {
    let errors = from_hdtn(members).expect_err("there is a fault in it");
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].contact, Some(0));
    errors[0].fault
}

#[test]
fn hdtn_rates_are_in_bits() {
    let members = r#""startTime": 10, "endTime": 20, "rateBitsPerSec": 8000, "owlt": 3"#;
    let expected = plan(
        &[contact(1, 2, 10, 20, 1000)],
        &[range(1, 2, 10, 20, Span::from_seconds(3))],
    );
    assert_eq!(from_hdtn(members), Ok(expected));
    let rate = |members: &str| {
        let plan = from_hdtn(&format!(r#""startTime": 0, "endTime": 1, {members}"#));
        plan.map(|plan| plan.contacts_between(ONE, TWO)[0].rate.0)
    };
    assert_eq!(rate(r#""rate": 2"#), Ok(250_000));
    assert_eq!(rate(r#""rate": 2, "rateBitsPerSec": 80"#), Ok(10));
    assert_eq!(
        rate(r#""rateBitsPerSec": 0"#),
        Ok(BytesPerSecond::UNLIMITED.0)
    );
    assert_eq!(rate(r#""rateBitsPerSec": 15"#), Ok(1));
}

#[test]
fn hdtn_decimals_are_errors() {
    let decimal = r#""startTime": 0, "endTime": 10.5, "rateBitsPerSec": 8"#;
    assert_eq!(hdtn_fault(decimal), JsonFault::Decimal("endTime"));
    let decimal = r#""startTime": 0, "endTime": 10, "rateBitsPerSec": 8, "owlt": 0.5"#;
    assert_eq!(hdtn_fault(decimal), JsonFault::Decimal("owlt"));
}

#[test]
fn hdtn_light_times_are_of_one_direction() {
    let text = r#"{"contacts": [
        {"source": 1, "dest": 2, "startTime": 0, "endTime": 9, "rateBitsPerSec": 8, "owlt": 1},
        {"source": 2, "dest": 1, "startTime": 0, "endTime": 9, "rateBitsPerSec": 8, "owlt": 5}
    ]}"#;
    let options = hdtn::Options {
        origin: ORIGIN,
        default_light_time: None,
    };
    let plan = hdtn::import(text, &options).expect("the text has no fault");
    assert_eq!(
        plan.light_time(ONE, TWO, after(1)),
        Some(Span::from_seconds(1))
    );
    assert_eq!(
        plan.light_time(TWO, ONE, after(1)),
        Some(Span::from_seconds(5))
    );
}

#[test]
fn hdtn_faults_are_all_named() {
    let text = r#"{"contacts": [
        {"source": 1, "dest": 2, "startTime": 0, "endTime": 9, "rateBitsPerSec": 8},
        {"source": 1, "dest": 2, "startTime": 5, "endTime": 12, "rateBitsPerSec": 8},
        {"source": 1, "dest": 2, "startTime": 20, "endTime": 20, "rateBitsPerSec": 8},
        {"source": -1, "dest": 2, "startTime": 0, "endTime": 9, "rateBitsPerSec": 8},
        {"source": 1, "dest": 3, "startTime": 0, "endTime": 9}
    ]}"#;
    let errors = hdtn::import(text, &hdtn::Options::default()).expect_err("there are faults in it");
    let places: Vec<_> = errors.iter().map(|error| error.contact).collect();
    assert_eq!(places, [Some(1), Some(2), Some(3), Some(4)]);
    assert!(matches!(
        errors[0].fault,
        JsonFault::Conflict(Conflict::Overlap(_))
    ));
    assert_eq!(errors[1].fault, JsonFault::Conflict(Conflict::Empty));
    assert_eq!(errors[2].fault, JsonFault::Expected("source"));
    assert_eq!(errors[3].fault, JsonFault::Missing("rateBitsPerSec"));
    for (text, fault) in [
        ("{", JsonFault::Syntax { line: 1, column: 1 }),
        ("{}", JsonFault::Missing("contacts")),
    ] {
        let errors = hdtn::import(text, &hdtn::Options::default());
        assert_eq!(
            errors,
            Err(vec![JsonError {
                contact: None,
                fault
            }])
        );
    }
}

#[test]
fn hdtn_reads_what_was_written_for_it() {
    let unlimited = BytesPerSecond::UNLIMITED.0;
    let plan = plan(
        &[
            contact(1, 2, 0, 10, 125),
            contact(2, 1, 5, 9, unlimited),
            contact(3, 1, 1, 2, 7),
        ],
        &[
            range(1, 2, 0, 10, Span::from_seconds(2)),
            range(2, 1, 5, 9, Span::ZERO),
        ],
    );
    let text = hdtn::export(&plan, ORIGIN).expect("the format can say it");
    let options = hdtn::Options {
        origin: ORIGIN,
        default_light_time: None,
    };
    assert_eq!(hdtn::import(&text, &options), Ok(plan));
}

#[test]
fn hdtn_cannot_say_everything() {
    let certain = contact(1, 2, 10, 20, 125);
    let check = |contact: Contact, expected| {
        assert_eq!(hdtn::export(&plan(&[contact], &[]), ORIGIN), Err(expected));
    };
    // Zero would be read as no limit.
    check(
        Contact {
            rate: BytesPerSecond(0),
            ..certain
        },
        JsonExportError::Rate(0),
    );
    let early = UtcTime::from_seconds(1);
    check(
        Contact {
            start: early,
            ..certain
        },
        JsonExportError::BeforeOrigin(early),
    );
    let between = UtcTime::from_micros(after(11).micros() + 1);
    check(
        Contact {
            start: between,
            ..certain
        },
        JsonExportError::Fraction(between),
    );
    let confidence = Confidence::new(0.5).expect("it is a probability");
    check(
        Contact {
            confidence,
            ..certain
        },
        JsonExportError::Confidence(after(10)),
    );
}

const PREDICTED: &str = r#"{"vertices": {"a": ["b"], "b": []},
    "edges": [{"vertices": ["a", "b"], "contacts": [
        ["a", "b", 1, 3.5, [[0.0, 0.95, [[0.0, 9600.0, 0.25], [1.75, 1200.0, 0.2]]],
                            [1.0, 0.5, [[0.0, 8000.0, 0.25]]]]]]}],
    "contact_type": "PredictedContact_v2"}"#;

fn letters(name: &str) -> Option<NodeNumber> {
    match name {
        "a" | "1" => Some(ONE),
        "b" | "2" => Some(TWO),
        _ => None,
    }
}

#[test]
fn tvg_has_the_newest_prediction_in_bytes() {
    let options = tvgutil::Options {
        origin: ORIGIN,
        known_at: None,
    };
    let plan = tvgutil::import(PREDICTED, &options, letters).expect("the text has no fault");
    let contacts = plan.contacts_between(ONE, TWO);
    assert_eq!(contacts.len(), 1);
    assert_eq!(contacts[0].rate, BytesPerSecond(1000));
    assert_eq!(Some(contacts[0].confidence), Confidence::new(0.5));
    assert_eq!(contacts[0].start, after(1));
    assert_eq!(contacts[0].end.since(after(3)), Span::from_micros(500_000));
    assert_eq!(
        plan.light_time(ONE, TWO, after(2)),
        Some(Span::from_micros(250_000))
    );
}

#[test]
fn tvg_prediction_of_an_earlier_time_has_two_rates() {
    let options = tvgutil::Options {
        origin: ORIGIN,
        known_at: Some(ORIGIN),
    };
    let plan = tvgutil::import(PREDICTED, &options, letters).expect("the text has no fault");
    let rates: Vec<_> = plan.contacts().map(|contact| contact.rate.0).collect();
    assert_eq!(rates, [1200, 150]);
    assert_eq!(
        plan.light_time(ONE, TWO, after(2)),
        Some(Span::from_micros(200_000))
    );
    let options = tvgutil::Options {
        known_at: Some(UtcTime::from_seconds(0)),
        ..options
    };
    assert_eq!(
        tvgutil::import(PREDICTED, &options, letters),
        Ok(Plan::new())
    );
}

#[test]
fn tvg_facts_have_bit_errors_and_no_generations() {
    let text = r#"{"vertices": {}, "edges": [{"vertices": ["1", "2"], "contacts": [
        [1, 2, 0, 60, [[0, 80, 1e-6, 0.5]]]]}], "contact_type": "Contact_v2"}"#;
    let options = tvgutil::Options {
        origin: ORIGIN,
        known_at: None,
    };
    let expected = plan(
        &[contact(1, 2, 0, 60, 10)],
        &[range(1, 2, 0, 60, Span::from_micros(500_000))],
    );
    assert_eq!(tvgutil::import(text, &options, letters), Ok(expected));
}

#[test]
fn tvg_faults_are_named() {
    let check = |contact: &str, expected| {
        let text = format!(
            r#"{{"edges": [{{"contacts": [{contact}]}}], "contact_type": "PredictedContact_v2"}}"#
        );
        let errors = tvgutil::import(&text, &tvgutil::Options::default(), letters);
        let error = JsonError {
            contact: Some(0),
            fault: expected,
        };
        assert_eq!(errors, Err(vec![error]), "{contact}");
    };
    check(
        r#"["a", "c", 0, 1, [[0, 1, [[0, 8, 0]]]]]"#,
        JsonFault::UnknownNode,
    );
    check(
        r#"["a", "b", 1, 1, [[0, 1, [[0, 8, 0]]]]]"#,
        JsonFault::Conflict(Conflict::Empty),
    );
    check(
        r#"["a", "b", 0, 1, [[0, 2, [[0, 8, 0]]]]]"#,
        JsonFault::Expected("a probability"),
    );
    check(
        r#"["a", "b", 0, 1, [[0, 1, []]]]"#,
        JsonFault::Missing("characteristics"),
    );
    check(
        r#"["a", "b", -1, 1, []]"#,
        JsonFault::Expected("a time in seconds"),
    );
    check(
        r#"["a", "b", 0, 1]"#,
        JsonFault::Expected("a contact of five fields"),
    );
    let old = tvgutil::import(
        r#"{"contact_type": "Contact"}"#,
        &tvgutil::Options::default(),
        letters,
    );
    let fault = JsonFault::Expected("a contact type of version 2");
    assert_eq!(
        old,
        Err(vec![JsonError {
            contact: None,
            fault
        }])
    );
}

#[test]
fn tvg_reads_what_was_written_for_it() {
    let mut predicted = contact(2, 1, 3, 9, 0);
    predicted.confidence = Confidence::new(0.25).expect("it is a probability");
    predicted.start = UtcTime::from_micros(after(3).micros() + 1);
    let mut lit = range(2, 1, 3, 9, Span::from_micros(7));
    lit.start = predicted.start;
    let plan = plan(
        &[contact(1, 2, 0, 10, 125), predicted],
        &[
            range(1, 2, 0, 4, Span::from_micros(1_234_567)),
            range(1, 2, 4, 10, Span::ZERO),
            lit,
        ],
    );
    let name = |node: NodeNumber| node.to_string();
    let text = tvgutil::export(&plan, ORIGIN, name).expect("the format can say it");
    let options = tvgutil::Options {
        origin: ORIGIN,
        known_at: None,
    };
    assert_eq!(tvgutil::import(&text, &options, letters), Ok(plan));
}

/// The same link in three formats, with the units of each.
#[test]
fn formats_agree_on_one_link() {
    let expected = plan(
        &[contact(1, 2, 0, 10, 125)],
        &[range(1, 2, 0, 10, Span::from_seconds(2))],
    );
    let ion = "a contact +0 +10 1 2 125\na range +0 +10 1 2 2\n";
    assert_eq!(ionrc::import(ion, ORIGIN), Ok(expected.clone()));
    let members = r#""startTime": 0, "endTime": 10, "rateBitsPerSec": 1000, "owlt": 2"#;
    assert_eq!(from_hdtn(members), Ok(expected.clone()));
    let tvg = r#"{"edges": [{"contacts": [["a", "b", 0, 10, [[0, 1, [[0, 1000, 2]]]]]]}],
        "contact_type": "PredictedContact_v2"}"#;
    let options = tvgutil::Options {
        origin: ORIGIN,
        known_at: None,
    };
    assert_eq!(tvgutil::import(tvg, &options, letters), Ok(expected));
}

#[test]
fn ion_gets_whole_seconds_that_promise_no_more() {
    let mut short = contact(1, 2, 0, 10, 125);
    short.start = UtcTime::from_micros(after(0).micros() + 1);
    let plan = plan(&[short], &[range(1, 2, 0, 10, Span::from_micros(1))]);
    assert_eq!(
        ionrc::export(&plan),
        Err(ionrc::ExportError::Fraction(short.start))
    );
    let whole = plan.in_whole_seconds();
    let text = ionrc::export(&whole).expect("all is in whole seconds");
    let read = ionrc::import(&text, ORIGIN).expect("it was just written");
    assert_eq!(read.contacts_between(ONE, TWO), [contact(1, 2, 1, 10, 125)]);
    assert_eq!(
        read.light_time(ONE, TWO, after(5)),
        Some(Span::from_seconds(1))
    );
}
