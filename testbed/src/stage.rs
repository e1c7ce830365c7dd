// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A switch with a slow path, and the daemons around it, which may end and begin again.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    link::Links,
    process::{self, Process, contents},
    scenario::DEADLINE,
    traffic::Side,
    verdict::SLOW_PATH_PORT,
};

/// A folder with a generated program, and the addresses at which the programs find each other.
#[derive(Debug)]
pub struct Stage {
    /// Where everything is written.
    pub folder: PathBuf,
    /// The hosts at the ports of the switch.
    pub links: Links,
    /// The end of the slow path that the node has.
    pub node_end: SocketAddr,
    /// The end that the switch has.
    pub switch_end: SocketAddr,
    grpc: Option<String>,
}

impl Stage {
    /// Generates a program of this name for payloads of so many octets.
    ///
    /// # Errors
    ///
    /// A program is missing, or a file cannot be written.
    pub fn new(folder: &Path, name: &str, max_payload: usize) -> anyhow::Result<Self> {
        let out = folder.display().to_string();
        let max_payload = max_payload.to_string();
        let port = SLOW_PATH_PORT.to_string();
        #[rustfmt::skip]
        let options = [
            "--target", "bmv2", "--max-payload", &max_payload, "--slow-path-port", &port,
            "--name", name, "-o", &out,
        ];
        process::output(&process::sibling("p4gen")?, &options)?;
        Ok(Self {
            folder: folder.to_owned(),
            links: Links::new(&[Side::V6.port(), Side::V7.port()])?,
            node_end: free_udp_address()?,
            switch_end: free_udp_address()?,
            grpc: None,
        })
    }

    /// Starts the switch. All of its lives have the same addresses.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start_switch(&mut self) -> anyhow::Result<Process> {
        let address_file = self.path("grpc-address");
        if address_file.exists() {
            fs::remove_file(&address_file)
                .context("cannot remove the address of an earlier life")?;
        }
        let address = self.grpc.as_deref().unwrap_or("127.0.0.1:0");
        let mut options: Vec<String> = ["run", "--grpc-addr", address, "--grpc-addr-file"]
            .map(str::to_owned)
            .into();
        options.push(address_file.display().to_string());
        options.extend(self.links.options());
        let (here, there) = (self.switch_end, self.node_end);
        options.extend([
            "-i".to_owned(),
            format!("{SLOW_PATH_PORT}@udp:{here}={there}"),
        ]);
        let path = process::sibling("p4switch")?;
        let mut switch = Process::start(&path, &options, &self.path("switch.log"))?;
        let address = switch.wait_for("P4Runtime address", DEADLINE, || contents(&address_file))?;
        self.grpc = Some(address.trim().to_owned());
        Ok(switch)
    }

    /// The address of the switch's P4Runtime server. Empty before its first life.
    #[must_use]
    pub fn grpc(&self) -> &str {
        self.grpc.as_deref().unwrap_or_default()
    }

    /// Starts a daemon, and waits until it says that it is ready.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start_daemon(
        &self,
        name: &str,
        before: &[&str],
        config: &str,
    ) -> anyhow::Result<Process> {
        let ready = self.path(&format!("{name}.ready"));
        let mut daemon = self.launch(name, before, config)?;
        daemon.wait_for("ready file", DEADLINE, || ready.exists().then_some(()))?;
        Ok(daemon)
    }

    /// Starts a daemon without waiting for it.
    ///
    /// # Errors
    ///
    /// The program is missing.
    pub fn launch(&self, name: &str, before: &[&str], config: &str) -> anyhow::Result<Process> {
        let ready = self.path(&format!("{name}.ready"));
        if ready.exists() {
            fs::remove_file(&ready).context("cannot remove the ready file of an earlier life")?;
        }
        let mut options: Vec<PathBuf> = before.iter().map(PathBuf::from).collect();
        options.extend([self.path(config), "--ready-file".into(), ready]);
        let log = self.path(&format!("{name}.log"));
        Process::start(&process::sibling(name)?, &options, &log)
    }

    /// The configuration of a controller for a relay: node 10, with node 2 behind the port of version
    /// 7, and node 3 behind that of version 6. Its plan is `plan.ionrc`; `contacts` are more lines of
    /// that section, and `more` is for other sections.
    #[must_use]
    pub fn relay(&self, contacts: &str, more: &str) -> String {
        let link = |to: u64, side: Side| {
            let (port, speaks) = (side.port(), side.version());
            format!(
                "[[link]]\nfrom = 10\nto = {to}\nport = {port}\nethernet = \"02:00:00:00:00:0{to}\"\n\
                 ethernet_source = \"02:00:00:00:00:0a\"\naddress = \"10.9.0.{to}\"\n\
                 speaks = {speaks}\n"
            )
        };
        let links = link(2, Side::V7) + &link(3, Side::V6);
        let grpc = self.grpc();
        format!(
            r#"[[switch]]
name = "relay"
address = "{grpc}"
device_id = 1
election_id = 7
p4info = "relay.p4info.txtpb"
device_config = "relay.p4"
entries = ["relay.entries.json"]

{more}
[contacts]
plan = "plan.ionrc"
{contacts}

[[node]]
number = 10
switch = "relay"
address = "10.9.0.1"

{links}"#
        )
    }

    /// The entries of a table of the switch, as the tool shows them: names and values as texts.
    ///
    /// # Errors
    ///
    /// The switch does not answer.
    pub fn entries(&self, table: &str) -> anyhow::Result<Vec<Value>> {
        #[rustfmt::skip]
        let options = [
            "--switch", self.grpc(), "--format", "json", "explain", "entries", table,
        ];
        let text = process::output(&process::sibling("sddtnctl")?, &options)?;
        let tables: Value = serde_json::from_str(&text).context("the tool does not say JSON")?;
        let name = format!("ingress.{table}");
        let rows = tables[name].as_array().cloned().unwrap_or_default();
        let is_default = |row: &Value| {
            row["entry"]
                .as_str()
                .is_some_and(|text| text.contains("default"))
        };
        Ok(rows.into_iter().filter(|row| !is_default(row)).collect())
    }

    /// Writes a file for the daemons.
    ///
    /// # Errors
    ///
    /// The folder is not writable.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The path of a file in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What the programs have said, for people who look for a fault.
    #[must_use]
    pub fn logs(&self) -> String {
        let logs = ["switch.log", "sddtn-controller.log", "sddtn-node.log"];
        let text = |name: &str| fs::read_to_string(self.path(name)).unwrap_or_default();
        logs.map(|name| format!("{name}:\n{}", text(name)))
            .join("\n")
    }
}

/// An address on loopback at which nobody listens for datagrams.
///
/// # Errors
///
/// Loopback has no free port.
pub fn free_udp_address() -> anyhow::Result<SocketAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot bind on loopback")?;
    socket.local_addr().context("a bound socket has an address")
}

/// An address on loopback at which nobody listens for connections.
///
/// # Errors
///
/// Loopback has no free port.
pub fn free_tcp_address() -> anyhow::Result<SocketAddr> {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot bind on loopback")?;
    socket.local_addr().context("a bound socket has an address")
}
