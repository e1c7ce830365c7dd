// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs under test as child processes, with their logs.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);
/// Lines of a log that explain a failure.
const LOG_TAIL: usize = 12;

/// The path of a program that is built together with this one. Tests are one folder below programs.
///
/// # Errors
///
/// It has not been built.
pub fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let own = env::current_exe().context("cannot find the path of this program")?;
    let mut folders = own.ancestors().skip(1).take(2);
    let path = folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()));
    path.with_context(|| format!("{name} is missing: build the whole workspace, `make build`"))
}

/// Runs a program to its end, and returns what it prints.
///
/// # Errors
///
/// It cannot be started, or it fails; then with what it says.
pub fn output<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(args)
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !output.status.success() {
        bail!(
            "{} ended with {}:\n{}",
            program.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    String::from_utf8(output.stdout).context("the output is not text")
}

/// A program that runs until this value is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; both its outputs go to a log.
    ///
    /// # Errors
    ///
    /// It cannot be started, or the log cannot be written.
    pub fn start<S: AsRef<OsStr>>(program: &Path, args: &[S], log: &Path) -> anyhow::Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let both = file.try_clone().context("cannot duplicate the log")?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(both)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok(Self {
            name,
            child,
            log: log.to_owned(),
        })
    }

    /// Sends it a signal, such as `-HUP`.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        output("kill".as_ref(), &[name, &self.child.id().to_string()]).map(|_| ())
    }

    /// Waits until a condition gives a value, as long as the program runs.
    ///
    /// # Errors
    ///
    /// The program ends, or the deadline passes; with the end of its log.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        deadline: Duration,
        mut condition: impl FnMut() -> Option<T>,
    ) -> anyhow::Result<T> {
        let start = Instant::now();
        loop {
            if let Some(value) = condition() {
                return Ok(value);
            }
            if let Some(status) = self.child.try_wait().context("cannot ask for the child")? {
                bail!("{} ended with {status}:\n{}", self.name, self.log_tail());
            }
            if start.elapsed() > deadline {
                bail!(
                    "no {what} within {deadline:?} from {}:\n{}",
                    self.name,
                    self.log_tail()
                );
            }
            thread::sleep(POLL);
        }
    }

    /// The last lines of the log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A child that has ended already is what this is about.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a file holds once it is there and not empty.
#[must_use]
pub fn contents(path: &Path) -> Option<String> {
    fs::read_to_string(path)
        .ok()
        .filter(|text| !text.trim().is_empty())
}
