// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Processes whose calls are caught: their descriptors, their memory, and what waits for them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bpsock_calls::{Caller, Errno, is_nonblocking, receive_timeout};
use libc::{c_int, c_ulong, iovec};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, recv};

use crate::listener::Listener;

/// A process. Threads share it.
#[derive(Debug)]
pub(crate) struct Process {
    group: c_int,
    handle: OwnedFd,
    /// The number that its next descriptor may have.
    pub(crate) next: Mutex<u32>,
}

/// Processes by the numbers of their threads.
#[derive(Debug, Default)]
pub(crate) struct Processes(Mutex<BTreeMap<u32, Arc<Process>>>);

/// How many threads are remembered; then all are looked up again.
const REMEMBERED: usize = 4096;
/// The kernel's ERESTARTSYS: the call begins again behind a signal, or is EINTR, as the program has
/// said to `sigaction`.
const RESTART: Errno = 512;
/// How often a call that waits looks for signals.
const SIGNALS: Duration = Duration::from_millis(20);

fn last_error() -> Errno {
    io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}

impl Processes {
    /// The process of a thread that waits for its call to end.
    pub(crate) fn of(&self, thread: u32, first: u32) -> Result<Arc<Process>, Errno> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(process) = known.get(&thread)
            && process.has(thread)
        {
            return Ok(Arc::clone(process));
        }
        if known.len() >= REMEMBERED {
            known.clear();
        }
        let process = Arc::new(Process::open(thread, first)?);
        known.insert(thread, Arc::clone(&process));
        Ok(process)
    }
}

impl Process {
    fn open(thread: u32, first: u32) -> Result<Self, Errno> {
        let status = fs::read_to_string(format!("/proc/{thread}/status"));
        let status = status.map_err(|_| libc::ESRCH)?;
        let group = field(&status, "Tgid:").and_then(|group| group.parse().ok());
        let group: c_int = group.ok_or(libc::ESRCH)?;
        // SAFETY: there are no pointers.
        let handle = unsafe { libc::syscall(libc::SYS_pidfd_open, group, 0) };
        let handle = c_int::try_from(handle).unwrap_or(-1);
        if handle < 0 {
            return Err(last_error());
        }
        // SAFETY: the descriptor is new, and nobody else has it.
        let handle = unsafe { OwnedFd::from_raw_fd(handle) };
        let next = Mutex::new(first);
        Ok(Self {
            group,
            handle,
            next,
        })
    }

    /// Whether the thread is of this process: its number may have been of another one.
    fn has(&self, thread: u32) -> bool {
        // SAFETY: there are no pointers, and signal 0 is none.
        let (is_of_group, is_alive) = unsafe {
            (
                libc::syscall(libc::SYS_tgkill, self.group, thread, 0) == 0,
                libc::syscall(
                    libc::SYS_pidfd_send_signal,
                    self.handle.as_raw_fd(),
                    0,
                    std::ptr::null::<libc::siginfo_t>(),
                    0,
                ) == 0,
            )
        };
        is_of_group && is_alive
    }

    /// A copy of one of its descriptors.
    pub(crate) fn descriptor(&self, number: c_int) -> Result<OwnedFd, Errno> {
        let handle = self.handle.as_raw_fd();
        // SAFETY: there are no pointers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, handle, number, 0) };
        let fd = c_int::try_from(fd).unwrap_or(-1);
        if fd < 0 {
            return Err(last_error());
        }
        // SAFETY: the descriptor is new, and nobody else has it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

fn field<'text>(status: &'text str, name: &str) -> Option<&'text str> {
    let value = |line: &'text str| line.strip_prefix(name).map(str::trim);
    status.lines().find_map(value)
}

/// Whether a thread has a signal to handle.
fn has_signal(thread: u32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{thread}/status")) else {
        return true;
    };
    let mask = |name| {
        let digits = field(&status, name).unwrap_or_default();
        u64::from_str_radix(digits, 16).unwrap_or_default()
    };
    let pending = mask("SigPnd:") | mask("ShdPnd:");
    pending & !mask("SigBlk:") & !mask("SigIgn:") != 0
}

/// Whether a thread has the user of this process: the daemon decides for that one.
pub(crate) fn is_of_own_user(thread: u32) -> bool {
    let owner = fs::metadata(format!("/proc/{thread}")).map(|it| it.uid());
    owner.is_ok_and(|owner| owner == rustix::process::geteuid().as_raw())
}

/// A thread whose call was caught.
#[derive(Debug)]
pub(crate) struct Trapped<'listener> {
    pub(crate) listener: &'listener Listener,
    pub(crate) id: u64,
    pub(crate) thread: u32,
    pub(crate) process: Arc<Process>,
    pub(crate) descriptor: OwnedFd,
}

impl Trapped<'_> {
    fn transfer(&self, own: iovec, other: iovec, is_read: bool) -> Result<(), Errno> {
        const ONE: c_ulong = 1;
        let thread = self.thread.cast_signed();
        // SAFETY: `own` is valid memory; the system checks the other one.
        let done = unsafe {
            if is_read {
                libc::process_vm_readv(thread, &raw const own, ONE, &raw const other, ONE, 0)
            } else {
                libc::process_vm_writev(thread, &raw const own, ONE, &raw const other, ONE, 0)
            }
        };
        if usize::try_from(done) == Ok(own.iov_len) {
            Ok(())
        } else {
            Err(libc::EFAULT)
        }
    }
}

fn vector(at: usize, octets: usize) -> iovec {
    iovec {
        iov_base: at as *mut libc::c_void,
        iov_len: octets,
    }
}

impl Caller for Trapped<'_> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    fn copy_in(&self, from: usize, to: &mut [u8]) -> Result<(), Errno> {
        let own = vector(to.as_mut_ptr().addr(), to.len());
        self.transfer(own, vector(from, to.len()), true)?;
        // Otherwise the octets may be of another process with the number.
        self.listener
            .is_waiting(self.id)
            .then_some(())
            .ok_or(libc::ESRCH)
    }

    fn copy_out(&self, to: usize, data: &[u8]) -> Result<(), Errno> {
        if !self.listener.is_waiting(self.id) {
            return Err(libc::ESRCH);
        }
        let own = vector(data.as_ptr().addr(), data.len());
        self.transfer(own, vector(to, data.len()), false)
    }

    fn wait_readable(&self, flags: c_int) -> Result<bool, Errno> {
        let limit = if is_nonblocking(self.descriptor(), flags) {
            Some(Duration::ZERO)
        } else {
            receive_timeout(self.descriptor())
        };
        let deadline = limit.map(|limit| Instant::now() + limit);
        loop {
            let mut octet = [0; 1];
            match recv(
                &self.descriptor,
                &mut octet,
                RecvFlags::PEEK | RecvFlags::DONTWAIT,
            ) {
                Ok((octets, _)) => return Ok(octets > 0),
                Err(rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(error.raw_os_error()),
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(libc::EAGAIN);
            }
            let slice = left.map_or(SIGNALS, |left| left.min(SIGNALS));
            let slice = Timespec::try_from(slice).map_err(|_| libc::EINVAL)?;
            let mut fds = [
                PollFd::new(&self.descriptor, PollFlags::IN),
                PollFd::new(&self.process.handle, PollFlags::IN),
            ];
            let ready = poll(&mut fds, Some(&slice)).map_err(rustix::io::Errno::raw_os_error)?;
            let has_ended = !fds[1].revents().is_empty();
            if has_ended || ready == 0 && !self.listener.is_waiting(self.id) {
                return Err(libc::EINTR);
            }
            if ready == 0 && has_signal(self.thread) {
                // With a time-out a call does not begin again.
                return Err(deadline.map_or(RESTART, |_| libc::EINTR));
            }
        }
    }
}
