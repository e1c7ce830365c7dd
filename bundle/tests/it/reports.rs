// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Administrative records, translated and as their own version has them.

use std::ops::RangeInclusive;

use bundle::{Fault, Loss, Policy, v6, v7};

use crate::support::{admin_v6, admin_v7, report_v6, report_v7, to_v6, to_v7};

#[test]
fn reports_to_v7() {
    let time = |seconds, nanoseconds| {
        Some(v6::ReportTime {
            seconds,
            nanoseconds,
        })
    };
    let mut bundle = admin_v6();
    let mut report = report_v6();
    report.times = [time(10, 1_999_999), time(11, 0), None, time(0, 0), None];
    report.other_status = 0x20;
    report.reason = 9;
    report.subject.fragment = Some((5, 6));
    report.subject.source = b"dtn://n/x"[..].into();
    let mut payload = Vec::new();
    report.encode(&mut payload);
    bundle.blocks[0].data = payload.into();
    to_v7(&bundle, &Policy::default(), |result, losses| {
        let expected = v7::StatusReport {
            assertions: vec![
                v7::Assertion::At(10_001),
                v7::Assertion::No,
                v7::Assertion::At(0),
                v7::Assertion::No,
            ],
            reason: 0,
            source: v7::Eid::Dtn("//n/x".into()),
            creation: v7::CreationTimestamp {
                time_ms: 20_456,
                sequence: 123,
            },
            fragment: Some((5, 6)),
        };
        let decoded = v7::AdminRecord::decode(result.payload(), v7::Tolerance::STRICT);
        assert_eq!(decoded, Ok(v7::AdminRecord::StatusReport(expected)));
        let lost = [Loss::ReportStatus, Loss::ReportReason, Loss::ReportTime];
        assert!(lost.into_iter().all(|loss| losses.contains(loss)));
    });
}

#[test]
fn reports_to_v6() {
    let reasons = [
        (0, 0),
        (8, 8),
        (9, 0),
        (10, 4),
        (11, 8),
        (12, 8),
        (16, 8),
        (17, 0),
        (256, 0),
    ];
    for (seven, six) in reasons {
        let mut report = report_v7();
        report.reason = seven;
        report.assertions = vec![
            v7::Assertion::Yes,
            v7::Assertion::No,
            v7::Assertion::No,
            v7::Assertion::At(7_003),
            v7::Assertion::Yes,
        ];
        let mut payload = Vec::new();
        report.encode(&mut payload);
        let mut bundle = admin_v7();
        bundle.blocks[0].data = payload.into();
        to_v6(&bundle, &Policy::default(), |result, losses| {
            let decoded = v6::AdminRecord::decode(result.payload());
            let Ok(v6::AdminRecord::StatusReport(report)) = decoded else {
                panic!("{decoded:?} is no status report");
            };
            let sent = v6::ReportTime {
                seconds: 802_094_400,
                nanoseconds: 7_000_000,
            };
            let deleted = v6::ReportTime {
                seconds: 7,
                nanoseconds: 3_000_000,
            };
            assert_eq!(report.times, [Some(sent), None, None, None, Some(deleted)]);
            assert_eq!(report.reason, six);
            assert_eq!(report.subject.creation.sequence, 123_456);
            assert_eq!(*report.subject.source, *b"ipn:5.6");
            assert_eq!(losses.contains(Loss::ReportReason), seven > 8);
            assert!(losses.contains(Loss::ReportStatus) && losses.contains(Loss::ReportTime));
        });
    }
}

/// Status reports and custody signals of version 6 are written as they are read.
#[test]
fn records_of_version_6() {
    let subject = report_v6().subject;
    let time = v6::ReportTime {
        seconds: 1,
        nanoseconds: 999_999_999,
    };
    for fragment in [None, Some((300, u64::MAX))] {
        let subject = v6::Subject {
            fragment,
            ..subject.clone()
        };
        let signal = v6::CustodySignal {
            succeeded: fragment.is_some(),
            reason: 3,
            time,
            subject: subject.clone(),
        };
        let report = v6::StatusReport {
            times: [Some(time); 5],
            other_status: 0x20,
            reason: 255,
            subject,
        };
        let records = [
            v6::AdminRecord::CustodySignal(signal),
            v6::AdminRecord::StatusReport(report),
        ];
        for record in records {
            let mut payload = Vec::new();
            record.encode(&mut payload);
            assert_eq!(v6::AdminRecord::decode(&payload), Ok(record));
        }
    }
}

/// Aggregate custody signals: the first is ION's (`udp_forward3_v21.pcap`), the others count on.
#[test]
fn aggregate_custody_signals() {
    let check = |octets: &[u8], reason, numbers: &[RangeInclusive<u64>]| {
        let record = v6::AdminRecord::decode(octets).expect("the record is valid");
        let mut again = Vec::new();
        record.encode(&mut again);
        assert_eq!(again, octets);
        let v6::AdminRecord::AggregateCustodySignal(signal) = record else {
            panic!("{record:?} is no aggregate custody signal");
        };
        assert_eq!(
            (signal.succeeded, signal.reason),
            (octets[1] >= 0x80, reason)
        );
        assert_eq!(signal.numbers().collect::<Vec<_>>(), numbers);
    };
    check(&[0x40, 0x03, 0x0e, 0x02], 3, &[14..=15]);
    check(&[0x40, 0x80], 0, &[]);
    let sevens = [0x40, 0x80, 0, 1, 7, 0x81, 0x00, 2, 1];
    check(&sevens, 0, &[0..=0, 7..=134, 136..=136]);
    let max = b"\x40\x80\x81\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01";
    check(max, 0, &[u64::MAX..=u64::MAX]);

    let fault = |octets: &[u8]| {
        v6::AdminRecord::decode(octets)
            .map(|_| ())
            .map_err(|error| error.fault)
    };
    assert_eq!(fault(&[0x40, 0x80, 1, 0]), Err(Fault::BlockMalformed));
    assert_eq!(fault(&[0x40, 0x80, 1]), Err(Fault::BlockMalformed));
    let beyond = [&max[..], &[1, 1]].concat();
    assert_eq!(fault(&beyond), Err(Fault::IntegerTooLong));
}
