// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One switch: the session, the calls and the pauses around a [`Core`].

use std::{
    fmt::Debug,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use contact::UtcTime;
use p4rt::{
    Bidding, Code, Target,
    client::{
        CallError, Client, ConnectOptions, Connection, Pipeline, Renewable, Session, SessionOptions,
    },
    p4info::Index,
    session::{Backoff, State},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    core::{Cause, Command, Core, Event, Programmed, Reading, Report, Sample},
    desired::{Change, ChangeKind, Item},
    macs::{Port, Sighting},
    orders::Orders,
    wire::{self, Absence},
};

/// How a switch is doing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Status {
    /// No session yet.
    Unreachable {
        /// Why.
        reason: String,
    },
    /// Another controller may write.
    Backup,
    /// The switch is being programmed.
    Connected,
    /// The switch refuses the program or a whole call.
    Refused {
        /// Why.
        reason: String,
    },
    /// It holds what it should.
    Programmed {
        /// Items that it holds.
        items: usize,
    },
    /// It holds something else, and writing does not help.
    Incomplete {
        /// How many items differ.
        differences: usize,
    },
}

/// A switch, and the program that it is to run.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// Name in logs.
    pub name: String,
    /// `host:port` of its P4Runtime server.
    pub address: String,
    /// Number of the device behind the address.
    pub device_id: u64,
    /// Certificates for the connection; without them, it is in the clear.
    pub tls: Option<Renewable>,
    /// The kind of server.
    pub target: Target,
    /// Which election ids are offered.
    pub bidding: Bidding,
    /// Waits between attempts to reach it.
    pub backoff: Backoff,
    /// Ports that hosts are on; any if there are none.
    pub ports: Vec<u32>,
    /// Most addresses that are kept.
    pub max_macs: usize,
    /// The program.
    pub pipeline: Pipeline,
    /// The names of the program.
    pub index: Arc<Index>,
    /// When there is a session at all, and with which ids. `None`: always, and as `bidding` says.
    pub term: Option<watch::Receiver<Option<Term>>>,
}

/// A time in which this controller may write, and no other one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Term {
    /// The upper half of its election ids. Later terms have larger ones.
    pub epoch: u64,
    /// When it ends, unless it is prolonged.
    pub until: Instant,
}

/// What a supervised switch tells the daemon.
#[derive(Clone, Debug)]
pub struct News {
    /// Place of the switch in the configuration.
    pub place: usize,
    /// How it is doing now.
    pub status: Status,
}

/// Where samples of bundles go. Must not wait.
pub trait Samples: Debug + Send + Sync {
    /// Keeps a sample of a switch.
    fn record(&self, switch: &str, sample: &Sample);
}

/// Keeps a switch programmed until it is told to stop.
pub struct Supervisor {
    place: usize,
    assignment: Assignment,
    core: Core,
    client: Option<Client>,
    call: Option<Call>,
    pause: Option<Instant>,
    generation: u64,
    /// Of the term, if there are any.
    epoch: Option<u64>,
    orders: watch::Receiver<Arc<Orders>>,
    samples: Arc<dyn Samples>,
    news: mpsc::Sender<News>,
}

/// A call under way. At most one is, and it dies with its connection.
type Call = Pin<Box<dyn Future<Output = Event> + Send>>;

impl Supervisor {
    /// A supervisor that follows the newest orders. When their sender is gone it keeps the last.
    #[must_use]
    pub fn new(
        place: usize,
        assignment: Assignment,
        mut orders: watch::Receiver<Arc<Orders>>,
        samples: Arc<dyn Samples>,
        news: mpsc::Sender<News>,
    ) -> Self {
        let (index, first) = (assignment.index.clone(), orders.borrow_and_update().clone());
        let core = Core::new(index, first, &assignment.ports, assignment.max_macs);
        let (client, call, pause) = (None, None, None);
        Self {
            place,
            assignment,
            core,
            client,
            call,
            pause,
            generation: 0,
            epoch: None,
            orders,
            samples,
            news,
        }
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let epoch = tokio::select! {
                () = stop.cancelled() => return,
                epoch = self.next_term() => epoch,
            };
            if self.hold(epoch, &stop).await {
                return;
            }
        }
    }

    /// Waits for a term, and returns its epoch. `None` if there are no terms.
    async fn next_term(&mut self) -> Option<u64> {
        let terms = self.assignment.term.as_mut()?;
        let begun = |term: &Option<Term>| term.is_some_and(|term| Instant::now() < term.until);
        let Ok(term) = terms.wait_for(begun).await else {
            // Who gives out terms is gone, so there are no more.
            return std::future::pending().await;
        };
        term.map(|term| term.epoch)
    }

    /// When the term of this epoch ends, as far as that is known.
    fn term_end(&self, epoch: Option<u64>) -> Option<Instant> {
        Some(end_of(self.assignment.term.as_ref()?, epoch))
    }

    /// Holds a session until `stop`, or until the term is over. Returns whether it was `stop`.
    async fn hold(&mut self, epoch: Option<u64>, stop: &CancellationToken) -> bool {
        let switch = &self.assignment;
        let connect = ConnectOptions {
            target: switch.target,
            tls: switch.tls.clone(),
            ..ConnectOptions::new(&switch.address, switch.device_id)
        };
        let of_term = epoch.map(|epoch| Bidding::Controller { epoch });
        let options = SessionOptions {
            bidding: of_term.unwrap_or(switch.bidding),
            backoff: switch.backoff,
            ..SessionOptions::new(connect, 0)
        };
        self.epoch = epoch;
        let mut session = Session::start(options);
        let mut has_orderer = true;
        let is_stop = loop {
            let end = self.term_end(epoch);
            let pause = self.pause.unwrap_or_else(Instant::now);
            let edge = self.core.next_edge();
            let wake = Instant::now() + edge.map_or(LONGEST_SLEEP, until);
            let event = tokio::select! {
                () = stop.cancelled() => break true,
                () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => {
                    // It may have been prolonged meanwhile.
                    if self.term_end(epoch).is_some_and(|end| end <= Instant::now()) {
                        break false;
                    }
                    continue;
                }
                changed = session.connection.changed() => {
                    if changed.is_err() {
                        break true;
                    }
                    let connection = session.connection.borrow_and_update().clone();
                    self.connection(connection).await;
                    continue;
                }
                changed = self.orders.changed(), if has_orderer => {
                    has_orderer = changed.is_ok();
                    Event::Orders(self.orders.borrow_and_update().clone())
                }
                // Edges come before answers: an answer that comes then is handled at the new time.
                () = sleep_until(wake), if edge.is_some() => Event::Time(now()),
                event = answer(&mut self.call) => {
                    self.call = None;
                    event
                }
                Some(digest) = session.digests.recv() => Event::Digest(digest),
                () = sleep_until(pause), if self.pause.is_some() => {
                    self.pause = None;
                    Event::PauseOver
                }
            };
            self.handle(event).await;
        };
        let (counters, drops) = (self.core.counters(), session.drops());
        info!(?counters, ?drops, "leaving the switch");
        if !is_stop {
            let reason = "the term is over".to_owned();
            self.leave(Event::Lost { reason }).await;
        }
        session.stop().await;
        is_stop
    }

    /// Follows the session. A connection that was replaced between two looks was lost, too.
    async fn connection(&mut self, connection: Connection) {
        if connection.generation != self.generation && self.client.is_some() {
            let reason = "the connection was replaced".to_owned();
            self.leave(Event::Lost { reason }).await;
        }
        match connection.state {
            State::Connecting | State::Bidding => {}
            State::Primary => {
                self.generation = connection.generation;
                self.client = connection.client;
                self.handle(Event::Primary).await;
            }
            State::Backup { highest, other } => {
                debug!(?highest, ?other, "another controller is ahead");
                self.leave(Event::Backup).await;
            }
            State::Lost { reason, .. } => self.leave(Event::Lost { reason }).await,
        }
    }

    /// Drops what belongs to a session that may no longer write.
    async fn leave(&mut self, event: Event) {
        self.client = None;
        self.call = None;
        self.pause = None;
        self.handle(event).await;
    }

    async fn handle(&mut self, event: Event) {
        let mut commands = self.core.handle(Event::Time(now()));
        commands.extend(self.core.handle(event));
        for command in commands {
            match command {
                Command::EnsurePipeline => {
                    let pipeline = self.assignment.pipeline.clone();
                    self.begin(|client, _| Box::pin(ensure_pipeline(client, pipeline)));
                }
                Command::Read => {
                    self.begin(|client, index| Box::pin(read(client, index)));
                }
                Command::Write(changes) => {
                    self.begin(|client, index| Box::pin(write(client, index, changes)));
                }
                Command::Pause(time) => self.pause = Some(Instant::now() + time),
                Command::Acknowledge(digest) => {
                    if let Some(client) = &self.client {
                        client.acknowledge(&digest).await;
                    }
                }
                Command::Record(sample) => self.samples.record(&self.assignment.name, &sample),
                Command::Report(report) => self.report(report).await,
            }
        }
    }

    fn begin(&mut self, call: impl FnOnce(Client, Arc<Index>) -> Call) {
        let (reason, cause) = ("the session is gone".to_owned(), Cause::Transient);
        let terms = self.assignment.term.clone();
        self.call = Some(match &self.client {
            Some(client) => {
                let call = call(client.clone(), self.assignment.index.clone());
                match terms {
                    Some(terms) => Box::pin(within(terms, self.epoch, call)),
                    None => call,
                }
            }
            None => Box::pin(std::future::ready(Event::CallFailed { reason, cause })),
        });
    }

    async fn report(&mut self, report: Report) {
        let status = match &report {
            Report::Lost { reason } => Some(Status::Unreachable {
                reason: reason.clone(),
            }),
            Report::Backup => Some(Status::Backup),
            Report::Primary => Some(Status::Connected),
            Report::CallFailed {
                reason,
                cause: Cause::Refused,
            } => Some(Status::Refused {
                reason: reason.clone(),
            }),
            Report::Programmed(Programmed { items, .. }) => {
                Some(Status::Programmed { items: *items })
            }
            Report::Incomplete { differences } => Some(Status::Incomplete {
                differences: differences.len(),
            }),
            _ => None,
        };
        log(report);
        if let Some(status) = status {
            // Without a daemon that listens nobody wants to know.
            let _ = self
                .news
                .send(News {
                    place: self.place,
                    status,
                })
                .await;
        }
    }
}

/// When the term of this epoch ends, as far as that is known.
fn end_of(terms: &watch::Receiver<Option<Term>>, epoch: Option<u64>) -> Instant {
    let term = (*terms.borrow()).filter(|term| Some(term.epoch) == epoch);
    term.map_or_else(Instant::now, |term| term.until)
}

/// Makes a call, unless its term is over first. The time is looked at first, so a process that was
/// stopped for long does not go on with a call when it runs again.
async fn within(terms: watch::Receiver<Option<Term>>, epoch: Option<u64>, mut call: Call) -> Event {
    loop {
        tokio::select! {
            biased;
            () = sleep_until(end_of(&terms, epoch)) => {
                // It may have been prolonged meanwhile: a large program takes longer than a term.
                if end_of(&terms, epoch) <= Instant::now() {
                    return Event::CallFailed {
                        reason: "the term ends".to_owned(),
                        cause: Cause::Transient,
                    };
                }
            }
            event = &mut call => return event,
        }
    }
}

async fn answer(call: &mut Option<Call>) -> Event {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

async fn ensure_pipeline(client: Client, pipeline: Pipeline) -> Event {
    match client.ensure_pipeline(&pipeline).await {
        Ok(change) => Event::PipelineReady(change),
        Err(error) => failed(&error),
    }
}

async fn read(client: Client, index: Arc<Index>) -> Event {
    match read_switch(&client, &index).await {
        Ok(reading) => Event::Read(reading),
        Err(error) => failed(&error),
    }
}

/// Reads everything that a switch holds. Needs no session.
///
/// # Errors
/// The switch does not answer, or refuses.
pub async fn read_switch(client: &Client, index: &Index) -> Result<Reading, CallError> {
    let mut reading = Reading::default();
    for step in wire::read_steps(index, client.target()) {
        let entities = match client.read(step.entities).await {
            Ok(entities) => entities,
            Err(error) if step.absence == Absence::Empty && means_none(&error) => continue,
            Err(error) => return Err(error),
        };
        for entity in entities {
            match wire::to_item(entity, index) {
                Some(Ok(item)) => {
                    reading.state.put(item);
                }
                Some(Err(error)) => reading.unreadable.push(error.to_string()),
                None => {}
            }
        }
    }
    Ok(reading)
}

async fn write(client: Client, index: Arc<Index>, changes: Vec<Change>) -> Event {
    let updates = changes.iter().map(|change| wire::to_update(change, &index));
    let updates: Vec<_> = match updates.collect::<Result<_, _>>() {
        Ok(updates) => updates,
        Err(error) => {
            return Event::CallFailed {
                reason: error.to_string(),
                cause: Cause::Refused,
            };
        }
    };
    sleep(pause_before(&changes, client.target())).await;
    match client.write(&updates).await {
        Ok(failures) => Event::Written(failures),
        Err(error) => failed(&error),
    }
}

/// How long to wait before a write. As soon as there is a group, programs flood what they know no receiver
/// of: what went on its way before there were receivers has to be through by then.
fn pause_before(changes: &[Change], target: Target) -> Duration {
    let makes_group = |change: &Change| {
        change.kind == ChangeKind::Insert && matches!(change.item, Item::MulticastGroup(_))
    };
    if changes.iter().any(makes_group) {
        target.quirks().transit
    } else {
        Duration::ZERO
    }
}

fn failed(error: &CallError) -> Event {
    // Without an answer of the switch, the transport makes up one of these codes.
    let cause = match error.code() {
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Unknown => {
            Cause::Transient
        }
        _ => Cause::Refused,
    };
    Event::CallFailed {
        reason: error.to_string(),
        cause,
    }
}

fn means_none(error: &CallError) -> bool {
    matches!(error.code(), Code::Unimplemented | Code::NotFound)
}

fn log(report: Report) {
    match report {
        Report::Primary => info!("the session is primary"),
        Report::Backup => warn!("another controller is primary; waiting until it leaves"),
        Report::Lost { reason } => {
            warn!(
                reason,
                "no session with the switch; check that it runs and listens there"
            );
        }
        Report::Programmed(Programmed {
            pipeline,
            items,
            inserted,
            modified,
            deleted,
            adopted,
        }) => {
            info!(
                ?pipeline,
                items, inserted, modified, deleted, adopted, "the switch is programmed"
            );
        }
        Report::Incomplete { differences } => {
            error!(
                ?differences,
                "the switch does not hold what it should; trying again later"
            );
        }
        Report::UpdateFailed {
            change,
            origin,
            failure,
        } => {
            let origin = origin.map(|origin| origin.to_string());
            let (code, message) = (failure.code, failure.message);
            warn!(change, origin, ?code, message, "update failed");
        }
        Report::CallFailed {
            reason,
            cause: Cause::Refused,
        } => {
            error!(
                reason,
                "the switch refuses the call; trying again every few seconds"
            );
        }
        Report::CallFailed {
            reason,
            cause: Cause::Transient,
        } => {
            warn!(reason, "call failed; trying again later");
        }
        Report::Unreadable(reason) => warn!(reason, "the switch holds something unknown"),
        Report::BadSample(reason) => warn!(reason, "digest sample ignored, and all others like it"),
        Report::Learned {
            mac,
            port: Port(port),
            sighting,
        } => match sighting {
            Sighting::Moved { from: Port(from) } => info!(%mac, port, from, "address moved"),
            Sighting::New {
                evicted: Some(evicted),
            } => {
                info!(%mac, port, %evicted, "address learned, the oldest forgotten");
            }
            Sighting::New { evicted: None } | Sighting::Known => {
                info!(%mac, port, "address learned");
            }
        },
    }
}

/// What time it is.
#[must_use]
pub fn now() -> UtcTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since.unwrap_or_default().as_micros();
    UtcTime::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// How long it is until a time, and at most so long that a clock that was set is noticed.
fn until(time: UtcTime) -> Duration {
    Duration::from_micros(time.since(now()).micros()).min(LONGEST_SLEEP)
}

/// The clock of the machine may be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Waits between attempts to reach a switch.
#[must_use]
pub fn usual_backoff() -> Backoff {
    Backoff {
        first: Duration::from_secs(2),
        longest: Duration::from_secs(10),
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use p4rt::entries::MulticastGroup;
    use tokio::time::timeout;

    use super::*;

    /// Terms are short, and some programs large.
    #[tokio::test]
    async fn a_call_goes_on_while_its_term_is_prolonged() {
        let first = Instant::now() + Duration::from_millis(50);
        let term = |until| Some(Term { epoch: 1, until });
        let (give, terms) = watch::channel(term(first));
        let done = CancellationToken::new();
        let call = done.clone();
        let call: Call = Box::pin(async move {
            call.cancelled().await;
            Event::PauseOver
        });
        let mut running = Box::pin(within(terms, Some(1), call));
        let mut is_waiting = async |time| timeout(time, &mut running).await.is_err();
        assert!(is_waiting(Duration::ZERO).await);
        give.send_replace(term(first + Duration::from_hours(1)));
        assert!(is_waiting(Duration::from_millis(100)).await);
        done.cancel();
        assert!(matches!(running.await, Event::PauseOver));
    }

    #[tokio::test]
    async fn a_call_ends_with_its_term() {
        let until = Instant::now() + Duration::from_millis(20);
        let (_give, terms) = watch::channel(Some(Term { epoch: 1, until }));
        // The second one is of a term that is over.
        for epoch in [1, 0] {
            let call: Call = Box::pin(std::future::pending());
            let ended = within(terms.clone(), Some(epoch), call).await;
            assert!(matches!(ended, Event::CallFailed { .. }));
        }
    }

    #[test]
    fn what_is_under_way_is_through_before_flooding_begins() {
        let group = |kind| Change {
            kind,
            item: Item::MulticastGroup(MulticastGroup {
                id: 1,
                replicas: Vec::new(),
            }),
        };
        let (new, changed) = (group(ChangeKind::Insert), group(ChangeKind::Modify));
        let pause = pause_before(from_ref(&new), Target::Bmv2);
        assert_eq!(pause, Target::Bmv2.quirks().transit);
        assert!(!pause.is_zero());
        assert!(pause_before(from_ref(&new), Target::Sddtn).is_zero());
        assert!(pause_before(from_ref(&changed), Target::Bmv2).is_zero());
    }
}
