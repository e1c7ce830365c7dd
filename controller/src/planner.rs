// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keeps rules ahead of the time: computes them for a horizon, and again when half of it is over.

use std::{sync::Arc, time::Duration};

use contact::{Search, Span, UtcTime};
use control::{
    orders::Orders,
    plan::{pack, program},
    supervise::now,
};
use tokio::{sync::watch, task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    distribute::Distributor,
    plan::{PlanError, Site, SwitchPlan},
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
    let rules = network.rules(&mut Search::new(), node, (from, until), &plan.index);
    let rules = rules.map_err(|misfit| PlanError::Misfits {
        switch: plan.switch.name.clone(),
        misfits: vec![misfit],
    })?;
    Ok(Orders { intent, rules })
}

/// Makes orders in time, and hands them to switches and nodes.
#[derive(Debug)]
pub(crate) struct Planner {
    site: Arc<Site>,
    seats: Vec<Seat>,
    nodes: Distributor,
    version: u64,
}

impl Planner {
    pub(crate) fn new(site: Site, nodes: Distributor) -> Self {
        Self {
            site: Arc::new(site),
            seats: Vec::new(),
            nodes,
            version: 0,
        }
    }

    /// The first orders for the next switch, and where later ones come from. Its node gets them
    /// as a plan.
    ///
    /// # Errors
    /// If routes do not fit the program.
    pub(crate) fn seat(&mut self) -> Result<watch::Receiver<Arc<Orders>>, PlanError> {
        let plan = &self.site.switches[self.seats.len()];
        let now = now();
        let first = orders(&self.site, plan, now)?;
        let plan = plan.clone();
        self.publish(&plan, &first, now);
        let (seat, newest) = watch::channel(Arc::new(first));
        self.seats.push(seat);
        Ok(newest)
    }

    /// Sends new orders to all switches and nodes in time, until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let pause = Duration::from_micros(horizon(&self.site).micros() / 2);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause), if self.site.network.is_some() => {}
            }
            for place in 0..self.seats.len() {
                let site = self.site.clone();
                let made = spawn_blocking(move || orders(&site, &site.switches[place], now()));
                match made.await {
                    Ok(Ok(orders)) => self.hand_out(place, orders),
                    // The last rules stay, and end at their time.
                    Ok(Err(error)) => error!(switch = place, %error, "no new rules"),
                    Err(error) => error!(switch = place, %error, "no new rules"),
                }
            }
        }
    }

    fn hand_out(&mut self, place: usize, orders: Orders) {
        let until = orders.rules.end().map(UtcTime::to_text);
        info!(
            switch = place,
            rules = orders.rules.all().len(),
            until,
            "rules go on"
        );
        let plan = self.site.switches[place].clone();
        self.publish(&plan, &orders, now());
        self.seats[place].send_replace(Arc::new(orders));
    }

    /// Makes a plan of orders, for the node that is the switch.
    fn publish(&mut self, plan: &SwitchPlan, orders: &Orders, now: UtcTime) {
        let network = self.site.network.as_ref();
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
