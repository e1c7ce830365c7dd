// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What several tests need: hexadecimal octets and checks that hold for every bundle.

use std::fmt::Write;

use bundle::translate::PeerV6;
use bundle::{Loss, Losses, Policy, Translation, Version, translate, v6, v7, version};

/// The octets that hexadecimal digits stand for.
pub(crate) fn from_hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "an octet has two digits");
    let octet = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits are hexadecimal");
    (0..digits.len()).step_by(2).map(octet).collect()
}

/// The hexadecimal digits of some octets.
pub(crate) fn hex(octets: &[u8]) -> String {
    let mut digits = String::new();
    for octet in octets {
        write!(digits, "{octet:02x}").expect("a string takes any text");
    }
    digits
}

/// A policy for a receiver of version 6 that keeps numbers of 64 bits.
pub(crate) fn wide() -> Policy {
    let peer_v6 = PeerV6 {
        sequence32: false,
        lifetime32: false,
        ..PeerV6::default()
    };
    Policy {
        peer_v6,
        ..Policy::default()
    }
}

/// Decodes a bundle of either version and encodes it again.
pub(crate) fn reencoded(octets: &[u8], tolerance: v7::Tolerance) -> Vec<u8> {
    match version(octets).expect("the version is known") {
        Version::V6 => v6::Bundle::decode(octets)
            .expect("the bundle is valid")
            .to_vec(),
        Version::V7 => v7::Bundle::decode(octets, tolerance)
            .expect("the bundle is valid")
            .to_vec(),
    }
}

/// Translates a bundle, or names the reason why not.
///
/// A result must be a bundle of the other version that keeps even the strict rules, must be written
/// as it is read, and must be the same when it is made again.
pub(crate) fn verdict(octets: &[u8], policy: &Policy) -> Result<Translation, &'static str> {
    let translation = match translate(octets, policy) {
        Ok(translation) => translation,
        Err(refusal) => {
            assert!(refusal.offset <= octets.len(), "{refusal:?} is outside");
            assert!(!refusal.field.is_empty(), "{refusal:?} names no field");
            return Err(refusal.reason.name());
        }
    };
    assert_ne!(Some(translation.version), version(octets));
    assert_eq!(Some(translation.version), version(&translation.octets));
    assert_eq!(
        reencoded(&translation.octets, v7::Tolerance::STRICT),
        translation.octets
    );
    assert_eq!(translate(octets, policy).as_ref(), Ok(&translation));
    Ok(translation)
}

/// Translates a translation back, and checks what the way there and back keeps.
///
/// Identity and endpoints come back exactly, and so does everything else that was not reported
/// lost. The receiver has to keep 64 bits, so that the way back is open.
pub(crate) fn check_way_back(octets: &[u8], there: &Translation) {
    let back = verdict(&there.octets, &wide()).expect("the way back is open");
    match there.version {
        Version::V7 => check_back_in_v6(octets, there, &back),
        Version::V6 => check_back_in_v7(octets, there, &back),
    }
}

fn check_back_in_v6(octets: &[u8], there: &Translation, back: &Translation) {
    let first = v6::Bundle::decode(octets).expect("it was translated");
    let second = v6::Bundle::decode(&back.octets).expect("it was checked");
    let (one, two) = (&first.primary, &second.primary);
    assert_eq!(one.eid(one.destination), two.eid(two.destination));
    assert_eq!(one.eid(one.source), two.eid(two.source));
    assert_eq!(one.eid(one.report_to), two.eid(two.report_to));
    assert_eq!(one.creation, two.creation);
    assert_eq!(one.fragment, two.fragment);
    // At the ends of the range the digits of the sequence number have no room in the lifetime.
    if (1..=u64::MAX / 1000).contains(&one.lifetime_s) {
        assert_eq!(one.lifetime_s, two.lifetime_s);
    } else {
        assert!(two.lifetime_s.abs_diff(one.lifetime_s.min(u64::MAX / 1000)) <= 2);
    }
    if !report_changed(there) && !report_changed(back) {
        assert_eq!(hex(first.payload()), hex(second.payload()));
    }
}

fn check_back_in_v7(octets: &[u8], there: &Translation, back: &Translation) {
    let first = v7::Bundle::decode(octets, v7::Tolerance::LENIENT).expect("it was translated");
    let second = v7::Bundle::decode(&back.octets, v7::Tolerance::STRICT).expect("it was checked");
    let (one, two) = (&first.primary, &second.primary);
    assert_eq!(one.destination.normal(), two.destination.normal());
    assert_eq!(one.source.normal(), two.source.normal());
    assert_eq!(one.report_to.normal(), two.report_to.normal());
    assert_eq!(one.creation, two.creation);
    assert_eq!(one.fragment, two.fragment);
    if !there.losses.contains(Loss::LifetimeCapped) {
        assert!(
            two.lifetime_ms >= one.lifetime_ms,
            "the lifetime got shorter"
        );
        assert!(two.lifetime_ms - one.lifetime_ms < 1000);
        let rounded = there.losses.contains(Loss::LifetimeRounded);
        let at_the_end = two.lifetime_ms == u64::MAX;
        assert!(at_the_end || rounded == (two.lifetime_ms != one.lifetime_ms));
    }
    // The spelling of an endpoint ID in a report becomes the preferred one.
    let is_report = one.flags.contains(v7::BundleFlags::ADMIN_RECORD);
    if !is_report {
        assert_eq!(hex(first.payload()), hex(second.payload()));
    }
    let ages = [&first, &second].map(|bundle| {
        let block = bundle
            .blocks
            .iter()
            .find(|block| block.kind == v7::BlockType::AGE);
        block.map(|block| block.content().expect("it was translated"))
    });
    assert_eq!(ages[0], ages[1]);
}

fn report_changed(translation: &Translation) -> bool {
    [Loss::ReportStatus, Loss::ReportReason, Loss::ReportTime]
        .into_iter()
        .any(|loss| translation.losses.contains(loss))
}

/// A plain bundle of version 6: ipn:1.1 to ipn:2.1, sequence number 7, one hour.
pub(crate) fn six() -> v6::Bundle<'static> {
    let payload = v6::Block::new(
        v6::BlockType::PAYLOAD,
        v6::BlockFlags::default(),
        b"hello"[..].into(),
    );
    v6::Bundle {
        primary: v6::Primary {
            flags: v6::BundleFlags(0x90),
            destination: v6::EidRef { scheme: 2, ssp: 1 },
            source: v6::EidRef { scheme: 1, ssp: 1 },
            report_to: v6::EidRef { scheme: 1, ssp: 0 },
            creation: v6::CreationTimestamp {
                seconds: 802_094_400,
                sequence: 7,
            },
            lifetime_s: 3600,
            ..v6::Primary::default()
        },
        blocks: vec![payload],
    }
}

/// The same bundle in version 7.
pub(crate) fn seven() -> v7::Bundle<'static> {
    let payload = v7::Block::new(
        v7::BlockType::PAYLOAD,
        1,
        v7::BlockFlags::default(),
        b"hello"[..].into(),
    );
    v7::Bundle {
        primary: v7::Primary {
            flags: v7::BundleFlags::default(),
            crc: v7::CrcType::Crc16,
            destination: v7::Eid::Ipn {
                node: 2,
                service: 1,
            },
            source: v7::Eid::Ipn {
                node: 1,
                service: 1,
            },
            report_to: v7::Eid::Ipn {
                node: 1,
                service: 0,
            },
            creation: v7::CreationTimestamp {
                time_ms: 802_094_400_007,
                sequence: 0,
            },
            lifetime_ms: 3_599_993,
            fragment: None,
        },
        blocks: vec![payload],
    }
}

/// A status report of version 6 about ipn:5.6, 20 s, sequence number 123456: it was delivered.
pub(crate) fn report_v6() -> v6::StatusReport<'static> {
    v6::StatusReport {
        times: [None, None, None, Some(v6::ReportTime::default()), None],
        other_status: 0,
        reason: 0,
        subject: v6::Subject {
            fragment: None,
            creation: v6::CreationTimestamp {
                seconds: 20,
                sequence: 123_456,
            },
            source: b"ipn:5.6"[..].into(),
        },
    }
}

/// The same report in version 7.
pub(crate) fn report_v7() -> v7::StatusReport<'static> {
    let mut assertions = vec![v7::Assertion::No; 4];
    assertions[2] = v7::Assertion::At(0);
    v7::StatusReport {
        assertions,
        reason: 0,
        source: v7::Eid::Ipn {
            node: 5,
            service: 6,
        },
        creation: v7::CreationTimestamp {
            time_ms: 20_456,
            sequence: 123,
        },
        fragment: None,
    }
}

/// A bundle of version 6 with that report.
pub(crate) fn admin_v6() -> v6::Bundle<'static> {
    let mut bundle = six();
    let mut payload = Vec::new();
    report_v6().encode(&mut payload);
    bundle.primary.flags = bundle.primary.flags.with(v6::BundleFlags::ADMIN_RECORD);
    bundle.blocks[0].data = payload.into();
    bundle
}

/// A bundle of version 7 with that report.
pub(crate) fn admin_v7() -> v7::Bundle<'static> {
    let mut bundle = seven();
    let mut payload = Vec::new();
    report_v7().encode(&mut payload);
    bundle.primary.flags = v7::BundleFlags::ADMIN_RECORD;
    bundle.blocks[0].data = payload.into();
    bundle
}

/// Translates a bundle of version 6, and hands the result over.
pub(crate) fn to_v7<T>(
    bundle: &v6::Bundle<'_>,
    policy: &Policy,
    look: impl FnOnce(&v7::Bundle<'_>, Losses) -> T,
) -> T {
    let there = translate(&bundle.to_vec(), policy).expect("the bundle is translatable");
    let decoded = v7::Bundle::decode(&there.octets, v7::Tolerance::STRICT);
    look(&decoded.expect("the result is valid"), there.losses)
}

/// Translates a bundle of version 7, and hands the result over.
pub(crate) fn to_v6<T>(
    bundle: &v7::Bundle<'_>,
    policy: &Policy,
    look: impl FnOnce(&v6::Bundle<'_>, Losses) -> T,
) -> T {
    let there = translate(&bundle.to_vec(), policy).expect("the bundle is translatable");
    look(
        &v6::Bundle::decode(&there.octets).expect("the result is valid"),
        there.losses,
    )
}
