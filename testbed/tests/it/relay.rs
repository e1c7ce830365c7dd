// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A node whose next hop reads the version of the bundle: `bundle::relay` is the reference.

use std::{cell::RefCell, collections::BTreeMap, path::Path};

use bundle::{
    Eid, Reason, Version,
    arbitrary::{Shape, mutated, v6_octets, v6_padded_octets, v7_octets},
    relay, v6,
    v7::{self, Tolerance},
};
use proptest::prelude::*;
use testbed::{
    lab::Lab,
    traffic::{Input, Side, captured},
    verdict::{SLOW_PATH_PORT, hex},
};

use crate::{
    datagrams::BUNDLE_6,
    router::{router, sent, this_node, to_node},
    translator::MAX_PAYLOAD,
};

thread_local! {
    static TO_V6: RefCell<Lab> = RefCell::new(router(Side::V6));
    static TO_V7: RefCell<Lab> = RefCell::new(router(Side::V7));
}

/// Octets of names that the program reads.
const MAX_EID: usize = 64;

/// What a bundle may have that leaves it to the slow path.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a property of its own"
)]
struct Oddities {
    is_secured: bool,
    wants_custody: bool,
    has_blocks_behind_payload: bool,
    has_odd_names: bool,
    blocks: usize,
    payload_len: usize,
    octets: usize,
}

impl Oddities {
    fn of(octets: &[u8]) -> Self {
        match bundle::version(octets) {
            Some(Version::V6) => Self::of_v6(octets),
            _ => Self::of_v7(octets),
        }
    }

    fn of_v6(octets: &[u8]) -> Self {
        let bundle = v6::Bundle::decode(octets).expect("the reference relays it");
        let primary = &bundle.primary;
        let names = [primary.destination, primary.source, primary.report_to];
        let is_odd = |name| primary.eid(name).map_or(true, |eid| is_odd(&eid));
        let last = bundle.blocks.last().expect("there is a payload");
        Self {
            is_secured: bundle.blocks.iter().any(|block| block.kind.is_security()),
            wants_custody: primary.flags.contains(v6::BundleFlags::CUSTODY),
            has_blocks_behind_payload: last.kind != v6::BlockType::PAYLOAD,
            has_odd_names: names.into_iter().any(is_odd),
            blocks: bundle.blocks.len() - 1,
            payload_len: bundle.payload().len(),
            octets: octets.len(),
        }
    }

    fn of_v7(octets: &[u8]) -> Self {
        let bundle =
            v7::Bundle::decode(octets, Tolerance::LENIENT).expect("the reference relays it");
        let primary = &bundle.primary;
        let names = [&primary.destination, &primary.source, &primary.report_to];
        let is_odd = |name: &v7::Eid<'_>| name.normal().map_or(true, |eid| is_odd(&eid));
        Self {
            is_secured: bundle.blocks.iter().any(|block| block.kind.is_security()),
            wants_custody: false,
            has_blocks_behind_payload: false,
            has_odd_names: names.into_iter().any(is_odd),
            blocks: bundle.blocks.len() - 1,
            payload_len: bundle.payload().len(),
            octets: octets.len(),
        }
    }

    /// Whether the program may leave the bundle to the slow path for this reason.
    fn explain(&self, reason: Reason) -> bool {
        match reason {
            Reason::Custody => self.wants_custody,
            Reason::BlockOrder => self.has_blocks_behind_payload,
            Reason::EidForm => self.has_odd_names,
            Reason::TooManyBlocks => self.blocks > 8,
            Reason::PayloadTooLong => self.payload_len > MAX_PAYLOAD,
            // The parts of the head have 255 octets, and 127 up to a dictionary.
            Reason::BlockUnsupported => self.octets - self.payload_len > 127,
            // Security; and what cannot be read in front of a security block may be encrypted, which
            // the program does not know yet.
            _ => self.is_secured,
        }
    }
}

fn is_odd(eid: &Eid<'_>) -> bool {
    match eid {
        // Node 2^32-1 is the node itself, wherever that is.
        Eid::Ipn { node, service } => {
            *node == u64::from(u32::MAX) || *service > u64::from(u32::MAX)
        }
        Eid::Dtn(name) => name.len() > MAX_EID,
        Eid::Null => false,
    }
}

/// What became of a bundle: `None` if it went on as the reference says.
fn outcome(lab: &mut Lab, input: &Input) -> Result<Option<Reason>, String> {
    let frame = input.datagram.to_frame();
    let (mut frames, recorder) = lab.run(input.side.port(), &frame);
    if frames.len() != 1 {
        return Err(format!("{} frames left: {recorder:?}", frames.len()));
    }
    let (port, output) = frames.remove(0);
    let octets = &input.datagram.payload;
    let reference = relay(octets, &this_node(), Tolerance::LENIENT);
    if port != SLOW_PATH_PORT {
        let relayed = reference.map_err(|refusal| format!("went on in spite of {refusal}"))?;
        let expected = sent(input, relayed);
        if port == input.side.port() && output == expected {
            return Ok(None);
        }
        let (expected, output) = (hex(&expected), hex(&output));
        return Err(format!(
            "left port {port}:\n  expected {expected}\n  found    {output}"
        ));
    }
    let reason = Reason::from_code(output[14]).ok_or("was punted without a reason")?;
    if output[18..] != frame {
        return Err("was punted with changes".to_owned());
    }
    match reference {
        Ok(_) if !Oddities::of(octets).explain(reason) => {
            Err(format!("was left to the slow path: {reason}\n{recorder:?}"))
        }
        _ => Ok(Some(reason)),
    }
}

fn check(side: Side, octets: Vec<u8>) -> Result<(), TestCaseError> {
    // Some mutations are of the other version, or of none.
    let version = match side {
        Side::V6 => Version::V6,
        Side::V7 => Version::V7,
    };
    if bundle::version(&octets) != Some(version) {
        return Ok(());
    }
    let lab = match side {
        Side::V6 => &TO_V6,
        Side::V7 => &TO_V7,
    };
    let input = to_node(side, octets);
    let found = lab.with_borrow_mut(|lab| outcome(lab, &input));
    let found = found.map(drop);
    found.map_err(|difference| TestCaseError::fail(format!("{}: {difference}", input.origin)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn version_6_is_relayed(octets in v6_octets(Shape::ANY)) {
        check(Side::V6, octets)?;
    }

    #[test]
    fn version_6_with_padding_is_relayed((octets, _) in v6_padded_octets(Shape::ANY)) {
        check(Side::V6, octets)?;
    }

    #[test]
    fn version_7_is_relayed(octets in v7_octets(Shape::ANY)) {
        check(Side::V7, octets)?;
    }

    #[test]
    fn mutated_version_6_is_relayed(octets in mutated(v6_octets(Shape::ANY))) {
        check(Side::V6, octets)?;
    }

    #[test]
    fn mutated_version_7_is_relayed(octets in mutated(v7_octets(Shape::ANY))) {
        check(Side::V7, octets)?;
    }
}

/// Every captured bundle, sent to the node and on to a neighbour that reads its version.
#[test]
fn captured_bundles_are_relayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/captures");
    let inputs = captured(&folder).expect("the captures are in the repository");
    let mut outcomes = BTreeMap::<Option<Reason>, usize>::new();
    for input in inputs {
        if !input.datagram.is_for_bundles() || bundle::version(&input.datagram.payload).is_none() {
            continue;
        }
        let lab = match input.side {
            Side::V6 => &TO_V6,
            Side::V7 => &TO_V7,
        };
        let input = Input {
            origin: input.origin,
            ..to_node(input.side, input.datagram.payload)
        };
        let found = lab.with_borrow_mut(|lab| outcome(lab, &input));
        let found = found.unwrap_or_else(|difference| panic!("{}: {difference}", input.origin));
        *outcomes.entry(found).or_default() += 1;
    }
    let expected = [
        (None, 903),
        (Some(Reason::Security), 49),
        (Some(Reason::Custody), 62),
        (Some(Reason::EidForm), 21),
    ];
    assert_eq!(outcomes, expected.into());
}

/// With one octet less the bundle would not fit the link.
#[test]
fn relayed_bundles_above_the_mtu_take_the_slow_path() {
    let relayed = relay(BUNDLE_6, &this_node(), Tolerance::LENIENT).expect("it is valid");
    let length = 28 + relayed.len();
    for (mtu, reason) in [(length, None), (length - 1, Some(Reason::Mtu))] {
        let mut lab = router(Side::V6);
        lab.install(&format!(
            r#"{{"tables": [
                {{"table": "ingress.endpoint", "priority": 2,
                  "match": {{"meta.primary.destination.node": "2"}},
                  "action": "ingress.to_next_hop", "params": {{"next_hop": "2"}}}},
                {{"table": "ingress.next_hop", "match": {{"meta.next_hop": "2"}},
                  "action": "ingress.hop_v6", "params": {{"port": "1",
                    "ethernet_src": "02:00:00:00:00:09", "ethernet_dst": "02:00:00:00:00:07",
                    "ipv4_src": "10.9.0.1", "ipv4_dst": "10.99.0.7", "udp_port": "4556",
                    "mtu": "{mtu}", "sequence32": "1", "lifetime32": "1", "cbhe": "1",
                    "dictionary": "1", "age_type": "20", "hdtn_priority": "0"}}}}]}}"#
        ));
        let input = to_node(Side::V6, BUNDLE_6.to_vec());
        let (frames, recorder) = lab.run(Side::V6.port(), &input.datagram.to_frame());
        let [(port, output)] = frames.as_slice() else {
            panic!("{recorder:?}");
        };
        let found = (*port == SLOW_PATH_PORT).then(|| Reason::from_code(output[14]));
        assert_eq!(found.flatten(), reason, "MTU {mtu}");
    }
}
