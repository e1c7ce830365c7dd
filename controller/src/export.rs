// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Contact plans in the forms of other implementations.

use contact::{Confidence, Plan, UtcTime, hdtn, ionrc, tvgutil};

use crate::config::PlanFormat;

/// Why a plan cannot be written.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ExportError {
    /// ION's form has no place for something.
    #[error("ION's form cannot say it: {0}")]
    Ion(String),
    /// A form of JSON has no place for something.
    #[error("the form cannot say it: {0}")]
    Json(String),
}

/// What is not over yet, in as far as the form can say it: in whole seconds for `ion` and `hdtn`, and
/// for `hdtn`, which knows no confidence, only what is certain.
#[must_use]
pub fn in_terms_of(format: PlanFormat, plan: &Plan, from: UtcTime) -> Plan {
    let mut rest = Plan::new();
    let is_certain = |confidence| confidence == Confidence::CERTAIN || format != PlanFormat::Hdtn;
    for contact in plan.contacts().filter(|contact| from < contact.end) {
        if is_certain(contact.confidence) {
            // They do not overlap there, so they do not here.
            let _ = rest.add_contact(*contact);
        }
    }
    for range in plan.ranges().filter(|range| from < range.end) {
        let _ = rest.add_range(*range);
    }
    match format {
        PlanFormat::Ion | PlanFormat::Hdtn => rest.in_whole_seconds(),
        PlanFormat::TvgUtil => rest,
    }
}

/// Writes a plan.
///
/// # Errors
/// What the form cannot say.
pub fn text(
    format: PlanFormat,
    plan: &Plan,
    version: u64,
    origin: UtcTime,
) -> Result<String, ExportError> {
    let json = |error: contact::JsonExportError| ExportError::Json(error.to_string());
    match format {
        PlanFormat::Ion => {
            let commands = ionrc::export(plan);
            let commands = commands.map_err(|error| ExportError::Ion(error.to_string()))?;
            Ok(format!("# contact plan, version {version}\n{commands}"))
        }
        PlanFormat::Hdtn => hdtn::export(plan, origin).map_err(json),
        PlanFormat::TvgUtil => {
            tvgutil::export(plan, origin, |node| node.0.to_string()).map_err(json)
        }
    }
}
