// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The HTTP server that Prometheus asks.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::counters::{Counters, Level};

/// The last numbers that the node published.
#[derive(Clone, Debug, Default)]
pub struct Board {
    numbers: Arc<Mutex<(Counters, Level)>>,
}

impl Board {
    /// Replaces the numbers.
    pub fn publish(&self, counters: &Counters, level: Level) {
        // The lock is never held across anything that can panic half way.
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.0.clone_from(counters);
        numbers.1 = level;
    }

    /// What the store held last.
    pub(crate) fn level(&self) -> Level {
        let numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.1
    }

    fn text(&self) -> String {
        let numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.0.to_prometheus(numbers.1)
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
