// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program that the library is part of, as the caller of its own calls.

use std::ffi::{c_int, c_ulong, c_void};
use std::os::fd::BorrowedFd;

use bpsock_calls::{Caller, Errno};
use libc::iovec;

use crate::real;

/// The errno of this thread.
pub(crate) fn errno() -> Errno {
    // SAFETY: the place exists as long as the thread.
    unsafe { *libc::__errno_location() }
}

pub(crate) fn set_errno(error: Errno) {
    // SAFETY: the place exists as long as the thread.
    unsafe { *libc::__errno_location() = error }
}

/// The program, with the descriptor that its call is about.
pub(crate) struct Program(pub(crate) c_int);

impl Caller for Program {
    fn descriptor(&self) -> BorrowedFd<'_> {
        // SAFETY: the table has it, so it is open, unless another thread closes it during this call:
        // then it is a wrong number, as it would be for the system.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }

    fn copy_in(&self, from: usize, to: &mut [u8]) -> Result<(), Errno> {
        let own = vector(to.as_mut_ptr().cast(), to.len());
        transfer(own, vector(from as *mut c_void, to.len()), true)
    }

    fn copy_out(&self, to: usize, data: &[u8]) -> Result<(), Errno> {
        let own = vector(data.as_ptr().cast_mut().cast(), data.len());
        transfer(own, vector(to as *mut c_void, data.len()), false)
    }

    /// The system waits, on the descriptor: signals, time-outs and `O_NONBLOCK` are its own.
    fn wait_readable(&self, flags: c_int) -> Result<bool, Errno> {
        let mut octet = 0_u8;
        let flags = libc::MSG_PEEK | flags & libc::MSG_DONTWAIT;
        // SAFETY: there is room for one octet.
        match unsafe { real::recv(self.0, (&raw mut octet).cast(), 1, flags) } {
            0 => Ok(false),
            1.. => Ok(true),
            _ => Err(errno()),
        }
    }
}

const fn vector(at: *mut c_void, octets: usize) -> iovec {
    iovec {
        iov_base: at,
        iov_len: octets,
    }
}

/// Lets the system copy between own memory and the program's, because it can fail.
fn transfer(own: iovec, other: iovec, is_read: bool) -> Result<(), Errno> {
    const ONE: c_ulong = 1;
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
    if done >= 0 || !is_forbidden(errno()) {
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
