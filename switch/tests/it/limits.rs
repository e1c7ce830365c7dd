// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What controllers that do not mean well cannot do: take all streams, connections, calls or
//! memory, or hold up packets and other controllers.

use std::{path::PathBuf, time::Duration};

use p4rt::{
    client::{Client, ConnectOptions, Tls},
    proto::p4::v1::{
        CapabilitiesRequest, TableEntry, entity::Entity as Kind,
        p4_runtime_client::P4RuntimeClient, set_forwarding_pipeline_config_request::Action,
        update::Type,
    },
};
use switch::run::{Config, Limits, Switch};
use tokio::{io::AsyncReadExt as _, net::TcpStream};
use tonic::Code;

use crate::{
    controller::{Controller, soon},
    server::{Ids, action, destination},
};

async fn with(limits: Limits) -> Switch {
    let config = Config {
        links: vec![1, 2],
        cpu_port: Some(510),
        limits,
        ..Config::default()
    };
    Switch::start(config).await.expect("links are always free")
}

fn count(switch: &Switch, name: &str) -> u64 {
    let counters = switch.statistics();
    let found = counters.iter().find(|(other, _)| other == name);
    found.expect("the switch counts this").1
}

#[tokio::test]
async fn streams_are_limited() {
    let switch = with(Limits {
        streams: 2,
        ..Limits::default()
    })
    .await;
    let address = switch.grpc_address();
    let first = Controller::connect(address).await;
    let mut second = Controller::connect(address).await;
    let mut client = second.client.clone();
    let third = soon(client.stream_channel(tokio_stream::pending())).await;
    let status = third.expect_err("the device has no more");
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    drop(first);
    // Its place is free when the switch has seen that it is gone.
    soon(async {
        while client
            .stream_channel(tokio_stream::pending())
            .await
            .is_err()
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    second.bid(Some(1)).await.expect("it was not disturbed");
    switch.stop().await;
}

#[tokio::test]
async fn silent_streams_are_ended() {
    let switch = with(Limits {
        silence: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    let mut silent = Controller::connect(switch.grpc_address()).await;
    let status = silent.hear().await.expect_err("it is ended");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    switch.stop().await;
}

#[tokio::test]
async fn connections_are_limited() {
    let switch = with(Limits {
        connections: 1,
        ..Limits::default()
    })
    .await;
    let mut controller = Controller::primary(switch.grpc_address(), 1).await;
    let mut second = soon(TcpStream::connect(switch.grpc_address()))
        .await
        .expect("the system accepts it");
    let read = soon(second.read(&mut [0; 100])).await;
    // The switch closes it without a word.
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    assert_eq!(count(&switch, "not accepted: too many connections"), 1);
    controller.bid(Some(2)).await.expect("it was not disturbed");
    switch.stop().await;
}

#[tokio::test]
async fn calls_are_limited() {
    let switch = with(Limits {
        calls_per_second: 1,
        ..Limits::default()
    })
    .await;
    let url = format!("http://{}", switch.grpc_address());
    let mut client = soon(P4RuntimeClient::connect(url))
        .await
        .expect("it listens");
    let mut codes = Vec::new();
    soon(async {
        while codes.last() != Some(&Code::ResourceExhausted) {
            let answer = client.capabilities(CapabilitiesRequest::default()).await;
            codes.push(answer.map_or_else(|status| status.code(), |_| Code::Ok));
        }
    })
    .await;
    assert_eq!(codes[0], Code::Ok);
    switch.stop().await;
}

#[tokio::test]
async fn messages_are_limited() {
    let switch = with(Limits {
        message: 1000,
        ..Limits::default()
    })
    .await;
    let mut controller = Controller::primary(switch.grpc_address(), 1).await;
    let pushed = controller.push("l2.p4", Action::Verify).await;
    let status = pushed.expect_err("the program is longer");
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    controller.bid(Some(2)).await.expect("the server goes on");
    switch.stop().await;
}

/// A primary that does not read what it is sent loses it; packets and other calls go on.
#[tokio::test]
async fn slow_readers_hold_nobody_up() {
    let mut switch = with(Limits::default()).await;
    let mut links = [1, 2].map(|port| switch.take_link(port).expect("was asked for"));
    let mut controller = Controller::with_program(switch.grpc_address(), "l2.p4").await;
    let ids = Ids::of("l2.p4");
    let punt = Kind::TableEntry(TableEntry {
        table_id: ids.table("MyIngress.destinations"),
        is_default_action: true,
        action: action(ids.action("MyIngress.punt"), &[]),
        ..TableEntry::default()
    });
    controller
        .write(Type::Modify, punt)
        .await
        .expect("may change");
    let lost = "not delivered to a controller";
    let frame = vec![2; 4000];
    soon(async {
        while count(&switch, lost) == 0 {
            links[0]
                .sender
                .send(frame.clone())
                .await
                .expect("the switch runs");
        }
    })
    .await;
    let known = Kind::TableEntry(destination(&ids, &[2, 0, 0, 0, 0, 9], 2));
    controller
        .write(Type::Insert, known)
        .await
        .expect("calls go on");
    let mut frame = vec![2, 0, 0, 0, 0, 9];
    frame.extend([7; 60]);
    soon(links[0].sender.send(frame.clone()))
        .await
        .expect("the switch runs");
    let sent = soon(links[1].receiver.recv()).await;
    assert_eq!(sent, Some(frame), "packets go on");
    switch.stop().await;
}

fn pem(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/tls");
    std::fs::read(folder.join(name)).expect("the certificate is in testdata")
}

/// A switch that lets in controllers of its authority, and a controller of each kind.
#[tokio::test]
async fn certificates_are_asked_for() {
    let config = Config {
        tls: Some(switch::Tls {
            certificate: pem("switch.pem"),
            key: pem("switch.key"),
            client_ca: Some(pem("ca.pem")),
        }),
        ..Config::default()
    };
    let switch = Switch::start(config)
        .await
        .expect("certificate and key belong together");
    let tls = |authority: &str, identity: Option<&str>, name: Option<&str>| Tls {
        authority: pem(authority),
        identity: identity.map(|who| (pem(&format!("{who}.pem")), pem(&format!("{who}.key")))),
        name: name.map(str::to_owned),
    };
    let version = async |tls: Option<Tls>| {
        let options = ConnectOptions {
            tls: tls.map(Into::into),
            ..ConnectOptions::new(switch.grpc_address().to_string(), 1)
        };
        // With TLS 1.3, a client may learn only by its first call that it is refused.
        let client = soon(Client::connect(&options)).await.map_err(drop)?;
        soon(client.capabilities()).await.map_err(drop)
    };
    let accepted = version(Some(tls("ca.pem", Some("controller"), None))).await;
    assert!(accepted.is_ok());
    let named = tls("ca.pem", Some("controller"), Some("switch.test"));
    assert!(version(Some(named)).await.is_ok());
    let other = tls("ca.pem", Some("controller"), Some("other.test"));
    assert!(version(Some(other)).await.is_err(), "another switch");
    let foreign = tls("stranger.pem", Some("controller"), None);
    assert!(version(Some(foreign)).await.is_err(), "an unknown switch");
    assert!(version(None).await.is_err(), "in the clear");
    let anonymous = tls("ca.pem", None, None);
    assert!(version(Some(anonymous)).await.is_err(), "no certificate");
    let intruder = tls("ca.pem", Some("intruder"), None);
    assert!(
        version(Some(intruder)).await.is_err(),
        "an unknown authority"
    );
    switch.stop().await;
    let config = Config {
        tls: Some(switch::Tls {
            certificate: pem("switch.pem"),
            key: b"no key".to_vec(),
            client_ca: None,
        }),
        ..Config::default()
    };
    assert!(Switch::start(config).await.is_err());
}
