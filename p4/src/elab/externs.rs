// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Externs of the core library and of v1model: instances, methods and functions.

use std::rc::Rc;

use crate::{
    ast::{Annotations, Arg, Decl, DeclId, DeclKind, Direction, Name, Signature, TypeExpr},
    ir::{self, Extern, HashAlgorithm, SlotId, StmtKind},
    source::Span,
};

use super::{
    Elab, Elaborator, Instance, InstanceKind, Reported, Stage,
    info::{DigestInfo, ExternInfo},
    place::Place,
    types::Type,
    value::{Typed, Value},
};

/// Algorithms in the order of v1model's `HashAlgorithm`.
const ALGORITHMS: [HashAlgorithm; 8] = [
    HashAlgorithm::Crc32,
    HashAlgorithm::Crc32Custom,
    HashAlgorithm::Crc16,
    HashAlgorithm::Crc16Custom,
    HashAlgorithm::Random,
    HashAlgorithm::Identity,
    HashAlgorithm::Csum16,
    HashAlgorithm::Xor16,
];

/// An argument of an extern.
enum Passed {
    Value(Span, Typed),
    Target(Place),
}

/// Arguments of an extern, taken one after the other.
struct Args(std::vec::IntoIter<Passed>);

impl Args {
    fn typed(&mut self) -> Elab<(Span, Typed)> {
        match self.0.next() {
            Some(Passed::Value(span, typed)) => Ok((span, typed)),
            _ => Err(Reported),
        }
    }

    fn place(&mut self) -> Elab<Place> {
        match self.0.next() {
            Some(Passed::Target(place)) => Ok(place),
            _ => Err(Reported),
        }
    }
}

impl Elaborator<'_> {
    /// An instance of an extern.
    #[expect(clippy::too_many_arguments, reason = "the parts of one declaration")]
    pub(crate) fn extern_instance(
        &mut self,
        id: DeclId,
        decl: &Rc<Decl>,
        type_args: &Rc<[Type]>,
        args: &[Arg],
        name: &str,
        annotations: &Annotations,
        span: Span,
    ) -> Elab<InstanceKind> {
        let DeclKind::ExternObject {
            constructors,
            type_params,
            ..
        } = &decl.kind
        else {
            return Err(Reported);
        };
        let Some(constructor) = constructors
            .iter()
            .find(|one| one.params.len() == args.len())
            .or(constructors.first())
        else {
            return Err(self.error(span, format!("`{}` cannot be instantiated", decl.name.text)));
        };
        let bound = self.match_args(&constructor.params, args, span)?;
        let scope = self.type_scope(type_params, type_args);
        let types = self.within(vec![Rc::new(scope)], |this| {
            this.resolve_params(&constructor.params)
        })?;
        let mut values = Vec::new();
        for (arg, ty) in bound.iter().zip(&types) {
            let Some(arg) = arg else { return Err(Reported) };
            values.push(self.const_bits(arg, ty)?.to_u64().unwrap_or(u64::MAX));
        }
        let at = |index: usize| values.get(index).copied().unwrap_or(0);
        let data = type_args
            .first()
            .map_or(Type::Void, |ty| self.substitute(ty));
        let kind = match &*decl.name.text {
            "counter" => {
                InstanceKind::Counter(self.new_counter(name, at(1), ir::Cells::Indirect(at(0))))
            }
            "direct_counter" => {
                InstanceKind::DirectCounter(self.new_counter(name, at(0), ir::Cells::Unused))
            }
            "meter" => InstanceKind::Meter(self.new_meter(name, at(1), ir::Cells::Indirect(at(0)))),
            "direct_meter" => {
                InstanceKind::DirectMeter(self.new_meter(name, at(0), ir::Cells::Unused))
            }
            "register" => {
                let Some(width) = data.scalar_width() else {
                    return Err(self.unsupported(span, &format!("a register of {data}")));
                };
                let id = ir::RegisterId(u32::try_from(self.registers.len()).unwrap_or(u32::MAX));
                self.registers.push(ir::Register {
                    name: name.to_owned(),
                    p4info_id: 0,
                    width,
                    size: at(0),
                });
                InstanceKind::Register(id, data.clone())
            }
            "action_profile" => InstanceKind::ActionProfile(self.new_profile(name, at(0), None)),
            "action_selector" => {
                let algorithm = algorithm(at(0));
                let output_width = u32::try_from(at(2)).unwrap_or(u32::MAX);
                let selector = Some(ir::Selector {
                    algorithm,
                    output_width,
                });
                InstanceKind::ActionProfile(self.new_profile(name, at(1), selector))
            }
            _ => return Ok(InstanceKind::Other),
        };
        let info = ExternInfo {
            name: name.to_owned(),
            order: self.order_of(id),
            annotations: annotations.clone(),
            types: type_args.iter().map(|ty| self.substitute(ty)).collect(),
            span,
        };
        self.info.externs.insert(name.to_owned(), info);
        Ok(kind)
    }

    fn new_counter(&mut self, name: &str, unit: u64, cells: ir::Cells) -> ir::CounterId {
        let unit = match unit {
            0 => ir::CounterUnit::Packets,
            1 => ir::CounterUnit::Bytes,
            _ => ir::CounterUnit::Both,
        };
        let id = ir::CounterId(u32::try_from(self.counters.len()).unwrap_or(u32::MAX));
        self.counters.push(ir::Counter {
            name: name.to_owned(),
            p4info_id: 0,
            unit,
            cells,
        });
        id
    }

    fn new_meter(&mut self, name: &str, unit: u64, cells: ir::Cells) -> ir::MeterId {
        let unit = if unit == 0 {
            ir::MeterUnit::Packets
        } else {
            ir::MeterUnit::Bytes
        };
        let id = ir::MeterId(u32::try_from(self.meters.len()).unwrap_or(u32::MAX));
        self.meters.push(ir::Meter {
            name: name.to_owned(),
            p4info_id: 0,
            unit,
            cells,
        });
        id
    }

    fn new_profile(
        &mut self,
        name: &str,
        size: u64,
        selector: Option<ir::Selector>,
    ) -> ir::ActionProfileId {
        let id = ir::ActionProfileId(u32::try_from(self.action_profiles.len()).unwrap_or(u32::MAX));
        self.action_profiles.push(ir::ActionProfile {
            name: name.to_owned(),
            p4info_id: 0,
            size,
            selector,
        });
        id
    }

    // Calls.

    /// Evaluates the arguments of an extern, and infers its type arguments; gives the result type, too.
    fn extern_args(
        &mut self,
        span: Span,
        signature: &Signature,
        outer: super::Scope,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Elab<(Args, Type)> {
        let explicit = self.explicit_types(&signature.type_params, type_args, span)?;
        let matched = self.match_args(&signature.params, args, span)?;
        let mut scope = outer;
        scope.extend(self.type_scope(&signature.type_params, &explicit));
        let scope = vec![Rc::new(scope)];
        let (types, ret) = self.within(scope, |this| {
            Ok((
                this.resolve_params(&signature.params)?,
                this.resolve(&signature.ret)?,
            ))
        })?;
        let mut passed = Vec::new();
        for ((param, ty), arg) in signature.params.iter().zip(&types).zip(matched) {
            let Some(arg) = arg else { continue };
            passed.push(match param.direction {
                Direction::Out | Direction::InOut => {
                    Passed::Target(self.target(param.direction, ty, arg)?.1)
                }
                _ => Passed::Value(arg.span, self.expr_as(arg, ty)?),
            });
        }
        let ret = self.substitute(&ret);
        Ok((Args(passed.into_iter()), ret))
    }

    /// A method of an extern object.
    #[expect(clippy::too_many_lines, reason = "one arm for each method")]
    pub(crate) fn extern_method(
        &mut self,
        span: Span,
        instance: &Rc<Instance>,
        method: &Name,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Elab<Typed> {
        match instance.kind {
            InstanceKind::PacketIn => return self.packet_in(span, method, type_args, args),
            InstanceKind::PacketOut => return self.emit_call(span, method, args),
            _ => {}
        }
        let ty = self.instance_type(instance);
        let Type::Object(decl, object_args) = ty else {
            return Err(self.unsupported(span, "a method of this extern"));
        };
        let DeclKind::ExternObject {
            methods,
            type_params,
            ..
        } = &decl.kind
        else {
            return Err(Reported);
        };
        let named: Vec<_> = methods
            .iter()
            .filter(|one| one.name.text == method.text)
            .collect();
        let fitting = named
            .iter()
            .find(|one| one.params.len() == args.len())
            .or(named.first());
        let Some(signature) = fitting else {
            return Err(self.error(
                method.span,
                format!("`{}` has no method `{}`", decl.name.text, method.text),
            ));
        };
        let outer = self.type_scope(type_params, &object_args);
        if let (InstanceKind::Register(_, data), Some(param)) =
            (&instance.kind, object_args.first())
        {
            self.unify(param, data);
        }
        let (mut args, _) = self.extern_args(span, signature, outer, type_args, args)?;
        match (&instance.kind, &*method.text) {
            (InstanceKind::Counter(counter), "count") => {
                let index = self.index_bits(&mut args)?;
                self.emit_extern(Extern::Count {
                    counter: *counter,
                    index,
                });
            }
            (InstanceKind::DirectCounter(counter), "count") => {
                self.emit_extern(Extern::CountDirect(*counter));
            }
            (InstanceKind::Meter(meter), "execute_meter") => {
                let index = self.index_bits(&mut args)?;
                let place = args.place()?;
                self.write_result(&place, |dst| Extern::ExecuteMeter {
                    meter: *meter,
                    index,
                    dst,
                })?;
            }
            (InstanceKind::DirectMeter(meter), "read") => {
                let place = args.place()?;
                self.write_result(&place, |dst| Extern::ReadMeter { meter: *meter, dst })?;
            }
            (InstanceKind::Register(register, _), "read") => {
                let place = args.place()?;
                let index = self.index_bits(&mut args)?;
                self.write_result(&place, |dst| Extern::ReadRegister {
                    register: *register,
                    index,
                    dst,
                })?;
            }
            (InstanceKind::Register(register, _), "write") => {
                let index = self.index_bits(&mut args)?;
                let value = self.next_bits(&mut args)?;
                self.emit_extern(Extern::WriteRegister {
                    register: *register,
                    index,
                    value,
                });
            }
            _ => {
                return Err(self.unsupported(
                    span,
                    &format!("method `{}` of `{}`", method.text, decl.name.text),
                ));
            }
        }
        Ok(Typed::void())
    }

    fn emit_extern(&mut self, call: Extern) {
        self.emit(StmtKind::Extern(call));
    }

    /// Calls an extern that writes one slot, and copies it if the target is no whole slot.
    fn write_result(&mut self, place: &Place, call: impl FnOnce(SlotId) -> Extern) -> Elab<()> {
        let slot = match place {
            Place::Slot(slot) => *slot,
            Place::Slice(_, high, low) => self.temp(high - low + 1),
            Place::Nowhere => self.temp(32),
            other => match self.read(other) {
                Value::Bits(bits) => self.temp(bits.width),
                _ => {
                    return Err(self.error(self.span, "the result is one number, not an aggregate"));
                }
            },
        };
        self.emit(StmtKind::Extern(call(slot)));
        let value = Value::Bits(self.slot_expr(slot));
        self.write(place, &value);
        Ok(())
    }

    fn next_bits(&mut self, args: &mut Args) -> Elab<ir::Expr> {
        let (span, typed) = args.typed()?;
        self.bits_of(span, &typed)
    }

    /// An index in 32 bits.
    fn index_bits(&mut self, args: &mut Args) -> Elab<ir::Expr> {
        Ok(self.next_bits(args)?.resize(32, false))
    }

    /// The bits of a value; an integer without a width gets as many as it needs, at least 32.
    fn bits_of(&mut self, span: Span, typed: &Typed) -> Elab<ir::Expr> {
        match &typed.value {
            Value::Bits(bits) => Ok(bits.clone()),
            Value::Int(value) => {
                let width = u32::try_from(value.bits()).unwrap_or(u32::MAX).max(32);
                Ok(self.fit(span, value, width.min(super::MAX_WIDTH), false))
            }
            _ => Err(self.error(span, format!("expected bits, found {}", typed.ty))),
        }
    }

    /// All bits of a value in order; only the fields of a header count, not its validity.
    fn flat_bits(
        &mut self,
        span: Span,
        ty: &Type,
        value: &Value,
        list: &mut Vec<ir::Expr>,
    ) -> Elab<()> {
        let values = match value {
            Value::Bits(bits) => {
                list.push(bits.clone());
                return Ok(());
            }
            // A varbit is summed with the zeros that fill it up, but without its length.
            Value::Parts(parts) if matches!(ty, Type::Varbit(_)) => &parts[..1],
            Value::Parts(parts) | Value::Stack(parts) => parts,
            Value::Header(header) => &header.fields,
            Value::Int(_) => {
                return Err(self.error(span, "the width of this integer is not known; add a cast"));
            }
            _ => return Err(self.error(span, "this is not data")),
        };
        let types = ty.parts().unwrap_or_default();
        for (index, value) in values.iter().enumerate() {
            let part = match ty {
                Type::Stack(element, _) => element.as_ref().clone(),
                _ => types.get(index).map_or(Type::Unknown, |(_, ty)| ty.clone()),
            };
            self.flat_bits(span, &part, value, list)?;
        }
        Ok(())
    }

    /// The bits of an argument; the span is that of data with a field of varying size.
    fn data(&mut self, args: &mut Args) -> Elab<(Vec<ir::Expr>, Option<Span>)> {
        let (span, typed) = args.typed()?;
        let ty = self.substitute(&typed.ty);
        let mut list = Vec::new();
        self.flat_bits(span, &ty, &typed.value, &mut list)?;
        Ok((list, has_varbit(&ty).then_some(span)))
    }

    /// Only a sum does not see the zeros that fill up a field of varying size.
    fn check_varying(&mut self, varying: Option<Span>, algorithm: HashAlgorithm) -> Elab<()> {
        match varying {
            Some(span) if algorithm != HashAlgorithm::Csum16 => {
                Err(self.unsupported(span, "a hash of a varbit field"))
            }
            _ => Ok(()),
        }
    }

    fn algorithm(&mut self, args: &mut Args) -> Elab<HashAlgorithm> {
        let (span, typed) = args.typed()?;
        match &typed.value {
            Value::Bits(bits) if bits.as_const().is_some() => Ok(algorithm(
                bits.as_const().and_then(ir::Const::to_u64).unwrap_or(0),
            )),
            _ => Err(self.error(span, "the algorithm must be known at compile time")),
        }
    }

    /// A call of an extern function.
    pub(crate) fn extern_function(
        &mut self,
        span: Span,
        decl: &Rc<Decl>,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Elab<Typed> {
        let DeclKind::ExternFunction(signature) = &decl.kind else {
            return Err(Reported);
        };
        let name = signature.name.text.clone();
        self.info.calls_externs |= self.stage != Stage::Parser && &*name != "static_assert";
        let (mut args, ret) =
            self.extern_args(span, signature, super::Scope::new(), type_args, args)?;
        match &*name {
            "verify" => {
                if self.stage != Stage::Parser {
                    return Err(self.error(span, "`verify` can only be used in a parser"));
                }
                let condition = self.next_bits(&mut args)?;
                let error = self.next_bits(&mut args)?;
                self.emit(StmtKind::Verify { condition, error });
            }
            "static_assert" => return self.static_assert(span, &mut args),
            "mark_to_drop" => {
                let (egress_spec, mcast_grp) = self.drop_slots(&mut args)?;
                self.emit_extern(Extern::MarkToDrop {
                    egress_spec,
                    mcast_grp,
                });
            }
            "assert" => {
                let condition = self.next_bits(&mut args)?;
                self.emit_extern(Extern::Assert(condition));
            }
            "assume" => {
                let condition = self.next_bits(&mut args)?;
                self.emit_extern(Extern::Assume(condition));
            }
            "truncate" => {
                let length = self.next_bits(&mut args)?;
                self.emit_extern(Extern::Truncate(length));
            }
            "random" | "hash" => self.number_function(&name, &mut args)?,
            "verify_checksum"
            | "update_checksum"
            | "verify_checksum_with_payload"
            | "update_checksum_with_payload" => {
                self.checksum_function(&name, &mut args)?;
            }
            "digest" => self.digest(span, &mut args)?,
            "clone"
            | "clone_preserving_field_list"
            | "resubmit_preserving_field_list"
            | "recirculate_preserving_field_list" => self.copy_function(&name, &mut args)?,
            "log_msg" => self.log_msg(&mut args)?,
            _ => return Err(self.unsupported(span, &format!("extern function `{name}`"))),
        }
        let _ = ret;
        Ok(Typed::void())
    }

    fn static_assert(&mut self, span: Span, args: &mut Args) -> Elab<Typed> {
        let condition = self.next_bits(args)?;
        match condition.as_const() {
            Some(value) if value.is_zero() => {
                let text = match args.typed() {
                    Ok((
                        _,
                        Typed {
                            value: Value::Str(text),
                            ..
                        },
                    )) => format!(": {text}"),
                    _ => String::new(),
                };
                Err(self.error(span, format!("static assertion failed{text}")))
            }
            Some(_) => Ok(Typed::flag(ir::Expr::flag(true))),
            None => Err(self.error(span, "a static assertion must be known at compile time")),
        }
    }

    fn drop_slots(&mut self, args: &mut Args) -> Elab<(SlotId, SlotId)> {
        use ir::StandardField::{EgressSpec, McastGrp};
        let place = match args.place() {
            Ok(Place::Parts(parts)) => parts,
            Ok(_) => return Err(Reported),
            Err(_) => {
                let slots = (
                    self.standard.get(EgressSpec as usize),
                    self.standard.get(McastGrp as usize),
                );
                return match slots {
                    (Some(a), Some(b)) => Ok((*a, *b)),
                    _ => Err(Reported),
                };
            }
        };
        match (place.get(EgressSpec as usize), place.get(McastGrp as usize)) {
            (Some(Place::Slot(a)), Some(Place::Slot(b))) => Ok((*a, *b)),
            _ => Err(Reported),
        }
    }

    fn number_function(&mut self, name: &str, args: &mut Args) -> Elab<()> {
        let place = args.place()?;
        if name == "random" {
            let low = self.next_bits(args)?;
            let high = self.next_bits(args)?;
            return self.write_result(&place, |dst| Extern::Random { dst, low, high });
        }
        let algorithm = self.algorithm(args)?;
        let base = self.next_bits(args)?;
        let (data, varying) = self.data(args)?;
        self.check_varying(varying, algorithm)?;
        let max = self.next_bits(args)?;
        self.write_result(&place, |dst| Extern::Hash {
            dst,
            algorithm,
            base,
            data,
            max,
        })
    }

    fn checksum_function(&mut self, name: &str, args: &mut Args) -> Elab<()> {
        let with_payload = name.ends_with("_with_payload");
        let condition = self.next_bits(args)?;
        let (data, varying) = self.data(args)?;
        if name.starts_with("verify") {
            let checksum = self.next_bits(args)?;
            let algorithm = self.algorithm(args)?;
            self.check_varying(varying, algorithm)?;
            self.emit_extern(Extern::VerifyChecksum {
                condition,
                data,
                checksum,
                algorithm,
                with_payload,
            });
            return Ok(());
        }
        let place = args.place()?;
        let algorithm = self.algorithm(args)?;
        self.check_varying(varying, algorithm)?;
        if !matches!(place, Place::Slot(_)) {
            let old = self.read(&place);
            let Value::Bits(old) = old else {
                return Err(Reported);
            };
            let slot = self.temp(old.width);
            self.emit(StmtKind::Assign {
                dst: slot,
                value: old,
            });
            self.emit_extern(Extern::UpdateChecksum {
                condition,
                data,
                dst: slot,
                algorithm,
                with_payload,
            });
            let value = Value::Bits(self.slot_expr(slot));
            self.write(&place, &value);
            return Ok(());
        }
        self.write_result(&place, |dst| Extern::UpdateChecksum {
            condition,
            data,
            dst,
            algorithm,
            with_payload,
        })
    }

    fn digest(&mut self, span: Span, args: &mut Args) -> Elab<()> {
        let receiver = self.next_bits(args)?;
        let (data_span, typed) = args.typed()?;
        let mut values = Vec::new();
        let ty = self.substitute(&typed.ty);
        self.flat_bits(data_span, &ty, &typed.value, &mut values)?;
        let name = match &ty {
            Type::Struct(of) => of.name.to_string(),
            _ => format!("digest_{}", self.digests.len()),
        };
        let known = self.digests.iter().position(|digest| digest.name == name);
        let index = if let Some(index) = known {
            index
        } else {
            let mut fields = Vec::new();
            digest_fields("", &ty, &mut fields);
            self.info.digests.push(DigestInfo {
                name: name.clone(),
                ty,
                span,
            });
            self.digests.push(ir::Digest {
                name,
                p4info_id: 0,
                fields,
            });
            self.digests.len() - 1
        };
        let digest = ir::DigestId(u32::try_from(index).unwrap_or(u32::MAX));
        self.emit_extern(Extern::Digest {
            digest,
            receiver,
            values,
        });
        Ok(())
    }

    fn copy_function(&mut self, name: &str, args: &mut Args) -> Elab<()> {
        if name.starts_with("clone") {
            let (span, typed) = args.typed()?;
            let bits = self.bits_of(span, &typed)?;
            let kind = match bits.as_const().and_then(ir::Const::to_u64) {
                Some(0) => ir::CloneKind::IngressToEgress,
                Some(_) => ir::CloneKind::EgressToEgress,
                None => {
                    return Err(self.error(span, "the kind of clone must be known at compile time"));
                }
            };
            let session = self.next_bits(args)?;
            let field_list = if name == "clone" {
                None
            } else {
                Some(self.next_bits(args)?)
            };
            self.emit_extern(Extern::Clone {
                kind,
                session,
                field_list,
            });
            return Ok(());
        }
        let field_list = self.next_bits(args)?;
        self.emit_extern(if name.starts_with("resubmit") {
            Extern::Resubmit { field_list }
        } else {
            Extern::Recirculate { field_list }
        });
        Ok(())
    }

    fn log_msg(&mut self, args: &mut Args) -> Elab<()> {
        let (span, typed) = args.typed()?;
        let Value::Str(format) = &typed.value else {
            return Err(self.error(span, "the message must be a string"));
        };
        let mut values = Vec::new();
        if let Ok((span, typed)) = args.typed() {
            let value = match &typed.value {
                Value::Parts(parts) => {
                    let types = typed.ty.parts().unwrap_or_default();
                    for (index, part) in parts.iter().enumerate() {
                        let ty = types.get(index).map_or(Type::Unknown, |(_, ty)| ty.clone());
                        match part {
                            Value::Int(_) => values
                                .push(self.bits_of(span, &Typed::new(Type::Int, part.clone()))?),
                            part => self.flat_bits(span, &ty, part, &mut values)?,
                        }
                    }
                    None
                }
                other => Some(other.clone()),
            };
            if let Some(value) = value {
                self.flat_bits(span, &typed.ty, &value, &mut values)?;
            }
        }
        self.emit_extern(Extern::LogMsg {
            format: format.to_string(),
            values,
        });
        Ok(())
    }
}

fn algorithm(number: u64) -> HashAlgorithm {
    usize::try_from(number)
        .ok()
        .and_then(|number| ALGORITHMS.get(number).copied())
        .unwrap_or(HashAlgorithm::Crc32)
}

fn digest_fields(prefix: &str, ty: &Type, fields: &mut Vec<ir::DigestField>) {
    match (ty.scalar_width(), ty.parts()) {
        (Some(width), _) => fields.push(ir::DigestField {
            name: prefix.to_owned(),
            width,
        }),
        (None, Some(parts)) => {
            for (name, ty) in parts {
                let name = if prefix.is_empty() {
                    name.to_string()
                } else {
                    format!("{prefix}.{name}")
                };
                digest_fields(&name, &ty, fields);
            }
        }
        _ => {}
    }
}

fn has_varbit(ty: &Type) -> bool {
    match ty {
        Type::Varbit(_) => true,
        Type::Stack(element, _) => has_varbit(element),
        _ => ty
            .parts()
            .is_some_and(|parts| parts.iter().any(|(_, ty)| has_varbit(ty))),
    }
}
