// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The names that a configuration has for choices of crate `bundle`.

use bundle::translate::{PriorityRule, Profile, UnknownBlocks};
use bundle::v6;
use serde::{Deserialize, Deserializer, de::Error as _};

macro_rules! names {
    ($(#[$doc:meta])* $name:ident for $target:ty { $( $(#[$at:meta])* $variant:ident = $value:expr, )* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $( $(#[$at])* $variant, )*
        }

        impl From<$name> for $target {
            fn from(name: $name) -> Self {
                match name {
                    $( $name::$variant => $value, )*
                }
            }
        }
    };
}

/// A profile by its letter.
pub(super) fn profile<'de, D: Deserializer<'de>>(input: D) -> Result<Profile, D::Error> {
    let letter = String::deserialize(input)?;
    letter.parse().map_err(D::Error::custom)
}

names! {
    /// A priority of version 6.
    PriorityName for v6::Priority {
        /// After everything else.
        Bulk = v6::Priority::Bulk,
        /// What applications get that do not ask.
        #[default]
        Normal = v6::Priority::Normal,
        /// Before everything else.
        Expedited = v6::Priority::Expedited,
    }
}

names! {
    /// What becomes of the priority.
    PriorityRuleName for PriorityRule {
        /// It is dropped.
        #[default]
        Drop = PriorityRule::Drop,
        /// ION's quality of service block carries it.
        Qos = PriorityRule::Qos,
        /// HDTN's block of type 13 carries it.
        Hdtn = PriorityRule::Hdtn,
    }
}

names! {
    /// What becomes of blocks of unknown types.
    UnknownBlocksName for UnknownBlocks {
        /// They are dropped.
        #[default]
        Drop = UnknownBlocks::Drop,
        /// Those for private use are kept.
        KeepPrivate = UnknownBlocks::KeepPrivate,
        /// The bundle is refused.
        Refuse = UnknownBlocks::Refuse,
    }
}
