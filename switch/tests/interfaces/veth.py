# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Stories of a switch on veth pairs. Each runs in a network namespace that nobody else uses.

    s1 ==== p1  p4switch  p2 ==== s2        (and p3 ==== s3): frames enter and leave at s1, s2, s3
"""

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

import grpc
from p4.v1 import p4runtime_pb2 as p4
from p4.v1 import p4runtime_pb2_grpc

P4SWITCH = os.environ["P4SWITCH"]
TESTDATA = os.environ["TESTDATA"]
PATIENCE = 20.0
FLOW = 3000


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def pair(number):
    """A pair whose ends say nothing by themselves."""
    ip("link", "add", f"p{number}", "type", "veth", "peer", "name", f"s{number}")
    for name in (f"p{number}", f"s{number}"):
        with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w") as file:
            file.write("1")
        ip("link", "set", name, "up")


def end(number):
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    opened.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    opened.bind((f"s{number}", 0))
    opened.settimeout(PATIENCE)
    return opened


def received(opened):
    """The next frame that came in, and not one that this host has sent there."""
    while True:
        frame, where = opened.recvfrom(65535)
        if where[2] != socket.PACKET_OUTGOING:
            return frame


class Switch:
    def __init__(self, program, *options):
        self.folder = tempfile.mkdtemp()
        address = os.path.join(self.folder, "address")
        self.log = open(os.path.join(self.folder, "log"), "w+")
        metrics = ["--metrics-addr", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [P4SWITCH, "run", os.path.join(TESTDATA, program), "--grpc-addr", "127.0.0.1:0",
             "--grpc-addr-file", address, *metrics, *options],
            stdout=subprocess.DEVNULL, stderr=self.log)
        deadline = time.monotonic() + PATIENCE
        while not os.path.exists(address):
            assert time.monotonic() < deadline and self.process.poll() is None, self.text()
        self.address = open(address).read().strip()

    def text(self):
        return open(self.log.name).read()

    def metric(self, name):
        address = re.search(r"counters are at /metrics.*?([0-9.]+:[0-9]+)", self.text()).group(1)
        page = urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE).read().decode()
        found = [line.split()[-1] for line in page.splitlines() if line.startswith(name + " ")]
        assert len(found) == 1, (name, page)
        return int(found[0])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, self.text()
        return dict(re.findall(r"^([a-z :]+): (\d+)$", self.text(), re.MULTILINE))


def frames():
    """Frames arrive whole and in order, at any length, and the counters agree."""
    for number in (1, 2):
        pair(number)
    switch = Switch("traffic.p4", "-i", "1@p1", "-i", "2@p2", "--trace=port=2")
    one, two = end(1), end(2)
    for length in (52, 300, 1492):
        sent = bytes(8) + bytes(n % 251 for n in range(length))
        one.send(sent)
        # The program writes into the first 8 octets.
        found = received(two)
        assert found[8:] == sent[8:], (length, found)
    for number in range(FLOW):
        one.send(bytes(8) + number.to_bytes(4, "big") + bytes(48))
        if number % 50 == 49:
            # A queue of the kernel that overflows is not what this is about.
            time.sleep(0.002)
    numbers = []
    two.settimeout(2.0)
    try:
        while len(numbers) < FLOW:
            numbers.append(int.from_bytes(received(two)[8:12], "big"))
    except TimeoutError:
        pass
    assert numbers == sorted(numbers), "in order"
    assert len(numbers) > FLOW * 0.99, len(numbers)
    assert switch.metric('p4switch_packets_total{event="received"}') >= len(numbers)
    assert switch.metric("p4switch_programmed") == 1
    came = switch.metric('p4switch_port_packets_total{port="1",direction="in"}')
    went = switch.metric('p4switch_port_packets_total{port="2",direction="out"}')
    assert came >= went >= len(numbers) + 3, (came, went)
    assert switch.metric('p4switch_port_octets_total{port="2",direction="out"}') >= went * 60
    counters = switch.stop()
    assert int(counters["sent"]) >= len(numbers) + 3, counters
    assert "packet on port" not in switch.text(), "only port 2 is traced"


def datagram(flow, number):
    """An IPv4 datagram of one of several flows, behind the octets that the program writes into."""
    udp = struct.pack(">HHHH", 1000 + flow, 2000, 12, 0) + number.to_bytes(4, "big")
    ip4 = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes([10, 0, 0, 1]),
                      bytes([10, 0, 0, 2]))
    return bytes(12) + b"\x08\x00" + ip4 + udp + bytes(20)


def flows():
    """Several threads share the frames of a port: each frame leaves once, and flows keep their order."""
    threads, flow_count, each = 4, 16, 200
    for number in (1, 2):
        pair(number)
    switch = Switch("traffic.p4", "-i", "1@p1", "-i", "2@p2", "--threads", str(threads))
    rings = [line for line in open("/proc/net/packet") if line.split()[3] == "0003"]
    assert len(rings) == 2 * threads, rings
    one, two = end(1), end(2)
    found = {flow: [] for flow in range(flow_count)}
    for number in range(each):
        for flow in range(flow_count):
            one.send(datagram(flow, number))
        for _ in range(flow_count):
            frame = received(two)
            flow = int.from_bytes(frame[34:36], "big") - 1000
            found[flow].append(int.from_bytes(frame[42:46], "big"))
    for flow, numbers in found.items():
        assert numbers == list(range(each)), (flow, numbers)
    two.settimeout(0.2)
    try:
        raise AssertionError(f"one too many: {received(two)}")
    except TimeoutError:
        pass
    assert int(switch.stop()["sent"]) == flow_count * each


def tagged(opened):
    """The next frame, and the tag that the kernel has taken out of it."""
    opened.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA
    while True:
        frame, extra, _, where = opened.recvmsg(65535, 100)
        if where[2] != socket.PACKET_OUTGOING:
            status, _, _, _, _, tci, protocol = struct.unpack("IIIHHHH", extra[0][2])
            return frame, (protocol, tci) if status & 0x10 else None


def shapes():
    """Frames that the kernel does not hand over as they are: with tags, and longer than a slot."""
    for number in (1, 2):
        pair(number)
        for name in (f"p{number}", f"s{number}"):
            ip("link", "set", name, "mtu", "9000")
    switch = Switch("traffic.p4", "-i", "1@p1", "-i", "2@p2")
    one, two = end(1), end(2)
    for protocol in (0x8100, 0x88a8):
        # The program writes into the first 8 octets.
        tag = struct.pack(">HH", protocol, 0xe123)
        one.send(bytes(8) + b"abcd" + tag + b"\x88\xb5" + bytes(range(100)))
        frame, tag = tagged(two)
        assert tag == (protocol, 0xe123), tag
        assert frame[8:] == b"abcd\x88\xb5" + bytes(range(100)), frame
    # Long and short ones take turns, so that they would overtake each other if they could.
    lengths = [5000, 60, 9000, 100, 2000, 2100, 1900, 8000, 8001, 60]
    sent = [bytes(12) + b"\x88\xb5" + bytes(n % 251 for n in range(length)) for length in lengths]
    for frame in sent:
        one.send(frame)
    for frame in sent:
        found = received(two)
        assert found[8:] == frame[8:], (len(found), len(frame))
    tag = b"\x81\x00\x00\x05"
    one.send(bytes(12) + tag + sent[2][12:])
    frame, tag = tagged(two)
    assert (frame[8:], tag) == (sent[2][8:], (0x8100, 5)), (len(frame), tag)
    switch.stop()


def echo(text):
    """An ICMP echo request."""
    def packet(checksum):
        return bytes([8, 0]) + checksum.to_bytes(2, "big") + bytes([0x12, 0x34, 0, 1]) + text

    octets = packet(0)
    total = sum(int.from_bytes(octets[n:n + 2], "big") for n in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return packet(total ^ 0xffff)


def hosts():
    """Two network stacks find each other by ARP, and one answers the other."""
    for number in (1, 2):
        pair(number)
    # The second host lives in a namespace of its own, so that the kernel does not go around.
    other = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    try:
        deadline = time.monotonic() + PATIENCE
        while os.readlink(f"/proc/{other.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            assert time.monotonic() < deadline
        ip("link", "set", "s2", "netns", str(other.pid))
        inside = ["nsenter", "--net", "--target", str(other.pid), "ip"]
        subprocess.run([*inside, "address", "add", "10.0.0.2/24", "dev", "s2"], check=True)
        subprocess.run([*inside, "link", "set", "s2", "up"], check=True)
        ip("address", "add", "10.0.0.1/24", "dev", "s1")
        entries = os.path.join(tempfile.mkdtemp(), "entries.json")
        with open(entries, "w") as file:
            file.write('{"multicast_groups": [{"id": 1, "replicas": [{"port": 1, "instance": 1},'
                       ' {"port": 2, "instance": 2}]}]}')
        switch = Switch("l2.p4", "-i", "1@p1", "-i", "2@p2", "--entries", entries,
                        "--trace=type=0x0806")
        client = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        client.settimeout(PATIENCE)
        for text in (b"text", b"more" * 300):
            client.sendto(echo(text), ("10.0.0.2", 0))
            answer = client.recv(2000)
            assert (answer[20], answer[28:]) == (0, text), answer
        switch.stop()
        story = switch.text()
        assert "packet on port 1" in story and "packet on port 2" in story, story
        types = set(re.findall(r"type=(0x[0-9a-f]+)", story))
        assert types == {"0x806"}, types
    finally:
        other.kill()
        other.wait()


class Controller:
    """Just enough to write a group of members that watch ports."""

    def __init__(self, address):
        self.stub = p4runtime_pb2_grpc.P4RuntimeStub(grpc.insecure_channel(address))
        bid = p4.StreamMessageRequest()
        bid.arbitration.device_id = 1
        bid.arbitration.election_id.low = 1
        self.open = True

        def requests():
            yield bid
            while self.open:
                time.sleep(0.05)

        self.stream = self.stub.StreamChannel(requests())
        assert next(iter(self.stream)).arbitration.status.code == 0
        asked = p4.GetForwardingPipelineConfigRequest(device_id=1)
        self.info = self.stub.GetForwardingPipelineConfig(asked).config.p4info

    def number(self, kind, alias):
        return next(one.preamble.id for one in getattr(self.info, kind) if one.preamble.alias == alias)

    def write(self, kind, **entity):
        request = p4.WriteRequest(device_id=1)
        request.election_id.low = 1
        request.updates.add(type=kind, entity=p4.Entity(**entity))
        self.stub.Write(request, timeout=PATIENCE)


def spread(controller):
    """Sends requests to one address out of port 2 or 3, by a hash of their flow."""
    types = p4.ValueSetEntry(value_set_id=controller.number("value_sets", "request_types"))
    types.members.add().match.add(field_id=1).exact.value = b"\x12\x34"
    controller.write(p4.Update.MODIFY, value_set_entry=types)
    profile = controller.number("action_profiles", "hops")
    group = p4.ActionProfileGroup(action_profile_id=profile, group_id=1)
    for port in (2, 3):
        member = p4.ActionProfileMember(action_profile_id=profile, member_id=port)
        member.action.action_id = controller.number("actions", "forward")
        member.action.params.add(param_id=1, value=bytes([port]))
        controller.write(p4.Update.INSERT, action_profile_member=member)
        group.members.add(member_id=port, weight=1, watch_port=bytes([port]))
    controller.write(p4.Update.INSERT, action_profile_group=group)
    entry = p4.TableEntry(table_id=controller.number("tables", "routes"))
    lpm = entry.match.add(field_id=1).lpm
    lpm.value, lpm.prefix_len = b"\x0a\x00\x00\x00", 8
    entry.action.action_profile_group_id = 1
    controller.write(p4.Update.INSERT, table_entry=entry)


def links():
    """A member that watches a port whose link goes down is not chosen until it comes back."""
    for number in (1, 2, 3):
        pair(number)
    switch = Switch("features.p4", *(f"-i{n}@p{n}" for n in (1, 2, 3)))
    controller = Controller(switch.address)
    spread(controller)
    ends = {number: end(number) for number in (1, 2, 3)}

    def outcomes():
        """Where 32 flows leave."""
        head = bytes(11) + b"\x01" + b"\x12\x34"
        for flow in range(32):
            ends[1].send(head + bytes([1, 10, 0, 0, 1, 0, flow * 7]) + bytes(40))
        counts = {2: 0, 3: 0}
        deadline = time.monotonic() + PATIENCE
        while sum(counts.values()) < 32:
            assert time.monotonic() < deadline, counts
            for number in counts:
                ends[number].settimeout(0.05)
                try:
                    received(ends[number])
                    counts[number] += 1
                except (TimeoutError, OSError):
                    pass
        return counts

    def wait(text):
        deadline = time.monotonic() + PATIENCE
        while text not in switch.text():
            assert time.monotonic() < deadline, switch.text()
            time.sleep(0.02)

    before = outcomes()
    assert before[2] > 0 and before[3] > 0, before
    ip("link", "set", "s3", "down")
    wait("down={3}")
    assert outcomes() == {2: 32, 3: 0}
    ip("link", "set", "s3", "up")
    wait("down={}")
    assert outcomes() == before
    controller.open = False
    switch.stop()


STORIES = {"flows": flows, "frames": frames, "hosts": hosts, "links": links, "shapes": shapes}


def main():
    ip("link", "set", "lo", "up")
    STORIES[sys.argv[1]]()
    print("done")


main()
