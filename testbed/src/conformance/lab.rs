// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A switch with its controller, of either kind: the same entries, the same ways in and out.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::Value;
use testbed::{
    link::Links,
    process::{self, Process},
    scenario::{self, DEADLINE, DEVICE_ID},
};

use crate::dataplane::Dataplane;

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

/// A program for one kind of switch in one role.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// Folder for what is written; P4Info and entries are in the one above.
    pub(crate) folder: &'a Path,
    /// Name of these files, without ending.
    pub(crate) name: &'a str,
    /// What the switch loads.
    pub(crate) device_config: &'a Path,
    /// Files with further entries, by name.
    pub(crate) entries: Vec<(&'static str, String)>,
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
        let links = Links::new(&scenario::PORTS)?;
        let (switch, address) = scenario::start_switch(&files.folder, &links)?;
        Self::new(&files, switch, &address, || Ok(Box::new(links)))
    }

    /// Starts BMv2, on loopback only.
    pub(crate) fn bmv2(simple_switch_grpc: &Path, program: &Program<'_>) -> anyhow::Result<Self> {
        let files = Files::new(program, "bmv2")?;
        let device_id = DEVICE_ID.to_string();
        let [address, dataplane] = [free_address()?, free_address()?];
        let options = [
            "--no-p4",
            "--device-id",
            &device_id,
            "--",
            "--grpc-server-addr",
            &address,
            "--dp-grpc-server-addr",
            &dataplane,
        ];
        let log = files.folder.join("switch.log");
        let mut switch = Process::start(simple_switch_grpc, &options, &log)?;
        let both = [&address, &dataplane];
        switch.wait_for("listening servers", DEADLINE, || {
            let connects = |address: &&String| TcpStream::connect(address.as_str()).is_ok();
            both.iter().all(connects).then_some(())
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

/// An address on loopback where nobody listens. BMv2 does not say which port it was given if it is
/// asked to choose one, so that another program can be faster here, if rarely.
fn free_address() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot open a port on loopback")?;
    let address = listener.local_addr().context("cannot read back a port")?;
    Ok(address.to_string())
}

/// The files of one switch.
struct Files<'a> {
    program: &'a Program<'a>,
    target: &'static str,
    folder: PathBuf,
}

impl<'a> Files<'a> {
    fn new(program: &'a Program<'a>, target: &'static str) -> anyhow::Result<Self> {
        let folder = program.folder.join(target);
        scenario::fresh_folder(&folder)?;
        Ok(Self {
            program,
            target,
            folder,
        })
    }

    fn start_controller(&self, address: &str) -> anyhow::Result<Process> {
        let file = self.program.device_config.file_name();
        let file = file.context("a program is a file")?.to_string_lossy();
        let name = self.program.name;
        let generated = format!("../../{name}.entries.json");
        let mut entries = vec![generated.as_str()];
        for (file, text) in &self.program.entries {
            let path = self.folder.join(file);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            entries.push(file);
        }
        let program = scenario::Program {
            target: self.target,
            p4info: &format!("../../{name}.p4info.txtpb"),
            device_config: &format!("../../{file}"),
            entries: &entries,
        };
        scenario::start_controller(&self.folder, &program, address)
    }
}
