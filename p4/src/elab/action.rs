// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Actions: called directly, or lowered once for the tables that run them.

use std::rc::Rc;

use crate::{
    ast::{Annotations, Arg, DeclKind, Direction, Expr},
    ir::{self, ActionId, SlotKind},
    source::Span,
};

use super::{
    Action, Elab, Elaborator, Entity, Frame, FrameKind, Reported, Scope, args::Passing,
    info::ActionInfo, place::Place, types::Type, value::Typed,
};

impl Elaborator<'_> {
    /// A direct call: all parameters are given.
    pub(crate) fn action_call(
        &mut self,
        span: Span,
        action: &Rc<Action>,
        args: &[Arg],
    ) -> Elab<Typed> {
        let DeclKind::Action { params, body } = &action.decl.kind else {
            return Err(Reported);
        };
        self.visited.insert(action.decl.id);
        let args = self.match_args(params, args, span)?;
        let types = self.within(action.env.clone(), |this| this.resolve_params(params))?;
        let bound = self.bind(params, &types, &args, Passing::Copied)?;
        let inside =
            |frame: &Frame| matches!(frame.kind, FrameKind::Action | FrameKind::TableAction);
        if !self.frames.iter().any(inside) {
            self.note_action(action, Vec::new());
        }
        let mut env = action.env.clone();
        env.push(Rc::new(bound.scope));
        self.inline(
            span,
            body,
            env,
            Type::Void,
            bound.copy_out,
            FrameKind::Action,
        )
    }

    /// Remembers an action for P4Info. One of the top level counts as the first of the control that uses it.
    fn note_action(&mut self, action: &Action, params: Vec<(Rc<str>, Type, Annotations)>) {
        let mut order = action.order.clone();
        if action.env.is_empty() {
            let control = self.owner.order.first().copied().unwrap_or(0);
            let count = u32::try_from(self.info.actions.len()).unwrap_or(u32::MAX);
            order = vec![control, 0, count];
        }
        self.info.add_action(ActionInfo {
            name: action.name.clone(),
            order,
            annotations: action.decl.annotations.clone(),
            params,
            span: action.decl.name.span,
        });
    }

    /// An action in the list of a table. `bound` are the arguments that the list gives for
    /// parameters with a direction; `table` tells such variants apart.
    pub(crate) fn table_action(
        &mut self,
        span: Span,
        action: &Rc<Action>,
        bound: &[Arg],
        table: &str,
    ) -> Elab<ActionId> {
        let DeclKind::Action { params, body } = &action.decl.kind else {
            return Err(Reported);
        };
        self.visited.insert(action.decl.id);
        let key = if bound.is_empty() {
            action.name.clone()
        } else {
            format!("{} in {table}", action.name)
        };
        if let Some(id) = self.lowered_actions.get(&key) {
            return Ok(*id);
        }
        let directed = params
            .iter()
            .filter(|param| param.direction != Direction::None)
            .count();
        if bound.len() != directed {
            let message = format!(
                "action `{}` has {directed} parameters with a direction, but {} arguments are given",
                action.decl.name.text,
                bound.len()
            );
            return Err(self.error(span, message));
        }
        let types = self.within(action.env.clone(), |this| this.resolve_params(params))?;
        let mut scope = Scope::new();
        let (mut list, mut infos) = (Vec::new(), Vec::new());
        for (param, ty) in params
            .iter()
            .zip(&types)
            .filter(|(param, _)| param.direction == Direction::None)
        {
            let name = format!("{}.{}", action.name, param.name.text);
            let kind = std::mem::replace(&mut self.slot_kind, SlotKind::ActionParam);
            let place = self.allocate(param.name.span, &name, ty);
            self.slot_kind = kind;
            let place = place?;
            let Place::Slot(slot) = place else {
                return Err(self.error(
                    param.ty.span,
                    format!("the control plane cannot give a parameter of type {ty}"),
                ));
            };
            list.push(ir::ActionParam {
                name: param.name.text.to_string(),
                slot,
            });
            infos.push((
                param.name.text.clone(),
                ty.clone(),
                param.annotations.clone(),
            ));
            scope.insert(
                param.name.text.clone(),
                Entity::Place {
                    ty: ty.clone(),
                    place,
                    writable: false,
                },
            );
        }
        let label = self.new_label();
        let outer_frames = std::mem::take(&mut self.frames);
        let (result, stmts) = self.collect(|this| {
            this.action_body(span, action, (params, &types), bound, scope, label, body)
        });
        self.frames = outer_frames;
        result?;
        let id = ActionId(u32::try_from(self.actions.len()).unwrap_or(u32::MAX));
        self.actions.push(ir::Action {
            name: action.name.clone(),
            p4info_id: 0,
            params: list,
            body: stmts,
            span: action.decl.span,
        });
        self.lowered_actions.insert(key, id);
        self.note_action(action, infos);
        Ok(id)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one action, used once"
    )]
    fn action_body(
        &mut self,
        span: Span,
        action: &Rc<Action>,
        (params, types): (&[crate::ast::Param], &[Type]),
        bound: &[Arg],
        mut scope: Scope,
        label: ir::Label,
        body: &crate::ast::Block,
    ) -> Elab<()> {
        let directed: Vec<_> = params
            .iter()
            .filter(|param| param.direction != Direction::None)
            .cloned()
            .collect();
        let directed_types: Vec<_> = params
            .iter()
            .zip(types)
            .filter(|(param, _)| param.direction != Direction::None)
            .map(|(_, ty)| ty.clone())
            .collect();
        let args: Vec<Option<&Expr>> = bound.iter().map(|arg| Some(&arg.value)).collect();
        let bound = self.bind(&directed, &directed_types, &args, Passing::Copied)?;
        scope.extend(bound.scope);
        let mut env = action.env.clone();
        env.push(Rc::new(scope));
        let copy_out = bound.copy_out;
        let frame = Frame {
            label,
            result: None,
            copy_out: copy_out.clone(),
            loops: Vec::new(),
            kind: FrameKind::TableAction,
        };
        let ((), stmts) = self.collect(|this| {
            let _ = this.framed(span, frame, |this| {
                this.within(env, |this| this.block_stmts(body));
                Ok(())
            });
        });
        let stmts = super::stmt::finish_scope(label, stmts, span);
        self.block.extend(stmts);
        self.copy_out(&copy_out);
        Ok(())
    }
}
