// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The header in front of a frame that the node sends into the switch: where it is to leave.
//!
//! `docs/punt.md` specifies it for the authors of switch programs.

use crate::punt::PortId;

/// The `EtherType`: the second of the two that IEEE 802 sets aside for local experiments.
pub const ETHER_TYPE: u16 = 0x88b6;

/// The length of the header. The frame follows it.
pub const HEADER_LEN: usize = 16;

/// In the place of a port: the one that the frame's Ethernet destination is behind.
pub const LEARNED_PORT: PortId = PortId(0xffff);

const ADDRESSES: [u8; 12] = [0; 12];
const ETHER_TYPE_OFFSET: usize = 12;

/// A frame for the switch to send as it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Inject<'a> {
    /// The port that it leaves by, or [`LEARNED_PORT`].
    pub egress_port: PortId,
    /// The frame.
    pub frame: &'a [u8],
}

impl<'a> Inject<'a> {
    /// The header and the frame, as the node sends them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(HEADER_LEN + self.frame.len());
        octets.extend_from_slice(&ADDRESSES);
        octets.extend_from_slice(&ETHER_TYPE.to_be_bytes());
        octets.extend_from_slice(&self.egress_port.0.to_be_bytes());
        octets.extend_from_slice(self.frame);
        octets
    }

    /// Takes a frame to the switch apart.
    ///
    /// # Errors
    ///
    /// The octets are no inject header.
    pub fn decode(input: &'a [u8]) -> Result<Self, InjectError> {
        let Some((header, frame)) = input.split_first_chunk::<HEADER_LEN>() else {
            return Err(InjectError {
                offset: input.len(),
                fault: InjectFault::Truncated,
            });
        };
        let [addresses @ .., t0, t1, p0, p1] = *header;
        if let Some(offset) = addresses.iter().position(|&octet| octet != 0) {
            let fault = InjectFault::Address;
            return Err(InjectError { offset, fault });
        }
        let ether_type = u16::from_be_bytes([t0, t1]);
        if ether_type != ETHER_TYPE {
            return Err(InjectError {
                offset: ETHER_TYPE_OFFSET,
                fault: InjectFault::EtherType(ether_type),
            });
        }
        Ok(Self {
            egress_port: PortId(u16::from_be_bytes([p0, p1])),
            frame,
        })
    }
}

/// Where an inject header is wrong, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("cannot decode inject header at octet {offset}")]
pub struct InjectError {
    /// Distance from the start of the input, in octets.
    pub offset: usize,
    /// The rule that the input breaks.
    #[source]
    pub fault: InjectFault,
}

/// A rule of the inject header that an input breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InjectFault {
    /// The input is shorter than the header.
    #[error("input is shorter than the header")]
    Truncated,
    /// An address is not zero.
    #[error("address is not zero")]
    Address,
    /// The `EtherType` is another one.
    #[error("EtherType is {0:#06x}, expected 0x88b6")]
    EtherType(u16),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(octets: &[u8]) -> Option<(usize, InjectFault)> {
        let error = Inject::decode(octets).err()?;
        Some((error.offset, error.fault))
    }

    #[test]
    fn fields_are_where_the_specification_has_them() {
        let inject = Inject {
            egress_port: PortId(0x0102),
            frame: &[0xaa, 0xbb],
        };
        let octets = [
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x88, 0xb6, 1, 2, 0xaa, 0xbb,
        ];
        assert_eq!(inject.encode(), octets);
        assert_eq!(Inject::decode(&octets), Ok(inject));
    }

    #[test]
    fn errors_say_where() {
        let octets = Inject {
            egress_port: PortId(1),
            frame: &[],
        }
        .encode();
        for len in 0..HEADER_LEN {
            assert_eq!(fault(&octets[..len]), Some((len, InjectFault::Truncated)));
        }
        let mut changed = octets.clone();
        changed[3] = 1;
        assert_eq!(fault(&changed), Some((3, InjectFault::Address)));
        let mut changed = octets;
        changed[13] = 0xb5;
        assert_eq!(fault(&changed), Some((12, InjectFault::EtherType(0x88b5))));
    }
}
