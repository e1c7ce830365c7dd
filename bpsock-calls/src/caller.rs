// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whoever made a call: its memory, whose pointers may lead nowhere, and its way of waiting.

use std::ffi::c_int;
use std::os::fd::BorrowedFd;

use libc::{iovec, mmsghdr, msghdr};

/// An errno.
pub type Errno = c_int;

/// Memory of the caller.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Span {
    /// Its address.
    pub at: usize,
    /// How much of it.
    pub octets: usize,
}

impl Span {
    /// Memory at this address.
    #[must_use]
    pub const fn new(at: usize, octets: usize) -> Self {
        Self { at, octets }
    }
}

/// Whoever made a call.
pub trait Caller {
    /// The descriptor of the socket, or a copy of it that this process has.
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// Reads memory of the caller, as much as there is room for.
    ///
    /// # Errors
    ///
    /// EFAULT if it is not there.
    fn copy_in(&self, from: usize, to: &mut [u8]) -> Result<(), Errno>;

    /// Writes memory of the caller.
    ///
    /// # Errors
    ///
    /// EFAULT if it is not there.
    fn copy_out(&self, to: usize, data: &[u8]) -> Result<(), Errno>;

    /// Waits until there may be a message; `false` at the end of all messages. `flags` are those of
    /// the call: time-outs, signals and `O_NONBLOCK` are those of the caller.
    ///
    /// # Errors
    ///
    /// EAGAIN, EINTR, or what stands for them with this kind of caller.
    fn wait_readable(&self, flags: c_int) -> Result<bool, Errno>;
}

/// Reads octets of the caller.
pub(crate) fn copy_in(caller: &impl Caller, from: Span) -> Result<Vec<u8>, Errno> {
    let mut data = Vec::new();
    // A length of nonsense is no reason to end the program.
    data.try_reserve_exact(from.octets)
        .map_err(|_| libc::ENOBUFS)?;
    data.resize(from.octets, 0);
    if from.octets > 0 {
        caller.copy_in(from.at, &mut data)?;
    }
    Ok(data)
}

/// Writes octets into memory of the caller: as many as there is room for.
pub(crate) fn copy_out(caller: &impl Caller, to: Span, data: &[u8]) -> Result<(), Errno> {
    let octets = data.len().min(to.octets);
    if octets == 0 {
        return Ok(());
    }
    caller.copy_out(to.at, &data[..octets])
}

/// A number of C's type `int`.
pub(crate) fn read_int(caller: &impl Caller, from: usize) -> Result<c_int, Errno> {
    let mut octets = [0; size_of::<c_int>()];
    caller.copy_in(from, &mut octets)?;
    Ok(c_int::from_ne_bytes(octets))
}

/// Writes a number of C's type `int` or `unsigned int`.
pub(crate) fn write_int(caller: &impl Caller, to: usize, value: u32) -> Result<(), Errno> {
    caller.copy_out(to, &value.to_ne_bytes())
}

/// A structure of C as octets, read field by field.
struct Fields<const OCTETS: usize>([u8; OCTETS]);

impl<const OCTETS: usize> Fields<OCTETS> {
    fn read(caller: &impl Caller, from: usize) -> Result<Self, Errno> {
        let mut octets = [0; OCTETS];
        caller.copy_in(from, &mut octets)?;
        Ok(Self(octets))
    }

    fn word(&self, offset: usize) -> usize {
        let octets = self.0.get(offset..).and_then(<[u8]>::first_chunk);
        octets.map_or(0, |octets| usize::from_ne_bytes(*octets))
    }

    fn half(&self, offset: usize) -> u32 {
        let octets = self.0.get(offset..).and_then(<[u8]>::first_chunk);
        octets.map_or(0, |octets| u32::from_ne_bytes(*octets))
    }
}

/// The head of a message: `struct msghdr`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    at: usize,
    pub(crate) name: Span,
    pub(crate) parts: Span,
    pub(crate) control: Span,
}

impl Head {
    pub(crate) fn read(caller: &impl Caller, at: usize) -> Result<Self, Errno> {
        let fields = Fields::<{ size_of::<msghdr>() }>::read(caller, at)?;
        let name_octets = fields.half(std::mem::offset_of!(msghdr, msg_namelen));
        Ok(Self {
            at,
            name: Span {
                at: fields.word(std::mem::offset_of!(msghdr, msg_name)),
                octets: usize::try_from(name_octets).map_err(|_| libc::EINVAL)?,
            },
            parts: Span {
                at: fields.word(std::mem::offset_of!(msghdr, msg_iov)),
                octets: fields.word(std::mem::offset_of!(msghdr, msg_iovlen)),
            },
            control: Span {
                at: fields.word(std::mem::offset_of!(msghdr, msg_control)),
                octets: fields.word(std::mem::offset_of!(msghdr, msg_controllen)),
            },
        })
    }

    /// Tells how much there is of the name and of the control messages, and flags.
    pub(crate) fn write(
        &self,
        caller: &impl Caller,
        (name, control): (Option<u32>, usize),
        flags: c_int,
    ) -> Result<(), Errno> {
        if let Some(octets) = name {
            let at = self.at + std::mem::offset_of!(msghdr, msg_namelen);
            write_int(caller, at, octets)?;
        }
        let at = self.at + std::mem::offset_of!(msghdr, msg_controllen);
        caller.copy_out(at, &control.to_ne_bytes())?;
        let at = self.at + std::mem::offset_of!(msghdr, msg_flags);
        write_int(caller, at, flags.cast_unsigned())
    }
}

/// Octets from one head to the next in an array, and where its length is.
pub(crate) const HEADS: usize = size_of::<mmsghdr>();
pub(crate) const HEAD_LENGTH: usize = std::mem::offset_of!(mmsghdr, msg_len);

/// The part of a message at this place in an array: `struct iovec`.
pub(crate) fn read_part(caller: &impl Caller, vector: usize, at: usize) -> Result<Span, Errno> {
    const OCTETS: usize = size_of::<iovec>();
    let fields = Fields::<OCTETS>::read(caller, vector.wrapping_add(at.wrapping_mul(OCTETS)))?;
    Ok(Span {
        at: fields.word(std::mem::offset_of!(iovec, iov_base)),
        octets: fields.word(std::mem::offset_of!(iovec, iov_len)),
    })
}
