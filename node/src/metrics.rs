// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The HTTP server that Prometheus asks.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::counters::{Counters, Level};
use crate::store::Backlog;

/// The last numbers that the node published.
#[derive(Clone, Debug, Default)]
pub struct Board {
    numbers: Arc<Mutex<Numbers>>,
}

/// What the node publishes.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// What happened.
    pub counters: Counters,
    /// What is in the store.
    pub level: Level,
    /// For whom that is.
    pub backlog: Backlog,
}

impl Board {
    /// Replaces the numbers.
    pub fn publish(&self, numbers: Numbers) {
        *self.lock() = numbers;
    }

    /// What the store held last, and for whom.
    pub(crate) fn stored(&self) -> (Level, Backlog) {
        let numbers = self.lock();
        (numbers.level, numbers.backlog.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Numbers> {
        // The lock is never held across anything that can panic half way.
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text(&self) -> String {
        let numbers = self.lock();
        numbers
            .counters
            .to_prometheus(numbers.level, &numbers.backlog)
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
