// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A Linux interface, by a packet socket that sees punted frames and echoes only.
#![allow(unsafe_code, reason = "packet socket addresses have no safe wrapper")]

use std::ffi::CString;
use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;

use socket2::{Domain, SockAddr, SockAddrStorage, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;

use crate::{inject, punt};

/// A packet socket that is bound to one interface, and takes what a switch sends to a node.
#[derive(Debug)]
pub struct PacketSocket {
    socket: AsyncFd<Socket>,
}

impl PacketSocket {
    /// Opens an interface in promiscuous mode: punted frames have no address that it would take.
    pub(super) fn open(name: &str) -> io::Result<Self> {
        let name = CString::new(name)?;
        // SAFETY: the pointer is to a string that ends in a zero and outlives the call.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(io::Error::last_os_error());
        }
        let index = i32::try_from(index).map_err(io::Error::other)?;
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        socket.set_nonblocking(true)?;
        // Before it is bound, so that nothing else is ever received.
        socket.attach_filter(&filter())?;
        option(&socket, libc::PACKET_IGNORE_OUTGOING, 1_i32)?;
        socket.bind(&address(index)?)?;
        promiscuous(&socket, index)?;
        // SAFETY: the descriptor is owned, so it stays open and the same until it is dropped.
        let socket = unsafe { AsyncFd::register(socket) };
        let socket = socket.map_err(io::Error::from)?;
        Ok(Self { socket })
    }

    /// Waits for a frame.
    pub(super) async fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.socket.readable().await?;
            let received = ready.try_io(|socket| {
                let mut socket: &Socket = socket.get_ref();
                socket.read(frame)
            });
            if let Ok(received) = received {
                return received;
            }
        }
    }

    /// Waits for room, and sends a frame.
    pub(super) async fn send(&self, frame: &[u8]) -> io::Result<()> {
        loop {
            let mut ready = self.socket.writable().await?;
            let sent = ready.try_io(|socket| {
                let mut socket: &Socket = socket.get_ref();
                socket.write(frame)
            });
            if let Ok(sent) = sent {
                return sent.map(|_| ());
            }
        }
    }
}

/// Accepts punted frames, and echoes of frames that the node has injected.
fn filter() -> [SockFilter; 5] {
    const LOAD: u16 = bpf(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS);
    const EQUAL: u16 = bpf(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
    const RETURN: u16 = bpf(libc::BPF_RET | libc::BPF_K);
    [
        SockFilter::new(LOAD, 0, 0, ETHER_TYPE_OFFSET),
        SockFilter::new(EQUAL, 1, 0, punt::ETHER_TYPE.into()),
        SockFilter::new(EQUAL, 0, 1, inject::ETHER_TYPE.into()),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// Where an Ethernet header says what follows it.
const ETHER_TYPE_OFFSET: u32 = 12;

/// An instruction of socket filters.
#[expect(
    clippy::cast_possible_truncation,
    reason = "libc's constants are wider than their field"
)]
const fn bpf(code: u32) -> u16 {
    code as u16
}

/// The address of all frames on an interface.
fn address(index: i32) -> io::Result<SockAddr> {
    let mut storage = SockAddrStorage::zeroed();
    let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>());
    let all = u16::try_from(libc::ETH_P_ALL).map_err(io::Error::other)?;
    // SAFETY: `sockaddr_ll` is one of the address types that the storage can hold, and all of its
    // fields are integers.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    link.sll_protocol = all.to_be();
    link.sll_ifindex = index;
    // SAFETY: the storage holds a `sockaddr_ll`, and the length is its size.
    Ok(unsafe { SockAddr::new(storage, len.map_err(io::Error::other)?) })
}

fn promiscuous(socket: &Socket, index: i32) -> io::Result<()> {
    let request = libc::packet_mreq {
        mr_ifindex: index,
        mr_type: u16::try_from(libc::PACKET_MR_PROMISC).map_err(io::Error::other)?,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    option(socket, libc::PACKET_ADD_MEMBERSHIP, request)
}

/// Sets an option of packet sockets.
fn option<T: Copy>(socket: &Socket, name: i32, value: T) -> io::Result<()> {
    let value = MaybeUninit::new(value);
    let len = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the pointer is to a live value of the length that is given; the kernel only reads.
    let done = unsafe {
        let value = value.as_ptr().cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, name, value, len)
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
