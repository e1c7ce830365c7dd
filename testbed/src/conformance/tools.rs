// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The reference implementations: where they are, which versions, and how they are run to their end.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

/// p4c takes half a minute for the largest program; a run away one is ended.
const DEADLINE: Duration = Duration::from_mins(10);
/// How often a tool is looked at.
const POLL: Duration = Duration::from_millis(20);

/// What was found on the PATH.
#[derive(Debug)]
pub(crate) struct Tools {
    /// The front end and middle end of p4c, with all its checks.
    pub(crate) p4test: Option<Tool>,
    /// The back end for BMv2.
    pub(crate) p4c_bm2_ss: Option<Tool>,
    /// BMv2 with a P4Runtime server.
    pub(crate) simple_switch_grpc: Option<Tool>,
}

/// A program and what it says of its version.
#[derive(Debug)]
pub(crate) struct Tool {
    /// Where it is.
    pub(crate) path: PathBuf,
    version: String,
}

const P4TEST: &str = "p4test";
const P4C_BM2_SS: &str = "p4c-bm2-ss";
const SIMPLE_SWITCH_GRPC: &str = "simple_switch_grpc";

impl Tools {
    /// Looks for all tools.
    pub(crate) fn find() -> Self {
        Self {
            p4test: Tool::find(P4TEST),
            p4c_bm2_ss: Tool::find(P4C_BM2_SS),
            simple_switch_grpc: Tool::find(SIMPLE_SWITCH_GRPC),
        }
    }

    fn all(&self) -> [(&'static str, &Option<Tool>); 3] {
        [
            (P4TEST, &self.p4test),
            (P4C_BM2_SS, &self.p4c_bm2_ss),
            (SIMPLE_SWITCH_GRPC, &self.simple_switch_grpc),
        ]
    }

    /// Whether something cannot be checked.
    pub(crate) fn any_missing(&self) -> bool {
        self.all().iter().any(|(_, tool)| tool.is_none())
    }

    /// Says what is there and what is not.
    pub(crate) fn print(&self) {
        for (name, tool) in self.all() {
            match tool {
                Some(tool) => println!("{name} {} ({})", tool.version, tool.path.display()),
                None => println!("{name} is not on the PATH: not checked"),
            }
        }
    }

    /// The versions, `null` for what is missing.
    pub(crate) fn report(&self) -> Value {
        self.all()
            .iter()
            .map(|(name, tool)| {
                let version = tool.as_ref().map(|tool| &tool.version);
                ((*name).to_owned(), json!(version))
            })
            .collect()
    }
}

impl Tool {
    fn find(name: &str) -> Option<Self> {
        let path = env::split_paths(&env::var_os("PATH")?)
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())?;
        Some(Self {
            version: version(&path).unwrap_or_else(|| "of unknown version".to_owned()),
            path,
        })
    }

    /// Runs the tool to its end.
    ///
    /// # Errors
    ///
    /// It cannot be started, or does not end in time.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: &[S], log: &Path) -> anyhow::Result<Finished> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let both = file.try_clone().context("cannot duplicate the log")?;
        let start = Instant::now();
        let mut child = Command::new(&self.path)
            .args(args)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(both)
            .spawn()
            .with_context(|| format!("cannot start {}", self.path.display()))?;
        let status = loop {
            if let Some(status) = child.try_wait().context("cannot ask for the child")? {
                break status;
            }
            if start.elapsed() > DEADLINE {
                child.kill().context("cannot end the child")?;
                child.wait().context("cannot wait for the child")?;
                bail!("{} did not end within {DEADLINE:?}", self.path.display());
            }
            thread::sleep(POLL);
        };
        let said = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
        Ok(Finished {
            succeeded: status.success(),
            said: String::from_utf8_lossy(&said).trim().to_owned(),
            duration: start.elapsed(),
        })
    }
}

/// The last line of what a tool says of itself: p4c prints its name first, and all of it as an error.
fn version(path: &Path) -> Option<String> {
    let output = Command::new(path).arg("--version").output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&said);
    let line = text.lines().rfind(|line| !line.trim().is_empty())?;
    Some(line.trim().trim_start_matches("Version ").to_owned())
}

/// How a run of a tool ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Exit status zero.
    pub(crate) succeeded: bool,
    /// Both outputs. A compiler that is content says nothing.
    pub(crate) said: String,
    /// Wall-clock time.
    pub(crate) duration: Duration,
}

impl Finished {
    /// Whether the tool has neither errors nor warnings to report.
    pub(crate) fn silent_success(&self) -> bool {
        self.succeeded && self.said.is_empty()
    }
}
