// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Octets that are no bundle.

use bundle::{Reason, v6, v7};

use super::{Case, block6, case, case6, case7, strict};
use crate::support::{seven, six};

pub(super) fn structure_v6() -> Vec<Case> {
    let plain = six().to_vec();
    let mut trailing = plain.clone();
    trailing.push(0);
    let mut long_length = plain.clone();
    long_length[3] += 1;
    let mut short_length = plain.clone();
    short_length[3] -= 1;
    let mut no_last = plain.clone();
    let flags_at = no_last.len() - 7;
    assert_eq!(no_last[flags_at], 8, "the flags of the payload block");
    no_last[flags_at] = 0;
    let eleven = [&[6][..], &[0x80; 11]].concat();
    let large = [&[6][..], &[0x82], &[0x80; 8], &[0]].concat();
    vec![
        case("nothing", Reason::Truncated, []),
        case("keepalive", Reason::Version, [0; 4]),
        case(
            "end of version 6",
            Reason::Truncated,
            &plain[..plain.len() - 1],
        ),
        case("end of its primary block", Reason::Truncated, &plain[..9]),
        case("trailing octets", Reason::TrailingOctets, trailing),
        case("longer length", Reason::PrimaryLength, long_length),
        case("shorter length", Reason::PrimaryLength, short_length),
        case("no last block", Reason::Truncated, no_last),
        case("eleven octets", Reason::IntegerTooLong, eleven),
        case("65 bits", Reason::IntegerTooLong, large),
        case6("offset outside", Reason::Dictionary, |bundle| {
            dictionary(bundle, b"ipn");
        }),
        case6("string without end", Reason::Dictionary, |bundle| {
            dictionary(bundle, b"ipn\x001.1");
        }),
        case6("signed number", Reason::EidMalformed, |bundle| {
            dictionary(bundle, b"ipn\x00+1.1\x00");
        }),
        case6("other scheme", Reason::EidScheme, |bundle| {
            dictionary(bundle, b"imc\x001.1\x00");
        }),
        case6("the local node", Reason::EidMalformed, |bundle| {
            bundle.primary.source.scheme = u64::from(u32::MAX);
        }),
        case6("no payload", Reason::PayloadMissing, |bundle| {
            bundle.blocks = vec![block6(20, 0, &[0])];
        }),
        case6("two payloads", Reason::PayloadDuplicate, |bundle| {
            bundle.blocks.push(block6(1, 0, b"again"));
        }),
    ]
}

pub(super) fn structure_v7() -> Vec<Case> {
    let plain = seven().to_vec();
    let with = |at: usize, octet: u8| {
        let mut octets = plain.clone();
        octets[at] = octet;
        octets
    };
    let mut trailing = plain.clone();
    trailing.push(0);
    let mut longer_zero = plain.clone();
    longer_zero.splice(3..4, [0x18, 0]);
    let mut tagged = plain.clone();
    tagged.insert(1, 0xc1);
    let mut definite = plain.clone();
    definite.pop();
    definite[0] = 0x83;
    let mut counted = definite.clone();
    counted[0] = 0x81;
    let mut one_more = definite.clone();
    one_more[0] = 0x82;
    one_more.push(0xff);
    let mut cases = structure_of_fields_v7();
    cases.extend([
        case(
            "end of version 7",
            Reason::Truncated,
            &plain[..plain.len() - 1],
        ),
        case("trailing octets", Reason::TrailingOctets, trailing),
        case(
            "too few items in the outer array",
            Reason::PayloadMissing,
            counted,
        ),
        case(
            "too many items in the outer array",
            Reason::Truncated,
            definite,
        ),
        case("definite array and break", Reason::TrailingOctets, one_more),
        case("version 8", Reason::Version, with(2, 8)),
        case("longer zero", Reason::NotShortest, longer_zero),
        case("tag", Reason::UnexpectedItem, tagged),
        case(
            "eight items and a CRC",
            Reason::PrimaryLength,
            with(1, 0x88),
        ),
        case(
            "nine items of a fragment",
            Reason::PrimaryLength,
            with(3, 1),
        ),
        case("CRC type 3", Reason::CrcType, with(4, 3)),
        case(
            "CRC of the wrong length",
            Reason::UnexpectedItem,
            with(4, 2),
        ),
        case("another lifetime", Reason::CrcMismatch, with(34, 0x78)),
    ]);
    cases
}

fn structure_of_fields_v7() -> Vec<Case> {
    vec![
        case7("other scheme", Reason::EidScheme, |bundle| {
            bundle.primary.report_to = v7::Eid::Other {
                scheme: 3,
                ssp: (&[0x82, 1, 0][..]).into(),
            };
        }),
        case7("the local node", Reason::EidMalformed, |bundle| {
            bundle.primary.source = v7::Eid::Ipn {
                node: u64::from(u32::MAX),
                service: 1,
            };
        }),
        Case {
            policy: strict(),
            ..case7("no CRC", Reason::CrcMissing, |bundle| {
                bundle.primary.crc = v7::CrcType::None;
            })
        },
        Case {
            policy: strict(),
            ..case7("reserved flags", Reason::FlagsInvalid, |bundle| {
                bundle.primary.flags = v7::BundleFlags(8);
            })
        },
        case7("no age", Reason::AgeMissing, |bundle| {
            bundle.primary.creation.time_ms = 0;
        }),
    ]
}

fn dictionary(bundle: &mut v6::Bundle<'_>, strings: &'static [u8]) {
    bundle.primary.dictionary = strings.into();
    let reference = v6::EidRef { scheme: 0, ssp: 4 };
    bundle.primary.destination = reference;
    bundle.primary.source = reference;
    bundle.primary.report_to = reference;
    bundle.primary.custodian = reference;
}
