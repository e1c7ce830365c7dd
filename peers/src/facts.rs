// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Questions about a bundle on which the rules of more than one peer depend.

use bundle::v7;
use bundle::v7::{AdminRecord, Block, BundleFlags, Content, Eid, StatusReport, Tolerance};

use crate::{Case, Difference, Theirs, ours};

impl Case<'_> {
    /// Whether the bundle can be read, and something is true of it.
    pub(crate) fn is(&self, question: impl Fn(&v7::Bundle<'_>) -> bool) -> bool {
        self.bundle.is_some_and(question)
    }

    /// Whether something is true of an endpoint ID of the primary block or of the previous node.
    pub(crate) fn has_eid(&self, question: impl Fn(&Eid<'_>) -> bool) -> bool {
        let Some(bundle) = self.bundle else {
            return false;
        };
        let primary = &bundle.primary;
        let previous = bundle.blocks.iter().any(|block| match block.content() {
            Ok(Content::PreviousNode(eid)) => question(&eid),
            _ => false,
        });
        let addresses = [&primary.destination, &primary.source, &primary.report_to];
        previous || addresses.into_iter().any(question)
    }

    /// Whether something is true of a block.
    pub(crate) fn has_block(&self, question: impl Fn(&Block<'_>) -> bool) -> bool {
        self.is(|bundle| bundle.blocks.iter().any(&question))
    }

    /// The value of a field, if the peer accepts the bundle and has this field.
    pub(crate) fn theirs_field(&self, name: &str) -> Option<&str> {
        match self.theirs {
            Theirs::Accepted { fields, .. } => fields.get(name).map(String::as_str),
            Theirs::Refused(_) => None,
        }
    }

    /// Whether the bundle carries a status report, and something is true of it.
    pub(crate) fn is_report(&self, question: impl Fn(&StatusReport<'_>) -> bool) -> bool {
        self.is(|bundle| {
            let record = AdminRecord::decode(bundle.payload(), Tolerance::LENIENT);
            matches!(record, Ok(AdminRecord::StatusReport(report)) if question(&report))
        })
    }

    /// Whether the peer names an endpoint of "the local node", which has no meaning elsewhere.
    pub(crate) fn names_local_node(&self) -> bool {
        let Theirs::Accepted { fields, .. } = self.theirs else {
            return false;
        };
        fields.values().any(|value| {
            let is_local = |node: &str| value.starts_with(&format!("ipn:{node}."));
            is_local("!") || is_local(&u32::MAX.to_string())
        })
    }

    /// Whether the peer means what we mean by the octets into which the peer turned a bundle that
    /// was spelled otherwise.
    ///
    /// Administrative records are left out: they have rules of their own.
    pub(crate) fn was_normalised(&self, octets: &[u8], theirs: &Theirs) -> bool {
        let Theirs::Accepted { fields, .. } = theirs else {
            return false;
        };
        octets != self.octets
            && ours::read_v7(octets, Tolerance::LENIENT).is_ok_and(|bundle| {
                // hardy's builder gives new block numbers.
                let is_silent = |name: &str| {
                    name.starts_with("rec")
                        || name.starts_with("report ")
                        || name.ends_with(" number")
                };
                Difference::fields(&ours::fields_v7(&bundle), fields, is_silent).is_empty()
            })
    }
}

/// Whether the bundle asks for reports about itself although nobody may be told.
pub(crate) fn asks_in_vain(bundle: &v7::Bundle<'_>) -> bool {
    bundle.primary.is_unreportable() && bundle.primary.flags.intersects(BundleFlags::REPORTS)
}

/// Whether an endpoint ID is one of the null endpoint, not in its preferred spelling.
pub(crate) fn is_odd_null(eid: &Eid<'_>) -> bool {
    eid.is_null() && *eid != Eid::DtnNone
}

/// Whether an endpoint ID has three numbers.
pub(crate) fn has_three_numbers(eid: &Eid<'_>) -> bool {
    matches!(eid, Eid::IpnWithAllocator { .. })
}

/// Whether an endpoint ID is `dtn:none` as text.
pub(crate) fn is_none_as_text(eid: &Eid<'_>) -> bool {
    matches!(eid, Eid::Dtn(ssp) if ssp == "none")
}

/// Whether an endpoint ID is of a scheme that this project does not know.
pub(crate) fn is_of_other_scheme(eid: &Eid<'_>) -> bool {
    matches!(eid, Eid::Other { .. })
}

/// Whether an endpoint ID of the scheme `dtn` has no slash after the name of the node.
pub(crate) fn has_no_demux(eid: &Eid<'_>) -> bool {
    matches!(eid, Eid::Dtn(ssp) if ssp.len() > 2 && !ssp[2..].contains('/'))
}
