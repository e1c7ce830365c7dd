# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Which Write requests switches got, from whom, and what they answered: a listener at the loopback interface.

It believes neither controllers nor switches: it takes HTTP/2 frames apart as they pass, and reads the
election ids of P4Runtime's Write requests. Connections must not be encrypted.
"""

import collections
import socket
import struct
import threading
import time

from trail import BUFFER_OCTETS, OUTGOING, SO_RCVBUFFORCE

ETHERNET_HEADER, IPV4, TCP = 14, 0x0800, 6
# Frames of the loopback interface are longer than those of others.
ROOM = 1 << 17
PREFACE = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
FRAME_HEADER, GRPC_HEADER = 9, 5
DATA, HEADERS = 0, 1
END_STREAM, PADDED = 0x1, 0x8
SYN = 0x02
# The beginning of a request is enough: who sends it stands before what is written.
BEGINNING = 64

# A Write that was answered: when, by the switch at which port, the upper and lower half of the election id, and
# whether the switch accepted it.
Write = collections.namedtuple("Write", "time port epoch term accepted")


def varint(octets, at):
    value = shift = 0
    while True:
        value |= (octets[at] & 0x7F) << shift
        shift += 7
        at += 1
        if octets[at - 1] < 0x80:
            return value, at


def election_id(message):
    """The halves of the election id if this is the beginning of a WriteRequest, or None."""
    try:
        if message[0] != 0x08:
            return None
        _, at = varint(message, 1)
        # Neither a deprecated number of a role nor its name comes before the election id here.
        if message[at] != 0x1A:
            return None
        end = at + 2 + message[at + 1]
        at, halves = at + 2, {1: 0, 2: 0}
        while at < end:
            field = message[at] >> 3
            halves[field], at = varint(message, at + 1)
        # A new program has its action in this place, and not an update.
        return (halves[1], halves[2]) if message[end] == 0x22 else None
    except IndexError:
        return None


class Half:
    """One direction of a connection: octets in order, and the frames in them."""

    def __init__(self, sequence, skip):
        self.next, self.skip, self.octets, self.lost = sequence, skip, bytearray(), False

    def feed(self, sequence, payload):
        """Returns the frames that are whole now: type, flags, stream, payload."""
        ahead = (sequence - self.next) & 0xFFFFFFFF
        if ahead >= 1 << 31:
            # Sent again, in part or as a whole.
            payload, ahead = payload[(1 << 32) - ahead:], 0
        if self.lost or ahead:
            self.lost = True
            return
        self.next = (self.next + len(payload)) & 0xFFFFFFFF
        self.octets += payload
        cut = min(self.skip, len(self.octets))
        self.skip -= cut
        at = cut
        while len(self.octets) >= at + FRAME_HEADER:
            length = int.from_bytes(self.octets[at:at + 3], "big")
            begin, end = at + FRAME_HEADER, at + FRAME_HEADER + length
            if len(self.octets) < end:
                break
            kind, flags = self.octets[at + 3], self.octets[at + 4]
            stream = int.from_bytes(self.octets[at + 5:begin], "big") & 0x7FFFFFFF
            yield kind, flags, stream, bytes(self.octets[begin:min(end, begin + BEGINNING)])
            at = end
        del self.octets[:at]


class Connection:
    """Requests that are under way, and which of them were answered with a message."""

    def __init__(self):
        self.halves, self.begun, self.answered = {}, {}, set()

    def asked(self, kind, flags, stream, payload):
        if kind == DATA and (got := self.begun.get(stream, b"")) is not None and len(got) < BEGINNING:
            self.begun[stream] = got + payload[1 if flags & PADDED else 0:]

    def answers(self, kind, flags, stream, _):
        """The beginning of a request that is answered now, and whether with a message."""
        if kind == DATA:
            self.answered.add(stream)
        if kind in (DATA, HEADERS) and flags & END_STREAM and stream in self.begun:
            yield self.begun.pop(stream), stream in self.answered
            self.answered.discard(stream)


class Writes(threading.Thread):
    """Notes the Write requests to switches at these ports, until it is stopped."""

    def __init__(self, ports):
        super().__init__(daemon=True)
        self.ports, self.connections, self.seen = frozenset(ports), {}, []
        self.lost = 0
        self.stopped = threading.Event()
        self.listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(IPV4))
        self.listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_OCTETS)
        self.listener.bind(("lo", IPV4))
        self.listener.settimeout(0.2)

    def run(self):
        while not self.stopped.is_set():
            try:
                frame, (_, _, kind, *_) = self.listener.recvfrom(ROOM)
            except TimeoutError:
                continue
            # Each frame comes twice here: on its way out, and in.
            if kind != OUTGOING:
                self.packet(frame[ETHERNET_HEADER:])

    def stop(self):
        self.stopped.set()
        self.join()
        self.listener.close()

    def packet(self, packet):
        if packet[9] != TCP:
            return
        at = (packet[0] & 0xF) * 4
        source, to, sequence = struct.unpack_from(">HHI", packet, at)
        is_asked = to in self.ports
        if not is_asked and source not in self.ports:
            return
        key = (source, to) if is_asked else (to, source)
        flags = packet[at + 13]
        payload = packet[at + (packet[at + 12] >> 4) * 4:struct.unpack_from(">H", packet, 2)[0]]
        if flags & SYN:
            if is_asked:
                self.connections[key] = Connection()
            if key in self.connections:
                half = Half((sequence + 1) & 0xFFFFFFFF, PREFACE if is_asked else 0)
                self.connections[key].halves[is_asked] = half
            return
        connection = self.connections.get(key)
        half = connection and connection.halves.get(is_asked)
        if not half or not payload:
            return
        before = half.lost
        for frame in half.feed(sequence, payload):
            if is_asked:
                connection.asked(*frame)
                continue
            for request, accepted in connection.answers(*frame):
                halves = election_id(request[GRPC_HEADER:])
                if halves:
                    self.seen.append(Write(time.time(), key[1], *halves, accepted))
        self.lost += half.lost and not before

    def of_controllers(self):
        """Without those of nodes that stand in: their terms are odd."""
        return [write for write in list(self.seen) if write.term % 2 == 0]

    def of_deposed(self):
        """Those of controllers that came after an accepted one of a later controller, at the same switch."""
        highest, found = collections.Counter(), []
        for write in self.of_controllers():
            if write.epoch < highest[write.port]:
                found.append(write)
            elif write.accepted:
                highest[write.port] = write.epoch
        return found
