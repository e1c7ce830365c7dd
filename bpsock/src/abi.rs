// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The structures and numbers of `uapi/bp.h` besides addresses.

/// The level of socket options and control messages.
pub const SOL_BP: i32 = 0x4250;

/// The bundle must not be fragmented.
pub const BP_FLAG_NO_FRAGMENT: u32 = 0x4;
/// The receiving application should acknowledge.
pub const BP_FLAG_ACK_REQUESTED: u32 = 0x20;
/// Status reports should say when.
pub const BP_FLAG_STATUS_TIME: u32 = 0x40;
/// Report the reception.
pub const BP_FLAG_REPORT_RECEPTION: u32 = 0x4000;
/// Report the forwarding.
pub const BP_FLAG_REPORT_FORWARDING: u32 = 0x1_0000;
/// Report the delivery.
pub const BP_FLAG_REPORT_DELIVERY: u32 = 0x2_0000;
/// Report the deletion.
pub const BP_FLAG_REPORT_DELETION: u32 = 0x4_0000;
/// All flags that an application can set.
pub const BP_FLAG_ALL: u32 = 0x7_4064;

/// [`Info::lifetime_ms`] says something.
pub const BP_INFO_LIFETIME: u32 = 0x1;
/// [`Info::age_ms`] says something.
pub const BP_INFO_AGE: u32 = 0x2;
/// [`Info::flags`] says something.
pub const BP_INFO_FLAGS: u32 = 0x4;
/// [`Info::hop_limit`] and [`Info::hop_count`] say something.
pub const BP_INFO_HOPS: u32 = 0x8;
/// [`Info::priority`] says something.
pub const BP_INFO_PRIORITY: u32 = 0x10;

/// [`Report::kind`]: the agent took the bundle.
pub const BP_REPORT_SENT: u32 = 1;
/// [`Report::kind`]: the agent did not take it.
pub const BP_REPORT_FAILED: u32 = 2;
/// [`Report::kind`]: a status report came.
pub const BP_REPORT_STATUS: u32 = 3;

/// [`Report::status`]: the bundle was received.
pub const BP_STATUS_RECEIVED: u32 = 0x1;
/// [`Report::status`]: custody was accepted.
pub const BP_STATUS_CUSTODY: u32 = 0x2;
/// [`Report::status`]: the bundle was forwarded.
pub const BP_STATUS_FORWARDED: u32 = 0x4;
/// [`Report::status`]: the bundle was delivered.
pub const BP_STATUS_DELIVERED: u32 = 0x8;
/// [`Report::status`]: the bundle was deleted.
pub const BP_STATUS_DELETED: u32 = 0x10;

/// [`Options::lifetime_ms`] was chosen.
pub const BP_OPTION_LIFETIME: u32 = 0x1;
/// [`Options::flags`] were chosen.
pub const BP_OPTION_FLAGS: u32 = 0x2;
/// [`Options::hop_limit`] was chosen.
pub const BP_OPTION_HOP_LIMIT: u32 = 0x4;
/// [`Options::priority`] was chosen.
pub const BP_OPTION_PRIORITY: u32 = 0x8;

/// Writes a structure of integers whose fields leave no holes, and its codec in their order.
macro_rules! structure {
    ($(#[$meta:meta])* $name:ident, $len:ident = $octets:literal {
        $( $(#[$doc:meta])* $field:ident: $type:ty, )*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[repr(C)]
        pub struct $name {
            $( $(#[$doc])* pub $field: $type, )*
        }

        #[doc = concat!("Octets of [`", stringify!($name), "`].")]
        pub const $len: usize = $octets;

        impl $name {
            /// Appends the octets of the structure.
            pub fn encode(&self, out: &mut Vec<u8>) {
                $( Field::put(self.$field, out); )*
            }

            /// Reads the structure, if there are exactly as many octets as it has.
            #[must_use]
            pub fn decode(octets: &[u8]) -> Option<Self> {
                let mut rest = octets;
                let all = Self { $( $field: Field::take(&mut rest)?, )* };
                rest.is_empty().then_some(all)
            }
        }

        const _: () = assert!(size_of::<$name>() == $len);
    };
}

trait Field: Sized {
    fn put(self, out: &mut Vec<u8>);
    fn take(input: &mut &[u8]) -> Option<Self>;
}

macro_rules! field {
    ($type:ty) => {
        impl Field for $type {
            fn put(self, out: &mut Vec<u8>) {
                out.extend(self.to_ne_bytes());
            }

            fn take(input: &mut &[u8]) -> Option<Self> {
                let (octets, rest) = input.split_first_chunk()?;
                *input = rest;
                Some(Self::from_ne_bytes(*octets))
            }
        }
    };
}
field!(u32);
field!(u64);

impl Field for BundleId {
    fn put(self, out: &mut Vec<u8>) {
        self.encode(out);
    }

    fn take(input: &mut &[u8]) -> Option<Self> {
        let (octets, rest) = input.split_first_chunk::<BUNDLE_ID_LEN>()?;
        *input = rest;
        Self::decode(octets)
    }
}

structure! {
    /// `struct bp_bundle`: which bundle of a source.
    BundleId, BUNDLE_ID_LEN = 16 {
        /// Milliseconds since 2000-01-01T00:00:00Z; 0 if unknown.
        creation_ms: u64,
        /// Tells bundles of one source and time apart.
        sequence: u64,
    }
}

structure! {
    /// `struct bp_info`: about a message received.
    Info, INFO_LEN = 56 {
        /// Which bundle it was.
        bundle: BundleId,
        /// From creation to the end of its use.
        lifetime_ms: u64,
        /// Since its creation.
        age_ms: u64,
        /// Bundle processing control flags, as the bundle has them.
        flags: u32,
        /// How many hops it may make.
        hop_limit: u32,
        /// How many it has made.
        hop_count: u32,
        /// 0 bulk, 1 normal, 2 expedited.
        priority: u32,
        /// 6 or 7; 0 if unknown.
        version: u32,
        /// `BP_INFO_*`: which fields say something.
        present: u32,
    }
}

structure! {
    /// `struct bp_report`: what became of a bundle that was sent.
    Report, REPORT_LEN = 48 {
        /// `BP_REPORT_*`.
        kind: u32,
        /// The errno of `BP_REPORT_FAILED`.
        error: u32,
        /// `BP_STATUS_*` of `BP_REPORT_STATUS`.
        status: u32,
        /// The reason code of `BP_REPORT_STATUS`.
        reason: u32,
        /// When it happened; 0 if the report does not say.
        time_ms: u64,
        /// `BP_TAG` of the message.
        tag: u64,
        /// Which bundle.
        bundle: BundleId,
    }
}

structure! {
    /// `struct bp_options`: how to send a message. What was not chosen is 0.
    Options, OPTIONS_LEN = 24 {
        /// From creation to the end of its use.
        lifetime_ms: u64,
        /// `BP_FLAG_*`.
        flags: u32,
        /// 1 to 255.
        hop_limit: u32,
        /// 0 bulk, 1 normal, 2 expedited.
        priority: u32,
        /// `BP_OPTION_*`: what was chosen.
        present: u32,
    }
}

impl Options {
    /// These options with a lifetime.
    #[must_use]
    pub const fn lifetime_ms(mut self, lifetime_ms: u64) -> Self {
        self.lifetime_ms = lifetime_ms;
        self.present |= BP_OPTION_LIFETIME;
        self
    }

    /// These options with processing flags, `BP_FLAG_*`.
    #[must_use]
    pub const fn flags(mut self, flags: u32) -> Self {
        self.flags = flags;
        self.present |= BP_OPTION_FLAGS;
        self
    }

    /// These options with a limit of hops, 1 to 255.
    #[must_use]
    pub const fn hop_limit(mut self, hop_limit: u32) -> Self {
        self.hop_limit = hop_limit;
        self.present |= BP_OPTION_HOP_LIMIT;
        self
    }

    /// These options with a priority, 0 to 2.
    #[must_use]
    pub const fn priority(mut self, priority: u32) -> Self {
        self.priority = priority;
        self.present |= BP_OPTION_PRIORITY;
        self
    }

    /// The lifetime, if it was chosen.
    #[must_use]
    pub fn chosen_lifetime_ms(&self) -> Option<u64> {
        self.chosen(BP_OPTION_LIFETIME, self.lifetime_ms)
    }

    /// The flags; none if they were not chosen.
    #[must_use]
    pub fn chosen_flags(&self) -> u32 {
        self.chosen(BP_OPTION_FLAGS, self.flags).unwrap_or(0)
    }

    /// The limit of hops, if it was chosen.
    #[must_use]
    pub fn chosen_hop_limit(&self) -> Option<u32> {
        self.chosen(BP_OPTION_HOP_LIMIT, self.hop_limit)
    }

    /// The priority, if it was chosen.
    #[must_use]
    pub fn chosen_priority(&self) -> Option<u32> {
        self.chosen(BP_OPTION_PRIORITY, self.priority)
    }

    fn chosen<T>(&self, bit: u32, value: T) -> Option<T> {
        (self.present & bit != 0).then_some(value)
    }
}
