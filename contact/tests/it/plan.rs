// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What fits into a plan, and what it answers.

use contact::{
    BytesPerSecond, Confidence, Conflict, Contact, Interval, NodeNumber, Plan, Range, Span, UtcTime,
};

fn contact(from: u64, to: u64, start: u64, end: u64) -> Contact {
    Contact {
        from: NodeNumber(from),
        to: NodeNumber(to),
        start: UtcTime::from_seconds(start),
        end: UtcTime::from_seconds(end),
        rate: BytesPerSecond(1000),
        confidence: Confidence::CERTAIN,
    }
}

fn range(from: u64, to: u64, start: u64, end: u64, light_time: u64) -> Range {
    Range {
        from: NodeNumber(from),
        to: NodeNumber(to),
        start: UtcTime::from_seconds(start),
        end: UtcTime::from_seconds(end),
        light_time: Span::from_seconds(light_time),
    }
}

fn plan(contacts: &[Contact]) -> Plan {
    let mut plan = Plan::new();
    for &contact in contacts {
        plan.add_contact(contact)
            .expect("the contacts of the tests fit together");
    }
    plan
}

const ONE: NodeNumber = NodeNumber(1);
const TWO: NodeNumber = NodeNumber(2);

#[test]
fn order_is_by_pair_and_start() {
    let sorted = [
        contact(1, 2, 0, 10),
        contact(1, 2, 10, 20),
        contact(1, 2, 30, 40),
        contact(1, 3, 5, 6),
        contact(2, 1, 0, 10),
    ];
    let shuffled = plan(&[sorted[3], sorted[2], sorted[0], sorted[4], sorted[1]]);
    assert_eq!(shuffled.contacts().copied().collect::<Vec<_>>(), sorted);
    assert_eq!(shuffled, plan(&sorted));
    assert_eq!(shuffled.contacts_between(ONE, TWO), &sorted[..3]);
    assert_eq!(shuffled.contacts_between(TWO, NodeNumber(3)), &[]);
}

#[test]
fn empty_contacts_are_refused() {
    let mut plan = Plan::new();
    assert_eq!(plan.add_contact(contact(1, 2, 5, 5)), Err(Conflict::Empty));
    assert_eq!(plan.add_contact(contact(1, 2, 5, 4)), Err(Conflict::Empty));
    assert_eq!(plan.add_range(range(1, 2, 5, 5, 1)), Err(Conflict::Empty));
    assert_eq!(plan, Plan::new());
}

#[test]
fn overlaps_are_refused() {
    let mut plan = plan(&[contact(1, 2, 10, 20), contact(1, 2, 30, 40)]);
    let before = plan.clone();
    let overlap = |start, end| {
        let (start, end) = (UtcTime::from_seconds(start), UtcTime::from_seconds(end));
        Err(Conflict::Overlap(Interval {
            from: ONE,
            to: TWO,
            start,
            end,
        }))
    };
    assert_eq!(plan.add_contact(contact(1, 2, 10, 20)), overlap(10, 20));
    assert_eq!(plan.add_contact(contact(1, 2, 5, 11)), overlap(10, 20));
    assert_eq!(plan.add_contact(contact(1, 2, 19, 25)), overlap(10, 20));
    assert_eq!(plan.add_contact(contact(1, 2, 12, 13)), overlap(10, 20));
    assert_eq!(plan.add_contact(contact(1, 2, 0, 100)), overlap(10, 20));
    assert_eq!(plan.add_contact(contact(1, 2, 20, 31)), overlap(30, 40));
    assert_eq!(plan, before);
    // Neither the reverse pair nor a contact that only touches is in the way.
    assert_eq!(plan.add_contact(contact(2, 1, 10, 20)), Ok(()));
    assert_eq!(plan.add_contact(contact(1, 2, 20, 30)), Ok(()));
}

#[test]
fn a_contact_is_open_until_just_before_its_end() {
    let contacts = [
        contact(1, 2, 10, 20),
        contact(1, 2, 20, 30),
        contact(2, 1, 15, 25),
    ];
    let plan = plan(&contacts);
    let check = |time, expected: &[Contact]| {
        let open: Vec<_> = plan.open_at(UtcTime::from_seconds(time)).copied().collect();
        assert_eq!(open, expected, "at {time}");
        for (from, to) in [(ONE, TWO), (TWO, ONE)] {
            let of_pair = expected.iter().find(|contact| contact.from == from);
            assert_eq!(
                plan.open_between(from, to, UtcTime::from_seconds(time)),
                of_pair
            );
        }
    };
    check(9, &[]);
    check(10, &contacts[..1]);
    check(19, &[contacts[0], contacts[2]]);
    check(20, &contacts[1..]);
    check(25, &contacts[1..2]);
    check(30, &[]);
}

#[test]
fn the_next_contact_starts_later() {
    let contacts = [contact(1, 2, 10, 20), contact(1, 2, 30, 40)];
    let plan = plan(&contacts);
    let next = |time| {
        plan.next_after(ONE, TWO, UtcTime::from_seconds(time))
            .copied()
    };
    assert_eq!(next(9), Some(contacts[0]));
    assert_eq!(next(10), Some(contacts[1]));
    assert_eq!(next(29), Some(contacts[1]));
    assert_eq!(next(30), None);
    assert_eq!(plan.next_after(TWO, ONE, UtcTime::from_seconds(0)), None);
}

#[test]
fn edges_are_starts_and_ends() {
    let plan = plan(&[
        contact(1, 2, 10, 20),
        contact(1, 2, 20, 30),
        contact(2, 1, 15, 25),
    ]);
    let mut edges = Vec::new();
    let mut time = UtcTime::from_seconds(0);
    while let Some(edge) = plan.next_edge_after(time) {
        edges.push(edge.whole_seconds());
        time = edge;
    }
    assert_eq!(edges, [10, 15, 20, 25, 30]);
}

#[test]
fn what_is_removed_is_gone() {
    let contacts = [contact(1, 2, 10, 20), contact(1, 2, 30, 40)];
    let mut changed = plan(&contacts);
    assert_eq!(
        changed.remove_contact(ONE, TWO, UtcTime::from_seconds(11)),
        None
    );
    assert_eq!(
        changed.remove_contact(ONE, TWO, UtcTime::from_seconds(10)),
        Some(contacts[0])
    );
    assert_eq!(changed, plan(&contacts[1..]));
    assert_eq!(
        changed.remove_contact(ONE, TWO, UtcTime::from_seconds(30)),
        Some(contacts[1])
    );
    assert_eq!(
        changed.remove_contact(ONE, TWO, UtcTime::from_seconds(30)),
        None
    );
    assert_eq!(changed, Plan::new());

    changed
        .add_range(range(1, 2, 0, 9, 3))
        .expect("the plan is empty");
    assert_eq!(
        changed.remove_range(ONE, TWO, UtcTime::from_seconds(0)),
        Some(range(1, 2, 0, 9, 3))
    );
    assert_eq!(changed, Plan::new());
}

#[test]
fn ranges_hold_for_the_reverse_unless_it_is_stated() {
    let mut plan = Plan::new();
    plan.add_range(range(1, 2, 0, 100, 7))
        .expect("the plan is empty");
    plan.add_range(range(2, 1, 50, 60, 8))
        .expect("it is another pair");
    plan.add_range(range(3, 1, 0, 100, 9))
        .expect("it is another pair");
    let light_time = |from, to, time| {
        plan.light_time(from, to, UtcTime::from_seconds(time))
            .map(Span::whole_seconds)
    };
    assert_eq!(light_time(ONE, TWO, 55), Some(7));
    assert_eq!(light_time(TWO, ONE, 49), Some(7));
    assert_eq!(light_time(TWO, ONE, 50), Some(8));
    assert_eq!(light_time(TWO, ONE, 60), Some(7));
    assert_eq!(light_time(TWO, ONE, 100), None);
    assert_eq!(light_time(NodeNumber(3), ONE, 0), Some(9));
    assert_eq!(light_time(ONE, NodeNumber(3), 0), None);
}
