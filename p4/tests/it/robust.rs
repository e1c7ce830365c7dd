// SPDX-License-Identifier: Apache-2.0 OR MIT
//! No text makes the front end panic.

use std::fmt::Write as _;

use proptest::prelude::*;

const TRANSLATOR: &str = include_str!("../../testdata/programs/translator.p4");

/// Pieces of P4, so that random texts get past the first token.
const PIECES: &[&str] = &[
    "control C(",
    "inout",
    "bit<8>",
    "bit<",
    ">",
    "x",
    ")",
    "{",
    "}",
    "apply",
    ";",
    "=",
    "table t",
    "key",
    "actions",
    "parser P(packet_in p) {",
    "state start {",
    "transition",
    "select(",
    "accept",
    ":",
    "header h {",
    "struct s {",
    "if (",
    "else",
    "x = x + 1",
    "8w255",
    "-",
    "++",
    "[",
    "]",
    "1",
    "#define X",
    "#if",
    "#endif",
    "\n",
    "X",
    "X(",
    "typedef",
    "enum",
    "return",
    "exit",
    "switch",
    "for",
    "in",
    "..",
    "&&&",
    "@name(",
    "\"s\"",
    "extern",
    "<",
    "T",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text(text in ".{0,200}") {
        let _ = super::compile(&text).map_err(|errors| errors.to_string());
    }

    #[test]
    fn arbitrary_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..80)) {
        let text = format!("#include <v1model.p4>\n{}", pieces.join(" "));
        let _ = super::compile(&text).map_err(|errors| errors.to_string());
    }

    #[test]
    fn mutated_program(at in 0..TRANSLATOR.len(), len in 0_usize..40, with in "[a-z0-9(){}<>;,.=+-]{0,6}") {
        let (Some(before), Some(after)) = (TRANSLATOR.get(..at), TRANSLATOR.get((at + len).min(TRANSLATOR.len())..)) else {
            return Ok(());
        };
        match super::compile(&format!("{before}{with}{after}")) {
            Ok(program) => prop_assert_eq!(program.validate(), []),
            Err(errors) => prop_assert!(!errors.to_string().is_empty()),
        }
    }
}

#[test]
fn comment_with_wide_characters() {
    refused("/*é\u{cbf0c}*/\u{cbf0c}", "character is not part of P4");
}

/// Each text is refused, and does not exhaust the stack or the memory.
#[track_caller]
fn refused(text: &str, message: &str) {
    let errors = super::compile(text).expect_err(message).to_string();
    assert!(
        errors.contains(message),
        "{}",
        &errors[..errors.len().min(400)]
    );
}

#[test]
fn nesting_is_limited() {
    let deep = 100_000;
    refused(
        &format!("const bit<8> X = {}1;", "(".repeat(deep)),
        "nested too deeply",
    );
    refused(
        &format!("const int X = 1{};", " + 1".repeat(deep)),
        "nested too deeply",
    );
    refused(
        &format!("const int X = {}1;", "-".repeat(deep)),
        "nested too deeply",
    );
    refused(
        &format!("control C() {{ apply {{ {}", "{".repeat(deep)),
        "nested too deeply",
    );
    refused(
        &format!("const {}bit<8>> X = 1;", "tuple<".repeat(deep)),
        "nested too deeply",
    );
    refused(
        &format!("#if {}1\n#endif", "(".repeat(deep)),
        "not a condition",
    );
}

#[test]
fn expansion_is_limited() {
    let mut text = String::from("#define A0 x x x x x x x x x x\n");
    for level in 1..12 {
        let last = format!("A{} ", level - 1);
        let _ = writeln!(text, "#define A{level} {}", last.repeat(10));
    }
    refused(&format!("{text}A11\n"), "too long after macro expansion");
    let mut decls = String::from("void f0(inout bit<8> x) { x = x + 1; }\n");
    for level in 1..12 {
        let calls = format!("f{}(x); ", level - 1).repeat(10);
        let _ = writeln!(decls, "void f{level}(inout bit<8> x) {{ {calls} }}");
    }
    let text = super::program(&decls, super::ACCEPT, "", "f11(hdr.h.a);");
    refused(&text, "too large after inlining");
}

#[test]
fn arrays_are_limited() {
    let message = "an array has at most 16384 parts";
    let nothing = "struct none_t {} ";
    for text in [
        "bit<1>[1024][1024][1024]",
        "none_t[1024][1024][1024]",
        "tuple<none_t[100], bit<8>>[1000]",
    ] {
        let text = format!("{nothing} const {text} X = ...;");
        refused(&super::program(&text, super::ACCEPT, "", ""), message);
    }
}

#[test]
fn including_itself_is_limited() {
    let source = p4::Source {
        name: "a.p4",
        text: "#include \"a.p4\"\n",
        include: &|_, _| Some(("a.p4".into(), "#include \"a.p4\"\n".into())),
        ..p4::Source::default()
    };
    let errors = p4::compile(&source)
        .expect_err("the file includes itself")
        .to_string();
    assert!(
        errors.contains("files include each other too deeply"),
        "{errors}"
    );
}
