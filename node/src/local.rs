// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The local controller: it keeps the plan of the cluster controller, and keeps the switch programmed
//! when the cluster controller's stream to the switch has ended.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bundle::Eid;
use control::core::Sample;
use control::holder::Holder;
use control::orders::Orders;
use control::plan::{Unpacked, unpack};
use control::proto::report::Standing;
use control::proto::{Ack, ControllerMessage, Kept, Program, Report};
use control::supervise::{Assignment, News, Samples, Status, Supervisor, now};
use p4rt::Bidding;
use p4rt::client::Renewable;
use p4rt::session::Backoff;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info, info_span, warn};

use crate::config::{Config, Controller, Translation};
use crate::metrics::Board;
use crate::planned::Planned;
use crate::setup::beside;

mod attach;
mod certificates;
mod report;

use attach::Attachment;
pub(crate) use certificates::Certificates;
use report::Reporter;

/// The local controller of one node.
#[derive(Debug)]
pub(crate) struct Local {
    config: Controller,
    tls: Option<Renewable>,
    switch_tls: Option<Renewable>,
    path: PathBuf,
    board: Board,
    holder: Holder,
    stand_in: Option<StandIn>,
    standing: Standing,
    news: mpsc::Sender<News>,
    translation: Translation,
    node_id: Eid<'static>,
    /// Where the plan for the slow path goes.
    plans: watch::Sender<Option<Arc<Planned>>>,
}

/// The control of the switch, with one program.
#[derive(Debug)]
struct StandIn {
    program: Option<Program>,
    orders: watch::Sender<Arc<Orders>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Bundles that the switch reports while the cluster controller is away are not kept.
#[derive(Debug)]
struct NoSamples;

impl Samples for NoSamples {
    fn record(&self, _switch: &str, _sample: &Sample) {}
}

/// Messages that wait. The controller waits for an acknowledgement before it sends more.
const QUEUE: usize = 16;
/// The clock may be set, so it is looked at now and then.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Waits between attempts to reach switch or controller: both are near, or on this machine.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(200),
    longest: Duration::from_secs(2),
};

impl Local {
    /// Reads the plan that was kept.
    pub(crate) fn new(
        config: &Config,
        file: &Path,
        certificates: &Certificates,
        board: Board,
        plans: watch::Sender<Option<Arc<Planned>>>,
    ) -> anyhow::Result<Self> {
        let controller = config.controller.clone();
        let controller = controller.context("the configuration names a controller")?;
        let path = beside(file, &controller.plan);
        let kept = read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let (news, _) = mpsc::channel(1);
        let node_id = config.own_id();
        let node_id = node_id.unwrap_or_else(|| Eid::ipn(controller.node, 0));
        // The slow path has its plan before the first frame comes.
        if let Some(Ok(unpacked)) = kept.current.as_ref().map(unpack) {
            let slow_path = &unpacked.orders.slow_path;
            let planned = Planned::new(slow_path, &config.translation, node_id.clone());
            plans.send_replace(Some(Arc::new(planned)));
        }
        Ok(Self {
            tls: certificates.controller(),
            switch_tls: certificates.switch(),
            node_id,
            config: controller,
            path,
            board,
            holder: Holder::new(kept.current, kept.next),
            stand_in: None,
            standing: Standing::Away,
            news,
            translation: config.translation.clone(),
            plans,
        })
    }

    /// Runs until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> io::Result<()> {
        let (news, mut heard) = mpsc::channel(QUEUE);
        self.news = news;
        let (inbox, mut messages) = mpsc::channel(QUEUE);
        let (acks, outbox) = mpsc::channel(QUEUE);
        let (reports, report) = watch::channel(self.report());
        let mut reporter = Reporter::default();
        let mut tasks = JoinSet::new();
        let attachment = Attachment::new(&self.config, self.tls.clone(), inbox, outbox, report);
        tasks.spawn(attachment.run(stop.clone()));
        if self.holder.activate(now()).is_some() {
            self.keep().await;
        }
        self.follow();
        loop {
            let report = self.report();
            reports.send_if_modified(|last| {
                let is_due = reporter.is_due(&report);
                *last = report;
                is_due
            });
            tokio::select! {
                () = stop.cancelled() => break,
                Some(message) = messages.recv() => self.take(message, &acks).await,
                Some(news) = heard.recv() => self.hear(&news),
                () = sleep(self.pause()) => {}
            }
            if let Some(ack) = self.holder.activate(now()) {
                info!(version = ack.version, "plan takes effect");
                self.keep().await;
                self.follow();
                answer(&acks, ack);
            }
        }
        if let Some(stand_in) = self.stand_in.take() {
            stand_in.end().await;
        }
        while tasks.join_next().await.is_some() {}
        Ok(())
    }

    async fn take(&mut self, message: ControllerMessage, acks: &mpsc::Sender<Ack>) {
        let before = self.holder.clone();
        let Some(taken) = self.holder.take(message) else {
            return;
        };
        // What is acknowledged survives a restart.
        if taken.changed && !self.keep().await {
            self.holder = before;
            return;
        }
        let (version, reason) = (taken.ack.version, taken.ack.reason.as_str());
        if reason.is_empty() {
            info!(version, "plan received");
        } else {
            warn!(version, reason, "plan refused");
        }
        answer(acks, taken.ack);
    }

    /// Writes the plans to disk. Whether that worked.
    async fn keep(&self) -> bool {
        let kept = self.holder.kept();
        let path = self.path.clone();
        let written = spawn_blocking(move || write(&path, &kept.encode_to_vec())).await;
        match written {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                error!(reason = %error, path = %self.path.display(), "the plan cannot be kept");
                false
            }
            Err(error) => {
                error!(reason = %error, "the plan cannot be kept");
                false
            }
        }
    }

    /// Makes the control of the switch go by the current plan.
    fn follow(&mut self) {
        let Some(plan) = self.holder.current() else {
            return;
        };
        let program = plan.program.clone();
        let unpacked = match unpack(plan) {
            Ok(unpacked) => unpacked,
            // It was checked when it came, so the file was changed.
            Err(error) => {
                error!(reason = %error, "the plan cannot be used");
                return;
            }
        };
        let slow_path = &unpacked.orders.slow_path;
        let planned = Planned::new(slow_path, &self.translation, self.node_id.clone());
        self.plans.send_replace(Some(Arc::new(planned)));
        match &self.stand_in {
            Some(stand_in) if stand_in.program == program => {
                stand_in.orders.send_replace(unpacked.orders);
            }
            _ => self.stand_in = Some(self.start(program, unpacked)),
        }
    }

    /// Starts the control of the switch. The control with the old program ends when it is dropped.
    fn start(&self, program: Option<Program>, unpacked: Unpacked) -> StandIn {
        let config = &self.config;
        let assignment = Assignment {
            name: "switch".to_owned(),
            address: config.switch.clone(),
            device_id: config.device_id,
            tls: self.switch_tls.clone(),
            target: config.target,
            bidding: Bidding::StandIn {
                patience: Duration::from_millis(config.patience_ms.into()),
            },
            backoff: BACKOFF,
            ports: unpacked.ports,
            max_macs: unpacked.max_macs,
            pipeline: unpacked.pipeline,
            index: unpacked.index,
            term: None,
        };
        let (orders, newest) = watch::channel(unpacked.orders);
        let samples = Arc::new(NoSamples);
        let supervisor = Supervisor::new(0, assignment, newest, samples, self.news.clone());
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let span = info_span!("switch", address = %config.switch);
        tasks.spawn(supervisor.run(stop.clone()).instrument(span));
        StandIn {
            program,
            orders,
            stop,
            tasks,
        }
    }

    fn hear(&mut self, news: &News) {
        self.standing = match news.status {
            Status::Unreachable { .. } => Standing::Away,
            Status::Backup => Standing::Backup,
            Status::Connected
            | Status::Refused { .. }
            | Status::Programmed { .. }
            | Status::Incomplete { .. } => Standing::Primary,
        };
    }

    fn report(&self) -> Report {
        let (level, backlog) = self.board.stored();
        Report {
            time_us: now().micros(),
            version: self.holder.current().map_or(0, |plan| plan.version),
            newest: self.holder.version(),
            standing: self.standing.into(),
            stored_bundles: level.bundles,
            stored_octets: level.octets,
            backlog: report::backlog(&backlog),
            every_s: self.config.report_s,
        }
    }

    fn pause(&self) -> Duration {
        let next = self.holder.next_at();
        let pause = next.map(|time| Duration::from_micros(time.since(now()).micros()));
        pause.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)
    }
}

impl StandIn {
    async fn end(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The controller hears of it again when the node introduces itself the next time.
fn answer(acks: &mpsc::Sender<Ack>, ack: Ack) {
    if acks.try_send(ack).is_err() {
        warn!("an acknowledgement has to wait for the next connection");
    }
}

/// Reads what was kept. A file that is not there is empty.
fn read(path: &Path) -> anyhow::Result<Kept> {
    match fs::read(path) {
        Ok(octets) => Ok(Kept::decode(octets.as_slice())?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::default()),
        Err(error) => Err(error.into()),
    }
}

/// Replaces a file, so that the old or the new one is there after a crash.
fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = File::create(&new)?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
