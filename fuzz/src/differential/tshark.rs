// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What tshark says of the frames that left the switch.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, bail};
use bundle::{
    Version,
    dissect::{Value, dissect},
    v7::Tolerance,
    version,
};
use pcap_file::pcap::{PcapPacket, PcapReader, PcapWriter};
use testbed::frame::Datagram;

/// Larger numbers of version 6 are shown as others, or end the dissection.
const NUMBER_MAX: u64 = i32::MAX as u64;

/// What tshark complains about, of frames of a capture.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Complaints {
    /// How many frames there are.
    pub frames: usize,
    /// How many of version 6 it calls malformed, and have a number of more than 31 bits.
    pub wide: usize,
    /// The bundles that it calls malformed, and are in the form that they should be in.
    pub malformed: Vec<Vec<u8>>,
}

/// Frames for tshark, as a capture file.
pub struct Capture {
    path: PathBuf,
    writer: PcapWriter<File>,
    frames: u64,
}

impl Capture {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn new(path: &Path) -> anyhow::Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            writer: PcapWriter::new(file).context("cannot begin the capture")?,
            frames: 0,
        })
    }

    /// Adds a frame.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn add(&mut self, frame: &[u8]) -> anyhow::Result<()> {
        let length = frame.len().try_into().context("a frame is too long")?;
        let packet = PcapPacket::new(Duration::from_millis(self.frames), length, frame);
        self.writer
            .write_packet(&packet)
            .context("cannot write a frame")?;
        self.frames += 1;
        Ok(())
    }

    /// Ends the file, and asks tshark about it.
    ///
    /// # Errors
    ///
    /// As [`malformed`].
    pub fn finish(self) -> anyhow::Result<Complaints> {
        let path = self.path.clone();
        drop(self.writer);
        malformed(&path)
    }
}

/// Asks tshark which frames of a capture are malformed.
///
/// tshark relates bundles to each other, and can crash over two that it reads without trouble one by
/// one. Then it is asked about parts of the capture.
///
/// # Errors
///
/// tshark is missing or fails, or crashes over a single frame, or the capture cannot be read.
pub fn malformed(capture: &Path) -> anyhow::Result<Complaints> {
    let frames = read(capture)?;
    let part = capture.with_extension("part.pcap");
    let numbers = in_parts(&frames, &mut |frames| {
        write(&part, frames)?;
        ask(&part)
    });
    if part.exists() {
        fs::remove_file(&part).context("cannot remove a part of the capture")?;
    }
    let mut complaints = Complaints {
        frames: frames.len(),
        ..Complaints::default()
    };
    for at in numbers? {
        let frame = &frames[at];
        let bundle = Datagram::parse(frame).map(|datagram| datagram.payload);
        match bundle {
            Some(octets) if is_wide(&octets) => complaints.wide += 1,
            Some(octets) => complaints.malformed.push(octets),
            None => complaints.malformed.push(frame.clone()),
        }
    }
    Ok(complaints)
}

/// Asks about frames, and about halves of them if that gives no answer.
fn in_parts<F>(
    frames: &[F],
    ask: &mut impl FnMut(&[F]) -> anyhow::Result<Option<Vec<usize>>>,
) -> anyhow::Result<Vec<usize>> {
    if let Some(numbers) = ask(frames)? {
        return Ok(numbers);
    }
    if frames.len() < 2 {
        bail!("tshark crashes over a single frame");
    }
    let (first, second) = frames.split_at(frames.len() / 2);
    let mut numbers = in_parts(first, ask)?;
    let behind = in_parts(second, ask)?.into_iter();
    numbers.extend(behind.map(|at| first.len() + at));
    Ok(numbers)
}

fn read(capture: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let file = File::open(capture).context("cannot read the capture")?;
    let mut reader = PcapReader::new(file).context("cannot read the capture")?;
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        frames.push(packet.context("the capture is damaged")?.data.into_owned());
    }
    Ok(frames)
}

fn write(path: &Path, frames: &[Vec<u8>]) -> anyhow::Result<()> {
    let mut capture = Capture::new(path)?;
    frames.iter().try_for_each(|frame| capture.add(frame))
}

/// The places of the malformed frames, in their order; nothing if tshark crashes.
fn ask(capture: &Path) -> anyhow::Result<Option<Vec<usize>>> {
    let output = Command::new("tshark")
        .arg("-r")
        .arg(capture)
        // Fragments of different bundles with equal names would be joined.
        .args(["-o", "bpv7.bp_reassemble_payload:FALSE"])
        .args(["-Y", "_ws.malformed", "-T", "fields", "-e", "frame.number"])
        .output()
        .context("cannot start tshark: run `make setup`")?;
    if output.status.signal().is_some() {
        return Ok(None);
    }
    if !output.status.success() {
        bail!("tshark ended with {}", output.status);
    }
    let text = String::from_utf8(output.stdout).context("the output of tshark is not text")?;
    let numbers = text.lines().map(|line| {
        let number: usize = line
            .trim()
            .parse()
            .context("tshark gives no frame number")?;
        number.checked_sub(1).context("tshark counts frames from 0")
    });
    numbers.collect::<anyhow::Result<_>>().map(Some)
}

/// Whether a bundle of version 6 has a number that tshark's dissector does not hold.
fn is_wide(octets: &[u8]) -> bool {
    let is_above = |value: &Value<'_>| match value {
        Value::Number(number)
        | Value::Length(number)
        | Value::Time(number, _)
        | Value::Duration(number, _) => *number > NUMBER_MAX,
        Value::Flags { bits, .. } => *bits > NUMBER_MAX,
        _ => false,
    };
    let dissection = dissect(octets, Tolerance::LENIENT);
    version(octets) == Some(Version::V6)
        && dissection
            .leaves()
            .any(|field| is_above(&field.value) || field.padding > 0)
}

#[cfg(test)]
mod tests {
    use super::in_parts;

    /// Frames 3 and 6 are malformed; 2 and 5 together are too much.
    #[test]
    fn frames_are_asked_for_in_parts_if_that_is_needed() {
        let frames: Vec<usize> = (0..8).collect();
        let mut calls = 0;
        let numbers = in_parts(&frames, &mut |part: &[usize]| {
            calls += 1;
            let is_too_much = part.contains(&2) && part.contains(&5);
            let places = (0..part.len()).filter(|at| [3, 6].contains(&part[*at]));
            Ok((!is_too_much).then(|| places.collect()))
        });
        assert_eq!(numbers.expect("no part is too much"), [3, 6]);
        assert_eq!(calls, 3);
    }

    #[test]
    fn a_frame_that_is_too_much_alone_is_an_error() {
        let mut never = |part: &[u8]| Ok((!part.contains(&2)).then(Vec::new));
        assert!(in_parts(&[1, 2, 3], &mut never).is_err());
    }
}
