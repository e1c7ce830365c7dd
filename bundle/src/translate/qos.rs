// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The class of service: priority bits and ECOS of version 6, ION's block 193 of version 7.

use crate::reason::Reason;
use crate::v6::Priority;
use crate::v7::Qos;

/// These four flags are the same in both versions.
const SHARED: u8 = 0x0f;
const LABEL_PRESENT: u8 = 0x04;
/// Version 6 spells "streaming" as best effort and reliable together.
const STREAMING_V6: u8 = 0x0a;
/// Version 7 has a flag for "streaming" alone.
const STREAMING_V7: u64 = 0x10;

/// The extended class of service of version 6.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ecos {
    pub(super) flags: u8,
    pub(super) ordinal: u8,
    pub(super) label: Option<u64>,
}

impl Ecos {
    /// The same in version 7, with the priority, and whether flags were lost.
    pub(super) fn to_v7(self, priority: Priority) -> (Qos, bool) {
        let shared = self.flags & SHARED;
        let flags = if shared & STREAMING_V6 == STREAMING_V6 {
            u64::from(shared & !STREAMING_V6) | STREAMING_V7
        } else {
            u64::from(shared)
        };
        let label = self.label.unwrap_or(0);
        let qos = Qos {
            flags,
            class: priority as u64,
            ordinal: self.ordinal.into(),
            label,
        };
        (qos, self.flags & !SHARED != 0)
    }

    /// The same in version 6, and whether flags were lost. `None` if all of it is the default.
    pub(super) fn from_v7(qos: Qos) -> Result<(Option<Self>, bool), Reason> {
        let [low, ..] = qos.flags.to_le_bytes();
        let streaming = if qos.flags & STREAMING_V7 == 0 {
            0
        } else {
            STREAMING_V6
        };
        let flags = low & SHARED | streaming;
        let ordinal = u8::try_from(qos.ordinal).map_err(|_| Reason::ValueRange)?;
        let label = if flags & LABEL_PRESENT == 0 {
            None
        } else {
            Some(qos.label)
        };
        let known = u64::from(SHARED) | STREAMING_V7;
        let ecos = if flags == 0 && ordinal == 0 {
            None
        } else {
            Some(Self {
                flags,
                ordinal,
                label,
            })
        };
        Ok((ecos, qos.flags & !known != 0))
    }
}

/// The priority that a class of service is. Class 3 is reserved and counts as normal.
pub(super) const fn priority(class: u64) -> Result<Priority, Reason> {
    match class {
        0 => Ok(Priority::Bulk),
        1 | 3 => Ok(Priority::Normal),
        2 => Ok(Priority::Expedited),
        _ => Err(Reason::ValueRange),
    }
}

#[cfg(test)]
mod tests {
    use super::{Ecos, Priority, Qos, Reason, priority};

    #[test]
    fn flags_both_ways() {
        let pairs = [
            (0, 0),
            (1, 1),
            (2, 2),
            (3, 3),
            (4, 4),
            (8, 8),
            (10, 16),
            (15, 21),
            (9, 9),
        ];
        for (six, seven) in pairs {
            let label = if six & 4 == 0 { None } else { Some(300) };
            let ecos = Ecos {
                flags: six,
                ordinal: 1,
                label,
            };
            let (qos, lost) = ecos.to_v7(Priority::Bulk);
            assert_eq!(
                (qos.flags, qos.class, qos.ordinal, lost),
                (seven, 0, 1, false)
            );
            assert_eq!(Ecos::from_v7(qos), Ok((Some(ecos), false)));
        }
    }

    #[test]
    fn default_needs_no_block() {
        let qos = Qos {
            class: 2,
            ..Qos::default()
        };
        assert_eq!(Ecos::from_v7(qos), Ok((None, false)));
        assert_eq!(Ecos::from_v7(Qos { label: 5, ..qos }), Ok((None, false)));
        assert_eq!(Ecos::from_v7(Qos { flags: 0x20, ..qos }), Ok((None, true)));
    }

    #[test]
    fn values_out_of_range() {
        let qos = Qos {
            ordinal: 256,
            ..Qos::default()
        };
        assert_eq!(Ecos::from_v7(qos), Err(Reason::ValueRange));
        assert_eq!(priority(3), Ok(Priority::Normal));
        assert_eq!(priority(4), Err(Reason::ValueRange));
    }
}
