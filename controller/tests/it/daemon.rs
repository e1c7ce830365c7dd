// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The programs themselves, with a served switch that keeps entries and forwards nothing.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use contact::Span;
use control::{rules::Note, supervise::now};
use p4rt::{Code, fake::FakeSwitch};
use tempfile::TempDir;

use crate::demo::{
    ENTRIES, L2_FORWARD, P4INFO, PEERS, REFUSAL, bundle_list, config_text, learn_list,
};

const DEADLINE: Duration = Duration::from_secs(30);

/// A folder with a configuration and the files that it names.
pub(crate) struct Site {
    folder: TempDir,
}

/// A running daemon. It is killed if the test fails before it is stopped.
pub(crate) struct Daemon {
    pub(crate) child: Child,
}

impl Site {
    pub(crate) fn new(address: &str, rest: &str) -> Self {
        let site = Self {
            folder: TempDir::new().expect("a temporary folder"),
        };
        for (name, text) in [
            ("demo.p4info.txtpb", P4INFO),
            ("demo.p4", "// the program\n"),
            ("demo.entries.json", ENTRIES),
            ("controller.toml", &config_text(address, rest)),
        ] {
            fs::write(site.path(name), text).expect("the folder is writable");
        }
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sddtn-controller"));
        command
            .arg("--config")
            .arg(self.path("controller.toml"))
            .args(args);
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program starts")
    }

    pub(crate) fn start(&self) -> Daemon {
        let mut command = self.command(&[]);
        command.arg("--events").arg(self.path("events.jsonl"));
        command.arg("--ready-file").arg(self.path("ready"));
        let log = fs::File::create(self.path("log")).expect("the folder is writable");
        Daemon {
            child: command.stderr(log).spawn().expect("the program starts"),
        }
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn wait(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !condition() {
            assert!(
                Instant::now() < deadline,
                "no {what}; log:\n{}",
                self.text("log")
            );
            sleep(Duration::from_millis(5));
        }
    }
}

impl Daemon {
    /// Asks the daemon to end, and returns whether it did so with success.
    pub(crate) fn stop(mut self) -> bool {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill runs");
        assert!(asked.success());
        self.child.wait().expect("the daemon ends").success()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn address(switch: &FakeSwitch) -> String {
    switch.address().to_string()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn once_programs_the_switch_and_ends() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = Site::new(&address(&switch), PEERS);
    let output = site.run(&["--once"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!((switch.entries().len(), switch.defaults().len()), (4, 2));
    assert_eq!(
        (switch.multicast_groups(), switch.digests().len()),
        (vec![1], 2)
    );
    let writes = switch.writes();
    let again = site.run(&["--once"]);
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(
        (switch.pushes(), switch.writes()),
        (1, writes),
        "the second run changes nothing"
    );
}

#[test]
fn a_changed_program_replaces_the_old_one() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = Site::new(&address(&switch), "");
    assert!(site.run(&["--once"]).status.success());
    fs::write(site.path("demo.p4"), "// another program\n").expect("the folder is writable");
    assert!(site.run(&["--once"]).status.success());
    assert_eq!((switch.pushes(), switch.entries().len()), (2, 2));
}

#[test]
fn a_missing_switch_ends_with_status_3_and_advice() {
    let site = Site::new("127.0.0.1:1", "");
    let output = site.run(&["--once", "--connect-timeout", "1"]);
    assert_eq!(output.status.code(), Some(3));
    let message = stderr(&output);
    assert!(
        message.contains("cannot reach switch \"s1\" at 127.0.0.1:1"),
        "{message}"
    );
    assert!(message.contains("correct its address"), "{message}");
}

#[test]
fn faulty_files_end_with_a_place() {
    let site = Site::new("127.0.0.1:1", PEERS);
    fs::write(
        site.path("demo.entries.json"),
        r#"{"tables": [{"table": "no", "action": "pass"}]}"#,
    )
    .expect("the folder is writable");
    let output = site.run(&["--check-config"]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.contains("demo.entries.json: tables[0].table: no table is called"),
        "{message}"
    );

    fs::remove_file(site.path("demo.p4")).expect("the file is there");
    let output = site.run(&["--check-config"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("demo.p4"));
}

#[test]
fn a_good_configuration_is_checked_without_a_switch() {
    let output = Site::new("127.0.0.1:1", PEERS).run(&["--check-config"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.starts_with("s1: 9 items, cookie 0x"), "{shown}");
}

#[test]
fn the_example_of_the_readme_is_valid() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sddtn-controller"));
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/demo.toml");
    let output = command
        .args(["--config", config, "--check-config"])
        .output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(shown.trim_end()),
        "the README shows another output than {shown}"
    );
}

#[test]
fn a_refused_entry_is_named_and_ends_once_with_status_1() {
    let switch = FakeSwitch::start().expect("a free port");
    switch.refuse_inserts(REFUSAL, Code::ResourceExhausted, "the table is full");
    let site = Site::new(&address(&switch), "");
    let output = site.run(&["--once"]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.contains("insert entry of ingress.refusal [meta.again.reason=0x3]"),
        "{message}"
    );
    assert!(message.contains("the table is full") && message.contains("demo.entries.json"));
    assert!(message.contains("differs in 2 places"), "{message}");
}

#[test]
fn a_taken_election_id_ends_once_with_a_reason() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = Site::new(&address(&switch), "");
    let daemon = site.start();
    site.wait("ready file", || site.path("ready").exists());
    let output = site.run(&["--once", "--connect-timeout", "1"]);
    assert_eq!(output.status.code(), Some(3));
    let message = stderr(&output);
    assert!(message.contains("election id is taken"), "{message}");

    let text = config_text(&address(&switch), "").replace("election_id = 100", "election_id = 99");
    fs::write(site.path("controller.toml"), text).expect("the folder is writable");
    let output = site.run(&["--once", "--connect-timeout", "1"]);
    assert_eq!(output.status.code(), Some(3));
    let message = stderr(&output);
    assert!(
        message.contains("another controller is primary"),
        "{message}"
    );
    assert!(daemon.stop());
}

#[test]
fn a_refused_program_ends_once_with_status_1() {
    let switch = FakeSwitch::start().expect("a free port");
    switch.refuse_programs("line 3: no such table");
    let site = Site::new(&address(&switch), "");
    let output = site.run(&["--once"]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.contains("cannot be programmed") && message.contains("line 3"),
        "{message}"
    );
}

#[test]
fn the_daemon_learns_records_and_survives_a_restart() {
    let switch = FakeSwitch::start().expect("a free port");
    let socket = switch.address();
    let site = Site::new(&address(&switch), PEERS);
    let daemon = site.start();
    site.wait("ready file", || site.text("ready").contains("\"items\":9"));

    assert!(switch.send_digest(learn_list(1, &[(0x0200_0000_000a, 2)])));
    site.wait("learned entry", || {
        switch.entries().iter().any(|e| e.table_id == L2_FORWARD)
    });
    assert!(switch.send_digest(bundle_list(2)));
    site.wait("event", || site.text("events.jsonl").ends_with('\n'));
    let event = site.text("events.jsonl");
    assert!(event.contains("\"digest\":\"bundle_report_t\""), "{event}");
    assert!(
        event.contains("\"destination_node\":2") && event.contains("\"version\":7"),
        "{event}"
    );
    site.wait("acknowledgements", || switch.acks().len() == 2);

    let held = switch.entries();
    drop(switch);
    site.wait("loss in the log", || {
        site.text("log").contains("no session with the switch")
    });
    let switch = FakeSwitch::start_at(socket).expect("the same port");
    site.wait("entries after the restart", || switch.entries() == held);
    assert_eq!(switch.pushes(), 1);
    site.wait("ready again", || {
        site.text("ready").contains("\"items\":11")
    });
    assert!(daemon.stop(), "{}", site.text("log"));
    site.wait("end of the session", || switch.streams() == 0);
}

#[test]
fn a_daemon_starts_before_its_switch() {
    let socket = FakeSwitch::start().expect("a free port").address();
    let site = Site::new(&socket.to_string(), "");
    let daemon = site.start();
    site.wait("failed attempt", || {
        site.text("log").contains("no session with the switch")
    });
    assert!(!site.path("ready").exists());
    let switch = FakeSwitch::start_at(socket).expect("the same port");
    site.wait("ready file", || site.path("ready").exists());
    assert_eq!(switch.entries().len(), 2);
    assert!(daemon.stop());
}

fn ctl(switch: &FakeSwitch, args: &[&str]) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sddtnctl"))
        .args(["--switch", &address(switch)])
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut shown = String::new();
    let mut output = child.stdout.take().expect("the output is piped");
    output
        .read_to_string(&mut shown)
        .expect("the output is text");
    (child.wait().expect("the program ends").code(), shown)
}

#[test]
fn the_tool_shows_names_and_not_numbers() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = Site::new(&address(&switch), PEERS);
    assert!(site.run(&["--once"]).status.success());
    let (status, shown) = ctl(&switch, &["tables", "peer"]);
    assert_eq!(status, Some(0));
    let lines: Vec<Vec<&str>> = shown
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["ingress.peer", "2", "of", "1024"]);
    assert_eq!(lines[1], ["hdr.ipv4.dst", "action", "packets", "bytes"]);
    assert_eq!(
        lines[2],
        [
            "10.99.12.2/32",
            "ingress.speaks_v6(lifetime32=1,",
            "sequence32=1)"
        ]
    );
    assert_eq!(lines[3], ["10.99.13.0/24", "ingress.speaks_v7()"]);

    let (_, shown) = ctl(&switch, &["tables", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&shown).expect("one document");
    let flood = &json["ingress.l2_forward"][0];
    assert_eq!(flood["hdr.ethernet.dst"], "(default)");
    assert_eq!(flood["action"], "ingress.flood(group=1)");

    switch.count(0x1200_0001, 3, 12, 3400);
    let (_, shown) = ctl(&switch, &["counters"]);
    assert!(
        shown.contains("ingress.reasons\n") && shown.contains("12       3400"),
        "{shown}"
    );
    let (_, shown) = ctl(&switch, &["groups"]);
    assert!(shown.contains("1:1 2:1 3:1"), "{shown}");
    let (_, shown) = ctl(&switch, &["digests"]);
    assert!(shown.contains("address:48 port:9"), "{shown}");
    let (_, shown) = ctl(&switch, &["pipeline"]);
    assert!(shown.contains("v1model") && shown.contains("0x"), "{shown}");
}

#[test]
fn the_tool_says_what_is_missing() {
    let switch = FakeSwitch::start().expect("a free port");
    assert_eq!(ctl(&switch, &["tables"]).0, Some(1), "no program");
    let site = Site::new(&address(&switch), "");
    assert!(site.run(&["--once"]).status.success());
    assert_eq!(
        ctl(&switch, &["tables", "nothing"]).0,
        Some(1),
        "no such table"
    );
    let missing = site.path("missing");
    let missing = missing.to_str().expect("a path in UTF-8");
    assert_eq!(
        ctl(&switch, &["tables", "--p4info", missing]).0,
        Some(3),
        "no such file"
    );
}

/// A node with one neighbour, whose contact is from one time to another.
pub(crate) fn write_node(site: &Site, switch: &FakeSwitch, contact: &str) {
    let text = format!(
        r#"[[switch]]
name = "relay"
address = "{}"
device_id = 1
election_id = 7
p4info = "node.p4info.txtpb"
device_config = "demo.p4"

[contacts]
plan = "plan.ionrc"

[[node]]
number = 10
switch = "relay"
address = "10.9.0.1"

[[link]]
from = 10
to = 2
port = 1
ethernet = "02:00:00:00:00:02"
ethernet_source = "02:00:00:00:00:0a"
address = "10.9.0.2"
speaks = 7
"#,
        address(switch)
    );
    let p4info = include_str!("../../testdata/node.p4info.txtpb");
    let plan = format!("{contact}\na range +0 +9999 2 10 1\n");
    for (name, text) in [
        ("controller.toml", text.as_str()),
        ("node.p4info.txtpb", p4info),
        ("plan.ionrc", plan.as_str()),
    ] {
        fs::write(site.path(name), text).expect("the folder is writable");
    }
}

/// The rules of neighbours that a switch holds.
pub(crate) fn notes(switch: &FakeSwitch) -> Vec<Note> {
    const NEXT_HOP: u32 = 0x0200_0004;
    let entries = switch.entries().into_iter();
    let of_table = entries.filter(|entry| entry.table_id == NEXT_HOP);
    of_table
        .map(|entry| Note::decode(&entry.metadata).expect("rules have notes"))
        .collect()
}

#[test]
fn the_daemon_opens_and_closes_rules_with_contacts() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = Site::new(&address(&switch), "");
    write_node(&site, &switch, "a contact +3 +6 10 2 1000");
    let text = site.text("controller.toml");
    let guard = "[contacts]\nguard_ms = 1500\n";
    assert!(text.contains("[contacts]\n"), "{text}");
    let text = text.replace("[contacts]\n", guard);
    fs::write(site.path("controller.toml"), text).expect("the folder is writable");
    let daemon = site.start();
    site.wait("program", || site.path("ready").exists());
    assert_eq!(notes(&switch), [], "the contact is in the future");
    site.wait("rule", || !notes(&switch).is_empty());
    let opened = now();
    let note = notes(&switch)[0];
    // The contact lasts three seconds, and the rule ends the guard time before it does.
    assert!(note.until.since(opened) <= Span::from_micros(1_500_000));
    site.wait("end of the rule", || notes(&switch).is_empty());
    let contact_end = note.until.checked_add(Span::from_micros(1_500_000));
    assert!(
        now() < contact_end.expect("it is a time"),
        "the rule outlived its contact"
    );
    assert!(daemon.stop(), "{}", site.text("log"));
}

#[test]
fn routes_and_entries_are_explained() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = Site::new(&address(&switch), "");
    write_node(&site, &switch, "a contact +0 +9999 10 2 1000");
    let output = site.run(&["--once"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let config = site.path("controller.toml").display().to_string();
    let at = address(&switch);
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sddtnctl"));
        command.args(["--switch", &at, "--format", "json", "explain"]);
        let output = command.args(args).output().expect("the program starts");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (status, text) = run(&["route", "--config", &config, "--from", "10", "--to", "2"]);
    assert_eq!(status, Some(0));
    let shown: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(shown["route"][0]["contacts"], "1");
    assert_eq!(shown["contacts"][0]["to"], "2");
    let (status, _) = run(&["route", "--config", &config, "--from", "2", "--to", "10"]);
    assert_eq!(status, Some(1), "no contact in that direction");
    let (status, text) = run(&["entries", "--config", &config, "endpoint"]);
    assert_eq!(status, Some(0));
    let shown: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let rows = shown["ingress.endpoint"].as_array().expect("entries");
    let cell = |row: usize, name: &str| rows[row][name].as_str().unwrap_or_default().to_owned();
    assert_eq!(rows.len(), 2, "{text}");
    let whys = [cell(0, "why"), cell(1, "why")];
    assert!(whys.contains(&"node 10".to_owned()), "{text}");
    let why = whys
        .iter()
        .find(|why| why.starts_with("route to node 2, plan "));
    assert!(why.is_some_and(|why| why.contains(": 10 to 2 (")), "{text}");
    let untils = [cell(0, "until"), cell(1, "until")];
    assert_eq!(
        untils.iter().filter(|until| until.ends_with('Z')).count(),
        1,
        "{text}"
    );
}

/// What the HTTP interface of a daemon answers: the status, and the body as JSON.
pub(crate) fn ask(site: &Site, method: &str, path: &str) -> (u16, serde_json::Value) {
    let (status, body) = ask_text(site, method, path);
    let body = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    (status, body)
}

pub(crate) fn ask_text(site: &Site, method: &str, path: &str) -> (u16, String) {
    ask_with(site, method, path, "")
}

pub(crate) fn ask_with(site: &Site, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = request(site, method, path, body);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// Sends a request to the HTTP interface of a daemon.
pub(crate) fn request(site: &Site, method: &str, path: &str, body: &str) -> TcpStream {
    let ready: serde_json::Value = serde_json::from_str(&site.text("ready")).expect("JSON");
    let address = ready["api"].as_str().expect("an address").to_owned();
    let mut stream = TcpStream::connect(&address).expect("the daemon listens");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    stream
}

#[test]
fn the_interface_shows_and_explains() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = Site::new(&address(&switch), "");
    write_node(&site, &switch, "a contact +0 +9999 10 2 1000");
    let config = site.text("controller.toml") + "[api]\nlisten = \"127.0.0.1:0\"\n";
    fs::write(site.path("controller.toml"), config).expect("the folder is writable");
    let daemon = site.start();
    site.wait("program", || site.path("ready").exists());
    let (_, switches) = ask(&site, "GET", "/v1/switches");
    assert_eq!(switches[0]["status"], "programmed", "{switches}");
    let (status, rules) = ask(&site, "GET", "/v1/rules?switch=relay");
    assert_eq!(
        (status, rules.as_array().map(Vec::len)),
        (200, Some(2)),
        "{rules}"
    );
    assert_eq!(ask(&site, "GET", "/v1/rules?switch=other").0, 404);
    let (_, route) = ask(&site, "GET", "/v1/routes?from=10&to=2");
    assert_eq!(route["contacts"][0]["to"], 2);
    assert_eq!(ask(&site, "GET", "/v1/routes?from=2&to=10").0, 404);
    assert_eq!(ask(&site, "GET", "/v1/routes?from=x&to=10").0, 400);
    let (_, nodes) = ask(&site, "GET", "/v1/nodes");
    assert_eq!(
        (&nodes[0]["node"], &nodes[0]["connected"]),
        (&10.into(), &false.into())
    );
    let (_, metrics) = ask_text(&site, "GET", "/metrics");
    for line in [
        "sddtn_controller_switch_programmed{switch=\"relay\"} 1",
        "sddtn_controller_rules_now{switch=\"relay\"} 2",
        "sddtn_controller_node_connected{node=\"10\"} 0",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} in {metrics}"
        );
    }
    assert!(daemon.stop(), "{}", site.text("log"));
}

#[test]
fn a_configuration_is_read_again_or_kept() {
    let switch = FakeSwitch::start().expect("a free port");
    let site = Site::new(&address(&switch), "");
    write_node(&site, &switch, "a contact +5000 +9999 10 2 1000");
    let config = site.text("controller.toml") + "[api]\nlisten = \"127.0.0.1:0\"\n";
    fs::write(site.path("controller.toml"), &config).expect("the folder is writable");
    let daemon = site.start();
    site.wait("program", || site.path("ready").exists());
    assert_eq!(notes(&switch), []);
    let plan = |text: &str| {
        let text = format!("{text}\na range +0 +9999 2 10 1\n");
        fs::write(site.path("plan.ionrc"), text).expect("the folder is writable");
    };
    plan("a contact +0 +9999 10 2 1000");
    let (status, done) = ask(&site, "POST", "/v1/reload");
    assert_eq!(status, 200, "{done}");
    site.wait("rule", || notes(&switch).len() == 1);
    assert_eq!(done["plan"], notes(&switch)[0].version);
    // What is wrong changes nothing.
    plan("a contact from here to there");
    let (status, error) = ask(&site, "POST", "/v1/reload");
    assert_eq!(status, 422);
    let text = error["error"].as_str().expect("a text");
    assert!(text.contains("plan.ionrc is not a contact plan"), "{text}");
    fs::write(site.path("demo.p4"), "// another program\n").expect("the folder is writable");
    plan("a contact +0 +9999 10 2 1000");
    let (status, error) = ask(&site, "POST", "/v1/reload");
    assert_eq!(status, 422, "{error}");
    assert_eq!(notes(&switch).len(), 1);
    // A signal does the same as a request.
    fs::write(site.path("demo.p4"), "// the program\n").expect("the folder is writable");
    plan("a contact +5000 +9999 10 2 1000");
    let pid = daemon.child.id().to_string();
    let sent = Command::new("kill").args(["-HUP", &pid]).status();
    assert!(sent.expect("kill runs").success());
    site.wait("end of the rule", || notes(&switch).is_empty());
    assert_eq!(switch.pushes(), 1);
    assert!(daemon.stop(), "{}", site.text("log"));
}
