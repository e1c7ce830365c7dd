// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The helper process that is attached to ION, as `docs/adr/0021-ion-in-a-process-of-its-own.md` says.
//!
//! It reads orders, and does them one after the other; a thread for each endpoint waits for messages. It ends when
//! the daemon does, or when ION was stopped, and never in the middle of a transaction. What ION has
//! handed over and the daemon has not stored by then goes into files, which the next daemon reads.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bpsock::Address;
use bundle::Version;
use bundle::v7::CrcType;
use rustix::io::Errno;
use tracing::{debug, warn};

use super::library::{Failure, Heard, Ion, OpenError, Received, Sap, ignore_signals};
use super::wire::{self, Manner, News, Order};
use crate::leaf::form::{ADMIN_RECORD, Crcs, Draft, Status};
use crate::leaf::now_ms;

/// What the daemon tells its helper on the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// ION's library.
    #[arg(long)]
    pub library: OsString,
    /// The folder for the lock, and for bundles that were not stored.
    #[arg(long)]
    pub folder: PathBuf,
}

/// Endpoints that may be open: each has a thread.
const ENDPOINTS: usize = 256;
/// Octets of bundles that the daemon has not stored. Then no others are taken out of ION.
const UNSTORED: usize = 32 << 20;
/// How long an earlier helper may take to end.
const PREDECESSOR: Duration = Duration::from_secs(20);
/// How often ION is looked at.
const WATCH: Duration = Duration::from_millis(500);
/// How long threads may take to end. They do at once, unless ION's memory is gone.
const GRACE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(20);

/// Works until the daemon ends, or ION.
///
/// # Errors
///
/// There is no stream to the daemon, or what has come cannot be saved.
pub fn run(options: &Options) -> anyhow::Result<()> {
    ignore_signals();
    let stream = io::stdin().as_fd().try_clone_to_owned();
    let stream = UnixStream::from(stream.context("there is no standard input")?);
    let folder = &options.folder;
    let opened = File::create(folder.join("lock"));
    let lock = opened.with_context(|| format!("cannot write into {}", folder.display()))?;
    if !is_alone(&lock)? {
        let reason = "an earlier helper does not end".to_owned();
        return Ok(wire::write(&mut &stream, &News::Ended { reason }, &[])?);
    }
    let ion = match Ion::attach(&options.library) {
        Ok(ion) => Arc::new(ion),
        Err(error) => return Ok(wire::write(&mut &stream, &News::from(error), &[])?),
    };
    let shared = Arc::new(Shared {
        ion,
        stream,
        writer: Mutex::new(()),
        state: Mutex::new(State::default()),
        changed: Condvar::new(),
    });
    let ready = News::Ready {
        version: shared.ion.version().to_owned(),
        node: shared.ion.node(),
    };
    shared.tell(&ready, &[]);
    let watcher = Arc::clone(&shared);
    thread::spawn(move || watch(&watcher));
    let mut worker = Worker {
        shared,
        ends: BTreeMap::new(),
        threads: Vec::new(),
    };
    worker.work();
    worker.finish(folder)
    // The lock ends with the process.
}

/// Waits for the helper before this one: it may have something to save.
fn is_alone(lock: &File) -> io::Result<bool> {
    let start = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if start.elapsed() < PREDECESSOR => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// What the threads share.
struct Shared {
    ion: Arc<Ion>,
    stream: UnixStream,
    /// Whose turn it is to write.
    writer: Mutex<()>,
    state: Mutex<State>,
    /// Signalled when a receiver may go on, or has to end.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_ending: bool,
    /// They stay until all of their bundles are stored.
    accounts: BTreeMap<u64, Account>,
    octets: usize,
}

/// An endpoint, as its receiver sees it.
#[derive(Default)]
struct Account {
    is_closing: bool,
    is_closed: bool,
    credit: usize,
    unstored: VecDeque<Vec<u8>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, news: &News, octets: &[u8]) {
        let _turn = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = wire::write(&mut &self.stream, news, octets) {
            // Nobody is there any more: the next order is the end of the stream.
            debug!(reason = %error, "cannot tell the daemon");
        }
    }

    /// Ends the process, in order: orders end, then receivers.
    fn end(&self, reason: String) {
        self.tell(&News::Ended { reason }, &[]);
        // It may have ended already.
        let _ = self.stream.shutdown(Shutdown::Read);
    }
}

/// An endpoint, as the main thread sees it.
struct End {
    sap: Sap,
    endpoint: String,
}

struct Worker {
    shared: Arc<Shared>,
    ends: BTreeMap<u64, End>,
    threads: Vec<(String, JoinHandle<()>)>,
}

impl Worker {
    fn work(&mut self) {
        loop {
            match wire::read(&mut &self.shared.stream) {
                Ok(Some((order, data))) => self.order(order, &data),
                Ok(None) => return,
                Err(error) => {
                    debug!(reason = %error, "the daemon has ended");
                    return;
                }
            }
        }
    }

    fn order(&mut self, order: Order, data: &[u8]) {
        match order {
            Order::Open {
                id,
                endpoint,
                may_add,
                is_passing,
            } => {
                let opened = self.open(id, endpoint, may_add, is_passing);
                let outcome = self.outcome("open", opened);
                self.shared.tell(&News::Opened { id, outcome }, &[]);
            }
            Order::Close { id } => self.close(id),
            Order::Send {
                request,
                id,
                manner,
            } => {
                let sent = self.send(id, &manner, data);
                let outcome = self.outcome("send", sent);
                self.shared.tell(&News::Sent { request, outcome }, &[]);
            }
            Order::Grant { id, stored, credit } => {
                let mut state = self.shared.lock();
                if let Some(account) = state.accounts.get_mut(&id) {
                    account.credit += credit;
                    let count = stored.min(account.unstored.len());
                    let octets: usize = account.unstored.drain(..count).map(|it| it.len()).sum();
                    if account.is_closed && account.unstored.is_empty() {
                        state.accounts.remove(&id);
                    }
                    state.octets -= octets;
                }
                drop(state);
                self.shared.changed.notify_all();
            }
        }
    }

    /// The errno of a failure. If ION's functions fail the process ends: another one may find it whole.
    fn outcome(&self, what: &'static str, done: Result<(), Failure>) -> Result<(), i32> {
        match done {
            Ok(()) => Ok(()),
            Err(Failure::Refused(error, why)) => {
                debug!(what, why, errno = error.raw_os_error(), "ION refuses");
                Err(error.raw_os_error())
            }
            Err(Failure::Broken(why)) => {
                self.shared.end(format!("cannot {what}: {why}"));
                Err(Errno::NETDOWN.raw_os_error())
            }
        }
    }

    fn open(
        &mut self,
        id: u64,
        endpoint: String,
        may_add: bool,
        is_passing: bool,
    ) -> Result<(), Failure> {
        self.join(Some(&endpoint));
        if self.ends.len() >= ENDPOINTS {
            let why = format!("{ENDPOINTS} endpoints are open");
            return Err(Failure::Refused(Errno::NOBUFS, why));
        }
        let sap = self.shared.ion.open(&endpoint, may_add)?;
        self.shared.lock().accounts.insert(id, Account::default());
        let receiver = Receiver {
            shared: Arc::clone(&self.shared),
            id,
            sap,
            endpoint: endpoint.clone(),
            is_passing,
        };
        self.threads
            .push((endpoint.clone(), thread::spawn(move || receiver.run())));
        self.ends.insert(id, End { sap, endpoint });
        Ok(())
    }

    /// Waits for the threads that have ended, and for the one that is about to close this endpoint.
    fn join(&mut self, endpoint: Option<&str>) {
        let is_over = |(name, thread): &mut (String, JoinHandle<()>)| {
            thread.is_finished() || endpoint == Some(name.as_str())
        };
        let is_open = |endpoint: &str| self.ends.values().any(|end| end.endpoint == endpoint);
        if endpoint.is_some_and(is_open) {
            return;
        }
        for (_, thread) in self.threads.extract_if(.., is_over) {
            // A panic has been reported already.
            let _ = thread.join();
        }
    }

    fn close(&mut self, id: u64) {
        let Some(end) = self.ends.remove(&id) else {
            return;
        };
        if let Some(account) = self.shared.lock().accounts.get_mut(&id) {
            account.is_closing = true;
        }
        self.shared.changed.notify_all();
        self.shared.ion.interrupt(end.sap);
    }

    fn send(&self, id: u64, manner: &Manner, data: &[u8]) -> Result<(), Failure> {
        let unknown = || Failure::Refused(Errno::BADF, "no such endpoint".to_owned());
        let end = self.ends.get(&id).ok_or_else(unknown)?;
        self.shared.ion.send(end.sap, manner, data)
    }

    /// Closes everything, and saves what the daemon has not stored.
    fn finish(mut self, folder: &Path) -> anyhow::Result<()> {
        self.shared.lock().is_ending = true;
        self.shared.changed.notify_all();
        for end in std::mem::take(&mut self.ends).into_values() {
            self.shared.ion.interrupt(end.sap);
        }
        let start = Instant::now();
        while self.threads.iter().any(|(_, thread)| !thread.is_finished()) {
            if start.elapsed() > GRACE {
                warn!("ION does not answer");
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let state = self.shared.lock();
        let accounts = state.accounts.values().flat_map(|it| &it.unstored);
        for (count, bundle) in accounts.enumerate() {
            save(folder, count, bundle).context("cannot save a bundle")?;
        }
        drop(state);
        if start.elapsed() <= GRACE {
            self.shared.ion.detach();
        }
        Ok(())
    }
}

/// Files in the folder that are bundles.
pub(super) const SAVED: &str = "bundle";

fn save(folder: &Path, count: usize, bundle: &[u8]) -> io::Result<()> {
    let id = std::process::id();
    let new = folder.join(format!("{id}-{count}.new"));
    let mut file = File::create(&new)?;
    file.write_all(bundle)?;
    file.sync_all()?;
    fs::rename(
        &new,
        folder.join(format!("{}-{id}-{count}.{SAVED}", now_ms())),
    )
}

/// The thread of an endpoint.
struct Receiver {
    shared: Arc<Shared>,
    id: u64,
    sap: Sap,
    endpoint: String,
    is_passing: bool,
}

impl Receiver {
    fn run(self) {
        while self.may_go_on() {
            match self.shared.ion.receive(self.sap) {
                Ok(Heard::Message(received)) => self.received(&received),
                Ok(Heard::Interrupted) => {}
                Ok(Heard::Stopped) => {
                    self.shared.end("ION was stopped".to_owned());
                    break;
                }
                Err(Failure::Refused(_, why) | Failure::Broken(why)) => {
                    return self.shared.end(format!("cannot receive: {why}"));
                }
            }
        }
        let mut state = self.shared.lock();
        let is_ending = state.is_ending;
        if let Some(account) = state.accounts.get_mut(&self.id) {
            account.is_closed = true;
            if account.unstored.is_empty() {
                state.accounts.remove(&self.id);
            }
        }
        drop(state);
        let forget = (self.is_passing && !is_ending).then_some(self.endpoint.as_str());
        self.shared.ion.close(self.sap, forget);
    }

    /// Waits until another bundle may come. Returns whether one may.
    fn may_go_on(&self) -> bool {
        let mut state = self.shared.lock();
        loop {
            let Some(account) = state.accounts.get(&self.id) else {
                return false;
            };
            if state.is_ending || account.is_closing {
                return false;
            }
            if account.credit > 0 && state.octets < UNSTORED {
                return true;
            }
            let woken = self.shared.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn received(&self, received: &Received) {
        let Some(bundle) = bundle_of(received, &self.endpoint, self.shared.ion.node()) else {
            warn!(source = %received.source, "a message makes no bundle");
            return;
        };
        let mut state = self.shared.lock();
        state.octets += bundle.len();
        if let Some(account) = state.accounts.get_mut(&self.id) {
            account.credit = account.credit.saturating_sub(1);
            account.unstored.push_back(bundle.clone());
        }
        drop(state);
        self.shared.tell(&News::Arrived { id: self.id }, &bundle);
    }
}

/// The bundle again, as far as ION tells of it.
///
/// A status report about what the endpoint has sent becomes one for the node, as if the node had asked for it:
/// so it reaches the socket as a report, and not as a message.
fn bundle_of(received: &Received, endpoint: &str, node: u64) -> Option<Vec<u8>> {
    let destination: Address = endpoint.parse().ok()?;
    let source: Address = received.source.parse().ok()?;
    let mut flags = 0;
    if received.is_admin {
        flags |= ADMIN_RECORD;
    }
    if received.wants_answer {
        flags |= bpsock::abi::BP_FLAG_ACK_REQUESTED;
    }
    let is_own_report = received.is_admin
        && Status::decode(Version::V7, &received.data)
            .is_some_and(|status| destination.eid().is_ok_and(|own| own == status.source));
    let to_node = Address::from_eid(&bundle::Eid::ipn(node, 0));
    let draft = Draft {
        source: &source,
        destination: if is_own_report {
            &to_node
        } else {
            &destination
        },
        report_to: None,
        bundle: received.bundle,
        lifetime_ms: lifetime(received, now_ms()),
        flags,
        hop_limit: None,
        priority: 1,
        data: &received.data,
    };
    let crcs = Crcs {
        primary: CrcType::Crc16,
        blocks: CrcType::None,
    };
    draft.encode(Version::V7, crcs).ok()
}

/// The lifetime: ION tells 32 bits of it, and hands over only what has not expired.
fn lifetime(received: &Received, now_ms: u64) -> u64 {
    let told = u64::from(received.lifetime_ms);
    let age = match received.bundle.creation_ms {
        0 => 0,
        created => now_ms.saturating_sub(created),
    };
    let missing = (age + 1).saturating_sub(told).div_ceil(1 << 32);
    told + (missing << 32)
}

/// Ends the process when ION is stopped: receivers do not always hear of it.
fn watch(shared: &Shared) {
    while shared.ion.is_started() && !is_memory_gone() {
        thread::sleep(WATCH);
    }
    shared.end("ION was stopped".to_owned());
}

/// Whether memory that is shared with other processes has been removed: ION's, which is then of no use, and
/// looks as ever.
fn is_memory_gone() -> bool {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let known = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    gone(&maps, &known)
}

/// The segments that are mapped, by their number, which the system knows without a key, or not at all.
fn gone(maps: &str, known: &str) -> bool {
    let mapped = maps.lines().filter(|line| line.contains("/SYSV"));
    let mapped = mapped.filter_map(|line| line.split_ascii_whitespace().nth(4));
    let mut mapped = mapped.filter_map(|number| number.parse::<i64>().ok());
    let keys: BTreeMap<i64, i64> = known
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let key = words.next()?.parse().ok()?;
            Some((words.next()?.parse().ok()?, key))
        })
        .collect();
    !keys.is_empty() && mapped.any(|number| keys.get(&number).is_none_or(|key| *key == 0))
}

impl From<OpenError> for News {
    fn from(error: OpenError) -> Self {
        Self::Ended {
            reason: format!("{:#}", anyhow::Error::from(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(creation_ms: u64, lifetime_ms: u32) -> Received {
        Received {
            source: "ipn:8.5".to_owned(),
            bundle: bpsock::abi::BundleId {
                creation_ms,
                sequence: 3,
            },
            lifetime_ms,
            wants_answer: false,
            is_admin: false,
            data: b"x".to_vec(),
        }
    }

    #[test]
    fn lifetimes_are_told_modulo_two_to_the_32() {
        let now = 1 << 40;
        assert_eq!(lifetime(&received(now - 500, 1000), now), 1000);
        assert_eq!(lifetime(&received(0, 1000), now), 1000);
        // Two seconds old, so it lives longer than one.
        let more = 1000 + (1 << 32);
        assert_eq!(lifetime(&received(now - 2000, 1000), now), more);
        assert_eq!(lifetime(&received(now - more, 1000), now), more + (1 << 32));
    }

    #[test]
    fn removed_memory_is_found() {
        let maps = "7f00-7f01 rw-s 00000000 00:01 5  /SYSV0000ff00 (deleted)\n\
                    7f02-7f03 rw-p 00000000 00:00 9  /lib/x.so\n";
        let with = |key: i64| {
            format!("       key      shmid perms\n     {key}          5   666\n  77 6 666\n")
        };
        assert!(!gone(maps, &with(65280)));
        assert!(gone(maps, &with(0)));
        assert!(gone(maps, "key shmid\n77 6\n"));
        assert!(!gone(maps, ""));
    }
}
