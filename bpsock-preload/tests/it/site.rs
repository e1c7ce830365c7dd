// SPDX-License-Identifier: Apache-2.0 OR MIT
//! C programs and a daemon, for both ways in which calls are caught: the library and `bp-run`.
//!
//! Needs the daemon beside the tests: a build of the whole workspace has it. And `cc` and `make`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bpsock::net::{Door, Message, Socket};
use tempfile::TempDir;

/// Long enough for a loaded machine; nothing waits that long when all is well.
const DEADLINE: Duration = Duration::from_mins(1);

/// What the suite says.
pub(crate) struct Suite {
    pub(crate) failed: Vec<String>,
    pub(crate) passed: usize,
    pub(crate) said: String,
}

/// A folder with a compiled C program and the configuration of a daemon.
pub(crate) struct Site {
    folder: TempDir,
}

impl Site {
    /// With this C program, linked with these flags.
    pub(crate) fn new(program: &str, flags: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpsock/suite");
        let out = folder.path().display();
        let program = format!("{out}/{program}");
        let out = format!("OUT={out}");
        let made = Command::new("make")
            .args(["-s", "-C"])
            .arg(suite)
            .args([program, out, format!("LDFLAGS={flags}")])
            .status();
        assert!(made.expect("there is a make").success());
        // Nothing of this daemon leaves it: any free port will do.
        let config = "socket = \"s\"\n[leaf]\nnode = \"ipn:10.0\"\nlisten = \"127.0.0.1:0\"\n\
                      store = \"leaf.store\"\n";
        fs::write(folder.path().join("bpsockd.toml"), config).expect("the folder is writable");
        Self { folder }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn daemon(&self) -> Running {
        let mut daemon = Command::new(built("bpsockd"));
        daemon.arg("run").arg(self.at("bpsockd.toml"));
        daemon.env("RUST_LOG", "error").stdin(Stdio::null());
        Running::start(daemon)
    }

    fn daemon_command(&self) -> String {
        let config = self.at("bpsockd.toml");
        format!("{} run {}", built("bpsockd").display(), config.display())
    }

    /// The suite, whose calls are caught in this way.
    pub(crate) fn suite(&self, way: impl Fn(&Path) -> Command) -> Suite {
        let mut program = self.program(&self.at("bp-suite"), way);
        program.args(["--timeout", "60", "--daemon", &self.daemon_command()]);
        let output = program.output().expect("the suite is built");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let names = |prefix: &str| {
            let names = said.lines().filter_map(|line| line.strip_prefix(prefix));
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        let (failed, passed) = (names("not ok "), names("ok ").len());
        Suite {
            failed,
            passed,
            said,
        }
    }

    /// A program whose calls are caught in this way.
    pub(crate) fn program(&self, path: &Path, way: impl Fn(&Path) -> Command) -> Command {
        let mut command = way(path);
        command
            .env("BPSOCK_PATH", self.at("s"))
            .env("RUST_LOG", "error")
            .stdin(Stdio::null());
        command
    }

    /// The UDP echo server of every textbook, ported by two lines: it binds a service and answers.
    pub(crate) fn check_echo(&self, way: impl Fn(&Path) -> Command) {
        let _daemon = self.daemon();
        let socket = socket(&self.at("s"));
        let mut echo = self.program(&self.at("echo"), way);
        echo.args(["9", "3"]);
        let mut echo = Running::start(echo);
        let to = "ipn:10.9".parse().expect("it is an address");
        for length in [1, 1000, 60_000] {
            let data: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
            // What comes before the endpoint does is kept for it.
            let sent = socket.send_to(&data, &to, &Message::default());
            sent.expect("the agent takes it");
            let answer = socket.recv(Some(DEADLINE)).expect("an answer comes");
            assert_eq!(answer.about.source, to);
            assert!(answer.data == data, "{length} octets are others");
        }
        assert!(echo.0.wait().expect("it is a child").success());
    }
}

/// What is built in the folder of the tests or above it: the newest.
pub(crate) fn built(name: &str) -> PathBuf {
    let own = env::current_exe().expect("this program has a path");
    let places = own.ancestors().skip(1).take(2);
    let found = places.map(|folder| folder.join(name));
    let time = |path: &PathBuf| path.metadata().and_then(|it| it.modified()).ok();
    let newest = found.filter(|it| it.is_file()).max_by_key(time);
    newest.unwrap_or_else(|| panic!("{name} is missing: build the whole workspace"))
}

/// A program that is ended with this value.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        Self(command.spawn().expect("the program is built"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A socket by the library for Rust programs, as soon as the daemon is there.
pub(crate) fn socket(path: &Path) -> Socket {
    let start = Instant::now();
    loop {
        match Door::connect(path) {
            Ok(door) => {
                let any = "ipn:0.0".parse().expect("it is an address");
                return door.bind(&any).expect("there are free services");
            }
            Err(error) => assert!(start.elapsed() < DEADLINE, "{error}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}
