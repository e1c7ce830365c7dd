// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Declarations that come with the front end: the core library, and the architectures v1model and TNA.

/// Name and text of a built-in file, or nothing.
pub(crate) fn file(path: &str) -> Option<(&'static str, &'static str)> {
    match path {
        "core.p4" => Some(("core.p4", include_str!("builtin/core.p4"))),
        "tna.p4" => Some(("tna.p4", include_str!("builtin/tna.p4"))),
        "v1model.p4" => Some(("v1model.p4", include_str!("builtin/v1model.p4"))),
        _ => None,
    }
}
