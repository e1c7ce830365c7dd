// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Entries that a program needs before it is of use, for the controller to install.
//!
//! The form is that of the entries files of crate `p4rt`; names are those of the program.

use bundle::Reason;
use serde::Serialize;

use crate::limits::goes_to_the_slow_path;

/// The contents of an entries file.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Entries {
    tables: Vec<TableEntry>,
    digests: Vec<Digest>,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
struct TableEntry {
    table: &'static str,
    r#match: Fields,
    action: &'static str,
    #[serde(skip_serializing_if = "Fields::is_empty")]
    params: Fields,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
struct Digest {
    #[serde(rename = "digest")]
    name: &'static str,
    max_timeout_ms: u32,
    max_list_size: u32,
    ack_timeout_ms: u32,
}

/// Names and values, in the order of the names.
type Fields = std::collections::BTreeMap<&'static str, String>;

/// How long a digest may wait for company. BMv2 counts whole milliseconds, and sweeps each 100.
const DIGEST_TIMEOUT_MS: u32 = 100;
/// How many digests travel together at most: a list of this size is some ten kilobytes.
const DIGEST_LIST: u32 = 100;

/// The entries that a program needs.
///
/// Where a port leads to the slow path, every bundle that the slow path may finish goes there, and
/// what comes from there may say where it goes.
/// The others are dropped and counted, as every refused bundle is without such a port.
#[must_use]
pub fn entries(slow_path_port: Option<u16>) -> Entries {
    let punts = slow_path_port.into_iter().flat_map(|port| {
        Reason::ALL
            .iter()
            .filter(|reason| goes_to_the_slow_path(**reason))
            .map(move |&reason| punt(reason, port))
    });
    let injects = slow_path_port.map(|port| TableEntry {
        table: "ingress.inject_port",
        r#match: Fields::from([("std.ingress_port", port.to_string())]),
        action: "ingress.inject",
        params: Fields::new(),
    });
    Entries {
        tables: punts.chain(injects).collect(),
        digests: ["bundle_report_t", "learn_t"].map(digest).into(),
    }
}

fn punt(reason: Reason, port: u16) -> TableEntry {
    TableEntry {
        table: "ingress.refusal",
        r#match: Fields::from([("meta.again.reason", reason.code().to_string())]),
        action: "ingress.punt",
        params: Fields::from([("port", port.to_string())]),
    }
}

fn digest(name: &'static str) -> Digest {
    Digest {
        name,
        max_timeout_ms: DIGEST_TIMEOUT_MS,
        max_list_size: DIGEST_LIST,
        ack_timeout_ms: 0,
    }
}
