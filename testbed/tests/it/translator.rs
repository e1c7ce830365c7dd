// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The generated program against the reference translator.

use std::{cell::RefCell, collections::BTreeMap, path::Path};

use bundle::{
    Reason,
    arbitrary::{Shape, mutated, v6_octets, v6_padded_octets, v7_octets},
};
use proptest::prelude::*;
use testbed::{
    lab::{Lab, Receiver},
    traffic::{Input, Side, captured},
    verdict::Outcome,
};

/// Longest payload of the program under test.
pub(crate) const MAX_PAYLOAD: usize = 1400;

thread_local! {
    static LAB: RefCell<Lab> = RefCell::new(Lab::default());
}

fn check(input: &Input) -> Result<Outcome, String> {
    LAB.with_borrow_mut(|lab| lab.check(input))
}

/// A datagram from one side to the other.
pub(crate) fn input(side: Side, payload: Vec<u8>) -> Input {
    Input::new(side, 2, payload)
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
        (Outcome::Translated, 873),
        (Outcome::Refused(Reason::EidMalformed), 4),
        (Outcome::Refused(Reason::Security), 49),
        (Outcome::Refused(Reason::Custody), 62),
        (Outcome::Refused(Reason::AdminRecord), 27),
        (Outcome::Refused(Reason::TimeRange), 1),
        (Outcome::Refused(Reason::SequenceRange), 2),
        (Outcome::Refused(Reason::ValueRange), 1),
        (Outcome::Punted(Reason::EidForm), 16),
    ];
    assert_eq!(outcomes, expected.into());
}

/// Endpoint IDs and times at their widest: the fields of version 6 up to the dictionary have 64
/// octets, which is more than a smaller part of the new head would hold.
#[test]
fn wide_fields_cross() {
    let octets = b"\x9f\x8a\x07\x01\x00\
        \x82\x02\x82\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x1a\x00\x20\x00\x00\
        \x82\x02\x83\x1a\x01\x00\x00\x00\x00\x1a\xff\xff\xff\xff\
        \x82\x02\x83\x1a\x01\x00\x00\x00\x00\x1a\x10\x00\x00\x00\
        \x82\x1b\x00\x00\x1f\x40\x00\x00\x00\x00\x1a\x00\x01\x56\x3f\
        \x1b\x00\x00\x00\x3e\x80\x00\x00\x00\x00\x00\x85\x01\x01\x00\x00\x41\xb5\xff";
    let outcome = check(&input(Side::V7, octets.to_vec()));
    assert_eq!(outcome, Ok(Outcome::Translated));
}

/// What the reference translates crosses, and what it refuses is refused: nothing of the usual
/// sizes is left to the slow path, unless the link is too narrow.
fn crosses(side: Side, receiver: Receiver, octets: Vec<u8>) -> Result<(), TestCaseError> {
    let translatable = bundle::translate(&octets, &receiver.policy()).is_ok();
    let input = Input::new(side, receiver.address(), octets);
    let outcome = check(&input).map_err(TestCaseError::fail)?;
    match outcome {
        Outcome::Punted(Reason::Mtu) => prop_assert!(receiver.mtu().is_some(), "{}", input.origin),
        Outcome::Translated => prop_assert!(translatable, "{}", input.origin),
        Outcome::Refused(_) | Outcome::RefusedOtherwise(..) | Outcome::Unexplained(..) => {
            prop_assert!(!translatable, "{}", input.origin);
        }
        other => prop_assert!(false, "{other:?}: {}", input.origin),
    }
    Ok(())
}

/// The reference and the program agree, whatever the octets are.
fn agrees(side: Side, receiver: Receiver, octets: Vec<u8>) -> Result<(), TestCaseError> {
    check(&Input::new(side, receiver.address(), octets))
        .map(drop)
        .map_err(TestCaseError::fail)
}

const FAST_PATH: Shape = Shape {
    payload_max: MAX_PAYLOAD,
    ..Shape::FAST_PATH
};

/// One of the receivers.
fn receivers() -> impl Strategy<Value = Receiver> {
    (0..Receiver::COUNT).prop_map(Receiver::new)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn version_6_crosses(octets in v6_octets(FAST_PATH)) {
        crosses(Side::V6, Receiver::USUAL, octets)?;
    }

    #[test]
    fn version_6_with_padding_crosses((octets, _) in v6_padded_octets(Shape::ANY)) {
        crosses(Side::V6, Receiver::USUAL, octets)?;
    }

    #[test]
    fn version_7_crosses(octets in v7_octets(FAST_PATH)) {
        crosses(Side::V7, Receiver::USUAL, octets)?;
    }

    #[test]
    fn any_version_6_agrees(octets in v6_octets(Shape::ANY), receiver in receivers()) {
        crosses(Side::V6, receiver, octets)?;
    }

    #[test]
    fn any_version_7_agrees(octets in v7_octets(Shape::ANY), receiver in receivers()) {
        crosses(Side::V7, receiver, octets)?;
    }

    #[test]
    fn mutated_version_6_agrees(octets in mutated(v6_octets(Shape::ANY)), receiver in receivers()) {
        agrees(Side::V6, receiver, octets)?;
    }

    #[test]
    fn mutated_version_7_agrees(octets in mutated(v7_octets(Shape::ANY)), receiver in receivers()) {
        agrees(Side::V7, receiver, octets)?;
    }
}
