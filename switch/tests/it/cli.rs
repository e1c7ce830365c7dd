// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The binary: exit codes, output, signals.

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use switch::ports::pcap;

use crate::support::path;

fn p4switch() -> Command {
    Command::new(env!("CARGO_BIN_EXE_p4switch"))
}

fn run(arguments: &[&Path]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = p4switch()
        .args(arguments)
        .output()
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        status.code().expect("no signal"),
        text(stdout),
        text(stderr),
    )
}

#[test]
fn check_reports_and_writes_p4info() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("l2.p4info.txtpb");
    let program = path("l2.p4");
    let (status, stdout, stderr) =
        run(&["check".as_ref(), &program, "--p4info-out".as_ref(), &out]);
    assert_eq!((status, stderr.as_str()), (0, ""));
    assert!(
        stdout.contains("valid: 3 parser states, 3 headers, 2 tables"),
        "{stdout}"
    );
    let p4info = fs::read_to_string(out).expect("was written");
    let p4info = p4rt::text::parse(&p4info).expect("protobuf text");
    assert_eq!(p4info.tables.len(), 2);
    let (status, stdout, _) = run(&[
        "check".as_ref(),
        &program,
        "--format".as_ref(),
        "json".as_ref(),
    ]);
    let json: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(
        (status, &json["valid"], &json["tables"]),
        (0, &true.into(), &2.into())
    );
}

#[test]
fn a_part_of_a_program_is_checked_and_has_no_interface() {
    let directory = tempfile::tempdir().expect("a directory");
    let (part, out) = (
        directory.path().join("part.p4"),
        directory.path().join("info"),
    );
    fs::write(&part, "#include <v1model.p4>\nheader h { bit<8> a; }\n").expect("writable");
    let (status, stdout, stderr) = run(&["check".as_ref(), &part, "--p4info-out".as_ref(), &out]);
    assert_eq!(status, 0);
    assert!(stdout.contains("only a part of a program"), "{stdout}");
    assert!(
        stderr.contains("warning: program has no `main`"),
        "{stderr}"
    );
    let p4info = fs::read_to_string(out).expect("was written");
    assert_eq!(
        p4rt::text::parse(&p4info).expect("protobuf text"),
        p4rt::proto::p4::config::v1::P4Info::default()
    );
    let json = [
        "check".as_ref(),
        part.as_path(),
        "--format".as_ref(),
        "json".as_ref(),
    ];
    let (status, stdout, _) = run(&json);
    let json: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(
        (status, &json["valid"], &json["main"]),
        (0, &true.into(), &false.into())
    );
    let (status, _, stderr) = run(&[
        "run".as_ref(),
        &part,
        "--grpc-addr".as_ref(),
        "127.0.0.1:0".as_ref(),
    ]);
    assert_eq!(status, 1);
    assert!(stderr.contains("error: program has no `main`"), "{stderr}");
}

#[test]
fn exit_codes_tell_whose_fault_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let broken = directory.path().join("broken.p4");
    fs::write(&broken, "#include <v1model.p4>\nheader h { bit<8> }\n").expect("writable");
    let (status, _, stderr) = run(&["check".as_ref(), &broken]);
    assert_eq!(status, 1);
    assert!(stderr.contains("broken.p4:2:19"), "{stderr}");
    let (status, stdout, _) = run(&[
        "check".as_ref(),
        &broken,
        "--format".as_ref(),
        "json".as_ref(),
    ]);
    let json: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((status, &json["diagnostics"][0]["line"]), (1, &2.into()));
    assert_eq!(run(&["check".as_ref()]).0, 2);
    assert_eq!(run(&["run".as_ref(), "-i".as_ref(), "veth0".as_ref()]).0, 2);
    assert_eq!(run(&["check".as_ref(), "/no/such/file.p4".as_ref()]).0, 3);
    assert_eq!(
        run(&["run".as_ref(), "-i".as_ref(), "1@no-such-if".as_ref()]).0,
        3
    );
    assert_eq!(run(&["run".as_ref(), &broken]).0, 1);
}

#[test]
fn help_has_examples() {
    let (status, stdout, _) = run(&["--help".as_ref()]);
    assert_eq!(status, 0);
    assert!(
        stdout.contains("p4switch run router.p4 -i 1@veth1"),
        "{stdout}"
    );
}

#[test]
fn trace_tells_the_story_of_a_packet() {
    let directory = tempfile::tempdir().expect("a directory");
    let capture = directory.path().join("in.pcap");
    let output = directory.path().join("out.pcap");
    let entries = directory.path().join("entries.json");
    let frame = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0, 0xaa];
    pcap::Output::create(&capture)
        .expect("writable")
        .write(&frame)
        .expect("writable");
    let json = r#"{"tables": [{"table": "MyIngress.destinations", "action": "MyIngress.forward",
        "params": {"port": "7"}, "match": {"dst": "02:00:00:00:00:09"}}]}"#;
    fs::write(&entries, json).expect("writable");
    let (status, stdout, stderr) = run(&[
        "trace".as_ref(),
        &path("l2.p4"),
        "--entries".as_ref(),
        &entries,
        "--pcap".as_ref(),
        &capture,
        "--output".as_ref(),
        &output,
    ]);
    assert_eq!((status, stderr.as_str()), (0, ""));
    let lines: Vec<&str> = stdout
        .lines()
        .map(|line| line.split("  [").next().unwrap_or(""))
        .collect();
    let expected = [
        "#1",
        "packet on port 1, 15 octets, new",
        "  parser",
        "    state BridgeParser.start",
        "    state BridgeParser.parse_ethernet",
        "    extract hdr.ethernet at octet 0: dst=0x20000000009 src=0x20000000001 type=0x800",
        "  verify checksum",
        "  ingress",
        "    table MyIngress.sources (hdr.ethernet.src=0x20000000001 std.ingress_port=1): miss, \
            MyIngress.learn()",
        "    table MyIngress.destinations (dst=0x20000000009): hit [0x20000000009], \
            MyIngress.forward(port=7)",
        "    digest learn_t",
        "  egress",
        "  compute checksum",
        "  deparser",
        "    send 15 octets on port 7",
    ];
    assert_eq!(lines, expected, "{stdout}");
    let table = "l2.p4:";
    assert!(
        stdout.lines().filter(|line| line.contains(table)).count() >= 5,
        "{stdout}"
    );
    assert_eq!(pcap::read(&output).expect("a capture"), [frame]);
}

/// Ends the process when a test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn sigterm_stops_a_switch_and_prints_its_counters() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = directory.path().join("address");
    let child = p4switch()
        .args(["run", "--grpc-addr", "127.0.0.1:0", "--grpc-addr-file"])
        .args([&address, &path("l2.p4")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut child = Running(child);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !address.exists() {
        assert!(Instant::now() < deadline, "the switch starts");
        std::thread::yield_now();
    }
    let written = fs::read_to_string(&address).expect("readable");
    let written: std::net::SocketAddr = written.trim().parse().expect("an address");
    std::net::TcpStream::connect(written).expect("the server listens");
    let status = Command::new("kill").arg(child.0.id().to_string()).status();
    assert!(status.expect("kill is there").success());
    let status = child.0.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
    let mut stderr = String::new();
    child
        .0
        .stderr
        .take()
        .expect("was piped")
        .read_to_string(&mut stderr)
        .expect("UTF-8");
    assert!(stderr.contains("received: 0\n"), "{stderr}");
}

#[test]
fn test_says_what_passed() {
    let directory = tempfile::tempdir().expect("a directory");
    let (good, bad) = (path("matches.stf"), directory.path().join("bad.stf"));
    let (status, stdout, _) = run(&["test".as_ref(), &good]);
    assert_eq!(status, 0, "{stdout}");
    assert!(stdout.ends_with("1 of 1 tests passed\n"), "{stdout}");
    fs::write(&bad, "packet 1 0000000000000000\nexpect 3\n").expect("writable");
    let program = path("traffic.p4");
    let flag = "--program".as_ref();
    let (status, stdout, _) = run(&["test".as_ref(), &bad, flag, &program]);
    assert_eq!(status, 1, "{stdout}");
    assert!(
        stdout.contains("line 2: packet did not leave on port 3"),
        "{stdout}"
    );
    let (status, ..) = run(&["test".as_ref(), &directory.path().join("none.stf")]);
    assert_eq!(status, 3);
}
