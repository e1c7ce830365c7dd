// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon: front doors and agent around the [broker](crate::broker).

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bpsock::protocol::{Message, Part, frames};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::aap2::Aap2;
use crate::agent::{Agent, Command, Event, Link};
use crate::broker::{Action, Broker, DoorId};
use crate::config::{self, Config};
use crate::door::netlink::{self, NLMSG_ERROR};
use crate::door::unix::{Listener, Numbers};
use crate::door::{Input, Outbox};
use crate::dtn7::Dtn7;
use crate::hardy::Hardy;
use crate::ion::Ion;
use crate::kept::{Kept, Terms, node_id};
use crate::leaf::Leaf;
use crate::metrics::{self, Board};

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Written when clients may connect: a JSON object with the addresses that were bound.
    pub ready_file: Option<PathBuf>,
}

/// Messages of front doors, and events of the agent, that wait for the broker.
const QUEUE: usize = 1024;
/// Commands that wait for the agent, before front doors have to wait.
const COMMANDS: usize = 1024;
/// The agent finishes what it has begun within some writes to the disk.
const GRACE: Duration = Duration::from_secs(10);
/// How long the kernel is left alone after it had no memory.
const RETRY: Duration = Duration::from_millis(50);

/// Runs until a signal.
///
/// # Errors
///
/// The configuration, the store or an address cannot be used, or the agent fails.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let config = Config::load(&options.config)?;
    let signalled = stop_signal().context("cannot listen for signals")?;
    if let Some(path) = &options.ready_file {
        remove_stale(path)?;
    }
    let stop = CancellationToken::new();
    let board = Board::default();
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();

    let (agent, bundles) = open_agent(&config, &board)?;
    let (command_sender, commands) = mpsc::channel(COMMANDS);
    let (event_sender, events) = mpsc::channel(QUEUE);
    let link = Link {
        commands,
        events: event_sender,
    };
    tasks.spawn(agent.run(link));

    let (input_sender, inputs) = mpsc::channel(QUEUE);
    let mode = config.mode().unwrap_or(0o600);
    let listener = Listener::bind(&config.socket, mode)
        .with_context(|| format!("cannot listen on {}", config.socket.display()))?;
    let numbers = Numbers::default();
    let doors = listener.serve(numbers.clone(), input_sender.clone(), stop.clone());
    tasks.spawn(async { Ok(doors.await?) });
    if config.kernel {
        let door = netlink::serve(numbers, config.allowance(), input_sender, stop.clone());
        tasks.spawn(async { Ok(door.await?) });
    } else {
        drop(input_sender);
    }
    let mut metrics_address = None;
    if let Some(metrics) = config.metrics {
        let listener = TcpListener::bind(metrics.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", metrics.listen))?;
        metrics_address = Some(listener.local_addr().context("the listener is bound")?);
        let server = metrics::serve(listener, board.clone(), stop.clone());
        tasks.spawn(async { Ok(server.await?) });
    }
    let office = Office {
        broker: Broker::new(config.access.clone(), config.allowance()),
        outboxes: BTreeMap::new(),
        pending: VecDeque::new(),
        later: VecDeque::new(),
        board,
    };
    tasks.spawn(office.run(inputs, events, command_sender, stop.clone()));

    info!(socket = %config.socket.display(), bundles = %bundles, "ready");
    if let Some(path) = &options.ready_file {
        let socket = config.socket.display().to_string();
        let text = json!({"socket": socket, "bundles": bundles, "metrics": metrics_address});
        let written = write_whole(path, &format!("{text}\n"));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let outcome = tokio::select! {
        name = signalled => { info!(signal = name, "stopping"); Ok(()) }
        Some(ended) = tasks.join_next() => Err(task_error(ended)),
    };
    stop.cancel();
    let drained = timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        warn!(left = tasks.len(), grace = ?GRACE, "tasks did not stop in time");
        tasks.shutdown().await;
    }
    outcome
}

/// The agent of the configuration, and where its bundles arrive.
fn open_agent(config: &Config, board: &Board) -> anyhow::Result<(Box<dyn Agent>, String)> {
    if let Some(leaf) = &config.leaf {
        let leaf = Leaf::open(leaf, config.max_message, board.clone())?;
        let bundles = leaf.local_addr().context("the socket is bound")?;
        return Ok((Box::new(leaf), bundles.to_string()));
    }
    if let Some(agent) = &config.dtn7 {
        let node = node_id(&agent.node).context("dtn7.node is no node ID")?;
        let terms = Terms {
            node: &node,
            store: &agent.store,
            quota: agent.quota_octets,
            max_message: config.max_message,
        };
        let kept = Kept::open(&terms, board.clone())?;
        let agent = Dtn7 {
            address: agent.address,
            node: node.into_owned(),
            lifetime_ms: agent.lifetime_ms,
            max_message: config.max_message,
            kept,
        };
        return Ok((Box::new(agent), "another program".to_owned()));
    }
    if let Some(agent) = &config.hardy {
        let agent = Hardy {
            address: agent.address,
            lifetime_ms: agent.lifetime_ms,
            max_message: config.max_message,
        };
        return Ok((Box::new(agent), "another program".to_owned()));
    }
    if let Some(agent) = &config.ion {
        let agent = open_ion(agent, config.max_message, board)?;
        return Ok((Box::new(agent), "another program".to_owned()));
    }
    let agent = config.aap2.as_ref().context("there is no agent")?;
    let agent = Aap2 {
        place: agent.place(),
        max_message: config.max_message,
    };
    Ok((Box::new(agent), "another program".to_owned()))
}

fn open_ion(agent: &config::Ion, max_message: u32, board: &Board) -> anyhow::Result<Ion> {
    let node = node_id(&agent.node).context("ion.node is no node ID")?;
    let folder = agent.store.join("helper");
    let made = fs::create_dir_all(&folder);
    made.with_context(|| format!("cannot make {}", folder.display()))?;
    // The helper may have another working directory.
    let folder = fs::canonicalize(&folder).context("the folder is there")?;
    let terms = Terms {
        node: &node,
        store: &agent.store.join("kept"),
        quota: agent.quota_octets,
        max_message,
    };
    Ok(Ion {
        library: agent.library.clone().into(),
        directory: agent.directory.clone(),
        node_list: agent.node_list.clone(),
        folder,
        node: agent.node_number(),
        may_add: agent.add_endpoints,
        lifetime_ms: agent.lifetime_ms,
        kept: Kept::open(&terms, board.clone())?,
    })
}

fn task_error(ended: Result<anyhow::Result<()>, tokio::task::JoinError>) -> anyhow::Error {
    match ended {
        Ok(Ok(())) => anyhow!("a task ended unasked"),
        Ok(Err(error)) => error,
        Err(error) => error.into(),
    }
}

/// The broker with its connections.
struct Office {
    broker: Broker,
    outboxes: BTreeMap<DoorId, Arc<Outbox>>,
    /// Commands that the agent has no room for yet.
    pending: VecDeque<Command>,
    /// Commands whose time has not come, in order.
    later: VecDeque<(Instant, Command)>,
    board: Board,
}

impl Office {
    async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut events: mpsc::Receiver<Event>,
        commands: mpsc::Sender<Command>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        loop {
            let due = self.later.front().map(|(due, _)| *due);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.pending.extend(self.later.pop_front().map(|(_, command)| command));
                }
                permit = commands.reserve(), if !self.pending.is_empty() => {
                    let permit = permit.context("the agent has ended")?;
                    if let Some(command) = self.pending.pop_front() {
                        permit.send(command);
                    }
                }
                Some(event) = events.recv() => {
                    let actions = self.broker.happened(event);
                    self.act(actions);
                }
                // Front doors wait while the agent is busy; the agent never waits for them.
                Some(input) = inputs.recv(), if self.pending.len() < COMMANDS => self.take(input),
            }
            self.board
                .publish_broker(self.broker.tally, self.broker.sizes());
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Connected(id, peer, outbox) => {
                self.outboxes.insert(id, outbox);
                let actions = self.broker.connected(id, peer);
                self.act(actions);
            }
            Input::Heard(id, datagram) => self.hear(id, &datagram),
            Input::Gone(id) => {
                self.outboxes.remove(&id);
                let actions = self.broker.disconnected(id);
                self.act(actions);
            }
        }
    }

    fn hear(&mut self, id: DoorId, datagram: &[u8]) {
        let Some(kind) = self.outboxes.get(&id).map(|outbox| outbox.kind) else {
            return;
        };
        for frame in frames(datagram) {
            let message = match frame {
                Ok(frame) if frame.kind == NLMSG_ERROR && kind != NLMSG_ERROR => {
                    self.not_handled(id, frame.body);
                    continue;
                }
                Ok(frame) if frame.kind != kind => continue,
                Ok(frame) => Message::decode(frame.body),
                Err(error) => Err(error),
            };
            let actions = match message {
                Ok(Some(message)) => self.broker.heard(id, &message),
                Ok(None) => continue,
                Err(error) => {
                    warn!(door = id.0, reason = %error, "malformed message");
                    self.broker.tally.violations += 1;
                    let mut actions = vec![Action::Close(id, "a malformed message")];
                    actions.extend(self.broker.disconnected(id));
                    actions
                }
            };
            self.act(actions);
        }
    }

    /// The kernel did not do what a message asked for: it says why, and repeats the message.
    fn not_handled(&mut self, id: DoorId, body: &[u8]) {
        let Some(error) = netlink::error_of(body) else {
            return;
        };
        let error = io::Error::from_raw_os_error(error);
        warn!(door = id.0, reason = %error, "the kernel did not handle a message");
        let repeated = netlink::repeated_in(body).map(Message::decode);
        if let Some(Ok(Some(message))) = repeated {
            let actions = self.broker.not_handled(id, &message);
            self.act(actions);
        }
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Ask(command) => self.pending.push_back(command),
                Action::Later(command) => self.later.push_back((Instant::now() + RETRY, command)),
                Action::Tell(id, message) => self.tell(id, &message),
                Action::Close(id, reason) => {
                    warn!(door = id.0, reason, "front door is closed");
                    if let Some(outbox) = self.outboxes.remove(&id) {
                        outbox.close();
                    }
                }
                Action::Deliver {
                    door,
                    socket,
                    delivery,
                    about,
                    data,
                    chunk,
                } => {
                    let total = u32::try_from(data.len()).unwrap_or(u32::MAX);
                    let first = data.get(..chunk).unwrap_or(&data);
                    let part = Part::First { total, head: about };
                    self.tell(
                        door,
                        &Message::Deliver {
                            socket,
                            delivery,
                            part,
                            data: first,
                        },
                    );
                    let mut offset = total.min(u32::try_from(chunk).unwrap_or(total));
                    for data in data.chunks(chunk).skip(1) {
                        let part = Part::Next { offset };
                        offset += u32::try_from(data.len()).unwrap_or_default();
                        self.tell(
                            door,
                            &Message::Deliver {
                                socket,
                                delivery,
                                part,
                                data,
                            },
                        );
                    }
                }
            }
        }
    }

    fn tell(&self, id: DoorId, message: &Message<'_>) {
        let Some(outbox) = self.outboxes.get(&id) else {
            return;
        };
        let mut octets = Vec::new();
        message.encode(outbox.kind, &mut octets);
        if !outbox.push(octets) {
            warn!(door = id.0, "front door does not read, and is closed");
            outbox.close();
        }
    }
}

fn remove_stale(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a file in one step, so that whoever waits for it finds it complete.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

/// Installs the handlers at once, and returns a future that names the signal.
fn stop_signal() -> io::Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}
