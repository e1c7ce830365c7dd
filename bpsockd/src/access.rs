// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who may bind which service.

use std::collections::BTreeSet;

use bpsock::Address;
use serde::Deserialize;

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Owner {
    /// The user, as the system knows it.
    pub uid: u32,
    /// Whether the kernel says that the owner may bind reserved services.
    pub is_privileged: bool,
}

/// Who may bind which service. The first rule that fits decides; without one everybody may.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Services below this are for user 0 and privileged owners. Default 0: none are reserved.
    pub reserved_below: u64,
    /// Rules, in their order.
    #[serde(rename = "rule")]
    pub rules: Vec<Rule>,
}

/// Some services, and who may bind them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The first service number. Default 0.
    #[serde(default)]
    pub first: u64,
    /// The last service number. Default: there is no end.
    #[serde(default = "no_end")]
    pub last: u64,
    /// `dtn` names that begin so, instead of service numbers.
    pub name: Option<String>,
    /// User numbers. Nobody else may.
    pub users: BTreeSet<u32>,
}

const fn no_end() -> u64 {
    u64::MAX
}

impl Access {
    /// Whether the owner may bind the address. Service 0, which is any, is looked at when it is chosen.
    #[must_use]
    pub fn allows(&self, owner: Owner, address: &Address) -> bool {
        let service = service(address);
        let trusted = owner.uid == 0 || owner.is_privileged;
        if service.is_some_and(|service| (1..self.reserved_below).contains(&service)) && !trusted {
            return false;
        }
        let rule = self.rules.iter().find(|rule| match (&rule.name, address) {
            (Some(prefix), Address::Dtn(name)) => name.as_str().starts_with(prefix.as_str()),
            (None, _) => service.is_some_and(|it| (rule.first..=rule.last).contains(&it)),
            (Some(_), _) => false,
        });
        rule.is_none_or(|rule| rule.users.contains(&owner.uid))
    }
}

fn service(address: &Address) -> Option<u64> {
    match address {
        Address::Ipn { service, .. } => Some(u64::from(*service)),
        Address::Ipn64 { service, .. } | Address::Ipn3 { service, .. } => Some(*service),
        Address::Dtn(_) | Address::DtnTooLong => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_rule_decides() {
        let access: Access = toml::from_str(
            "reserved_below = 10\n\
             [[rule]]\nfirst = 20\nlast = 29\nusers = [7]\n\
             [[rule]]\nname = \"//n/secret\"\nusers = [8]\n",
        )
        .unwrap();
        let check = |uid, is_privileged, text: &str, expected| {
            let owner = Owner { uid, is_privileged };
            let address = text.parse().unwrap();
            assert_eq!(access.allows(owner, &address), expected, "{uid} {text}");
        };
        check(5, false, "ipn:1.9", false);
        check(5, true, "ipn:1.9", true);
        check(0, false, "ipn:1.9", true);
        check(5, false, "ipn:1.10", true);
        check(5, false, "ipn:1.0", true);
        check(5, false, "ipn:1.20", false);
        check(0, false, "ipn:1.2.29", false);
        check(7, false, "ipn:4294967296.20", true);
        check(5, false, "dtn://n/secrets", false);
        check(8, false, "dtn://n/secrets", true);
        check(5, false, "dtn://n/open", true);
    }
}
