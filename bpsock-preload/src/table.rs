// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which descriptors are sockets of family 28.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::sync::{Arc, PoisonError, RwLock};

use bpsock_calls::Socket;

static SOCKETS: RwLock<BTreeMap<c_int, Arc<Socket>>> = RwLock::new(BTreeMap::new());

/// The socket behind a descriptor, if it is one.
pub(crate) fn find(fd: c_int) -> Option<Arc<Socket>> {
    let sockets = SOCKETS.read().unwrap_or_else(PoisonError::into_inner);
    sockets.get(&fd).map(Arc::clone)
}

/// The descriptor is closed.
#[must_use]
pub(crate) fn set_closed(fd: c_int) -> Option<Arc<Socket>> {
    set(fd, None)
}

/// The descriptor is this socket now, and none if there is no socket.
///
/// What it was before is returned, to be dropped when the lock is not held: that closes descriptors.
#[must_use]
pub(crate) fn set(fd: c_int, socket: Option<Arc<Socket>>) -> Option<Arc<Socket>> {
    let mut sockets = SOCKETS.write().unwrap_or_else(PoisonError::into_inner);
    match socket {
        Some(socket) => sockets.insert(fd, socket),
        None => sockets.remove(&fd),
    }
}
