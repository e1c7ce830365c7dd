// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages, as octets and back.

use bpsock::Address;
use bpsock::abi::{BundleId, Info, Options, Report};
use bpsock::protocol::{
    Assembly, BP_CHUNK_LIMIT, BP_UNIX_TYPE, Delivered, Limits, Message, Part, ProtocolError, Sent,
    frames,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};

use crate::address::addresses;

fn bundles() -> impl Strategy<Value = BundleId> {
    any::<(u64, u64)>().prop_map(|(creation_ms, sequence)| BundleId {
        creation_ms,
        sequence,
    })
}

fn infos() -> impl Strategy<Value = Info> {
    (bundles(), any::<(u64, u64)>(), any::<[u32; 6]>()).prop_map(|(bundle, times, words)| {
        let [flags, hop_limit, hop_count, priority, version, present] = words;
        Info {
            bundle,
            lifetime_ms: times.0,
            age_ms: times.1,
            flags,
            hop_limit,
            hop_count,
            priority,
            version,
            present,
        }
    })
}

fn reports() -> impl Strategy<Value = Report> {
    (bundles(), any::<[u32; 4]>(), any::<(u64, u64)>()).prop_map(|(bundle, words, times)| {
        let [kind, error, status, reason] = words;
        Report {
            kind,
            error,
            status,
            reason,
            time_ms: times.0,
            tag: times.1,
            bundle,
        }
    })
}

fn options() -> impl Strategy<Value = Options> {
    any::<(u64, [u32; 4])>().prop_map(|(lifetime_ms, words)| Options {
        lifetime_ms,
        flags: words[0],
        hop_limit: words[1],
        priority: words[2],
        present: words[3],
    })
}

fn parts<H: std::fmt::Debug + 'static>(
    heads: impl Strategy<Value = H> + 'static,
) -> impl Strategy<Value = Part<H>> {
    prop_oneof![
        (any::<u32>(), heads).prop_map(|(total, head)| Part::First { total, head }),
        (1..=u32::MAX).prop_map(|offset| Part::Next { offset }),
    ]
}

fn sents() -> impl Strategy<Value = Sent> {
    (addresses(), addresses(), options(), of(addresses())).prop_map(
        |(source, destination, options, report_to)| Sent {
            source,
            destination,
            options,
            report_to,
        },
    )
}

fn delivered() -> impl Strategy<Value = Box<Delivered>> {
    let optional = || of(addresses());
    (addresses(), optional(), of(infos()), optional(), optional()).prop_map(
        |(source, destination, info, report_to, previous_node)| {
            Box::new(Delivered {
                source,
                destination,
                info,
                report_to,
                previous_node,
            })
        },
    )
}

#[expect(clippy::too_many_lines, reason = "a few lines for each command")]
/// Messages without data; [`with_data`] gives it to those that have some.
fn messages() -> impl Strategy<Value = Message<'static>> {
    let socket = || 1..=u32::MAX;
    let chunk = || 1..=BP_CHUNK_LIMIT;
    let limits = (
        of(any::<u32>()),
        of(chunk()),
        of(any::<u32>()),
        of(any::<u32>()),
    );
    let open = (socket(), addresses(), any::<[u32; 5]>());
    prop_oneof![
        (any::<u32>(), limits).prop_map(|(version, limits)| {
            let (max_message, chunk_max, window_bytes, window_requests) = limits;
            let limits = Limits {
                max_message,
                chunk_max,
                window_bytes,
                window_requests,
            };
            Message::Register { version, limits }
        }),
        (any::<u32>(), any::<u32>(), chunk()).prop_map(|(version, max_message, chunk_max)| {
            Message::Hello {
                version,
                max_message,
                chunk_max,
            }
        }),
        open.prop_map(|(socket, address, [request, flags, uid, gid, pid])| {
            Message::Open {
                request,
                socket,
                address,
                flags,
                uid,
                gid,
                pid,
            }
        }),
        socket().prop_map(|socket| Message::Close { socket }),
        (any::<u32>(), socket(), parts(sents())).prop_map(|(request, socket, part)| {
            Message::Send {
                request,
                socket,
                part,
                data: &[],
            }
        }),
        (any::<u32>(), socket(), bundles()).prop_map(|(request, socket, bundle)| {
            Message::Cancel {
                request,
                socket,
                bundle,
            }
        }),
        (any::<u32>(), any::<u32>(), of(addresses()), of(bundles())).prop_map(
            |(request, error, address, bundle)| Message::Reply {
                request,
                error,
                address,
                bundle
            },
        ),
        (socket(), any::<u64>(), parts(delivered())).prop_map(|(socket, delivery, part)| {
            Message::Deliver {
                socket,
                delivery,
                part,
                data: &[],
            }
        }),
        (socket(), any::<u64>(), any::<u32>()).prop_map(|(socket, delivery, error)| {
            Message::Refuse {
                socket,
                delivery,
                error,
            }
        }),
        socket().prop_map(|socket| Message::Room { socket }),
        (socket(), any::<u64>()).prop_map(|(socket, delivery)| Message::Ack { socket, delivery }),
        (socket(), any::<u64>())
            .prop_map(|(socket, delivery)| Message::Revoke { socket, delivery }),
        (socket(), reports(), of(addresses())).prop_map(|(socket, report, source)| {
            Message::Report {
                socket,
                report,
                source,
            }
        }),
        (socket(), any::<u32>()).prop_map(|(socket, error)| Message::Hangup { socket, error }),
    ]
}

fn with_data<'a>(mut message: Message<'a>, octets: &'a [u8]) -> Message<'a> {
    if let Message::Send { data, .. } | Message::Deliver { data, .. } = &mut message {
        *data = octets;
    }
    message
}

fn decode_all(datagram: &[u8]) -> Result<Vec<Option<Message<'_>>>, ProtocolError> {
    frames(datagram)
        .map(|frame| Message::decode(frame?.body))
        .collect()
}

proptest! {
    #[test]
    fn octets_come_back(messages in vec((messages(), vec(any::<u8>(), 0..100)), 1..4)) {
        let mut datagram = Vec::new();
        let mut expected = Vec::new();
        for (message, data) in &messages {
            let message = with_data(message.clone(), data);
            message.encode(BP_UNIX_TYPE, &mut datagram);
            expected.push(Some(message));
        }
        assert_eq!(decode_all(&datagram), Ok(expected));
    }

    #[test]
    fn any_octets_are_no_panic(octets: Vec<u8>, command in 0_u8..20) {
        let _ = decode_all(&octets);
        let mut body = vec![command, 1, 0, 0];
        body.extend(octets);
        let _ = Message::decode(&body);
    }

    #[test]
    fn mutated_messages_are_no_panic(
        message in messages(), at: proptest::sample::Index, octet: u8, cut: proptest::sample::Index,
    ) {
        let mut datagram = message.to_unix();
        let at = at.index(datagram.len());
        datagram[at] = octet;
        let _ = decode_all(&datagram);
        datagram.truncate(cut.index(datagram.len()));
        let _ = decode_all(&datagram);
    }
}

/// The octets that the protocol page describes, one by one.
#[test]
fn a_message_has_the_octets_of_netlink() {
    let mut expected = Vec::new();
    expected.extend(40_u32.to_ne_bytes());
    expected.extend(0x4250_u16.to_ne_bytes());
    expected.extend(1_u16.to_ne_bytes());
    expected.extend([0; 8]);
    // ACK, version 1
    expected.extend([11, 1, 0, 0]);
    expected.extend([8_u16.to_ne_bytes(), 8_u16.to_ne_bytes()].concat());
    expected.extend(5_u32.to_ne_bytes());
    // The value of 64 bits is at 32, which is aligned: nothing is skipped.
    expected.extend([12_u16.to_ne_bytes(), 26_u16.to_ne_bytes()].concat());
    expected.extend(9_u64.to_ne_bytes());
    assert_eq!(expected.len(), 40);
    let message = Message::Ack {
        socket: 5,
        delivery: 9,
    };
    assert_eq!(message.to_unix(), expected);
}

#[test]
fn the_longest_chunk_fits() {
    let data = vec![7; BP_CHUNK_LIMIT as usize];
    let message = Message::Send {
        request: 1,
        socket: 1,
        part: Part::Next { offset: 65_000 },
        data: &data,
    };
    assert_eq!(decode_all(&message.to_unix()), Ok(vec![Some(message)]));
}

#[test]
fn what_is_unknown_is_skipped_and_what_is_wrong_is_named() {
    // An unknown command, and an unknown attribute before a known one.
    assert_eq!(Message::decode(&[99, 1, 0, 0]), Ok(None));
    let mut body = vec![10, 1, 0, 0];
    for (kind, value) in [(200_u16, 1_u32), (8, 6)] {
        body.extend([8_u16.to_ne_bytes(), kind.to_ne_bytes()].concat());
        body.extend(value.to_ne_bytes());
    }
    assert_eq!(
        Message::decode(&body),
        Ok(Some(Message::Room { socket: 6 }))
    );
    body.truncate(12);
    let missing = ProtocolError::Missing {
        command: 10,
        attribute: 8,
    };
    assert_eq!(Message::decode(&body), Err(missing));
    assert_eq!(
        Message::decode(&[10, 2, 0, 0]),
        Err(ProtocolError::Version(2))
    );
    let zero = Message::Room { socket: 0 }.to_unix();
    assert_eq!(decode_all(&zero), Err(ProtocolError::Value(8)));
}

#[test]
fn parts_follow_each_other() {
    let mut assembly = Assembly::new(5);
    assembly.push(0, b"abc").unwrap();
    assert!(assembly.push(2, b"de").is_err());
    assert!(assembly.push(3, b"def").is_err());
    assert!(!assembly.is_complete());
    assembly.push(3, b"de").unwrap();
    assert!(assembly.is_complete());
    assert_eq!(assembly.into_data(), b"abcde");
    assert!(Assembly::new(0).is_complete());
}

#[test]
fn addresses_of_all_forms_travel() {
    for text in ["ipn:1.2", "ipn:4294967296.2", "ipn:1.2.3", "dtn://n/x"] {
        let address: Address = text.parse().unwrap();
        let reply = Message::Reply {
            request: 1,
            error: 0,
            address: Some(address),
            bundle: None,
        };
        assert_eq!(decode_all(&reply.to_unix()), Ok(vec![Some(reply)]));
    }
}
