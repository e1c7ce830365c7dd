// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names: what they stand for, and where they are seen.

use std::{collections::HashMap, rc::Rc};

use crate::{
    ast::{DeclId, Name},
    diagnostic::Diagnostic,
    source::Span,
};

use super::{
    Check, Checker, Reported,
    constant::Const,
    ty::{ObjectTy, Sig, StructTy, Ty},
};

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Entity {
    Type(Ty),
    Struct(Rc<StructTy>),
    Object(Rc<ObjectTy>),
    /// A constant, or a parameter that is known at compile time.
    Const(Ty, Option<Const>),
    Variable {
        ty: Ty,
        writable: bool,
    },
    Functions(Vec<Rc<Sig>>),
    Action(Rc<ActionEntity>),
    Table(Rc<TableEntity>),
    Instance(Ty),
    ValueSet(Ty),
    State,
    /// Its declaration has been reported.
    Broken,
}

#[derive(Debug)]
pub(super) struct ActionEntity {
    pub(super) sig: Rc<Sig>,
    pub(super) id: DeclId,
}

#[derive(Debug)]
pub(super) struct TableEntity {
    pub(super) actions: Rc<[Rc<str>]>,
}

/// Names of one block, and where each is declared.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) names: HashMap<Rc<str>, (Entity, Span)>,
}

impl Checker<'_> {
    pub(super) fn lookup(&self, name: &str) -> Option<&Entity> {
        let found = self
            .scopes
            .iter()
            .rev()
            .find_map(|scope| scope.names.get(name));
        found.map(|(entity, _)| entity)
    }

    pub(super) fn lookup_global(&self, name: &str) -> Option<&Entity> {
        self.scopes
            .first()?
            .names
            .get(name)
            .map(|(entity, _)| entity)
    }

    /// What a name stands for, or a report.
    pub(super) fn entity(&mut self, name: &Name, global: bool) -> Check<Entity> {
        let found = if global {
            self.lookup_global(&name.text)
        } else {
            self.lookup(&name.text)
        };
        match found.cloned() {
            Some(Entity::Broken) => Err(Reported),
            Some(entity) => Ok(entity),
            None => Err(self.undeclared(name)),
        }
    }

    fn undeclared(&mut self, name: &Name) -> Reported {
        if self.function.as_ref() == Some(&name.text) {
            let message = format!("`{}` calls itself, which P4 does not have", name.text);
            return self.error(name.span, message);
        }
        let mut names: Vec<Rc<str>> = self
            .scopes
            .iter()
            .flat_map(|scope| scope.names.keys().cloned())
            .collect();
        names.sort();
        let close = names
            .into_iter()
            .filter(|other| {
                crate::spelling::distance(other, &name.text) <= 2 && name.text.len() > 2
            })
            .min_by_key(|other| crate::spelling::distance(other, &name.text));
        let mut diagnostic =
            Diagnostic::error(name.span, format!("`{}` is not declared", name.text));
        if let Some(close) = close {
            diagnostic = diagnostic.help(format!("there is a `{close}`"));
        }
        self.report(diagnostic)
    }

    /// Declares a name in the innermost scope; functions of one name may differ in their parameters.
    pub(super) fn declare(&mut self, name: &Name, entity: Entity) {
        self.declare_as(&name.text, name.span, entity);
    }

    pub(super) fn declare_as(&mut self, name: &Rc<str>, span: Span, entity: Entity) {
        let Some(scope) = self.scopes.last_mut() else {
            return;
        };
        match (scope.names.get_mut(name), entity) {
            (Some((Entity::Functions(list), _)), Entity::Functions(more))
                if more
                    .iter()
                    .all(|new| list.iter().all(|old| super::distinct(old, new))) =>
            {
                list.extend(more);
            }
            (Some((Entity::Object(old), _)), Entity::Object(new))
                if old.kind == new.kind
                    && old.constructors.iter().all(|old| {
                        new.constructors.iter().all(|new| super::distinct(old, new))
                    }) =>
            {
                let id = old.id;
                self.overloads.entry(id).or_default().push(new);
            }
            (Some((_, first)), _) => {
                let first = *first;
                self.report(
                    Diagnostic::error(span, format!("`{name}` is declared twice"))
                        .note(first, "first here"),
                );
            }
            (None, entity) => {
                scope.names.insert(name.clone(), (entity, span));
            }
        }
    }

    pub(super) fn scoped<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> T {
        self.scopes.push(Scope::default());
        let result = part(self);
        self.scopes.pop();
        result
    }
}
