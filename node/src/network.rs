// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Networks of either IP version, and a table that finds the longest one for an address.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;

/// An IP network: an address and the length of its prefix, without host bits.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub struct Network {
    address: IpAddr,
    prefix_len: u8,
}

/// A text that is not a network.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is not a network of the form ADDRESS/LENGTH without host bits")]
pub struct NetworkError(String);

impl TryFrom<String> for Network {
    type Error = NetworkError;

    /// Without a length the network is one address.
    fn try_from(text: String) -> Result<Self, NetworkError> {
        let read = || {
            let (address, length) = match text.split_once('/') {
                Some((address, length)) => (address, Some(length)),
                None => (text.as_str(), None),
            };
            let address: IpAddr = address.parse().ok()?;
            let prefix_len = match length {
                Some(length) => length.parse().ok()?,
                None => width(address),
            };
            let inside =
                prefix_len <= width(address) && masked(address, prefix_len) == bits(address);
            inside.then_some(Self {
                address,
                prefix_len,
            })
        };
        read().ok_or_else(|| NetworkError(text.clone()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

/// Values by network.
#[derive(Clone, Debug)]
pub struct PrefixTable<T> {
    /// By version and length, the longest first, then by the bits of the prefix.
    lengths: BTreeMap<(bool, Reverse<u8>), HashMap<u128, T>>,
}

impl<T> Default for PrefixTable<T> {
    fn default() -> Self {
        Self {
            lengths: BTreeMap::new(),
        }
    }
}

impl<T> PrefixTable<T> {
    /// Adds a network, and returns the value that it had.
    pub fn insert(&mut self, network: Network, value: T) -> Option<T> {
        let key = (network.address.is_ipv6(), Reverse(network.prefix_len));
        let prefix = bits(network.address);
        self.lengths.entry(key).or_default().insert(prefix, value)
    }

    /// The value of the longest network with this address.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Option<&T> {
        let version = address.is_ipv6();
        let range = (version, Reverse(u8::MAX))..=(version, Reverse(0));
        self.lengths
            .range(range)
            .find_map(|((_, Reverse(len)), values)| values.get(&masked(address, *len)))
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The bits of the prefix, and zeros. The length is at most that of the address.
fn masked(address: IpAddr, prefix_len: u8) -> u128 {
    let hosts = u32::from(width(address).saturating_sub(prefix_len));
    let ones = u128::MAX.checked_shl(hosts).unwrap_or(0);
    bits(address) & ones
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.to_owned().try_into().expect("the text is a network")
    }

    #[test]
    fn the_longest_network_is_found() {
        let mut table = PrefixTable::default();
        for text in ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "fd00::/8", "::/0"] {
            assert_eq!(table.insert(network(text), text), None);
        }
        let found = |text: &str| table.find(text.parse().expect("an address")).copied();
        assert_eq!(found("10.9.9.9"), Some("10.0.0.0/8"));
        assert_eq!(found("10.1.9.9"), Some("10.1.0.0/16"));
        assert_eq!(found("10.1.2.3"), Some("10.1.2.3"));
        assert_eq!(found("11.0.0.1"), None);
        assert_eq!(found("fd00::1"), Some("fd00::/8"));
        assert_eq!(found("2001:db8::1"), Some("::/0"));
        assert_eq!(table.insert(network("10.0.0.0/8"), ""), Some("10.0.0.0/8"));
    }

    #[test]
    fn host_bits_and_nonsense_are_refused() {
        for text in [
            "10.0.0.1/8",
            "10.0.0.0/33",
            "fd00::1/64",
            "::/129",
            "",
            "/8",
            "10.0.0.0/",
        ] {
            assert!(Network::try_from(text.to_owned()).is_err(), "{text:?}");
        }
        assert_eq!(network("10.0.0.1").to_string(), "10.0.0.1/32");
    }
}
