// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Builds P4Info from what elaboration has met: ids, aliases, and the types that the control plane sees.

mod ids;
mod objects;
mod typespec;

use std::{collections::BTreeMap, rc::Rc};

use crate::{
    ast::{Annotation, Annotations, Expr, ExprKind},
    ir::{MatchKind, SlotId, TableId, ValueSetId},
    lexer::{Kind, Token},
    p4info::Documentation,
    source::{SourceMap, Span},
};

use super::{TableDecl, types::Type};

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

/// The number in an `@id(...)` annotation.
fn id_annotation(annotations: &[Annotation]) -> Option<u32> {
    let one = annotations.iter().find(|one| &*one.name.text == "id")?;
    let [token] = &one.body[..] else { return None };
    crate::number::parse(&token.text)
        .ok()?
        .value
        .try_into()
        .ok()
}

/// Annotations that have no meaning of their own in P4Info, as text.
fn annotation_texts(annotations: &[Annotation]) -> Vec<String> {
    let own = [
        "name",
        "id",
        "brief",
        "description",
        "pkginfo",
        "platform_property",
        "match",
    ];
    annotations
        .iter()
        .filter(|one| !own.contains(&&*one.name.text) && !one.structured)
        .map(|one| {
            let body: String = one
                .body
                .iter()
                .enumerate()
                .map(|(index, token)| token_text(index, token))
                .collect();
            if one.has_body {
                format!("@{}({body})", one.name.text)
            } else {
                format!("@{}", one.name.text)
            }
        })
        .collect()
}

fn token_text(index: usize, token: &Token) -> String {
    let space = if index > 0 && token.spaced { " " } else { "" };
    match token.kind {
        Kind::Str => format!("{space}\"{}\"", token.text),
        _ => format!("{space}{}", token.text),
    }
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

/// Name of a key for the control plane; complex keys have none.
pub(crate) fn key_name(expr: &Expr, sources: &SourceMap) -> Option<String> {
    let number = |expr: &Expr| match &expr.kind {
        ExprKind::Int { value, .. } => Some(value.to_string()),
        _ => key_name(expr, sources),
    };
    Some(match &expr.kind {
        ExprKind::Name {
            name,
            global: false,
        } => name.text.to_string(),
        ExprKind::Name { name, global: true } => format!(".{}", name.text),
        ExprKind::Member(base, name) => format!("{}.{}", key_name(base, sources)?, name.text),
        ExprKind::Index(base, index) => format!("{}[{}]", key_name(base, sources)?, number(index)?),
        ExprKind::Slice(base, high, low) => {
            format!(
                "{}[{}:{}]",
                key_name(base, sources)?,
                number(high)?,
                number(low)?
            )
        }
        ExprKind::Binary(crate::ast::Binary::BitAnd, left, right) => {
            format!(
                "{} & {}",
                key_name(left, sources)?,
                sources.text(right.span)
            )
        }
        ExprKind::Call { callee, args, .. } if args.is_empty() => match &callee.kind {
            ExprKind::Member(base, method) if &*method.text == "isValid" => {
                format!("{}.$valid$", key_name(base, sources)?)
            }
            _ => return None,
        },
        _ => return None,
    })
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
