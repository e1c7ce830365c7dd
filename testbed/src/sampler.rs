// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Looks at the neighbours of a switch again and again, without a session.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{JoinHandle, sleep, spawn},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use contact::UtcTime;
use control::{rules::Note, supervise::now};
use p4rt::{
    client::{Client, ConnectOptions},
    p4info::Index,
    proto::p4::v1::{
        Entity, TableEntry, entity, get_forwarding_pipeline_config_request::ResponseType,
    },
};

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// How often the switch answered.
    pub looks: u64,
    /// Rules that were there, in all looks.
    pub rules: u64,
    /// Those among them whose contact had ended when the question was asked.
    pub outlived: u64,
    /// When each neighbour was first seen again, and when it was last seen to be missing.
    pub appeared: Vec<(u64, UtcTime, UtcTime)>,
    present: BTreeMap<u64, Instant>,
    last_look: Option<UtcTime>,
    /// When a look found routes.
    programmed: Option<Instant>,
}

/// A thread that looks.
#[derive(Debug)]
pub struct Sampler {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sampler {
    /// Looks at a switch, whose rules end so long before their contacts, with a pause between looks.
    ///
    /// # Errors
    ///
    /// There is no runtime.
    pub fn start(address: String, guard: Duration, pause: Duration) -> anyhow::Result<Self> {
        let (seen, stop) = (Arc::default(), Arc::default());
        let looker = Looker {
            address,
            guard,
            pause,
            seen: Arc::clone(&seen),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start a runtime")?;
        let ended: Arc<AtomicBool> = Arc::clone(&stop);
        let thread = spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                // A switch that has been killed answers again later.
                let _ = runtime.block_on(looker.look(&ended));
                sleep(pause);
            }
        });
        Ok(Self {
            seen,
            stop,
            thread: Some(thread),
        })
    }

    /// Whether the neighbour with this number was there when last seen.
    #[must_use]
    pub fn holds(&self, number: u64) -> bool {
        lock(&self.seen).present.contains_key(&number)
    }

    /// Waits for a neighbour, and returns when it was first seen.
    #[must_use]
    pub fn wait_for(&self, number: u64, longest: Duration) -> Option<Instant> {
        let start = Instant::now();
        while start.elapsed() < longest {
            if let Some(since) = lock(&self.seen).present.get(&number) {
                return Some(*since);
            }
            sleep(Duration::from_millis(1));
        }
        None
    }

    /// Whether routes were seen after a time.
    #[must_use]
    pub fn is_programmed_since(&self, time: Instant) -> bool {
        lock(&self.seen).programmed.is_some_and(|seen| seen > time)
    }

    /// Ends, and says what was seen.
    pub fn stop(&mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported where it happened.
            let _ = thread.join();
        }
        lock(&self.seen).clone()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Looker {
    address: String,
    guard: Duration,
    pause: Duration,
    seen: Arc<Mutex<Seen>>,
}

impl Looker {
    /// Looks until the switch does not answer any more.
    async fn look(&self, stop: &AtomicBool) -> anyhow::Result<()> {
        let client = Client::connect(&ConnectOptions::new(&self.address, 1)).await?;
        let config = client.pipeline(ResponseType::P4infoAndCookie).await?;
        let p4info = config
            .and_then(|config| config.p4info)
            .context("no program")?;
        let index = Index::new(&p4info)?;
        let id = |name: &str| index.table(name).map(|table| table.id).context("no table");
        let (next_hop, endpoint) = (id("ingress.next_hop")?, id("ingress.endpoint")?);
        while !stop.load(Ordering::Relaxed) {
            let asked = now();
            let neighbours = entries(&client, next_hop).await?;
            self.note(asked, &neighbours);
            if !entries(&client, endpoint).await?.is_empty() {
                lock(&self.seen).programmed = Some(Instant::now());
            }
            tokio::time::sleep(self.pause).await;
        }
        Ok(())
    }

    fn note(&self, asked: UtcTime, entries: &[TableEntry]) {
        let mut seen = lock(&self.seen);
        let mut present = BTreeMap::new();
        for entry in entries {
            let Some(note) = Note::decode(&entry.metadata) else {
                continue;
            };
            seen.rules += 1;
            // The rule ends before its contact does.
            let guard = u64::try_from(self.guard.as_micros()).unwrap_or(u64::MAX);
            if note.until.micros().saturating_add(guard) <= asked.micros() {
                seen.outlived += 1;
            }
            let number = number(entry);
            let since = seen.present.get(&number).copied();
            if since.is_none() {
                let before = seen.last_look.unwrap_or(asked);
                seen.appeared.push((number, before, now()));
            }
            present.insert(number, since.unwrap_or_else(Instant::now));
        }
        seen.present = present;
        seen.looks += 1;
        seen.last_look = Some(asked);
    }
}

/// The entries of a table, without its default.
async fn entries(client: &Client, table: u32) -> anyhow::Result<Vec<TableEntry>> {
    let wanted = Entity {
        entity: Some(entity::Entity::TableEntry(TableEntry {
            table_id: table,
            ..TableEntry::default()
        })),
    };
    let found = client.read(vec![wanted]).await?;
    let entry = |entity: Entity| match entity.entity {
        Some(entity::Entity::TableEntry(entry)) if !entry.is_default_action => Some(entry),
        _ => None,
    };
    Ok(found.into_iter().filter_map(entry).collect())
}

/// The number that a neighbour has in the table.
fn number(entry: &TableEntry) -> u64 {
    use p4rt::proto::p4::v1::field_match::FieldMatchType;

    let first = entry.r#match.first();
    match first.and_then(|field| field.field_match_type.as_ref()) {
        Some(FieldMatchType::Exact(exact)) => {
            let octets = exact.value.iter();
            octets.fold(0, |number, octet| number << 8 | u64::from(*octet))
        }
        _ => 0,
    }
}
