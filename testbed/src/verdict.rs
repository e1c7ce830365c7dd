// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a translating switch has to do with a frame, and whether it did.

use bundle::{Policy, Reason, ReasonKind, Version, translate};

use crate::{
    frame::{Datagram, checksum_faults},
    traffic::{Input, Side},
};

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
    /// It was handed out unchanged, because the reference refuses it for the same reason.
    Refused(Reason),
    /// It was handed out unchanged. The reference refuses it too, but names another of several faults,
    /// because it looks at the structure of a whole bundle before it looks into blocks.
    RefusedOtherwise(Reason, Reason),
    /// It was handed out unchanged, because the program was not generated for it.
    Punted(Reason),
}

/// Compares what came out of a switch with what the reference translator says.
///
/// # Errors
///
/// The difference, in words.
pub fn judge(input: &Input, policy: &Policy, port: u16, output: &[u8]) -> Result<Outcome, String> {
    let frame = input.datagram.to_frame();
    if port == SLOW_PATH_PORT {
        return judge_punt(input, policy, &frame, output);
    }
    if port != input.side.other().port() {
        return Err(format!("left on port {port}, not on the other side"));
    }
    if !is_bundle(&input.datagram, input.side) {
        return same(&frame, output).map(|()| Outcome::Forwarded);
    }
    let translation = translate(&input.datagram.payload, policy).map_err(|refusal| {
        format!(
            "was translated, but the reference refuses it: {}",
            refusal.reason
        )
    })?;
    same(
        &input.datagram.with_payload(translation.octets).to_frame(),
        output,
    )?;
    match checksum_faults(output) {
        Some(fault) => Err(fault),
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
    policy: &Policy,
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
    if reason.kind() == ReasonKind::FastPathLimit {
        return Ok(Outcome::Punted(reason));
    }
    match translate(&input.datagram.payload, policy) {
        Err(refusal) if refusal.reason == reason => Ok(Outcome::Refused(reason)),
        Err(refusal) => Ok(Outcome::RefusedOtherwise(reason, refusal.reason)),
        Ok(_) => Err(format!(
            "was refused ({reason}), but the reference translates it"
        )),
    }
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
