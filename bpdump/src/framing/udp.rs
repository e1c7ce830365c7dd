// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles in UDP datagrams: [RFC 7122](https://www.rfc-editor.org/rfc/rfc7122).

/// The bundle of a datagram: all of it, unless there is nothing but zeros.
pub(super) fn bundle(payload: &[u8]) -> Option<Vec<u8>> {
    // Four zeros keep a path open.
    let is_keepalive = payload.iter().all(|octet| *octet == 0);
    (!is_keepalive).then(|| payload.to_vec())
}
