// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a bundle was not translated, and where the obstacle is.

use crate::error::{DecodeError, Fault};
use crate::reason::Reason;

/// Why a bundle was not translated.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cannot translate {field} at octet {offset}: {reason}")]
pub struct Refusal {
    /// The obstacle.
    pub reason: Reason,
    /// Where it is: the octet for a broken rule of the format, otherwise the start of the data of
    /// the block that holds it, and zero for the primary block.
    pub offset: usize,
    /// The field or block that it is about.
    pub field: &'static str,
    /// The rule of the format that the input breaks, if that is the obstacle.
    #[source]
    pub fault: Option<Fault>,
}

impl Refusal {
    pub(super) const fn new(reason: Reason, offset: usize, field: &'static str) -> Self {
        Self {
            reason,
            offset,
            field,
            fault: None,
        }
    }

    pub(super) const fn fault(fault: Fault, offset: usize, field: &'static str) -> Self {
        Self {
            reason: fault.reason(),
            offset,
            field,
            fault: Some(fault),
        }
    }

    /// Places an error that was found in the data of a block in the bundle.
    pub(super) const fn in_data(error: &DecodeError, data_offset: usize) -> Self {
        Self::fault(error.fault, data_offset + error.offset, error.field)
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self::in_data(&error, 0)
    }
}
