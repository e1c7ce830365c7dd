// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The HTTP interface for people, programs and Prometheus.
//!
//! Reading and writing have different rights: see [`crate::tls::Caller`].

use std::io;
use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, Path, RawQuery, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::get,
};
use contact::{NodeNumber, UtcTime};
use control::{
    desired::ItemKey,
    orders::Orders,
    rules::Rule,
    supervise::{Status, Term, now},
};
use serde::Serialize;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi as _;

use crate::{
    adapters::{AdapterStatus, Adapters},
    api::{
        answers::{
            Arguments, BacklogRow, Contact, ContactRow, Failure, LeftOut, OpenApi, PlanText,
            Refusal, Route, Rule as RuleAnswer, Switch, Unsound, check_name, words,
        },
        metrics::metrics_text,
    },
    backlog::{Claim, Pair, TakenContact},
    config::PlanFormat,
    distribute::{Distributor, NodeStatus},
    export, lease,
    overrides::{Override, Overrides},
    peering::{Exchange, PeerStatus},
    plan::Site,
    planner::{Outcome, Request, Wish},
    tls::{Caller, Door},
};

mod answers;
mod metrics;
mod watching;

/// What the interface shows.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) site: watch::Receiver<Arc<Site>>,
    /// By switch, in the order of the configuration.
    pub(crate) orders: Vec<watch::Receiver<Arc<Orders>>>,
    pub(crate) statuses: watch::Receiver<Vec<Status>>,
    pub(crate) nodes: Distributor,
    pub(crate) overrides: watch::Receiver<Overrides>,
    /// For nodes of other implementations.
    pub(crate) adapters: Adapters,
    /// With other clusters.
    pub(crate) exchange: Option<Exchange>,
    pub(crate) term: Option<watch::Receiver<Option<Term>>>,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) stop: CancellationToken,
}

/// The interface while it is served.
#[derive(Clone, Debug)]
struct Served {
    api: Api,
    /// Those who watch.
    watchers: Arc<Mutex<JoinSet<()>>>,
}

/// Serves until `stop`.
///
/// # Errors
/// The listener fails.
pub(crate) async fn serve(door: Door, api: Api, stop: CancellationToken) -> io::Result<()> {
    let watchers = Arc::default();
    let router = Router::new()
        .route("/v1/switches", get(switches))
        .route("/v1/nodes", get(nodes))
        .route("/v1/contacts", get(contacts))
        .route("/v1/plan", get(plan))
        .route("/v1/adapters", get(adapters))
        .route("/v1/peers", get(peers))
        .route("/v1/backlog", get(backlog))
        .route("/v1/rules", get(rules))
        .route("/v1/routes", get(routes))
        .route("/v1/reload", axum::routing::post(reload))
        .route("/v1/overrides", get(overrides))
        .route(
            "/v1/overrides/{name}",
            axum::routing::put(put_override).delete(remove_override),
        )
        .route("/v1/events", get(watching::events))
        .route("/v1/openapi.json", get(openapi))
        .route("/metrics", get(metrics))
        .with_state(Served { api, watchers });
    let service = router.into_make_service_with_connect_info::<Caller>();
    axum::serve(door, service)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// How each switch is doing.
#[utoipa::path(get, path = "/v1/switches", responses((status = 200, body = Vec<Switch>)))]
async fn switches(State(served): State<Served>) -> Response {
    answer(Ok(served.api.switches()))
}

/// Which plans each node should have, has on its disk and goes by, and what it reported.
#[utoipa::path(get, path = "/v1/nodes", responses((status = 200, body = Vec<NodeStatus>)))]
async fn nodes(State(served): State<Served>) -> Response {
    answer(Ok(served.api.nodes.nodes()))
}

/// The contacts of the plan that are open now or later, with those that were learned.
#[utoipa::path(get, path = "/v1/contacts", responses((status = 200, body = Vec<ContactRow>)))]
async fn contacts(State(served): State<Served>) -> Response {
    answer(Ok(served.api.contacts()))
}

/// What is not over of the contact plan, in the form of another implementation, as far as that can
/// say it.
#[utoipa::path(get, path = "/v1/plan",
    params(("format" = String, Query, description = "ion, hdtn or tvg-util"),
           ("origin" = Option<String>, Query, description = "from when hdtn and tvg-util count; default 1970")),
    responses((status = 200, body = PlanText), (status = 400, body = Failure),
              (status = 404, body = Failure), (status = 422, body = Failure)))]
async fn plan(State(served): State<Served>, RawQuery(query): RawQuery) -> Response {
    answer(served.api.plan(&Arguments::new(query.as_deref())))
}

/// How it stands with nodes of other implementations: which plan each should have, and has.
#[utoipa::path(get, path = "/v1/adapters", responses((status = 200, body = Vec<AdapterStatus>)))]
async fn adapters(State(served): State<Served>) -> Response {
    answer(Ok(served.api.adapters.statuses()))
}

/// How it stands with other clusters.
#[utoipa::path(get, path = "/v1/peers", responses((status = 200, body = Vec<PeerStatus>)))]
async fn peers(State(served): State<Served>) -> Response {
    let exchange = served.api.exchange.as_ref();
    answer(Ok(
        exchange.map_or(Vec::new(), |exchange| exchange.statuses(now()))
    ))
}

/// What waits at nodes for their neighbours, as they reported it, and what that takes of contacts.
#[utoipa::path(get, path = "/v1/backlog", responses((status = 200, body = Vec<BacklogRow>)))]
async fn backlog(State(served): State<Served>) -> Response {
    answer(Ok(served.api.backlog()))
}

/// The rules of a switch that hold at a time, and why each is there.
#[utoipa::path(get, path = "/v1/rules",
    params(("switch" = String, Query, description = "name of the switch"),
           ("at" = Option<String>, Query, description = "UTC, as 2026-11-28T06:00:00Z; default now")),
    responses((status = 200, body = Vec<RuleAnswer>), (status = 400, body = Failure),
              (status = 404, body = Failure)))]
async fn rules(State(served): State<Served>, RawQuery(query): RawQuery) -> Response {
    answer(served.api.rules(&Arguments::new(query.as_deref())))
}

/// The route of a bundle by the contact plan.
#[utoipa::path(get, path = "/v1/routes",
    params(("from" = u64, Query, description = "number of the node where the bundle is"),
           ("to" = u64, Query, description = "number of the node to which it goes"),
           ("at" = Option<String>, Query, description = "when it departs; default now")),
    responses((status = 200, body = Route), (status = 400, body = Failure),
              (status = 404, body = Failure)))]
async fn routes(State(served): State<Served>, RawQuery(query): RawQuery) -> Response {
    answer(served.api.route(&Arguments::new(query.as_deref())))
}

/// Reads the configuration again. What is wrong with it changes nothing.
#[utoipa::path(post, path = "/v1/reload",
    params(("dry_run" = Option<bool>, Query, description = "only say what would be written")),
    responses((status = 200, body = Outcome), (status = 403, body = Failure),
              (status = 409, body = Failure), (status = 422, body = Failure)))]
async fn reload(
    State(served): State<Served>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    RawQuery(query): RawQuery,
) -> Response {
    answer(served.api.ask(caller, Ok(Wish::Reload), query).await)
}

/// What operators ask for, by name.
#[utoipa::path(get, path = "/v1/overrides",
    responses((status = 200, body = std::collections::BTreeMap<String, Override>)))]
async fn overrides(State(served): State<Served>) -> Response {
    answer(Ok(served.api.overrides.borrow().clone()))
}

/// Asks for an entry that nothing which is computed or learned removes.
#[utoipa::path(put, path = "/v1/overrides/{name}", request_body = Override,
    params(("name" = String, Path, description = "letters, digits, and .-_"),
           ("dry_run" = Option<bool>, Query, description = "only say what would be written")),
    responses((status = 200, body = Outcome), (status = 400, body = Failure),
              (status = 403, body = Failure), (status = 409, body = Failure),
              (status = 422, body = Failure)))]
async fn put_override(
    State(served): State<Served>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let wanted = serde_json::from_slice(&body).map_err(|error| Unsound(error.to_string()));
    let wish = check_name(&name).and_then(|()| Ok(Wish::Put(name, wanted?)));
    answer(served.api.ask(caller, wish, query).await)
}

/// Takes an override back.
#[utoipa::path(delete, path = "/v1/overrides/{name}",
    params(("name" = String, Path, description = "its name"),
           ("dry_run" = Option<bool>, Query, description = "only say what would be written")),
    responses((status = 200, body = Outcome), (status = 403, body = Failure),
              (status = 404, body = Failure), (status = 409, body = Failure)))]
async fn remove_override(
    State(served): State<Served>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    answer(served.api.ask(caller, Ok(Wish::Remove(name)), query).await)
}

/// This description.
#[utoipa::path(get, path = "/v1/openapi.json", responses((status = 200, body = Object)))]
async fn openapi() -> Response {
    answer(Ok(OpenApi::openapi()))
}

/// Numbers for Prometheus.
#[utoipa::path(get, path = "/metrics",
    responses((status = 200, body = String, content_type = "text/plain")))]
async fn metrics(State(served): State<Served>) -> Response {
    let text = metrics_text(&served.api);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

fn answer<T: Serialize>(found: Result<T, Refusal>) -> Response {
    let (status, body) = match found {
        Ok(value) => (StatusCode::OK, serde_json::to_string_pretty(&value)),
        Err(Refusal(status, error)) => (status, serde_json::to_string_pretty(&Failure { error })),
    };
    match body {
        Ok(body) => {
            let head = [(CONTENT_TYPE, "application/json")];
            (status, head, body + "\n").into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

impl Api {
    /// Asks for what only operators may.
    async fn ask(
        &self,
        caller: Caller,
        wish: Result<Wish, Unsound>,
        query: Option<String>,
    ) -> Result<Outcome, Refusal> {
        if !caller.is_operator {
            let text = "this needs a certificate that the controller knows";
            return Err(Refusal(StatusCode::FORBIDDEN, text.to_owned()));
        }
        let wish = wish.map_err(Refusal::from)?;
        let arguments = Arguments::new(query.as_deref());
        let dry_run = arguments.flag("dry_run")?;
        let (sender, outcome) = oneshot::channel();
        let request = Request {
            wish,
            dry_run,
            who: caller.to_string(),
            answer: Some(sender),
        };
        let gone = || Refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping".to_owned());
        self.requests.send(request).await.map_err(|_| gone())?;
        let outcome = outcome.await.map_err(|_| gone())?;
        Ok(outcome?)
    }

    fn switches(&self) -> Vec<Switch> {
        let (site, statuses) = (self.site.borrow().clone(), self.statuses.borrow().clone());
        let shown = site.switches.iter().zip(&statuses).map(|(plan, status)| {
            let (status, detail) = words(status, self.holds());
            Switch {
                name: plan.switch.name.clone(),
                address: plan.switch.address.clone(),
                device_id: plan.switch.device_id,
                status,
                detail,
            }
        });
        shown.collect()
    }

    fn holds(&self) -> bool {
        lease::holds(self.term.as_ref())
    }

    fn contacts(&self) -> Vec<ContactRow> {
        let site = self.site.borrow().clone();
        let contacts = site
            .network
            .iter()
            .flat_map(|network| network.plan.contacts());
        let now = now();
        contacts
            .filter(|contact| now < contact.end)
            .map(ContactRow::from)
            .collect()
    }

    fn plan(&self, arguments: &Arguments<'_>) -> Result<PlanText, Refusal> {
        let name = arguments.find("format").unwrap_or_default();
        let format = PlanFormat::of(name)
            .ok_or_else(|| Unsound("format has to be ion, hdtn or tvg-util".to_owned()))?;
        let origin = match arguments.find("origin") {
            Some(_) => arguments.time("origin")?,
            None => UtcTime::from_seconds(0),
        };
        let site = self.site.borrow().clone();
        let none = || {
            let text = "there is no contact plan".to_owned();
            Refusal(StatusCode::NOT_FOUND, text)
        };
        let network = site.network.as_ref().ok_or_else(none)?;
        let plan = export::in_terms_of(format, &network.plan, now());
        let text = export::text(format, &plan, network.version, origin);
        let text =
            text.map_err(|error| Refusal(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
        Ok(PlanText {
            version: network.version,
            format: name.to_owned(),
            text,
        })
    }

    fn backlog(&self) -> Vec<BacklogRow> {
        let network = self.site.borrow().network.clone();
        let taken = network.and_then(|network| network.taken.clone());
        let contacts = |(node, neighbour): Pair| {
            let contacts = taken.iter().flat_map(|taken| taken.contacts());
            let of_pair = contacts
                .filter(move |taken| (taken.contact.from, taken.contact.to) == (node, neighbour));
            of_pair.map(taken_text).collect()
        };
        let reports = self.nodes.backlog();
        let reports = reports.borrow();
        let row = |(pair, claim): (Pair, Claim)| BacklogRow {
            node: pair.0.0,
            neighbour: pair.1.0,
            bulk_octets: claim.octets.bulk,
            normal_octets: claim.octets.normal,
            expedited_octets: claim.octets.expedited,
            reported: claim.at.to_text(),
            taken: contacts(pair),
        };
        reports.current(now()).map(row).collect()
    }

    fn rules(&self, arguments: &Arguments<'_>) -> Result<Vec<RuleAnswer>, Refusal> {
        let name = arguments.find("switch").unwrap_or_default();
        let at = arguments.time("at")?;
        let site = self.site.borrow().clone();
        let mut switches = site.switches.iter();
        let place = switches.position(|plan| plan.switch.name == name);
        let orders = place.and_then(|place| self.orders.get(place));
        let none = || {
            let text = format!("no switch is called {name:?}");
            Refusal(StatusCode::NOT_FOUND, text)
        };
        let orders = orders.ok_or_else(none)?.borrow().clone();
        let show = |rule: &Rule| RuleAnswer {
            entry: ItemKey::Entry(rule.entry.key.clone()).to_string(),
            action: rule.entry.action.clone(),
            from: rule.from.to_text(),
            until: rule.until.to_text(),
            why: rule.why.clone(),
        };
        Ok(orders.rules.at(at).map(show).collect())
    }

    fn route(&self, arguments: &Arguments<'_>) -> Result<Route, Refusal> {
        let (from, to) = (arguments.number("from")?, arguments.number("to")?);
        let at = arguments.time("at")?;
        let site = self.site.borrow().clone();
        let none = |text: &str| Refusal(StatusCode::NOT_FOUND, text.to_owned());
        let network = site.network.as_ref();
        let network = network.ok_or_else(|| none("there is no contact plan"))?;
        let route = network.itinerary(NodeNumber(from), NodeNumber(to), at);
        let left_out = network.left_out(NodeNumber(from), NodeNumber(to), at);
        let route = route.ok_or_else(|| {
            let why = left_out.iter().map(|left_out| format!("; {left_out}"));
            none(&format!("there is no route{}", why.collect::<String>()))
        })?;
        Ok(Route {
            departure: at.to_text(),
            arrival: route.arrival.to_text(),
            confidence: route.confidence.probability(),
            plan: network.version,
            contacts: route.legs.iter().map(Contact::from).collect(),
            left_out: left_out.iter().map(LeftOut::from).collect(),
        })
    }
}

fn taken_text(taken: &TakenContact) -> String {
    let (start, end) = (taken.contact.start.to_text(), taken.contact.end.to_text());
    let until = taken
        .free_from
        .map(|time| format!("until {}", time.to_text()));
    let until = until.unwrap_or_else(|| "full".to_owned());
    format!("{start} to {end}: {until}")
}
