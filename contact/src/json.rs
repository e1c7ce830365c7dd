// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can be wrong with plans in JSON, and how their numbers are read.

use serde_json::Value;

use crate::model::{Span, UtcTime};
use crate::plan::Plan;
use crate::schedule::Conflict;

/// Where a plan in JSON is wrong, and how.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", place(*contact))]
pub struct JsonError {
    /// The number of the contact, from 0 in the order of the text; none if it is the whole.
    pub contact: Option<usize>,
    /// What is wrong with it.
    #[source]
    pub fault: JsonFault,
}

fn place(contact: Option<usize>) -> String {
    contact.map_or_else(
        || "plan".to_owned(),
        |number| format!("contact number {number}"),
    )
}

/// What is wrong with a plan in JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonFault {
    /// It is not JSON.
    #[error("not JSON at line {line}, column {column}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A member is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value is of another kind than belongs there.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A number has decimals, which the program that the format is from reads as zero.
    #[error("{0} is not a whole number")]
    Decimal(&'static str),
    /// A name has no node number.
    #[error("node has no number")]
    UnknownNode,
    /// The contact does not fit into the plan.
    #[error("does not fit into the plan")]
    Conflict(#[source] Conflict),
}

/// Why a plan cannot be written in a format.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonExportError {
    /// A time is before the one from which the times of the format count.
    #[error("time {0} s is before the origin")]
    BeforeOrigin(UtcTime),
    /// A time is between two seconds, and the format has whole ones only.
    #[error("time {0} s is between two seconds")]
    Fraction(UtcTime),
    /// A light time is not in whole seconds, and the format has no others.
    #[error("light time {0} s is not in whole seconds")]
    LightTime(Span),
    /// A contact has no light time at this time, and the format wants one.
    #[error("there is no light time at {0} s")]
    NoLightTime(UtcTime),
    /// A rate is zero, which in the format is no limit; or has no limit, or too many digits.
    #[error("rate of {0} bytes a second cannot be written")]
    Rate(u64),
    /// A contact is not certain, and the format cannot say so.
    #[error("confidence of the contact at {0} s cannot be written")]
    Confidence(UtcTime),
}

/// Parses a text.
pub(crate) fn parse(text: &str) -> Result<Value, Vec<JsonError>> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        whole(JsonFault::Syntax { line, column })
    })
}

/// The fault of a plan as a whole.
pub(crate) fn whole(fault: JsonFault) -> Vec<JsonError> {
    vec![JsonError {
        contact: None,
        fault,
    }]
}

/// Reads contacts one by one, and goes on after a fault to name all of them.
pub(crate) fn read_all<'a>(
    contacts: impl Iterator<Item = &'a Value>,
    mut read: impl FnMut(&mut Plan, &Value) -> Result<(), JsonFault>,
) -> Result<Plan, Vec<JsonError>> {
    let mut plan = Plan::new();
    let faults = contacts.enumerate().filter_map(|(number, contact)| {
        let fault = read(&mut plan, contact).err()?;
        let contact = Some(number);
        Some(JsonError { contact, fault })
    });
    let errors: Vec<_> = faults.collect();
    if errors.is_empty() {
        Ok(plan)
    } else {
        Err(errors)
    }
}

/// A member of an object that is a whole number, and not negative.
pub(crate) fn whole_number(object: &Value, name: &'static str) -> Result<Option<u64>, JsonFault> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) if number.is_f64() => Err(JsonFault::Decimal(name)),
        Some(value) => value.as_u64().map(Some).ok_or(JsonFault::Expected(name)),
    }
}

/// The time between an origin and a time of the plan.
pub(crate) fn since(time: UtcTime, origin: UtcTime) -> Result<Span, JsonExportError> {
    if time < origin {
        return Err(JsonExportError::BeforeOrigin(time));
    }
    Ok(time.since(origin))
}
