// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a message is sent, in ION's terms.

use bpsock::Address;
use bpsock::abi::{
    BP_FLAG_ACK_REQUESTED, BP_FLAG_NO_FRAGMENT, BP_FLAG_REPORT_DELETION, BP_FLAG_REPORT_DELIVERY,
    BP_FLAG_REPORT_FORWARDING, BP_FLAG_REPORT_RECEPTION,
};
use bundle::Eid;
use rustix::io::Errno;

use super::wire::Manner;
use crate::agent::Outgoing;

/// Status reports, as sockets and as ION ask for them.
const REPORTS: [(u32, u8); 4] = [
    (BP_FLAG_REPORT_RECEPTION, 1),
    (BP_FLAG_REPORT_FORWARDING, 4),
    (BP_FLAG_REPORT_DELIVERY, 8),
    (BP_FLAG_REPORT_DELETION, 16),
];

/// How ION is to send a message.
pub(super) fn manner(message: &Outgoing, default_ms: u64) -> Result<Manner, Errno> {
    let options = message.options;
    let flags = options.chosen_flags();
    // ION has a hop limit of its own, and its programs do not survive an empty message.
    if options.chosen_hop_limit().is_some() || message.data.is_empty() {
        return Err(Errno::OPNOTSUPP);
    }
    // ION takes whole seconds.
    let seconds = options.chosen_lifetime_ms().unwrap_or(default_ms);
    let seconds = i32::try_from(seconds.div_ceil(1000)).ok();
    let seconds = seconds.filter(|seconds| *seconds > 0);
    let priority = u8::try_from(options.chosen_priority().unwrap_or(1)).ok();
    let priority = priority.filter(|priority| *priority <= 2);
    let wanted = REPORTS.iter().filter(|(flag, _)| flags & flag != 0);
    let report_to = message.report_to.as_ref().map(endpoint).transpose()?;
    Ok(Manner {
        destination: endpoint(&message.destination)?,
        report_to,
        lifetime_s: seconds.ok_or(Errno::INVAL)?,
        priority: priority.ok_or(Errno::INVAL)?,
        reports: wanted.map(|(_, bit)| bit).sum(),
        wants_answer: flags & BP_FLAG_ACK_REQUESTED != 0,
        may_fragment: flags & BP_FLAG_NO_FRAGMENT == 0,
    })
}

/// The endpoint as ION reads it: its service numbers have 32 bits, and what is longer it would read as another one.
fn endpoint(address: &Address) -> Result<String, Errno> {
    let eid = address.eid().map_err(|_| Errno::AFNOSUPPORT)?;
    match &eid {
        Eid::Ipn { service, .. } if u32::try_from(*service).is_err() => Err(Errno::AFNOSUPPORT),
        _ => Ok(eid.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use bpsock::abi::Options;

    use super::*;

    fn with(options: Options) -> Result<Manner, Errno> {
        let message = Outgoing {
            destination: Address::ipn(2, 7),
            options,
            report_to: None,
            data: vec![1],
        };
        manner(&message, 86_400_000)
    }

    #[test]
    fn options_are_those_of_ion() {
        let none = with(Options::default()).expect("ION can");
        let seen = (none.lifetime_s, none.priority, none.reports);
        assert_eq!(seen, (86_400, 1, 0));
        let flags = BP_FLAG_REPORT_DELIVERY | BP_FLAG_NO_FRAGMENT;
        let options = Options::default().lifetime_ms(1001).priority(2);
        let some = with(options.flags(flags)).expect("ION can");
        let seen = (some.lifetime_s, some.priority, some.reports);
        assert_eq!(seen, (2, 2, 8));
        assert!(!some.may_fragment);
        let refused = |options| with(options).expect_err("ION cannot");
        assert_eq!(refused(Options::default().hop_limit(3)), Errno::OPNOTSUPP);
        assert_eq!(refused(Options::default().priority(3)), Errno::INVAL);
        assert_eq!(refused(Options::default().lifetime_ms(0)), Errno::INVAL);
        let long = Options::default().lifetime_ms(u64::MAX);
        assert_eq!(refused(long), Errno::INVAL);
        let wide = Address::Ipn64 {
            node: 2,
            service: 1 << 32,
        };
        assert_eq!(endpoint(&wide), Err(Errno::AFNOSUPPORT));
    }
}
