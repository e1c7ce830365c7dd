// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A lease in an etcd, for controllers on several machines.
//!
//! The key of the holder goes with a lease of etcd, so that nobody compares clocks: etcd ends it when
//! the holder has not renewed it in time. The epoch is a key that stays. Both are changed in one step,
//! and only if nobody else has changed them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::{
    etcd::{Etcd, EtcdError, Found, Step},
    lease::{Candidate, Claim, Lease, LeaseError, LeaseStore},
    overrides::{Override, Overrides},
};

/// Who holds the cluster.
const HOLDER: &str = "holder";
/// The last epoch.
const EPOCH: &str = "epoch";

/// The lease of a cluster in an etcd.
#[derive(Debug)]
pub struct LeaseEtcd {
    etcd: Arc<Etcd>,
    /// The lease of etcd that this controller has, if it has one.
    own: Mutex<Option<i64>>,
}

impl LeaseEtcd {
    /// A lease in this etcd.
    #[must_use]
    pub fn new(etcd: Arc<Etcd>) -> Self {
        Self {
            etcd,
            own: Mutex::default(),
        }
    }

    async fn claim_in_turn(&self, candidate: &Candidate) -> Result<Claim, EtcdError> {
        let own = self.alive(candidate).await?;
        let (found, revision) = self.etcd.read(&[HOLDER, EPOCH]).await?;
        let (holder, epoch) = (found[0].as_ref(), found[1].as_ref());
        if let Some(found) = holder {
            let last = read_lease(found)?;
            let same_holder = last.holder == candidate.holder;
            if same_holder && last.instance == candidate.instance && found.lease == own {
                return Ok(Claim::Held(lease(candidate, last.epoch)));
            }
            // A new life of the holder need not wait for the lease of its last one.
            if !(same_holder && last.instance < candidate.instance) {
                return Ok(Claim::Taken(last));
            }
        }
        let last = epoch.map(read_epoch).transpose()?.unwrap_or(0);
        // Revisions grow with every change, so that the epoch does not go back if its key was removed.
        let changes = u64::try_from(revision).unwrap_or(0);
        let floor = candidate.least_epoch.saturating_add(changes);
        let new = lease(candidate, last.saturating_add(1).max(floor));
        let text =
            serde_json::to_vec(&new).map_err(|error| EtcdError::Refused(error.to_string()))?;
        let steps = [
            Step::Put(HOLDER, text, own),
            Step::Put(EPOCH, new.epoch.to_string().into_bytes(), 0),
        ];
        let before = |found: Option<&Found>| found.map_or(0, |found| found.revision);
        let unless_changed = [(HOLDER, before(holder)), (EPOCH, before(epoch))];
        if self.etcd.change(&unless_changed, &steps).await? {
            return Ok(Claim::Held(new));
        }
        let (found, _) = self.etcd.read(&[HOLDER]).await?;
        match &found[0] {
            Some(found) => read_lease(found).map(Claim::Taken),
            None => Err(EtcdError::Refused("the holder changes".to_owned())),
        }
    }

    /// The lease of etcd that this controller has, as long again as it was; a new one if it has none.
    async fn alive(&self, candidate: &Candidate) -> Result<i64, EtcdError> {
        let own = *self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = own
            && self.etcd.keep_alive(id).await?
        {
            return Ok(id);
        }
        let id = self
            .etcd
            .grant(Duration::from_millis(candidate.ttl_ms))
            .await?;
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
        Ok(id)
    }
}

/// What operators ask for, by name.
const OVERRIDES: &str = "overrides/";

/// The overrides that are kept in an etcd.
///
/// # Errors
/// See [`EtcdError`].
pub(crate) async fn overrides(etcd: &Etcd) -> Result<Overrides, EtcdError> {
    let found = etcd.read_all(OVERRIDES).await?;
    let read = |(name, found): (String, Found)| {
        let wanted = serde_json::from_slice(&found.value);
        let wanted = wanted.map_err(|_| EtcdError::Form(format!("{OVERRIDES}{name}")))?;
        Ok((name, wanted))
    };
    found.into_iter().map(read).collect()
}

/// Keeps an override, or forgets it, if the cluster is still held in this epoch.
///
/// # Errors
/// See [`EtcdError`].
pub(crate) fn keep_override(
    etcd: &Etcd,
    epoch: u64,
    name: &str,
    wanted: Option<&Override>,
) -> Result<(), EtcdError> {
    let deposed = || EtcdError::Refused("another controller holds the cluster".to_owned());
    let key = format!("{OVERRIDES}{name}");
    let step = match wanted {
        Some(wanted) => {
            let text = serde_json::to_vec(wanted);
            let text = text.map_err(|error| EtcdError::Refused(error.to_string()))?;
            Step::Put(&key, text, 0)
        }
        None => Step::Delete(&key),
    };
    etcd.wait(async {
        let (found, _) = etcd.read(&[HOLDER]).await?;
        let found = found[0].as_ref().ok_or_else(deposed)?;
        if read_lease(found)?.epoch != epoch {
            return Err(deposed());
        }
        let done = etcd.change(&[(HOLDER, found.revision)], &[step]).await?;
        done.then_some(()).ok_or_else(deposed)
    })
}

impl LeaseStore for LeaseEtcd {
    fn claim(&self, candidate: &Candidate) -> Result<Claim, LeaseError> {
        let claimed = self.etcd.wait(self.claim_in_turn(candidate));
        claimed.map_err(|error| LeaseError(error.to_string()))
    }
}

fn lease(candidate: &Candidate, epoch: u64) -> Lease {
    Lease {
        holder: candidate.holder.clone(),
        instance: candidate.instance,
        epoch,
        until_ms: candidate.now_ms.saturating_add(candidate.ttl_ms),
    }
}

fn read_lease(found: &Found) -> Result<Lease, EtcdError> {
    serde_json::from_slice(&found.value).map_err(|_| EtcdError::Form(HOLDER.to_owned()))
}

fn read_epoch(found: &Found) -> Result<u64, EtcdError> {
    let text = str::from_utf8(&found.value).ok();
    let epoch = text.and_then(|text| text.parse().ok());
    epoch.ok_or_else(|| EtcdError::Form(EPOCH.to_owned()))
}
