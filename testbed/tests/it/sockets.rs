// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages from socket to socket: two hosts of different versions, and a generated program between
//! them.
//!
//! ```text
//! Socket -- bpsockd, version 6 --UDP-- wire --frames-- p4switch --frames-- wire --UDP-- bpsockd, version 7 -- Socket
//! ```
//!
//! `Socket` is one of the library for Rust programs, or a program with sockets of family 28 under `bp-run`.

use std::{
    fs,
    io::{BufRead as _, BufReader, ErrorKind, Write as _},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context as _;
use bpsock::{
    abi::{BP_FLAG_REPORT_DELIVERY, BP_STATUS_DELIVERED, BP_STATUS_RECEIVED, Options},
    net::{Door, Message, Socket},
};
use tempfile::TempDir;
use testbed::{
    frame::Datagram,
    link::Links,
    process::{self, Process},
    scenario::DEADLINE,
    stage::{Stage, free_udp_address},
    traffic::{Input, Side},
};

use crate::node::controller_configuration;

/// Payload of the longest bundle that the program translates.
const MAX_PAYLOAD: usize = 1400;
/// Octets of the largest IP packet: the other version is longer by some octets.
const MTU: usize = 1400;
/// What a switch that was built for tests can take. What is lost all the same is sent again.
const OCTETS_PER_S: usize = 1_500_000;
/// The service that both hosts use.
const SERVICE: u32 = 7;

/// Two hosts and what is between them.
struct Site {
    sockets: [Socket; 2],
    stage: Stage,
    _wire: Wire,
    _processes: [Process; 4],
    _folder: TempDir,
}

impl Site {
    fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut stage = Stage::new(folder.path(), "sockets", MAX_PAYLOAD)?;
        let switch = stage.start_switch()?;
        let config = controller_configuration(stage.grpc(), "sockets");
        stage.write("controller.toml", &config)?;
        let controller =
            stage.start_daemon("sddtn-controller", &["--config"], "controller.toml")?;
        let ends = [End::new(Side::V6)?, End::new(Side::V7)?];
        let [(six, one), (seven, two)] =
            [start_host(&stage, &ends[0])?, start_host(&stage, &ends[1])?];
        let links = std::mem::replace(&mut stage.links, Links::new(&[])?);
        Ok(Self {
            sockets: [one, two],
            stage,
            _wire: Wire::start(links, ends),
            _processes: [switch, controller, six, seven],
            _folder: folder,
        })
    }

    /// The socket of this side, and that of the other one.
    fn way(&self, from: Side) -> (&Socket, &Socket) {
        let [six, seven] = &self.sockets;
        match from {
            Side::V6 => (six, seven),
            Side::V7 => (seven, six),
        }
    }

    fn check(&self, from: Side, length: usize) {
        let (one, other) = self.way(from);
        let octet = |at: usize| u8::try_from((at * 7 + at / 251) % 256).expect("it is below 256");
        let data: Vec<u8> = (0..length).map(octet).collect();
        let message = Message {
            options: Options::default().flags(BP_FLAG_REPORT_DELIVERY),
            report_to: None,
        };
        let sent = one.send_to(&data, other.local_address(), &message);
        let bundle = sent.expect("the agent takes it");
        let received = other.recv(Some(DEADLINE));
        let received = received.unwrap_or_else(|error| {
            let logs = [Side::V6, Side::V7].map(|side| self.stage.path(&log_of(side)));
            let logs = logs.map(|path| fs::read_to_string(path).unwrap_or_default());
            panic!(
                "{from:?}, {length} octets: {error}\n{logs:?}\n{}",
                self.stage.logs()
            )
        });
        assert!(
            received.data == data,
            "{from:?}, {length} octets are others"
        );
        let about = &received.about;
        assert_eq!(&about.source, one.local_address());
        let version = about.info.expect("the agent tells").version;
        assert_eq!(version, u32::from(from.other().version()));
        // The report of the other version says which bundle of this version it was.
        let mut report = one.report(DEADLINE).expect("a report comes back");
        while report.report.status == BP_STATUS_RECEIVED {
            // The agent asked for it, and once more because it came late.
            report = one.report(DEADLINE).expect("a report comes back");
        }
        assert_eq!(report.report.status, BP_STATUS_DELIVERED);
        assert_eq!(Some(report.report.bundle), bundle);
    }
}

/// The node number of a side's host.
fn node(side: Side) -> u8 {
    side.version()
}

fn log_of(side: Side) -> String {
    format!("bpsockd-{}.log", node(side))
}

/// A daemon, and a socket of it.
fn start_host(stage: &Stage, end: &End) -> anyhow::Result<(Process, Socket)> {
    let side = end.side;
    let (own, other, speaks) = (node(side), node(side.other()), side.version());
    let config = format!(
        r#"socket = "{own}.sock"
[leaf]
node = "ipn:{own}.0"
listen = "{}"
store = "{own}.store"
[[leaf.peer]]
endpoints = ["ipn:{other}.*"]
address = "{}"
speaks = {speaks}
mtu = {MTU}
octets_per_s = {OCTETS_PER_S}
confirm = true
"#,
        end.host,
        end.near.local_addr()?,
    );
    let name = format!("bpsockd-{own}.toml");
    stage.write(&name, &config)?;
    let ready = stage.path(&format!("bpsockd-{own}.ready"));
    let options = [
        "run".into(),
        stage.path(&name),
        "--ready-file".into(),
        ready.clone(),
    ];
    let program = process::sibling("bpsockd")?;
    let mut daemon = Process::start(&program, &options, &stage.path(&log_of(side)))?;
    daemon.wait_for("ready file", DEADLINE, || ready.exists().then_some(()))?;
    let door = Door::connect(&stage.path(&format!("{own}.sock")))?;
    let socket = door.bind(&format!("ipn:0.{SERVICE}").parse()?)?;
    Ok((daemon, socket))
}

/// Where the datagrams of a host become frames, and the other way round.
#[derive(Debug)]
struct End {
    side: Side,
    /// Where the host has its agent.
    host: SocketAddr,
    /// What the host takes for its neighbour.
    near: UdpSocket,
}

impl End {
    fn new(side: Side) -> anyhow::Result<Self> {
        let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        near.set_nonblocking(true)?;
        let host = free_udp_address()?;
        Ok(Self { side, host, near })
    }
}

/// The cables between two hosts and the switch.
struct Wire {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    fn start(links: Links, ends: [End; 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                carry(&links, &ends).expect("loopback carries");
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that has panicked has said why.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Carries what there is, in both directions.
fn carry(links: &Links, ends: &[End; 2]) -> anyhow::Result<()> {
    let mut buffer = [0; 2048];
    for end in ends {
        loop {
            let (length, _) = match end.near.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The host has ended.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => break,
                Err(error) => return Err(error).context("cannot receive from a host"),
            };
            let input = Input::new(end.side, 1, buffer[..length].to_vec());
            links.send(end.side.port(), &input.datagram.to_frame())?;
        }
    }
    let mut patience = Duration::from_millis(1);
    while let Some((port, frame)) = links.receive(patience) {
        patience = Duration::ZERO;
        let end = ends.iter().find(|end| end.side.port() == port);
        if let (Some(end), Some(datagram)) = (end, Datagram::parse(&frame)) {
            end.near.send_to(&datagram.payload, end.host)?;
        }
    }
    Ok(())
}

/// Messages that fit into a bundle, and messages that become hundreds of fragments.
#[test]
fn messages_cross_between_versions() {
    let site = Site::start().expect("the programs start");
    for length in [1, 1000, 40_000, 1 << 20] {
        site.check(Side::V6, length);
        site.check(Side::V7, length);
    }
}

// Programs with sockets of family 28.

/// Where `bpping --answer`, the echo program and the people who chat are.
const ANSWERS: u32 = 8;
const ECHO: u32 = 9;
const CHAT: u32 = 10;

/// A program under `bp-run`, with the daemon of this side.
fn under(site: &Site, at: Side, program: &str) -> Command {
    let sibling = |name| process::sibling(name).expect("the workspace is built");
    let mut command = Command::new(sibling("bp-run"));
    let socket = site.stage.path(&format!("{}.sock", node(at)));
    command.arg("--path").arg(socket);
    if program == "echo" {
        command.arg(site.stage.path("echo"));
    } else {
        command.arg(sibling(program));
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// A program that is ended with this value. The supervisor's end is that of the program's calls.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.spawn().expect("bp-run is built"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The UDP echo server of every textbook, ported by two lines and linked statically.
fn build_echo(site: &Site) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpsock/suite");
    let out = site.stage.path("");
    let out = out.to_str().expect("the folder has a plain name");
    let out = out.trim_end_matches('/');
    let made = Command::new("make")
        .args(["-s", "LDFLAGS=-static", "-C"])
        .arg(folder)
        .args([format!("OUT={out}"), format!("{out}/echo")])
        .status();
    assert!(made.expect("there is a make").success());
}

/// Asks an endpoint of the other side, which sends back what it gets.
fn ping(site: &Site, from: Side, service: u32, length: usize) {
    let mut command = under(site, from, "bpping");
    let to = format!("ipn:{}.{service}", node(from.other()));
    let length = length.to_string();
    command.args([&to, "--via", "family", "--count", "1", "--timeout", "240"]);
    let output = command.args(["--size", &length]).output();
    let output = output.expect("bp-run is built");
    let status = output.status;
    assert!(status.success(), "{from:?}, {length} octets: {output:?}");
}

/// Programs that call `socket(28, ...)` on both sides: 1 octet to 1 MiB there and back, a C program,
/// and two people who chat.
#[test]
fn programs_of_the_family_cross_between_versions() {
    let site = Site::start().expect("the programs start");
    build_echo(&site);
    let sides = [Side::V6, Side::V7];
    let _answering = sides.map(|side| {
        let mut command = under(&site, side, "bpping");
        let own = format!("ipn:0.{ANSWERS}");
        command.args([&own, "--answer", "--via", "family"]);
        let mut echo = under(&site, side, "echo");
        echo.arg(ECHO.to_string());
        [Running::start(command), Running::start(echo)]
    });
    for side in sides {
        for length in [1, 1000, 40_000] {
            ping(&site, side, ANSWERS, length);
        }
        ping(&site, side, ECHO, 40_000);
    }
    chat(&site, sides);
    // It goes in both directions.
    ping(&site, Side::V6, ANSWERS, 1 << 20);
}

fn chat(site: &Site, sides: [Side; 2]) {
    let mut people = sides.map(|side| {
        let mut command = under(site, side, "bpchat");
        let own = format!("ipn:0.{CHAT}");
        let other = format!("ipn:{}.{CHAT}", node(side.other()));
        command.args([&own, &other, "--via", "family"]);
        Running::start(command)
    });
    for (side, who) in sides.into_iter().zip(&mut people) {
        let input = who.0.stdin.as_mut().expect("it is a pipe");
        writeln!(input, "hello from {}", node(side)).expect("it reads");
    }
    for (side, who) in sides.into_iter().zip(&mut people) {
        let mut said = String::new();
        let output = who.0.stdout.take().expect("it is a pipe");
        let read = BufReader::new(output).read_line(&mut said);
        read.expect("it prints");
        let other = node(side.other());
        assert_eq!(said, format!("ipn:{other}.{CHAT}: hello from {other}\n"));
    }
}
