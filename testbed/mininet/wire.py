#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Cables between switches: whatever comes in at one interface of a pair leaves by the other one.

A cable is cut by taking these interfaces down. The ports of the switches lose their carrier then, and
stay up themselves: BMv2 stops to read all its ports when one of them is taken down, and cannot use a
port that is down when it starts.
"""

import argparse
import errno
import selectors
import signal
import socket
import sys

# Numbers of the kernel that Python has no names for.
ALL_PROTOCOLS, OUTGOING, SO_RCVBUFFORCE = 3, 4, 33
BUFFER_OCTETS = 4 << 20
ROOM = 65_536
# What a cut cable answers.
CUT = (errno.ENETDOWN, errno.ENXIO)


def listener(name):
    """A socket for all frames of an interface."""
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    end.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_OCTETS)
    end.bind((name, ALL_PROTOCOLS))
    end.setblocking(False)
    return end


def carry(one, other):
    """Carries a frame, unless the cable is cut."""
    try:
        frame, (_, _, kind, *_) = one.recvfrom(ROOM)
        if kind != OUTGOING:
            other.send(frame)
    except OSError as error:
        if error.errno not in (*CUT, errno.EAGAIN):
            raise


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="example: wire.py s1-wire=s2-wire")
    parser.add_argument("pairs", nargs="+", metavar="ONE=OTHER", help="interfaces that are up")
    parser.add_argument("--ready-file", help="is made when all interfaces are listened to")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ends = selectors.DefaultSelector()
    for pair in args.pairs:
        one, other = map(listener, pair.split("="))
        ends.register(one, selectors.EVENT_READ, other)
        ends.register(other, selectors.EVENT_READ, one)
    if args.ready_file:
        with open(args.ready_file, "w", encoding="utf-8"):
            pass
    while True:
        for key, _ in ends.select():
            carry(key.fileobj, key.data)


if __name__ == "__main__":
    main()
