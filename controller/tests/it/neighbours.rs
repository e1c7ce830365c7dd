// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Contacts that are learned from bundles, without a switch and a clock.

use std::net::{IpAddr, Ipv4Addr};

use contact::{NodeNumber, UtcTime};
use controller::{
    config::Learning,
    neighbours::{Change, Heard, Neighbours},
    schedule::Network,
};

use crate::schedule::network;

const RELAY: NodeNumber = NodeNumber(10);

fn at(seconds: u64) -> UtcTime {
    UtcTime::from_seconds(seconds)
}

fn neighbours() -> Neighbours {
    Neighbours::new(&learning(0))
}

/// A bundle from the neighbour that the configuration puts there.
fn heard(network: &Network, to: u64, time: u64) -> Heard {
    let link = network.links.iter().find(|link| link.to == to);
    let link = link.expect("it is configured");
    Heard {
        switch: "relay".to_owned(),
        port: link.port,
        ethernet: link.ethernet.to_string(),
        address: IpAddr::V4(link.address),
        version: 7,
        at: at(time),
    }
}

fn reaches(neighbours: &Neighbours, network: &Network, to: u64, time: u64) -> bool {
    let network = neighbours.add_to(network, at(time));
    network
        .itinerary(RELAY, NodeNumber(to), at(time))
        .is_some_and(|route| route.legs.first().is_some_and(|leg| leg.start <= at(time)))
}

#[test]
fn a_neighbour_is_there_until_it_is_silent() {
    let (network, mut neighbours) = (network(), neighbours());
    // By the plan, node 2 is there from 60 to 70.
    assert!(!reaches(&neighbours, &network, 2, 40));
    let news = neighbours.hear(&network, &heard(&network, 2, 40), at(40));
    assert_eq!(
        news.map(|news| (news.neighbour.0, news.change)),
        Some((2, Change::Seen))
    );
    assert!(reaches(&neighbours, &network, 2, 40));
    // More of the same is no news, until half of the time is over.
    assert_eq!(
        neighbours.hear(&network, &heard(&network, 2, 44), at(44)),
        None
    );
    let news = neighbours.hear(&network, &heard(&network, 2, 46), at(46));
    assert_eq!(news.map(|news| news.change), Some(Change::Prolonged));
    assert!(reaches(&neighbours, &network, 2, 55));
    assert_eq!(neighbours.next_end(), Some(at(56)));
    assert_eq!(neighbours.forget(at(55)), []);
    let silent = neighbours.forget(at(56));
    assert_eq!(silent.len(), 1);
    assert_eq!(silent[0].change, Change::Silent);
    assert!(!reaches(&neighbours, &network, 2, 56));
    assert_eq!(neighbours.next_end(), None);
}

#[test]
fn nothing_is_learned_in_a_planned_contact() {
    let (network, mut neighbours) = (network(), neighbours());
    // By the plan, node 2 is there from 60 to 70, and no longer.
    for time in [60, 69] {
        let news = neighbours.hear(&network, &heard(&network, 2, time), at(time));
        assert_eq!(news, None, "{time}");
    }
    assert!(!reaches(&neighbours, &network, 2, 71));
    let news = neighbours.hear(&network, &heard(&network, 2, 71), at(71));
    assert_eq!(news.map(|news| news.change), Some(Change::Seen));
}

/// A switch tells of the last bundles of a contact when that is over, and a controller hears of them
/// later still. Whoever believed that the neighbour is there would send to nobody.
#[test]
fn late_news_of_a_planned_contact_do_not_prolong_it() {
    let (network, mut neighbours) = (network(), neighbours());
    for time in [71, 75, 79] {
        let late = heard(&network, 2, 69);
        assert_eq!(neighbours.hear(&network, &late, at(time)), None, "{time}");
    }
    // The neighbour, whose clock is ahead, sends a little too early.
    let early = Heard {
        at: UtcTime::from_micros(59_500_000),
        ..heard(&network, 2, 59)
    };
    assert_eq!(neighbours.hear(&network, &early, early.at), None);
    // News that are older than a neighbour may be silent are none.
    assert_eq!(
        neighbours.hear(&network, &heard(&network, 2, 30), at(40)),
        None
    );
    assert!(!reaches(&neighbours, &network, 2, 71));
}

/// A neighbour that was heard before a planned contact is not there after it.
#[test]
fn a_planned_contact_ends_what_was_learned_before_it() {
    let (network, mut neighbours) = (network(), neighbours());
    let windows = |neighbours: &Neighbours, now| {
        let learned = neighbours.add_to(&network, at(now));
        let contacts = learned.plan.contacts_between(RELAY, NodeNumber(2));
        let windows = contacts
            .iter()
            .map(|contact| (contact.start.whole_seconds(), contact.end.whole_seconds()));
        windows.collect::<Vec<_>>()
    };
    let before = Heard {
        at: at(8),
        ..heard(&network, 2, 8)
    };
    let mut patient = Neighbours::new(&Learning {
        silence_ms: 20_000,
        ..Learning::default()
    });
    patient.hear(&network, &before, at(8)).expect("it is news");
    assert_eq!(windows(&patient, 8), [(8, 10), (10, 20), (60, 70)]);
    // It is heard again behind the contact.
    patient
        .hear(&network, &heard(&network, 2, 22), at(22))
        .expect("it is news");
    assert_eq!(
        windows(&patient, 22),
        [(8, 10), (10, 20), (20, 42), (60, 70)]
    );
    neighbours
        .hear(&network, &heard(&network, 2, 22), at(22))
        .expect("it is news");
    assert_eq!(windows(&neighbours, 22), [(10, 20), (22, 32), (60, 70)]);
}

#[test]
fn what_is_planned_stays_as_it_is_planned() {
    let (network, mut neighbours) = (network(), neighbours());
    neighbours
        .hear(&network, &heard(&network, 2, 55), at(55))
        .expect("it is news");
    let learned = neighbours.add_to(&network, at(55));
    let contacts = learned.plan.contacts_between(RELAY, NodeNumber(2));
    let times: Vec<_> = contacts
        .iter()
        .map(|contact| (contact.start.whole_seconds(), contact.end.whole_seconds()))
        .collect();
    // The learned contact ends at 65, in the middle of the planned one.
    assert_eq!(times, [(10, 20), (55, 60), (60, 70)]);
    assert!(network.version <= learned.version);
}

#[test]
fn a_node_without_a_link_gets_one() {
    let (mut network, mut neighbours) = (network(), neighbours());
    // Node 5 is in the plan and has an address, and no link leads to it.
    let node = network
        .nodes
        .iter()
        .find(|node| node.number == 10)
        .expect("the relay");
    let mut five = node.clone();
    (five.number, five.switch) = (5, None);
    five.address = Some(Ipv4Addr::new(10, 9, 0, 55));
    network.nodes.retain(|node| node.number != 5);
    network.nodes.push(five);
    let new = |port: u32, time: u64| Heard {
        switch: "relay".to_owned(),
        port,
        ethernet: "02:00:00:00:00:05".to_owned(),
        address: IpAddr::V4(Ipv4Addr::new(10, 9, 0, 55)),
        version: 6,
        at: at(time),
    };
    assert!(!reaches(&neighbours, &network, 5, 5));
    let news = neighbours
        .hear(&network, &new(4, 5), at(5))
        .expect("it is news");
    assert_eq!((news.neighbour.0, news.change), (5, Change::NewLink));
    assert!(reaches(&neighbours, &network, 5, 5));
    let learned = neighbours.add_to(&network, at(5));
    let link = learned.links.last().expect("it has links");
    assert_eq!((link.to, link.port, link.speaks), (5, 4, 6));
    // It comes back by another port: the link moves, and there is still one.
    neighbours.forget(at(60));
    neighbours
        .hear(&network, &new(3, 60), at(60))
        .expect("it is news");
    let moved = neighbours.add_to(&network, at(60));
    assert_eq!(moved.links.len(), learned.links.len());
    assert_eq!(moved.links.last().map(|link| link.port), Some(3));
}

#[test]
fn strangers_are_ignored() {
    let (network, mut neighbours) = (network(), neighbours());
    let known = heard(&network, 2, 1);
    for stranger in [
        Heard {
            switch: "other".to_owned(),
            ..known.clone()
        },
        // The configuration says by which port node 2 is reached.
        Heard {
            port: 99,
            ..known.clone()
        },
        Heard {
            address: "10.200.0.1".parse().expect("an address"),
            ..known.clone()
        },
        Heard {
            address: "fd00::1".parse().expect("an address"),
            ..known
        },
    ] {
        assert_eq!(
            neighbours.hear(&network, &stranger, at(1)),
            None,
            "{stranger:?}"
        );
    }
}

/// What was learned is there after a restart, for as long as it would have been without one.
#[test]
fn a_later_life_knows_what_was_learned() {
    let (network, mut neighbours) = (network(), neighbours());
    neighbours.hear(&network, &heard(&network, 2, 40), at(40));
    let text = serde_json::to_string(&neighbours.memory()).expect("JSON");
    let restart = |time| {
        let memory = serde_json::from_str(&text).expect("its own form");
        Neighbours::remembering(&learning(0), memory, at(time))
    };
    assert!(reaches(&restart(45), &network, 2, 45));
    assert_eq!(restart(45).next_end(), Some(at(50)));
    assert_eq!(restart(45).memory(), neighbours.memory());
    assert!(!reaches(&restart(50), &network, 2, 50));
}

/// A neighbour that comes every thousand seconds is expected again, with less than certainty, after a
/// restart, too; without being asked for, nothing is predicted.
#[test]
fn what_comes_again_is_expected() {
    let network = network();
    let mut neighbours = Neighbours::new(&learning(2000));
    for round in 1..20 {
        let time = round * 1000;
        neighbours.hear(&network, &heard(&network, 2, time), at(time));
        neighbours.forget(at(time + 500));
    }
    let expected = |neighbours: &Neighbours| {
        let plan = neighbours.add_to(&network, at(19_500)).plan;
        let contacts = plan.contacts_between(RELAY, NodeNumber(2)).to_vec();
        let ahead = contacts
            .into_iter()
            .filter(|contact| at(19_500) < contact.start);
        ahead
            .map(|contact| (contact.start, contact.confidence.probability()))
            .collect::<Vec<_>>()
    };
    let found = expected(&neighbours);
    let starts: Vec<_> = found.iter().map(|(start, _)| *start).collect();
    assert_eq!(starts, [at(20_000), at(21_000)]);
    assert!(
        found
            .iter()
            .all(|(_, confidence)| (0.7..1.0).contains(confidence))
    );
    let plan = neighbours.add_to(&network, at(19_500)).plan;
    assert_eq!(
        plan.contacts_between(NodeNumber(2), RELAY)
            .last()
            .map(|last| last.start),
        Some(at(21_000))
    );
    assert!(plan.light_time(RELAY, NodeNumber(2), at(21_001)).is_some());
    let memory = neighbours.memory();
    let later = Neighbours::remembering(&learning(2000), memory.clone(), at(19_500));
    assert_eq!(expected(&later), found);
    let modest = Neighbours::remembering(&learning(0), memory, at(19_500));
    assert_eq!(expected(&modest), []);
}

fn learning(predict_s: u32) -> Learning {
    Learning {
        silence_ms: 10_000,
        predict_s,
        ..Learning::default()
    }
}
