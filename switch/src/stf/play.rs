// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Plays a test: installs what it says, sends its packets, and compares what leaves.

use std::collections::{BTreeMap, BTreeSet};

use p4::ir::{Cells, Const, CounterId, MatchKind, MeterId, RegisterId, TableId};

use super::{
    names,
    script::{ActionText, Command, ExpectedPacket, Script, Unit},
    value::{Value, ValueError},
};
use crate::{
    Call, ControlError, Count, DropReason, MeterConfig, NewEntry, Recorder,
    offline::Offline,
    pipeline::{CloneSession, MulticastGroup, Replica},
    traffic::Sink,
};

/// Time between two packets.
const BETWEEN_PACKETS_NS: u64 = 1_000_000;

/// Time that a change takes, or a `wait`.
const BETWEEN_CHANGES_NS: u64 = 1_000_000_000;

/// How a test went.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Everything that was not as the test says.
    pub failures: Vec<Failure>,
    /// Number of packets that were sent.
    pub sent: usize,
    /// Number of packets that came out as expected.
    pub matched: usize,
    /// What happened to each packet that was sent.
    pub records: Vec<Recorder>,
}

impl Report {
    /// Whether all was as the test says.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Something that is not as the test says.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct Failure {
    /// The line that asks for it; for a packet that nobody expected, the line of the last packet.
    pub line: usize,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The program has no such object.
    #[error("program has no {kind} {name}")]
    Unknown {
        /// What kind of object.
        kind: &'static str,
        /// What it should be called.
        name: String,
    },
    /// Several objects have names that end like this.
    #[error("more than one {kind} can be meant by {name}")]
    Ambiguous {
        /// What kind of object.
        kind: &'static str,
        /// What they are called.
        name: String,
    },
    /// A number does not fit.
    #[error("{name}: {reason}")]
    Value {
        /// The key or parameter.
        name: String,
        /// Why.
        reason: ValueError,
    },
    /// A parameter has no value.
    #[error("parameter {0} has no value")]
    Missing(String),
    /// The switch refuses a change.
    #[error("refused: {0}")]
    Refused(#[from] ControlError),
    /// A packet did not leave.
    #[error("packet did not leave on port {0}")]
    NotSent(u32),
    /// A packet looks different.
    #[error("packet on port {port} is {found}")]
    Differs {
        /// Where it left.
        port: u32,
        /// The packet, in hexadecimal digits.
        found: String,
    },
    /// Nobody expected this packet.
    #[error("unexpected packet on port {port}: {found}")]
    Unexpected {
        /// Where it left.
        port: u32,
        /// The packet, in hexadecimal digits.
        found: String,
    },
    /// A counter has another value.
    #[error("counter is at {found}")]
    Counter {
        /// What it is.
        found: u64,
    },
    /// Only cells of indirect counters can be named.
    #[error("a counter is checked by the number of its cell")]
    CounterIndex,
}

/// Plays a test on a program, whose entries and state are changed by it.
pub fn play(program: &mut Offline, script: &Script) -> Report {
    let ports = script
        .statements
        .iter()
        .filter_map(|statement| match statement.command {
            Command::Packet { port, .. } | Command::Expect { port, .. } => Some(port),
            _ => None,
        });
    let mut player = Player {
        ports: ports.collect(),
        program,
        replication: Replication::default(),
        output: Output::default(),
        expected: BTreeMap::new(),
        now_ns: BETWEEN_CHANGES_NS,
        report: Report::default(),
    };
    let mut last_packet = 0;
    for statement in &script.statements {
        if matches!(statement.command, Command::Packet { .. }) {
            last_packet = statement.line;
        }
        if let Err(fault) = player.execute(statement.line, &statement.command) {
            let line = statement.line;
            player.report.failures.push(Failure { line, fault });
        }
    }
    player.compare(last_packet);
    player.report.failures.sort_by_key(|failure| failure.line);
    player.report
}

/// A test that is being played.
struct Player<'p> {
    program: &'p mut Offline,
    /// Ports that the test knows. Packets on others leave nowhere.
    ports: BTreeSet<u32>,
    replication: Replication,
    output: Output,
    expected: BTreeMap<u32, Vec<(usize, ExpectedPacket)>>,
    now_ns: u64,
    report: Report,
}

/// Packets that left, by port.
#[derive(Default)]
struct Output(BTreeMap<u32, Vec<Vec<u8>>>);

impl Sink for Output {
    fn transmit(&mut self, port: u32, packet: &[u8]) {
        self.0.entry(port).or_default().push(packet.to_vec());
    }

    fn digest(&mut self, _: usize, _: &[u64]) {}

    fn drop(&mut self, _: DropReason) {}
}

/// Multicast nodes, groups and clone sessions, as BMv2's command line has them.
#[derive(Default)]
struct Replication {
    nodes: Vec<(u16, Vec<u32>)>,
    groups: BTreeMap<u32, Vec<u32>>,
    /// Port and group of a session.
    sessions: BTreeMap<u32, (Option<u32>, Option<u32>)>,
}

impl Replication {
    fn replicas(&self, group: u32) -> Vec<Replica> {
        let nodes = self.groups.get(&group).into_iter().flatten();
        let nodes = nodes.filter_map(|node| self.nodes.get(*node as usize));
        let replicas = nodes.flat_map(|(instance, ports)| {
            ports.iter().map(|port| Replica {
                port: *port,
                instance: *instance,
            })
        });
        replicas.collect()
    }

    fn session(&self, (port, group): (Option<u32>, Option<u32>)) -> CloneSession {
        let mut replicas: Vec<Replica> = port
            .map(|port| Replica { port, instance: 0 })
            .into_iter()
            .collect();
        replicas.extend(group.into_iter().flat_map(|group| self.replicas(group)));
        CloneSession {
            replicas,
            ..CloneSession::default()
        }
    }
}

impl Player<'_> {
    fn execute(&mut self, line: usize, command: &Command) -> Result<(), Fault> {
        match command {
            Command::Packet { port, data } => {
                self.now_ns += BETWEEN_PACKETS_NS;
                self.report.sent += 1;
                let record = self.program.run(*port, data, self.now_ns, &mut self.output);
                self.report.records.push(record);
                return Ok(());
            }
            Command::Expect { port, packet } => {
                let expected = self.expected.entry(*port).or_default();
                expected.push((line, packet.clone()));
                return Ok(());
            }
            _ => self.now_ns += BETWEEN_CHANGES_NS,
        }
        match command {
            Command::Add {
                table,
                priority,
                matches,
                action,
            } => self.add(table, *priority, matches, action),
            Command::SetDefault { table, action } => {
                let id = names::table(self.program.pipeline().program(), table)?;
                let call = self.call(id, action)?;
                let mut state = self.program.pipeline().state_mut();
                Ok(state.table_mut(id).set_default(Some(call))?)
            }
            Command::RemoveAll => self.remove_all(),
            Command::CheckCounter {
                counter,
                index,
                check,
            } => self.check_counter(counter, *index, *check),
            Command::WriteCounter {
                counter,
                index,
                packets,
                bytes,
            } => {
                let (packets, bytes) = (*packets, *bytes);
                let id = self.counter(counter)?;
                let count = Count { packets, bytes };
                Ok(self.program.pipeline().set_counter(id, *index, count)?)
            }
            Command::WriteRegister {
                register,
                index,
                value,
            } => self.write_register(register, *index, value),
            Command::ResetRegister(register) => self.reset_register(register),
            Command::SetMeter {
                meter,
                index,
                rates,
            } => self.set_meter(meter, *index, *rates),
            _ => {
                self.replicate(command);
                Ok(())
            }
        }
    }

    fn add(
        &mut self,
        table: &str,
        priority: Option<u32>,
        matches: &[(String, Value)],
        action: &ActionText,
    ) -> Result<(), Fault> {
        let pipeline = self.program.pipeline();
        let id = names::table(pipeline.program(), table)?;
        let keys = &pipeline.program().tables[id.index()].keys;
        let mut patterns: Vec<_> = keys
            .iter()
            .map(|key| match key.match_kind {
                MatchKind::Exact => p4::ir::Match::Exact(Const::new(key.value.width, 0)),
                _ => p4::ir::Match::Any,
            })
            .collect();
        for (name, value) in matches {
            let index = names::key(keys, name)?;
            let key = &keys[index];
            let pattern = value.pattern(key.match_kind, key.value.width);
            patterns[index] = pattern.map_err(|reason| misfit(name, reason))?;
        }
        let kinds = keys.iter().map(|key| key.match_kind);
        let by_kind = kinds.clone().zip(patterns);
        let matches = by_kind.filter(|(kind, _)| *kind != MatchKind::Selector);
        let matches = matches.map(|(_, pattern)| pattern).collect();
        // Tests count priorities from 0, the control plane from 1.
        let priority = priority.unwrap_or(0).saturating_add(1);
        let prioritised = kinds.clone().any(|kind| {
            matches!(
                kind,
                MatchKind::Ternary | MatchKind::Range | MatchKind::Optional
            )
        });
        let priority = if prioritised { priority } else { 0 };
        let new = NewEntry {
            matches,
            priority: i32::try_from(priority).unwrap_or(i32::MAX),
            calls: vec![self.call(id, action)?],
            through: None,
            idle_timeout_ns: None,
            metadata: Vec::new(),
        };
        let mut state = self.program.pipeline().state_mut();
        Ok(state.table_mut(id).insert(new, self.now_ns)?)
    }

    fn call(&self, table: TableId, text: &ActionText) -> Result<Call, Fault> {
        let program = self.program.pipeline().program();
        let table = &program.tables[table.index()];
        let id = names::action(program, table, &text.name)?;
        let params = &program.actions[id.index()].params;
        let names = params.iter().map(|param| param.name.as_str());
        for (name, _) in &text.args {
            names::find(names.clone(), name, "parameter")?;
        }
        let mut args = Vec::with_capacity(params.len());
        for param in params {
            let given = text.args.iter().find(|(name, _)| *name == param.name);
            let (name, value) = given.ok_or_else(|| Fault::Missing(param.name.clone()))?;
            let number = value.number(program.slots[param.slot.index()].width);
            args.push(number.map_err(|reason| misfit(name, reason))?);
        }
        Ok(Call { action: id, args })
    }

    fn remove_all(&mut self) -> Result<(), Fault> {
        let pipeline = self.program.pipeline();
        let mut state = pipeline.state_mut();
        for index in 0..pipeline.program().tables.len() {
            let id = TableId(u32::try_from(index).unwrap_or(u32::MAX));
            let table = state.table_mut(id);
            let entries = table.entries().filter(|entry| !entry.is_const);
            let keys: Vec<_> = entries
                .map(|entry| (entry.new.matches.clone(), entry.new.priority))
                .collect();
            for (matches, priority) in keys {
                table.delete(&matches, priority)?;
            }
        }
        Ok(())
    }

    fn counter(&self, name: &str) -> Result<CounterId, Fault> {
        let counters = &self.program.pipeline().program().counters;
        let names = counters.iter().map(|counter| counter.name.as_str());
        let index = names::find(names, name, "counter")?;
        match counters[index].cells {
            Cells::Indirect(_) => Ok(CounterId(u32::try_from(index).unwrap_or(u32::MAX))),
            Cells::Direct(_) | Cells::Unused => Err(Fault::CounterIndex),
        }
    }

    fn check_counter(
        &self,
        name: &str,
        index: Option<u64>,
        check: Option<(Unit, super::Relation, u64)>,
    ) -> Result<(), Fault> {
        let id = self.counter(name)?;
        let index = index.ok_or(Fault::CounterIndex)?;
        let count = self.program.pipeline().counter(id, index)?;
        let Some((unit, relation, wanted)) = check else {
            return Ok(());
        };
        let found = match unit {
            Unit::Packets => count.packets,
            Unit::Bytes => count.bytes,
        };
        let holds = relation.holds(found, wanted);
        holds.then_some(()).ok_or(Fault::Counter { found })
    }

    fn register(&self, name: &str) -> Result<RegisterId, Fault> {
        let registers = &self.program.pipeline().program().registers;
        let names = registers.iter().map(|register| register.name.as_str());
        let index = names::find(names, name, "register")?;
        Ok(RegisterId(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    fn write_register(&self, name: &str, index: u64, value: &Value) -> Result<(), Fault> {
        let id = self.register(name)?;
        let pipeline = self.program.pipeline();
        let width = pipeline.program().registers[id.index()].width;
        let value = value.number(width).map_err(|reason| misfit(name, reason))?;
        Ok(pipeline.set_register(id, index, &value.limbs)?)
    }

    fn reset_register(&self, name: &str) -> Result<(), Fault> {
        let id = self.register(name)?;
        let pipeline = self.program.pipeline();
        let zero = Const::new(pipeline.program().registers[id.index()].width, 0);
        for index in 0..pipeline.register_size(id) {
            pipeline.set_register(id, index, &zero.limbs)?;
        }
        Ok(())
    }

    fn set_meter(
        &self,
        name: &str,
        index: Option<u64>,
        [(cir, cburst), (pir, pburst)]: [(u64, u64); 2],
    ) -> Result<(), Fault> {
        let pipeline = self.program.pipeline();
        let meters = &pipeline.program().meters;
        let names = meters.iter().map(|meter| meter.name.as_str());
        let found = names::find(names, name, "meter")?;
        let id = MeterId(u32::try_from(found).unwrap_or(u32::MAX));
        let config = MeterConfig {
            cir,
            cburst,
            pir,
            pburst,
        };
        let cells = index.map_or(0..pipeline.meter_size(id), |index| {
            index..index.saturating_add(1)
        });
        for index in cells {
            let set = |cell: &mut crate::MeterCell| cell.configure(Some(config), self.now_ns);
            pipeline.with_meter(id, index, set)?;
        }
        Ok(())
    }

    /// Carries a command about copies out, and brings the switch up to date.
    fn replicate(&mut self, command: &Command) {
        let replication = &mut self.replication;
        match command {
            Command::MirrorToPort(session, port) => {
                replication.sessions.entry(*session).or_default().0 = Some(*port);
            }
            Command::MirrorToGroup(session, group) => {
                replication.sessions.entry(*session).or_default().1 = Some(*group);
            }
            Command::MirrorDelete(session) => {
                replication.sessions.remove(session);
            }
            Command::CreateGroup(group) => {
                replication.groups.entry(*group).or_default();
            }
            Command::CreateNode(instance, ports) => {
                let instance = u16::try_from(*instance).unwrap_or(u16::MAX);
                replication.nodes.push((instance, ports.clone()));
            }
            Command::UpdateNode(node, ports) => {
                if let Some(node) = replication.nodes.get_mut(*node as usize) {
                    node.1.clone_from(ports);
                }
            }
            Command::Associate { group, node } => {
                replication.groups.entry(*group).or_default().push(*node);
            }
            _ => return,
        }
        let mut state = self.program.pipeline().state_mut();
        let groups = replication.groups.keys().map(|group| {
            let replicas = replication.replicas(*group);
            let metadata = Vec::new();
            (*group, MulticastGroup { replicas, metadata })
        });
        state.groups = groups.collect();
        let sessions = replication.sessions.iter();
        state.sessions = sessions
            .map(|(session, to)| (*session, replication.session(*to)))
            .collect();
    }

    /// Compares what left with what was expected, port by port and in order.
    fn compare(&mut self, last_packet: usize) {
        for port in &self.ports {
            let found = self.output.0.remove(port).unwrap_or_default();
            let mut found = found.into_iter();
            for (line, expected) in self.expected.remove(port).unwrap_or_default() {
                let fault = match found.next() {
                    Some(packet) if expected.matches(&packet) => {
                        self.report.matched += 1;
                        continue;
                    }
                    Some(packet) => Fault::Differs {
                        port: *port,
                        found: hex(&packet),
                    },
                    None => Fault::NotSent(*port),
                };
                self.report.failures.push(Failure { line, fault });
            }
            let unexpected = found.map(|packet| Failure {
                line: last_packet,
                fault: Fault::Unexpected {
                    port: *port,
                    found: hex(&packet),
                },
            });
            self.report.failures.extend(unexpected);
        }
    }
}

fn misfit(name: &str, reason: ValueError) -> Fault {
    let name = name.to_owned();
    Fault::Value { name, reason }
}

fn hex(packet: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('?');
    let digits = packet.iter().flat_map(|octet| [octet >> 4, octet & 15]);
    digits.map(digit).collect()
}
