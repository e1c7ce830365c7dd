// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which rule a reason comes from, and what would have to change.

use bundle::{Reason, Version};

/// What to tell about a reason.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Advice {
    /// Where the rule is written.
    pub(crate) rule: &'static str,
    /// What would have to change.
    pub(crate) remedy: &'static str,
}

/// Where this project writes its own rules.
const OWN_RULES: &str = "docs/translation.md";

/// The rule and the remedy for a bundle of this version.
pub(crate) fn advice(reason: Reason, version: Option<Version>) -> Advice {
    let version = version.unwrap_or(Version::V7);
    Advice {
        rule: rule(reason, version),
        remedy: remedy(reason, version),
    }
}

fn rule(reason: Reason, version: Version) -> &'static str {
    match version {
        Version::V6 => rule_6(reason),
        Version::V7 => rule_7(reason),
    }
}

fn rule_6(reason: Reason) -> &'static str {
    match reason {
        Reason::Truncated | Reason::PayloadMissing | Reason::PayloadDuplicate => "RFC 5050 §4",
        Reason::IntegerTooLong => "RFC 6256 §2, and the limit of 64 bits of docs/translation.md §2",
        Reason::Version => "RFC 5050 §4.5.1, RFC 9171 §4.3.1",
        Reason::PrimaryLength => "RFC 5050 §4.5.1",
        Reason::Dictionary => "RFC 5050 §4.4, §4.5.1",
        Reason::EidMalformed => "RFC 5050 §4.4, RFC 6260 §2, RFC 9758",
        Reason::TrailingOctets => "RFC 5050 §4.3: the flag for the last block",
        Reason::BlockMalformed => "RFC 6259, CCSDS 734.2-B-1 or RFC 5050 §6.1, by block type",
        Reason::BlockDuplicate => "docs/translation.md §8",
        Reason::Security => "RFC 6257 §2, docs/translation.md §4",
        Reason::Custody => "RFC 5050 §5.10, docs/translation.md §4",
        Reason::AdminRecord => "RFC 5050 §6.1, docs/translation.md §4",
        Reason::BlockRequired => "RFC 5050 §4.3, docs/translation.md §8",
        Reason::EidScheme => "RFC 9171 §4.2.5.1, docs/translation.md §7",
        _ => own_rule(reason),
    }
}

fn rule_7(reason: Reason) -> &'static str {
    match reason {
        Reason::Truncated => "RFC 9171 §4.1, RFC 8949 §3",
        Reason::NotShortest => "RFC 9171 §4.1, RFC 8949 §4.2.1",
        Reason::UnexpectedItem => "RFC 9171 §4.1, §4.3",
        Reason::Version => "RFC 5050 §4.5.1, RFC 9171 §4.3.1",
        Reason::PrimaryLength | Reason::CrcMissing => "RFC 9171 §4.3.1",
        Reason::EidMalformed => "RFC 9171 §4.2.5.1, RFC 9758",
        Reason::CrcType => "RFC 9171 §4.2.1",
        Reason::CrcMismatch => "RFC 9171 §4.2.1, §4.3.2",
        Reason::BlockNumber => "RFC 9171 §4.1, §4.3.2",
        Reason::PayloadMissing
        | Reason::PayloadDuplicate
        | Reason::PayloadNotLast
        | Reason::TrailingOctets => "RFC 9171 §4.1",
        Reason::BlockMalformed => "RFC 9171 §4.4, §6.1, by block type",
        Reason::BlockDuplicate => "RFC 9171 §4.4",
        Reason::FlagsInvalid => "RFC 9171 §4.2.3, §4.2.4",
        Reason::AgeMissing => "RFC 9171 §4.4.2",
        Reason::Security => "RFC 9172 §3.7, docs/translation.md §4",
        Reason::AdminRecord => "RFC 9171 §6.1, docs/translation.md §4",
        Reason::BlockRequired => "RFC 9171 §4.2.4, docs/translation.md §8",
        Reason::EidScheme => "RFC 5050 §4.4, docs/translation.md §7",
        Reason::HopLimit => "RFC 9171 §4.4.3",
        Reason::Expired => "RFC 9171 §5.5",
        _ => own_rule(reason),
    }
}

/// The rules that follow from both versions together.
fn own_rule(reason: Reason) -> &'static str {
    match reason {
        Reason::TimeRange | Reason::SequenceRange => "docs/translation.md §6",
        Reason::ValueRange | Reason::PeerForm => "docs/translation.md §6, §7",
        Reason::ReportEmpty => "docs/translation.md §10",
        _ => OWN_RULES,
    }
}

fn remedy(reason: Reason, version: Version) -> &'static str {
    remedy_of_malformed(reason, version)
        .or_else(|| remedy_of_refused(reason))
        .unwrap_or("The reference translator does not have this limit: send it to the slow path.")
}

fn remedy_of_malformed(reason: Reason, version: Version) -> Option<&'static str> {
    Some(match reason {
        Reason::Truncated => {
            "Look for a cut capture (snap length), a lost IP fragment, or a length field that is too large."
        }
        Reason::IntegerTooLong => "The sender has to write the number in 64 bits.",
        Reason::NotShortest => {
            "The sender has to encode every integer and length in the fewest octets: deterministic CBOR."
        }
        Reason::UnexpectedItem => {
            "The sender has to write the items that the standard asks for, of definite length and without tags."
        }
        Reason::Version => {
            "The first octet has to be 06 (version 6) or 9f (version 7): check the port and the framing."
        }
        Reason::PrimaryLength => match version {
            Version::V6 => {
                "The block length has to count the octets that follow it, dictionary and fragment fields included."
            }
            Version::V7 => {
                "The array has to have 8 items, 2 more for a fragment, and 1 more with a CRC."
            }
        },
        Reason::Dictionary => {
            "Every offset has to point into the dictionary, and its string has to end with a zero octet."
        }
        Reason::EidMalformed => {
            "Use `ipn:NODE.SERVICE`, `dtn://NODE/DEMUX` or `dtn:none`; node 2^32-1 is reserved for the local node."
        }
        Reason::CrcType => "Use CRC type 0 (none), 1 (CRC-16) or 2 (CRC-32C).",
        Reason::CrcMismatch => {
            "The block was damaged, or changed without a new CRC; CRCs cover the whole block, with zeros in their place."
        }
        Reason::CrcMissing => {
            "The sender has to protect the primary block by a CRC or a BIB; --allow unprotected-primary accepts it."
        }
        Reason::BlockNumber => {
            "The payload block has number 1; every other block has a number of its own above 1."
        }
        Reason::PayloadMissing => "A bundle has a payload block, even if it is empty.",
        Reason::PayloadDuplicate => "A bundle has one payload block and no more.",
        Reason::PayloadNotLast => "The payload block has to be the last one.",
        Reason::TrailingOctets => match version {
            Version::V6 => {
                "Nothing may follow the block with the flag `last block`: cut the rest off, or move the flag."
            }
            Version::V7 => "Nothing may follow the break (ff) of the bundle: cut the rest off.",
        },
        Reason::BlockMalformed => "The sender has to write the data as the type of the block says.",
        Reason::BlockDuplicate => "Keep one block of this type.",
        Reason::FlagsInvalid => {
            "Clear the reserved bits, and the requests for reports that this source or payload rules out."
        }
        Reason::AgeMissing => {
            "A source without a clock has to add a bundle age block; --allow age-missing accepts it without."
        }
        _ => return None,
    })
}

fn remedy_of_refused(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::Security => {
            "Remove the security blocks before the translator, as a security acceptor, or translate before signing."
        }
        Reason::Custody => {
            "Send without custody transfer: version 7 has none, and the translator is no custodian."
        }
        Reason::AdminRecord => {
            "Only status reports have an equivalent: keep other records in their own network."
        }
        Reason::BlockRequired => {
            "The sender has to clear `delete bundle if unprocessed` on the block, or leave the block out."
        }
        Reason::TimeRange => "Use a creation time that both versions can hold.",
        Reason::SequenceRange => {
            "Use a smaller sequence number, or --peer-sequence 64 if the receiver keeps 64 bits."
        }
        Reason::ValueRange => {
            "Use a smaller number: service numbers have 32 bits, names 1023 octets."
        }
        Reason::EidScheme => "Use an endpoint of the scheme ipn or dtn.",
        Reason::PeerForm => {
            "Use endpoints that the receiver can be told: --peer says which forms it reads."
        }
        Reason::ReportEmpty => {
            "Nothing of the report is left in the other version: it need not be sent."
        }
        Reason::Expired => "Use a longer lifetime, or a source whose clock is right.",
        Reason::HopLimit => "Use a larger hop limit, or look for a routing loop.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use bundle::{ReasonKind, Version};

    use super::{OWN_RULES, Reason, advice, remedy_of_malformed, remedy_of_refused};

    /// What the reference translator can answer has a remedy of its own.
    #[test]
    fn every_reason_has_advice() {
        for reason in Reason::ALL {
            let own = remedy_of_malformed(*reason, Version::V7).is_some()
                || remedy_of_refused(*reason).is_some();
            assert_eq!(
                own,
                reason.kind() != ReasonKind::FastPathLimit,
                "{reason:?}"
            );
        }
    }

    #[test]
    fn faults_of_the_format_cite_a_standard() {
        let malformed = |reason: &&Reason| reason.kind() == ReasonKind::Malformed;
        for reason in Reason::ALL.iter().filter(malformed) {
            let cites = [Version::V6, Version::V7]
                .map(|version| advice(*reason, Some(version)).rule != OWN_RULES);
            assert!(cites.contains(&true), "{reason:?}");
        }
    }
}
