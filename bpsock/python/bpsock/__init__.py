# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Bundle Protocol sockets, address family 28.

The socket module makes such sockets and refuses their addresses. Here they are texts:

    with bpsock.Socket() as sock:
        sock.bind("ipn:0.7")  # node 0 is this node, service 0 any free service
        data, source = sock.recvfrom(1 << 20)
        sock.sendto(data, source)

Needs the kernel module, or the preload library in front of the interpreter.
"""

import ctypes
import os
import select
import socket
import struct
import time

AF_BP = 28
_IPN, _DTN, _IPN_WIDE = 1, 2, 3
_LONGEST = 128
_C = ctypes.CDLL(None, use_errno=True)
_C.sendto.restype = _C.recvfrom.restype = ctypes.c_ssize_t
_C.sendto.argtypes = [
    ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint,
]
_C.recvfrom.argtypes = [
    ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
]


def pack(address):
    """The structure of an endpoint ID: ipn:NODE.SERVICE, ipn:ALLOCATOR.NODE.SERVICE or dtn:NAME."""
    scheme, _, rest = address.partition(":")
    if scheme == "dtn" and rest:
        name = rest.encode("ascii")
        if len(name) > 118:
            raise ValueError(f"name is longer than 118 octets: {address}")
        return struct.pack("=HHIH", AF_BP, 0, _DTN, len(name)) + name
    numbers = rest.split(".")
    if scheme != "ipn" or len(numbers) not in (2, 3) or not all(map(str.isdecimal, numbers)):
        raise ValueError(f"not an endpoint ID: {address!r}")
    numbers = [int(number) for number in numbers]
    try:
        if len(numbers) == 2 and max(numbers) < 1 << 32:
            return struct.pack("=HHIII", AF_BP, 0, _IPN, *numbers)
        *allocator, node, service = numbers
        fields = (len(numbers), *(allocator or [0]), node, service)
        return struct.pack("=HHIIIQQ", AF_BP, 0, _IPN_WIDE, *fields)
    except struct.error:
        raise ValueError(f"number is too large: {address}") from None


def unpack(octets):
    """The endpoint ID of a structure. A name that does not fit into one is `dtn:`."""
    _, _, scheme = struct.unpack_from("=HHI", octets)
    if scheme == _IPN:
        return "ipn:%d.%d" % struct.unpack_from("=II", octets, 8)
    if scheme == _DTN:
        (length,) = struct.unpack_from("=H", octets, 8)
        return "dtn:" + octets[10 : 10 + length].decode("ascii")
    elements, *numbers = struct.unpack_from("=IIQQ", octets, 8)
    return "ipn:" + ".".join(map(str, numbers[3 - elements :]))


def _check(result):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


class Socket(socket.socket):
    """A datagram socket whose addresses are endpoint IDs as text."""

    def __init__(self):
        super().__init__(AF_BP, socket.SOCK_DGRAM, 0)

    def _wait(self, event):
        """Waits as the time-out says, which the socket module keeps to itself."""
        patience = self.gettimeout()
        if patience == 0:
            return
        poller = select.poll()
        poller.register(self, event)
        if not poller.poll(None if patience is None else patience * 1000):
            raise TimeoutError("timed out")

    def _retry(self, event, call):
        """Calls until there is an answer. A descriptor with a time-out does not block by itself."""
        deadline = time.monotonic() + (self.gettimeout() or 0)
        while True:
            if event == select.POLLIN:
                self._wait(event)
            try:
                return _check(call())
            except InterruptedError:
                continue
            except BlockingIOError:
                patience = self.gettimeout()
                if patience == 0 or patience is not None and time.monotonic() > deadline:
                    raise

    def bind(self, address):
        name = pack(address)
        _check(_C.bind(self.fileno(), name, len(name)))

    def connect(self, address):
        name = pack(address)
        _check(_C.connect(self.fileno(), name, len(name)))

    def _name(self, function):
        name = ctypes.create_string_buffer(_LONGEST)
        length = ctypes.c_uint(_LONGEST)
        _check(function(self.fileno(), name, ctypes.byref(length)))
        return unpack(name.raw[: length.value])

    def getsockname(self):
        return self._name(_C.getsockname)

    def getpeername(self):
        return self._name(_C.getpeername)

    def sendto(self, data, address, flags=0):
        data, name = bytes(data), pack(address)
        call = lambda: _C.sendto(self.fileno(), data, len(data), flags, name, len(name))
        return self._retry(select.POLLOUT, call)

    def recvfrom(self, size, flags=0):
        data = ctypes.create_string_buffer(max(size, 1))
        name = ctypes.create_string_buffer(_LONGEST)
        length = ctypes.c_uint()

        def call():
            length.value = _LONGEST
            return _C.recvfrom(self.fileno(), data, size, flags, name, ctypes.byref(length))

        octets = self._retry(select.POLLIN, call)
        return data.raw[: min(octets, size)], unpack(name.raw[: length.value])
