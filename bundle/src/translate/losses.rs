// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a translation does not carry over.

use core::fmt;

macro_rules! losses {
    ($( $variant:ident $name:literal $text:literal; )*) => {
        /// Something that the input says and the result does not.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[repr(u8)]
        pub enum Loss {
            $( #[doc = $text] $variant, )*
        }

        impl Loss {
            /// Every loss.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The name in metrics and JSON: lower case, words joined by `_`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// One line for people.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }
        }
    };
}

losses! {
    Priority "priority" "the priority, which is not the default one and has no block to travel in";
    Singleton "singleton" "that the destination is not a singleton, or is one";
    Custodian "custodian" "the current custodian";
    Custody "custody" "a custody transfer enhancement block";
    CustodyReport "custody_report" "the request to report the acceptance of custody";
    ReportFlags "report_flags" "requests for reports that the source or payload rules out";
    StatusTime "status_time" "whether status reports should say when";
    Crc "crc" "the CRCs of the blocks";
    LifetimeRounded "lifetime_rounded" "the fraction of a second of the lifetime, which was rounded up";
    LifetimeCapped "lifetime_capped" "a lifetime above what the receiver can hold";
    AgePrecision "age_precision" "the microseconds of the bundle age";
    HopCount "hop_count" "the hop count";
    QosFlags "qos_flags" "flags of the quality of service that the other version does not have";
    UnknownBlock "unknown_block" "blocks of types that the other version does not have";
    BlockOrder "block_order" "that a block followed the payload";
    ReportStatus "report_status" "assertions in a status report that the other version does not have";
    ReportReason "report_reason" "the exact reason code in a status report";
    ReportTime "report_time" "the exact or missing times in a status report";
}

/// A set of losses.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct Losses(u32);

impl Losses {
    /// Adds a loss.
    pub const fn add(&mut self, loss: Loss) {
        self.0 |= 1 << loss as u8;
    }

    /// Adds a loss if a condition holds.
    pub const fn add_if(&mut self, condition: bool, loss: Loss) {
        if condition {
            self.add(loss);
        }
    }

    /// Whether a loss is in the set.
    #[must_use]
    pub const fn contains(self, loss: Loss) -> bool {
        self.0 & (1 << loss as u8) != 0
    }

    /// Whether nothing was lost.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The losses in the set, in the order of [`Loss::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Loss> {
        Loss::ALL
            .iter()
            .copied()
            .filter(move |loss| self.contains(*loss))
    }
}

impl fmt::Debug for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
