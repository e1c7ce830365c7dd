// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Captures of Ethernet frames in the classic libpcap format.

use std::{
    fs::File,
    io,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use pcap_file::{
    DataLink, PcapError,
    pcap::{PcapPacket, PcapReader, PcapWriter},
};

/// Reads all frames of a capture. A record that is cut off at the end is left out: another program
/// may still be writing.
///
/// # Errors
///
/// If the file cannot be read, or is not a capture of Ethernet frames.
pub fn read(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut reader = PcapReader::new(File::open(path)?).map_err(into_io)?;
    if reader.header().datalink != DataLink::ETHERNET {
        let message = "capture is not of Ethernet frames";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        match packet {
            Ok(packet) => frames.push(packet.data.into_owned()),
            Err(PcapError::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(into_io(error)),
        }
    }
    Ok(frames)
}

fn into_io(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

/// A capture that is being written. It is not buffered, because whoever waits for a packet reads
/// the file while the switch runs.
#[derive(Debug)]
pub struct Output(Mutex<PcapWriter<File>>);

impl Output {
    /// Starts a capture; an existing file is replaced.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let writer = PcapWriter::new(File::create(path)?).map_err(into_io)?;
        Ok(Self(Mutex::new(writer)))
    }

    /// Adds a frame with the present time.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self, frame: &[u8]) -> io::Result<()> {
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let packet = PcapPacket::new(time, length, frame);
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_packet(&packet).map(drop).map_err(into_io)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn captures_round_trip() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("out.pcap");
        let output = Output::create(&path).expect("writable");
        output.write(&[1, 2, 3]).expect("writable");
        output.write(&[]).expect("writable");
        assert_eq!(read(&path).expect("valid"), [vec![1, 2, 3], vec![]]);
    }

    #[test]
    fn broken_captures_are_refused_or_cut() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("in.pcap");
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("writable");
            read(&path)
        };
        assert!(read(&[]).is_err());
        assert!(read(&[0; 24]).is_err());
        let mut bytes = vec![0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4];
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0, 1]);
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 4, 9, 9]);
        assert_eq!(read(&bytes).expect("big-endian"), Vec::<Vec<u8>>::new());
        bytes.extend_from_slice(&[8, 8]);
        assert_eq!(read(&bytes).expect("big-endian"), [[9, 9, 8, 8]]);
    }
}
