// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The only task that changes anything: it asks the core, writes the store and sends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bundle::Reason;
use contact::NodeNumber;
use p4rt::Target;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{debug, error};

use crate::core::{Core, Kept, Readiness, Verdict};
use crate::echo::Echoes;
use crate::link::{Link, SendError};
use crate::metrics::{Board, Numbers};
use crate::planned::Planned;
use crate::setup::now;
use crate::store::{Change, Sequence, Store, StoreError};
use crate::time::UnixMs;

/// Frames that are stored with one write to the disk.
const BATCH: usize = 256;
/// Bundles that leave with one write to the disk, unless the switch takes fewer at once: so many may be
/// sent twice around a crash.
const RELEASE_BATCH: usize = 32;
/// Bundles that get another neighbour after a new plan, for each neighbour that will not come.
const REROUTE_BATCH: usize = 1024;
/// The longest time without looking at the clock: it may have been set.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);
/// Pause after an error of the store or the link.
const RETRY: Duration = Duration::from_secs(1);

/// The state of the daemon.
#[derive(Debug)]
pub(crate) struct Worker {
    core: Core,
    /// `None` while a write is under way, and for ever without a store.
    store: Option<Store>,
    link: Arc<Link>,
    /// `None` if what the link takes counts as sent.
    echoes: Option<Echoes>,
    board: Board,
    overrun: Arc<AtomicU64>,
    /// What the cluster controller plans.
    planned: watch::Receiver<Option<Arc<Planned>>>,
    /// Bundles that are sent without looking whether the switch has handed them out.
    at_once: usize,
    /// Whether bundles may wait for neighbours that the plan does not know any more.
    rerouting: bool,
    /// Whether the last attempt to send or to write failed.
    troubled: bool,
}

/// Whether a frame went out.
enum Sent {
    Done,
    /// Neither it nor any other ever will.
    Impossible,
    /// It waits for another neighbour.
    Moved(Kept),
    /// It waits for the next contact.
    Held,
    /// It may go later.
    NotNow,
}

impl Worker {
    pub(crate) fn new(
        core: Core,
        store: Option<Store>,
        (link, echoes): (Arc<Link>, Option<Echoes>),
        board: Board,
        overrun: Arc<AtomicU64>,
        planned: watch::Receiver<Option<Arc<Planned>>>,
        target: Target,
    ) -> Self {
        Self {
            core,
            store,
            link,
            echoes,
            board,
            overrun,
            planned,
            at_once: at_once(target),
            rerouting: false,
            troubled: false,
        }
    }

    /// Works until no frames can come any more.
    pub(crate) async fn run(mut self, mut frames: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
        let mut batch = Vec::with_capacity(BATCH);
        let mut has_planner = true;
        self.follow();
        loop {
            self.publish();
            let pause = self.pause();
            tokio::select! {
                count = frames.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return Ok(());
                    }
                    self.take(&batch).await;
                    batch.clear();
                }
                changed = self.planned.changed(), if has_planner => {
                    has_planner = changed.is_ok();
                    self.follow();
                }
                () = sleep(pause) => self.troubled = false,
            }
            self.release().await;
        }
    }

    fn follow(&mut self) {
        if let Some(planned) = self.planned.borrow_and_update().clone() {
            self.core.follow(planned);
            self.rerouting = true;
        }
    }

    /// Decides about new frames, and stores those that have to wait with one write.
    async fn take(&mut self, batch: &[Vec<u8>]) {
        let now = now();
        let mut waiting = Vec::new();
        for octets in batch {
            let empty = std::collections::BTreeMap::new();
            let counts = self.store.as_ref().map_or(&empty, Store::waiting);
            match self.core.receive(octets, counts, now) {
                Verdict::Send(frames) => {
                    for frame in frames {
                        self.send(&frame).await;
                    }
                }
                Verdict::Keep(kept) => waiting.push(kept),
                Verdict::Drop | Verdict::Hold => {}
            }
        }
        if !waiting.is_empty() {
            self.keep(waiting, now).await;
        }
    }

    async fn keep(&mut self, waiting: Vec<Kept>, now: UnixMs) {
        let count = waiting.len() as u64;
        match self.with_store(move |store| store.put(&waiting, now)).await {
            Some(change) => self.count(change),
            None => self.core.counters.store_failed += count,
        }
    }

    /// Sends what waits for neighbours that are ready, and drops what has expired.
    async fn release(&mut self) {
        let Some(store) = &self.store else { return };
        if store.waiting().is_empty() {
            return;
        }
        let now = now();
        let neighbours: Vec<_> = store.waiting().keys().copied().collect();
        if let Some(expired) = self.with_store(move |store| store.expire(now)).await {
            self.core.counters.expired += expired;
        }
        let rerouting = std::mem::replace(&mut self.rerouting, false);
        for neighbour in neighbours {
            if self.troubled {
                continue;
            }
            match self.core.readiness(neighbour, now) {
                Readiness::Now => self.release_to(neighbour).await,
                Readiness::Never if rerouting => self.reroute(neighbour, now).await,
                Readiness::Never | Readiness::At(_) => {}
            }
        }
    }

    /// Keeps bundles for other neighbours that wait for one that will not come.
    async fn reroute(&mut self, neighbour: NodeNumber, now: UnixMs) {
        let next = self.with_store(move |store| store.next_for(neighbour, u64::MAX, REROUTE_BATCH));
        let mut moved = Vec::new();
        for (sequence, kept) in next.await.unwrap_or_default() {
            if let Some(neighbour) = self.core.reroute(&kept, now) {
                moved.push((sequence, Kept { neighbour, ..kept }));
            }
        }
        self.move_to(moved).await;
    }

    /// Stores bundles again under their new neighbours: what is killed in between is there twice.
    async fn move_to(&mut self, moved: Vec<(Sequence, Kept)>) {
        if moved.is_empty() {
            return;
        }
        let now = now();
        let (gone, kept): (Vec<_>, Vec<_>) = moved.into_iter().unzip();
        let done = self.with_store(move |store| {
            store.put(&kept, now)?;
            store.remove(&gone)
        });
        if done.await.is_some() {
            debug!("bundles wait for another neighbour");
        }
    }

    /// Sends a batch to one neighbour, and removes it afterwards: what is killed in between is
    /// sent again.
    async fn release_to(&mut self, neighbour: NodeNumber) {
        let room = self.core.room(neighbour, now());
        let at_once = self.at_once;
        let next = self.with_store(move |store| store.next_for(neighbour, room, at_once));
        let Some(next) = next.await else { return };
        let mut gone = Vec::new();
        let mut moved = Vec::new();
        let mut forwarded = 0;
        let mut nothing_fits = true;
        for (sequence, kept) in next {
            let now = now();
            if self.core.readiness(neighbour, now) != Readiness::Now {
                nothing_fits = false;
                break;
            }
            let released = self.release_one(&kept, now).await;
            nothing_fits &= matches!(released, Sent::Held);
            match released {
                Sent::Done => forwarded += 1,
                Sent::Impossible => {}
                Sent::Moved(kept) => {
                    moved.push((sequence, kept));
                    continue;
                }
                Sent::Held => continue,
                Sent::NotNow => break,
            }
            gone.push(sequence);
        }
        if nothing_fits {
            self.core.fill(neighbour, now());
            // There may be another way for what has no further contact.
            self.rerouting = true;
        }
        self.move_to(moved).await;
        if gone.is_empty() || !self.confirmed().await {
            return;
        }
        if self.remove(gone).await {
            self.core.counters.forwarded += forwarded;
        }
    }

    /// Whether the switch has handed out what was sent. If it does not say so, it gets that again.
    async fn confirmed(&mut self) -> bool {
        let Some(echoes) = &mut self.echoes else {
            return true;
        };
        let answered = match echoes.ask(&self.link).await {
            Ok(answered) => answered,
            Err(error) => {
                debug!(reason = %error, "no echo");
                false
            }
        };
        if !answered {
            self.core.counters.unconfirmed += 1;
            self.troubled = true;
        }
        answered
    }

    async fn release_one(&mut self, kept: &Kept, now: UnixMs) -> Sent {
        let frames = match self.core.release(kept, now) {
            Verdict::Send(frames) => frames,
            Verdict::Keep(kept) => return Sent::Moved(kept),
            Verdict::Hold => return Sent::Held,
            Verdict::Drop => return Sent::Impossible,
        };
        for frame in frames {
            match self.send(&frame).await {
                Sent::Done => {}
                other => return other,
            }
        }
        Sent::Done
    }

    async fn remove(&mut self, gone: Vec<Sequence>) -> bool {
        self.with_store(move |store| store.remove(&gone))
            .await
            .is_some()
    }

    async fn send(&mut self, frame: &[u8]) -> Sent {
        match self.link.send(frame).await {
            Ok(()) => {
                self.core.counters.injected += 1;
                Sent::Done
            }
            Err(SendError::TooLong { len_bytes }) => {
                debug!(len_bytes, "frame is too long for the link");
                self.core.counters.drop(Reason::Mtu);
                Sent::Impossible
            }
            Err(SendError::Down(reason)) => {
                debug!(%reason, "link is down");
                self.core.counters.send_failed += 1;
                self.troubled = true;
                Sent::NotNow
            }
        }
    }

    /// Uses the store on a thread that may wait for the disk. `None` if that fails.
    async fn with_store<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<T> {
        let mut store = self.store.take()?;
        let done = spawn_blocking(move || {
            let result = work(&mut store);
            (store, result)
        });
        match done.await {
            Ok((store, result)) => {
                self.store = Some(store);
                if let Err(reason) = &result {
                    error!(%reason, "the store cannot be used");
                    self.troubled = true;
                }
                result.ok()
            }
            Err(reason) => {
                error!(%reason, "the store is gone");
                None
            }
        }
    }

    fn count(&mut self, change: Change) {
        let counters = &mut self.core.counters;
        counters.stored += change.stored;
        counters.expired += change.expired;
        counters.over_quota += change.over_quota;
    }

    /// How long nothing happens by itself.
    fn pause(&self) -> Duration {
        if self.troubled {
            return RETRY;
        }
        let Some(store) = &self.store else {
            return LONGEST_SLEEP;
        };
        let now = now();
        let ready = store.waiting().keys().filter_map(|neighbour| {
            match self.core.readiness(*neighbour, now) {
                Readiness::Now => Some(now),
                Readiness::At(time) => Some(time),
                Readiness::Never => None,
            }
        });
        let expiry = store.first_expiry().ok().flatten();
        let first = ready.chain(expiry).min();
        let pause = first.map_or(LONGEST_SLEEP, |time| {
            Duration::from_millis(time.since_ms(now))
        });
        pause.min(LONGEST_SLEEP)
    }

    fn publish(&mut self) {
        self.core.counters.overrun = self.overrun.load(Ordering::Relaxed);
        let level = self.store.as_ref().map(Store::level);
        let backlog = self.store.as_ref().map(|store| store.backlog().clone());
        self.board.publish(Numbers {
            counters: self.core.counters.clone(),
            level: level.unwrap_or_default(),
            backlog: backlog.unwrap_or_default(),
        });
    }
}

/// Bundles that this kind of switch is sent without looking whether it has handed them out.
fn at_once(target: Target) -> usize {
    let burst = target.quirks().burst_frames.map(usize::from);
    burst.map_or(RELEASE_BATCH, |burst| burst.min(RELEASE_BATCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What BMv2 loses first is the echo, and then everything is sent again.
    #[test]
    fn bundles_and_their_echo_fit_into_the_ring_of_bmv2() {
        const RING: usize = 32;
        assert!(at_once(Target::Bmv2) < RING);
        assert_eq!(at_once(Target::Sddtn), RELEASE_BATCH);
    }
}
