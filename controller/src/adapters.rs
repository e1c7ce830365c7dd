// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Hands contact plans to nodes of other implementations: a file in their form, and a program of the
//! operator that makes the node read it. The end of the program is the acknowledgement.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use contact::{Plan, UtcTime};
use control::supervise::{Term, now};
use serde::Serialize;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant as Later, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use utoipa::ToSchema;

use crate::{config::Adapter, export, lease, outlets::write_whole, plan::Site};

/// How it stands with an adapter.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, ToSchema)]
pub struct AdapterStatus {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// The version of the plan that the node should have; 0 before there is one.
    pub wanted: u64,
    /// The version that the node is known to have: its program ended with success, or the file is
    /// written if there is none.
    pub acknowledged: u64,
    /// How often something went wrong.
    pub failures: u64,
    /// What went wrong last; empty if the newest plan is acknowledged.
    pub error: String,
}

/// What is known of all adapters, for those who ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct Adapters(Arc<Mutex<Vec<AdapterStatus>>>);

/// An adapter and what it has done.
#[derive(Clone, Debug)]
struct Work {
    adapter: Adapter,
    file: PathBuf,
    /// What was written and acknowledged last.
    done: Option<Plan>,
    /// When a failure is over.
    again: Option<Later>,
    status: AdapterStatus,
}

impl Adapters {
    /// Starts a task that keeps the files of all adapters as the plan is, until `stop`.
    pub(crate) fn start(
        tasks: &mut JoinSet<()>,
        site: watch::Receiver<Arc<Site>>,
        term: Option<watch::Receiver<Option<Term>>>,
        folder: &Path,
        stop: &CancellationToken,
    ) -> Self {
        let adapters = Self::default();
        let work = adapters
            .clone()
            .run(site, term, folder.to_owned(), stop.clone());
        tasks.spawn(work);
        adapters
    }

    /// How it stands with each.
    pub(crate) fn statuses(&self) -> Vec<AdapterStatus> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<AdapterStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(
        self,
        mut site: watch::Receiver<Arc<Site>>,
        term: Option<watch::Receiver<Option<Term>>>,
        folder: PathBuf,
        stop: CancellationToken,
    ) {
        let mut works: Vec<Work> = Vec::new();
        loop {
            let newest = site.borrow_and_update().clone();
            works = take_over(works, &newest.config.adapters, &folder);
            if lease::holds(term.as_ref()) {
                works = self.pass(works, &newest).await;
            }
            *self.lock() = works.iter().map(|work| work.status.clone()).collect();
            let next = works.iter().filter_map(|work| work.again).min();
            // A term begins without news of the site.
            let look = Later::now() + LOOK;
            tokio::select! {
                () = stop.cancelled() => return,
                changed = site.changed() => if changed.is_err() { return },
                () = sleep_until(next.map_or(look, |next| next.min(look))) => {}
            }
        }
    }

    /// Goes through all adapters at one time, so that none waits for another one's program.
    async fn pass(&self, works: Vec<Work>, site: &Arc<Site>) -> Vec<Work> {
        let mut under_way = JoinSet::new();
        for (place, work) in works.into_iter().enumerate() {
            let site = site.clone();
            under_way.spawn_blocking(move || (place, work.go(&site, now())));
        }
        let mut done = under_way.join_all().await;
        done.sort_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, work)| work).collect()
    }
}

/// The works of a configuration. What has not changed goes on.
fn take_over(mut works: Vec<Work>, adapters: &[Adapter], folder: &Path) -> Vec<Work> {
    let work = |adapter: &Adapter| {
        let key = |adapter: &Adapter| (adapter.name.clone(), adapter.format, adapter.origin());
        let place = works.iter().position(|work| {
            let same = key(&work.adapter) == key(adapter) && work.adapter.file == adapter.file;
            same && work.adapter.command == adapter.command
        });
        let file = folder.join(&adapter.file);
        place.map_or_else(
            || Work {
                adapter: adapter.clone(),
                status: AdapterStatus {
                    name: adapter.name.clone(),
                    file: file.display().to_string(),
                    ..AdapterStatus::default()
                },
                file,
                done: None,
                again: None,
            },
            |place| works.swap_remove(place),
        )
    };
    adapters.iter().map(work).collect()
}

impl Work {
    /// Writes the plan and runs the program, if there is anything new.
    fn go(mut self, site: &Site, now: UtcTime) -> Self {
        let Some(network) = &site.network else {
            return self;
        };
        let format = self.adapter.format;
        let wanted = export::in_terms_of(format, &network.plan, now);
        let is_done = self.done.as_ref().is_some_and(|done| {
            // What is over meanwhile is no reason to write.
            export::in_terms_of(format, done, now) == wanted
        });
        if is_done {
            return self;
        }
        let is_waiting = self.again.is_some_and(|again| Later::now() < again);
        let version = network.version;
        if is_waiting && self.status.wanted == version {
            return self;
        }
        self.status.wanted = version;
        let origin = self.adapter.origin();
        let text = export::text(format, &wanted, version, origin);
        let handed = text
            .map_err(|error| error.to_string())
            .and_then(|text| {
                write_whole(&self.file, &text)
                    .map_err(|error| format!("{}: {error}", self.file.display()))
            })
            .and_then(|()| self.hand_over(version));
        match handed {
            Ok(()) => {
                info!(
                    adapter = self.adapter.name,
                    version, "the plan is handed over"
                );
                self.status.acknowledged = version;
                self.status.error.clear();
                self.done = Some(wanted);
                self.again = None;
            }
            Err(error) => {
                warn!(
                    adapter = self.adapter.name,
                    version, error, "the plan is not handed over"
                );
                self.status.failures += 1;
                self.status.error = error;
                self.again = Some(Later::now() + self.timeout());
            }
        }
        self
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.adapter.timeout_s.into())
    }

    /// Runs the program of the operator. What it says is in a file next to that of the plan.
    fn hand_over(&self, version: u64) -> Result<(), String> {
        let file = self.file.display().to_string();
        let filled = |argument: &String| {
            let argument = argument.replace("{version}", &version.to_string());
            argument.replace("{file}", &file)
        };
        let mut words = self.adapter.command.iter().map(filled);
        let Some(program) = words.next() else {
            return Ok(());
        };
        let log = self.file.with_added_extension("log");
        let run = || {
            let out = File::create(&log)?;
            let mut command = Command::new(&program);
            command.args(words).stdin(Stdio::null());
            let mut child = command.stderr(out.try_clone()?).stdout(out).spawn()?;
            let deadline = Instant::now() + self.timeout();
            loop {
                if let Some(status) = child.try_wait()? {
                    return Ok(status);
                }
                if Instant::now() >= deadline {
                    child.kill()?;
                    child.wait()?;
                    return Err(io::Error::other(format!(
                        "it takes longer than {} s",
                        self.adapter.timeout_s
                    )));
                }
                thread::sleep(POLL);
            }
        };
        match run() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{program}: {status}: {}", last_words(&log))),
            Err(error) => Err(format!("{program}: {error}")),
        }
    }
}

/// The end of what a program said.
fn last_words(log: &Path) -> String {
    let said = fs::read(log).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let said = said.trim();
    let cut = said.char_indices().rev().nth(MOST_WORDS);
    said[cut.map_or(0, |(place, _)| place)..].to_owned()
}

/// How often it is looked whether this controller holds the cluster now.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked whether a program has ended.
const POLL: Duration = Duration::from_millis(10);
/// How much of what a failed program said is shown, in letters.
const MOST_WORDS: usize = 300;
