// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The helper process, and the stream to it.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::wire::{LENGTHS, News, Order, head_of, lengths_of};

/// Orders on their way to the helper.
pub(super) const OUTGOING: usize = 2048;
/// What it has said and nobody has looked at. Then it waits.
const INCOMING: usize = 64;

/// Where ION is.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) library: OsString,
    /// The working directory of ION's node.
    pub(super) directory: Option<PathBuf>,
    /// Where ION keeps the list of its nodes, if there are several on this machine.
    pub(super) node_list: Option<PathBuf>,
    pub(super) folder: PathBuf,
}

/// A stream to a helper. The helper ends when the stream does; nobody ends it otherwise, because it might be in
/// the middle of a change of ION's memory.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) outgoing: mpsc::Sender<(Order, Vec<u8>)>,
    pub(super) incoming: mpsc::Receiver<(News, Vec<u8>)>,
    _tasks: JoinSet<()>,
}

impl Target {
    /// Starts a helper. Its first word says whether ION is there.
    pub(super) fn launch(&self) -> io::Result<(Session, Child)> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let stream = UnixStream::from_std(ours)?;
        // ION's library writes to standard output.
        let output = io::stderr().as_fd().try_clone_to_owned()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("ion-worker");
        command.arg("--library").arg(&self.library);
        command.arg("--folder").arg(&self.folder);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
            command.env("ION_NODE_WDNAME", directory);
        }
        if let Some(list) = &self.node_list {
            command.env("ION_NODE_LIST_DIR", list);
        }
        command.stdin(OwnedFd::from(theirs)).stdout(output);
        command.stderr(Stdio::inherit());
        let child = command.spawn()?;
        // With the command goes the helper's end of the stream.
        drop(command);
        Ok((Session::start(stream), child))
    }
}

impl Session {
    fn start(stream: UnixStream) -> Self {
        let (reading, writing) = stream.into_split();
        let (outgoing, orders) = mpsc::channel(OUTGOING);
        let (news, incoming) = mpsc::channel(INCOMING);
        let mut tasks = JoinSet::new();
        // An error is the end of the stream, which the reader finds.
        tasks.spawn(async { drop(write(writing, orders).await) });
        tasks.spawn(async { drop(read(reading, news).await) });
        Self {
            outgoing,
            incoming,
            _tasks: tasks,
        }
    }
}

async fn write(
    mut to: OwnedWriteHalf,
    mut orders: mpsc::Receiver<(Order, Vec<u8>)>,
) -> io::Result<()> {
    while let Some((order, data)) = orders.recv().await {
        to.write_all(&head_of(&order, data.len())?).await?;
        to.write_all(&data).await?;
    }
    Ok(())
}

async fn read(mut from: OwnedReadHalf, news: mpsc::Sender<(News, Vec<u8>)>) -> io::Result<()> {
    loop {
        let mut lengths = [0; LENGTHS];
        from.read_exact(&mut lengths).await?;
        let (head, octets) = lengths_of(lengths)?;
        let mut text = vec![0; head];
        from.read_exact(&mut text).await?;
        let mut data = vec![0; octets];
        from.read_exact(&mut data).await?;
        let head = serde_json::from_slice(&text)?;
        if news.send((head, data)).await.is_err() {
            return Ok(());
        }
    }
}
