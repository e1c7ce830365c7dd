// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the tools `bpsend`, `bprecv`, `bpping` and `bpchat` have in common.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bpsock::abi::{BundleId, Options};
use bpsock::net::{Door, Message, default_path};
use bpsock::{Address, family, net};
use clap::ValueEnum;
use serde_json::{Value, json};

/// How a tool reaches the daemon, and how it prints.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// How to reach the daemon.
    #[arg(long, value_enum, default_value_t = Via::Auto)]
    pub via: Via,
    /// Path of the daemon's socket, for `door`. Default: `BPSOCK_PATH` of the environment, or
    /// /run/bpsockd/bpsock.sock.
    #[arg(long, value_name = "PATH")]
    pub path: Option<PathBuf>,
    /// How long bundles live, in seconds. Default: what the daemon says.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub lifetime: Option<u32>,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How to reach the daemon.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Via {
    /// Sockets of family 28 where the system has them, if no path is given; otherwise the door.
    Auto,
    /// The daemon's UNIX socket.
    Door,
    /// Sockets of family 28.
    Family,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For scripts: one JSON object on each line.
    Json,
}

/// A bound socket of either kind, for several threads.
#[derive(Clone, Debug)]
pub struct Endpoint {
    socket: Kind,
    message: Message,
}

#[derive(Clone, Debug)]
enum Kind {
    Door(Arc<net::Socket>),
    Family(Arc<family::Socket>),
}

/// A message that was received.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Received {
    /// Who sent it.
    pub source: Address,
    /// What was sent.
    pub data: Vec<u8>,
    /// The version of the bundle. Sockets of family 28 do not ask.
    pub version: Option<u32>,
}

impl Common {
    /// A socket with this address.
    ///
    /// # Errors
    ///
    /// There is no daemon, or it refuses the address.
    pub fn bind(&self, address: &Address) -> anyhow::Result<Endpoint> {
        let uses_family = match self.via {
            Via::Auto => self.path.is_none() && family::is_available(),
            Via::Door => false,
            Via::Family => true,
        };
        let lifetime_ms = self.lifetime.map(|seconds| u64::from(seconds) * 1000);
        let mut message = Message::default();
        if let Some(lifetime_ms) = lifetime_ms {
            message.options = Options::default().lifetime_ms(lifetime_ms);
        }
        let cannot = || format!("cannot bind {address}");
        let socket = if uses_family {
            let socket = family::Socket::bind(address).with_context(cannot)?;
            if let Some(lifetime_ms) = lifetime_ms {
                let set = socket.set_lifetime_ms(lifetime_ms);
                set.context("cannot set the lifetime")?;
            }
            Kind::Family(Arc::new(socket))
        } else {
            let path = self.path.clone().unwrap_or_else(default_path);
            let door = Door::connect(&path);
            let door = door.with_context(|| format!("no daemon at {}", path.display()))?;
            Kind::Door(Arc::new(door.bind(address).with_context(cannot)?))
        };
        Ok(Endpoint { socket, message })
    }

    /// Prints a result: a line for people, or an object for scripts.
    pub fn print(&self, text: &str, object: &Value) {
        match self.format {
            Format::Text => println!("{text}"),
            Format::Json => println!("{object}"),
        }
    }
}

impl Endpoint {
    /// The address, with the numbers that the daemon chose.
    #[must_use]
    pub fn local_address(&self) -> &Address {
        match &self.socket {
            Kind::Door(socket) => socket.local_address(),
            Kind::Family(socket) => socket.local_address(),
        }
    }

    /// Sends a message, and waits until the agent has taken it.
    ///
    /// # Errors
    ///
    /// What the daemon says.
    pub fn send(&self, data: &[u8], to: &Address) -> io::Result<Option<BundleId>> {
        match &self.socket {
            Kind::Door(socket) => socket.send_to(data, to, &self.message),
            Kind::Family(socket) => socket.send_to(data, to).map(|()| None),
        }
    }

    /// Waits for the next message. `None` if there is none in that time, which may be for ever.
    ///
    /// # Errors
    ///
    /// An error of the socket.
    pub fn receive(&self, patience: Option<Duration>) -> io::Result<Option<Received>> {
        let received = match &self.socket {
            Kind::Door(socket) => socket.recv(patience).map(|received| Received {
                source: received.about.source.clone(),
                data: received.data.clone(),
                version: received.about.info.map(|info| info.version),
            }),
            Kind::Family(socket) => {
                socket.set_receive_timeout(patience)?;
                socket.recv_from().map(|(data, source)| Received {
                    source,
                    data,
                    version: None,
                })
            }
        };
        match received {
            Ok(received) => Ok(Some(received)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Received {
    /// For scripts: source, length, and the data as text, or as hexadecimal digits if it is none.
    #[must_use]
    pub fn object(&self) -> Value {
        let mut object = json!({
            "source": self.source.to_string(),
            "octets": self.data.len(),
            "version": self.version,
        });
        let (name, value) = match std::str::from_utf8(&self.data) {
            Ok(text) => ("text", text.to_owned()),
            Err(_) => ("hex", hex(&self.data)),
        };
        object[name] = value.into();
        object
    }
}

fn hex(octets: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |nibble: u8| DIGITS[usize::from(nibble & 15)];
    let pairs = octets
        .iter()
        .map(|octet| [digit(octet >> 4), digit(*octet)]);
    pairs.flatten().collect()
}

/// Ends a tool: with what it says, or with 3 because files or network are at fault.
#[must_use]
pub fn end(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_that_are_no_text_are_shown_as_digits() {
        let received = |data: &[u8]| Received {
            source: Address::Ipn {
                node: 1,
                service: 2,
            },
            data: data.to_vec(),
            version: Some(7),
        };
        assert_eq!(received(b"\xff\x0a").object()["hex"], "ff0a");
        assert_eq!(received(b"\n").object()["text"], "\n");
    }
}
