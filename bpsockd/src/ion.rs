// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An agent that is another program: ION, through its library, which is opened at run time.
//!
//! A helper process is attached to ION, and this is the daemon's side of it: `docs/adr/0021-ion-in-a-process-of-its-own.md`
//! says why. A message is delivered for ION when it is taken out of it. So few are taken ahead of the application, and
//! these are [kept](crate::kept) until it has read them.

mod library;
mod manner;
mod session;
mod wire;
pub mod worker;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Child;
use std::time::Duration;

use anyhow::Context as _;
use bpsock::Address;
use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tracing::{info, warn};

use crate::agent::{Agent, Command, Event, Link, Outgoing, Registration, Request};
use crate::kept::Kept;
use crate::whole::is_passing;
use manner::manner;
use session::{OUTGOING, Session, Target};
use wire::{News, Order};

/// The way to ION, ready to run.
#[derive(Debug)]
pub struct Ion {
    /// Its library.
    pub library: OsString,
    /// The working directory of its node.
    pub directory: Option<PathBuf>,
    /// Where it keeps the list of its nodes, if there are several on this machine.
    pub node_list: Option<PathBuf>,
    /// The folder for the helper's files. It is there.
    pub folder: PathBuf,
    /// The number of the node.
    pub node: u64,
    /// Whether it is told of endpoints that it does not know.
    pub may_add: bool,
    /// The lifetime of messages whose sender does not choose one.
    pub lifetime_ms: u64,
    /// Where messages are kept.
    pub kept: Kept,
}

/// Commands and messages that are handled together.
const BATCH: usize = 128;
/// Messages of an endpoint that were taken out of ION, and not read.
const WINDOW: usize = 16;
/// Pause before the first new attempt to reach ION, and the longest one.
const RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// How long a helper may take to attach. It waits for the one before it.
const ATTACH: Duration = Duration::from_secs(40);
/// How often ends of helpers are looked for.
const TICK: Duration = Duration::from_secs(1);
/// How long the last helper may take to end.
const GRACE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

/// The helper.
enum Line {
    /// There is one, and whether it is attached.
    Up(Session, bool),
    Down,
}

/// What the line says.
enum Said {
    News(News, Vec<u8>),
    Ended,
}

impl Line {
    /// Nothing is lost if the future is dropped.
    async fn next(&mut self) -> Said {
        match self {
            Self::Up(session, _) => match session.incoming.recv().await {
                Some((news, octets)) => Said::News(news, octets),
                None => Said::Ended,
            },
            Self::Down => std::future::pending().await,
        }
    }
}

/// A socket's endpoint at ION.
#[derive(Debug)]
enum Stage {
    /// It is asked for. What comes for it waits for the answer.
    Asked(Address, Vec<Event>),
    /// It was open, and is asked for again.
    AskedAgain,
    /// So many more messages may come.
    Open(usize),
    /// ION is not there.
    Away,
}

#[derive(Debug)]
struct Bound {
    endpoint: String,
    is_passing: bool,
    stage: Stage,
}

/// The agent at work.
struct Work {
    target: Target,
    node: u64,
    may_add: bool,
    lifetime_ms: u64,
    kept: Kept,
    events: mpsc::Sender<Event>,
    line: Line,
    /// When there is a new helper, or the one that is there is given up.
    due: Option<Instant>,
    retry: Duration,
    children: Vec<Child>,
    sockets: BTreeMap<Registration, Bound>,
    sending: BTreeSet<Request>,
    /// Which helper it is.
    generation: u64,
    /// Bundles that have come and are not stored: of which helper, and for which endpoint. No others come then.
    held: VecDeque<(u64, u64, Vec<u8>)>,
    /// Bundles that are stored, which the helper has not been told.
    stored: BTreeMap<u64, usize>,
    /// Files with bundles of earlier helpers. They come before others.
    saved: VecDeque<PathBuf>,
    /// Commands that only the store hears of.
    noted: Vec<Command>,
}

impl Agent for Ion {
    fn run(
        self: Box<Self>,
        link: Link,
    ) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> {
        let work = Work {
            target: Target {
                library: self.library,
                directory: self.directory,
                node_list: self.node_list,
                folder: self.folder,
            },
            node: self.node,
            may_add: self.may_add,
            lifetime_ms: self.lifetime_ms,
            kept: self.kept,
            events: link.events,
            line: Line::Down,
            due: Some(Instant::now()),
            retry: RETRY,
            children: Vec::new(),
            sockets: BTreeMap::new(),
            sending: BTreeSet::new(),
            generation: 0,
            held: VecDeque::new(),
            stored: BTreeMap::new(),
            saved: VecDeque::new(),
            noted: Vec::new(),
        };
        Box::pin(work.run(link.commands))
    }
}

impl Work {
    async fn run(mut self, mut from: mpsc::Receiver<Command>) -> anyhow::Result<()> {
        let mut commands = Vec::new();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let has_capacity = match &self.line {
                Line::Up(session, _) => session.outgoing.capacity() > OUTGOING / 2,
                Line::Down => true,
            };
            let due = self.due;
            tokio::select! {
                count = from.recv_many(&mut commands, BATCH), if has_capacity => if count == 0 { break },
                said = self.line.next() => self.hear(said).await?,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.turn().await,
                _ = ticks.tick() => self.reap(),
            }
            self.hear_more().await?;
            for command in commands.drain(..) {
                self.command(command).await?;
            }
            self.keep().await?;
        }
        self.line = Line::Down;
        // So that endpoints are closed when the daemon has ended.
        let end = Instant::now() + GRACE;
        while !self.children.is_empty() && Instant::now() < end {
            sleep(PAUSE).await;
            self.reap();
        }
        Ok(())
    }

    /// Says things to the daemon. What is about an endpoint waits until that is open.
    async fn tell(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            let bound = event
                .registration()
                .and_then(|it| self.sockets.get_mut(&it));
            if let Some(Stage::Asked(_, early)) = bound.map(|bound| &mut bound.stage) {
                early.push(event);
                continue;
            }
            // Without a daemon nobody wants to know.
            let _ = self.events.send(event).await;
        }
    }

    /// Says something to the helper. Returns whether there is one that is attached.
    fn say(&mut self, order: Order, data: Vec<u8>) -> bool {
        match &self.line {
            Line::Up(session, true) => session.outgoing.try_send((order, data)).is_ok(),
            _ => false,
        }
    }

    // The helper.

    /// Starts a helper, or gives up the one that does not attach.
    async fn turn(&mut self) {
        self.due = None;
        if let Line::Up(..) = self.line {
            self.hang_up("it does not answer").await;
            return;
        }
        match self.target.launch() {
            Ok((session, child)) => {
                self.children.push(child);
                self.line = Line::Up(session, false);
                self.due = Some(Instant::now() + ATTACH);
            }
            Err(error) => self.hang_up(&error.to_string()).await,
        }
    }

    /// Takes notice of the ends of helpers.
    fn reap(&mut self) {
        self.children
            .retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    async fn hear(&mut self, said: Said) -> anyhow::Result<()> {
        let (news, octets) = match said {
            Said::News(news, octets) => (news, octets),
            Said::Ended => {
                self.hang_up("the helper process has ended").await;
                return Ok(());
            }
        };
        match news {
            News::Ready { version, node } if node == self.node => {
                info!(version, node, "attached");
                self.attached()?;
            }
            News::Ready { node, .. } => {
                let reason = format!("it is ipn:{node}.0, and not ipn:{}.0", self.node);
                self.hang_up(&reason).await;
            }
            News::Opened { id, outcome } => {
                let outcome = outcome.map_err(Errno::from_raw_os_error);
                self.opened(Registration(id), outcome).await?;
            }
            News::Sent { request, outcome } => {
                let request = Request(request);
                if self.sending.remove(&request) {
                    let outcome = outcome.map_err(Errno::from_raw_os_error);
                    // ION does not say which bundle it has made of it.
                    self.tell([Event::Sent(request, outcome.map(|()| None))])
                        .await;
                }
            }
            News::Arrived { id } => {
                if let Some(bound) = self.sockets.get_mut(&Registration(id))
                    && let Stage::Open(credit) = &mut bound.stage
                {
                    *credit = credit.saturating_sub(1);
                }
                self.held.push_back((self.generation, id, octets));
            }
            News::Ended { reason } => self.hang_up(&reason).await,
        }
        Ok(())
    }

    /// What has come meanwhile, so that it goes to the disk together.
    async fn hear_more(&mut self) -> anyhow::Result<()> {
        for _ in 0..BATCH {
            let Line::Up(session, _) = &mut self.line else {
                break;
            };
            match session.incoming.try_recv() {
                Ok((news, octets)) => self.hear(Said::News(news, octets)).await?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn attached(&mut self) -> anyhow::Result<()> {
        if let Line::Up(_, is_attached) = &mut self.line {
            *is_attached = true;
        }
        self.due = None;
        self.retry = RETRY;
        // The helpers before this one have ended, or it would have no lock. As long as nobody has noticed, ION takes
        // their endpoints for open.
        let last = self.children.pop();
        for mut child in std::mem::replace(&mut self.children, last.into_iter().collect()) {
            child.wait().context("cannot wait for a process")?;
        }
        self.find_saved()?;
        let away: Vec<_> = self.sockets.keys().copied().collect();
        for registration in away {
            self.ask(registration);
            if let Some(bound) = self.sockets.get_mut(&registration) {
                bound.stage = Stage::AskedAgain;
            }
        }
        Ok(())
    }

    /// Looks for bundles that earlier helpers had taken out of ION when their daemon ended.
    fn find_saved(&mut self) -> anyhow::Result<()> {
        let folder = &self.target.folder;
        let listed = fs::read_dir(folder).and_then(|entries| {
            let paths = entries.map(|entry| entry.map(|entry| entry.path()));
            paths.collect::<Result<BTreeSet<_>, _>>()
        });
        let paths = listed.with_context(|| format!("cannot read {}", folder.display()))?;
        let is_saved = |path: &PathBuf| path.extension().is_some_and(|it| it == worker::SAVED);
        self.saved = paths.into_iter().filter(is_saved).collect();
        Ok(())
    }

    /// Puts these into the store, as far as there is room.
    async fn take_saved(&mut self) -> anyhow::Result<()> {
        while let Some(path) = self.saved.front() {
            let bundle = fs::read(path);
            let bundle = bundle.with_context(|| format!("cannot read {}", path.display()))?;
            if !self.kept.has_room(bundle.len() as u64) {
                break;
            }
            let events = self.kept.step([], &[bundle])?;
            let removed = fs::remove_file(path);
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
            self.saved.pop_front();
            self.tell(events).await;
        }
        Ok(())
    }

    async fn hang_up(&mut self, reason: &str) {
        warn!(reason, again = ?self.retry, "no connection to ION");
        self.line = Line::Down;
        self.due = Some(Instant::now() + self.retry);
        self.retry = (self.retry * 2).min(LONGEST_RETRY);
        self.generation += 1;
        self.stored.clear();
        for request in std::mem::take(&mut self.sending) {
            // It may have been sent.
            self.tell([Event::Sent(request, Err(Errno::CONNRESET))])
                .await;
        }
        let mut refused = Vec::new();
        for (registration, bound) in &mut self.sockets {
            match std::mem::replace(&mut bound.stage, Stage::Away) {
                Stage::Asked(..) => refused.push(*registration),
                Stage::AskedAgain | Stage::Open(_) | Stage::Away => {}
            }
        }
        for registration in refused {
            self.sockets.remove(&registration);
            self.noted.push(Command::Unregister(registration));
            let event = Event::Registered(registration, Err(Errno::NETDOWN));
            self.tell([event]).await;
        }
    }

    // Endpoints.

    fn ask(&mut self, registration: Registration) -> bool {
        let Some(bound) = self.sockets.get(&registration) else {
            return false;
        };
        let order = Order::Open {
            id: registration.0,
            endpoint: bound.endpoint.clone(),
            may_add: self.may_add,
            is_passing: bound.is_passing,
        };
        self.say(order, Vec::new())
    }

    async fn register(
        &mut self,
        registration: Registration,
        wanted: &Address,
    ) -> anyhow::Result<()> {
        if !matches!(self.line, Line::Up(_, true)) {
            let event = Event::Registered(registration, Err(Errno::NETDOWN));
            self.tell([event]).await;
            return Ok(());
        }
        let mut noted = std::mem::take(&mut self.noted);
        let address = wanted.clone();
        noted.push(Command::Register {
            registration,
            address,
        });
        let mut events = self.kept.step(noted, &[])?;
        let is_granted =
            |event: &Event| matches!(event, Event::Registered(it, Ok(_)) if *it == registration);
        let place = events.iter().position(is_granted);
        if let Some(place) = place
            && let Event::Registered(_, Ok(address)) = events.remove(place)
        {
            let endpoint = address.eid().map(|eid| eid.to_string()).unwrap_or_default();
            let bound = Bound {
                endpoint,
                is_passing: is_passing(wanted),
                stage: Stage::Asked(address, Vec::new()),
            };
            self.sockets.insert(registration, bound);
            if !self.ask(registration) {
                self.opened(registration, Err(Errno::NETDOWN)).await?;
            }
        }
        self.tell(events).await;
        Ok(())
    }

    /// ION has opened an endpoint, or not.
    async fn opened(
        &mut self,
        registration: Registration,
        outcome: Result<(), Errno>,
    ) -> anyhow::Result<()> {
        let Some(bound) = self.sockets.get_mut(&registration) else {
            // It was closed meanwhile.
            return Ok(());
        };
        let stage = std::mem::replace(&mut bound.stage, Stage::Open(0));
        let (answer, early) = match (stage, outcome) {
            (Stage::Asked(address, early), Ok(())) => {
                (Event::Registered(registration, Ok(address)), early)
            }
            (_, Ok(())) => return Ok(()),
            (Stage::Asked(..), Err(error)) => {
                (Event::Registered(registration, Err(error)), Vec::new())
            }
            (_, Err(error)) => {
                warn!(endpoint = bound.endpoint, reason = %error, "ION refuses what it had opened");
                (Event::Lost(registration, error), Vec::new())
            }
        };
        let mut events = vec![answer];
        events.extend(early);
        if outcome.is_err() {
            self.sockets.remove(&registration);
            events.extend(self.kept.step([Command::Unregister(registration)], &[])?);
        }
        self.tell(events).await;
        Ok(())
    }

    // What the daemon wants.

    async fn command(&mut self, command: Command) -> anyhow::Result<()> {
        match command {
            Command::Register {
                registration,
                address,
            } => self.register(registration, &address).await?,
            Command::Unregister(registration) => {
                self.noted.push(command);
                if self.sockets.remove(&registration).is_some() {
                    self.say(Order::Close { id: registration.0 }, Vec::new());
                }
            }
            Command::Send {
                request,
                registration,
                message,
            } => {
                if let Err(error) = self.send(request, registration, message) {
                    self.tell([Event::Sent(request, Err(error))]).await;
                }
            }
            Command::Cancel { request, .. } => {
                let outcome = Err(Errno::OPNOTSUPP);
                self.tell([Event::Cancelled(request, outcome)]).await;
            }
            Command::Acknowledge(..)
            | Command::Pause(..)
            | Command::Refuse(..)
            | Command::Resume(_) => self.noted.push(command),
        }
        Ok(())
    }

    fn send(
        &mut self,
        request: Request,
        registration: Registration,
        message: Outgoing,
    ) -> Result<(), Errno> {
        let manner = manner(&message, self.lifetime_ms)?;
        let bound = self.sockets.get(&registration).ok_or(Errno::BADF)?;
        if !matches!(bound.stage, Stage::Open(_)) {
            return Err(Errno::NETDOWN);
        }
        let order = Order::Send {
            request: request.0,
            id: registration.0,
            manner,
        };
        if !self.say(order, message.data) {
            return Err(Errno::NETDOWN);
        }
        self.sending.insert(request);
        Ok(())
    }

    /// Puts what has come into the store, as far as there is room, and lets more come.
    async fn keep(&mut self) -> anyhow::Result<()> {
        self.take_saved().await?;
        let (mut bundles, mut octets) = (Vec::new(), 0);
        while let Some((.., bundle)) = self.held.front() {
            octets += bundle.len() as u64;
            if !self.kept.has_room(octets) {
                break;
            }
            if let Some((generation, id, bundle)) = self.held.pop_front() {
                if generation == self.generation {
                    *self.stored.entry(id).or_default() += 1;
                }
                bundles.push(bundle);
            }
        }
        let noted = std::mem::take(&mut self.noted);
        let events = self.kept.step(noted, &bundles)?;
        self.tell(events).await;
        self.grant();
        Ok(())
    }

    /// Tells the helper what is stored, and how many more messages may come.
    fn grant(&mut self) {
        let Line::Up(session, true) = &self.line else {
            return;
        };
        let mut granted = Vec::new();
        // With bundles that do not fit there is no room for others.
        if self.held.is_empty() && self.saved.is_empty() {
            for (registration, bound) in &self.sockets {
                if let Stage::Open(credit) = bound.stage {
                    let free = WINDOW.saturating_sub(self.kept.unread(*registration) + credit);
                    // Not one by one, if there are some left.
                    if free > 0 && (free >= WINDOW / 2 || credit == 0) {
                        granted.push((registration.0, free));
                    }
                }
            }
        }
        let mut grants: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
        for (id, count) in &self.stored {
            grants.entry(*id).or_default().0 = *count;
        }
        for (id, count) in granted {
            grants.entry(id).or_default().1 = count;
        }
        for (id, (stored, credit)) in grants {
            let order = Order::Grant { id, stored, credit };
            if session.outgoing.try_send((order, Vec::new())).is_err() {
                // There will be room again.
                return;
            }
            self.stored.remove(&id);
            if let Some(bound) = self.sockets.get_mut(&Registration(id))
                && let Stage::Open(known) = &mut bound.stage
            {
                *known += credit;
            }
        }
    }
}
