// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The link on a Linux interface, in a network namespace of its own.
//!
//! This needs root and `ip` of iproute2, and so it runs only when it is asked for: `make test-interfaces`.

use std::env;
use std::process::Command;
use std::time::Duration;

use bundle::Reason;
use node::attachment::Attachment;
use node::inject::{self, Inject};
use node::link::Link;
use node::punt::{PortId, Punt};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(30);
/// Set in the new namespace.
const INSIDE: &str = "SDDTN_INSIDE";

/// Runs this test once more in a new namespace, which ends with the process.
fn again(name: &str) {
    let program = env::current_exe().expect("it runs");
    let status = Command::new("unshare")
        .arg("--net")
        .arg(program)
        .args(["--ignored", "--exact", name])
        .env(INSIDE, "1")
        .status()
        .expect("unshare of util-linux is there");
    assert!(status.success(), "{name}: {status}");
}

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status();
    assert!(status.expect("iproute2 is there").success(), "ip {words}");
}

async fn open(name: &str) -> Link {
    let place = Attachment::try_from(name.to_owned()).expect("it is the name of an interface");
    Link::open(&place).await.expect("this is root")
}

/// The next frame that a link takes.
async fn next(link: &Link) -> Vec<u8> {
    let mut frame = vec![0; node::link::MAX_FRAME];
    let received = timeout(DEADLINE, link.receive(&mut frame)).await;
    let len = received.expect("a frame comes").expect("the link is up");
    frame.truncate(len);
    frame
}

async fn send(link: &Link, frame: &[u8]) {
    link.send(frame).await.expect("the link is up");
}

fn punt(frame: &[u8]) -> Vec<u8> {
    let punt = Punt {
        reason: Reason::Store,
        version: None,
        ingress_port: PortId(1),
        frame,
    };
    punt.encode()
}

/// What a node waits for after it has sent bundles is an echo, which has the header of its own frames.
#[test]
#[ignore = "needs root: make test-interfaces"]
fn a_node_hears_punted_frames_and_echoes_and_nothing_else() {
    if env::var_os(INSIDE).is_none() {
        return again("a_node_hears_punted_frames_and_echoes_and_nothing_else");
    }
    ip("link add node type veth peer name switch");
    ip("link set node up");
    ip("link set switch up");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("threads have runtimes").block_on(async {
        let (node, switch) = (open("node").await, open("switch").await);
        let mut other = vec![0; 60];
        other[12..14].copy_from_slice(&0x0800_u16.to_be_bytes());
        let mut echo = vec![0; 60];
        echo[12..14].copy_from_slice(&inject::ETHER_TYPE.to_be_bytes());
        let injected = Inject {
            egress_port: PortId(9),
            frame: &echo,
        };
        // What it sends itself does not come back.
        send(&node, &injected.encode()).await;
        send(&switch, &other).await;
        send(&switch, &echo).await;
        send(&switch, &punt(&other)).await;
        assert_eq!(next(&node).await, echo);
        assert_eq!(next(&node).await, punt(&other));
    });
}
