// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Clients of other projects against `p4switch`: the stubs of the P4Runtime project,
//! p4runtime-shell and finsy. `make setup` installs them; without them, these tests fail.

use std::{
    fs::{self, File},
    net::UdpSocket,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// Ports of the switch, all of them UDP sockets.
const PORTS: [u32; 3] = [1, 2, 3];

fn root() -> &'static Path {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"));
    crates.parent().expect("the crate is in the repository")
}

/// Ends the switch when a test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// The addresses of a port and of its far end, which the script binds.
struct End {
    peer: String,
    switch: String,
}

impl End {
    fn new() -> Self {
        let bind = || UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        let (peer, switch) = (bind(), bind());
        let address = |socket: UdpSocket| socket.local_addr().expect("it is bound").to_string();
        Self {
            peer: address(peer),
            switch: address(switch),
        }
    }

    fn argument(&self, number: u32) -> String {
        format!("{number}@udp:{}={}", self.switch, self.peer)
    }
}

/// The interpreter of one of the environments that `make setup` makes.
fn python(environment: &str) -> PathBuf {
    let path = root().join("target").join(environment).join("bin/python");
    assert!(
        path.exists(),
        "{} is missing: run `make setup` first",
        path.display()
    );
    path
}

fn start(directory: &Path, ends: &[End], options: &[&Path]) -> (Running, String) {
    let address = directory.join("address");
    let ports = PORTS.iter().zip(ends);
    let ports = ports.flat_map(|(number, end)| ["-i".to_owned(), end.argument(*number)]);
    let log = File::create(directory.join("switch.log")).expect("writable");
    let child = Command::new(env!("CARGO_BIN_EXE_p4switch"))
        .args(["run", "--cpu-port", "510", "--grpc-addr", "127.0.0.1:0"])
        .arg("--grpc-addr-file")
        .arg(&address)
        .args(ports)
        .args(options)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the binary runs");
    let running = Running(child);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !address.exists() {
        assert!(Instant::now() < deadline, "the switch starts");
        std::thread::yield_now();
    }
    let written = fs::read_to_string(&address).expect("readable");
    (running, written.trim().to_owned())
}

/// Runs a script with a switch of its own; it has to end with `done`.
fn check(environment: &str, script: &str, options: &[&Path], variables: &[(&str, &Path)]) {
    let python = python(environment);
    let directory = tempfile::tempdir().expect("a directory");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/features.p4");
    let p4info = directory.path().join("features.p4info.txtpb");
    let checked = Command::new(env!("CARGO_BIN_EXE_p4switch"))
        .arg("check")
        .arg(&program)
        .arg("--p4info-out")
        .arg(&p4info)
        .stdout(Stdio::null())
        .status();
    assert!(checked.expect("the binary runs").success());
    let ends = PORTS.map(|_| End::new());
    let (switch, address) = start(directory.path(), &ends, options);
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let mut client = Command::new(python);
    client
        .arg("-B")
        .arg(scripts.join(script))
        .env("P4SWITCH", &address)
        .env("P4INFO", &p4info)
        .env("PROGRAM", &program)
        .envs(variables.iter().copied());
    for (number, end) in PORTS.iter().zip(&ends) {
        client.env(format!("PORT{number}"), &end.peer);
        client.env(format!("PORT{number}_SWITCH"), &end.switch);
    }
    let Output {
        status,
        stdout,
        stderr,
    } = client.output().expect("the interpreter runs");
    drop(switch);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let log = fs::read_to_string(directory.path().join("switch.log")).expect("readable");
    assert!(
        status.success() && text(&stdout).ends_with("done\n"),
        "{script}: {status}\n{}{}\nswitch:\n{log}",
        text(&stdout),
        text(&stderr)
    );
}

fn testdata(name: &str) -> PathBuf {
    root().join("testdata/tls").join(name)
}

#[test]
fn official_stubs() {
    check("p4runtime", "official.py", &[], &[]);
}

#[test]
fn p4runtime_shell() {
    check("p4runtime", "shell.py", &[], &[]);
}

#[test]
fn finsy() {
    check("finsy", "with_finsy.py", &[], &[]);
}

/// With certificates on both sides, and refused without.
#[test]
fn shell_over_tls() {
    let (certificate, key) = (testdata("switch.pem"), testdata("switch.key"));
    let authority = testdata("ca.pem");
    let options: [&Path; 6] = [
        "--tls-cert".as_ref(),
        &certificate,
        "--tls-key".as_ref(),
        &key,
        "--tls-client-ca".as_ref(),
        &authority,
    ];
    let folder = root().join("testdata/tls");
    check("p4runtime", "secure.py", &options, &[("TLS", &folder)]);
}
