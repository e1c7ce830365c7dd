// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The outcome of each update of a batch, inside the status of the call.
//!
//! See [P4Runtime §12.3](https://p4.org/p4-spec/p4runtime/v1.5.0/P4Runtime-Spec.html#sec-error-reporting-for-write-rpc).

use prost::Message as _;
use tonic::{Code, Status};

use crate::proto::{google::rpc, p4::v1::Error};

/// Names the message inside the details.
pub const ERROR_TYPE_URL: &str = "type.googleapis.com/p4.v1.Error";

/// An update that the switch did not carry out.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("update {index}: {code:?}: {message}")]
pub struct UpdateFailure {
    /// Place of the update among those of the call, from 0.
    pub index: usize,
    /// The canonical code.
    pub code: Code,
    /// What the switch says.
    pub message: String,
    /// Who gives `vendor_code` its meaning; may be empty.
    pub space: String,
    /// A number with a meaning in `space`.
    pub vendor_code: i32,
}

/// Finds the failures in the status of a Write call of `updates` updates.
///
/// `None` means that the status speaks of the whole call: no update was carried out.
#[must_use]
pub fn update_failures(status: &Status, updates: usize) -> Option<Vec<UpdateFailure>> {
    if status.code() != Code::Unknown {
        return None;
    }
    let details = rpc::Status::decode(status.details()).ok()?.details;
    if details.len() != updates {
        return None;
    }
    let errors = details.iter().map(|any| {
        let known = any.type_url == ERROR_TYPE_URL;
        known
            .then(|| Error::decode(any.value.as_slice()).ok())
            .flatten()
    });
    let errors: Vec<Error> = errors.collect::<Option<_>>()?;
    let failed = errors
        .into_iter()
        .enumerate()
        .filter(|(_, error)| error.canonical_code != 0);
    Some(failed.map(|(index, error)| failure(index, error)).collect())
}

/// Makes the status of a Write or Read call from the outcome of each update or request, in order;
/// for servers.
///
/// `None` if all succeeded.
#[must_use]
pub fn batch_status(outcomes: &[Error]) -> Option<Status> {
    let failed = outcomes
        .iter()
        .filter(|error| error.canonical_code != 0)
        .count();
    if failed == 0 {
        return None;
    }
    let message = format!("{failed} of {} failed", outcomes.len());
    let pack = |error: &Error| prost_types::Any {
        type_url: ERROR_TYPE_URL.to_owned(),
        value: error.encode_to_vec(),
    };
    let details = rpc::Status {
        code: Code::Unknown as i32,
        message: message.clone(),
        details: outcomes.iter().map(pack).collect(),
    };
    Some(Status::with_details(
        Code::Unknown,
        message,
        details.encode_to_vec().into(),
    ))
}

fn failure(index: usize, error: Error) -> UpdateFailure {
    UpdateFailure {
        index,
        code: Code::from_i32(error.canonical_code),
        message: error.message,
        space: error.space,
        vendor_code: error.code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: Code, message: &str) -> Error {
        Error {
            canonical_code: code as i32,
            message: message.to_owned(),
            ..Error::default()
        }
    }

    #[test]
    fn failures_survive_the_status() {
        let outcomes = [
            outcome(Code::Ok, ""),
            outcome(Code::AlreadyExists, "entry exists"),
            outcome(Code::ResourceExhausted, "table is full"),
        ];
        let status = batch_status(&outcomes).expect("two updates failed");
        assert_eq!(status.message(), "2 of 3 failed");
        let failures = update_failures(&status, 3).expect("the status has details");
        let short: Vec<_> = failures
            .iter()
            .map(|f| (f.index, f.code, f.message.as_str()))
            .collect();
        assert_eq!(
            short,
            [
                (1, Code::AlreadyExists, "entry exists"),
                (2, Code::ResourceExhausted, "table is full")
            ]
        );
    }

    #[test]
    fn success_has_no_status() {
        assert!(batch_status(&[outcome(Code::Ok, "")]).is_none());
    }

    #[test]
    fn a_status_of_the_whole_call_has_no_failures() {
        assert_eq!(
            update_failures(&Status::permission_denied("not primary"), 3),
            None
        );
        assert_eq!(update_failures(&Status::unknown("no details"), 3), None);
        let status = batch_status(&[outcome(Code::NotFound, "")]).expect("one update failed");
        assert_eq!(
            update_failures(&status, 2),
            None,
            "one error for each update, or it is not ours"
        );
    }
}
