// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keeps rules ahead of the time: computes them for a horizon, and again when half of it is over.

use std::{path::PathBuf, sync::Arc, time::Duration};

use contact::{Search, Span, UtcTime};
use control::{
    orders::Orders,
    plan::{pack, program},
    supervise::now,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::spawn_blocking,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    distribute::Distributor,
    plan::{self, PlanError, Site, SwitchPlan},
};

/// Where the orders for a switch go.
pub type Seat = watch::Sender<Arc<Orders>>;

/// What a switch is to hold from a time on, until the horizon.
///
/// # Errors
/// If routes do not fit the program.
pub fn orders(site: &Site, plan: &SwitchPlan, from: UtcTime) -> Result<Orders, PlanError> {
    let intent = plan.intent.clone();
    let node = site.network.as_ref().and_then(|network| {
        let node = network.node_of(&plan.switch.name)?;
        Some((network, node))
    });
    let Some((network, node)) = node else {
        return Ok(Orders {
            intent,
            ..Orders::default()
        });
    };
    let until = from.checked_add(horizon(site)).unwrap_or(UtcTime::MAX);
    let times = (from, until);
    let pieces = network.pieces(&mut Search::new(), node, times);
    let rules = network.rules_of(node, &pieces, times, &plan.index);
    let rules = rules.map_err(|misfit| PlanError::Misfits {
        switch: plan.switch.name.clone(),
        misfits: vec![misfit],
    })?;
    Ok(Orders {
        intent,
        rules,
        slow_path: network.slow_path(node, &pieces, times),
    })
}

/// A wish to read the configuration again. The answer is the version of the contact plan, or why
/// everything stays as it is.
pub(crate) type Reload = Option<oneshot::Sender<Result<u64, String>>>;

/// Makes orders in time, and hands them to switches and nodes.
#[derive(Debug)]
pub(crate) struct Planner {
    path: PathBuf,
    site: watch::Sender<Arc<Site>>,
    seats: Vec<Seat>,
    nodes: Distributor,
    version: u64,
}

impl Planner {
    /// A planner for the site that a configuration file describes.
    pub(crate) fn new(path: PathBuf, site: Arc<Site>, nodes: Distributor) -> Self {
        Self {
            path,
            site: watch::channel(site).0,
            seats: Vec::new(),
            nodes,
            version: 0,
        }
    }

    /// The site that is in force.
    pub(crate) fn site(&self) -> watch::Receiver<Arc<Site>> {
        self.site.subscribe()
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
        let first = orders(&site, plan, now)?;
        self.publish(&site, plan, &first, now);
        let (seat, newest) = watch::channel(Arc::new(first));
        self.seats.push(seat);
        Ok(newest)
    }

    /// Sends new orders to all switches and nodes in time, and when the configuration is read
    /// again, until `stop`.
    pub(crate) async fn run(
        mut self,
        mut reloads: mpsc::Receiver<Reload>,
        stop: CancellationToken,
    ) {
        let mut renewal = Instant::now() + self.pause();
        loop {
            let has_network = self.site.borrow().network.is_some();
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(renewal), if has_network => {
                    let site = self.site.borrow().clone();
                    // The last rules stay, and end at their time.
                    if let Err(error) = self.hand_out(site).await {
                        error!(error, "no new rules");
                    }
                }
                Some(answer) = reloads.recv() => {
                    let outcome = self.reload().await;
                    match &outcome {
                        Ok(plan) => info!(plan, "the configuration was read again"),
                        Err(reason) => error!(reason, "the configuration stays as it was"),
                    }
                    if let Some(answer) = answer {
                        // Who does not wait any more does not want to know.
                        let _ = answer.send(outcome);
                    }
                }
            }
            renewal = Instant::now() + self.pause();
        }
    }

    fn pause(&self) -> Duration {
        Duration::from_micros(horizon(&self.site.borrow()).micros() / 2)
    }

    /// Goes over to what the configuration says now, or keeps everything.
    async fn reload(&mut self) -> Result<u64, String> {
        let path = self.path.clone();
        let loaded = spawn_blocking(move || plan::load(&path, now())).await;
        let site = loaded.map_err(|error| error.to_string())?;
        let site = site.map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
        self.site.borrow().check_same_switches(&site)?;
        let version = site.network.as_ref().map_or(0, |network| network.version);
        self.hand_out(Arc::new(site)).await?;
        Ok(version)
    }

    /// Makes the orders for all switches of a site, and hands them out if all could be made.
    async fn hand_out(&mut self, site: Arc<Site>) -> Result<(), String> {
        let making = site.clone();
        let now = now();
        let made = spawn_blocking(move || {
            let plans = making.switches.iter();
            let orders = plans.map(|plan| orders(&making, plan, now));
            orders.collect::<Result<Vec<_>, _>>()
        });
        let made = made.await.map_err(|error| error.to_string())?;
        let made = made.map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
        self.site.send_replace(site.clone());
        for (place, (plan, orders)) in site.switches.iter().zip(made).enumerate() {
            let until = orders.rules.end().map(UtcTime::to_text);
            info!(
                switch = plan.switch.name,
                rules = orders.rules.all().len(),
                until,
                "new orders"
            );
            self.publish(&site, plan, &orders, now);
            self.seats[place].send_replace(Arc::new(orders));
        }
        Ok(())
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

fn horizon(site: &Site) -> Span {
    let contacts = site.config.contacts.as_ref();
    Span::from_seconds(contacts.map_or(0, |contacts| contacts.horizon_s.into()))
}
