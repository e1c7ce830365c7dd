// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Policies out of octets, so that a fuzzer can look for the combination that breaks something.

use std::{borrow::Cow, num::NonZeroU64};

use bundle::{
    Eid, Policy,
    translate::{Crcs, Node, PeerV6, PriorityRule, Profile, UnknownBlocks},
    v6::{BlockType, Priority},
    v7::{CrcType, Tolerance},
};

/// The number of octets that stand for a policy. Zeros stand for the default one.
pub(crate) const LEN: usize = 4;

const RESIDENCES_MS: [u64; 6] = [0, 1, 999, u32::MAX as u64, u64::MAX / 1_000_000, u64::MAX];

const LIFETIMES_S: [u64; 4] = [0, 1, 86_400, u64::MAX];

/// Takes a policy from the start of the input.
pub(crate) fn read(input: &[u8]) -> Option<(Policy, &[u8])> {
    let ([switches, choices, hop, rules], rest) = input.split_first_chunk::<LEN>()?;
    let mut policy = Policy::default();
    let on = |bit: u8| switches & (1 << bit) != 0;
    let choice = |shift: u8| choices >> shift & 3;
    let tolerance = if choices & 0x80 == 0 {
        Tolerance::LENIENT
    } else {
        Tolerance::STRICT
    };
    policy.profile = if on(0) { Profile::N } else { Profile::A };
    policy.tolerance = Tolerance {
        age_missing: on(7),
        ..tolerance
    };
    policy.crcs = Crcs {
        primary: [
            CrcType::Crc16,
            CrcType::Crc32c,
            CrcType::None,
            CrcType::Crc16,
        ][usize::from(choice(0))],
        blocks: [
            CrcType::None,
            CrcType::Crc16,
            CrcType::Crc32c,
            CrcType::None,
        ][usize::from(choice(2))],
    };
    policy.default_priority = [
        Priority::Normal,
        Priority::Bulk,
        Priority::Expedited,
        Priority::Normal,
    ][usize::from(choice(4))];
    policy.hdtn_priority = on(1);
    policy.priority = [
        PriorityRule::Drop,
        PriorityRule::Qos,
        PriorityRule::Hdtn,
        PriorityRule::Drop,
    ][usize::from(rules & 3)];
    policy.unknown_blocks = [
        UnknownBlocks::Drop,
        UnknownBlocks::KeepPrivate,
        UnknownBlocks::Refuse,
        UnknownBlocks::Drop,
    ][usize::from(rules >> 2 & 3)];
    policy.lifetime_zero_s = NonZeroU64::new(LIFETIMES_S[usize::from(rules >> 4 & 3)]);
    policy.peer_v6 = PeerV6 {
        cbhe: !on(2),
        dictionary: !on(3),
        sequence32: !on(4),
        lifetime32: !on(5),
        age_block: if choices & 0x40 == 0 {
            BlockType::AGE
        } else {
            BlockType::CUSTODY_OR_AGE
        },
    };
    policy.node = on(6).then(|| node(*hop));
    Some((policy, rest))
}

/// The lifetime that a lifetime of version 6 stands for.
pub(crate) fn lifetime_s(policy: &Policy, stated: u64) -> u64 {
    match policy.lifetime_zero_s {
        Some(substitute) if stated == 0 => substitute.get(),
        _ => stated,
    }
}

fn node(octet: u8) -> Node {
    let id = if octet & 0x80 == 0 {
        Eid::ipn(7, 0)
    } else {
        Eid::Dtn(Cow::Borrowed("//here/"))
    };
    let residence_ms = RESIDENCES_MS[usize::from(octet & 0x7f) % RESIDENCES_MS.len()];
    Node { id, residence_ms }
}

#[cfg(test)]
mod tests {
    use super::{LEN, read};

    #[test]
    fn zeros_are_the_default_policy() {
        let (policy, rest) = read(&[0, 0, 0, 0, 6]).expect("there is a policy");
        assert_eq!(policy, bundle::Policy::default());
        assert_eq!(rest, [6]);
        assert!(read(&[0; LEN - 1]).is_none());
    }

    #[test]
    fn every_octet_stands_for_a_policy() {
        for octet in 0..=u8::MAX {
            let (policy, _) = read(&[octet; LEN]).expect("there is a policy");
            assert_eq!(policy.node.is_some(), octet & 0x40 != 0);
        }
    }
}
