// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a program is generated for: the target and its limits, and the user's choices.

use core::fmt;

/// The longest payload that fits into a UDP datagram over IPv4, in octets.
pub const LARGEST_PAYLOAD: u32 = 65_507;

/// The most extension blocks: their numbers are one octet each in version 7.
pub const MOST_BLOCKS: u32 = 20;

/// Limits of the length of names, in octets. Three of them fill a part of the new head.
pub const EID_OCTETS: core::ops::RangeInclusive<u32> = 8..=72;

/// A P4 target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// The v1model architecture, as BMv2's `simple_switch_grpc` and `p4switch` run it.
    Bmv2,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bmv2 => "bmv2",
        })
    }
}

/// How creation times and sequence numbers cross between the versions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// The milliseconds are the last three decimal digits of the version 6 sequence number.
    A,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
        })
    }
}

/// The choices that make one program out of many. Equal parameters give equal programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parameters {
    /// Where the program runs.
    pub target: Target,
    /// How identities cross.
    pub profile: Profile,
    /// The longest payload that the program carries, in octets.
    pub max_payload: u32,
    /// The most extension blocks that a bundle may have.
    pub max_blocks: u32,
    /// The longest name of a `dtn` endpoint, without its scheme, in octets.
    pub max_eid: u32,
    /// The UDP port of the convergence layer.
    pub udp_port: u16,
}

impl Default for Parameters {
    /// A program for links with the MTU of Ethernet.
    fn default() -> Self {
        Self {
            target: Target::Bmv2,
            profile: Profile::A,
            max_payload: 1400,
            max_blocks: 8,
            max_eid: 64,
            udp_port: 4556,
        }
    }
}

/// A parameter that no program can have, with what to do about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParameterError {
    /// No datagram can hold such a payload.
    #[error(
        "--max-payload {0} is more than a UDP datagram holds: choose at most {LARGEST_PAYLOAD}, \
         or 1400 for links with the MTU of Ethernet"
    )]
    PayloadTooLong(u32),
    /// The numbers of so many blocks are longer than one octet.
    #[error(
        "--max-blocks {0} is out of range: choose 1 to {MOST_BLOCKS}; 8 is more than is seen in the field"
    )]
    TooManyBlocks(u32),
    /// Three names of this length do not fit into a part of the new head.
    #[error(
        "--max-eid {0} is out of range: choose {least} to {most}, or 64, the default",
        least = EID_OCTETS.start(),
        most = EID_OCTETS.end()
    )]
    EidOctets(u32),
    /// Port 0 is not a port that a datagram can be sent to.
    #[error("--udp-port 0 cannot receive datagrams: choose 4556, the registered port, or another")]
    PortZero,
}

impl Parameters {
    /// Checks what the types do not.
    ///
    /// # Errors
    ///
    /// Names the parameter, its limit and a better choice.
    pub fn check(self) -> Result<(), ParameterError> {
        if self.max_payload > LARGEST_PAYLOAD {
            return Err(ParameterError::PayloadTooLong(self.max_payload));
        }
        if !(1..=MOST_BLOCKS).contains(&self.max_blocks) {
            return Err(ParameterError::TooManyBlocks(self.max_blocks));
        }
        if !EID_OCTETS.contains(&self.max_eid) {
            return Err(ParameterError::EidOctets(self.max_eid));
        }
        if self.udp_port == 0 {
            return Err(ParameterError::PortZero);
        }
        Ok(())
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "--target {} --profile {} --max-payload {} --max-blocks {} --max-eid {} --udp-port {}",
            self.target,
            self.profile,
            self.max_payload,
            self.max_blocks,
            self.max_eid,
            self.udp_port
        )
    }
}
