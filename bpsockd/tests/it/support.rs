// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Daemons in folders of their own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bpsock::Address;
use bpsock::net::{Door, Message, Received, Socket};
use rustix::io::Errno;
use tempfile::TempDir;

/// Long enough for a loaded machine; nothing waits that long when all is well.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A daemon, and its folder.
pub(crate) struct Daemon {
    pub(crate) folder: TempDir,
    child: Child,
    pub(crate) bundles: SocketAddr,
}

/// An address on loopback that nobody uses.
pub(crate) fn free_address() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    socket.local_addr().expect("it is bound")
}

/// The same for TCP.
pub(crate) fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("it is bound")
}

/// Waits until the daemon has found its agent, and an address can be bound.
pub(crate) fn wait_bound(daemon: &Daemon, address: &str) {
    let start = Instant::now();
    while let Err(error) = daemon.door().bind(&parse(address)) {
        let number = error.raw_os_error();
        assert_eq!(number, Some(Errno::NETDOWN.raw_os_error()));
        assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
        sleep(Duration::from_millis(20));
    }
}

/// A neighbour in the configuration.
pub(crate) fn peer(endpoints: &str, address: SocketAddr, speaks: u8, more: &str) -> String {
    format!(
        "[[leaf.peer]]\nendpoints = [\"{endpoints}\"]\naddress = \"{address}\"\nspeaks = {speaks}\n\
         {more}\n"
    )
}

/// What a loaded machine loses at this rate is sent again.
pub(crate) const PACED: &str = "octets_per_s = 6000000\nconfirm = true";

impl Daemon {
    /// Starts a daemon. `before` is the part of the configuration above the agent's.
    pub(crate) fn start(node: u32, listen: SocketAddr, before: &str, after: &str) -> Self {
        let mut daemon = Self::start_with(&format!(
            "socket = \"s\"\n{before}\n[leaf]\nnode = \"ipn:{node}.0\"\nlisten = \"{listen}\"\n\
             store = \"leaf.store\"\n{after}"
        ));
        daemon.bundles = listen;
        daemon
    }

    /// Starts a daemon with this configuration.
    pub(crate) fn start_with(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        fs::write(folder.path().join("bpsockd.toml"), config).expect("the folder is writable");
        let child = spawn(&folder);
        let mut daemon = Self {
            folder,
            child,
            bundles: (Ipv4Addr::LOCALHOST, 0).into(),
        };
        daemon.wait_ready();
        daemon
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub(crate) fn door(&self) -> Door {
        Door::connect(&self.path()).expect("the daemon listens")
    }

    pub(crate) fn bind(&self, address: &str) -> Socket {
        self.door()
            .bind(&parse(address))
            .expect("the address is free")
    }

    /// Ends the process at once, and starts another one in its place.
    pub(crate) fn kill_and_start(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("it is a child");
        self.start_again();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("it is a child");
    }

    pub(crate) fn start_again(&mut self) {
        self.child = spawn(&self.folder);
        self.wait_ready();
    }

    /// Sends SIGTERM, and returns whether the process ended well.
    pub(crate) fn terminate(&mut self) -> bool {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").arg(&pid).status();
        assert!(kill.expect("there is a kill").success());
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is a child") {
                return status.success();
            }
            assert!(start.elapsed() < DEADLINE, "{}", self.log());
            sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn wait_ready(&mut self) {
        let ready = self.folder.path().join("ready");
        let start = Instant::now();
        while !ready.exists() {
            let ended = self.child.try_wait().expect("it is a child");
            let log = self.log();
            assert!(ended.is_none() && start.elapsed() < DEADLINE, "{log}");
            sleep(Duration::from_millis(5));
        }
    }
}

fn spawn(folder: &TempDir) -> Child {
    let at = |name: &str| folder.path().join(name);
    let _ = fs::remove_file(at("ready"));
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(at("log"))
        .expect("the folder is writable");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bpsockd"));
    command.arg("run").arg(at("bpsockd.toml"));
    command.arg("--ready-file").arg(at("ready"));
    command
        .env("RUST_LOG", "debug")
        .stdin(Stdio::null())
        .stderr(log);
    command.spawn().expect("the program is built")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

pub(crate) fn parse(text: &str) -> Address {
    text.parse().expect("the text is an address")
}

/// Sends as the daemon likes.
pub(crate) fn send(socket: &Socket, data: &[u8], to: &str) {
    let sent = socket.send_to(data, &parse(to), &Message::default());
    sent.expect("the agent takes it");
}

pub(crate) fn receive(socket: &Socket) -> Received {
    let received = socket.recv(Some(DEADLINE)).expect("a message arrives");
    Received::clone(&received)
}

/// The errno of something that fails.
pub(crate) fn errno<T: std::fmt::Debug>(outcome: std::io::Result<T>) -> i32 {
    outcome
        .expect_err("it fails")
        .raw_os_error()
        .expect("the error has a number")
}
