// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The control of one switch, without a switch: events in, commands out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use contact::{Span, UtcTime};
use p4rt::{
    Bits,
    client::{DigestIn, PipelineChange},
    p4info::{Field, Index},
    status::UpdateFailure,
    value,
};

use crate::{
    desired::{Change, ChangeKind, Item, ItemKey, SwitchState, difference},
    learn::{self, DigestKind},
    macs::{Mac, MacTable, Port, Sighting},
    orders::{Orders, Origin},
};

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The session may write.
    Primary,
    /// Another controller may.
    Backup,
    /// There is no session.
    Lost {
        /// Why, for people.
        reason: String,
    },
    /// The switch runs the program.
    PipelineReady(PipelineChange),
    /// Everything was read.
    Read(Reading),
    /// A group of changes was written, apart from these failures.
    Written(Vec<UpdateFailure>),
    /// A call gave no result.
    CallFailed {
        /// Why, for people.
        reason: String,
        /// What may help.
        cause: Cause,
    },
    /// The switch sent a digest list.
    Digest(DigestIn),
    /// The pause is over.
    PauseOver,
    /// It is this time now. Times before the last one are taken for the last one.
    Time(UtcTime),
    /// There are other orders.
    Orders(Arc<Orders>),
}

/// Why a call gave no result.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// The switch refused it, and will again until something is changed.
    Refused,
    /// The network or the switch was not up to it for the moment.
    Transient,
}

/// What a switch holds, as it was read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// What could be named.
    pub state: SwitchState,
    /// What could not, for people.
    pub unreadable: Vec<String>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Make the switch run the program; answer with [`Event::PipelineReady`].
    EnsurePipeline,
    /// Read everything; answer with [`Event::Read`].
    Read,
    /// Write these changes in one go; answer with [`Event::Written`].
    Write(Vec<Change>),
    /// Send [`Event::PauseOver`] after this time, unless the session is lost before.
    Pause(Duration),
    /// Acknowledge the list.
    Acknowledge(DigestIn),
    /// Keep this sample.
    Record(Sample),
    /// Tell people.
    Report(Report),
}

/// A sample of a digest, ready to be written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name of the digest.
    pub digest: String,
    /// When the switch reported it, as far as it says so on a clock of this machine; else when that came.
    pub at: UtcTime,
    /// Its members in order, with their widths in bits.
    pub members: Vec<(String, u32, Bits, String)>,
}

/// News for people. What stays as it is is not told again in the same session.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The session may write.
    Primary,
    /// Another controller may write; this one waits.
    Backup,
    /// There is no session.
    Lost {
        /// Why.
        reason: String,
    },
    /// The switch holds what it should. Told once for each session.
    Programmed(Programmed),
    /// The switch does not hold what it should, and further writing does not help for now.
    Incomplete {
        /// Items that differ.
        differences: Vec<String>,
    },
    /// An update failed.
    UpdateFailed {
        /// What was to be done.
        change: String,
        /// What asked for it.
        origin: Option<Origin>,
        /// What the switch said.
        failure: UpdateFailure,
    },
    /// A call gave no result.
    CallFailed {
        /// Why.
        reason: String,
        /// What may help.
        cause: Cause,
    },
    /// The switch holds something that the program has no names for.
    Unreadable(String),
    /// A sample is not of the type of its digest. Only the first is told, all are counted.
    BadSample(String),
    /// An address is new, or behind another port.
    Learned {
        /// The address.
        mac: Mac,
        /// The port.
        port: Port,
        /// What became of the table.
        sighting: Sighting,
    },
}

/// How a switch came to hold what it should.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Programmed {
    /// What became of the program.
    pub pipeline: PipelineChange,
    /// Items that the switch holds.
    pub items: usize,
    /// Items that were missing.
    pub inserted: usize,
    /// Items that were different.
    pub modified: usize,
    /// Items that were too many.
    pub deleted: usize,
    /// Addresses that the switch knew already.
    pub adopted: usize,
}

/// What passed so far.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Digest lists.
    pub lists: u64,
    /// Samples of bundles.
    pub bundles: u64,
    /// Samples of learning that named an interface behind a known port.
    pub sightings: u64,
    /// Sightings that changed the table of addresses.
    pub learned: u64,
    /// Samples without a meaning.
    pub ignored: u64,
}

/// The control of one switch.
#[derive(Debug)]
pub struct Core {
    index: Arc<Index>,
    orders: Arc<Orders>,
    now: UtcTime,
    ports: BTreeSet<Port>,
    macs: MacTable,
    actual: SwitchState,
    /// What was written since everything was read.
    tried: BTreeMap<ItemKey, Change>,
    /// What does not yield to writing.
    blocked: BTreeMap<ItemKey, Change>,
    bad_sample_told: bool,
    phase: Phase,
    tally: Option<Programmed>,
    told: Told,
    told_failures: BTreeSet<String>,
    /// Calls that have failed since the switch held what it should.
    failures: u32,
    counters: Counters,
}

/// What the core waits for. At most one call is under way.
#[derive(Clone, Debug)]
enum Phase {
    /// A session.
    Offline,
    /// The program.
    Pipeline,
    /// The state, after so many rounds of writing.
    Reading { rounds: u32 },
    /// The outcome of the first group; the others follow.
    Writing {
        groups: Vec<Vec<Change>>,
        then: Then,
    },
    /// Something new.
    Steady,
    /// The end of a pause after a failed call.
    Paused,
}

/// What follows a series of writes.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// Read everything, to be sure.
    Verify { rounds: u32 },
    /// Nothing, if all went well.
    Rest,
}

/// The last news of the session, so that none is told twice.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Told {
    Nothing,
    Primary,
    Backup,
    Lost(String),
}

/// Writing twice covers what changed during the first reading. What is still different then does
/// not yield to writing.
const ROUNDS: u32 = 2;

/// Pause after the first call that failed. Each one after it is twice as long, up to [`PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Pause before a switch that differs is looked at again.
const PAUSE: Duration = Duration::from_secs(10);

/// The longest time that a list is believed to have been under way: its time is of another clock if it
/// is further away.
const LATE: Span = Span::from_seconds(60);

/// Failures that are remembered, so that none is told again and again.
const MAX_TOLD: usize = 1024;

/// Differences that a report lists; the rest is counted.
const MAX_LISTED: usize = 20;

impl Core {
    /// Starts without a session. Learned ports must be among `ports`, or are taken as they come if
    /// there are none.
    #[must_use]
    pub fn new(index: Arc<Index>, orders: Arc<Orders>, ports: &[u32], max_macs: usize) -> Self {
        Self {
            index,
            orders,
            now: UtcTime::default(),
            ports: ports.iter().map(|port| Port(*port)).collect(),
            macs: MacTable::new(max_macs),
            actual: SwitchState::default(),
            tried: BTreeMap::new(),
            blocked: BTreeMap::new(),
            bad_sample_told: false,
            phase: Phase::Offline,
            tally: None,
            told: Told::Nothing,
            told_failures: BTreeSet::new(),
            failures: 0,
            counters: Counters::default(),
        }
    }

    /// What passed so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the switch should hold now.
    #[must_use]
    pub fn wanted(&self) -> SwitchState {
        let mut wanted = self.orders.at(self.now);
        for entry in learn::learned_entries(&self.macs, &self.index) {
            wanted.put_if_absent(Item::Entry(entry));
        }
        wanted
    }

    /// What asked for an item.
    #[must_use]
    pub fn origin(&self, key: &ItemKey) -> Option<Origin> {
        let learned = || {
            let entries = learn::learned_entries(&self.macs, &self.index);
            let mut keys = entries.into_iter().map(|entry| ItemKey::Entry(entry.key));
            keys.any(|learned| learned == *key)
                .then_some(Origin::Learned)
        };
        self.orders.origin(key, self.now).or_else(learned)
    }

    /// When what the switch should hold changes by itself: the next time for [`Event::Time`].
    #[must_use]
    pub fn next_edge(&self) -> Option<UtcTime> {
        self.orders.rules.next_edge(self.now)
    }

    /// Takes an event. An answer to a call that is no longer waited for has no effect.
    pub fn handle(&mut self, event: Event) -> Vec<Command> {
        match (event, std::mem::replace(&mut self.phase, Phase::Offline)) {
            (Event::Primary, _) => self.primary(),
            (Event::Backup, _) => self.tell(Told::Backup, Report::Backup),
            (Event::Lost { reason }, _) => {
                self.tell(Told::Lost(reason.clone()), Report::Lost { reason })
            }
            (Event::PipelineReady(pipeline), Phase::Pipeline) => {
                self.tally = Some(Programmed::new(pipeline));
                self.blocked.clear();
                self.read(0)
            }
            (Event::Read(reading), Phase::Reading { rounds }) => self.compare(reading, rounds),
            (Event::Written(failures), Phase::Writing { groups, then }) => {
                self.written(groups, then, failures)
            }
            (
                Event::CallFailed { reason, cause },
                Phase::Pipeline | Phase::Reading { .. } | Phase::Writing { .. },
            ) => {
                self.phase = Phase::Paused;
                let pause = self.next_pause();
                let text = reason.clone();
                let news = self.tell_failure(text, Report::CallFailed { reason, cause });
                news.into_iter().chain([Command::Pause(pause)]).collect()
            }
            (Event::PauseOver, Phase::Paused) => {
                self.phase = Phase::Pipeline;
                vec![Command::EnsurePipeline]
            }
            (Event::PauseOver, Phase::Steady) => {
                self.blocked.clear();
                self.read(0)
            }
            // What was set aside is looked at after what is being written.
            (Event::PauseOver, Phase::Writing { groups, .. }) => {
                self.blocked.clear();
                let then = Then::Verify { rounds: 0 };
                self.phase = Phase::Writing { groups, then };
                Vec::new()
            }
            (Event::Digest(digest), phase) => {
                self.phase = phase;
                self.digest(digest)
            }
            (Event::Time(time), phase) => {
                self.phase = phase;
                self.now = self.now.max(time);
                self.settle_if_steady()
            }
            (Event::Orders(orders), phase) => {
                self.phase = phase;
                self.orders = orders;
                self.blocked.clear();
                self.settle_if_steady()
            }
            (_, phase) => {
                self.phase = phase;
                Vec::new()
            }
        }
    }

    /// How long to wait after a failed call: short at first, because rules neither begin nor end
    /// meanwhile.
    fn next_pause(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        FIRST_PAUSE.saturating_mul(factor).min(PAUSE)
    }

    fn primary(&mut self) -> Vec<Command> {
        self.told_failures.clear();
        self.failures = 0;
        let mut commands = self.tell(Told::Primary, Report::Primary);
        self.phase = Phase::Pipeline;
        commands.push(Command::EnsurePipeline);
        commands
    }

    fn tell(&mut self, news: Told, report: Report) -> Vec<Command> {
        if self.told == news {
            return Vec::new();
        }
        self.told = news;
        vec![Command::Report(report)]
    }

    /// Tells of a failure unless it has been told since the session began.
    fn tell_failure(&mut self, text: String, report: Report) -> Option<Command> {
        if self.told_failures.len() >= MAX_TOLD {
            self.told_failures.clear();
        }
        self.told_failures
            .insert(text)
            .then_some(Command::Report(report))
    }

    fn read(&mut self, rounds: u32) -> Vec<Command> {
        if rounds == 0 {
            self.tried.clear();
        }
        self.phase = Phase::Reading { rounds };
        vec![Command::Read]
    }

    /// What has to be written, without what does not yield to writing. If something else is wanted in
    /// its place by now, that is another matter.
    fn difference(&self) -> Vec<Vec<Change>> {
        let wanted = self.wanted();
        let is_still_wanted = |(key, change): &(&ItemKey, &Change)| {
            let item = (change.kind != ChangeKind::Delete).then_some(&change.item);
            wanted.item(key) == item
        };
        let blocked = self.blocked.iter().filter(is_still_wanted);
        let skip = blocked.map(|(key, _)| key.clone()).collect();
        difference(&wanted, &self.actual, &self.index, &skip)
    }

    /// Compares what was read with what is wanted, and writes the difference or rests.
    fn compare(&mut self, reading: Reading, rounds: u32) -> Vec<Command> {
        let unreadable = reading.unreadable.into_iter().map(Report::Unreadable);
        let mut commands: Vec<_> = unreadable.map(Command::Report).collect();
        self.actual = reading.state;
        if let Some(tally) = self.tally.as_mut().filter(|_| rounds == 0) {
            for (mac, port) in learn::adopted(&self.actual, &self.index) {
                let here = self.ports.is_empty() || self.ports.contains(&port);
                if here && self.macs.port_of(mac).is_none() {
                    self.macs.see(mac, port);
                    tally.adopted += 1;
                }
            }
        }
        let groups = self.difference();
        // What was learned or became due while the switch was read deserves its own attempt.
        let new = |change: &Change| self.tried.get(&change.item.key()) != Some(change);
        if groups.is_empty() {
            commands.extend(self.rest());
        } else if rounds < ROUNDS || groups.iter().flatten().any(new) {
            commands.extend(self.write(groups, Then::Verify { rounds: rounds + 1 }));
        } else {
            commands.extend(self.give_up(&groups));
        }
        commands
    }

    fn write(&mut self, groups: Vec<Vec<Change>>, then: Then) -> Vec<Command> {
        let changes = groups.iter().flatten().cloned();
        self.tried
            .extend(changes.map(|change| (change.item.key(), change)));
        let first = groups.first().cloned().unwrap_or_default();
        self.phase = Phase::Writing { groups, then };
        vec![Command::Write(first)]
    }

    fn written(
        &mut self,
        mut groups: Vec<Vec<Change>>,
        then: Then,
        failures: Vec<UpdateFailure>,
    ) -> Vec<Command> {
        let done = groups.remove(0);
        let failed: BTreeMap<usize, UpdateFailure> = failures
            .into_iter()
            .map(|failure| (failure.index, failure))
            .collect();
        let mut commands = Vec::new();
        for (place, change) in done.iter().enumerate() {
            if let Some(failure) = failed.get(&place) {
                let key = change.item.key();
                let (change, origin) = (format!("{} {key}", change.kind), self.origin(&key));
                let text = format!("{change} {:?} {}", failure.code, failure.message);
                let report = Report::UpdateFailed {
                    change,
                    origin,
                    failure: failure.clone(),
                };
                commands.extend(self.tell_failure(text, report));
            } else {
                self.actual.apply(change);
                self.count(change.kind);
            }
        }
        commands.extend(match then {
            _ if !groups.is_empty() => self.write(groups, then),
            Then::Verify { rounds } => self.read(rounds),
            // What was thought to be there is not; look again.
            Then::Rest if !failed.is_empty() => self.read(0),
            Then::Rest => self.settle(),
        });
        commands
    }

    fn count(&mut self, kind: ChangeKind) {
        let Some(tally) = &mut self.tally else { return };
        match kind {
            ChangeKind::Insert => tally.inserted += 1,
            ChangeKind::Modify => tally.modified += 1,
            ChangeKind::Delete => tally.deleted += 1,
        }
    }

    /// Rests with a switch that holds what it should, apart from what is blocked.
    fn rest(&mut self) -> Vec<Command> {
        self.phase = Phase::Steady;
        self.failures = 0;
        if !self.blocked.is_empty() {
            return vec![Command::Pause(PAUSE)];
        }
        let items = self.actual.len();
        let news = self
            .tally
            .take()
            .map(|tally| Report::Programmed(Programmed { items, ..tally }));
        news.map(Command::Report).into_iter().collect()
    }

    /// Sets aside what does not yield to writing, so that it does not stop the rest.
    fn give_up(&mut self, groups: &[Vec<Change>]) -> Vec<Command> {
        let left: Vec<_> = groups.iter().flatten().collect();
        let listed = left.iter().take(MAX_LISTED);
        let mut differences: Vec<_> = listed
            .map(|change| format!("{} {}", change.kind, change.item.key()))
            .collect();
        if left.len() > MAX_LISTED {
            differences.push(format!("and {} more", left.len() - MAX_LISTED));
        }
        let left = left.into_iter().cloned();
        self.blocked
            .extend(left.map(|change| (change.item.key(), change)));
        self.phase = Phase::Steady;
        let news = self.tell_failure(differences.join(", "), Report::Incomplete { differences });
        news.into_iter().chain([Command::Pause(PAUSE)]).collect()
    }

    /// What changes while the core waits for an answer is written after it.
    fn settle_if_steady(&mut self) -> Vec<Command> {
        if matches!(self.phase, Phase::Steady) {
            self.settle()
        } else {
            Vec::new()
        }
    }

    /// Writes what has changed since the last write, if anything.
    fn settle(&mut self) -> Vec<Command> {
        self.phase = Phase::Steady;
        let groups = self.difference();
        if groups.is_empty() {
            Vec::new()
        } else {
            self.write(groups, Then::Rest)
        }
    }

    fn digest(&mut self, digest: DigestIn) -> Vec<Command> {
        self.counters.lists += 1;
        let mut commands = Vec::new();
        let at = self.reported_at(&digest);
        let known_macs = self.counters.learned;
        let index = Arc::clone(&self.index);
        match index.digest_by_id(digest.list.digest_id) {
            None => self.counters.ignored += 1,
            Some(known) => {
                for data in &digest.list.data {
                    match known.sample(data) {
                        Ok(sample) => commands.extend(self.sample(&known.name, at, &sample)),
                        Err(error) => {
                            self.counters.ignored += 1;
                            if !std::mem::replace(&mut self.bad_sample_told, true) {
                                let report = Report::BadSample(error.to_string());
                                commands.push(Command::Report(report));
                            }
                        }
                    }
                }
            }
        }
        // First the entries, then the acknowledgement: the switch reports the address again if the
        // entries do not arrive.
        if self.counters.learned > known_macs {
            commands.extend(self.settle_if_steady());
        }
        commands.push(Command::Acknowledge(digest));
        commands
    }

    /// When a switch made a list. Some have a clock of their own.
    fn reported_at(&self, digest: &DigestIn) -> UtcTime {
        let micros = u64::try_from(digest.list.timestamp / 1000);
        let stamp = UtcTime::from_micros(micros.unwrap_or_default());
        let is_ours = stamp <= self.now && self.now.since(stamp) <= LATE;
        if is_ours { stamp } else { self.now }
    }

    fn sample(&mut self, name: &str, at: UtcTime, sample: &[(&Field, Bits)]) -> Vec<Command> {
        match learn::digest_kind(name) {
            DigestKind::Learn => {
                let Some(sighting) = self.sighting(sample) else {
                    self.counters.ignored += 1;
                    return Vec::new();
                };
                self.see(sighting).into_iter().collect()
            }
            // A switch sends one digest for a packet: the report of a bundle from a new address
            // is also the news of that address.
            DigestKind::BundleReport => {
                self.counters.bundles += 1;
                let member = |(field, bits): &(&Field, Bits)| {
                    let shown = value::print(bits, field.format);
                    (field.name.clone(), field.width_bits, bits.clone(), shown)
                };
                let members = sample.iter().map(member).collect();
                let record = Command::Record(Sample {
                    digest: name.to_owned(),
                    at,
                    members,
                });
                let sighting = self.sighting(sample);
                let learned = sighting.and_then(|sighting| self.see(sighting));
                [record].into_iter().chain(learned).collect()
            }
            DigestKind::Unknown => {
                self.counters.ignored += 1;
                Vec::new()
            }
        }
    }

    /// The sighting in a sample, if it is on one of our ports.
    fn sighting(&self, sample: &[(&Field, Bits)]) -> Option<(Mac, Port)> {
        let here = |(_, port): &(Mac, Port)| self.ports.is_empty() || self.ports.contains(port);
        learn::sighting(sample).filter(here)
    }

    /// Notes where an address is, and reports it if that is news.
    fn see(&mut self, (mac, port): (Mac, Port)) -> Option<Command> {
        self.counters.sightings += 1;
        let sighting = self.macs.see(mac, port);
        let news = sighting != Sighting::Known;
        self.counters.learned += u64::from(news);
        news.then_some(Command::Report(Report::Learned {
            mac,
            port,
            sighting,
        }))
    }
}

impl Programmed {
    fn new(pipeline: PipelineChange) -> Self {
        Self {
            pipeline,
            items: 0,
            inserted: 0,
            modified: 0,
            deleted: 0,
            adopted: 0,
        }
    }
}
