// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keeps rules ahead of the time: computes them for a horizon, and again when half of that is over,
//! when a neighbour is heard or silent, and when people want something else.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use contact::{Search, Span, UtcTime};
use control::{
    desired::difference,
    orders::Orders,
    plan::{pack, program},
    supervise::{Term, now},
};
use serde::Serialize;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use utoipa::ToSchema;

use crate::{
    audit,
    backlog::{Claims, Reports},
    config::AuditFile,
    distribute::Distributor,
    etcd::Etcd,
    kept,
    keychain::{Keychain, Ring},
    lease, lease_etcd,
    neighbours::{Heard, Memory, Neighbours, News},
    overrides::{Override, Overrides},
    peering::Exchange,
    plan::{self, PlanError, Site, SwitchPlan},
    reach::{self, Known},
    schedule::Network,
    state::State,
};

/// Where the orders for a switch go.
pub type Seat = watch::Sender<Arc<Orders>>;

/// What a switch is to hold from a time on, until the horizon.
///
/// # Errors
/// If routes or overrides do not fit the program.
pub fn orders(
    site: &Site,
    plan: &SwitchPlan,
    overrides: &Overrides,
    from: UtcTime,
) -> Result<Orders, PlanError> {
    let misfits = |misfit| PlanError::Misfits {
        switch: plan.switch.name.clone(),
        misfits: vec![misfit],
    };
    let mut orders = Orders {
        intent: plan.intent.clone(),
        ..Orders::default()
    };
    let node = site.network.as_ref().and_then(|network| {
        let node = network.node_of(&plan.switch.name)?;
        Some((network, node))
    });
    if let Some((network, node)) = node {
        let until = from.checked_add(horizon(site)).unwrap_or(UtcTime::MAX);
        let times = (from, until);
        let pieces = network.pieces(&mut Search::new(), node, times);
        let rules = network.rules_of(node, &pieces, times, &plan.index);
        orders.rules = rules.map_err(misfits)?;
        orders.slow_path = network.slow_path(node, &pieces, times);
        if network.taken.is_some() {
            let others = network.plain_pieces(&mut Search::new(), node, times);
            orders.slow_path.plain_routes = network.routes(&others);
        }
    }
    let here = overrides
        .iter()
        .filter(|(_, wanted)| wanted.switch == plan.switch.name);
    for (name, wanted) in here {
        wanted
            .apply(name, &mut orders, &plan.index)
            .map_err(misfits)?;
    }
    Ok(orders)
}

/// What people want.
#[derive(Debug)]
pub(crate) enum Wish {
    /// To have the configuration read again.
    Reload,
    /// An override, in the place of one with this name.
    Put(String, Override),
    /// One less.
    Remove(String),
}

/// A wish, and who waits for its outcome.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) wish: Wish,
    /// Whether nothing is to happen.
    pub(crate) dry_run: bool,
    /// Who asks, for the record.
    pub(crate) who: String,
    pub(crate) answer: Option<oneshot::Sender<Result<Outcome, Refused>>>,
}

/// What came of a wish, or would.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Outcome {
    /// The version of the contact plan; 0 if there is none.
    pub plan: u64,
    /// Whether nothing has happened.
    pub dry_run: bool,
    /// What the controller writes because of it, by switch.
    pub switches: Vec<SwitchChanges>,
}

/// What is written to a switch.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SwitchChanges {
    /// Its name.
    pub switch: String,
    /// The changes, in their order.
    pub changes: Vec<String>,
}

/// Why a wish has no effect.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refused {
    /// It cannot work.
    #[error("{0}")]
    Unfit(String),
    /// There is nothing of that name.
    #[error("there is no {0}")]
    NoSuch(String),
    /// Another controller may write.
    #[error("another controller holds the cluster")]
    NotHolder,
    /// There is no file to keep it in.
    #[error("the configuration has no [state] and no [lease.etcd], where overrides are kept")]
    NoState,
}

/// Makes orders in time, and hands them to switches and nodes.
#[derive(Debug)]
pub(crate) struct Planner {
    path: PathBuf,
    /// As it is configured.
    base: Arc<Site>,
    /// With what was learned.
    site: watch::Sender<Arc<Site>>,
    overrides: watch::Sender<Overrides>,
    neighbours: Option<Neighbours>,
    /// What of the contacts is spoken for.
    claims: Claims,
    seats: Vec<Seat>,
    nodes: Distributor,
    /// With other clusters.
    exchange: Option<Exchange>,
    term: Option<watch::Receiver<Option<Term>>>,
    /// Where overrides are kept, if controllers on several machines share them.
    etcd: Option<Arc<Etcd>>,
    /// With which people, nodes and clusters are let in, and switches and others spoken to.
    keychain: Keychain,
    /// Of the last term.
    epoch: Option<u64>,
    version: u64,
}

impl Planner {
    /// A planner for the site that a configuration file describes.
    ///
    /// # Errors
    /// Overrides cannot be read.
    pub(crate) fn new(
        path: PathBuf,
        site: Arc<Site>,
        nodes: Distributor,
        exchange: Option<Exchange>,
        term: Option<watch::Receiver<Option<Term>>>,
        (etcd, keychain): (Option<Arc<Etcd>>, Keychain),
    ) -> Result<Self, PlanError> {
        let now = now();
        let neighbours = neighbours(&site, kept_memory(&site)?);
        // The first orders, too, go by what an earlier life has learned.
        let network = own_network(&site, neighbours.as_ref(), now);
        if let Some(exchange) = &exchange {
            // They are there before anybody connects.
            exchange.offer(offers(&site, network.as_deref(), exchange, now), now);
        }
        let known = Arc::new(Site {
            network,
            ..Site::clone(&site)
        });
        Ok(Self {
            path,
            overrides: watch::channel(kept::overrides(&site, etcd.as_deref())?).0,
            neighbours,
            claims: Claims::default(),
            base: site,
            site: watch::channel(known).0,
            seats: Vec::new(),
            nodes,
            exchange,
            term,
            etcd,
            keychain,
            epoch: None,
            version: 0,
        })
    }

    /// The site that is in force.
    pub(crate) fn site(&self) -> watch::Receiver<Arc<Site>> {
        self.site.subscribe()
    }

    /// The overrides that are in force.
    pub(crate) fn overrides(&self) -> watch::Receiver<Overrides> {
        self.overrides.subscribe()
    }

    /// The first orders for the next switch, and where later ones come from. Its node gets them
    /// as a plan.
    ///
    /// # Errors
    /// If routes do not fit the program.
    pub(crate) fn seat(&mut self) -> Result<watch::Receiver<Arc<Orders>>, PlanError> {
        let site = self.site.borrow().clone();
        let plan = &site.switches[self.seats.len()];
        let now = now();
        let first = orders(&site, plan, &self.overrides.borrow(), now)?;
        self.publish(&site, plan, &first, now);
        let (seat, newest) = watch::channel(Arc::new(first));
        self.seats.push(seat);
        Ok(newest)
    }

    /// Sends new orders to all switches and nodes when there is a reason to, until `stop`.
    pub(crate) async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut heard: mpsc::Receiver<Heard>,
        stop: CancellationToken,
    ) {
        let mut term = self.term.clone();
        let mut peers = self.exchange.as_ref().map(Exchange::news);
        let mut backlog = self.nodes.backlog();
        let (mut weighed, mut is_heard) = (Instant::now(), false);
        loop {
            let renewal = Instant::now() + self.pause();
            let has_network = self.base.network.is_some();
            let silence = self.neighbours.as_ref().and_then(Neighbours::next_end);
            let quiet = silence.map_or(Duration::ZERO, until);
            let old = backlog.borrow().next_end(now());
            let age = old.map_or(Duration::ZERO, until);
            let age_counts = old.is_some() && has_network && !is_heard;
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(renewal), if has_network => self.renew("time has passed").await,
                () = sleep(quiet), if silence.is_some() => self.forget().await,
                Some(heard) = heard.recv() => self.hear(&heard).await,
                Some(request) = requests.recv() => self.answer(request).await,
                () = announced(&mut peers), if peers.is_some() => {
                    self.renew("another cluster has announced something").await;
                }
                epoch = changed(&mut term), if term.is_some() => self.take_over(epoch).await,
                Ok(()) = backlog.changed(), if has_network && !is_heard => is_heard = true,
                () = sleep(age), if age_counts => is_heard = true,
                () = sleep_until(weighed + BACKLOG_PAUSE), if is_heard => {
                    let reports = backlog.borrow_and_update().clone();
                    self.weigh(&reports).await;
                    (weighed, is_heard) = (Instant::now(), false);
                }
            }
        }
    }

    fn pause(&self) -> Duration {
        Duration::from_micros(horizon(&self.base).micros() / 2)
    }

    async fn renew(&mut self, why: &str) {
        // The last rules stay, and end at their time.
        if let Err(error) = self.hand_out(self.base.clone()).await {
            error!(error, why, "no new rules");
        }
    }

    /// Goes by the overrides that the last holder of the cluster has left.
    async fn take_over(&mut self, epoch: Option<u64>) {
        if epoch.is_none() || epoch == self.epoch {
            return;
        }
        let kept = kept::overrides(&self.base, self.etcd.as_deref());
        match kept.map_err(anyhow::Error::new) {
            Ok(kept) => {
                self.overrides.send_replace(kept);
            }
            Err(error) => {
                // With the next renewal of the lease it is tried again.
                error!("the overrides cannot be read: {error:#}");
                return;
            }
        }
        self.epoch = epoch;
        self.renew("this controller holds the cluster").await;
    }

    async fn hear(&mut self, heard: &Heard) {
        let site = self.base.clone();
        let (Some(network), Some(neighbours)) = (&site.network, &mut self.neighbours) else {
            return;
        };
        if let Some(news) = neighbours.hear(network, heard, now()) {
            tell(news);
            self.remember().await;
            self.renew("a neighbour was heard").await;
        }
    }

    async fn forget(&mut self) {
        let Some(neighbours) = &mut self.neighbours else {
            return;
        };
        let silent = neighbours.forget(now());
        let is_news = !silent.is_empty();
        silent.into_iter().for_each(tell);
        if is_news {
            self.remember().await;
            self.renew("a neighbour is silent").await;
        }
    }

    /// Looks whether what waits at nodes is another reason for routes than before.
    async fn weigh(&mut self, reports: &Reports) {
        let site = self.site.borrow().clone();
        let Some(network) = &site.network else {
            return;
        };
        if self.claims.settle(&network.graph, reports, now()) {
            self.renew("what waits at nodes has changed").await;
        }
    }

    /// Keeps what was learned, if there is a file for it.
    async fn remember(&self) {
        let memory = self.neighbours.as_ref().map(Neighbours::memory);
        let Some((state, memory)) = self.base.state.clone().zip(memory) else {
            return;
        };
        let kept = spawn_blocking(move || state.put_memory(&memory)).await;
        let kept = kept.map_err(anyhow::Error::new);
        if let Err(error) = kept.and_then(|kept| Ok(kept?)) {
            error!("what was learned is not kept: {error:#}");
        }
    }

    async fn answer(&mut self, request: Request) {
        let Request {
            wish,
            dry_run,
            who,
            answer,
        } = request;
        let what = format!("{wish:?}");
        // The record that there was has the line, also if the wish is to have none.
        let audit = self.base.config.audit.clone();
        let outcome = if lease::holds(self.term.as_ref()) {
            self.grant(&wish, dry_run).await
        } else {
            if matches!(wish, Wish::Reload) && !dry_run {
                self.renew_certificates().await;
            }
            Err(Refused::NotHolder)
        };
        match &outcome {
            Ok(Outcome { plan, dry_run, .. }) => info!(plan, dry_run, what, who, "done as asked"),
            Err(reason) => error!(%reason, what, who, "everything stays as it was"),
        }
        if !dry_run {
            let audit = audit.or_else(|| self.base.config.audit.clone());
            let refused = outcome.as_ref().err().map(ToString::to_string);
            self.record(audit, who, wish, refused).await;
        }
        if let Some(answer) = answer {
            // Who does not wait any more does not want to know.
            let _ = answer.send(outcome);
        }
    }

    /// Goes by the certificates that the files have now, and leaves the rest as it is: a controller that
    /// etcd does not let in holds nothing, and must not have to restart for that.
    async fn renew_certificates(&self) {
        let read = self.load().await.and_then(|(_, ring)| {
            self.keychain.check(&ring).map_err(Refused::Unfit)?;
            Ok(ring)
        });
        match read {
            Ok(ring) => {
                self.keychain.replace(ring, self.etcd.as_ref());
                info!("certificates are read again");
            }
            Err(reason) => error!(%reason, "the certificates stay as they were"),
        }
    }

    /// Reads the configuration, and the certificates that it names.
    async fn load(&self) -> Result<(Site, Ring), Refused> {
        let (path, folder) = (self.path.clone(), self.folder());
        let loaded = spawn_blocking(move || {
            let site = plan::load(&path, now())?;
            let ring = Ring::read(&site, &folder)?;
            Ok::<_, PlanError>((site, ring))
        });
        let loaded = loaded.await;
        let loaded = loaded.map_err(|error| Refused::Unfit(error.to_string()))?;
        loaded.map_err(unfit)
    }

    /// Adds a line to the record of what people changed, if there is one.
    async fn record(
        &self,
        audit: Option<AuditFile>,
        who: String,
        wish: Wish,
        refused: Option<String>,
    ) {
        let Some(file) = audit else {
            return;
        };
        let path = self.folder().join(&file.path);
        let written = spawn_blocking(move || {
            let line = audit::Line::new(&who, &wish, refused.as_deref());
            audit::append(&path, &line).map_err(|error| format!("{}: {error}", path.display()))
        });
        let written = written.await.map_err(|error| error.to_string());
        if let Err(error) = written.flatten() {
            error!(error, "what was asked for is not in the record");
        }
    }

    fn folder(&self) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        folder.to_owned()
    }

    async fn grant(&mut self, wish: &Wish, dry_run: bool) -> Result<Outcome, Refused> {
        let mut overrides = self.overrides.borrow().clone();
        let mut base = self.base.clone();
        let mut ring = None;
        match wish {
            Wish::Reload => {
                let (site, new) = self.load().await?;
                self.keychain.check(&new).map_err(Refused::Unfit)?;
                ring = Some(new);
                base.check_same_switches(&site).map_err(Refused::Unfit)?;
                base = Arc::new(site);
            }
            Wish::Put(name, wanted) => {
                let mut switches = base.switches.iter();
                if !switches.any(|plan| plan.switch.name == wanted.switch) {
                    return Err(Refused::Unfit(format!(
                        "no switch is called {:?}",
                        wanted.switch
                    )));
                }
                overrides.insert(name.clone(), wanted.clone());
            }
            Wish::Remove(name) => {
                let gone = overrides.remove(name);
                gone.ok_or_else(|| Refused::NoSuch(format!("override {name:?}")))?;
            }
        }
        let made = self.make(&base, &overrides).await.map_err(Refused::Unfit)?;
        let outcome = self.outcome(&made, dry_run);
        if !dry_run {
            let epoch = self.epoch.unwrap_or(0);
            let etcd = self.etcd.clone().map(|etcd| (etcd, epoch));
            keep(&base, etcd, wish).await?;
            if let Some(ring) = ring {
                self.keychain.replace(ring, self.etcd.as_ref());
                let memory = self.neighbours.as_ref().map(Neighbours::memory);
                self.neighbours = neighbours(&base, memory.unwrap_or_default());
            }
            self.overrides.send_replace(overrides);
            self.give(base, made);
        }
        Ok(outcome)
    }

    fn outcome(&self, made: &Made, dry_run: bool) -> Outcome {
        let time = made.time;
        let plans = made.site.switches.iter().zip(&self.seats);
        let changes = |((plan, seat), orders): ((&SwitchPlan, &Seat), &Orders)| {
            let before = seat.borrow().at(time);
            let groups = difference(&orders.at(time), &before, &plan.index, &BTreeSet::new());
            let changes = groups.iter().flatten();
            SwitchChanges {
                switch: plan.switch.name.clone(),
                changes: changes
                    .map(|change| format!("{} {}", change.kind, change.item.key()))
                    .collect(),
            }
        };
        Outcome {
            plan: version(&made.site),
            dry_run,
            switches: plans.zip(&made.orders).map(changes).collect(),
        }
    }

    /// Makes the orders for all switches of a site, and hands them out if all could be made.
    async fn hand_out(&mut self, base: Arc<Site>) -> Result<(), String> {
        let overrides = self.overrides.borrow().clone();
        let made = self.make(&base, &overrides).await?;
        self.give(base, made);
        Ok(())
    }

    /// The orders of a site, with what was learned.
    async fn make(&self, base: &Arc<Site>, overrides: &Overrides) -> Result<Made, String> {
        let (base, overrides) = (base.clone(), overrides.clone());
        let (neighbours, exchange) = (self.neighbours.clone(), self.exchange.clone());
        let claims = self.claims.clone();
        let time = now();
        let made = spawn_blocking(move || {
            let own = own_network(&base, neighbours.as_ref(), time);
            let offers = exchange.as_ref().map(|exchange| {
                let network = own.as_deref();
                offers(&base, network, exchange, time)
            });
            let network = match (&own, &exchange) {
                (Some(own), Some(exchange)) => {
                    Some(Arc::new(reach::add_to(own, &exchange.known(time), time)))
                }
                _ => own,
            };
            let network = network.map(|network| claims.add_to(&network));
            let site = Arc::new(Site {
                network,
                ..Site::clone(&base)
            });
            let plans = site.switches.iter();
            let orders = plans.map(|plan| orders(&site, plan, &overrides, time));
            let orders = orders.collect::<Result<Vec<_>, _>>()?;
            Ok(Made {
                site,
                orders,
                offers,
                time,
            })
        });
        let made = made.await.map_err(|error| error.to_string())?;
        made.map_err(|error: PlanError| format!("{:#}", anyhow::Error::new(error)))
    }

    fn give(&mut self, base: Arc<Site>, made: Made) {
        let Made {
            site,
            orders,
            offers,
            time,
        } = made;
        self.base = base;
        if let (Some(exchange), Some(offers)) = (&self.exchange, offers) {
            exchange.offer(offers, time);
        }
        self.site.send_replace(site.clone());
        for (place, (plan, orders)) in site.switches.iter().zip(orders).enumerate() {
            let until = orders.rules.end().map(UtcTime::to_text);
            info!(
                switch = plan.switch.name,
                rules = orders.rules.all().len(),
                until,
                "new orders"
            );
            self.publish(&site, plan, &orders, time);
            self.seats[place].send_replace(Arc::new(orders));
        }
    }

    /// Makes a plan of orders, for the node that is the switch.
    fn publish(&mut self, site: &Site, plan: &SwitchPlan, orders: &Orders, now: UtcTime) {
        let network = site.network.as_ref();
        let Some(node) = network.and_then(|network| network.node_of(&plan.switch.name)) else {
            return;
        };
        self.version = (self.version + 1).max(now.micros() / 1000);
        let switch = &plan.switch;
        let program = program(&plan.pipeline, &switch.ports, switch.max_macs);
        match pack(self.version, now, program, orders, &plan.index) {
            Ok(plan) => self.nodes.publish(node.number, plan),
            Err(error) => error!(node = node.number, %error, "no plan for the node"),
        }
    }
}

/// Orders for all switches of a site at a time.
struct Made {
    site: Arc<Site>,
    orders: Vec<Orders>,
    /// What other clusters are told.
    offers: Option<Known>,
    time: UtcTime,
}

/// The network of a site, with what was learned.
fn own_network(site: &Site, neighbours: Option<&Neighbours>, now: UtcTime) -> Option<Arc<Network>> {
    match (&site.network, neighbours) {
        (Some(network), Some(neighbours)) => Some(Arc::new(neighbours.add_to(network, now))),
        (network, _) => network.clone(),
    }
}

/// What other clusters are told of a network.
fn offers(site: &Site, network: Option<&Network>, exchange: &Exchange, now: UtcTime) -> Known {
    let offers = |network| {
        let known = exchange.known(now);
        reach::offers(network, exchange.peering(), &known, now, horizon(site))
    };
    network.map(offers).unwrap_or_default()
}

/// Waits until other clusters have announced something, and a moment longer for what comes with it.
async fn announced(news: &mut Option<watch::Receiver<u64>>) {
    let Some(news) = news else { return };
    if news.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    sleep(TOGETHER).await;
    news.mark_unchanged();
}

fn until(time: UtcTime) -> Duration {
    Duration::from_micros(time.since(now()).micros())
}

/// Rules are made for what waits at nodes no more often than this: reports of several nodes come together,
/// and what a switch holds is not written all the time.
const BACKLOG_PAUSE: Duration = Duration::from_secs(1);

/// Updates of other clusters that come within this time are one.
const TOGETHER: Duration = Duration::from_millis(50);

/// Waits until there is news of the term.
async fn changed(term: &mut Option<watch::Receiver<Option<Term>>>) -> Option<u64> {
    if let Some(term) = term
        && term.changed().await.is_ok()
    {
        return term.borrow_and_update().map(|term| term.epoch);
    }
    std::future::pending().await
}

fn tell(news: News) {
    let News {
        node,
        neighbour,
        change,
    } = news;
    info!(%node, %neighbour, ?change, "a neighbour");
}

fn unfit(error: PlanError) -> Refused {
    Refused::Unfit(format!("{:#}", anyhow::Error::new(error)))
}

/// What is kept is on the disk before it has an effect.
async fn keep(site: &Site, etcd: Option<(Arc<Etcd>, u64)>, wish: &Wish) -> Result<(), Refused> {
    let (name, wanted) = match wish {
        Wish::Put(name, wanted) => (name.clone(), Some(wanted.clone())),
        Wish::Remove(name) => (name.clone(), None),
        Wish::Reload => return Ok(()),
    };
    let state = site.state.clone();
    let done = spawn_blocking(move || -> Result<(), Refused> {
        if let Some((etcd, epoch)) = etcd {
            let kept = lease_etcd::keep_override(&etcd, epoch, &name, wanted.as_ref());
            return kept.map_err(|error| unfit(error.into()));
        }
        let state = state.ok_or(Refused::NoState)?;
        let kept = match wanted {
            Some(wanted) => state.put_override(&name, &wanted),
            None => state.remove_override(&name),
        };
        kept.map_err(|error| unfit(error.into()))
    });
    done.await
        .map_err(|error| Refused::Unfit(error.to_string()))?
}

fn neighbours(site: &Site, memory: Memory) -> Option<Neighbours> {
    let learning = site.config.contacts.as_ref()?.learn.as_ref()?;
    Some(Neighbours::remembering(learning, memory, now()))
}

fn kept_memory(site: &Site) -> Result<Memory, PlanError> {
    let kept = site.state.as_ref().map(State::memory);
    Ok(kept.transpose()?.unwrap_or_default())
}

fn version(site: &Site) -> u64 {
    site.network.as_ref().map_or(0, |network| network.version)
}

fn horizon(site: &Site) -> Span {
    let contacts = site.config.contacts.as_ref();
    Span::from_seconds(contacts.map_or(0, |contacts| contacts.horizon_s.into()))
}
