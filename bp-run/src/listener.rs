// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The descriptor at which caught system calls arrive: `seccomp_unotify(2)`.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use libc::{
    c_int, c_ulong, c_void, seccomp_notif, seccomp_notif_addfd, seccomp_notif_resp, sock_filter,
    sock_fprog,
};

use bpsock_calls::Errno;

/// Only a signal that ends the program interrupts a call that the supervisor works on: otherwise it
/// would write into memory that the program uses for something else. Linux 5.19.
const WAIT_KILLABLE: c_ulong = 1 << 5;

/// Where caught calls arrive.
#[derive(Debug)]
pub(crate) struct Listener(OwnedFd);

fn result(code: c_int) -> Result<c_int, Errno> {
    if code < 0 {
        Err(io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EIO))
    } else {
        Ok(code)
    }
}

impl Listener {
    /// Puts this thread, and what it starts, under a filter for the rest of its life.
    pub(crate) fn install(filter: &mut [sock_filter]) -> io::Result<Self> {
        let program = sock_fprog {
            len: u16::try_from(filter.len()).expect("the filter is short"),
            filter: filter.as_mut_ptr(),
        };
        let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | WAIT_KILLABLE;
        // SAFETY: the filter is valid during the call, and as long as it says.
        let fd = unsafe {
            if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 {
                return Err(io::Error::last_os_error());
            }
            let mode = libc::SECCOMP_SET_MODE_FILTER;
            libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program)
        };
        let fd = c_int::try_from(fd).unwrap_or(-1);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, and nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    fn control<T>(&self, request: c_ulong, argument: *mut T) -> Result<c_int, Errno> {
        // SAFETY: the argument is of the type that the request has.
        let code = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                request as libc::Ioctl,
                argument.cast::<c_void>(),
            )
        };
        result(code)
    }

    /// Waits for the next call.
    pub(crate) fn receive(&self) -> Result<seccomp_notif, Errno> {
        // SAFETY: zeros are what the system asks for, and valid numbers.
        let mut notification: seccomp_notif = unsafe { MaybeUninit::zeroed().assume_init() };
        let request = libc::SECCOMP_IOCTL_NOTIF_RECV as c_ulong;
        self.control(request, &raw mut notification)?;
        Ok(notification)
    }

    /// Whether the caller waits still: whether its memory is what its call was about.
    pub(crate) fn is_waiting(&self, id: u64) -> bool {
        let mut id = id;
        let request = libc::SECCOMP_IOCTL_NOTIF_ID_VALID as c_ulong;
        self.control(request, &raw mut id).is_ok()
    }

    fn send(&self, response: &mut seccomp_notif_resp) {
        let request = libc::SECCOMP_IOCTL_NOTIF_SEND as c_ulong;
        // An error is that the caller was killed.
        let _ = self.control(request, &raw mut *response);
    }

    /// Ends a call with a result or an errno.
    pub(crate) fn answer(&self, id: u64, result: Result<i64, Errno>) {
        self.send(&mut seccomp_notif_resp {
            id,
            val: result.unwrap_or(0),
            error: result.err().map_or(0, |error| -error),
            flags: 0,
        });
    }

    /// Lets the system do a call.
    pub(crate) fn pass_on(&self, id: u64) {
        let flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or_default();
        self.send(&mut seccomp_notif_resp {
            id,
            val: 0,
            error: 0,
            flags,
        });
    }

    /// Gives the caller a copy of a descriptor, with this number or the lowest one, and ends its call
    /// with that number.
    pub(crate) fn give(
        &self,
        id: u64,
        fd: BorrowedFd<'_>,
        number: Option<u32>,
        is_cloexec: bool,
    ) -> Result<(), Errno> {
        let with_number = number.map_or(0, |_| libc::SECCOMP_ADDFD_FLAG_SETFD);
        let flags = libc::SECCOMP_ADDFD_FLAG_SEND | with_number;
        let cloexec = if is_cloexec { libc::O_CLOEXEC } else { 0 };
        let mut gift = seccomp_notif_addfd {
            id,
            flags: u32::try_from(flags).unwrap_or_default(),
            srcfd: fd.as_raw_fd().cast_unsigned(),
            newfd: number.unwrap_or(0),
            newfd_flags: cloexec.cast_unsigned(),
        };
        let request = libc::SECCOMP_IOCTL_NOTIF_ADDFD as c_ulong;
        self.control(request, &raw mut gift).map(|_| ())
    }
}
