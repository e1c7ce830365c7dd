// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Front doors that break the protocol, and bundles that are none.

use std::net::UdpSocket;
use std::os::fd::OwnedFd;

use bpsock::protocol::{BP_PROTOCOL_VERSION, Message, Part, frames};
use bundle::v7;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send as send_octets, socket_with,
};

use crate::support::{Daemon, free_address, parse, receive, send};

/// A front door by hand.
fn dial(daemon: &Daemon) -> OwnedFd {
    let flags = SocketFlags::CLOEXEC;
    let kind = SocketType::SEQPACKET;
    let socket = socket_with(AddressFamily::UNIX, kind, flags, None).expect("there are sockets");
    let address = SocketAddrUnix::new(daemon.path()).expect("the path is short");
    connect(&socket, &address).expect("the daemon listens");
    let first = next(&socket).expect("the daemon greets");
    let frame = frames(&first)
        .next()
        .expect("a frame")
        .expect("a whole one");
    let message = Message::decode(frame.body).expect("a message");
    assert!(matches!(
        message,
        Some(Message::Register { version: 1, .. })
    ));
    socket
}

/// The next datagram; `None` at the end.
fn next(socket: &OwnedFd) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 1 << 17];
    match recv(socket, &mut buffer[..], RecvFlags::empty()) {
        Ok((0, _)) | Err(_) => None,
        Ok((length, _)) => Some(buffer[..length].to_vec()),
    }
}

fn say(socket: &OwnedFd, octets: &[u8]) {
    send_octets(socket, octets, SendFlags::NOSIGNAL).expect("the daemon reads");
}

fn hello() -> Vec<u8> {
    let message = Message::Hello {
        version: BP_PROTOCOL_VERSION,
        max_message: 1 << 20,
        chunk_max: 1000,
    };
    message.to_unix()
}

#[test]
fn what_is_malformed_ends_its_connection_only() {
    let daemon = Daemon::start(1, free_address(), "", "");
    let good = daemon.bind("ipn:1.7");
    let open = Message::Room { socket: 1 }.to_unix();
    let wrong_part = Message::Reply {
        request: 1,
        error: 0,
        address: None,
        bundle: None,
    };
    let cases: [&[&[u8]]; 5] = [
        &[b"rubbish that is no message"],
        &[&open],
        &[&hello(), &wrong_part.to_unix()],
        &[&hello(), &open[..open.len() - 4]],
        &[&Message::Hello {
            version: 99,
            max_message: 1,
            chunk_max: 1,
        }
        .to_unix()],
    ];
    for case in cases {
        let door = dial(&daemon);
        for octets in case {
            say(&door, octets);
        }
        assert_eq!(next(&door), None);
    }
    // What is unknown is skipped.
    let door = dial(&daemon);
    say(&door, &hello());
    say(
        &door,
        &[
            &20_u32.to_ne_bytes()[..],
            &0x4250_u16.to_ne_bytes(),
            &[0; 10],
            &[99, 1, 0, 0],
        ]
        .concat(),
    );
    drop(door);
    send(&good, b"still here", "ipn:1.7");
    assert_eq!(receive(&good).data, b"still here");
}

/// Chunks are no longer than the front door wants, and a socket hears nothing of others.
#[test]
fn deliveries_come_in_chunks() {
    let daemon = Daemon::start(1, free_address(), "", "");
    let door = dial_and_open(&daemon);
    let sender = daemon.bind("ipn:1.1");
    let other = daemon.bind("ipn:1.2");
    send(&sender, b"for another", "ipn:1.2");
    let data: Vec<u8> = (0..2500_u32).map(|at| (at % 251) as u8).collect();
    send(&sender, &data, "ipn:1.7");
    let mut whole = Vec::new();
    while whole.len() < data.len() {
        let datagram = next(&door).unwrap();
        let frame = frames(&datagram).next().unwrap().unwrap();
        let Ok(Some(Message::Deliver {
            socket: 9,
            part,
            data,
            ..
        })) = Message::decode(frame.body)
        else {
            panic!("a delivery was expected");
        };
        assert!(data.len() <= 1000);
        assert_eq!(part.offset() as usize, whole.len());
        if let Part::First { total, head } = part {
            assert_eq!(total, 2500);
            assert_eq!(head.source, parse("ipn:1.1"));
        }
        whole.extend_from_slice(data);
    }
    assert_eq!(whole, data);
    assert_eq!(receive(&other).data, b"for another");
}

/// A front door by hand that has opened socket 9 as `ipn:1.7`.
fn dial_and_open(daemon: &Daemon) -> OwnedFd {
    let door = dial(daemon);
    say(&door, &hello());
    let open = Message::Open {
        request: 5,
        socket: 9,
        address: parse("ipn:0.7"),
        flags: 0,
        // Somebody else: it is not believed.
        uid: 0,
        gid: 0,
        pid: 0,
    };
    say(&door, &open.to_unix());
    let reply = next(&door).expect("the daemon answers");
    let frame = frames(&reply).next().expect("a frame");
    let frame = frame.expect("a whole one");
    let expected = Message::Reply {
        request: 5,
        error: 0,
        address: Some(parse("ipn:1.7")),
        bundle: None,
    };
    assert_eq!(Message::decode(frame.body), Ok(Some(expected)));
    door
}

/// What socket 9 hears next: the number of a delivery, and its data if it is not revoked.
fn heard(door: &OwnedFd) -> (u64, Option<Vec<u8>>) {
    let datagram = next(door).expect("the daemon says something");
    let frame = frames(&datagram).next().expect("a frame");
    let frame = frame.expect("a whole one");
    match Message::decode(frame.body) {
        Ok(Some(Message::Deliver {
            socket: 9,
            delivery,
            data,
            ..
        })) => (delivery, Some(data.to_vec())),
        Ok(Some(Message::Revoke {
            socket: 9,
            delivery,
        })) => (delivery, None),
        other => panic!("{other:?}"),
    }
}

fn refuse(door: &OwnedFd, delivery: u64) {
    let refuse = Message::Refuse {
        socket: 9,
        delivery,
        error: rustix::io::Errno::AGAIN.raw_os_error().cast_unsigned(),
    };
    say(door, &refuse.to_unix());
}

/// After a refusal for want of room the refused one comes first, with its number, and the others
/// behind it.
#[test]
fn what_was_refused_comes_first() {
    let daemon = Daemon::start(1, free_address(), "", "");
    let door = dial_and_open(&daemon);
    let sender = daemon.bind("ipn:1.1");
    for text in [b"0", b"1", b"2", b"3"] {
        send(&sender, text, "ipn:1.7");
    }
    let sent: Vec<_> = (0..4).map(|_| heard(&door)).collect();
    let ack = |delivery| {
        Message::Ack {
            socket: 9,
            delivery,
        }
        .to_unix()
    };
    say(&door, &ack(sent[0].0));
    refuse(&door, sent[1].0);
    send(&sender, b"4", "ipn:1.7");
    say(&door, &Message::Room { socket: 9 }.to_unix());
    for earlier in &sent[1..] {
        let mut again = heard(&door);
        if again.1.as_deref() == Some(b"4") {
            // It had left before the daemon heard of the refusal, and is to be ignored.
            again = heard(&door);
        }
        assert_eq!(&again, earlier);
        say(&door, &ack(again.0));
    }
    let (number, data) = heard(&door);
    assert_eq!(data.as_deref(), Some(&b"4"[..]));
    assert!(number > sent[3].0);
}

/// What expires while a socket has no room for it is revoked, and the next ones come.
#[test]
fn what_was_refused_and_expires_is_revoked() {
    let daemon = Daemon::start(1, free_address(), "", "");
    let door = dial_and_open(&daemon);
    let sender = daemon.bind("ipn:1.1");
    let brief = bpsock::net::Message {
        options: bpsock::abi::Options::default().lifetime_ms(300),
        report_to: None,
    };
    let sent = sender.send_to(b"brief", &parse("ipn:1.7"), &brief);
    sent.expect("the agent takes it");
    let (first, _) = heard(&door);
    refuse(&door, first);
    send(&sender, b"next", "ipn:1.7");
    let mut revoked = heard(&door);
    if revoked.1.as_deref() == Some(b"next") {
        // It had left before the daemon heard of the refusal, and is to be ignored.
        revoked = heard(&door);
    }
    assert_eq!(revoked, (first, None));
    say(&door, &Message::Room { socket: 9 }.to_unix());
    assert_eq!(heard(&door).1.as_deref(), Some(&b"next"[..]));
}

/// A bundle of version 7 by hand, from this source.
fn bundle(source: v7::Eid<'_>, destination: v7::Eid<'_>, sequence: u64) -> Vec<u8> {
    let primary = v7::Primary {
        flags: v7::BundleFlags::default(),
        crc: v7::CrcType::Crc32c,
        destination,
        source,
        report_to: v7::Eid::DtnNone,
        creation: v7::CreationTimestamp {
            time_ms: bpsockd::leaf::now_ms(),
            sequence,
        },
        lifetime_ms: 60_000,
        fragment: None,
    };
    let kind = v7::BlockType::PAYLOAD;
    let flags = v7::BlockFlags::default();
    let payload = v7::Block::new(kind, 1, flags, b"hi".into());
    let blocks = vec![payload];
    v7::Bundle { primary, blocks }.to_vec()
}

#[test]
fn senders_keep_the_form_of_their_address() {
    let daemon = Daemon::start(1, free_address(), "", "");
    let socket = daemon.bind("ipn:1.7");
    let wire = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = v7::Eid::Ipn {
        node: 1,
        service: 7,
    };
    wire.send_to(b"no bundle", daemon.bundles).unwrap();
    let long_name = format!("//n/{}", "x".repeat(200));
    let senders = [
        (
            "ipn:3.4",
            v7::Eid::Ipn {
                node: 3,
                service: 4,
            },
        ),
        (
            "ipn:4294967296.4",
            v7::Eid::Ipn {
                node: 1 << 32,
                service: 4,
            },
        ),
        (
            "ipn:0.3.4",
            v7::Eid::IpnWithAllocator {
                allocator: 0,
                node: 3,
                service: 4,
            },
        ),
        ("dtn://n/x", v7::Eid::Dtn("//n/x".into())),
        ("dtn:(too long)", v7::Eid::Dtn(long_name.as_str().into())),
        ("dtn:none", v7::Eid::DtnNone),
    ];
    for (sequence, (text, source)) in senders.into_iter().enumerate() {
        let octets = bundle(source, to.clone(), sequence as u64);
        // The second copy is a duplicate, and delivered only if nobody is its source.
        wire.send_to(&octets, daemon.bundles).unwrap();
        wire.send_to(&octets, daemon.bundles).unwrap();
        assert_eq!(receive(&socket).about.source.to_string(), text);
    }
    assert_eq!(receive(&socket).about.source.to_string(), "dtn:none");
}
