// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole bundles of version 7, for agents that take them from applications.

use bpsock::Address;
use bpsock::abi::{
    BP_FLAG_REPORT_DELETION, BP_FLAG_REPORT_DELIVERY, BP_FLAG_REPORT_FORWARDING,
    BP_FLAG_REPORT_RECEPTION, BundleId,
};
use bundle::Version;
use bundle::v7::CrcType;
use rustix::io::Errno;

use crate::agent::Outgoing;
use crate::leaf::form::{Crcs, Draft};
use crate::leaf::now_ms;

const REPORTS: u32 = BP_FLAG_REPORT_RECEPTION
    | BP_FLAG_REPORT_FORWARDING
    | BP_FLAG_REPORT_DELIVERY
    | BP_FLAG_REPORT_DELETION;

/// Makes bundles, no two of them with the same time and number.
#[derive(Debug)]
pub(crate) struct Maker {
    /// The lifetime of messages whose sender does not choose one.
    lifetime_ms: u64,
    last: BundleId,
}

impl Maker {
    pub(crate) fn new(lifetime_ms: u64) -> Self {
        Self {
            lifetime_ms,
            last: BundleId::default(),
        }
    }

    /// The bundle of a message, and its identity. Reports go to the node, if the message does not
    /// say otherwise.
    pub(crate) fn encode(
        &mut self,
        message: &Outgoing,
        source: &Address,
        node: &Address,
    ) -> Result<(BundleId, Vec<u8>), Errno> {
        let options = message.options;
        let flags = options.chosen_flags();
        let lifetime_ms = options.chosen_lifetime_ms().unwrap_or(self.lifetime_ms);
        let hop_limit = options.chosen_hop_limit();
        if lifetime_ms == 0 || hop_limit.is_some_and(|limit| !(1..=255).contains(&limit)) {
            return Err(Errno::INVAL);
        }
        match options.chosen_priority() {
            None | Some(1) => {}
            // Version 7 has none.
            Some(0 | 2) => return Err(Errno::OPNOTSUPP),
            Some(_) => return Err(Errno::INVAL),
        }
        let report_to = message.report_to.as_ref();
        let draft = Draft {
            source,
            destination: &normal(&message.destination).ok_or(Errno::AFNOSUPPORT)?,
            report_to: report_to.or_else(|| (flags & REPORTS != 0).then_some(node)),
            bundle: self.next(),
            lifetime_ms,
            flags,
            hop_limit,
            priority: 1,
            data: &message.data,
        };
        let crcs = Crcs {
            primary: CrcType::Crc16,
            blocks: CrcType::None,
        };
        let encoded = draft.encode(Version::V7, crcs);
        let octets = encoded.map_err(|_| Errno::AFNOSUPPORT)?;
        Ok((draft.bundle, octets))
    }

    fn next(&mut self) -> BundleId {
        let now = now_ms();
        if now > self.last.creation_ms {
            self.last = BundleId {
                creation_ms: now,
                sequence: 0,
            };
        } else {
            self.last.sequence += 1;
        }
        self.last
    }
}

/// The address in the form that every agent reads: two elements for `ipn`.
pub(crate) fn normal(address: &Address) -> Option<Address> {
    Some(Address::from_eid(&address.eid().ok()?))
}

/// Whether any service will do: then nobody will ask for the one again that is chosen.
pub(crate) const fn is_passing(wanted: &Address) -> bool {
    match wanted {
        Address::Ipn { service, .. } => *service == 0,
        Address::Ipn64 { service, .. } | Address::Ipn3 { service, .. } => *service == 0,
        _ => false,
    }
}
