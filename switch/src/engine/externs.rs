// SPDX-License-Identifier: Apache-2.0 OR MIT
//! State that packets change: counters, meters and registers.

use std::sync::{Mutex, PoisonError};

use p4::ir::{Cells, CounterUnit, MeterUnit, Program, limb_count};

use super::{
    tables::{ControlError, Count, Tally},
    wide,
};

/// Rates and bursts of a two-rate three-colour meter
/// ([RFC 2698](https://www.rfc-editor.org/rfc/rfc2698)), in packets or octets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MeterConfig {
    /// Committed rate per second.
    pub cir: u64,
    /// Committed burst.
    pub cburst: u64,
    /// Peak rate per second.
    pub pir: u64,
    /// Peak burst.
    pub pburst: u64,
}

/// A meter's colours, as v1model numbers them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Colour {
    /// Within the committed rate.
    Green = 0,
    /// Above it, within the peak rate.
    Yellow = 1,
    /// Above the peak rate.
    Red = 2,
}

/// One meter: a configuration and two token buckets. Without a configuration all is green.
#[derive(Clone, Copy, Debug, Default)]
pub struct MeterCell {
    config: Option<MeterConfig>,
    /// Tokens times 10^9, so that a nanosecond at rate 1 is one unit.
    committed: u128,
    peak: u128,
    updated_ns: u64,
}

const NANOS: u128 = 1_000_000_000;

impl MeterCell {
    /// The configuration; `None` if it was never set.
    #[must_use]
    pub fn config(&self) -> Option<MeterConfig> {
        self.config
    }

    /// Sets rates and fills the buckets; `None` resets the meter to green.
    pub fn configure(&mut self, config: Option<MeterConfig>, now_ns: u64) {
        let full = config.unwrap_or_default();
        *self = Self {
            config,
            committed: u128::from(full.cburst) * NANOS,
            peak: u128::from(full.pburst) * NANOS,
            updated_ns: now_ns,
        };
    }

    /// Colours a packet that costs so many tokens.
    pub(crate) fn execute(&mut self, cost: u64, now_ns: u64) -> Colour {
        let Some(config) = self.config else {
            return Colour::Green;
        };
        let elapsed = u128::from(now_ns.saturating_sub(self.updated_ns));
        self.updated_ns = self.updated_ns.max(now_ns);
        let fill = |level: u128, rate: u64, burst: u64| {
            (level + elapsed * u128::from(rate)).min(u128::from(burst) * NANOS)
        };
        self.committed = fill(self.committed, config.cir, config.cburst);
        self.peak = fill(self.peak, config.pir, config.pburst);
        let cost = u128::from(cost) * NANOS;
        if self.peak < cost {
            return Colour::Red;
        }
        self.peak -= cost;
        if self.committed < cost {
            return Colour::Yellow;
        }
        self.committed -= cost;
        Colour::Green
    }
}

/// An indirect counter.
#[derive(Debug)]
pub(crate) struct CounterArray {
    pub(crate) unit: CounterUnit,
    pub(crate) cells: Box<[Tally]>,
}

/// An indirect meter.
#[derive(Debug)]
pub(crate) struct MeterArray {
    pub(crate) unit: MeterUnit,
    cells: Mutex<Box<[MeterCell]>>,
}

/// A register.
#[derive(Debug)]
pub(crate) struct RegisterArray {
    pub(crate) width: u32,
    size: u64,
    cells: Mutex<Box<[u64]>>,
}

/// All state of this kind that a program has, with the indices of the program.
#[derive(Debug)]
pub(crate) struct Externs {
    pub(crate) counters: Vec<CounterArray>,
    pub(crate) meters: Vec<MeterArray>,
    pub(crate) registers: Vec<RegisterArray>,
}

impl Externs {
    pub(crate) fn new(program: &Program) -> Self {
        let counters = program.counters.iter().map(|counter| CounterArray {
            unit: counter.unit,
            cells: (0..indirect(counter.cells))
                .map(|_| Tally::default())
                .collect(),
        });
        let meters = program.meters.iter().map(|meter| MeterArray {
            unit: meter.unit,
            cells: Mutex::new(vec![MeterCell::default(); indirect(meter.cells)].into()),
        });
        let registers = program.registers.iter().map(|register| {
            let limbs = limb_count(register.width) * register.size as usize;
            RegisterArray {
                width: register.width,
                size: register.size,
                cells: Mutex::new(vec![0; limbs].into()),
            }
        });
        Self {
            counters: counters.collect(),
            meters: meters.collect(),
            registers: registers.collect(),
        }
    }
}

fn indirect(cells: Cells) -> usize {
    match cells {
        Cells::Indirect(size) => size as usize,
        Cells::Direct(_) | Cells::Unused => 0,
    }
}

impl CounterArray {
    pub(crate) fn count(&self, index: u64, bytes: u64) {
        if let Some(cell) = self.cells.get(index as usize) {
            cell.add(bytes);
        }
    }

    /// The cell of that index.
    pub(crate) fn cell(&self, index: u64) -> Result<&Tally, ControlError> {
        let size = self.cells.len() as u64;
        self.cells
            .get(index as usize)
            .ok_or(ControlError::IndexOutOfRange { index, size })
    }

    /// What a controller sees: what is not counted is zero.
    pub(crate) fn shown(&self, count: Count) -> Count {
        shown(self.unit, count)
    }
}

/// A count without the unit that is not counted.
pub(crate) fn shown(unit: CounterUnit, count: Count) -> Count {
    match unit {
        CounterUnit::Packets => Count { bytes: 0, ..count },
        CounterUnit::Bytes => Count {
            packets: 0,
            ..count
        },
        CounterUnit::Both => count,
    }
}

/// What a packet costs in that unit.
pub(crate) fn cost(unit: MeterUnit, bytes: u64) -> u64 {
    match unit {
        MeterUnit::Packets => 1,
        MeterUnit::Bytes => bytes,
    }
}

impl MeterArray {
    pub(crate) fn execute(&self, index: u64, bytes: u64, now_ns: u64) -> Option<Colour> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Some(
            cells
                .get_mut(index as usize)?
                .execute(cost(self.unit, bytes), now_ns),
        )
    }

    /// Number of cells.
    pub(crate) fn size(&self) -> u64 {
        self.cells
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len() as u64
    }

    /// Works on one cell.
    pub(crate) fn with<T>(
        &self,
        index: u64,
        work: impl FnOnce(&mut MeterCell) -> T,
    ) -> Result<T, ControlError> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let size = cells.len() as u64;
        let cell = cells.get_mut(index as usize);
        cell.map(work)
            .ok_or(ControlError::IndexOutOfRange { index, size })
    }
}

impl RegisterArray {
    /// Number of cells.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Copies a cell; zeros if there is none.
    pub(crate) fn read(&self, index: u64, into: &mut [u64]) {
        let limbs = limb_count(self.width);
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let range =
            (index < self.size).then(|| index as usize * limbs..(index as usize + 1) * limbs);
        match range.and_then(|range| cells.get(range)) {
            Some(cell) => into.copy_from_slice(cell),
            None => into.fill(0),
        }
    }

    /// Sets a cell; does nothing if there is none.
    pub(crate) fn write(&self, index: u64, value: &[u64]) {
        let limbs = limb_count(self.width);
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let range =
            (index < self.size).then(|| index as usize * limbs..(index as usize + 1) * limbs);
        if let Some(cell) = range.and_then(|range| cells.get_mut(range)) {
            cell.copy_from_slice(value);
            wide::trim(cell, self.width);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meter_follows_rfc_2698() {
        let mut meter = MeterCell::default();
        assert_eq!(meter.execute(1, 0), Colour::Green);
        let config = MeterConfig {
            cir: 1,
            cburst: 1,
            pir: 2,
            pburst: 2,
        };
        meter.configure(Some(config), 0);
        let colours: Vec<Colour> = (0..3).map(|_| meter.execute(1, 0)).collect();
        assert_eq!(colours, [Colour::Green, Colour::Yellow, Colour::Red]);
        // Half a second brings one peak token, a further half one of each.
        assert_eq!(meter.execute(1, 500_000_000), Colour::Yellow);
        assert_eq!(meter.execute(1, 1_000_000_000), Colour::Green);
        assert_eq!(meter.execute(1, 1_000_000_000), Colour::Red);
    }
}
