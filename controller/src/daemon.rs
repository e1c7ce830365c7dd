// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon: one supervisor for each switch, and the files that tell others how they are doing.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::Context as _;
use control::supervise::{Assignment, News, Samples, Status, Supervisor, Term, now, usual_backoff};
use p4rt::{Bidding, client::Renewable, session::Backoff};
use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info, info_span, warn};

use crate::{
    adapters::Adapters,
    api::{self, Api},
    distribute::{self, Distributor},
    etcd::Etcd,
    kept,
    keychain::{self, Keychain, Ring},
    lease::{self, Campaign, LeaseStore},
    lease_etcd::LeaseEtcd,
    lease_files::LeaseFolder,
    outlets::{Ears, EventLog, write_whole},
    peering::{self, Exchange},
    plan::{self, PlanError, Site, SwitchPlan},
    planner::{Planner, Request, Wish},
    tls::Door,
};

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Where samples of bundles are appended.
    pub events: Option<PathBuf>,
    /// Written when all switches are programmed.
    pub ready_file: Option<PathBuf>,
    /// How long the program runs.
    pub run: Run,
    /// How long to wait for the first session with every switch; `None` waits for ever.
    pub connect_timeout: Option<Duration>,
    /// Waits between attempts; `None` is the usual ones.
    pub backoff: Option<Backoff>,
}

/// The addresses that were bound.
#[derive(Clone, Copy, Debug, Default)]
struct Addresses {
    nodes: Option<SocketAddr>,
    api: Option<SocketAddr>,
    peers: Option<SocketAddr>,
}

/// How long the program runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Run {
    /// Until all switches are programmed.
    Once,
    /// Until a signal.
    Forever,
}

/// Why the program ended, for those who map it to a status.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Files or configuration are at fault.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A switch could not be reached in time.
    #[error(
        "cannot reach switch {name:?} at {address} within {} s ({reason}); \
         start the switch, correct its address in the configuration, \
         or give this controller an election id of its own",
        .waited.as_secs_f32()
    )]
    Unreachable {
        /// Name of the switch.
        name: String,
        /// Its address.
        address: String,
        /// What the last attempt said.
        reason: String,
        /// How long it was tried.
        waited: Duration,
    },
    /// A switch refuses the program or a whole call.
    #[error("switch {name:?} cannot be programmed: {reason}")]
    Refused {
        /// Name of the switch.
        name: String,
        /// What it said.
        reason: String,
    },
    /// A switch does not take what it should.
    #[error("switch {name:?} differs in {differences} places from what it should hold")]
    Incomplete {
        /// Name of the switch.
        name: String,
        /// How many.
        differences: usize,
    },
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl Failure {
    /// The status of the process: 1 the input is at fault, 3 files or network are.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Plan(PlanError::File { .. }) | Self::Unreachable { .. } => 3,
            Self::Plan(_) | Self::Refused { .. } | Self::Incomplete { .. } | Self::Other(_) => 1,
        }
    }
}

/// Runs until a signal, or until the work of [`Run::Once`] is done.
///
/// # Errors
/// See [`Failure`].
pub async fn run(options: &Options) -> Result<(), Failure> {
    let site = Arc::new(plan::load(&options.config, now())?);
    let signalled = stop_signal().context("cannot listen for signals")?;
    if let Some(path) = &options.ready_file {
        remove_stale(path)?;
    }
    let (events, writer) = open_events(options.events.as_deref())?;
    let stop = CancellationToken::new();
    let (sender, news) = mpsc::channel(NEWS_QUEUE);
    let mut tasks = JoinSet::new();
    let nodes = Distributor::default();
    let folder = options.config.parent().unwrap_or(Path::new(""));
    let keychain = Keychain::new(Ring::read(&site, folder)?);
    let etcd = kept::etcd_of(&site.config, keychain.client(keychain::ETCD))?;
    let term = campaign(&site, folder, etcd.clone(), &mut tasks, &stop)?;
    let exchange = site.config.peering.clone().map(Exchange::new);
    let mut planner = Planner::new(
        options.config.clone(),
        site.clone(),
        nodes.clone(),
        exchange.clone(),
        term.clone(),
        (etcd, keychain.clone()),
    )?;
    let mut all_orders = Vec::new();
    let (ears, heard) = Ears::new(events.clone());
    let samples: Arc<dyn Samples> = Arc::new(ears);
    for (place, plan) in site.switches.iter().enumerate() {
        let switch = &plan.switch;
        let span = info_span!("switch", name = %switch.name, address = %switch.address);
        let orders = planner.seat()?;
        all_orders.push(orders.clone());
        let (samples, sender) = (samples.clone(), sender.clone());
        let tls = keychain.client(&keychain::of_switch(&switch.name));
        let assignment = assignment(plan, tls, options, term.clone());
        let supervisor = Supervisor::new(place, assignment, orders, samples, sender);
        tasks.spawn(supervisor.run(stop.clone()).instrument(span));
    }
    drop((sender, samples));
    let (wishes, requests) = mpsc::channel(WISH_QUEUE);
    let (statuses, shown) = watch::channel(Vec::new());
    let adapters = Adapters::start(&mut tasks, planner.site(), term.clone(), folder, &stop);
    let api = Api {
        site: planner.site(),
        adapters,
        orders: all_orders,
        statuses: shown,
        nodes: nodes.clone(),
        overrides: planner.overrides(),
        exchange: exchange.clone(),
        term: term.clone(),
        requests: wishes.clone(),
        stop: stop.clone(),
    };
    tasks.spawn(planner.run(requests, heard, stop.clone()));
    tasks.spawn(pass_on_hangups(wishes, stop.clone()));
    let servers = Servers {
        site: &site,
        api,
        nodes,
        exchange,
        term,
        keychain,
    };
    let addresses = listen(servers, &mut tasks, &stop).await?;
    info!(switches = site.switches.len(), "started");

    let outcome = tokio::select! {
        name = signalled => { info!(signal = name, "stopping"); Ok(()) }
        outcome = follow(&site.switches, news, options, &addresses, &statuses) => outcome,
        Some(ended) = tasks.join_next() => {
            Err(anyhow::anyhow!("a task ended unasked: {ended:?}").into())
        }
    };
    wind_up(tasks, &stop, events, writer).await;
    outcome
}

/// Ends all tasks, and the thread that writes events.
async fn wind_up(
    mut tasks: JoinSet<()>,
    stop: &CancellationToken,
    events: EventLog,
    writer: Option<thread::JoinHandle<()>>,
) {
    stop.cancel();
    let drained = timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        warn!(left = tasks.len(), grace = ?GRACE, "tasks did not stop in time");
        tasks.shutdown().await;
    }
    info!(events_dropped = events.dropped(), "stopped");
    drop(events);
    // The last log is gone with the tasks, so the thread writes what it has and ends.
    if writer.is_some_and(|writer| writer.join().is_err()) {
        error!("the thread of the event file failed");
    }
}

/// Takes part in the election of the cluster, if the configuration says so.
fn campaign(
    site: &Site,
    folder: &Path,
    etcd: Option<Arc<Etcd>>,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> anyhow::Result<Option<watch::Receiver<Option<Term>>>> {
    let Some(lease) = &site.config.lease else {
        return Ok(None);
    };
    let store: Arc<dyn LeaseStore> = if let Some(etcd) = etcd {
        Arc::new(LeaseEtcd::new(etcd))
    } else {
        let path = folder.join(lease.path.as_deref().unwrap_or(Path::new("lease")));
        let store = LeaseFolder::open(&path);
        Arc::new(store.with_context(|| format!("cannot use the folder {}", path.display()))?)
    };
    let (sender, term) = watch::channel(None);
    let ids = site.config.switches.iter().map(|switch| switch.election_id);
    let campaign = Campaign {
        holder: lease.holder.clone(),
        least_epoch: ids.max().unwrap_or(1),
        ttl: Duration::from_millis(lease.ttl_ms.into()),
    };
    tasks.spawn(lease::run(campaign, store, sender, stop.clone()));
    Ok(Some(term))
}

/// What is served, and to whom.
struct Servers<'a> {
    site: &'a Site,
    api: Api,
    nodes: Distributor,
    exchange: Option<Exchange>,
    term: Option<watch::Receiver<Option<Term>>>,
    keychain: Keychain,
}

/// Starts the servers that the configuration asks for.
async fn listen(
    servers: Servers<'_>,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Result<Addresses, Failure> {
    let Servers {
        site,
        api,
        nodes,
        exchange,
        term,
        keychain,
    } = servers;
    let mut addresses = Addresses::default();
    if let Some(exchange) = exchange {
        addresses.peers = meet(exchange, &keychain, term.clone(), tasks, stop).await?;
    }
    if let Some(distribution) = &site.config.distribution {
        let (listener, address) = bind(distribution.listen).await?;
        addresses.nodes = Some(address);
        let door = Door::new(listener, keychain.server(keychain::NODES));
        let served = distribute::serve(door, nodes, term, stop.clone());
        tasks.spawn(async move {
            if let Err(error) = served.await {
                error!(%error, "nodes cannot attach any more");
            }
        });
    }
    if let Some(place) = &site.config.api {
        let (listener, address) = bind(place.listen).await?;
        addresses.api = Some(address);
        let door = Door::new(listener, keychain.server(keychain::API));
        let served = api::serve(door, api, stop.clone());
        tasks.spawn(async move {
            if let Err(error) = served.await {
                error!(%error, "nobody can ask any more");
            }
        });
    }
    Ok(addresses)
}

/// Connects to other clusters, and lets them connect.
async fn meet(
    exchange: Exchange,
    keychain: &Keychain,
    term: Option<watch::Receiver<Option<Term>>>,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Result<Option<SocketAddr>, Failure> {
    let peering = exchange.peering().clone();
    for (place, peer) in peering.peers.iter().enumerate() {
        if peer.address.is_none() {
            continue;
        }
        let tls = keychain.client(&keychain::of_cluster(&peer.cluster));
        let (exchange, term, stop) = (exchange.clone(), term.clone(), stop.clone());
        tasks.spawn(peering::call(exchange, place, tls, term, stop));
    }
    let Some(listen) = peering.listen else {
        return Ok(None);
    };
    let (listener, address) = bind(listen).await?;
    let door = Door::new(listener, keychain.server(keychain::PEERS));
    let served = peering::serve(door, exchange, term, stop.clone());
    tasks.spawn(async move {
        if let Err(error) = served.await {
            error!(%error, "other clusters cannot connect any more");
        }
    });
    Ok(Some(address))
}

async fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr().context("the listener is bound")?;
    Ok((listener, address))
}

/// SIGHUP stands for a wish to read the configuration again.
async fn pass_on_hangups(wishes: mpsc::Sender<Request>, stop: CancellationToken) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            warn!(%error, "SIGHUP has no effect");
            return stop.cancelled().await;
        }
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(()) = hangup.recv() => {
                // A full queue means that it is being read again anyway.
                let _ = wishes.try_send(Request {
                    wish: Wish::Reload,
                    dry_run: false,
                    who: "SIGHUP".to_owned(),
                    answer: None,
                });
            }
        }
    }
}

/// Follows the switches until there is a reason to end.
async fn follow(
    plans: &[SwitchPlan],
    mut news: mpsc::Receiver<News>,
    options: &Options,
    addresses: &Addresses,
    shown: &watch::Sender<Vec<Status>>,
) -> Result<(), Failure> {
    let unknown = || Status::Unreachable {
        reason: "no answer yet".to_owned(),
    };
    let mut statuses: Vec<Status> = plans.iter().map(|_| unknown()).collect();
    let started = Instant::now();
    let mut deadline = options.connect_timeout.map(|time| started + time);
    loop {
        tokio::select! {
            Some(News { place, status }) = news.recv() => {
                if let Some(known) = statuses.get_mut(place) {
                    *known = status;
                }
            }
            () = sleep_until(deadline.unwrap_or(started)), if deadline.is_some() => {
                return Err(unreachable(plans, &statuses, started.elapsed()));
            }
            else => return Ok(()),
        }
        shown.send_replace(statuses.clone());
        if statuses
            .iter()
            .all(|status| has_session(status, options.run))
        {
            deadline = None;
        }
        if statuses
            .iter()
            .all(|status| matches!(status, Status::Programmed { .. }))
        {
            announce(plans, &statuses, addresses, options.ready_file.as_deref())?;
            if options.run == Run::Once {
                return Ok(());
            }
        }
        if options.run == Run::Once {
            hopeless(plans, &statuses)?;
        }
    }
}

/// What the control of a switch needs to know.
fn assignment(
    plan: &SwitchPlan,
    tls: Option<Renewable>,
    options: &Options,
    term: Option<watch::Receiver<Option<Term>>>,
) -> Assignment {
    let switch = &plan.switch;
    Assignment {
        name: switch.name.clone(),
        address: switch.address.clone(),
        device_id: switch.device_id,
        tls,
        target: switch.target,
        bidding: Bidding::Controller {
            epoch: switch.election_id,
        },
        backoff: options.backoff.unwrap_or_else(usual_backoff),
        ports: switch.ports.clone(),
        max_macs: switch.max_macs,
        pipeline: plan.pipeline.clone(),
        index: plan.index.clone(),
        term,
    }
}

fn unreachable(plans: &[SwitchPlan], statuses: &[Status], waited: Duration) -> Failure {
    let missing = plans
        .iter()
        .zip(statuses)
        .find_map(|(plan, status)| match status {
            Status::Unreachable { reason } => Some((&plan.switch, reason.clone())),
            Status::Backup => Some((&plan.switch, "another controller is primary".to_owned())),
            _ => None,
        });
    match missing {
        Some((switch, reason)) => Failure::Unreachable {
            name: switch.name.clone(),
            address: switch.address.clone(),
            reason,
            waited,
        },
        None => anyhow::anyhow!("the time to connect is over").into(),
    }
}

/// A backup has a session, but can do nothing with it that a single run is for.
fn has_session(status: &Status, run: Run) -> bool {
    match status {
        Status::Unreachable { .. } => false,
        Status::Backup => run == Run::Forever,
        _ => true,
    }
}

fn hopeless(plans: &[SwitchPlan], statuses: &[Status]) -> Result<(), Failure> {
    for (plan, status) in plans.iter().zip(statuses) {
        let name = || plan.switch.name.clone();
        match status {
            Status::Incomplete { differences } => {
                return Err(Failure::Incomplete {
                    name: name(),
                    differences: *differences,
                });
            }
            Status::Refused { reason } => {
                return Err(Failure::Refused {
                    name: name(),
                    reason: reason.clone(),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn announce(
    plans: &[SwitchPlan],
    statuses: &[Status],
    addresses: &Addresses,
    path: Option<&Path>,
) -> Result<(), Failure> {
    info!(switches = plans.len(), "ready");
    let Some(path) = path else { return Ok(()) };
    let switch = |(plan, status): (&SwitchPlan, &Status)| {
        let items = if let Status::Programmed { items } = status {
            *items
        } else {
            0
        };
        let cookie = format!("{:#018x}", plan.pipeline.cookie().0);
        json!({"name": plan.switch.name, "device_id": plan.switch.device_id,
               "cookie": cookie, "items": items})
    };
    let switches: Vec<_> = plans.iter().zip(statuses).map(switch).collect();
    let Addresses { nodes, api, peers } = addresses;
    let text = json!({ "switches": switches, "nodes": nodes, "api": api, "peers": peers });
    let text = format!("{text}\n");
    Ok(write_whole(path, &text).with_context(|| format!("cannot write {}", path.display()))?)
}

fn remove_stale(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let context = format!("cannot remove {}", path.display());
            Err(anyhow::Error::new(error).context(context).into())
        }
        _ => Ok(()),
    }
}

type Events = (EventLog, Option<thread::JoinHandle<()>>);

fn open_events(path: Option<&Path>) -> Result<Events, Failure> {
    let Some(path) = path else {
        return Ok((EventLog::disabled(), None));
    };
    let opened = EventLog::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok((opened.0, Some(opened.1)))
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

/// Wishes of people that wait. They come one by one.
const WISH_QUEUE: usize = 16;

/// Status changes that wait to be looked at. A supervisor that is ahead waits.
const NEWS_QUEUE: usize = 64;

/// Closing a session takes a round trip; more than this means that the network is gone.
const GRACE: Duration = Duration::from_secs(5);
