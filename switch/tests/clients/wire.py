# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What the client tests share: where the switch is, and the far ends of its ports."""

import os
import socket
import sys
import threading

ADDRESS = os.environ["P4SWITCH"]
P4INFO = os.environ["P4INFO"]
PROGRAM = os.environ["PROGRAM"]

# No answer takes this long; whoever waits longer has found a bug.
PATIENCE = 20.0

REQUEST = 0x1234


def address(variable):
    host, port = os.environ[variable].rsplit(":", 1)
    return (host, int(port))


class Port:
    """The far end of a port of the switch: one frame in each datagram."""

    def __init__(self, number):
        self.number = number
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(address(f"PORT{number}"))
        self.socket.settimeout(PATIENCE)
        self.switch = address(f"PORT{number}_SWITCH")

    def send(self, frame):
        self.socket.sendto(frame, self.switch)

    def receive(self):
        return self.socket.recv(65535)


def mac(last):
    return bytes([2, 0, 0, 0, 0, last])


def frame(dst, src, payload=b"\xaa\xbb"):
    return mac(dst) + mac(src) + b"\x08\x00" + payload


def request(src, kind, address, port, result=0):
    head = mac(9) + mac(src) + REQUEST.to_bytes(2, "big")
    return head + bytes([kind]) + address.to_bytes(4, "big") + port.to_bytes(2, "big") + bytes([result])


def limit(seconds):
    """Ends the process if it hangs, so that the test says so."""

    def stop():
        print(f"no end after {seconds} s", file=sys.stderr, flush=True)
        os._exit(3)

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()


def check(found, expected):
    if found != expected:
        raise AssertionError(f"found {found!r}, expected {expected!r}")
