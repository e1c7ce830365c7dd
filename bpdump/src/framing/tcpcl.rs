// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The TCP convergence layer, versions 3 ([RFC 7242](https://www.rfc-editor.org/rfc/rfc7242)) and 4
//! ([RFC 9174](https://www.rfc-editor.org/rfc/rfc9174)): segments of bundles among other messages.

use super::Layer;

/// More than this is not kept for one bundle.
const BUNDLE_MAX: usize = 256 << 20;

const MAGIC_LEN: usize = 4;
/// Flags of a segment of data, in both versions.
const SEGMENT_END: u8 = 0x01;
const SEGMENT_START: u8 = 0x02;

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Tcpcl {
    /// Octets of a message that is not complete.
    pending: Vec<u8>,
    version: Option<u8>,
    bundle: Vec<u8>,
    stopped: Option<&'static str>,
}

/// A message, as far as it matters here.
enum Message<'a> {
    Segment { flags: u8, data: &'a [u8] },
    Other,
    End,
}

/// Why a message is not returned.
enum Obstacle {
    /// Its end has not arrived.
    Incomplete,
    Unreadable(&'static str),
}

type Read<'a, T> = Result<(T, &'a [u8]), Obstacle>;

impl Tcpcl {
    /// Takes the next octets, and returns the bundles that they complete.
    pub(super) fn take(&mut self, octets: &[u8]) -> Vec<(Layer, Vec<u8>)> {
        let mut bundles = Vec::new();
        if self.stopped.is_some() {
            return bundles;
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(octets);
        let mut rest = pending.as_slice();
        loop {
            match self.step(rest, &mut bundles) {
                Ok(((), after)) => rest = after,
                Err(Obstacle::Incomplete) => break,
                Err(Obstacle::Unreadable(why)) => {
                    self.stopped = Some(why);
                    break;
                }
            }
        }
        let used = pending.len() - rest.len();
        pending.drain(..used);
        self.pending = pending;
        bundles
    }

    pub(super) fn stopped(&self) -> Option<String> {
        match self.stopped {
            Some("") => None,
            Some(why) => Some(format!(
                "{why}, and the rest of the connection was not read"
            )),
            None if self.bundle.is_empty() => None,
            None => Some(format!(
                "a bundle of TCPCL is unfinished: {} octets of it arrived",
                self.bundle.len()
            )),
        }
    }

    fn step<'a>(&mut self, input: &'a [u8], bundles: &mut Vec<(Layer, Vec<u8>)>) -> Read<'a, ()> {
        let Some(version) = self.version else {
            let (version, rest) = contact_header(input)?;
            self.version = Some(version);
            return Ok(((), rest));
        };
        let (layer, (message, rest)) = if version == 3 {
            (Layer::Tcpcl3, message_3(input)?)
        } else {
            (Layer::Tcpcl4, message_4(input)?)
        };
        match message {
            Message::Segment { flags, data } => {
                if flags & SEGMENT_START != 0 {
                    self.bundle.clear();
                }
                if self.bundle.len() + data.len() > BUNDLE_MAX {
                    return Err(Obstacle::Unreadable("a bundle has more than 256 MiB"));
                }
                self.bundle.extend_from_slice(data);
                if flags & SEGMENT_END != 0 {
                    bundles.push((layer, std::mem::take(&mut self.bundle)));
                }
            }
            Message::Other => {}
            Message::End => self.stopped = Some(""),
        }
        match self.stopped {
            Some(why) => Err(Obstacle::Unreadable(why)),
            None => Ok(((), rest)),
        }
    }
}

/// Reads what both versions begin with, and what each has behind it.
fn contact_header(input: &[u8]) -> Read<'_, u8> {
    let (_magic, rest) = take(input, MAGIC_LEN as u64)?;
    let (version, rest) = octet(rest)?;
    let (_flags, rest) = octet(rest)?;
    match version {
        3 => {
            let (_keepalive, rest) = take(rest, 2)?;
            let (length, rest) = sdnv(rest)?;
            let (_eid, rest) = take(rest, length)?;
            Ok((3, rest))
        }
        4 => Ok((4, rest)),
        _ => Err(Obstacle::Unreadable("the version of TCPCL is not 3 or 4")),
    }
}

/// Messages of version 3: the type and flags share an octet.
fn message_3(input: &[u8]) -> Read<'_, Message<'_>> {
    let (first, rest) = octet(input)?;
    match first >> 4 {
        1 => {
            let (length, rest) = sdnv(rest)?;
            let (data, rest) = take(rest, length)?;
            let flags = first & 0x0f;
            Ok((Message::Segment { flags, data }, rest))
        }
        // Acknowledgement and length of a bundle.
        2 | 6 => sdnv(rest).map(|(_, rest)| (Message::Other, rest)),
        // Refusal and keep-alive.
        3 | 4 => Ok((Message::Other, rest)),
        5 => Ok((Message::End, rest)),
        _ => Err(Obstacle::Unreadable(
            "a message of TCPCL is of unknown type",
        )),
    }
}

/// Messages of version 4: one octet for the type, numbers of fixed width.
fn message_4(input: &[u8]) -> Read<'_, Message<'_>> {
    let (kind, rest) = octet(input)?;
    let other = |length| take(rest, length).map(|(_, rest)| (Message::Other, rest));
    match kind {
        1 => {
            let (flags, rest) = octet(rest)?;
            let (_transfer, mut rest) = take(rest, 8)?;
            if flags & SEGMENT_START != 0 {
                let (length, after) = number(rest, 4)?;
                rest = take(after, length)?.1;
            }
            let (length, rest) = number(rest, 8)?;
            let (data, rest) = take(rest, length)?;
            Ok((Message::Segment { flags, data }, rest))
        }
        // Acknowledgement, refusal, keep-alive and rejection.
        2 => other(1 + 8 + 8),
        3 => other(1 + 8),
        4 => other(0),
        6 => other(2),
        5 => Ok((Message::End, rest)),
        7 => {
            let (_keepalive_and_limits, rest) = take(rest, 2 + 8 + 8)?;
            let (length, rest) = number(rest, 2)?;
            let (_node, rest) = take(rest, length)?;
            let (length, rest) = number(rest, 4)?;
            let (_extensions, rest) = take(rest, length)?;
            Ok((Message::Other, rest))
        }
        0x16 => Err(Obstacle::Unreadable("the connection is encrypted by TLS")),
        _ => Err(Obstacle::Unreadable(
            "a message of TCPCL is of unknown type",
        )),
    }
}

fn octet(input: &[u8]) -> Read<'_, u8> {
    let (first, rest) = input.split_first().ok_or(Obstacle::Incomplete)?;
    Ok((*first, rest))
}

fn take(input: &[u8], length: u64) -> Read<'_, &[u8]> {
    let length = usize::try_from(length).ok();
    let within = length.filter(|length| *length <= BUNDLE_MAX);
    let length = within.ok_or(Obstacle::Unreadable("a message of TCPCL is too long"))?;
    input.split_at_checked(length).ok_or(Obstacle::Incomplete)
}

fn number(input: &[u8], octets: u64) -> Read<'_, u64> {
    let (octets, rest) = take(input, octets)?;
    let number = octets
        .iter()
        .fold(0, |all, octet| all << 8 | u64::from(*octet));
    Ok((number, rest))
}

fn sdnv(input: &[u8]) -> Read<'_, u64> {
    bundle::sdnv::decode(input).map_err(|error| match error.fault {
        bundle::Fault::Truncated => Obstacle::Incomplete,
        _ => Obstacle::Unreadable("a number of TCPCL is too long"),
    })
}

#[cfg(test)]
mod tests {
    use super::{Layer, Tcpcl};

    #[track_caller]
    fn check(stream: &[u8], layer: Layer, bundle: &[u8]) {
        let mut whole = Tcpcl::default();
        assert_eq!(whole.take(stream), [(layer, bundle.to_vec())]);
        assert_eq!(whole.stopped(), None);
        let mut parts = Tcpcl::default();
        let found: Vec<_> = stream
            .iter()
            .flat_map(|octet| parts.take(&[*octet]))
            .collect();
        assert_eq!(found, [(layer, bundle.to_vec())]);
    }

    #[test]
    fn segments_of_version_3() {
        let contact = b"dtn!\x03\x00\x00\x0f\x07ipn:1.0";
        let messages = [
            &[0x60, 4][..],
            &[0x12, 3, 6, 1, 2],
            &[0x40],
            &[0x11, 1, 3],
            &[0x20, 4],
            &[0x50],
        ];
        let stream = [&contact[..], &messages.concat()].concat();
        check(&stream, Layer::Tcpcl3, &[6, 1, 2, 3]);
    }

    #[test]
    fn segments_of_version_4() {
        let contact = b"dtn!\x04\x00";
        let init = [
            &[7, 0, 30][..],
            &[0; 16],
            &[0, 7],
            b"ipn:1.0",
            &[0, 0, 0, 0],
        ]
        .concat();
        let transfer = [0, 0, 0, 0, 0, 0, 0, 1];
        let start = [
            &[1, 2][..],
            &transfer,
            &[0, 0, 0, 0],
            &[0, 0, 0, 0, 0, 0, 0, 2, 0x9f, 1],
        ]
        .concat();
        let end = [&[1, 1][..], &transfer, &[0, 0, 0, 0, 0, 0, 0, 1, 0xff]].concat();
        let stream = [&contact[..], &init, &[4], &start, &end, &[5, 0, 0]].concat();
        check(&stream, Layer::Tcpcl4, &[0x9f, 1, 0xff]);
    }

    #[test]
    fn other_versions_are_told() {
        let mut tcpcl = Tcpcl::default();
        assert!(tcpcl.take(b"dtn!\x09\x00").is_empty());
        assert!(tcpcl.stopped().is_some());
    }
}
