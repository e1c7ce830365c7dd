// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the front end through its public interface.

mod checking;
mod diagnostics;
mod lowering;
mod programs;
mod robust;
mod show;

/// Compiles a text with no files to include.
fn compile(text: &str) -> Result<p4::ir::Program, p4::diagnostic::Diagnostics> {
    p4::compile(&p4::Source {
        name: "test.p4",
        text,
        ..p4::Source::default()
    })
}

/// A program around the given parts: declarations, parser states, locals and body of the ingress.
fn program(decls: &str, states: &str, locals: &str, body: &str) -> String {
    format!(
        "#include <core.p4>
#include <v1model.p4>
header h_t {{ bit<8> a; bit<16> b; bit<8> c; }}
header w_t {{ bit<128> w; }}
struct meta_t {{ bit<16> x; bit<32> y; int<8> s; bool f; }}
struct headers_t {{ h_t h; h_t g; w_t w; h_t[3] s; }}
{decls}
parser P(packet_in pkt, out headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {{
{states}
}}
control V(inout headers_t hdr, inout meta_t meta) {{ apply {{}} }}
control I(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {{
{locals}
    apply {{
{body}
    }}
}}
control E(inout headers_t hdr, inout meta_t meta, inout standard_metadata_t std) {{ apply {{}} }}
control C(inout headers_t hdr, inout meta_t meta) {{ apply {{}} }}
control D(packet_out pkt, in headers_t hdr) {{ apply {{ pkt.emit(hdr.h); }} }}
V1Switch(P(), V(), I(), E(), C(), D()) main;
"
    )
}

/// A parser that accepts everything.
const ACCEPT: &str = "state start { transition accept; }";
