// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs the instructions of a block on the frame of a packet.

use std::sync::atomic::Ordering::Relaxed;

use p4::ir::{HeaderId, TableId};

use super::{
    arith,
    bits::{self, PADDING},
    code::{Code, Op, Pc, Place, Select, Test},
    event::{Event, Observer, Watch as _},
    externs::Externs,
    tables::Table,
    value_sets::ValueSetMember,
    wide,
};

/// What a packet may use up in one block, so that no program runs for ever.
pub(super) const STEPS: u32 = 1 << 16;

/// What the blocks of one program share while packets run.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    pub(crate) code: &'a Code,
    pub(crate) tables: &'a [Table],
    pub(crate) value_sets: &'a [Vec<ValueSetMember>],
    pub(crate) externs: &'a Externs,
    /// Time since the switch started.
    pub(crate) now_ns: u64,
}

/// What a program asks for while it handles a packet; it is done after the control has ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    /// Clone session and field list.
    pub(crate) clone: Option<(u64, Option<u64>)>,
    pub(crate) resubmit: Option<u64>,
    pub(crate) recirculate: Option<u64>,
    pub(crate) truncate: Option<u64>,
    /// Kind of digest; its values are in [`Context::digest`].
    pub(crate) digest: Option<usize>,
    /// Whether an assertion failed: the packet must not go on.
    pub(crate) assertion_failed: bool,
}

/// The entry that an action runs for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Current {
    pub(crate) table: usize,
    pub(crate) entry: Option<usize>,
}

/// Everything that one packet uses. It is reused, so that packets need no allocation.
#[derive(Debug, Default)]
pub(crate) struct Context {
    pub(crate) frame: Vec<u64>,
    /// The packet, followed by [`PADDING`] octets.
    pub(crate) packet: Vec<u8>,
    /// Position of the parser, and later of the payload, in bits.
    pub(crate) position: usize,
    /// What the deparser writes into; longer than what it has written.
    pub(super) out: Vec<u8>,
    /// Length of what it has written.
    pub(super) out_len: usize,
    pub(crate) parser_error: u32,
    pub(crate) requests: Requests,
    pub(crate) digest: Vec<u64>,
    pub(crate) random: u64,
    pub(crate) current: Current,
    pub(super) scratch: Vec<u8>,
    key: Vec<u64>,
    masked: Vec<u64>,
    /// 1 if the last lookup hit.
    pub(super) hit: u64,
    /// Position of the last action in the list of its table.
    pub(super) action: u64,
    steps: u32,
}

impl Context {
    /// Makes buffers that fit the program.
    pub(crate) fn prepare(&mut self, code: &Code, tables: &[Table]) {
        self.frame.clone_from(&code.image);
        let limbs = tables.iter().map(Table::key_limbs).max().unwrap_or(0);
        self.key = vec![0; limbs];
        self.masked = vec![0; limbs];
    }

    /// Length of the packet in octets.
    pub(crate) fn packet_len(&self) -> usize {
        self.packet.len().saturating_sub(PADDING)
    }

    /// The octets that the parser has not consumed.
    pub(crate) fn payload(&self) -> &[u8] {
        let len = self.packet_len();
        &self.packet[self.position.div_ceil(8).min(len)..len]
    }

    /// Puts a packet into the buffer.
    pub(crate) fn load(&mut self, packet: &[u8]) {
        fill(&mut self.packet, packet);
    }

    /// Forgets what the deparser has written.
    pub(crate) fn clear_out(&mut self) {
        self.out_len = 0;
    }

    /// What the deparser has written.
    pub(crate) fn written(&self) -> &[u8] {
        &self.out[..self.out_len]
    }

    /// Puts the payload behind the headers that were written, and cuts the packet.
    pub(crate) fn finish_out(&mut self) {
        let len = self.packet_len();
        let payload = self.position.div_ceil(8).min(len)..len;
        let end = self.out_len + payload.len();
        self.make_room(end);
        self.out[self.out_len..end].copy_from_slice(&self.packet[payload]);
        self.out_len = match self.requests.truncate {
            Some(limit) => end.min(usize::try_from(limit).unwrap_or(usize::MAX)),
            None => end,
        };
    }

    /// Makes room for so many octets of output, and padding.
    fn make_room(&mut self, octets: usize) {
        if self.out.len() < octets + PADDING {
            self.out.resize((octets + PADDING).next_power_of_two(), 0);
        }
    }

    /// Runs a block from its first instruction to its end.
    pub(crate) fn run<O: Observer>(&mut self, env: Env<'_>, entry: Pc, observer: &mut O) {
        let ops = env.code.ops.as_slice();
        let mut pc = entry as usize;
        let mut back = pc;
        self.steps = 0;
        while let Some(op) = ops.get(pc) {
            if O::ACTIVE {
                observer.at(env.code, pc as Pc);
            }
            pc += 1;
            match *op {
                Op::End => return,
                Op::Return => pc = back,
                Op::Jump(to) => pc = to as usize,
                Op::JumpIf { a, to } if self.frame[a as usize] != 0 => pc = to as usize,
                Op::JumpUnless { a, to } if self.frame[a as usize] == 0 => pc = to as usize,
                Op::JumpEq { a, b, to } if self.at(a) == self.at(b) => pc = to as usize,
                Op::JumpNe { a, b, to } if self.at(a) != self.at(b) => pc = to as usize,
                Op::JumpLt { a, b, to } if self.at(a) < self.at(b) => pc = to as usize,
                Op::JumpGe { a, b, to } if self.at(a) >= self.at(b) => pc = to as usize,
                Op::Select(index) => pc = self.select(env, index) as usize,
                Op::Apply(table) => {
                    back = pc;
                    if let Some(action) = self.apply(env, table, observer) {
                        pc = env.code.actions[action].entry as usize;
                    }
                }
                Op::StoreHit { d } => self.frame[d as usize] = self.hit,
                Op::StoreAction { d } => self.frame[d as usize] = self.action,
                Op::Emit(header) => self.emit(env.code, header),
                Op::Extern(index) => self.call(env, index as usize, observer),
                Op::Step => {
                    self.steps += 1;
                    if self.steps > STEPS {
                        return self.fail(env.code.errors.parser_timeout, observer);
                    }
                }
                Op::Extract(_)
                | Op::ExtractNext(_)
                | Op::Lookahead(_)
                | Op::Advance { .. }
                | Op::Verify { .. }
                | Op::Reject(_) => {
                    if let Err(error) = self.parse(env.code, *op, observer) {
                        return self.fail(error, observer);
                    }
                }
                op => arith::step(env.code, &mut self.frame, op),
            }
        }
    }

    #[inline]
    fn at(&self, loc: u32) -> u64 {
        self.frame[loc as usize]
    }

    fn fail<O: Observer>(&mut self, error: u32, observer: &mut O) {
        self.parser_error = error;
        if O::ACTIVE {
            observer.event(Event::ParserError { error });
        }
    }

    /// Reads from the packet; an error is one of the program's error values.
    #[inline]
    pub(super) fn parse<O: Observer>(
        &mut self,
        code: &Code,
        op: Op,
        observer: &mut O,
    ) -> Result<(), u32> {
        let left = (self.packet_len() * 8).saturating_sub(self.position);
        let short = code.errors.packet_too_short;
        match op {
            Op::Extract(header) => self.extract(code, header, observer),
            Op::ExtractNext(stack) => {
                let stack = &code.stacks[stack as usize];
                let next = self.at(stack.next);
                let Some(header) = stack.elements.get(next as usize) else {
                    return Err(code.errors.stack_out_of_bounds);
                };
                self.extract(code, *header, observer)?;
                self.frame[stack.next as usize] = next + 1;
                Ok(())
            }
            Op::Lookahead(index) => {
                let places = &code.lookaheads[index as usize];
                let needed: usize = places.iter().map(|place| place.width as usize).sum();
                if needed > left {
                    return Err(short);
                }
                let mut offset = self.position;
                for place in places {
                    let into = range(*place);
                    bits::read(&self.packet, offset, place.width, &mut self.frame[into]);
                    offset += place.width as usize;
                }
                Ok(())
            }
            Op::Advance { a, n } => {
                let limbs = &self.frame[a as usize..(a + n) as usize];
                let skip = limbs[0] as usize;
                if limbs[1..].iter().any(|limb| *limb != 0) || skip > left {
                    return Err(short);
                }
                self.position += skip;
                Ok(())
            }
            Op::Verify { a, b } if self.at(a) == 0 => Err(self.at(b) as u32),
            Op::Reject(error) => Err(error),
            _ => Ok(()),
        }
    }

    #[inline]
    fn extract<O: Observer>(
        &mut self,
        code: &Code,
        id: HeaderId,
        observer: &mut O,
    ) -> Result<(), u32> {
        let header = &code.headers[id.index()];
        let end = self.position + header.width as usize;
        if end > self.packet_len() * 8 {
            return Err(code.errors.packet_too_short);
        }
        for field in &header.fields {
            let Place { loc, width } = field.place;
            let offset = self.position + field.offset as usize;
            if width <= 64 {
                self.frame[loc as usize] = bits::read64(&self.packet, offset, width);
            } else {
                bits::read(
                    &self.packet,
                    offset,
                    width,
                    &mut self.frame[range(field.place)],
                );
            }
        }
        self.frame[header.valid as usize] = 1;
        if O::ACTIVE {
            let fields = header
                .fields
                .iter()
                .map(|field| self.frame[range(field.place)].to_vec());
            let fields = fields.collect();
            observer.event(Event::Extract {
                header: id,
                at_bits: self.position,
                fields,
            });
        }
        self.position = end;
        Ok(())
    }

    pub(super) fn emit(&mut self, code: &Code, id: HeaderId) {
        let header = &code.headers[id.index()];
        if self.at(header.valid) == 0 {
            return;
        }
        let start = self.out_len;
        let len = header.width.div_ceil(8) as usize;
        self.make_room(start + len);
        if len > 0 {
            // Fields fill all octets but the last one, which may end in bits of no field.
            self.out[start + len - 1] = 0;
        }
        for field in &header.fields {
            let offset = start * 8 + field.offset as usize;
            let Place { loc, width } = field.place;
            if offset.is_multiple_of(8) && width.is_multiple_of(8) {
                let octets = offset / 8..(offset + width as usize) / 8;
                bits::write_octets(&mut self.out[octets], &self.frame[range(field.place)]);
            } else if width <= 64 {
                bits::write64(&mut self.out, offset, width, self.frame[loc as usize]);
            } else {
                bits::write(
                    &mut self.out,
                    offset,
                    width,
                    &self.frame[range(field.place)],
                );
            }
        }
        self.out_len = start + len;
    }

    /// Looks a table up, and returns the action that is found, if it does anything.
    pub(super) fn apply<O: Observer>(
        &mut self,
        env: Env<'_>,
        id: TableId,
        observer: &mut O,
    ) -> Option<usize> {
        let plan = &env.code.tables[id.index()];
        let table = &env.tables[id.index()];
        let mut filled = 0;
        for place in &plan.matched {
            for limb in range(*place) {
                self.key[filled] = self.frame[limb];
                filled += 1;
            }
        }
        let found = table.lookup(&self.key[..filled], &mut self.masked);
        let bytes = self.at(env.code.packet_length);
        let entry = found.and_then(|index| table.entries[index].as_ref());
        let run = if let Some(entry) = entry {
            entry.tally.add(bytes);
            entry.last_hit_ns.store(env.now_ns, Relaxed);
            let count = entry.runs.len() as u64;
            let chosen = match &plan.selector {
                Some((sum, bits_used)) if count > 1 => {
                    (self.sum(env, sum) & bits::mask(*bits_used)) % count
                }
                _ => 0,
            };
            // An entry whose group is empty does what a miss does.
            entry.runs.get(chosen as usize).unwrap_or(&table.default)
        } else {
            table.default_tally.add(bytes);
            &table.default
        };
        self.hit = u64::from(entry.is_some());
        self.action = u64::from(run.position);
        self.current = Current {
            table: id.index(),
            entry: found,
        };
        if O::ACTIVE {
            let keys = plan
                .keys
                .iter()
                .map(|place| self.frame[range(*place)].to_vec())
                .collect();
            let args = run.args.limbs().to_vec();
            observer.event(Event::Apply {
                table: id,
                keys,
                entry: found.and_then(|index| {
                    let entry = env.tables[id.index()].entries[index].as_ref()?;
                    Some((entry.new.matches.clone(), entry.new.priority))
                }),
                action: run.action,
                args,
            });
        }
        let action = &env.code.actions[run.action];
        let mut args = run.args.limbs().iter();
        for param in &action.params {
            for (to, limb) in self.frame[range(*param)].iter_mut().zip(&mut args) {
                *to = *limb;
            }
        }
        (!action.empty).then_some(run.action)
    }

    pub(super) fn select(&self, env: Env<'_>, index: u32) -> Pc {
        match &env.code.selects[index as usize] {
            Select::Sorted {
                key,
                cases,
                otherwise,
            } => {
                let key = self.at(*key);
                match cases.binary_search_by_key(&key, |(value, _)| *value) {
                    Ok(found) => cases[found].1,
                    Err(_) => *otherwise,
                }
            }
            Select::Ordered {
                cases, otherwise, ..
            } => {
                let matching = |tests: &[Test]| tests.iter().all(|test| self.test(env, test));
                let found = cases.iter().find(|(tests, _)| matching(tests));
                found.map_or(*otherwise, |(_, to)| *to)
            }
        }
    }

    fn test(&self, env: Env<'_>, test: &Test) -> bool {
        match test {
            Test::Limb { at, mask, value } => self.at(*at) & mask == *value,
            Test::Range {
                key,
                low,
                high,
                signed,
            } => {
                let value = &self.frame[range(*key)];
                let compare = |bound: &[u64]| {
                    if *signed {
                        wide::compare_signed(value, bound, key.width)
                    } else {
                        wide::compare(value, bound)
                    }
                };
                compare(low).is_ge() && compare(high).is_le()
            }
            Test::ValueSet { set, keys } => env.value_sets[*set].iter().any(|member| {
                let fields = member.fields.iter().zip(keys);
                fields
                    .into_iter()
                    .all(|(test, key)| test.accepts(&self.frame[range(*key)]))
            }),
        }
    }
}

/// Makes a buffer that holds a packet and padding.
pub(crate) fn fill(buffer: &mut Vec<u8>, packet: &[u8]) {
    buffer.clear();
    buffer.extend_from_slice(packet);
    buffer.extend_from_slice(&[0; PADDING]);
}

/// The limbs of a value.
#[inline]
pub(crate) fn range(place: Place) -> std::ops::Range<usize> {
    let start = place.loc as usize;
    start..start + bits::limbs(place.width)
}
