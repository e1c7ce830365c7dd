// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a translating switch has to do with a frame, and whether it did.

mod faults;
mod limits;
mod mended;

use bundle::{Policy, Reason, ReasonKind, Refusal, Version, relay, translate};

use crate::{
    frame::{Datagram, checksum_faults},
    traffic::{Input, Side},
};

pub use limits::Limits;

/// Octets of the header in front of a punted packet.
const PUNT_HEADER: usize = 18;
/// Where the reason code stands in it; the bundle version and the ingress port follow.
const PUNT_REASON: usize = 14;

/// Where a switch under test leads punted packets.
pub const SLOW_PATH_PORT: u16 = 3;

/// What became of a frame, where that is right.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Outcome {
    /// It was no bundle, and crossed unchanged.
    Forwarded,
    /// It crossed as the other version, as the reference says.
    Translated,
    /// It went on in its version, as the reference says of a node.
    Relayed,
    /// It was handed out unchanged, because the reference refuses it for the same reason.
    Refused(Reason),
    /// It was handed out unchanged. The reference refuses it too, but names another of several faults,
    /// because it looks at the structure of a whole bundle before it looks into blocks. The
    /// reference names the first fault, of a part of the bundle without the second.
    RefusedOtherwise(Reason, Reason),
    /// It was handed out unchanged, and the reference refuses it too, but nothing in it explains why
    /// the program gives this reason. Of bundles that are damaged at random, few are like that.
    Unexplained(Reason, Reason),
    /// It was handed out unchanged, because the program was not generated for it.
    Punted(Reason),
}

/// What a program owes a receiver.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// How the reference translates for it.
    pub policy: Policy,
    /// What the program may leave to the slow path.
    pub limits: Limits,
    /// The addresses of the new datagram, if the switch is a node. Otherwise they stay.
    pub hop: Option<Hop>,
    /// Whether the receiver reads the version of the bundle: a node then sends it on in that.
    pub relays: bool,
}

impl Rules {
    /// What the reference makes of a bundle.
    ///
    /// # Errors
    ///
    /// Why it refuses it.
    pub fn reference(&self, octets: &[u8]) -> Result<Vec<u8>, Refusal> {
        match &self.policy.node {
            Some(node) if self.relays => relay(octets, node, self.policy.tolerance),
            _ => translate(octets, &self.policy).map(|translation| translation.octets),
        }
    }
}

impl Rules {
    /// The same for a receiver of the other version.
    fn for_translation(&self) -> Self {
        Self {
            relays: false,
            ..self.clone()
        }
    }

    /// Whether a node leaves the bundle to the slow path for an endpoint ID or a number that no
    /// bundle of the other version has. Whether that matters is known behind it: a previous node is
    /// replaced, the time in the node is added, and the receiver may read the version of the bundle.
    fn leaves_name(&self, reason: Reason, octets: &[u8]) -> bool {
        let translates = self.for_translation();
        let mut transparent = translates.clone();
        transparent.policy.node = None;
        let named = [Reason::EidMalformed, Reason::EidScheme, Reason::ValueRange];
        let has = |reason| {
            [&transparent, &translates]
                .into_iter()
                .any(|rules| faults::has(octets, rules, reason, octets.len()))
        };
        self.policy.node.is_some() && reason == Reason::EidForm && named.into_iter().any(has)
    }

    /// Whether a node hands the bundle out because it would if its receiver read the other version.
    fn reads_for_translation(&self, reason: Reason, octets: &[u8]) -> bool {
        let rules = self.for_translation();
        let has = |reason| faults::has(octets, &rules, reason, octets.len());
        // What cannot be read in front of a security block may be encrypted, which is known behind it.
        has(Reason::Security) || reason == Reason::Custody && has(Reason::Custody)
    }
}

/// The addresses of a datagram that a node sends to its neighbour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hop {
    /// Ethernet addresses of the node and of the neighbour.
    pub ethernet: [[u8; 6]; 2],
    /// IPv4 addresses of the node and of the neighbour.
    pub ipv4: [[u8; 4]; 2],
}

impl Hop {
    /// The datagram as the node sends it.
    #[must_use]
    pub fn send(self, mut datagram: Datagram) -> Datagram {
        [datagram.ethernet.source, datagram.ethernet.destination] = self.ethernet;
        [datagram.ipv4.source, datagram.ipv4.destination] = self.ipv4;
        datagram.ipv4.time_to_live = HOPS;
        datagram
    }
}

/// The hops that the datagrams of a node may make.
const HOPS: u8 = 64;

/// Compares what came out of a switch with what the reference translator says.
///
/// # Errors
///
/// The difference, in words.
pub fn judge(input: &Input, rules: &Rules, port: u16, output: &[u8]) -> Result<Outcome, String> {
    let frame = input.datagram.to_frame();
    if port == SLOW_PATH_PORT {
        return judge_punt(input, rules, &frame, output);
    }
    let is_bundle = is_bundle(&input.datagram, input.side);
    let side = if rules.relays && is_bundle {
        input.side
    } else {
        input.side.other()
    };
    if port != side.port() {
        return Err(format!("left on port {port}, not on port {}", side.port()));
    }
    if !is_bundle {
        return same(&frame, output).map(|()| Outcome::Forwarded);
    }
    let octets = rules.reference(&input.datagram.payload);
    let octets = octets.map_err(|refusal| {
        format!(
            "was sent on, but the reference refuses it: {}",
            refusal.reason
        )
    })?;
    let datagram = input.datagram.with_payload(octets);
    let datagram = match rules.hop {
        Some(hop) => hop.send(datagram),
        None => datagram,
    };
    if rules.limits.is_above_mtu(&datagram) {
        return Err("was sent on, although the result is too long for the link".to_owned());
    }
    same(&datagram.to_frame(), output)?;
    match checksum_faults(output) {
        Some(fault) => Err(fault),
        None if rules.relays => Ok(Outcome::Relayed),
        None => Ok(Outcome::Translated),
    }
}

fn is_bundle(datagram: &Datagram, side: Side) -> bool {
    let version = match side {
        Side::V6 => Version::V6,
        Side::V7 => Version::V7,
    };
    datagram.is_for_bundles() && bundle::version(&datagram.payload) == Some(version)
}

fn judge_punt(
    input: &Input,
    rules: &Rules,
    frame: &[u8],
    output: &[u8],
) -> Result<Outcome, String> {
    let (header, original) = output
        .split_at_checked(PUNT_HEADER)
        .ok_or_else(|| format!("was punted with only {} octets", output.len()))?;
    same(frame, original)?;
    let [code, version, port @ ..] = &header[PUNT_REASON..] else {
        return Err("was punted behind a header that is too short".to_owned());
    };
    if (*version, port) != (input.side.version(), &input.side.port().to_be_bytes()[..]) {
        return Err(format!(
            "was punted as version {version} of port {}",
            hex(port)
        ));
    }
    let code = *code;
    let reason = Reason::from_code(code).ok_or_else(|| format!("was punted for reason {code}"))?;
    let octets = &input.datagram.payload;
    let reference = rules.reference(octets);
    if reason.kind() == ReasonKind::FastPathLimit {
        let result = reference.as_ref().ok();
        let result = result.map(|octets| input.datagram.with_payload(octets.clone()));
        let is_allowed = rules.limits.allow(reason, octets, result.as_ref())
            || reference.as_ref().is_err_and(is_truncated)
                && rules.limits.allow(reason, &mended::filled(octets), None)
            || rules.leaves_name(reason, octets)
            || rules.policy.node.is_some() && limits::waits_for_hop(reason, octets)
            || rules.relays && limits::is_beyond_relays(reason, octets);
        return match reference {
            _ if is_allowed => Ok(Outcome::Punted(reason)),
            Err(refusal) => Ok(Outcome::Unexplained(reason, refusal.reason)),
            Ok(_) => Err(format!("was left to the slow path without need ({reason})")),
        };
    }
    if rules.relays && rules.reads_for_translation(reason, octets) {
        return Ok(Outcome::Punted(reason));
    }
    match reference {
        Err(refusal) if refusal.reason == reason => Ok(Outcome::Refused(reason)),
        Err(refusal) => {
            if mended::has(octets, rules, &refusal, reason) {
                Ok(Outcome::RefusedOtherwise(reason, refusal.reason))
            } else {
                Ok(Outcome::Unexplained(reason, refusal.reason))
            }
        }
        Ok(_) => Err(format!(
            "was refused ({reason}), but the reference translates it"
        )),
    }
}

fn is_truncated(refusal: &Refusal) -> bool {
    refusal.reason == Reason::Truncated
}

/// Whether two frames are equal up to link padding behind the expected one.
fn same(expected: &[u8], found: &[u8]) -> Result<(), String> {
    let differs = expected
        .iter()
        .zip(found)
        .position(|(expected, found)| expected != found);
    match differs {
        Some(at) => Err(format!(
            "differs at octet {at}:\n  expected {}\n  found    {}",
            hex(expected),
            hex(found)
        )),
        None if expected.len() != found.len() => Err(format!(
            "has {} octets instead of {}:\n  expected {}\n  found    {}",
            found.len(),
            expected.len(),
            hex(expected),
            hex(found)
        )),
        None => Ok(()),
    }
}

/// Octets in hexadecimal digits.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("writing to a string cannot fail");
        text
    })
}
