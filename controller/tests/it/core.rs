// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The logic of the controller against a switch that exists only here.

use std::collections::{BTreeMap, VecDeque};

use control::{
    core::{Cause, Command, Core, Event, Programmed, Reading, Report},
    desired::{ChangeKind, ItemKey, SwitchState},
    macs::{Mac, Port, Sighting},
    orders::Origin,
};
use p4rt::{Code, client::PipelineChange, status::UpdateFailure};

use crate::demo::{arrived, bundle_list, index, intent, learn_list, orders};

const MAC_A: u64 = 0x0200_0000_000a;
const MAC_B: u64 = 0x0200_0000_000b;

/// A switch that carries out commands at once, and keeps what the core says.
struct Simulation {
    core: Core,
    state: SwitchState,
    program: Option<PipelineChange>,
    refused: BTreeMap<ItemKey, Code>,
    reports: Vec<Report>,
    records: usize,
    acks: Vec<u64>,
    pauses: usize,
    writes: usize,
}

impl Simulation {
    fn new(max_macs: usize) -> Self {
        Self {
            core: Core::new(index(), orders(), &[1, 2, 3], max_macs),
            state: SwitchState::default(),
            program: None,
            refused: BTreeMap::new(),
            reports: Vec::new(),
            records: 0,
            acks: Vec::new(),
            pauses: 0,
            writes: 0,
        }
    }

    fn run(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for command in self.core.handle(event) {
                events.extend(self.carry_out(command));
            }
        }
    }

    fn carry_out(&mut self, command: Command) -> Option<Event> {
        match command {
            Command::EnsurePipeline => {
                let change = self.program.unwrap_or(PipelineChange::FirstPushed);
                if change != PipelineChange::Unchanged {
                    self.state = SwitchState::default();
                }
                self.program = Some(PipelineChange::Unchanged);
                return Some(Event::PipelineReady(change));
            }
            Command::Read => {
                let state = self.state.clone();
                return Some(Event::Read(Reading {
                    state,
                    unreadable: Vec::new(),
                }));
            }
            Command::Write(changes) => {
                self.writes += 1;
                let mut failures = Vec::new();
                for (place, change) in changes.iter().enumerate() {
                    let there = self.state.item(&change.item.key()).is_some();
                    let code = match (self.refused.get(&change.item.key()), change.kind) {
                        (Some(code), _) => *code,
                        (None, ChangeKind::Insert) if there => Code::AlreadyExists,
                        (None, ChangeKind::Delete) if !there => Code::NotFound,
                        _ => Code::Ok,
                    };
                    if code == Code::Ok {
                        self.state.apply(change);
                    } else {
                        failures.push(failure(place, code));
                    }
                }
                return Some(Event::Written(failures));
            }
            Command::Pause(_) => self.pauses += 1,
            Command::Acknowledge(digest) => self.acks.push(digest.list.list_id),
            Command::Record(_) => self.records += 1,
            Command::Report(report) => self.reports.push(report),
        }
        None
    }

    fn restart(&mut self) {
        self.run(Event::Lost {
            reason: "gone".to_owned(),
        });
        self.state = SwitchState::default();
        self.program = None;
        self.run(Event::Primary);
    }

    fn programmed(&mut self) -> Programmed {
        let reports = std::mem::take(&mut self.reports);
        let mut found = reports.into_iter().filter_map(|report| match report {
            Report::Programmed(programmed) => Some(programmed),
            _ => None,
        });
        found.next().expect("the switch was programmed")
    }

    fn forwarding(&self) -> Vec<String> {
        let entries = self.state.entries_of("ingress.l2_forward");
        entries
            .map(|entry| format!("{:x}", entry.params["port"]))
            .collect()
    }
}

fn failure(index: usize, code: Code) -> UpdateFailure {
    let (message, space) = ("refused".to_owned(), String::new());
    UpdateFailure {
        index,
        code,
        message,
        space,
        vendor_code: 0,
    }
}

fn mac(number: u64) -> Mac {
    Mac::unicast(number.into()).expect("a unicast address")
}

#[test]
fn an_empty_switch_is_programmed_and_verified() {
    let mut simulation = Simulation::new(8);
    simulation.run(Event::Primary);
    assert_eq!(simulation.state, intent().state);
    let items = intent().state.len();
    let programmed = simulation.programmed();
    assert_eq!(
        (programmed.pipeline, programmed.items),
        (PipelineChange::FirstPushed, items)
    );
    // Two default entries were there before they were written.
    assert_eq!((programmed.inserted, programmed.modified), (items - 2, 2));
}

#[test]
fn a_switch_that_holds_everything_is_left_alone() {
    let mut simulation = Simulation::new(8);
    simulation.run(Event::Primary);
    let writes = simulation.writes;
    simulation.run(Event::Lost {
        reason: "gone".to_owned(),
    });
    simulation.reports.clear();
    simulation.run(Event::Primary);
    assert_eq!(simulation.writes, writes);
    let programmed = simulation.programmed();
    assert_eq!(
        (programmed.pipeline, programmed.inserted),
        (PipelineChange::Unchanged, 0)
    );
}

#[test]
fn a_restarted_switch_gets_everything_again() {
    let mut simulation = Simulation::new(8);
    simulation.run(Event::Primary);
    simulation.run(Event::Digest(arrived(learn_list(1, &[(MAC_A, 1)]))));
    let before = simulation.state.clone();
    simulation.reports.clear();
    simulation.restart();
    assert_eq!(simulation.state, before, "with what was learned");
    assert_eq!(
        simulation.programmed().pipeline,
        PipelineChange::FirstPushed
    );
}

#[test]
fn a_new_controller_adopts_what_the_old_one_learned() {
    let mut old = Simulation::new(8);
    old.run(Event::Primary);
    old.run(Event::Digest(arrived(learn_list(
        1,
        &[(MAC_A, 1), (MAC_B, 2)],
    ))));
    let mut new = Simulation::new(8);
    new.state = old.state.clone();
    new.program = Some(PipelineChange::Unchanged);
    new.run(Event::Primary);
    assert_eq!(new.state, old.state);
    assert_eq!((new.programmed().adopted, new.writes), (2, 0));
}

#[test]
fn addresses_are_learned_moved_and_forgotten() {
    let mut simulation = Simulation::new(2);
    simulation.run(Event::Primary);
    simulation.reports.clear();
    simulation.run(Event::Digest(arrived(learn_list(1, &[(MAC_A, 1)]))));
    assert_eq!(simulation.forwarding(), ["0x1"]);
    simulation.run(Event::Digest(arrived(learn_list(2, &[(MAC_A, 3)]))));
    assert_eq!(simulation.forwarding(), ["0x3"]);
    assert_eq!(
        simulation.state.entries_of("ingress.l2_source").count(),
        1,
        "the old port is gone"
    );
    let moved = Sighting::Moved { from: Port(1) };
    let expected = Report::Learned {
        mac: mac(MAC_A),
        port: Port(3),
        sighting: moved,
    };
    assert!(
        simulation.reports.contains(&expected),
        "{:?}",
        simulation.reports
    );
    simulation.run(Event::Digest(arrived(learn_list(
        3,
        &[(MAC_B, 1), (0x0200_0000_000c, 2)],
    ))));
    assert_eq!(simulation.forwarding(), ["0x1", "0x2"], "two is the bound");
    assert_eq!(simulation.state, simulation.core.wanted());
    assert_eq!(simulation.acks, [1, 2, 3]);
    let entry = simulation
        .state
        .entries_of("ingress.l2_source")
        .next()
        .expect("two are there");
    let origin = simulation.core.origin(&ItemKey::Entry(entry.key.clone()));
    assert_eq!(origin, Some(Origin::Learned));
}

#[test]
fn sightings_without_an_interface_are_ignored_but_acknowledged() {
    let mut simulation = Simulation::new(8);
    simulation.run(Event::Primary);
    let writes = simulation.writes;
    let seen = [
        (0xffff_ffff_ffff, 1),
        (0x0100_5e00_0001, 1),
        (0, 1),
        (MAC_A, 9),
    ];
    simulation.run(Event::Digest(arrived(learn_list(1, &seen))));
    assert!(simulation.forwarding().is_empty());
    assert_eq!(
        (simulation.writes, simulation.core.counters().ignored),
        (writes, 4)
    );
    assert_eq!(simulation.acks, [1]);
}

#[test]
fn bundles_are_recorded_and_acknowledged() {
    let mut simulation = Simulation::new(8);
    simulation.run(Event::Primary);
    simulation.run(Event::Digest(arrived(bundle_list(7))));
    assert_eq!(
        (simulation.records, simulation.acks.as_slice()),
        (1, [7].as_slice())
    );
    assert_eq!(simulation.core.counters().bundles, 1);
}

#[test]
fn a_sample_of_another_type_is_told_once() {
    let mut simulation = Simulation::new(8);
    simulation.run(Event::Primary);
    simulation.reports.clear();
    for list_id in 0..3 {
        let mut list = bundle_list(list_id);
        list.digest_id = crate::demo::LEARN;
        simulation.run(Event::Digest(arrived(list)));
    }
    assert!(matches!(
        simulation.reports.as_slice(),
        [Report::BadSample(_)]
    ));
    assert_eq!(
        (simulation.core.counters().ignored, simulation.acks.len()),
        (3, 3)
    );
}

#[test]
fn a_refused_entry_does_not_stop_the_others() {
    let mut simulation = Simulation::new(8);
    let intent = intent();
    let entry = intent
        .state
        .entries_of("ingress.refusal")
        .next()
        .expect("two are wanted");
    let key = ItemKey::Entry(entry.key.clone());
    simulation
        .refused
        .insert(key.clone(), Code::ResourceExhausted);
    simulation.run(Event::Primary);
    assert_eq!(simulation.state.len(), intent.state.len() - 1);
    let failed = simulation.reports.iter().find_map(|report| match report {
        Report::UpdateFailed {
            change,
            origin,
            failure,
        } => Some((change, origin, failure.code)),
        _ => None,
    });
    let (change, origin, code) = failed.expect("the failure is reported");
    assert_eq!(
        change,
        "insert entry of ingress.refusal [meta.again.reason=0x3]"
    );
    assert_eq!(origin, &Some(Origin::File("demo.entries.json".to_owned())));
    assert_eq!(code, Code::ResourceExhausted);
    let expected = Report::Incomplete {
        differences: vec![format!("insert {key}")],
    };
    assert!(
        simulation.reports.contains(&expected),
        "{:?}",
        simulation.reports
    );
    assert_eq!(simulation.pauses, 1);

    // The same failure is not told again.
    simulation.reports.clear();
    simulation.run(Event::PauseOver);
    assert_eq!((simulation.reports.len(), simulation.pauses), (0, 2));

    // Learning goes on, and the pause ends with another attempt.
    simulation.run(Event::Digest(arrived(learn_list(1, &[(MAC_A, 1)]))));
    assert_eq!(simulation.forwarding(), ["0x1"]);
    simulation.refused.clear();
    simulation.reports.clear();
    simulation.run(Event::PauseOver);
    assert_eq!(simulation.state, simulation.core.wanted());
    simulation.programmed();
}

#[test]
fn a_failed_call_is_repeated_after_a_pause() {
    let mut core = Core::new(index(), orders(), &[], 8);
    core.handle(Event::Primary);
    let reason = "Write: no answer".to_owned();
    let cause = Cause::Transient;
    let commands = core.handle(Event::CallFailed {
        reason: reason.clone(),
        cause,
    });
    let [Command::Report(report), Command::Pause(_)] = commands.as_slice() else {
        panic!("a report and a pause: {commands:?}");
    };
    assert_eq!(
        report,
        &Report::CallFailed {
            reason: reason.clone(),
            cause
        }
    );
    assert_eq!(core.handle(Event::PauseOver), [Command::EnsurePipeline]);
    let again = core.handle(Event::CallFailed { reason, cause });
    assert!(
        matches!(again.as_slice(), [Command::Pause(_)]),
        "told once: {again:?}"
    );
}

#[test]
fn a_loss_is_told_once_and_ends_what_was_under_way() {
    let mut core = Core::new(index(), orders(), &[], 8);
    core.handle(Event::Primary);
    let lost = |reason: &str| Event::Lost {
        reason: reason.to_owned(),
    };
    assert_eq!(core.handle(lost("refused")).len(), 1);
    assert!(core.handle(lost("refused")).is_empty());
    assert!(
        core.handle(Event::PipelineReady(PipelineChange::Unchanged))
            .is_empty()
    );
    assert!(core.handle(Event::Read(Reading::default())).is_empty());
    assert!(core.handle(Event::PauseOver).is_empty());
    assert_eq!(
        core.handle(lost("no route")).len(),
        1,
        "another reason is news"
    );
    assert_eq!(core.handle(Event::Primary).len(), 2);
}

#[test]
fn what_arrives_while_the_switch_is_programmed_is_written_afterwards() {
    let mut core = Core::new(index(), orders(), &[], 8);
    core.handle(Event::Primary);
    core.handle(Event::PipelineReady(PipelineChange::FirstPushed));
    let list = arrived(learn_list(1, &[(MAC_A, 1)]));
    let commands = core.handle(Event::Digest(list));
    assert!(
        !commands
            .iter()
            .any(|command| matches!(command, Command::Write(_)))
    );
    let mut state = SwitchState::default();
    let mut commands = core.handle(Event::Read(Reading::default()));
    while let Some(command) = commands.pop() {
        match command {
            Command::Write(changes) => {
                for change in &changes {
                    state.apply(change);
                }
                commands.extend(core.handle(Event::Written(Vec::new())));
            }
            Command::Read => {
                let reading = Reading {
                    state: state.clone(),
                    unreadable: Vec::new(),
                };
                commands.extend(core.handle(Event::Read(reading)));
            }
            _ => {}
        }
    }
    assert_eq!(state, core.wanted());
    assert_eq!(state.entries_of("ingress.l2_forward").count(), 1);
}

/// Rules cannot end while a switch is waited for, so the first wait is short.
#[test]
fn waits_after_failures_grow() {
    let mut core = Core::new(index(), orders(), &[], 8);
    core.handle(Event::Primary);
    let mut waits = Vec::new();
    for _ in 0..9 {
        let commands = core.handle(Event::CallFailed {
            reason: "gone".to_owned(),
            cause: Cause::Transient,
        });
        waits.extend(commands.into_iter().filter_map(|command| match command {
            Command::Pause(time) => Some(time.as_millis()),
            _ => None,
        }));
        core.handle(Event::PauseOver);
    }
    assert_eq!(
        waits,
        [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
    );
}
