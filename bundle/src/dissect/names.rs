// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names of the numbers that registries assign, as people write them.

use crate::dissect::value::{Code, Value};
use crate::version::Version;

/// Which flags the bits of a number are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FlagSet {
    /// Bundle processing control flags of version 6, the two bits of the priority included.
    /// See [RFC 5050 §4.2](https://www.rfc-editor.org/rfc/rfc5050#section-4.2).
    Bundle6,
    /// Block processing control flags of version 6.
    /// See [RFC 5050 §4.3](https://www.rfc-editor.org/rfc/rfc5050#section-4.3).
    Block6,
    /// The status flags of a status report of version 6.
    /// See [RFC 5050 §6.1.1](https://www.rfc-editor.org/rfc/rfc5050#section-6.1.1).
    Status6,
    /// The lower half of the first octet of an administrative record of version 6.
    Record6,
    /// Bundle processing control flags of version 7.
    /// See [RFC 9171 §4.2.3](https://www.rfc-editor.org/rfc/rfc9171#section-4.2.3).
    Bundle7,
    /// Block processing control flags of version 7.
    /// See [RFC 9171 §4.2.4](https://www.rfc-editor.org/rfc/rfc9171#section-4.2.4).
    Block7,
    /// Flags of the quality of service, in the blocks of both versions.
    Qos,
    /// Flags of an abstract security block.
    /// See [RFC 9172 §3.6](https://www.rfc-editor.org/rfc/rfc9172#section-3.6).
    Security,
}

type Flags = &'static [(u64, &'static str)];

/// The bits of the priority, which are a number.
const PRIORITY: u64 = 0x180;

const BUNDLE_6: Flags = &[
    (0x01, "fragment"),
    (0x02, "administrative record"),
    (0x04, "must not be fragmented"),
    (0x08, "custody requested"),
    (0x10, "singleton"),
    (0x20, "application acknowledgement"),
    (0x4000, "report reception"),
    (0x8000, "report custody"),
    (0x1_0000, "report forwarding"),
    (0x2_0000, "report delivery"),
    (0x4_0000, "report deletion"),
];
const PRIORITIES: [&str; 4] = [
    "priority bulk",
    "priority normal",
    "priority expedited",
    "priority reserved",
];
const BLOCK_6: Flags = &[
    (0x01, "replicate in every fragment"),
    (0x02, "report if unprocessed"),
    (0x04, "delete bundle if unprocessed"),
    (0x08, "last block"),
    (0x10, "discard if unprocessed"),
    (0x20, "forwarded unprocessed"),
    (0x40, "EID references"),
];
const STATUS_6: Flags = &[
    (0x01, "received"),
    (0x02, "custody accepted"),
    (0x04, "forwarded"),
    (0x08, "delivered"),
    (0x10, "deleted"),
];
const RECORD_6: Flags = &[(0x01, "for a fragment")];
const BUNDLE_7: Flags = &[
    (0x01, "fragment"),
    (0x02, "administrative record"),
    (0x04, "must not be fragmented"),
    (0x20, "application acknowledgement"),
    (0x40, "status time"),
    (0x4000, "report reception"),
    (0x1_0000, "report forwarding"),
    (0x2_0000, "report delivery"),
    (0x4_0000, "report deletion"),
];
const BLOCK_7: Flags = &[
    (0x01, "replicate in every fragment"),
    (0x02, "report if unprocessed"),
    (0x04, "delete bundle if unprocessed"),
    (0x10, "discard if unprocessed"),
];
const QOS: Flags = &[
    (0x01, "minimum latency"),
    (0x02, "best effort"),
    (0x04, "label present"),
    (0x08, "reliable"),
    (0x10, "streaming"),
];
const SECURITY: Flags = &[(0x01, "parameters present")];

impl FlagSet {
    const fn table(self) -> Flags {
        match self {
            Self::Bundle6 => BUNDLE_6,
            Self::Block6 => BLOCK_6,
            Self::Status6 => STATUS_6,
            Self::Record6 => RECORD_6,
            Self::Bundle7 => BUNDLE_7,
            Self::Block7 => BLOCK_7,
            Self::Qos => QOS,
            Self::Security => SECURITY,
        }
    }

    /// The names of the flags that are set, and of the priority where there is one.
    pub fn names(self, bits: u64) -> impl Iterator<Item = &'static str> {
        let set = move |(bit, name): &(u64, &'static str)| (bits & bit != 0).then_some(*name);
        let priority = (self == Self::Bundle6).then(|| PRIORITIES[usize::from(priority(bits))]);
        self.table().iter().filter_map(set).chain(priority)
    }

    /// The bits that are set and have no meaning.
    #[must_use]
    pub fn unknown(self, bits: u64) -> u64 {
        let known = self.table().iter().fold(0, |all, (bit, _)| all | bit);
        if self == Self::Bundle6 {
            bits & !known & !PRIORITY
        } else {
            bits & !known
        }
    }
}

fn priority(bits: u64) -> u8 {
    ((bits & PRIORITY) >> 7).to_le_bytes()[0]
}

/// What blocks of a type are called. `None` for types that nobody assigned, or that nobody reads.
#[must_use]
pub fn block_type_name(version: Version, kind: u64) -> Option<&'static str> {
    match version {
        Version::V6 => block_type_6(kind),
        Version::V7 => block_type_7(kind),
    }
}

const fn block_type_6(kind: u64) -> Option<&'static str> {
    Some(match kind {
        1 => "payload",
        2 => "bundle authentication",
        3 => "integrity",
        4 => "confidentiality",
        5 => "previous hop",
        8 => "metadata",
        9 => "extension security",
        10 => "custody transfer or age",
        13 => "bplib integrity",
        19 => "extended class of service",
        20 => "bundle age",
        21 => "permits",
        _ => return None,
    })
}

const fn block_type_7(kind: u64) -> Option<&'static str> {
    Some(match kind {
        1 => "payload",
        6 => "previous node",
        7 => "bundle age",
        10 => "hop count",
        11 => "block integrity",
        12 => "block confidentiality",
        13 => "priority (HDTN)",
        193 => "quality of service",
        194 => "permits",
        _ => return None,
    })
}

/// A number as a value with its name.
pub(super) fn code<'a>(
    name: impl FnOnce(u64) -> Option<&'static str>,
) -> impl FnOnce(u64) -> Value<'a> {
    |number| {
        Value::Code(Code {
            number,
            name: name(number),
        })
    }
}

/// A number as a set of flags.
pub(super) fn flags<'a>(set: FlagSet) -> impl FnOnce(u64) -> Value<'a> {
    move |bits| Value::Flags { bits, set }
}

/// Reason codes of status reports: [RFC 9171 §6.1.1](https://www.rfc-editor.org/rfc/rfc9171#section-6.1.1),
/// whose first nine are those of version 6, and [RFC 9172 §7.1](https://www.rfc-editor.org/rfc/rfc9172#section-7.1).
pub(super) const fn report_reason(number: u64) -> Option<&'static str> {
    Some(match number {
        0 => "no additional information",
        1 => "lifetime expired",
        2 => "forwarded over unidirectional link",
        3 => "transmission cancelled",
        4 => "depleted storage",
        5 => "destination unavailable",
        6 => "no known route to destination",
        7 => "no timely contact with next node",
        8 => "block unintelligible",
        9 => "hop limit exceeded",
        10 => "traffic pared",
        11 => "block unsupported",
        12 => "missing security operation",
        13 => "unknown security operation",
        14 => "unexpected security operation",
        15 => "failed security operation",
        16 => "conflicting security operation",
        _ => return None,
    })
}

/// Reason codes of custody signals: [RFC 5050 §6.1.2](https://www.rfc-editor.org/rfc/rfc5050#section-6.1.2).
pub(super) const fn custody_reason(number: u64) -> Option<&'static str> {
    Some(match number {
        0 => "no additional information",
        3 => "redundant reception",
        4 => "depleted storage",
        5 => "destination unintelligible",
        6 => "no known route to destination",
        7 => "no timely contact with next node",
        8 => "block unintelligible",
        _ => return None,
    })
}

/// Administrative records of version 6: [RFC 5050 §6.1](https://www.rfc-editor.org/rfc/rfc5050#section-6.1)
/// and CCSDS 734.2-B-1.
pub(super) const fn record_6(number: u64) -> Option<&'static str> {
    Some(match number {
        1 => "status report",
        2 => "custody signal",
        4 => "aggregate custody signal",
        _ => return None,
    })
}

/// Administrative records of version 7: [RFC 9171 §6.1](https://www.rfc-editor.org/rfc/rfc9171#section-6.1)
/// and the private numbers of ION.
pub(super) const fn record_7(number: u64) -> Option<&'static str> {
    Some(match number {
        1 => "status report",
        3 => "bundle in a bundle",
        4 => "custody signal",
        7 => "bundle in a bundle (ION)",
        8 => "aggregate custody (ION)",
        _ => return None,
    })
}

/// Schemes of endpoint IDs in version 7: [RFC 9171 §9.6](https://www.rfc-editor.org/rfc/rfc9171#section-9.6).
pub(super) const fn scheme(number: u64) -> Option<&'static str> {
    Some(match number {
        1 => "dtn",
        2 => "ipn",
        3 => "imc",
        _ => return None,
    })
}

/// CRC types: [RFC 9171 §4.2.1](https://www.rfc-editor.org/rfc/rfc9171#section-4.2.1).
pub(super) const fn crc_type(number: u64) -> Option<&'static str> {
    Some(match number {
        0 => "none",
        1 => "CRC-16",
        2 => "CRC-32C",
        _ => return None,
    })
}

/// What the parameters of a security context are called:
/// [RFC 9173 §3.3](https://www.rfc-editor.org/rfc/rfc9173#section-3.3) and
/// [§4.3](https://www.rfc-editor.org/rfc/rfc9173#section-4.3).
pub(super) const fn parameter(context: u64, number: u64) -> Option<&'static str> {
    Some(match (context, number) {
        (1, 1) => "SHA variant",
        (2, 1) => "initialization vector",
        (2, 2) => "AES variant",
        (1, 2) | (2, 3) => "wrapped key",
        (1, 3) => "integrity scope flags",
        (2, 4) => "AAD scope flags",
        _ => return None,
    })
}

/// What the results of a security context are called:
/// [RFC 9173 §3.4](https://www.rfc-editor.org/rfc/rfc9173#section-3.4) and
/// [§4.4](https://www.rfc-editor.org/rfc/rfc9173#section-4.4).
pub(super) const fn result(context: u64, number: u64) -> Option<&'static str> {
    Some(match (context, number) {
        (1, 1) => "HMAC",
        (2, 1) => "authentication tag",
        _ => return None,
    })
}

/// Security contexts: [RFC 9173 §5.1](https://www.rfc-editor.org/rfc/rfc9173#section-5.1).
pub(super) const fn security_context(number: u64) -> Option<&'static str> {
    Some(match number {
        1 => "BIB-HMAC-SHA2",
        2 => "BCB-AES-GCM",
        _ => return None,
    })
}
