// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs a switch through P4Runtime: the same way for every switch.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use p4rt::{
    client::{ConnectOptions, Pipeline, Session, SessionOptions},
    proto::p4::v1::Update,
    session::State,
};
use tokio::{runtime::Builder, time::timeout};

/// Number of the device behind every server.
pub(crate) const DEVICE_ID: u64 = 1;

/// Longest wait for the switch to take its controller.
const DEADLINE: Duration = Duration::from_secs(20);

/// Makes a switch run a program with entries. Nobody subscribes to its digests.
///
/// # Errors
///
/// The switch cannot be reached, or refuses something.
pub(crate) fn program(
    address: &str,
    pipeline: &Pipeline,
    updates: &[Update],
) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let connect = ConnectOptions::new(address, DEVICE_ID);
        let mut session = Session::start(SessionOptions::new(connect, 1));
        let primary = session
            .connection
            .wait_for(|connection| connection.state == State::Primary);
        let connection = timeout(DEADLINE, primary)
            .await
            .context("the switch does not take its controller in time")??
            .clone();
        let client = connection.client.context("a primary can call")?;
        client.push_pipeline(pipeline).await?;
        let failures = client.write(updates).await?;
        ensure!(failures.is_empty(), "refused entries: {failures:?}");
        session.stop().await;
        Ok(())
    })
}
