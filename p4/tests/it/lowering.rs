// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What statements and states become.

use super::{ACCEPT, compile, program, show};

/// Lowers a body of the ingress.
#[track_caller]
fn check(decls: &str, locals: &str, body: &str, expected: &str) {
    let text = program(decls, ACCEPT, locals, body);
    let program = compile(&text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(program.validate(), []);
    let expected: Vec<&str> = expected
        .lines()
        .map(|line| line.strip_prefix("    ").unwrap_or(line))
        .collect();
    assert_eq!(show::ingress(&program).trim(), expected.join("\n").trim());
}

#[test]
fn constants_are_folded() {
    check(
        "const int N = 1 << 20;",
        "",
        "meta.y = N * 3 - 1;",
        "meta.y = 32w2fffff",
    );
    check(
        "",
        "",
        "meta.x = (bit<16>) 8w0xff ++ 0b1010[3:0] == 20w0xffa ? 16w1 : 2;",
        "meta.x = 16w1",
    );
    check("", "", "meta.s = 8s127 |+| 8s1;", "meta.s = 8w7f");
    check("", "", "meta.s = -8s127 |-| 8s5;", "meta.s = 8w80");
}

#[test]
fn what_never_runs_is_no_part_of_the_program() {
    let locals = "action never() { hdr.h.a = 1; } action now() { hdr.h.a = 2; }
        table t { key = { hdr.h.b: exact; } actions = { never; } }";
    let body = "if (OFF) { never(); t.apply(); } else if (1 < 2) { now(); }
        if (OFF && hdr.h.isValid()) { hdr.h.a = 3; }";
    check("const bool OFF = false;", locals, body, "hdr.h.a = 8w2");
    let text = program("const bool OFF = false;", ACCEPT, locals, body);
    let program = compile(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let actions = program.p4info.actions.iter();
    let actions: Vec<_> = actions.map(|one| one.preamble.name.as_str()).collect();
    assert_eq!(actions, ["I.now"]);
    assert_eq!(program.p4info.tables, []);
}

#[test]
fn slices_are_read_and_written() {
    check(
        "",
        "",
        "hdr.h.b[7:4] = hdr.h.a[3:0];",
        "hdr.h.b[7:4] = hdr.h.a[3:0]",
    );
    check("", "", "hdr.h.b[11:4][3:1] = 3w5;", "hdr.h.b[7:5] = 3w5");
}

#[test]
fn shifts_and_casts_respect_the_sign() {
    check(
        "",
        "",
        "meta.s = meta.s >> hdr.h.a;",
        "meta.s = ShrSigned(meta.s, hdr.h.a)",
    );
    check(
        "",
        "",
        "meta.x = (bit<16>) (int<16>) meta.s;",
        "meta.x = sext16(meta.s)",
    );
    check(
        "",
        "",
        "meta.x = (bit<16>) (bit<8>) meta.s;",
        "meta.x = zext16(meta.s)",
    );
}

#[test]
fn function_with_one_return_has_no_temporary() {
    check(
        "bit<8> f(in bit<8> x) { return x + 1; }",
        "",
        "hdr.h.a = f(hdr.h.c);",
        "hdr.h.a = Add(hdr.h.c, 8w1)",
    );
}

#[test]
fn early_return_leaves_a_scope() {
    check(
        "bit<8> f(in bit<8> x) { if (x == 0) { return 9; } return x; }",
        "",
        "hdr.h.a = f(hdr.h.c);",
        "    scope 3
      if Eq(hdr.h.c, 8w0)
        result = 8w9
        leave 3
      result = hdr.h.c
    hdr.h.a = result",
    );
}

#[test]
fn left_operand_is_read_before_a_call_changes_it() {
    check(
        "bit<8> f(inout bit<8> x) { x = x + 1; return x; }",
        "",
        "hdr.h.a = hdr.h.c - f(hdr.h.c);",
        "    tmp = hdr.h.c
    hdr.h.c = Add(hdr.h.c, 8w1)
    hdr.h.a = Sub(tmp, hdr.h.c)",
    );
}

#[test]
fn second_operand_of_and_is_computed_only_if_it_counts() {
    check(
        "bool f(inout bit<8> x) { x = 0; return true; }",
        "",
        "meta.f = hdr.h.a == 1 && f(hdr.h.c);",
        "    tmp = Eq(hdr.h.a, 8w1)
    if tmp
      hdr.h.c = 8w0
      tmp = 1w1
    meta.f = tmp",
    );
}

#[test]
fn overlapping_arguments_are_copied() {
    check(
        "void f(inout bit<8> x, inout bit<8> y) { x = 1; y = 2; }",
        "",
        "f(hdr.h.a, hdr.h.a);",
        "    x = hdr.h.a
    y = hdr.h.a
    x = 8w1
    y = 8w2
    hdr.h.a = x
    hdr.h.a = y",
    );
}

#[test]
fn distinct_arguments_are_not_copied() {
    check(
        "void f(inout bit<8> x, out bit<8> y) { y = x; x = 1; }",
        "",
        "f(hdr.h.a, hdr.h.c);",
        "    hdr.h.c = hdr.h.a
    hdr.h.a = 8w1",
    );
}

#[test]
fn action_parameters_are_copied() {
    check(
        "",
        "action swap(inout bit<8> x, inout bit<8> y) { bit<8> t = x; x = y; y = t; }",
        "swap(hdr.h.a, hdr.h.c);",
        "    x = hdr.h.a
    y = hdr.h.c
    I.t = x
    x = y
    y = I.t
    hdr.h.a = x
    hdr.h.c = y",
    );
}

#[test]
fn list_that_reads_its_destination_is_computed_first() {
    check(
        "",
        "",
        "hdr.h = { hdr.h.c, 7, hdr.h.a };",
        "    tmp = hdr.h.c
    tmp = hdr.h.a
    hdr.h.$valid$ = 1w1
    hdr.h.a = tmp
    hdr.h.b = 16w7
    hdr.h.c = tmp",
    );
}

#[test]
fn headers_are_copied_whole_and_compared_with_validity() {
    check("", "", "hdr.g = hdr.h;", "hdr.g = hdr.h");
    check(
        "",
        "",
        "meta.f = hdr.w == { 5 };",
        "meta.f = And(hdr.w.$valid$, Eq(hdr.w.w, 128w5))",
    );
}

#[test]
fn stack_index_at_run_time_becomes_a_choice() {
    check(
        "",
        "",
        "hdr.s[hdr.h.a].c = 1;",
        "    switch hdr.h.a
    case 8w0
      hdr.s[0].c = 8w1
    case 8w1
      hdr.s[1].c = 8w1
    case 8w2
      hdr.s[2].c = 8w1
    default",
    );
}

#[test]
fn push_front_moves_elements() {
    check(
        "",
        "",
        "hdr.s.push_front(1);",
        "    hdr.s[2] = hdr.s[1]
    hdr.s[1] = hdr.s[0]
    hdr.s[0].$valid$ = 1w0
    hdr.s.nextIndex = (Lt(Add(hdr.s.nextIndex, 32w1), 32w3) ? Add(hdr.s.nextIndex, 32w1) : 32w3)",
    );
}

#[test]
fn control_with_tables_applied_twice_has_one_table() {
    let decls = "control T(inout bit<8> k) {
        action set(bit<8> v) { k = v; }
        table t { key = { k: exact; } actions = { set; NoAction; } }
        apply { t.apply(); } }";
    let text = program(
        decls,
        ACCEPT,
        "T() one;",
        "one.apply(hdr.h.a); one.apply(hdr.h.c);",
    );
    let program = compile(&text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(program.validate(), []);
    assert_eq!(program.tables.len(), 1);
    assert_eq!(program.tables[0].name, "I.one.t");
    let shown = show::ingress(&program);
    assert_eq!(shown.matches("apply I.one.t").count(), 2, "{shown}");
    assert!(
        shown.contains("hdr.h.a = I.one.k") && shown.contains("hdr.h.c = I.one.k"),
        "{shown}"
    );
}

#[test]
fn exit_in_an_action_copies_back_first() {
    let decls = "control T(inout bit<8> k) {
        action stop() { k = 7; exit; }
        table t { key = { k: exact; } actions = { stop; } default_action = stop(); }
        apply { t.apply(); k = 8; } }";
    let text = program(
        decls,
        ACCEPT,
        "T() one;",
        "one.apply(hdr.h.a); one.apply(hdr.h.c);",
    );
    let program = compile(&text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(program.validate(), []);
    insta::assert_snapshot!(show::ingress(&program));
}

#[test]
fn sub_parser_is_inlined_at_each_call() {
    let decls = "parser S(packet_in p, out h_t h) { state start { p.extract(h); transition select(h.a) { 0: start; _: accept; } } }";
    let states = "S() sub; state start { meta.x = 1; sub.apply(pkt, hdr.h); meta.x = 2; S.apply(pkt, hdr.g); transition accept; }";
    let program =
        compile(&program(decls, states, "", "")).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(program.validate(), []);
    insta::assert_snapshot!(show::parser(&program));
}

#[test]
fn stacks_and_lookahead_are_checked_at_run_time() {
    let states = "state start { pkt.extract(hdr.s.next); transition select(hdr.s.last.a, pkt.lookahead<bit<8>>()) { (0, 1 .. 3): start; (4 &&& 6, _): accept; } }";
    let program = compile(&program("", states, "", "")).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(program.validate(), []);
    insta::assert_snapshot!(show::parser(&program));
}
