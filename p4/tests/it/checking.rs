// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The type checker, for programs of any architecture.

use proptest::prelude::*;

const LANGUAGE: &str = include_str!("../../testdata/checked/language.p4");

fn check(text: &str) -> Result<p4::diagnostic::Diagnostics, p4::diagnostic::Diagnostics> {
    p4::check(&p4::Source {
        name: "test.p4",
        text,
        ..p4::Source::default()
    })
}

/// Declarations that are accepted.
#[track_caller]
fn accepted(decls: &str) {
    if let Err(errors) = check(decls) {
        panic!("{errors}");
    }
}

/// Declarations that are refused, with a message that says why.
#[track_caller]
fn refused(decls: &str, message: &str) {
    let errors = check(decls).expect_err(message).to_string();
    assert!(errors.contains(message), "{errors}");
}

/// A statement in a control with some variables.
fn body(stmt: &str) -> String {
    format!(
        "#include <core.p4>
        header H {{ bit<8> a; bit<8> b; }}
        header V {{ varbit<32> v; }}
        header_union U {{ H h; V v; }}
        enum E {{ one, two }}
        enum bit<8> K {{ one = 1, two = 2 }}
        type bit<8> N;
        control C(inout H h, inout H[2] s, inout U u, in bit<8> ro) {{
            bit<8> x; int<8> i; bool f; N n; E e; K k; H g; bit<16> w;
            action act(bit<8> p) {{}}
            apply {{ {stmt} }}
        }}"
    )
}

/// p4c accepts this program, too.
#[test]
fn every_construct_is_accepted() {
    let warnings = check(LANGUAGE).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(warnings.list, []);
}

/// p4c accepts this program with the declarations of its own, too.
#[test]
fn tofino_is_declared() {
    let text = include_str!("../../testdata/checked/tna.p4");
    let warnings = check(text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(warnings.list, []);
    let wrong = text.replace(
        "note.execute(hdr.ipv4.src[9:0])",
        "note.execute(hdr.ipv4.src)",
    );
    refused(&wrong, "expected a value of type bit<10>, found bit<32>");
}

#[test]
fn statements_and_operators() {
    for stmt in [
        "x = 1; x = x + 1; x += 2; x = 3 - x;",
        "f = x == 1 && !(x < 2) || e == E.one;",
        "x = (bit<8>) i; i = (int<8>) x; f = (bool) 1w1; n = (N) x; x = (bit<8>) n;",
        "k = K.one; x = k; x = k + 1; f = k == K.two;",
        "w = x ++ x; w = (bit<16>) x << 3; x = w[15:8]; w[7:0] = x; x = w[4 +: 8];",
        "h = g; h = { 1, 2 }; h = { b = 1, a = 2 }; h = { 1, ... }; h = {#}; f = h == g;",
        "g = s[0]; s[1] = g; s.pop_front(1); x = s[x].a; w = (bit<16>) s.size;",
        "f = u.isValid(); u.h.setValid(); u.h.a = 1; u.v.setInvalid();",
        "act(3); { bit<8> x; x = 2; } if (f) exit; else return;",
        "switch (e) { E.one: {} E.two: {} } switch (k) { K.one: {} default: {} }",
    ] {
        accepted(&body(stmt));
    }
}

#[test]
fn wrong_statements_and_operators() {
    for (stmt, message) in [
        ("x = i;", "expected a value of type bit<8>, found int<8>"),
        ("x = w;", "expected a value of type bit<8>, found bit<16>"),
        ("n = x;", "expected a value of type N, found bit<8>"),
        ("k = 1;", "expected a value of type K, found int"),
        ("f = x;", "expected a value of type bool"),
        ("if (x) {}", "expected a value of type bool"),
        ("x = f + 1;", "this operator does not apply to bool"),
        ("f = e < E.two;", "this operator does not apply to E"),
        ("i = i / 2;", "signed division is not defined"),
        ("x = x / 0;", "division by zero"),
        ("x = x << i;", "a shift by int<8> is not possible"),
        ("x = x >> -1;", "a shift by a negative number"),
        ("x = 5 ++ x;", "`++` joins values of known width"),
        (
            "x = f ? 1 : x == 2;",
            "expected a value of type bool, found int",
        ),
        ("w[3:4] = 1;", "bits 3:4 are not a slice of 16 bits"),
        ("w[x:0] = 1;", "known at compile time"),
        ("ro = 1;", "this is read-only"),
        ("x + 1 = 2;", "expected"),
        ("h = { 1 };", "expected a value of type H"),
        ("h = { 1, 2, 3 };", "expected a value of type H"),
        ("h = { a = 1, c = 2 };", "expected a value of type H"),
        ("h = { a = 1, a = 2 };", "field `a` is given twice"),
        ("h = { ..., 1 };", "`...` must be the last element"),
        ("x = h.c;", "H has no field `c`"),
        ("x = s.next.a;", "`next` can only be used in a parser"),
        ("x = s[2].a;", "index 2 is outside of a stack of 2"),
        ("e = E.three;", "enum `E` has no member `three`"),
        (
            "switch (e) { E.one: {} E.one: {} }",
            "this label is given twice",
        ),
        (
            "switch (e) { default: {} E.one: {} }",
            "no label may follow `default`",
        ),
        ("switch (h) { default: {} }", "switch on H is not possible"),
        ("break;", "this can only be used in a loop"),
        ("return 1;", "no value can be returned here"),
        (
            "verify(f, error.NoError);",
            "`verify` can only be called in a state of a parser",
        ),
        ("act();", "1 arguments are needed, but 0 are given"),
        ("bit<8> h = 1;", "`h` is the name of a parameter"),
        ("bit<8> y; bit<8> y;", "`y` is declared twice"),
        ("x = missing;", "`missing` is not declared"),
    ] {
        refused(&body(stmt), message);
    }
}

#[test]
fn declarations() {
    accepted("typedef struct P { bit<8> x; } Q; const Q q = { 1 }; const P p = q;");
    refused(
        "const bit<8> a = 1; const bit<8> a = 2;",
        "`a` is declared twice",
    );
    refused(
        "struct S { bit<8> a; bit<8> a; }",
        "field `a` is declared twice",
    );
    refused(
        "struct S { int a; }",
        "a struct cannot have a field of type int",
    );
    refused(
        "header H { error e; }",
        "a header cannot have a field of type error",
    );
    refused(
        "header_union U { bit<8> a; }",
        "a header union cannot have a field",
    );
    refused("const bit<-1> a = 1;", "this is not a possible width");
    refused(
        "const int<0> a = 1;",
        "the width of a signed type cannot be zero",
    );
    refused("enum int E { a = 1 }", "an enum cannot be based on int");
    refused("enum bit<8> E { a }", "needs a value");
    refused("struct S {} type S T;", "`type` cannot be based on S");
    refused("bit<8> f() {}", "may end without returning a value");
    refused("void f(in bit<8> x) { f(x); }", "calls itself");
    refused(
        "action a(bit<8> x, in bit<8> y) {}",
        "must be the last ones",
    );
    refused("void f(out bit<8> x = 1) {}", "cannot have a default value");
    refused(
        "struct S<T> { T x; } const S x = { 1 };",
        "needs 1 type arguments",
    );
    refused(
        "struct S<T> { T x; } header H { S<bit<8>, bit<8>> s; }",
        "takes 1 type arguments",
    );
    refused(
        "header H<T> { T x; } const H<error> x = { error.NoError };",
        "cannot have a field `x`",
    );
    refused("bit<8> x;", "there are no global variables");
    refused("extern main {}", "`main` must be an instance of a package");
    refused(
        "@name(3) const bit<8> a = 1;",
        "annotation `@name` needs a string",
    );
    refused(
        "@a[x = 1, x = 2] const bit<8> a = 1;",
        "key `x` is given twice",
    );
    refused(
        "@a[1, x = 2] const bit<8> a = 1;",
        "has either keys or values",
    );
}

#[test]
fn instances_and_inference() {
    const E: &str = "extern E<T> { E(); E(T t); void f<U>(in T t, in U u); abstract T g(in T t); }
        extern P<T> { P(T t); T get(); } extern Q { Q(); } control K(); package Pk(K k);";
    let with = |rest: &str| format!("{E}{rest}");
    accepted(&with(
        "control C() { P(8w1) p; bit<8> x; apply { x = p.get(); } }",
    ));
    refused(
        &with("control C() { P(1) p; apply {} }"),
        "cannot be inferred",
    );
    refused(
        &with("control C() { P<bit<8>>(true) p; apply {} }"),
        "expected a value of type bit<8>",
    );
    refused(
        &with("control C() { P<bit<8>>() p; apply {} }"),
        "1 arguments are needed",
    );
    refused(
        &with("E<bit<8>>() e;"),
        "abstract method `g` is not defined",
    );
    refused(
        &with("E<bit<8>>() e = { bit<4> g(in bit<4> t) { return t; } };"),
        "`E` has no such abstract method",
    );
    accepted(&with(
        "E<bit<8>>() e = { bit<8> g(in bit<8> t) { return t; } };",
    ));
    refused(
        &with("control D() { apply {} } D() d;"),
        "cannot be instantiated at the top level",
    );
    refused(
        &with("control D() { Q() q; apply { Q() r; } }"),
        "instances are declared in the body",
    );
    refused(
        &with("control D(in bit<8> x) { apply {} } Pk(D()) main;"),
        "expected a value of type K",
    );
    accepted(&with("control D() { apply {} } Pk(D()) main;"));
    refused(
        "control C() { apply { C() c; } }",
        "type `C` is not declared",
    );
}

#[test]
fn tables() {
    let table = |properties: &str| {
        format!(
            "#include <core.p4>
            control C(inout bit<8> x, inout bool f) {{
                action a() {{}}
                action b(inout bit<8> y, bit<8> z) {{ y = z; }}
                table t {{ {properties} }}
                apply {{ t.apply(); }}
            }}"
        )
    };
    for (properties, message) in [
        ("key = { x: exact; }", "table `t` has no actions"),
        (
            "key = { x: odd; } actions = { a; }",
            "match kind `odd` is not declared",
        ),
        (
            "key = { x + 1: exact; } actions = { a; }",
            "this key has no name",
        ),
        ("actions = { a; a; }", "action `a` is listed twice"),
        ("actions = { b; }", "parameter `y` must be bound"),
        ("actions = { b(x, 3); }", "set by the control plane"),
        (
            "actions = { a; } default_action = b(x, 1);",
            "`b` is not an action of this table",
        ),
        (
            "actions = { b(x); } default_action = b(x);",
            "known at compile time",
        ),
        (
            "actions = { a; } entries = { 1: a; }",
            "a table without a key has no entries",
        ),
        (
            "key = { x: exact; } actions = { a; } entries = { true: a; }",
            "expected a value",
        ),
        (
            "key = { x: exact; } actions = { a; } entries = { _: a; }",
            "match kind `exact`",
        ),
        (
            "key = { x: exact; } actions = { a; } entries = { 1: a; 1: a; }",
            "already there",
        ),
        (
            "key = { x: lpm; } actions = { a; } entries = { 1 &&& 5: a; }",
            "match kind `lpm`",
        ),
        (
            "key = { x: exact; f: exact; } actions = { a; } entries = { 1: a; }",
            "tuple",
        ),
        ("actions = { a; } size = f;", "known at compile time"),
        (
            "actions = { a; } actions = { a; }",
            "property `actions` is given twice",
        ),
    ] {
        refused(&table(properties), message);
    }
    accepted(&table(
        "key = { x: ternary; f: exact; } actions = { b(x); }
        default_action = b(x, 2); entries = { (1 &&& 3, true): b(x, 3); (_, false): b(x, 4); }",
    ));
}

#[test]
fn parsers() {
    let parser = |states: &str| {
        format!(
            "#include <core.p4>
            header H {{ bit<8> a; }} header V {{ varbit<8> v; }}
            parser P(packet_in p, out H h, out V v, in bit<8> x) {{ {states} }}"
        )
    };
    for (states, message) in [
        ("", "has no state `start`"),
        (
            "state start { transition nowhere; }",
            "there is no state `nowhere`",
        ),
        (
            "state start { transition accept; } state start { transition accept; }",
            "declared twice",
        ),
        (
            "state start { transition accept; } state accept { }",
            "cannot be declared again",
        ),
        ("state start { transition start; }", "never ends"),
        (
            "state start { p.extract(x); transition accept; }",
            "read-only",
        ),
        (
            "state start { p.extract(v); transition accept; }",
            "with the size of this field",
        ),
        (
            "state start { p.extract(h, 8); transition accept; }",
            "has 0 fields of type varbit",
        ),
        (
            "state start { transition select(h) { _: accept; } }",
            "a key of type H is not possible",
        ),
        (
            "state start { transition select(1) { _: accept; } }",
            "the width of this key is not known",
        ),
        (
            "state start { transition select(x, x) { 1: accept; } }",
            "expected a value of type",
        ),
        (
            "state start { transition select(x) { true: accept; } }",
            "expected a value of type bit<8>",
        ),
        (
            "state start { return; transition accept; }",
            "`return` cannot be used in a parser",
        ),
    ] {
        refused(&parser(states), message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// No change of a program with every construct makes the checker panic.
    #[test]
    fn mutated_program(at in 0..LANGUAGE.len(), len in 0_usize..60, with in "[a-zA-Z0-9(){}<>;:,.=+@\\[\\]-]{0,8}") {
        let (Some(before), Some(after)) = (LANGUAGE.get(..at), LANGUAGE.get((at + len).min(LANGUAGE.len())..)) else {
            return Ok(());
        };
        if let Err(errors) = check(&format!("{before}{with}{after}")) {
            prop_assert!(!errors.to_string().is_empty());
        }
    }

    /// Parts in another order do not make it panic, either.
    #[test]
    fn moved_lines(mut order in prop::collection::vec(0..200_usize, 0..12)) {
        let mut lines: Vec<&str> = LANGUAGE.lines().collect();
        while let (Some(a), Some(b)) = (order.pop(), order.pop()) {
            let count = lines.len();
            lines.swap(a % count, b % count);
        }
        let _ = check(&lines.join("\n"));
    }
}

#[test]
fn what_may_be_left_out_has_no_value() {
    accepted(
        "extern E { E(@optional bit<8> x); } control c(@optional inout bool b) { apply { b = true; } }",
    );
    accepted("control t(@optional in bit<8> x); package p(t one, @optional t two);");
    refused(
        "control c()(@optional bit<8> x) { apply {} }",
        "a parameter of this constructor cannot be optional",
    );
    refused(
        "extern void f(@optional in bit<8> x = 1);",
        "an optional parameter cannot have a default value",
    );
}

#[test]
fn annotations_for_the_control_plane_have_a_form() {
    accepted(
        "@platform_property(multicast_group_table_size = 0x10) @pkginfo(name = \"n\") const bit<8> x = 1;",
    );
    refused(
        "@platform_property(multicast_group_table_size = \"many\") const bit<8> x = 1;",
        "needs keys with integers",
    );
    refused(
        "@selector_size_semantics(\"sum\") const bit<8> x = 1;",
        "is \"sum_of_weights\" or \"sum_of_members\"",
    );
    for (text, key) in [
        ("@pkginfo(nmae = \"n\")", "nmae"),
        ("@platform_property(groups = 1)", "groups"),
    ] {
        let warnings = check(&format!("{text} const bit<8> x = 1;"))
            .expect("no error")
            .to_string();
        assert!(
            warnings.contains(&format!("has no key `{key}`")),
            "{warnings}"
        );
    }
}
