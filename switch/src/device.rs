// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One switch: the pipeline in force, its ports, its clock and its counters.
//!
//! The device is what ports and the P4Runtime server share. Ports hand it packets; it runs them
//! through the pipeline, sends what comes out, and queues what concerns a controller.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::{mpsc, watch};

use crate::{
    engine::event::{DropReason, Recorder, Silent},
    pipeline::Pipeline,
    ports::{
        Transmitter,
        outbox::{Outbox, Queue},
    },
    run::{Config, Trace},
    server::Active,
    trace,
    traffic::{Sink, Worker},
};

/// Digests and packets that may wait for the task that serves controllers.
const CONTROL_QUEUE: usize = 4096;

/// Something that a packet leads to and that a controller may want to know.
#[derive(Debug)]
pub(crate) enum Notification {
    /// A digest of the pipeline with that serial number.
    Digest {
        serial: u64,
        digest: usize,
        values: Vec<u64>,
    },
    /// A packet that left on the CPU port.
    PacketIn(Vec<u8>),
}

/// Counters of a switch, for the summary and for tests.
#[derive(Debug, Default)]
pub struct Statistics {
    received: AtomicU64,
    sent: AtomicU64,
    to_controller: AtomicU64,
    no_port: AtomicU64,
    port_busy: AtomicU64,
    queue_full: AtomicU64,
    no_pipeline: AtomicU64,
    dropped: Mutex<BTreeMap<DropReason, u64>>,
}

impl Statistics {
    /// Names and values, in a fixed order.
    #[must_use]
    pub fn list(&self) -> Vec<(String, u64)> {
        let mut list: Vec<(String, u64)> = [
            ("received", &self.received),
            ("sent", &self.sent),
            ("sent to the controller", &self.to_controller),
            ("not sent: no such port", &self.no_port),
            ("not sent: port is busy", &self.port_busy),
            (
                "not reported: queue to the controller is full",
                &self.queue_full,
            ),
            ("not processed: no pipeline", &self.no_pipeline),
        ]
        .map(|(name, count)| (name.to_owned(), count.load(Relaxed)))
        .into();
        let dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        list.extend(
            dropped
                .iter()
                .map(|(reason, count)| (reason.to_string(), *count)),
        );
        list
    }
}

/// What came in and went out on one port.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) received: Flow,
    pub(crate) sent: Flow,
}

/// Packets of one direction.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    packets: AtomicU64,
    octets: AtomicU64,
}

impl Flow {
    fn add(&self, packets: u64, octets: u64) {
        self.packets.fetch_add(packets, Relaxed);
        self.octets.fetch_add(octets, Relaxed);
    }

    /// Number of packets, and of octets in them.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.packets.load(Relaxed), self.octets.load(Relaxed))
    }
}

/// A switch in operation.
#[derive(Debug)]
pub struct Device {
    pub(crate) id: u64,
    cpu_port: Option<u32>,
    trace: Trace,
    optimise: bool,
    started: Instant,
    ports: BTreeMap<u32, Transmitter>,
    traffic: BTreeMap<u32, Traffic>,
    /// Ports whose links were down when they were last looked at.
    down: Mutex<BTreeSet<u32>>,
    active: RwLock<Option<Arc<Active>>>,
    /// Tells the ports that a pipeline is in force.
    running: watch::Sender<bool>,
    notifications: mpsc::Sender<Notification>,
    /// Buffers for packets that controllers send.
    injector: Mutex<Worker>,
    statistics: Statistics,
}

impl Device {
    pub(crate) fn new(
        config: &Config,
        ports: BTreeMap<u32, Transmitter>,
    ) -> (Arc<Self>, mpsc::Receiver<Notification>) {
        let (notifications, receiver) = mpsc::channel(CONTROL_QUEUE);
        let id = config.device_id;
        let device = Self {
            id,
            cpu_port: config.cpu_port,
            trace: config.trace.clone(),
            optimise: config.optimise,
            started: Instant::now(),
            traffic: ports
                .keys()
                .map(|port| (*port, Traffic::default()))
                .collect(),
            ports,
            down: Mutex::default(),
            active: RwLock::default(),
            running: watch::Sender::new(false),
            notifications,
            injector: Mutex::new(Worker::new(id)),
            statistics: Statistics::default(),
        };
        (Arc::new(device), receiver)
    }

    /// Time since the switch started.
    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Counters of the switch.
    #[must_use]
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// What came in and went out on each port.
    pub(crate) fn traffic(&self) -> &BTreeMap<u32, Traffic> {
        &self.traffic
    }

    /// When the switch started, in seconds since the epoch.
    pub(crate) fn started_at(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let since = since
            .unwrap_or_default()
            .saturating_sub(self.started.elapsed());
        since.as_secs()
    }

    /// Whether the switch has a port.
    pub(crate) fn has_port(&self, port: u32) -> bool {
        self.ports.contains_key(&port) || self.cpu_port == Some(port)
    }

    /// Ports whose links are down.
    fn ports_down(&self) -> BTreeSet<u32> {
        let ports = self.ports.iter();
        let down = ports.filter(|(_, transmitter)| !transmitter.is_up());
        down.map(|(port, _)| *port).collect()
    }

    /// Looks at the links, and leaves out of selections what depends on one that is down.
    pub(crate) fn look_at_links(&self) {
        let down = self.ports_down();
        let mut known = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == down {
            return;
        }
        tracing::info!(?down, "links have changed");
        if let Some(active) = self.active() {
            active.pipeline.state_mut().set_down(&down);
        }
        *known = down;
    }

    pub(crate) fn cpu_port(&self) -> Option<u32> {
        self.cpu_port
    }

    /// The pipeline in force.
    pub(crate) fn active(&self) -> Option<Arc<Active>> {
        self.active
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts a pipeline into force, with the state that it has. It runs at once, and faster when
    /// there is machine code for it.
    pub(crate) fn activate(&self, active: Arc<Active>) {
        if self.optimise && active.pipeline.gains_from_machine_code() {
            let active = Arc::clone(&active);
            tokio::task::spawn_blocking(move || match active.pipeline.optimise() {
                Ok(()) => tracing::debug!("program is compiled to machine code"),
                Err(error) => tracing::warn!(reason = %error, "no machine code"),
            });
        }
        let known = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        active.pipeline.state_mut().set_down(&known);
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = Some(active);
        drop(known);
        self.running.send_replace(true);
    }

    /// Waits until there is a pipeline.
    pub(crate) async fn wait_running(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        _ = self.running.subscribe().wait_for(|running| *running).await;
    }

    /// Runs packets of one port, under one lock of the state.
    pub(crate) fn receive<'p>(
        &self,
        worker: &mut Worker,
        port: u32,
        packets: impl IntoIterator<Item = &'p [u8]>,
    ) {
        let mut outbox = Outbox::default();
        self.receive_into(worker, port, packets, &mut outbox);
        self.flush(&mut outbox);
    }

    /// The same, and what leaves on an interface waits for [`Device::flush`].
    pub(crate) fn receive_into<'p>(
        &self,
        worker: &mut Worker,
        port: u32,
        packets: impl IntoIterator<Item = &'p [u8]>,
        outbox: &mut Outbox,
    ) {
        let Some(active) = self.active() else {
            let count = packets.into_iter().count() as u64;
            self.statistics.received.fetch_add(count, Relaxed);
            self.statistics.no_pipeline.fetch_add(count, Relaxed);
            return;
        };
        let _turn = active.pipeline.turn();
        let state = active.pipeline.state();
        let now_ns = self.now_ns();
        let mut output = Output {
            device: self,
            outbox,
            pipeline: &active.pipeline,
        };
        let traffic = self.traffic.get(&port);
        for packet in packets {
            self.statistics.received.fetch_add(1, Relaxed);
            if let Some(traffic) = traffic {
                traffic.received.add(1, packet.len() as u64);
            }
            if self.trace.wants(port, packet) {
                let mut recorder = Recorder::default();
                active.pipeline.process_with(
                    &state,
                    worker,
                    (port, packet),
                    now_ns,
                    &mut output,
                    &mut recorder,
                );
                eprint!("{}", trace::render(active.pipeline.program(), &recorder));
            } else {
                let silent = &mut Silent;
                active.pipeline.process_with(
                    &state,
                    worker,
                    (port, packet),
                    now_ns,
                    &mut output,
                    silent,
                );
            }
        }
    }

    /// Sends what waits for interfaces.
    pub(crate) fn flush(&self, outbox: &mut Outbox) {
        for (port, queue) in outbox.waiting() {
            self.send_queue(port, queue);
        }
    }

    fn send_queue(&self, port: u32, queue: &mut Queue) {
        let Some(transmitter) = self.ports.get(&port) else {
            return queue.clear();
        };
        let (packets, octets) = transmitter.send_all(queue);
        let busy = queue.ends.len() as u64 - packets;
        queue.clear();
        self.statistics.sent.fetch_add(packets, Relaxed);
        self.statistics.port_busy.fetch_add(busy, Relaxed);
        if let Some(traffic) = self.traffic.get(&port) {
            traffic.sent.add(packets, octets);
        }
    }

    /// A controller sends a packet.
    pub(crate) fn inject(&self, port: u32, packet: &[u8]) {
        let mut worker = self.injector.lock().unwrap_or_else(PoisonError::into_inner);
        self.receive(&mut worker, port, [packet]);
    }

    fn notify(&self, notification: Notification) {
        if self.notifications.try_send(notification).is_err() {
            self.statistics.queue_full.fetch_add(1, Relaxed);
        }
    }
}

/// Sends what comes out of the pipeline.
struct Output<'a> {
    device: &'a Device,
    outbox: &'a mut Outbox,
    pipeline: &'a Pipeline,
}

impl Sink for Output<'_> {
    fn transmit(&mut self, port: u32, packet: &[u8]) {
        let statistics = &self.device.statistics;
        if self.device.cpu_port == Some(port) {
            statistics.to_controller.fetch_add(1, Relaxed);
            return self.device.notify(Notification::PacketIn(packet.to_vec()));
        }
        let Some(transmitter) = self.device.ports.get(&port) else {
            statistics.no_port.fetch_add(1, Relaxed);
            return;
        };
        if transmitter.gathers() {
            if let Some(queue) = self.outbox.push(port, packet) {
                self.device.send_queue(port, queue);
            }
        } else if transmitter.send(packet) {
            statistics.sent.fetch_add(1, Relaxed);
            if let Some(traffic) = self.device.traffic.get(&port) {
                traffic.sent.add(1, packet.len() as u64);
            }
        } else {
            statistics.port_busy.fetch_add(1, Relaxed);
        }
    }

    fn digest(&mut self, digest: usize, values: &[u64]) {
        // Each notification may wake another thread, which costs more than the packet does.
        if self.pipeline.wants_digest(digest) {
            self.device.notify(Notification::Digest {
                serial: self.pipeline.serial,
                digest,
                values: values.to_vec(),
            });
        }
    }

    fn drop(&mut self, reason: DropReason) {
        let mut dropped = self
            .device
            .statistics
            .dropped
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *dropped.entry(reason).or_default() += 1;
    }
}
