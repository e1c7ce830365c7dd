// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Builds P4Info from what elaboration has met: ids, aliases, and the types that the control plane sees.

mod annotations;
mod ids;
mod objects;
mod typespec;

use std::{collections::BTreeMap, rc::Rc};

use crate::{
    ast::{Annotation, Annotations, Expr, ExprKind, Name},
    ir::{MatchKind, SlotId, TableId, ValueSetId},
    lexer::Kind,
    p4info::Documentation,
    source::Span,
};

use super::{Elaborator, TableDecl, types::Type};

/// What elaboration collects for P4Info.
#[derive(Default)]
pub(crate) struct Info {
    pub(crate) tables: Vec<TableInfo>,
    pub(crate) actions: Vec<ActionInfo>,
    pub(crate) externs: BTreeMap<String, ExternInfo>,
    pub(crate) digests: Vec<DigestInfo>,
    pub(crate) value_sets: Vec<ValueSetInfo>,
    /// A control calls an extern function; p4c then writes type information even if there is none.
    pub(crate) calls_externs: bool,
}

impl Info {
    /// Adds an action, or the parameters of one that has been called before a table has listed it.
    pub(crate) fn add_action(&mut self, action: ActionInfo) {
        match self
            .actions
            .iter_mut()
            .find(|known| known.name == action.name)
        {
            Some(known) if known.params.is_empty() => known.params = action.params,
            Some(_) => {}
            None => self.actions.push(action),
        }
    }
}

pub(crate) struct TableInfo {
    pub(crate) id: TableId,
    pub(crate) order: Vec<u32>,
    pub(crate) annotations: Annotations,
    pub(crate) span: Span,
    pub(crate) keys: Vec<KeyInfo>,
    /// Slots of keys that have to be computed before each application.
    pub(crate) key_slots: Vec<SlotId>,
    pub(crate) action_names: Vec<Rc<str>>,
    pub(crate) action_annotations: Vec<Annotations>,
}

impl TableInfo {
    pub(crate) fn new(id: TableId, table: &TableDecl, order: Vec<u32>) -> Self {
        Self {
            id,
            order,
            annotations: table.decl.annotations.clone(),
            span: table.decl.name.span,
            keys: Vec::new(),
            key_slots: Vec::new(),
            action_names: Vec::new(),
            action_annotations: Vec::new(),
        }
    }
}

pub(crate) struct KeyInfo {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) match_kind: MatchKind,
    pub(crate) annotations: Annotations,
}

pub(crate) struct ActionInfo {
    pub(crate) name: String,
    pub(crate) order: Vec<u32>,
    pub(crate) annotations: Annotations,
    pub(crate) params: Vec<(Rc<str>, Type, Annotations)>,
    pub(crate) span: Span,
}

pub(crate) struct ExternInfo {
    pub(crate) name: String,
    pub(crate) order: Vec<u32>,
    pub(crate) annotations: Annotations,
    pub(crate) types: Vec<Type>,
    pub(crate) span: Span,
}

pub(crate) struct DigestInfo {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) span: Span,
}

pub(crate) struct ValueSetInfo {
    pub(crate) id: ValueSetId,
    pub(crate) name: String,
    pub(crate) annotations: Annotations,
    pub(crate) ty: Type,
    pub(crate) size: u64,
    pub(crate) span: Span,
}

/// The text of the first annotation of a name that has one string.
pub(crate) fn string_annotation(annotations: &[Annotation], name: &str) -> Option<String> {
    annotations
        .iter()
        .find(|one| &*one.name.text == name)
        .and_then(|one| match &one.body[..] {
            [token] if token.kind == Kind::Str => Some(token.text.to_string()),
            _ => None,
        })
}

/// The name in a `@name("...")` annotation.
pub(crate) fn name_annotation(annotations: &[Annotation]) -> Option<String> {
    string_annotation(annotations, "name")
}

pub(crate) fn has_annotation(annotations: &[Annotation], name: &str) -> bool {
    annotations.iter().any(|one| &*one.name.text == name)
}

/// The number in an annotation of a name.
fn number_annotation(annotations: &[Annotation], name: &str) -> Option<u32> {
    let one = annotations.iter().find(|one| &*one.name.text == name)?;
    let [token] = &one.body[..] else { return None };
    crate::number::parse(&token.text)
        .ok()?
        .value
        .try_into()
        .ok()
}

/// The number in an `@id(...)` annotation.
fn id_annotation(annotations: &[Annotation]) -> Option<u32> {
    number_annotation(annotations, "id")
}

fn documentation(annotations: &[Annotation]) -> Option<Documentation> {
    let brief = string_annotation(annotations, "brief");
    let description = string_annotation(annotations, "description");
    if brief.is_none() && description.is_none() {
        return None;
    }
    Some(Documentation {
        brief: brief.unwrap_or_default(),
        description: description.unwrap_or_default(),
    })
}

impl Elaborator<'_> {
    /// Name of a key for the control plane; complex keys have none.
    pub(super) fn key_name(&mut self, expr: &Expr) -> Option<String> {
        Some(match &expr.kind {
            ExprKind::Int { .. } => self.literal(expr),
            ExprKind::Name { name, global } => {
                let dot = if *global { "." } else { "" };
                format!("{dot}{}", name.text)
            }
            ExprKind::Member(base, name) => {
                let whole = self.key_name(base)?;
                match self.field_name(base, name) {
                    Some(own) => match own.strip_prefix('.') {
                        Some(global) => global.to_owned(),
                        None => format!("{whole}.{own}"),
                    },
                    None => format!("{whole}.{}", name.text),
                }
            }
            ExprKind::Index(base, index) => {
                format!("{}[{}]", self.key_name(base)?, self.key_number(index)?)
            }
            ExprKind::Slice(base, high, low) => {
                let (high, low) = (self.key_number(high)?, self.key_number(low)?);
                format!("{}[{high}:{low}]", self.key_name(base)?)
            }
            ExprKind::Binary(crate::ast::Binary::BitAnd, left, right) => {
                format!("{} & {}", self.key_name(left)?, self.literal(right))
            }
            ExprKind::Call { callee, args, .. } if args.is_empty() => match &callee.kind {
                ExprKind::Member(base, method) if &*method.text == "isValid" => {
                    format!("{}.$valid$", self.key_name(base)?)
                }
                _ => return None,
            },
            _ => return None,
        })
    }

    /// The name that a field has by annotation.
    fn field_name(&mut self, base: &Expr, name: &Name) -> Option<String> {
        let (typed, _) = self.collect(|this| this.expr(base));
        let Type::Struct(of) = typed.ok()?.ty else {
            return None;
        };
        let field = of.fields.iter().find(|field| field.name == name.text)?;
        name_annotation(&field.annotations)
    }

    fn key_number(&mut self, expr: &Expr) -> Option<String> {
        match &expr.kind {
            ExprKind::Int { value, .. } => Some(value.to_string()),
            _ => self.key_name(expr),
        }
    }

    /// A number as it is written, without leading zeros.
    fn literal(&self, expr: &Expr) -> String {
        let text = self.diagnostics.sources.text(expr.span);
        match text.find(['x', 'X']) {
            Some(at) => {
                let (base, digits) = text.split_at(at + 1);
                format!("{base}{}", digits.trim_start_matches('0'))
            }
            None => text.to_owned(),
        }
    }
}

/// Ids of fields of one object: those that are given, and the others counted from 1.
fn field_ids(annotations: &[&Annotations]) -> Vec<u32> {
    let given: Vec<Option<u32>> = annotations.iter().map(|list| id_annotation(list)).collect();
    let mut used: std::collections::BTreeSet<u32> = given.iter().flatten().copied().collect();
    let mut next = 1;
    given
        .iter()
        .map(|given| {
            if let Some(id) = given {
                next += 1;
                return *id;
            }
            while used.contains(&next) {
                next += 1;
            }
            used.insert(next);
            next
        })
        .collect()
}
