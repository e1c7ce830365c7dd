// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages, as a user sees them.

use std::fs;

/// Each wrong program has a snapshot of its messages.
#[test]
fn messages() {
    insta::glob!("../../testdata/errors", "*.p4", |path| {
        let text = fs::read_to_string(path).expect("the glob found this file");
        let errors = super::compile(&text).expect_err("the program is wrong");
        insta::assert_snapshot!(errors.to_string());
    });
}

/// Each body is refused with this message.
#[track_caller]
fn refused(decls: &str, locals: &str, body: &str, message: &str) {
    let text = super::program(decls, super::ACCEPT, locals, body);
    let errors = super::compile(&text).expect_err(message);
    assert!(
        errors.list.iter().any(|one| one.message == message),
        "{errors}"
    );
}

#[test]
fn typing_rules() {
    refused(
        "",
        "",
        "meta.x = meta.y;",
        "expected a value of type bit<16>, found bit<32>",
    );
    refused(
        "",
        "",
        "meta.f = meta.x;",
        "expected a value of type bool, found bit<16>",
    );
    refused(
        "",
        "",
        "meta.x = meta.x && true;",
        "expected a value of type bool, found bit<16>",
    );
    refused(
        "",
        "",
        "meta.x = meta.x + meta.y;",
        "expected a value of type bit<16>, found bit<32>",
    );
    refused(
        "",
        "",
        "meta.x = hdr.h.b[16:1];",
        "bits 16:1 are not a slice of 16 bits",
    );
    refused(
        "",
        "",
        "hdr.h = hdr.w;",
        "expected a value of type h_t, found w_t",
    );
    refused(
        "",
        "",
        "hdr.s[3].a = 1;",
        "index 3 is outside of a stack of 3",
    );
    refused(
        "",
        "",
        "meta.y = meta.y << -1;",
        "a shift by a negative number is not possible",
    );
    refused("", "", "meta.nope = 1;", "meta_t has no field `nope`");
    refused(
        "type bit<16> id_t;",
        "",
        "id_t i = meta.x;",
        "expected a value of type id_t, found bit<16>",
    );
}

#[test]
fn calls() {
    refused(
        "",
        "",
        "hdr.h.setValid(1);",
        "this method takes no arguments",
    );
    refused(
        "",
        "action a(bit<8> x) {}",
        "a();",
        "1 arguments are needed, but 0 are given",
    );
    refused(
        "bit<8> f() { }",
        "",
        "hdr.h.a = f();",
        "this function may end without returning a value",
    );
    refused(
        "void f(in bit<8> x) { x = 1; }",
        "",
        "f(1);",
        "this is read-only",
    );
    refused(
        "void f() { f(); }",
        "",
        "f();",
        "`f` calls itself, which P4 does not have",
    );
    refused("", "", "pkt.emit(hdr.h);", "`pkt` is not declared");
    refused(
        "",
        "table t { actions = { nope; } }",
        "t.apply();",
        "`nope` is not declared",
    );
}

#[test]
fn digests_are_of_types_that_the_control_plane_knows() {
    refused(
        "struct d_t { bit<8>[4] list; }",
        "",
        "d_t d = { { 1, 2, 3, 4 } }; digest(1, d);",
        "P4Info has no form for the type of this digest",
    );
}

#[test]
fn structured_annotations_without_a_place_in_p4info() {
    let call = "@x[18446744073709551616] table t { actions = { NoAction; } }";
    refused(
        "",
        call,
        "t.apply();",
        "an integer of a structured annotation has at most 64 bits in P4Info",
    );
    let decls =
        "control S()(bit<8> n) { @x[n] table t { actions = { NoAction; } } apply { t.apply(); } }";
    refused(
        decls,
        "S(1) s;",
        "s.apply();",
        "a value that each instance has of its own cannot be written to P4Info",
    );
}
