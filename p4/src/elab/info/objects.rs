// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The objects of P4Info, and their ids in the IR.

use std::rc::Rc;

use crate::{
    ast::{Annotation, Annotations},
    ir::{self, MatchKind},
    lexer::Kind,
    p4info::{
        self, Action, ActionCall, ActionProfile, ActionRef, ControllerPacketMetadata, Counter,
        Digest, DirectCounter, DirectMeter, MatchField, Meter, P4Info, Param, PkgInfo, Preamble,
        Register, SelectorSize, Table, TypeInfo, TypeSpec, ValueSet,
    },
    source::Span,
};

use super::{
    super::{
        Elaborator, Entity, TypeDef,
        types::{StructType, Type},
    },
    annotations::{Writer, pairs, platform_properties},
    documentation, field_ids, has_annotation, id_annotation,
    ids::{IdError, Ids, Prefix},
    number_annotation, string_annotation,
    typespec::{Types, convert, name_and_width},
};

/// Annotations that have fields of their own in action profiles.
const SELECTOR_ANNOTATIONS: &[&str] = &[
    "max_group_size",
    "selector_size_semantics",
    "max_member_weight",
];

impl Elaborator<'_> {
    /// P4Info of the program; sets the ids in the IR, too.
    pub(crate) fn p4info(&mut self, package: &Annotations) -> P4Info {
        self.info.tables.sort_by(|a, b| a.order.cmp(&b.order));
        self.info.actions.sort_by(|a, b| a.order.cmp(&b.order));
        let headers = self.controller_headers();
        let ids = self.ids(&headers);
        let mut types = Types {
            info: TypeInfo::default(),
            annotations: Writer::new(self.values),
        };
        let uses_types = self.info.calls_externs
            || !self.info.tables.is_empty()
            || !self.info.externs.is_empty()
            || self
                .info
                .actions
                .iter()
                .any(|action| !action.params.is_empty());
        let mut info = P4Info {
            pkg_info: pkg_info(package, &mut types.annotations),
            ..P4Info::default()
        };
        self.table_objects(&ids, &mut info, &mut types);
        self.extern_objects(&ids, &mut info, &mut types);
        for (_, of) in &headers {
            info.controller_packet_metadata
                .push(controller_header(&ids, of, &mut types));
        }
        self.value_set_objects(&ids, &mut info, &mut types);
        for digest in &self.info.digests {
            let Some(type_spec) = convert(&digest.ty, &mut types) else {
                let fault = "P4Info has no form for the type of this digest";
                types.annotations.faults.push((digest.span, fault));
                continue;
            };
            let id = ids.get(Prefix::Digest, &digest.name);
            info.digests.push(Digest {
                preamble: preamble(&ids, id, &digest.name, &Rc::default(), &mut types),
                type_spec,
            });
        }
        let any_header = info
            .controller_packet_metadata
            .iter()
            .any(|header| !header.metadata.is_empty());
        let Types {
            info: mut types,
            annotations,
        } = types;
        if !types.errors.is_empty() {
            types.errors = self.errors.iter().map(ToString::to_string).collect();
        }
        info.type_info = (uses_types || any_header).then_some(types);
        for (span, fault) in annotations.faults {
            self.error(span, fault);
        }
        self.set_ids(&ids);
        info
    }

    fn controller_headers(&self) -> Vec<(crate::ast::DeclId, Rc<StructType>)> {
        let mut headers: Vec<_> = self
            .globals
            .values()
            .filter_map(|entity| match entity {
                Entity::Type(TypeDef::Known(Type::Struct(of)))
                    if has_annotation(&of.annotations, "controller_header")
                        && !has_annotation(&of.annotations, "hidden") =>
                {
                    Some((of.id, of.clone()))
                }
                _ => None,
            })
            .collect();
        headers.sort_by_key(|(id, _)| *id);
        headers.dedup_by_key(|(id, _)| *id);
        headers
    }

    #[expect(clippy::too_many_lines, reason = "one part for each kind of object")]
    fn ids(&mut self, headers: &[(crate::ast::DeclId, Rc<StructType>)]) -> Ids {
        let mut ids = Ids::default();
        let mut errors: Vec<(Span, IdError)> = Vec::new();
        let mut add = |prefix, name: &str, annotations: &Annotations, span| {
            if let Err(error) = ids.add(prefix, name, id_annotation(annotations)) {
                errors.push((span, error));
            }
        };
        for table in self
            .info
            .tables
            .iter()
            .filter(|table| !has_annotation(&table.annotations, "hidden"))
        {
            add(
                Prefix::Table,
                &self.tables[table.id.index()].name,
                &table.annotations,
                table.span,
            );
        }
        for action in self
            .info
            .actions
            .iter()
            .filter(|action| !has_annotation(&action.annotations, "hidden"))
        {
            add(
                Prefix::Action,
                &action.name,
                &action.annotations,
                action.span,
            );
        }
        let direct = |cells: ir::Cells| !matches!(cells, ir::Cells::Indirect(_));
        let externs = &self.info.externs;
        let mut add_extern = |prefix, name: &str| {
            if let Some(info) = externs.get(name) {
                add(prefix, name, &info.annotations, info.span);
            }
        };
        for one in &self.counters {
            add_extern(
                if direct(one.cells) {
                    Prefix::DirectCounter
                } else {
                    Prefix::Counter
                },
                &one.name,
            );
        }
        for one in &self.meters {
            add_extern(
                if direct(one.cells) {
                    Prefix::DirectMeter
                } else {
                    Prefix::Meter
                },
                &one.name,
            );
        }
        for one in &self.registers {
            add_extern(Prefix::Register, &one.name);
        }
        for one in &self.action_profiles {
            add_extern(Prefix::ActionProfile, &one.name);
        }
        for (_, of) in headers {
            add(
                Prefix::ControllerHeader,
                &of.name,
                &of.annotations,
                Span::default(),
            );
        }
        for digest in &self.info.digests {
            add(Prefix::Digest, &digest.name, &Rc::default(), digest.span);
        }
        for set in &self.info.value_sets {
            add(Prefix::ValueSet, &set.name, &set.annotations, set.span);
        }
        for (span, error) in errors {
            self.error(
                span,
                match error {
                    IdError::WrongPrefix => {
                        "the first octet of this @id is that of another kind of object"
                    }
                    IdError::Taken => "another object has this @id",
                },
            );
        }
        ids.assign();
        ids
    }

    #[expect(clippy::too_many_lines, reason = "one part for each kind of object")]
    fn table_objects(&self, ids: &Ids, info: &mut P4Info, types: &mut Types<'_>) {
        for action in &self.info.actions {
            let id = ids.get(Prefix::Action, &action.name);
            if id == 0 || info.actions.iter().any(|known| known.preamble.id == id) {
                continue;
            }
            let annotations: Vec<&Annotations> =
                action.params.iter().map(|(.., list)| list).collect();
            let numbers = field_ids(&annotations);
            let params = action.params.iter().zip(numbers);
            let params = params
                .map(|((name, ty, list), id)| param(id, name, ty, list, types))
                .collect();
            info.actions.push(Action {
                preamble: preamble(ids, id, &action.name, &action.annotations, types),
                params,
            });
        }
        for table in &self.info.tables {
            let lowered = &self.tables[table.id.index()];
            let id = ids.get(Prefix::Table, &lowered.name);
            if id == 0 {
                continue;
            }
            let annotations: Vec<&Annotations> =
                table.keys.iter().map(|key| &key.annotations).collect();
            let numbers = field_ids(&annotations);
            let fields = table
                .keys
                .iter()
                .zip(numbers)
                .filter(|(key, _)| key.match_kind != MatchKind::Selector);
            let match_fields = fields
                .map(|(key, id)| {
                    let (type_name, bitwidth) = name_and_width(&key.ty, types);
                    MatchField {
                        id,
                        name: key.name.clone(),
                        annotations: types.annotations.write(&key.annotations),
                        doc: documentation(&key.annotations),
                        bitwidth,
                        match_type: key.match_kind,
                        type_name,
                    }
                })
                .collect();
            let action_id =
                |action: ir::ActionId| ids.get(Prefix::Action, &self.actions[action.index()].name);
            let refs = lowered.actions.iter().zip(&table.action_annotations);
            let action_refs = refs
                .map(|(one, annotations)| ActionRef {
                    id: action_id(one.action),
                    scope: one.scope,
                    annotations: ref_annotations(one.scope, annotations, types),
                })
                .collect();
            let default = action_id(lowered.default_action.action);
            let mut direct_resource_ids = Vec::new();
            if let Some(counter) = lowered.direct_counter {
                direct_resource_ids
                    .push(ids.get(Prefix::DirectCounter, &self.counters[counter.index()].name));
            }
            if let Some(meter) = lowered.direct_meter {
                direct_resource_ids
                    .push(ids.get(Prefix::DirectMeter, &self.meters[meter.index()].name));
            }
            let profile = lowered
                .action_profile
                .map(|profile| &self.action_profiles[profile.index()].name);
            info.tables.push(Table {
                preamble: preamble(ids, id, &lowered.name, &table.annotations, types),
                match_fields,
                action_refs,
                const_default_action_id: if lowered.const_default_action {
                    default
                } else {
                    0
                },
                initial_default_action: ActionCall {
                    action_id: default,
                    arguments: self.default_arguments(&lowered.default_action),
                },
                implementation_id: profile.map_or(0, |name| ids.get(Prefix::ActionProfile, name)),
                direct_resource_ids,
                size: lowered.size,
                idle_timeout: lowered.idle_timeout,
                is_const_table: lowered.const_entries,
                has_initial_entries: !lowered.entries.is_empty(),
            });
        }
    }

    fn default_arguments(&self, call: &ir::ActionCall) -> Vec<(u32, Vec<u8>)> {
        let Some(action) = self
            .info
            .actions
            .iter()
            .find(|action| action.name == self.actions[call.action.index()].name)
        else {
            return Vec::new();
        };
        let annotations: Vec<&Annotations> = action.params.iter().map(|(.., list)| list).collect();
        field_ids(&annotations)
            .into_iter()
            .zip(&call.args)
            .map(|(id, value)| (id, value.to_be_bytes()))
            .collect()
    }

    #[expect(clippy::too_many_lines, reason = "one part for each kind of object")]
    fn extern_objects(&self, ids: &Ids, info: &mut P4Info, types: &mut Types<'_>) {
        let mut list: Vec<_> = self.info.externs.values().collect();
        list.sort_by(|a, b| a.order.cmp(&b.order));
        for one in list {
            let name = &one.name;
            let make = |prefix, types: &mut Types<'_>| {
                preamble(ids, ids.get(prefix, name), name, &one.annotations, types)
            };
            if let Some(counter) = self.counters.iter().find(|counter| counter.name == *name) {
                match counter.cells {
                    ir::Cells::Indirect(size) => info.counters.push(Counter {
                        preamble: make(Prefix::Counter, types),
                        unit: counter.unit,
                        size,
                        index_type_name: one
                            .types
                            .first()
                            .and_then(|ty| name_and_width(ty, types).0),
                    }),
                    ir::Cells::Direct(table) => info.direct_counters.push(DirectCounter {
                        preamble: make(Prefix::DirectCounter, types),
                        unit: counter.unit,
                        direct_table_id: ids.get(Prefix::Table, &self.tables[table.index()].name),
                    }),
                    ir::Cells::Unused => {}
                }
            }
            if let Some(meter) = self.meters.iter().find(|meter| meter.name == *name) {
                match meter.cells {
                    ir::Cells::Indirect(size) => info.meters.push(Meter {
                        preamble: make(Prefix::Meter, types),
                        unit: meter.unit,
                        size,
                        index_type_name: one
                            .types
                            .first()
                            .and_then(|ty| name_and_width(ty, types).0),
                    }),
                    ir::Cells::Direct(table) => info.direct_meters.push(DirectMeter {
                        preamble: make(Prefix::DirectMeter, types),
                        unit: meter.unit,
                        direct_table_id: ids.get(Prefix::Table, &self.tables[table.index()].name),
                    }),
                    ir::Cells::Unused => {}
                }
            }
            if let Some(register) = self
                .registers
                .iter()
                .find(|register| register.name == *name)
            {
                let data = one.types.first().and_then(|ty| convert(ty, types));
                info.registers.push(Register {
                    preamble: make(Prefix::Register, types),
                    type_spec: data.unwrap_or(TypeSpec::Bool),
                    size: register.size,
                    index_type_name: one.types.get(1).and_then(|ty| name_and_width(ty, types).0),
                });
            }
            if let Some(index) = self
                .action_profiles
                .iter()
                .position(|profile| profile.name == *name)
            {
                let profile = &self.action_profiles[index];
                let uses = |table: &&super::TableInfo| {
                    self.tables[table.id.index()]
                        .action_profile
                        .is_some_and(|id| id.index() == index)
                };
                let tables = self.info.tables.iter().filter(uses);
                let table_ids =
                    tables.map(|table| ids.get(Prefix::Table, &self.tables[table.id.index()].name));
                let with_selector = profile.selector.is_some();
                let mut preamble = make(Prefix::ActionProfile, types);
                preamble.annotations.texts.retain(|text| {
                    let name = text.trim_start_matches('@').split('(').next();
                    !name.is_some_and(|name| SELECTOR_ANNOTATIONS.contains(&name))
                });
                let sizes = &one.annotations[..];
                info.action_profiles.push(ActionProfile {
                    preamble,
                    table_ids: table_ids.collect(),
                    with_selector,
                    size: profile.size,
                    max_group_size: number_annotation(sizes, "max_group_size")
                        .filter(|_| with_selector)
                        .unwrap_or(0),
                    selector_size: selector_size(sizes).filter(|_| with_selector),
                });
            }
        }
    }

    fn value_set_objects(&self, ids: &Ids, info: &mut P4Info, types: &mut Types<'_>) {
        for set in &self.info.value_sets {
            let id = ids.get(Prefix::ValueSet, &set.name);
            let mut matches = Vec::new();
            let none = Rc::default();
            let mut fields = Vec::new();
            match &set.ty {
                Type::Struct(of) => flatten_fields("", of, &mut fields),
                ty => fields.push((String::new(), ty, &none)),
            }
            let annotations: Vec<&Annotations> = fields.iter().map(|(.., list)| *list).collect();
            let numbers = field_ids(&annotations);
            for ((name, ty, annotations), id) in fields.iter().zip(numbers) {
                let kind = annotations.iter().find(|one| &*one.name.text == "match");
                let kind = kind
                    .and_then(|one| one.body.first())
                    .map_or("exact", |token| &token.text);
                matches.push(MatchField {
                    id,
                    name: name.clone(),
                    annotations: types.annotations.write(annotations),
                    doc: documentation(annotations),
                    bitwidth: ty.scalar_width().unwrap_or(0),
                    match_type: match kind {
                        "lpm" => MatchKind::Lpm,
                        "ternary" => MatchKind::Ternary,
                        "range" => MatchKind::Range,
                        "optional" => MatchKind::Optional,
                        _ => MatchKind::Exact,
                    },
                    type_name: None,
                });
            }
            let preamble = preamble(ids, id, &set.name, &set.annotations, types);
            info.value_sets.push(ValueSet {
                preamble,
                matches,
                size: set.size,
            });
        }
    }

    fn set_ids(&mut self, ids: &Ids) {
        for table in &mut self.tables {
            table.p4info_id = ids.get(Prefix::Table, &table.name);
        }
        for action in &mut self.actions {
            action.p4info_id = ids.get(Prefix::Action, &action.name);
        }
        let direct = |cells: ir::Cells| !matches!(cells, ir::Cells::Indirect(_));
        for one in &mut self.counters {
            let prefix = if direct(one.cells) {
                Prefix::DirectCounter
            } else {
                Prefix::Counter
            };
            one.p4info_id = ids.get(prefix, &one.name);
        }
        for one in &mut self.meters {
            let prefix = if direct(one.cells) {
                Prefix::DirectMeter
            } else {
                Prefix::Meter
            };
            one.p4info_id = ids.get(prefix, &one.name);
        }
        for one in &mut self.registers {
            one.p4info_id = ids.get(Prefix::Register, &one.name);
        }
        for one in &mut self.action_profiles {
            one.p4info_id = ids.get(Prefix::ActionProfile, &one.name);
        }
        for one in &mut self.digests {
            one.p4info_id = ids.get(Prefix::Digest, &one.name);
        }
        for one in &self.info.value_sets {
            self.value_sets[one.id.index()].p4info_id = ids.get(Prefix::ValueSet, &one.name);
        }
    }
}

/// What the sizes of an action selector count, if its annotations say that.
fn selector_size(annotations: &[Annotation]) -> Option<SelectorSize> {
    let semantics = string_annotation(annotations, "selector_size_semantics")?;
    match &*semantics.to_ascii_lowercase() {
        "sum_of_weights" => Some(SelectorSize::SumOfWeights),
        "sum_of_members" => Some(SelectorSize::SumOfMembers {
            max_member_weight: number_annotation(annotations, "max_member_weight").unwrap_or(0),
        }),
        _ => None,
    }
}

/// Annotations of an action in a table; p4c writes out the one that it adds to an implicit default action.
fn ref_annotations(
    scope: ir::ActionScope,
    annotations: &Annotations,
    types: &mut Types<'_>,
) -> p4info::Annotations {
    let mut written = types.annotations.write(annotations);
    if written == p4info::Annotations::default() && scope == ir::ActionScope::DefaultOnly {
        written.texts.push("@defaultonly".into());
    }
    written
}

fn preamble(
    ids: &Ids,
    id: u32,
    name: &str,
    annotations: &Annotations,
    types: &mut Types<'_>,
) -> Preamble {
    Preamble {
        id,
        name: name.to_owned(),
        alias: ids.alias(name),
        annotations: types.annotations.write(annotations),
        doc: documentation(annotations),
    }
}

fn param(
    id: u32,
    name: &str,
    ty: &Type,
    annotations: &Annotations,
    types: &mut Types<'_>,
) -> Param {
    let (type_name, bitwidth) = name_and_width(ty, types);
    Param {
        id,
        name: string_annotation(annotations, "name").unwrap_or_else(|| name.to_owned()),
        annotations: types.annotations.write(annotations),
        doc: documentation(annotations),
        bitwidth,
        type_name,
    }
}

fn controller_header(
    ids: &Ids,
    of: &StructType,
    types: &mut Types<'_>,
) -> ControllerPacketMetadata {
    let name = string_annotation(&of.annotations, "controller_header").unwrap_or_default();
    let mut fields = Vec::new();
    flatten_fields("", of, &mut fields);
    let annotations: Vec<&Annotations> = fields.iter().map(|(.., list)| *list).collect();
    let numbers = field_ids(&annotations);
    let fields = fields
        .iter()
        .zip(numbers)
        .filter(|((.., list), _)| !has_annotation(list, "hidden"));
    let metadata = fields
        .map(|((name, ty, list), id)| param(id, name, ty, list, types))
        .collect();
    let id = ids.get(Prefix::ControllerHeader, &of.name);
    ControllerPacketMetadata {
        preamble: Preamble {
            alias: name.clone(),
            ..preamble(ids, id, &name, &of.annotations, types)
        },
        metadata,
    }
}

/// Fields of a header or a struct; those of structs inside have dots in their names.
fn flatten_fields<'t>(
    prefix: &str,
    of: &'t StructType,
    list: &mut Vec<(String, &'t Type, &'t Annotations)>,
) {
    for field in &of.fields {
        let name = if prefix.is_empty() {
            field.name.to_string()
        } else {
            format!("{prefix}.{}", field.name)
        };
        match &field.ty {
            Type::Struct(inner) => flatten_fields(&name, inner, list),
            ty => list.push((name, ty, &field.annotations)),
        }
    }
}

/// The package's description, from the annotations of `main`.
fn pkg_info(package: &Annotations, annotations: &mut Writer<'_>) -> PkgInfo {
    let mut info = PkgInfo {
        arch: "v1model".into(),
        annotations: annotations.write(package),
        doc: documentation(package),
        platform_properties: platform_properties(package),
        ..PkgInfo::default()
    };
    for annotation in package.iter().filter(|one| &*one.name.text == "pkginfo") {
        for (key, value) in pairs(annotation).filter(|(_, value)| value.kind == Kind::Str) {
            let text = value.text.to_string();
            match &*key.text {
                "name" => info.name = text,
                "version" => info.version = text,
                "organization" => info.organization = text,
                "contact" => info.contact = text,
                "url" => info.url = text,
                "arch" => info.arch = text,
                _ => {}
            }
        }
    }
    info
}
