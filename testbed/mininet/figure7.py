# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Two hosts of different bundle versions, and one switch with a generated program between them.

    h6 (BPv6, 10.6.0.1) ---- 1 s1 2 ---- h7 (BPv7, 10.7.0.1)
                               9 (slow path)
                               sddtn-node

The hosts know nothing of the switch: they are on one Ethernet, and find each other by ARP. The
controller is killed, the switch is killed, and the link of a host is taken away, under traffic.
"""

import re
import time
import urllib.request

from mininet.net import Mininet

from sddtn import BundleHost, BundleSwitch, Controller, Endpoint, Report, wait

GRPC, API, METRICS = 50001, 8001, 9001
SIX, SEVEN = 1, 2


def configuration(programs, device_config):
    target = "bmv2" if programs.kind == "bmv2" else "sddtn"
    return f"""
[[switch]]
name = "s1"
target = "{target}"
address = "127.0.0.1:{GRPC}"
device_id = 1
election_id = 1
p4info = "figure7.p4info.txtpb"
device_config = "{device_config}"
entries = ["figure7.entries.json"]
ports = [1, 2]
flood_group = 1

[api]
listen = "127.0.0.1:{API}"

[[peer]]
network = "10.6.0.0/16"
speaks = 6

[[peer]]
network = "10.7.0.0/16"
speaks = 7
"""


NODE = f"""
link = "s1-node"
metrics.listen = "127.0.0.1:{METRICS}"

[[peer]]
network = "10.6.0.0/16"
speaks = 6
port = 1

[[peer]]
network = "10.7.0.0/16"
speaks = 7
port = 2
"""


class Figure7:
    def __init__(self, programs, quick):
        self.programs = programs
        self.count = 40 if quick else 400
        self.report = Report("Figure 7: two hosts of different bundle versions and one switch")
        self.phase = time.time()

    def build(self):
        device_config = self.programs.generate("figure7", 1400)
        self.net = Mininet(controller=None, autoSetMacs=True)
        self.switch = self.net.addSwitch("s1", cls=BundleSwitch, programs=self.programs, grpc=GRPC)
        six = self.net.addHost("h6", cls=BundleHost, ip="10.6.0.1/8")
        seven = self.net.addHost("h7", cls=BundleHost, ip="10.7.0.1/8")
        self.net.addLink(self.switch, six, port1=1)
        self.net.addLink(self.switch, seven, port1=2)
        self.net.start()
        config = configuration(self.programs, device_config)
        self.controller = Controller(self.programs, "controller", config, f"127.0.0.1:{API}")
        self.controller.start()
        self.controller.wait()
        node = self.programs.write("node.toml", NODE)
        ready = self.programs.file("node.ready")
        self.programs.start("sddtn-node", ["run", node, "--ready-file", ready], "node.log")
        self.six = Endpoint(self.programs, six, SIX, 6, "10.7.0.1")
        self.seven = Endpoint(self.programs, seven, SEVEN, 7, "10.6.0.1")

    def traffic(self, octets=0):
        """Begins to send both ways."""
        return [self.six.send([SEVEN], self.count, octets=octets),
                self.seven.send([SIX], self.count, octets=octets)]

    def reached(self, end, since=0.0):
        """When the first bundle that was sent after a time arrived at an end."""
        other = self.seven if end is self.six else self.six
        late = {line["number"] for line in other.sent() if line["sent"] > since}
        times = [line["arrived"] for line in end.arrived() if line["number"] in late]
        return min(times, default=None)

    def finish(self, senders, what, lossless):
        for sender in senders:
            sender.wait()
        begun, self.phase = self.phase, time.time()

        def of_phase():
            sent = [line for line in self.six.sent() + self.seven.sent() if line["sent"] > begun]
            keys = {(line["from"], line["number"]) for line in sent}
            arrived = [line for line in self.six.arrived() + self.seven.arrived()
                       if (line["from"], line["number"]) in keys]
            return sent, arrived

        deadline = time.monotonic() + 3
        while len(of_phase()[1]) < len(of_phase()[0]) and time.monotonic() < deadline:
            time.sleep(0.05)
        sent, arrived = of_phase()
        missing = self.report.traffic(what, sent, arrived)
        self.report.demand(sent, f"{what}: nothing was sent")
        if lossless:
            self.report.demand(not missing, f"{what}: {len(missing)} bundles are missing")

    def run(self):
        self.steady()
        self.slow_path()
        self.controller_loss()
        self.switch_restart()
        self.link_loss()
        wrong = [line for end in (self.six, self.seven) for line in end.arrived()
                 if line["version"] != end.version]
        self.report.add("bundles that arrived in the wrong version", len(wrong))
        self.report.demand(not wrong, f"bundles arrived in the wrong version: {wrong[:3]}")

    def steady(self):
        begun = time.time()
        hello = self.six.send([SEVEN], 1)
        hello.wait()

        def learned():
            text = self.programs.call("sddtnctl", "--switch", self.switch.address, "--target",
                                      self.controller_target(), "--format", "json", "tables", "l2_forward")
            return "00:00:00:00:00:01" in text

        wait("learned address", learned)
        self.report.times("first frame of a host (digest) to the rule for it", [time.time() - begun])
        self.finish([], "first bundle, with ARP", lossless=True)
        self.finish(self.traffic(), "steady", lossless=True)

    def controller_target(self):
        return "bmv2" if self.programs.kind == "bmv2" else "sddtn"

    def slow_path(self):
        """Payloads that the program cannot carry are translated by the node."""
        def punted():
            with urllib.request.urlopen(f"http://127.0.0.1:{METRICS}/metrics", timeout=20) as answer:
                text = answer.read().decode()
            return int(re.search(r"^sddtn_node_frames_received_total (\d+)$", text, re.MULTILINE).group(1))

        before = punted()
        self.finish(self.traffic(octets=1390), "slow path", lossless=True)
        count = punted() - before
        self.report.add("frames at the node meanwhile", count)
        self.report.demand(count >= 2 * self.count, "the slow path was not used")

    def controller_loss(self):
        senders = self.traffic()
        time.sleep(0.3)
        self.controller.kill()
        for sender in senders:
            sender.wait()
        self.controller.start()
        begun = time.monotonic()
        self.controller.wait()
        self.report.times("controller started to switch checked", [time.monotonic() - begun])
        self.finish([], "controller killed", lossless=True)

    def recovered(self, since, senders, what):
        """Waits for a bundle of each end that was sent after a time, and goes on sending until then."""
        def both():
            if all(sender.poll() is not None for sender in senders):
                senders.extend(self.traffic())
            times = [self.reached(end, since) for end in (self.six, self.seven)]
            return times if all(times) else None

        self.report.times(what, [time - since for time in wait("bundle", both)])

    def switch_restart(self):
        senders = self.traffic()
        time.sleep(0.3)
        self.switch.kill_process()
        killed = time.time()
        self.switch.run()
        self.recovered(killed, senders, "switch killed to first bundle")
        self.finish(senders, "switch killed and restarted", lossless=False)
        self.finish(self.traffic(), "after that", lossless=True)

    def link_loss(self):
        senders = self.traffic()
        time.sleep(0.3)
        # The port of the switch loses its carrier, and stays up: BMv2 bears no more.
        host = self.seven.host
        host.cmd(f"ip link set {host.defaultIntf().name} down")
        time.sleep(1)
        host.cmd(f"ip link set {host.defaultIntf().name} up")
        up = time.time()
        self.recovered(up, senders, "link back to first bundle")
        self.finish(senders, "link lost for a second", lossless=False)
        self.finish(self.traffic(), "after that", lossless=True)

    def stop(self):
        if hasattr(self, "net"):
            self.net.stop()
