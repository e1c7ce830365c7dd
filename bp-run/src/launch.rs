// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Starts the program under the filter, and waits until it and what it has started have ended.

use std::ffi::{OsString, c_int};
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use anyhow::{Context as _, anyhow};

use crate::filter::filter;
use crate::listener::Listener;
use crate::supervisor::Supervisor;

/// The program is not there, or cannot be run.
#[derive(Debug)]
pub(crate) struct CannotStart(OsString, io::Error);

impl fmt::Display for CannotStart {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "cannot start {}", self.0.display())
    }
}

impl std::error::Error for CannotStart {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.1)
    }
}

/// The program, for the handler of signals.
static PROGRAM: AtomicI32 = AtomicI32::new(0);

/// Runs a program and returns how it ended. `first` is the lowest number of its sockets.
pub(crate) fn run(
    program: &OsString,
    arguments: &[OsString],
    first: u32,
) -> anyhow::Result<ExitStatus> {
    adopt_children().context("cannot take over children of the program")?;
    handle_signals().context("cannot handle signals")?;
    let mut command = Command::new(program);
    command.args(arguments);
    let (to_here, from_there) = mpsc::channel();
    let starter = thread::Builder::new().spawn(move || {
        // The filter is for this thread and for what it starts.
        let mut filter = filter(first);
        let listener = Listener::install(&mut filter);
        let is_good = listener.is_ok();
        // This side waits for it.
        let _ = to_here.send(listener);
        is_good.then(|| command.spawn())
    })?;
    let listener = from_there
        .recv()
        .context("the thread that starts the program ended")?;
    let listener = listener.context(
        "cannot catch system calls: that needs Linux 5.19, and no supervisor around this one",
    )?;
    let supervisor = Supervisor::new(listener, first).map_err(io::Error::from_raw_os_error)?;
    Arc::new(supervisor)
        .start()
        .context("cannot start threads")?;
    let child: io::Result<Child> = starter
        .join()
        .ok()
        .flatten()
        .ok_or_else(|| anyhow!("the thread that starts the program ended"))?;
    let child = child.map_err(|error| CannotStart(program.clone(), error))?;
    let number = child.id().cast_signed();
    PROGRAM.store(number, Ordering::Relaxed);
    wait_for_all(number)
}

/// Orphans come to this process, so that it knows when the last one has ended.
fn adopt_children() -> io::Result<()> {
    // SAFETY: there are no pointers.
    match unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits until there are no children. Returns how the first one ended.
fn wait_for_all(first: c_int) -> anyhow::Result<ExitStatus> {
    let mut ended = None;
    loop {
        let mut status = 0;
        // SAFETY: the status is writable.
        let number = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        if number == first {
            ended = Some(ExitStatus::from_raw(status));
        } else if number < 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() == Some(libc::EINTR) {
                continue;
            }
            return ended.ok_or(error).context("cannot wait for the program");
        }
    }
}

/// Signals of the terminal are for the program, which gets them itself; the others are passed on.
fn handle_signals() -> io::Result<()> {
    for (signal, handler) in [
        (libc::SIGINT, ignore as extern "C" fn(c_int)),
        (libc::SIGQUIT, ignore),
        (libc::SIGTERM, pass_on),
        (libc::SIGHUP, pass_on),
    ] {
        // SAFETY: zeros are a mask and flags of nothing, and the handlers call what handlers may.
        let done = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut())
        };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Unlike `SIG_IGN`, a handler is not for the program, too.
extern "C" fn ignore(_signal: c_int) {}

extern "C" fn pass_on(signal: c_int) {
    let program = PROGRAM.load(Ordering::Relaxed);
    if program > 0 {
        // SAFETY: there are no pointers.
        unsafe { libc::kill(program, signal) };
    }
}
