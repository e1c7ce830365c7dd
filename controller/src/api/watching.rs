// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A stream of what changes, as server-sent events.

use std::{sync::PoisonError, time::Duration};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response, Sse, sse::Event, sse::KeepAlive},
};
use serde::Serialize;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        Api, Served, answer,
        answers::{ContactRow, Failure, Refusal, Switch},
    },
    distribute::NodeStatus,
    overrides::Overrides,
};

/// What changes follow each other, until the caller leaves: events `switches`, `nodes`, `contacts` and
/// `overrides`, whose data are what `GET /v1/...` of that name answers. All of them come first.
#[utoipa::path(get, path = "/v1/events",
    responses((status = 200, body = String, content_type = "text/event-stream"),
              (status = 503, body = Failure)))]
pub(super) async fn events(State(served): State<Served>) -> Response {
    let mut watchers = served
        .watchers
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    while watchers.try_join_next().is_some() {}
    if watchers.len() >= MOST_WATCHERS {
        let text = format!("{MOST_WATCHERS} callers watch already");
        return answer::<()>(Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, text)));
    }
    let (sender, receiver) = mpsc::channel(QUEUE);
    let stop = served.api.stop.clone();
    watchers.spawn(watch(served.api.clone(), sender, stop));
    Sse::new(ReceiverStream::new(receiver))
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// What was told last.
#[derive(Default)]
struct Told {
    switches: Option<Vec<Switch>>,
    nodes: Option<Vec<NodeStatus>>,
    contacts: Option<Vec<ContactRow>>,
    overrides: Option<Overrides>,
}

type Sender = mpsc::Sender<Result<Event, axum::Error>>;

/// Ends when the caller leaves, or with `stop`.
async fn watch(mut api: Api, sender: Sender, stop: CancellationToken) {
    let mut told = Told::default();
    let mut news = api.nodes.news();
    loop {
        let events = [
            event("switches", &mut told.switches, api.switches()),
            event("nodes", &mut told.nodes, api.nodes.nodes()),
            event("contacts", &mut told.contacts, api.contacts()),
            event(
                "overrides",
                &mut told.overrides,
                api.overrides.borrow_and_update().clone(),
            ),
        ];
        for event in events.into_iter().flatten() {
            // A caller who does not read gets the newest state when it does.
            if sender.send(event).await.is_err() {
                return;
            }
        }
        let look = Instant::now() + LONGEST_SLEEP;
        tokio::select! {
            () = stop.cancelled() => return,
            () = sender.closed() => return,
            Ok(()) = api.site.changed() => {}
            Ok(()) = api.statuses.changed() => {}
            Ok(()) = api.overrides.changed() => {}
            Ok(()) = news.changed() => {}
            () = sleep_until(look) => {}
        }
    }
}

/// An event, if there is something to tell.
fn event<T: Clone + PartialEq + Serialize>(
    name: &str,
    told: &mut Option<T>,
    state: T,
) -> Option<Result<Event, axum::Error>> {
    if told.as_ref() == Some(&state) {
        return None;
    }
    let data = serde_json::to_string(&state).map_err(axum::Error::new);
    *told = Some(state);
    Some(data.map(|data| Event::default().event(name).data(data)))
}

/// Callers at a time.
const MOST_WATCHERS: usize = 64;
/// Events that wait for a caller.
const QUEUE: usize = 8;
/// Contacts end without anybody saying so, and so does the lease of the cluster.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
