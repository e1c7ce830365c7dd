// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a second translator with the same profile restores.

use bundle::{
    Loss, Policy, Reason, Translation, Version, translate,
    translate::{PeerV6, Profile, UnknownBlocks},
    v6, v7,
};

use crate::{checks::result_tolerance, policy};

/// Translates a translation back, and compares the result with the original.
pub(crate) fn check(octets: &[u8], there: &Translation, policy: &Policy) {
    let second_policy = Policy {
        profile: policy.profile,
        // A private block that has to be understood goes on, if it goes on both times.
        unknown_blocks: match policy.unknown_blocks {
            UnknownBlocks::KeepPrivate => UnknownBlocks::KeepPrivate,
            UnknownBlocks::Drop | UnknownBlocks::Refuse => UnknownBlocks::Drop,
        },
        tolerance: v7::Tolerance::LENIENT,
        peer_v6: PeerV6 {
            sequence32: false,
            lifetime32: false,
            ..PeerV6::default()
        },
        ..Policy::default()
    };
    let back = match translate(&there.octets, &second_policy) {
        Ok(back) => back,
        Err(refusal) => {
            // The age that a node added may be more than microseconds can say.
            let is_old = policy.node.is_some() && refusal.reason == Reason::ValueRange;
            assert!(is_old, "the way back is closed: {refusal:?}");
            return;
        }
    };
    match there.version {
        Version::V7 => check_v6(octets, [there, &back], policy),
        Version::V6 => check_v7(octets, [there, &back], policy),
    }
}

fn check_v6(octets: &[u8], ways: [&Translation; 2], policy: &Policy) {
    let first = v6::Bundle::decode(octets).expect("it was translated");
    let second = v6::Bundle::decode(&ways[1].octets).expect("a translation keeps the rules");
    let (one, two) = (&first.primary, &second.primary);
    assert_eq!(one.eid(one.destination), two.eid(two.destination));
    assert_eq!(one.eid(one.source), two.eid(two.source));
    assert_eq!(one.eid(one.report_to), two.eid(two.report_to));
    assert_eq!(one.fragment, two.fragment);
    // Neither profile loses anything of version 6.
    assert_eq!(one.creation, two.creation);
    // A lifetime that ends before the digits of the sequence number do is longer.
    let moved = policy.profile == Profile::A && one.creation.seconds != 0;
    let lifetime_s = policy::lifetime_s(policy, one.lifetime_s);
    let too_short = moved && lifetime_s == 0 && !one.creation.sequence.is_multiple_of(1000);
    if too_short {
        assert_eq!(two.lifetime_s, 1);
    } else if !lost(ways, &[Loss::LifetimeCapped]) {
        assert_eq!(lifetime_s, two.lifetime_s);
    }
    if !lost(
        ways,
        &[Loss::ReportStatus, Loss::ReportReason, Loss::ReportTime],
    ) && first.payload() != second.payload()
    {
        // Padding and spelling of a report are not kept, its meaning is.
        let [before, after] = [first.payload(), second.payload()].map(v6::AdminRecord::decode);
        let meanings = [&before, &after].map(|record| match record {
            Ok(v6::AdminRecord::StatusReport(report)) => v6::StatusReport {
                subject: v6::Subject {
                    source: b""[..].into(),
                    ..report.subject.clone()
                },
                ..report.clone()
            },
            other => panic!("the payload changed: {other:?}"),
        });
        assert_eq!(meanings[0], meanings[1]);
    }
}

fn check_v7(octets: &[u8], ways: [&Translation; 2], policy: &Policy) {
    let first = v7::Bundle::decode(octets, policy.tolerance).expect("it was translated");
    let second = v7::Bundle::decode(&ways[1].octets, result_tolerance(&Policy::default()));
    let second = second.expect("a translation keeps the rules");
    let (one, two) = (&first.primary, &second.primary);
    assert_eq!(one.destination.normal(), two.destination.normal());
    assert_eq!(one.source.normal(), two.source.normal());
    assert_eq!(one.report_to.normal(), two.report_to.normal());
    assert_eq!(one.fragment, two.fragment);
    assert_eq!(one.creation.sequence, two.creation.sequence);
    let kept_ms = match policy.profile {
        Profile::A => one.creation.time_ms,
        Profile::N => one.creation.time_ms / 1000 * 1000,
    };
    assert_eq!(kept_ms, two.creation.time_ms);
    if !lost(ways, &[Loss::LifetimeCapped]) {
        let expiry_ms = |primary: &v7::Primary<'_>| {
            u128::from(primary.creation.time_ms) + u128::from(primary.lifetime_ms)
        };
        let (before, after) = (expiry_ms(one), expiry_ms(two));
        assert!(after >= before, "the bundle expires earlier");
        assert!(after - before < 1000, "the bundle expires much later");
        let rounded = ways[0].losses.contains(Loss::LifetimeRounded);
        assert_eq!(rounded, after != before);
    }
    if !one.flags.contains(v7::BundleFlags::ADMIN_RECORD) {
        assert_eq!(first.payload(), second.payload());
    }
    if policy.node.is_none() && !(policy.tolerance.age_missing && one.creation.time_ms == 0) {
        assert_eq!(age(&first), age(&second));
    }
}

/// The data of the bundle age block.
fn age<'a>(bundle: &'a v7::Bundle<'_>) -> Option<&'a [u8]> {
    let mut blocks = bundle.blocks.iter();
    let block = blocks.find(|block| block.kind == v7::BlockType::AGE)?;
    Some(&block.data)
}

/// Whether one of the ways lost one of these.
fn lost(ways: [&Translation; 2], losses: &[Loss]) -> bool {
    let any = |way: &Translation| losses.iter().any(|loss| way.losses.contains(*loss));
    ways.into_iter().any(any)
}
