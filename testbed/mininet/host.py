#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A host that sends or receives bundles over UDP, with the sockets of its kernel and nothing else.

Payloads carry the number of the node that sends and the number of the bundle. Both ends write JSON
lines with times of the machine's clock, which all namespaces share.
"""

import argparse
import json
import signal
import socket
import sys
import time

MAGIC = b"SDDTN:"
PORT = 4556
TO_2000 = 946_684_800
LIFETIME_S = 3600


def sdnv(value):
    octets = [value & 0x7F]
    while value := value >> 7:
        octets.append(0x80 | value & 0x7F)
    return bytes(reversed(octets))


def uint(value, major=0):
    """A CBOR head in its shortest form."""
    for length, limit in ((0, 24), (1, 1 << 8), (2, 1 << 16), (4, 1 << 32), (8, 1 << 64)):
        if value < limit:
            if length == 0:
                return bytes([major << 5 | value])
            kind = {1: 24, 2: 25, 4: 26, 8: 27}[length]
            return bytes([major << 5 | kind]) + value.to_bytes(length, "big")
    raise ValueError(value)


def bundle_6(source, to, number, payload):
    """RFC 5050 with compressed endpoint IDs (RFC 6260): to ipn:TO.1, from ipn:SOURCE.1."""
    created = int(time.time()) - TO_2000
    fields = b"".join(map(sdnv, (to, 1, source, 1, 0, 0, 0, 0, created, number, LIFETIME_S, 0)))
    # Singleton endpoint, normal priority.
    primary = b"\x06" + sdnv(0x90) + sdnv(len(fields)) + fields
    return primary + b"\x01\x08" + sdnv(len(payload)) + payload


def bundle_7(source, to, number, payload):
    """RFC 9171 with a CRC-16 on the primary block."""
    def eid(node):
        return b"\x82\x02\x82" + uint(node) + uint(1)

    created = int(time.time() * 1000) - TO_2000 * 1000
    primary = b"\x89\x07\x00\x01" + eid(to) + eid(source) + b"\x82\x01\x00"
    primary += b"\x82" + uint(created) + uint(number) + uint(LIFETIME_S * 1000)
    crc = crc16(primary + b"\x42\x00\x00")
    primary += b"\x42" + crc.to_bytes(2, "big")
    return b"\x9f" + primary + b"\x85\x01\x01\x00\x00" + uint(len(payload), 2) + payload + b"\xff"


def crc16(octets):
    """CRC-16/X.25."""
    crc = 0xFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return crc ^ 0xFFFF


def version(datagram):
    """The version of the Bundle Protocol in a datagram; None if it is no bundle."""
    if datagram[:1] == b"\x06":
        return 6
    return 7 if datagram[:1] and datagram[0] >> 5 == 4 else None


def send(args, log):
    outgoing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    outgoing.bind(("", args.source_port))
    make = {6: bundle_6, 7: bundle_7}[args.version]
    begun = time.monotonic()
    for place in range(args.count):
        number = args.first + place
        pause = begun + place * args.interval - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        to = args.to[place % len(args.to)]
        payload = MAGIC + args.node.to_bytes(4, "big") + number.to_bytes(4, "big")
        payload += bytes(args.octets)
        line = {"from": args.node, "to": to, "number": number, "sent": time.time()}
        try:
            outgoing.sendto(make(args.node, to, number, payload), (args.via, PORT))
        except OSError as error:
            line["error"] = error.strerror
        print(json.dumps(line), file=log, flush=True)


def receive(args, log):
    incoming = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    incoming.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    incoming.bind(("", PORT))
    print(json.dumps({"ready": True}), file=log, flush=True)
    while True:
        datagram, where = incoming.recvfrom(65535)
        place = datagram.find(MAGIC)
        if place < 0:
            continue
        place += len(MAGIC)
        numbers = [int.from_bytes(datagram[at:at + 4], "big") for at in (place, place + 4)]
        line = {"from": numbers[0], "number": numbers[1], "at": args.node, "arrived": time.time(),
                "version": version(datagram), "by": where[0]}
        print(json.dumps(line), file=log, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--node", type=int, required=True, help="number of this host as a node")
    parser.add_argument("--log", required=True, help="file for JSON lines")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("receive", help="until a signal")
    sender = commands.add_parser("send")
    sender.add_argument("--version", type=int, choices=(6, 7), required=True)
    sender.add_argument("--via", required=True, help="address to which datagrams go")
    sender.add_argument("--to", type=int, nargs="+", required=True, help="nodes, in turn")
    sender.add_argument("--count", type=int, default=1)
    sender.add_argument("--interval", type=float, default=0.05, help="seconds")
    sender.add_argument("--first", type=int, default=0, help="number of the first bundle")
    sender.add_argument("--octets", type=int, default=0, help="of further payload")
    sender.add_argument("--source-port", type=int, default=0)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with open(args.log, "a", encoding="utf-8") as log:
        {"send": send, "receive": receive}[args.command](args, log)


if __name__ == "__main__":
    main()
