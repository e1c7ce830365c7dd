# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Lets pyD3TN read and write bundles: a JSON object on each line of input, another on each of output.

Requests: {"read": octets}, {"build": bundle} for version 7, {"build6": bundle, "octets": octets} for
version 6. Octets are hexadecimal digits. A refusal is {"refused": why}.
"""

import json
import sys
from datetime import timedelta
from fractions import Fraction

import cbor2
from pyd3tn import bundle6, bundle7, helpers, sdnv

KNOWN_TYPES = bundle7.BlockType


class AnyType(int):
    """A block type, without the list of types that are allowed."""

    PAYLOAD = KNOWN_TYPES.PAYLOAD
    PREVIOUS_NODE = KNOWN_TYPES.PREVIOUS_NODE
    BUNDLE_AGE = KNOWN_TYPES.BUNDLE_AGE
    HOP_COUNT = KNOWN_TYPES.HOP_COUNT


def eid_text(eid):
    """The endpoint ID in the normal form of crate `bundle`."""
    scheme, ssp = eid[0], eid[1]
    if scheme == 1:
        return "dtn:none" if ssp == 0 else f"dtn:{ssp}"
    if scheme != 2:
        return f"scheme {scheme} {cbor2.dumps(ssp).hex()}"
    allocator, node, service = ssp if len(ssp) == 3 else (0, *ssp)
    node |= allocator << 32
    return f"ipn:{node}.{service}" if node else "dtn:none"


def status_text(item):
    if not item[0]:
        return "no"
    return f"at {item[1]}" if len(item) > 1 else "yes"


def record_fields(payload):
    try:
        record = bundle7.Bundle.parse_administrative_record(payload)
        if record.get("record_type") != bundle7.RecordType.BUNDLE_STATUS_REPORT:
            return {"record": "other"}
        statuses, reason, source, creation, *fragment = record["record_data"]
        fields = {f"report status {i}": status_text(item) for i, item in enumerate(statuses)}
        fields["report source"] = eid_text(source)
        fields["report time"], fields["report sequence"] = creation
    except (ValueError, TypeError, IndexError, AttributeError, cbor2.CBORDecodeError):
        return {"record": "malformed"}
    if fragment:
        fields["report offset"], fields["report length"] = fragment
    return {**fields, "record": "status report", "report reason": reason}


def check_crc(block):
    if block.crc_type != bundle7.CRCType.NONE and block.calculate_crc() != block.crc_provided:
        raise ValueError(f"CRC of block {block.block_number}")


def fields_of(bundle, order):
    primary = bundle.primary_block
    flags = int(primary.bundle_proc_flags)
    fields = {
        "flags": hex(flags),
        "crc": int(primary.crc_type),
        "destination": eid_text(primary.destination),
        "source": eid_text(primary.source),
        "report-to": eid_text(primary.report_to),
        "time": primary.creation_time[0],
        "sequence": primary.creation_time[1],
        "lifetime": primary.lifetime,
    }
    if bundle.is_fragmented:
        fields["fragment offset"] = primary.fragment_offset
        fields["data unit length"] = primary.total_payload_length
    # pyD3TN moves the previous node to the front. The order of the octets is what is compared.
    blocks = sorted([*bundle.blocks, bundle.payload_block], key=lambda b: order.index(b.block_number))
    for index, block in enumerate(blocks):
        fields[f"block {index} type"] = int(block.block_type)
        fields[f"block {index} number"] = block.block_number
        fields[f"block {index} flags"] = hex(int(block.block_proc_flags))
        fields[f"block {index} crc"] = int(block.crc_type)
        fields[f"block {index} length"] = len(block.data)
        fields[f"block {index} data"] = block.data.hex()
    encrypted = any(int(block.block_type) == 12 for block in blocks)
    if flags & 2 and not bundle.is_fragmented and not encrypted:
        fields.update(record_fields(bundle.payload_block.data))
    return fields


def parse(octets):
    bundle = bundle7.Bundle.parse(octets)
    for block in bundle:
        check_crc(block)
    order = [block[1] for block in cbor2.loads(octets)[1:]]
    return {"fields": fields_of(bundle, order), "octets": bytes(bundle).hex()}


def read(request):
    octets = bytes.fromhex(request["read"])
    try:
        return parse(octets)
    except ValueError as error:
        if "is not a valid BlockType" not in str(error):
            raise
    # The refusal is told, and the rest of the bundle is compared all the same.
    bundle7.BlockType = AnyType
    try:
        answer = parse(octets)
    finally:
        bundle7.BlockType = KNOWN_TYPES
    answer["fields"]["block types"] = "not all known"
    return answer


def canonical_block(block):
    common = {
        "block_number": block["number"],
        "block_proc_flags": block["flags"],
        "crc_type": bundle7.CRCType(block["crc"]),
    }
    kind, content = block["type"], block.get("content")
    if kind == KNOWN_TYPES.PREVIOUS_NODE:
        return bundle7.PreviousNodeBlock(content, **common)
    if kind == KNOWN_TYPES.BUNDLE_AGE:
        return bundle7.BundleAgeBlock(Fraction(int(content), 1000), **common)
    if kind == KNOWN_TYPES.HOP_COUNT:
        limit, count = content.split()
        return bundle7.HopCountBlock(int(limit), int(count), **common)
    data = bytes.fromhex(block["data"])
    if kind == KNOWN_TYPES.PAYLOAD:
        del common["block_number"]
        return bundle7.PayloadBlock(data, **common)
    return bundle7.CanonicalBlock(kind, data, **common)


def build(request):
    given = request["build"]
    time_ms = given["time"]
    time = helpers.DTN_EPOCH + timedelta(milliseconds=time_ms) if time_ms else 0
    primary = bundle7.PrimaryBlock(
        bundle_proc_flags=bundle7.BundleProcFlag(given["flags"]),
        crc_type=bundle7.CRCType(given["crc"]),
        destination=given["destination"],
        source=given["source"],
        report_to=given["report-to"],
        creation_time=bundle7.CreationTimestamp(time, given["sequence"]),
        lifetime=given["lifetime"],
        fragment_offset=given.get("fragment offset"),
        total_payload_length=given.get("data unit length"),
    )
    *blocks, payload = [canonical_block(block) for block in given["blocks"]]
    return {"octets": bytes(bundle7.Bundle(primary, payload, blocks)).hex()}


def numbers_of_primary(octets):
    """The numbers of the primary block, from the flags to the length of the dictionary."""
    numbers, rest = [], octets[1:]
    for _ in range(14):
        number, length = sdnv.sdnv_decode(rest)
        numbers.append(number)
        rest = rest[length:]
    # The second number is the length of the block.
    return numbers[:1] + numbers[2:]


def build6(request):
    given = request["build6"]
    octets = bundle6.serialize_bundle6(
        given["source"],
        given["destination"],
        bytes.fromhex(given["payload"]),
        report_to_eid=given["report-to"],
        custodian_eid=given["custodian"],
        creation_timestamp=given["time"],
        sequence_number=given["sequence"],
        lifetime=given["lifetime"],
        flags=given["flags"],
        fragment_offset=given.get("fragment offset"),
        total_adu_length=given.get("data unit length"),
    )
    numbers = numbers_of_primary(bytes.fromhex(request["octets"]))
    return {"octets": octets.hex(), "numbers": numbers}


def main():
    handlers = {"read": read, "build": build, "build6": build6}
    for line in sys.stdin:
        request = json.loads(line)
        handler = next(handlers[key] for key in handlers if key in request)
        try:
            answer = handler(request)
        # Whatever pyD3TN raises is its refusal. There is no other error to expect from it.
        except Exception as error:  # pylint: disable=broad-except
            answer = {"refused": f"{type(error).__name__}: {error}"}
        if "fields" in answer:
            answer["fields"] = {name: str(value) for name, value in answer["fields"].items()}
        print(json.dumps(answer))


main()
