// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole programs.

use std::fs;

use p4::ir::StandardField;

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
fn macros_and_conditions() {
    let decls = "#define ADD(a, b) ((a) + (b))\n#define TWO 2\n#if TWO == 2 && defined(ADD) && !defined(NONE)\n\
        const bit<8> X = ADD(TWO, 3);\n#else\n'this is not P4\n#endif\n";
    let text = super::program(decls, super::ACCEPT, "", "hdr.h.a = X;");
    let program = super::compile(&text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(super::show::ingress(&program), "hdr.h.a = 8w5\n");
}
