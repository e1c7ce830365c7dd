// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which of several controllers of a cluster may write.
//!
//! A lease has an end and an epoch. The epoch is the upper half of election ids, and grows with each
//! new holder and each new life of one, so that switches refuse older holders. Not all switches do:
//! so a controller that cannot renew its lease in time stops to write by itself, before the lease
//! ends and by a clock that cannot be set.

use std::{fmt::Debug, sync::Arc, time::Duration};

use control::supervise::{Term, now};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Who holds a cluster, and until when.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Lease {
    /// The name of the controller.
    pub holder: String,
    /// Tells its lives apart: later ones have larger numbers.
    pub instance: u64,
    /// Larger than that of any earlier holder.
    pub epoch: u64,
    /// When it ends, in milliseconds since 1970.
    pub until_ms: u64,
}

/// A controller that wants to hold the cluster, or to go on holding it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its name. A new life of the holder need not wait for the lease of its last one.
    pub holder: String,
    /// Tells its lives apart.
    pub instance: u64,
    /// The least epoch that it takes.
    pub least_epoch: u64,
    /// What time it is, in milliseconds since 1970.
    pub now_ms: u64,
    /// How long the lease is to hold.
    pub ttl_ms: u64,
}

/// What came of a claim.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Claim {
    /// The candidate holds the cluster.
    Held(Lease),
    /// Another controller does.
    Taken(Lease),
}

/// The store cannot be reached, for a reason.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct LeaseError(pub String);

/// Where controllers of a cluster agree about who holds it.
pub trait LeaseStore: Debug + Send + Sync + 'static {
    /// Takes the lease, or renews it, in one step that excludes all others: see [`decide`].
    ///
    /// # Errors
    /// The store cannot be reached; then nothing is known.
    fn claim(&self, candidate: &Candidate) -> Result<Claim, LeaseError>;
}

/// What comes of a claim, after this last lease.
#[must_use]
pub fn decide(last: Option<&Lease>, candidate: &Candidate) -> Claim {
    let until_ms = candidate.now_ms.saturating_add(candidate.ttl_ms);
    let lease = |epoch: u64| Lease {
        holder: candidate.holder.clone(),
        instance: candidate.instance,
        epoch,
        until_ms,
    };
    let first = candidate.least_epoch.max(1);
    let Some(last) = last else {
        return Claim::Held(lease(first));
    };
    let same_holder = last.holder == candidate.holder;
    let holds = candidate.now_ms < last.until_ms;
    if same_holder && last.instance == candidate.instance && holds {
        return Claim::Held(lease(last.epoch));
    }
    let is_later_life = same_holder && last.instance < candidate.instance;
    if holds && !is_later_life {
        return Claim::Taken(last.clone());
    }
    Claim::Held(lease(last.epoch.saturating_add(1).max(first)))
}

/// How a controller takes part.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Its name.
    pub holder: String,
    /// The least epoch that it takes.
    pub least_epoch: u64,
    /// How long a lease holds.
    pub ttl: Duration,
}

/// Holds the cluster whenever that is possible, until `stop`.
pub(crate) async fn run(
    campaign: Campaign,
    store: Arc<dyn LeaseStore>,
    term: watch::Sender<Option<Term>>,
    stop: CancellationToken,
) {
    let instance = now().micros();
    let mut told = String::new();
    let mut told_at = Instant::now();
    loop {
        let asked = Instant::now();
        let candidate = Candidate {
            holder: campaign.holder.clone(),
            instance,
            least_epoch: campaign.least_epoch,
            now_ms: now().micros() / 1000,
            ttl_ms: u64::try_from(campaign.ttl.as_millis()).unwrap_or(u64::MAX),
        };
        let asking = store.clone();
        let claimed = spawn_blocking(move || asking.claim(&candidate)).await;
        let news = match claimed {
            Ok(Ok(Claim::Held(lease))) => {
                // Counted from before the question: no other controller counts from earlier.
                let until = asked + campaign.ttl - campaign.ttl / MARGIN;
                let epoch = lease.epoch;
                term.send_replace(Some(Term { epoch, until }));
                format!("held in epoch {epoch}")
            }
            Ok(Ok(Claim::Taken(lease))) => {
                term.send_replace(None);
                format!("held by {}", lease.holder)
            }
            // The term goes on until it ends.
            Ok(Err(error)) => format!("not known: {error}"),
            Err(error) => format!("not known: {error}"),
        };
        // What refuses a connection says so in several ways, in turn.
        let is_error = |news: &str| news.starts_with("not");
        let is_repeated = is_error(&news) && is_error(&told) && told_at.elapsed() < REPEATED_AFTER;
        if news != told && !is_repeated {
            if is_error(&news) {
                warn!(lease = news, "the lease of the cluster");
            } else {
                info!(lease = news, "the lease of the cluster");
            }
            told = news;
            told_at = Instant::now();
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(campaign.ttl / RENEWALS) => {}
        }
    }
}

/// Waits until this controller does not hold the cluster any more.
pub(crate) async fn lost(term: &mut Option<watch::Receiver<Option<Term>>>) {
    let Some(term) = term else { return };
    loop {
        let Some(held) = *term.borrow_and_update() else {
            return;
        };
        tokio::select! {
            changed = term.changed() => if changed.is_err() { return },
            () = sleep_until(held.until) => return,
        }
    }
}

/// Whether this controller may write. Without terms it always may.
pub(crate) fn holds(term: Option<&watch::Receiver<Option<Term>>>) -> bool {
    let Some(term) = term else { return true };
    let term = *term.borrow();
    term.is_some_and(|term| Instant::now() < term.until)
}

/// Another reason why a lease is not known is told after this time.
const REPEATED_AFTER: Duration = Duration::from_secs(10);
/// A lease is renewed so often within its time.
const RENEWALS: u32 = 4;
/// This part of it is left when its holder stops to write: a write that is under way has this
/// time to arrive, and clocks of machines may differ by as much.
const MARGIN: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(holder: &str, instance: u64, now_ms: u64) -> Candidate {
        Candidate {
            holder: holder.to_owned(),
            instance,
            least_epoch: 7,
            now_ms,
            ttl_ms: 100,
        }
    }

    fn held(claim: Claim) -> Lease {
        match claim {
            Claim::Held(lease) => lease,
            Claim::Taken(lease) => panic!("held by {lease:?}"),
        }
    }

    #[test]
    fn a_lease_is_renewed_in_its_epoch() {
        let first = held(decide(None, &candidate("a", 1, 0)));
        assert_eq!((first.epoch, first.until_ms), (7, 100));
        let again = held(decide(Some(&first), &candidate("a", 1, 99)));
        assert_eq!((again.epoch, again.until_ms), (7, 199));
    }

    #[test]
    fn nobody_takes_a_lease_that_holds() {
        let first = held(decide(None, &candidate("a", 1, 0)));
        assert_eq!(
            decide(Some(&first), &candidate("b", 2, 99)),
            Claim::Taken(first)
        );
    }

    #[test]
    fn who_comes_after_has_a_larger_epoch() {
        let first = held(decide(None, &candidate("a", 1, 0)));
        let other = held(decide(Some(&first), &candidate("b", 2, 100)));
        assert_eq!(other.epoch, 8);
        // Too late to renew, and a new life at once.
        assert_eq!(held(decide(Some(&first), &candidate("a", 1, 100))).epoch, 8);
        assert_eq!(held(decide(Some(&first), &candidate("a", 3, 50))).epoch, 8);
        // The old life does not get it back.
        let new = held(decide(Some(&first), &candidate("a", 3, 50)));
        let back = decide(Some(&new), &candidate("a", 1, 60));
        assert_eq!(back, Claim::Taken(new));
    }
}
