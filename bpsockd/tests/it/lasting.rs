// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Nothing is lost: whoever is killed, and whenever.

use std::thread::sleep;
use std::time::{Duration, Instant};

use bpsock::abi::Options;
use bpsock::net::{Message, Socket};
use rustix::io::Errno;

use crate::exchange::pair;
use crate::support::{DEADLINE, Daemon, PACED, errno, free_address, parse, peer, receive, send};

/// Sends again until a daemon is there to take it.
fn send_when_possible(socket: &Socket, data: &[u8], to: &str) {
    let start = Instant::now();
    while let Err(error) = socket.send_to(data, &parse(to), &Message::default()) {
        assert!(start.elapsed() < DEADLINE, "{error}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn sockets_survive_a_daemon_that_is_killed() {
    let (mut first, mut second) = pair(7);
    let (one, two) = (first.bind("ipn:1.7"), second.bind("ipn:2.8"));
    send(&one, b"before", "ipn:2.8");
    assert_eq!(receive(&two).data, b"before");
    first.kill_and_start();
    second.kill_and_start();
    send_when_possible(&one, b"after", "ipn:2.8");
    assert_eq!(receive(&two).data, b"after");
    send_when_possible(&two, b"and back", "ipn:1.7");
    assert_eq!(receive(&one).data, b"and back");
}

/// What arrived and was not read comes again, from the next daemon.
#[test]
fn unread_messages_survive_a_daemon_that_is_killed() {
    let (first, mut second) = pair(6);
    let (one, two) = (first.bind("ipn:1.7"), second.bind("ipn:2.8"));
    for text in ["a", "b", "c"] {
        send(&one, text.as_bytes(), "ipn:2.8");
    }
    assert_eq!(receive(&two).data, b"a");
    // It is in the socket's queue, and not acknowledged.
    let start = Instant::now();
    while two.try_peek().is_err() {
        assert!(start.elapsed() < DEADLINE);
        sleep(Duration::from_millis(5));
    }
    assert_eq!(two.try_peek().unwrap().data, b"b");
    // The acknowledgement of the first one is with the daemon when it answers a later request.
    drop(second.bind("ipn:2.9"));
    sleep(Duration::from_millis(200));
    second.kill_and_start();
    assert_eq!(receive(&two).data, b"b");
    assert_eq!(receive(&two).data, b"c");
    assert_eq!(errno(two.try_recv()), Errno::AGAIN.raw_os_error());
}

/// What was accepted leaves, by the daemon that accepted it or by the next one.
#[test]
fn accepted_messages_leave_after_a_kill() {
    let (near, far) = (free_address(), free_address());
    let slow = peer("ipn:2.*", far, 7, "octets_per_s = 20000\nconfirm = true");
    let mut first = Daemon::start(1, near, "", &slow);
    let one = first.bind("ipn:1.7");
    for number in 0..20_u8 {
        send(&one, &[number; 1000], "ipn:2.8");
    }
    // Most of it cannot have left, and the receiver is not even there.
    first.kill();
    let second = Daemon::start(2, far, "", &peer("ipn:1.*", near, 7, PACED));
    let two = second.bind("ipn:2.8");
    first.start_again();
    // The ones that left before the kill went nowhere, and are sent again.
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        seen.insert(receive(&two).data[0]);
    }
    assert!(seen.into_iter().eq(0..20));
    assert!(two.try_recv().is_err());
}

/// What a socket had and did not read is for the next socket with the address.
#[test]
fn unread_messages_return_on_close() {
    let daemon = Daemon::start(1, free_address(), "", "");
    let sender = daemon.bind("ipn:1.1");
    {
        let reader = daemon.bind("ipn:1.7");
        send(&sender, b"one", "ipn:1.7");
        send(&sender, b"two", "ipn:1.7");
        assert_eq!(receive(&reader).data, b"one");
    }
    // Nobody has the address now: the agent keeps it.
    send(&sender, b"three", "ipn:1.7");
    let reader = daemon.bind("ipn:1.7");
    assert_eq!(receive(&reader).data, b"two");
    assert_eq!(receive(&reader).data, b"three");
}

/// A full receive buffer is no loss. Messages that were on the way meanwhile may overtake.
#[test]
fn slow_readers_lose_nothing() {
    let daemon = Daemon::start(1, free_address(), "", "");
    let (sender, reader) = (daemon.bind("ipn:1.1"), daemon.bind("ipn:1.7"));
    reader.set_receive_buffer(10_000);
    for number in 0..100_u8 {
        send(&sender, &[number; 4000], "ipn:1.7");
    }
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        seen.insert(receive(&reader).data);
    }
    assert!(
        seen.into_iter()
            .eq((0..100_u8).map(|number| vec![number; 4000]))
    );
}

#[test]
fn expired_messages_are_not_delivered() {
    let daemon = Daemon::start(1, free_address(), "", "");
    let sender = daemon.bind("ipn:1.1");
    let brief = Message {
        options: Options::default().lifetime_ms(1),
        report_to: None,
    };
    sender.send_to(b"brief", &parse("ipn:1.7"), &brief).unwrap();
    send(&sender, b"long", "ipn:1.7");
    // The daemon looks at lifetimes once a second.
    sleep(Duration::from_millis(2100));
    let reader = daemon.bind("ipn:1.7");
    assert_eq!(receive(&reader).data, b"long");
}

#[test]
fn sigterm_ends_the_daemon_well() {
    let mut daemon = Daemon::start(1, free_address(), "", "");
    let socket = daemon.bind("ipn:1.7");
    assert!(daemon.path().exists());
    assert!(daemon.terminate(), "{}", daemon.log());
    assert!(!daemon.path().exists());
    let sent = socket.send_to(b"x", &parse("ipn:1.7"), &Message::default());
    let refused = [Errno::CONNREFUSED, Errno::CONNRESET].map(Errno::raw_os_error);
    assert!(refused.contains(&errno(sent)));
}
