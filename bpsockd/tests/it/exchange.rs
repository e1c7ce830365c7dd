// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages between two daemons, in both versions and of all lengths.

use std::time::Duration;

use bpsock::abi::{
    BP_FLAG_REPORT_DELIVERY, BP_FLAG_REPORT_RECEPTION, BP_FLAG_STATUS_TIME, BP_REPORT_STATUS,
    BP_STATUS_DELIVERED, BP_STATUS_RECEIVED, Options,
};
use bpsock::net::Message;

use crate::support::{DEADLINE, Daemon, PACED, free_address, parse, peer, receive, send};

/// Two daemons that know each other, and speak this version.
pub(crate) fn pair(speaks: u8) -> (Daemon, Daemon) {
    let (one, two) = (free_address(), free_address());
    let metrics = "[metrics]\nlisten = \"127.0.0.1:0\"\n";
    let first = Daemon::start(1, one, metrics, &peer("ipn:2.*", two, speaks, PACED));
    let second = Daemon::start(2, two, metrics, &peer("ipn:1.*", one, speaks, PACED));
    (first, second)
}

pub(crate) fn octets(length: usize) -> Vec<u8> {
    let octet = |at: usize| u8::try_from((at * 7 + at / 251) % 256).expect("it is below 256");
    (0..length).map(octet).collect()
}

fn lengths_cross(version: u8) {
    let (first, second) = pair(version);
    let (one, two) = (first.bind("ipn:0.7"), second.bind("ipn:2.8"));
    assert_eq!(one.local_address(), &parse("ipn:1.7"));
    for length in [0, 1, 1300, 1472, 4096, 65_535, 65_536, 262_145, 1 << 20] {
        let data = octets(length);
        for (from, to) in [(&one, &two), (&two, &one)] {
            send(from, &data, &to.local_address().to_string());
            let received = receive(to);
            assert_eq!(received.data.len(), length);
            assert!(received.data == data, "{length} octets are others");
            assert_eq!(&received.about.source, from.local_address());
            assert_eq!(
                received.about.destination.as_ref(),
                Some(to.local_address())
            );
            let info = received.about.info.expect("the agent tells");
            assert_eq!(info.version, u32::from(version));
            assert_eq!(info.lifetime_ms, 86_400_000);
        }
    }
}

#[test]
fn all_lengths_cross_in_version_6() {
    lengths_cross(6);
}

#[test]
fn all_lengths_cross_in_version_7() {
    lengths_cross(7);
}

#[test]
fn many_messages_arrive_once() {
    let (first, second) = pair(7);
    let (one, two) = (first.bind("ipn:1.7"), second.bind("ipn:2.8"));
    let to = parse("ipn:2.8");
    let mut tickets = Vec::new();
    for number in 0..500_u32 {
        let sent = one.start_send(&number.to_ne_bytes(), &to, &Message::default(), None);
        tickets.push(sent.unwrap());
    }
    let mut identities = std::collections::BTreeSet::new();
    for ticket in tickets {
        identities.insert(one.finish_send(ticket, Some(DEADLINE)).unwrap());
    }
    assert_eq!(identities.len(), 500);
    // What was lost on the way comes later.
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..500 {
        seen.insert(receive(&two).data);
    }
    let sent = (0..500_u32).map(|number| number.to_ne_bytes().to_vec());
    assert_eq!(seen, sent.collect());
    assert!(two.try_recv().is_err());
}

/// A report comes to the socket that sent the bundle, after the application has read it.
fn delivery_is_reported(version: u8) {
    let (first, second) = pair(version);
    let (one, two) = (first.bind("ipn:1.7"), second.bind("ipn:2.8"));
    let flags = BP_FLAG_REPORT_DELIVERY | BP_FLAG_REPORT_RECEPTION | BP_FLAG_STATUS_TIME;
    let message = Message {
        options: Options::default().flags(flags).lifetime_ms(60_000),
        report_to: None,
    };
    let sent = one.send_to(b"x", &parse("ipn:2.8"), &message);
    let bundle = sent
        .expect("the agent takes it")
        .expect("and tells the bundle");
    let report = one.report(DEADLINE).expect("a report comes");
    assert_eq!(report.report.status, BP_STATUS_RECEIVED);
    assert_eq!(report.report.bundle, bundle);
    // It is there, and nobody has read it.
    let early = one.report(Duration::from_millis(50));
    assert!(early.is_none_or(|early| early.report.status == BP_STATUS_RECEIVED));
    let received = receive(&two);
    assert_eq!(
        received.about.info.expect("the agent tells").lifetime_ms,
        60_000
    );
    assert_eq!(received.about.info.expect("the agent tells").bundle, bundle);
    assert_eq!(received.about.report_to, Some(parse("ipn:1.0")));
    let mut report = one.report(DEADLINE).expect("a report comes");
    while report.report.status == BP_STATUS_RECEIVED {
        // On a slow machine the sender asked once more.
        report = one.report(DEADLINE).expect("a report comes");
    }
    assert_eq!(report.report.kind, BP_REPORT_STATUS);
    assert_eq!(report.report.status, BP_STATUS_DELIVERED);
    assert_eq!(report.report.bundle, bundle);
    assert_eq!(report.source, Some(parse("ipn:2.0")));
    let age = report.report.time_ms - bundle.creation_ms;
    assert!(age < 60_000, "{age}");
}

#[test]
fn delivery_is_reported_in_version_6() {
    delivery_is_reported(6);
}

#[test]
fn delivery_is_reported_in_version_7() {
    delivery_is_reported(7);
}

#[test]
fn messages_stay_on_the_node_if_they_are_for_it() {
    let daemon = Daemon::start(1, free_address(), "", "name = \"one\"\n");
    let (number, name) = (daemon.bind("ipn:0.0"), daemon.bind("dtn://one/x"));
    send(&number, b"to a name", "dtn://one/x");
    assert_eq!(&receive(&name).about.source, number.local_address());
    send(&name, b"to a number", &number.local_address().to_string());
    let received = receive(&number);
    assert_eq!(received.about.source, parse("dtn://one/x"));
    assert_eq!(received.data, b"to a number");
    // The form of the address is kept, and names the same endpoint.
    send(
        &name,
        b"three",
        &number.local_address().to_string().replace("ipn:", "ipn:0."),
    );
    assert_eq!(receive(&number).data, b"three");
}

/// A socket that is full most of the time gets everything once, and in order.
#[test]
fn a_full_socket_keeps_the_order() {
    let daemon = Daemon::start(1, free_address(), "", "");
    let (from, to) = (daemon.bind("ipn:1.1"), daemon.bind("ipn:1.7"));
    to.set_receive_buffer(1000);
    let tickets: Vec<_> = (0..300_u32)
        .map(|number| {
            let data = [&number.to_ne_bytes()[..], &[0; 200]].concat();
            let sent = from.start_send(&data, to.local_address(), &Message::default(), None);
            sent.unwrap()
        })
        .collect();
    for ticket in tickets {
        from.finish_send(ticket, Some(DEADLINE)).unwrap();
    }
    for number in 0..300_u32 {
        assert_eq!(receive(&to).data[..4], number.to_ne_bytes());
    }
    assert!(to.try_recv().is_err());
}

/// poll wakes when a message arrives, and says nothing when it has been read.
#[test]
fn poll_tells_what_is_there() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let daemon = Daemon::start(1, free_address(), "", "");
    let socket = daemon.bind("ipn:1.7");
    let is_readable = |seconds| {
        let mut fds = [PollFd::new(&socket, PollFlags::IN)];
        let time = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&time)).unwrap() == 1
    };
    assert!(!is_readable(0));
    for _ in 0..3 {
        send(&socket, b"x", "ipn:1.7");
    }
    for _ in 0..3 {
        assert!(is_readable(30));
        receive(&socket);
    }
    assert!(!is_readable(0));
}
