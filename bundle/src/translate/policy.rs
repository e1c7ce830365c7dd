// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a translation may depend on besides the octets.

use core::fmt;
use core::num::NonZeroU64;
use core::str::FromStr;

use crate::eid::Eid;
use crate::v6::{BlockType, Priority};
use crate::v7::{CrcType, Tolerance};

/// The parameters of a translation. The defaults suit peers that run ION.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// How identities are mapped. Every translator of a network must use the same.
    pub profile: Profile,
    /// Which deviations of version 7 are accepted.
    pub tolerance: Tolerance,
    /// Which CRCs bundles of version 7 get.
    pub crcs: Crcs,
    /// The priority of version 6 if no block of the input says one.
    pub default_priority: Priority,
    /// Whether blocks of type 13 are HDTN's priority. The number is not assigned to it.
    pub hdtn_priority: bool,
    /// What becomes of the priority on the way to version 7.
    pub priority: PriorityRule,
    /// What becomes of blocks of unknown types.
    pub unknown_blocks: UnknownBlocks,
    /// The lifetime in seconds that a lifetime of zero stands for in version 6.
    ///
    /// bplib means "without end". If `None`, zero is zero: the bundle expires at once.
    pub lifetime_zero_s: Option<NonZeroU64>,
    /// What the receiver of version 6 can read.
    pub peer_v6: PeerV6,
    /// The node that translates. If `None`, the translator is transparent: it is no hop.
    pub node: Option<Node>,
}

impl Policy {
    /// How long the bundle was here, in milliseconds: not at all without a node.
    pub(super) fn residence_ms(&self) -> u64 {
        self.node.as_ref().map_or(0, |node| node.residence_ms)
    }
}

/// How the identity of a bundle, its creation time and sequence number, is mapped.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Profile {
    /// Three decimal digits move between the milliseconds and the sequence number, which is
    /// exact in both directions.
    #[default]
    A,
    /// The sequence number stays. Different bundles of one second may get one identity, unless
    /// their source never resets its counter.
    N,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 2] = [Self::A, Self::N];

    /// The letter that stands for it in configurations and on command lines, in either case.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::N => "n",
        }
    }

    /// One line for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::A => "three decimal digits move between milliseconds and sequence number",
            Self::N => "the sequence number stays, for sources whose counters never reset",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::N => "N",
        })
    }
}

/// A letter that stands for no profile.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no such profile: choose A or N")]
pub struct UnknownProfile;

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        let found = Self::ALL
            .into_iter()
            .find(|profile| profile.letter().eq_ignore_ascii_case(text));
        found.ok_or(UnknownProfile)
    }
}

/// What becomes of the priority of a bundle of version 6 that has no extended class of service.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum PriorityRule {
    /// It is dropped: lost, if it is not the default one.
    #[default]
    Drop,
    /// A quality of service block, as ION sends one with every bundle, carries it.
    Qos,
    /// A block of type 13 carries it, as HDTN sends it where that was chosen at build time.
    Hdtn,
}

/// What becomes of blocks whose types the other version does not have.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum UnknownBlocks {
    /// They are dropped, unless their flags want the bundle deleted: then it is refused.
    #[default]
    Drop,
    /// Blocks of types 192 to 255, for private use in both versions, are copied. The others are
    /// treated as by `Drop`.
    KeepPrivate,
    /// The bundle is refused.
    Refuse,
}

/// Which CRCs bundles of version 7 get. The standard wants one on the primary block.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Crcs {
    /// On the primary block.
    pub primary: CrcType,
    /// On every other block.
    pub blocks: CrcType,
}

impl Default for Crcs {
    /// CRC-16 on the primary block and none elsewhere: ION reads nothing else.
    fn default() -> Self {
        Self {
            primary: CrcType::Crc16,
            blocks: CrcType::None,
        }
    }
}

/// What a receiver of version 6 can read.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "capabilities are independent of each other"
)]
pub struct PeerV6 {
    /// It reads compressed headers. uPCN does not.
    pub cbhe: bool,
    /// It reads dictionaries. HDTN does not.
    pub dictionary: bool,
    /// It keeps 32 bits of sequence numbers, so larger ones are refused. ION does.
    pub sequence32: bool,
    /// It keeps 32 bits of lifetimes, so larger ones are capped. ION does.
    pub lifetime32: bool,
    /// The type of its bundle age blocks: 20 in ION and HDTN, 10 in IBR-DTN.
    pub age_block: BlockType,
}

impl Default for PeerV6 {
    fn default() -> Self {
        Self {
            cbhe: true,
            dictionary: true,
            sequence32: true,
            lifetime32: true,
            age_block: BlockType::AGE,
        }
    }
}

impl PeerV6 {
    /// The largest sequence number that the receiver keeps.
    #[must_use]
    pub const fn sequence_max(self) -> u64 {
        if self.sequence32 {
            u32::MAX as u64
        } else {
            u64::MAX
        }
    }

    /// The largest lifetime that the receiver keeps, in seconds.
    #[must_use]
    pub const fn lifetime_max_s(self) -> u64 {
        if self.lifetime32 {
            u32::MAX as u64
        } else {
            u64::MAX
        }
    }
}

/// The node that translates: it is a hop of the bundle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// Its node ID, which becomes the previous node.
    pub id: Eid<'static>,
    /// How long the bundle was here, in milliseconds. It is added to the bundle age.
    pub residence_ms: u64,
}
