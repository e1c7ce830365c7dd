// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Frames as capture files, one for each direction and port, to look at a difference with Wireshark.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use pcap_file::pcap::{PcapPacket, PcapWriter};

/// The files of one switch.
pub(crate) struct Captures {
    folder: PathBuf,
    files: BTreeMap<String, PcapWriter<File>>,
    clock: Duration,
}

impl Captures {
    /// Files in a folder, each made with its first frame.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            files: BTreeMap::new(),
            clock: Duration::ZERO,
        }
    }

    /// Adds a frame to the file of its direction and port.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(crate) fn add(&mut self, direction: &str, port: u16, frame: &[u8]) -> anyhow::Result<()> {
        // The files show order, not time: a millisecond for each frame.
        self.clock += Duration::from_millis(1);
        let length = frame.len().try_into().context("a frame is too long")?;
        let packet = PcapPacket::new(self.clock, length, frame);
        self.file(format!("{direction}-port{port}.pcap"))?
            .write_packet(&packet)
            .context("cannot write a capture")?;
        Ok(())
    }

    fn file(&mut self, name: String) -> anyhow::Result<&mut PcapWriter<File>> {
        use std::collections::btree_map::Entry;
        match self.files.entry(name) {
            Entry::Occupied(file) => Ok(file.into_mut()),
            Entry::Vacant(place) => {
                let path = self.folder.join(place.key());
                let file = File::create(&path)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                let writer = PcapWriter::new(file).context("cannot begin a capture")?;
                Ok(place.insert(writer))
            }
        }
    }
}
