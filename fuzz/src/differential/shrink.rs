// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes a case small that shows a difference.

use bundle::{Version, v6, v7, version};
use testbed::lab::Receiver;

use super::{Case, Program, Role, classes::without_crcs};

/// Attempts after which a case is small enough.
const ATTEMPTS: usize = 3000;

/// The smallest case that was found for which `differs` holds, as it does for this one.
pub fn shrink(case: Case, differs: impl FnMut(&Case) -> bool) -> Case {
    let mut shrinker = Shrinker {
        case,
        differs,
        left: ATTEMPTS,
    };
    shrinker.usual_setting();
    // Fewer blocks make fewer octets, and what is left may then fit a plainer setting.
    while shrinker.fewer_blocks() || shrinker.fewer_octets() {}
    shrinker.zeros();
    shrinker.usual_setting();
    shrinker.case
}

struct Shrinker<F> {
    case: Case,
    differs: F,
    left: usize,
}

impl<F: FnMut(&Case) -> bool> Shrinker<F> {
    /// Takes another case if it shows a difference, too.
    fn attempt(&mut self, case: Case) -> bool {
        if self.left == 0 || case == self.case {
            return false;
        }
        self.left -= 1;
        let differs = (self.differs)(&case);
        if differs {
            self.case = case;
        }
        differs
    }

    fn attempt_octets(&mut self, octets: Vec<u8>) -> bool {
        let setting = self.case.setting;
        self.attempt(Case { setting, octets })
    }

    fn usual_setting(&mut self) {
        let mut case = self.case.clone();
        case.setting.program = Program::default();
        self.attempt(case);
        let mut case = self.case.clone();
        case.setting.role = Role::Transparent;
        self.attempt(case);
        let mut case = self.case.clone();
        case.setting.receiver = Receiver::USUAL;
        self.attempt(case);
    }

    /// Removes blocks and CRCs of a bundle that can be decoded.
    fn fewer_blocks(&mut self) -> bool {
        let octets = self.case.octets.clone();
        let candidates = match version(&octets) {
            Some(Version::V6) => {
                v6::Bundle::decode(&octets).map_or_else(|_| vec![], |bundle| fewer_6(&bundle))
            }
            Some(Version::V7) => v7::Bundle::decode(&octets, v7::Tolerance::LENIENT)
                .map_or_else(|_| vec![], |bundle| fewer_7(&bundle)),
            None => Vec::new(),
        };
        candidates
            .into_iter()
            .any(|octets| octets.len() < self.case.octets.len() && self.attempt_octets(octets))
    }

    /// Removes one piece, the longest that is not needed.
    fn fewer_octets(&mut self) -> bool {
        let mut piece = self.case.octets.len() / 2;
        while piece > 0 {
            for start in (0..=self.case.octets.len() - piece).step_by(piece) {
                let mut octets = self.case.octets.clone();
                octets.drain(start..start + piece);
                if self.attempt_octets(octets) {
                    return true;
                }
            }
            piece /= 2;
        }
        false
    }

    fn zeros(&mut self) {
        for at in 0..self.case.octets.len() {
            let mut octets = self.case.octets.clone();
            octets[at] = 0;
            self.attempt_octets(octets);
        }
    }
}

fn fewer_6(bundle: &v6::Bundle<'_>) -> Vec<Vec<u8>> {
    let without = |at| {
        let mut fewer = bundle.clone();
        fewer.blocks.remove(at);
        fewer.to_vec()
    };
    (0..bundle.blocks.len()).map(without).collect()
}

fn fewer_7(bundle: &v7::Bundle<'_>) -> Vec<Vec<u8>> {
    let without = |at| {
        let mut fewer = bundle.clone();
        fewer.blocks.remove(at);
        fewer.to_vec()
    };
    let mut candidates = vec![without_crcs(bundle.clone()).to_vec()];
    candidates.extend((0..bundle.blocks.len()).map(without));
    candidates
}

#[cfg(test)]
mod tests {
    use super::shrink;
    use crate::differential::{Case, Program, Role, Setting};
    use testbed::lab::Receiver;

    /// What shows the difference stays, and nothing else does.
    #[test]
    fn what_is_not_needed_goes() {
        let setting = Setting {
            program: Program::new(5),
            role: Role::Node,
            receiver: Receiver::new(9),
        };
        let octets = [&[6; 40][..], b"needed", &[7; 25]].concat();
        let case = shrink(Case { setting, octets }, |case| {
            case.octets.windows(6).any(|part| part == b"needed") && case.setting.role == Role::Node
        });
        assert_eq!(case.octets, b"needed");
        let usual = Setting {
            program: Program::default(),
            role: Role::Node,
            receiver: Receiver::USUAL,
        };
        assert_eq!(case.setting, usual);
    }

    #[test]
    fn shrinking_ends() {
        let setting = Setting {
            program: Program::default(),
            role: Role::Transparent,
            receiver: Receiver::USUAL,
        };
        let octets = vec![1; 2000];
        let mut attempts = 0;
        shrink(Case { setting, octets }, |_| {
            attempts += 1;
            attempts % 2 == 0
        });
        assert!(attempts <= super::ATTEMPTS);
    }
}
