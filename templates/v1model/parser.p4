{# SPDX-License-Identifier: Apache-2.0 OR MIT -#}
{# The parser. Filled from ProgramText in p4gen/src/v1model/text.rs. -#}
/// Where the parser goes on when it has read a number.
{%- for point in parser.numbers %}
const bit<8> {{ point.constant }} = {{ point.code }};
{%- endfor %}
/// Where the parser goes on when it has read an endpoint ID of version 7.
{%- for point in parser.eids %}
const bit<8> {{ point.constant }} = {{ point.code }};
{%- endfor %}

/// Reads a bundle, octet by octet, and leaves its fields in the metadata.
///
/// Numbers and endpoint IDs are read by states that all fields share: a field says in
/// `meta.number.then` or `meta.eid.then` where to go on. A problem ends the parser with an error.
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
