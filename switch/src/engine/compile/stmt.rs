// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Statements and extern calls.

use p4::ir::{
    Const, Expr, Extern, HashAlgorithm as Algorithm, HeaderId, SlotId, StandardField, Stmt,
    StmtKind, SwitchCase, TableId, limb_count,
};

use super::{Builder, CompileError, Target};
use crate::engine::{
    code::{Call, Datum, Op, Place, Select, Sum, Wide, WideKind},
    hashes::HashAlgorithm,
};

/// Number of values from which on a switch searches a sorted list.
const SEARCH_FROM: usize = 6;

impl Builder<'_> {
    pub(super) fn statements(&mut self, body: &[Stmt]) -> Result<(), CompileError> {
        for statement in body {
            self.mark(statement.span);
            self.statement(statement)?;
            self.release();
        }
        Ok(())
    }

    fn statement(&mut self, statement: &Stmt) -> Result<(), CompileError> {
        match &statement.kind {
            StmtKind::Assign { dst, value } => {
                let place = self.code.place(*dst);
                self.compute(value, place)
            }
            StmtKind::AssignSlice {
                dst,
                high: _,
                low,
                value,
            } => self.insert(*dst, *low, value),
            StmtKind::CopyHeader { dst, src } => {
                self.copy_header(*dst, *src);
                Ok(())
            }
            StmtKind::If {
                condition,
                then,
                otherwise,
            } => self.branches(condition, then, otherwise),
            StmtKind::Switch {
                key,
                cases,
                default,
            } => self.switch(key, cases, default),
            StmtKind::Scope { label, body } => {
                let end = self.target();
                self.labels.insert(*label, end);
                self.statements(body)?;
                self.bind(end);
                Ok(())
            }
            StmtKind::Loop { label, body } => {
                let (again, end) = (self.target(), self.target());
                self.labels.insert(*label, end);
                self.bind(again);
                self.emit(Op::Step);
                self.statements(body)?;
                self.emit(Op::Jump(again));
                self.bind(end);
                Ok(())
            }
            StmtKind::Leave(label) => {
                let target = self.labels.get(label).copied();
                self.emit(target.map_or(Op::End, Op::Jump));
                Ok(())
            }
            StmtKind::Exit => {
                self.emit(Op::End);
                Ok(())
            }
            StmtKind::Apply {
                table,
                hit,
                action_run,
            } => self.apply(*table, *hit, *action_run),
            StmtKind::Extern(call) => self.call(call),
            _ => self.packet_statement(&statement.kind),
        }
    }

    /// Statements of the parser and the deparser.
    fn packet_statement(&mut self, kind: &StmtKind) -> Result<(), CompileError> {
        match kind {
            StmtKind::Extract(header) => self.emit(Op::Extract(*header)),
            StmtKind::ExtractNext(stack) => self.emit(Op::ExtractNext(stack.0)),
            StmtKind::Lookahead(slots) => {
                let places = slots.iter().map(|slot| self.code.place(*slot)).collect();
                self.code.lookaheads.push(places);
                self.emit(Op::Lookahead(self.code.lookaheads.len() as u32 - 1));
            }
            StmtKind::Advance(bits) => {
                let a = self.value(bits)?;
                self.emit(Op::Advance {
                    a: a.loc,
                    n: limb_count(a.width) as u32,
                });
            }
            StmtKind::Verify { condition, error } => {
                let (a, b) = (self.value(condition)?.loc, self.value(error)?.loc);
                self.emit(Op::Verify { a, b });
            }
            StmtKind::Emit(header) => self.emit(Op::Emit(*header)),
            // `statement` has taken all others.
            _ => {}
        }
        Ok(())
    }

    fn insert(&mut self, dst: SlotId, low: u32, value: &Expr) -> Result<(), CompileError> {
        let d = self.code.place(dst);
        let a = self.value(value)?;
        if d.width <= 64 {
            self.emit(Op::Insert {
                d: d.loc,
                a: a.loc,
                low: low as u8,
                w: a.width as u8,
            });
        } else if a.width <= 64 && low / 64 == (low + a.width - 1) / 64 {
            let (limb, low, w) = (d.loc + low / 64, (low % 64) as u8, a.width as u8);
            self.emit(Op::Insert {
                d: limb,
                a: a.loc,
                low,
                w,
            });
        } else {
            self.wide(Wide {
                kind: WideKind::Insert,
                d,
                a,
                b: a,
                low,
            });
        }
        Ok(())
    }

    /// Instances of one type are laid out alike: validity, then the fields.
    fn copy_header(&mut self, dst: HeaderId, src: HeaderId) {
        let plan = &self.code.headers[dst.index()];
        let fields = plan
            .fields
            .iter()
            .map(|field| limb_count(field.place.width));
        let n = 1 + fields.sum::<usize>() as u32;
        let (d, a) = (plan.valid, self.code.headers[src.index()].valid);
        if d != a {
            self.emit(Op::Copy { d, a, n });
        }
    }

    fn branches(&mut self, test: &Expr, then: &[Stmt], or: &[Stmt]) -> Result<(), CompileError> {
        let (no, end) = (self.target(), self.target());
        self.branch(test, no)?;
        self.release();
        self.statements(then)?;
        if !or.is_empty() {
            self.emit(Op::Jump(end));
        }
        self.bind(no);
        self.statements(or)?;
        self.bind(end);
        Ok(())
    }

    fn switch(
        &mut self,
        key: &Expr,
        cases: &[SwitchCase],
        default: &[Stmt],
    ) -> Result<(), CompileError> {
        let key = self.value(key)?;
        let end = self.target();
        let targets: Vec<Target> = cases.iter().map(|_| self.target()).collect();
        let otherwise = self.target();
        let values = cases.iter().zip(&targets);
        let pairs: Vec<(&Const, Target)> = values
            .flat_map(|(case, to)| case.values.iter().map(|value| (value, *to)))
            .collect();
        self.dispatch(key, &pairs, otherwise);
        self.release();
        for (case, target) in cases.iter().zip(targets) {
            self.bind(target);
            self.statements(&case.body)?;
            self.emit(Op::Jump(end));
        }
        self.bind(otherwise);
        self.statements(default)?;
        self.bind(end);
        Ok(())
    }

    /// Jumps to the target of the value that the key has.
    pub(super) fn dispatch(&mut self, key: Place, pairs: &[(&Const, Target)], otherwise: Target) {
        if key.width <= 64 && pairs.len() >= SEARCH_FROM {
            let mut cases: Vec<(u64, u32)> = pairs
                .iter()
                .map(|(value, to)| (value.limbs[0], *to))
                .collect();
            // A stable sort and the removal of later duplicates keep the first case of a value.
            cases.sort_by_key(|(value, _)| *value);
            cases.dedup_by_key(|(value, _)| *value);
            self.code.selects.push(Select::Sorted {
                key: key.loc,
                cases,
                otherwise,
            });
            return self.emit(Op::Select(self.code.selects.len() as u32 - 1));
        }
        for (value, to) in pairs {
            let value = self.constant(value);
            if key.width <= 64 {
                self.emit(Op::JumpEq {
                    a: key.loc,
                    b: value.loc,
                    to: *to,
                });
            } else {
                let d = self.temporary(1);
                self.wide(Wide {
                    kind: WideKind::Eq,
                    d,
                    a: key,
                    b: value,
                    low: 0,
                });
                self.emit(Op::JumpIf { a: d.loc, to: *to });
            }
        }
        self.emit(Op::Jump(otherwise));
    }

    fn apply(
        &mut self,
        table: TableId,
        hit: Option<SlotId>,
        action_run: Option<SlotId>,
    ) -> Result<(), CompileError> {
        let program = self.program;
        for (index, key) in program.tables[table.index()].keys.iter().enumerate() {
            let place = self.code.tables[table.index()].keys[index];
            self.compute(&key.value, place)?;
        }
        self.emit(Op::Apply(table));
        if let Some(slot) = hit {
            let d = self.code.place(slot).loc;
            self.emit(Op::StoreHit { d });
        }
        if let Some(slot) = action_run {
            let d = self.code.place(slot).loc;
            self.emit(Op::StoreAction { d });
        }
        Ok(())
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each extern")]
    fn call(&mut self, call: &Extern) -> Result<(), CompileError> {
        let call = match call {
            // BMv2 counts every hit of a table with a direct counter, and so does the lookup.
            Extern::CountDirect(_) => return Ok(()),
            Extern::Hash { .. } | Extern::VerifyChecksum { .. } | Extern::UpdateChecksum { .. } => {
                return self.sum_call(call);
            }
            Extern::MarkToDrop {
                egress_spec,
                mcast_grp,
            } => Call::MarkToDrop {
                egress_spec: self.code.place(*egress_spec).loc,
                mcast_grp: self.code.place(*mcast_grp).loc,
            },
            Extern::Count { counter, index } => Call::Count {
                counter: counter.index(),
                index: self.value(index)?,
            },
            Extern::ExecuteMeter { meter, index, dst } => Call::ExecuteMeter {
                meter: meter.index(),
                index: self.value(index)?,
                d: self.code.place(*dst),
            },
            Extern::ReadMeter { meter, dst } => Call::ReadMeter {
                meter: meter.index(),
                d: self.code.place(*dst),
            },
            Extern::ReadRegister {
                register,
                index,
                dst,
            } => Call::ReadRegister {
                register: register.index(),
                index: self.value(index)?,
                d: self.code.place(*dst),
            },
            Extern::WriteRegister {
                register,
                index,
                value,
            } => Call::WriteRegister {
                register: register.index(),
                index: self.value(index)?,
                value: self.value(value)?,
            },
            Extern::Random { dst, low, high } => Call::Random {
                d: self.code.place(*dst),
                low: self.value(low)?,
                high: self.value(high)?,
            },
            Extern::Digest { digest, values, .. } => Call::Digest {
                digest: digest.index(),
                values: self.values(values)?,
            },
            Extern::Clone {
                session,
                field_list,
                ..
            } => Call::Clone {
                session: self.value(session)?,
                field_list: field_list
                    .as_ref()
                    .map(|list| self.value(list))
                    .transpose()?,
            },
            Extern::Resubmit { field_list } => Call::Resubmit {
                field_list: self.value(field_list)?,
            },
            Extern::Recirculate { field_list } => Call::Recirculate {
                field_list: self.value(field_list)?,
            },
            Extern::Truncate(length) => Call::Truncate {
                length: self.value(length)?,
            },
            Extern::Assert(condition) | Extern::Assume(condition) => Call::Assert {
                condition: self.value(condition)?.loc,
            },
            Extern::LogMsg { format, values } => Call::Log {
                format: format.clone(),
                values: self.values(values)?,
            },
        };
        self.push_call(call);
        Ok(())
    }

    /// Calls that sum or hash a list of values.
    fn sum_call(&mut self, call: &Extern) -> Result<(), CompileError> {
        match call {
            Extern::Hash {
                dst,
                algorithm,
                base,
                data,
                max,
            } => {
                let mut sum = self.sum(*algorithm, data, false)?;
                // p4c copies the data of `hash` to temporaries, so that BMv2 does not see whether
                // their headers are valid; checksums it reads in place.
                for datum in &mut sum.data {
                    datum.valid = None;
                }
                let (base, max) = (self.value(base)?, self.value(max)?);
                self.push_call(Call::Hash {
                    sum,
                    d: self.code.place(*dst),
                    base,
                    max,
                });
            }
            Extern::VerifyChecksum {
                condition,
                data,
                checksum,
                algorithm,
                with_payload,
            } => {
                let end = self.target();
                self.branch(condition, end)?;
                let valid = self.validity_of(checksum);
                let sum = self.sum(*algorithm, data, *with_payload)?;
                let checksum = self.value(checksum)?;
                let error = self.standard(StandardField::ChecksumError);
                self.push_call(Call::VerifyChecksum {
                    sum,
                    checksum,
                    valid,
                    error,
                });
                self.bind(end);
            }
            Extern::UpdateChecksum {
                condition,
                data,
                dst,
                algorithm,
                with_payload,
            } => {
                let end = self.target();
                self.branch(condition, end)?;
                let sum = self.sum(*algorithm, data, *with_payload)?;
                self.push_call(Call::UpdateChecksum {
                    sum,
                    d: self.code.place(*dst),
                });
                self.bind(end);
            }
            // `call` passes on only these three.
            _ => {}
        }
        Ok(())
    }

    fn push_call(&mut self, call: Call) {
        self.code.externs.push(call);
        self.emit(Op::Extern(self.code.externs.len() as u32 - 1));
    }

    fn values(&mut self, values: &[Expr]) -> Result<Vec<Place>, CompileError> {
        values.iter().map(|value| self.value(value)).collect()
    }

    fn sum(
        &mut self,
        algorithm: Algorithm,
        data: &[Expr],
        with_payload: bool,
    ) -> Result<Sum, CompileError> {
        let mut list = Vec::with_capacity(data.len());
        for value in data {
            list.push(Datum {
                place: self.value(value)?,
                valid: self.validity_of(value),
            });
        }
        Ok(Sum {
            algorithm: self::algorithm(algorithm),
            data: list,
            with_payload,
        })
    }
}

/// The engine's name of an algorithm.
pub(super) fn algorithm(algorithm: Algorithm) -> HashAlgorithm {
    match algorithm {
        Algorithm::Crc32 | Algorithm::Crc32Custom => HashAlgorithm::Crc32,
        Algorithm::Crc16 | Algorithm::Crc16Custom => HashAlgorithm::Crc16,
        Algorithm::Random => HashAlgorithm::Random,
        Algorithm::Identity => HashAlgorithm::Identity,
        Algorithm::Csum16 => HashAlgorithm::Csum16,
        Algorithm::Xor16 => HashAlgorithm::Xor16,
    }
}
