// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What tshark says of the frames that left the switch.

use std::{
    fs::File,
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
/// # Errors
///
/// tshark is missing or fails, or the capture cannot be read.
pub fn malformed(capture: &Path) -> anyhow::Result<Complaints> {
    let numbers = ask(capture)?;
    let file = File::open(capture).context("cannot read the capture")?;
    let mut reader = PcapReader::new(file).context("cannot read the capture")?;
    let mut complaints = Complaints::default();
    while let Some(packet) = reader.next_packet() {
        let packet = packet.context("the capture is damaged")?;
        complaints.frames += 1;
        if numbers.binary_search(&complaints.frames).is_err() {
            continue;
        }
        let bundle = Datagram::parse(&packet.data).map(|datagram| datagram.payload);
        match bundle {
            Some(octets) if is_wide(&octets) => complaints.wide += 1,
            Some(octets) => complaints.malformed.push(octets),
            None => complaints.malformed.push(packet.data.into_owned()),
        }
    }
    Ok(complaints)
}

/// The numbers of the malformed frames, in their order.
fn ask(capture: &Path) -> anyhow::Result<Vec<usize>> {
    let output = Command::new("tshark")
        .arg("-r")
        .arg(capture)
        // Fragments of different bundles with equal names would be joined.
        .args(["-o", "bpv7.bp_reassemble_payload:FALSE"])
        .args(["-Y", "_ws.malformed", "-T", "fields", "-e", "frame.number"])
        .output()
        .context("cannot start tshark: run `make setup`")?;
    if !output.status.success() {
        bail!("tshark ended with {}", output.status);
    }
    let text = String::from_utf8(output.stdout).context("the output of tshark is not text")?;
    text.lines()
        .map(|line| line.trim().parse().context("tshark gives no frame number"))
        .collect()
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
