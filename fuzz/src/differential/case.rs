// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A bundle, and everything that its translation depends on.

use bundle::{Version, translate::Profile, version};
use p4gen::Parameters;
use testbed::{lab::Receiver, traffic::Side};

/// Sizes of programs: longest payload, most extension blocks, longest name.
const SIZES: [(u32, u32, u32); 4] = [(1400, 8, 64), (13, 1, 8), (255, 20, 72), (9000, 3, 32)];
/// The octets in front of the bundle.
const SETTING_LEN: usize = 3;
const SIZE_BITS: u8 = 0b011;
const PROFILE_N: u8 = 0b100;

/// A generated program, by what it was generated with.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Program(u8);

impl Program {
    /// How many there are.
    pub const COUNT: u8 = 8;

    /// One of the programs: numbers go round. The first is the usual one.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number % Self::COUNT)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// What it was generated with.
    #[must_use]
    pub fn parameters(self) -> Parameters {
        let (max_payload, max_blocks, max_eid) = SIZES[usize::from(self.0 & SIZE_BITS)];
        Parameters {
            profile: if self.0 & PROFILE_N == 0 {
                Profile::A
            } else {
                Profile::N
            },
            max_payload,
            max_blocks,
            max_eid,
            ..Parameters::default()
        }
    }
}

/// What the switch is to the bundle.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// On the way between two hosts.
    Transparent,
    /// A hop of the bundle, whose receiver reads the other version.
    Node,
    /// A hop of the bundle, whose receiver reads the version of the bundle.
    Relay,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Transparent, Self::Node, Self::Relay];
}

/// Everything but the bundle.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Setting {
    /// What runs on the switch.
    pub program: Program,
    /// What the switch is.
    pub role: Role,
    /// What the receiver reads.
    pub receiver: Receiver,
}

/// A bundle in a setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Case {
    /// Program, role and receiver.
    pub setting: Setting,
    /// The bundle, valid or not.
    pub octets: Vec<u8>,
}

impl Case {
    /// Reads a case: three octets for the setting, then the bundle.
    #[must_use]
    pub fn read(input: &[u8]) -> Option<Self> {
        let ([program, role, receiver], octets) = input.split_first_chunk::<SETTING_LEN>()?;
        Some(Self {
            setting: Setting {
                program: Program::new(*program),
                role: Role::ALL[usize::from(*role) % Role::ALL.len()],
                receiver: Receiver::new(*receiver),
            },
            octets: octets.to_vec(),
        })
    }

    /// The octets that [`Case::read`] reads.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let Setting {
            program,
            role,
            receiver,
        } = self.setting;
        let mut out = vec![program.0, role as u8, receiver.number()];
        out.extend_from_slice(&self.octets);
        out
    }

    /// The side on which the bundle enters: that of its version.
    #[must_use]
    pub fn side(&self) -> Side {
        match version(&self.octets) {
            Some(Version::V7) => Side::V7,
            _ => Side::V6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, Program};

    #[test]
    fn cases_are_read_as_they_are_written() {
        for program in 0..Program::COUNT {
            for rest in [[0, 0, 6], [2, 63, 0x9f]] {
                let input = [&[program][..], &rest].concat();
                let case = Case::read(&input).expect("there is a setting");
                assert_eq!(case.to_vec(), input);
            }
        }
        assert_eq!(Case::read(&[0, 0]), None);
    }

    #[test]
    fn every_program_is_another_one() {
        let mut parameters: Vec<_> = (0..Program::COUNT)
            .map(|number| Program::new(number).parameters().to_string())
            .collect();
        parameters.sort();
        parameters.dedup();
        assert_eq!(parameters.len(), usize::from(Program::COUNT));
    }
}
