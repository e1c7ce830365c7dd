// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Actions of table entries as packets need them: without another way through memory.

/// An action as the engine runs it.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Index of the action in the program.
    pub(crate) action: usize,
    /// Its position in the list of the table.
    pub(crate) position: u32,
    /// Limbs of all arguments, one after the other.
    pub(crate) args: Args,
}

/// Limbs of arguments, which lie in the entry if they are few.
#[derive(Clone, Debug)]
pub(crate) enum Args {
    /// Arguments, and how many there are.
    Few([u64; FEW_ARGS], u8),
    /// More of them.
    Many(Box<[u64]>),
}

/// Number of limbs that lie in an entry.
const FEW_ARGS: usize = 2;

impl Args {
    /// Arguments in limbs.
    pub(crate) fn new(limbs: &[u64]) -> Self {
        let mut few = [0; FEW_ARGS];
        match few.get_mut(..limbs.len()) {
            Some(into) => {
                into.copy_from_slice(limbs);
                Self::Few(few, limbs.len() as u8)
            }
            None => Self::Many(limbs.into()),
        }
    }

    /// The limbs.
    #[inline]
    pub(crate) fn limbs(&self) -> &[u64] {
        match self {
            Self::Few(limbs, len) => &limbs[..usize::from(*len)],
            Self::Many(limbs) => limbs,
        }
    }
}

/// The actions of an entry, of which the first lies in the entry.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    first: Option<Run>,
    others: Box<[Run]>,
}

impl Runs {
    /// Number of actions.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// One of them.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&Run> {
        match index {
            0 => self.first.as_ref(),
            _ => self.others.get(index - 1),
        }
    }
}

impl FromIterator<Run> for Runs {
    fn from_iter<T: IntoIterator<Item = Run>>(runs: T) -> Self {
        let mut runs = runs.into_iter();
        Self {
            first: runs.next(),
            others: runs.collect(),
        }
    }
}
