// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Errors as one line for people. What a connection fails of is often the last of several causes.

use std::error::Error;

use tonic::Status;

/// An error with its causes, once each.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    chain(error.to_string(), error.source())
}

/// What a call failed of: what the server said, or what became of the connection.
#[must_use]
pub fn of_status(status: &Status) -> String {
    chain(status.message().to_owned(), status.source())
}

fn chain(mut text: String, mut cause: Option<&(dyn Error + 'static)>) -> String {
    while let Some(inner) = cause {
        let shown = inner.to_string();
        if !text.ends_with(&shown) {
            text = format!("{text}: {shown}");
        }
        cause = inner.source();
    }
    text
}
