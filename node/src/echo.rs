// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A frame that the node sends to itself through the switch: when it is back, the switch has handed out
//! everything that went before it.
//!
//! `docs/punt.md` specifies it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::inject::{ETHER_TYPE, Inject};
use crate::link::{Link, SendError};
use crate::punt::PortId;

/// In the place of the egress port: this is an echo, and its number follows.
const ECHO: [u8; 2] = [0xff, 0xfe];
/// Frames of Ethernet are no shorter.
const LEN: usize = 60;
/// How long an echo takes at most. A switch that is slower gets the bundles once more.
const DEADLINE: Duration = Duration::from_secs(1);

/// Asks for echoes.
#[derive(Debug)]
pub(crate) struct Echoes {
    /// The port of the switch behind which the node is.
    port: PortId,
    heard: watch::Receiver<u64>,
    last: u64,
}

impl Echoes {
    /// `first` tells the echoes of this life from those of the last one.
    pub(crate) fn new(port: PortId, heard: watch::Receiver<u64>, first: u64) -> Self {
        Self {
            port,
            heard,
            last: first,
        }
    }

    /// Whether the switch answers.
    pub(crate) async fn ask(&mut self, link: &Link) -> Result<bool, SendError> {
        self.last = self.last.wrapping_add(1);
        let number = self.last;
        let frame = encode(number);
        let inject = Inject {
            egress_port: self.port,
            frame: &frame,
        };
        link.send(&inject.encode()).await?;
        let heard = self.heard.wait_for(|heard| *heard == number);
        Ok(timeout(DEADLINE, heard)
            .await
            .is_ok_and(|heard| heard.is_ok()))
    }
}

fn encode(number: u64) -> Vec<u8> {
    let mut frame = vec![0; LEN];
    frame[12..14].copy_from_slice(&ETHER_TYPE.to_be_bytes());
    frame[14..16].copy_from_slice(&ECHO);
    frame[16..24].copy_from_slice(&number.to_be_bytes());
    frame
}

/// The number of an echo, if a frame from the switch is one.
pub(crate) fn decode(frame: &[u8]) -> Option<u64> {
    let (addresses, rest) = frame.split_first_chunk::<12>()?;
    let rest = rest.strip_prefix(&ETHER_TYPE.to_be_bytes())?;
    let rest = rest.strip_prefix(&ECHO)?;
    let is_ours = addresses.iter().all(|octet| *octet == 0);
    let number = rest.first_chunk().filter(|_| is_ours)?;
    Some(u64::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_are_known_by_their_numbers() {
        assert_eq!(decode(&encode(7)), Some(7));
        assert_eq!(decode(&encode(7)[..23]), None);
        assert_eq!(decode(&[0; LEN]), None);
        let mut other = encode(7);
        other[3] = 1;
        assert_eq!(decode(&other), None);
    }
}
