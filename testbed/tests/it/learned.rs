// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A neighbour that is in no contact plan: it is heard, it is sent to, it falls silent, and it is not
//! sent to any more.
//!
//! Needs the programs of other crates beside the tests: a build of the whole workspace has them.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use bundle::{Policy, translate};
use testbed::{scenario::DEADLINE, stage::Stage, traffic::Side};

use crate::{
    node::{bundle_6, bundle_6_to},
    translator::input,
};

/// How long a neighbour is believed to be there.
const SILENCE: Duration = Duration::from_secs(3);

/// Waits until the switch knows so many neighbours. Returns when it was last seen to know another
/// number of them.
fn wait_for(stage: &Stage, count: usize) -> Instant {
    let start = Instant::now();
    let mut last = start;
    loop {
        let asked = Instant::now();
        if stage.entries("next_hop").expect("the switch answers").len() == count {
            return last;
        }
        last = asked;
        assert!(start.elapsed() < DEADLINE, "no {count}\n{}", stage.logs());
    }
}

/// Whether a bundle for node 2 leaves by its port.
fn crosses(stage: &Stage) -> bool {
    let mut input = input(Side::V6, bundle_6(20));
    input.datagram.ipv4.destination = [10, 9, 0, 1];
    let sent = stage
        .links
        .send(Side::V6.port(), &input.datagram.to_frame());
    sent.expect("the switch listens");
    let found = stage.links.receive(Duration::from_millis(500));
    found.is_some_and(|(port, _)| port == Side::V7.port())
}

/// Node 2 sends a bundle to somewhere.
fn speak(stage: &Stage) {
    let bundle = translate(&bundle_6_to(99, 20), &Policy::default()).expect("it is translatable");
    let mut input = input(Side::V7, bundle.octets);
    input.datagram.ipv4.source = [10, 9, 0, 2];
    input.datagram.ipv4.destination = [10, 9, 0, 1];
    let sent = stage
        .links
        .send(Side::V7.port(), &input.datagram.to_frame());
    sent.expect("the switch listens");
}

#[test]
fn a_neighbour_appears_is_used_falls_silent_and_is_withdrawn() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut stage = Stage::new(folder.path(), "relay", 63).expect("the program is written");
    let _switch = stage.start_switch().expect("the switch starts");
    // A loaded machine writes late, so the rule ends half a second before its contact.
    let silence_ms = SILENCE.as_millis();
    let learn = format!("learn = {{ silence_ms = {silence_ms} }}\nguard_ms = 500");
    stage
        .write("plan.ionrc", "")
        .expect("the folder is writable");
    let config = stage.relay(&learn, "");
    stage
        .write("controller.toml", &config)
        .expect("the folder is writable");
    let controller = stage.start_daemon("sddtn-controller", &["--config"], "controller.toml");
    let _controller = controller.unwrap_or_else(|error| panic!("{error:#}"));
    assert!(!crosses(&stage), "nobody is there");

    // It appears, and is used.
    speak(&stage);
    let first = Instant::now();
    wait_for(&stage, 1);
    let reaction = first.elapsed();
    let row = &stage.entries("next_hop").expect("the switch answers")[0];
    assert!(
        row["until"]
            .as_str()
            .is_some_and(|until| until.ends_with('Z')),
        "{row}"
    );
    assert!(crosses(&stage), "{}", stage.logs());

    // It stays for longer than the silence, as long as it speaks.
    let mut last = first;
    while first.elapsed() < SILENCE * 2 {
        // Half of the time has to be over before its contact is prolonged.
        sleep(SILENCE / 12);
        speak(&stage);
        last = Instant::now();
        assert!(crosses(&stage), "{}", stage.logs());
    }

    // It falls silent, and is withdrawn.
    let silence = wait_for(&stage, 0).duration_since(last);
    assert!(
        silence < SILENCE,
        "the rule outlived its contact: {silence:?}"
    );
    assert!(!crosses(&stage));
    println!("from bundle to rule {reaction:?}, silent for {silence:?}");
}

/// A controller that is killed, and starts again, goes on with the neighbours that it knew.
#[test]
fn a_restarted_controller_knows_its_neighbours() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut stage = Stage::new(folder.path(), "relay", 63).expect("the program is written");
    let _switch = stage.start_switch().expect("the switch starts");
    stage
        .write("plan.ionrc", "")
        .expect("the folder is writable");
    let kept = "[state]\npath = \"state.redb\"\n";
    let config = stage.relay("learn = { silence_ms = 120000 }", kept);
    stage
        .write("controller.toml", &config)
        .expect("the folder is writable");
    let start = || {
        let controller = stage.start_daemon("sddtn-controller", &["--config"], "controller.toml");
        controller.unwrap_or_else(|error| panic!("{error:#}"))
    };
    let first = start();
    speak(&stage);
    wait_for(&stage, 1);
    // To drop it is to kill it.
    drop(first);
    let _second = start();
    // The new one has programmed the switch, and would have removed what it knows nothing of.
    let entries = stage.entries("next_hop").expect("the switch answers");
    assert_eq!(entries.len(), 1, "{}", stage.logs());
    assert!(crosses(&stage), "{}", stage.logs());
}
