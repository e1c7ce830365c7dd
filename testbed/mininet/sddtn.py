# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The programs of this repository in Mininet: a switch class, daemons, hosts, and what they report."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

from mininet.link import Link
from mininet.node import Host, Switch

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 60.0
SLOW_PATH_PORT = 9
# The ends of cables that are not at a switch have names that end so.
INNER = "-w"


class Failed(Exception):
    """A scenario cannot go on."""


def wait(what, condition, patience=PATIENCE, pause=0.01):
    """Waits for a condition, and returns what it gives."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Failed(f"no {what} within {patience:.0f} s")
        time.sleep(pause)
    return found


class Programs:
    """Where the programs are, where files go, and which kind of switch is used."""

    def __init__(self, folder, out, kind):
        self.folder, self.out, self.kind = folder, os.path.abspath(out), kind
        os.makedirs(self.out, exist_ok=True)
        # What an earlier run has left would be delivered in this one.
        for name in os.listdir(self.out):
            if name.endswith((".redb", ".bin", ".jsonl", ".log", ".ready")):
                os.remove(self.file(name))
        self.running = []

    def path(self, name):
        path = os.path.join(self.folder, name)
        if not os.access(path, os.X_OK):
            raise Failed(f"{path} is missing: make build")
        return path

    def file(self, name):
        return os.path.join(self.out, name)

    def write(self, name, text):
        with open(self.file(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.file(name)

    def generate(self, name, max_payload):
        """Generates a program, and compiles it if the switch wants that."""
        self.call("p4gen", "--target", "bmv2", "--max-payload", str(max_payload), "--slow-path-port",
                  str(SLOW_PATH_PORT), "--name", name, "-o", self.out)
        if self.kind == "bmv2":
            subprocess.run(["p4c-bm2-ss", "--std", "p4-16", "-o", self.file(f"{name}.json"),
                            self.file(f"{name}.p4")], check=True)
            return f"{name}.json"
        return f"{name}.p4"

    def call(self, name, *options):
        done = subprocess.run([self.path(name), *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"{name} {' '.join(options)}: {done.stderr}")
        return done.stdout

    def start(self, name, options, log, within=None):
        """Starts a program of this repository, in the namespace of a host or in the one of switches."""
        command = [name if os.path.isabs(name) else self.path(name), *options]
        with open(self.file(log), "a", encoding="utf-8") as file:
            popen = within.popen if within else subprocess.Popen
            process = popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        self.running.append(process)
        return process

    def stop_all(self):
        for process in self.running:
            if process.poll() is None:
                process.terminate()
        for process in self.running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def call(*words):
    """Runs a program of the machine, in the namespace of switches."""
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def quiet(name):
    """Takes an interface up that says nothing by itself, and takes long frames."""
    call("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
    call("ethtool", "-K", name, "tx", "off", "rx", "off")
    call("ip", "link", "set", name, "mtu", "9000", "up")


class Cable(Link):
    """A link between two switches that can be cut while their ports stay up; `wire.py` is its middle."""

    @classmethod
    def makeIntfPair(cls, intfname1, intfname2, *_, **__):
        for name in (intfname1, intfname2):
            call("ip", "link", "add", name, "type", "veth", "peer", "name", cls.inner(name))
            quiet(cls.inner(name))

    @staticmethod
    def inner(name):
        """The other end of the interface of a switch."""
        return f"{name}{INNER}"

    def ends(self):
        return [self.inner(end.name) for end in (self.intf1, self.intf2)]

    def set(self, status):
        for name in self.ends():
            call("ip", "link", "set", name, status)

    @staticmethod
    def lay(programs, cables):
        """Begins to carry what is sent into cables."""
        ready = programs.file("wire.ready")
        pairs = ["=".join(cable.ends()) for cable in cables]
        programs.start(sys.executable, [os.path.join(HERE, "wire.py"), "--ready-file", ready, *pairs], "wire.log")
        wait("cables", lambda: os.path.exists(ready))


class BundleSwitch(Switch):
    """A switch that runs a generated program: ours, or BMv2's `simple_switch_grpc`.

    Its ports are the interfaces that Mininet gives it, under the same numbers. Port 9 leads to the
    slow path, by a pair of interfaces whose other end is `slow`.
    """

    def __init__(self, name, programs=None, grpc=0, **options):
        options["inNamespace"] = False
        super().__init__(name, **options)
        self.programs, self.grpc, self.process = programs, grpc, None
        self.slow = f"{name}-node"

    @property
    def address(self):
        return f"127.0.0.1:{self.grpc}"

    def ready(self):
        """Makes interfaces that say nothing by themselves."""
        self.cmd(f"ip link add {self.name}-slow type veth peer name {self.slow}")
        for name in [*self.ports_by_number().values(), f"{self.name}-slow", self.slow]:
            quiet(name)

    def ports_by_number(self):
        return {number: port.name for port, number in self.ports.items() if port.name != "lo"}

    def start(self, _controllers):
        self.ready()
        self.run()

    def run(self):
        ports = {**self.ports_by_number(), SLOW_PATH_PORT: f"{self.name}-slow"}
        ports = [word for number, name in ports.items() for word in ("-i", f"{number}@{name}")]
        if self.programs.kind == "bmv2":
            # Its interfaces come before the options of its target.
            options = ["--no-p4", "--device-id", "1", *ports, "--", "--grpc-server-addr", self.address]
            program = subprocess.run(["which", "simple_switch_grpc"], capture_output=True, text=True,
                                     check=True).stdout.strip()
        else:
            options = ["run", "--grpc-addr", self.address, *ports]
            program = "p4switch"
        self.process = self.programs.start(program, options, f"{self.name}.log")

    def kill_process(self):
        self.process.kill()
        self.process.wait()

    def stop(self, deleteIntfs=True):
        if self.process and self.process.poll() is None:
            self.process.terminate()
        super().stop(deleteIntfs)


class BundleHost(Host):
    """An unmodified host: the kernel finishes checksums, because no hardware does."""

    def config(self, **params):
        done = super().config(**params)
        self.cmd(f"ethtool -K {self.defaultIntf().name} tx off rx off")
        return done


class Endpoint:
    """A host with a receiver, which sends when it is asked to."""

    def __init__(self, programs, host, node, version, via):
        self.programs, self.host, self.node, self.version, self.via = programs, host, node, version, via
        self.sent_log, self.arrived_log = (
            programs.file(f"{host.name}.{kind}.jsonl") for kind in ("sent", "arrived"))
        for log in (self.sent_log, self.arrived_log):
            if os.path.exists(log):
                os.remove(log)
        self.receiver = self.run("--log", self.arrived_log, "receive")
        wait(f"receiver on {host.name}", lambda: os.path.exists(self.arrived_log)
             and os.path.getsize(self.arrived_log))
        self.next = 0

    def run(self, *options):
        script = os.path.join(HERE, "host.py")
        return self.programs.start(sys.executable, [script, "--node", str(self.node), *options],
                                   f"{self.host.name}.log", self.host)

    def send(self, to, count, interval=0.05, octets=0):
        """Begins to send bundles to nodes in turn. Returns the process."""
        first, self.next = self.next, self.next + count
        return self.run("--log", self.sent_log, "send", "--version", str(self.version), "--via", self.via,
                        "--to", *map(str, to), "--count", str(count), "--interval", str(interval),
                        "--first", str(first), "--octets", str(octets))

    def sent(self):
        return lines(self.sent_log)

    def arrived(self):
        return [line for line in lines(self.arrived_log) if "number" in line]


def lines(path):
    """The whole JSON lines of a file."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


class Controller:
    """A cluster controller that can be killed and started again."""

    def __init__(self, programs, name, config, api):
        self.programs, self.name, self.api = programs, name, api
        self.config = programs.write(f"{name}.toml", config)
        self.ready_file = programs.file(f"{name}.ready")
        self.process = None

    def start(self):
        if os.path.exists(self.ready_file):
            os.remove(self.ready_file)
        self.process = self.programs.start(
            "sddtn-controller", ["--config", self.config, "--ready-file", self.ready_file],
            f"{self.name}.log")

    def wait(self):
        wait(f"ready file of {self.name}", lambda: self.check() and os.path.exists(self.ready_file))

    def check(self):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended:\n{tail(self.programs.file(self.name + '.log'))}")
        return True

    def kill(self):
        self.process.kill()
        self.process.wait()

    def log(self):
        with open(self.programs.file(f"{self.name}.log"), encoding="utf-8") as file:
            return file.read()

    def leases(self):
        """What it said about the lease of its cluster, in order."""
        return re.findall(r'lease="(held (?:by|in)[^"]*)"', self.log())

    def lease(self):
        """What it said last."""
        return (self.leases() or [""])[-1]

    def programmed(self):
        """Whether its switches hold what they should."""
        return all(row["status"] == "programmed" for row in self.ask("/v1/switches"))

    def ask(self, path, method="GET", body=None):
        request = urllib.request.Request(f"http://{self.api}{path}", method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)


def tail(path, count=15):
    with open(path, encoding="utf-8") as file:
        return "".join(file.readlines()[-count:])


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


class Report:
    """Rows of figures, and what has to be."""

    def __init__(self, title):
        self.title, self.rows, self.faults = title, [], []

    def add(self, what, value, unit=""):
        self.rows.append({"what": what, "value": value, "unit": unit})

    def traffic(self, what, sent, arrived):
        """Delivery and delay of bundles. Returns those that did not arrive."""
        first = {}
        for line in arrived:
            first.setdefault((line["from"], line["number"]), line["arrived"])
        delays = [first[key] - line["sent"] for line in sent
                  if (key := (line["from"], line["number"])) in first]
        missing = [line for line in sent if (line["from"], line["number"]) not in first]
        self.add(f"{what}: sent, arrived", f"{len(sent)}, {len(delays)}")
        if sent:
            self.add(f"{what}: delivery ratio", round(len(delays) / len(sent), 4))
        if delays:
            self.add(f"{what}: delay, median", round(percentile(delays, 0.5) * 1000, 2), "ms")
            self.add(f"{what}: delay, 99 of 100", round(percentile(delays, 0.99) * 1000, 2), "ms")
        return missing

    def times(self, what, values):
        """Times in seconds."""
        if values:
            text = f"{percentile(values, 0.5) * 1000:.1f} / {max(values) * 1000:.1f} ({len(values)} times)"
            self.add(f"{what}: median / longest", text, "ms")

    def demand(self, holds, fault):
        if not holds:
            self.faults.append(fault)

    def text(self):
        rows = [f"| {row['what']} | {row['value']}{' ' + row['unit'] if row['unit'] else ''} |"
                for row in self.rows]
        faults = [f"FAULT: {fault}" for fault in self.faults]
        return "\n".join([f"## {self.title}", "", "| what | |", "| --- | ---: |", *rows, "", *faults])

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"title": self.title, "rows": self.rows, "faults": self.faults}, file, indent=2)


def interrupted():
    """Makes SIGTERM end a scenario as an interrupt does, so that it cleans up."""
    def end(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, end)
