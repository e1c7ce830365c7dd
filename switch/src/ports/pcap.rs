// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Captures in the classic libpcap format, as
//! [draft-ietf-opsawg-pcap](https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/) has it.

use std::{
    fs::File,
    io::{self, BufWriter, Read as _, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use super::MAX_FRAME;

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const ETHERNET: u32 = 1;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// Reads all frames of a capture.
///
/// # Errors
///
/// If the file cannot be read, or is not a capture of Ethernet frames.
pub fn read(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    parse(&bytes)
}

/// Reads all frames of a capture in memory. A record that is cut off at the end is left out.
///
/// # Errors
///
/// If it is not a capture of Ethernet frames.
pub fn parse(bytes: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let invalid = |message| io::Error::new(io::ErrorKind::InvalidData, message);
    let header = bytes
        .get(..FILE_HEADER)
        .ok_or_else(|| invalid("no capture: too short"))?;
    let magic = header
        .first_chunk()
        .map_or(0, |first| u32::from_le_bytes(*first));
    let little = match magic {
        MICROSECONDS | NANOSECONDS => true,
        _ if [MICROSECONDS, NANOSECONDS].contains(&magic.swap_bytes()) => false,
        _ => {
            return Err(invalid(
                "no capture in the pcap format (pcapng is not supported)",
            ));
        }
    };
    let number = |at: &[u8]| {
        let bytes = at.first_chunk().copied().unwrap_or_default();
        if little {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        }
    };
    // The upper bits of the field hold the length of a frame check sequence.
    if number(&header[20..]) & 0x0fff_ffff != ETHERNET {
        return Err(invalid("capture is not of Ethernet frames"));
    }
    let mut frames = Vec::new();
    let mut rest = &bytes[FILE_HEADER..];
    while let Some((record, after)) = rest.split_at_checked(RECORD_HEADER) {
        let len = number(&record[8..]) as usize;
        if len > MAX_FRAME {
            return Err(invalid("capture has a record that is longer than a frame"));
        }
        let Some((frame, after)) = after.split_at_checked(len) else {
            break;
        };
        frames.push(frame.to_vec());
        rest = after;
    }
    Ok(frames)
}

/// A capture that is being written.
#[derive(Debug)]
pub struct Output(Mutex<BufWriter<File>>);

impl Output {
    /// Starts a capture; an existing file is replaced.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&MICROSECONDS.to_le_bytes())?;
        file.write_all(&[2, 0, 4, 0])?;
        file.write_all(&[0; 8])?;
        file.write_all(&u32::try_from(MAX_FRAME).unwrap_or(u32::MAX).to_le_bytes())?;
        file.write_all(&ETHERNET.to_le_bytes())?;
        file.flush()?;
        Ok(Self(Mutex::new(file)))
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
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for number in [seconds, time.subsec_micros(), len, len] {
            file.write_all(&number.to_le_bytes())?;
        }
        file.write_all(frame)?;
        // Whoever waits for a packet reads the file while the switch runs.
        file.flush()
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn flush(&self) -> io::Result<()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .flush()
    }
}

#[cfg(test)]
mod tests {
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
        assert!(parse(&[]).is_err());
        assert!(parse(&[0; 24]).is_err());
        let mut bytes = vec![0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4];
        bytes.extend_from_slice(&[0; 12]);
        bytes.extend_from_slice(&[0, 0, 0, 1]);
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 4, 9, 9]);
        assert_eq!(parse(&bytes).expect("big-endian"), Vec::<Vec<u8>>::new());
        bytes.extend_from_slice(&[8, 8]);
        assert_eq!(parse(&bytes).expect("big-endian"), [[9, 9, 8, 8]]);
    }
}
