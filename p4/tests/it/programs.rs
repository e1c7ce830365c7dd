// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole programs.

use std::fs;

use p4::ir::{
    MatchKind::{Exact, Ternary},
    StandardField,
};

/// Each program compiles, holds the invariants of the IR, and has a snapshot of its P4Info.
#[test]
fn p4info_of_programs() {
    insta::glob!("../../testdata/programs", "*.p4", |path| {
        let text = fs::read_to_string(path).expect("the glob found this file");
        let program = super::compile(&text).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(program.validate(), []);
        insta::assert_snapshot!(program.p4info.to_text());
    });
}

#[test]
fn equal_inputs_give_equal_programs() {
    let text = include_str!("../../testdata/programs/translator.p4");
    assert_eq!(super::compile(text).unwrap(), super::compile(text).unwrap());
}

#[test]
fn standard_metadata_has_the_fields_of_v1model() {
    let text = super::program("", super::ACCEPT, "", "");
    let program = super::compile(&text).unwrap();
    let names: Vec<&str> = StandardField::ALL
        .iter()
        .map(|field| {
            program.slots[program.standard(*field).index()]
                .name
                .as_str()
        })
        .collect();
    let widths: Vec<u32> = program
        .standard
        .iter()
        .map(|slot| program.slots[slot.index()].width)
        .collect();
    assert_eq!(names[0], "std.ingress_port");
    assert_eq!(names[15], "std.priority");
    assert_eq!(
        widths,
        [9, 9, 9, 32, 32, 32, 19, 32, 19, 48, 48, 16, 16, 1, 32, 3]
    );
}

#[test]
fn includes_come_from_the_caller() {
    let source = p4::Source {
        name: "a.p4",
        text: "#include \"b.p4\"\n",
        include: &|path, from| {
            (path == "b.p4" && from == "a.p4").then(|| ("b.p4".into(), "const bit<8> X = ;".into()))
        },
        ..p4::Source::default()
    };
    let errors = p4::compile(&source)
        .expect_err("the included file is wrong")
        .to_string();
    assert!(errors.contains("b.p4:1:18"), "{errors}");
}

#[test]
fn without_main_there_is_nothing_to_control() {
    let source = |text| p4::Source {
        name: "part.p4",
        text,
        ..p4::Source::default()
    };
    let part = source("#include <v1model.p4>\ncontrol c(inout bit<8> x) { apply { x = 1; } }\n");
    let (p4info, warnings) = p4::interface(&part).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(
        p4info.to_text(),
        "# proto-file: p4/config/v1/p4info.proto\n# proto-message: p4.config.v1.P4Info\n\n"
    );
    let said: Vec<&str> = warnings
        .list
        .iter()
        .map(|one| one.message.as_str())
        .collect();
    assert_eq!(said, ["program has no `main` package instance"]);
    assert_eq!(warnings.list[0].severity, p4::diagnostic::Severity::Warning);
    p4::compile(&part).expect_err("there is nothing to run");
    p4::interface(&source("control c() { apply { x = 1; } }")).expect_err("x is nowhere");
}

#[test]
fn checks_at_compile_time_are_nothing_to_control() {
    let text = super::program("", super::ACCEPT, "", "static_assert(1 == 1, \"it is\");");
    let program = super::compile(&text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(program.p4info.type_info, None);
}

#[test]
fn value_sets_have_the_fields_of_inner_structs() {
    let decls = "struct in_t { @match(ternary) bit<16> b; bit<8> c; } struct out_t { bit<8> a; in_t rest; }";
    let states = "value_set<out_t>(4) set; state start { pkt.extract(hdr.h);
        transition select(hdr.h.a, hdr.h.b, hdr.h.c) { set: accept; _: reject; } }";
    let text = super::program(decls, states, "", "");
    let program = super::compile(&text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(program.validate(), []);
    let widths: Vec<u32> = program.value_sets[0]
        .fields
        .iter()
        .map(|(width, _)| *width)
        .collect();
    assert_eq!(widths, [8, 16, 8]);
    let fields = program.p4info.value_sets[0].matches.iter();
    let fields: Vec<_> = fields
        .map(|field| (field.name.as_str(), field.bitwidth, field.match_type))
        .collect();
    assert_eq!(
        fields,
        [
            ("a", 8, Exact),
            ("rest.b", 16, Ternary),
            ("rest.c", 8, Exact)
        ]
    );
}

#[test]
fn macros_and_conditions() {
    let decls = "#define ADD(a, b) ((a) + (b))\n#define TWO 2\n#if TWO == 2 && defined(ADD) && !defined(NONE)\n\
        const bit<8> X = ADD(TWO, 3);\n#else\n'this is not P4\n#endif\n";
    let text = super::program(decls, super::ACCEPT, "", "hdr.h.a = X;");
    let program = super::compile(&text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(super::show::ingress(&program), "hdr.h.a = 8w5\n");
}
