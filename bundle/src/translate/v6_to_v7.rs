// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From version 6 to version 7.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::eid::Eid;
use crate::error::offset_in;
use crate::reason::Reason;
use crate::translate::identity::{lifetime_to_v7, lifetime_to_v7_is_capped};
use crate::translate::losses::{Loss, Losses};
use crate::translate::policy::Policy;
use crate::translate::qos::Ecos;
use crate::translate::refusal::Refusal;
use crate::translate::rules::{Known, KnownBlocks, Once, Traits, asks_for_reports, nameable};
use crate::translate::{Translation, report};
use crate::v6::{self, BundleFlags, Content};
use crate::v7::{self, BlockFlags, BlockType};
use crate::version::Version;

const US_PER_MS: u64 = 1000;
/// The payload block has number 1.
const FIRST_EXTENSION_NUMBER: u64 = 2;

type Blocks<'a> = KnownBlocks<&'a v6::Block<'a>, Content<'a>>;

pub(super) fn translate(input: &[u8], policy: &Policy) -> Result<Translation, Refusal> {
    let bundle = v6::Bundle::decode(input)?;
    refuse_security_and_custody(input, &bundle)?;
    let blocks = known_blocks(input, &bundle)?;
    let report = status_report(&bundle, &blocks)?;
    refuse_required(&blocks)?;

    let mut losses = Losses::default();
    let source = nameable(bundle.primary.eid(bundle.primary.source));
    let is_anonymous = source.as_ref().is_ok_and(Eid::is_null);
    let traits = Traits {
        is_admin: bundle.primary.flags.contains(BundleFlags::ADMIN_RECORD),
        is_anonymous,
        is_fragment: bundle.primary.fragment.is_some(),
    };
    let primary = primary(&bundle.primary, traits, policy, &mut losses)?;
    let mut writer = Writer {
        policy,
        primary: &bundle.primary,
        traits,
        losses,
        blocks: Vec::new(),
    };
    writer.extension_blocks(&blocks)?;
    writer.payload_block(&blocks, report.as_ref())?;

    let octets = v7::Bundle {
        primary,
        blocks: writer.blocks,
    }
    .to_vec();
    Ok(Translation {
        version: Version::V7,
        octets,
        losses: writer.losses,
    })
}

fn refuse_security_and_custody(input: &[u8], bundle: &v6::Bundle<'_>) -> Result<(), Refusal> {
    if let Some(block) = bundle.blocks.iter().find(|block| block.kind.is_security()) {
        let offset = offset_in(input, &block.data);
        return Err(Refusal::new(Reason::Security, offset, "security block"));
    }
    if bundle.primary.flags.contains(BundleFlags::CUSTODY) {
        return Err(Refusal::new(Reason::Custody, 0, "bundle flags"));
    }
    Ok(())
}

/// Reads the data of all blocks, in wire order.
fn known_blocks<'a>(input: &[u8], bundle: &'a v6::Bundle<'_>) -> Result<Blocks<'a>, Refusal> {
    let mut once = Once::default();
    let mut blocks = Vec::with_capacity(bundle.blocks.len());
    for block in &bundle.blocks {
        let offset = offset_in(input, &block.data);
        let content = block
            .content()
            .map_err(|error| Refusal::in_data(&error, offset))?;
        match content {
            // Two types are ages, and there must be one age.
            Content::Age(_) => once.note(v6::BlockType::AGE.0.into(), offset)?,
            Content::Payload(_) | Content::Security | Content::Other => {}
            _ => once.note(block.kind.0.into(), offset)?,
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
    bundle: &v6::Bundle<'_>,
    blocks: &Blocks<'a>,
) -> Result<Option<v6::StatusReport<'a>>, Refusal> {
    if !bundle.primary.flags.contains(BundleFlags::ADMIN_RECORD) {
        return Ok(None);
    }
    for known in blocks {
        if let Content::Payload(payload) = known.content {
            if bundle.primary.fragment.is_some() {
                let field = "fragment of an administrative record";
                return Err(Refusal::new(Reason::AdminRecord, known.offset, field));
            }
            return report::read_v6(payload, known.offset).map(Some);
        }
    }
    Ok(None)
}

fn refuse_required(blocks: &Blocks<'_>) -> Result<(), Refusal> {
    let required = v6::BlockFlags::DELETE_UNPROCESSED;
    let unknown = |known: &&Known<&v6::Block<'_>, _>| {
        matches!(known.content, Content::Other) && known.block.flags.contains(required)
    };
    match blocks.iter().find(unknown) {
        Some(known) => Err(Refusal::new(
            Reason::BlockRequired,
            known.offset,
            "unknown block",
        )),
        None => Ok(()),
    }
}

fn primary<'a>(
    primary: &'a v6::Primary<'_>,
    traits: Traits,
    policy: &Policy,
    losses: &mut Losses,
) -> Result<v7::Primary<'a>, Refusal> {
    let eid = |reference, field| {
        nameable(primary.eid(reference)).map_err(|reason| Refusal::new(reason, 0, field))
    };
    let destination = eid(primary.destination, "destination")?;
    let source = eid(primary.source, "source")?;
    let report_to = eid(primary.report_to, "report-to")?;
    let creation = policy
        .profile
        .to_v7(primary.creation)
        .map_err(|reason| Refusal::new(reason, 0, "creation timestamp"))?;

    let flags = primary.flags;
    losses.add_if(
        flags.contains(BundleFlags::REPORT_CUSTODY),
        Loss::CustodyReport,
    );
    let says_singleton = flags.contains(BundleFlags::SINGLETON);
    losses.add_if(
        says_singleton != destination.is_singleton(),
        Loss::Singleton,
    );
    let custodian = primary.eid(primary.custodian);
    losses.add_if(
        !custodian.is_ok_and(|custodian| custodian.is_null()),
        Loss::Custodian,
    );

    let shared = traits.bundle_flags(flags.0, losses);
    let flags = v7::BundleFlags(shared);
    let fragment = primary.fragment.map(|fragment| v7::Fragment {
        offset: fragment.offset,
        adu_length: fragment.adu_length,
    });
    losses.add_if(
        lifetime_to_v7_is_capped(policy.profile, primary.creation, primary.lifetime_s),
        Loss::LifetimeCapped,
    );
    Ok(v7::Primary {
        flags: flags.set_to(v7::BundleFlags::STATUS_TIME, asks_for_reports(shared)),
        crc: policy.crcs.primary,
        destination: destination.into(),
        source: source.into(),
        report_to: report_to.into(),
        creation,
        lifetime_ms: lifetime_to_v7(policy.profile, primary.creation, primary.lifetime_s),
        fragment,
    })
}

/// Writes the blocks after the primary block.
struct Writer<'a> {
    policy: &'a Policy,
    primary: &'a v6::Primary<'a>,
    traits: Traits,
    losses: Losses,
    blocks: Vec<v7::Block<'a>>,
}

impl<'a> Writer<'a> {
    fn extension_blocks(&mut self, blocks: &Blocks<'a>) -> Result<(), Refusal> {
        let has_hop = blocks
            .iter()
            .any(|known| matches!(known.content, Content::PreviousHop(_)));
        let has_age = blocks
            .iter()
            .any(|known| matches!(known.content, Content::Age(_)));
        let has_ecos = blocks
            .iter()
            .any(|known| matches!(known.content, Content::Ecos { .. }));
        let priority = self.primary.flags.priority();
        self.losses.add_if(
            !has_ecos && priority != self.policy.default_priority,
            Loss::Priority,
        );

        if let Some(node) = self.policy.node.as_ref().filter(|_| !has_hop) {
            let data = v7::Block::previous_node_data(node.id.clone());
            self.push(
                BlockType::PREVIOUS_NODE,
                BlockFlags::DISCARD_UNPROCESSED,
                data,
            );
        }
        let mut payload_seen = false;
        for known in blocks {
            payload_seen |= matches!(known.content, Content::Payload(_));
            let before = self.blocks.len();
            self.extension_block(known)
                .map_err(|reason| Refusal::new(reason, known.offset, "block data"))?;
            self.losses
                .add_if(payload_seen && self.blocks.len() > before, Loss::BlockOrder);
        }
        // Version 7 wants an age when there is no creation time. The translator has seen the
        // bundle for as long as it was here.
        if self.primary.creation.seconds == 0 && !has_age {
            let residence_ms = self
                .policy
                .node
                .as_ref()
                .map_or(0, |node| node.residence_ms);
            let data = v7::Block::number_data(residence_ms);
            self.push(BlockType::AGE, BlockFlags::REPLICATE, data);
        }
        Ok(())
    }

    fn extension_block(
        &mut self,
        known: &Known<&v6::Block<'_>, Content<'a>>,
    ) -> Result<(), Reason> {
        let (kind, data) = match &known.content {
            Content::PreviousHop(hop) => {
                let eid = match &self.policy.node {
                    Some(node) => node.id.clone(),
                    None => nameable(hop.eid(self.primary))?,
                };
                (BlockType::PREVIOUS_NODE, v7::Block::previous_node_data(eid))
            }
            Content::Age(age_us) => (
                BlockType::AGE,
                v7::Block::number_data(self.age_ms(*age_us)?),
            ),
            Content::Ecos {
                flags,
                ordinal,
                label,
            } => {
                let ecos = Ecos {
                    flags: *flags,
                    ordinal: *ordinal,
                    label: *label,
                };
                let (qos, flags_lost) = ecos.to_v7(self.primary.flags.priority());
                self.losses.add_if(flags_lost, Loss::QosFlags);
                (BlockType::QOS, v7::Block::qos_data(qos))
            }
            Content::Permits(permits) => (BlockType::PERMITS, v7::Block::number_data(*permits)),
            Content::Custody { .. } => {
                self.losses.add(Loss::Custody);
                return Ok(());
            }
            Content::Other => {
                self.losses.add(Loss::UnknownBlock);
                return Ok(());
            }
            // The payload comes last. Security blocks were refused.
            Content::Payload(_) | Content::Security => return Ok(()),
        };
        let flags = BlockFlags(self.traits.block_flags(known.block.flags.0));
        self.push(kind, flags, data);
        Ok(())
    }

    fn payload_block(
        &mut self,
        blocks: &Blocks<'a>,
        report: Option<&'a v6::StatusReport<'_>>,
    ) -> Result<(), Refusal> {
        for known in blocks {
            let Content::Payload(payload) = known.content else {
                continue;
            };
            let data = match report {
                None => Cow::Borrowed(payload),
                Some(report) => {
                    let mut data = Vec::new();
                    report::to_v7(report, self.policy.profile, &mut self.losses)
                        .map_err(|reason| Refusal::new(reason, known.offset, "status report"))?
                        .encode(&mut data);
                    Cow::Owned(data)
                }
            };
            let flags = BlockFlags(self.traits.block_flags(known.block.flags.0));
            self.blocks.push(v7::Block {
                crc: self.policy.crcs.blocks,
                ..v7::Block::new(BlockType::PAYLOAD, 1, flags, data)
            });
        }
        Ok(())
    }

    fn age_ms(&mut self, age_us: u64) -> Result<u64, Reason> {
        self.losses
            .add_if(!age_us.is_multiple_of(US_PER_MS), Loss::AgePrecision);
        let residence_ms = self
            .policy
            .node
            .as_ref()
            .map_or(0, |node| node.residence_ms);
        (age_us / US_PER_MS)
            .checked_add(residence_ms)
            .ok_or(Reason::ValueRange)
    }

    fn push(&mut self, kind: BlockType, flags: BlockFlags, data: Vec<u8>) {
        let number = self.blocks.len() as u64 + FIRST_EXTENSION_NUMBER;
        let block = v7::Block::new(kind, number, flags, Cow::Owned(data));
        self.blocks.push(v7::Block {
            crc: self.policy.crcs.blocks,
            ..block
        });
    }
}
