// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Switches as child processes: started with a log, looked at, and ended.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

/// Longest wait for something that a program writes into its log.
const DEADLINE: Duration = Duration::from_mins(2);

/// How often the log is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Lines of a log that explain a failure.
const LOG_TAIL: usize = 12;

/// A program that runs until this value is dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// Where a program is, if it is on the PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Runs a program to its end.
///
/// # Errors
///
/// It cannot be started, or it fails; then with what it says.
pub(crate) fn finish<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> anyhow::Result<()> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{} ended with {}:\n{}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

impl Process {
    /// Starts a program on some of the cores; both its outputs go to a log.
    ///
    /// # Errors
    ///
    /// It cannot be started, or the log cannot be written.
    pub(crate) fn start(
        cores: usize,
        program: &Path,
        args: &[OsString],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let both = file.try_clone().context("cannot duplicate the log")?;
        // taskset becomes the program, so the child is the switch itself.
        let child = Command::new("taskset")
            .arg("--cpu-list")
            .arg(format!("0-{}", cores.saturating_sub(1)))
            .arg(program)
            .args(args)
            // p4switch says here when it changes to machine code.
            .env("RUST_LOG", "info,switch::device=debug")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(both)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let log = log.to_owned();
        Ok(Self { child, log })
    }

    /// Waits until the log tells something.
    ///
    /// # Errors
    ///
    /// The program ends, or the deadline passes; with the end of its log.
    pub(crate) fn wait_for<T>(
        &mut self,
        what: &str,
        find: impl Fn(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        let start = Instant::now();
        loop {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(found) = find(&log) {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait().context("cannot ask for the child")? {
                bail!("the switch ended with {status}:\n{}", tail(&log));
            }
            ensure!(
                start.elapsed() < DEADLINE,
                "no {what} within {DEADLINE:?}:\n{}",
                tail(&log)
            );
            thread::sleep(POLL);
        }
    }

    /// The end of the log.
    pub(crate) fn log_tail(&self) -> String {
        tail(&fs::read_to_string(&self.log).unwrap_or_default())
    }

    /// Time that its threads had a core so far, as Linux counts it.
    ///
    /// # Errors
    ///
    /// The process has ended.
    pub(crate) fn worked(&self) -> anyhow::Result<Duration> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut sum = Duration::ZERO;
        for task in fs::read_dir(&tasks).with_context(|| format!("cannot read {tasks}"))? {
            let path = task?.path().join("schedstat");
            // A thread may end while the list is read.
            let text = fs::read_to_string(path).unwrap_or_default();
            let ns = text.split(' ').next().and_then(|first| first.parse().ok());
            sum += Duration::from_nanos(ns.unwrap_or(0));
        }
        Ok(sum)
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
}

impl Drop for Process {
    fn drop(&mut self) {
        // A child that has ended already is what this is about.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
