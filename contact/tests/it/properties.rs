// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Properties that hold for all plans and all texts.

use contact::ionrc::{export, import};
use contact::{BytesPerSecond, Confidence, Contact, NodeNumber, Plan, Range, Span, UtcTime};
use proptest::collection::vec;
use proptest::prelude::*;

/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;

/// Few nodes, so that pairs repeat, and some large numbers.
fn node() -> impl Strategy<Value = NodeNumber> {
    prop_oneof![4 => 1..5_u64, 1 => any::<u64>()].prop_map(NodeNumber)
}

/// Times near each other, so that contacts touch and overlap, and times far away.
fn time() -> impl Strategy<Value = UtcTime> {
    prop_oneof![3 => 0..40_u64, 1 => 0..=LAST].prop_map(UtcTime::from_seconds)
}

fn contact() -> impl Strategy<Value = Contact> {
    (node(), node(), time(), time(), any::<u64>(), 0.0..=1.0).prop_map(
        |(from, to, start, end, rate, confidence)| Contact {
            from,
            to,
            start,
            end,
            rate: BytesPerSecond(rate),
            confidence: Confidence::new(confidence).expect("the strategy gives probabilities"),
        },
    )
}

fn range() -> impl Strategy<Value = Range> {
    (node(), node(), time(), time(), 0..=LAST).prop_map(|(from, to, start, end, light_time)| {
        let light_time = Span::from_seconds(light_time);
        Range {
            from,
            to,
            start,
            end,
            light_time,
        }
    })
}

/// The plan of what fits together, and its contacts in the order in which they were added.
fn plan() -> impl Strategy<Value = (Plan, Vec<Contact>)> {
    (vec(contact(), 0..40), vec(range(), 0..10)).prop_map(|(contacts, ranges)| {
        let mut plan = Plan::new();
        let added = contacts
            .into_iter()
            .filter(|&contact| plan.add_contact(contact).is_ok());
        let added = added.collect();
        for range in ranges {
            // Those that do not fit are left out.
            let _ = plan.add_range(range);
        }
        (plan, added)
    })
}

fn overlap(one: &Contact, other: &Contact) -> bool {
    (one.from, one.to) == (other.from, other.to) && one.start < other.end && other.start < one.end
}

proptest! {
    #[test]
    fn import_reads_what_export_writes((plan, _) in plan(), reference: u64) {
        let text = export(&plan).expect("the times are before the year 10000");
        prop_assert_eq!(import(&text, UtcTime::from_seconds(reference)), Ok(plan));
    }

    #[test]
    fn import_does_not_panic(text in ".*", reference: u64) {
        let _ = import(&text, UtcTime::from_seconds(reference));
    }

    #[test]
    fn import_does_not_panic_on_commands(
        lines in vec("(a contact|a range|@|#)( [+0-9/:.\u{e9}-]{0,20}){0,8}", 0..8), reference: u64,
    ) {
        if let Ok(plan) = import(&lines.join("\n"), UtcTime::from_seconds(reference)) {
            prop_assert!(plan.contacts().all(|contact| contact.start < contact.end));
        }
    }

    #[test]
    fn a_contact_is_refused_if_and_only_if_it_conflicts(
        (mut plan, added) in plan(), contact in contact(),
    ) {
        let free = !added.iter().any(|other| overlap(other, &contact));
        let expected = contact.start < contact.end && free;
        prop_assert_eq!(plan.add_contact(contact).is_ok(), expected);
    }

    #[test]
    fn order_of_adding_does_not_matter((plan, added) in plan()) {
        let mut reversed = Plan::new();
        for &contact in added.iter().rev() {
            prop_assert_eq!(reversed.add_contact(contact), Ok(()));
        }
        let contacts: Vec<_> = plan.contacts().collect();
        prop_assert_eq!(&contacts, &reversed.contacts().collect::<Vec<_>>());
        let sorted = contacts.is_sorted_by_key(|c| (c.from, c.to, c.start));
        prop_assert!(sorted);
    }

    #[test]
    fn questions_are_answered_as_by_looking_at_all((plan, added) in plan(), time in time()) {
        let mut open: Vec<_> = added.iter().filter(|c| c.start <= time && time < c.end).collect();
        open.sort_by_key(|contact| (contact.from, contact.to));
        prop_assert_eq!(plan.open_at(time).collect::<Vec<_>>(), open);

        let edges = added.iter().flat_map(|contact| [contact.start, contact.end]);
        let edge = edges.filter(|&edge| edge > time).min();
        prop_assert_eq!(plan.next_edge_after(time), edge);

        for contact in &added {
            let pair = |c: &&Contact| (c.from, c.to) == (contact.from, contact.to);
            let later = added.iter().filter(pair).filter(|c| c.start > time);
            let next = later.min_by_key(|c| c.start);
            prop_assert_eq!(plan.next_after(contact.from, contact.to, time), next);
        }
    }
}
