// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is refused, and with which errno.

use bpsock::abi::{BP_FLAG_NO_FRAGMENT, Options};
use bpsock::net::Message;
use rustix::io::Errno;

use crate::support::{Daemon, errno, free_address, parse, peer, send};

fn is(errno: Errno) -> i32 {
    errno.raw_os_error()
}

#[test]
fn bind_says_what_the_agent_said() {
    let rule = "[access]\n[[access.rule]]\nfirst = 100\nlast = 199\nusers = [4294967294]\n";
    let daemon = Daemon::start(1, free_address(), rule, "");
    let door = daemon.door();
    let check = |address: &str, expected| {
        assert_eq!(errno(door.bind(&parse(address))), is(expected), "{address}");
    };
    let first = door.bind(&parse("ipn:1.7")).unwrap();
    check("ipn:1.7", Errno::ADDRINUSE);
    check("ipn:0.7", Errno::ADDRINUSE);
    // The other form of the same endpoint.
    check("ipn:0.1.7", Errno::ADDRINUSE);
    check("ipn:2.7", Errno::ADDRNOTAVAIL);
    check("dtn://n/x", Errno::ADDRNOTAVAIL);
    check("ipn:1.150", Errno::ACCESS);
    // Another front door is no way round.
    assert_eq!(
        errno(daemon.door().bind(&parse("ipn:1.7"))),
        is(Errno::ADDRINUSE)
    );
    drop(first);
    // A socket that is closed leaves its address.
    let again = door.bind(&parse("ipn:1.7")).unwrap();
    let free = door.bind(&parse("ipn:0.0")).unwrap();
    let other = door.bind(&parse("ipn:4294967295.0")).unwrap();
    assert_ne!(free.local_address(), other.local_address());
    assert_ne!(free.local_address(), again.local_address());
}

#[test]
fn sendto_says_what_the_agent_said() {
    let far = free_address();
    let small = peer("ipn:6.*", far, 6, "mtu = 500") + &peer("ipn:7.*", far, 7, "mtu = 500");
    let daemon = Daemon::start(1, free_address(), "max_message = 100000\n", &small);
    let socket = daemon.bind("ipn:1.7");
    let check = |to: &str, length: usize, options, expected: Errno| {
        let message = Message {
            options,
            report_to: None,
        };
        let sent = socket.send_to(&vec![0; length], &parse(to), &message);
        assert_eq!(errno(sent), is(expected), "{to} {length} {options:?}");
    };
    let plain = Options::default();
    check("ipn:9.1", 1, plain, Errno::HOSTUNREACH);
    check("dtn://far/x", 1, plain, Errno::HOSTUNREACH);
    check("ipn:7.1", 100_001, plain, Errno::MSGSIZE);
    check(
        "ipn:7.1",
        1000,
        plain.flags(BP_FLAG_NO_FRAGMENT),
        Errno::MSGSIZE,
    );
    check("ipn:6.1", 1, plain.hop_limit(3), Errno::OPNOTSUPP);
    check("ipn:7.1", 1, plain.priority(2), Errno::OPNOTSUPP);
    check("ipn:7.1", 1, plain.hop_limit(256), Errno::INVAL);
    check("ipn:7.1", 1, plain.lifetime_ms(0), Errno::INVAL);
    // The limit itself is allowed.
    send(&socket, &vec![0; 100_000], "ipn:7.1");
    let missing = daemon
        .bind("ipn:1.8")
        .cancel(bpsock::abi::BundleId::default());
    assert_eq!(errno(missing), is(Errno::NOENT));
}

/// A bundle that waits can be taken back, by who sent it.
#[test]
fn what_has_not_left_can_be_cancelled() {
    let slow = peer("ipn:2.*", free_address(), 7, "octets_per_s = 100");
    let daemon = Daemon::start(1, free_address(), "", &slow);
    let (socket, other) = (daemon.bind("ipn:1.7"), daemon.bind("ipn:1.8"));
    let mut bundles = Vec::new();
    for _ in 0..3 {
        let sent = socket.send_to(&[0; 1000], &parse("ipn:2.1"), &Message::default());
        bundles.push(sent.unwrap().unwrap());
    }
    assert_eq!(errno(other.cancel(bundles[2])), is(Errno::NOENT));
    socket.cancel(bundles[2]).unwrap();
    assert_eq!(errno(socket.cancel(bundles[2])), is(Errno::NOENT));
}

#[test]
fn without_a_daemon_there_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let connected = bpsock::net::Door::connect(&path);
    assert_eq!(errno(connected), is(Errno::NOENT));
}
