// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The HTTP interface for people, programs and Prometheus. There is no access control.

use std::{fmt::Write as _, io, sync::Arc};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use contact::{NodeNumber, UtcTime};
use control::{
    desired::ItemKey,
    orders::Orders,
    rules::Rule,
    supervise::{Status, now},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{distribute::Distributor, plan::Site, planner::Reload};

/// What the interface shows.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) site: watch::Receiver<Arc<Site>>,
    /// By switch, in the order of the configuration.
    pub(crate) orders: Vec<watch::Receiver<Arc<Orders>>>,
    pub(crate) statuses: watch::Receiver<Vec<Status>>,
    pub(crate) nodes: Distributor,
    pub(crate) reload: mpsc::Sender<Reload>,
}

/// A request that cannot be answered.
struct Refusal(StatusCode, String);

/// Serves until `stop`.
///
/// # Errors
/// The listener fails.
pub(crate) async fn serve(
    listener: TcpListener,
    api: Api,
    stop: CancellationToken,
) -> io::Result<()> {
    let router = Router::new()
        .route(
            "/v1/switches",
            get(|State(api): State<Api>| async move { api.switches() }),
        )
        .route(
            "/v1/nodes",
            get(|State(api): State<Api>| async move { api.all_nodes() }),
        )
        .route("/v1/rules", get(rules))
        .route("/v1/routes", get(routes))
        .route("/v1/reload", post(reload))
        .route(
            "/metrics",
            get(|State(api): State<Api>| async move { api.metrics() }),
        )
        .with_state(api);
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

async fn rules(State(api): State<Api>, RawQuery(query): RawQuery) -> Response {
    answer(api.rules(&Arguments::new(query.as_deref())))
}

async fn routes(State(api): State<Api>, RawQuery(query): RawQuery) -> Response {
    answer(api.route(&Arguments::new(query.as_deref())))
}

async fn reload(State(api): State<Api>) -> Response {
    let (sender, outcome) = oneshot::channel();
    let gone = || Refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping".to_owned());
    if api.reload.send(Some(sender)).await.is_err() {
        return answer(Err(gone()));
    }
    answer(match outcome.await {
        Ok(Ok(version)) => Ok(json!({ "plan": version })),
        Ok(Err(reason)) => Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, reason)),
        Err(_) => Err(gone()),
    })
}

fn answer(found: Result<Value, Refusal>) -> Response {
    let (status, body) = match found {
        Ok(value) => (StatusCode::OK, value),
        Err(Refusal(status, error)) => (status, json!({ "error": error })),
    };
    let text = format!("{body:#}\n");
    (status, [(CONTENT_TYPE, "application/json")], text).into_response()
}

/// The arguments of a request.
struct Arguments<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Arguments<'a> {
    /// None of the arguments has letters that need an escape.
    fn new(query: Option<&'a str>) -> Self {
        let pairs = query.unwrap_or_default().split('&');
        Self(pairs.filter_map(|pair| pair.split_once('=')).collect())
    }

    fn find(&self, name: &str) -> Option<&'a str> {
        let mut pairs = self.0.iter();
        pairs
            .find(|(found, _)| *found == name)
            .map(|(_, value)| *value)
    }

    fn number(&self, name: &str) -> Result<u64, Refusal> {
        let number = self.find(name).and_then(|text| text.parse().ok());
        number.ok_or_else(|| bad(format!("{name} has to be a number")))
    }

    /// A time; now if there is none.
    fn time(&self, name: &str) -> Result<UtcTime, Refusal> {
        let Some(text) = self.find(name) else {
            return Ok(now());
        };
        let time = UtcTime::from_text(text);
        time.ok_or_else(|| bad(format!("{name} has to be of the form 2026-11-28T06:00:00Z")))
    }
}

fn bad(text: String) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, text)
}

impl Api {
    fn switches(&self) -> Response {
        let (site, statuses) = (self.site.borrow().clone(), self.statuses.borrow().clone());
        let shown = site.switches.iter().zip(&statuses).map(|(plan, status)| {
            let (word, detail) = words(status);
            json!({"name": plan.switch.name, "address": plan.switch.address,
                   "device_id": plan.switch.device_id, "status": word, "detail": detail})
        });
        answer(Ok(shown.collect()))
    }

    fn all_nodes(&self) -> Response {
        let nodes = serde_json::to_value(self.nodes.nodes());
        answer(nodes.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())))
    }

    /// The rules of a switch that hold at a time, and why.
    fn rules(&self, arguments: &Arguments<'_>) -> Result<Value, Refusal> {
        let name = arguments.find("switch").unwrap_or_default();
        let at = arguments.time("at")?;
        let site = self.site.borrow().clone();
        let place = site
            .switches
            .iter()
            .position(|plan| plan.switch.name == name);
        let orders = place.and_then(|place| self.orders.get(place));
        let none = || {
            Refusal(
                StatusCode::NOT_FOUND,
                format!("no switch is called {name:?}"),
            )
        };
        let orders = orders.ok_or_else(none)?.borrow().clone();
        let show = |rule: &Rule| {
            let entry = ItemKey::Entry(rule.entry.key.clone()).to_string();
            json!({"entry": entry, "action": rule.entry.action, "from": rule.from.to_text(),
                   "until": rule.until.to_text(), "why": rule.why})
        };
        Ok(orders.rules.at(at).map(show).collect())
    }

    /// The route of a bundle by the contact plan.
    fn route(&self, arguments: &Arguments<'_>) -> Result<Value, Refusal> {
        let (from, to) = (arguments.number("from")?, arguments.number("to")?);
        let at = arguments.time("at")?;
        let site = self.site.borrow().clone();
        let none = |text: &str| Refusal(StatusCode::NOT_FOUND, text.to_owned());
        let network = site
            .network
            .as_ref()
            .ok_or_else(|| none("there is no contact plan"))?;
        let route = network.itinerary(NodeNumber(from), NodeNumber(to), at);
        let route = route.ok_or_else(|| none("there is no route"))?;
        let contacts = route.legs.iter().map(|leg| {
            json!({"from": leg.from.0, "to": leg.to.0, "start": leg.start.to_text(),
                   "end": leg.end.to_text()})
        });
        Ok(
            json!({"departure": at.to_text(), "arrival": route.arrival.to_text(),
            "confidence": route.confidence.probability(), "plan": network.version,
            "contacts": contacts.collect::<Value>()}),
        )
    }

    fn metrics(&self) -> Response {
        let (site, statuses) = (self.site.borrow().clone(), self.statuses.borrow().clone());
        let mut text = Text::default();
        let version = site.network.as_ref().map_or(0, |network| network.version);
        text.head(
            "plan_version",
            "The version of the contact plan; 0 if there is none.",
        );
        text.line("plan_version", "", version);
        let switches = || {
            site.switches
                .iter()
                .map(|plan| format!("{{switch=\"{}\"}}", plan.switch.name))
        };
        text.head(
            "switch_programmed",
            "Whether the switch holds what it should.",
        );
        for (labels, status) in switches().zip(&statuses) {
            let programmed = matches!(status, Status::Programmed { .. });
            text.line("switch_programmed", &labels, u64::from(programmed));
        }
        text.head("rules", "Rules for the time ahead.");
        for (labels, orders) in switches().zip(&self.orders) {
            text.line("rules", &labels, orders.borrow().rules.all().len() as u64);
        }
        text.head("rules_now", "Rules that hold now.");
        for (labels, orders) in switches().zip(&self.orders) {
            text.line(
                "rules_now",
                &labels,
                orders.borrow().rules.at(now()).count() as u64,
            );
        }
        let nodes = self.nodes.nodes();
        let label = |node: u64| format!("{{node=\"{node}\"}}");
        text.head("node_connected", "Whether the node is attached.");
        for node in &nodes {
            text.line(
                "node_connected",
                &label(node.node),
                u64::from(node.connected),
            );
        }
        text.head(
            "node_plan_version",
            "Plans of the node: wanted, held on its disk, active.",
        );
        for node in &nodes {
            for (stage, version) in [
                ("wanted", node.wanted),
                ("held", node.held),
                ("active", node.active),
            ] {
                let labels = format!("{{node=\"{}\",stage=\"{stage}\"}}", node.node);
                text.line("node_plan_version", &labels, version);
            }
        }
        ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text.0).into_response()
    }
}

/// Metrics in Prometheus' form.
#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(
            self.0,
            "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} gauge"
        );
    }

    fn line(&mut self, name: &str, labels: &str, value: u64) {
        let _ = writeln!(self.0, "{PREFIX}{name}{labels} {value}");
    }
}

const PREFIX: &str = "sddtn_controller_";

fn words(status: &Status) -> (&'static str, String) {
    match status {
        Status::Unreachable { reason } => ("unreachable", reason.clone()),
        Status::Backup => ("backup", "another controller is primary".to_owned()),
        Status::Connected => ("connected", "being programmed".to_owned()),
        Status::Refused { reason } => ("refused", reason.clone()),
        Status::Programmed { items } => ("programmed", format!("{items} items")),
        Status::Incomplete { differences } => ("incomplete", format!("{differences} differences")),
    }
}
