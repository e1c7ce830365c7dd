# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Three clusters with a controller each, and links between them that open and close.

    h111 -- s11 ==== s12 - - - - s21 ==== s22 -- h121       cluster a: s11, s12   BPv6 at h111
             :      m112                   :                cluster b: s21, s22   BPv7 at h121
             :                             :                cluster c: s31, s32   BPv6 at h131
             + - - - - -  s32 ==== s31 - - +                m112 (BPv7) is in no plan: it is heard
                           |
                          h131

Each switch is a node with its own sddtn-node. A link between clusters is up in its contacts only, so
that what is sent too early or too late is lost. Each cluster knows the contacts of its own nodes; what
is behind others it learns from their controllers. Cluster a has two controllers, of which one holds it. Contacts of one round: a and b, then b and c, then
c and a; each begins before the last one ends.
"""

import datetime
import json
import signal
import subprocess
import threading
import time

from mininet.net import Mininet

from sddtn import BundleHost, BundleSwitch, Cable, Controller, Endpoint, Report, SLOW_PATH_PORT, wait
from trail import Trail
from writes import Writes

CLUSTERS = {"a": (11, 12), "b": (21, 22), "c": (31, 32)}
# The controllers of a cluster; of several, one has the lease, and the others wait for it.
CONTROLLERS = {"a": ("a", "a2"), "b": ("b",), "c": ("c",)}
# A controller that is stopped holds its cluster for so long; on a loaded machine a shorter one is lost by itself.
LEASE_MS = 3000
# Hosts: the switch at whose port 1 they are, and their version. The last one is in no plan.
HOSTS = {111: (11, 6), 121: (22, 7), 131: (32, 6)}
MOBILE = {112: (12, 7)}
INSIDE = [(11, 12), (21, 22), (31, 32)]
# Links between clusters, and when they are open in each round: from and to, in seconds.
BETWEEN = {(12, 21): (0, 8), (22, 31): (6, 14), (32, 11): (12, 20)}
ROUND_S = 18
# The first round begins so long after the origin of the plans.
LEAD_S = 20
HORIZON_S = 60
GUARD_MS = 2500
SILENCE_MS = 8000
# Between looks at a switch.
PAUSE_MS = 50
# Bundles are late, and not lost, if they arrive so long after the round behind the one they were sent in.
PATIENCE_S = 20
LINK_LOST_S = 2
# From this time in a round on, no rule of cluster a ends for more than ten seconds.
QUIET_S = 6
# Links are up a little before their contacts.
EARLY_S = 2
HOST_PORT, INSIDE_PORT, OUTSIDE_PORT = 1, 2, 3
# Places in the ports of a controller.
NODES, PEERING = 1, 2
# Octets a second of contacts, as the plan says. What waited for one comes at this rate, and BMv2 loses what comes
# to an interface faster than it runs the program, beyond 32 frames.
RATES = {"sddtn": 1_000_000, "bmv2": 30_000}


def address(node):
    return f"10.0.0.{node}"


def ethernet(node):
    return f"02:00:00:00:00:{node:02x}"


def cluster_of(node):
    return next(name for name, nodes in CLUSTERS.items() if node in nodes)


def grpc(node):
    return 50000 + node


def ports(name):
    """Ports of the HTTP interface, of the distribution and of the peering of a controller."""
    place = [one for names in CONTROLLERS.values() for one in names].index(name)
    return 8001 + place, 7001 + place, 6001 + place


def addresses(cluster, kind):
    """Where the controllers of a cluster listen for one of these."""
    return ",".join(f"127.0.0.1:{ports(name)[kind]}" for name in CONTROLLERS[cluster])


class Plan:
    """The contacts, as each cluster knows them."""

    def __init__(self, origin, rounds, rate):
        self.origin, self.rounds, self.rate = origin, rounds, rate
        self.end = LEAD_S + (rounds + 1) * ROUND_S

    def windows(self, pair):
        """The contacts of a link between clusters, in seconds after the origin."""
        begin, end = BETWEEN[pair]
        return [(LEAD_S + number * ROUND_S + begin, LEAD_S + number * ROUND_S + end)
                for number in range(self.rounds)]

    def text(self, cluster):
        nodes = CLUSTERS[cluster]
        always = [pair for pair in INSIDE if pair[0] in nodes]
        always += [(switch, host) for host, (switch, _) in HOSTS.items() if switch in nodes]
        lines = []

        def contact(one, other, start, end):
            for pair in ((one, other), (other, one)):
                lines.append(f"a contact +{start} +{end} {pair[0]} {pair[1]} {self.rate}")

        def light(one, other):
            lines.append(f"a range +0 +{self.end + HORIZON_S} {min(one, other)} {max(one, other)} 0")

        for pair in always:
            contact(*pair, 0, self.end + HORIZON_S)
            light(*pair)
        for pair in BETWEEN:
            if set(pair) & set(nodes):
                for window in self.windows(pair):
                    contact(*pair, *window)
                light(*pair)
        return "\n".join(lines) + "\n"


def link(one, other, port, speaks):
    return f"""
[[link]]
from = {one}
to = {other}
port = {port}
ethernet = "{ethernet(other)}"
ethernet_source = "{ethernet(one)}"
address = "{address(other)}"
speaks = {speaks}
"""


def links():
    """How switches reach their neighbours. Between switches bundles are of version 7."""
    found = [(one, other, INSIDE_PORT, 7) for one, other in INSIDE]
    found += [(one, other, OUTSIDE_PORT, 7) for one, other in BETWEEN]
    found += [(other, one, port, speaks) for one, other, port, speaks in found]
    return found + [(switch, host, HOST_PORT, speaks) for host, (switch, speaks) in HOSTS.items()]


def controller_text(programs, name, device_config, origin):
    cluster = next(cluster for cluster, names in CONTROLLERS.items() if name in names)
    api, nodes, peers = ports(name)
    target = "bmv2" if programs.kind == "bmv2" else "sddtn"
    text = f"""
[distribution]
listen = "127.0.0.1:{nodes}"
[api]
listen = "127.0.0.1:{api}"
[state]
path = "{cluster}.redb"

[contacts]
plan = "{cluster}.ionrc"
origin = "{datetime.datetime.fromtimestamp(origin, datetime.timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
horizon_s = {HORIZON_S}
guard_ms = {GUARD_MS}
learn = {{ silence_ms = {SILENCE_MS} }}

[peering]
cluster = "{cluster}"
listen = "127.0.0.1:{peers}"
hold_s = 6
"""
    if len(CONTROLLERS[cluster]) > 1:
        text += f"""
[lease]
holder = "{name}"
path = "lease-{cluster}"
ttl_ms = {LEASE_MS}
"""
    for node in CLUSTERS[cluster]:
        text += f"""
[[switch]]
name = "s{node}"
target = "{target}"
address = "127.0.0.1:{grpc(node)}"
device_id = 1
election_id = 1
p4info = "figure6.p4info.txtpb"
device_config = "{device_config}"
entries = ["figure6.entries.json"]

[[node]]
number = {node}
switch = "s{node}"
address = "{address(node)}"
ethernet = "{ethernet(node)}"
"""
    for host, (switch, _) in MOBILE.items():
        if switch in CLUSTERS[cluster]:
            text += f"\n[[node]]\nnumber = {host}\naddress = \"{address(host)}\"\n"
    for one, other, port, speaks in links():
        if one in CLUSTERS[cluster]:
            text += link(one, other, port, speaks)
    for other in CLUSTERS:
        gateways = [node for pair in BETWEEN for node, end in (pair, pair[::-1])
                    if node in CLUSTERS[other] and end in CLUSTERS[cluster]]
        if other != cluster:
            # One of two connects.
            where = f'address = "{addresses(other, PEERING)}"' if cluster < other else ""
            text += f"\n[[peering.peer]]\ncluster = \"{other}\"\ngateways = {gateways}\n{where}\n"
    return text


def node_text(node, programs):
    cluster = cluster_of(node)
    target = "bmv2" if programs.kind == "bmv2" else "sddtn"
    return f"""
link = "s{node}-node"
link_port = {SLOW_PATH_PORT}
store = {{ path = "bundles-{node}.redb" }}
metrics.listen = "127.0.0.1:{9000 + node}"

[controller]
address = "{addresses(cluster, NODES)}"
node = {node}
switch = "127.0.0.1:{grpc(node)}"
target = "{target}"
plan = "plan-{node}.bin"
patience_ms = 200
"""


class Observer:
    """Looks at the neighbours that switches know, every PAUSE_MS."""

    def __init__(self, programs, nodes):
        options = [word for node in nodes for word in ("--switch", f"{node}=127.0.0.1:{grpc(node)}")]
        command = [programs.path("sddtn-observe"), "--guard-ms", str(GUARD_MS),
                   "--pause-ms", str(PAUSE_MS), *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        programs.running.append(self.process)

    def stop(self):
        """What was seen at each node."""
        text, _ = self.process.communicate()
        return {int(node): seen for node, seen in json.loads(text)["switches"].items()}


class Figure6:
    def __init__(self, programs, quick):
        self.programs = programs
        # Rounds without faults, with a lost controller, with stopped ones, with a lost switch, and with a
        # lost link.
        self.rounds = (0, 1, 1, 0, 0) if quick else (2, 2, 2, 2, 1)
        # How often the controller that holds cluster a is stopped; entries that were asked for meanwhile.
        self.depositions, self.entries = (1, []) if quick else (3, [])
        self.report = Report("Figure 6: three clusters, and links between them that open and close")
        self.fail_over, self.taken_over, self.acknowledged = [], [], []
        # Where bundles may be lost: interfaces, and the times from which and until when.
        self.outages = []
        # By how much links came up too late.
        self.late_links = []
        self.stopped = threading.Event()

    def build(self):
        device_config = self.programs.generate("figure6", 63)
        self.net = Mininet(controller=None)
        nodes = [node for pair in CLUSTERS.values() for node in pair]
        switches = {node: self.net.addSwitch(f"s{node}", cls=BundleSwitch, programs=self.programs,
                                             grpc=grpc(node)) for node in nodes}
        self.switches = switches
        self.cables = {(one, other): self.net.addLink(switches[one], switches[other], cls=Cable,
                                                      port1=port, port2=port)
                       for pairs, port in ((INSIDE, INSIDE_PORT), (BETWEEN, OUTSIDE_PORT))
                       for one, other in pairs}
        hosts = {}
        for host, (switch, _) in {**HOSTS, **MOBILE}.items():
            hosts[host] = self.net.addHost(f"h{host}", cls=BundleHost, ip=f"{address(host)}/24",
                                           mac=ethernet(host))
            self.net.addLink(switches[switch], hosts[host], port1=HOST_PORT)
        self.net.start()
        self.trail = Trail()
        self.trail.start()
        Cable.lay(self.programs, self.cables.values())
        for pair in BETWEEN:
            self.cables[pair].set("down")
        origin = int(time.time())
        # A slow machine starts late, and between phases what waits gets another round.
        self.plan = Plan(origin, sum(self.rounds) + 2 * len(self.rounds) + 4, RATES[self.programs.kind])
        self.start_daemons(device_config, nodes)
        self.ends = {}
        for host, (switch, version) in {**HOSTS, **MOBILE}.items():
            # The switch is a router, and answers no ARP.
            hosts[host].setARP(address(switch), ethernet(switch))
            self.ends[host] = Endpoint(self.programs, hosts[host], host, version, address(switch))
        wait("plans at all nodes", self.all_attached)
        wait("peers", self.all_meet)

    def start_daemons(self, device_config, nodes):
        for cluster in CLUSTERS:
            self.programs.write(f"{cluster}.ionrc", self.plan.text(cluster))
        self.writes = Writes(grpc(node) for node in CLUSTERS["a"])
        self.writes.start()
        # Those that hold their clusters, and those that wait.
        self.controllers, self.waiting = {}, []
        for cluster, names in CONTROLLERS.items():
            for name in names:
                text = controller_text(self.programs, name, device_config, self.plan.origin)
                controller = Controller(self.programs, name, text, f"127.0.0.1:{ports(name)[0]}")
                holds = self.controllers.setdefault(cluster, controller) is controller
                self.waiting += [] if holds else [controller]
            self.controllers[cluster].start()
        for controller in self.controllers.values():
            controller.wait()
        self.start_waiting()
        for node in nodes:
            config = self.programs.write(f"node-{node}.toml", node_text(node, self.programs))
            self.programs.start("sddtn-node", ["run", config], f"node-{node}.log")
        self.observer = Observer(self.programs, nodes)

    def start_waiting(self):
        """Starts the controllers that do not hold their clusters."""
        for controller in self.waiting:
            controller.start()
        for controller in self.waiting:
            wait("a controller that waits", lambda one=controller: one.check() and one.lease().startswith("held by"))

    def holder(self, cluster):
        """The controller that holds a cluster: on a machine that is busy, the lease may have changed hands."""
        for place, other in enumerate(self.waiting):
            holder = self.controllers[cluster]
            if other.name in CONTROLLERS[cluster] and holder.lease() == f"held by {other.name}":
                self.controllers[cluster], self.waiting[place] = other, holder
        return self.controllers[cluster]

    def since(self):
        return time.time() - self.plan.origin

    def all_attached(self):
        rows = [row for cluster in CLUSTERS for row in self.holder(cluster).ask("/v1/nodes")]
        return all(row["connected"] and row["active"] == row["wanted"] for row in rows)

    def all_meet(self):
        rows = [row for cluster in CLUSTERS for row in self.holder(cluster).ask("/v1/peers")]
        return all(row["connected"] and row["destinations"] for row in rows)

    def open_and_close(self):
        """Takes links up and down at the edges of their contacts."""
        edges = sorted((time_s, pair, status) for pair in BETWEEN for start, end in self.plan.windows(pair)
                       for time_s, status in ((start - EARLY_S, "up"), (end, "down")))
        for time_s, pair, status in edges:
            if self.stopped.wait(max(0.0, time_s - self.since())):
                return
            self.cables[pair].set(status)
            late = self.since() - (time_s + EARLY_S)
            if status == "up" and late > 0:
                # On a machine that is so loaded, what is sent meanwhile is lost, as on any dead link.
                near = {name for node in pair for name in self.names(node)}
                self.outages.append((near, time.time() - late, time.time()))
                self.late_links.append(late)

    def names(self, node):
        """The interfaces of a switch, and its end of the way to its node."""
        return {*self.switches[node].nameToIntf, f"s{node}-slow"}

    def traffic(self, seconds):
        """Every host sends to all others, and the one that is in no plan, too."""
        planned = list(HOSTS)
        everyone = planned + list(MOBILE)
        return [self.ends[host].send([other for other in planned if other != host],
                                     int(seconds / 0.25), 0.25) for host in everyone]

    def run(self):
        timer = threading.Thread(target=self.open_and_close)
        timer.start()
        try:
            self.heard()
            phases = [("no faults", None),
                      ("controllers of a lost for a round", self.lose_controller),
                      ("controllers of a stopped, until others hold it", self.depose_controllers),
                      ("switch s21 killed and restarted", self.lose_switch),
                      (f"link s11-s12 lost for {LINK_LOST_S} s", self.lose_link)]
            for rounds, (what, fault) in zip(self.rounds, phases):
                if rounds:
                    self.phase(what, rounds, fault)
        finally:
            self.stopped.set()
            timer.join()
        self.figures()

    def heard(self):
        """A host that is in no plan says something: from its bundle to the rule for it."""
        self.said = time.time()
        self.ends[112].send([111], 1).wait()

    def phase(self, what, rounds, fault):
        begun = time.time()
        senders = self.traffic(rounds * ROUND_S)
        self.acknowledge()
        if fault:
            fault()
        for sender in senders:
            sender.wait()
        # What waits for a contact gets one in the next round.
        deadline = time.monotonic() + ROUND_S + PATIENCE_S
        while time.monotonic() < deadline:
            sent = [line for end in self.ends.values() for line in end.sent() if line["sent"] >= begun]
            keys = {(line["from"], line["number"]) for line in sent}
            arrived = [line for end in self.ends.values() for line in end.arrived()
                       if (line["from"], line["number"]) in keys]
            if len({(line["from"], line["number"]) for line in arrived}) == len(keys):
                break
            time.sleep(0.2)
        missing = self.report.traffic(what, sent, arrived)
        self.report.add(f"{what}: arrived once more", len(arrived) - len(sent) + len(missing))
        self.report.demand(sent, f"{what}: nothing was sent")
        self.explain(what, missing)

    def explain(self, what, missing):
        """A bundle may be lost where something was broken at that time, and nowhere else."""
        dead = 0
        for line in missing:
            key = line["from"], line["number"]
            if self.trail.ended_in(key, self.outages):
                dead += 1
                continue
            text = f"{line['from']} to {line['to']} at {line['sent'] - self.plan.origin:.3f}"
            self.report.demand(False, f"{what}: missing: {text}: {self.trail.of(key, self.plan.origin)}")
        if missing:
            self.report.add(f"{what}: of those missing, last seen at what was down then", dead)

    def acknowledge(self):
        """A change of each plan, until the last node goes by it."""
        for cluster in CLUSTERS:
            begun = time.monotonic()
            self.holder(cluster).ask("/v1/reload", "POST")
            wait("acknowledgements", lambda of=cluster: all(
                row["active"] == row["wanted"] for row in self.holder(of).ask("/v1/nodes")))
            self.acknowledged.append(time.monotonic() - begun)

    def lose_controller(self):
        """Cluster a goes on with its plans; the others keep what it has announced."""
        def turns():
            total = []
            for node in CLUSTERS["a"]:
                with open(self.programs.file(f"node-{node}.log"), encoding="utf-8") as file:
                    total.append(file.read().count("the session is primary"))
            return total

        before = turns()
        for controller in (*self.waiting, self.holder("a")):
            controller.kill()
        begun = time.monotonic()
        wait("stand-ins", lambda: all(now > then for now, then in zip(turns(), before)))
        self.fail_over.append(time.monotonic() - begun)
        rows = self.controllers["b"].ask("/v1/peers")
        wait("loss of the peer", lambda: not next(
            row for row in self.controllers["b"].ask("/v1/peers") if row["cluster"] == "a")["connected"])
        kept = next(row for row in self.controllers["b"].ask("/v1/peers") if row["cluster"] == "a")
        known = next(row for row in rows if row["cluster"] == "a")
        self.report.add("announced by a, and kept by b without it", f"{known['windows']}, {kept['windows']}",
                        "windows")
        self.report.demand(kept["windows"], "b has forgotten what a has announced")
        time.sleep(max(0.0, ROUND_S - (time.monotonic() - begun)))
        self.controllers["a"].start()
        self.controllers["a"].wait()
        self.start_waiting()
        wait("nodes of a", self.all_attached)

    def depose_controllers(self):
        """The controller that holds cluster a stands still, and comes back when another one holds it."""
        for turn in range(self.depositions):
            # While nobody holds the cluster no rule is taken back: one that ends then would outlive its contact.
            time.sleep((QUIET_S - (self.since() - LEAD_S)) % ROUND_S)
            old, new = self.holder("a"), self.waiting.pop()
            lost, told = old.log().count("leaving the switch"), len(old.leases())
            old.process.send_signal(signal.SIGSTOP)
            begun = time.monotonic()
            wait("another controller", lambda one=new: one.lease().startswith("held in") and one.programmed())
            self.taken_over.append(time.monotonic() - begun)
            self.controllers["a"] = new
            self.waiting.append(old)
            # Of this the old one knows nothing: if it writes what it thinks is right, it takes that away.
            self.ask_for_entries(f"10.99.{turn}.1")
            old.process.send_signal(signal.SIGCONT)
            wait("news of the other one", lambda one=old, before=told: len(one.leases()) > before
                 and one.lease() == f"held by {new.name}")
            wait("the end of its sessions", lambda one=old, before=lost:
                 one.log().count("leaving the switch") >= before + len(CLUSTERS["a"]))
            self.ask_for_entries(f"10.99.{turn}.2")
            wait("nodes of a", self.all_attached)

    def ask_for_entries(self, receiver):
        """An entry for each switch of cluster a, until all that were ever asked for are there."""
        self.entries.append(f"{receiver}/32")
        for node in CLUSTERS["a"]:
            entry = {"switch": f"s{node}", "table": "ingress.peer", "match": {"hdr.ipv4.dst": self.entries[-1]},
                     "action": "ingress.speaks_v6", "params": {"lifetime32": "1", "sequence32": "1"}}
            self.holder("a").ask(f"/v1/overrides/{receiver}-{node}", "PUT", entry)
        wait("entries", lambda: all(entry in self.peers(node) for node in CLUSTERS["a"] for entry in self.entries))

    def peers(self, node):
        """The receivers that a switch knows, as it says itself."""
        target = "bmv2" if self.programs.kind == "bmv2" else "sddtn"
        return self.programs.call("sddtnctl", "--switch", f"127.0.0.1:{grpc(node)}", "--target", target,
                                  "--format", "json", "tables", "ingress.peer")

    def lose_switch(self):
        time.sleep(3)
        begun, killed = time.time(), time.monotonic()
        self.switches[21].kill_process()
        self.switches[21].run()

        def programmed():
            rows = self.controllers["b"].ask("/v1/switches")
            row = next(row for row in rows if row["name"] == "s21")
            return row["status"] == "programmed"

        wait("loss of the switch", lambda: not programmed())
        wait("switch", programmed)
        self.report.times("switch killed to switch programmed", [time.monotonic() - killed])
        self.outages.append((self.names(21), begun, time.time()))

    def lose_link(self):
        time.sleep(3)
        begun = time.time()
        self.cables[11, 12].set("down")
        time.sleep(LINK_LOST_S)
        self.cables[11, 12].set("up")
        # What has to leave by a link that is down is last seen where it came in.
        near = {name for node in (11, 12) for name in self.names(node)}
        self.outages.append((near, begun, time.time()))

    def figures(self):
        seen = self.observer.stop()
        edges, digests = [], []
        for node, number, missing, present in self.appeared(seen):
            neighbours = [other for one, other, *_ in links() if one == node]
            if number > len(neighbours):
                # A learned one has the number behind the last one of the configuration.
                if node == 12 and self.said < present:
                    digests.append(present - self.said)
                continue
            other = neighbours[number - 1]
            pair = next((pair for pair in BETWEEN if set(pair) == {node, other}), None)
            for start, _ in self.plan.windows(pair) if pair else []:
                start += self.plan.origin
                # Only where the switch was looked at not long before.
                if start - 1 < missing <= start <= present < start + 5:
                    edges.append(present - start)
        self.report.times("bundle of an unknown neighbour (digest) to its rule", digests[:1])
        self.report.times("beginning of a contact to its rule", edges)
        self.report.times("change to the last node's acknowledgement", self.acknowledged)
        self.report.times("controller killed to nodes in charge", self.fail_over)
        self.figures_of_writes()
        looks, rules, outlived = (sum(one[kind] for one in seen.values())
                                  for kind in ("looks", "rules", "outlived"))
        self.report.add("links that came up too late, because the machine was busy", len(self.late_links))
        self.report.add("looks at switches; rules of neighbours seen", f"{looks}; {rules}")
        self.report.add("rules that outlived their contact", outlived)
        self.report.demand(rules, "no rule was seen, so nothing is shown")
        self.report.demand(not outlived, f"{outlived} times rules outlived their contacts")
        self.report.demand(digests, "the host that is in no plan got no rule")
        self.report.demand(edges, "no contact was seen to begin")

    def figures_of_writes(self):
        """What the switches of cluster a accepted from whom, as it was seen on the way there."""
        self.writes.stop()
        deposed, seen = self.writes.of_deposed(), self.writes.of_controllers()
        accepted = sum(write.accepted for write in deposed)
        self.report.times("controller stopped to the other one's switches programmed", self.taken_over)
        # Each has said that another one holds the cluster, and that it leaves its switches.
        self.report.add("controllers of a that were deposed and found out; epochs in which was written",
                        f"{len(self.taken_over)}; {len({write.epoch for write in seen if write.accepted})}")
        self.report.add("writes to switches of a; accepted from deposed controllers; refused to them",
                        f"{len(seen)}; {accepted}; {len(deposed) - accepted}")
        self.report.demand(not self.writes.lost, f"the listener has lost {self.writes.lost} connections to switches")
        self.report.demand(not accepted, f"switches accepted {accepted} writes of deposed controllers: {deposed[:3]}")
        # A call that was under way when its program was stopped may arrive.
        most = len(self.taken_over) * len(CLUSTERS["a"])
        self.report.demand(len(deposed) <= most, f"deposed controllers went on writing: {deposed[:3]}")

    @staticmethod
    def appeared(seen):
        """Node, number of a neighbour, when it was last missing, and first there."""
        return [(node, one["neighbour"], one["missing"], one["present"])
                for node, of_node in seen.items() for one in of_node["appeared"]]

    def stop(self):
        self.stopped.set()
        if hasattr(self, "trail"):
            self.trail.stop()
        if hasattr(self, "net"):
            self.net.stop()
