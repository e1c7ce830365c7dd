// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A session: the connections, timers and queues around [`Core`].

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Status, Streaming};
use tracing::{debug, warn};

use crate::{
    Bidding,
    cause::{of_status, with_causes},
    client::{Client, ConnectOptions, rpc::to_uint128},
    proto::p4::v1::{
        self as proto, DigestList, MasterArbitrationUpdate, Role, StreamMessageRequest,
        StreamMessageResponse, stream_message_request, stream_message_response,
    },
    session::{Action, Backoff, Core, Event, Jitter, State},
};

/// How to hold a session.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Where the switch is.
    pub connect: ConnectOptions,
    /// Which election ids it offers.
    pub bidding: Bidding,
    /// Waits between attempts.
    pub backoff: Backoff,
    /// Digest lists that wait for the controller before more are dropped.
    pub digest_queue: usize,
    /// Packets that wait for the controller before more are dropped.
    pub packet_queue: usize,
}

impl SessionOptions {
    /// Options with one election id, and the usual back-off and queues.
    #[must_use]
    pub fn new(connect: ConnectOptions, election_id: u128) -> Self {
        let backoff = Backoff::default();
        Self {
            connect,
            bidding: Bidding::Fixed(election_id),
            backoff,
            digest_queue: 1024,
            packet_queue: 1024,
        }
    }
}

/// A session with one switch. It ends when this value is dropped.
#[derive(Debug)]
pub struct Session {
    /// Where the session stands. Only the newest value is kept.
    pub connection: watch::Receiver<Connection>,
    /// Digest lists, oldest first.
    pub digests: mpsc::Receiver<DigestIn>,
    /// Packets for the controller, oldest first.
    pub packets: mpsc::Receiver<PacketIn>,
    drops: Arc<DropCounters>,
    task: JoinHandle<()>,
    stop: DropGuard,
}

/// Where a session stands, and the way to the switch if there is one.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Where the session stands.
    pub state: State,
    /// Counts the connections; what belongs to an older one is void.
    pub generation: u64,
    /// Makes calls in the name of the session.
    pub client: Option<Client>,
}

/// A digest list, and the connection that it came by.
#[derive(Clone, Debug, PartialEq)]
pub struct DigestIn {
    /// Number of the connection.
    pub generation: u64,
    /// The list.
    pub list: DigestList,
}

/// A packet that the switch handed to the controller.
pub type PacketIn = proto::PacketIn;

/// What did not fit into the queues since the session began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Drops {
    /// Digest lists. They are not acknowledged either.
    pub digests: u64,
    /// Packets.
    pub packets: u64,
}

#[derive(Debug, Default)]
struct DropCounters {
    digests: AtomicU64,
    packets: AtomicU64,
}

impl Session {
    /// Starts to connect, and goes on until it is dropped. Must be called in a tokio runtime.
    #[must_use]
    pub fn start(options: SessionOptions) -> Self {
        let (core, first) = Core::new(options.backoff, options.bidding);
        let (digest_sender, digests) = mpsc::channel(options.digest_queue.max(1));
        let (packet_sender, packets) = mpsc::channel(options.packet_queue.max(1));
        let (publish, connection) = watch::channel(Connection {
            state: core.state().clone(),
            generation: 0,
            client: None,
        });
        let drops = Arc::<DropCounters>::default();
        let stop = CancellationToken::new();
        let keeper = Keeper {
            options,
            core,
            publish,
            digests: digest_sender,
            packets: packet_sender,
            drops: drops.clone(),
            stream: None,
        };
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = keeper.run(first) => {}
            }
        });
        Self {
            connection,
            digests,
            packets,
            drops,
            task,
            stop: stop.drop_guard(),
        }
    }

    /// What was dropped so far.
    #[must_use]
    pub fn drops(&self) -> Drops {
        Drops {
            digests: self.drops.digests.load(Ordering::Relaxed),
            packets: self.drops.packets.load(Ordering::Relaxed),
        }
    }

    /// Ends the session and waits until its connection is closed.
    pub async fn stop(self) {
        let Self { task, stop, .. } = self;
        drop(stop);
        // The task has no result, and a panic in it was reported where it happened.
        let _ = task.await;
    }
}

/// Runs the actions of the core.
struct Keeper {
    options: SessionOptions,
    core: Core,
    publish: watch::Sender<Connection>,
    digests: mpsc::Sender<DigestIn>,
    packets: mpsc::Sender<PacketIn>,
    drops: Arc<DropCounters>,
    stream: Option<Stream>,
}

/// An open stream. Requests were queued before it opened, because servers answer only then.
struct Stream {
    requests: mpsc::Sender<StreamMessageRequest>,
    opening: ReceiverStream<StreamMessageRequest>,
    client: Client,
}

impl Keeper {
    async fn run(mut self, first: Action) {
        let mut action = Some(first);
        loop {
            let event = match action {
                Some(Action::Connect) => self.connect().await,
                Some(Action::Bid) => self.stream().await,
                Some(Action::Wait(time)) => {
                    sleep(time).await;
                    Event::WaitOver
                }
                // Every event of this loop has one of these; arbitration is handled in the stream.
                Some(Action::TakeOverAfter(_)) | None => return,
            };
            action = self.core.handle(event);
            self.show();
        }
    }

    async fn connect(&mut self) -> Event {
        match Client::connect(&self.options.connect).await {
            Ok(client) => {
                let (requests, opening) = mpsc::channel(STREAM_QUEUE);
                let generation = self.publish.borrow().generation + 1;
                let client =
                    client.with_session(self.core.election_id(), generation, requests.clone());
                self.publish.send_modify(|shown| {
                    shown.generation = generation;
                    shown.client = Some(client.clone());
                });
                let opening = ReceiverStream::new(opening);
                self.stream = Some(Stream {
                    requests,
                    opening,
                    client,
                });
                Event::Connected
            }
            Err(error) => self.lost(&with_causes(&error)),
        }
    }

    /// Bids, and passes on what the switch sends until the stream ends.
    async fn stream(&mut self) -> Event {
        let Some(Stream {
            requests,
            opening,
            client,
        }) = self.stream.take()
        else {
            return self.lost("the connection is gone");
        };
        if requests.send(self.bid()).await.is_err() {
            return self.lost("the stream is closed");
        }
        let mut rpc = client.rpc();
        let opened = async {
            let mut answers = rpc.stream_channel(opening).await?.into_inner();
            Ok::<_, Status>((answers.message().await?, answers))
        };
        match timeout(ANSWER_DEADLINE, opened).await {
            Ok(Ok((Some(first), answers))) => {
                let reason = self.listen(&client, &requests, first, answers).await;
                self.lost(&reason)
            }
            Ok(Ok((None, _))) => self.lost("the switch closed the stream"),
            Ok(Err(status)) => self.lost(&describe(&status)),
            Err(_) => self.lost("the switch does not answer the bid"),
        }
    }

    /// Passes on what the switch sends, and offers other ids when that is due.
    async fn listen(
        &mut self,
        client: &Client,
        requests: &mpsc::Sender<StreamMessageRequest>,
        first: StreamMessageResponse,
        mut answers: Streaming<StreamMessageResponse>,
    ) -> String {
        let mut action = self.dispatch(first);
        let mut take_over = None;
        loop {
            match action.take() {
                Some(Action::Bid) => {
                    let id = self.core.election_id();
                    debug!(id = format!("{id:#x}"), "offering another election id");
                    let client = client.clone().with_election_id(id);
                    self.publish
                        .send_modify(|shown| shown.client = Some(client));
                    if requests.send(self.bid()).await.is_err() {
                        return "the stream is closed".to_owned();
                    }
                }
                Some(Action::TakeOverAfter(time)) => take_over = Some(Instant::now() + time),
                Some(Action::Connect | Action::Wait(_)) | None => {}
            }
            action = tokio::select! {
                message = answers.message() => match message {
                    Ok(Some(message)) => self.dispatch(message),
                    Ok(None) => return "the switch closed the stream".to_owned(),
                    Err(status) => return describe(&status),
                },
                () = sleep_until(take_over.unwrap_or_else(Instant::now)), if take_over.is_some() => {
                    take_over = None;
                    self.core.handle(Event::TakeOver)
                }
            };
        }
    }

    fn dispatch(&mut self, message: StreamMessageResponse) -> Option<Action> {
        match message.update {
            Some(stream_message_response::Update::Arbitration(news)) => {
                return self.arbitrated(&news);
            }
            Some(stream_message_response::Update::Digest(list)) => {
                let generation = self.publish.borrow().generation;
                if self
                    .digests
                    .try_send(DigestIn { generation, list })
                    .is_err()
                {
                    self.drops.digests.fetch_add(1, Ordering::Relaxed);
                }
            }
            Some(stream_message_response::Update::Packet(packet)) => {
                if self.packets.try_send(packet).is_err() {
                    self.drops.packets.fetch_add(1, Ordering::Relaxed);
                }
            }
            Some(stream_message_response::Update::Error(error)) => {
                let code = Code::from_i32(error.canonical_code);
                warn!(
                    ?code,
                    message = error.message,
                    "the switch refused a stream message"
                );
            }
            other => debug!(?other, "stream message without a reader"),
        }
        None
    }

    fn arbitrated(&mut self, news: &MasterArbitrationUpdate) -> Option<Action> {
        let highest = news.election_id.as_ref();
        let highest = highest.map(|id| u128::from(id.high) << 64 | u128::from(id.low));
        // A server that leaves the status out means OK, which is all zeros.
        let code = news
            .status
            .as_ref()
            .map_or(Code::Ok, |status| Code::from_i32(status.code));
        let action = self.core.handle(Event::Arbitration { code, highest });
        self.show();
        action
    }

    /// Publishes the state if it changed.
    fn show(&self) {
        let state = self.core.state();
        self.publish.send_if_modified(|shown| {
            let changed = shown.state != *state;
            if changed {
                shown.state = state.clone();
                if matches!(state, State::Lost { .. }) {
                    shown.client = None;
                }
            }
            changed
        });
    }

    fn bid(&self) -> StreamMessageRequest {
        let name = self.options.connect.role.clone();
        let bid = MasterArbitrationUpdate {
            device_id: self.options.connect.device_id,
            role: (!name.is_empty()).then(|| Role {
                name,
                ..Role::default()
            }),
            election_id: Some(to_uint128(self.core.election_id())),
            status: None,
        };
        StreamMessageRequest {
            update: Some(stream_message_request::Update::Arbitration(bid)),
        }
    }

    #[expect(
        clippy::unused_self,
        reason = "reads as an event of the keeper where it is called"
    )]
    fn lost(&self, reason: &str) -> Event {
        Event::Lost {
            reason: reason.to_owned(),
            jitter: jitter(),
        }
    }
}

/// Any number will do, as long as two controllers do not draw the same ones.
fn jitter() -> Jitter {
    let [first, ..] = RandomState::new().build_hasher().finish().to_be_bytes();
    Jitter(first)
}

fn describe(status: &Status) -> String {
    format!("{:?}: {}", status.code(), of_status(status))
}

/// Messages to the switch that wait for the stream: acknowledgements and packets.
const STREAM_QUEUE: usize = 64;

/// How long a switch may take to answer a bid.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
