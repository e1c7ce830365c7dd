{# SPDX-License-Identifier: Apache-2.0 OR MIT -#}
{# Constants: protocol numbers, reason codes, flags. Filled from ProgramText in p4gen/src/v1model/text.rs. -#}
const bit<16> ETHERTYPE_IPV4 = 0x0800;
const bit<16> ETHERTYPE_VLAN = 0x8100;
const bit<16> ETHERTYPE_IPV6 = 0x86dd;
const bit<16> ETHERTYPE_PUNT = {{ punt_ethertype }};
/// The second of the two that are for local experiments; the first one is that of punted frames.
const bit<16> ETHERTYPE_INJECT = 0x88b6;
const bit<8> PROTOCOL_UDP = 17;
/// UDP ports of the convergence layer.
{%- for port in udp_ports %}
const bit<16> {{ port.constant }} = {{ port.number }};
{%- endfor %}

/// Octets of the longest payload that this program carries; a longer one takes the slow path.
const bit<64> MAX_PAYLOAD = {{ max_payload }};
/// Extension blocks that a bundle may have.
const bit<8> MAX_BLOCKS = {{ max_blocks }};
/// Octets of the longest name of an endpoint, behind `dtn:`.
const bit<64> MAX_EID = {{ max_eid }};
/// Octets of the longest string that is read: a dictionary, or a name with its scheme.
const bit<16> MAX_STRING = 255;
const bit<64> MAX_STRING_LENGTH = 255;

/// Addresses that one bridge is expected to know; the next ones are flooded.
const bit<32> L2_ENTRIES = 4096;
/// Receivers and networks of receivers.
const bit<32> PEER_ENTRIES = 1024;
/// Endpoints, or groups of them, that bundles are routed to.
const bit<32> ENDPOINT_ENTRIES = 1024;
/// Neighbours that bundles are sent to.
const bit<32> NEXT_HOP_ENTRIES = 256;
/// What operators do not want to hear about.
const bit<32> TELEMETRY_ENTRIES = 64;
/// Networks that are behind a router.
const bit<32> ROUTE_ENTRIES = 1024;
/// Every reason code is one octet.
const bit<32> REASONS = 256;

/// Why a bundle is not translated.
{%- for reason in reasons %}
const bit<8> REASON_{{ reason.constant }} = {{ reason.code }}; // {{ reason.text }}
{%- endfor %}
/// Not a reason: the receiver speaks the version of the bundle, or nothing is known about it.
const bit<8> PASS = 255;

/// What the parser finds wrong with a bundle. Each name is a reason.
error {
{%- for name in errors %}
    {{ name.error }}{% if !loop.last %},{% endif %}
{%- endfor %}
}

/// Bundle processing control flags, alike in both versions (RFC 5050 4.2, RFC 9171 4.2.3).
const bit<64> FLAG_NO_FRAGMENT = 0x4;
const bit<64> FLAGS_REPORT = 0x74000;
const bit<64> FLAGS_COMMON = 0x74027;
/// RFC 5050 only.
const bit<64> FLAG6_SINGLETON = 0x10;
/// RFC 9171 only: reports carry times, which those of RFC 5050 always do.
const bit<64> FLAG7_STATUS_TIME = 0x40;

/// Quality of service: what version 6 says with two flags together, version 7 says with one of its own.
const bit<64> ECOS_STREAMING = 0xa;
const bit<64> QOS_STREAMING = 0x10;

/// Block processing control flags, alike in both versions (RFC 5050 4.3, RFC 9171 4.2.4).
const bit<64> BLOCK_FLAGS_COMMON = 0x17;
const bit<64> BLOCK_FLAG_REPORT = 0x2;
const bit<64> BLOCK6_FLAG_LAST = 0x8;
const bit<64> BLOCK6_FLAG_REFERENCES = 0x40;
