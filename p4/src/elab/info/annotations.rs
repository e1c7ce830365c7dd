// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Annotations as the control plane sees them.

use crate::{
    ast::{Annotation, Expr},
    check::{Const, Values},
    lexer::{Kind, Token},
    p4info::{
        AnnotationBody, AnnotationValue, Annotations, PlatformProperties, StructuredAnnotation,
    },
    source::Span,
};

/// Annotations without structure that are elsewhere in P4Info, or only for compilers.
const ELSEWHERE: &[&str] = &[
    "name",
    "id",
    "brief",
    "description",
    "pkginfo",
    "platform_property",
    "match",
];

/// Turns annotations into their form in P4Info.
pub(super) struct Writer<'v> {
    values: &'v Values,
    /// What cannot be told, and why.
    pub(super) faults: Vec<(Span, &'static str)>,
}

impl<'v> Writer<'v> {
    pub(super) fn new(values: &'v Values) -> Self {
        Self {
            values,
            faults: Vec::new(),
        }
    }

    /// Annotations that have no meaning of their own in P4Info, and all structured ones.
    pub(super) fn write(&mut self, annotations: &[Annotation]) -> Annotations {
        let mut written = Annotations::default();
        for one in annotations {
            if one.structured {
                written.structured.push(self.structured(one));
            } else if !ELSEWHERE.contains(&&*one.name.text) {
                written.texts.push(annotation_text(one));
            }
        }
        written
    }

    fn structured(&mut self, one: &Annotation) -> StructuredAnnotation {
        let values: Vec<_> = one
            .values
            .iter()
            .map(|(key, value)| (key.as_ref(), self.value(value)))
            .collect();
        let body = if values.iter().any(|(key, _)| key.is_some()) {
            let named = values.into_iter().filter_map(|(key, value)| {
                let key = key?.text.to_string();
                Some((key, value?))
            });
            AnnotationBody::Pairs(named.collect())
        } else {
            AnnotationBody::Expressions(values.into_iter().filter_map(|(_, value)| value).collect())
        };
        StructuredAnnotation {
            name: one.name.text.to_string(),
            body,
        }
    }

    fn value(&mut self, expr: &Expr) -> Option<AnnotationValue> {
        let fault = match self.values.get(&expr.id) {
            Some(Const::Str(text)) => return Some(AnnotationValue::Text(text.to_string())),
            Some(Const::Bool(value)) => return Some(AnnotationValue::Bool(*value)),
            Some(Const::Int(value)) => match i64::try_from(value) {
                Ok(value) => return Some(AnnotationValue::Int(value)),
                Err(_) => "an integer of a structured annotation has at most 64 bits in P4Info",
            },
            _ => "a value that each instance has of its own cannot be written to P4Info",
        };
        self.faults.push((expr.span, fault));
        None
    }
}

/// An annotation without structure, as it is written.
fn annotation_text(one: &Annotation) -> String {
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
}

fn token_text(index: usize, token: &Token) -> String {
    let space = if index > 0 && token.spaced { " " } else { "" };
    match token.kind {
        Kind::Str => format!("{space}\"{}\"", token.text),
        _ => format!("{space}{}", token.text),
    }
}

/// Keys and values of an annotation without structure, each of one token.
pub(super) fn pairs(one: &Annotation) -> impl Iterator<Item = (&Token, &Token)> {
    let pairs = one.body.split(|token| token.is(","));
    pairs.filter_map(|pair| match pair {
        [key, equals, value] if equals.is("=") => Some((key, value)),
        _ => None,
    })
}

/// The limits in `@platform_property(...)`.
pub(super) fn platform_properties(annotations: &[Annotation]) -> Option<PlatformProperties> {
    let one = annotations
        .iter()
        .find(|one| &*one.name.text == "platform_property")?;
    let mut limits = PlatformProperties::default();
    for (key, value) in pairs(one) {
        let number = crate::number::parse(&value.text).ok();
        let Some(number) = number.and_then(|literal| i32::try_from(literal.value).ok()) else {
            continue;
        };
        match &*key.text {
            "multicast_group_table_size" => limits.multicast_group_table_size = number,
            "multicast_group_table_total_replicas" => {
                limits.multicast_group_table_total_replicas = number;
            }
            "multicast_group_table_max_replicas_per_entry" => {
                limits.multicast_group_table_max_replicas_per_entry = number;
            }
            _ => {}
        }
    }
    Some(limits)
}
