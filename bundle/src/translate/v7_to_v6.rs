// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From version 7 to version 6.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::eid::Eid;
use crate::error::offset_in;
use crate::reason::Reason;
use crate::sdnv;
use crate::translate::identity::lifetime_to_v6;
use crate::translate::losses::{Loss, Losses};
use crate::translate::policy::{Policy, UnknownBlocks};
use crate::translate::qos::{self, Ecos};
use crate::translate::refusal::Refusal;
use crate::translate::report;
use crate::translate::rules::{
    Known, KnownBlocks, Once, Traits, asks_for_reports, is_private, nameable,
};
use crate::v6::{self, Addresses, BlockFlags, BlockType, Priority, encode_block};
use crate::v7::{self, BundleFlags, CrcType};

const US_PER_MS: u64 = 1000;
const MS_PER_SECOND: u64 = 1000;

/// What a block says to this direction: as its type has it, or HDTN's priority.
enum Content<'a> {
    Standard(v7::Content<'a>),
    HdtnPriority(u64),
}

type Blocks<'a> = KnownBlocks<&'a v7::Block<'a>, Content<'a>>;

pub(super) fn translate(
    input: &[u8],
    policy: &Policy,
    out: &mut Vec<u8>,
) -> Result<Losses, Refusal> {
    let bundle = v7::Bundle::decode(input, policy.tolerance)?;
    refuse_security(input, &bundle)?;
    let blocks = known_blocks(input, &bundle, policy)?;
    let report = status_report(&bundle, &blocks, policy)?;
    refuse_unknown(&blocks, policy.unknown_blocks)?;

    let mut losses = Losses::default();
    let traits = Traits {
        is_admin: bundle.primary.flags.contains(BundleFlags::ADMIN_RECORD),
        is_anonymous: bundle.primary.source.is_null(),
        is_fragment: bundle.primary.fragment.is_some(),
    };
    let has_crc = |block: &v7::Block<'_>| block.crc != CrcType::None;
    let any_crc = bundle.primary.crc != CrcType::None || bundle.blocks.iter().any(has_crc);
    losses.add_if(any_crc, Loss::Crc);
    let mut primary = primary(&bundle.primary, traits, policy, &mut losses)?;
    let priority = priority(&blocks, policy)?;
    primary.flags = primary.flags.with_priority(priority);
    primary.encode(out);
    let mut writer = Writer {
        policy,
        primary: &bundle.primary,
        traits,
        losses,
        out,
    };
    writer.extension_blocks(&blocks)?;
    writer.payload_block(&blocks, report.as_ref())?;
    Ok(writer.losses)
}

fn refuse_security(input: &[u8], bundle: &v7::Bundle<'_>) -> Result<(), Refusal> {
    match bundle.blocks.iter().find(|block| block.kind.is_security()) {
        Some(block) => {
            let offset = offset_in(input, &block.data);
            Err(Refusal::new(Reason::Security, offset, "security block"))
        }
        None => Ok(()),
    }
}

/// Reads the data of all blocks, in wire order.
fn known_blocks<'a>(
    input: &[u8],
    bundle: &'a v7::Bundle<'_>,
    policy: &Policy,
) -> Result<Blocks<'a>, Refusal> {
    let mut once = Once::default();
    let mut blocks = Blocks::with_capacity(bundle.blocks.len());
    for block in &bundle.blocks {
        let offset = offset_in(input, &block.data);
        let is_priority = policy.hdtn_priority && block.kind == v7::BlockType::HDTN_PRIORITY;
        let content = if is_priority {
            block.hdtn_priority().map(Content::HdtnPriority)
        } else {
            block.content().map(Content::Standard)
        };
        let content = content.map_err(|error| Refusal::in_data(&error, offset))?;
        if !matches!(
            content,
            Content::Standard(v7::Content::Payload(_) | v7::Content::Other)
        ) {
            once.note(block.kind.0, offset)?;
        }
        blocks.push(Known {
            block,
            content,
            offset,
        });
    }
    Ok(blocks)
}

/// Reads the payload of an administrative bundle.
fn status_report<'a>(
    bundle: &v7::Bundle<'_>,
    blocks: &Blocks<'a>,
    policy: &Policy,
) -> Result<Option<v7::StatusReport<'a>>, Refusal> {
    if !bundle.primary.flags.contains(BundleFlags::ADMIN_RECORD) {
        return Ok(None);
    }
    for known in blocks {
        if let Content::Standard(v7::Content::Payload(payload)) = known.content {
            if bundle.primary.fragment.is_some() {
                let field = "fragment of an administrative record";
                return Err(Refusal::new(Reason::AdminRecord, known.offset, field));
            }
            return report::read_v7(payload, policy.tolerance, known.offset).map(Some);
        }
    }
    Ok(None)
}

fn refuse_unknown(blocks: &Blocks<'_>, rule: UnknownBlocks) -> Result<(), Refusal> {
    let refused = |known: &&Known<&v7::Block<'_>, _>| {
        let required = v7::BlockFlags::DELETE_UNPROCESSED;
        matches!(known.content, Content::Standard(v7::Content::Other))
            && match rule {
                UnknownBlocks::Refuse => true,
                UnknownBlocks::KeepPrivate if is_private(known.block.kind.0) => false,
                _ => known.block.flags.contains(required),
            }
    };
    match blocks.iter().find(refused) {
        Some(known) => Err(Refusal::new(
            Reason::BlockRequired,
            known.offset,
            "unknown block",
        )),
        None => Ok(()),
    }
}

fn primary(
    primary: &v7::Primary<'_>,
    traits: Traits,
    policy: &Policy,
    losses: &mut Losses,
) -> Result<v6::Primary<'static>, Refusal> {
    let at = |field| move |reason| Refusal::new(reason, 0, field);
    let destination = nameable(primary.destination.normal()).map_err(at("destination"))?;
    let source = nameable(primary.source.normal()).map_err(at("source"))?;
    let report_to = nameable(primary.report_to.normal()).map_err(at("report-to"))?;
    let eids = [&destination, &source, &report_to, &Eid::Null];
    let addresses = addresses(eids, policy).map_err(at("endpoint IDs"))?;
    let [destination_ref, source_ref, report_to_ref, custodian_ref] = addresses.references;
    let creation = policy
        .profile
        .to_v6(primary.creation, policy.peer_v6.sequence_max())
        .map_err(at("creation timestamp"))?;

    let shared = traits.bundle_flags(primary.flags.0, losses);
    let says_time = primary.flags.contains(BundleFlags::STATUS_TIME);
    losses.add_if(says_time != asks_for_reports(shared), Loss::StatusTime);
    let flags =
        v6::BundleFlags(shared).set_to(v6::BundleFlags::SINGLETON, destination.is_singleton());
    Ok(v6::Primary {
        flags,
        destination: destination_ref,
        source: source_ref,
        report_to: report_to_ref,
        custodian: custodian_ref,
        creation,
        lifetime_s: lifetime_s(primary, policy, losses),
        dictionary: Cow::Owned(addresses.dictionary),
        fragment: primary.fragment.map(|fragment| v6::Fragment {
            offset: fragment.offset,
            adu_length: fragment.adu_length,
        }),
    })
}

/// The compressed form if the endpoint IDs and the receiver allow it, otherwise a dictionary.
fn addresses(eids: [&Eid<'_>; 4], policy: &Policy) -> Result<Addresses, Reason> {
    let peer = policy.peer_v6;
    let compressed = if peer.cbhe {
        Addresses::compressed(eids)
    } else {
        None
    };
    match compressed {
        Some(addresses) => Ok(addresses),
        None if peer.dictionary => Ok(Addresses::dictionary(eids)),
        None => Err(Reason::PeerForm),
    }
}

fn lifetime_s(primary: &v7::Primary<'_>, policy: &Policy, losses: &mut Losses) -> u64 {
    let created_ms = primary.creation.time_ms;
    let exact = lifetime_to_v6(created_ms, primary.lifetime_ms);
    let max = policy.peer_v6.lifetime_max_s();
    let fraction_ms = primary.lifetime_ms % MS_PER_SECOND + created_ms % MS_PER_SECOND;
    losses.add_if(
        !fraction_ms.is_multiple_of(MS_PER_SECOND),
        Loss::LifetimeRounded,
    );
    losses.add_if(exact > max, Loss::LifetimeCapped);
    exact.min(max)
}

/// The priority: from ION's block, else from HDTN's, else the default.
fn priority(blocks: &Blocks<'_>, policy: &Policy) -> Result<Priority, Refusal> {
    let at = |known: &Known<_, _>, reason| Refusal::new(reason, known.offset, "priority");
    for known in blocks {
        if let Content::Standard(v7::Content::Qos(qos)) = known.content {
            return qos::priority(qos.class).map_err(|reason| at(known, reason));
        }
    }
    for known in blocks {
        if let Content::HdtnPriority(class) = known.content {
            return qos::priority(class).map_err(|reason| at(known, reason));
        }
    }
    Ok(policy.default_priority)
}

/// Writes the blocks after the primary block.
struct Writer<'a> {
    policy: &'a Policy,
    primary: &'a v7::Primary<'a>,
    traits: Traits,
    losses: Losses,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn extension_blocks(&mut self, blocks: &Blocks<'_>) -> Result<(), Refusal> {
        let has = |kind| {
            let mut kinds = blocks.iter().map(|known| known.block.kind);
            kinds.any(|found| found == kind)
        };
        if let Some(node) = &self.policy.node
            && !has(v7::BlockType::PREVIOUS_NODE)
        {
            self.previous_hop(BlockFlags::DISCARD_UNPROCESSED, &node.id);
        }
        for known in blocks {
            if let Content::Standard(content) = &known.content {
                let flags = BlockFlags(self.traits.block_flags(known.block.flags.0));
                self.extension_block(known.block, content, flags)
                    .map_err(|reason| Refusal::new(reason, known.offset, "block data"))?;
            }
        }
        // Only a policy that tolerates a missing age comes here without one.
        if self.primary.creation.time_ms == 0 && !has(v7::BlockType::AGE) {
            self.age(0, BlockFlags::REPLICATE)
                .map_err(|reason| Refusal::new(reason, 0, "bundle age"))?;
        }
        Ok(())
    }

    fn extension_block(
        &mut self,
        block: &v7::Block<'_>,
        content: &v7::Content<'_>,
        flags: BlockFlags,
    ) -> Result<(), Reason> {
        match content {
            v7::Content::PreviousNode(eid) => {
                let replaced = self.policy.node.as_ref().map(|node| node.id.clone());
                match replaced {
                    Some(id) => self.previous_hop(flags, &id),
                    None => self.previous_hop(flags, &nameable(eid.normal())?),
                }
            }
            v7::Content::Age(age_ms) => self.age(*age_ms, flags)?,
            v7::Content::HopCount { limit, count } => {
                let hops = count.saturating_add(u64::from(self.policy.node.is_some()));
                self.losses.add(Loss::HopCount);
                if hops > *limit {
                    return Err(Reason::HopLimit);
                }
            }
            v7::Content::Qos(qos) => {
                let (ecos, flags_lost) = Ecos::from_v7(*qos)?;
                self.losses.add_if(flags_lost, Loss::QosFlags);
                if let Some(ecos) = ecos {
                    encode_block(BlockType::ECOS, flags, self.out, |out| {
                        v6::encode_ecos(ecos.flags, ecos.ordinal, ecos.label, out);
                    });
                }
            }
            v7::Content::Permits(permits) => {
                encode_block(BlockType::PERMITS, flags, self.out, |out| {
                    sdnv::encode(*permits, out);
                });
            }
            v7::Content::Other => self.unknown_block(block, flags),
            // The payload comes last. Security blocks were refused.
            v7::Content::Payload(_) | v7::Content::Security => {}
        }
        Ok(())
    }

    fn unknown_block(&mut self, block: &v7::Block<'_>, flags: BlockFlags) {
        let keeps = self.policy.unknown_blocks == UnknownBlocks::KeepPrivate;
        match u8::try_from(block.kind.0) {
            Ok(kind) if keeps && is_private(kind.into()) => {
                encode_block(BlockType(kind), flags, self.out, |out| {
                    out.extend_from_slice(&block.data);
                });
            }
            _ => self.losses.add(Loss::UnknownBlock),
        }
    }

    fn payload_block(
        &mut self,
        blocks: &Blocks<'_>,
        report: Option<&v7::StatusReport<'_>>,
    ) -> Result<(), Refusal> {
        for known in blocks {
            let Content::Standard(v7::Content::Payload(payload)) = known.content else {
                continue;
            };
            let flags = BlockFlags(self.traits.block_flags(known.block.flags.0));
            let flags = flags.with(BlockFlags::LAST);
            let Some(report) = report else {
                v6::encode_block_of(BlockType::PAYLOAD, flags, self.out, payload);
                continue;
            };
            let sent_ms = self.primary.creation.time_ms;
            let report = report::to_v6(report, sent_ms, self.policy, &mut self.losses)
                .map_err(|reason| Refusal::new(reason, known.offset, "status report"))?;
            encode_block(BlockType::PAYLOAD, flags, self.out, |out| {
                report.encode(out);
            });
        }
        Ok(())
    }

    fn previous_hop(&mut self, flags: BlockFlags, eid: &Eid<'_>) {
        encode_block(BlockType::PREVIOUS_HOP, flags, self.out, |out| {
            v6::encode_previous_hop(eid, out);
        });
    }

    fn age(&mut self, age_ms: u64, flags: BlockFlags) -> Result<(), Reason> {
        let here = age_ms
            .checked_add(self.policy.residence_ms())
            .and_then(|age| age.checked_mul(US_PER_MS))
            .ok_or(Reason::ValueRange)?;
        let kind = self.policy.peer_v6.age_block;
        encode_block(kind, flags, self.out, |out| sdnv::encode(here, out));
        Ok(())
    }
}
