// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets of flags, as a newtype over the integer on the wire, so that unknown bits survive.

macro_rules! flags {
    ($(#[$meta:meta])* $name:ident { $( $(#[$doc:meta])* $flag:ident = $bits:literal; )* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
        pub struct $name(pub u64);

        impl $name {
            $( $(#[$doc])* pub const $flag: Self = Self($bits); )*

            /// Every bit that has a meaning.
            pub const KNOWN: Self = Self(0 $( | $bits )*);

            /// Whether all bits of `other` are set.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether any bit of `other` is set.
            #[must_use]
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// These bits and the bits of `other`.
            #[must_use]
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// These bits without the bits of `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// These bits with the bits of `other` all set or all clear.
            #[must_use]
            pub const fn set_to(self, other: Self, on: bool) -> Self {
                if on { self.with(other) } else { self.without(other) }
            }
        }
    };
}

pub(crate) use flags;
