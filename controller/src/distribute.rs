// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The server to which nodes attach: it hands out their plans ahead of time.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use contact::{NodeNumber, UtcTime};
use control::{
    proto::{
        ControllerMessage, Hello, NodeMessage, Plan,
        ack::Stage,
        node_control_server::{NodeControl, NodeControlServer},
        node_message::Message,
    },
    roll_out::RollOut,
    supervise::{Term, now},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, transport::Server};
use tracing::{info, warn};

use crate::{backlog::Reports, lease, tls::Door};

/// Hands plans to nodes. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Distributor {
    state: Arc<Mutex<State>>,
    /// Counts what has happened, for those who watch.
    news: watch::Sender<u64>,
    /// What waits at nodes.
    backlog: watch::Sender<Reports>,
}

#[derive(Debug, Default)]
struct State {
    roll_out: RollOut,
    outlets: BTreeMap<u64, Outlet>,
    /// Counts the streams, so that the end of an old one does not end a new one.
    streams: u64,
}

#[derive(Debug)]
struct Outlet {
    stream: u64,
    sender: mpsc::Sender<Result<ControllerMessage, Status>>,
}

/// What the controller knows of a node.
#[derive(Clone, Debug, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct NodeStatus {
    /// Its number in the contact plan.
    pub node: u64,
    /// Whether it is attached.
    pub connected: bool,
    /// The plan that it should have.
    pub wanted: u64,
    /// The plan that it has acknowledged.
    pub held: u64,
    /// The plan that it goes by.
    pub active: u64,
    /// How long the last plan took from here to its acknowledgement.
    pub ack_ms: Option<f64>,
    /// Why it refused the last plan.
    pub refusal: Option<String>,
    /// How its local controller stands with the switch: `away`, `backup` or `primary`.
    pub standing: Option<&'static str>,
    /// Bundles in its store.
    pub stored_bundles: Option<u64>,
    /// Octets in its store.
    pub stored_octets: Option<u64>,
    /// When it reported.
    pub reported: Option<String>,
}

impl Distributor {
    /// A plan for a node.
    pub fn publish(&self, node: u64, plan: Plan) {
        let mut state = self.lock();
        let message = state.roll_out.publish(node, plan, now());
        state.send(node, message);
        self.tell();
    }

    /// Counts what happens to nodes.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// What waits at nodes, as they report it.
    #[must_use]
    pub fn backlog(&self) -> watch::Receiver<Reports> {
        self.backlog.subscribe()
    }

    fn tell(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    /// What is known of the nodes, by their numbers.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeStatus> {
        let state = self.lock();
        state.roll_out.nodes().map(status).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The lock is never held across anything that can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node has introduced itself: its stream is the one that counts.
    fn hello(
        &self,
        hello: &Hello,
        sender: mpsc::Sender<Result<ControllerMessage, Status>>,
    ) -> Option<u64> {
        let mut state = self.lock();
        if !state.roll_out.nodes().any(|(node, _)| node == hello.node) {
            return None;
        }
        state.streams += 1;
        let stream = state.streams;
        state.outlets.insert(hello.node, Outlet { stream, sender });
        // It may have lost its store; its first report follows.
        self.forget(hello.node);
        let message = state.roll_out.hello(hello.node, hello.version);
        state.send(hello.node, message);
        self.tell();
        Some(stream)
    }

    fn hear(&self, node: u64, message: Message) {
        let mut state = self.lock();
        match message {
            Message::Hello(_) => {}
            Message::Ack(ack) => {
                let version = ack.version;
                if ack.stage() == Stage::Refused {
                    warn!(
                        node,
                        version,
                        reason = ack.reason,
                        "the node refuses the plan"
                    );
                }
                let message = state.roll_out.ack(node, &ack, now());
                info!(node, version, stage = ?ack.stage(), "plan acknowledged");
                state.send(node, message);
            }
            Message::Report(report) => {
                self.backlog
                    .send_modify(|reports| reports.hear(NodeNumber(node), &report, now()));
                state.roll_out.report(node, report);
            }
        }
        self.tell();
    }

    fn forget(&self, node: u64) {
        self.backlog
            .send_modify(|reports| reports.forget(NodeNumber(node)));
    }

    fn lost(&self, node: u64, stream: u64) {
        let mut state = self.lock();
        if state
            .outlets
            .get(&node)
            .is_some_and(|outlet| outlet.stream == stream)
        {
            state.outlets.remove(&node);
            state.roll_out.lost(node);
            self.forget(node);
            self.tell();
        }
    }
}

impl State {
    /// A node that does not take its messages loses its stream, and gets them when it is back.
    fn send(&mut self, node: u64, message: Option<ControllerMessage>) {
        let (Some(message), Some(outlet)) = (message, self.outlets.get(&node)) else {
            return;
        };
        if outlet.sender.try_send(Ok(message)).is_err() {
            self.outlets.remove(&node);
            self.roll_out.lost(node);
        }
    }
}

fn status((node, known): (u64, &control::roll_out::Node)) -> NodeStatus {
    use control::proto::report::Standing;

    let report = known.report.as_ref();
    NodeStatus {
        node,
        connected: known.connected,
        wanted: known.wanted(),
        held: known.held(),
        active: known.active,
        ack_ms: known.ack_micros.map(milliseconds),
        refusal: known.refusal.clone(),
        standing: report.map(|report| match report.standing() {
            Standing::Backup => "backup",
            Standing::Primary => "primary",
            Standing::Away | Standing::Unspecified => "away",
        }),
        stored_bundles: report.map(|report| report.stored_bundles),
        stored_octets: report.map(|report| report.stored_octets),
        reported: report.map(|report| UtcTime::from_micros(report.time_us).to_text()),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a time that long is not shown to the microsecond"
)]
fn milliseconds(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

/// The service of the protocol.
#[derive(Debug)]
struct Service {
    distributor: Distributor,
    stop: CancellationToken,
    term: Option<watch::Receiver<Option<Term>>>,
    readers: Mutex<JoinSet<()>>,
}

/// Serves nodes until `stop`. They belong to the holder of the cluster: without a `term` that is always
/// this controller.
///
/// # Errors
/// The listener fails.
pub(crate) async fn serve(
    door: Door,
    distributor: Distributor,
    term: Option<watch::Receiver<Option<Term>>>,
    stop: CancellationToken,
) -> io::Result<()> {
    let service = Service {
        distributor,
        stop: stop.clone(),
        term,
        readers: Mutex::default(),
    };
    let (guests, incoming) = mpsc::channel(1);
    let served = Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .add_service(NodeControlServer::new(service))
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop.cancelled_owned());
    tokio::select! {
        outcome = served => outcome.map_err(io::Error::other),
        () = door.admit(guests) => Ok(()),
    }
}

#[tonic::async_trait]
impl NodeControl for Service {
    type AttachStream = Pin<Box<dyn Stream<Item = Result<ControllerMessage, Status>> + Send>>;

    async fn attach(
        &self,
        request: Request<Streaming<NodeMessage>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        if !lease::holds(self.term.as_ref()) {
            return Err(Status::unavailable("another controller holds the cluster"));
        }
        let mut incoming = request.into_inner();
        let first = timeout(HELLO_DEADLINE, incoming.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no introduction"))??;
        let Some(Message::Hello(hello)) = first.and_then(|first| first.message) else {
            return Err(Status::invalid_argument(
                "the first message is no introduction",
            ));
        };
        let (sender, receiver) = mpsc::channel(QUEUE);
        let stream = self.distributor.hello(&hello, sender);
        let stream = stream.ok_or_else(|| {
            Status::not_found(format!("no node {} with a switch here", hello.node))
        })?;
        let node = hello.node;
        info!(node, version = hello.version, "node attached");
        let (distributor, stop) = (self.distributor.clone(), self.stop.clone());
        let mut term = self.term.clone();
        let reader = async move {
            loop {
                let message = tokio::select! {
                    () = stop.cancelled() => break,
                    () = lease::lost(&mut term), if term.is_some() => break,
                    message = incoming.message() => message,
                };
                match message {
                    Ok(Some(NodeMessage { message })) => {
                        if let Some(message) = message {
                            distributor.hear(node, message);
                        }
                    }
                    Ok(None) | Err(_) => break,
                }
            }
            distributor.lost(node, stream);
            info!(node, "node detached");
        };
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        while readers.try_join_next().is_some() {}
        readers.spawn(reader);
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// Plans that wait for one node. More would only be older.
const QUEUE: usize = 8;
/// A stream without an introduction is no node.
const HELLO_DEADLINE: Duration = Duration::from_secs(10);
/// A node that is gone without a word is noticed after this time, twice.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
