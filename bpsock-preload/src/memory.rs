// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory of the program, whose pointers may lead nowhere: then the error is EFAULT.

use std::ffi::{c_ulong, c_void};
use std::mem::MaybeUninit;

use libc::iovec;

use crate::socket::Errno;

/// Memory of the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) at: *mut c_void,
    pub(crate) octets: usize,
}

impl Span {
    pub(crate) fn new<T>(at: *const T, octets: usize) -> Self {
        let at = at.cast_mut().cast();
        Self { at, octets }
    }

    const fn vector(self) -> iovec {
        iovec {
            iov_base: self.at,
            iov_len: self.octets,
        }
    }
}

/// Reads octets of the program.
pub(crate) fn copy_in(from: Span) -> Result<Vec<u8>, Errno> {
    let mut data = Vec::new();
    // A length of nonsense is no reason to end the program.
    data.try_reserve_exact(from.octets)
        .map_err(|_| libc::ENOBUFS)?;
    data.resize(from.octets, 0);
    if from.octets > 0 {
        let own = Span::new(data.as_ptr(), data.len());
        transfer(own, from, true)?;
    }
    Ok(data)
}

/// Writes octets into memory of the program: as many as there is room for.
pub(crate) fn copy_out(to: Span, data: &[u8]) -> Result<(), Errno> {
    let octets = data.len().min(to.octets);
    if octets == 0 {
        return Ok(());
    }
    let own = Span::new(data.as_ptr(), octets);
    transfer(own, Span::new(to.at, octets), false)
}

/// Reads a structure of C.
pub(crate) fn read<T: Copy>(from: *const T) -> Result<T, Errno> {
    let mut value = MaybeUninit::<T>::uninit();
    let octets = size_of::<T>();
    transfer(
        Span::new(value.as_mut_ptr(), octets),
        Span::new(from, octets),
        true,
    )?;
    // SAFETY: all octets were written, and structures of C and integers have no forbidden values.
    Ok(unsafe { value.assume_init() })
}

/// Writes a structure of C.
pub(crate) fn write<T: Copy>(to: *mut T, value: &T) -> Result<(), Errno> {
    let octets = size_of::<T>();
    transfer(Span::new(value, octets), Span::new(to, octets), false)
}

/// Lets the system copy between own memory and the program's, because it can fail.
fn transfer(own: Span, other: Span, is_read: bool) -> Result<(), Errno> {
    const ONE: c_ulong = 1;
    let (own, other) = (own.vector(), other.vector());
    // SAFETY: `own` is valid memory; the system checks the other one.
    let done = unsafe {
        let process = libc::getpid();
        if is_read {
            libc::process_vm_readv(process, &raw const own, ONE, &raw const other, ONE, 0)
        } else {
            libc::process_vm_writev(process, &raw const own, ONE, &raw const other, ONE, 0)
        }
    };
    if usize::try_from(done) == Ok(own.iov_len) {
        return Ok(());
    }
    if done >= 0 || !is_forbidden(crate::socket::errno()) {
        return Err(libc::EFAULT);
    }
    // Where the system forbids this call, pointers are believed.
    // SAFETY: the program promises what it promises to a system call.
    unsafe {
        let (from, to) = if is_read { (other, own) } else { (own, other) };
        std::ptr::copy(from.iov_base.cast::<u8>(), to.iov_base.cast(), own.iov_len);
    }
    Ok(())
}

const fn is_forbidden(error: Errno) -> bool {
    matches!(error, libc::EPERM | libc::ENOSYS)
}
