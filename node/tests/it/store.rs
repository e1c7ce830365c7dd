// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The store: order, quota and expiry, also after it was closed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bundle::v6::Priority::{self, Bulk, Expedited, Normal};
use contact::NodeNumber;
use node::core::Kept;
use node::store::{Backlog, Change, Sequence, Store};
use node::time::UnixMs;
use proptest::prelude::*;
use tempfile::TempDir;

const HERE: NodeNumber = NodeNumber(2);
const NOW: UnixMs = UnixMs(1000);

/// A frame of ten octets, told apart by the first.
fn kept(name: u8, priority: Priority) -> Kept {
    Kept {
        neighbour: HERE,
        expires: UnixMs(5000),
        priority,
        arrived: NOW,
        frame: [name; 10].to_vec(),
    }
}

struct Bench {
    folder: TempDir,
    store: Option<Store>,
    quota: u64,
}

impl Bench {
    fn new(quota: u64) -> Self {
        let mut bench = Self {
            folder: TempDir::new().expect("a temporary folder"),
            store: None,
            quota,
        };
        bench.reopen();
        bench
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("bundles.redb")
    }

    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(Store::open(&self.path(), self.quota).expect("the file is good"));
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("it is open")
    }

    fn put(&mut self, bundles: &[Kept]) -> Change {
        self.store().put(bundles, NOW).expect("the file is good")
    }

    /// The names of what waits for a neighbour, in the order in which it leaves.
    fn names(&mut self, neighbour: NodeNumber) -> Vec<u8> {
        let next = self.store().next_for(neighbour, u64::MAX, 1000);
        let next = next.expect("the file is good");
        next.iter().map(|(_, kept)| kept.frame[0]).collect()
    }
}

#[test]
fn urgent_ones_leave_first_then_old_ones() {
    let mut bench = Bench::new(1000);
    let elsewhere = Kept {
        neighbour: NodeNumber(3),
        ..kept(9, Bulk)
    };
    let bundles = [
        kept(1, Bulk),
        kept(2, Normal),
        elsewhere.clone(),
        kept(3, Expedited),
        kept(4, Normal),
    ];
    assert_eq!(bench.put(&bundles).stored, 5);
    for _ in 0..2 {
        assert_eq!(bench.names(HERE), [3, 2, 4, 1]);
        assert_eq!(bench.names(NodeNumber(3)), [9]);
        assert!(bench.names(NodeNumber(4)).is_empty());
        let waiting = BTreeMap::from([(HERE, 4), (NodeNumber(3), 1)]);
        assert_eq!(*bench.store().waiting(), waiting);
        assert_eq!(bench.store().level().octets, 50);
        bench.reopen();
    }
    let next = bench.store().next_for(NodeNumber(3), u64::MAX, 1);
    assert_eq!(next.expect("the file is good"), [(Sequence(2), elsewhere)]);
}

#[test]
fn what_does_not_fit_is_passed_over() {
    let mut bench = Bench::new(1000);
    let long = Kept {
        frame: vec![1; 30],
        ..kept(1, Expedited)
    };
    bench.put(&[long, kept(2, Bulk), kept(3, Normal)]);
    let mut names = |room| {
        let next = bench.store().next_for(HERE, room, 1000);
        let next = next.expect("the file is good");
        next.iter()
            .map(|(_, kept)| kept.frame[0])
            .collect::<Vec<_>>()
    };
    assert_eq!(names(30), [1, 3, 2]);
    assert_eq!(names(29), [3, 2]);
    assert!(names(9).is_empty());
}

#[test]
fn what_was_removed_stays_away() {
    let mut bench = Bench::new(1000);
    bench.put(&[kept(1, Normal), kept(2, Normal), kept(3, Normal)]);
    let gone = [Sequence(0), Sequence(2), Sequence(7)];
    bench.store().remove(&gone).expect("the file is good");
    for _ in 0..2 {
        assert_eq!(bench.names(HERE), [2]);
        assert_eq!(bench.store().level().bundles, 1);
        bench.reopen();
    }
    bench
        .store()
        .remove(&[Sequence(1)])
        .expect("the file is good");
    assert!(bench.store().waiting().is_empty());
    assert_eq!(
        bench.store().first_expiry().expect("the file is good"),
        None
    );
}

#[test]
fn room_is_made_for_urgent_ones_only() {
    let mut bench = Bench::new(30);
    bench.put(&[kept(1, Bulk), kept(2, Normal), kept(3, Bulk)]);
    let change = bench.put(&[kept(4, Bulk)]);
    assert_eq!((change.stored, change.over_quota), (0, 1));
    // The youngest of the least urgent goes.
    let change = bench.put(&[kept(5, Normal)]);
    assert_eq!((change.stored, change.over_quota), (1, 1));
    assert_eq!(bench.names(HERE), [2, 5, 1]);
    bench.put(&[kept(6, Expedited)]);
    assert_eq!(bench.names(HERE), [6, 2, 5]);
    // Nothing goes for a bundle that does not fit then either.
    let mut large = kept(7, Expedited);
    large.frame = vec![7; 21];
    let change = bench.put(&[large]);
    assert_eq!((change.stored, change.over_quota), (0, 1));
    assert_eq!(bench.names(HERE), [6, 2, 5]);
    assert_eq!(bench.store().level().octets, 30);
}

#[test]
fn expired_ones_make_room_first() {
    let mut bench = Bench::new(20);
    let short = Kept {
        expires: UnixMs(2000),
        ..kept(1, Expedited)
    };
    bench.put(&[short, kept(2, Bulk)]);
    let late = UnixMs(2000);
    let change = bench.store().put(&[kept(3, Bulk)], late);
    let expected = Change {
        stored: 1,
        expired: 1,
        over_quota: 0,
    };
    assert_eq!(change.expect("the file is good"), expected);
    assert_eq!(bench.names(HERE), [2, 3]);
}

#[test]
fn bundles_expire_at_their_time() {
    let mut bench = Bench::new(1000);
    let until = |name, ms| Kept {
        expires: UnixMs(ms),
        ..kept(name, Normal)
    };
    let change = bench.put(&[until(1, 3000), until(2, 2000), until(3, 1000)]);
    assert_eq!((change.stored, change.expired), (2, 1));
    let first = bench.store().first_expiry().expect("the file is good");
    assert_eq!(first, Some(UnixMs(2000)));
    for (now, expired, left) in [(1999, 0, vec![1, 2]), (2000, 1, vec![1]), (9999, 1, vec![])] {
        let count = bench.store().expire(UnixMs(now)).expect("the file is good");
        assert_eq!((count, bench.names(HERE)), (expired, left));
    }
    assert_eq!(bench.store().level().octets, 0);
}

#[test]
fn a_file_of_another_program_is_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("other");
    std::fs::write(&path, [7; 5000]).expect("the folder is writable");
    assert!(Store::open(&path, 1).is_err());
    assert_eq!(std::fs::read(&path).expect("it is there"), [7; 5000]);
}

/// What may happen to a store.
#[derive(Clone, Debug)]
enum Step {
    Put(Vec<(u64, u64, u8, usize)>),
    Remove(Vec<u64>),
    Expire(u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let bundle = (1..4_u64, 0..100_u64, 0..3_u8, 0..40_usize);
    prop_oneof![
        4 => prop::collection::vec(bundle, 0..6).prop_map(Step::Put),
        2 => prop::collection::vec(0..40_u64, 0..4).prop_map(Step::Remove),
        1 => (0..100_u64).prop_map(Step::Expire),
        1 => Just(Step::Reopen),
    ]
}

fn priority(number: u8) -> Priority {
    [Bulk, Normal, Expedited][usize::from(number)]
}

/// The store again, as a list. The rule of the quota is written differently.
#[derive(Debug, Default)]
struct Model {
    next: u64,
    bundles: Vec<(u64, Kept)>,
}

impl Model {
    fn octets(&self) -> usize {
        self.bundles.iter().map(|(_, kept)| kept.frame.len()).sum()
    }

    fn put(&mut self, new: Kept, quota: usize, now: UnixMs) {
        if new.expires <= now {
            return;
        }
        let fits = |model: &Self| model.octets() + new.frame.len() <= quota;
        if !fits(self) {
            self.bundles.retain(|(_, kept)| kept.expires > now);
        }
        let before = self.bundles.clone();
        while !fits(self) {
            let worst = self
                .bundles
                .iter()
                .enumerate()
                .filter(|(_, (_, kept))| kept.priority < new.priority);
            let worst =
                worst.min_by_key(|(_, (sequence, kept))| (kept.priority, u64::MAX - sequence));
            let Some((place, _)) = worst else {
                self.bundles = before;
                return;
            };
            self.bundles.remove(place);
        }
        self.bundles.push((self.next, new));
        self.next += 1;
    }

    fn reopen(&mut self) {
        let last = self.bundles.iter().map(|(sequence, _)| *sequence).max();
        self.next = last.map_or(0, |last| last + 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn the_store_is_a_list_with_a_rule(steps in prop::collection::vec(step(), 1..20)) {
        const QUOTA: u64 = 120;
        let mut bench = Bench::new(QUOTA);
        let mut model = Model::default();
        let mut now = UnixMs(0);
        for step in steps {
            match step {
                Step::Put(bundles) => {
                    let kept = |(neighbour, expires, number, len): (u64, u64, u8, usize)| Kept {
                        neighbour: NodeNumber(neighbour),
                        expires: UnixMs(expires),
                        priority: priority(number),
                        arrived: now,
                        frame: vec![number; len],
                    };
                    let bundles: Vec<_> = bundles.into_iter().map(kept).collect();
                    bench.store().put(&bundles, now).expect("the file is good");
                    for kept in bundles {
                        model.put(kept, 120, now);
                    }
                }
                Step::Remove(sequences) => {
                    model.bundles.retain(|(sequence, _)| !sequences.contains(sequence));
                    let sequences: Vec<_> = sequences.into_iter().map(Sequence).collect();
                    bench.store().remove(&sequences).expect("the file is good");
                }
                Step::Expire(time) => {
                    now = UnixMs(time.max(now.0));
                    model.bundles.retain(|(_, kept)| kept.expires > now);
                    bench.store().expire(now).expect("the file is good");
                }
                Step::Reopen => {
                    bench.reopen();
                    model.reopen();
                }
            }
            let mut found = Vec::new();
            for neighbour in 1..4 {
                let next = bench.store().next_for(NodeNumber(neighbour), u64::MAX, 1000);
                found.extend(next.expect("the file is good"));
            }
            let mut expected: Vec<_> = model.bundles.clone();
            expected.sort_by_key(|(sequence, kept)| (kept.neighbour, u8::MAX - kept.priority as u8, *sequence));
            let expected: Vec<_> = expected.into_iter().map(|(sequence, kept)| (Sequence(sequence), kept)).collect();
            prop_assert_eq!(found, expected);
            let level = bench.store().level();
            prop_assert_eq!(level.octets, model.octets() as u64);
            prop_assert_eq!(level.bundles, model.bundles.len() as u64);
            let mut backlog: Backlog = BTreeMap::new();
            for (_, kept) in &model.bundles {
                let of_neighbour = backlog.entry(kept.neighbour).or_default();
                of_neighbour[kept.priority as usize] += kept.frame.len() as u64;
            }
            prop_assert_eq!(bench.store().backlog(), &backlog);
        }
    }
}
