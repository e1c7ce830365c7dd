# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Where bundles were seen: a listener at all interfaces of the switches, for what does not arrive."""

import socket
import threading
import time
from collections import defaultdict

from host import MAGIC
from sddtn import INNER

# Numbers of the kernel that Python has no names for.
ALL_PROTOCOLS, OUTGOING, SO_RCVBUFFORCE = 3, 4, 33
PUNTED, INJECTED = b"\x88\xb5", b"\x88\xb6"
BUFFER_OCTETS = 64 << 20
ROOM = 65_536
# Between what happens and when it is noted, on a loaded machine.
SLACK_S = 0.5


class Trail(threading.Thread):
    """Notes each bundle of a host at each interface of this namespace, until it is stopped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
        self.listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_OCTETS)
        self.listener.settimeout(0.2)
        self.seen = defaultdict(list)
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.is_set():
            try:
                frame, (name, _, kind, *_) = self.listener.recvfrom(ROOM)
            except TimeoutError:
                continue
            at = frame.find(MAGIC) + len(MAGIC)
            if at < len(MAGIC) or name.endswith(INNER):
                continue
            key = tuple(int.from_bytes(frame[place:place + 4], "big") for place in (at, at + 4))
            self.seen[key].append((time.time(), name, kind == OUTGOING, header(frame)))

    def stop(self):
        self.stopped.set()
        self.join()
        self.listener.close()

    def ended_in(self, key, outages):
        """Whether a bundle was last seen at an interface of an outage, in its time."""
        if not self.seen[key]:
            return False
        when, name, *_ = self.seen[key][-1]
        return any(name in names and begun - SLACK_S <= when <= ended + SLACK_S
                   for names, begun, ended in outages)

    def of(self, key, since):
        """The places of a bundle in order, for people; times are in seconds after one."""
        places = [f"{when - since:.3f} {'out of' if outgoing else 'into'} {name}{what}"
                  for when, name, outgoing, what in self.seen[key]]
        return "; ".join(places) or "nowhere"


def header(frame):
    """What the header of a frame between switch and node says."""
    if frame[12:14] == PUNTED:
        return f" punted for reason {frame[14]}"
    if frame[12:14] == INJECTED:
        return f" for port {int.from_bytes(frame[14:16], 'big')}"
    return ""
