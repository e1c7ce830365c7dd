{# SPDX-License-Identifier: Apache-2.0 OR MIT -#}
{# The parser. Filled from ProgramText in p4gen/src/v1model/text.rs. -#}
{%- for routine in parser.routines %}
/// Where the parser goes on when {{ routine.when }}.
{%- for point in routine.points %}
const bit<8> {{ point.constant }} = {{ point.code }};
{%- endfor %}
{% endfor %}
/// Reads a bundle octet by octet, leaves its fields in the metadata, and writes it in the other
/// version as it reads.
///
/// What several places need is done by states that exist once: a place leaves a code that says
/// where to go on. A problem ends the parser with an error.
parser bundle_parser(packet_in pkt, out headers_t hdr, inout metadata_t meta,
        inout standard_metadata_t std) {
{%- for state in parser.states %}
{% for line in state.comment %}
    // {{ line }}
{%- endfor %}
    state {{ state.name }} {
{%- for statement in state.body %}
        {{ statement }}
{%- endfor %}
{%- match state.next %}
{%- when Next::Goto with (target) %}
        transition {{ target }};
{%- when Next::Select with { key, cases } %}
        transition select({{ key }}) {
{%- for (value, target) in cases %}
            {{ value }}: {{ target }};
{%- endfor %}
        }
{%- endmatch %}
    }
{%- endfor %}
}
