// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ways that need no kernel module, each with a daemon of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::table::UDP;
use super::{Host, native};

/// Where stores are in memory.
const MEMORY: &str = "/dev/shm";
/// How long a daemon may take until it listens.
const START: Duration = Duration::from_secs(10);

/// How messages go.
#[derive(Clone, Copy, Debug)]
enum Way {
    Native,
    Preload,
    BpRun,
}

/// What is measured: its name, how messages go, and whether the store is on a disk.
const WAYS: [(&str, Way, bool); 4] = [
    ("native client", Way::Native, false),
    ("preload library", Way::Preload, false),
    ("`bp-run`, static program", Way::BpRun, false),
    (
        "preload library, store on the disk with `leaf.sync`",
        Way::Preload,
        true,
    ),
];

/// Measures everything that is wanted, and returns the lines that say how it was.
pub(crate) fn measure(host: &Host) -> anyhow::Result<String> {
    let mut lines = host.bench(&mut host.bench_program("bp-bench"), UDP, &["--udp"])?;
    for (name, way, on_disk) in WAYS {
        if !name.contains(&host.only) {
            continue;
        }
        eprintln!("{name}");
        let folder = if on_disk {
            &host.disk
        } else {
            Path::new(MEMORY)
        };
        let folder = tempfile::tempdir_in(folder)
            .with_context(|| format!("cannot make a folder in {}", folder.display()))?;
        let daemon = Daemon::start(&host.programs, folder.path())?;
        lines += &host.measure(way, name, &daemon.socket).context(name)?;
    }
    Ok(lines)
}

impl Host {
    fn time(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds).unwrap_or(Duration::from_secs(1))
    }

    fn measure(&self, way: Way, name: &str, socket: &Path) -> anyhow::Result<String> {
        let mut command = match way {
            Way::Native => {
                let sizes = self.sizes.iter();
                return sizes
                    .map(|size| native::measure(socket, name, *size, self.time()))
                    .collect();
            }
            Way::Preload => {
                let mut command = self.bench_program("bp-bench");
                let library = self.programs.join("libbpsock_preload.so");
                let library = library.canonicalize();
                command.env(
                    "LD_PRELOAD",
                    library.context("cannot find the preload library")?,
                );
                command
            }
            Way::BpRun => {
                let mut command = Command::new(self.programs.join("bp-run"));
                command.arg(self.suite.join("static/bp-bench"));
                command
            }
        };
        self.bench(command.env("BPSOCK_PATH", socket), name, &[])
    }

    fn bench_program(&self, name: &str) -> Command {
        Command::new(self.suite.join(name))
    }

    /// Runs `bp-bench`, and returns what it prints.
    fn bench(&self, command: &mut Command, label: &str, more: &[&str]) -> anyhow::Result<String> {
        command.args(more).args(["--label", label, "--seconds"]);
        command.arg(self.seconds.to_string());
        command.args(self.sizes.iter().map(usize::to_string));
        let output = command
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        ensure!(
            output.status.success(),
            "bp-bench ended with {}",
            output.status
        );
        String::from_utf8(output.stdout).context("bp-bench prints no text")
    }
}

/// A daemon that ends with this value.
struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Daemon {
    fn start(programs: &Path, folder: &Path) -> anyhow::Result<Self> {
        let (socket, ready) = (folder.join("sock"), folder.join("ready"));
        let config = format!(
            "socket = '{}'\n[leaf]\nnode = \"ipn:1.0\"\nlisten = \"127.0.0.1:0\"\n\
             store = '{}'\n",
            socket.display(),
            folder.join("store").display()
        );
        let file = folder.join("bpsockd.toml");
        fs::write(&file, config)?;
        let program = programs.join("bpsockd");
        let child = Command::new(&program)
            .arg("run")
            .arg(&file)
            .arg("--ready-file")
            .arg(&ready)
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut daemon = Self { child, socket };
        let deadline = Instant::now() + START;
        while !ready.exists() {
            if let Some(status) = daemon.child.try_wait()? {
                bail!("bpsockd ended with {status}");
            }
            ensure!(Instant::now() < deadline, "bpsockd does not become ready");
            thread::sleep(Duration::from_millis(5));
        }
        Ok(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Its store goes away with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
