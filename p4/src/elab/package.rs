// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The package: the blocks of `V1Switch`, and what no package reaches.

use std::rc::Rc;

use crate::{
    ast::{Annotations, Arg, Decl, DeclKind, Name, Param},
    ir::{self, SlotKind, StandardField},
    lexer::{Kind, Token},
    parser::Ast,
    source::Span,
};

use super::{
    Elab, Elaborator, Entity, FrameKind, Instance, InstanceKind, Owner, Reported, Scope, Stage,
    TypeDef, params_of, place::Place, resolve::type_params_of, types::Type, value::Value,
};

/// Storage that the blocks share.
struct Shared {
    headers: (Type, Place),
    metadata: (Type, Place),
    standard: (Type, Place),
}

/// Blocks of `V1Switch`, in the order of its parameters.
const BLOCKS: usize = 6;

impl Elaborator<'_> {
    /// Arguments of a package, checked against its parameters.
    #[expect(clippy::type_complexity, reason = "a pair that is used once")]
    pub(crate) fn package_args(
        &mut self,
        decl: &Rc<Decl>,
        type_args: &Rc<[Type]>,
        args: &[Arg],
        span: Span,
    ) -> Elab<(Rc<Decl>, Vec<Option<Rc<Instance>>>)> {
        let DeclKind::Package {
            type_params,
            params,
        } = &decl.kind
        else {
            return Err(Reported);
        };
        let matched = self.match_args(params, args, span)?;
        let scope = self.type_scope(type_params, type_args);
        let types = self.within(vec![Rc::new(scope)], |this| this.resolve_params(params))?;
        let mut instances = Vec::new();
        for (ty, arg) in types.iter().zip(matched) {
            let Some(arg) = arg else {
                instances.push(None);
                continue;
            };
            let typed = self.expr_as(arg, ty)?;
            instances.push(match typed.value {
                Value::Object(instance) => Some(instance),
                _ => None,
            });
        }
        Ok((decl.clone(), instances))
    }

    /// Lowers the program that `main` describes.
    pub(crate) fn package(&mut self, main: &Rc<Instance>) -> Elab<ir::Program> {
        let InstanceKind::Package {
            decl,
            args,
            annotations,
        } = &main.kind
        else {
            return Err(self.error(main.span, "`main` is not an instance of a package"));
        };
        if &*decl.name.text != "V1Switch" || args.len() != BLOCKS {
            let name = &decl.name.text;
            return Err(self.unsupported(
                main.span,
                &format!("architecture with the package `{name}`"),
            ));
        }
        let blocks: Option<Vec<Rc<Instance>>> = args.iter().cloned().collect();
        let Some(blocks) = blocks else {
            return Err(Reported);
        };
        let shared = self.shared(&blocks[0])?;
        let (parser, prelude, start) = self.top_parser(&blocks[0], &shared)?;
        let states = std::mem::take(&mut self.states);
        let mut controls = Vec::new();
        for (index, block) in blocks.iter().enumerate().skip(1) {
            let stage = if index == BLOCKS - 1 {
                Stage::Deparser
            } else {
                Stage::Control
            };
            controls.push(self.top_control(block, &shared, stage, index)?);
        }
        let mut controls = controls.into_iter();
        let mut next = || controls.next().ok_or(Reported);
        let (verify_checksum, ingress, egress) = (next()?, next()?, next()?);
        let (compute_checksum, deparser) = (next()?, next()?);
        if self.diagnostics.has_errors() {
            return Err(Reported);
        }
        let p4info = self.p4info(annotations);
        let mut program = ir::Program {
            slots: std::mem::take(&mut self.slots),
            headers: std::mem::take(&mut self.headers),
            stacks: std::mem::take(&mut self.stacks),
            errors: self.errors.iter().map(ToString::to_string).collect(),
            standard: self.standard.clone(),
            parser: ir::Parser {
                name: parser,
                prelude,
                start,
                states,
            },
            verify_checksum,
            ingress,
            egress,
            compute_checksum,
            deparser,
            tables: std::mem::take(&mut self.tables),
            actions: std::mem::take(&mut self.actions),
            counters: std::mem::take(&mut self.counters),
            meters: std::mem::take(&mut self.meters),
            registers: std::mem::take(&mut self.registers),
            action_profiles: std::mem::take(&mut self.action_profiles),
            digests: std::mem::take(&mut self.digests),
            value_sets: std::mem::take(&mut self.value_sets),
            field_lists: std::mem::take(&mut self.field_lists)
                .into_iter()
                .map(|(number, slots)| ir::FieldList { number, slots })
                .collect(),
            p4info,
            sources: self.diagnostics.sources.clone(),
        };
        crate::prune::prune(&mut program);
        self.forget();
        Ok(program)
    }

    /// Drops what belongs to the program that has been handed over.
    fn forget(&mut self) {
        self.header_fields.clear();
        self.lowered_actions.clear();
        self.lowered_tables.clear();
        self.instances.clear();
        self.controls.clear();
        self.exit_flag = None;
        self.info = super::info::Info::default();
        self.stmt_count = 0;
    }

    /// Storage for headers, user metadata and standard metadata, as the parser's parameters declare them.
    fn shared(&mut self, parser: &Rc<Instance>) -> Elab<Shared> {
        let InstanceKind::Block {
            decl, type_args, ..
        } = &parser.kind
        else {
            return Err(Reported);
        };
        let types: Vec<Type> = self
            .param_types(decl, type_args)?
            .into_iter()
            .map(|(_, ty)| ty)
            .collect();
        let params = params_of(decl);
        let [_, headers, metadata, standard] = &types[..] else {
            return Err(Reported);
        };
        let name = |index: usize| {
            params
                .get(index)
                .map_or(String::new(), |param: &Param| param.name.text.to_string())
        };
        self.slot_kind = SlotKind::Metadata;
        let header_place = self.allocate(decl.span, &name(1), headers)?;
        let meta_place = self.allocate(decl.span, &name(2), metadata)?;
        self.slot_kind = SlotKind::Local;
        let mut parts = Vec::new();
        for ((field, ty), kind) in standard
            .parts()
            .unwrap_or_default()
            .iter()
            .zip(StandardField::ALL)
        {
            let width = ty.scalar_width().unwrap_or(1);
            let slot = self.new_slot(
                format!("{}.{field}", name(3)),
                width,
                false,
                SlotKind::Standard(kind),
            );
            self.standard.push(slot);
            parts.push(Place::Slot(slot));
        }
        self.field_list(metadata, &meta_place, &mut Vec::new());
        let standard_place = Place::Parts(Rc::new(parts));
        Ok(Shared {
            headers: (headers.clone(), header_place),
            metadata: (metadata.clone(), meta_place),
            standard: (standard.clone(), standard_place),
        })
    }

    /// Collects the fields that have a `@field_list` annotation, or are inside of one that has.
    fn field_list(&mut self, ty: &Type, place: &Place, outer: &mut Vec<u8>) {
        let (Type::Struct(of), Place::Parts(parts)) = (ty, place) else {
            let mut slots = Vec::new();
            place.each_slot(self, &mut |slot| slots.push(slot));
            for number in outer.iter() {
                self.field_lists.entry(*number).or_default().extend(&slots);
            }
            return;
        };
        let of = of.clone();
        for (field, part) in of.fields.iter().zip(parts.iter()) {
            let own = self.field_list_numbers(&field.annotations);
            let before = outer.len();
            outer.extend(
                own.into_iter()
                    .filter(|number| !outer.contains(number))
                    .collect::<Vec<_>>(),
            );
            self.field_list(&field.ty, part, outer);
            outer.truncate(before);
        }
    }

    fn field_list_numbers(&mut self, annotations: &Annotations) -> Vec<u8> {
        let mut numbers = Vec::new();
        for annotation in annotations
            .iter()
            .filter(|one| &*one.name.text == "field_list")
        {
            for item in annotation.body.split(|token| token.is(",")) {
                if let Some(number) = self.field_list_number(item) {
                    numbers.push(number);
                } else {
                    let span = item
                        .first()
                        .map_or(annotation.name.span, |token| token.span);
                    self.error(span, "the number of a field list is from 0 to 255");
                }
            }
        }
        numbers
    }

    /// A literal, a constant, or a member of an enum with an underlying type.
    fn field_list_number(&mut self, item: &[Token]) -> Option<u8> {
        let typed = match item {
            [token] if token.kind == Kind::Int => {
                return crate::number::parse(&token.text)
                    .ok()?
                    .value
                    .try_into()
                    .ok();
            }
            [token] => match self.lookup(&token.text).cloned() {
                Some(Entity::Value(typed)) => typed,
                _ => return None,
            },
            [ty, dot, member] if dot.is(".") => {
                let Some(Entity::Type(TypeDef::Known(Type::Enum(of)))) =
                    self.lookup(&ty.text).cloned()
                else {
                    return None;
                };
                let name = Name {
                    text: member.text.clone(),
                    span: member.span,
                };
                self.enum_member(&of, &name).ok()?
            }
            _ => return None,
        };
        match typed.value {
            Value::Int(value) => u8::try_from(value).ok(),
            Value::Bits(bits) => u8::try_from(bits.as_const()?.to_u64()?).ok(),
            _ => None,
        }
    }

    /// Parameters of a block of the pipeline, bound to the shared storage.
    fn top_scope(&mut self, block: &Instance, shared: &Shared, stage: Stage) -> Elab<Scope> {
        let InstanceKind::Block {
            decl,
            type_args,
            ctor,
            ..
        } = &block.kind
        else {
            return Err(Reported);
        };
        let mut scope = self.type_scope(type_params_of(decl), type_args);
        scope.extend(ctor.clone());
        let storage = [&shared.headers, &shared.metadata, &shared.standard];
        let skip = usize::from(stage != Stage::Control);
        let params = params_of(decl);
        if let Some(packet) = params.first().filter(|_| skip == 1) {
            let kind = if stage == Stage::Parser {
                InstanceKind::PacketIn
            } else {
                InstanceKind::PacketOut
            };
            let name = packet.name.text.to_string();
            let instance = Instance {
                name,
                kind,
                span: packet.name.span,
            };
            scope.insert(
                packet.name.text.clone(),
                Entity::Instance(Rc::new(instance)),
            );
        }
        for (param, (ty, place)) in params.iter().skip(skip).zip(storage) {
            let writable = stage != Stage::Deparser;
            let entity = Entity::Place {
                ty: ty.clone(),
                place: place.clone(),
                writable,
            };
            scope.insert(param.name.text.clone(), entity);
        }
        Ok(scope)
    }

    fn top_owner(decl: &Decl, index: usize, in_parser: bool) -> Rc<Owner> {
        let name = decl.name.text.to_string();
        let order = vec![u32::try_from(index).unwrap_or(u32::MAX)];
        Rc::new(Owner {
            name,
            order,
            multiple: false,
            in_parser,
        })
    }

    fn top_parser(
        &mut self,
        block: &Rc<Instance>,
        shared: &Shared,
    ) -> Elab<(String, Vec<ir::Stmt>, ir::StateId)> {
        let InstanceKind::Block { decl, .. } = &block.kind else {
            return Err(Reported);
        };
        let DeclKind::Parser(parser) = &decl.kind else {
            return Err(Reported);
        };
        self.stage = Stage::Parser;
        let scope = self.top_scope(block, shared, Stage::Parser)?;
        let owner = Self::top_owner(decl, 0, true);
        let name = owner.name.clone();
        let (start, prelude) = self.collect(|this| {
            this.run_parser(decl.span, decl, parser, vec![Rc::new(scope)], owner, None)
        });
        self.stage = Stage::Control;
        Ok((name, prelude, start?))
    }

    fn top_control(
        &mut self,
        block: &Rc<Instance>,
        shared: &Shared,
        stage: Stage,
        index: usize,
    ) -> Elab<ir::Control> {
        let InstanceKind::Block { decl, .. } = &block.kind else {
            return Err(Reported);
        };
        let DeclKind::Control(control) = &decl.kind else {
            return Err(Reported);
        };
        self.stage = stage;
        let scope = self.top_scope(block, shared, stage)?;
        let owner = Self::top_owner(decl, index, false);
        let name = owner.name.clone();
        let (result, body) = self.collect(|this| {
            this.run_control(
                decl.span,
                decl,
                control,
                vec![Rc::new(scope)],
                owner,
                Vec::new(),
                None,
            )
        });
        self.stage = Stage::Control;
        result?;
        Ok(ir::Control { name, body })
    }

    /// Walks what `main` does not reach, for its diagnostics.
    pub(crate) fn check_unreached(&mut self, ast: &Ast) {
        for decl in &ast.decls {
            if self.visited.contains(&decl.id) || !type_params_of(decl).is_empty() {
                continue;
            }
            self.env.clear();
            self.discard(|this| {
                let _ = this.check_alone(decl);
            });
            self.states.clear();
            self.stmt_count = 0;
        }
    }

    fn check_alone(&mut self, decl: &Rc<Decl>) -> Elab<()> {
        let ctor_params = match &decl.kind {
            DeclKind::Parser(parser) => &parser.ctor_params[..],
            DeclKind::Control(control) => &control.ctor_params[..],
            _ => &[],
        };
        if !ctor_params.is_empty() {
            return Ok(());
        }
        self.visited.insert(decl.id);
        let name = decl.name.text.to_string();
        let mut scope = Scope::new();
        match &decl.kind {
            DeclKind::Parser(_)
            | DeclKind::Control(_)
            | DeclKind::Function { .. }
            | DeclKind::Action { .. } => {
                for param in params_of(decl) {
                    let entity = self.dummy_param(param)?;
                    scope.insert(param.name.text.clone(), entity);
                }
            }
            _ => return Ok(()),
        }
        let env = vec![Rc::new(scope)];
        let in_parser = matches!(decl.kind, DeclKind::Parser(_));
        let owner = Rc::new(Owner {
            name,
            order: Vec::new(),
            multiple: false,
            in_parser,
        });
        match &decl.kind {
            DeclKind::Parser(parser) if parser.body.is_some() => {
                self.stage = Stage::Parser;
                let result = self.run_parser(decl.span, decl, parser, env, owner, None);
                self.stage = Stage::Control;
                result.map(drop)
            }
            DeclKind::Control(control) if control.body.is_some() => {
                let emits = control.params.iter().any(|param| {
                    matches!(&param.ty.kind, crate::ast::TypeKind::Name { name, .. } if &*name.text == "packet_out")
                });
                self.stage = if emits {
                    Stage::Deparser
                } else {
                    Stage::Control
                };
                let result =
                    self.run_control(decl.span, decl, control, env, owner, Vec::new(), None);
                self.stage = Stage::Control;
                result.map(drop)
            }
            DeclKind::Function { signature, body } => {
                let ret = self.resolve(&signature.ret)?;
                self.inline(decl.span, body, env, ret, Vec::new(), FrameKind::Function)
                    .map(drop)
            }
            DeclKind::Action { body, .. } => self
                .inline(
                    decl.span,
                    body,
                    env,
                    Type::Void,
                    Vec::new(),
                    FrameKind::Action,
                )
                .map(drop),
            _ => Ok(()),
        }
    }
}
