// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages become bundles and messages again, and the translator agrees.

use bpsock::abi::BundleId;
use bpsockd::leaf::form::{Arrival, Crcs, Draft, Status};
use bundle::v7::CrcType;
use bundle::{Eid, Policy, Version, translate};
use proptest::prelude::{any, prop_oneof, proptest};
use proptest::strategy::{Just, Strategy};

use crate::support::parse;

fn endpoints() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("ipn:1.2"),
        Just("ipn:4294967299.70000"),
        Just("dtn://n/x")
    ]
}

fn identities() -> impl Strategy<Value = BundleId> {
    (1_000_u64..1 << 41, 0_u64..1_000_000).prop_map(|(creation_ms, sequence)| BundleId {
        creation_ms,
        sequence,
    })
}

proptest! {
    #[test]
    fn drafts_come_back(
        source in endpoints(), destination in endpoints(), bundle in identities(),
        lifetime_s in 1_u64..1 << 30, data: Vec<u8>, is_7: bool,
    ) {
        let (source, destination) = (parse(source), parse(destination));
        let report_to = parse("ipn:1.0");
        let draft = Draft {
            source: &source,
            destination: &destination,
            report_to: Some(&report_to),
            bundle,
            lifetime_ms: lifetime_s * 1000,
            flags: 0x2_0004,
            hop_limit: is_7.then_some(7),
            priority: 1,
            data: &data,
        };
        let crcs = Crcs { primary: CrcType::Crc16, blocks: CrcType::None };
        let version = if is_7 { Version::V7 } else { Version::V6 };
        let octets = draft.encode(version, crcs).unwrap();
        let there = Arrival::decode(&octets).unwrap();
        assert_eq!(there.version, version);
        // The translator gives the other version the same meaning.
        let other = translate(&octets, &Policy::default()).unwrap();
        let back = Arrival::decode(&other.octets).unwrap();
        for arrival in [&there, &back] {
            assert_eq!(arrival.source, source);
            assert_eq!(arrival.destination, destination);
            assert_eq!(arrival.report_to.as_ref(), Some(&report_to));
            assert_eq!(arrival.info.bundle, bundle);
            assert_eq!(arrival.info.flags & 0x2_0004, 0x2_0004);
            assert_eq!(&*arrival.payload, &data[..]);
            assert_eq!(arrival.identity(), there.identity());
        }
        assert_eq!(there.info.lifetime_ms, lifetime_s * 1000);
    }

    #[test]
    fn reports_come_back(
        bundle in identities(), bit in 0_usize..4, reason in 0_u32..200, time_ms in 1_u64..1 << 41,
    ) {
        let status = [0x1, 0x4, 0x8, 0x10][bit];
        let source = Eid::parse("dtn://n/x").unwrap();
        let says = Status { status, reason, time_ms, source, bundle };
        for version in [Version::V6, Version::V7] {
            let record = says.encode(version).unwrap();
            assert_eq!(Status::decode(version, &record), Some(says.clone()));
        }
    }

    #[test]
    fn any_octets_are_no_panic(octets: Vec<u8>, first in any::<u8>()) {
        let _ = Arrival::decode(&octets);
        let _ = Status::decode(Version::V6, &octets);
        let _ = Status::decode(Version::V7, &octets);
        let mut likely = vec![if first & 1 == 0 { 6 } else { 0x9f }];
        likely.extend(octets);
        let _ = Arrival::decode(&likely);
    }
}
