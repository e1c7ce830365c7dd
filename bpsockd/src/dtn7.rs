// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An agent that is another program: dtnd of dtn7-rs, over its WebSocket and HTTP.
//!
//! Whole bundles go both ways, so options of messages and what bundles say about themselves are there.
//! dtnd forgets a message when it hands it over, and holds it in memory only before that. So bundles are
//! taken from it as soon as they come, and [kept](crate::kept) until an application has read them.
//!
//! dtnd gives a bundle to the connection that has subscribed to its endpoint; when too many are on their way
//! it puts them aside, and hands one of each endpoint over at each new subscription. The agent
//! therefore subscribes once more to the node's own endpoint after each bundle, and every second.

mod session;

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bpsock::Address;
use bpsock::abi::BundleId;
use bundle::Eid;
use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;
use tracing::{info, warn};

use crate::agent::{Agent, Command, Event, Link, Outgoing, Registration, Request};
use crate::kept::Kept;
use crate::whole::{Maker, is_passing, normal};
use session::{OUTGOING, Session, Target};

/// The connection to the agent, ready to run.
#[derive(Debug)]
pub struct Dtn7 {
    /// Where its HTTP server listens.
    pub address: SocketAddr,
    /// Its node ID.
    pub node: Eid<'static>,
    /// The lifetime of messages whose sender does not choose one.
    pub lifetime_ms: u64,
    /// Octets of the longest message.
    pub max_message: u32,
    /// Where messages are kept.
    pub kept: Kept,
}

/// Commands and messages that are handled together.
const BATCH: usize = 128;
/// Endpoints at dtnd: each may need two messages at once.
const ENDPOINTS: usize = 1000;
const _: () = assert!(OUTGOING > 2 * (ENDPOINTS + BATCH));
/// Pause before the first new attempt to reach dtnd, and the longest one.
const RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// How long dtnd may take to answer a message.
const ANSWER: Duration = Duration::from_secs(30);
/// How often it is asked for what it has put aside.
const TICK: Duration = Duration::from_secs(1);
/// The longest frame that dtnd reads.
const MAX_FRAME: usize = 16 << 20;
/// What dtnd has been told and has not answered.
#[derive(Debug)]
enum Awaited {
    Sent(Request, BundleId),
    Subscribed,
    Unsubscribed,
    /// It hands over what it has put aside.
    Swept,
}

/// The connection, or the attempt to have one.
enum Line {
    Up(Session),
    Down(Pin<Box<dyn Future<Output = io::Result<Session>> + Send>>),
}

/// What the line says.
enum Said {
    Connected(io::Result<Session>),
    Message(Message),
    Ended,
}

impl Line {
    /// Nothing is lost if the future is dropped.
    async fn next(&mut self) -> Said {
        match self {
            Self::Up(session) => match session.incoming.recv().await {
                Some(message) => Said::Message(message),
                None => Said::Ended,
            },
            Self::Down(attempt) => Said::Connected(attempt.await),
        }
    }
}

/// A socket's endpoint.
#[derive(Debug)]
struct Bound {
    source: Address,
    endpoint: String,
    /// Whether the service was chosen for it: nobody will ask for it again.
    is_passing: bool,
}

/// The agent at work.
struct Work {
    target: Target,
    node: Eid<'static>,
    /// The same, for reports.
    own: Address,
    maker: Maker,
    kept: Kept,
    events: mpsc::Sender<Event>,
    line: Line,
    retry: Duration,
    sockets: BTreeMap<Registration, Bound>,
    /// Endpoints at dtnd. They stay there when a socket is closed, so that nothing gets lost until the next one.
    endpoints: BTreeMap<String, usize>,
    awaited: VecDeque<(Instant, Awaited)>,
    is_sweeping: bool,
    is_subscribed: bool,
    /// Bundles that have come, but do not fit into the store. No others come then.
    held: VecDeque<Vec<u8>>,
    /// Commands that only the store hears of.
    noted: Vec<Command>,
}

impl Agent for Dtn7 {
    fn run(
        self: Box<Self>,
        link: Link,
    ) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> {
        let target = Target {
            address: self.address,
            node: self.node.to_string(),
            max_message: usize::try_from(self.max_message).unwrap_or(usize::MAX),
        };
        let work = Work {
            line: Line::Down(Box::pin(target.clone().connect(Duration::ZERO, Vec::new()))),
            target,
            own: Address::from_eid(&self.node),
            node: self.node,
            maker: Maker::new(self.lifetime_ms),
            kept: self.kept,
            events: link.events,
            retry: RETRY,
            sockets: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            awaited: VecDeque::new(),
            is_sweeping: false,
            is_subscribed: false,
            held: VecDeque::new(),
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
                Line::Up(session) => session.outgoing.capacity() > 2 * (ENDPOINTS + BATCH),
                Line::Down(_) => true,
            };
            tokio::select! {
                count = from.recv_many(&mut commands, BATCH), if has_capacity => if count == 0 { break },
                said = self.line.next() => self.hear(said).await,
                _ = ticks.tick() => self.tick().await,
            }
            self.hear_more().await;
            for command in commands.drain(..) {
                self.command(command).await?;
            }
            self.keep().await?;
        }
        Ok(())
    }

    async fn tell(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            // Without a daemon nobody wants to know.
            let _ = self.events.send(event).await;
        }
    }

    /// Says something to dtnd. Returns whether there is a connection.
    fn say(&mut self, message: Message, awaited: Awaited) -> bool {
        let Line::Up(session) = &self.line else {
            return false;
        };
        let is_said = session.outgoing.try_send(message).is_ok();
        if is_said {
            self.awaited.push_back((Instant::now(), awaited));
        }
        is_said
    }

    // What dtnd says.

    async fn hear(&mut self, said: Said) {
        match said {
            Said::Connected(Ok(session)) => {
                info!(address = %self.target.address, "connected");
                self.line = Line::Up(session);
                self.retry = RETRY;
                self.subscribe();
            }
            Said::Connected(Err(error)) => {
                warn!(address = %self.target.address, reason = %error, "cannot reach dtnd");
                self.reconnect();
            }
            Said::Ended => self.hang_up("connection ended").await,
            Said::Message(Message::Binary(bundle)) => {
                self.held.push_back(bundle.into());
                self.sweep();
            }
            Said::Message(Message::Text(answer)) => self.answered(answer.as_str()).await,
            Said::Message(_) => {}
        }
    }

    /// What has come meanwhile, so that it goes to the disk together.
    async fn hear_more(&mut self) {
        for _ in 0..BATCH {
            let Line::Up(session) = &mut self.line else {
                return;
            };
            match session.incoming.try_recv() {
                Ok(message) => self.hear(Said::Message(message)).await,
                Err(_) => return,
            }
        }
    }

    async fn answered(&mut self, answer: &str) {
        let is_done = answer.starts_with("200 ");
        let Some((_, awaited)) = self.awaited.pop_front() else {
            self.hang_up("it answers what nobody asked").await;
            return;
        };
        match awaited {
            Awaited::Sent(request, bundle) => {
                let outcome = is_done.then_some(Some(bundle)).ok_or(Errno::INVAL);
                self.tell([Event::Sent(request, outcome)]).await;
            }
            Awaited::Subscribed if !is_done => self.hang_up("it forgot an endpoint").await,
            Awaited::Swept => self.is_sweeping = false,
            Awaited::Subscribed | Awaited::Unsubscribed => {}
        }
    }

    async fn hang_up(&mut self, reason: &'static str) {
        warn!(address = %self.target.address, reason, "no connection to dtnd");
        for (_, awaited) in std::mem::take(&mut self.awaited) {
            if let Awaited::Sent(request, _) = awaited {
                // It may have been sent.
                self.tell([Event::Sent(request, Err(Errno::CONNRESET))])
                    .await;
            }
        }
        self.is_sweeping = false;
        self.is_subscribed = false;
        self.reconnect();
    }

    fn reconnect(&mut self) {
        let endpoints = self.endpoints.keys().cloned().collect();
        let attempt = self.target.clone().connect(self.retry, endpoints);
        self.retry = (self.retry * 2).min(LONGEST_RETRY);
        self.line = Line::Down(Box::pin(attempt));
    }

    async fn tick(&mut self) {
        let late = |(at, _): &(Instant, Awaited)| at.elapsed() > ANSWER;
        if self.awaited.front().is_some_and(late) {
            self.hang_up("it does not answer").await;
        }
        self.sweep();
    }

    fn sweep(&mut self) {
        if self.is_subscribed && !self.is_sweeping && self.held.len() < BATCH {
            let text = format!("/subscribe {}", self.node);
            self.is_sweeping = self.say(Message::text(text), Awaited::Swept);
        }
    }

    fn subscribe(&mut self) {
        self.is_subscribed = true;
        let endpoints: Vec<_> = self.endpoints.keys().cloned().collect();
        for endpoint in endpoints {
            let text = format!("/subscribe {endpoint}");
            self.say(Message::text(text), Awaited::Subscribed);
        }
        self.sweep();
    }

    fn unsubscribe(&mut self) {
        self.is_subscribed = false;
        let node = self.node.to_string();
        let endpoints: Vec<_> = self.endpoints.keys().cloned().chain([node]).collect();
        for endpoint in endpoints {
            let text = format!("/unsubscribe {endpoint}");
            self.say(Message::text(text), Awaited::Unsubscribed);
        }
    }

    /// Puts what has come into the store, as far as there is room.
    async fn keep(&mut self) -> anyhow::Result<()> {
        let (mut bundles, mut octets) = (Vec::new(), 0);
        while let Some(bundle) = self.held.front() {
            octets += bundle.len() as u64;
            if !self.kept.has_room(octets) {
                break;
            }
            bundles.extend(self.held.pop_front());
        }
        let noted = std::mem::take(&mut self.noted);
        let events = self.kept.step(noted, &bundles)?;
        self.tell(events).await;
        if self.is_subscribed && !self.held.is_empty() {
            warn!("the store is full: dtnd keeps what comes");
            self.unsubscribe();
        } else if !self.is_subscribed
            && self.held.is_empty()
            && self.kept.is_half_free()
            && matches!(self.line, Line::Up(_))
        {
            self.subscribe();
        }
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
                if let Some(bound) = self.sockets.remove(&registration) {
                    self.release(bound).await;
                }
            }
            Command::Send {
                request,
                registration,
                message,
            } => {
                if let Err(error) = self.send(request, registration, &message) {
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

    async fn register(
        &mut self,
        registration: Registration,
        wanted: &Address,
    ) -> anyhow::Result<()> {
        let possible = match (&self.line, wanted, &self.node) {
            (Line::Down(_), ..) => Err(Errno::NETDOWN),
            (_, Address::Dtn(_), Eid::Ipn { .. }) => Err(Errno::ADDRNOTAVAIL),
            (_, Address::Dtn(_), _) | (.., Eid::Ipn { .. }) => Ok(()),
            _ => Err(Errno::ADDRNOTAVAIL),
        };
        if let Err(error) = possible {
            self.tell([Event::Registered(registration, Err(error))])
                .await;
            return Ok(());
        }
        let mut noted = std::mem::take(&mut self.noted);
        let address = wanted.clone();
        noted.push(Command::Register {
            registration,
            address,
        });
        let mut events = self.kept.step(noted, &[])?;
        let granted = events.iter().find_map(|event| match event {
            Event::Registered(it, Ok(address)) if *it == registration => Some(address.clone()),
            _ => None,
        });
        if let Some(address) = granted {
            let bound = bound(&address, wanted);
            let outcome = match bound {
                Some(bound) => self.announce(bound).await,
                None => Err(Errno::ADDRNOTAVAIL),
            };
            match outcome {
                Ok(bound) => drop(self.sockets.insert(registration, bound)),
                Err(error) => {
                    events.retain(|event| event.registration() != Some(registration));
                    events.push(Event::Registered(registration, Err(error)));
                    events.extend(self.kept.step([Command::Unregister(registration)], &[])?);
                }
            }
        }
        self.tell(events).await;
        Ok(())
    }

    /// Tells dtnd of an endpoint.
    async fn announce(&mut self, bound: Bound) -> Result<Bound, Errno> {
        if let Some(users) = self.endpoints.get_mut(&bound.endpoint) {
            *users += 1;
            return Ok(bound);
        }
        if self.endpoints.len() >= ENDPOINTS {
            let unused = self.endpoints.iter().find(|(_, users)| **users == 0);
            let unused = unused.map(|(endpoint, _)| endpoint.clone());
            self.forget(&unused.ok_or(Errno::NOBUFS)?).await;
        }
        match self.target.ask("register", &bound.endpoint).await {
            Ok(200) => {}
            Ok(_) => return Err(Errno::ADDRNOTAVAIL),
            Err(_) => return Err(Errno::NETDOWN),
        }
        self.endpoints.insert(bound.endpoint.clone(), 1);
        if self.is_subscribed {
            let text = format!("/subscribe {}", bound.endpoint);
            self.say(Message::text(text), Awaited::Subscribed);
        }
        Ok(bound)
    }

    async fn release(&mut self, bound: Bound) {
        if let Some(users) = self.endpoints.get_mut(&bound.endpoint) {
            *users = users.saturating_sub(1);
        }
        if bound.is_passing {
            self.forget(&bound.endpoint).await;
        }
    }

    async fn forget(&mut self, endpoint: &str) {
        self.endpoints.remove(endpoint);
        let text = format!("/unsubscribe {endpoint}");
        self.say(Message::text(text), Awaited::Unsubscribed);
        if let Line::Up(_) = self.line
            && let Err(error) = self.target.ask("unregister", endpoint).await
        {
            warn!(endpoint, reason = %error, "cannot unregister");
        }
    }

    fn send(
        &mut self,
        request: Request,
        registration: Registration,
        message: &Outgoing,
    ) -> Result<(), Errno> {
        if let Line::Down(_) = self.line {
            return Err(Errno::NETDOWN);
        }
        let bound = self.sockets.get(&registration).ok_or(Errno::BADF)?;
        let (bundle, octets) = self.maker.encode(message, &bound.source, &self.own)?;
        if octets.len() > MAX_FRAME {
            return Err(Errno::MSGSIZE);
        }
        let awaited = Awaited::Sent(request, bundle);
        let is_said = self.say(Message::binary(octets), awaited);
        is_said.then_some(()).ok_or(Errno::NETDOWN)
    }
}

fn bound(address: &Address, wanted: &Address) -> Option<Bound> {
    let source = normal(address)?;
    let endpoint = address.eid().ok()?.to_string();
    // It becomes a part of a request of HTTP.
    let is_plain = |octet: u8| octet.is_ascii_graphic() && octet != b'#';
    endpoint.bytes().all(is_plain).then_some(Bound {
        source,
        endpoint,
        is_passing: is_passing(wanted),
    })
}
