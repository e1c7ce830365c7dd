// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Protobuf's text format, fields in order of their numbers.

use std::fmt::Write as _;

use crate::ir::{ActionScope, CounterUnit, MatchKind, MeterUnit};

use super::{
    ActionCall, AnnotationBody, AnnotationValue, Annotations, Bitstring, Documentation, MatchField,
    NewType, P4Info, Param, PkgInfo, Preamble, SelectorSize, Table, TypeInfo, TypeSpec,
};

impl P4Info {
    /// The text that `p4c --p4runtime-files x.txtpb` writes.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = Text {
            out: String::new(),
            depth: 0,
        };
        text.out.push_str(
            "# proto-file: p4/config/v1/p4info.proto\n# proto-message: p4.config.v1.P4Info\n\n",
        );
        self.write(&mut text);
        text.out
    }

    fn write(&self, text: &mut Text) {
        if self.pkg_info != PkgInfo::default() {
            text.message("pkg_info", |text| self.pkg_info(text));
        }
        for table in &self.tables {
            text.message("tables", |text| write_table(text, table));
        }
        for action in &self.actions {
            text.message("actions", |text| {
                write_preamble(text, &action.preamble);
                write_params(text, "params", &action.params);
            });
        }
        for profile in &self.action_profiles {
            text.message("action_profiles", |text| {
                write_preamble(text, &profile.preamble);
                for id in &profile.table_ids {
                    text.number("table_ids", (*id).into());
                }
                text.flag("with_selector", profile.with_selector);
                text.nonzero("size", profile.size);
                text.nonzero("max_group_size", profile.max_group_size.into());
                match profile.selector_size {
                    Some(SelectorSize::SumOfWeights) => text.message("sum_of_weights", |_| {}),
                    Some(SelectorSize::SumOfMembers { max_member_weight }) => {
                        text.message("sum_of_members", |text| {
                            text.nonzero("max_member_weight", max_member_weight.into());
                        });
                    }
                    None => {}
                }
            });
        }
        self.write_counters(text);
        for header in &self.controller_packet_metadata {
            text.message("controller_packet_metadata", |text| {
                write_preamble(text, &header.preamble);
                write_params(text, "metadata", &header.metadata);
            });
        }
        for set in &self.value_sets {
            text.message("value_sets", |text| {
                write_preamble(text, &set.preamble);
                for field in &set.matches {
                    text.message("match", |text| write_match(text, field));
                }
                text.nonzero("size", set.size);
            });
        }
        for register in &self.registers {
            text.message("registers", |text| {
                write_preamble(text, &register.preamble);
                text.message("type_spec", |text| write_type(text, &register.type_spec));
                text.nonzero("size", register.size);
                write_name(text, "index_type_name", register.index_type_name.as_deref());
            });
        }
        for digest in &self.digests {
            text.message("digests", |text| {
                write_preamble(text, &digest.preamble);
                text.message("type_spec", |text| write_type(text, &digest.type_spec));
            });
        }
        if let Some(types) = &self.type_info {
            text.message("type_info", |text| write_types(text, types));
        }
    }

    fn pkg_info(&self, text: &mut Text) {
        let info = &self.pkg_info;
        text.text("name", &info.name);
        text.text("version", &info.version);
        write_doc(text, info.doc.as_ref());
        write_annotations(text, &info.annotations);
        text.text("arch", &info.arch);
        text.text("organization", &info.organization);
        text.text("contact", &info.contact);
        text.text("url", &info.url);
        write_structured(text, &info.annotations);
        if let Some(limits) = info.platform_properties {
            text.message("platform_properties", |text| {
                text.signed(
                    "multicast_group_table_size",
                    limits.multicast_group_table_size,
                );
                text.signed(
                    "multicast_group_table_total_replicas",
                    limits.multicast_group_table_total_replicas,
                );
                text.signed(
                    "multicast_group_table_max_replicas_per_entry",
                    limits.multicast_group_table_max_replicas_per_entry,
                );
            });
        }
    }

    fn write_counters(&self, text: &mut Text) {
        let counter = |unit| match unit {
            CounterUnit::Bytes => "BYTES",
            CounterUnit::Packets => "PACKETS",
            CounterUnit::Both => "BOTH",
        };
        let meter = |unit| match unit {
            MeterUnit::Bytes => "BYTES",
            MeterUnit::Packets => "PACKETS",
        };
        for one in &self.counters {
            text.message("counters", |text| {
                write_preamble(text, &one.preamble);
                text.message("spec", |text| text.word("unit", counter(one.unit)));
                text.nonzero("size", one.size);
                write_name(text, "index_type_name", one.index_type_name.as_deref());
            });
        }
        for one in &self.direct_counters {
            text.message("direct_counters", |text| {
                write_preamble(text, &one.preamble);
                text.message("spec", |text| text.word("unit", counter(one.unit)));
                text.nonzero("direct_table_id", one.direct_table_id.into());
            });
        }
        for one in &self.meters {
            text.message("meters", |text| {
                write_preamble(text, &one.preamble);
                text.message("spec", |text| text.word("unit", meter(one.unit)));
                text.nonzero("size", one.size);
                write_name(text, "index_type_name", one.index_type_name.as_deref());
            });
        }
        for one in &self.direct_meters {
            text.message("direct_meters", |text| {
                write_preamble(text, &one.preamble);
                text.message("spec", |text| text.word("unit", meter(one.unit)));
                text.nonzero("direct_table_id", one.direct_table_id.into());
            });
        }
    }
}

/// Text with indentation.
struct Text {
    out: String,
    depth: usize,
}

impl Text {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let indent = self.depth * 2;
        let _ = writeln!(self.out, "{:indent$}{line}", "");
    }

    fn message(&mut self, name: &str, body: impl FnOnce(&mut Self)) {
        self.line(format_args!("{name} {{"));
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line(format_args!("}}"));
    }

    fn number(&mut self, name: &str, value: u64) {
        self.line(format_args!("{name}: {value}"));
    }

    fn nonzero(&mut self, name: &str, value: u64) {
        if value != 0 {
            self.number(name, value);
        }
    }

    /// A number that may be negative, unless it is zero.
    fn signed(&mut self, name: &str, value: i32) {
        if value != 0 {
            self.line(format_args!("{name}: {value}"));
        }
    }

    fn word(&mut self, name: &str, value: &str) {
        self.line(format_args!("{name}: {value}"));
    }

    fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.word(name, "true");
        }
    }

    fn bytes(&mut self, name: &str, value: &[u8]) {
        let mut quoted = String::new();
        for byte in value {
            match byte {
                b'\n' => quoted.push_str("\\n"),
                b'\r' => quoted.push_str("\\r"),
                b'\t' => quoted.push_str("\\t"),
                b'"' => quoted.push_str("\\\""),
                b'\'' => quoted.push_str("\\'"),
                b'\\' => quoted.push_str("\\\\"),
                b' '..=b'~' => quoted.push(char::from(*byte)),
                _ => {
                    let _ = write!(quoted, "\\{byte:03o}");
                }
            }
        }
        self.line(format_args!("{name}: \"{quoted}\""));
    }

    fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.bytes(name, value.as_bytes());
        }
    }
}

fn write_annotations(text: &mut Text, annotations: &Annotations) {
    for annotation in &annotations.texts {
        text.text("annotations", annotation);
    }
}

fn write_structured(text: &mut Text, annotations: &Annotations) {
    for annotation in &annotations.structured {
        text.message("structured_annotations", |text| {
            text.text("name", &annotation.name);
            match &annotation.body {
                AnnotationBody::Expressions(list) if list.is_empty() => {}
                AnnotationBody::Expressions(list) => text.message("expression_list", |text| {
                    for value in list {
                        text.message("expressions", |text| write_value(text, value));
                    }
                }),
                AnnotationBody::Pairs(list) => text.message("kv_pair_list", |text| {
                    for (key, value) in list {
                        text.message("kv_pairs", |text| {
                            text.text("key", key);
                            text.message("value", |text| write_value(text, value));
                        });
                    }
                }),
            }
        });
    }
}

/// A value is written even if it is zero or empty: it says of which type it is.
fn write_value(text: &mut Text, value: &AnnotationValue) {
    match value {
        AnnotationValue::Text(value) => text.bytes("string_value", value.as_bytes()),
        AnnotationValue::Int(value) => text.line(format_args!("int64_value: {value}")),
        AnnotationValue::Bool(value) => text.line(format_args!("bool_value: {value}")),
    }
}

fn write_doc(text: &mut Text, doc: Option<&Documentation>) {
    if let Some(doc) = doc {
        text.message("doc", |text| {
            text.text("brief", &doc.brief);
            text.text("description", &doc.description);
        });
    }
}

fn write_preamble(text: &mut Text, preamble: &Preamble) {
    text.message("preamble", |text| {
        text.number("id", preamble.id.into());
        text.text("name", &preamble.name);
        text.text("alias", &preamble.alias);
        write_annotations(text, &preamble.annotations);
        write_doc(text, preamble.doc.as_ref());
        write_structured(text, &preamble.annotations);
    });
}

fn write_name(text: &mut Text, field: &str, name: Option<&str>) {
    if let Some(name) = name {
        text.message(field, |text| text.text("name", name));
    }
}

fn write_table(text: &mut Text, table: &Table) {
    write_preamble(text, &table.preamble);
    for field in &table.match_fields {
        text.message("match_fields", |text| write_match(text, field));
    }
    for action in &table.action_refs {
        text.message("action_refs", |text| {
            text.number("id", action.id.into());
            write_annotations(text, &action.annotations);
            match action.scope {
                ActionScope::TableAndDefault => {}
                ActionScope::TableOnly => text.word("scope", "TABLE_ONLY"),
                ActionScope::DefaultOnly => text.word("scope", "DEFAULT_ONLY"),
            }
            write_structured(text, &action.annotations);
        });
    }
    text.nonzero(
        "const_default_action_id",
        table.const_default_action_id.into(),
    );
    text.message("initial_default_action", |text| {
        write_call(text, &table.initial_default_action);
    });
    text.nonzero("implementation_id", table.implementation_id.into());
    for id in &table.direct_resource_ids {
        text.number("direct_resource_ids", (*id).into());
    }
    text.nonzero("size", table.size);
    if table.idle_timeout {
        text.word("idle_timeout_behavior", "NOTIFY_CONTROL");
    }
    text.flag("is_const_table", table.is_const_table);
    text.flag("has_initial_entries", table.has_initial_entries);
}

fn write_call(text: &mut Text, call: &ActionCall) {
    text.nonzero("action_id", call.action_id.into());
    for (id, value) in &call.arguments {
        text.message("arguments", |text| {
            text.number("param_id", (*id).into());
            text.bytes("value", value);
        });
    }
}

fn write_match(text: &mut Text, field: &MatchField) {
    text.number("id", field.id.into());
    text.text("name", &field.name);
    write_annotations(text, &field.annotations);
    text.nonzero("bitwidth", field.bitwidth.into());
    text.word(
        "match_type",
        match field.match_type {
            MatchKind::Exact => "EXACT",
            MatchKind::Lpm => "LPM",
            MatchKind::Ternary => "TERNARY",
            MatchKind::Range => "RANGE",
            MatchKind::Optional => "OPTIONAL",
            MatchKind::Selector => "UNSPECIFIED",
        },
    );
    write_doc(text, field.doc.as_ref());
    write_name(text, "type_name", field.type_name.as_deref());
    write_structured(text, &field.annotations);
}

fn write_params(text: &mut Text, field: &str, params: &[Param]) {
    for param in params {
        text.message(field, |text| {
            text.number("id", param.id.into());
            text.text("name", &param.name);
            write_annotations(text, &param.annotations);
            text.nonzero("bitwidth", param.bitwidth.into());
            write_doc(text, param.doc.as_ref());
            write_name(text, "type_name", param.type_name.as_deref());
            write_structured(text, &param.annotations);
        });
    }
}

fn write_bits(text: &mut Text, bits: Bitstring) {
    let (name, field, width) = match bits {
        Bitstring::Bit(width) => ("bit", "bitwidth", width),
        Bitstring::Int(width) => ("int", "bitwidth", width),
        Bitstring::Varbit(width) => ("varbit", "max_bitwidth", width),
    };
    text.message(name, |text| text.nonzero(field, width.into()));
}

fn write_type(text: &mut Text, ty: &TypeSpec) {
    match ty {
        TypeSpec::Bitstring(bits) => text.message("bitstring", |text| write_bits(text, *bits)),
        TypeSpec::Bool => text.message("bool", |_| {}),
        TypeSpec::Tuple(members) => text.message("tuple", |text| {
            for member in members {
                text.message("members", |text| write_type(text, member));
            }
        }),
        TypeSpec::Struct(name) => write_name(text, "struct", Some(name)),
        TypeSpec::Header(name) => write_name(text, "header", Some(name)),
        TypeSpec::HeaderStack(name, size) => text.message("header_stack", |text| {
            write_name(text, "header", Some(name));
            text.number("size", (*size).into());
        }),
        TypeSpec::Enum(name) => write_name(text, "enum", Some(name)),
        TypeSpec::Error => text.message("error", |_| {}),
        TypeSpec::SerializableEnum(name) => write_name(text, "serializable_enum", Some(name)),
        TypeSpec::NewType(name) => write_name(text, "new_type", Some(name)),
    }
}

fn write_types(text: &mut Text, types: &TypeInfo) {
    fn entry(text: &mut Text, field: &str, key: &str, body: impl FnOnce(&mut Text)) {
        text.message(field, |text| {
            text.text("key", key);
            text.message("value", body);
        });
    }
    for (name, members) in &types.structs {
        entry(text, "structs", name, |text| {
            for (name, ty) in members {
                text.message("members", |text| {
                    text.text("name", name);
                    text.message("type_spec", |text| write_type(text, ty));
                });
            }
        });
    }
    for (name, members) in &types.headers {
        entry(text, "headers", name, |text| {
            for (name, bits) in members {
                text.message("members", |text| {
                    text.text("name", name);
                    text.message("type_spec", |text| write_bits(text, *bits));
                });
            }
        });
    }
    for (name, members) in &types.enums {
        entry(text, "enums", name, |text| {
            for name in members {
                text.message("members", |text| text.text("name", name));
            }
        });
    }
    if !types.errors.is_empty() {
        text.message("error", |text| {
            for name in &types.errors {
                text.text("members", name);
            }
        });
    }
    for (name, of) in &types.serializable_enums {
        entry(text, "serializable_enums", name, |text| {
            text.message("underlying_type", |text| {
                text.nonzero("bitwidth", of.bitwidth.into());
            });
            for (name, value) in &of.members {
                text.message("members", |text| {
                    text.text("name", name);
                    text.bytes("value", value);
                });
            }
        });
    }
    for (name, (ty, annotations)) in &types.new_types {
        entry(text, "new_types", name, |text| {
            write_new_type(text, ty);
            write_annotations(text, annotations);
            write_structured(text, annotations);
        });
    }
}

fn write_new_type(text: &mut Text, ty: &NewType) {
    match ty {
        NewType::Original(ty) => text.message("original_type", |text| write_type(text, ty)),
        NewType::Translated(uri, width) => text.message("translated_type", |text| {
            text.text("uri", uri);
            match width {
                Some(width) => text.number("sdn_bitwidth", (*width).into()),
                None => text.message("sdn_string", |_| {}),
            }
        }),
    }
}
