// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Declarations of types, constants, variables, functions and instances.

use std::rc::Rc;

use num_bigint::BigInt;

use crate::{
    ast::{Decl, DeclKind, Expr, Name, TypeExpr},
    diagnostic::Diagnostic,
    ir::{ENUM_WIDTH, SlotKind},
};

use super::{
    Action, Elab, Elaborator, Entity, Instance, InstanceKind, TableDecl, TypeDef, control,
    resolve::type_params_of,
    types::{EnumType, NewType, Type},
    value::{Typed, Value},
};

impl Elaborator<'_> {
    /// A declaration of the top level.
    pub(crate) fn global(&mut self, decl: &Rc<Decl>) {
        self.span = decl.span;
        match &decl.kind {
            DeclKind::Errors(names) => {
                for name in names {
                    if self.errors.contains(&name.text) {
                        self.error(
                            name.span,
                            format!("error `{}` is declared twice", name.text),
                        );
                    } else {
                        self.errors.push(name.text.clone());
                    }
                }
            }
            DeclKind::MatchKinds(names) => self
                .match_kinds
                .extend(names.iter().map(|name| name.text.clone())),
            DeclKind::ExternFunction(_) | DeclKind::Function { .. } => self.add_function(decl),
            _ => {
                self.check_unique(&decl.name);
                self.local(decl);
            }
        }
    }

    fn check_unique(&mut self, name: &Name) {
        if self.globals.contains_key(&name.text) {
            self.error(name.span, format!("`{}` is declared twice", name.text));
        }
    }

    fn add_function(&mut self, decl: &Rc<Decl>) {
        let mut list = match self.globals.get(&decl.name.text) {
            Some(Entity::Functions(list)) => list.as_ref().clone(),
            Some(_) => {
                self.error(
                    decl.name.span,
                    format!("`{}` is declared twice", decl.name.text),
                );
                return;
            }
            None => Vec::new(),
        };
        list.push(decl.clone());
        self.globals
            .insert(decl.name.text.clone(), Entity::Functions(Rc::new(list)));
    }

    /// A declaration anywhere. A broken one is declared as such, so that its uses are not reported again.
    pub(crate) fn local(&mut self, decl: &Rc<Decl>) {
        let entity = match self.entity(decl) {
            Ok(Some(entity)) => entity,
            Ok(None) => return,
            Err(_) => Entity::Broken,
        };
        self.declare(&decl.name, entity);
    }

    fn entity(&mut self, decl: &Rc<Decl>) -> Elab<Option<Entity>> {
        let entity = match &decl.kind {
            DeclKind::Const { ty, value } => self.constant(ty, value)?,
            DeclKind::Variable { ty, value } => self.variable(decl, ty, value.as_ref())?,
            DeclKind::Typedef { ty, new } => {
                let ty = self.resolve(ty)?;
                Entity::Type(TypeDef::Known(if *new {
                    self.new_type(decl, ty)?
                } else {
                    ty
                }))
            }
            DeclKind::Aggregate { type_params, .. } if type_params.is_empty() => {
                Entity::Type(TypeDef::Known(self.aggregate(decl, Vec::new())?))
            }
            DeclKind::Enum {
                underlying,
                members,
            } => Entity::Type(TypeDef::Known(self.enumeration(
                decl,
                underlying.as_ref(),
                members,
            )?)),
            DeclKind::Aggregate { .. }
            | DeclKind::ExternObject { .. }
            | DeclKind::Parser(_)
            | DeclKind::Control(_)
            | DeclKind::Package { .. } => {
                if type_params_of(decl).is_empty() {
                    Entity::Type(TypeDef::Known(Type::Object(decl.clone(), Rc::new([]))))
                } else {
                    Entity::Type(TypeDef::Generic(decl.clone()))
                }
            }
            DeclKind::Action { .. } => {
                let name = self.qualified(&decl.name, &decl.annotations);
                let order = self.order_of(decl.id);
                Entity::Action(Rc::new(Action {
                    decl: decl.clone(),
                    env: self.env.clone(),
                    name,
                    order,
                }))
            }
            DeclKind::Table(_) => {
                let name = self.qualified(&decl.name, &decl.annotations);
                let (env, owner) = (self.env.clone(), self.owner.clone());
                Entity::Table(Rc::new(TableDecl {
                    decl: decl.clone(),
                    env,
                    name,
                    owner,
                }))
            }
            DeclKind::Instance {
                ty,
                args,
                init: None,
            } => {
                let name = self.qualified(&decl.name, &decl.annotations);
                let instance =
                    self.instance(decl.id, ty, args, name, &decl.annotations, decl.span)?;
                if &*decl.name.text == "main" && self.env.is_empty() {
                    self.main = Some(instance.clone());
                }
                Entity::Instance(instance)
            }
            DeclKind::Instance { .. } => {
                return Err(self.unsupported(decl.span, "an instance with abstract methods"));
            }
            DeclKind::ValueSet { ty, size } => self.value_set(decl, ty, size)?,
            DeclKind::ExternFunction(_)
            | DeclKind::Function { .. }
            | DeclKind::Errors(_)
            | DeclKind::MatchKinds(_)
            | DeclKind::State(_) => return Ok(None),
        };
        Ok(Some(entity))
    }

    fn constant(&mut self, ty: &TypeExpr, value: &Expr) -> Elab<Entity> {
        let ty = self.resolve(ty)?;
        let typed = self.expr_as(value, &ty)?;
        if !typed.value.is_const() {
            return Err(self.error(
                value.span,
                "the value of a constant must be known at compile time",
            ));
        }
        Ok(Entity::Value(typed))
    }

    fn variable(&mut self, decl: &Decl, ty: &TypeExpr, value: Option<&Expr>) -> Elab<Entity> {
        if self.env.is_empty() {
            return Err(self.error(
                decl.span,
                "there are no global variables; declare a `const`, or a variable in a control",
            ));
        }
        let ty = self.resolve(ty)?;
        let typed = match value {
            Some(value) => Some(self.expr_as(value, &ty)?),
            None => None,
        };
        self.span = decl.span;
        let name = self.qualified(&decl.name, &decl.annotations);
        let kind = std::mem::replace(&mut self.slot_kind, SlotKind::Local);
        let place = self.allocate(decl.span, &name, &ty);
        self.slot_kind = kind;
        let place = place?;
        match typed {
            Some(typed) => self.write(&place, &typed.value),
            None => self.invalidate(&place),
        }
        Ok(Entity::Place {
            ty,
            place,
            writable: true,
        })
    }

    fn new_type(&mut self, decl: &Decl, ty: Type) -> Elab<Type> {
        if !matches!(ty.base(), Type::Bits { .. } | Type::Bool | Type::Unknown) {
            return Err(self.error(decl.span, format!("`type` cannot be based on {ty}")));
        }
        Ok(Type::New(Rc::new(NewType {
            id: decl.id,
            name: decl.name.text.clone(),
            ty,
            annotations: decl.annotations.clone(),
        })))
    }

    fn enumeration(
        &mut self,
        decl: &Decl,
        underlying: Option<&TypeExpr>,
        members: &[(Name, Option<Expr>)],
    ) -> Elab<Type> {
        let underlying = match underlying {
            Some(ty) => Some(self.resolve(ty)?),
            None => None,
        };
        if let Some(ty) = &underlying
            && !matches!(ty.base(), Type::Bits { .. })
        {
            return Err(self.error(decl.span, format!("an enum cannot be based on {ty}")));
        }
        let mut list: Vec<(Rc<str>, BigInt)> = Vec::new();
        for (name, value) in members {
            if list.iter().any(|(other, _)| *other == name.text) {
                self.error(
                    name.span,
                    format!("member `{}` is declared twice", name.text),
                );
            }
            let number = match (&underlying, value) {
                (None, None) => BigInt::from(list.len()),
                (Some(ty), Some(value)) => {
                    let ty = ty.clone();
                    let typed = self.expr_as(value, &ty)?;
                    match typed.value {
                        Value::Bits(bits) if bits.as_const().is_some() => bits
                            .as_const()
                            .map_or_else(BigInt::default, |value| value.to_int(ty.is_signed())),
                        _ => {
                            return Err(
                                self.error(value.span, "this must be known at compile time")
                            );
                        }
                    }
                }
                (Some(_), None) => {
                    return Err(self.error(
                        name.span,
                        "a member of an enum with an underlying type needs a value",
                    ));
                }
                (None, Some(value)) => {
                    return Err(self.report(
                        Diagnostic::error(
                            value.span,
                            "an enum without an underlying type cannot have values",
                        )
                        .help("write `enum bit<W> Name { ... }`"),
                    ));
                }
            };
            list.push((name.text.clone(), number));
        }
        Ok(Type::Enum(Rc::new(EnumType {
            id: decl.id,
            name: decl.name.text.clone(),
            underlying,
            members: list,
        })))
    }

    /// The value of an enum's member.
    pub(crate) fn enum_member(&mut self, ty: &Rc<EnumType>, name: &Name) -> Elab<Typed> {
        let Some((_, number)) = ty.members.iter().find(|(member, _)| *member == name.text) else {
            return Err(self.error(
                name.span,
                format!("enum `{}` has no member `{}`", ty.name, name.text),
            ));
        };
        let of = Type::Enum(ty.clone());
        let width = of.scalar_width().unwrap_or(ENUM_WIDTH);
        let value = crate::ir::Expr::constant(crate::ir::Const::from_int(width, number));
        Ok(Typed::bits(of, value))
    }

    /// An instance of an extern, a parser, a control or a package.
    pub(crate) fn instance(
        &mut self,
        id: crate::ast::DeclId,
        ty: &TypeExpr,
        args: &[crate::ast::Arg],
        name: String,
        annotations: &crate::ast::Annotations,
        span: crate::source::Span,
    ) -> Elab<Rc<Instance>> {
        let resolved = self.resolve(ty)?;
        let Type::Object(decl, type_args) = resolved else {
            return Err(self.error(ty.span, format!("{resolved} cannot be instantiated")));
        };
        if let Some(known) = self.instances.get(&(name.clone(), id)) {
            return Ok(known.clone());
        }
        let kind = match &decl.kind {
            DeclKind::ExternObject { .. } => {
                self.extern_instance(id, &decl, &type_args, args, &name, annotations, span)?
            }
            DeclKind::Parser(block) if block.body.is_some() => {
                self.block_instance(id, &decl, type_args, args, &name, span)?
            }
            DeclKind::Control(block) if block.body.is_some() => {
                self.block_instance(id, &decl, type_args, args, &name, span)?
            }
            DeclKind::Package { .. } => {
                let (decl, args) = self.package_args(&decl, &type_args, args, span)?;
                InstanceKind::Package {
                    decl,
                    args,
                    annotations: annotations.clone(),
                }
            }
            _ => {
                return Err(self.error(
                    ty.span,
                    format!(
                        "`{}` is only a type and cannot be instantiated",
                        decl.name.text
                    ),
                ));
            }
        };
        let instance = Rc::new(Instance {
            name: name.clone(),
            kind,
            span,
        });
        self.instances.insert((name, id), instance.clone());
        Ok(instance)
    }

    fn block_instance(
        &mut self,
        id: crate::ast::DeclId,
        decl: &Rc<Decl>,
        type_args: Rc<[Type]>,
        args: &[crate::ast::Arg],
        name: &str,
        span: crate::source::Span,
    ) -> Elab<InstanceKind> {
        let (DeclKind::Parser(crate::ast::ParserDecl { ctor_params, .. })
        | DeclKind::Control(crate::ast::ControlDecl { ctor_params, .. })) = &decl.kind
        else {
            return Err(super::Reported);
        };
        let bound = self.match_args(ctor_params, args, span)?;
        let mut ctor = super::Scope::new();
        for (param, arg) in ctor_params.iter().zip(bound) {
            let ty = self.resolve(&param.ty)?;
            let Some(arg) = arg else { continue };
            let entity = match self.expr_as(arg, &ty)? {
                Typed {
                    value: Value::Object(instance),
                    ..
                } => Entity::Instance(instance),
                typed if typed.value.is_const() => Entity::Value(typed),
                _ => {
                    return Err(self.error(
                        arg.span,
                        "a constructor argument must be known at compile time",
                    ));
                }
            };
            ctor.insert(param.name.text.clone(), entity);
        }
        let owner = control::owner(name, self.order_of(id));
        Ok(InstanceKind::Block {
            decl: decl.clone(),
            type_args,
            ctor,
            owner: Rc::new(owner),
        })
    }
}
