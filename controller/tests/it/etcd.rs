// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Controllers that share an etcd: a real one, on the loopback interface.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use controller::{
    etcd::{Etcd, EtcdError, Step},
    lease::{Candidate, Claim, Lease, LeaseStore as _},
    lease_etcd::LeaseEtcd,
};
use p4rt::{
    client::{Renewable, Tls},
    fake::FakeSwitch,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    daemon::{Site, address, ask, ask_with, stderr, write_node},
    interface::action_for,
    leases::{depose_holders, epoch, signal, site},
};

const DEADLINE: Duration = Duration::from_secs(30);

/// An etcd with a folder of its own. It is killed at the end.
struct Server {
    child: Child,
    address: String,
    /// Whether it asks for certificates.
    tls: bool,
    _folder: TempDir,
}

impl Server {
    fn start() -> Self {
        Self::begin(false)
    }

    /// One that has a certificate, and serves nobody who has none of the same authority.
    fn start_with_tls() -> Self {
        Self::begin(true)
    }

    fn begin(tls: bool) -> Self {
        let deadline = Instant::now() + DEADLINE;
        loop {
            // The program does not tell which ports it got, so another one may take them first.
            if let Some(server) = Self::try_start(tls, deadline) {
                return server;
            }
            assert!(Instant::now() < deadline, "etcd does not start");
        }
    }

    fn try_start(tls: bool, deadline: Instant) -> Option<Self> {
        let folder = TempDir::new().expect("a temporary folder");
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [clients, peers] = listeners.map(|listener| {
            let address = listener.local_addr().expect("it is bound");
            address.to_string()
        });
        let scheme = if tls { "https" } else { "http" };
        let client_url = format!("{scheme}://{clients}");
        let peer_url = format!("http://{peers}");
        let log = fs::File::create(folder.path().join("log")).expect("the folder is writable");
        let mut command = Command::new("etcd");
        if tls {
            command.arg("--client-cert-auth");
            for (option, name) in [
                ("--cert-file", "switch.pem"),
                ("--key-file", "switch.key"),
                ("--trusted-ca-file", "ca.pem"),
            ] {
                command.args([option, &pem(name)]);
            }
        }
        let child = command
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["--listen-client-urls", &client_url])
            .args(["--advertise-client-urls", &client_url])
            .args(["--listen-peer-urls", &peer_url])
            .args(["--initial-advertise-peer-urls", &peer_url])
            .args(["--initial-cluster", &format!("default={peer_url}")])
            // The shortest lease is one and a half times the second of these.
            .args(["--heartbeat-interval", "20", "--election-timeout", "200"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("etcd is installed: see testbed/setup.sh");
        let mut server = Self {
            child,
            address: clients,
            tls,
            _folder: folder,
        };
        let runtime = runtime();
        loop {
            if server.child.try_wait().expect("it is ours").is_some() {
                return None;
            }
            if server.connect(&runtime).answers() {
                return Some(server);
            }
            assert!(Instant::now() < deadline, "etcd does not answer");
            sleep(Duration::from_millis(20));
        }
    }

    fn connect(&self, runtime: &Runtime) -> Arc<Etcd> {
        self.connect_with(runtime, self.tls.then(|| tls("ca", Some("controller"))))
    }

    fn connect_with(&self, runtime: &Runtime, tls: Option<Tls>) -> Arc<Etcd> {
        let _guard = runtime.enter();
        let addresses = [self.address.clone()];
        let tls = tls.map(Renewable::from);
        let etcd = Etcd::new(&addresses, tls, "sddtn", Duration::from_secs(2));
        Arc::new(etcd.expect("a good address"))
    }

    /// The part of the configuration of a lease that names it.
    fn store(&self) -> String {
        let own = "ca = \"ca.pem\", certificate = \"own.pem\", key = \"own.key\"";
        let tls = if self.tls {
            format!(", tls = {{ {own} }}")
        } else {
            String::new()
        };
        format!("etcd = {{ endpoints = [\"{}\"]{tls} }}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

trait Answers {
    fn answers(&self) -> bool;
}

impl Answers for Arc<Etcd> {
    fn answers(&self) -> bool {
        self.wait(self.read(&["epoch"])).is_ok()
    }
}

fn pem(name: &str) -> String {
    format!("{}/../testdata/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Certificates of a client: whom it believes, and who it is.
fn tls(ca: &str, own: Option<&str>) -> Tls {
    let read = |name: String| fs::read(pem(&name)).expect("the file is there");
    Tls {
        authority: read(format!("{ca}.pem")),
        identity: own.map(|own| (read(format!("{own}.pem")), read(format!("{own}.key")))),
        name: None,
    }
}

/// Gives a site the certificates that its configuration names: whom it believes, and who it is.
fn identify(site: &Site, ca: &str, own: &str) {
    for (from, to) in [
        (format!("{ca}.pem"), "ca.pem"),
        (format!("{own}.pem"), "own.pem"),
        (format!("{own}.key"), "own.key"),
    ] {
        fs::copy(pem(&from), site.path(to)).expect("the folder is writable");
    }
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

fn candidate(holder: &str, instance: u64) -> Candidate {
    Candidate {
        holder: holder.to_owned(),
        instance,
        least_epoch: 7,
        now_ms: 0,
        ttl_ms: 1000,
    }
}

fn held(claim: &Claim) -> &Lease {
    match claim {
        Claim::Held(lease) => lease,
        Claim::Taken(lease) => panic!("held by {lease:?}"),
    }
}

#[test]
fn a_controller_that_has_lost_its_lease_in_an_etcd_writes_nothing() {
    let server = Server::start();
    depose_holders(&server.store());
}

/// A lease is renewed in its epoch, nobody else gets it while it holds, and epochs grow, even if
/// somebody removes their key.
#[test]
fn epochs_in_an_etcd_never_go_back() {
    let server = Server::start();
    let runtime = runtime();
    let etcd = server.connect(&runtime);
    let claim = |lease: &LeaseEtcd, holder, instance| {
        let claimed = lease.claim(&candidate(holder, instance));
        claimed.expect("etcd answers")
    };
    let first = LeaseEtcd::new(etcd.clone());
    let claimed = claim(&first, "a", 1);
    let mut last = held(&claimed).epoch;
    assert!(last >= 7);
    assert_eq!(held(&claim(&first, "a", 1)).epoch, last);
    let other = LeaseEtcd::new(etcd.clone());
    assert!(matches!(claim(&other, "b", 2), Claim::Taken(by) if by.holder == "a"));
    // A new life need not wait, and the old one does not get it back.
    let life = LeaseEtcd::new(etcd.clone());
    let next = held(&claim(&life, "a", 3)).epoch;
    assert!(next > last, "{next} after {last}");
    last = next;
    assert!(matches!(claim(&first, "a", 1), Claim::Taken(by) if by.instance == 3));
    let gone = etcd.wait(etcd.change(&[], &[Step::Delete("epoch")]));
    assert_eq!(gone, Ok(true));
    let deadline = Instant::now() + DEADLINE;
    // It is not renewed, and so etcd ends it.
    let taken = loop {
        match claim(&other, "b", 2) {
            Claim::Held(lease) => break lease,
            Claim::Taken(_) => assert!(Instant::now() < deadline, "the lease does not end"),
        }
        sleep(Duration::from_millis(20));
    };
    assert!(taken.epoch > last, "{} after {last}", taken.epoch);
    // A change that assumes what is not so any more changes nothing.
    let late = etcd.wait(etcd.change(&[("holder", 1)], &[Step::Delete("holder")]));
    assert_eq!(late, Ok(false));
}

#[test]
fn an_etcd_that_is_away_is_an_error_in_time() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let addresses = ["127.0.0.1:1", "127.0.0.1:2"].map(str::to_owned);
    let etcd = Etcd::new(&addresses, None, "sddtn", Duration::from_secs(2)).expect("addresses");
    let read = etcd.wait(etcd.read(&["holder"]));
    assert!(
        matches!(read, Err(EtcdError::Unreachable { .. })),
        "{read:?}"
    );
    let bad = Etcd::new(&["a b".to_owned()], None, "", Duration::from_secs(1));
    assert!(matches!(bad, Err(EtcdError::Address(_))));
}

/// A lease is taken and renewed over TLS. Who has no certificate, or one of another authority, or believes
/// another authority, learns why nothing comes of it.
#[test]
fn an_etcd_that_asks_for_certificates_is_used_with_them_only() {
    let server = Server::start_with_tls();
    let runtime = runtime();
    let etcd = server.connect(&runtime);
    let lease = LeaseEtcd::new(etcd);
    let claim = || lease.claim(&candidate("a", 1)).expect("etcd answers");
    let epoch = held(&claim()).epoch;
    assert_eq!(held(&claim()).epoch, epoch);
    for (who, tls, why) in [
        ("nobody", tls("ca", None), "certificate"),
        ("an intruder", tls("ca", Some("intruder")), "certificate"),
        (
            "a stranger",
            tls("stranger", Some("controller")),
            "UnknownIssuer",
        ),
    ] {
        let etcd = server.connect_with(&runtime, Some(tls));
        let refused = etcd.wait(etcd.read(&["holder"]));
        let Err(EtcdError::Unreachable { reason, .. }) = refused else {
            panic!("{who} is let in: {refused:?}");
        };
        assert!(reason.contains(why), "{who}: {reason}");
        println!("{who}: {reason}");
    }
    let etcd = server.connect_with(&runtime, None);
    let refused = etcd.wait(etcd.read(&["holder"]));
    assert!(
        matches!(refused, Err(EtcdError::Unreachable { .. })),
        "{refused:?}"
    );
}

/// Two controllers share an etcd over TLS: the second one follows when the first one is killed. A
/// certificate that is renewed is used without a restart, and one that etcd does not know ends the term.
#[test]
fn controllers_share_an_etcd_over_tls() {
    let server = Server::start_with_tls();
    let switch = FakeSwitch::start().expect("a free port");
    let sites = ["a", "b"].map(|holder| {
        let site = site(&switch, holder, &server.store());
        identify(&site, "ca", "controller");
        site
    });
    let mut first = sites[0].start();
    sites[0].wait("write", || epoch(&switch) > 0);
    let before = epoch(&switch);
    first.child.kill().expect("it runs");
    first.child.wait().expect("it has ended");
    let second = sites[1].start();
    let site = &sites[1];
    site.wait("other holder", || epoch(&switch) > before);

    // Files that cannot be used change nothing.
    let hang_up = |expected: &str| {
        let told = || site.text("log").matches(expected).count();
        let before = told();
        signal(&second.child, "-HUP");
        site.wait(expected, || told() > before);
    };
    fs::write(site.path("own.key"), "no key").expect("the folder is writable");
    hang_up("cannot use the certificates of lease.etcd");
    let writes = || switch.writers().len();
    let before = writes();
    site.wait("writes", || writes() > before + 2);
    identify(site, "ca", "intruder");
    hang_up("done as asked");
    site.wait("end of the session", || switch.streams() == 0);
    // It is told, and not with each attempt.
    let told = site
        .text("log")
        .matches("not known: no etcd answers")
        .count();
    assert!((1..4).contains(&told), "{}", site.text("log"));
    let before = writes();
    identify(site, "ca", "controller");
    hang_up("certificates are read again");
    site.wait("writes", || writes() > before);
    assert!(second.stop(), "{}", site.text("log"));
    identify(site, "stranger", "controller");
    let output = site.run(&["--once"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(
        text.contains("cannot use the etcd of the cluster: no etcd answers"),
        "{text}"
    );
    assert!(text.contains("UnknownIssuer"), "{text}");
}

/// Tools that are not the controller know what operators asked for, wherever it is kept.
#[test]
fn tools_know_the_overrides_in_an_etcd() {
    let server = Server::start_with_tls();
    let switch = FakeSwitch::start().expect("a free port");
    let site = Site::new(&address(&switch), "");
    write_node(&site, &switch, "a contact +0 +9999 10 2 1000");
    let config = site.text("controller.toml")
        + "[api]\nlisten = \"127.0.0.1:0\"\n[lease]\nholder = \"a\"\n"
        + &server.store();
    fs::write(site.path("controller.toml"), config).expect("the folder is writable");
    identify(&site, "ca", "controller");
    let daemon = site.start();
    site.wait("ready file", || site.path("ready").exists());
    let body = r#"{"switch": "relay", "table": "ingress.endpoint", "priority": 1000,
                   "match": {"meta.primary.destination.node": "2"},
                   "action": "ingress.deliver", "reason": "test"}"#;
    let (status, answer) = ask_with(&site, "PUT", "/v1/overrides/quiet", body);
    assert_eq!(status, 200, "{answer}");
    site.wait("override", || action_for(&switch, 2) == "ingress.deliver()");
    assert!(daemon.stop(), "{}", site.text("log"));

    let output = site.run(&["--dry-run"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!shown.contains("ingress.endpoint"), "{shown}");
    let config = site.path("controller.toml").display().to_string();
    let explain = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sddtnctl"));
        let at = address(&switch);
        command.args(["--switch", &at, "explain", "entries", "--config", &config]);
        command
            .arg("endpoint")
            .output()
            .expect("the program starts")
    };
    let output = explain();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        shown.contains("override quiet"),
        "{shown} {}",
        stderr(&output)
    );
    // Without the etcd nobody knows, and that is no answer.
    drop(server);
    let output = explain();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("no etcd answers"),
        "{}",
        stderr(&output)
    );
    assert!(!site.run(&["--dry-run"]).status.success());
}

/// What the interface of one controller was asked for holds with the next one, on whatever machine.
#[test]
fn overrides_outlive_a_killed_controller_in_an_etcd() {
    let server = Server::start();
    let switch = FakeSwitch::start().expect("a free port");
    let sites = ["a", "b"].map(|holder| {
        let site = site(&switch, holder, &server.store());
        let config = site.text("controller.toml") + "[api]\nlisten = \"127.0.0.1:0\"\n";
        fs::write(site.path("controller.toml"), config).expect("the folder is writable");
        site
    });
    let mut first = sites[0].start();
    sites[0].wait("ready file", || sites[0].path("ready").exists());
    let body = r#"{"switch": "relay", "table": "ingress.endpoint", "priority": 1000,
                   "match": {"meta.primary.destination.node": "2"},
                   "action": "ingress.deliver", "reason": "test"}"#;
    let (status, answer) = ask_with(&sites[0], "PUT", "/v1/overrides/quiet", body);
    assert_eq!(status, 200, "{answer}");
    let before = epoch(&switch);
    first.child.kill().expect("it runs");
    first.child.wait().expect("it has ended");
    let second = sites[1].start();
    sites[1].wait("other holder", || epoch(&switch) > before);
    sites[1].wait("ready file", || sites[1].path("ready").exists());
    let (_, shown) = ask(&sites[1], "GET", "/v1/overrides");
    assert_eq!(shown["quiet"]["reason"], "test", "{shown}");
    assert!(second.stop(), "{}", sites[1].text("log"));
}

/// A controller that does not reach its etcd ends its sessions, and goes on when it does.
#[test]
fn a_controller_without_its_etcd_stops_to_write() {
    let server = Server::start();
    let switch = FakeSwitch::start().expect("a free port");
    let site = site(&switch, "a", &server.store());
    let daemon = site.start();
    site.wait("session", || switch.streams() == 1);
    site.wait("write", || epoch(&switch) > 0);
    let before = epoch(&switch);
    signal(&server.child, "-STOP");
    site.wait("end of the session", || switch.streams() == 0);
    let writes = switch.writers().len();
    // For longer than a second contacts open and close, and nothing is written.
    let until = Instant::now() + Duration::from_millis(2200);
    while Instant::now() < until {
        assert_eq!(switch.writers().len(), writes, "{}", site.text("log"));
        sleep(Duration::from_millis(20));
    }
    signal(&server.child, "-CONT");
    site.wait("writes", || switch.writers().len() > writes);
    assert!(epoch(&switch) >= before);
    assert!(daemon.stop(), "{}", site.text("log"));
}
