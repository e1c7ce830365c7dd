// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two controllers of one cluster: one holds it, and one that has lost it writes nothing.

use std::{
    fmt::Write as _,
    fs,
    process::{Child, Command},
    time::{Duration, Instant},
};

use p4rt::fake::FakeSwitch;

use crate::daemon::{Site, address, write_node};

/// How long a lease holds.
const TTL: Duration = Duration::from_millis(600);
/// How often the holder is stopped.
const ROUNDS: usize = 4;

/// A contact that opens and closes every second, so that the holder always has something to write.
fn contacts() -> String {
    let mut text = String::new();
    for second in (0..240).step_by(2) {
        let _ = writeln!(text, "a contact +{second} +{} 10 2 1000", second + 1);
    }
    text
}

/// A site for one of the controllers; all share a store of leases.
pub(crate) fn site(switch: &FakeSwitch, holder: &str, store: &str) -> Site {
    let site = Site::new(&address(switch), "");
    write_node(&site, switch, contacts().trim_end());
    let ttl = TTL.as_millis();
    let config = site.text("controller.toml")
        + &format!("[lease]\nholder = \"{holder}\"\n{store}\nttl_ms = {ttl}\n");
    fs::write(site.path("controller.toml"), config).expect("the folder is writable");
    site
}

pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([name, &pid]).status();
    assert!(sent.expect("kill runs").success());
}

/// The epoch of the last write that was accepted.
pub(crate) fn epoch(switch: &FakeSwitch) -> u64 {
    let writers = switch.writers();
    let mut accepted = writers.iter().rev().filter(|(_, accepted)| *accepted);
    let id = accepted.next().map_or(0, |(id, _)| id >> 64);
    u64::try_from(id).expect("64 bits are left")
}

#[test]
fn a_controller_that_has_lost_its_lease_writes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    depose_holders(&in_folder(&folder));
}

fn in_folder(folder: &tempfile::TempDir) -> String {
    format!("path = \"{}\"", folder.path().join("lease").display())
}

/// Stops the holder again and again: another one follows, and the one that goes on writes nothing.
pub(crate) fn depose_holders(store: &str) {
    let switch = FakeSwitch::start().expect("a free port");
    let sites = ["a", "b"].map(|holder| site(&switch, holder, store));
    let mut daemons = Vec::new();
    for site in &sites {
        daemons.push(site.start());
        site.wait("standing", || {
            site.text("log").contains("the lease of the cluster")
        });
    }
    let first = &sites[0];
    first.wait("write", || epoch(&switch) > 0);
    let mut holder = 0;
    let mut fail_over = Vec::new();
    for _ in 0..ROUNDS {
        let (old, before) = (holder, epoch(&switch));
        let new = 1 - old;
        signal(&daemons[old].child, "-STOP");
        let stopped = Instant::now();
        sites[new].wait("other holder", || epoch(&switch) > before);
        fail_over.push(stopped.elapsed());
        let told = || sites[old].text("log").matches("held by").count();
        let count = told();
        signal(&daemons[old].child, "-CONT");
        // The one that was stopped finds out, and the other goes on writing.
        sites[old].wait("news of the other", || {
            told() > count || {
                let log = sites[old].text("log");
                log.trim_end().contains("held by")
                    && log.rfind("held by") > log.rfind("held in epoch")
            }
        });
        let so_far = switch.writers().len();
        sites[new].wait("writes", || switch.writers().len() >= so_far + 2);
        holder = new;
    }
    let writers = switch.writers();
    let refused = writers.iter().filter(|(_, accepted)| !accepted).count();
    let mut highest = 0;
    let deposed = writers.iter().filter(|(id, accepted)| {
        let is_old = *accepted && *id < highest;
        highest = highest.max(*id);
        is_old
    });
    let deposed = deposed.count();
    println!(
        "{ROUNDS} holders deposed, {} writes, {deposed} of deposed ones accepted, {refused} refused, \
         fail-over {fail_over:?}",
        writers.len()
    );
    assert_eq!(deposed, 0);
    // A call that was handed to the network before its process was stopped may still arrive. There is
    // never more than one, and its epoch is too small.
    assert!(refused <= ROUNDS, "{refused} refused");
    for (daemon, site) in daemons.into_iter().zip(&sites) {
        assert!(daemon.stop(), "{}", site.text("log"));
    }
}

/// A new life of a controller need not wait, and has a larger epoch.
#[test]
fn a_controller_that_restarts_has_a_larger_epoch() {
    let switch = FakeSwitch::start().expect("a free port");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let site = site(&switch, "a", &in_folder(&folder));
    let mut last = 0;
    for _ in 0..3 {
        let mut daemon = site.start();
        site.wait("write", || epoch(&switch) > last);
        last = epoch(&switch);
        daemon.child.kill().expect("it runs");
        daemon.child.wait().expect("it has ended");
    }
    assert!(last >= 9, "the configuration says 7: {last}");
}
