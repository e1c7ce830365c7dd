// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A node that is killed: what was stored is still there, and leaves at least once.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use node::inject::Inject;

use crate::bundles::{Sample, decode_v7};
use crate::daemon::{CARRIER, CLOSED, DEADLINE, Daemon, OPEN, Site, wait};
use crate::frames::{frame, payload_of_correct};

/// How often the program is killed while it stores, and while it sends.
const KILLS: u64 = 20;
/// Bundles of each life of the program. Their creation times tell the lives apart.
const EACH: u64 = 400;

/// A few numbers that look random, and are the same in each run.
fn random(seed: u64) -> u64 {
    let mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
}

fn sample(number: u64) -> Sample {
    Sample {
        sequence: number,
        payload: number.to_be_bytes().repeat(40),
        ..Sample::default()
    }
}

/// Sends the bundles of one life and kills the program in the middle of it.
/// Returns how many bundles it said to have stored.
fn store_and_die(site: &Site, life: u64) -> u64 {
    let daemon = site.start();
    let first = life * EACH;
    let victim = random(life) % EACH;
    let mut known = 0;
    for number in 0..EACH {
        site.punt(&daemon, &frame(&sample(first + number).v6()));
        if number % 64 == 63 {
            // The queue of the socket is finite, so this waits for the node at times.
            wait("the bundles so far", || {
                known = daemon.metric("stored_total");
                (known > number).then_some(())
            });
        }
        if number == victim {
            sleep(Duration::from_micros(random(life + 1000) % 4000));
            known = daemon.metric("stored_total");
            break;
        }
    }
    daemon.kill();
    known
}

/// What arrives at the switch. A thread empties the socket, because what does not fit into that is
/// lost on the way and not by the node.
struct Arrivals {
    frames: Receiver<Vec<u8>>,
    numbers: Vec<u64>,
}

impl Arrivals {
    fn new(site: &Site) -> Self {
        let socket = site.switch.try_clone().expect("sockets can be shared");
        socket.set_read_timeout(None).expect("it is no time");
        let (sender, frames) = channel();
        // Ends with the process: nobody else reads from this socket.
        spawn(move || {
            let mut buffer = vec![0; 65_535];
            while let Ok(len) = socket.recv(&mut buffer) {
                if sender.send(buffer[..len].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            frames,
            numbers: Vec::new(),
        }
    }

    /// Waits for a frame. Returns whether there was one.
    fn one(&mut self) -> bool {
        let frame = self.frames.recv_timeout(Duration::from_millis(50));
        let Ok(frame) = frame else { return false };
        let inject = Inject::decode(&frame).expect("the node writes inject headers");
        let octets = payload_of_correct(inject.frame);
        let number = decode_v7(&octets).payload()[..8].try_into();
        let number = u64::from_be_bytes(number.expect("payloads are longer"));
        self.numbers.push(number);
        true
    }

    /// Collects until the program is killed after so many frames, or has nothing left.
    fn collect(&mut self, site: &Site, daemon: Daemon, kill_after: usize) {
        let enough = self.numbers.len().saturating_add(kill_after);
        let start = Instant::now();
        while self.numbers.len() < enough {
            if !self.one() && daemon.metric("store_bundles") == 0 {
                break;
            }
            assert!(start.elapsed() < DEADLINE, "{}", site.log());
        }
        daemon.kill();
        // What it had sent before it was killed is still on its way to here.
        while self.one() {}
    }
}

#[test]
fn no_stored_bundle_is_lost_when_the_program_is_killed() {
    let site = Site::new(CARRIER);
    site.write("plan.ionrc", CLOSED);
    let mut stored = BTreeSet::new();
    for life in 0..KILLS {
        let known = store_and_die(&site, life);
        // One link, one queue and one worker: the first that came are the first that are stored.
        stored.extend((0..known).map(|number| life * EACH + number));
    }
    assert!(stored.len() > 1000, "too few for a test: {}", stored.len());

    site.write("plan.ionrc", OPEN);
    let mut arrivals = Arrivals::new(&site);
    for life in 0..KILLS {
        let count = 1 + random(life + 2000) % 100;
        let kill_after = usize::try_from(count).expect("it is small");
        arrivals.collect(&site, site.start(), kill_after);
    }
    arrivals.collect(&site, site.start(), usize::MAX);
    let delivered = arrivals.numbers;

    let once: BTreeSet<_> = delivered.iter().copied().collect();
    let lost: Vec<_> = stored.difference(&once).collect();
    assert_eq!(lost, Vec::<&u64>::new());
    let daemon = site.start();
    assert_eq!(daemon.metric("store_bundles"), 0);
    println!(
        "{} bundles said to be stored, {} delivered, {} of them more than once, 0 lost",
        stored.len(),
        once.len(),
        delivered.len() - once.len()
    );
}

/// The configuration of a node that asks for echoes.
fn careful() -> String {
    format!("link_port = 3\n{CARRIER}")
}

/// The next frame for the switch: what is injected, and where it is to leave.
fn injected(site: &Site) -> (u16, Vec<u8>) {
    let mut buffer = vec![0; 65_535];
    let len = site.switch.recv(&mut buffer).expect("the node sends");
    let inject = Inject::decode(&buffer[..len]).expect("the node writes inject headers");
    (inject.egress_port.0, inject.frame.to_vec())
}

/// What a switch was handed and has not handed out stays in the store.
#[test]
fn what_a_dead_switch_was_handed_is_sent_again() {
    let site = Site::new(&careful());
    site.write("plan.ionrc", CLOSED);
    let daemon = site.start();
    site.punt(&daemon, &frame(&sample(1).v6()));
    wait("the stored bundle", || {
        (daemon.metric("stored_total") == 1).then_some(())
    });
    daemon.kill();
    site.write("plan.ionrc", OPEN);
    let daemon = site.start();
    let (port, first) = injected(&site);
    assert_eq!(port, 2);
    // A switch that has died does not answer.
    let (port, echo) = injected(&site);
    assert_eq!((port, echo.len()), (3, 60));
    wait("the missing echo", || {
        (daemon.metric("unconfirmed_total") == 1).then_some(())
    });
    assert_eq!(daemon.metric("store_bundles"), 1);
    // Now it answers. An old echo is none.
    let (port, again) = injected(&site);
    // It may have got longer, because it got older.
    assert!(port == 2 && first.len() <= again.len());
    let (_, number) = injected(&site);
    assert_ne!(number, echo);
    for answer in [echo, number] {
        let sent = site.switch.send_to(&answer, daemon.link);
        sent.expect("loopback takes it");
    }
    wait("the empty store", || {
        (daemon.metric("store_bundles") == 0).then_some(())
    });
    assert_eq!(daemon.metric("forwarded_total"), 1);
}
