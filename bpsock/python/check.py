# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Checks the package, on node 10 of a daemon: sockets, and addresses there and back."""

import errno

import bpsock

ADDRESSES = ["ipn:1.2", "ipn:4294967296.7", "ipn:1.2.3", "dtn://node/service", "dtn:none"]
for address in ADDRESSES:
    assert bpsock.unpack(bpsock.pack(address)) == address, address
for wrong in ["", "ipn:", "ipn:1", "ipn:1.x", "ipn:1.2.3.4", "http://x", f"ipn:1.{1 << 64}", "dtn:" + "x" * 119]:
    try:
        bpsock.pack(wrong)
    except ValueError:
        continue
    raise AssertionError(wrong)

with bpsock.Socket() as one, bpsock.Socket() as two:
    one.bind("ipn:0.0")
    two.bind("ipn:0.77")
    assert two.getsockname() == "ipn:10.77"
    for length in [0, 1, 100_000]:
        data = bytes(at % 251 for at in range(length))
        assert one.sendto(data, "ipn:10.77") == length
        got, source = two.recvfrom(1 << 20)
        assert got == data and source == one.getsockname(), length
    two.connect("ipn:10.78")
    assert two.getpeername() == "ipn:10.78"
    two.settimeout(0.05)
    try:
        two.recvfrom(10)
    except TimeoutError:
        pass
    else:
        raise AssertionError("nothing was sent")
    try:
        two.bind("ipn:0.78")
    except OSError as error:
        assert error.errno == errno.EINVAL
    else:
        raise AssertionError("it is bound")
print("passed")
