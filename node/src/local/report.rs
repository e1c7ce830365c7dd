// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When the node tells its controller how it is doing, besides now and then. Pure.

use control::proto::{Backlog, Report};

use crate::core::NOBODY;
use crate::store;

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    told: Option<Report>,
}

/// What comes and goes in the store is told no more often than this: it does so with each bundle.
const STORE_PAUSE_US: u64 = 1_000_000;

impl Reporter {
    /// Whether the controller should know now. What the clock says is no news by itself.
    pub(super) fn is_due(&mut self, report: &Report) -> bool {
        let is_due = self.told.as_ref().is_none_or(|told| {
            let plan = |report: &Report| (report.version, report.newest, report.standing);
            let since = report.time_us.abs_diff(told.time_us);
            plan(told) != plan(report)
                || (since >= STORE_PAUSE_US && store_of(told) != store_of(report))
        });
        if is_due {
            self.told = Some(report.clone());
        }
        is_due
    }
}

fn store_of(report: &Report) -> (u64, u64, &[Backlog]) {
    (report.stored_bundles, report.stored_octets, &report.backlog)
}

/// What waits for each neighbour, as it is told. What has no way is for nobody.
pub(super) fn backlog(waiting: &store::Backlog) -> Vec<Backlog> {
    let waiting = waiting
        .iter()
        .filter(|(neighbour, _)| **neighbour != NOBODY);
    let told = waiting.map(|(neighbour, &[bulk, normal, expedited])| Backlog {
        neighbour: neighbour.0,
        bulk_octets: bulk,
        normal_octets: normal,
        expedited_octets: expedited,
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use contact::NodeNumber;
    use control::proto::report::Standing;

    use super::*;

    #[test]
    fn changes_of_the_store_are_told_together() {
        let mut reporter = Reporter::default();
        let mut at = |ms: u64, octets: u64, standing: Standing| {
            let waiting = [(NodeNumber(3), [0, octets, 0]), (NOBODY, [9, 9, 9])].into();
            reporter.is_due(&Report {
                time_us: ms * 1000,
                backlog: backlog(&waiting),
                stored_octets: octets,
                standing: standing.into(),
                ..Report::default()
            })
        };
        assert!(at(0, 10, Standing::Backup));
        assert!(!at(500, 20, Standing::Backup));
        assert!(at(1000, 30, Standing::Backup));
        // Nothing has changed.
        assert!(!at(9000, 30, Standing::Backup));
        // Who is in charge is told at once.
        assert!(at(9001, 40, Standing::Primary));
        assert!(!at(9002, 50, Standing::Primary));
        // A clock that is set back does not keep it from reporting.
        assert!(at(1000, 50, Standing::Primary));
    }

    #[test]
    fn what_is_for_nobody_is_not_told_as_backlog() {
        let waiting = [(NOBODY, [1, 2, 3]), (NodeNumber(3), [4, 5, 6])].into();
        let expected = Backlog {
            neighbour: 3,
            bulk_octets: 4,
            normal_octets: 5,
            expedited_octets: 6,
        };
        assert_eq!(backlog(&waiting), [expected]);
    }
}
