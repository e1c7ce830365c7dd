// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon: the link, the store and the clock around the [core](crate::core).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::core::Core;
use crate::echo::{self, Echoes};
use crate::link::{Link, MAX_FRAME};
use crate::local::{Certificates, Local};
use crate::metrics::{self, Board};
use crate::punt::PortId;
use crate::setup::{self, Prepared};
use crate::worker::Worker;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Written when frames are taken: a JSON object with the addresses that were bound.
    pub ready_file: Option<PathBuf>,
}

/// Runs until a signal. Frames that were taken by then are finished.
///
/// # Errors
///
/// The configuration, the store, the link or the server of the metrics cannot be used.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let Prepared {
        config,
        setup,
        store,
    } = setup::load(&options.config)?;
    let signalled = stop_signal().context("cannot listen for signals")?;
    let hangups = signal(SignalKind::hangup()).context("cannot listen for signals")?;
    if let Some(path) = &options.ready_file {
        remove_stale(path)?;
    }
    let opened = Link::open(&config.link).await;
    let link = opened.with_context(|| format!("cannot open the link {}", config.link))?;
    let link = Arc::new(link);
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();

    let board = Board::default();
    let mut metrics_address = None;
    if let Some(metrics) = config.metrics {
        let listener = TcpListener::bind(metrics.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", metrics.listen))?;
        metrics_address = Some(listener.local_addr().context("the listener is bound")?);
        tasks.spawn(metrics::serve(listener, board.clone(), stop.clone()));
    }
    let (plans, planned) = watch::channel(None);
    if let Some(controller) = &config.controller {
        let certificates = Certificates::read(controller, &options.config)?;
        let board = board.clone();
        let local = Local::new(&config, &options.config, &certificates, board, plans)?;
        tasks.spawn(local.run(stop.clone()));
        tasks.spawn(certificates.follow(hangups, stop.clone()));
    }
    let (sender, frames) = mpsc::channel(QUEUE);
    let overrun = Arc::new(AtomicU64::new(0));
    let address = link.local_addr();
    let (heard, echo) = watch::channel(0);
    let echoes = config.link_port.map(|port| {
        // Numbers of earlier lives are smaller.
        Echoes::new(PortId(port), echo, control::supervise::now().micros())
    });
    let reader = receive(
        Arc::clone(&link),
        (sender, heard),
        Arc::clone(&overrun),
        stop.clone(),
    );
    tasks.spawn(reader);
    let waiting = store.as_ref().map_or(0, |store| store.level().bundles);
    let target = config.controller.as_ref().map(|known| known.target);
    let worker = Worker::new(
        Core::new(setup),
        store,
        (link, echoes),
        board,
        overrun,
        planned,
        target.unwrap_or_default(),
    );
    tasks.spawn(worker.run(frames));

    info!(link = %config.link, waiting, "ready");
    if let Some(path) = &options.ready_file {
        let text = json!({"link": address, "metrics": metrics_address, "waiting": waiting});
        let written = write_whole(path, &format!("{text}\n"));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let outcome = tokio::select! {
        name = signalled => { info!(signal = name, "stopping"); Ok(()) }
        Some(ended) = tasks.join_next() => Err(anyhow!("a task ended unasked: {ended:?}")),
    };
    // The reader stops, and the worker with it when it has finished what was read.
    stop.cancel();
    let drained = timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        warn!(left = tasks.len(), grace = ?GRACE, "tasks did not stop in time");
        tasks.shutdown().await;
    }
    outcome
}

/// Hands frames to the worker until `stop`. What does not fit into its queue is counted.
async fn receive(
    link: Arc<Link>,
    (frames, echoes): (mpsc::Sender<Vec<u8>>, watch::Sender<u64>),
    overrun: Arc<AtomicU64>,
    stop: CancellationToken,
) -> io::Result<()> {
    let mut buffer = vec![0; MAX_FRAME];
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            received = link.receive(&mut buffer) => received,
        };
        match received {
            Ok(len) => {
                if let Some(number) = echo::decode(&buffer[..len]) {
                    echoes.send_replace(number);
                    continue;
                }
                if frames.try_send(buffer[..len].to_vec()).is_err() {
                    overrun.fetch_add(1, Ordering::Relaxed);
                }
            }
            // An interface that goes down says so, and may come up again.
            Err(error) => {
                warn!(reason = %error, "cannot receive");
                sleep(RETRY).await;
            }
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

/// Frames that wait for the worker while it waits for the disk. The longest ones are 64 MiB.
const QUEUE: usize = 1024;
/// Pause after an error, so that a link that is down does not keep a core busy.
const RETRY: Duration = Duration::from_millis(200);
/// Storing a full queue takes some writes to the disk; more than this means that it hangs.
const GRACE: Duration = Duration::from_secs(10);
