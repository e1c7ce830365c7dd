// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a bundle was not translated: one enumeration for every part of the system.
//!
//! The P4 programs write these codes into punt headers, digests and counters; the slow path, the
//! node and the command-line tools print the same names. A code, once given, keeps its meaning.

use core::fmt;

/// What kind of obstacle a [`Reason`] is, and so who can do something about it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ReasonKind {
    /// The octets break the rules of their own bundle version. Nobody can translate them.
    Malformed,
    /// The bundle is valid, but the other version cannot say truthfully what it says.
    Refused,
    /// The bundle is translatable, but not by a program of the generated size.
    FastPathLimit,
}

macro_rules! reasons {
    ($( $kind:ident { $( $code:literal $variant:ident $name:literal $text:literal ; )* } )*) => {
        /// Why a bundle was not translated. The discriminant is the code on the wire.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[repr(u8)]
        pub enum Reason {
            $( $( #[doc = $text] $variant = $code, )* )*
        }

        impl Reason {
            /// Every reason, in the order of the codes.
            pub const ALL: &'static [Self] = &[ $( $( Self::$variant, )* )* ];

            /// The kind of obstacle.
            #[must_use]
            pub const fn kind(self) -> ReasonKind {
                match self { $( $( Self::$variant => ReasonKind::$kind, )* )* }
            }

            /// The name in P4 programs, metrics and JSON: lower case, words joined by `_`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( $( Self::$variant => $name, )* )* }
            }

            /// One line for people.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $( $( Self::$variant => $text, )* )* }
            }
        }
    };
}

reasons! {
    Malformed {
        1 Truncated "truncated" "the bundle ends before its structure does";
        2 IntegerTooLong "integer_too_long" "an SDNV has more than ten octets or a value above 2^64-1";
        3 NotShortest "not_shortest" "a CBOR integer or length is not in its shortest form";
        4 UnexpectedItem "unexpected_item" "a CBOR item is of another kind than the format asks for";
        5 Version "version" "the version number is neither 6 nor 7, or contradicts the framing";
        6 PrimaryLength "primary_length" "the size of the primary block contradicts its flags and fields";
        7 Dictionary "dictionary" "a dictionary offset points outside, or a string has no end";
        8 EidMalformed "eid_malformed" "an endpoint ID breaks the rules of its scheme";
        9 CrcType "crc_type" "the CRC type is not 0, 1 or 2";
        10 CrcMismatch "crc_mismatch" "a CRC does not match its block";
        11 CrcMissing "crc_missing" "the primary block has no CRC and no integrity block protects it";
        12 BlockNumber "block_number" "block numbers repeat, or the payload block is not number 1";
        13 PayloadMissing "payload_missing" "there is no payload block";
        14 PayloadDuplicate "payload_duplicate" "there is more than one payload block";
        15 PayloadNotLast "payload_not_last" "a block of version 7 follows the payload block";
        16 TrailingOctets "trailing_octets" "octets follow the end of the bundle";
        17 BlockMalformed "block_malformed" "the data of a known block is not in that block's format";
        18 BlockDuplicate "block_duplicate" "a block that may occur once occurs twice";
        19 FlagsInvalid "flags_invalid" "flags contradict each other or the source";
        20 AgeMissing "age_missing" "the creation time is zero and there is no bundle age block";
    }
    Refused {
        32 Security "security" "a security block would not survive a new primary block";
        33 Custody "custody" "custody transfer is requested, and the translator is no custodian";
        34 AdminRecord "admin_record" "the administrative record has no equivalent in the other version";
        35 BlockRequired "block_required" "an unknown block asks to delete the bundle if it cannot be processed";
        36 TimeRange "time_range" "the creation time or a report time has no equivalent in the other version";
        37 SequenceRange "sequence_range" "the sequence number is too large for the receiver";
        38 ValueRange "value_range" "a number is too large for the other version or the receiver";
        39 EidScheme "eid_scheme" "the other version cannot name an endpoint ID of this scheme";
        40 PeerForm "peer_form" "the receiver cannot read the form that this bundle needs";
        41 ReportEmpty "report_empty" "the status report asserts only what the other version cannot say";
        42 Expired "expired" "the bundle's lifetime is over";
        43 HopLimit "hop_limit" "the bundle has made more hops than its limit";
    }
    FastPathLimit {
        64 PayloadTooLong "payload_too_long" "the payload is longer than the program was generated for";
        65 TooManyBlocks "too_many_blocks" "the bundle has more blocks than the program was generated for";
        66 EidForm "eid_form" "an endpoint ID is in a form that the program does not parse";
        67 BlockUnsupported "block_unsupported" "a block is of a kind that the program does not translate";
        68 BlockOrder "block_order" "a block follows the payload block";
        69 CrcUnsupported "crc_unsupported" "a CRC is of a type or on a block that the program does not compute";
        70 AdminUnsupported "admin_unsupported" "the program does not translate administrative records";
        71 Encapsulation "encapsulation" "the datagram is fragmented, has options, or its lengths disagree";
        72 Mtu "mtu" "the result is larger than the link takes";
        73 Store "store" "the next contact is in the future";
        74 LocalDelivery "local_delivery" "the bundle is addressed to this node";
        75 NoRoute "no_route" "no entry says where the bundle goes or what its receiver speaks";
        76 Framing "framing" "the bundle's outer array is in a form that the program does not parse";
    }
}

impl Reason {
    /// The code in punt headers, digests and counter indices. Zero is never a reason.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The reason with this code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.code() == code)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
