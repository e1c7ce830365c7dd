// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parameters of a translation as options.

use std::num::NonZeroU64;

use bundle::translate::{Crcs, Node, PeerV6, PriorityRule, Profile, UnknownBlocks};
use bundle::v6::{BlockType, Priority};
use bundle::v7::{CrcType, Tolerance};
use bundle::{Eid, Policy};
use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// The parameters of a translation. The defaults suit peers that run ION.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Policy")]
pub(crate) struct PolicyArgs {
    /// How creation time and sequence number are mapped.
    #[arg(long, default_value = Profile::A.letter(), ignore_case = true, value_parser = profile())]
    profile: Profile,
    /// Node ID of the translating node, such as `ipn:7.0`; without it, it is no hop.
    #[arg(long, value_name = "EID", value_parser = node_id)]
    node: Option<Eid<'static>>,
    /// Milliseconds that the bundle was at that node.
    #[arg(long, value_name = "MS", default_value_t = 0, requires = "node")]
    residence: u64,
    #[command(flatten)]
    tolerance: ToleranceArgs,
    /// CRC on primary blocks of version 7.
    #[arg(long, value_enum, default_value = "crc16")]
    crc: CrcArg,
    /// CRC on the other blocks of version 7.
    #[arg(long, value_enum, default_value = "none")]
    block_crc: CrcArg,
    /// Priority in version 6 if no block says one.
    #[arg(long, value_enum, default_value = "normal")]
    default_priority: PriorityArg,
    /// Take blocks of type 13 for HDTN's priority.
    #[arg(long)]
    hdtn_priority: bool,
    /// What becomes of the priority on the way to version 7.
    #[arg(long, value_enum, default_value = "drop")]
    priority: PriorityRuleArg,
    /// What becomes of blocks of unknown types.
    #[arg(long, value_enum, value_name = "RULE", default_value = "drop")]
    unknown_blocks: UnknownBlocksArg,
    /// Seconds that a lifetime of zero stands for in version 6; without it, zero is zero.
    #[arg(long, value_name = "SECONDS")]
    lifetime_zero: Option<NonZeroU64>,
    /// Forms of addresses that the receiver of version 6 reads.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "FORM,...",
        default_value = "cbhe,dictionary"
    )]
    peer: Vec<FormArg>,
    /// Bits of the sequence numbers that the receiver of version 6 keeps.
    #[arg(long, value_enum, value_name = "BITS", default_value = "32")]
    peer_sequence: BitsArg,
    /// Bits of the lifetimes that the receiver of version 6 keeps.
    #[arg(long, value_enum, value_name = "BITS", default_value = "32")]
    peer_lifetime: BitsArg,
    /// Type of the age blocks of the receiver of version 6: 20 for ION and HDTN, 10 for IBR-DTN.
    #[arg(long, value_name = "TYPE", default_value_t = 20)]
    peer_age_block: u8,
}

/// Which deviations of version 7 are accepted.
#[derive(Debug, clap::Args)]
pub(crate) struct ToleranceArgs {
    /// Accept in version 7 only what the standard allows.
    #[arg(long)]
    strict: bool,
    /// Deviations of version 7 that are accepted all the same.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "DEVIATION,...")]
    allow: Vec<DeviationArg>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CrcArg {
    None,
    Crc16,
    Crc32c,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PriorityArg {
    Bulk,
    Normal,
    Expedited,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PriorityRuleArg {
    /// It is dropped.
    Drop,
    /// A quality of service block carries it, as ION's do.
    Qos,
    /// A block of type 13 carries it, as HDTN's may.
    Hdtn,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum UnknownBlocksArg {
    /// They are dropped, unless their flags forbid it.
    Drop,
    /// Types 192 to 255 are copied, others dropped.
    KeepPrivate,
    /// The bundle is refused.
    Refuse,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum FormArg {
    /// Compressed headers: number pairs.
    Cbhe,
    /// Dictionaries.
    Dictionary,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum BitsArg {
    #[value(name = "32")]
    Bits32,
    #[value(name = "64")]
    Bits64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum DeviationArg {
    /// A primary block that nothing protects, as dtn7-rs sends it.
    UnprotectedPrimary,
    /// Block number 0, as ION gives it to the blocks of fragments.
    BlockNumberZero,
    /// An outer array of definite length.
    DefiniteOuterArray,
    /// Reserved flags, and requests for reports in vain.
    MeaninglessFlags,
    /// Creation time zero without an age block.
    AgeMissing,
    /// The numbers 0 and 1 for truth values in status reports.
    IntegerBooleans,
}

fn profile() -> impl TypedValueParser<Value = Profile> {
    let names =
        Profile::ALL.map(|profile| PossibleValue::new(profile.letter()).help(profile.text()));
    PossibleValuesParser::new(names).try_map(|letter| letter.parse())
}

fn node_id(text: &str) -> Result<Eid<'static>, String> {
    let eid =
        Eid::parse(text).map_err(|fault| format!("{fault}; write `ipn:7.0` or `dtn://n/`"))?;
    if eid.is_null() {
        return Err("the null endpoint is no node".to_owned());
    }
    Ok(eid.into_owned())
}

impl ToleranceArgs {
    pub(crate) fn tolerance(&self) -> Tolerance {
        let mut tolerance = if self.strict {
            Tolerance::STRICT
        } else {
            Tolerance::LENIENT
        };
        for deviation in &self.allow {
            *match deviation {
                DeviationArg::UnprotectedPrimary => &mut tolerance.unprotected_primary,
                DeviationArg::BlockNumberZero => &mut tolerance.block_number_zero,
                DeviationArg::DefiniteOuterArray => &mut tolerance.definite_outer_array,
                DeviationArg::MeaninglessFlags => &mut tolerance.meaningless_flags,
                DeviationArg::AgeMissing => &mut tolerance.age_missing,
                DeviationArg::IntegerBooleans => &mut tolerance.integer_booleans,
            } = true;
        }
        tolerance
    }
}

impl PolicyArgs {
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            profile: self.profile,
            tolerance: self.tolerance.tolerance(),
            crcs: Crcs {
                primary: self.crc.into(),
                blocks: self.block_crc.into(),
            },
            default_priority: match self.default_priority {
                PriorityArg::Bulk => Priority::Bulk,
                PriorityArg::Normal => Priority::Normal,
                PriorityArg::Expedited => Priority::Expedited,
            },
            hdtn_priority: self.hdtn_priority,
            priority: match self.priority {
                PriorityRuleArg::Drop => PriorityRule::Drop,
                PriorityRuleArg::Qos => PriorityRule::Qos,
                PriorityRuleArg::Hdtn => PriorityRule::Hdtn,
            },
            unknown_blocks: match self.unknown_blocks {
                UnknownBlocksArg::Drop => UnknownBlocks::Drop,
                UnknownBlocksArg::KeepPrivate => UnknownBlocks::KeepPrivate,
                UnknownBlocksArg::Refuse => UnknownBlocks::Refuse,
            },
            lifetime_zero_s: self.lifetime_zero,
            peer_v6: PeerV6 {
                cbhe: self.peer.contains(&FormArg::Cbhe),
                dictionary: self.peer.contains(&FormArg::Dictionary),
                sequence32: self.peer_sequence == BitsArg::Bits32,
                lifetime32: self.peer_lifetime == BitsArg::Bits32,
                age_block: BlockType(self.peer_age_block),
            },
            node: self.node.clone().map(|id| Node {
                id,
                residence_ms: self.residence,
            }),
        }
    }
}

impl From<CrcArg> for CrcType {
    fn from(crc: CrcArg) -> Self {
        match crc {
            CrcArg::None => Self::None,
            CrcArg::Crc16 => Self::Crc16,
            CrcArg::Crc32c => Self::Crc32c,
        }
    }
}
