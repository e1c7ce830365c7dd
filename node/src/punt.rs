// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The header that the switch puts in front of a frame that it hands to the slow path.
//!
//! `docs/punt.md` specifies it for the authors of switch programs.

use bundle::{Reason, Version};

/// The `EtherType`: the first of the two that IEEE 802 sets aside for local experiments.
pub const ETHER_TYPE: u16 = 0x88b5;

/// The length of the header. The punted frame follows it.
pub const HEADER_LEN: usize = 18;

/// Both addresses. The link to the slow path has two ends, so it needs none.
const ADDRESSES: [u8; 12] = [0; 12];

const ETHER_TYPE_OFFSET: usize = 12;
const REASON_OFFSET: usize = 14;
const VERSION_OFFSET: usize = 15;

/// The number of a port of the switch, as P4Runtime and the switch program know it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PortId(pub u16);

/// A frame that the switch program did not finish, and why.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Punt<'a> {
    /// What stopped the program.
    pub reason: Reason,
    /// The version of the bundle. `None` if the program did not come so far as to know it.
    pub version: Option<Version>,
    /// The port at which the frame arrived.
    pub ingress_port: PortId,
    /// The frame as it arrived, and what the link to the slow path may have padded it with.
    pub frame: &'a [u8],
}

impl<'a> Punt<'a> {
    /// Takes a frame from the switch apart.
    ///
    /// # Errors
    ///
    /// The octets are no punt header, or use a code that this node does not know.
    pub fn decode(input: &'a [u8]) -> Result<Self, PuntError> {
        let Some((header, frame)) = input.split_first_chunk::<HEADER_LEN>() else {
            return Err(PuntError {
                offset: input.len(),
                fault: PuntFault::Truncated,
            });
        };
        let [addresses @ .., t0, t1, reason, version, p0, p1] = *header;
        if let Some(offset) = addresses.iter().position(|&octet| octet != 0) {
            return Err(PuntError {
                offset,
                fault: PuntFault::Address,
            });
        }
        let ether_type = u16::from_be_bytes([t0, t1]);
        if ether_type != ETHER_TYPE {
            let fault = PuntFault::EtherType(ether_type);
            return Err(PuntError {
                offset: ETHER_TYPE_OFFSET,
                fault,
            });
        }
        let reason = Reason::from_code(reason).ok_or(PuntError {
            offset: REASON_OFFSET,
            fault: PuntFault::Reason(reason),
        })?;
        let version = match version {
            0 => None,
            6 => Some(Version::V6),
            7 => Some(Version::V7),
            other => {
                let fault = PuntFault::Version(other);
                return Err(PuntError {
                    offset: VERSION_OFFSET,
                    fault,
                });
            }
        };
        Ok(Self {
            reason,
            version,
            ingress_port: PortId(u16::from_be_bytes([p0, p1])),
            frame,
        })
    }

    /// The header and the frame, as the switch sends them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let version = match self.version {
            None => 0,
            Some(Version::V6) => 6,
            Some(Version::V7) => 7,
        };
        let mut octets = Vec::with_capacity(HEADER_LEN + self.frame.len());
        octets.extend_from_slice(&ADDRESSES);
        octets.extend_from_slice(&ETHER_TYPE.to_be_bytes());
        octets.extend_from_slice(&[self.reason.code(), version]);
        octets.extend_from_slice(&self.ingress_port.0.to_be_bytes());
        octets.extend_from_slice(self.frame);
        octets
    }
}

/// Where a punt header is wrong, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cannot decode punt header at octet {offset}")]
pub struct PuntError {
    /// Distance from the start of the input, in octets.
    pub offset: usize,
    /// The rule that the input breaks.
    #[source]
    pub fault: PuntFault,
}

/// A rule of the punt header that an input breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PuntFault {
    /// The input is shorter than the header.
    #[error("input is shorter than the header")]
    Truncated,
    /// An address is not zero, so the frame is not from the switch program.
    #[error("address is not zero")]
    Address,
    /// The `EtherType` is another one: the frame was not punted.
    #[error("EtherType is {0:#06x}, expected 0x88b5")]
    EtherType(u16),
    /// No [`Reason`] has this code.
    #[error("reason code {0} is unknown")]
    Reason(u8),
    /// The bundle version is not 0, 6 or 7.
    #[error("bundle version is {0}, expected 0, 6 or 7")]
    Version(u8),
}
