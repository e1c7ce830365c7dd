// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the daemon and its helper process say to each other: frames over a stream, each with a head in
//! JSON and octets behind it. Both sides are the same program, so there is no version.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What the daemon wants.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) enum Order {
    /// Open an endpoint: answered by [`News::Opened`].
    Open {
        id: u64,
        endpoint: String,
        /// Whether ION is told of it, if it does not know it.
        may_add: bool,
        /// Whether ION may forget it when it is closed.
        is_passing: bool,
    },
    Close {
        id: u64,
    },
    /// Send the octets behind it: answered by [`News::Sent`].
    Send {
        request: u64,
        id: u64,
        manner: Manner,
    },
    /// So many bundles of an endpoint are safe, the oldest ones, and so many more may come.
    Grant {
        id: u64,
        stored: usize,
        credit: usize,
    },
}

/// How a message is sent.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Manner {
    pub(super) destination: String,
    /// The source, if absent.
    pub(super) report_to: Option<String>,
    pub(super) lifetime_s: i32,
    pub(super) priority: u8,
    /// The reports that are wanted, as ION has them.
    pub(super) reports: u8,
    pub(super) wants_answer: bool,
    pub(super) may_fragment: bool,
}

/// What the helper says.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) enum News {
    /// It is attached to ION.
    Ready { version: String, node: u64 },
    /// Whether the endpoint is open; otherwise an errno.
    Opened { id: u64, outcome: Result<(), i32> },
    /// Whether ION has the message; otherwise an errno.
    Sent {
        request: u64,
        outcome: Result<(), i32>,
    },
    /// The octets behind it are a bundle for an endpoint. ION does not have it any more.
    Arrived { id: u64 },
    /// The helper has to end.
    Ended { reason: String },
}

/// Octets of the longest head.
const HEAD: usize = 1 << 16;
/// Octets of the two lengths in front of a frame.
pub(super) const LENGTHS: usize = 8;

/// The octets of a frame without what is behind its head.
pub(super) fn head_of(head: &impl Serialize, octets: usize) -> io::Result<Vec<u8>> {
    let text = serde_json::to_vec(head)?;
    let lengths = [text.len(), octets].map(u32::try_from);
    let [Ok(head), Ok(octets)] = lengths else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut frame = Vec::with_capacity(LENGTHS + text.len());
    frame.extend(head.to_be_bytes());
    frame.extend(octets.to_be_bytes());
    frame.extend(text);
    Ok(frame)
}

/// The two lengths of a frame.
pub(super) fn lengths_of(octets: [u8; LENGTHS]) -> io::Result<(usize, usize)> {
    let (lengths, _) = octets.as_chunks();
    let mut lengths = lengths
        .iter()
        .map(|it| usize::try_from(u32::from_be_bytes(*it)));
    match (lengths.next(), lengths.next()) {
        (Some(Ok(head)), Some(Ok(octets))) if head <= HEAD => Ok((head, octets)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Writes a frame.
pub(super) fn write(to: &mut impl Write, head: &impl Serialize, octets: &[u8]) -> io::Result<()> {
    to.write_all(&head_of(head, octets.len())?)?;
    to.write_all(octets)
}

/// Reads a frame. `None` is the end of the stream between frames.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut lengths = [0; LENGTHS];
    let mut count = 0;
    while count < LENGTHS {
        match from.read(&mut lengths[count..]) {
            Ok(0) if count == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let (head, octets) = lengths_of(lengths)?;
    let mut text = vec![0; head];
    from.read_exact(&mut text)?;
    let mut data = vec![0; octets];
    from.read_exact(&mut data)?;
    Ok(Some((serde_json::from_slice(&text)?, data)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        let frames = [
            (News::Arrived { id: 7 }, vec![1; 100_000]),
            (
                News::Opened {
                    id: 1,
                    outcome: Err(98),
                },
                Vec::new(),
            ),
        ];
        let mut octets = Vec::new();
        for (head, data) in &frames {
            write(&mut octets, head, data).expect("a vector takes it");
        }
        let mut rest = octets.as_slice();
        for frame in frames {
            assert_eq!(read(&mut rest).expect("it is whole"), Some(frame));
        }
        assert_eq!(read::<News>(&mut rest).expect("it is the end"), None);
        let mut cut = &octets[..octets.len() - 1];
        assert!(read::<News>(&mut cut).is_ok());
        assert!(read::<News>(&mut cut).is_err());
        assert!(read::<News>(&mut [0xff; 64].as_slice()).is_err());
    }
}
