// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The type checker: names, types, what is known at compile time, and what may be used where.
//!
//! Each declaration is looked at once, in the order of the source, and whatever the architecture is: type parameters stay
//! parameters, externs are what their declarations say. So everything is checked, reached from `main` or not. Lowering
//! ([`crate::elab`]) comes after it, and for v1model only.

#![allow(
    clippy::many_single_char_names,
    clippy::match_same_arms,
    clippy::needless_pass_by_value,
    clippy::similar_names,
    clippy::unnecessary_wraps,
    reason = "types come in pairs, and each rule has an arm of its own"
)]

mod call;
mod constant;
mod decl;
mod expr;
mod infer;
mod instance;
mod method;
mod object;
mod ops;
mod resolve;
mod rules;
mod scope;
mod select;
mod stmt;
mod table;
mod ty;

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use crate::{
    ast::{DeclId, Direction, ExprId},
    diagnostic::{Diagnostic, Diagnostics, Severity},
    parser::Ast,
    source::Span,
};

pub(crate) use self::constant::Const;

use self::{
    scope::{Entity, Scope},
    ty::{Sig, Ty},
};

/// Widest value in bits.
const MAX_WIDTH: u32 = crate::elab::MAX_WIDTH;

/// A fault that has been reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported;

type Check<T> = Result<T, Reported>;

/// Values that later stages ask for: those in structured annotations, and those of conditions that are always the
/// same. What each instance of a block has of its own is not known.
pub(crate) type Values = HashMap<ExprId, Const>;

/// What an expression is.
#[derive(Clone, Debug)]
struct Ex {
    ty: Ty,
    /// Its value, if that is known.
    value: Option<Const>,
    /// Whether it is known at compile time; a constructor's parameter is, without a value here.
    fixed: bool,
    storage: Storage,
}

/// Whether an expression denotes storage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Storage {
    No,
    ReadOnly,
    Writable,
}

/// The kind of body around a place in the program.
#[derive(Clone, Debug, PartialEq)]
enum Within {
    Top,
    Parser,
    ParserState,
    Control,
    Apply,
    Action,
    Function,
    /// The body of an abstract method.
    Method,
    /// The key, actions and entries of a table.
    Table,
}

/// What `return` gives back in the current body.
#[derive(Clone, Debug)]
struct Body {
    within: Within,
    ret: Ty,
    loops: usize,
}

pub(crate) struct Checker<'a> {
    diagnostics: &'a mut Diagnostics,
    scopes: Vec<Scope>,
    body: Body,
    /// What is known of inferred types, by number.
    inferred: Vec<Option<Ty>>,
    /// Inferred types that have met an `int` only.
    weak: HashSet<u32>,
    errors: Vec<Rc<str>>,
    match_kinds: Vec<Rc<str>>,
    next_param: u32,
    /// What `_` stands for in the signature that is being declared.
    wild: Option<Vec<u32>>,
    /// Names that the control plane sees in the current block, with their kind.
    control_names: HashMap<(String, bool), Span>,
    /// The same for names that begin with a dot, which are known everywhere.
    global_names: HashMap<(String, bool), Span>,
    /// Packages, parsers and controls whose bodies are being checked.
    open: Vec<DeclId>,
    /// The type whose abstract method is being defined.
    this: Option<Ty>,
    /// The function whose body is being checked.
    function: Option<Rc<str>>,
    main: Option<Span>,
    /// Calls of actions whose arguments are being checked.
    action_args: usize,
    /// Blocks and packages that share the name of the first one, and differ in their constructors.
    overloads: HashMap<DeclId, Vec<Rc<ty::ObjectTy>>>,
    values: Values,
}

/// Checks a program; gives what later stages ask for.
pub(crate) fn check(ast: &Ast, diagnostics: &mut Diagnostics) -> Values {
    let mut checker = Checker {
        diagnostics,
        scopes: vec![Scope::default()],
        body: Body {
            within: Within::Top,
            ret: Ty::Void,
            loops: 0,
        },
        inferred: Vec::new(),
        weak: HashSet::new(),
        errors: Vec::new(),
        match_kinds: Vec::new(),
        next_param: 0,
        wild: None,
        control_names: HashMap::new(),
        global_names: HashMap::new(),
        open: Vec::new(),
        this: None,
        function: None,
        main: None,
        action_args: 0,
        overloads: HashMap::new(),
        values: Values::new(),
    };
    for decl in &ast.decls {
        checker.top(decl);
    }
    checker.values
}

impl Checker<'_> {
    fn error(&mut self, span: Span, message: impl Into<String>) -> Reported {
        self.report(Diagnostic::error(span, message))
    }

    fn report(&mut self, diagnostic: Diagnostic) -> Reported {
        self.diagnostics.push(diagnostic);
        Reported
    }

    fn warn(&mut self, span: Span, message: impl Into<String>) {
        let mut warning = Diagnostic::error(span, message);
        warning.severity = Severity::Warning;
        self.diagnostics.push(warning);
    }

    /// Runs a part as another kind of body.
    fn inside<T>(&mut self, within: Within, ret: Ty, part: impl FnOnce(&mut Self) -> T) -> T {
        let body = Body {
            within,
            ret,
            loops: 0,
        };
        let outer = std::mem::replace(&mut self.body, body);
        let result = part(self);
        self.body = outer;
        result
    }

    /// Whether the place is in a parser, at any depth.
    fn in_parser(&self) -> bool {
        matches!(self.body.within, Within::Parser | Within::ParserState)
    }
}

impl Ex {
    fn new(ty: Ty) -> Self {
        Self {
            ty,
            value: None,
            fixed: false,
            storage: Storage::No,
        }
    }

    fn fixed(ty: Ty) -> Self {
        Self {
            fixed: true,
            ..Self::new(ty)
        }
    }

    fn known(ty: Ty, value: Const) -> Self {
        Self {
            value: Some(value),
            ..Self::fixed(ty)
        }
    }

    fn stored(ty: Ty, writable: bool) -> Self {
        Self {
            storage: if writable {
                Storage::Writable
            } else {
                Storage::ReadOnly
            },
            ..Self::new(ty)
        }
    }
}

/// Whether a parameter of that direction can be written.
fn writable(direction: Direction) -> bool {
    matches!(direction, Direction::Out | Direction::InOut)
}

/// Whether two signatures can be told apart by a call.
fn distinct(a: &Sig, b: &Sig) -> bool {
    let names = |sig: &Sig| -> Vec<Rc<str>> {
        let mut names: Vec<_> = sig.params.iter().map(|param| param.name.clone()).collect();
        names.sort();
        names
    };
    a.params.len() != b.params.len() || names(a) != names(b)
}

/// Entities that a declaration makes.
type Made = Check<Option<Entity>>;
