// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Linux interfaces by packet sockets.
#![allow(unsafe_code, reason = "packet socket addresses have no safe wrapper")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "libc's constants are wider than their fields"
)]

use std::{ffi::CString, io, mem::MaybeUninit, os::fd::AsRawFd as _};

use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

/// Frames that leave with one call.
const BATCH: usize = 32;

/// `ETH_P_ALL` in network byte order, as socket calls want it.
const ALL_PROTOCOLS: u16 = (libc::ETH_P_ALL as u16).to_be();

/// A packet socket that sends out of one interface, and receives nothing.
#[derive(Debug)]
pub struct PacketSocket {
    socket: Socket,
    name: CString,
}

impl PacketSocket {
    /// Opens an interface. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// There is no such interface, or the caller may not open it.
    pub fn open(name: &str) -> io::Result<Self> {
        let (socket, _) = bound(name)?;
        let name = CString::new(name)?;
        Ok(Self { socket, name })
    }

    /// Whether the interface is up, and has a carrier.
    #[must_use]
    pub fn is_up(&self) -> bool {
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

    /// Sends frames that stand one behind the other and end where `ends` says, without waiting.
    /// Returns how many were taken, and how many octets are in them.
    #[must_use]
    pub fn send_all(&self, frames: &[u8], ends: &[usize]) -> (u64, u64) {
        let (mut packets, mut octets) = (0, 0);
        let (mut start, mut left) = (0, ends);
        while !left.is_empty() {
            let count = self.send_some(start, frames, left);
            // The first one that is not taken is lost; those behind it may fit.
            packets += count as u64;
            if let Some(last) = count.checked_sub(1).and_then(|last| left.get(last)) {
                octets += (last - start) as u64;
            }
            let next = count + usize::from(count < left.len().min(BATCH));
            start = left[next - 1];
            left = &left[next..];
        }
        (packets, octets)
    }

    /// Sends the first of these frames; returns how many were taken.
    fn send_some(&self, start: usize, frames: &[u8], ends: &[usize]) -> usize {
        // SAFETY: all fields of the structure are integers and pointers, for which zero is a value.
        let mut messages: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        let mut parts: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
        let mut start = start;
        let slots = messages.iter_mut().zip(&mut parts);
        for ((message, part), end) in slots.zip(ends) {
            let frame = &frames[start..*end];
            part.iov_base = frame.as_ptr().cast_mut().cast();
            part.iov_len = frame.len();
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
            start = *end;
        }
        let count = ends.len().min(BATCH) as u32;
        let fd = self.socket.as_raw_fd();
        // SAFETY: the pointers are to live structures, as many as the count says, and from there to
        // live octets that the kernel only reads.
        let sent = unsafe { libc::sendmmsg(fd, messages.as_mut_ptr(), count, 0) };
        usize::try_from(sent).unwrap_or(0)
    }
}

/// Opens a raw socket on an interface, in promiscuous mode, that does not wait. It receives what
/// arrives there, and not what this host itself sends. Needs `CAP_NET_RAW`.
///
/// # Errors
///
/// There is no such interface, or the caller may not open it.
pub fn raw_socket(interface: &str) -> io::Result<Socket> {
    let (socket, index) = bound(interface)?;
    listen(&socket, index)?;
    Ok(socket)
}

/// Lets a socket receive what arrives at an interface, in promiscuous mode, and not what this host
/// itself sends there.
pub(super) fn listen(socket: &Socket, index: u32) -> io::Result<()> {
    option(socket, libc::PACKET_IGNORE_OUTGOING, &1_i32)?;
    socket.bind(&address(index, ALL_PROTOCOLS)?)?;
    let index = i32::try_from(index).map_err(io::Error::other)?;
    membership(socket, libc::PACKET_ADD_MEMBERSHIP, index)
}

/// A socket that sends out of an interface, receives nothing and does not wait; and the number of
/// the interface.
pub(super) fn bound(interface: &str) -> io::Result<(Socket, u32)> {
    let name = CString::new(interface)?;
    // SAFETY: the pointer is to a string that ends in a zero and outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address(index, 0)?)?;
    Ok((socket, index))
}

/// The address of the frames of an interface with a protocol.
fn address(index: u32, protocol: u16) -> io::Result<SockAddr> {
    let mut storage = SockAddrStorage::zeroed();
    let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>());
    // SAFETY: `sockaddr_ll` is one of the address types that the storage can hold, and all of its
    // fields are integers.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = libc::AF_PACKET as u16;
    link.sll_protocol = protocol;
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

/// Sets an option of packet sockets.
pub(super) fn option<T: Copy>(socket: &Socket, name: i32, value: &T) -> io::Result<()> {
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
