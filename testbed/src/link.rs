// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The far ends of a switch's UDP ports: each datagram on loopback is one Ethernet frame.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use anyhow::Context as _;

/// Frames that may wait to be looked at; a scenario keeps fewer than that under way.
const QUEUE: usize = 1024;
/// The largest UDP datagram.
const FRAME: usize = 65_535;

/// The far ends of all ports of one switch.
#[derive(Debug)]
pub struct Links {
    ends: BTreeMap<u16, End>,
    arrivals: Receiver<(u16, Vec<u8>)>,
}

#[derive(Debug)]
struct End {
    socket: UdpSocket,
    switch: SocketAddr,
}

impl Links {
    /// Makes a far end for each port.
    ///
    /// # Errors
    ///
    /// Loopback has no free port.
    pub fn new(ports: &[u16]) -> anyhow::Result<Self> {
        let (sender, arrivals) = sync_channel(QUEUE);
        let ends = ports
            .iter()
            .map(|&port| Ok((port, End::new(port, sender.clone())?)))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { ends, arrivals })
    }

    /// The `-i` options that connect a switch.
    ///
    /// # Panics
    ///
    /// Never: the sockets are bound.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        self.ends
            .iter()
            .flat_map(|(port, end)| {
                let far = end.socket.local_addr().expect("the socket is bound");
                ["-i".to_owned(), format!("{port}@udp:{}={far}", end.switch)]
            })
            .collect()
    }

    /// Sends a frame into a port of the switch.
    ///
    /// # Errors
    ///
    /// The switch does not listen.
    pub fn send(&self, port: u16, frame: &[u8]) -> anyhow::Result<()> {
        let end = self
            .ends
            .get(&port)
            .with_context(|| format!("there is no port {port}"))?;
        end.socket
            .send_to(frame, end.switch)
            .with_context(|| format!("cannot send to port {port} of the switch"))?;
        Ok(())
    }

    /// The next frame that leaves the switch, and its port. `None` if none leaves in time.
    #[must_use]
    pub fn receive(&self, deadline: Duration) -> Option<(u16, Vec<u8>)> {
        self.arrivals.recv_timeout(deadline).ok()
    }
}

impl End {
    fn new(port: u16, arrivals: SyncSender<(u16, Vec<u8>)>) -> anyhow::Result<Self> {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot bind on loopback");
        let socket = bind()?;
        // The switch has to be told its own address, so a free port is looked up for it.
        let switch = bind()?
            .local_addr()
            .context("a bound socket has an address")?;
        let reader = socket.try_clone().context("cannot duplicate a socket")?;
        thread::spawn(move || {
            let mut frame = vec![0; FRAME];
            while let Ok((length, _)) = reader.recv_from(&mut frame) {
                if arrivals.send((port, frame[..length].to_vec())).is_err() {
                    break;
                }
            }
        });
        Ok(Self { socket, switch })
    }
}
