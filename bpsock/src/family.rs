// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sockets of family 28, where the system has them: the kernel module, or a library in its place.
//!
//! ```no_run
//! use bpsock::family::Socket;
//!
//! let socket = Socket::bind(&"ipn:0.7".parse()?)?;
//! socket.send_to(b"hello", &"ipn:2.7".parse()?)?;
//! let (data, source) = socket.recv_from()?;
//! println!("{source} says {data:?}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use crate::abi::SOL_BP;
use crate::address::{AF_BP, Address, AddressError, SOCKADDR_BP_MAX_LEN};

const BP_LIFETIME: i32 = 1;

/// A bound datagram socket. The system closes it with this value.
#[derive(Debug)]
pub struct Socket {
    descriptor: OwnedFd,
    address: Address,
}

/// Whether the system has the family.
#[must_use]
pub fn is_available() -> bool {
    open().is_ok()
}

impl Socket {
    /// A socket with this address. Node 0 is the node of the agent, service 0 any free service.
    ///
    /// # Errors
    ///
    /// EAFNOSUPPORT if the system does not have the family, and what the daemon says.
    pub fn bind(address: &Address) -> io::Result<Self> {
        let descriptor = open()?;
        let octets = address.encode();
        let length = socklen(octets.len());
        // SAFETY: the octets are readable for the length, and the call keeps no pointer to them.
        check(i64::from(unsafe {
            libc::bind(descriptor.as_raw_fd(), octets.as_ptr().cast(), length)
        }))?;
        let mut name = [0_u8; SOCKADDR_BP_MAX_LEN];
        let mut length = socklen(name.len());
        // SAFETY: the buffer is writable for the length, and the length for itself.
        check(i64::from(unsafe {
            libc::getsockname(
                descriptor.as_raw_fd(),
                name.as_mut_ptr().cast(),
                &raw mut length,
            )
        }))?;
        let address = decode(&name, length)?;
        Ok(Self {
            descriptor,
            address,
        })
    }

    /// The address, with the numbers that the daemon chose.
    #[must_use]
    pub const fn local_address(&self) -> &Address {
        &self.address
    }

    /// How long the bundles of this socket live.
    ///
    /// # Errors
    ///
    /// EINVAL for zero.
    pub fn set_lifetime_ms(&self, lifetime_ms: u64) -> io::Result<()> {
        self.set_option(SOL_BP, BP_LIFETIME, &lifetime_ms)
    }

    /// How long [`Socket::recv_from`] waits; `None` is for ever.
    ///
    /// # Errors
    ///
    /// The system refuses the time.
    pub fn set_receive_timeout(&self, patience: Option<Duration>) -> io::Result<()> {
        // Zero would be for ever.
        let patience = patience.map_or(Duration::ZERO, |it| it.max(Duration::from_micros(1)));
        let seconds = libc::time_t::try_from(patience.as_secs()).unwrap_or(libc::time_t::MAX);
        let time = libc::timeval {
            tv_sec: seconds,
            tv_usec: patience.subsec_micros().into(),
        };
        self.set_option(libc::SOL_SOCKET, libc::SO_RCVTIMEO, &time)
    }

    fn set_option<T>(&self, level: i32, name: i32, value: &T) -> io::Result<()> {
        let length = socklen(mem::size_of::<T>());
        // SAFETY: the value is readable for its size, and the call keeps no pointer to it.
        check(i64::from(unsafe {
            libc::setsockopt(self.raw(), level, name, ptr::from_ref(value).cast(), length)
        }))?;
        Ok(())
    }

    /// Sends a message, and waits until the agent has taken it.
    ///
    /// # Errors
    ///
    /// The errno of the family: see the table of the kernel module.
    pub fn send_to(&self, data: &[u8], destination: &Address) -> io::Result<()> {
        let octets = destination.encode();
        // SAFETY: both buffers are readable for their lengths.
        check(unsafe {
            libc::sendto(
                self.raw(),
                data.as_ptr().cast(),
                data.len(),
                libc::MSG_NOSIGNAL,
                octets.as_ptr().cast(),
                socklen(octets.len()),
            ) as i64
        })?;
        Ok(())
    }

    /// Waits for the next message, of any length, and its source.
    ///
    /// # Errors
    ///
    /// EAGAIN when the time is over, EINTR after a signal, an error of the socket.
    pub fn recv_from(&self) -> io::Result<(Vec<u8>, Address)> {
        let (length, _) = self.recv_into(&mut [], libc::MSG_PEEK | libc::MSG_TRUNC)?;
        let mut data = vec![0; length];
        loop {
            // Somebody else may have read that one, and the next is longer: it is looked at first.
            let flags = libc::MSG_PEEK | libc::MSG_TRUNC;
            let (length, _) = self.recv_into(&mut data, flags)?;
            if length <= data.len() {
                break;
            }
            data.resize(length, 0);
        }
        let (length, source) = self.recv_into(&mut data, libc::MSG_TRUNC)?;
        data.truncate(length);
        Ok((data, source?))
    }

    fn recv_into(
        &self,
        data: &mut [u8],
        flags: i32,
    ) -> io::Result<(usize, Result<Address, io::Error>)> {
        let mut name = [0_u8; SOCKADDR_BP_MAX_LEN];
        let mut length = socklen(name.len());
        // SAFETY: both buffers are writable for their lengths, and the length for itself.
        let received = check(unsafe {
            libc::recvfrom(
                self.raw(),
                data.as_mut_ptr().cast(),
                data.len(),
                flags,
                name.as_mut_ptr().cast(),
                &raw mut length,
            ) as i64
        })?;
        Ok((received, decode(&name, length)))
    }

    fn raw(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

fn open() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: there are no pointers.
    let descriptor = check(i64::from(unsafe {
        libc::socket(i32::from(AF_BP), kind, 0)
    }))?;
    let descriptor = RawFd::try_from(descriptor).map_err(io::Error::other)?;
    // SAFETY: the system has just made the descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn decode(name: &[u8], length: libc::socklen_t) -> io::Result<Address> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let name = name.get(..length).unwrap_or(name);
    Address::decode(name).map_err(|error: AddressError| io::Error::other(error))
}

fn check(result: i64) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

fn socklen(length: usize) -> libc::socklen_t {
    libc::socklen_t::try_from(length).unwrap_or(libc::socklen_t::MAX)
}
