// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What becomes of a datagram on its way to one receiver.

use bundle::fragment::{FragmentError, fragment};
use bundle::translate::Node;
use bundle::{Policy, Reason, Refusal, Version, relay, translate, version};
use contact::NodeNumber;

use crate::datagram::{Datagram, TooLong};
use crate::inject::Inject;
use crate::punt::PortId;

/// A receiver of bundles, as this node knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Receiver {
    /// The version that it reads.
    pub speaks: Version,
    /// How bundles for it are translated. The residence time in it is that of none.
    pub policy: Policy,
    /// The port of the switch that leads to it.
    pub egress_port: PortId,
    /// The largest IP packet that the path takes. `None`: any.
    pub mtu: Option<u16>,
    /// Its number in the contact plan. `None`: it can always be reached.
    pub neighbour: Option<NodeNumber>,
}

/// Frames for the switch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prepared {
    /// The frames with their inject headers, in the order of the payload.
    pub frames: Vec<Vec<u8>>,
    /// The version that the bundle was translated into. `None` if it was readable as it came.
    pub translated: Option<Version>,
}

impl Receiver {
    /// Makes the frames for a bundle that was so long at this node.
    ///
    /// # Errors
    ///
    /// The bundle cannot be translated, or does not fit the path.
    pub fn prepare(
        &self,
        datagram: &Datagram<'_>,
        residence_ms: u64,
    ) -> Result<Prepared, Obstacle> {
        let octets = datagram.bundle();
        let node = self.policy.node.as_ref().map(|node| Node {
            residence_ms,
            ..node.clone()
        });
        let (octets, translated) = if version(octets) == Some(self.speaks) {
            let same = match node {
                Some(node) => relay(octets, &node, self.policy.tolerance)?,
                None => octets.to_vec(),
            };
            (same, None)
        } else {
            let policy = Policy {
                node,
                ..self.policy.clone()
            };
            let translation = translate(octets, &policy)?;
            (translation.octets, Some(translation.version))
        };
        let fragments = match self.mtu {
            None => vec![octets],
            Some(mtu) => {
                let room = usize::from(mtu).saturating_sub(datagram.overhead());
                fragment(&octets, room)?
            }
        };
        let inject = |bundle: &Vec<u8>| {
            let frame = datagram.with_bundle(bundle)?;
            let egress_port = self.egress_port;
            let frame = &frame;
            Ok(Inject { egress_port, frame }.encode())
        };
        let frames = fragments.iter().map(inject).collect::<Result<_, TooLong>>();
        Ok(Prepared {
            frames: frames?,
            translated,
        })
    }
}

/// Why there is no frame for a receiver.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Obstacle {
    /// The bundle cannot be translated, or not be passed on as it is.
    #[error("bundle is refused")]
    Refusal(#[from] Refusal),
    /// The path takes shorter packets only.
    #[error("bundle cannot be divided for the path")]
    Fragment(#[from] FragmentError),
    /// The bundle does not fit into a datagram.
    #[error("bundle does not fit")]
    TooLong(#[from] TooLong),
}

impl Obstacle {
    /// The reason for counters and logs.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Refusal(refusal) => refusal.reason,
            Self::Fragment(FragmentError::Decode(error)) => error.fault.reason(),
            Self::Fragment(_) | Self::TooLong(_) => Reason::Mtu,
        }
    }
}
