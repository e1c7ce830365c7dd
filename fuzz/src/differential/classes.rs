// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The kinds of bundles that are generated.

use std::fmt;

use bundle::{
    arbitrary::{Shape, mutated, v6_bundle, v6_octets, v6_padded_octets, v7_bundle, v7_octets},
    v7,
};
use proptest::{
    prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof},
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use testbed::{lab::Receiver, verdict::Limits};

use super::{Case, Program, Role, Setting, edges_v6, edges_v7, spoiled};

/// How far apart in the list of weights the classes of consecutive batches are. It has no factor
/// in common with their sum.
const STEP: u64 = 13;

/// A kind of bundles.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// Of captures and vectors.
    Real,
    /// Bundles that a decoder accepts, with everything that they may have.
    Valid,
    /// Values at the edges of encodings, versions and programs.
    Boundary,
    /// Octets of the others with changes.
    Mutated,
    /// Bundles that break a rule or ask for what cannot be.
    Refused,
}

impl Class {
    /// Those that are generated, each as often as it is wanted among twenty.
    const WEIGHTS: [(Self, u64); 4] = [
        (Self::Valid, 6),
        (Self::Boundary, 6),
        (Self::Mutated, 5),
        (Self::Refused, 3),
    ];

    /// The class of a batch: all take turns, and the first four are all different.
    #[must_use]
    pub fn of_batch(batch: u64) -> Self {
        let rounds = Self::WEIGHTS.iter().map(|(_, weight)| weight).sum::<u64>();
        let mut left = batch % rounds * STEP % rounds;
        for (class, weight) in Self::WEIGHTS {
            match left.checked_sub(weight) {
                Some(more) => left = more,
                None => return class,
            }
        }
        Self::Valid
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Real => "real",
            Self::Valid => "valid",
            Self::Boundary => "boundary",
            Self::Mutated => "mutated",
            Self::Refused => "refused",
        })
    }
}

/// Generators of cases, for each class and program.
pub struct Classes {
    valid: Vec<BoxedStrategy<Vec<u8>>>,
    boundary: Vec<BoxedStrategy<Vec<u8>>>,
    mutated: Vec<BoxedStrategy<Vec<u8>>>,
    refused: BoxedStrategy<Vec<u8>>,
    setting: BoxedStrategy<Setting>,
}

impl Default for Classes {
    fn default() -> Self {
        let limits: Vec<_> = (0..Program::COUNT)
            .map(|number| limits(Program::new(number)))
            .collect();
        Self {
            valid: limits.iter().map(|limits| valid(*limits)).collect(),
            boundary: limits.iter().map(|limits| boundary(*limits)).collect(),
            mutated: limits.iter().map(|limits| changed(*limits)).collect(),
            refused: spoiled::bundle(),
            setting: setting(),
        }
    }
}

impl Classes {
    /// So many cases of a class. The seed says which.
    #[must_use]
    pub fn cases(&self, class: Class, seed: u64, count: usize) -> Vec<Case> {
        let mut octets = [0; 32];
        octets[..8].copy_from_slice(&seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &octets);
        let mut runner = TestRunner::new_with_rng(Config::default(), random);
        (0..count)
            .map(|_| {
                let setting = draw(&self.setting, &mut runner);
                let program = usize::from(setting.program.number());
                let strategy = match class {
                    Class::Real | Class::Valid => &self.valid[program],
                    Class::Boundary => &self.boundary[program],
                    Class::Mutated => &self.mutated[program],
                    Class::Refused => &self.refused,
                };
                Case {
                    setting,
                    octets: draw(strategy, &mut runner),
                }
            })
            .collect()
    }
}

fn draw<T: fmt::Debug>(strategy: &BoxedStrategy<T>, runner: &mut TestRunner) -> T {
    let tree = strategy.new_tree(runner);
    tree.expect("the strategies reject little").current()
}

fn limits(program: Program) -> Limits {
    let parameters = program.parameters();
    Limits {
        max_payload: parameters.max_payload.into(),
        max_blocks: parameters.max_blocks as usize,
        max_eid: parameters.max_eid as usize,
        mtu: None,
    }
}

/// Half of the cases are for the usual program, and half of the receivers are the usual one.
fn setting() -> BoxedStrategy<Setting> {
    let program = prop_oneof![
        2 => Just(Program::default()),
        3 => (0..Program::COUNT).prop_map(Program::new),
    ];
    let role = prop_oneof![
        2 => Just(Role::Transparent),
        1 => Just(Role::Node),
        1 => Just(Role::Relay),
    ];
    let receiver = prop_oneof![
        1 => Just(Receiver::USUAL),
        2 => any::<u8>().prop_map(Receiver::new),
    ];
    (program, role, receiver)
        .prop_map(|(program, role, receiver)| Setting {
            program,
            role,
            receiver,
        })
        .boxed()
}

fn valid(limits: Limits) -> BoxedStrategy<Vec<u8>> {
    let payload_max = usize::try_from(limits.max_payload).unwrap_or(usize::MAX);
    let long = Shape {
        payload_max,
        ..Shape::FAST_PATH
    };
    prop_oneof![
        3 => v6_octets(Shape::ANY),
        1 => v6_padded_octets(Shape::ANY).prop_map(|(padded, _)| padded),
        3 => v7_octets(Shape::ANY),
        1 => v6_octets(long),
        1 => v7_octets(long),
    ]
    .boxed()
}

fn boundary(limits: Limits) -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        edges_v6::bundle(limits).prop_map(|bundle| bundle.to_vec()),
        edges_v7::bundle(limits).prop_map(|bundle| bundle.to_vec()),
    ]
    .boxed()
}

/// Most changes of bundles with CRCs make them wrong. So most of these have none.
fn changed(limits: Limits) -> BoxedStrategy<Vec<u8>> {
    let unprotected = prop_oneof![v7_bundle(Shape::ANY), edges_v7::bundle(limits)]
        .prop_map(|bundle| without_crcs(bundle).to_vec());
    let six = prop_oneof![v6_bundle(Shape::ANY), edges_v6::bundle(limits)]
        .prop_map(|bundle| bundle.to_vec());
    prop_oneof![
        4 => mutated(six),
        4 => mutated(unprotected),
        1 => mutated(v7_octets(Shape::ANY)),
        1 => mutated(spoiled::bundle()),
    ]
    .boxed()
}

/// The bundle without CRCs, which lenient decoders accept.
pub(super) fn without_crcs(mut bundle: v7::Bundle<'_>) -> v7::Bundle<'_> {
    bundle.primary.crc = v7::CrcType::None;
    for block in &mut bundle.blocks {
        block.crc = v7::CrcType::None;
    }
    bundle
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Class;

    #[test]
    fn classes_take_turns_as_often_as_is_wanted() {
        let first: BTreeSet<_> = (0..4).map(Class::of_batch).collect();
        assert_eq!(first.len(), Class::WEIGHTS.len());
        for (class, weight) in Class::WEIGHTS {
            let found = (0..20).filter(|batch| Class::of_batch(*batch) == class);
            assert_eq!(found.count() as u64, weight, "{class}");
        }
    }
}
