// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The syntax tree, close to the grammar of the specification.

use std::rc::Rc;

use num_bigint::BigInt;

use crate::{lexer::Token, source::Span};

/// Number of an expression: key of what the type checker finds out about it.
pub(crate) type ExprId = u32;

/// Number of a declaration that has a name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct DeclId(pub(crate) u32);

/// A name where it is written.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: Rc<str>,
    pub(crate) span: Span,
}

/// An annotation; its body is kept as tokens.
#[derive(Clone, Debug)]
pub(crate) struct Annotation {
    pub(crate) name: Name,
    pub(crate) body: Vec<Token>,
    /// Whether it has a body in parentheses (or square brackets).
    pub(crate) has_body: bool,
    pub(crate) structured: bool,
    /// Values of a structured one, with their keys.
    pub(crate) values: Vec<(Option<Name>, Expr)>,
}

pub(crate) type Annotations = Rc<Vec<Annotation>>;

#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
    pub(crate) id: ExprId,
}

#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    Int {
        value: BigInt,
        width: Option<(u32, bool)>,
    },
    Bool(bool),
    Str(Rc<str>),
    /// A variable, constant, action, ...; `global` has a dot before it.
    Name {
        name: Name,
        global: bool,
    },
    /// A type used as a prefix (`Enum.member`, `Parser.apply`) or in a constructor call.
    Type(TypeExpr),
    Member(Box<Expr>, Name),
    Index(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `x[start +: width]`
    PlusSlice(Box<Expr>, Box<Expr>, Box<Expr>),
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Cast(TypeExpr, Box<Expr>),
    Mux(Box<Expr>, Box<Expr>, Box<Expr>),
    Call {
        callee: Box<Expr>,
        type_args: Vec<TypeExpr>,
        args: Vec<Arg>,
    },
    List(Vec<Expr>),
    Record(Vec<(Name, Expr)>),
    /// `{#}`
    Invalid,
    /// `...`
    Dots,
    /// `default` or `_`
    Any,
    Mask(Box<Expr>, Box<Expr>),
    Range(Box<Expr>, Box<Expr>),
    This,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unary {
    Not,
    Complement,
    Neg,
    Plus,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Binary {
    Add,
    Sub,
    AddSat,
    SubSat,
    Mul,
    Div,
    Mod,
    Shl,
    Shr,
    BitAnd,
    BitOr,
    BitXor,
    Concat,
    And,
    Or,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// An argument; `value` may be [`ExprKind::Any`] for `_`.
#[derive(Clone, Debug)]
pub(crate) struct Arg {
    pub(crate) name: Option<Name>,
    pub(crate) value: Expr,
}

#[derive(Clone, Debug)]
pub(crate) struct TypeExpr {
    pub(crate) kind: TypeKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum TypeKind {
    Bool,
    Error,
    String,
    Void,
    MatchKind,
    /// `int` without width.
    Int,
    Bits {
        width: Box<Expr>,
        signed: bool,
    },
    Varbit(Box<Expr>),
    Name {
        name: Name,
        global: bool,
        args: Vec<TypeExpr>,
    },
    Stack(Box<TypeExpr>, Box<Expr>),
    Tuple(Vec<TypeExpr>),
    List(Box<TypeExpr>),
    /// `_`
    DontCare,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Direction {
    #[default]
    None,
    In,
    Out,
    InOut,
}

#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub(crate) annotations: Annotations,
    pub(crate) direction: Direction,
    pub(crate) ty: TypeExpr,
    pub(crate) name: Name,
    pub(crate) default: Option<Expr>,
}

#[derive(Clone, Debug)]
pub(crate) struct TypeParam {
    pub(crate) name: Name,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) annotations: Annotations,
    pub(crate) ty: TypeExpr,
    pub(crate) name: Name,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Aggregate {
    Struct,
    Header,
    Union,
}

/// A declaration.
#[derive(Clone, Debug)]
pub(crate) struct Decl {
    pub(crate) id: DeclId,
    pub(crate) annotations: Annotations,
    pub(crate) name: Name,
    pub(crate) span: Span,
    pub(crate) kind: DeclKind,
}

#[derive(Clone, Debug)]
pub(crate) enum DeclKind {
    Const {
        ty: TypeExpr,
        value: Expr,
    },
    Variable {
        ty: TypeExpr,
        value: Option<Expr>,
    },
    /// `typedef` or `type`.
    Typedef {
        ty: TypeExpr,
        new: bool,
    },
    Aggregate {
        kind: Aggregate,
        type_params: Vec<TypeParam>,
        fields: Vec<Field>,
    },
    Enum {
        underlying: Option<TypeExpr>,
        members: Vec<(Name, Option<Expr>)>,
    },
    /// `error` and `match_kind` have no name of their own.
    Errors(Vec<Name>),
    MatchKinds(Vec<Name>),
    ExternFunction(Signature),
    ExternObject {
        type_params: Vec<TypeParam>,
        constructors: Vec<Signature>,
        methods: Vec<Signature>,
    },
    Action {
        params: Vec<Param>,
        body: Block,
    },
    Function {
        signature: Signature,
        body: Block,
    },
    /// A parser type or a parser.
    Parser(ParserDecl),
    /// A control type or a control.
    Control(ControlDecl),
    Package {
        type_params: Vec<TypeParam>,
        params: Vec<Param>,
    },
    Instance {
        ty: TypeExpr,
        args: Vec<Arg>,
        /// Definitions of abstract methods.
        init: Option<Rc<Vec<Rc<Decl>>>>,
    },
    ValueSet {
        ty: TypeExpr,
        size: Expr,
    },
    Table(Table),
    State(State),
}

#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(crate) name: Name,
    pub(crate) type_params: Vec<TypeParam>,
    pub(crate) ret: TypeExpr,
    pub(crate) params: Vec<Param>,
    pub(crate) annotations: Annotations,
    /// A method that each instance defines.
    pub(crate) is_abstract: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct ParserDecl {
    pub(crate) type_params: Vec<TypeParam>,
    pub(crate) params: Vec<Param>,
    pub(crate) ctor_params: Vec<Param>,
    /// Nothing for a parser type.
    pub(crate) body: Option<Rc<ParserBody>>,
}

#[derive(Debug)]
pub(crate) struct ParserBody {
    pub(crate) locals: Vec<Rc<Decl>>,
    pub(crate) states: Vec<Rc<Decl>>,
}

#[derive(Clone, Debug)]
pub(crate) struct ControlDecl {
    pub(crate) type_params: Vec<TypeParam>,
    pub(crate) params: Vec<Param>,
    pub(crate) ctor_params: Vec<Param>,
    /// Nothing for a control type.
    pub(crate) body: Option<Rc<ControlBody>>,
}

#[derive(Debug)]
pub(crate) struct ControlBody {
    pub(crate) locals: Vec<Rc<Decl>>,
    pub(crate) apply: Block,
}

#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) body: Vec<Stmt>,
    pub(crate) transition: Transition,
}

#[derive(Clone, Debug)]
pub(crate) enum Transition {
    Goto(Name),
    Select {
        keys: Vec<Expr>,
        cases: Vec<SelectCase>,
        span: Span,
    },
    /// No transition statement: reject.
    None,
}

#[derive(Clone, Debug)]
pub(crate) struct SelectCase {
    pub(crate) patterns: Vec<Expr>,
    pub(crate) target: Name,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) keys: Vec<Key>,
    pub(crate) actions: Vec<ActionRef>,
    /// Whether there is a list of actions, be it empty.
    pub(crate) has_actions: bool,
    pub(crate) entries: Option<Entries>,
    pub(crate) default_action: Option<(bool, Expr)>,
    /// Other properties: name, whether `const`, value.
    pub(crate) properties: Vec<Property>,
}

#[derive(Clone, Debug)]
pub(crate) struct Property {
    pub(crate) annotations: Annotations,
    pub(crate) name: Name,
    pub(crate) value: Expr,
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) annotations: Annotations,
    pub(crate) value: Expr,
    pub(crate) match_kind: Name,
}

/// An action in a table's list; `value` is a name or a call.
#[derive(Clone, Debug)]
pub(crate) struct ActionRef {
    pub(crate) annotations: Annotations,
    pub(crate) value: Expr,
}

#[derive(Clone, Debug)]
pub(crate) struct Entries {
    pub(crate) is_const: bool,
    pub(crate) list: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) is_const: bool,
    pub(crate) priority: Option<Expr>,
    /// `@priority` of p4c: the least number wins, and an entry without one has its position, from 1.
    pub(crate) small_wins: Option<BigInt>,
    pub(crate) keys: Vec<Expr>,
    pub(crate) action: Expr,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) stmts: Vec<Stmt>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct Stmt {
    pub(crate) kind: StmtKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum StmtKind {
    /// `op` is set for `+=` and its relatives.
    Assign {
        dst: Expr,
        op: Option<Binary>,
        value: Expr,
    },
    Call(Expr),
    If {
        condition: Expr,
        then: Box<Stmt>,
        otherwise: Option<Box<Stmt>>,
    },
    Switch {
        key: Expr,
        cases: Vec<SwitchCase>,
    },
    Block(Block),
    Decl(Rc<Decl>),
    Return(Option<Expr>),
    Exit,
    Empty,
    For {
        init: Vec<Stmt>,
        condition: Expr,
        update: Vec<Stmt>,
        body: Box<Stmt>,
    },
    /// The variable is a declaration or an existing name.
    ForIn {
        variable: Rc<Decl>,
        range: Expr,
        body: Box<Stmt>,
    },
    Break,
    Continue,
}

#[derive(Clone, Debug)]
pub(crate) struct SwitchCase {
    /// `None` is `default`.
    pub(crate) label: Option<Expr>,
    /// Nothing falls through to the next case.
    pub(crate) body: Option<Block>,
}
