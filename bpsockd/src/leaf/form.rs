// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages as bundles of either version, and bundles as messages.

use std::borrow::Cow;

use bpsock::Address;
use bpsock::abi::{
    BP_FLAG_STATUS_TIME, BP_INFO_AGE, BP_INFO_FLAGS, BP_INFO_HOPS, BP_INFO_LIFETIME,
    BP_INFO_PRIORITY, BP_STATUS_CUSTODY, BP_STATUS_DELETED, BP_STATUS_DELIVERED,
    BP_STATUS_FORWARDED, BP_STATUS_RECEIVED, BundleId, Info,
};
use bundle::translate::Profile;
use bundle::v7::{Assertion, CrcType, Tolerance};
use bundle::{DecodeError, Eid, Fault, Reason, Version, v6, v7, version};

/// The bit of administrative records, the same in both versions.
pub const ADMIN_RECORD: u32 = 0x2;
const MILLISECONDS: u64 = 1000;
/// How creation times and sequence numbers of the versions correspond, as in translators.
const PROFILE: Profile = Profile::A;

/// A message on its way into a bundle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft<'a> {
    /// Who sends it.
    pub source: &'a Address,
    /// Where it goes.
    pub destination: &'a Address,
    /// Where status reports go.
    pub report_to: Option<&'a Address>,
    /// When it is created, and a number that tells it from others.
    pub bundle: BundleId,
    /// Milliseconds from then to the end of its use.
    pub lifetime_ms: u64,
    /// Bundle processing control flags, and [`ADMIN_RECORD`].
    pub flags: u32,
    /// How many hops it may make. Version 7 only.
    pub hop_limit: Option<u32>,
    /// 0 to 2. Version 6 only.
    pub priority: u32,
    /// The message.
    pub data: &'a [u8],
}

/// Which CRC the blocks of version 7 get.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Crcs {
    /// The primary block.
    pub primary: CrcType,
    /// The other blocks.
    pub blocks: CrcType,
}

/// Why a message does not become a bundle.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DraftError {
    /// An address is no endpoint.
    #[error(transparent)]
    Address(#[from] bpsock::AddressError),
    /// The time has no form in version 6.
    #[error("creation time does not exist in version 6: {0:?}")]
    Time(Reason),
}

impl Draft<'_> {
    /// The bundle.
    ///
    /// # Errors
    ///
    /// See [`DraftError`].
    pub fn encode(&self, version: Version, crcs: Crcs) -> Result<Vec<u8>, DraftError> {
        match version {
            Version::V6 => self.encode_v6(),
            Version::V7 => self.encode_v7(crcs),
        }
    }

    fn encode_v6(&self) -> Result<Vec<u8>, DraftError> {
        let report_to = self.report_to.map_or(Ok(Eid::Null), Address::eid)?;
        let destination = self.destination.eid()?;
        let source = self.source.eid()?;
        let eids = [&destination, &source, &report_to, &Eid::Null];
        let addresses = v6::Addresses::compressed(eids);
        let addresses = addresses.unwrap_or_else(|| v6::Addresses::dictionary(eids));
        let singleton = v6::BundleFlags::SINGLETON;
        let flags = v6::BundleFlags(u64::from(self.flags & !BP_FLAG_STATUS_TIME))
            .set_to(singleton, destination.is_singleton())
            .with_priority(match self.priority {
                0 => v6::Priority::Bulk,
                2 => v6::Priority::Expedited,
                _ => v6::Priority::Normal,
            });
        let creation = identity_7(self.bundle);
        let creation = PROFILE
            .to_v6(creation, u64::MAX)
            .map_err(DraftError::Time)?;
        let [destination, source, report_to, custodian] = addresses.references;
        let primary = v6::Primary {
            flags,
            destination,
            source,
            report_to,
            custodian,
            creation,
            lifetime_s: self.lifetime_ms.div_ceil(MILLISECONDS),
            dictionary: Cow::Owned(addresses.dictionary),
            fragment: None,
        };
        let flags = v6::BlockFlags::default();
        let payload = v6::Block::new(v6::BlockType::PAYLOAD, flags, Cow::Borrowed(self.data));
        let blocks = vec![payload];
        Ok(v6::Bundle { primary, blocks }.to_vec())
    }

    fn encode_v7(&self, crcs: Crcs) -> Result<Vec<u8>, DraftError> {
        let report_to = self
            .report_to
            .map_or(Ok(v7::Eid::DtnNone), Address::to_v7)?;
        let primary = v7::Primary {
            flags: v7::BundleFlags(self.flags.into()),
            crc: crcs.primary,
            destination: self.destination.to_v7()?,
            source: self.source.to_v7()?,
            report_to,
            creation: identity_7(self.bundle),
            lifetime_ms: self.lifetime_ms,
            fragment: None,
        };
        let flags = v7::BlockFlags::default();
        let mut blocks = Vec::new();
        if let Some(limit) = self.hop_limit {
            let data = v7::Block::hop_count_data(limit.into(), 0);
            let kind = v7::BlockType::HOP_COUNT;
            blocks.push(v7::Block::new(kind, 2, flags, Cow::Owned(data)));
        }
        let kind = v7::BlockType::PAYLOAD;
        blocks.push(v7::Block::new(kind, 1, flags, Cow::Borrowed(self.data)));
        for block in &mut blocks {
            block.crc = crcs.blocks;
        }
        Ok(v7::Bundle { primary, blocks }.to_vec())
    }
}

/// A bundle that arrived, as both versions mean it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arrival<'a> {
    /// The version that it has.
    pub version: Version,
    /// Who sent it, in the form of the bundle.
    pub source: Address,
    /// The same, in its normal form and of any length.
    pub sender: Eid<'static>,
    /// The endpoint that it is for.
    pub destination: Address,
    /// The same, in its normal form.
    pub endpoint: Eid<'static>,
    /// Where status reports go; `None` is nowhere.
    pub report_to: Option<Address>,
    /// Who sent it here, if it says so.
    pub previous_node: Option<Address>,
    /// What an application may want to know.
    pub info: Info,
    /// Whether it is an administrative record.
    pub is_admin: bool,
    /// Offset and length of the data unit, if it is a fragment.
    pub fragment: Option<(u64, u64)>,
    /// The payload.
    pub payload: Cow<'a, [u8]>,
}

impl<'a> Arrival<'a> {
    /// Reads a bundle.
    ///
    /// # Errors
    ///
    /// It is none, or has endpoint IDs of unknown schemes.
    pub fn decode(octets: &'a [u8]) -> Result<Self, DecodeError> {
        match version(octets) {
            Some(Version::V6) => Self::from_v6(v6::Bundle::decode(octets)?),
            Some(Version::V7) => Self::from_v7(v7::Bundle::decode(octets, Tolerance::LENIENT)?),
            None => Err(fault("version", Fault::Version(0))),
        }
    }

    fn from_v6(mut bundle: v6::Bundle<'a>) -> Result<Self, DecodeError> {
        let primary = &bundle.primary;
        let eid = |name, reference| {
            let eid = primary.eid(reference);
            eid.map(Eid::into_owned).map_err(|error| fault(name, error))
        };
        let destination = eid("destination", primary.destination)?;
        let source = eid("source", primary.source)?;
        let report_to = eid("report-to", primary.report_to)?;
        let creation = PROFILE
            .to_v7(primary.creation)
            .map_err(|_| fault("creation timestamp", Fault::IntegerTooLong))?;
        let flags = primary.flags;
        let mut info = Info {
            bundle: identity(creation),
            lifetime_ms: primary.lifetime_s.saturating_mul(MILLISECONDS),
            flags: low_bits(flags.0),
            priority: flags.priority() as u32,
            version: 6,
            present: BP_INFO_LIFETIME | BP_INFO_FLAGS | BP_INFO_PRIORITY,
            ..Info::default()
        };
        let mut previous_node = None;
        for block in &bundle.blocks {
            match block.content() {
                Ok(v6::Content::Age(age_us)) => {
                    info.age_ms = age_us / MILLISECONDS;
                    info.present |= BP_INFO_AGE;
                }
                Ok(v6::Content::PreviousHop(hop)) => {
                    let eid = hop.eid(primary).ok();
                    previous_node = eid.map(|eid| Address::from_eid(&eid));
                }
                _ => {}
            }
        }
        let fragment = primary.fragment;
        let is_payload = |block: &v6::Block<'_>| block.kind == v6::BlockType::PAYLOAD;
        let place = bundle.blocks.iter().position(is_payload);
        let payload = place.map(|place| bundle.blocks.swap_remove(place).data);
        Ok(Self {
            version: Version::V6,
            source: Address::from_eid(&source),
            sender: source,
            destination: Address::from_eid(&destination),
            endpoint: destination,
            report_to: (!report_to.is_null()).then(|| Address::from_eid(&report_to)),
            previous_node,
            info,
            is_admin: flags.contains(v6::BundleFlags::ADMIN_RECORD),
            fragment: fragment.map(|it| (it.offset, it.adu_length)),
            payload: payload.unwrap_or_default(),
        })
    }

    fn from_v7(mut bundle: v7::Bundle<'a>) -> Result<Self, DecodeError> {
        let primary = &bundle.primary;
        let address = |name, eid| Address::from_v7(eid).map_err(|_| fault(name, Fault::EidScheme));
        let endpoint = primary.destination.normal();
        let endpoint = endpoint.map_err(|error| fault("destination", error))?;
        let endpoint = endpoint.into_owned();
        let destination = address("destination", &primary.destination)?;
        let source = address("source", &primary.source)?;
        let sender = primary.source.normal();
        let sender = sender.map_err(|error| fault("source", error))?.into_owned();
        let has_report_to = !primary.report_to.is_null();
        let report_to = has_report_to.then(|| address("report-to", &primary.report_to));
        let mut info = Info {
            bundle: identity(primary.creation),
            lifetime_ms: primary.lifetime_ms,
            flags: low_bits(primary.flags.0),
            version: 7,
            present: BP_INFO_LIFETIME | BP_INFO_FLAGS,
            ..Info::default()
        };
        let mut previous_node = None;
        for block in &bundle.blocks {
            match block.content() {
                Ok(v7::Content::Age(age_ms)) => {
                    info.age_ms = age_ms;
                    info.present |= BP_INFO_AGE;
                }
                Ok(v7::Content::HopCount { limit, count }) => {
                    info.hop_limit = low_bits(limit);
                    info.hop_count = u32::try_from(count).unwrap_or(u32::MAX);
                    info.present |= BP_INFO_HOPS;
                }
                Ok(v7::Content::PreviousNode(eid)) => previous_node = Address::from_v7(&eid).ok(),
                _ => {}
            }
        }
        let (fragment, flags) = (primary.fragment, primary.flags);
        let report_to = report_to.transpose()?;
        let is_payload = |block: &v7::Block<'_>| block.kind == v7::BlockType::PAYLOAD;
        let place = bundle.blocks.iter().position(is_payload);
        let payload = place.map(|place| bundle.blocks.swap_remove(place).data);
        Ok(Self {
            version: Version::V7,
            source,
            sender,
            destination,
            endpoint,
            report_to,
            previous_node,
            info,
            is_admin: flags.contains(v7::BundleFlags::ADMIN_RECORD),
            fragment: fragment.map(|it| (it.offset, it.adu_length)),
            payload: payload.unwrap_or_default(),
        })
    }

    /// The octets that tell the data unit from all others: its source, time and sequence number.
    ///
    /// `None` if nobody is the source: then nothing does.
    #[must_use]
    pub fn identity(&self) -> Option<Vec<u8>> {
        if self.sender.is_null() {
            return None;
        }
        let mut key = self.sender.to_string().into_bytes();
        key.push(0);
        key.extend(self.info.bundle.creation_ms.to_be_bytes());
        key.extend(self.info.bundle.sequence.to_be_bytes());
        Some(key)
    }

    /// When it expires, as a DTN time. A source without a clock says how old the bundle is.
    #[must_use]
    pub fn expires_ms(&self, now_ms: u64) -> u64 {
        let created = match self.info.bundle.creation_ms {
            0 => now_ms.saturating_sub(self.info.age_ms),
            created => created,
        };
        created.saturating_add(self.info.lifetime_ms)
    }
}

/// The bundle again, whole: the first fragment with the payload of all.
///
/// # Errors
///
/// The octets are no bundle.
pub fn rejoin(first: &[u8], payload: &[u8]) -> Result<Vec<u8>, DecodeError> {
    if version(first) == Some(Version::V6) {
        let mut bundle = v6::Bundle::decode(first)?;
        bundle.primary.fragment = None;
        for block in &mut bundle.blocks {
            if block.kind == v6::BlockType::PAYLOAD {
                block.data = Cow::Borrowed(payload);
            }
        }
        return Ok(bundle.to_vec());
    }
    let mut bundle = v7::Bundle::decode(first, Tolerance::LENIENT)?;
    bundle.primary.fragment = None;
    for block in &mut bundle.blocks {
        if block.kind == v7::BlockType::PAYLOAD {
            block.data = Cow::Borrowed(payload);
        }
    }
    Ok(bundle.to_vec())
}

/// A status report of either version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Status {
    /// `BP_STATUS_*`.
    pub status: u32,
    /// The reason code.
    pub reason: u32,
    /// When it happened; 0 if it does not say.
    pub time_ms: u64,
    /// The source of the bundle that it is about.
    pub source: Eid<'static>,
    /// Which bundle of the source.
    pub bundle: BundleId,
}

impl Status {
    /// Reads an administrative record. `None` if it is another one.
    #[must_use]
    pub fn decode(version: Version, payload: &[u8]) -> Option<Self> {
        match version {
            Version::V6 => match v6::AdminRecord::decode(payload).ok()? {
                v6::AdminRecord::StatusReport(report) => Self::from_v6(&report),
                _ => None,
            },
            Version::V7 => match v7::AdminRecord::decode(payload, Tolerance::LENIENT).ok()? {
                v7::AdminRecord::StatusReport(report) => Self::from_v7(&report),
                _ => None,
            },
        }
    }

    fn from_v6(report: &v6::StatusReport<'_>) -> Option<Self> {
        let bits = report.times.iter().enumerate();
        let bits = bits.filter(|(_, time)| time.is_some());
        let time = report.times.iter().flatten().next_back();
        Some(Self {
            status: bits.fold(0, |all, (bit, _)| all | 1 << bit),
            reason: report.reason.into(),
            time_ms: time.map_or(0, |time| {
                time.seconds.saturating_mul(MILLISECONDS) + time.nanoseconds / 1_000_000
            }),
            source: report.subject.source().ok()?.into_owned(),
            bundle: identity(PROFILE.to_v7(report.subject.creation).ok()?),
        })
    }

    fn from_v7(report: &v7::StatusReport<'_>) -> Option<Self> {
        let mut status = 0;
        let mut time_ms = 0;
        for (assertion, bit) in report.assertions.iter().zip(STATUS_OF_V7) {
            if *assertion != Assertion::No {
                status |= bit;
            }
            if let Assertion::At(time) = assertion {
                time_ms = *time;
            }
        }
        Some(Self {
            status,
            reason: low_bits(report.reason),
            time_ms,
            source: report.source.normal().ok()?.into_owned(),
            bundle: identity(report.creation),
        })
    }

    /// The administrative record. Version 6 always says when.
    ///
    /// # Errors
    ///
    /// See [`DraftError`].
    pub fn encode(&self, version: Version) -> Result<Vec<u8>, DraftError> {
        let mut out = Vec::new();
        if version == Version::V7 {
            let assertion = |bit| match self.time_ms {
                _ if self.status & bit == 0 => Assertion::No,
                0 => Assertion::Yes,
                time_ms => Assertion::At(time_ms),
            };
            let report = v7::StatusReport {
                assertions: STATUS_OF_V7.map(assertion).to_vec(),
                reason: self.reason.into(),
                source: v7::Eid::from(self.source.clone()),
                creation: identity_7(self.bundle),
                fragment: None,
            };
            report.encode(&mut out);
            return Ok(out);
        }
        let time = v6::ReportTime {
            seconds: self.time_ms / MILLISECONDS,
            nanoseconds: self.time_ms % MILLISECONDS * 1_000_000,
        };
        let creation = PROFILE.to_v6(identity_7(self.bundle), u64::MAX);
        let bits = [
            BP_STATUS_RECEIVED,
            BP_STATUS_CUSTODY,
            BP_STATUS_FORWARDED,
            BP_STATUS_DELIVERED,
            BP_STATUS_DELETED,
        ];
        let report = v6::StatusReport {
            times: bits.map(|bit| (self.status & bit != 0).then_some(time)),
            other_status: 0,
            reason: u8::try_from(self.reason).unwrap_or(0),
            subject: v6::Subject {
                fragment: None,
                creation: creation.map_err(DraftError::Time)?,
                source: Cow::Owned(self.source.to_string().into_bytes()),
            },
        };
        report.encode(&mut out);
        Ok(out)
    }
}

/// The meaning of the assertions of version 7, in their order.
const STATUS_OF_V7: [u32; 4] = [
    BP_STATUS_RECEIVED,
    BP_STATUS_FORWARDED,
    BP_STATUS_DELIVERED,
    BP_STATUS_DELETED,
];

const fn identity(creation: v7::CreationTimestamp) -> BundleId {
    BundleId {
        creation_ms: creation.time_ms,
        sequence: creation.sequence,
    }
}

const fn identity_7(bundle: BundleId) -> v7::CreationTimestamp {
    v7::CreationTimestamp {
        time_ms: bundle.creation_ms,
        sequence: bundle.sequence,
    }
}

/// The lower 32 bits: flags above have no meaning, and numbers are small.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
const fn low_bits(bits: u64) -> u32 {
    bits as u32
}

fn fault(field: &'static str, fault: Fault) -> DecodeError {
    DecodeError {
        offset: 0,
        field,
        fault,
    }
}
