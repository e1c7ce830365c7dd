// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A generated translator on the switch's engine, without any connection.

use p4gen::{Parameters, Profile, Target};
use switch::{DropReason, Recorder, offline::Offline, traffic::Sink};
use testbed::{
    traffic::{Input, Side},
    verdict::{Outcome, SLOW_PATH_PORT, judge},
};

/// Longest payload of the program under test.
pub(crate) const MAX_PAYLOAD: u32 = 1400;

/// A switch that runs a generated translator between the two sides.
pub(crate) struct Lab {
    switch: Offline,
}

#[derive(Default)]
struct Collector {
    frames: Vec<(u16, Vec<u8>)>,
    digests: usize,
}

impl Sink for Collector {
    fn transmit(&mut self, port: u32, packet: &[u8]) {
        self.frames
            .push((port.try_into().expect("ports are small"), packet.to_vec()));
    }

    fn digest(&mut self, _digest: usize, _values: &[u64]) {
        self.digests += 1;
    }

    fn drop(&mut self, _reason: DropReason) {}
}

impl Lab {
    pub(crate) fn new() -> Self {
        let parameters = Parameters {
            target: Target::Bmv2,
            profile: Profile::A,
            max_payload: MAX_PAYLOAD,
            udp_port: 4556,
        };
        let text = p4gen::generate(parameters).expect("the parameters are possible");
        let source = p4::Source {
            name: "translator.p4",
            text: &text,
            ..p4::Source::default()
        };
        let mut switch = Offline::load(&source).expect("the front end accepts the program");
        switch
            .install(&entries())
            .expect("the switch accepts the entries");
        Self { switch }
    }

    /// Runs a frame that is to have exactly one outcome.
    pub(crate) fn check(&mut self, input: &Input) -> Result<Outcome, String> {
        self.check_frame(input, &input.datagram.to_frame())
    }

    /// Runs the frame of an input with something behind it, such as link padding.
    pub(crate) fn check_frame(&mut self, input: &Input, frame: &[u8]) -> Result<Outcome, String> {
        let (frames, recorder) = self.run(input.side.port(), frame);
        let outcome = match frames.as_slice() {
            [(port, output)] => judge(input, &bundle::Policy::default(), *port, output),
            others => Err(format!("{} frames left the switch", others.len())),
        };
        outcome.map_err(|difference| format!("{}: {difference}\n{recorder:?}", input.origin))
    }

    /// The frames that leave, and what happened.
    pub(crate) fn run(&mut self, port: u16, frame: &[u8]) -> (Vec<(u16, Vec<u8>)>, Recorder) {
        let mut collector = Collector::default();
        let recorder = self.switch.run(port.into(), frame, 0, &mut collector);
        (collector.frames, recorder)
    }
}

/// Both networks, flooding between them, and every refused bundle on the slow path port.
fn entries() -> String {
    let punts: Vec<_> = bundle::Reason::ALL
        .iter()
        .map(|reason| {
            format!(
                r#"{{"table": "ingress.refusal", "match": {{"meta.again.reason": "{}"}},
                    "action": "ingress.punt", "params": {{"port": "{SLOW_PATH_PORT}"}}}}"#,
                reason.code()
            )
        })
        .collect();
    format!(
        r#"{{"tables": [
            {{"table": "ingress.peer", "match": {{"hdr.ipv4.dst": "{}"}},
              "action": "ingress.speaks_v6", "params": {{"sequence32": "1", "lifetime32": "1"}}}},
            {{"table": "ingress.peer", "match": {{"hdr.ipv4.dst": "{}"}}, "action": "ingress.speaks_v7"}},
            {}],
          "multicast_groups": [{{"id": 1, "replicas": [
            {{"port": 1, "instance": 1}}, {{"port": 2, "instance": 1}}]}}]}}"#,
        Side::V6.network(),
        Side::V7.network(),
        punts.join(",")
    )
}
