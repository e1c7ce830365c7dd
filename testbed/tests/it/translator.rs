// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The generated program against the reference translator.

use std::{cell::RefCell, collections::BTreeMap, path::Path};

use bundle::{
    Eid, Reason, Version,
    arbitrary::{Shape, mutated, v6_octets, v6_padded_octets, v7_octets},
    v6, v7,
};
use etherparse::{Ethernet2Header, Ipv4Header, UdpHeader, ip_number};
use proptest::prelude::*;
use testbed::{
    frame::{BUNDLE_PORT, Datagram, ethernet_address},
    traffic::{Input, Side, captured},
    verdict::Outcome,
};

use crate::lab::{Lab, MAX_PAYLOAD};

thread_local! {
    static LAB: RefCell<Lab> = RefCell::new(Lab::new());
}

fn check(input: &Input) -> Result<Outcome, String> {
    LAB.with_borrow_mut(|lab| lab.check(input))
}

/// A datagram from one side to the other.
pub(crate) fn input(side: Side, payload: Vec<u8>) -> Input {
    let (source, destination) = (side.host([0, 0, 1, 1]), side.other().host([0, 0, 2, 2]));
    let ipv4 = Ipv4Header::new(
        u16::try_from(UdpHeader::LEN + payload.len()).expect("bundles of a test are small"),
        64,
        ip_number::UDP,
        source.octets(),
        destination.octets(),
    )
    .expect("bundles of a test are small");
    let ethernet = Ethernet2Header {
        source: ethernet_address(source),
        destination: ethernet_address(destination),
        ether_type: etherparse::ether_type::IPV4,
    };
    let udp = UdpHeader {
        source_port: 40_000,
        destination_port: BUNDLE_PORT,
        length: 0,
        // Anything but zero is replaced by the right one.
        checksum: 1,
    };
    let origin = format!("bundle {}", testbed::verdict::hex(&payload));
    Input {
        origin,
        side,
        datagram: Datagram {
            ethernet,
            ipv4,
            udp,
            payload,
        },
    }
}

/// Every captured datagram crosses as the reference says, or is handed out unchanged with a reason.
#[test]
fn captures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/captures");
    let inputs = captured(&folder).expect("the captures are in the repository");
    let mut outcomes = BTreeMap::<Outcome, usize>::new();
    for input in &inputs {
        let outcome = check(input).unwrap_or_else(|difference| panic!("{difference}"));
        *outcomes.entry(outcome).or_default() += 1;
    }
    let expected = [
        (Outcome::Forwarded, 189),
        (Outcome::Translated, 299),
        (Outcome::Refused(Reason::Security), 33),
        (Outcome::Refused(Reason::Custody), 10),
        (Outcome::Punted(Reason::EidForm), 193),
        (Outcome::Punted(Reason::BlockUnsupported), 44),
        (Outcome::Punted(Reason::CrcUnsupported), 342),
        (Outcome::Punted(Reason::AdminUnsupported), 114),
    ];
    assert_eq!(outcomes, expected.into());
}

/// Whether the program is made for a bundle: only blocks that ION sends by default, a previous
/// node that has a name, and no CRC but CRC-16 on the primary block.
fn is_for_program(octets: &[u8]) -> bool {
    if bundle::version(octets) == Some(Version::V6) {
        let bundle = v6::Bundle::decode(octets).expect("the bundle is valid");
        return bundle.blocks.iter().all(|block| match block.content() {
            Ok(v6::Content::PreviousHop(hop)) => {
                hop.eid(&bundle.primary).is_ok_and(|eid| eid != Eid::Null)
            }
            _ => matches!(block.kind.0, 1 | 19 | 20),
        });
    }
    let bundle = v7::Bundle::decode(octets, v7::Tolerance::LENIENT).expect("the bundle is valid");
    let is_for_program = |block: &v7::Block<'_>| match block.content() {
        _ if block.crc != v7::CrcType::None => false,
        Ok(v7::Content::PreviousNode(eid)) => !eid.is_null(),
        _ => matches!(block.kind.0, 1 | 7 | 193),
    };
    bundle.primary.crc != v7::CrcType::Crc32c && bundle.blocks.iter().all(is_for_program)
}

/// A bundle of the kind that the program is made for crosses; another takes the slow path.
fn crosses(side: Side, octets: Vec<u8>) -> Result<(), TestCaseError> {
    let fast = is_for_program(&octets);
    let input = input(side, octets);
    let outcome = check(&input).map_err(TestCaseError::fail)?;
    match outcome {
        Outcome::Translated => prop_assert!(fast, "{}", input.origin),
        Outcome::Punted(reason) => prop_assert!(!fast, "{reason}: {}", input.origin),
        other => prop_assert!(false, "{other:?}: {}", input.origin),
    }
    Ok(())
}

/// The reference and the program agree, whatever the octets are.
fn agrees(side: Side, octets: Vec<u8>) -> Result<(), TestCaseError> {
    check(&input(side, octets))
        .map(drop)
        .map_err(TestCaseError::fail)
}

const FAST_PATH: Shape = Shape {
    payload_max: MAX_PAYLOAD as usize,
    ..Shape::FAST_PATH
};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn version_6_crosses(octets in v6_octets(FAST_PATH)) {
        crosses(Side::V6, octets)?;
    }

    #[test]
    fn version_6_with_padding_crosses((octets, _) in v6_padded_octets(FAST_PATH)) {
        crosses(Side::V6, octets)?;
    }

    #[test]
    fn version_7_crosses(octets in v7_octets(FAST_PATH)) {
        crosses(Side::V7, octets)?;
    }

    #[test]
    fn any_version_6_agrees(octets in v6_octets(Shape::ANY)) {
        agrees(Side::V6, octets)?;
    }

    #[test]
    fn any_version_7_agrees(octets in v7_octets(Shape::ANY)) {
        agrees(Side::V7, octets)?;
    }

    #[test]
    fn mutated_version_6_agrees(octets in mutated(v6_octets(FAST_PATH))) {
        agrees(Side::V6, octets)?;
    }

    #[test]
    fn mutated_version_7_agrees(octets in mutated(v7_octets(FAST_PATH))) {
        agrees(Side::V7, octets)?;
    }
}
