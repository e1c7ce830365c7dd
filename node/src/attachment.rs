// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the place of the switch is written.

use std::fmt;
use std::net::SocketAddr;

use serde::Deserialize;

/// Where the switch is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub enum Attachment {
    /// One frame in each datagram, as the UDP ports of `p4switch` have it.
    Udp {
        /// Address to bind.
        local: SocketAddr,
        /// Address to send to. Frames from others are not accepted.
        peer: SocketAddr,
    },
    /// A Linux interface. Needs `CAP_NET_RAW`.
    Interface(String),
}

/// A text that says no place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{0:?} is neither udp:LOCAL=PEER, for example udp:127.0.0.1:6003=127.0.0.1:5003, \
    nor the name of an interface"
)]
pub struct AttachmentError(String);

impl TryFrom<String> for Attachment {
    type Error = AttachmentError;

    fn try_from(text: String) -> Result<Self, AttachmentError> {
        let read = || match text.strip_prefix("udp:") {
            Some(pair) => {
                let (local, peer) = pair.split_once('=')?;
                let (local, peer) = (local.parse().ok()?, peer.parse().ok()?);
                Some(Self::Udp { local, peer })
            }
            None => is_interface(&text).then(|| Self::Interface(text.clone())),
        };
        read().ok_or_else(|| AttachmentError(text.clone()))
    }
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp { local, peer } => write!(f, "udp:{local}={peer}"),
            Self::Interface(name) => f.write_str(name),
        }
    }
}

/// What Linux takes as a name: `IFNAMSIZ` counts the zero octet at the end.
fn is_interface(text: &str) -> bool {
    let allowed = |c: char| !c.is_whitespace() && !['/', ':', '\0'].contains(&c);
    (1..16).contains(&text.len()) && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written() {
        for text in ["udp:127.0.0.1:0=[::1]:5003", "veth-s1.3"] {
            let place = Attachment::try_from(text.to_owned());
            assert_eq!(place.expect("it is a place").to_string(), text);
        }
        for text in [
            "",
            "udp:127.0.0.1:1",
            "udp:a=b",
            "a b",
            "name-of-16-chars",
            "1@veth0:1",
        ] {
            assert!(Attachment::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
