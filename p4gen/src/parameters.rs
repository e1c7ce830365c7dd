// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a program is generated for: the target and its limits, and the user's choices.

use core::fmt;

pub use bundle::translate::Profile;

/// The longest payload that fits into a UDP datagram over IPv4, in octets.
pub const LARGEST_PAYLOAD: u32 = 65_507;

/// The most extension blocks: their numbers are one octet each in version 7.
pub const MOST_BLOCKS: u32 = 20;

/// The most UDP ports of the convergence layer.
pub const MOST_PORTS: usize = 8;

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
    /// The UDP ports of the convergence layer.
    pub udp_ports: UdpPorts,
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
            udp_ports: UdpPorts::default(),
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
    /// A port is given twice.
    #[error("--udp-port {0} is given twice: give it once")]
    PortTwice(u16),
    /// Each port is a choice of the parser.
    #[error("{0} times --udp-port is too often: choose 1 to {MOST_PORTS} ports")]
    TooManyPorts(usize),
}

/// The UDP ports of the convergence layer, from one to [`MOST_PORTS`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UdpPorts([u16; MOST_PORTS]);

impl UdpPorts {
    /// These ports.
    ///
    /// # Errors
    ///
    /// None, too many, port 0, or one of them twice.
    pub fn new(ports: &[u16]) -> Result<Self, ParameterError> {
        let mut places = [0; MOST_PORTS];
        let free = places
            .get_mut(..ports.len())
            .filter(|free| !free.is_empty());
        let Some(free) = free else {
            return Err(ParameterError::TooManyPorts(ports.len()));
        };
        free.copy_from_slice(ports);
        for (at, &port) in ports.iter().enumerate() {
            if port == 0 {
                return Err(ParameterError::PortZero);
            }
            if ports[..at].contains(&port) {
                return Err(ParameterError::PortTwice(port));
            }
        }
        Ok(Self(places))
    }

    /// The ports, in the order in which they were given.
    pub fn iter(self) -> impl Iterator<Item = u16> {
        self.0.into_iter().take_while(|&port| port != 0)
    }
}

impl Default for UdpPorts {
    /// The registered port.
    fn default() -> Self {
        let mut places = [0; MOST_PORTS];
        places[0] = 4556;
        Self(places)
    }
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
        Ok(())
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "--target {} --profile {} --max-payload {} --max-blocks {} --max-eid {}",
            self.target, self.profile, self.max_payload, self.max_blocks, self.max_eid,
        )?;
        for port in self.udp_ports.iter() {
            write!(f, " --udp-port {port}")?;
        }
        Ok(())
    }
}
