// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A lease as files in a folder, for controllers on one machine.
//!
//! Each epoch is a file, and the largest one counts. A new one is made in one step that fails if it is
//! there already. There is no lock, so a controller that is stopped in the middle of everything holds
//! up nobody.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use control::supervise::now;

use crate::lease::{Candidate, Claim, Lease, LeaseError, LeaseStore, decide};

/// The folder.
#[derive(Clone, Debug)]
pub struct LeaseFolder {
    path: PathBuf,
}

/// Files of earlier epochs that stay, for those who are looking at them.
const KEPT: usize = 2;

impl LeaseFolder {
    /// Makes the folder if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    fn claim_at(&self, candidate: &Candidate, clock: impl Fn() -> u64) -> io::Result<Claim> {
        let last = self.last()?;
        match decide(last.as_ref(), candidate) {
            Claim::Held(lease) if Some(lease.epoch) == last.as_ref().map(|last| last.epoch) => {
                self.renew(lease, last, clock)
            }
            Claim::Held(lease) => self.begin(lease),
            taken @ Claim::Taken(_) => Ok(taken),
        }
    }

    /// A renewal counts only if it is done before the lease would have ended: whoever looks after
    /// that sees it, or sees none.
    fn renew(
        &self,
        lease: Lease,
        last: Option<Lease>,
        clock: impl Fn() -> u64,
    ) -> io::Result<Claim> {
        let new = self.write(&lease)?;
        fs::rename(new, self.file(lease.epoch))?;
        let newest = self.last()?.unwrap_or_else(|| lease.clone());
        if newest.epoch != lease.epoch {
            return Ok(Claim::Taken(newest));
        }
        let in_time = last.is_some_and(|last| clock() < last.until_ms);
        if in_time {
            Ok(Claim::Held(lease))
        } else {
            Err(io::Error::other("the lease ended while it was renewed"))
        }
    }

    fn begin(&self, lease: Lease) -> io::Result<Claim> {
        let new = self.write(&lease)?;
        let linked = fs::hard_link(&new, self.file(lease.epoch));
        fs::remove_file(new)?;
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let newest = self.last()?;
                return newest.map(Claim::Taken).ok_or(error);
            }
            Err(error) => return Err(error),
        }
        File::open(&self.path)?.sync_all()?;
        let epochs = self.epochs()?;
        for epoch in &epochs[..epochs.len().saturating_sub(KEPT)] {
            // Another controller may have done it.
            let _ = fs::remove_file(self.file(*epoch));
        }
        Ok(Claim::Held(lease))
    }

    /// Writes a lease to a file that nobody looks at.
    fn write(&self, lease: &Lease) -> io::Result<PathBuf> {
        // Threads of a process do not share files either.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("new-{}-{number}", process::id()));
        let mut file = File::create(&path)?;
        file.write_all(&serde_json::to_vec(lease)?)?;
        file.sync_all()?;
        Ok(path)
    }

    /// The lease of the largest epoch.
    fn last(&self) -> io::Result<Option<Lease>> {
        let Some(epoch) = self.epochs()?.pop() else {
            return Ok(None);
        };
        let lease: Lease = serde_json::from_slice(&fs::read(self.file(epoch))?)?;
        Ok(Some(lease))
    }

    /// The epochs that there are, the largest last.
    fn epochs(&self) -> io::Result<Vec<u64>> {
        let mut epochs = Vec::new();
        for found in fs::read_dir(&self.path)? {
            let name = found?.file_name();
            let epoch = name.to_str().and_then(|name| name.strip_prefix("epoch-"));
            epochs.extend(epoch.and_then(|epoch| epoch.parse::<u64>().ok()));
        }
        epochs.sort_unstable();
        Ok(epochs)
    }

    fn file(&self, epoch: u64) -> PathBuf {
        self.path.join(format!("epoch-{epoch}"))
    }
}

impl LeaseStore for LeaseFolder {
    fn claim(&self, candidate: &Candidate) -> Result<Claim, LeaseError> {
        let claimed = self.claim_at(candidate, || now().micros() / 1000);
        claimed.map_err(|error| LeaseError(format!("{}: {error}", self.path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(round: u64) -> Candidate {
        Candidate {
            holder: format!("controller {}", round % 3),
            instance: round,
            least_epoch: 5,
            now_ms: round * 1000,
            ttl_ms: 500,
        }
    }

    fn folder(path: &Path) -> LeaseFolder {
        LeaseFolder::open(path).expect("the folder is writable")
    }

    #[test]
    fn epochs_never_go_back() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let mut last = 0;
        for round in 0..20 {
            // Opened anew, as by another process.
            let claim = folder(place.path()).claim_at(&candidate(round), || 0);
            let Ok(Claim::Held(lease)) = claim else {
                panic!("the lease of the other has ended: {claim:?}");
            };
            assert!(lease.epoch > last && lease.epoch >= 5, "{lease:?}");
            last = lease.epoch;
        }
        let files = fs::read_dir(place.path()).expect("the folder is there");
        assert_eq!(files.count(), KEPT, "old epochs are removed");
    }

    /// Who is too slow does not know whether another one has looked meanwhile.
    #[test]
    fn a_renewal_that_takes_too_long_does_not_count() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = folder(place.path());
        let first = candidate(0);
        folder.claim_at(&first, || 0).expect("nobody has it");
        let again = Candidate {
            now_ms: 400,
            ..first.clone()
        };
        assert!(folder.claim_at(&again, || 500).is_err());
        assert!(folder.claim_at(&again, || 499).is_ok());
    }

    #[test]
    fn of_many_who_want_it_one_gets_it() {
        let place = tempfile::tempdir().expect("a temporary folder");
        for round in 0..20_u64 {
            let held = std::thread::scope(|scope| {
                let claim = |number: u64| {
                    let folder = folder(place.path());
                    let candidate = Candidate {
                        holder: format!("controller {number}"),
                        ..candidate(round)
                    };
                    scope.spawn(move || folder.claim_at(&candidate, || 0))
                };
                let threads: Vec<_> = (0..8).map(claim).collect();
                let claims = threads.into_iter().map(|thread| {
                    let claim = thread.join().expect("no panic");
                    claim.expect("no fault")
                });
                claims
                    .filter(|claim| matches!(claim, Claim::Held(_)))
                    .count()
            });
            assert_eq!(held, 1, "round {round}");
        }
    }
}
