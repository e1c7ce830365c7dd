// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Executes the extern calls of v1model.

use super::{
    bits::{self, PADDING},
    code::{Call, Datum, Place, Sum},
    event::{Event, Observer},
    exec::{Context, Env, range},
    externs::{Colour, cost},
    hashes::mix,
    wide,
};

/// The port number that means "drop".
pub(crate) const DROP_PORT: u64 = p4::ir::DROP_PORT;

impl Context {
    pub(super) fn call<O: Observer>(&mut self, env: Env<'_>, index: usize, observer: &mut O) {
        match &env.code.externs[index] {
            Call::MarkToDrop {
                egress_spec,
                mcast_grp,
            } => {
                self.frame[*egress_spec as usize] = DROP_PORT;
                self.frame[*mcast_grp as usize] = 0;
            }
            Call::Hash { sum, d, base, max } => self.hash(env, sum, *d, *base, *max),
            Call::VerifyChecksum {
                sum,
                checksum,
                valid,
                error,
            } => {
                let present = valid.is_none_or(|valid| self.frame[valid as usize] != 0);
                let found = bits::mask(checksum.width) & self.sum(env, sum);
                if present && found != self.number(*checksum) {
                    self.frame[*error as usize] = 1;
                    notify(observer, || Event::ChecksumError);
                }
            }
            Call::UpdateChecksum { sum, d } => {
                let value = self.sum(env, sum);
                self.set(*d, value);
            }
            Call::Assert { condition, .. } => {
                if self.frame[*condition as usize] == 0 {
                    self.requests.assertion_failed = true;
                    notify(observer, || Event::AssertionFailed);
                }
            }
            Call::Log { format, values } => {
                let values = || values.iter().map(|place| &self.frame[range(*place)]);
                notify(observer, || Event::Log(fill_in(format, values())));
            }
            call => {
                self.array_call(env, call);
                self.request(call);
            }
        }
    }

    /// Counters, meters, registers and random numbers.
    fn array_call(&mut self, env: Env<'_>, call: &Call) {
        let bytes = self.frame[env.code.packet_length as usize];
        match call {
            Call::Count { counter, index } => {
                env.externs.counters[*counter].count(self.index(*index), bytes);
            }
            Call::ExecuteMeter { meter, index, d } => {
                let index = self.index(*index);
                let colour = env.externs.meters[*meter].execute(index, bytes, env.now_ns);
                self.set(*d, colour.unwrap_or(Colour::Green) as u64);
            }
            Call::ReadMeter { meter, d } => {
                let table = &env.tables[self.current.table];
                let entry = self
                    .current
                    .entry
                    .and_then(|entry| table.entries[entry].as_ref());
                let cost = cost(env.externs.meters[*meter].unit, bytes);
                let colour = entry.map(|entry| entry.with_meter(|m| m.execute(cost, env.now_ns)));
                self.set(*d, colour.unwrap_or(Colour::Green) as u64);
            }
            Call::ReadRegister { register, index, d } => {
                let index = self.index(*index);
                env.externs.registers[*register].read(index, &mut self.frame[range(*d)]);
            }
            Call::WriteRegister {
                register,
                index,
                value,
            } => {
                let value = &self.frame[range(*value)];
                env.externs.registers[*register].write(self.index(*index), value);
            }
            Call::Random { d, low, high } => self.draw(*d, *low, *high),
            _ => {}
        }
    }

    /// What the traffic manager does when the control has ended. A later call replaces an
    /// earlier one.
    fn request(&mut self, call: &Call) {
        match call {
            Call::Digest { digest, values } => {
                self.requests.digest = Some(*digest);
                self.digest.clear();
                for place in values {
                    self.digest.extend_from_slice(&self.frame[range(*place)]);
                }
            }
            Call::Clone {
                session,
                field_list,
            } => {
                let list = field_list.map(|list| self.number(list));
                self.requests.clone = Some((self.number(*session), list));
            }
            Call::Resubmit { field_list } => {
                self.requests.resubmit = Some(self.number(*field_list));
            }
            Call::Recirculate { field_list } => {
                self.requests.recirculate = Some(self.number(*field_list));
            }
            Call::Truncate { length } => {
                self.requests.truncate = Some(self.number(*length));
            }
            _ => {}
        }
    }

    fn hash(&mut self, env: Env<'_>, sum: &Sum, d: Place, base: Place, max: Place) {
        let hash = self.sum(env, sum);
        // A longer divisor than the hash leaves the hash as it is.
        let long = self.frame[range(max)][1..].iter().any(|limb| *limb != 0);
        let rest = match self.frame[max.loc as usize] {
            _ if long => hash,
            0 => 0,
            max => hash % max,
        };
        let mut value = [0; wide::MAX_LIMBS];
        let base = &self.frame[range(base)];
        value[..base.len()].copy_from_slice(base);
        let mut addend = [0; wide::MAX_LIMBS];
        addend[0] = rest;
        wide::add(&mut value, &addend);
        wide::trim(&mut value, d.width);
        let n = bits::limbs(d.width);
        self.frame[range(d)].copy_from_slice(&value[..n]);
    }

    /// Packs the fields of valid headers without gaps, fills up the last octet with zeros, and
    /// hashes the octets.
    pub(super) fn sum(&mut self, env: Env<'_>, sum: &Sum) -> u64 {
        let mut buffer = std::mem::take(&mut self.scratch);
        buffer.clear();
        let mut at = 0;
        for Datum { place, valid } in &sum.data {
            if valid.is_some_and(|valid| self.frame[valid as usize] == 0) {
                continue;
            }
            let end = at + place.width as usize;
            buffer.resize(end.div_ceil(8) + PADDING, 0);
            bits::write(&mut buffer, at, place.width, &self.frame[range(*place)]);
            at = end;
        }
        buffer.truncate(at.div_ceil(8));
        if sum.with_payload {
            buffer.extend_from_slice(self.payload());
        }
        let digest = sum.algorithm.digest(&buffer, self.random ^ env.now_ns);
        self.scratch = buffer;
        digest
    }

    /// Draws a number from an inclusive range; if it is empty, the lower bound.
    fn draw(&mut self, d: Place, low: Place, high: Place) {
        self.random = mix(self.random);
        let first = u128::from(self.random);
        self.random = mix(self.random);
        let drawn = first << 64 | u128::from(self.random);
        let (low, high) = (self.wide_number(low), self.wide_number(high));
        let value = match high.checked_sub(low) {
            None => low,
            Some(u128::MAX) => drawn,
            Some(span) => low + drawn % (span + 1),
        };
        let into = &mut self.frame[range(d)];
        into.fill(0);
        for (to, limb) in into.iter_mut().zip([value as u64, (value >> 64) as u64]) {
            *to = limb;
        }
        wide::trim(into, d.width);
    }

    /// The lowest 64 bits of a value.
    fn number(&self, place: Place) -> u64 {
        self.frame[place.loc as usize]
    }

    /// The lowest 128 bits of a value: random numbers have no more.
    fn wide_number(&self, place: Place) -> u128 {
        let limbs = &self.frame[range(place)];
        u128::from(limbs[0]) | u128::from(limbs.get(1).copied().unwrap_or(0)) << 64
    }

    /// An index; one that needs more than 64 bits is out of range anyway.
    fn index(&self, place: Place) -> u64 {
        let limbs = &self.frame[range(place)];
        if limbs[1..].iter().any(|limb| *limb != 0) {
            u64::MAX
        } else {
            limbs[0]
        }
    }

    fn set(&mut self, place: Place, value: u64) {
        let into = &mut self.frame[range(place)];
        into.fill(0);
        into[0] = value;
        wide::trim(into, place.width);
    }
}

#[inline]
fn notify<O: Observer>(observer: &mut O, event: impl FnOnce() -> Event) {
    if O::ACTIVE {
        observer.event(event());
    }
}

/// Replaces each `{}` by the next value.
fn fill_in<'v>(format: &str, values: impl Iterator<Item = &'v [u64]>) -> String {
    let mut text = String::new();
    let mut values = values;
    let mut pieces = format.split("{}").peekable();
    while let Some(piece) = pieces.next() {
        text.push_str(piece);
        if pieces.peek().is_some() {
            text.push_str(&values.next().map_or("{}".to_owned(), decimal));
        }
    }
    text
}

/// A value for people: decimal where that is short.
pub(crate) fn decimal(limbs: &[u64]) -> String {
    if let [value] = limbs {
        return value.to_string();
    }
    let hex = limbs
        .iter()
        .rev()
        .fold(String::new(), |text, limb| text + &format!("{limb:016x}"));
    format!("0x{}", hex.trim_start_matches('0'))
}
