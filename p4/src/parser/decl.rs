// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Declarations.

use std::rc::Rc;

use crate::{
    ast::{
        Aggregate, Annotations, Block, ControlBody, ControlDecl, Decl, DeclKind, Direction, Expr,
        Field, Name, Param, ParserBody, ParserDecl, SelectCase, Signature, State, Transition,
        TypeExpr, TypeKind,
    },
    lexer::Kind,
    source::Span,
};

use super::{Parsed, Parser};

impl Parser<'_> {
    /// All declarations of the program.
    pub(super) fn program(&mut self) -> Vec<Rc<Decl>> {
        let mut decls = Vec::new();
        while self.peek().kind != Kind::Eof {
            if self.eat(";") {
                continue;
            }
            let scopes = self.scopes.len();
            if let Ok(decl) = self.declaration() {
                decls.append(&mut self.pending);
                decls.push(Rc::new(decl));
            } else {
                self.scopes.truncate(scopes);
                self.depth = 0;
                self.recover();
                self.eat("}");
            }
        }
        decls
    }

    fn decl(&mut self, start: Span, annotations: Annotations, name: Name, kind: DeclKind) -> Decl {
        Decl {
            id: self.new_decl(),
            annotations,
            name,
            span: self.since(start),
            kind,
        }
    }

    /// A declaration of the top level.
    fn declaration(&mut self) -> Parsed<Decl> {
        let start = self.span();
        let annotations = self.annotations()?;
        let token = self.peek().clone();
        if token.kind == Kind::Ident {
            match &*token.text {
                "error" if self.ahead(1).is("{") => return self.names_decl(start, annotations),
                "match_kind" => return self.names_decl(start, annotations),
                "extern" => return self.extern_decl(start, annotations),
                "header" | "struct" | "header_union" => return self.aggregate(start, annotations),
                "enum" => return self.enum_decl(start, annotations),
                "typedef" => return self.typedef(start, annotations),
                "type" if !self.ahead(1).is("(") => return self.typedef(start, annotations),
                "parser" => return self.parser_decl(start, annotations),
                "control" => return self.control_decl(start, annotations),
                "package" => return self.package(start, annotations),
                _ => {}
            }
        }
        self.local_declaration(start, annotations)
    }

    /// A declaration that may also stand inside of a parser, a control or a block.
    pub(super) fn local_declaration(
        &mut self,
        start: Span,
        annotations: Annotations,
    ) -> Parsed<Decl> {
        let token = self.peek().clone();
        match &*token.text {
            "const" if token.kind == Kind::Ident => self.const_decl(start, annotations),
            "action" if token.kind == Kind::Ident => self.action(start, annotations),
            "table" if token.kind == Kind::Ident => self.table_decl(start, annotations),
            "valueset" | "value_set" if token.kind == Kind::Ident && self.ahead(1).is("<") => {
                self.value_set(start, annotations)
            }
            _ => self.typed_decl(start, annotations),
        }
    }

    /// A variable, an instance or a function: what begins with a type.
    fn typed_decl(&mut self, start: Span, annotations: Annotations) -> Parsed<Decl> {
        if self.peek().kind != Kind::Ident && !self.is(".") {
            return Err(self.unexpected("a declaration"));
        }
        let ty = self.type_expr()?;
        if self.eat("(") {
            return self.instance(start, annotations, ty);
        }
        let name = self.name()?;
        if self.is("(") || self.is("<") {
            self.declare(&name, false);
            return self.function(start, annotations, ty, name);
        }
        let ty = self.declarator(ty)?;
        let value = if self.eat("=") {
            Some(self.expr()?)
        } else {
            None
        };
        self.expect(";")?;
        self.declare(&name, false);
        Ok(self.decl(start, annotations, name, DeclKind::Variable { ty, value }))
    }

    /// `T(args) name;` after the opening parenthesis.
    fn instance(&mut self, start: Span, annotations: Annotations, ty: TypeExpr) -> Parsed<Decl> {
        let args = self.args_rest()?;
        let name = self.name()?;
        let ty = self.declarator(ty)?;
        let mut init = None;
        if self.eat("=") {
            self.expect("{")?;
            let parts = self.scoped(Self::initializer)?;
            init = Some(Rc::new(parts));
        }
        self.expect(";")?;
        self.declare(&name, false);
        let kind = DeclKind::Instance { ty, args, init };
        Ok(self.decl(start, annotations, name, kind))
    }

    /// Functions and instances up to a closing brace.
    fn initializer(&mut self) -> Parsed<Vec<Rc<Decl>>> {
        let mut parts = Vec::new();
        while !self.eat("}") {
            let start = self.span();
            let annotations = self.annotations()?;
            self.eat("abstract");
            parts.push(Rc::new(self.typed_decl(start, annotations)?));
        }
        Ok(parts)
    }

    fn function(
        &mut self,
        start: Span,
        annotations: Annotations,
        ret: TypeExpr,
        name: Name,
    ) -> Parsed<Decl> {
        self.scoped(|parser| {
            let type_params = parser.type_params()?;
            let params = parser.params()?;
            let body = parser.block()?;
            let signature = Signature {
                name: name.clone(),
                type_params,
                ret,
                params,
                annotations: Rc::default(),
                is_abstract: false,
            };
            Ok(parser.decl(
                start,
                annotations,
                name,
                DeclKind::Function { signature, body },
            ))
        })
    }

    fn const_decl(&mut self, start: Span, annotations: Annotations) -> Parsed<Decl> {
        self.bump();
        let ty = self.type_expr()?;
        let name = self.name()?;
        self.expect("=")?;
        let value = self.expr()?;
        self.expect(";")?;
        self.declare(&name, false);
        Ok(self.decl(start, annotations, name, DeclKind::Const { ty, value }))
    }

    fn names_decl(&mut self, start: Span, annotations: Annotations) -> Parsed<Decl> {
        let word = self.bump();
        self.expect("{")?;
        let names = self.list("}", Self::name)?;
        let kind = if word.is("error") {
            DeclKind::Errors(names)
        } else {
            DeclKind::MatchKinds(names)
        };
        Ok(self.decl(
            start,
            annotations,
            Name {
                text: word.text,
                span: word.span,
            },
            kind,
        ))
    }

    fn extern_decl(&mut self, start: Span, annotations: Annotations) -> Parsed<Decl> {
        self.bump();
        if !self.extern_is_object() {
            return self
                .scoped(|parser| {
                    let signature = parser.signature()?;
                    parser.expect(";")?;
                    let name = signature.name.clone();
                    Ok((
                        parser.decl(
                            start,
                            annotations,
                            name,
                            DeclKind::ExternFunction(signature),
                        ),
                        (),
                    ))
                })
                .map(|(decl, ())| {
                    self.declare(&decl.name, false);
                    decl
                });
        }
        let name = self.name()?;
        self.declare(&name, true);
        self.scoped(|parser| {
            let type_params = parser.type_params()?;
            let (mut constructors, mut methods) = (Vec::new(), Vec::new());
            if !parser.eat(";") {
                parser.expect("{")?;
                while !parser.eat("}") {
                    let annotations = parser.annotations()?;
                    let is_abstract = parser.eat("abstract");
                    let is_ctor = parser.peek().text == name.text && parser.ahead(1).is("(");
                    let mut signature = parser.scoped(|parser| {
                        if is_ctor {
                            parser.constructor()
                        } else {
                            parser.signature()
                        }
                    })?;
                    parser.expect(";")?;
                    signature.annotations = annotations;
                    signature.is_abstract = is_abstract;
                    if is_ctor {
                        constructors.push(signature);
                    } else {
                        methods.push(signature);
                    }
                }
            }
            let kind = DeclKind::ExternObject {
                type_params,
                constructors,
                methods,
            };
            Ok(parser.decl(start, annotations, name, kind))
        })
    }

    /// Whether `{` or `;` follows the name and its type parameters.
    fn extern_is_object(&self) -> bool {
        let mut at = 1;
        if self.ahead(at).is("<") {
            while !self.ahead(at).is(">") && self.ahead(at).kind != Kind::Eof {
                at += 1;
            }
            at += 1;
        }
        self.ahead(at).is("{") || self.ahead(at).is(";")
    }

    fn constructor(&mut self) -> Parsed<Signature> {
        let name = self.name()?;
        let ret = TypeExpr {
            kind: TypeKind::Void,
            span: name.span,
        };
        let params = self.params()?;
        Ok(Signature {
            name,
            type_params: Vec::new(),
            ret,
            params,
            annotations: Rc::default(),
            is_abstract: false,
        })
    }

    /// `ret name<T>(params)`, where the return type may name the type parameters.
    fn signature(&mut self) -> Parsed<Signature> {
        let ret = self.type_expr()?;
        let name = self.name()?;
        let type_params = self.type_params()?;
        let params = self.params()?;
        Ok(Signature {
            name,
            type_params,
            ret,
            params,
            annotations: Rc::default(),
            is_abstract: false,
        })
    }

    fn aggregate(&mut self, start: Span, annotations: Annotations) -> Parsed<Decl> {
        let kind = match &*self.bump().text {
            "header" => Aggregate::Header,
            "struct" => Aggregate::Struct,
            _ => Aggregate::Union,
        };
        let name = self.name()?;
        self.declare(&name, true);
        self.scoped(|parser| {
            let type_params = parser.type_params()?;
            parser.expect("{")?;
            let mut fields = Vec::new();
            while !parser.eat("}") {
                let annotations = parser.annotations()?;
                let ty = parser.type_expr()?;
                let name = parser.name()?;
                let ty = parser.declarator(ty)?;
                parser.expect(";")?;
                fields.push(Field {
                    annotations,
                    ty,
                    name,
                });
            }
            let kind = DeclKind::Aggregate {
                kind,
                type_params,
                fields,
            };
            Ok(parser.decl(start, annotations, name, kind))
        })
    }

    fn enum_decl(&mut self, start: Span, annotations: Annotations) -> Parsed<Decl> {
        self.bump();
        let has_type = !self.ahead(1).is("{");
        let underlying = if has_type {
            Some(self.type_expr()?)
        } else {
            None
        };
        let name = self.name()?;
        self.declare(&name, true);
        self.expect("{")?;
        let members = self.list("}", |parser| {
            parser.annotations()?;
            let name = parser.name()?;
            let value = if parser.eat("=") {
                Some(parser.expr()?)
            } else {
                None
            };
            Ok((name, value))
        })?;
        Ok(self.decl(
            start,
            annotations,
            name,
            DeclKind::Enum {
                underlying,
                members,
            },
        ))
    }

    fn typedef(&mut self, start: Span, annotations: Annotations) -> Parsed<Decl> {
        let new = self.bump().is("type");
        let ty = if new { None } else { self.derived_type()? };
        let ty = match ty {
            Some(ty) => ty,
            None => self.type_expr()?,
        };
        let name = self.name()?;
        self.expect(";")?;
        self.declare(&name, true);
        Ok(self.decl(start, annotations, name, DeclKind::Typedef { ty, new }))
    }

    /// The declaration of a type where the name of a type may stand.
    fn derived_type(&mut self) -> Parsed<Option<TypeExpr>> {
        let start = self.span();
        let decl = match &*self.peek().text {
            "struct" | "header" | "header_union" => self.aggregate(start, Rc::default())?,
            "enum" => self.enum_decl(start, Rc::default())?,
            _ => return Ok(None),
        };
        let kind = TypeKind::Name {
            name: decl.name.clone(),
            global: false,
            args: Vec::new(),
        };
        let span = decl.name.span;
        self.pending.push(Rc::new(decl));
        Ok(Some(TypeExpr { kind, span }))
    }

    fn package(&mut self, start: Span, annotations: Annotations) -> Parsed<Decl> {
        self.bump();
        let name = self.name()?;
        self.declare(&name, true);
        self.scoped(|parser| {
            let type_params = parser.type_params()?;
            let params = parser.params()?;
            parser.expect(";")?;
            Ok(parser.decl(
                start,
                annotations,
                name,
                DeclKind::Package {
                    type_params,
                    params,
                },
            ))
        })
    }

    /// Parameters with their parentheses; the names are variables in the current scope.
    pub(super) fn params(&mut self) -> Parsed<Vec<Param>> {
        self.expect("(")?;
        self.list(")", |parser| {
            let annotations = parser.annotations()?;
            let direction = match &*parser.peek().text {
                "in" => Direction::In,
                "out" => Direction::Out,
                "inout" => Direction::InOut,
                _ => Direction::None,
            };
            if direction != Direction::None {
                parser.bump();
            }
            let ty = parser.type_expr()?;
            let name = parser.name()?;
            parser.declare(&name, false);
            let default = if parser.eat("=") {
                Some(parser.expr()?)
            } else {
                None
            };
            Ok(Param {
                annotations,
                direction,
                ty,
                name,
                default,
            })
        })
    }

    fn ctor_params(&mut self) -> Parsed<Vec<Param>> {
        if self.is("(") {
            self.params()
        } else {
            Ok(Vec::new())
        }
    }

    fn action(&mut self, start: Span, annotations: Annotations) -> Parsed<Decl> {
        self.bump();
        let name = self.name()?;
        self.declare(&name, false);
        self.scoped(|parser| {
            let params = parser.params()?;
            let body = parser.block()?;
            Ok(parser.decl(start, annotations, name, DeclKind::Action { params, body }))
        })
    }

    fn value_set(&mut self, start: Span, annotations: Annotations) -> Parsed<Decl> {
        self.bump();
        self.expect("<")?;
        let ty = self.type_expr()?;
        self.expect(">")?;
        self.expect("(")?;
        let size = self.expr()?;
        self.expect(")")?;
        let name = self.name()?;
        self.expect(";")?;
        self.declare(&name, false);
        Ok(self.decl(start, annotations, name, DeclKind::ValueSet { ty, size }))
    }

    fn control_decl(&mut self, start: Span, annotations: Annotations) -> Parsed<Decl> {
        self.bump();
        let name = self.name()?;
        self.declare(&name, true);
        self.scoped(|parser| {
            let type_params = parser.type_params()?;
            let params = parser.params()?;
            let ctor_params = parser.ctor_params()?;
            let mut body = None;
            if !parser.eat(";") {
                parser.expect("{")?;
                let locals = parser.locals("apply");
                parser.expect("apply")?;
                let apply = parser.block()?;
                parser.expect("}")?;
                body = Some(Rc::new(ControlBody { locals, apply }));
            }
            let control = ControlDecl {
                type_params,
                params,
                ctor_params,
                body,
            };
            Ok(parser.decl(start, annotations, name, DeclKind::Control(control)))
        })
    }

    /// Local declarations up to a word.
    fn locals(&mut self, end: &str) -> Vec<Rc<Decl>> {
        let mut locals = Vec::new();
        while self.peek().kind != Kind::Eof && !self.is("}") {
            let (at, errors) = (self.at, self.diagnostics.list.len());
            let start = self.span();
            let decl = self.annotations().and_then(|annotations| {
                if self.is(end) {
                    return Ok(None);
                }
                self.local_declaration(start, annotations).map(Some)
            });
            match decl {
                Ok(Some(decl)) => locals.push(Rc::new(decl)),
                Ok(None) => {
                    self.at = at;
                    self.diagnostics.list.truncate(errors);
                    break;
                }
                Err(_) => {
                    self.recover();
                    if self.at == at {
                        self.bump();
                    }
                }
            }
        }
        locals
    }

    fn parser_decl(&mut self, start: Span, annotations: Annotations) -> Parsed<Decl> {
        self.bump();
        let name = self.name()?;
        self.declare(&name, true);
        self.scoped(|parser| {
            let type_params = parser.type_params()?;
            let params = parser.params()?;
            let ctor_params = parser.ctor_params()?;
            let mut body = None;
            if !parser.eat(";") {
                parser.expect("{")?;
                let locals = parser.locals("state");
                let mut states = Vec::new();
                while !parser.eat("}") {
                    if parser.peek().kind == Kind::Eof {
                        return Err(parser.unexpected("`}`"));
                    }
                    match parser.state() {
                        Ok(state) => states.push(Rc::new(state)),
                        Err(_) => parser.recover_state(),
                    }
                }
                body = Some(Rc::new(ParserBody { locals, states }));
            }
            let decl = ParserDecl {
                type_params,
                params,
                ctor_params,
                body,
            };
            Ok(parser.decl(start, annotations, name, DeclKind::Parser(decl)))
        })
    }

    /// Skips to the next state.
    fn recover_state(&mut self) {
        while self.peek().kind != Kind::Eof
            && !(self.is("state") && self.ahead(2).is("{"))
            && !(self.is("}") && self.ahead(1).line_start)
        {
            self.bump();
        }
        if self.is("}") && !self.ahead(1).is("state") && !self.ahead(1).is("}") {
            return;
        }
        if !self.is("state") {
            self.eat("}");
        }
    }

    fn state(&mut self) -> Parsed<Decl> {
        let start = self.span();
        let annotations = self.annotations()?;
        self.expect("state")?;
        let name = self.name()?;
        self.expect("{")?;
        self.scoped(|parser| {
            let mut body = Vec::new();
            while !parser.is("transition") && !parser.is("}") {
                body.push(parser.stmt()?);
            }
            let transition = if parser.eat("transition") {
                parser.transition()?
            } else {
                Transition::None
            };
            parser.expect("}")?;
            let state = State { body, transition };
            Ok(parser.decl(start, annotations, name, DeclKind::State(state)))
        })
    }

    fn transition(&mut self) -> Parsed<Transition> {
        let start = self.span();
        if !self.eat("select") {
            let target = self.name()?;
            self.expect(";")?;
            return Ok(Transition::Goto(target));
        }
        self.expect("(")?;
        let keys: Vec<Expr> = self.list(")", Self::expr)?;
        let span = self.since(start);
        self.expect("{")?;
        let mut cases = Vec::new();
        while !self.eat("}") {
            let start = self.span();
            let patterns = self.tuple_keyset()?;
            self.expect(":")?;
            let target = self.name()?;
            self.expect(";")?;
            cases.push(SelectCase {
                patterns,
                target,
                span: self.since(start),
            });
        }
        Ok(Transition::Select { keys, cases, span })
    }

    /// One pattern, or several in parentheses.
    pub(super) fn tuple_keyset(&mut self) -> Parsed<Vec<Expr>> {
        if self.is("(") && !self.starts_type(self.ahead(1)) || self.is("(") && self.tuple_ahead() {
            let (at, errors) = (self.at, self.diagnostics.list.len());
            self.bump();
            let patterns = self.list(")", Self::keyset);
            if let Ok(patterns) = patterns
                && self.is(":")
            {
                return Ok(patterns);
            }
            if self.diagnostics.list.len() > errors {
                return Err(super::Reported);
            }
            self.at = at;
        }
        Ok(vec![self.keyset()?])
    }

    /// Whether the parentheses that open here hold a comma on their own level, or end before a colon.
    fn tuple_ahead(&self) -> bool {
        let mut depth = 0_usize;
        let mut at = 0;
        loop {
            let token = self.ahead(at);
            if token.kind == Kind::Eof {
                return false;
            }
            if token.is("(") || token.is("[") || token.is("{") {
                depth += 1;
            } else if token.is(")") || token.is("]") || token.is("}") {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return self.ahead(at + 1).is(":");
                }
            }
            at += 1;
        }
    }

    /// `{ statements }`
    pub(super) fn block(&mut self) -> Parsed<Block> {
        let start = self.span();
        self.annotations()?;
        self.expect("{")?;
        let stmts = self.scoped(Self::stmts);
        self.expect("}")?;
        Ok(Block {
            stmts,
            span: self.since(start),
        })
    }
}
