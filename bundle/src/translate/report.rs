// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Status reports: payloads that speak of bundles by their identity.
//!
//! The subject was translated by a translator with the same profile, so its identity is mapped
//! like that of any bundle, and the report reaches a node that knows it.

use alloc::borrow::Cow;
use alloc::string::ToString;

use crate::reason::Reason;
use crate::translate::losses::{Loss, Losses};
use crate::translate::policy::{Policy, Profile};
use crate::translate::refusal::Refusal;
use crate::translate::rules::nameable;
use crate::v6::{self, ReportTime};
use crate::v7::{self, Assertion};

const STATUS_REPORT_V6: u8 = 1;
const MS_PER_SECOND: u64 = 1000;
const NS_PER_MS: u64 = 1_000_000;
/// Reason codes up to this one mean the same in both versions.
const LAST_SHARED_REASON: u64 = 8;
/// Places of reception, forwarding, delivery and deletion among the times of version 6. Place 1 is
/// the acceptance of custody.
const PLACES: [usize; 4] = [0, 2, 3, 4];

/// Reads a payload of version 6 that has to be a status report.
pub(super) fn read_v6(payload: &[u8], offset: usize) -> Result<v6::StatusReport<'_>, Refusal> {
    let refuse = |reason| Err(Refusal::new(reason, offset, "administrative record"));
    if payload
        .first()
        .is_some_and(|first| first >> 4 != STATUS_REPORT_V6)
    {
        return refuse(Reason::AdminRecord);
    }
    let record =
        v6::AdminRecord::decode(payload).map_err(|error| Refusal::in_data(&error, offset))?;
    match record {
        v6::AdminRecord::StatusReport(report) => {
            let sayable = PLACES.iter().any(|place| report.times[*place].is_some());
            if sayable {
                Ok(report)
            } else {
                refuse(Reason::ReportEmpty)
            }
        }
        _ => refuse(Reason::AdminRecord),
    }
}

/// Reads a payload of version 7 that has to be a status report.
pub(super) fn read_v7(
    payload: &[u8],
    tolerance: v7::Tolerance,
    offset: usize,
) -> Result<v7::StatusReport<'_>, Refusal> {
    let refuse = |reason| Err(Refusal::new(reason, offset, "administrative record"));
    let record = v7::AdminRecord::decode(payload, tolerance)
        .map_err(|error| Refusal::in_data(&error, offset))?;
    match record {
        v7::AdminRecord::StatusReport(report) => {
            let mut sayable = report.assertions.iter().take(PLACES.len());
            let empty = sayable.all(|assertion| *assertion == Assertion::No);
            if empty {
                refuse(Reason::ReportEmpty)
            } else {
                Ok(report)
            }
        }
        v7::AdminRecord::Other { .. } => refuse(Reason::AdminRecord),
    }
}

/// The report in version 7.
pub(super) fn to_v7<'a>(
    report: &'a v6::StatusReport<'_>,
    profile: Profile,
    losses: &mut Losses,
) -> Result<v7::StatusReport<'a>, Reason> {
    let custody = report.times[1].is_some();
    losses.add_if(custody || report.other_status != 0, Loss::ReportStatus);
    let mut assertions = [Assertion::No; 4];
    for (assertion, place) in assertions.iter_mut().zip(PLACES) {
        if let Some(time) = report.times[place] {
            losses.add_if(
                !time.nanoseconds.is_multiple_of(NS_PER_MS),
                Loss::ReportTime,
            );
            *assertion = Assertion::At(milliseconds(time)?);
        }
    }
    let reason = u64::from(report.reason);
    losses.add_if(reason > LAST_SHARED_REASON, Loss::ReportReason);
    Ok(v7::StatusReport {
        assertions: assertions.to_vec(),
        reason: if reason > LAST_SHARED_REASON {
            0
        } else {
            reason
        },
        source: nameable(report.subject.source())?.into(),
        creation: profile.to_v7(report.subject.creation)?,
        fragment: report.subject.fragment,
    })
}

/// The report in version 6. `sent_ms` is the creation time of the bundle that carries it.
pub(super) fn to_v6(
    report: &v7::StatusReport<'_>,
    sent_ms: u64,
    policy: &Policy,
    losses: &mut Losses,
) -> Result<v6::StatusReport<'static>, Reason> {
    let further = report.assertions.iter().skip(PLACES.len());
    losses.add_if(
        further.into_iter().any(|more| *more != Assertion::No),
        Loss::ReportStatus,
    );
    let mut times = [None; 5];
    for (assertion, place) in report.assertions.iter().zip(PLACES) {
        times[place] = match assertion {
            Assertion::No => None,
            // Version 6 has no report without a time. The report was sent soon after the event.
            Assertion::Yes => {
                losses.add(Loss::ReportTime);
                Some(report_time(sent_ms))
            }
            Assertion::At(time_ms) => Some(report_time(*time_ms)),
        };
    }
    losses.add_if(report.reason > LAST_SHARED_REASON, Loss::ReportReason);
    let source = nameable(report.source.normal())?.to_string();
    Ok(v6::StatusReport {
        times,
        other_status: 0,
        reason: reason_v6(report.reason),
        subject: v6::Subject {
            fragment: report.fragment,
            creation: policy
                .profile
                .to_v6(report.creation, policy.peer_v6.sequence_max())?,
            source: Cow::Owned(source.into_bytes()),
        },
    })
}

/// The nearest reason code of version 6.
const fn reason_v6(reason: u64) -> u8 {
    match reason {
        0..=LAST_SHARED_REASON => reason.to_le_bytes()[0],
        // Traffic pared: the node was short of storage, or chose to be.
        10 => 4,
        // An unsupported block, or a security block that is missing, unknown or wrong.
        11..=16 => 8,
        _ => 0,
    }
}

fn milliseconds(time: ReportTime) -> Result<u64, Reason> {
    let whole = time.seconds.checked_mul(MS_PER_SECOND);
    let all = whole.and_then(|whole| whole.checked_add(time.nanoseconds / NS_PER_MS));
    all.ok_or(Reason::TimeRange)
}

const fn report_time(time_ms: u64) -> ReportTime {
    ReportTime {
        seconds: time_ms / MS_PER_SECOND,
        nanoseconds: time_ms % MS_PER_SECOND * NS_PER_MS,
    }
}
