// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Elaboration: resolves names, checks types, evaluates what is constant, and lowers to the IR.
//!
//! One walk does all of it, because P4 has no recursion and every generic is instantiated with concrete types:
//! starting at `main`, each parser, control, action and function is entered with its parameters bound to
//! storage or values. What `main` does not reach is walked with parameters of its own, for its diagnostics only.

#![allow(
    clippy::similar_names,
    clippy::many_single_char_names,
    clippy::needless_pass_by_value,
    reason = "operands come in pairs with their types, and evaluated values are handed over"
)]

mod action;
mod args;
mod call;
mod control;
mod decl;
mod expr;
mod externs;
mod header;
mod infer;
mod info;
mod ops;
mod package;
mod packet;
mod parser;
mod place;
mod resolve;
mod stmt;
mod table;
pub(crate) mod types;
mod value;
mod varbit;

use std::{collections::HashMap, rc::Rc};

use crate::{
    ast::{Annotations, Decl, DeclId, Name, Param},
    check::Values,
    diagnostic::{Diagnostic, Diagnostics},
    ir::{self, Label, SlotId, SlotKind, StmtKind, Target},
    parser::Ast,
    source::Span,
};

use self::{info::Info, place::Place, types::Type, value::Typed};

/// Calls of functions, actions, sub-parsers and sub-controls may be nested so deeply.
const MAX_CALLS: usize = 64;

/// Most statements of a program after inlining.
const MAX_STMTS: usize = 300_000;

/// Widest value in bits.
pub(crate) const MAX_WIDTH: u32 = 2048;

/// An error that has been reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported;

pub(crate) type Elab<T> = Result<T, Reported>;

/// What a name stands for.
#[derive(Clone)]
pub(crate) enum Entity {
    Type(TypeDef),
    /// A constant, or a parameter that is bound to a value.
    Value(Typed),
    /// A variable or a parameter that is bound to storage.
    Place {
        ty: Type,
        place: Place,
        writable: bool,
    },
    Action(Rc<Action>),
    /// Functions and extern functions of one name.
    Functions(Rc<Vec<Rc<Decl>>>),
    Instance(Rc<Instance>),
    Table(Rc<TableDecl>),
    ValueSet(ir::ValueSetId),
    /// Its declaration has been reported.
    Broken,
}

#[derive(Clone)]
pub(crate) enum TypeDef {
    Known(Type),
    /// A struct, header, union or object with type parameters.
    Generic(Rc<Decl>),
}

/// Names of one block.
pub(crate) type Scope = HashMap<Rc<str>, Entity>;

/// Scopes around a place in the program, without the global one.
pub(crate) type Env = Vec<Rc<Scope>>;

/// An action and the names it sees.
pub(crate) struct Action {
    pub(crate) decl: Rc<Decl>,
    pub(crate) env: Env,
    /// Fully qualified.
    pub(crate) name: String,
    pub(crate) order: Vec<u32>,
}

/// A table and the names it sees.
pub(crate) struct TableDecl {
    pub(crate) decl: Rc<Decl>,
    pub(crate) env: Env,
    pub(crate) name: String,
    pub(crate) owner: Rc<Owner>,
}

/// The instance that a declaration belongs to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owner {
    /// Fully qualified name; empty at the top level.
    pub(crate) name: String,
    /// Declarations on the way, for an order that follows the source.
    pub(crate) order: Vec<u32>,
    /// Whether it is applied at several places.
    pub(crate) multiple: bool,
    /// Whether it is a parser.
    pub(crate) in_parser: bool,
}

/// An instance of an extern, a parser or a control.
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) kind: InstanceKind,
    pub(crate) span: Span,
}

pub(crate) enum InstanceKind {
    PacketIn,
    PacketOut,
    Counter(ir::CounterId),
    DirectCounter(ir::CounterId),
    Meter(ir::MeterId),
    DirectMeter(ir::MeterId),
    Register(ir::RegisterId, Type),
    ActionProfile(ir::ActionProfileId),
    /// A parser or a control, and what its constructor parameters are bound to.
    Block {
        decl: Rc<Decl>,
        type_args: Rc<[Type]>,
        ctor: Scope,
        owner: Rc<Owner>,
    },
    /// A package.
    Package {
        decl: Rc<Decl>,
        args: Vec<Option<Rc<Instance>>>,
        annotations: Annotations,
    },
    /// An extern that v1model does not have.
    Other,
}

/// A call that is being inlined.
pub(crate) struct Frame {
    /// Label that `return` leaves, and where its value goes.
    pub(crate) label: Label,
    pub(crate) result: Option<(Type, Place)>,
    /// What to write back when the call ends: destination, type, source.
    pub(crate) copy_out: Vec<(Place, Type, Place)>,
    /// `break` and `continue` of the loops inside of the call.
    pub(crate) loops: Vec<(Label, Label)>,
    /// Whether it is a function, whose `return` has a value.
    pub(crate) kind: FrameKind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FrameKind {
    Function,
    Action,
    Control,
    Parser,
    TableAction,
}

/// The block of the pipeline that is being lowered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    Parser,
    Control,
    Deparser,
}

/// States of the parser whose states are being lowered.
pub(crate) struct ParserFrame {
    pub(crate) states: HashMap<Rc<str>, ir::StateId>,
    pub(crate) accept: Target,
}

pub(crate) struct Elaborator<'a> {
    pub(crate) diagnostics: &'a mut Diagnostics,
    values: &'a Values,
    globals: Scope,
    env: Env,
    errors: Vec<Rc<str>>,
    match_kinds: Vec<Rc<str>>,
    main: Option<Rc<Instance>>,
    // Output.
    slots: Vec<ir::Slot>,
    headers: Vec<ir::Header>,
    /// Fields of each header instance, as storage.
    header_fields: Vec<Rc<Vec<Place>>>,
    stacks: Vec<ir::Stack>,
    tables: Vec<ir::Table>,
    actions: Vec<ir::Action>,
    counters: Vec<ir::Counter>,
    meters: Vec<ir::Meter>,
    registers: Vec<ir::Register>,
    action_profiles: Vec<ir::ActionProfile>,
    digests: Vec<ir::Digest>,
    value_sets: Vec<ir::ValueSet>,
    states: Vec<ir::State>,
    standard: Vec<SlotId>,
    field_lists: std::collections::BTreeMap<u8, Vec<SlotId>>,
    info: Info,
    // Where we are.
    block: Vec<ir::Stmt>,
    span: Span,
    stage: Stage,
    slot_kind: SlotKind,
    frames: Vec<Frame>,
    /// Set by actions that exit a control that is applied at several places.
    exit_flag: Option<SlotId>,
    /// Functions whose bodies are being inlined.
    calling: Vec<DeclId>,
    parser_frames: Vec<ParserFrame>,
    state: ir::StateId,
    /// Depth of `if`, `switch` and loops inside of a parser state.
    nesting: usize,
    owner: Rc<Owner>,
    next_label: u32,
    next_var: u32,
    bindings: HashMap<u32, Type>,
    stmt_count: usize,
    // Caches.
    lowered_tables: HashMap<String, ir::TableId>,
    lowered_actions: HashMap<String, ir::ActionId>,
    instances: HashMap<(String, DeclId), Rc<Instance>>,
    controls: HashMap<String, control::Applied>,
    visited: std::collections::HashSet<DeclId>,
}

impl<'a> Elaborator<'a> {
    pub(crate) fn new(diagnostics: &'a mut Diagnostics, values: &'a Values) -> Self {
        Self {
            diagnostics,
            values,
            globals: Scope::new(),
            env: Env::new(),
            errors: Vec::new(),
            match_kinds: Vec::new(),
            main: None,
            slots: Vec::new(),
            headers: Vec::new(),
            header_fields: Vec::new(),
            stacks: Vec::new(),
            tables: Vec::new(),
            actions: Vec::new(),
            counters: Vec::new(),
            meters: Vec::new(),
            registers: Vec::new(),
            action_profiles: Vec::new(),
            digests: Vec::new(),
            value_sets: Vec::new(),
            states: Vec::new(),
            standard: Vec::new(),
            field_lists: std::collections::BTreeMap::new(),
            info: Info::default(),
            block: Vec::new(),
            span: Span::default(),
            stage: Stage::Control,
            slot_kind: SlotKind::Local,
            frames: Vec::new(),
            exit_flag: None,
            calling: Vec::new(),
            parser_frames: Vec::new(),
            state: ir::StateId(0),
            nesting: 0,
            owner: Rc::default(),
            next_label: 0,
            next_var: 0,
            bindings: HashMap::new(),
            stmt_count: 0,
            lowered_tables: HashMap::new(),
            lowered_actions: HashMap::new(),
            instances: HashMap::new(),
            controls: HashMap::new(),
            visited: std::collections::HashSet::new(),
        }
    }

    /// Checks a whole program; gives the IR if nothing is wrong with it, and none without a `main`.
    pub(crate) fn program(mut self, ast: &Ast) -> Elab<Option<ir::Program>> {
        for decl in &ast.decls {
            self.global(decl);
        }
        let main = self.main.clone();
        let program = main.map(|main| self.package(&main)).transpose();
        self.check_unreached(ast);
        if self.diagnostics.has_errors() {
            return Err(Reported);
        }
        program
    }

    // Messages.

    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) -> Reported {
        self.report(Diagnostic::error(span, message))
    }

    pub(crate) fn report(&mut self, diagnostic: Diagnostic) -> Reported {
        self.diagnostics.push(diagnostic);
        Reported
    }

    pub(crate) fn unsupported(&mut self, span: Span, what: &str) -> Reported {
        self.error(span, format!("{what} is not supported yet"))
    }

    // Names.

    fn lookup(&self, name: &str) -> Option<&Entity> {
        self.env
            .iter()
            .rev()
            .find_map(|scope| scope.get(name))
            .or_else(|| self.globals.get(name))
    }

    /// Declares a name in the innermost scope.
    fn declare(&mut self, name: &Name, entity: Entity) {
        match self.env.last_mut() {
            Some(scope) => Rc::make_mut(scope).insert(name.text.clone(), entity),
            None => self.globals.insert(name.text.clone(), entity),
        };
    }

    fn scoped<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> T {
        self.env.push(Rc::default());
        let result = part(self);
        self.env.pop();
        result
    }

    /// Runs a part with other names in scope.
    fn within<T>(&mut self, env: Env, part: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.env, env);
        let result = part(self);
        self.env = outer;
        result
    }

    // Statements.

    fn emit(&mut self, kind: StmtKind) {
        self.stmt_count += 1;
        if self.stmt_count > MAX_STMTS {
            if self.stmt_count == MAX_STMTS + 1 {
                let _ = self.error(self.span, "program is too large after inlining");
            }
            return;
        }
        self.block.push(ir::Stmt {
            kind,
            span: self.span,
        });
    }

    /// Whether the program has become too large to go on.
    fn is_full(&self) -> bool {
        self.stmt_count > MAX_STMTS
    }

    /// Collects the statements that a part emits.
    fn collect<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> (T, Vec<ir::Stmt>) {
        let outer = std::mem::take(&mut self.block);
        let result = part(self);
        let inner = std::mem::replace(&mut self.block, outer);
        (result, inner)
    }

    fn new_label(&mut self) -> Label {
        self.next_label += 1;
        Label(self.next_label - 1)
    }

    /// Runs a part as the body of a call.
    fn framed<T>(
        &mut self,
        span: Span,
        frame: Frame,
        part: impl FnOnce(&mut Self) -> Elab<T>,
    ) -> Elab<T> {
        if self.frames.len() >= MAX_CALLS || self.is_full() {
            return Err(self.error(span, "calls are nested too deeply"));
        }
        self.frames.push(frame);
        let result = part(self);
        self.frames.pop();
        result
    }

    /// Name of something that belongs to the current instance.
    fn qualified(&self, name: &Name, annotations: &Annotations) -> String {
        let own = info::name_annotation(annotations).unwrap_or_else(|| name.text.to_string());
        match own.strip_prefix('.') {
            Some(global) => global.to_owned(),
            None if self.owner.name.is_empty() => own,
            None => format!("{}.{own}", self.owner.name),
        }
    }

    fn order_of(&self, id: DeclId) -> Vec<u32> {
        let mut order = self.owner.order.clone();
        order.push(id.0);
        order
    }
}

/// Parameters of a declaration that has some.
pub(crate) fn params_of(decl: &Decl) -> &[Param] {
    use crate::ast::DeclKind;
    match &decl.kind {
        DeclKind::Action { params, .. } | DeclKind::Package { params, .. } => params,
        DeclKind::Function { signature, .. } | DeclKind::ExternFunction(signature) => {
            &signature.params
        }
        DeclKind::Parser(parser) => &parser.params,
        DeclKind::Control(control) => &control.params,
        _ => &[],
    }
}
