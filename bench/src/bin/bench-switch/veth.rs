// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pairs of virtual Ethernet interfaces: one end is a port of the switch, the other one is here.
#![allow(
    unsafe_code,
    reason = "waiting for several sockets has no safe wrapper"
)]

use std::{
    fs,
    io::{self, Read as _},
    os::fd::AsRawFd as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use socket2::Socket;
use switch::ports::{MAX_FRAME, raw_socket};

use super::process::finish;

/// How many ports the switch has; they are numbered from 1.
pub(crate) const PORTS: u32 = 4;

/// A frame that takes longer is lost.
pub(crate) const LOST: Duration = Duration::from_secs(5);

/// The far end of a port.
pub(crate) fn end(port: u32) -> String {
    format!("end{port}")
}

/// The interfaces of the switch, by port.
pub(crate) fn ports() -> Vec<(u32, String)> {
    let port = |number| (number, format!("port{number}"));
    (1..=PORTS).map(port).collect()
}

/// Makes the pairs, in the namespace that this process is in.
///
/// # Errors
///
/// `ip` is missing or may not do it.
pub(crate) fn set_up() -> anyhow::Result<()> {
    let ip = |line: String| {
        let words: Vec<_> = line.split(' ').collect();
        finish(Path::new("ip"), &words).with_context(|| format!("cannot do `ip {line}`"))
    };
    ip("link set lo up".to_owned())?;
    quiet()?;
    for (number, port) in ports() {
        let end = end(number);
        ip(format!("link add {port} type veth peer name {end}"))?;
        for interface in [port, end] {
            ip(format!("link set {interface} up"))?;
        }
    }
    Ok(())
}

/// Keeps the kernel from speaking on new links of this namespace: with IPv6 it would look for
/// neighbours and routers there, and switches would forward that.
fn quiet() -> anyhow::Result<()> {
    let path = Path::new("/proc/sys/net/ipv6/conf/default/disable_ipv6");
    if path.exists() {
        fs::write(path, "1").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The far ends of all ports.
pub(crate) struct Wires {
    ends: Vec<Socket>,
    frame: Vec<u8>,
}

impl Wires {
    /// Opens the far ends.
    ///
    /// # Errors
    ///
    /// They are not there, or may not be opened.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let open = |number| {
            let name = end(number);
            raw_socket(&name).with_context(|| format!("cannot open {name}"))
        };
        Ok(Self {
            ends: (1..=PORTS).map(open).collect::<anyhow::Result<_>>()?,
            frame: vec![0; MAX_FRAME],
        })
    }

    /// Sends frames one by one, and compares what each becomes.
    ///
    /// # Errors
    ///
    /// A frame is lost, or becomes another one than expected.
    pub(crate) fn compare(
        &mut self,
        packets: &[(u32, Vec<u8>)],
        expected: &[(u32, Vec<u8>)],
    ) -> anyhow::Result<()> {
        for (number, ((port, packet), expected)) in packets.iter().zip(expected).enumerate() {
            self.send(*port, packet)?;
            let start = Instant::now();
            let found = loop {
                if let Some(found) = self.receive()? {
                    break found;
                }
                ensure!(start.elapsed() < LOST, "packet {number} is lost");
                self.wait()?;
            };
            ensure!(
                found == *expected,
                "packet {number} is expected as {expected:02x?}, and leaves as {found:02x?}"
            );
        }
        Ok(())
    }

    fn send(&self, port: u32, frame: &[u8]) -> anyhow::Result<()> {
        let place = usize::try_from(port).ok().and_then(|at| at.checked_sub(1));
        let end = place.and_then(|at| self.ends.get(at));
        let end = end.with_context(|| format!("there is no port {port}"))?;
        end.send(frame).context("cannot send a frame")?;
        Ok(())
    }

    /// A frame that has left the switch, and its port.
    fn receive(&mut self) -> anyhow::Result<Option<(u32, Vec<u8>)>> {
        for (port, end) in (1..).zip(&self.ends) {
            if let Some(len) = read(end, &mut self.frame)? {
                return Ok(Some((port, self.frame[..len].to_vec())));
            }
        }
        Ok(None)
    }

    /// Waits for a frame, but not for ever.
    fn wait(&self) -> anyhow::Result<()> {
        let watch = |end: &Socket| libc::pollfd {
            fd: end.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let mut watched: Vec<_> = self.ends.iter().map(watch).collect();
        // SAFETY: the pointer and the count are those of a live vector that nobody else uses.
        let ready = unsafe { libc::poll(watched.as_mut_ptr(), PORTS.into(), 1000) };
        if ready < 0 {
            bail!("cannot wait for a frame: {}", io::Error::last_os_error());
        }
        Ok(())
    }
}

/// A frame that is there already.
fn read(mut end: &Socket, frame: &mut [u8]) -> anyhow::Result<Option<usize>> {
    match end.read(frame) {
        Ok(len) => Ok(Some(len)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error).context("cannot receive a frame"),
    }
}
