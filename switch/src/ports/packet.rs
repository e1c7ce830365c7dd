// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Linux interfaces by packet sockets.
#![allow(unsafe_code, reason = "packet socket addresses have no safe wrapper")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "libc's constants are wider than their fields"
)]

use std::{
    ffi::CString,
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd as _, OwnedFd},
    time::Duration,
};

use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};
use tokio::io::{Interest, unix::AsyncFd};

/// Pause after an error, so that an interface that is down does not keep a core busy.
pub(super) const RETRY: Duration = Duration::from_millis(200);

/// `ETH_P_ALL` in network byte order, as socket calls want it.
const ALL_PROTOCOLS: u16 = (libc::ETH_P_ALL as u16).to_be();

/// A packet socket that is bound to one interface.
#[derive(Debug)]
pub(crate) struct PacketSocket {
    socket: AsyncFd<OwnedFd>,
    name: CString,
}

impl PacketSocket {
    /// Opens an interface in promiscuous mode.
    pub(crate) fn open(name: &str) -> io::Result<Self> {
        let socket = raw_socket(name)?;
        let socket = OwnedFd::from(socket);
        // SAFETY: the descriptor is owned, so it stays open and the same until it is dropped.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        let socket = socket.map_err(io::Error::from)?;
        let name = CString::new(name)?;
        Ok(Self { socket, name })
    }

    /// Whether the interface is up, and has a carrier.
    pub(crate) fn is_up(&self) -> bool {
        // SAFETY: all fields of the structure are integers, for which zero is a value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        let name = self.name.as_bytes_with_nul();
        // The kernel knows the name, so that it fits.
        for (to, octet) in request.ifr_name.iter_mut().zip(name) {
            *to = octet.cast_signed();
        }
        let fd = self.socket.as_raw_fd();
        // SAFETY: the request is a live structure of the type that this call reads and writes.
        let done = unsafe { libc::ioctl(fd, libc::SIOCGIFFLAGS, &raw mut request) };
        let wanted = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        // SAFETY: the call has written the flags.
        done == 0 && unsafe { request.ifr_ifru.ifru_flags } & wanted == wanted
    }

    /// Sends a frame without waiting.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        let fd = self.socket.as_raw_fd();
        // SAFETY: the pointer and the length are those of a live slice.
        let sent = unsafe { libc::send(fd, frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// Waits for a frame.
    pub(crate) async fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        self.socket
            .async_io(Interest::READABLE, |fd| {
                let (at, len) = (frame.as_mut_ptr().cast(), frame.len());
                // SAFETY: the pointer and the length are those of a live slice that nobody
                // else uses.
                let received = unsafe { libc::recv(fd.as_raw_fd(), at, len, 0) };
                usize::try_from(received).map_err(|_| io::Error::last_os_error())
            })
            .await
    }
}

/// Opens a raw socket on an interface, in promiscuous mode, that does not wait. It receives what
/// arrives there, and not what this host itself sends. Needs `CAP_NET_RAW`.
///
/// # Errors
///
/// There is no such interface, or the caller may not open it.
pub fn raw_socket(interface: &str) -> io::Result<Socket> {
    let name = CString::new(interface)?;
    // SAFETY: the pointer is to a string that ends in a zero and outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    let protocol = Protocol::from(i32::from(ALL_PROTOCOLS));
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address(index)?)?;
    let index = i32::try_from(index).map_err(io::Error::other)?;
    membership(&socket, libc::PACKET_ADD_MEMBERSHIP, index)?;
    option(&socket, libc::PACKET_IGNORE_OUTGOING, &1_i32)?;
    Ok(socket)
}

/// The address of all frames of an interface.
fn address(index: u32) -> io::Result<SockAddr> {
    let mut storage = SockAddrStorage::zeroed();
    let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>());
    // SAFETY: `sockaddr_ll` is one of the address types that the storage can hold, and all of its
    // fields are integers.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = libc::AF_PACKET as u16;
    link.sll_protocol = ALL_PROTOCOLS;
    link.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
    // SAFETY: the storage holds a `sockaddr_ll`, and the length is its size.
    Ok(unsafe { SockAddr::new(storage, len.map_err(io::Error::other)?) })
}

fn membership(socket: &Socket, action: i32, index: i32) -> io::Result<()> {
    let request = libc::packet_mreq {
        mr_ifindex: index,
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    option(socket, action, &request)
}

fn option<T: Copy>(socket: &Socket, name: i32, value: &T) -> io::Result<()> {
    let value = MaybeUninit::new(*value);
    let len = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the pointer is to a live value of the length that is given; the kernel only reads.
    let done = unsafe {
        let value = value.as_ptr().cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, name, value, len)
    };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
