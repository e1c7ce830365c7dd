// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A program in operation: compiled code, forwarding state, and what the control plane does to it.
//!
//! Packets take the state for reading, the control plane for writing, so that several cores
//! forward at once and a packet sees each change either wholly or not at all. Counters, meters,
//! registers and hit times change under the reading lock, by atomics or locks of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use p4::ir::{CounterId, MeterId, Program, RegisterId, StandardField, TableId, limb_count};

use crate::engine::{
    CompileError,
    code::{Code, Place},
    compile,
    externs::{Externs, MeterCell, shown},
    native::{NativeCode, NativeError},
    profiles::{Profile, Through},
    tables::{ControlError, Count, NewEntry, Table},
    value_sets::ValueSetMember,
};

/// A copy that the replication engine makes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Replica {
    /// Port it leaves on.
    pub port: u32,
    /// Its `egress_rid`.
    pub instance: u16,
}

/// A clone session.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CloneSession {
    /// The copies.
    pub replicas: Vec<Replica>,
    /// Class of service, which this switch only stores: it has one queue for each port.
    pub class_of_service: u32,
    /// Length to which copies are cut; `None` leaves them whole.
    pub max_len_bytes: Option<u32>,
}

/// A multicast group.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MulticastGroup {
    /// The copies.
    pub replicas: Vec<Replica>,
    /// Opaque to the switch.
    pub metadata: Vec<u8>,
}

/// Everything that the control plane writes, apart from counters, meters and registers.
#[derive(Debug)]
pub struct State {
    pub(crate) tables: Vec<Table>,
    pub(crate) profiles: Vec<Profile>,
    /// Multicast groups by number.
    pub groups: BTreeMap<u32, MulticastGroup>,
    /// Clone sessions by number.
    pub sessions: BTreeMap<u32, CloneSession>,
    pub(crate) value_sets: Vec<Vec<ValueSetMember>>,
    /// What controllers keep with default entries.
    pub(crate) default_metadata: BTreeMap<TableId, Vec<u8>>,
}

impl State {
    /// A table.
    #[must_use]
    pub fn table(&self, id: TableId) -> &Table {
        &self.tables[id.index()]
    }

    /// An action profile, by its index in the program.
    #[must_use]
    pub fn profile(&self, index: usize) -> Option<&Profile> {
        self.profiles.get(index)
    }

    /// Changes an action profile, and what entries make of it.
    pub(crate) fn change_profile(&mut self, index: usize, change: impl FnOnce(&mut Profile)) {
        let Some(profile) = self.profiles.get_mut(index) else {
            return;
        };
        change(profile);
        for table in profile.tables.clone() {
            self.tables[table.index()].rebind(&self.profiles[index]);
        }
    }

    /// Whether an entry of a table refers to a member or group.
    pub(crate) fn refers(&self, index: usize, through: &Through) -> bool {
        let tables = self
            .profiles
            .get(index)
            .map_or(&[][..], |profile| &profile.tables);
        let mut entries = tables
            .iter()
            .flat_map(|id| self.tables[id.index()].entries());
        entries.any(|entry| entry.new.through.as_ref() == Some(through))
    }

    /// Whether an entry of a table brings its own list of actions.
    pub(crate) fn has_one_shots(&self, index: usize) -> bool {
        let tables = self.profiles.get(index).into_iter();
        let tables = tables.flat_map(|profile| &profile.tables);
        let mut entries = tables.flat_map(|id| self.tables[id.index()].entries());
        entries.any(|entry| matches!(entry.new.through, Some(Through::OneShot(_))))
    }

    /// Leaves out of all selections what depends on a port that is down.
    pub(crate) fn set_down(&mut self, down: &BTreeSet<u32>) {
        for index in 0..self.profiles.len() {
            self.change_profile(index, |profile| profile.down.clone_from(down));
        }
    }

    /// A table, to change it.
    pub fn table_mut(&mut self, id: TableId) -> &mut Table {
        &mut self.tables[id.index()]
    }
}

/// Numbers the pipelines of this process, which have no other identity that is never used again.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// A program in operation.
#[derive(Debug)]
pub struct Pipeline {
    /// Tells a worker whether its buffers were made for this pipeline.
    pub(crate) serial: u64,
    program: Program,
    pub(crate) code: Code,
    pub(crate) externs: Externs,
    pub(crate) standard: [Place; StandardField::ALL.len()],
    state: RwLock<State>,
    /// Held by packets for reading, and by a batch of changes that must be seen as one.
    turn: RwLock<()>,
    /// Which digests a controller has asked for: those of the others need not be collected.
    wanted: Vec<AtomicBool>,
    /// Machine code, once there is some.
    native: OnceLock<NativeCode>,
}

impl Pipeline {
    /// Compiles a program and gives it its initial state.
    ///
    /// # Errors
    ///
    /// If the program exceeds a limit of the engine.
    pub fn new(program: Program) -> Result<Self, CompileError> {
        let code = compile(&program)?;
        let tables = (0..program.tables.len())
            .map(|index| Table::new(&program, TableId(u32::try_from(index).unwrap_or(u32::MAX))));
        let state = State {
            tables: tables.collect(),
            profiles: Profile::all(&program),
            groups: BTreeMap::new(),
            sessions: BTreeMap::new(),
            value_sets: vec![Vec::new(); program.value_sets.len()],
            default_metadata: BTreeMap::new(),
        };
        let wanted = program.digests.iter().map(|_| AtomicBool::new(false));
        let standard = StandardField::ALL.map(|field| code.place(program.standard(field)));
        let externs = Externs::new(&program);
        let serial = SERIAL.fetch_add(1, Relaxed);
        Ok(Self {
            serial,
            wanted: wanted.collect(),
            program,
            code,
            externs,
            standard,
            state: RwLock::new(state),
            turn: RwLock::default(),
            native: OnceLock::new(),
        })
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Number of instructions that the program was compiled to.
    #[must_use]
    pub fn instructions(&self) -> usize {
        self.code.ops.len()
    }

    /// Whether machine code makes the program faster: it does if the program computes with long
    /// values. A program that looks up tables gains nothing, and pays for the calls.
    #[must_use]
    pub fn gains_from_machine_code(&self) -> bool {
        !self.code.wide.is_empty()
    }

    /// Compiles the program to machine code, which takes from milliseconds to seconds. Packets may
    /// run meanwhile; those that come later are faster. A second call does nothing.
    ///
    /// # Errors
    ///
    /// If there is no machine code for this machine or this program, which then runs as before.
    pub fn optimise(&self) -> Result<(), NativeError> {
        if self.native.get().is_none() {
            let native = NativeCode::compile(&self.code)?;
            // Of two that compile at once, the first wins.
            _ = self.native.set(native);
        }
        Ok(())
    }

    /// Machine code, if the program was compiled to any.
    pub(crate) fn native(&self) -> Option<&NativeCode> {
        self.native.get()
    }

    /// The state, for reading. Packets go on; changes wait.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets no batch of changes come between the packets of the caller.
    pub(crate) fn turn(&self) -> RwLockReadGuard<'_, ()> {
        self.turn.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a controller has asked for a digest.
    pub(crate) fn wants_digest(&self, digest: usize) -> bool {
        let wanted = self.wanted.get(digest);
        wanted.is_some_and(|wanted| wanted.load(Relaxed))
    }

    /// A controller asks for a digest, or does no longer.
    pub(crate) fn want_digest(&self, digest: usize, wanted: bool) {
        if let Some(known) = self.wanted.get(digest) {
            known.store(wanted, Relaxed);
        }
    }

    /// Keeps packets waiting until several changes are done.
    pub(crate) fn pause(&self) -> RwLockWriteGuard<'_, ()> {
        self.turn.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for changes. Packets wait.
    pub fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of cells of an indirect counter.
    #[must_use]
    pub fn counter_size(&self, id: CounterId) -> u64 {
        self.externs.counters[id.index()].cells.len() as u64
    }

    /// Reads a cell of an indirect counter.
    ///
    /// # Errors
    ///
    /// If the index is out of range.
    pub fn counter(&self, id: CounterId, index: u64) -> Result<Count, ControlError> {
        let counter = &self.externs.counters[id.index()];
        Ok(counter.shown(counter.cell(index)?.read()))
    }

    /// Sets a cell of an indirect counter.
    ///
    /// # Errors
    ///
    /// If the index is out of range.
    pub fn set_counter(&self, id: CounterId, index: u64, to: Count) -> Result<(), ControlError> {
        self.externs.counters[id.index()].cell(index)?.set(to);
        Ok(())
    }

    /// What a direct counter shows of a count.
    #[must_use]
    pub fn direct_count(&self, id: CounterId, count: Count) -> Count {
        shown(self.externs.counters[id.index()].unit, count)
    }

    /// Number of cells of an indirect meter.
    #[must_use]
    pub fn meter_size(&self, id: MeterId) -> u64 {
        self.externs.meters[id.index()].size()
    }

    /// Works on a cell of an indirect meter.
    ///
    /// # Errors
    ///
    /// If the index is out of range.
    pub fn with_meter<T>(
        &self,
        id: MeterId,
        index: u64,
        work: impl FnOnce(&mut MeterCell) -> T,
    ) -> Result<T, ControlError> {
        self.externs.meters[id.index()].with(index, work)
    }

    /// Number of cells of a register.
    #[must_use]
    pub fn register_size(&self, id: RegisterId) -> u64 {
        self.externs.registers[id.index()].size()
    }

    /// Reads a cell of a register, as limbs.
    ///
    /// # Errors
    ///
    /// If the index is out of range.
    pub fn register(&self, id: RegisterId, index: u64) -> Result<Vec<u64>, ControlError> {
        let register = &self.externs.registers[id.index()];
        let size = register.size();
        if index >= size {
            return Err(ControlError::IndexOutOfRange { index, size });
        }
        let mut value = vec![0; limb_count(register.width)];
        register.read(index, &mut value);
        Ok(value)
    }

    /// Sets a cell of a register.
    ///
    /// # Errors
    ///
    /// If the index is out of range.
    pub fn set_register(
        &self,
        id: RegisterId,
        index: u64,
        value: &[u64],
    ) -> Result<(), ControlError> {
        let register = &self.externs.registers[id.index()];
        let size = register.size();
        if index >= size {
            return Err(ControlError::IndexOutOfRange { index, size });
        }
        register.write(index, value);
        Ok(())
    }

    /// Entries that were not hit for their time-out, each once in every period of that length.
    #[must_use]
    pub fn idle_entries(&self, now_ns: u64) -> Vec<(TableId, NewEntry)> {
        let state = self.state();
        let mut idle = Vec::new();
        for (index, table) in state.tables.iter().enumerate() {
            let id = TableId(u32::try_from(index).unwrap_or(u32::MAX));
            let due = table.entries().filter(|entry| entry.is_due(now_ns));
            idle.extend(due.map(|entry| (id, (*entry.new).clone())));
        }
        idle
    }
}
