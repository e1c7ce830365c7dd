// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An agent that is another program: hardy's server, over its gRPC interface for services.
//!
//! Each endpoint is a task with a stream of its own, on which whole bundles go both ways: options of messages
//! and what bundles say about themselves are there. A bundle is confirmed to hardy when the application has
//! it, and hardy keeps it until then. When hardy ends, the endpoints stay, and register with the
//! next one.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bpsock::Address;
use bpsock::abi::{
    BP_REPORT_STATUS, BP_STATUS_DELETED, BP_STATUS_DELIVERED, BP_STATUS_FORWARDED,
    BP_STATUS_RECEIVED, BundleId, Report,
};
use bpsock::protocol::Delivered;
use bundle::Eid;
use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};
use tracing::{info, warn};

use crate::agent::{Agent, Delivery, Event, Link, Outgoing, Registration, Request};
use crate::leaf::core::services_from;
use crate::leaf::form::Arrival;
use crate::leaf::now_ms;
use crate::orders::{Opened, Order, hand_out, refusal, tell};
use crate::whole::{Maker, normal};
use wire::registration::ServiceId;
use wire::service_client::ServiceClient;
use wire::{FromAgent, ToAgent, from_agent, to_agent};

pub mod wire;

/// The connection to the agent, ready to run.
#[derive(Clone, Copy, Debug)]
pub struct Hardy {
    /// Where its gRPC server listens.
    pub address: SocketAddr,
    /// The lifetime of messages whose sender does not choose one.
    pub lifetime_ms: u64,
    /// Octets of the longest message.
    pub max_message: u32,
}

/// Messages on their way to the agent, of one endpoint.
const OUTGOING: usize = 16;
/// Messages that an endpoint was offered and has not confirmed. Nothing is read then.
const WINDOW: usize = 64;
/// How long the agent may take to connect, and to register an endpoint.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to answer a message.
const ANSWER: Duration = Duration::from_secs(30);
/// Pause before the next attempt to reach it, and the longest one.
const RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// How often expiry and late answers are looked at.
const TICK: Duration = Duration::from_secs(1);
/// The longest bundle that the agent takes: its messages have 16 MiB.
const MAX_BUNDLE: usize = (16 << 20) - (64 << 10);
/// Bundles that can be withdrawn, and whose reports are understood, of one endpoint.
const KEYS: usize = 4096;
/// Services that are tried for a socket that wants any.
const CHOICES: usize = 16;
/// The node number of `ipn` that is the local node.
const LOCAL_NODE: u64 = u32::MAX as u64;

/// The stream of an endpoint.
struct Session {
    outgoing: mpsc::Sender<ToAgent>,
    incoming: Streaming<FromAgent>,
}

/// Why an endpoint has no stream.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("it is not there: {0}")]
    Gone(String),
    /// The agent ends the stream, and does not say why.
    #[error("it does not register the endpoint")]
    Refused,
    #[error("the endpoint is of another node")]
    Foreign,
}

impl Failure {
    const fn errno(&self) -> Errno {
        match self {
            Self::Gone(_) => Errno::NETDOWN,
            // The forms were checked here: what remains is that somebody has it.
            Self::Refused => Errno::ADDRINUSE,
            Self::Foreign => Errno::ADDRNOTAVAIL,
        }
    }
}

fn gone(error: impl std::fmt::Display) -> Failure {
    Failure::Gone(error.to_string())
}

impl Hardy {
    /// Registers an address. Returns it with its numbers, and the stream.
    async fn register(&self, wanted: &Address) -> Result<(Address, Session), Failure> {
        let late = |_| gone("no answer");
        let mut outcome = Err(Failure::Foreign);
        for service in services_of(wanted) {
            let attempt = self.try_register(wanted, service);
            outcome = timeout(PATIENCE, attempt).await.map_err(late)?;
            if !matches!(outcome, Err(Failure::Refused)) {
                break;
            }
        }
        outcome
    }

    async fn try_register(
        &self,
        wanted: &Address,
        service: ServiceId,
    ) -> Result<(Address, Session), Failure> {
        let client = ServiceClient::connect(format!("http://{}", self.address));
        let limit = usize::try_from(self.max_message).unwrap_or(usize::MAX);
        let limit = limit.saturating_add(1 << 20);
        let mut client = client.await.map_err(gone)?.max_decoding_message_size(limit);
        let (outgoing, to_send) = mpsc::channel(OUTGOING);
        let first = ToAgent {
            msg_id: 0,
            msg: Some(to_agent::Msg::Register(wire::Registration {
                service_id: Some(service),
            })),
        };
        outgoing.send(first).await.map_err(gone)?;
        let answer = client.register(ReceiverStream::new(to_send)).await;
        let mut incoming = answer.map_err(gone)?.into_inner();
        let first = incoming.message().await.map_err(gone)?;
        let Some(from_agent::Msg::Register(registered)) = first.and_then(|first| first.msg) else {
            return Err(Failure::Refused);
        };
        let granted: Address = registered.endpoint_id.parse().map_err(gone)?;
        let is_wanted = match (numbers(wanted), numbers(&granted)) {
            (Some((node, service)), Some((at, chosen))) => {
                [0, LOCAL_NODE, at].contains(&node) && [0, chosen].contains(&service)
            }
            _ => granted == *wanted,
        };
        if !is_wanted {
            return Err(Failure::Foreign);
        }
        Ok((granted, Session { outgoing, incoming }))
    }
}

/// Node and service of an `ipn` address. Node 0 and service 0 are any.
fn numbers(address: &Address) -> Option<(u64, u64)> {
    match *address {
        Address::Ipn { node, service } => Some((node.into(), service.into())),
        Address::Ipn64 { node, service } => Some((node, service)),
        Address::Ipn3 {
            allocator,
            node,
            service,
        } => Some((u64::from(allocator) << 32 | u64::from(node), service)),
        Address::Dtn(_) | Address::DtnTooLong => None,
    }
}

/// What an endpoint may be called at its node. Nothing if it cannot be one.
///
/// hardy says that service 0 is any one, and registers the node's own endpoint for it. So one is chosen here.
fn services_of(address: &Address) -> Vec<ServiceId> {
    if let Some((_, service)) = numbers(address) {
        let services: Vec<u64> = match service {
            0 => services_from(now_ms()).take(CHOICES).collect(),
            one => vec![one],
        };
        let services = services.into_iter().map(u32::try_from);
        return services.flatten().map(ServiceId::Ipn).collect();
    }
    let Ok(Eid::Dtn(ssp)) = address.eid() else {
        return Vec::new();
    };
    let name = ssp.strip_prefix("//").and_then(|ssp| ssp.split_once('/'));
    let name = name.map(|(_, service)| service.to_owned());
    let name = name.filter(|service| !service.is_empty());
    name.map(ServiceId::Dtn).into_iter().collect()
}

/// The node of an endpoint.
fn node_of(address: &Address) -> Option<Address> {
    match address.eid().ok()? {
        Eid::Ipn { node, .. } => Some(Address::from_eid(&Eid::ipn(node, 0))),
        Eid::Dtn(ssp) => {
            let (name, _) = ssp.strip_prefix("//")?.split_once('/')?;
            format!("dtn://{name}/").parse().ok()
        }
        Eid::Null => None,
    }
}

impl Agent for Hardy {
    fn run(
        self: Box<Self>,
        link: Link,
    ) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> {
        Box::pin(async move {
            hand_out(link, |opened| Endpoint::run(*self, opened)).await;
            Ok(())
        })
    }
}

/// A request that hardy has not answered.
#[derive(Clone, Copy, Debug)]
enum Pending {
    Send(Request, BundleId),
    Cancel(Request),
}

/// A bundle that hardy waits for the confirmation of.
struct Offer {
    /// The number of its request.
    id: u32,
    about: Box<Delivered>,
    data: Arc<[u8]>,
    expires_ms: u64,
}

/// An endpoint that is registered.
struct Endpoint {
    registration: Registration,
    address: Address,
    node: Address,
    maker: Maker,
    orders: mpsc::Receiver<Order>,
    events: mpsc::Sender<Event>,
    pending: BTreeMap<u32, (Instant, Pending)>,
    next_id: u32,
    offers: BTreeMap<Delivery, Offer>,
    last: u64,
    /// The first that the application had no room for.
    paused: Option<Delivery>,
    /// What hardy calls bundles that were sent.
    keys: BTreeMap<BundleId, String>,
}

impl Endpoint {
    async fn run(agent: Hardy, opened: Opened) {
        let Opened {
            registration,
            wanted,
            orders,
            events,
        } = opened;
        let registered = agent
            .register(&wanted)
            .await
            .and_then(|(address, session)| {
                let address = normal(&address).ok_or(Failure::Foreign)?;
                let node = node_of(&address).ok_or(Failure::Foreign)?;
                Ok((address, node, session))
            });
        let (address, node, mut session) = match registered {
            Ok(registered) => registered,
            Err(failure) => {
                warn!(endpoint = %wanted, reason = %failure, "not registered with hardy");
                let outcome = Err(failure.errno());
                tell(&events, Event::Registered(registration, outcome)).await;
                return;
            }
        };
        let outcome = Ok(address.clone());
        tell(&events, Event::Registered(registration, outcome)).await;
        let mut endpoint = Self {
            registration,
            address,
            node,
            maker: Maker::new(agent.lifetime_ms),
            orders,
            events,
            pending: BTreeMap::new(),
            next_id: 1,
            offers: BTreeMap::new(),
            last: 0,
            paused: None,
            keys: BTreeMap::new(),
        };
        loop {
            let Err(failure) = endpoint.serve(&mut session).await else {
                return;
            };
            warn!(endpoint = %endpoint.address, reason = %failure, "stream of hardy ended");
            endpoint.forget().await;
            match endpoint.again(agent).await {
                Some(next) => session = next,
                None => return,
            }
        }
    }

    /// Works until it is told to end, or the agent ends.
    async fn serve(&mut self, session: &mut Session) -> Result<(), Failure> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    None => return Ok(()),
                    Some(order) => self.obey(order, session).await?,
                },
                said = session.incoming.message(), if self.has_room() => {
                    let said = said.map_err(gone)?;
                    self.hear(said.ok_or_else(|| gone("end of stream"))?, session).await?;
                }
                // It ends also while nothing is read.
                () = session.outgoing.closed() => return Err(gone("end of stream")),
                _ = ticks.tick() => self.tick(session).await?,
            }
        }
    }

    fn has_room(&self) -> bool {
        self.offers.len() < WINDOW
    }

    async fn obey(&mut self, order: Order, session: &Session) -> Result<(), Failure> {
        match order {
            Order::Send(request, message) => self.send(request, &message, session).await,
            Order::Cancel(request, bundle) => {
                let Some(key) = self.keys.get(&bundle) else {
                    let outcome = Err(Errno::NOENT);
                    tell(&self.events, Event::Cancelled(request, outcome)).await;
                    return Ok(());
                };
                let bundle_id = key.clone();
                let message = to_agent::Msg::Cancel(wire::Key { bundle_id });
                self.ask(message, Pending::Cancel(request), session).await
            }
            Order::Acknowledge(it) => {
                let answer = to_agent::Msg::Receive(wire::Done {});
                self.settle(it, answer, session).await
            }
            Order::Refuse(it) => {
                let code = Code::Unavailable.into();
                let message = "not for this application".to_owned();
                let answer = to_agent::Msg::Status(wire::Failure { code, message });
                self.settle(it, answer, session).await
            }
            Order::Pause(first) => {
                self.paused = Some(self.paused.map_or(first, |it| it.min(first)));
                Ok(())
            }
            Order::Resume => {
                if let Some(first) = self.paused.take() {
                    let again: Vec<_> = self.offers.range(first..).map(|(it, _)| *it).collect();
                    for delivery in again {
                        self.offer(delivery).await;
                    }
                }
                Ok(())
            }
        }
    }

    async fn send(
        &mut self,
        request: Request,
        message: &Outgoing,
        session: &Session,
    ) -> Result<(), Failure> {
        let made = self.maker.encode(message, &self.address, &self.node);
        let made = made.and_then(|(bundle, octets)| match () {
            () if octets.len() > MAX_BUNDLE => Err(Errno::MSGSIZE),
            // Its answer would wait behind messages that the application does not read.
            () if !self.has_room() => Err(Errno::NOBUFS),
            () => Ok((bundle, octets)),
        });
        match made {
            Ok((bundle, data)) => {
                let message = to_agent::Msg::Send(wire::Bundle { data });
                self.ask(message, Pending::Send(request, bundle), session)
                    .await
            }
            Err(error) => {
                tell(&self.events, Event::Sent(request, Err(error))).await;
                Ok(())
            }
        }
    }

    async fn ask(
        &mut self,
        message: to_agent::Msg,
        pending: Pending,
        session: &Session,
    ) -> Result<(), Failure> {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(2);
        self.pending.insert(id, (Instant::now(), pending));
        say(session, id, message).await
    }

    async fn settle(
        &mut self,
        delivery: Delivery,
        answer: to_agent::Msg,
        session: &Session,
    ) -> Result<(), Failure> {
        match self.offers.remove(&delivery) {
            Some(offer) => say(session, offer.id, answer).await,
            None => Ok(()),
        }
    }

    async fn hear(&mut self, said: FromAgent, session: &Session) -> Result<(), Failure> {
        let Some(message) = said.msg else {
            return Ok(());
        };
        match message {
            from_agent::Msg::Receive(arrival) => {
                if !self.take(said.msg_id, &arrival.data).await {
                    let code = Code::InvalidArgument.into();
                    let message = "not a bundle for an application".to_owned();
                    let answer = to_agent::Msg::Status(wire::Failure { code, message });
                    say(session, said.msg_id, answer).await?;
                }
                Ok(())
            }
            from_agent::Msg::StatusNotify(report) => {
                self.report(&report).await;
                let answer = to_agent::Msg::StatusNotify(wire::Done {});
                say(session, said.msg_id, answer).await
            }
            answer => {
                if let Some((_, pending)) = self.pending.remove(&said.msg_id) {
                    self.answered(pending, answer).await;
                }
                Ok(())
            }
        }
    }

    async fn answered(&mut self, pending: Pending, answer: from_agent::Msg) {
        let error = match &answer {
            from_agent::Msg::Status(failure) => {
                warn!(endpoint = %self.address, reason = failure.message, "hardy refuses");
                errno_of(failure.code)
            }
            _ => Errno::PROTO,
        };
        let event = match (pending, answer) {
            (Pending::Send(request, bundle), from_agent::Msg::Send(key)) => {
                self.keys.insert(bundle, key.bundle_id);
                if self.keys.len() > KEYS {
                    self.keys.pop_first();
                }
                Event::Sent(request, Ok(Some(bundle)))
            }
            (Pending::Cancel(request), from_agent::Msg::Cancel(it)) => {
                let outcome = it.cancelled.then_some(()).ok_or(Errno::NOENT);
                Event::Cancelled(request, outcome)
            }
            (Pending::Send(request, _), _) => Event::Sent(request, Err(error)),
            (Pending::Cancel(request), _) => Event::Cancelled(request, Err(error)),
        };
        tell(&self.events, event).await;
    }

    /// Takes a bundle, and offers it. Returns whether it is one.
    async fn take(&mut self, id: u32, octets: &[u8]) -> bool {
        let Ok(arrival) = Arrival::decode(octets) else {
            return false;
        };
        let about = Delivered {
            source: arrival.source.clone(),
            destination: Some(arrival.destination.clone()),
            info: Some(arrival.info),
            report_to: arrival.report_to.clone(),
            previous_node: arrival.previous_node.clone(),
        };
        self.last += 1;
        let delivery = Delivery(self.last);
        let offer = Offer {
            id,
            about: Box::new(about),
            data: Arc::from(&*arrival.payload),
            expires_ms: arrival.expires_ms(now_ms()),
        };
        self.offers.insert(delivery, offer);
        if self.paused.is_none() {
            self.offer(delivery).await;
        }
        true
    }

    async fn offer(&self, delivery: Delivery) {
        if let Some(offer) = self.offers.get(&delivery) {
            let event = Event::Arrived {
                registration: self.registration,
                delivery,
                about: offer.about.clone(),
                data: Arc::clone(&offer.data),
            };
            tell(&self.events, event).await;
        }
    }

    async fn report(&self, report: &wire::Report) {
        let named = |(_, key): &(&BundleId, &String)| **key == report.bundle_id;
        let Some((bundle, _)) = self.keys.iter().find(named) else {
            return;
        };
        let status = match report.kind {
            1 => BP_STATUS_RECEIVED,
            2 => BP_STATUS_FORWARDED,
            3 => BP_STATUS_DELIVERED,
            4 => BP_STATUS_DELETED,
            _ => return,
        };
        let event = Event::Report {
            registration: self.registration,
            report: Report {
                kind: BP_REPORT_STATUS,
                status,
                reason: u32::try_from(report.reason).unwrap_or(u32::MAX),
                time_ms: report.timestamp.map_or(0, dtn_time_ms),
                bundle: *bundle,
                ..Report::default()
            },
            source: report.from.parse().ok(),
        };
        tell(&self.events, event).await;
    }

    /// Takes back what has expired: the agent drops it.
    async fn tick(&mut self, session: &Session) -> Result<(), Failure> {
        let now = now_ms();
        let expired = self.offers.iter().filter(|(_, it)| it.expires_ms <= now);
        let expired: Vec<_> = expired.map(|(delivery, _)| *delivery).collect();
        for delivery in expired {
            let code = Code::DeadlineExceeded.into();
            let message = "nobody has read it in its lifetime".to_owned();
            let answer = to_agent::Msg::Status(wire::Failure { code, message });
            self.settle(delivery, answer, session).await?;
            tell(&self.events, Event::Revoked(self.registration, delivery)).await;
        }
        // Answers wait while nothing is read.
        let oldest = self.pending.values().map(|(at, _)| at.elapsed()).max();
        if self.has_room() && oldest.is_some_and(|age| age > ANSWER) {
            return Err(gone("it does not answer"));
        }
        Ok(())
    }

    /// The stream has ended: hardy has the bundles still, and offers them again.
    async fn forget(&mut self) {
        for delivery in std::mem::take(&mut self.offers).into_keys() {
            tell(&self.events, Event::Revoked(self.registration, delivery)).await;
        }
        self.paused = None;
        for (_, pending) in std::mem::take(&mut self.pending).into_values() {
            let event = match pending {
                // It may have been sent.
                Pending::Send(request, _) => Event::Sent(request, Err(Errno::CONNRESET)),
                Pending::Cancel(request) => Event::Cancelled(request, Err(Errno::CONNRESET)),
            };
            tell(&self.events, event).await;
        }
    }

    /// Waits until the agent is there again. `None` if the endpoint is not needed any more.
    async fn again(&mut self, agent: Hardy) -> Option<Session> {
        let mut pause = RETRY;
        loop {
            let (address, delay) = (self.address.clone(), pause);
            let attempt = async move {
                sleep(delay).await;
                agent.register(&address).await
            };
            tokio::pin!(attempt);
            let outcome = loop {
                tokio::select! {
                    outcome = &mut attempt => break outcome,
                    order = self.orders.recv() => {
                        if let Some(answer) = refusal(&order?, Errno::NETDOWN) {
                            tell(&self.events, answer).await;
                        }
                    }
                }
            };
            match outcome {
                Ok((_, session)) => {
                    info!(endpoint = %self.address, "registered again");
                    return Some(session);
                }
                Err(Failure::Foreign) => {
                    let error = Failure::Foreign.errno();
                    tell(&self.events, Event::Lost(self.registration, error)).await;
                    return None;
                }
                // It may not have noticed yet that this endpoint's stream has ended.
                Err(Failure::Gone(_) | Failure::Refused) => {}
            }
            pause = (pause * 2).min(LONGEST_RETRY);
        }
    }
}

async fn say(session: &Session, msg_id: u32, message: to_agent::Msg) -> Result<(), Failure> {
    let msg = Some(message);
    let sent = session.outgoing.send(ToAgent { msg_id, msg });
    let sent = timeout(ANSWER, sent).await.map_err(gone)?;
    sent.map_err(|_| gone("end of stream"))
}

/// What a status of gRPC means to a socket.
fn errno_of(code: i32) -> Errno {
    match Code::from_i32(code) {
        Code::InvalidArgument => Errno::INVAL,
        Code::NotFound => Errno::HOSTUNREACH,
        Code::PermissionDenied | Code::Unauthenticated => Errno::ACCESS,
        Code::ResourceExhausted => Errno::NOBUFS,
        Code::Unavailable => Errno::NETDOWN,
        Code::Unimplemented => Errno::OPNOTSUPP,
        _ => Errno::IO,
    }
}

/// Milliseconds since the start of the year 2000.
fn dtn_time_ms(time: wire::Time) -> u64 {
    const EPOCH_S: i64 = 946_684_800;
    let seconds = u64::try_from(time.seconds - EPOCH_S).unwrap_or(0);
    let ms = u64::try_from(time.nanos / 1_000_000).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(ms)
}
