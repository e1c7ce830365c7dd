// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The front door of the kernel module: generic netlink.
//!
//! The module may be loaded, unloaded and loaded again while the daemon runs.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bpsock::protocol::{BP_GENL_NAME, attributes, frames};
use rustix::net::netlink::{GENERIC, SocketAddrNetlink};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with,
};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::broker::{Allowance, Peer};
use crate::door::unix::Numbers;
use crate::door::{Input, Outbox, read, watch, write};

/// The type of error messages.
pub const NLMSG_ERROR: u16 = 2;
/// The family that knows the others.
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
/// How often the module is looked for, and whether it is still the same one.
const LOOK: Duration = Duration::from_secs(1);
/// What each request needs besides its data.
const REQUEST_OCTETS: u64 = 2048;

/// Connects to the module whenever it is there, until `stop`.
///
/// # Errors
///
/// There are no netlink sockets.
pub async fn serve(
    numbers: Numbers,
    allowance: Allowance,
    to: mpsc::Sender<Input>,
    stop: CancellationToken,
) -> io::Result<()> {
    let control = open()?;
    let mut was_there = true;
    while !stop.is_cancelled() {
        let family = find_family(&control)?;
        if let Some(family) = family {
            info!(family, "kernel module found");
            was_there = true;
            let done = door(family, &control, (&numbers, allowance), &to, &stop).await;
            if let Err(error) = done {
                warn!(reason = %error, "connection to the kernel module ended");
            }
        } else if was_there {
            info!("kernel module is not loaded");
            was_there = false;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(LOOK) => {}
        }
    }
    Ok(())
}

async fn door(
    family: u16,
    control: &OwnedFd,
    (numbers, allowance): (&Numbers, Allowance),
    to: &mpsc::Sender<Input>,
    stop: &CancellationToken,
) -> io::Result<()> {
    let socket = open()?;
    let requests = u64::from(allowance.window_requests) * REQUEST_OCTETS;
    let wanted = 2 * (u64::from(allowance.window_bytes) + requests);
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    if set_socket_recv_buffer_size_force(&socket, wanted).is_err() {
        // The kernel repeats what does not fit.
        set_socket_recv_buffer_size(&socket, wanted)?;
    }
    let socket = watch(socket)?;
    let id = numbers.next();
    let outbox = Arc::new(Outbox::new(family));
    let connected = Input::Connected(id, Peer::Kernel, Arc::clone(&outbox));
    if to.send(connected).await.is_err() {
        return Ok(());
    }
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = read(id, &socket, to) => ended,
        ended = write(&socket, &outbox) => ended,
        ended = still_there(family, control) => ended,
    };
    debug!(family, "kernel module is gone, or the daemon ends");
    // Without anybody who listens the daemon is about to end.
    let _ = to.send(Input::Gone(id)).await;
    ended
}

/// Returns when the family has another number, or none.
async fn still_there(family: u16, control: &OwnedFd) -> io::Result<()> {
    loop {
        sleep(LOOK).await;
        if find_family(control)? != Some(family) {
            return Ok(());
        }
    }
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let kind = SocketType::RAW;
    let socket = socket_with(AddressFamily::NETLINK, kind, flags, Some(GENERIC))?;
    // The kernel, and no other process, is who may be heard.
    connect(&socket, &SocketAddrNetlink::new(0, 0))?;
    Ok(socket)
}

/// The number of the family. The kernel answers while it is asked.
fn find_family(control: &OwnedFd) -> io::Result<Option<u16>> {
    send(control, &question(), SendFlags::empty())?;
    let mut buffer = [0; 8192];
    let (length, _) = recv(control, &mut buffer, RecvFlags::DONTWAIT)?;
    Ok(family_in(&buffer[..length]))
}

fn question() -> Vec<u8> {
    let mut name = BP_GENL_NAME.as_bytes().to_vec();
    name.push(0);
    let length = 4 + name.len();
    name.resize(name.len().next_multiple_of(4), 0);
    let mut out = Vec::new();
    out.extend(
        u32::try_from(16 + 4 + 4 + name.len())
            .unwrap_or_default()
            .to_ne_bytes(),
    );
    out.extend(GENL_ID_CTRL.to_ne_bytes());
    out.extend(NLM_F_REQUEST.to_ne_bytes());
    out.extend([0; 8]);
    out.extend([CTRL_CMD_GETFAMILY, 1, 0, 0]);
    out.extend(u16::try_from(length).unwrap_or_default().to_ne_bytes());
    out.extend(CTRL_ATTR_FAMILY_NAME.to_ne_bytes());
    out.extend(name);
    out
}

fn family_in(datagram: &[u8]) -> Option<u16> {
    let frame = frames(datagram).next()?.ok()?;
    if frame.kind != GENL_ID_CTRL {
        return None;
    }
    let attribute = attributes(frame.body.get(4..)?)
        .filter_map(Result::ok)
        .find(|(number, _)| *number == CTRL_ATTR_FAMILY_ID)?;
    Some(u16::from_ne_bytes(attribute.1.try_into().ok()?))
}

/// The errno of an error message.
#[must_use]
pub fn error_of(body: &[u8]) -> Option<i32> {
    let error = i32::from_ne_bytes(*body.first_chunk()?);
    (error != 0).then_some(-error)
}

/// The message that an error message is about, without its netlink header.
#[must_use]
pub fn repeated_in(body: &[u8]) -> Option<&[u8]> {
    const ERROR_OCTETS: usize = 4;
    const HEADER_OCTETS: usize = 16;
    let header = body.get(ERROR_OCTETS..ERROR_OCTETS + HEADER_OCTETS)?;
    let length = usize::try_from(u32::from_ne_bytes(*header.first_chunk()?)).ok()?;
    body.get(ERROR_OCTETS + HEADER_OCTETS..ERROR_OCTETS.checked_add(length)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel that runs the tests knows the family "nlctrl", and has no module of ours.
    #[test]
    fn the_kernel_understands_the_question() {
        let control = open().unwrap();
        assert_eq!(find_family(&control).unwrap(), None);
        let mut known = question();
        known[24..32].copy_from_slice(b"nlctrl\0\0");
        known[20..22].copy_from_slice(&11_u16.to_ne_bytes());
        send(&control, &known, SendFlags::empty()).unwrap();
        let mut buffer = [0; 8192];
        let (length, _) = recv(&control, &mut buffer, RecvFlags::DONTWAIT).unwrap();
        assert_eq!(family_in(&buffer[..length]), Some(GENL_ID_CTRL));
    }
}
