// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Numbers that the other version or the receiver cannot hold, and administrative records.

use bundle::{Policy, Reason, v6, v7};

use super::{Case, block7, case, case6, case7};
use crate::support::{admin_v6, admin_v7, report_v6, report_v7};

pub(super) fn numbers() -> Vec<Case> {
    let with = |name, data: &'static [u8], kind| {
        case7(name, Reason::ValueRange, |bundle| {
            bundle.blocks.insert(0, block7(kind, 2, 0, data));
        })
    };
    let mut no_dictionary = Policy::default();
    no_dictionary.peer_v6.dictionary = false;
    let mut no_cbhe = no_dictionary.clone();
    no_cbhe.peer_v6.cbhe = false;
    vec![
        case6("late", Reason::TimeRange, |bundle| {
            bundle.primary.creation.seconds = u64::MAX;
        }),
        case7("early", Reason::TimeRange, |bundle| {
            bundle.primary.creation.time_ms = 999;
        }),
        case7("sequence", Reason::SequenceRange, |bundle| {
            bundle.primary.creation.sequence = 4_294_968;
        }),
        case7("service", Reason::ValueRange, |bundle| {
            bundle.primary.destination = v7::Eid::Ipn {
                node: 1,
                service: 1 << 32,
            };
        }),
        case6("service", Reason::ValueRange, |bundle| {
            bundle.primary.report_to.ssp = 1 << 32;
        }),
        case7("long name", Reason::ValueRange, |bundle| {
            bundle.primary.destination = v7::Eid::Dtn(format!("//{}", "n".repeat(1022)).into());
        }),
        with("age", &[0x1b, 0xff, 0, 0, 0, 0, 0, 0, 0], 7),
        with("ordinal", &[0x84, 0, 0, 0x19, 1, 0, 0], 193),
        with("class", &[0x84, 0, 4, 0, 0], 193),
        Case {
            policy: no_dictionary,
            ..case7("no dictionaries", Reason::PeerForm, |bundle| {
                bundle.primary.destination = v7::Eid::Dtn("//n/x".into());
            })
        },
        Case {
            policy: no_cbhe,
            ..case7("no form at all", Reason::PeerForm, |_| {})
        },
    ]
}

pub(super) fn records() -> Vec<Case> {
    let payload6 = |name, reason, payload: &'static [u8]| {
        let mut bundle = admin_v6();
        bundle.blocks[0].data = payload.into();
        case(name, reason, bundle.to_vec())
    };
    let payload7 = |name, reason, payload: &'static [u8]| {
        let mut bundle = admin_v7();
        bundle.blocks[0].data = payload.into();
        case(name, reason, bundle.to_vec())
    };
    let mut part6 = admin_v6();
    part6.primary.fragment = Some(v6::Fragment::default());
    let mut part7 = admin_v7();
    part7.primary.fragment = Some(v7::Fragment::default());
    vec![
        payload6("custody signal", Reason::AdminRecord, &[0x20]),
        payload6("encapsulation", Reason::AdminRecord, &[0x70]),
        payload7("encapsulation", Reason::AdminRecord, &[0x82, 7, 0]),
        case("part of a report", Reason::AdminRecord, part6.to_vec()),
        case("part of a report", Reason::AdminRecord, part7.to_vec()),
        payload6("no record", Reason::BlockMalformed, &[]),
        payload6("cut short", Reason::BlockMalformed, &[0x10, 1]),
        payload7("no record", Reason::BlockMalformed, &[]),
        payload7("no pair", Reason::BlockMalformed, &[0x83, 1, 0, 0]),
    ]
}

pub(super) fn reports() -> Vec<Case> {
    let change6 = |name, reason, change: &dyn Fn(&mut v6::StatusReport<'_>)| {
        let (mut bundle, mut report, mut payload) = (admin_v6(), report_v6(), Vec::new());
        change(&mut report);
        report.encode(&mut payload);
        bundle.blocks[0].data = payload.into();
        case(name, reason, bundle.to_vec())
    };
    let change7 = |name, reason, change: &dyn Fn(&mut v7::StatusReport<'_>)| {
        let (mut bundle, mut report, mut payload) = (admin_v7(), report_v7(), Vec::new());
        change(&mut report);
        report.encode(&mut payload);
        bundle.blocks[0].data = payload.into();
        case(name, reason, bundle.to_vec())
    };
    vec![
        change6("custody only", Reason::ReportEmpty, &|report| {
            report.times = [None, Some(v6::ReportTime::default()), None, None, None];
        }),
        change7("nothing", Reason::ReportEmpty, &|report| {
            report.assertions = vec![v7::Assertion::No; 4];
        }),
        change7("only what comes later", Reason::ReportEmpty, &|report| {
            report.assertions = vec![v7::Assertion::No; 4];
            report.assertions.push(v7::Assertion::Yes);
        }),
        change7("three assertions", Reason::BlockMalformed, &|report| {
            report.assertions.truncate(3);
        }),
        change6("nanoseconds", Reason::BlockMalformed, &|report| {
            let nanoseconds = 1_000_000_000;
            report.times[0] = Some(v6::ReportTime {
                seconds: 0,
                nanoseconds,
            });
        }),
        change6("late event", Reason::TimeRange, &|report| {
            report.times[0] = Some(v6::ReportTime {
                seconds: u64::MAX,
                nanoseconds: 0,
            });
        }),
        change6("source of another scheme", Reason::EidScheme, &|report| {
            report.subject.source = b"imc:1.1"[..].into();
        }),
        change6("source without scheme", Reason::EidMalformed, &|report| {
            report.subject.source = b"1.1"[..].into();
        }),
        change7("early subject", Reason::TimeRange, &|report| {
            report.creation.time_ms = 1;
        }),
        change7(
            "sequence of the subject",
            Reason::SequenceRange,
            &|report| {
                report.creation.sequence = 1 << 32;
            },
        ),
    ]
}
