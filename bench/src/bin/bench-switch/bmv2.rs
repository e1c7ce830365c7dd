// SPDX-License-Identifier: Apache-2.0 OR MIT
//! BMv2 and its compiler, where they are on the PATH.

use std::{
    ffi::OsString,
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use super::process::{Process, finish, on_path};

/// The reference switch for v1model, and what makes its programs.
pub(crate) struct Bmv2 {
    switch: PathBuf,
    compiler: PathBuf,
}

impl Bmv2 {
    /// Looks for both programs. `None` if one is missing.
    pub(crate) fn find() -> Option<Self> {
        Some(Self {
            switch: on_path("simple_switch_grpc")?,
            compiler: on_path("p4c-bm2-ss")?,
        })
    }

    /// What the switch says of its version.
    pub(crate) fn version(&self) -> String {
        let output = Command::new(&self.switch).arg("--version").output();
        let said = output.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    /// Compiles a program to what the switch loads.
    ///
    /// # Errors
    ///
    /// The compiler does not accept it, or a file cannot be read or written.
    pub(crate) fn compile(&self, folder: &Path, text: &str) -> anyhow::Result<Vec<u8>> {
        let [source, json] = ["bmv2.p4", "bmv2.json"].map(|name| folder.join(name));
        fs::write(&source, text).with_context(|| format!("cannot write {}", source.display()))?;
        let args: [OsString; 5] = [
            "--std".into(),
            "p4-16".into(),
            source.into(),
            "-o".into(),
            (&json).into(),
        ];
        finish(&self.compiler, &args)?;
        fs::read(&json).with_context(|| format!("cannot read {}", json.display()))
    }

    /// Starts the switch, and returns the address of its P4Runtime server.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub(crate) fn start(
        &self,
        cores: usize,
        device_id: u64,
        ports: &[(u32, String)],
        log: &Path,
    ) -> anyhow::Result<(Process, String)> {
        let mut args: Vec<OsString> = vec![
            "--no-p4".into(),
            "--device-id".into(),
            device_id.to_string().into(),
        ];
        for (number, interface) in ports {
            args.extend(["-i".into(), format!("{number}@{interface}").into()]);
        }
        let address = free_address()?;
        args.extend(["--", "--grpc-server-addr", &address].map(OsString::from));
        let mut process = Process::start(cores, &self.switch, &args, log)?;
        process.wait_for("listening server of BMv2", |_| {
            TcpStream::connect(&address).ok()
        })?;
        Ok((process, address))
    }
}

/// An address on loopback where nobody listens. BMv2 does not say which port it was given if it is
/// asked to choose one.
fn free_address() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot open a port on loopback")?;
    let address = listener.local_addr().context("cannot read back a port")?;
    Ok(address.to_string())
}
