// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Numbers for Prometheus.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::broker;
use crate::leaf::core::{Levels, Tally};

/// The last numbers that the parts of the daemon published.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Numbers>>);

#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    broker: broker::Tally,
    doors: usize,
    sockets: usize,
    leaf: Tally,
    levels: Levels,
    overrun: u64,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Numbers> {
        // Nothing that can panic happens half way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the numbers of the broker.
    pub fn publish_broker(&self, tally: broker::Tally, (doors, sockets): (usize, usize)) {
        let mut numbers = self.lock();
        numbers.broker = tally;
        numbers.doors = doors;
        numbers.sockets = sockets;
    }

    /// Replaces the numbers of the leaf agent, or of the store of another one.
    pub fn publish_store(&self, tally: Tally, levels: Levels) {
        let mut numbers = self.lock();
        numbers.leaf = tally;
        numbers.levels = levels;
    }

    /// A datagram was dropped, because too many were waiting.
    pub fn count_overrun(&self) {
        self.lock().overrun += 1;
    }

    /// All of them, as Prometheus reads them.
    #[must_use]
    pub fn text(&self) -> String {
        let numbers = *self.lock();
        let mut text = String::new();
        for (kind, rows) in [("gauge", GAUGES), ("counter", COUNTERS)] {
            for (name, help, value) in rows {
                let value = value(&numbers);
                // Writing to a string does not fail.
                let _ = writeln!(text, "# HELP bpsockd_{name} {help}");
                let _ = writeln!(text, "# TYPE bpsockd_{name} {kind}\nbpsockd_{name} {value}");
            }
        }
        text
    }
}

/// Answers until `stop`.
///
/// # Errors
///
/// The listener fails.
pub async fn serve(listener: TcpListener, board: Board, stop: CancellationToken) -> io::Result<()> {
    let answer = move || {
        let text = board.text();
        async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text) }
    };
    let router = Router::new().route("/metrics", get(answer));
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// Name, meaning and where the number is.
type Row = (&'static str, &'static str, fn(&Numbers) -> u64);

// Names with `store` and `bundles` are of all agents with a store, those with `leaf` of the leaf agent.

#[rustfmt::skip]
const GAUGES: &[Row] = &[
    ("doors", "Front doors that are connected.", |all| all.doors as u64),
    ("sockets", "Sockets that are bound.", |all| all.sockets as u64),
    ("store_outbox_bundles", "Bundles to send.", |all| all.levels.outbox),
    ("store_inbox_bundles", "Bundles to deliver.", |all| all.levels.inbox),
    ("store_partial_units", "Data units that lack fragments.", |all| all.levels.partial),
    ("store_octets", "Octets of bundles in the store.", |all| all.levels.octets),
];

#[rustfmt::skip]
const COUNTERS: &[Row] = &[
    ("binds_total", "Sockets that were bound.", |all| all.broker.opened),
    ("binds_refused_total", "Binds that were refused.", |all| all.broker.bind_refused),
    ("messages_sent_total", "Messages that the agent took.", |all| all.broker.sent),
    ("messages_refused_total", "Messages that were not sent.", |all| all.broker.send_failed),
    ("deliveries_offered_total", "Messages offered to sockets.", |all| all.broker.offered),
    ("deliveries_read_total", "Messages that applications read.", |all| all.broker.acknowledged),
    ("deliveries_refused_total", "Messages that sockets refused.", |all| all.broker.refused),
    ("reports_total", "Status reports handed to sockets.", |all| all.broker.reports),
    ("violations_total", "Front doors that broke the protocol.", |all| all.broker.violations),
    ("leaf_bundles_sent_total", "Bundles that have left.", |all| all.leaf.bundles_sent),
    ("leaf_repeated_total", "Bundles sent once more.", |all| all.leaf.repeated),
    ("leaf_datagrams_sent_total", "Datagrams that have left.", |all| all.leaf.datagrams_sent),
    ("bundles_received_total", "Bundles and fragments that came, before they were looked at.", |all| all.leaf.datagrams_received),
    ("bundles_malformed_total", "What came and is no bundle.", |all| all.leaf.malformed),
    ("bundles_not_local_total", "Bundles for other nodes.", |all| all.leaf.not_local),
    ("bundles_duplicate_total", "Bundles and fragments known before.", |all| all.leaf.duplicates),
    ("bundles_expired_total", "Bundles that expired here.", |all| all.leaf.expired),
    ("bundles_no_room_total", "Bundles that did not fit the store.", |all| all.leaf.no_room),
    ("bundles_reassembled_total", "Data units put together.", |all| all.leaf.reassembled),
    ("leaf_reports_made_total", "Status reports made.", |all| all.leaf.reports_made),
    ("reports_received_total", "Status reports received.", |all| all.leaf.reports_received),
    ("leaf_overrun_total", "Datagrams dropped while the disk was busy.", |all| all.overrun),
];
