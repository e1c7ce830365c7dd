// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A program that runs beside the daemon, in a folder of its own.

use std::fs;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// It ends with its owner. A test that fails shows what it has written.
pub(crate) struct Program {
    folder: TempDir,
    name: &'static str,
    arguments: Vec<String>,
    child: Child,
}

impl Program {
    pub(crate) fn start(folder: TempDir, name: &'static str, arguments: Vec<String>) -> Self {
        let child = spawn(&folder, name, &arguments);
        Self {
            folder,
            name,
            arguments,
            child,
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("it is a child");
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is a child").is_some()
    }

    pub(crate) fn start_again(&mut self) {
        self.child = spawn(&self.folder, self.name, &self.arguments);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log"));
            eprintln!("{}", log.unwrap_or_default());
        }
    }
}

fn spawn(folder: &TempDir, name: &str, arguments: &[String]) -> Child {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.path().join("log"))
        .expect("the folder is writable");
    let copy = log.try_clone().expect("there are descriptors");
    let mut command = Command::new(name);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(copy)
        .stderr(log);
    let started = command.spawn();
    started.unwrap_or_else(|error| panic!("{name} is on the PATH: {error}"))
}
