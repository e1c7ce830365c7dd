// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parsers: states as a graph, sub-parsers inlined at each application.

use std::{collections::HashMap, rc::Rc};

use crate::{
    ast::{Arg, Decl, DeclKind, Direction, Expr, ExprKind, Name, ParserDecl, Transition, TypeExpr},
    ir::{self, MatchKind, Pattern, StateId, Target, ValueSetId},
    source::Span,
};

use super::{
    Elab, Elaborator, Entity, Env, Frame, FrameKind, Instance, InstanceKind, Owner, ParserFrame,
    Reported,
    args::Passing,
    info::ValueSetInfo,
    types::Type,
    value::{Typed, Value},
};

/// Most states of a program after inlining.
const MAX_STATES: usize = 20_000;

impl Elaborator<'_> {
    /// `parser.apply(args)` in a state: the rest of the state becomes a state of its own.
    pub(crate) fn apply_parser(
        &mut self,
        span: Span,
        instance: &Rc<Instance>,
        args: &[Arg],
    ) -> Elab<Typed> {
        let InstanceKind::Block {
            decl,
            type_args,
            ctor,
            owner,
        } = &instance.kind
        else {
            return Err(Reported);
        };
        let DeclKind::Parser(parser) = &decl.kind else {
            return Err(Reported);
        };
        if self.parser_frames.is_empty() {
            return Err(self.error(span, "a parser can only be applied in a state of a parser"));
        }
        if self.nesting > 0 {
            return Err(self.unsupported(span, "a sub-parser inside of a conditional statement"));
        }
        let args = self.match_args(&parser.params, args, span)?;
        let mut types = self.type_scope(&parser.type_params, type_args);
        let scope = vec![Rc::new(types.clone())];
        let params = self.within(scope, |this| this.resolve_params(&parser.params))?;
        let bound = self.bind(&parser.params, &params, &args, Passing::Shared)?;
        self.settle(&mut types);
        types.extend(ctor.clone());
        types.extend(bound.scope);
        let mut owner = owner.as_ref().clone();
        owner.in_parser = true;
        let after = self.new_state(String::new(), true, span)?;
        self.run_parser(
            span,
            decl,
            parser,
            vec![Rc::new(types)],
            Rc::new(owner),
            Some(after),
        )?;
        self.copy_out(&bound.copy_out);
        Ok(Typed::void())
    }

    /// Lowers a parser. For a sub-parser, `after` is the state that follows it: the current state then
    /// continues there. Gives the first state.
    pub(crate) fn run_parser(
        &mut self,
        span: Span,
        decl: &Rc<Decl>,
        parser: &ParserDecl,
        mut env: Env,
        owner: Rc<Owner>,
        after: Option<StateId>,
    ) -> Elab<StateId> {
        let Some(body) = parser.body.clone() else {
            return Err(Reported);
        };
        self.visited.insert(decl.id);
        let outer_owner = std::mem::replace(&mut self.owner, owner);
        let label = self.new_label();
        let frame = Frame {
            label,
            result: None,
            copy_out: Vec::new(),
            loops: Vec::new(),
            kind: FrameKind::Parser,
        };
        let result = self.framed(span, frame, |this| {
            this.within(env.clone(), |this| {
                for local in &body.locals {
                    this.span = local.span;
                    this.local(local);
                }
                std::mem::swap(&mut env, &mut this.env);
            });
            let mut states = HashMap::new();
            for state in &body.states {
                let name = format!("{}.{}", this.owner.name, state.name.text);
                let id = this.new_state(name, false, state.span)?;
                if matches!(&*state.name.text, "accept" | "reject")
                    || states.insert(state.name.text.clone(), id).is_some()
                {
                    this.error(
                        state.name.span,
                        format!("state `{}` cannot be declared again", state.name.text),
                    );
                }
            }
            let Some(start) = states.get("start").copied() else {
                return Err(this.error(
                    decl.name.span,
                    format!("parser `{}` has no state `start`", decl.name.text),
                ));
            };
            if after.is_some() {
                this.finish_state(ir::Transition::Goto(Target::State(start)));
            }
            let outer_state = this.state;
            let outer_nesting = std::mem::take(&mut this.nesting);
            let prelude = std::mem::take(&mut this.block);
            let accept = after.map_or(Target::Accept, Target::State);
            this.parser_frames.push(ParserFrame {
                states: states.clone(),
                accept,
            });
            for state in &body.states {
                if let Some(id) = states.get(&state.name.text) {
                    this.state = *id;
                    this.within(env.clone(), |this| this.lower_state(state));
                }
            }
            this.parser_frames.pop();
            this.block = prelude;
            this.nesting = outer_nesting;
            this.state = outer_state;
            if let Some(after) = after {
                let name = this.states[this.state.index()].name.clone();
                this.states[after.index()].name = name;
                this.state = after;
            }
            Ok(start)
        });
        self.owner = outer_owner;
        self.span = span;
        result
    }

    fn new_state(&mut self, name: String, continuation: bool, span: Span) -> Elab<StateId> {
        if self.states.len() >= MAX_STATES {
            return Err(self.error(span, "parser has too many states after inlining"));
        }
        let id = StateId(u32::try_from(self.states.len()).unwrap_or(u32::MAX));
        let next = ir::Transition::Goto(Target::Reject);
        self.states.push(ir::State {
            name,
            continuation,
            body: Vec::new(),
            next,
            span,
        });
        Ok(id)
    }

    /// Ends the state that is being lowered.
    fn finish_state(&mut self, next: ir::Transition) {
        let body = std::mem::take(&mut self.block);
        let state = &mut self.states[self.state.index()];
        state.body = body;
        state.next = next;
    }

    fn lower_state(&mut self, decl: &Rc<Decl>) {
        let DeclKind::State(state) = &decl.kind else {
            return;
        };
        self.scoped(|this| {
            for stmt in &state.body {
                this.stmt(stmt);
            }
            this.span = decl.span;
            let next = match &state.transition {
                Transition::None => Ok(ir::Transition::Goto(Target::Reject)),
                Transition::Goto(name) => this.state_target(name).map(ir::Transition::Goto),
                Transition::Select { keys, cases, span } => this.select(keys, cases, *span),
            };
            this.finish_state(next.unwrap_or(ir::Transition::Goto(Target::Reject)));
        });
    }

    fn state_target(&mut self, name: &Name) -> Elab<Target> {
        let frame = self.parser_frames.last();
        match &*name.text {
            "accept" => Ok(frame.map_or(Target::Accept, |frame| frame.accept)),
            "reject" => Ok(Target::Reject),
            text => match frame.and_then(|frame| frame.states.get(text)) {
                Some(id) => Ok(Target::State(*id)),
                None => Err(self.error(name.span, format!("there is no state `{text}`"))),
            },
        }
    }

    fn select(
        &mut self,
        keys: &[Expr],
        cases: &[crate::ast::SelectCase],
        span: Span,
    ) -> Elab<ir::Transition> {
        let (mut list, mut types) = (Vec::new(), Vec::new());
        for (index, key) in keys.iter().enumerate() {
            self.span = key.span;
            let mut typed = self.expr(key)?;
            if keys[index + 1..].iter().any(super::expr::has_effects) {
                typed.value = self.spill(&typed.value);
            }
            self.flatten_key(key, &typed.ty, &typed.value, &mut list, &mut types)?;
        }
        let mut lowered = Vec::new();
        for case in cases {
            let target = self.state_target(&case.target);
            let patterns = self.patterns(&case.patterns, &types, case.span);
            if let (Ok(target), Ok(patterns)) = (target, patterns) {
                lowered.push(ir::SelectCase {
                    patterns,
                    target,
                    span: case.span,
                });
            }
        }
        self.span = span;
        Ok(ir::Transition::Select {
            keys: list,
            cases: lowered,
        })
    }

    fn flatten_key(
        &mut self,
        key: &Expr,
        ty: &Type,
        value: &Value,
        list: &mut Vec<ir::Expr>,
        types: &mut Vec<Type>,
    ) -> Elab<()> {
        match value {
            Value::Bits(bits) => {
                list.push(bits.clone());
                types.push(ty.clone());
                Ok(())
            }
            Value::Parts(values) => {
                for ((_, ty), value) in ty.parts().unwrap_or_default().iter().zip(values.iter()) {
                    self.flatten_key(key, ty, value, list, types)?;
                }
                Ok(())
            }
            Value::Int(_) => {
                Err(self.error(key.span, "the width of this key is not known; add a cast"))
            }
            _ => Err(self.error(key.span, format!("a key of type {ty} is not possible"))),
        }
    }

    /// The patterns of a case or of a table's entry, one for each key.
    pub(crate) fn patterns(
        &mut self,
        patterns: &[Expr],
        types: &[Type],
        span: Span,
    ) -> Elab<Vec<Pattern>> {
        if let [one] = patterns {
            if matches!(one.kind, ExprKind::Any) {
                return Ok(vec![Pattern::Any; types.len()]);
            }
            if let ExprKind::Name { name, .. } = &one.kind
                && let Some(Entity::ValueSet(id)) = self.lookup(&name.text)
            {
                let mut list = vec![Pattern::Any; types.len()];
                let id = *id;
                if self.value_sets[id.index()].fields.len() != types.len() {
                    return Err(self.error(
                        one.span,
                        "the value set has another number of fields than there are keys",
                    ));
                }
                if let Some(first) = list.first_mut() {
                    *first = Pattern::ValueSet(id);
                }
                return Ok(list);
            }
            if let ExprKind::List(items) = &one.kind
                && items.len() == types.len()
            {
                return self.patterns(items, types, span);
            }
        }
        if patterns.len() != types.len() {
            let message = format!(
                "there are {} keys, but {} patterns",
                types.len(),
                patterns.len()
            );
            return Err(self.error(span, message));
        }
        patterns
            .iter()
            .zip(types)
            .map(|(pattern, ty)| self.pattern(pattern, ty))
            .collect()
    }

    fn pattern(&mut self, pattern: &Expr, ty: &Type) -> Elab<Pattern> {
        let base = ty.clone();
        match &pattern.kind {
            ExprKind::Any => Ok(Pattern::Any),
            ExprKind::Name { name, .. }
                if matches!(self.lookup(&name.text), Some(Entity::ValueSet(_))) =>
            {
                match self.lookup(&name.text) {
                    Some(Entity::ValueSet(id)) => Ok(Pattern::ValueSet(*id)),
                    _ => Err(Reported),
                }
            }
            ExprKind::Mask(value, mask) => {
                let value = self.const_bits(value, &base)?;
                let mask = self.mask_bits(mask, &base)?;
                if mask.is_zero() {
                    return Ok(Pattern::Any);
                }
                let limbs = value
                    .limbs
                    .iter()
                    .zip(&mask.limbs)
                    .map(|(value, mask)| value & mask)
                    .collect();
                Ok(Pattern::Mask {
                    value: ir::Const::from_limbs(value.width, limbs),
                    mask,
                })
            }
            ExprKind::Range(low, high) => {
                let low = self.const_bits(low, &base)?;
                let high = self.const_bits(high, &base)?;
                Ok(Pattern::Range {
                    low,
                    high,
                    signed: ty.is_signed(),
                })
            }
            _ => Ok(Pattern::Value(self.const_bits(pattern, &base)?)),
        }
    }

    /// The bits of a mask; a mask may be an integer even where the value is of an enum.
    fn mask_bits(&mut self, expr: &Expr, ty: &Type) -> Elab<ir::Const> {
        let typed = self.expr(expr)?;
        let width = ty.scalar_width().unwrap_or(1);
        if let Value::Int(value) = &typed.value {
            Ok(ir::Const::from_int(width, value))
        } else {
            let typed = self.coerce(expr.span, typed, ty)?;
            self.known_bits(expr, &typed)
        }
    }

    pub(crate) fn const_bits(&mut self, expr: &Expr, ty: &Type) -> Elab<ir::Const> {
        let typed = self.expr_as(expr, ty)?;
        self.known_bits(expr, &typed)
    }

    fn known_bits(&mut self, expr: &Expr, typed: &Typed) -> Elab<ir::Const> {
        match &typed.value {
            Value::Bits(bits) if bits.as_const().is_some() => Ok(bits
                .as_const()
                .cloned()
                .unwrap_or_else(|| ir::Const::new(1, 0))),
            _ => Err(self.error(expr.span, "this must be known at compile time")),
        }
    }

    /// `valueset<T>(size) name;`
    pub(crate) fn value_set(
        &mut self,
        decl: &Rc<Decl>,
        ty: &TypeExpr,
        size: &Expr,
    ) -> Elab<Entity> {
        let resolved = self.resolve(ty)?;
        let size = self.const_int(size)?;
        let name = self.qualified(&decl.name, &decl.annotations);
        let mut fields = Vec::new();
        let mut members = Vec::new();
        match (&resolved, resolved.parts()) {
            (Type::Struct(_), _) => flatten(&resolved, &mut members),
            (_, Some(parts)) => members.extend(parts.into_iter().map(|(_, ty)| ty)),
            _ => members.push(resolved.clone()),
        }
        for ty in members {
            let Some(width) = ty.scalar_width() else {
                return Err(self.error(decl.span, format!("a value set cannot hold {ty}")));
            };
            fields.push((width, MatchKind::Exact));
        }
        let Ok(size) = u64::try_from(size) else {
            return Err(self.error(decl.span, "the size must not be negative"));
        };
        let id = ValueSetId(u32::try_from(self.value_sets.len()).unwrap_or(u32::MAX));
        self.value_sets.push(ir::ValueSet {
            name: name.clone(),
            p4info_id: 0,
            size,
            fields,
        });
        self.info.value_sets.push(ValueSetInfo {
            id,
            name,
            annotations: decl.annotations.clone(),
            ty: resolved,
            size,
            span: decl.name.span,
        });
        Ok(Entity::ValueSet(id))
    }

    /// Storage for a whole parser or control that nothing applies, so that it is checked, too.
    pub(crate) fn dummy_param(&mut self, param: &crate::ast::Param) -> Elab<Entity> {
        let ty = self.resolve(&param.ty)?;
        if let Type::Object(decl, _) = &ty {
            let kind = match &*decl.name.text {
                "packet_in" => InstanceKind::PacketIn,
                "packet_out" => InstanceKind::PacketOut,
                _ => return Err(Reported),
            };
            let name = param.name.text.to_string();
            return Ok(Entity::Instance(Rc::new(Instance {
                name,
                kind,
                span: param.name.span,
            })));
        }
        let place = self.allocate(param.name.span, &param.name.text, &ty)?;
        let writable = matches!(param.direction, Direction::Out | Direction::InOut);
        Ok(Entity::Place {
            ty,
            place,
            writable,
        })
    }
}

/// The types of the fields of a struct, and of the structs inside of it.
fn flatten(ty: &Type, list: &mut Vec<Type>) {
    match ty {
        Type::Struct(of) => of.fields.iter().for_each(|field| flatten(&field.ty, list)),
        _ => list.push(ty.clone()),
    }
}
