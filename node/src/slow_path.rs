// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The slow path: the frame that arrived, with its bundle in the other version.

use bundle::{Policy, Reason, Refusal};

use crate::datagram::{Datagram, DatagramError, TooLong};

/// Translates the bundle in a frame into the other version, and returns the frame to send.
///
/// The frame is the one inside a [`Punt`](crate::punt::Punt), without the punt header. Addresses
/// and ports stay the same. The result may be longer than the link takes, and shorter than the
/// 60 octets that Ethernet pads to: both are up to the sender, who knows the link.
///
/// # Errors
///
/// There is no datagram in the frame, its bundle cannot be translated, or the result does not
/// fit into a datagram.
pub fn translate(frame: &[u8], policy: &Policy) -> Result<Vec<u8>, SlowPathError> {
    let datagram = Datagram::decode(frame)?;
    let translation = bundle::translate(datagram.bundle(), policy)?;
    Ok(datagram.with_bundle(&translation.octets)?)
}

/// Why the slow path has no frame to send.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SlowPathError {
    /// There is no datagram in the frame.
    #[error("frame carries no bundle")]
    Datagram(#[from] DatagramError),
    /// The bundle cannot be translated.
    #[error("bundle is refused")]
    Refusal(#[from] Refusal),
    /// The result does not fit into a datagram.
    #[error("translated bundle does not fit")]
    TooLong(#[from] TooLong),
}

impl SlowPathError {
    /// The reason for counters, digests and logs.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Datagram(_) => Reason::Encapsulation,
            Self::Refusal(refusal) => refusal.reason,
            Self::TooLong(_) => Reason::Mtu,
        }
    }
}
