// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The text format of ION, line by line.

use contact::ionrc::{ExportError, ImportError, ImportFault, export, import};
use contact::{
    BytesPerSecond, Confidence, Conflict, Contact, Interval, NodeNumber, Plan, Range, Span, UtcTime,
};

/// 2026-01-31 12:00:00 UTC, as `date -ud` gives it.
const NOON: u64 = 1_769_860_800;

fn check_error(text: &str, line: usize, column: usize, fault: ImportFault) {
    let expected = vec![ImportError {
        line,
        column,
        fault,
    }];
    assert_eq!(
        import(text, UtcTime::from_seconds(NOON)),
        Err(expected),
        "{text:?}"
    );
}

fn contact(from: u64, to: u64, start: u64, end: u64) -> Contact {
    Contact {
        from: NodeNumber(from),
        to: NodeNumber(to),
        start: UtcTime::from_seconds(start),
        end: UtcTime::from_seconds(end),
        rate: BytesPerSecond(125_000),
        confidence: Confidence::CERTAIN,
    }
}

#[test]
fn all_commands_that_are_read() {
    let text = "\
## a comment, and an empty line

  # an indented comment
a contact +0 +3600 1 2 125000
a\tcontact 2026/01/31-13:00:00 2026/02/01-00:00:00 1 2 125000 0.25
a contact +10 +20 3 3 125000 1.0
a range +0 2026/02/01-00:00:00 1 2 7
@ 2026/02/01-00:00:00
a contact +1 +2 1 2 125000
@ +100
a contact +1 +2 1 2 125000
@ 0
a contact +1 +2 2 1 125000\r
";
    let midnight = NOON + 12 * 3600;
    let quarter = Confidence::new(0.25).expect("a quarter is a probability");
    let contacts = [
        contact(1, 2, NOON, NOON + 3600),
        Contact {
            confidence: quarter,
            ..contact(1, 2, NOON + 3600, midnight)
        },
        contact(1, 2, midnight + 1, midnight + 2),
        contact(1, 2, midnight + 101, midnight + 102),
        contact(2, 1, NOON + 1, NOON + 2),
        contact(3, 3, NOON + 10, NOON + 20),
    ];
    let range = Range {
        from: NodeNumber(1),
        to: NodeNumber(2),
        start: UtcTime::from_seconds(NOON),
        end: UtcTime::from_seconds(midnight),
        light_time: Span::from_seconds(7),
    };
    let plan = import(text, UtcTime::from_seconds(NOON)).expect("the text has no fault");
    assert_eq!(plan.contacts().copied().collect::<Vec<_>>(), contacts);
    assert_eq!(plan.ranges().copied().collect::<Vec<_>>(), [range]);
}

#[test]
fn export_has_dates_and_leaves_out_certainty() {
    let mut plan = Plan::new();
    plan.add_contact(contact(2, 1, NOON, NOON + 3661))
        .expect("the plan is empty");
    let unlikely = Confidence::new(1e-7).expect("it is a probability");
    let contact = Contact {
        confidence: unlikely,
        ..contact(1, 2, 0, 1)
    };
    plan.add_contact(contact).expect("it is another pair");
    let (from, to) = (NodeNumber(1), NodeNumber(u64::MAX));
    let (start, end) = (
        UtcTime::from_seconds(0),
        UtcTime::from_seconds(253_402_300_799),
    );
    plan.add_range(Range {
        from,
        to,
        start,
        end,
        light_time: Span::from_seconds(0),
    })
    .expect("the first");
    let expected = "\
a contact 1970/01/01-00:00:00 1970/01/01-00:00:01 1 2 125000 0.0000001
a contact 2026/01/31-12:00:00 2026/01/31-13:01:01 2 1 125000
a range 1970/01/01-00:00:00 9999/12/31-23:59:59 1 18446744073709551615 0
";
    assert_eq!(export(&plan).as_deref(), Ok(expected));
}

#[test]
fn export_cannot_write_five_digit_years() {
    let mut plan = Plan::new();
    plan.add_contact(contact(1, 2, NOON, 253_402_300_800))
        .expect("the plan is empty");
    assert_eq!(
        export(&plan),
        Err(ExportError::Time(UtcTime::from_seconds(253_402_300_800)))
    );
}

#[test]
fn commands_that_are_not_read() {
    check_error("m horizon +0", 1, 1, ImportFault::Command);
    check_error("\n  s", 2, 3, ImportFault::Command);
    check_error("d contact * 1 2", 1, 1, ImportFault::Command);
    check_error("a plan 2 udp", 1, 3, ImportFault::Command);
    check_error("add contact +0 +1 1 2 3", 1, 1, ImportFault::Command);
    check_error("a contact -1 +1 1 1 3", 1, 11, ImportFault::Registration);
    check_error("a contact +0 0 1 2 3", 1, 14, ImportFault::Hypothetical);
}

#[test]
fn words_that_are_missing_or_too_many() {
    let missing = ImportFault::Missing;
    check_error("a", 1, 2, missing("contact or range"));
    check_error("@  ", 1, 2, missing("reference time"));
    check_error(
        "a contact +0 +1 1 2",
        1,
        20,
        missing("rate in bytes a second"),
    );
    check_error(
        "a range +0 +1 1 2 ",
        1,
        18,
        missing("range in light seconds"),
    );
    check_error("@ +0 +1", 1, 6, ImportFault::Surplus);
    check_error("a contact +0 +1 1 2 3 1.0 # x", 1, 27, ImportFault::Surplus);
    check_error("a range +0 +1 1 2 3 x", 1, 21, ImportFault::Surplus);
}

#[test]
fn words_of_another_kind() {
    let expected = ImportFault::Expected;
    check_error("a contact +0 +1 one 2 3", 1, 17, expected("sending node"));
    check_error("a contact +0 +1 1 -2 3", 1, 19, expected("receiving node"));
    check_error(
        "a contact +0 +1 1 2 +3",
        1,
        21,
        expected("rate in bytes a second"),
    );
    check_error(
        "a range +0 +1 1 2 0.5",
        1,
        19,
        expected("range in light seconds"),
    );
    check_error(
        "a range +0 +1 18446744073709551616 2 1",
        1,
        15,
        expected("sending node"),
    );
    for bad in ["1.1", "-0.1", "nan", "inf", "x"] {
        let text = format!("a contact +0 +1 1 2 3 {bad}");
        check_error(&text, 1, 23, expected("confidence from 0 to 1"));
    }
    // Columns are characters and not octets.
    check_error(
        "a contact +0 +1 \u{e9}\u{e9} 2 3",
        1,
        17,
        expected("sending node"),
    );
    check_error("a range +0 +1 \u{a0}1 2 3", 1, 15, expected("sending node"));
}

#[test]
fn times_that_are_none() {
    let bad = [
        "0",
        "-1",
        "+",
        "+-1",
        "++1",
        "+1.5",
        "+18446744073709551615",
        "2026/01/31",
        "12:00:00",
        "2026/02/29-00:00:00",
        "2026/01/31-24:00:00",
        "2026/01/31-12:00:60",
        "2026/1/31-12:00:000",
        "26/01/31-12:00:00",
        "2026/01/31-12:00:00Z",
        "2026-01-31-12:00:00",
        "1969/12/31-23:59:59",
        "2026/01/31-12:00:0+",
        "2026/01/31-12:0:0:0",
        "2026/01/\u{e9}1-1:00:00",
    ];
    for bad in bad {
        check_error(&format!("a range {bad} +1 1 2 3"), 1, 9, ImportFault::Time);
    }
}

#[test]
fn conflicts_point_to_the_time() {
    check_error(
        "a contact +5 +5 1 2 3",
        1,
        14,
        ImportFault::Conflict(Conflict::Empty),
    );
    let (start, end) = (
        UtcTime::from_seconds(NOON),
        UtcTime::from_seconds(NOON + 10),
    );
    let first = Interval {
        from: NodeNumber(1),
        to: NodeNumber(2),
        start,
        end,
    };
    let overlap = ImportFault::Conflict(Conflict::Overlap(first));
    check_error(
        "a contact +0 +10 1 2 3\na contact +9 +20 1 2 3",
        2,
        11,
        overlap,
    );
    check_error(
        "a range +0 +10 1 2 3\n\na range +9 +20 1 2 3",
        3,
        9,
        overlap,
    );
}

#[test]
fn every_wrong_line_is_named() {
    let errors = import("x\na contact\n@ 0\ny", UtcTime::from_seconds(0))
        .expect_err("three lines are wrong");
    assert_eq!(
        errors.iter().map(|error| error.line).collect::<Vec<_>>(),
        [1, 2, 4]
    );
    assert_eq!(errors[1].to_string(), "line 2, column 10");
    assert_eq!(errors[1].fault.to_string(), "start is missing");
}
