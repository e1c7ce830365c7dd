// SPDX-License-Identifier: Apache-2.0 OR MIT
//! NASA's ION, with nodes of its own in folders of their own.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bpsock::abi::{BP_FLAG_REPORT_DELIVERY, BP_STATUS_DELIVERED, Options};
use bpsock::net::{Message, Socket};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::support::{DEADLINE, Daemon, errno, free_port, parse, receive, send, wait_bound};

/// Keys of memory: each node has its own, and none is ION's default.
static KEYS: AtomicU32 = AtomicU32::new(0);

/// Nodes 7 and 8, which are neighbours over TCP. They end with their owner, and so does their memory.
struct Nodes {
    folder: TempDir,
    /// Segments of shared memory, and semaphores, that were there before.
    others: [BTreeSet<String>; 2],
    /// What is new belongs to one test.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

const NUMBERS: [u32; 2] = [7, 8];

impl Nodes {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        // A test that has failed has removed its own.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let nodes = Self {
            folder,
            others: [segments(), semaphores()],
            _turn: turn,
        };
        let ports = NUMBERS.map(|_| free_port().port());
        for (place, number) in NUMBERS.into_iter().enumerate() {
            nodes.configure(number, ports[place], ports[1 - place]);
            nodes.run(number);
        }
        nodes
    }

    fn at(&self, number: u32) -> PathBuf {
        self.folder.path().join(number.to_string())
    }

    /// A name and a key that no other node has, or had.
    fn configure_memory(&self, number: u32) {
        let key =
            0x2_0000 + std::process::id() % 0x1_0000 * 0x10 + KEYS.fetch_add(1, Ordering::Relaxed);
        let config = format!(
            "wmKey {key}\nsdrName bpsockd{key}\nwmSize 20000000\nheapWords 4000000\nconfigFlags 1\n"
        );
        let path = self.at(number).join("ion.config");
        fs::write(path, config).expect("the folder is writable");
    }

    fn configure(&self, number: u32, here: u16, there: u16) {
        let folder = self.at(number);
        fs::create_dir(&folder).expect("the folder is writable");
        self.configure_memory(number);
        let put = |name: &str, text: String| fs::write(folder.join(name), text);
        let mut plan = format!("1 {number} ion.config\ns\n");
        for (from, to) in [(7, 7), (7, 8), (8, 7), (8, 8)] {
            let way = format!("+0 +86400 {from} {to}");
            plan.extend(["a contact ", &way, " 100000000\na range ", &way, " 0\n"]);
        }
        plan += "m production 100000000\nm consumption 100000000\n";
        put("node.ionrc", plan).expect("the folder is writable");
        let other = NUMBERS.iter().sum::<u32>() - number;
        let protocols = format!(
            "1\na scheme ipn 'ipnfw' 'ipnadminep'\na endpoint ipn:{number}.1 q\n\
             a protocol stcp 1400 100\na induct stcp 127.0.0.1:{here} stcpcli\n\
             a outduct stcp 127.0.0.1:{here} stcpclo\na outduct stcp 127.0.0.1:{there} stcpclo\ns\n"
        );
        put("node.bprc", protocols).expect("the folder is writable");
        let ways = format!(
            "a plan {number} stcp/127.0.0.1:{here}\na plan {other} stcp/127.0.0.1:{there}\n"
        );
        put("node.ipnrc", ways).expect("the folder is writable");
    }

    /// A program of ION's at a node.
    fn program(&self, number: u32, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(name);
        command.args(arguments).current_dir(self.at(number));
        command.env("ION_NODE_LIST_DIR", self.folder.path());
        command.env("ION_NODE_WDNAME", self.at(number));
        command.stdin(Stdio::null());
        command
    }

    fn do_all(&self, number: u32, programs: &[[&str; 2]]) {
        for [name, argument] in programs {
            // What it starts inherits its output, so nobody may wait for the end of that.
            let mut command = self.program(number, name, &[argument]);
            let status = command.stdout(Stdio::null()).status();
            let status = status.unwrap_or_else(|error| panic!("{name} is on the PATH: {error}"));
            assert!(status.success(), "{name} {argument}: {status}");
        }
    }

    fn run(&self, number: u32) {
        let programs = [
            ["ionadmin", "node.ionrc"],
            ["bpadmin", "node.bprc"],
            ["ipnadmin", "node.ipnrc"],
        ];
        self.do_all(number, &programs);
    }

    /// Ends a node as ION does. Its memory stays, with all bundles.
    fn stop(&self, number: u32) {
        self.do_all(number, &[["bpadmin", "."], ["ionadmin", "."]]);
    }

    fn run_again(&self, number: u32) {
        let folder = self.at(number);
        for name in ["again.ionrc", "again.bprc"] {
            fs::write(folder.join(name), "s\n").expect("the folder is writable");
        }
        let programs = [["ionadmin", "again.ionrc"], ["bpadmin", "again.bprc"]];
        self.do_all(number, &programs);
    }

    /// Ends both nodes at once, and removes their memory.
    fn remove(&self) {
        for process in self.processes() {
            // It may have ended already.
            let _ = Command::new("kill").args(["-KILL", &process]).status();
        }
        let [known, known_semaphores] = &self.others;
        for segment in segments().difference(known) {
            let _ = Command::new("ipcrm").args(["-m", segment]).status();
        }
        for name in semaphores().difference(known_semaphores) {
            let _ = fs::remove_file(Path::new(SEMAPHORES).join(name));
        }
    }

    /// Processes of ION that were started in its folders.
    fn processes(&self) -> Vec<String> {
        let entries = fs::read_dir("/proc").expect("there is a list of processes");
        let mut found = Vec::new();
        for entry in entries.flatten() {
            let is_here = |link: &str| {
                let target = fs::read_link(entry.path().join(link));
                target.unwrap_or_default()
            };
            let is_ours = is_here("exe").ends_with("bpsockd");
            if is_here("cwd").starts_with(self.folder.path()) && !is_ours {
                found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        found
    }

    fn daemon(&self, number: u32, before: &str) -> Daemon {
        let (folder, list) = (self.at(number), self.folder.path().display());
        let daemon = Daemon::start_with(&format!(
            "socket = \"s\"\n{before}\n[ion]\nnode = \"ipn:{number}.0\"\ndirectory = \"{}\"\n\
             node_list = \"{list}\"\nstore = \"store\"\n",
            folder.display()
        ));
        wait_bound(&daemon, "ipn:0.1000");
        daemon
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for number in NUMBERS {
                let log = fs::read_to_string(self.at(number).join("ion.log"));
                eprintln!("{}", log.unwrap_or_default());
            }
        }
        self.remove();
    }
}

/// The numbers of all segments of shared memory.
fn segments() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/sysvipc/shm").expect("there is a list of segments");
    let lines = text.lines().skip(1);
    let numbers = lines.filter_map(|line| line.split_ascii_whitespace().nth(1));
    numbers.map(str::to_owned).collect()
}

const SEMAPHORES: &str = "/dev/shm";

fn semaphores() -> BTreeSet<String> {
    let entries = fs::read_dir(SEMAPHORES).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("sem.ion:")).collect()
}

/// Sends until the daemon has heard that ION is there, or is not.
fn send_until(daemon: &Daemon, socket: &Socket, data: &[u8], to: &str, is_there: bool) {
    let start = Instant::now();
    while socket
        .send_to(data, &parse(to), &Message::default())
        .is_ok()
        != is_there
    {
        assert!(start.elapsed() < DEADLINE, "{}", daemon.log());
        sleep(Duration::from_millis(50));
    }
}

/// A program of ION's that runs for a while.
struct Tool(Child);

impl Tool {
    fn start(nodes: &Nodes, number: u32, name: &str, arguments: &[&str]) -> Self {
        // They would keep what they print until they end.
        let arguments = [&["-oL", name], arguments].concat();
        let mut command = nodes.program(number, "stdbuf", &arguments);
        let child = command.stdout(Stdio::piped()).spawn();
        Self(child.expect("ION's programs are on the PATH"))
    }

    /// Reads what it prints, until a line has this text.
    fn wait_for(&mut self, text: &str) {
        let output = BufReader::new(self.0.stdout.as_mut().expect("it is piped"));
        let mut lines = output.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains(text)), "{text}");
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // As a terminal would: ION's programs then give back what they hold.
        let id = self.0.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let _ = self.0.wait();
    }
}

fn count_of(path: &Path) -> usize {
    fs::read_dir(path).map_or(0, Iterator::count)
}

#[test]
#[ignore = "needs ION on the PATH: make conformance AGENTS=ion"]
fn ion_carries_messages_with_their_options() {
    let nodes = Nodes::start();
    let (here, there) = (nodes.daemon(7, ""), nodes.daemon(8, ""));
    let (one, other) = (here.bind("ipn:0.5"), there.bind("ipn:8.6"));
    for length in [1, 1000, 100_000, 1 << 20] {
        let data: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
        let options = Options::default().lifetime_ms(60_000).priority(2);
        let message = Message {
            options,
            report_to: None,
        };
        let sent = one.send_to(&data, &parse("ipn:8.6"), &message);
        assert_eq!(sent.expect("ION takes it"), None);
        let received = receive(&other);
        assert!(received.data == data, "{length}");
        assert_eq!(&received.about.source, one.local_address());
        let info = received.about.info.expect("ION tells");
        assert_eq!(info.lifetime_ms, 60_000);
    }
    let empty = errno(one.send_to(b"", &parse("ipn:8.6"), &Message::default()));
    assert_eq!(empty, Errno::OPNOTSUPP.raw_os_error());
    // Back, and within one node.
    send(&other, b"back", "ipn:7.5");
    assert_eq!(receive(&one).data, b"back");
    let third = there.bind("ipn:8.7");
    for length in [1, 1 << 20] {
        send(&third, &vec![3; length], "ipn:8.6");
        assert_eq!(receive(&other).data.len(), length);
    }
}

#[test]
#[ignore = "needs ION on the PATH: make conformance AGENTS=ion"]
fn ion_and_its_programs_exchange_messages_with_sockets() {
    let nodes = Nodes::start();
    let here = nodes.daemon(7, "");
    let one = here.bind("ipn:7.5");
    let mut sink = Tool::start(&nodes, 8, "bpsink", &["ipn:8.1"]);
    sleep(Duration::from_millis(500));
    send(&one, &[b'a'; 37], "ipn:8.1");
    sink.wait_for("payload length is 37");
    drop(sink);
    let _echo = Tool::start(&nodes, 8, "bpecho", &["ipn:8.1"]);
    send(&one, b"are you there", "ipn:8.1");
    let answer = receive(&one);
    assert_eq!(answer.about.source, parse("ipn:8.1"));
    assert!(!answer.data.is_empty());
    let source = nodes
        .program(8, "bpsource", &["ipn:7.5", "from ION"])
        .output();
    assert!(source.expect("it is on the PATH").status.success());
    let received = receive(&one);
    assert_eq!(received.data, b"from ION");
    // An endpoint that a program of ION's has is taken.
    let holder = nodes.daemon(8, "");
    let taken = errno(holder.door().bind(&parse("ipn:8.1")));
    assert_eq!(taken, Errno::ADDRINUSE.raw_os_error());
    let foreign = errno(holder.door().bind(&parse("ipn:9.1")));
    assert_eq!(foreign, Errno::ADDRNOTAVAIL.raw_os_error());
}

#[test]
#[ignore = "needs ION on the PATH: make conformance AGENTS=ion"]
fn ion_reports_to_the_sender() {
    let nodes = Nodes::start();
    let (here, there) = (nodes.daemon(7, ""), nodes.daemon(8, ""));
    let (one, other) = (here.bind("ipn:7.5"), there.bind("ipn:8.6"));
    let message = Message {
        options: Options::default().flags(BP_FLAG_REPORT_DELIVERY),
        report_to: None,
    };
    let sent = one.send_to(b"x", &parse("ipn:8.6"), &message);
    assert_eq!(sent.expect("ION takes it"), None);
    let received = receive(&other);
    let info = received.about.info.expect("ION tells");
    let report = one.report(DEADLINE).expect("a report comes");
    let says = (report.report.status, report.report.bundle);
    assert_eq!(says, (BP_STATUS_DELIVERED, info.bundle));
    assert_eq!(report.source, Some(parse("ipn:8.0")));
}

#[test]
#[ignore = "needs ION on the PATH: make conformance AGENTS=ion"]
fn ion_has_no_room_for_everything() {
    let nodes = Nodes::start();
    let here = nodes.daemon(7, "max_message = 64000000");
    let one = here.bind("ipn:7.5");
    let message = Message::default();
    let long = errno(one.send_to(&vec![0; 40_000_000], &parse("ipn:8.6"), &message));
    assert_eq!(long, Errno::MSGSIZE.raw_os_error());
    // These have to wait in ION's memory.
    nodes.stop(8);
    let mut sent = 0;
    let data = vec![0; 1 << 20];
    let full = loop {
        match one.send_to(&data, &parse("ipn:8.6"), &message) {
            Ok(_) => sent += 1,
            Err(error) => break error.raw_os_error(),
        }
        assert!(sent < 64, "more than ION's memory");
    };
    assert_eq!(full, Some(Errno::NOBUFS.raw_os_error()));
    assert!(sent > 1);
    println!("{sent} messages of 1 MiB fit");
    // It goes on when there is room.
    nodes.run_again(8);
    let there = nodes.daemon(8, "");
    let other = there.bind("ipn:8.6");
    send_until(&here, &one, b"again", "ipn:8.6", true);
    let mut count = 0;
    while receive(&other).data == data {
        count += 1;
    }
    // STCP has no acknowledgements: what ION hands to a connection that ends is lost.
    assert!(count == sent || count == sent - 1, "{count} of {sent}");
}

#[test]
#[ignore = "needs ION on the PATH: make conformance AGENTS=ion"]
fn ion_may_be_stopped_and_the_daemon_killed() {
    let nodes = Nodes::start();
    let (here, mut there) = (nodes.daemon(7, ""), nodes.daemon(8, ""));
    let (one, other) = (here.bind("ipn:7.5"), there.bind("ipn:8.6"));
    let count = 200_u32;
    for number in 0..count {
        send(&one, &number.to_be_bytes(), "ipn:8.6");
    }
    // The first ones are read, the daemon holds some, and ION the rest.
    let mut received: BTreeSet<Vec<u8>> = (0..50).map(|_| receive(&other).data).collect();
    there.kill_and_start();
    drop(other);
    wait_bound(&there, "ipn:0.1000");
    let other = there.bind("ipn:8.6");
    while received.len() < count as usize {
        received.insert(receive(&other).data);
    }
    // Nothing of the daemon's end stays with ION, or in its way.
    assert_eq!(count_of(&there.folder.path().join("store/helper")), 1);
    // ION is stopped, and started again: sockets stay.
    nodes.stop(8);
    send_until(&there, &other, b"lost", "ipn:7.5", false);
    send(&one, b"meanwhile", "ipn:8.6");
    nodes.run_again(8);
    send_until(&there, &other, b"after", "ipn:7.5", true);
    while receive(&one).data != b"after" {}
    assert_eq!(receive(&other).data, b"meanwhile");
}

#[test]
#[ignore = "needs ION on the PATH: make conformance AGENTS=ion"]
fn ion_may_be_killed_with_its_memory() {
    let nodes = Nodes::start();
    let here = nodes.daemon(7, "");
    let one = here.bind("ipn:7.5");
    send(&one, b"before", "ipn:7.5");
    assert_eq!(receive(&one).data, b"before");
    nodes.remove();
    send_until(&here, &one, b"lost", "ipn:7.5", false);
    // In other memory: the old one may still be named in a list that all nodes of a machine share.
    fs::remove_file(nodes.folder.path().join("ion_nodes")).expect("ION keeps a list");
    nodes.configure_memory(7);
    nodes.run(7);
    send_until(&here, &one, b"after", "ipn:7.5", true);
    while receive(&one).data != b"after" {}
}
