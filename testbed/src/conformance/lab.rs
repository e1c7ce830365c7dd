// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A switch with its controller, of either kind: the same entries, the same ways in and out.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use bundle::{Reason, ReasonKind};
use serde_json::{Value, json};
use testbed::{
    link::Links,
    process::{self, Process, contents},
    traffic::Side,
    verdict::SLOW_PATH_PORT,
};

use crate::dataplane::Dataplane;

/// Long enough for a loaded machine; nothing waits that long when all is well.
const DEADLINE: Duration = Duration::from_mins(1);
const DEVICE_ID: u64 = 1;

/// Where frames enter and leave a switch.
pub(crate) trait Wire {
    /// Sends a frame into a port of the switch.
    fn send(&mut self, port: u16, frame: &[u8]) -> anyhow::Result<()>;
    /// The next frame that leaves the switch, and its port. `None` if none leaves in time.
    fn receive(&mut self, deadline: Duration) -> anyhow::Result<Option<(u16, Vec<u8>)>>;
}

impl Wire for Links {
    fn send(&mut self, port: u16, frame: &[u8]) -> anyhow::Result<()> {
        Links::send(self, port, frame)
    }

    fn receive(&mut self, deadline: Duration) -> anyhow::Result<Option<(u16, Vec<u8>)>> {
        Ok(Links::receive(self, deadline))
    }
}

/// A program for one kind of switch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program<'a> {
    /// Folder with P4Info and entries.
    pub(crate) folder: &'a Path,
    /// Name of these files, without ending.
    pub(crate) name: &'a str,
    /// What the switch loads.
    pub(crate) device_config: &'a Path,
}

/// A running switch, programmed by a running controller.
pub(crate) struct Lab {
    /// Its ports.
    pub(crate) wire: Box<dyn Wire>,
    /// Its files.
    pub(crate) folder: PathBuf,
    address: String,
    controller: Process,
    _switch: Process,
}

impl Lab {
    /// Starts this project's switch.
    pub(crate) fn ours(program: &Program<'_>) -> anyhow::Result<Self> {
        let files = Files::new(program, "sddtn")?;
        let links = Links::new(&[Side::V6.port(), Side::V7.port(), SLOW_PATH_PORT])?;
        let address_file = files.path("grpc-address");
        let mut options: Vec<String> = ["run", "--grpc-addr", "127.0.0.1:0", "--grpc-addr-file"]
            .map(str::to_owned)
            .into();
        options.push(address_file.display().to_string());
        options.extend(links.options());
        let path = process::sibling("p4switch")?;
        let mut switch = Process::start(&path, &options, &files.path("switch.log"))?;
        let address = switch.wait_for("P4Runtime address", DEADLINE, || contents(&address_file))?;
        Self::new(&files, switch, address.trim(), || Ok(Box::new(links)))
    }

    /// Starts BMv2, on loopback only.
    pub(crate) fn bmv2(simple_switch_grpc: &Path, program: &Program<'_>) -> anyhow::Result<Self> {
        let files = Files::new(program, "bmv2")?;
        let device_id = DEVICE_ID.to_string();
        let options = [
            "--no-p4",
            "--device-id",
            &device_id,
            "--",
            "--grpc-server-addr",
            "127.0.0.1:0",
            "--dp-grpc-server-addr",
            "127.0.0.1:0",
        ];
        let log = files.path("switch.log");
        let mut switch = Process::start(simple_switch_grpc, &options, &log)?;
        let [dataplane, address] = switch.wait_for("addresses", DEADLINE, || {
            let log = contents(&log)?;
            let dataplane = listening(&log, "Dataplane server listening on ")?;
            Some([dataplane, listening(&log, "Server listening on ")?])
        })?;
        Self::new(&files, switch, &address, || {
            Ok(Box::new(Dataplane::connect(&dataplane, DEVICE_ID)?))
        })
    }

    /// Starts the controller, then connects the ports: BMv2 refuses frames until it has a program.
    fn new(
        files: &Files<'_>,
        switch: Process,
        address: &str,
        wire: impl FnOnce() -> anyhow::Result<Box<dyn Wire>>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            controller: files.start_controller(address)?,
            wire: wire()?,
            folder: files.folder.clone(),
            address: address.to_owned(),
            _switch: switch,
        })
    }

    /// The reports of bundles, once the controller has written down that many, without what
    /// belongs to the clock and to the switch.
    pub(crate) fn reports(&mut self, count: usize) -> anyhow::Result<Vec<Value>> {
        let events = self.folder.join("events.jsonl");
        let what = format!("{count} bundle reports");
        let lines = self.controller.wait_for(&what, DEADLINE, || {
            let lines: Vec<_> = fs::read_to_string(&events)
                .ok()?
                .lines()
                .map(str::to_owned)
                .collect();
            (lines.len() >= count).then_some(lines)
        })?;
        lines
            .iter()
            .map(|line| {
                let event: Value = serde_json::from_str(line).context("an event is no JSON")?;
                let mut fields = event["fields"].clone();
                fields
                    .as_object_mut()
                    .context("an event has no fields")?
                    .remove("ingress_time");
                Ok(fields)
            })
            .collect()
    }

    /// What `sddtnctl` shows of the switch; it is kept in a file, too.
    pub(crate) fn shown(&self, command: &str) -> anyhow::Result<String> {
        let options = ["--switch", &self.address, command];
        let shown = process::output(&process::sibling("sddtnctl")?, &options)?;
        let path = self.folder.join(format!("{command}.txt"));
        fs::write(&path, &shown).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(shown)
    }
}

/// The address in the line of BMv2's log that begins with a prefix: it prints the one that was
/// asked for, and then the port that it was given.
fn listening(log: &str, prefix: &str) -> Option<String> {
    let line = log.lines().find_map(|line| line.strip_prefix(prefix))?;
    let (_, port) = line.rsplit_once(" port ")?;
    let port: u16 = port.trim().parse().ok()?;
    Some(format!("127.0.0.1:{port}"))
}

/// The files of one switch.
struct Files<'a> {
    program: &'a Program<'a>,
    target: &'static str,
    folder: PathBuf,
}

impl<'a> Files<'a> {
    /// Makes a folder without files of an earlier run, which would be taken for answers.
    fn new(program: &'a Program<'a>, target: &'static str) -> anyhow::Result<Self> {
        let folder = program.folder.join(target);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        for file in ["grpc-address", "ready", "events.jsonl", "switch.log"] {
            let path = folder.join(file);
            if path.exists() {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(Self {
            program,
            target,
            folder,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn start_controller(&self, address: &str) -> anyhow::Result<Process> {
        let write = |name: &str, text: String| {
            let path = self.path(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        write("operator.entries.json", operator_entries().to_string())?;
        write("controller.toml", self.configuration(address)?)?;
        let [config, events, ready] =
            ["controller.toml", "events.jsonl", "ready"].map(|name| self.path(name));
        let options = [
            "--config".as_ref(),
            config.as_os_str(),
            "--events".as_ref(),
            events.as_os_str(),
            "--ready-file".as_ref(),
            ready.as_os_str(),
        ];
        let path = process::sibling("sddtn-controller")?;
        let mut controller = Process::start(&path, &options, &self.path("controller.log"))?;
        controller.wait_for("programmed switch", DEADLINE, || {
            ready.exists().then_some(())
        })?;
        Ok(controller)
    }

    fn configuration(&self, address: &str) -> anyhow::Result<String> {
        let device_config = self
            .program
            .device_config
            .file_name()
            .context("a program is a file")?
            .to_string_lossy();
        let (name, target) = (self.program.name, self.target);
        let ports = [Side::V6, Side::V7].map(Side::port);
        let switch = format!(
            r#"[[switch]]
name = "s1"
target = "{target}"
address = "{address}"
device_id = {DEVICE_ID}
election_id = 100
p4info = "../{name}.p4info.txtpb"
device_config = "../{device_config}"
entries = ["../{name}.entries.json", "operator.entries.json"]
ports = {ports:?}
flood_group = 1
"#
        );
        let peer = |side: Side| {
            let (network, version) = (side.network(), side.version());
            format!("\n[[peer]]\nnetwork = \"{network}\"\nspeaks = {version}\n")
        };
        Ok([switch, peer(Side::V6), peer(Side::V7)].concat())
    }
}

/// Leads refused bundles to the slow path port, too, so that each datagram can be accounted for.
fn operator_entries() -> Value {
    let punts: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| reason.kind() != ReasonKind::FastPathLimit)
        .map(|reason| {
            json!({
                "table": "ingress.refusal",
                "match": { "meta.again.reason": reason.code().to_string() },
                "action": "ingress.punt",
                "params": { "port": SLOW_PATH_PORT.to_string() },
            })
        })
        .collect();
    json!({ "tables": punts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_addresses_of_bmv2() {
        let log = "Dataplane server listening on 127.0.0.1:0 port 40001\n\
                   Server listening on 127.0.0.1:0 port 40002\n";
        let of = |prefix| listening(log, prefix);
        assert_eq!(
            of("Dataplane server listening on ").as_deref(),
            Some("127.0.0.1:40001")
        );
        assert_eq!(
            of("Server listening on ").as_deref(),
            Some("127.0.0.1:40002")
        );
        assert_eq!(
            listening("Server listening on", "Server listening on "),
            None
        );
    }
}
