// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the controller would write to its switches now, without a session and without writing.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use contact::UtcTime;
use control::{
    desired::{SwitchState, difference},
    supervise::read_switch,
};
use p4rt::{
    client::{Client, ConnectOptions},
    proto::p4::v1::get_forwarding_pipeline_config_request::ResponseType,
};

use crate::{
    daemon::Failure,
    kept,
    plan::{Site, SwitchPlan},
    planner::orders,
};

/// Shows the changes, one a line.
///
/// Paths of the configuration are relative to the folder. What was learned is missing: the controller would adopt it from the switch.
///
/// # Errors
/// A switch does not answer, overrides cannot be read, or routes do not fit its program.
pub async fn run(site: &Site, folder: &Path, now: UtcTime) -> Result<String, Failure> {
    let overrides = kept::overrides_of(site, folder).await?;
    let mut text = String::new();
    for plan in &site.switches {
        let name = &plan.switch.name;
        let wanted = orders(site, plan, &overrides, now)?.at(now);
        let actual = actual(plan).await?;
        if actual.is_none() {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}: push the program");
        }
        let actual = actual.unwrap_or_default();
        let groups = difference(&wanted, &actual, &plan.index, &BTreeSet::new());
        for change in groups.iter().flatten() {
            let _ = writeln!(text, "{name}: {} {}", change.kind, change.item.key());
        }
    }
    Ok(text)
}

/// What a switch holds. `None` if it runs another program, or none.
async fn actual(plan: &SwitchPlan) -> Result<Option<SwitchState>, Failure> {
    let switch = &plan.switch;
    let unreachable = |reason: String| Failure::Unreachable {
        name: switch.name.clone(),
        address: switch.address.clone(),
        reason,
        waited: ConnectOptions::new(&switch.address, switch.device_id).connect_timeout,
    };
    let options = ConnectOptions {
        target: switch.target,
        tls: plan.tls.clone().map(Into::into),
        ..ConnectOptions::new(&switch.address, switch.device_id)
    };
    let client = Client::connect(&options).await;
    let client = client.map_err(|error| unreachable(error.to_string()))?;
    let found = client.pipeline(ResponseType::CookieOnly).await;
    let found = found.map_err(|error| unreachable(error.to_string()))?;
    let cookie = found.and_then(|config| config.cookie);
    if cookie.map(|cookie| cookie.cookie) != Some(plan.pipeline.cookie().0) {
        return Ok(None);
    }
    let reading = read_switch(&client, &plan.index).await;
    let reading = reading.map_err(|error| unreachable(error.to_string()))?;
    Ok(Some(reading.state))
}
