// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Streams with the controllers of other clusters, over the messages of the DTN Peering Protocol.
//!
//! A stream that ends withdraws nothing: what was announced holds until its windows end, or until the
//! peer is back and announces something else.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use contact::UtcTime;
use control::supervise::Term;
use p4rt::{
    cause::{of_status, with_causes},
    client::Renewable,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Channel, Endpoint, Server},
};
use tracing::{info, warn};

use crate::{
    config::Peering,
    lease,
    reach::{Known, Table, settled},
    tls::Door,
};

pub mod wire;

/// The messages.
#[allow(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    rustdoc::all,
    reason = "generated code; its comments are in the description"
)]
pub mod proto {
    tonic::include_proto!("dtn.peering.v1");
}

use proto::{
    Hello, KeepAlive, Notification, PeerMessage,
    dtn_peering_client::DtnPeeringClient,
    dtn_peering_server::{DtnPeering, DtnPeeringServer},
    notification::Level,
    peer_message::Body,
};
use wire::Change;

/// What was announced by whom, and what is to be announced to whom. Clones are the same.
#[derive(Clone, Debug)]
pub struct Exchange {
    peering: Arc<Peering>,
    state: Arc<Mutex<State>>,
    /// Counts changes of what is known.
    news: watch::Sender<u64>,
    /// Counts changes of what is offered.
    offers: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    known: Known,
    offered: Known,
    streams: BTreeMap<String, usize>,
}

/// How it stands with another cluster.
#[derive(Clone, Debug, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct PeerStatus {
    /// Its name.
    pub cluster: String,
    /// Whether there is a stream.
    pub connected: bool,
    /// Nodes that can be reached through it, as it says.
    pub destinations: usize,
    /// Windows in which they can be.
    pub windows: usize,
    /// Nodes that this cluster says can be reached through it.
    pub offered: usize,
    /// When the last window of the peer ends.
    pub until: Option<String>,
}

impl Exchange {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(peering: Peering) -> Self {
        Self {
            peering: Arc::new(peering),
            state: Arc::default(),
            news: watch::Sender::default(),
            offers: watch::Sender::default(),
        }
    }

    /// Its part of the configuration.
    #[must_use]
    pub fn peering(&self) -> &Peering {
        &self.peering
    }

    /// What other clusters have announced, and what has not ended.
    #[must_use]
    pub fn known(&self, now: UtcTime) -> Known {
        let mut state = self.lock();
        for table in state.known.values_mut() {
            table.retain(|_, windows| {
                windows.retain(|window| now < window.until);
                !windows.is_empty()
            });
        }
        state.known.clone()
    }

    /// Counts changes of what is known.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// What is to be announced from now on.
    pub fn offer(&self, offers: Known, now: UtcTime) {
        let mut state = self.lock();
        let mut is_new = false;
        for (cluster, table) in offers {
            let last = state.offered.entry(cluster).or_default();
            let next = settled(last, table, now);
            is_new |= *last != next;
            *last = next;
        }
        drop(state);
        if is_new {
            self.offers.send_modify(|count| *count += 1);
        }
    }

    /// How it stands with each other cluster.
    #[must_use]
    pub fn statuses(&self, now: UtcTime) -> Vec<PeerStatus> {
        let known = self.known(now);
        let state = self.lock();
        let none = Table::new();
        let status = |peer: &crate::config::Cluster| {
            let cluster = &peer.cluster;
            let table = known.get(cluster).unwrap_or(&none);
            let ends = table.values().flatten().map(|window| window.until);
            PeerStatus {
                cluster: cluster.clone(),
                connected: state.streams.get(cluster).is_some_and(|count| *count > 0),
                destinations: table.len(),
                windows: table.values().map(Vec::len).sum(),
                offered: state.offered.get(cluster).map_or(0, Table::len),
                until: ends.max().map(UtcTime::to_text),
            }
        };
        self.peering.peers.iter().map(status).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The lock is never held across anything that can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offered_to(&self, cluster: &str) -> Table {
        self.lock()
            .offered
            .get(cluster)
            .cloned()
            .unwrap_or_default()
    }

    /// An update of a cluster. What it does not name stays: a peer that has restarted may not know yet
    /// what it knew before.
    fn hear(&self, cluster: &str, update: &proto::RouteUpdate) -> Result<(), Fault> {
        let peers = &self.peering.peers;
        let peer = peers.iter().find(|peer| peer.cluster == cluster);
        let gateways = &peer.ok_or(Fault::Stranger)?.gateways;
        let own = &self.peering.cluster;
        let change = Change::of_update(update, |window| window.is_sound(cluster, gateways, own))?;
        let mut state = self.lock();
        let table = state.known.entry(cluster.to_owned()).or_default();
        let mut next = table.clone();
        change.apply(&mut next);
        let windows: usize = next.values().map(Vec::len).sum();
        if next.len().max(windows) > MOST_WINDOWS {
            return Err(Fault::TooMuch);
        }
        let is_new = *table != next;
        *table = next;
        drop(state);
        if is_new {
            self.news.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    /// A speaker of this cluster introduces itself.
    fn hello(&self) -> Body {
        Body::Hello(Hello {
            local_ad_id: self.peering.cluster.clone(),
            speaker_node_id: "ipn:0.0".to_owned(),
            hold_time_seconds: self.peering.hold_s,
        })
    }
}

/// A stream, as long as there is one.
struct Counted<'a>(&'a Exchange, &'a str);

impl<'a> Counted<'a> {
    fn new(exchange: &'a Exchange, cluster: &'a str) -> Self {
        let mut state = exchange.lock();
        *state.streams.entry(cluster.to_owned()).or_default() += 1;
        Self(exchange, cluster)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.0.lock().streams.get_mut(self.1) {
            *count -= 1;
        }
    }
}

/// Why a stream ends.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the peer is no cluster of the configuration")]
    Stranger,
    #[error("the peer did not introduce itself")]
    NoHello,
    #[error("the peer wants a signature; this controller identifies by certificates")]
    Challenge,
    #[error("messages of the peer are not in order")]
    Order,
    #[error("the peer announces more than {MOST_WINDOWS} windows")]
    TooMuch,
    #[error("the peer was silent for too long")]
    Silence,
    #[error("the peer takes no messages")]
    Full,
    #[error("the peer ended it: {0}")]
    Ended(String),
    #[error(transparent)]
    Wire(#[from] wire::WireError),
    #[error("the stream broke: {0}")]
    Broken(String),
    #[error("cannot connect: {0}")]
    Connect(String),
}

/// One side of a stream.
struct Talk {
    exchange: Exchange,
    incoming: Streaming<PeerMessage>,
    outgoing: Outgoing,
    received: u64,
}

/// Messages to the peer, and how many there were.
struct Outgoing {
    sender: mpsc::Sender<PeerMessage>,
    sequence: u64,
}

impl Outgoing {
    const fn new(sender: mpsc::Sender<PeerMessage>) -> Self {
        let sequence = 0;
        Self { sender, sequence }
    }

    async fn send(&mut self, body: Body) -> Result<(), Fault> {
        self.sequence += 1;
        let message = PeerMessage {
            sequence_number: self.sequence,
            body: Some(body),
        };
        match timeout(SEND_DEADLINE, self.sender.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Fault::Broken("it is closed".to_owned())),
            Err(_) => Err(Fault::Full),
        }
    }
}

impl Talk {
    async fn next(&mut self) -> Result<Body, Fault> {
        let message = self.incoming.message().await;
        let message = message.map_err(|status| Fault::Broken(status.message().to_owned()))?;
        let message = message.ok_or_else(|| Fault::Ended("without a word".to_owned()))?;
        if message.sequence_number <= self.received {
            return Err(Fault::Order);
        }
        self.received = message.sequence_number;
        message.body.ok_or(Fault::Order)
    }

    async fn introduction(&mut self) -> Result<Hello, Fault> {
        match timeout(HELLO_DEADLINE, self.next()).await {
            Ok(Ok(Body::Hello(hello))) => Ok(hello),
            Ok(Err(fault)) => Err(fault),
            _ => Err(Fault::NoHello),
        }
    }

    /// Talks with a cluster that has introduced itself, until there is a reason to end.
    async fn go_on(&mut self, cluster: &str, hold_s: u32) -> Fault {
        let exchange = self.exchange.clone();
        let _counted = Counted::new(&exchange, cluster);
        info!(cluster, "the cluster is connected");
        let Err(fault) = self.talk(cluster, hold_s).await;
        warn!(cluster, reason = %fault, "the cluster is not connected any more");
        let last = Notification {
            level: Level::Error.into(),
            message: fault.to_string(),
            code: 0,
        };
        // The stream may be broken.
        let _ = self.outgoing.send(Body::Notification(last)).await;
        fault
    }

    async fn talk(
        &mut self,
        cluster: &str,
        hold_s: u32,
    ) -> Result<std::convert::Infallible, Fault> {
        let hold = Duration::from_secs(self.exchange.peering.hold_s.min(hold_s).max(3).into());
        let mut offers = self.exchange.offers.subscribe();
        let mut said = self.exchange.offered_to(cluster);
        let all = Change::between(&Table::new(), &said);
        self.outgoing.send(Body::Update(all.to_update())).await?;
        let mut deadline = Instant::now() + hold;
        let mut keep_alive = Instant::now() + hold / 3;
        loop {
            tokio::select! {
                body = self.next() => {
                    deadline = Instant::now() + hold;
                    match body? {
                        Body::Update(update) => {
                            self.exchange.hear(cluster, &update)?;
                        }
                        Body::Notification(note) if note.level() == Level::Error => {
                            return Err(Fault::Ended(note.message));
                        }
                        Body::Notification(note) => info!(cluster, note.message, "the cluster says"),
                        Body::Challenge(_) => return Err(Fault::Challenge),
                        Body::KeepAlive(_) | Body::Response(_) => {}
                        Body::Hello(_) => return Err(Fault::Order),
                    }
                }
                _ = offers.changed() => {
                    let next = self.exchange.offered_to(cluster);
                    let change = Change::between(&said, &next);
                    if !change.is_empty() {
                        self.outgoing.send(Body::Update(change.to_update())).await?;
                        keep_alive = Instant::now() + hold / 3;
                    }
                    said = next;
                }
                () = sleep_until(keep_alive) => {
                    self.outgoing.send(Body::KeepAlive(KeepAlive {})).await?;
                    keep_alive = Instant::now() + hold / 3;
                }
                () = sleep_until(deadline) => return Err(Fault::Silence),
            }
        }
    }
}

/// Connects to one other cluster, again and again, until `stop`. Only who holds the cluster does.
pub(crate) async fn call(
    exchange: Exchange,
    place: usize,
    tls: Option<Renewable>,
    mut term: Option<watch::Receiver<Option<Term>>>,
    stop: CancellationToken,
) {
    let peer = &exchange.peering.peers[place];
    let addresses = peer.address.clone().unwrap_or_default();
    let mut pause = FIRST_PAUSE;
    for address in addresses.split(',').cycle() {
        if lease::holds(term.as_ref()) {
            let begun = Instant::now();
            tokio::select! {
                () = stop.cancelled() => return,
                () = lease::lost(&mut term), if term.is_some() => {}
                fault = dial(&exchange, &peer.cluster, address.trim(), tls.as_ref()) => {
                    info!(cluster = peer.cluster, address, reason = %fault, "no stream");
                }
            }
            pause = if begun.elapsed() > LONGEST_PAUSE {
                FIRST_PAUSE
            } else {
                pause * 2
            };
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause.min(LONGEST_PAUSE)) => {}
        }
        pause = pause.min(LONGEST_PAUSE);
    }
}

async fn dial(exchange: &Exchange, cluster: &str, address: &str, tls: Option<&Renewable>) -> Fault {
    let talk = connect(exchange, address, tls).await;
    let mut talk = match talk {
        Ok(talk) => talk,
        Err(fault) => return fault,
    };
    match talk.introduction().await {
        Ok(hello) if hello.local_ad_id == cluster => {
            talk.go_on(cluster, hello.hold_time_seconds).await
        }
        Ok(_) => Fault::Stranger,
        Err(fault) => fault,
    }
}

async fn connect(
    exchange: &Exchange,
    address: &str,
    tls: Option<&Renewable>,
) -> Result<Talk, Fault> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let fail = |error: tonic::transport::Error| Fault::Connect(with_causes(&error));
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
        .map_err(fail)?
        .connect_timeout(HELLO_DEADLINE);
    if let Some(tls) = tls {
        endpoint = endpoint.tls_config(tls.newest().config()).map_err(fail)?;
    }
    let channel: Channel = endpoint.connect().await.map_err(fail)?;
    let mut client = DtnPeeringClient::new(channel).max_decoding_message_size(MOST_OCTETS);
    let (sender, receiver) = mpsc::channel(QUEUE);
    let mut outgoing = Outgoing::new(sender);
    outgoing.send(exchange.hello()).await?;
    let answer = timeout(HELLO_DEADLINE, client.peer(ReceiverStream::new(receiver))).await;
    let answer = answer.map_err(|_| Fault::NoHello)?;
    let answer = answer.map_err(|status| Fault::Broken(of_status(&status)))?;
    Ok(Talk {
        exchange: exchange.clone(),
        incoming: answer.into_inner(),
        outgoing,
        received: 0,
    })
}

/// The service of the protocol.
#[derive(Debug)]
struct Service {
    exchange: Exchange,
    stop: CancellationToken,
    term: Option<watch::Receiver<Option<Term>>>,
    talks: Mutex<JoinSet<()>>,
}

/// Serves controllers of other clusters until `stop`.
///
/// # Errors
/// The listener fails.
pub(crate) async fn serve(
    door: Door,
    exchange: Exchange,
    term: Option<watch::Receiver<Option<Term>>>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let service = Service {
        exchange,
        stop: stop.clone(),
        term,
        talks: Mutex::default(),
    };
    let (guests, incoming) = mpsc::channel(1);
    let service = DtnPeeringServer::new(service).max_decoding_message_size(MOST_OCTETS);
    let served = Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop.cancelled_owned());
    tokio::select! {
        outcome = served => outcome.map_err(std::io::Error::other),
        () = door.admit(guests) => Ok(()),
    }
}

#[tonic::async_trait]
impl DtnPeering for Service {
    type PeerStream = Pin<Box<dyn Stream<Item = Result<PeerMessage, Status>> + Send>>;

    async fn peer(
        &self,
        request: Request<Streaming<PeerMessage>>,
    ) -> Result<Response<Self::PeerStream>, Status> {
        if !lease::holds(self.term.as_ref()) {
            return Err(Status::unavailable("another controller holds the cluster"));
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut talk = Talk {
            exchange: self.exchange.clone(),
            incoming: request.into_inner(),
            outgoing: Outgoing::new(sender),
            received: 0,
        };
        let refuse = |fault: Fault| Status::permission_denied(fault.to_string());
        let hello = talk.introduction().await.map_err(refuse)?;
        let cluster = hello.local_ad_id;
        let mut peers = self.exchange.peering.peers.iter();
        if !peers.any(|peer| peer.cluster == cluster) {
            return Err(refuse(Fault::Stranger));
        }
        let own = self.exchange.hello();
        talk.outgoing.send(own).await.map_err(refuse)?;
        let (stop, mut term) = (self.stop.clone(), self.term.clone());
        let mut talks = self.talks.lock().unwrap_or_else(PoisonError::into_inner);
        while talks.try_join_next().is_some() {}
        if talks.len() >= MOST_TALKS {
            return Err(Status::resource_exhausted("too many streams"));
        }
        talks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = lease::lost(&mut term), if term.is_some() => {}
                _ = talk.go_on(&cluster, hello.hold_time_seconds) => {}
            }
        });
        let answers = ReceiverStream::new(receiver).map(Ok);
        Ok(Response::new(Box::pin(answers)))
    }
}

/// Messages that wait for a peer.
const QUEUE: usize = 8;
/// A peer that takes no message for so long is gone.
const SEND_DEADLINE: Duration = Duration::from_secs(10);
/// A stream without an introduction is no peer.
const HELLO_DEADLINE: Duration = Duration::from_secs(10);
/// Streams at a time: one for each cluster, and some that are about to end.
const MOST_TALKS: usize = 256;
/// Octets of the largest message.
const MOST_OCTETS: usize = 16 << 20;
/// Windows and destinations of one cluster.
const MOST_WINDOWS: usize = 100_000;
/// Pauses between calls grow from the first of these to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
