// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From version 6 to version 7.

use alloc::vec::Vec;

use crate::cbor;
use crate::eid::Eid;
use crate::error::offset_in;
use crate::reason::Reason;
use crate::translate::identity::{lifetime_to_v7, lifetime_to_v7_is_capped};
use crate::translate::losses::{Loss, Losses};
use crate::translate::policy::{Policy, PriorityRule, UnknownBlocks};
use crate::translate::qos::Ecos;
use crate::translate::refusal::Refusal;
use crate::translate::report;
use crate::translate::rules::{
    Known, KnownBlocks, Once, Traits, asks_for_reports, is_private, nameable,
};
use crate::v6::{self, BundleFlags, Content};
use crate::v7::{self, BlockFlags, BlockHead, BlockType, Qos};

const US_PER_MS: u64 = 1000;
/// The payload block has number 1.
const FIRST_EXTENSION_NUMBER: u64 = 2;

type Blocks<'a> = KnownBlocks<&'a v6::Block<'a>, Content<'a>>;

pub(super) fn translate(
    input: &[u8],
    policy: &Policy,
    out: &mut Vec<u8>,
) -> Result<Losses, Refusal> {
    let bundle = v6::Bundle::decode(input)?;
    refuse_security_and_custody(input, &bundle)?;
    let blocks = known_blocks(input, &bundle)?;
    let report = status_report(&bundle, &blocks)?;
    refuse_unknown(&blocks, policy.unknown_blocks)?;

    let mut losses = Losses::default();
    let source = nameable(bundle.primary.eid(bundle.primary.source));
    let is_anonymous = source.as_ref().is_ok_and(Eid::is_null);
    let traits = Traits {
        is_admin: bundle.primary.flags.contains(BundleFlags::ADMIN_RECORD),
        is_anonymous,
        is_fragment: bundle.primary.fragment.is_some(),
    };
    let primary = primary(&bundle.primary, traits, policy, &mut losses)?;
    out.push(cbor::INDEFINITE_ARRAY);
    primary.encode(out);
    let mut writer = Writer {
        policy,
        primary: &bundle.primary,
        traits,
        losses,
        out,
        next_number: FIRST_EXTENSION_NUMBER,
    };
    writer.extension_blocks(&blocks)?;
    writer.payload_block(&blocks, report.as_ref())?;
    let losses = writer.losses;
    out.push(cbor::BREAK);
    Ok(losses)
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
    let mut blocks = Blocks::with_capacity(bundle.blocks.len());
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

fn refuse_unknown(blocks: &Blocks<'_>, rule: UnknownBlocks) -> Result<(), Refusal> {
    let refused = |known: &&Known<&v6::Block<'_>, _>| {
        let required = v6::BlockFlags::DELETE_UNPROCESSED;
        matches!(known.content, Content::Other)
            && match rule {
                UnknownBlocks::Refuse => true,
                UnknownBlocks::KeepPrivate if is_private(known.block.kind.0.into()) => false,
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
    let lifetime_s = match (primary.lifetime_s, policy.lifetime_zero_s) {
        (0, Some(substitute)) => substitute.get(),
        (stated, _) => stated,
    };
    losses.add_if(
        lifetime_to_v7_is_capped(policy.profile, primary.creation, lifetime_s),
        Loss::LifetimeCapped,
    );
    Ok(v7::Primary {
        flags: flags.set_to(v7::BundleFlags::STATUS_TIME, asks_for_reports(shared)),
        crc: policy.crcs.primary,
        destination: destination.into(),
        source: source.into(),
        report_to: report_to.into(),
        creation,
        lifetime_ms: lifetime_to_v7(policy.profile, primary.creation, lifetime_s),
        fragment,
    })
}

/// Writes the blocks after the primary block.
struct Writer<'a> {
    policy: &'a Policy,
    primary: &'a v6::Primary<'a>,
    traits: Traits,
    losses: Losses,
    out: &'a mut Vec<u8>,
    next_number: u64,
}

impl Writer<'_> {
    fn extension_blocks(&mut self, blocks: &Blocks<'_>) -> Result<(), Refusal> {
        let has =
            |wanted: fn(&Content<'_>) -> bool| blocks.iter().any(|known| wanted(&known.content));
        if let Some(node) = &self.policy.node
            && !has(|content| matches!(content, Content::PreviousHop(_)))
        {
            let flags = BlockFlags::DISCARD_UNPROCESSED;
            self.block(BlockType::PREVIOUS_NODE, flags, |out| {
                v7::Eid::from(node.id.clone()).encode(out);
            });
        }
        let mut payload_seen = false;
        for known in blocks {
            payload_seen |= matches!(known.content, Content::Payload(_));
            let before = self.next_number;
            self.extension_block(known)
                .map_err(|reason| Refusal::new(reason, known.offset, "block data"))?;
            self.losses
                .add_if(payload_seen && self.next_number > before, Loss::BlockOrder);
        }
        if !has(|content| matches!(content, Content::Ecos { .. })) {
            self.priority();
        }
        // Version 7 wants an age when there is no creation time. The translator has seen the
        // bundle for as long as it was here.
        if self.primary.creation.seconds == 0 && !has(|content| matches!(content, Content::Age(_)))
        {
            let residence_ms = self.policy.residence_ms();
            self.block(BlockType::AGE, BlockFlags::REPLICATE, |out| {
                cbor::encode_uint(residence_ms, out);
            });
        }
        Ok(())
    }

    /// Writes the priority of a bundle that has no extended class of service.
    fn priority(&mut self) {
        let priority = self.primary.flags.priority();
        match self.policy.priority {
            PriorityRule::Drop => {
                let is_default = priority == self.policy.default_priority;
                self.losses.add_if(!is_default, Loss::Priority);
            }
            PriorityRule::Qos => {
                let class = priority as u64;
                let qos = Qos {
                    class,
                    ..Qos::default()
                };
                self.block(BlockType::QOS, BlockFlags::REPLICATE, |out| qos.encode(out));
            }
            PriorityRule::Hdtn => {
                let kind = BlockType::HDTN_PRIORITY;
                self.block(kind, BlockFlags::default(), |out| {
                    cbor::encode_uint(priority as u64, out);
                });
            }
        }
    }

    fn extension_block(
        &mut self,
        known: &Known<&v6::Block<'_>, Content<'_>>,
    ) -> Result<(), Reason> {
        let flags = BlockFlags(self.traits.block_flags(known.block.flags.0));
        match &known.content {
            Content::PreviousHop(hop) => {
                let eid = match &self.policy.node {
                    Some(node) => node.id.clone(),
                    None => nameable(hop.eid(self.primary))?,
                };
                self.block(BlockType::PREVIOUS_NODE, flags, |out| {
                    v7::Eid::from(eid).encode(out);
                });
            }
            Content::Age(age_us) => {
                let age = self.age_ms(*age_us)?;
                self.block(BlockType::AGE, flags, |out| cbor::encode_uint(age, out));
            }
            Content::Ecos {
                flags: ecos_flags,
                ordinal,
                label,
            } => {
                let ecos = Ecos {
                    flags: *ecos_flags,
                    ordinal: *ordinal,
                    label: *label,
                };
                let (qos, flags_lost) = ecos.to_v7(self.primary.flags.priority());
                self.losses.add_if(flags_lost, Loss::QosFlags);
                self.block(BlockType::QOS, flags, |out| qos.encode(out));
            }
            Content::Permits(permits) => {
                self.block(BlockType::PERMITS, flags, |out| {
                    cbor::encode_uint(*permits, out);
                });
            }
            Content::Custody { .. } => self.losses.add(Loss::Custody),
            Content::Other => self.unknown_block(known.block, flags),
            // The payload comes last. Security blocks were refused.
            Content::Payload(_) | Content::Security => {}
        }
        Ok(())
    }

    fn unknown_block(&mut self, block: &v6::Block<'_>, flags: BlockFlags) {
        let kind = u64::from(block.kind.0);
        let keeps = self.policy.unknown_blocks == UnknownBlocks::KeepPrivate;
        // References would point into a dictionary that version 7 does not have.
        if keeps && is_private(kind) && block.references.is_empty() {
            self.block(BlockType(kind), flags, |out| {
                out.extend_from_slice(&block.data);
            });
        } else {
            self.losses.add(Loss::UnknownBlock);
        }
    }

    fn payload_block(
        &mut self,
        blocks: &Blocks<'_>,
        report: Option<&v6::StatusReport<'_>>,
    ) -> Result<(), Refusal> {
        for known in blocks {
            let Content::Payload(payload) = known.content else {
                continue;
            };
            let head = BlockHead {
                kind: BlockType::PAYLOAD,
                number: 1,
                flags: BlockFlags(self.traits.block_flags(known.block.flags.0)),
                crc: self.policy.crcs.blocks,
            };
            let Some(report) = report else {
                head.encode(self.out, payload);
                continue;
            };
            let report = report::to_v7(report, self.policy.profile, &mut self.losses)
                .map_err(|reason| Refusal::new(reason, known.offset, "status report"))?;
            head.encode_with(self.out, |out| report.encode(out));
        }
        Ok(())
    }

    fn age_ms(&mut self, age_us: u64) -> Result<u64, Reason> {
        self.losses
            .add_if(!age_us.is_multiple_of(US_PER_MS), Loss::AgePrecision);
        (age_us / US_PER_MS)
            .checked_add(self.policy.residence_ms())
            .ok_or(Reason::ValueRange)
    }

    fn block(&mut self, kind: BlockType, flags: BlockFlags, data: impl FnOnce(&mut Vec<u8>)) {
        let head = BlockHead {
            kind,
            number: self.next_number,
            flags,
            crc: self.policy.crcs.blocks,
        };
        head.encode_with(self.out, data);
        self.next_number += 1;
    }
}
