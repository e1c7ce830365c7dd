// SPDX-License-Identifier: Apache-2.0 OR MIT
//! C programs with the library in front of their system calls, and a daemon behind it.
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
/// A descriptor that a child inherits is no socket for it: the connection is that of its parent.
const NOT_HERE: [&str; 1] = ["data_returned_on_death"];
/// Tests of the suite that need no scripted daemon and no kernel module, and pass.
const PASSED: usize = 54;

/// A folder with the compiled C programs and the configuration of a daemon.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpsock/suite");
        let out = format!("OUT={}", folder.path().display());
        let made = Command::new("make")
            .args(["-s", "-C"])
            .arg(suite)
            .arg(out)
            .status();
        assert!(made.expect("there is a make").success());
        // Nothing of this daemon leaves it: any free port will do.
        let config = "socket = \"s\"\n[leaf]\nnode = \"ipn:10.0\"\nlisten = \"127.0.0.1:0\"\n\
                      store = \"leaf.redb\"\n";
        fs::write(folder.path().join("bpsockd.toml"), config).expect("the folder is writable");
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn daemon(&self) -> Running {
        let mut daemon = Command::new(built("bpsockd"));
        daemon.arg("run").arg(self.at("bpsockd.toml"));
        daemon.env("RUST_LOG", "error").stdin(Stdio::null());
        Running::start(daemon)
    }

    fn daemon_command(&self) -> String {
        let config = self.at("bpsockd.toml");
        format!("{} run {}", built("bpsockd").display(), config.display())
    }

    /// One of the C programs, with the library.
    fn program(&self, name: &str) -> Command {
        self.with_library(&self.at(name))
    }

    /// A program with the library.
    fn with_library(&self, path: &Path) -> Command {
        let mut command = Command::new(path);
        command
            .env("LD_PRELOAD", built("libbpsock_preload.so"))
            .env("BPSOCK_PATH", self.at("s"))
            .env("RUST_LOG", "error")
            .stdin(Stdio::null());
        command
    }
}

/// What is built in the folder of the tests or above it: the newest.
fn built(name: &str) -> PathBuf {
    let own = env::current_exe().expect("this program has a path");
    let places = own.ancestors().skip(1).take(2);
    let found = places.map(|folder| folder.join(name));
    let time = |path: &PathBuf| path.metadata().and_then(|it| it.modified()).ok();
    let newest = found.filter(|it| it.is_file()).max_by_key(time);
    newest.unwrap_or_else(|| panic!("{name} is missing: build the whole workspace"))
}

/// A program that is ended with this value.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
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

/// The suite of the kernel module: the same calls, the same errno values.
#[test]
fn the_suite_passes() {
    let site = Site::new();
    let mut program = site.program("bp-suite");
    program.args(["--timeout", "60", "--daemon", &site.daemon_command()]);
    let output = program.output().expect("the suite is built");
    let said = String::from_utf8_lossy(&output.stdout);
    let names = |prefix: &str| {
        let names = said.lines().filter_map(|line| line.strip_prefix(prefix));
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names("not ok "), NOT_HERE, "{said}");
    assert_eq!(names("ok ").len(), PASSED, "{said}");
}

/// A socket by the library for Rust programs, as soon as the daemon is there.
fn socket(path: &Path) -> Socket {
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

/// The UDP echo server of every textbook, ported by two lines: it binds a service and answers.
#[test]
fn a_ported_echo_program_answers() {
    let site = Site::new();
    let _daemon = site.daemon();
    let socket = socket(&site.at("s"));
    let mut echo = site.program("echo");
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

/// The package for Python: addresses, messages, time-outs and errors.
#[test]
fn the_python_package_sends_and_receives() {
    let site = Site::new();
    let _daemon = site.daemon();
    // When it can be reached, the interpreter can reach it.
    drop(socket(&site.at("s")));
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpsock/python");
    let mut python = site.with_library(Path::new("python3"));
    python.arg("-B").arg(package.join("check.py"));
    let output = python.env("PYTHONPATH", &package).output();
    let output = output.expect("there is a python3");
    assert!(output.status.success(), "{output:?}");
}
