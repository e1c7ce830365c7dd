// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What leaves the store in a contact: no more than fits, and in its order. With a clock that the test
//! turns.

use std::collections::BTreeMap;

use bundle::v6::Priority::{self, Bulk, Expedited, Normal};
use node::core::{Core, Readiness, Verdict};
use node::store::Store;
use node::time::UnixMs;
use proptest::prelude::*;

use crate::bundles::Sample;
use crate::core::{CREATED, NEIGHBOUR, WAITING, core, punted};

/// Octets that a contact of [`crate::core`] takes: ten seconds at a kilobyte a second.
const VOLUME: u64 = 10_000;

/// More than headers and blocks take.
const OVERHEAD: usize = 300;

/// What left: when, how urgent, and how many octets.
type Left = (UnixMs, Priority, u64);

/// A node with a store in which bundles wait.
struct Waiting {
    core: Core,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Waiting {
    /// Bundles of these priorities and lengths come before the first contact.
    fn new(bundles: &[(Priority, usize)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(&folder.path().join("bundles.redb"), 1 << 30);
        let mut waiting = Self {
            core: core(WAITING, true),
            store: store.expect("the file is good"),
            _folder: folder,
        };
        for &(priority, octets) in bundles {
            let sample = Sample {
                priority,
                payload: vec![7; octets],
                ..Sample::default()
            };
            let verdict = waiting
                .core
                .receive(&punted(&sample.v6()), &BTreeMap::new(), CREATED);
            let Verdict::Keep(kept) = verdict else {
                panic!("the contact is closed: {verdict:?}");
            };
            let put = waiting.store.put(&[kept], CREATED);
            assert_eq!(put.expect("the file is good").stored, 1);
        }
        waiting
    }

    /// Does what the daemon does until nothing more can leave, or until a time.
    fn run(&mut self, until: UnixMs) -> Vec<Left> {
        let mut left = Vec::new();
        let mut now = CREATED;
        while now < until && !self.store.waiting().is_empty() {
            match self.core.readiness(NEIGHBOUR, now) {
                Readiness::Now => self.release(now, &mut left),
                Readiness::At(time) => now = time,
                Readiness::Never => break,
            }
        }
        left
    }

    fn release(&mut self, now: UnixMs, left: &mut Vec<Left>) {
        let room = self.core.room(NEIGHBOUR, now);
        let next = self.store.next_for(NEIGHBOUR, room, 32);
        let mut nothing_fits = true;
        for (sequence, kept) in next.expect("the file is good") {
            if self.core.readiness(NEIGHBOUR, now) != Readiness::Now {
                return;
            }
            match self.core.release(&kept, now) {
                Verdict::Send(frames) => {
                    nothing_fits = false;
                    let octets = frames.iter().map(|frame| frame.len() as u64).sum();
                    left.push((now, kept.priority, octets));
                    self.store.remove(&[sequence]).expect("the file is good");
                }
                Verdict::Hold => {}
                other => panic!("{other:?}"),
            }
        }
        if nothing_fits {
            self.core.fill(NEIGHBOUR, now);
        }
    }
}

/// Both contacts, and what left in each.
fn contacts(left: &[Left]) -> [Vec<Left>; 2] {
    let second = CREATED.plus_ms(100_000);
    let (first, second): (Vec<_>, Vec<_>) = left.iter().partition(|(time, ..)| *time < second);
    [first, second]
}

#[test]
fn a_contact_gets_what_it_takes_and_the_rest_waits() {
    let bundles = [Bulk, Normal, Expedited, Normal, Bulk].map(|priority| (priority, 3000));
    let mut waiting = Waiting::new(&bundles);
    let left = waiting.run(CREATED.plus_ms(90_000));
    let priorities: Vec<_> = left.iter().map(|(_, priority, _)| *priority).collect();
    assert_eq!(priorities, [Expedited, Normal, Normal]);
    assert_eq!(waiting.store.waiting()[&NEIGHBOUR], 2);
    // The next contact takes them.
    let left = waiting.run(CREATED.plus_ms(110_000));
    let priorities: Vec<_> = left.iter().map(|(_, priority, _)| *priority).collect();
    assert_eq!(priorities, [Bulk, Bulk]);
    assert!(
        left.iter()
            .all(|(time, ..)| *time >= CREATED.plus_ms(100_000))
    );
}

/// What is too long for the rest of a contact, or for every contact, does not keep back what is not.
#[test]
fn shorter_bundles_pass_those_that_do_not_fit() {
    let bundles = [
        (Expedited, 20_000),
        (Normal, 6000),
        (Normal, 6000),
        (Bulk, 2000),
    ];
    let mut waiting = Waiting::new(&bundles);
    let left = waiting.run(CREATED.plus_ms(110_000));
    let [first, second] = contacts(&left).map(|left| {
        let left = left.iter().map(|(_, priority, _)| *priority);
        left.collect::<Vec<_>>()
    });
    assert_eq!((first, second), (vec![Normal, Bulk], vec![Normal]));
    assert_eq!(waiting.store.waiting()[&NEIGHBOUR], 1);
    assert_eq!(
        waiting.core.readiness(NEIGHBOUR, CREATED.plus_ms(110_000)),
        Readiness::Never
    );
}

/// A contact in which nothing fits is looked at again when something comes.
#[test]
fn what_comes_later_may_fit() {
    let mut waiting = Waiting::new(&[(Normal, 20_000)]);
    let open = CREATED.plus_ms(12_000);
    assert!(waiting.run(open).is_empty());
    assert_eq!(
        waiting.core.readiness(NEIGHBOUR, open),
        Readiness::At(CREATED.plus_ms(100_000))
    );
    let counts = waiting.store.waiting().clone();
    let short = Sample::default();
    let verdict = waiting.core.receive(&punted(&short.v6()), &counts, open);
    let Verdict::Keep(kept) = verdict else {
        panic!("others wait: {verdict:?}");
    };
    waiting.store.put(&[kept], open).expect("the file is good");
    assert_eq!(waiting.core.readiness(NEIGHBOUR, open), Readiness::Now);
    assert_eq!(waiting.run(CREATED.plus_ms(20_000)).len(), 1);
}

fn bundle() -> impl Strategy<Value = (Priority, usize)> {
    (
        prop::sample::select(&[Bulk, Normal, Expedited][..]),
        0..4000_usize,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn no_contact_gets_more_than_it_takes(bundles in prop::collection::vec(bundle(), 1..16)) {
        let mut waiting = Waiting::new(&bundles);
        let left = waiting.run(CREATED.plus_ms(200_000));
        for contact in contacts(&left) {
            let octets: u64 = contact.iter().map(|(.., octets)| octets).sum();
            prop_assert!(octets <= VOLUME, "{octets}");
        }
        let all: usize = bundles.iter().map(|(_, octets)| octets + OVERHEAD).sum();
        if all as u64 <= VOLUME {
            let [first, second] = contacts(&left);
            prop_assert_eq!((first.len(), second.len()), (bundles.len(), 0));
            prop_assert!(first.is_sorted_by_key(|(_, priority, _)| std::cmp::Reverse(*priority)));
        }
    }
}
