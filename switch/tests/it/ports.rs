// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ports that need no privileges.

use std::net::SocketAddr;

use switch::{
    offline::Offline,
    ports::{PortSpec, pcap},
    run::{Config, StartError, Switch},
};
use tokio::net::UdpSocket;

use crate::{controller::soon, support::text};

fn program(name: &str) -> Offline {
    let text = text(name);
    let source = p4::Source {
        name,
        text: &text,
        ..p4::Source::default()
    };
    Offline::load(&source).expect("the program is valid")
}

/// A free port of the loopback interface.
async fn free() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    socket.local_addr().expect("it is bound")
}

#[tokio::test]
async fn frames_travel_in_datagrams() {
    let peer = UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let out = UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let (one, two) = (free().await, free().await);
    let at = |socket: &UdpSocket| socket.local_addr().expect("it is bound");
    let ports = [
        format!("1@udp:{one}={}", at(&peer)),
        format!("2@udp:{two}={}", at(&out)),
    ];
    let ports = ports
        .iter()
        .map(|port| port.parse::<PortSpec>().expect("well formed"))
        .collect();
    let config = Config {
        ports,
        program: Some(program("traffic.p4")),
        ..Config::default()
    };
    let switch = Switch::start(config).await.expect("the ports are free");
    let stranger = UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let packet = [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3];
    soon(stranger.send_to(&[0; 20], one)).await.expect("sent");
    soon(peer.send_to(&packet, one)).await.expect("sent");
    let mut buffer = [0; 100];
    let (len, from) = soon(out.recv_from(&mut buffer)).await.expect("received");
    assert_eq!(from, two);
    assert_eq!(
        buffer[..len],
        [0, 0, 0, 0x11, 0x22, 0, 1, 1, 1, 2, 3],
        "not the stranger's"
    );
    let counters = switch.stop().await;
    assert!(
        counters.contains(&("received".to_owned(), 1)),
        "{counters:?}"
    );
    assert!(counters.contains(&("sent".to_owned(), 1)), "{counters:?}");
}

#[tokio::test]
async fn captures_go_in_and_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let (input, output) = (
        directory.path().join("in.pcap"),
        directory.path().join("out.pcap"),
    );
    let capture = pcap::Output::create(&input).expect("writable");
    let frames: Vec<Vec<u8>> = (0..100).map(|n| vec![0, n, 0, 0, 0, 0, 0, 0]).collect();
    for frame in &frames {
        capture.write(frame).expect("writable");
    }
    let (other_in, other_out) = (
        directory.path().join("2.pcap"),
        directory.path().join("3.pcap"),
    );
    pcap::Output::create(&other_in).expect("writable");
    let ports = [
        format!("1@pcap:{},{}", input.display(), output.display()),
        format!("2@pcap:{},{}", other_in.display(), other_out.display()),
    ];
    let ports = ports
        .iter()
        .map(|port| port.parse::<PortSpec>().expect("well formed"))
        .collect();
    let config = Config {
        ports,
        program: Some(program("traffic.p4")),
        ..Config::default()
    };
    let switch = Switch::start(config).await.expect("the files are there");
    let sent = ("sent".to_owned(), 100);
    soon(async {
        while !switch.statistics().contains(&sent) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    switch.stop().await;
    let left = pcap::read(&other_out).expect("a capture");
    let numbers: Vec<u8> = left.iter().map(|frame| frame[1]).collect();
    assert_eq!(
        numbers,
        (0..100).collect::<Vec<u8>>(),
        "all of them, in order"
    );
    assert!(pcap::read(&output).expect("a capture").is_empty());
}

#[tokio::test]
async fn a_port_that_cannot_be_opened_stops_the_start() {
    let ports = vec!["1@no-such-interface".parse().expect("well formed")];
    let error = Switch::start(Config {
        ports,
        ..Config::default()
    })
    .await;
    assert!(matches!(error, Err(StartError::Port(_))), "{error:?}");
    let config = Config {
        links: vec![1, 1],
        ..Config::default()
    };
    let error = Switch::start(config)
        .await
        .expect_err("two ports have one number");
    assert_eq!(error.to_string(), "port 1 is given twice");
}

#[tokio::test]
async fn counters_are_there_for_prometheus() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let config = Config {
        metrics_address: Some(([127, 0, 0, 1], 0).into()),
        links: vec![1],
        ..Config::default()
    };
    let mut switch = Switch::start(config).await.expect("port 0 is always free");
    let link = switch.take_link(1).expect("was asked for");
    link.sender
        .send(vec![0; 60])
        .await
        .expect("the port is open");
    let address = switch.metrics_address().expect("was asked for");
    let get = async |path: &str| {
        let mut stream = tokio::net::TcpStream::connect(address)
            .await
            .expect("listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answers");
        answer
    };
    let wanted = "p4switch_packets_total{event=\"received\"} 1\n";
    let counted = async {
        while !get("/metrics").await.contains(wanted) {
            tokio::task::yield_now().await;
        }
    };
    let deadline = std::time::Duration::from_secs(20);
    tokio::time::timeout(deadline, counted)
        .await
        .expect("the packet is counted");
    assert!(get("/metrics").await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(get("/").await.starts_with("HTTP/1.1 404 Not Found\r\n"));
    switch.stop().await;
}

/// Each port has one worker, so that no packet of a flow overtakes another one, however many cores
/// there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn packets_of_a_flow_stay_in_order() {
    // What two ports send together is less than the queue of the third one holds.
    const COUNT: u32 = 500;
    let config = Config {
        links: vec![1, 2, 3],
        program: Some(program("traffic.p4")),
        ..Config::default()
    };
    let mut switch = Switch::start(config).await.expect("nothing is needed");
    let mut out = switch.take_link(2).expect("it was asked for");
    let mut ends = Vec::new();
    for flow in [1_u8, 3] {
        let link = switch.take_link(u32::from(flow)).expect("it was asked for");
        ends.push(tokio::spawn(async move {
            for number in 0..COUNT {
                let packet = [&[0; 8], [flow].as_slice(), &number.to_be_bytes()].concat();
                link.sender.send(packet).await.expect("the port is there");
            }
            link
        }));
    }
    let mut next = [0_u32; 4];
    for _ in 0..2 * COUNT {
        let packet = soon(out.receiver.recv()).await.expect("nothing is lost");
        let [.., flow, a, b, c, d] = packet[..] else {
            panic!("{packet:?} is too short");
        };
        let number = u32::from_be_bytes([a, b, c, d]);
        assert_eq!(number, next[usize::from(flow)], "of flow {flow}");
        next[usize::from(flow)] += 1;
    }
    for end in ends {
        end.await.expect("it has sent everything");
    }
    switch.stop().await;
}
