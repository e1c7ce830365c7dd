// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls of methods: of externs, parsers, controls and tables, and those that every header and stack has.

use std::rc::Rc;

use crate::{
    ast::{Arg, Expr, ExprKind, Name, TypeExpr},
    source::Span,
};

use super::{
    Check, Checker, Ex, Reported, Storage, Within,
    constant::Const,
    scope::Entity,
    ty::{ObjectKind, ObjectTy, Sig, Ty, bind},
};

impl Checker<'_> {
    pub(super) fn method(
        &mut self,
        whole: &Expr,
        base: &Expr,
        method: &Name,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Check<Ex> {
        if let ExprKind::Type(ty) = &base.kind {
            return self.type_method(whole, ty, method, args);
        }
        if let ExprKind::Name { name, global } = &base.kind
            && let Entity::Table(table) = self.entity_or_match_kind(name, *global)?
        {
            if &*method.text != "apply" || !args.is_empty() {
                return Err(self.error(method.span, "a table has only the method `apply()`"));
            }
            let place = matches!(self.body.within, Within::Apply | Within::Table);
            if !place || self.action_args > 0 {
                return Err(self.error(
                    whole.span,
                    "a table can only be applied by the body of a control",
                ));
            }
            return Ok(Ex::new(Ty::Applied(table.actions.clone())));
        }
        let ex = self.expr(base)?;
        match ex.ty.clone() {
            Ty::Unknown => Err(Reported),
            Ty::Object(of, types) => {
                self.object_method(whole, &of, &types, method, type_args, args)
            }
            ty => self.value_method(whole.span, &ex, &ty, method, args),
        }
    }

    /// What a name stands for; that of a match kind is a value like any other.
    fn entity_or_match_kind(&mut self, name: &Name, global: bool) -> Check<Entity> {
        if self.lookup(&name.text).is_none() && self.match_kinds.contains(&name.text) {
            return Ok(Entity::Const(Ty::MatchKind, None));
        }
        self.entity(name, global)
    }

    fn object_method(
        &mut self,
        whole: &Expr,
        of: &Rc<ObjectTy>,
        types: &[Ty],
        method: &Name,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Check<Ex> {
        let list: Vec<Rc<Sig>> = of
            .methods
            .iter()
            .filter(|sig| sig.name == method.text)
            .cloned()
            .collect();
        if list.is_empty() {
            let message = format!("`{}` has no method `{}`", of.name, method.text);
            return Err(self.error(method.span, message));
        }
        self.check_apply_place(whole.span, of.kind)?;
        let types: Vec<Ty> = if types.is_empty() {
            of.params.iter().map(|_| self.fresh()).collect()
        } else {
            types.to_vec()
        };
        let binding = bind(&of.params, &types);
        let sig = self.overload(&list, method, args, whole.span)?;
        let ret = self.sig_call(whole.span, &sig, &binding, type_args, args)?;
        if &*of.name == "packet_in" {
            self.check_packet_in(whole.span, method, &ret, type_args, args)?;
        }
        Ok(Ex::new(ret))
    }

    /// Where parsers and controls may be applied.
    fn check_apply_place(&mut self, span: Span, kind: ObjectKind) -> Check<()> {
        let fault = match kind {
            ObjectKind::Parser | ObjectKind::ParserType
                if self.body.within != Within::ParserState =>
            {
                "a parser can only be applied in a state of a parser"
            }
            ObjectKind::Control | ObjectKind::ControlType if self.body.within != Within::Apply => {
                "a control can only be applied by the body of a control"
            }
            _ => return Ok(()),
        };
        Err(self.error(span, fault))
    }

    /// Rules for `packet_in` that its declaration cannot say.
    fn check_packet_in(
        &mut self,
        span: Span,
        method: &Name,
        ret: &Ty,
        type_args: &[TypeExpr],
        args: &[Arg],
    ) -> Check<()> {
        match (&*method.text, args) {
            ("extract", [arg]) => {
                let Some(ty) = self.argument_type(arg, type_args)? else {
                    return Ok(());
                };
                if !ty.is_header() && !matches!(ty, Ty::Param(..)) {
                    return Err(
                        self.error(span, format!("only a header can be extracted, not {ty}"))
                    );
                }
                if has_varbit(&ty) {
                    return Err(self.error(
                        span,
                        "a header with a varbit field is extracted with the size of this field",
                    ));
                }
            }
            ("extract", [arg, _]) => {
                let Some(ty) = self.argument_type(arg, type_args)? else {
                    return Ok(());
                };
                if !ty.is_header() && !matches!(ty, Ty::Param(..)) {
                    return Err(
                        self.error(span, format!("only a header can be extracted, not {ty}"))
                    );
                }
                let varbits = ty.fields().unwrap_or_default();
                let varbits = varbits.iter().filter(|(_, ty)| has_varbit(ty)).count();
                if ty.is_header() && varbits != 1 {
                    let message =
                        format!("{ty} has {varbits} fields of type varbit, but one is needed");
                    return Err(self.error(span, message));
                }
            }
            ("lookahead", _)
                if (has_varbit(ret) || matches!(ret, Ty::Int | Ty::Void | Ty::Str)) =>
            {
                return Err(self.error(span, "lookahead needs a type of fixed width"));
            }
            _ => {}
        }
        Ok(())
    }

    fn argument_type(&mut self, arg: &Arg, type_args: &[TypeExpr]) -> Check<Option<Ty>> {
        if !matches!(arg.value.kind, ExprKind::Any) {
            return self.expr(&arg.value).map(|ex| Some(ex.ty));
        }
        match type_args.first() {
            Some(ty) => self.resolve(ty).map(Some),
            None => Ok(None),
        }
    }

    /// `Control.apply(...)`, and sizes of types.
    fn type_method(
        &mut self,
        whole: &Expr,
        ty: &TypeExpr,
        method: &Name,
        args: &[Arg],
    ) -> Check<Ex> {
        let resolved = self.resolve(ty)?;
        if let Ty::Object(of, _) = &resolved {
            let block = matches!(of.kind, ObjectKind::Parser | ObjectKind::Control);
            if &*method.text != "apply" || !block {
                let message = format!("`{}` has no method `{}`", of.name, method.text);
                return Err(self.error(method.span, message));
            }
            self.check_apply_place(whole.span, of.kind)?;
            let built = match &resolved {
                Ty::Object(_, types) if types.is_empty() && !of.params.is_empty() => {
                    resolved.clone()
                }
                _ => self.construct(whole.span, ty.span, &resolved, &[], true)?,
            };
            let Ty::Object(of, types) = built else {
                return Err(Reported);
            };
            return self.object_method(whole, &of, &types, method, &[], args);
        }
        self.size_method(whole.span, &resolved, method, args)
    }

    /// `minSizeInBits` and its relatives.
    fn size_method(&mut self, span: Span, ty: &Ty, method: &Name, args: &[Arg]) -> Check<Ex> {
        let (min, bits) = match &*method.text {
            "minSizeInBits" => (true, true),
            "minSizeInBytes" => (true, false),
            "maxSizeInBits" => (false, true),
            "maxSizeInBytes" => (false, false),
            _ => return Err(self.no_field(ty, method)),
        };
        if !args.is_empty() {
            return Err(self.error(span, format!("`{}` takes no arguments", method.text)));
        }
        if ty.any(&mut |ty| matches!(ty, Ty::Param(..))) {
            return Ok(Ex::fixed(Ty::Int));
        }
        let Some(size) = size_of(ty, min) else {
            return Err(self.error(method.span, format!("{ty} has no size")));
        };
        let size = if bits { size } else { size.div_ceil(8) };
        Ok(Ex::known(Ty::Int, Const::Int(size.into())))
    }

    fn value_method(
        &mut self,
        span: Span,
        ex: &Ex,
        ty: &Ty,
        method: &Name,
        args: &[Arg],
    ) -> Check<Ex> {
        let validity = ty.is_header() || ty.is_union();
        let no_args = match &*method.text {
            "isValid" => validity,
            "setValid" | "setInvalid" => ty.is_header(),
            _ => false,
        };
        if no_args && !args.is_empty() {
            return Err(self.error(span, "this method takes no arguments"));
        }
        match (&*method.text, ty) {
            ("isValid", _) if validity => Ok(Ex::new(Ty::Bool)),
            ("setValid" | "setInvalid", _) if ty.is_header() => {
                self.check_writable(span, ex)?;
                Ok(Ex::new(Ty::Void))
            }
            ("push_front" | "pop_front", Ty::Stack(..)) => {
                self.check_writable(span, ex)?;
                let [arg] = args else {
                    let message = format!("one argument is needed, but {} are given", args.len());
                    return Err(self.error(span, message));
                };
                let count = self.const_int(&arg.value)?;
                if count < 0.into() {
                    return Err(self.error(arg.value.span, "this cannot be negative"));
                }
                Ok(Ex::new(Ty::Void))
            }
            _ if method.text.contains("SizeIn")
                && (ex.storage != Storage::No || ex.value.is_none()) =>
            {
                self.size_method(span, ty, method, args)
            }
            _ => Err(self.no_field(ty, method)),
        }
    }

    fn check_writable(&mut self, span: Span, ex: &Ex) -> Check<()> {
        if ex.storage == Storage::Writable {
            Ok(())
        } else {
            Err(self.error(span, "this is read-only"))
        }
    }
}

fn has_varbit(ty: &Ty) -> bool {
    match ty {
        Ty::Varbit(_) => true,
        Ty::Struct(..) => ty
            .fields()
            .is_some_and(|fields| fields.iter().any(|(_, ty)| has_varbit(ty))),
        Ty::Stack(element, _) => has_varbit(element),
        Ty::Tuple(list) => list.iter().any(has_varbit),
        _ => false,
    }
}

/// The smallest or the largest size of values of a type, in bits.
fn size_of(ty: &Ty, min: bool) -> Option<u64> {
    match ty {
        Ty::Bits(width, _) => Some(u64::from(*width)),
        Ty::Bool => Some(1),
        Ty::Varbit(width) => Some(if min { 0 } else { u64::from(*width) }),
        Ty::Enum(of) => of.underlying.as_ref().and_then(|ty| size_of(ty, min)),
        Ty::New(of) => size_of(&of.ty, min),
        Ty::Struct(of, _) => {
            let sizes: Option<Vec<u64>> = ty
                .fields()?
                .iter()
                .map(|(_, ty)| size_of(ty, min))
                .collect();
            let sizes = sizes?;
            Some(if of.kind != crate::ast::Aggregate::Union {
                sizes
                    .iter()
                    .fold(0_u64, |sum, size| sum.saturating_add(*size))
            } else if min {
                sizes.iter().copied().min().unwrap_or(0)
            } else {
                sizes.iter().copied().max().unwrap_or(0)
            })
        }
        Ty::Stack(element, count) => {
            size_of(element, min).map(|size| size.saturating_mul(u64::from(*count)))
        }
        Ty::Tuple(list) | Ty::List(list) => {
            let sizes: Option<Vec<u64>> = list.iter().map(|ty| size_of(ty, min)).collect();
            sizes.map(|sizes| {
                sizes
                    .iter()
                    .fold(0_u64, |sum, size| sum.saturating_add(*size))
            })
        }
        _ => None,
    }
}
